"""CallStatus of an inbound call as one declared machine: the public statuses and what moves them."""

from __future__ import annotations

from enum import StrEnum
from typing import TYPE_CHECKING, Final

from byoc_proxy.sip.machine import to

if TYPE_CHECKING:
    from byoc_proxy.sip.machine import Rule


class Status(StrEnum):
    """The public spelling of the REST resource."""

    RINGING = "ringing"
    IN_PROGRESS = "in-progress"
    COMPLETED = "completed"
    BUSY = "busy"
    FAILED = "failed"
    NO_ANSWER = "no-answer"


class Cause(StrEnum):
    """What moves a status."""

    ANSWERED = "answered"
    ENDED = "one side hung up"
    REFUSED_BUSY = "refused: busy"
    REFUSED_UNANSWERED = "refused: nobody answered"
    REFUSED_FAILED = "refused: it failed"


_S, _C = Status, Cause

TRANSITIONS: Final[dict[tuple[StrEnum, StrEnum], Rule]] = {
    (_S.RINGING, _C.ANSWERED): to(_S.IN_PROGRESS),
    (_S.RINGING, _C.ENDED): to(_S.NO_ANSWER),  # the caller left before anybody answered
    (_S.RINGING, _C.REFUSED_BUSY): to(_S.BUSY),
    (_S.RINGING, _C.REFUSED_UNANSWERED): to(_S.NO_ANSWER),
    (_S.RINGING, _C.REFUSED_FAILED): to(_S.FAILED),
    (_S.IN_PROGRESS, _C.ENDED): to(_S.COMPLETED),
}


def after(status: Status, cause: Cause) -> Status:
    """The next status; a cause without a row changes nothing, so a call ends in exactly one status."""
    rule = TRANSITIONS.get((status, cause))
    return Status(rule.next) if rule is not None else status


_REFUSALS: Final = {
    404: Cause.REFUSED_UNANSWERED,  # <Reject> is `no-answer` in the public API
    408: Cause.REFUSED_UNANSWERED,
    480: Cause.REFUSED_FAILED,
    486: Cause.REFUSED_BUSY,
    487: Cause.REFUSED_UNANSWERED,
    600: Cause.REFUSED_BUSY,
    603: Cause.REFUSED_BUSY,
}


def cause_of_refusal(status: int) -> Cause:
    """What a final failure that we sent means for the status."""
    return _REFUSALS.get(status, Cause.REFUSED_FAILED)
