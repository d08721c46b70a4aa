"""Events of a call (contract 1.8): what the application was asked about it, in that order, and what it answered.

Without an answer `response_code` is null, and two fields of ours say why: `error_code` and `error_message`.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any, Final

from byoc_proxy.api.calls import CALLS
from byoc_proxy.api.openapi import closed
from byoc_proxy.api.reading import ReadingDesk
from byoc_proxy.api.rendering import rfc_2822
from byoc_proxy.api.resource import Resource, Style, Verb, Ways
from byoc_proxy.storage import tables

if TYPE_CHECKING:
    from collections.abc import Mapping

    from byoc_proxy.api.operations import Operations
    from byoc_proxy.api.resource import Row
    from byoc_proxy.api.server import Endpoint
    from byoc_proxy.trunk.directory import Directory

_TEXT: Final = {"type": "string"}
_MAYBE_TEXT: Final = {"type": ["string", "null"]}
_MAYBE_NUMBER: Final = {"type": ["integer", "null"]}
_ITEM: Final[Mapping[str, Any]] = {
    "request": closed({"method": _TEXT, "url": _TEXT, "parameters": {"type": "object"}}),
    "response": closed(
        {
            "response_code": _MAYBE_NUMBER,
            "request_duration": {"type": "integer"},
            "content_type": _MAYBE_TEXT,
            "response_body": _MAYBE_TEXT,
            "date_created": _TEXT,
            "error_code": _MAYBE_NUMBER,
            "error_message": _MAYBE_TEXT,
        }
    ),
}


def event_facts(row: Row, _: Directory) -> Mapping[str, object]:
    """The two halves of an exchange; durations are milliseconds."""
    answered = row["response_code"] is not None
    return {
        "request": {"method": row["method"], "url": row["url"], "parameters": json.loads(row["parameters"])},
        "response": {
            "response_code": row["response_code"],
            "request_duration": row["duration"],
            "content_type": row["content_type"] if answered else None,
            "response_body": row["body"] if answered else None,
            "date_created": rfc_2822(row["date_created"]),
            "error_code": row["failure_code"],
            "error_message": row["failure"] or None,
        },
    }


CALL_EVENTS: Final = Resource(
    "CallEvent",
    "EV",
    tables.call_events,
    Style.LEGACY,
    f"{CALLS.path}/{{call_sid}}/Events",
    "events",
    (),
    tuple(_ITEM),
    frozenset({Verb.LIST}),
    parent=CALLS,
    parent_column="call_sid",
    ways=Ways(more=event_facts),
)


def event_endpoints(operations: Operations) -> list[Endpoint]:
    """The list; an event has no address of its own."""
    return ReadingDesk(CALL_EVENTS, operations, lambda _: (), _ITEM).endpoints()
