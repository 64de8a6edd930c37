"""Django's database connections around tasks: what a request does with them, a task does, too.

Django closes connections that are broken or older than ``CONN_MAX_AGE`` when a request begins and ends. In a worker
there are no requests: without this a connection that broke would stay broken, on its thread, for good.
"""

from __future__ import annotations

from collections.abc import Callable, Coroutine
from functools import wraps
from typing import TYPE_CHECKING, Any

from asgiref.sync import SyncToAsync, ThreadSensitiveContext, sync_to_async
from django.db import close_old_connections, connections, reset_queries

from plait.worker.executor import Caller

if TYPE_CHECKING:
    from plait.declaration.code import TaskCode
    from plait.declaration.context import Context


class ConnectionKeeper(Caller):
    """Calls tasks as Django calls views."""

    def call(self, code: TaskCode[Any], context: Context) -> Any:
        """A ``def`` task has the connections of its thread, which the next task there finds as it leaves them."""
        reset_queries()  # with DEBUG, Django remembers all statements of a thread
        close_old_connections()
        try:
            return super().call(code, context)
        finally:
            close_old_connections()

    def aio_call(self, code: TaskCode[Any], context: Context) -> Coroutine[Any, Any, Any]:
        """An ``async def`` task has a thread for its ORM calls, as a request has under ASGI; it ends with the task."""
        return self._aio_call(code, context)

    async def _aio_call(self, code: TaskCode[Any], context: Context) -> Any:
        async with ThreadSensitiveContext() as thread:
            try:
                return await super().aio_call(code, context)
            finally:
                if thread in SyncToAsync.context_to_thread_executor:  # there is a thread: it was used
                    await sync_to_async(connections.close_all)()


def disconnect_before_tests_end(alias: str, close: Callable[[], None]) -> None:
    """Have ``close`` called before the test runner drops its database, which PostgreSQL refuses while it is in use.

    Django has no signal for that moment; the method is replaced on this one connection, not on its class.
    """
    creation = connections[alias].creation
    destroy = creation.destroy_test_db

    @wraps(destroy)
    def close_and_destroy(*arguments: Any, **options: Any) -> Any:
        close()
        return destroy(*arguments, **options)

    creation.destroy_test_db = close_and_destroy
