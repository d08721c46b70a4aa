"""CallStatus as one declared machine, for every leg that has a CallSid: one that came in, one that was dialled, one
that the API asked for.
"""

from __future__ import annotations

from enum import StrEnum
from typing import TYPE_CHECKING, Final

from byoc_proxy.sip.machine import to
from byoc_proxy.trunk.verdicts import CallerLeft, FinalResponse, RingTimeout, best_failure

if TYPE_CHECKING:
    from collections.abc import Sequence

    from byoc_proxy.sip.machine import Rule
    from byoc_proxy.trunk.verdicts import Outcome


class Status(StrEnum):
    """The public spelling, of webhooks. The REST resource has no `initiated`: see `shown`."""

    QUEUED = "queued"  # asked for over the API, and not called yet
    INITIATED = "initiated"
    RINGING = "ringing"
    IN_PROGRESS = "in-progress"
    COMPLETED = "completed"
    BUSY = "busy"
    FAILED = "failed"
    NO_ANSWER = "no-answer"
    CANCELED = "canceled"


class Cause(StrEnum):
    """What moves a status."""

    CALLED = "the INVITE goes out"
    RANG = "it rings"
    ANSWERED = "answered"
    ENDED = "one side hung up"
    BUSY = "busy"
    UNANSWERED = "nobody answered"
    FAILED = "it failed"
    CANCELLED = "cancelled"


_S, _C = Status, Cause

TRANSITIONS: Final[dict[tuple[StrEnum, StrEnum], Rule]] = {
    (_S.QUEUED, _C.CALLED): to(_S.INITIATED),
    (_S.QUEUED, _C.UNANSWERED): to(_S.NO_ANSWER),  # its time was up before anybody could be called
    (_S.QUEUED, _C.FAILED): to(_S.FAILED),
    (_S.QUEUED, _C.CANCELLED): to(_S.CANCELED),
    (_S.INITIATED, _C.RANG): to(_S.RINGING),
    (_S.INITIATED, _C.ANSWERED): to(_S.IN_PROGRESS),
    (_S.INITIATED, _C.ENDED): to(_S.NO_ANSWER),
    (_S.INITIATED, _C.BUSY): to(_S.BUSY),
    (_S.INITIATED, _C.UNANSWERED): to(_S.NO_ANSWER),
    (_S.INITIATED, _C.FAILED): to(_S.FAILED),
    (_S.INITIATED, _C.CANCELLED): to(_S.CANCELED),
    (_S.RINGING, _C.ANSWERED): to(_S.IN_PROGRESS),
    (_S.RINGING, _C.ENDED): to(_S.NO_ANSWER),  # the caller left before anybody answered
    (_S.RINGING, _C.BUSY): to(_S.BUSY),
    (_S.RINGING, _C.UNANSWERED): to(_S.NO_ANSWER),
    (_S.RINGING, _C.FAILED): to(_S.FAILED),
    (_S.RINGING, _C.CANCELLED): to(_S.CANCELED),
    (_S.IN_PROGRESS, _C.ENDED): to(_S.COMPLETED),
}
TERMINAL: Final = frozenset({_S.COMPLETED, _S.BUSY, _S.FAILED, _S.NO_ANSWER, _S.CANCELED})

# What a final response means for the leg that got it, whoever gave it; 480 is `failed`, as in the public API
FINAL_CODES: Final = {
    408: Cause.UNANSWERED,
    480: Cause.FAILED,
    486: Cause.BUSY,
    487: Cause.UNANSWERED,
    600: Cause.BUSY,
    603: Cause.BUSY,
}
_EVENTS: Final = {
    _S.INITIATED: "initiated",
    _S.RINGING: "ringing",
    _S.IN_PROGRESS: "answered",
    **dict.fromkeys(TERMINAL, "completed"),
}


def after(status: Status, cause: Cause) -> Status:
    """The next status; a cause without a row changes nothing, so a call ends in exactly one status."""
    rule = TRANSITIONS.get((status, cause))
    return Status(rule.next) if rule is not None else status


def shown(status: Status) -> Status:
    """As the REST resource and the requests of a script have it: they know nothing between queued and ringing."""
    return Status.RINGING if status is Status.INITIATED else status


def event_of(status: Status) -> str | None:
    """The name under which a status callback subscribes to it; nobody is told of `queued`."""
    return _EVENTS.get(status)


def cause_of_code(code: int) -> Cause:
    """What a final response code does to a call."""
    return Cause.ANSWERED if code < 300 else FINAL_CODES.get(code, Cause.FAILED)


def cause_of(outcome: Outcome) -> Cause:
    """What the outcome that ended a dialled call does to it."""
    if isinstance(outcome, FinalResponse):
        return cause_of_code(outcome.status)
    if isinstance(outcome, RingTimeout):
        return Cause.UNANSWERED
    return Cause.CANCELLED if isinstance(outcome, CallerLeft) else Cause.FAILED


def cause_of_all(outcomes: Sequence[Outcome]) -> Cause:
    """What attempts that all failed do to the call: what the best of the answers says. Silence is nobody who was
    rung and did not answer: without any answer the call has failed.
    """
    best = best_failure(outcome for outcome in outcomes if isinstance(outcome, FinalResponse))
    return Cause.FAILED if best is None else cause_of(best)


def dial_status(cause: Cause) -> Status:
    """`DialCallStatus` for what ended a `<Dial>` that nobody answered."""
    return after(Status.RINGING, cause)
