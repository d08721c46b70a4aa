"""What the table `calls` says of a call: a row for the caller's leg and one for each leg that was dialled.

The statuses are those of the public Call resource. A leg that lives has no end; the whole story of the call, one
line of JSON, is on the row of the first leg and only when it is over.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from byoc_proxy.storage.plain import plain

if TYPE_CHECKING:
    from collections.abc import Mapping

    from byoc_proxy.storage.notice import Subscription
    from byoc_proxy.storage.record import CallRecord, LegRecord

Row = dict[str, Any]


def call_rows(
    record: CallRecord,
    node: str,
    now: float,
    line: str | None = None,
    subscriptions: Mapping[str, Subscription] | None = None,
) -> list[Row]:
    """The rows as of `now` (seconds since 1970), the caller's leg first. `line`: the record of a call that is over.

    A call that is over takes its legs along. `subscriptions`: who is to be told of the legs that live, by CallSid.
    """
    queued, ended = record.stages.get("queued"), record.stages.get("ended")
    created = record.stages.get("received", now) if queued is None else queued
    # a call of the API begins when its turn comes: one that never left the queue has not begun at all
    started = created if queued is None else record.stages.get("initiated")
    caller = {
        "sid": record.call_sid,
        "account_sid": record.account_sid,
        "parent_call_sid": record.parent_call_sid,
        "trunk_sid": record.trunk_sid,
        "domain_sid": record.domain_sid,
        "from": plain(record.caller),
        "to": plain(record.called),
        "caller_name": None if record.caller_name is None else plain(record.caller_name),
        "status": str(record.status),
        "direction": record.direction,
        "start_time": started,
        "end_time": ended,
        "duration": None if ended is None or "answered" not in record.stages else int(record.duration),
        "queue_time": _queue_time(queued, started),
        "cause": plain(record.cause),
        "node": node,
        "record": line,
        "owed": record.owed,
        "date_created": int(created),
        "date_updated": int(now),
    }
    rows = [caller, *(_leg_row(leg, caller) for leg in record.legs)]
    for row in rows:
        subscription = subscriptions.get(row["sid"]) if subscriptions else None
        if subscription is not None and row["end_time"] is None:
            row["owed"] = subscription.owed()
    return rows


def _queue_time(queued: float | None, started: float | None) -> int | None:
    """Milliseconds; None while nobody knows."""
    if queued is None:
        return 0
    return None if started is None else round((started - queued) * 1000)


def _leg_row(leg: LegRecord, caller: Row) -> Row:
    answered = leg.answered_at
    ended = caller["end_time"] if leg.ended_at is None else leg.ended_at
    lasted = None if answered is None or ended is None else int(ended - answered)
    return {
        **caller,
        "sid": leg.call_sid,
        "parent_call_sid": caller["sid"],
        "trunk_sid": leg.trunk_sid,
        "domain_sid": None,
        "from": plain(leg.caller),
        "to": plain(leg.called),
        "caller_name": None,
        "status": leg.status,
        "direction": "outbound-dial",
        "start_time": leg.started_at,
        "end_time": ended,
        "duration": lasted,
        "queue_time": 0,
        "cause": "",
        "record": None,
        "owed": None,
        "date_created": int(leg.started_at),
    }
