"""``Annotated[T, Depends(fn)]`` injects what ``fn(input, ctx)`` gives, opened and closed around each
attempt.
"""

import asyncio
import threading
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager, suppress
from typing import Annotated, Any

import pytest

from plait.declaration.code import TaskCode
from plait.declaration.declarations import Declarations
from plait.declaration.dependencies import Depends
from plait.declaration.task import get_code
from plait.errors import DefinitionError

log: list[str] = []


@pytest.fixture(autouse=True)
def _empty_log() -> None:
    log.clear()


def number(input: Any, ctx: Any) -> int:
    log.append("number")
    return 7


async def aio_number(input: Any, ctx: Any) -> int:
    await asyncio.sleep(0)
    return 8


def opened(input: Any, ctx: Any) -> Iterator[str]:
    log.append("open")
    try:
        yield "value"
    except BaseException as error:
        log.append(f"saw {type(error).__name__}")
        raise
    finally:
        log.append("close")


async def aio_opened(input: Any, ctx: Any) -> AsyncIterator[str]:
    log.append("aio open")
    try:
        yield "aio value"
    finally:
        log.append("aio close")


@contextmanager
def managed(input: Any, ctx: Any) -> Iterator[str]:
    yield f"managed {input}"


@asynccontextmanager
async def aio_managed(input: Any, ctx: Any) -> AsyncIterator[str]:
    yield f"aio managed {ctx}"


@contextmanager
def swallowing(input: Any, ctx: Any) -> Iterator[None]:
    with suppress(ValueError):
        yield


def nested(input: Any, ctx: Any, base: Annotated[int, Depends(number)]) -> int:
    return base + 1


def doubly(input: Any, ctx: Any, a: Annotated[int, Depends(nested)], *, b: Annotated[int, Depends(number)]) -> int:
    return a * b


def too_many(input: Any, ctx: Any, more: int) -> None: ...


Number = Annotated[int, Depends(number)]


def declare(fn: Any) -> TaskCode[Any]:
    return get_code(Declarations().workflow(name="W").task("t")(fn))


def test_a_plain_task_gets_values_generators_and_context_managers() -> None:
    def work(
        input: Any,
        ctx: Any,
        a: Number,
        b: Annotated[str, Depends(opened)],
        *,
        c: Annotated[str, Depends(managed)],
        d: int = 5,
    ) -> list[Any]:
        log.append("body")
        return [input, ctx, a, b, c, d]

    task = declare(work)
    assert list(task.dependencies) == ["a", "b", "c"]
    assert task.call("in", "ctx") == ["in", "ctx", 7, "value", "managed in", 5]  # type: ignore[arg-type]
    assert log == ["number", "open", "body", "close"]


async def test_an_async_task_gets_all_kinds() -> None:
    async def work(
        input: Any,
        ctx: Any,
        a: Annotated[int, Depends(number)],
        b: Annotated[int, Depends(aio_number)],
        c: Annotated[str, Depends(opened)],
        d: Annotated[str, Depends(aio_opened)],
        e: Annotated[str, Depends(managed)],
        f: Annotated[str, Depends(aio_managed)],
    ) -> list[Any]:
        log.append("body")
        return [a, b, c, d, e, f]

    result = await declare(work).aio_call("in", "ctx")  # type: ignore[arg-type]
    assert result == [7, 8, "value", "aio value", "managed in", "aio managed ctx"]
    assert log == ["number", "open", "aio open", "body", "aio close", "close"]


async def test_blocking_dependencies_of_an_async_task_run_in_threads() -> None:
    def where(input: Any, ctx: Any) -> str:
        return threading.current_thread().name

    def where_opened(input: Any, ctx: Any) -> Iterator[str]:
        yield threading.current_thread().name

    async def work(
        input: Any, ctx: Any, a: Annotated[str, Depends(where)], b: Annotated[str, Depends(where_opened)]
    ) -> list[str]:
        return [a, b]

    own = threading.current_thread().name
    assert own not in await declare(work).aio_call(None, None)  # type: ignore[arg-type]


def test_dependencies_may_have_dependencies_and_each_is_made_once_per_attempt() -> None:
    def work(input: Any, ctx: Any, a: Annotated[int, Depends(doubly)], b: Number) -> int:
        return a + b

    task = declare(work)
    assert task.call(None, None) == 63  # type: ignore[arg-type]
    assert log == ["number"]
    task.call(None, None)  # type: ignore[arg-type]
    assert log == ["number", "number"]


def test_a_dependency_sees_the_error_of_the_body_and_is_closed() -> None:
    def work(input: Any, ctx: Any, a: Annotated[str, Depends(opened)]) -> None:
        raise KeyError("x")

    with pytest.raises(KeyError):
        declare(work).call(None, None)  # type: ignore[arg-type]
    assert log == ["open", "saw KeyError", "close"]


def test_what_was_opened_is_closed_when_a_later_dependency_fails() -> None:
    def broken(input: Any, ctx: Any) -> int:
        raise LookupError("no such thing")

    def work(input: Any, ctx: Any, a: Annotated[str, Depends(opened)], b: Annotated[int, Depends(broken)]) -> None: ...

    with pytest.raises(LookupError, match="no such thing"):
        declare(work).call(None, None)  # type: ignore[arg-type]
    assert log == ["open", "saw LookupError", "close"]


async def test_a_dependency_cannot_swallow_the_error_of_the_body() -> None:
    def work(input: Any, ctx: Any, a: Annotated[None, Depends(swallowing)]) -> None:
        raise ValueError("must be seen")

    async def aio_work(input: Any, ctx: Any, a: Annotated[None, Depends(swallowing)]) -> None:
        raise ValueError("must be seen")

    with pytest.raises(ValueError, match="must be seen"):
        declare(work).call(None, None)  # type: ignore[arg-type]
    with pytest.raises(ValueError, match="must be seen"):
        await declare(aio_work).aio_call(None, None)  # type: ignore[arg-type]


async def test_a_cancellation_while_a_thread_opens_closes_what_it_opened() -> None:
    entered, go = threading.Event(), threading.Event()

    def slow(input: Any, ctx: Any) -> Iterator[None]:
        entered.set()
        go.wait(5)
        log.append("open")
        try:
            yield
        finally:
            log.append("close")

    async def work(input: Any, ctx: Any, a: Annotated[None, Depends(slow)]) -> None:
        log.append("body")

    running = asyncio.create_task(declare(work).aio_call(None, None))  # type: ignore[arg-type]
    await asyncio.to_thread(entered.wait, 5)
    running.cancel()
    await asyncio.sleep(0)
    go.set()
    with pytest.raises(asyncio.CancelledError):
        await running
    assert log == ["open", "close"]


def test_a_cancelled_async_body_closes_its_dependencies() -> None:
    async def work(input: Any, ctx: Any, a: Annotated[str, Depends(aio_opened)]) -> None:
        await asyncio.sleep(60)

    async def main() -> None:
        running = asyncio.create_task(declare(work).aio_call(None, None))  # type: ignore[arg-type]
        while not log:
            await asyncio.sleep(0)
        running.cancel()
        with pytest.raises(asyncio.CancelledError):
            await running

    asyncio.run(main())
    assert log == ["aio open", "aio close"]


def test_a_plain_task_cannot_use_an_async_dependency() -> None:
    for dependency in (aio_number, aio_opened):

        def work(input: Any, ctx: Any, a: Annotated[Any, Depends(dependency)]) -> None: ...

        with pytest.raises(
            DefinitionError,
            match=rf"task 't': .*work is a plain def, its dependency {dependency.__name__} is async",
        ):
            declare(work)


def test_an_async_context_manager_in_a_plain_task_fails_the_attempt_clearly() -> None:
    def work(input: Any, ctx: Any, a: Annotated[str, Depends(aio_managed)]) -> None: ...

    with pytest.raises(TypeError, match="aio_managed returned an async context manager, which only an async def"):
        declare(work).call(None, None)  # type: ignore[arg-type]


def test_a_dependency_takes_input_and_ctx_too() -> None:
    def work(input: Any, ctx: Any, a: Annotated[None, Depends(too_many)]) -> None: ...
    def other(input: Any, ctx: Any, a: Annotated[None, Depends(lambda: 1)]) -> None: ...

    with pytest.raises(DefinitionError, match=r"task 't', dependency too_many: .*missing a required argument: 'more'"):
        declare(work)
    with pytest.raises(DefinitionError, match=r"task 't', dependency .*<lambda>.* cannot be called with"):
        declare(other)


def test_dependencies_in_a_circle_are_refused() -> None:
    scope: dict[str, Any] = {"Annotated": Annotated, "Depends": Depends}
    exec(
        "from __future__ import annotations\n"
        "def a(input, ctx, x: Annotated[int, Depends(b)]): ...\n"
        "def b(input, ctx, x: Annotated[int, Depends(a)]): ...\n"
        "def work(input, ctx, x: Annotated[int, Depends(a)]): ...\n",
        scope,
    )
    with pytest.raises(DefinitionError, match="task 't': its dependencies go in a circle: a → b → a"):
        declare(scope["work"])


def test_depends_as_a_default_value_is_refused_with_the_spelling_that_works() -> None:
    def work(input: Any, ctx: Any, a: Any = Depends(number)) -> None: ...  # noqa: B008

    with pytest.raises(DefinitionError, match=r"write a: Annotated\[T, Depends\(number\)\]"):
        declare(work)


def test_depends_takes_a_function() -> None:
    with pytest.raises(DefinitionError, match=r"Depends\(5\): give it a function \(input, ctx\)"):
        Depends(5)  # type: ignore[arg-type]


def test_a_task_without_dependencies_is_called_directly() -> None:
    assert declare(number).call(None, None) == 7  # type: ignore[arg-type]
    assert declare(number).dependencies == {}
