"""What a proxy may not keep once every call is over and every timer has run."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from byoc_proxy.sip.states import State

if TYPE_CHECKING:
    from collections.abc import Iterable

    from byoc_proxy.app import Node
    from byoc_proxy.call.progress import Moved
    from byoc_proxy.storage.record import CallRecord

_WINDING_DOWN: Final = frozenset(
    {State.CLOSING, State.CLOSING_AGAIN, State.LEAVING, State.CANCELLING, State.ABANDONED}
)
FINAL: Final = frozenset({"completed", "busy", "failed", "no-answer", "canceled"})
_ORDER: Final = ("queued", "initiated", "ringing", "in-progress")


def kept_by(node: Node, *, stopped: bool) -> dict[str, list[str]]:
    """What the node still holds, by kind.

    One that has `stopped` does not wait for the last answers, and its clock stands still: what is only waiting for
    them may stay.
    """
    core = node.endpoint.core
    alarms = [] if stopped else [f"{len(core.alarms)} are set"] * bool(len(core.alarms))
    return {
        "sessions": [
            repr(each) for each in core.sessions.values() if not (stopped and each.state in _WINDING_DOWN)
        ],
        "transactions": [] if stopped else [repr(each) for each in core.transactions.values()],
        "alarms": alarms,
        "calls": list(node.switchboard.calls),
    }


def unfinished(records: Iterable[CallRecord]) -> list[str]:
    """What is not final in the records of calls that are over."""
    found: list[str] = []
    for record in records:
        if record.status not in FINAL:
            found.append(f"{record.call_sid} is {record.status}")
        found += [f"leg {each.call_sid} is {each.status}" for each in record.legs if each.status not in FINAL]
        found += [f"attempt at {each.address} is pending" for each in record.attempts if each.outcome == "pending"]
    return found


def disorder(moves: Iterable[Moved]) -> list[str]:
    """What is wrong with the statuses that were told, once every call is over.

    Each leg has them in their order, none twice, and exactly one terminal status at the end.
    """
    courses: dict[str, list[str]] = {}
    for moved in moves:
        courses.setdefault(moved.facts.call_sid, []).append(moved.status)
    return [f"{sid} went {' > '.join(course)}" for sid, course in courses.items() if not _is_orderly(course)]


def _is_orderly(course: list[str]) -> bool:
    *before, last = course
    places = [_ORDER.index(status) for status in before if status in _ORDER]
    return (
        last in FINAL
        and len(places) == len(before)
        and places == sorted(set(places))
        and (last == "completed") == ("in-progress" in before)
    )
