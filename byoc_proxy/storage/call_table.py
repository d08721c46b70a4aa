"""The statements that write calls, alerts and nodes; none takes the lock at which changes of resources queue."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final, NamedTuple

from sqlalchemy import case, delete, func, select, update
from sqlalchemy.dialects import postgresql, sqlite

from byoc_proxy.storage.live import INTERRUPTED
from byoc_proxy.storage.tables import alerts, calls, nodes

if TYPE_CHECKING:
    from collections.abc import Sequence

    from sqlalchemy import ColumnElement, Executable, Table
    from sqlalchemy.ext.asyncio import AsyncConnection

Row = dict[str, Any]

SLICE: Final = 50  # rows that are handed over at a time: some 1 ms, in which the loop does nothing else
_STATE: Final = ("status", "start_time", "end_time", "duration", "cause", "node", "record", "date_updated")


class Standing(NamedTuple):
    """What the table knows of a node: when it lived, and up to which end its calls are recorded."""

    alive: float
    recorded: float


async def write_calls(connection: AsyncConnection, rows: Sequence[Row]) -> None:
    """Put rows in the place of what the table has of the same calls."""
    await _in_slices(connection, _upsert(connection, calls, "sid", _STATE), rows)


async def fill_in(connection: AsyncConnection, rows: Sequence[Row]) -> None:
    """Put in what is not there, or not as that of a call that is over."""
    statement = _upsert(connection, calls, "sid", _STATE, calls.c.record.is_(None))
    await _in_slices(connection, statement, rows)


async def write_alerts(connection: AsyncConnection, rows: Sequence[Row]) -> None:
    """Put in alerts, or count up those that are there."""
    await _in_slices(connection, _upsert(connection, alerts, "sid", ("count", "date_updated")), rows)


async def standing_of(connection: AsyncConnection, node: str) -> Standing:
    """What is known of a node; zeros of one that nobody has heard of."""
    found = await connection.execute(select(nodes.c.alive, nodes.c.recorded).where(nodes.c.name == node))
    row = found.one_or_none()
    return Standing(0.0, 0.0) if row is None else Standing(*row)


async def note_alive(connection: AsyncConnection, node: str, standing: Standing) -> None:
    """The node lives."""
    row = {"name": node, "alive": int(standing.alive), "recorded": standing.recorded}
    await connection.execute(_upsert(connection, nodes, "name", ("alive", "recorded")), row)


async def silent_since(connection: AsyncConnection, moment: float) -> dict[str, float]:
    """The nodes that nothing was heard of since then, with the moment of their last sign of life."""
    found = await connection.execute(select(nodes.c.name, nodes.c.alive).where(nodes.c.alive < moment))
    return {name: float(alive) for name, alive in found}


async def forget(connection: AsyncConnection, node: str) -> None:
    """The node is gone for good."""
    await connection.execute(delete(nodes).where(nodes.c.name == node))


async def interrupt(connection: AsyncConnection, node: str, alive: float, now: float) -> int:
    """End the calls that a node had up when it died, at its last sign of life; how many calls they were."""
    lives = (calls.c.node == node) & calls.c.end_time.is_(None)
    count = await connection.scalar(
        select(func.count()).select_from(calls).where(lives, calls.c.parent_call_sid.is_(None))
    )
    await connection.execute(
        update(calls)
        .where(lives)
        .values(
            status="failed",
            cause=INTERRUPTED,
            end_time=case((calls.c.start_time > alive, calls.c.start_time), else_=alive),
            date_updated=int(now),
        )
    )
    return count or 0


async def _in_slices(connection: AsyncConnection, statement: Executable, rows: Sequence[Row]) -> None:
    for start in range(0, len(rows), SLICE):
        await connection.execute(statement, rows[start : start + SLICE])


def _upsert(
    connection: AsyncConnection,
    table: Table,
    key: str,
    columns: Sequence[str],
    where: ColumnElement[bool] | None = None,
) -> Executable:
    """INSERT … ON CONFLICT, which both databases have under another name in SQLAlchemy."""
    if connection.dialect.name == "sqlite":
        lite = sqlite.insert(table)
        changes = {name: lite.excluded[name] for name in columns}
        return lite.on_conflict_do_update(index_elements=[key], set_=changes, where=where)
    post = postgresql.insert(table)
    changes = {name: post.excluded[name] for name in columns}
    return post.on_conflict_do_update(index_elements=[key], set_=changes, where=where)
