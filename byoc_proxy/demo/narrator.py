"""The proxy's own log, told in sentences between the rungs of the ladder.

A structlog processor, the last of its chain: it takes every event of the node and lets none go further.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final, NoReturn

import structlog

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from structlog.typing import EventDict

    Event = Mapping[str, Any]

_INFO: Final = 20
_THEN: Final = {
    "next_address": "try the next address",
    "next_target": "try the next target",
    "follow": "follow the redirect",
    "stop": "stop",
    "done": "connect the two",
}


def narrated(remark: Callable[[str], None]) -> Any:
    """A logger for a node, whose events become remarks."""

    def tell(_logger: object, _method: str, event: EventDict) -> NoReturn:
        for sentence in sentences(event):
            remark(sentence)
        raise structlog.DropEvent

    return structlog.wrap_logger(
        None,
        processors=[structlog.processors.add_log_level, structlog.processors.format_exc_info, tell],
        wrapper_class=structlog.make_filtering_bound_logger(_INFO),
    )


def sentences(event: Event) -> list[str]:
    """What one event says; nothing for the everyday ones. Warnings and errors without words of ours come whole."""
    words = _WORDS.get(event["event"])
    if words is not None:
        return words(event)
    if event["level"] == "info":
        return []
    return [f"{event['level']}: " + " ".join(f"{name}={value}" for name, value in event.items())]


def _admitted(event: Event) -> list[str]:
    return [f"admission: {decision}" for decision in event["decisions"]] + [f"the call is {event['call_sid']}"]


def _webhook(event: Event) -> list[str]:
    came = "a document" if event["code"] is None else f"error {event['code']}"
    return [f"webhook: {event['url']} gave {came} after {event['seconds'] * 1000:.0f} ms"]


def _dial(event: Event) -> list[str]:
    return [f"<Dial>: leg {event['leg_sid']} over trunk {event['trunk_sid']}"]


def _attempt(event: Event) -> list[str]:
    status = f" {event['status']}" if event["status"] is not None else ""
    then = _THEN.get(event["then"], event["then"])
    where = event["address"] or event["target"]
    return [f"attempt: {where}: {event['outcome']}{status} after {event['seconds']:.2f} s: {then}"]


def _late(event: Event) -> list[str]:
    return [f"late: {event['address']} said {event['status']} to an INVITE that was given up: CANCEL it"]


def _call_event(event: Event) -> list[str]:
    return [f"{event['code']} {event['text']}"]


def _ended(event: Event) -> list[str]:
    who = f"{event['ended_by']} hung up ({event['cause']})"
    return [f"the call is {event['status']}: {who}, {event['seconds']:.1f} s after its INVITE"]


_WORDS: Final[Mapping[str, Callable[[Event], list[str]]]] = {
    "call.admitted": _admitted,
    "webhook.answered": _webhook,
    "dial.started": _dial,
    "attempt.ended": _attempt,
    "attempt.late": _late,
    "call.event": _call_event,
    "call.ended": _ended,
}
