"""The statements about status callbacks that wait to be delivered."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any, Final

from sqlalchemy import delete, select, update

from byoc_proxy.storage.notice import COMPLETED, End, Notice, Subscription, pairs, row_of
from byoc_proxy.storage.tables import calls, notices
from byoc_proxy.storage.upsert import upsert

if TYPE_CHECKING:
    from collections.abc import Sequence

    from sqlalchemy import Row as Found
    from sqlalchemy.ext.asyncio import AsyncConnection

Row = dict[str, Any]

_OK: Final = 200


async def write_notices(connection: AsyncConnection, rows: Sequence[Row]) -> None:
    """Put in those that are not there; take out what is `settled`."""
    new = [row for row in rows if "settled" not in row]
    await upsert(connection.dialect, notices, "token").run(connection, new)
    gone = [row["token"] for row in rows if "settled" in row]
    if gone:
        await connection.execute(delete(notices).where(notices.c.token.in_(gone)))


async def settle_owed(connection: AsyncConnection, node: str) -> None:
    """The calls that a node had up are over by now: put in what their subscribers are owed."""
    columns = calls.c
    owing = (columns.node == node) & columns.owed.is_not(None) & columns.end_time.is_not(None)
    names = ("sid", "account_sid", "owed", "status", "end_time", "duration")
    found = (await connection.execute(select(*(columns[name] for name in names)).where(owing))).all()
    if not found:
        return
    await write_notices(connection, [row_of(_last(row), node) for row in found])
    await connection.execute(update(calls).where(owing).values(owed=None))


async def inherit(connection: AsyncConnection, node: str, heir: str) -> list[Notice]:
    """What `node` had to deliver, in order; from now on it is `heir`'s."""
    names = ("token", "call_sid", "account_sid", "url", "method", "parameters", "made_at", "body_format")
    query = select(*(notices.c[name] for name in names)).where(notices.c.node == node).order_by(notices.c.id)
    found = (await connection.execute(query)).all()
    if node != heir:
        await connection.execute(update(notices).where(notices.c.node == node).values(node=heir))
    return [Notice(**{**row._mapping, "parameters": pairs(json.loads(row.parameters))}) for row in found]


def _last(row: Found[Any]) -> Notice:
    """The last callback of a leg whose process could not send it."""
    subscription = Subscription.read(row.sid, row.account_sid, row.owed)
    answered = subscription.answered_at
    lasted = 0.0 if answered is None else row.end_time - answered
    seconds = float(row.duration) if row.duration is not None else max(lasted, 0.0)
    return subscription.notice(COMPLETED, row.status, row.end_time, End(seconds, None if answered is None else _OK))
