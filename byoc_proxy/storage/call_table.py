"""The statements that write calls, alerts and nodes; none takes the lock at which changes of resources queue."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final, NamedTuple

from sqlalchemy import case, delete, func, select, update

from byoc_proxy.storage.live import INTERRUPTED
from byoc_proxy.storage.tables import alerts, call_events, calls, nodes
from byoc_proxy.storage.upsert import upsert

if TYPE_CHECKING:
    from collections.abc import Sequence

    from sqlalchemy.ext.asyncio import AsyncConnection

Row = dict[str, Any]

_STATE: Final = (
    *("status", "start_time", "end_time", "duration", "queue_time"),
    *("cause", "node", "record", "date_updated"),
)
_NEWS: Final = (*_STATE, "owed")
_UNRECORDED: Final = calls.c.record.is_(None)
_COUNTED: Final = ("count", "date_updated")
_SIGNS: Final = ("alive", "recorded")


class Standing(NamedTuple):
    """What the table knows of a node: when it lived, and up to which end its calls are recorded."""

    alive: float
    recorded: float


async def write_calls(connection: AsyncConnection, rows: Sequence[Row]) -> None:
    """Put rows in the place of what the table has of the same calls."""
    await upsert(connection.dialect, calls, "sid", _NEWS).run(connection, rows)


async def fill_in(connection: AsyncConnection, rows: Sequence[Row]) -> None:
    """Put in what is not there, or not as that of a call that is over. What is owed to somebody stays owed."""
    await upsert(connection.dialect, calls, "sid", _STATE, _UNRECORDED).run(connection, rows)


async def write_alerts(connection: AsyncConnection, rows: Sequence[Row]) -> None:
    """Put in alerts, or count up those that are there."""
    await upsert(connection.dialect, alerts, "sid", _COUNTED).run(connection, rows)


async def write_events(connection: AsyncConnection, rows: Sequence[Row]) -> None:
    """Put in exchanges; those that are there stay as they are."""
    await upsert(connection.dialect, call_events, "sid", ("date_updated",)).run(connection, rows)


async def standing_of(connection: AsyncConnection, node: str) -> Standing:
    """What is known of a node; zeros of one that nobody has heard of."""
    found = await connection.execute(select(nodes.c.alive, nodes.c.recorded).where(nodes.c.name == node))
    row = found.one_or_none()
    return Standing(0.0, 0.0) if row is None else Standing(*row)


async def note_alive(connection: AsyncConnection, node: str, standing: Standing) -> None:
    """The node lives."""
    row = {"name": node, "alive": int(standing.alive), "recorded": standing.recorded}
    await upsert(connection.dialect, nodes, "name", _SIGNS).run(connection, [row])


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
            end_time=case(
                (calls.c.start_time > alive, calls.c.start_time),
                (calls.c.date_created > alive, calls.c.date_created),  # it never left the queue
                else_=alive,
            ),
            date_updated=int(now),
        )
    )
    return count or 0


async def withdraw(connection: AsyncConnection, call_sid: str) -> None:
    """There is no such call, and there never was."""
    await connection.execute(delete(calls).where(calls.c.sid == call_sid))
