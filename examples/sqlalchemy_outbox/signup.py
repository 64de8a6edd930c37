"""A row and the run that follows from it, in one transaction: with a ``Session``, and with an ``AsyncSession``.

    DATABASE_URL=postgresql://… python signup.py

It plays both parts, the application and, at the end, the worker. Needs ``sqlalchemy[asyncio]`` and ``psycopg``, which
speaks both ways.
"""

from __future__ import annotations

import asyncio
import os
from contextlib import suppress

from pydantic import BaseModel
from sqlalchemy import Engine, create_engine, select
from sqlalchemy.exc import IntegrityError
from sqlalchemy.ext.asyncio import AsyncEngine, AsyncSession, create_async_engine
from sqlalchemy.orm import DeclarativeBase, Mapped, Session, mapped_column

from plait import Context, Plait

plait = Plait()


class Base(DeclarativeBase):
    """The application's tables."""


class Account(Base):
    """Somebody who signed up. An address signs up once."""

    __tablename__ = "account"

    id: Mapped[int] = mapped_column(primary_key=True)
    address: Mapped[str] = mapped_column(unique=True)


class Welcome(BaseModel):
    """Whom to welcome."""

    address: str


@plait.task(name="welcome", input_validator=Welcome)
async def welcome(input: Welcome, ctx: Context) -> str:
    return f"welcome, {input.address}"


def sign_up(engine: Engine, address: str) -> str:
    """Store an account and start its welcome; returns the run's id. An address that is taken leaves neither.

    The account is sent to the database by the commit, after the run: inside a transaction order does not matter.
    """
    with Session(engine) as session, session.begin():
        session.add(Account(address=address))
        return welcome.run_no_wait(Welcome(address=address), connection=session).workflow_run_id


async def aio_sign_up(engine: AsyncEngine, address: str) -> str:
    """``sign_up`` for asynchronous code."""
    async with AsyncSession(engine) as session, session.begin():
        session.add(Account(address=address))
        run = await welcome.aio_run_no_wait(Welcome(address=address), connection=session)
        return run.workflow_run_id


async def main() -> None:
    url = os.environ["DATABASE_URL"].replace("postgresql://", "postgresql+psycopg://", 1)
    async with plait:
        engine, aio_engine = create_engine(url), create_async_engine(url)
        Base.metadata.create_all(engine)
        runs = [sign_up(engine, "ada@example.com"), await aio_sign_up(aio_engine, "grace@example.com")]
        with suppress(IntegrityError):  # raised by the commit, when the run had been started
            sign_up(engine, "ada@example.com")
        with suppress(IntegrityError):
            await aio_sign_up(aio_engine, "grace@example.com")
        with Session(engine) as session:
            print("accounts:", *session.scalars(select(Account.address).order_by(Account.id)))
        async with plait.worker().running():
            for run_id in runs:
                print(await plait.runs.get_run_ref(run_id).aio_result())
        print("runs:", (await plait.runs.aio_count()).runs)
        engine.dispose()
        await aio_engine.dispose()


if __name__ == "__main__":
    asyncio.run(main())
