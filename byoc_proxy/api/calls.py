"""Calls (contract 1.8): each leg that ever had a CallSid, while it lives and for as long as it is kept."""

from __future__ import annotations

import re
from functools import partial
from typing import TYPE_CHECKING, Any, Final

from sqlalchemy import delete

from byoc_proxy.api import forms
from byoc_proxy.api.call_changes import change_of
from byoc_proxy.api.call_desk import NOT_IN_PROGRESS, NOT_NOW
from byoc_proxy.api.call_parameters import CREATE, UPDATE
from byoc_proxy.api.errors import ApiError
from byoc_proxy.api.moments import conditions, three_ways
from byoc_proxy.api.openapi import also, closed, form_schema, operation
from byoc_proxy.api.reading import ReadingDesk
from byoc_proxy.api.refusals import stored
from byoc_proxy.api.rendering import rfc_2822, shown
from byoc_proxy.api.resource import ACCOUNT_PATH, READ_ONLY, Parameter, Resource, Style, Verb, Ways
from byoc_proxy.api.server import Answer, Endpoint
from byoc_proxy.api.values import Choice, Sid, Words
from byoc_proxy.storage import tables

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from sqlalchemy import ColumnElement

    from byoc_proxy.api.call_desk import CallDesk
    from byoc_proxy.api.errands import Errands
    from byoc_proxy.api.operations import Operations
    from byoc_proxy.api.resource import Row
    from byoc_proxy.api.server import Ask
    from byoc_proxy.storage.database import Database
    from byoc_proxy.trunk.directory import Directory

NOT_COMPLETE: Final = 20009
STATUSES: Final = ("queued", "ringing", "in-progress", "completed", "busy", "failed", "no-answer", "canceled")
_US_NUMBER: Final = re.compile(r"\+1([2-9]\d\d)([2-9]\d\d)(\d{4})")
_TEXT: Final = {"type": "string"}
_MAYBE_TEXT: Final = {"type": ["string", "null"]}
_UNKNOWN: Final = ("phone_number_sid", "price", "answered_by", "forwarded_from", "group_sid")  # always null here
_SUBRESOURCES: Final = {
    "notifications": "Notifications",
    "recordings": "Recordings",
    "payments": "Payments",
    "events": "Events",
    "siprec": "Siprec",
    "streams": "Streams",
    "transcriptions": "Transcriptions",
    "user_defined_message_subscriptions": "UserDefinedMessageSubscriptions",
    "user_defined_messages": "UserDefinedMessages",
}


def formatted(party: str) -> str:
    """As people write it: North American numbers in their national form, all others as they are."""
    match = _US_NUMBER.fullmatch(party)
    return f"({match[1]}) {match[2]}-{match[3]}" if match else party


def call_facts(row: Row, _: Directory) -> Mapping[str, object]:
    """What the answer says otherwise than the row: dates, and numbers as strings (contract 8, fact 22)."""
    duration = row["duration"]
    return {
        **dict.fromkeys(_UNKNOWN),
        "to_formatted": formatted(row["to"]),
        "from_formatted": formatted(row["from"]),
        "start_time": rfc_2822(row["start_time"]),
        "end_time": rfc_2822(row["end_time"]),
        "duration": None if duration is None else str(duration),
        "price_unit": "USD",
        "queue_time": None if row["queue_time"] is None else str(row["queue_time"]),
    }


CALLS: Final = Resource(
    "Call",
    "CA",
    tables.calls,
    Style.LEGACY,
    f"{ACCOUNT_PATH}/Calls",
    "calls",
    (),
    (
        "sid",
        "date_created",
        "date_updated",
        "parent_call_sid",
        "account_sid",
        "to",
        "to_formatted",
        "from",
        "from_formatted",
        "phone_number_sid",
        "status",
        "start_time",
        "end_time",
        "duration",
        "price",
        "price_unit",
        "direction",
        "answered_by",
        "api_version",
        "forwarded_from",
        "group_sid",
        "caller_name",
        "queue_time",
        "trunk_sid",
        "uri",
        "subresource_uris",
    ),
    READ_ONLY,
    links=_SUBRESOURCES,
    filters=(
        Parameter("To", Words(1000), "to"),
        Parameter("From", Words(1000), "from"),
        Parameter("ParentCallSid", Sid("CA"), "parent_call_sid"),
        Parameter("Status", Choice(STATUSES), "status"),
        *three_ways("StartTime", "start_time"),
        *three_ways("EndTime", "end_time"),
    ),
    newest_first=True,
    ways=Ways(more=call_facts),
)
ALWAYS_THERE: Final = (
    *("sid", "account_sid", "to", "to_formatted", "from", "from_formatted", "date_created", "date_updated"),
    *("status", "price_unit", "direction", "api_version", "uri"),
)
ITEM: Final[Mapping[str, Any]] = {
    **{name: _TEXT if name in ALWAYS_THERE else _MAYBE_TEXT for name in CALLS.answer},
    "status": {"type": "string", "enum": list(STATUSES)},
    "subresource_uris": closed(dict.fromkeys(_SUBRESOURCES, _TEXT)),
}


def call_endpoints(operations: Operations, database: Database, desk: CallDesk, errands: Errands) -> list[Endpoint]:
    """Everything under `Calls` but what other modules have."""
    reading = ReadingDesk(CALLS, operations, _conditions, ITEM)
    removed = operation(CALLS.name, Verb.DELETE, CALLS.instance_path, None)
    made = operation(CALLS.name, Verb.CREATE, CALLS.list_path, reading.item)
    made["requestBody"] = form_schema(CREATE, Verb.CREATE)
    also(made, "429")
    changed = operation(CALLS.name, Verb.UPDATE, CALLS.instance_path, reading.item)
    changed["requestBody"] = form_schema(UPDATE, Verb.UPDATE)
    return [
        *reading.endpoints(),
        Endpoint("DELETE", CALLS.instance_path, partial(_remove, operations, database), removed),
        Endpoint("POST", CALLS.list_path, partial(_make, desk), made),
        Endpoint("POST", CALLS.instance_path, partial(_change, operations, desk, errands), changed),
    ]


def _conditions(filters: Row) -> Sequence[ColumnElement[bool]]:
    columns = tables.calls.c
    return [*conditions(filters, columns.start_time), *conditions(filters, columns.end_time)]


async def _remove(operations: Operations, database: Database, ask: Ask) -> Answer:
    """Only what is over is deleted (20009), and the leg alone: its children are legs of their own."""
    forms.read(ask.parameters, (), Verb.DELETE)
    row = await operations.fetch(CALLS, ask.scope, ask.names, ask.names["sid"])
    if row["end_time"] is None:
        raise ApiError(400, NOT_COMPLETE, f"{row['sid']} is {row['status']}: only a call that is over is deleted")
    with stored():
        async with database.recording() as connection:
            await connection.execute(delete(tables.calls).where(tables.calls.c.sid == row["sid"]))
            events = tables.call_events
            await connection.execute(delete(events).where(events.c.call_sid == row["sid"]))
    return Answer(None, 204)


async def _make(desk: CallDesk, ask: Ask) -> Answer:
    return _shown(await desk.make(ask), ask, 201)


async def _change(operations: Operations, desk: CallDesk, errands: Errands, ask: Ask) -> Answer:
    row = desk.change(ask)
    if row is None:
        there = await operations.fetch(CALLS, ask.scope, ask.names, ask.names["sid"])
        change_of(ask.scope, ask.parameters)
        if not desk.is_elsewhere(there):
            raise ApiError(400, NOT_IN_PROGRESS, NOT_NOW)
        row = await errands.send(there, ask)
    return _shown(row, ask, 200)


def _shown(row: Row, ask: Ask, status: int) -> Answer:
    return Answer(shown(CALLS, row, ask.scope.directory, ask.scope.base), status)
