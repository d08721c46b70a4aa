"""Alerts, under both of their names: Notifications of the 2010 API, Alerts of the monitor (contract 1.10).

One row is both. A notification belongs to a call when its `resource_sid` is one; that of an INVITE that never
became a call belongs to none.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final
from urllib.parse import urlencode

from byoc_proxy.api.calls import CALLS
from byoc_proxy.api.errors import MORE_INFO
from byoc_proxy.api.moments import When, conditions, three_ways
from byoc_proxy.api.reading import ReadingDesk
from byoc_proxy.api.rendering import iso_8601, rfc_2822
from byoc_proxy.api.resource import ACCOUNT_PATH, READ_ONLY, Parameter, Resource, Style, Ways
from byoc_proxy.api.values import Choice
from byoc_proxy.storage import tables

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from sqlalchemy import ColumnElement

    from byoc_proxy.api.moments import Span
    from byoc_proxy.api.operations import Operations
    from byoc_proxy.api.resource import Row
    from byoc_proxy.api.server import Endpoint
    from byoc_proxy.trunk.directory import Directory

LEVELS: Final = ("error", "warning", "notice", "debug")
_LOGS: Final = {"0": "error", "1": "warning"}
_WORDS: Final = {"error": "ERROR", "warning": "WARN"}
_TEXT: Final = {"type": "string"}
_MAYBE_TEXT: Final = {"type": ["string", "null"]}
_SOMETIMES: Final = ("request_url", "request_method", "call_sid", "service_sid")
_ANSWERED: Final = ("request_variables", "response_headers", "response_body")  # nothing of these is kept


def notification_facts(row: Row, _: Directory) -> Mapping[str, object]:
    """The words of the 2010 API: the level is a digit, the text a form."""
    level = row["log_level"]
    told = {"Msg": row["alert_text"], "ErrorCode": row["error_code"], "LogLevel": _WORDS[level]}
    told |= {"sourceIp": row["source"]} if row["source"] else {}
    told |= {"count": row["count"]} if row["count"] > 1 else {}
    return {
        "call_sid": row["resource_sid"] if row["resource_sid"].startswith("CA") else None,
        "error_code": str(row["error_code"]),
        "more_info": MORE_INFO.format(row["error_code"]),
        "log": next(digit for digit, word in _LOGS.items() if word == level),
        "message_text": urlencode(told),
        "message_date": rfc_2822(row["date_created"]),
    }


def alert_facts(row: Row, _: Directory) -> Mapping[str, object]:
    """The words of the monitor: the text says from where, and how often within the minute."""
    details = [row["source"]] if row["source"] else []
    details += [f"{row['count']} times"] if row["count"] > 1 else []
    return {
        "alert_text": row["alert_text"] + (f" ({', '.join(details)})" if details else ""),
        "error_code": str(row["error_code"]),
        "more_info": MORE_INFO.format(row["error_code"]),
        "date_generated": iso_8601(row["date_created"]),
        "service_sid": None,
    }


_NOTIFICATION: Final = (
    "sid",
    "account_sid",
    "call_sid",
    "api_version",
    "log",
    "error_code",
    "more_info",
    "message_text",
    "message_date",
    "request_method",
    "request_url",
    "date_created",
    "date_updated",
    "uri",
)
_FILTERS: Final = (Parameter("Log", Choice(tuple(_LOGS)), "log"), *three_ways("MessageDate", "date_created"))

NOTIFICATIONS: Final = Resource(
    "Notification",
    "NO",
    tables.alerts,
    Style.LEGACY,
    f"{ACCOUNT_PATH}/Notifications",
    "notifications",
    (),
    _NOTIFICATION,
    READ_ONLY,
    filters=_FILTERS,
    newest_first=True,
    ways=Ways(more=notification_facts),
)
CALL_NOTIFICATIONS: Final = Resource(
    "CallNotification",
    "NO",
    tables.alerts,
    Style.LEGACY,
    f"{CALLS.path}/{{resource_sid}}/Notifications",
    "notifications",
    (),
    _NOTIFICATION,
    READ_ONLY,
    parent=CALLS,
    parent_column="resource_sid",
    filters=_FILTERS,
    newest_first=True,
    ways=Ways(more=notification_facts),
)
ALERTS: Final = Resource(
    "Alert",
    "NO",
    tables.alerts,
    Style.V1,
    "/v1/Alerts",
    "alerts",
    (),
    (
        "sid",
        "account_sid",
        "alert_text",
        "api_version",
        "date_created",
        "date_generated",
        "date_updated",
        "error_code",
        "log_level",
        "more_info",
        "request_method",
        "request_url",
        "resource_sid",
        "service_sid",
        "url",
    ),
    READ_ONLY,
    filters=(
        Parameter("LogLevel", Choice(LEVELS), "log_level"),
        Parameter("StartDate", When(), "start"),
        Parameter("EndDate", When(), "end"),
    ),
    newest_first=True,
    ways=Ways(more=alert_facts),
)


def alert_endpoints(operations: Operations) -> list[Endpoint]:
    """Notifications of an account and of a call, and alerts."""
    notification = _item(NOTIFICATIONS) | {"log": {"type": "string", "enum": list(_LOGS)}}
    alert = _item(ALERTS) | {"log_level": {"type": "string", "enum": list(LEVELS)}}
    desks = (
        ReadingDesk(NOTIFICATIONS, operations, _of_notifications, notification, _ANSWERED),
        ReadingDesk(CALL_NOTIFICATIONS, operations, _of_notifications, notification, _ANSWERED),
        ReadingDesk(ALERTS, operations, _of_alerts, alert, ("request_headers", *_ANSWERED)),
    )
    return [endpoint for desk in desks for endpoint in desk.endpoints()]


def _item(resource: Resource) -> dict[str, Any]:
    return {name: _MAYBE_TEXT if name in _SOMETIMES else _TEXT for name in resource.answer}


def _of_notifications(filters: Row) -> Sequence[ColumnElement[bool]]:
    if "log" in filters:
        filters["log_level"] = _LOGS[filters.pop("log")]
    return list(conditions(filters, tables.alerts.c.date_created))


def _of_alerts(filters: Row) -> Sequence[ColumnElement[bool]]:
    """Both ends belong to it: `EndDate` as a day is all of that day."""
    column = tables.alerts.c.date_created
    start: Span | None = filters.pop("start", None)
    end: Span | None = filters.pop("end", None)
    found = [column >= start.start] if start is not None else []
    return [*found, column < end.end] if end is not None else found
