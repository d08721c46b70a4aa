"""The order of changes: a number that grows by one with every commit, and what each of them touched.

A node that has seen revision 7 and finds 9 in the database reads again what 8 and 9 touched, and is up to date.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, NamedTuple

from sqlalchemy import delete, insert, select, text, update

from byoc_proxy.storage.tables import changes, revision

if TYPE_CHECKING:
    from collections.abc import Collection

    from sqlalchemy.ext.asyncio import AsyncConnection

CHANNEL: Final = "byoc_proxy_changes"  # of PostgreSQL's NOTIFY; the payload is the revision
KEPT: Final = 100_000  # revisions; who is further behind reads everything again
_SWEEP_EVERY: Final = 1000  # revisions


class Place(NamedTuple):
    """One row: a field of `trunk.model.Resources`, and the SID."""

    section: str
    sid: str


async def current(connection: AsyncConnection) -> int:
    """The number of the last revision."""
    number: int = (await connection.execute(select(revision.c.number).where(revision.c.id == 1))).scalar_one()
    return number


async def touched_since(connection: AsyncConnection, seen: int) -> tuple[int, list[Place] | None]:
    """The last revision, and the places that those after `seen` touched; None: that is not known any more."""
    last = await current(connection)
    if last == seen:
        return last, []
    rows = (
        await connection.execute(
            select(changes.c.revision, changes.c.section, changes.c.sid)
            .where(changes.c.revision > seen)
            .order_by(changes.c.id)
        )
    ).all()
    # backwards: somebody has put a backup in place
    if last < seen or not rows or rows[0].revision != seen + 1:
        return last, None
    return last, list(dict.fromkeys(Place(section, sid) for _, section, sid in rows))


async def add_revision(connection: AsyncConnection, number: int, places: Collection[Place], now: int) -> None:
    """Write down revision `number`; whoever listens hears of it when the transaction is committed."""
    await connection.execute(update(revision).values(number=number))
    values = [{"revision": number, "section": place.section, "sid": place.sid, "at": now} for place in places]
    await connection.execute(insert(changes), values)
    if number % _SWEEP_EVERY == 0:
        await connection.execute(delete(changes).where(changes.c.revision <= number - KEPT))
    if connection.dialect.name == "postgresql":
        await connection.execute(
            text("SELECT pg_notify(:channel, :number)"), {"channel": CHANNEL, "number": str(number)}
        )
