"""What one node asks of another through the database that they share: a line of JSON there, and one back."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, NamedTuple

from sqlalchemy import delete, insert, select, update

from byoc_proxy.storage.tables import errands

if TYPE_CHECKING:
    from sqlalchemy.ext.asyncio import AsyncConnection

STALE: Final = 60  # seconds after which nobody waits for an answer any more


class Errand(NamedTuple):
    """Something that is asked of us."""

    number: int
    asked: str


async def ask(connection: AsyncConnection, node: str, asked: str, now: float) -> int:
    """Put in what is asked of a node; the number to look for the answer by."""
    made = await connection.execute(
        insert(errands).values(node=node, asked=asked, at=int(now)).returning(errands.c.id)
    )
    return int(made.scalar_one())


async def answer_to(connection: AsyncConnection, number: int) -> str | None:
    """What came back, if it has come."""
    answer: str | None = await connection.scalar(select(errands.c.answer).where(errands.c.id == number))
    return answer


async def forget(connection: AsyncConnection, number: int) -> None:
    """Nobody waits for it any more: it has its answer, or will not get one."""
    await connection.execute(delete(errands).where(errands.c.id == number))


async def asked_of(connection: AsyncConnection, node: str) -> list[Errand]:
    """What is asked of a node and not answered yet, in order."""
    waiting = (errands.c.node == node) & errands.c.answer.is_(None)
    found = await connection.execute(select(errands.c.id, errands.c.asked).where(waiting).order_by(errands.c.id))
    return [Errand(*row) for row in found]


async def answer(connection: AsyncConnection, number: int, text: str, now: float) -> None:
    """Put in an answer, and clear away what died with who asked for it."""
    await connection.execute(update(errands).where(errands.c.id == number).values(answer=text))
    await connection.execute(delete(errands).where(errands.c.at < int(now) - STALE))
