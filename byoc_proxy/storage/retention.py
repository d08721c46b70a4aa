"""Old calls and alerts leave the database, a few rows at a time, so that nobody waits for it."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any, Final, NamedTuple

from sqlalchemy import delete, exists, select

from byoc_proxy.storage.errors import StoreUnavailable
from byoc_proxy.storage.tables import alerts, call_events, calls

if TYPE_CHECKING:
    from collections.abc import Callable

    from sqlalchemy import ColumnElement, Table

    from byoc_proxy.storage.database import Database

DAY: Final = 86_400.0
EVERY: Final = 3600.0  # seconds between two rounds
AT_A_TIME: Final = 500  # rows of a transaction, which takes some milliseconds
_BREATH: Final = 0.1  # seconds between two of them
_ALONE: Final = ~exists().where(calls.c.sid == call_events.c.call_sid)  # they are kept as long as their calls


class Retention(NamedTuple):
    """For how many days calls and alerts are kept."""

    calls: int
    alerts: int


async def prune(database: Database, keep: Retention, wall: Callable[[], float], log: Any) -> None:
    """Take away what is older, once an hour until cancelled. `wall` gives seconds since 1970."""
    while True:
        now = wall()
        try:
            call_limit, alert_limit = now - keep.calls * DAY, now - keep.alerts * DAY
            gone = {
                "calls": await _prune(database, calls, calls.c.end_time < call_limit),
                "webhooks": await _prune(database, call_events, call_events.c.date_created < call_limit, _ALONE),
                "alerts": await _prune(database, alerts, alerts.c.date_updated < alert_limit),
            }
        except StoreUnavailable as error:
            log.warning("records.not_pruned", cause=str(error), text="tried again in an hour")
        else:
            if any(gone.values()):
                log.info("records.pruned", **gone)
        await asyncio.sleep(EVERY)


async def _prune(database: Database, table: Table, *old: ColumnElement[bool]) -> int:
    """Rows are in the order of their making, so only the first ones are looked at. A call that lives stays."""
    gone = 0
    while True:
        first = select(table.c.id).order_by(table.c.id).limit(AT_A_TIME).scalar_subquery()
        async with database.recording() as connection:
            done = await connection.execute(delete(table).where(table.c.id.in_(first), *old))
        if not done.rowcount:
            return gone
        gone += done.rowcount
        await asyncio.sleep(_BREATH)
