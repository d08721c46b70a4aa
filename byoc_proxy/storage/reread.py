"""A line of the records file as a record again: as much of it as a row of `calls` needs."""

from __future__ import annotations

from datetime import datetime
from typing import Any, Final

from byoc_proxy.storage.record import CallRecord, LegRecord

_WHERE: Final = ("call_sid", "account_sid", "trunk_sid", "trunk", "domain_sid", "domain", "region")
_WHO: Final = ("direction", "from", "to", "source", "call_id")


def reread(line: dict[str, Any]) -> CallRecord | None:
    """The record of a call that is over; None for a line that is no such record, whoever wrote it."""
    try:
        told: list[Any] = [_text(line[name]) for name in (*_WHERE, *_WHO)]
        record = CallRecord(*told)
        record.parent_call_sid = line.get("parent_call_sid")
        record.caller_name = line.get("caller_name")
        record.stages = {str(stage): _moment(text) for stage, text in line["stages"].items()}
        record.status, record.cause = str(line["status"]), str(line["cause"])
        record.duration = float(line["duration"])
        record.legs = [_leg(leg) for leg in line.get("legs", ())]
    except (KeyError, TypeError, ValueError, AttributeError):
        return None
    return record if "ended" in record.stages else None


def _text(value: object) -> str | None:
    return None if value is None else str(value)


def _leg(leg: dict[str, Any]) -> LegRecord:
    ended, answered = leg["ended_at"], leg["answered_at"]
    return LegRecord(
        str(leg["call_sid"]),
        leg["trunk_sid"],
        str(leg["from"]),
        str(leg["to"]),
        _moment(leg["started_at"]),
        str(leg["status"]),
        None if answered is None else _moment(answered),
        None if ended is None else _moment(ended),
    )


def _moment(text: str) -> float:
    return datetime.fromisoformat(text).timestamp()
