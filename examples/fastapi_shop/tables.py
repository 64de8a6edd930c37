"""The tables of the shop, and the way to them."""

from __future__ import annotations

import os
from functools import cache

from sqlalchemy.ext.asyncio import AsyncEngine, AsyncSession, create_async_engine
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column


class Base(DeclarativeBase):
    """The shop's tables live beside Plait's own, in one database: that is what makes one transaction of both."""


class Item(Base):
    """Something for sale."""

    __tablename__ = "item"

    name: Mapped[str] = mapped_column(primary_key=True)
    price: Mapped[int]
    """In cents."""
    stock: Mapped[int]


class Order(Base):
    """An order. ``run_id`` is the run that fulfils it, written in the same transaction that starts it."""

    __tablename__ = "shop_order"

    id: Mapped[int] = mapped_column(primary_key=True)
    item: Mapped[str]
    amount: Mapped[int]
    run_id: Mapped[str | None] = mapped_column(default=None)
    tracking: Mapped[str | None] = mapped_column(default=None)


@cache
def open_engine() -> AsyncEngine:
    """SQLAlchemy's engine of this process, on the database that Plait uses, too."""
    return create_async_engine(os.environ["DATABASE_URL"].replace("postgresql://", "postgresql+asyncpg://", 1))


def open_session() -> AsyncSession:
    """A session; ``async with open_session() as session, session.begin():`` is a transaction."""
    return AsyncSession(open_engine(), expire_on_commit=False)


async def make_tables() -> None:
    """Make the tables, with something on the shelf. An application of yours would use Alembic."""
    async with open_engine().begin() as connection:
        await connection.run_sync(Base.metadata.create_all)
    async with open_session() as session, session.begin():
        for item in (Item(name="tea", price=450, stock=100), Item(name="cup", price=1200, stock=1)):
            if await session.get(Item, item.name) is None:
                session.add(item)
