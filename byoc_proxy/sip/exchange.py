"""Offer and answer: whose description is awaited, and what we said last (RFC 3264, RFC 6337).

Whether a description is an offer or an answer follows from what went before it. Fed is only what counts: an
unreliable 18x shows the answer to come and is none (RFC 3261 §13.2.1).
"""

from __future__ import annotations

from enum import StrEnum
from typing import Final


class State(StrEnum):
    NOTHING = "nothing exchanged"
    OURS = "our offer is out"
    THEIRS = "their offer waits"
    AGREED = "agreed"


class Input(StrEnum):
    SENT = "description sent"
    RECEIVED = "description received"
    REFUSED = "offer refused"
    ACKNOWLEDGED = "ACK"


# what has no row changes nothing: the answer said twice, a refusal of what carried no offer
ROWS: Final[dict[tuple[State, Input], State]] = {
    (State.NOTHING, Input.SENT): State.OURS,
    (State.NOTHING, Input.RECEIVED): State.THEIRS,
    (State.OURS, Input.RECEIVED): State.AGREED,
    (State.THEIRS, Input.SENT): State.AGREED,
    (State.AGREED, Input.SENT): State.OURS,
    (State.AGREED, Input.RECEIVED): State.THEIRS,
    (State.OURS, Input.REFUSED): State.AGREED,  # RFC 3261 §14.1: as if it had never been offered
    (State.THEIRS, Input.REFUSED): State.AGREED,
    # an ACK ends what an INVITE began, even where a careless peer left out its answer
    (State.NOTHING, Input.ACKNOWLEDGED): State.AGREED,
    (State.OURS, Input.ACKNOWLEDGED): State.AGREED,
    (State.THEIRS, Input.ACKNOWLEDGED): State.AGREED,
}
# RFC 3311 §5.2, RFC 3261 §14.2: what an offer of theirs gets while another one waits for its answer
_REFUSALS: Final = {State.NOTHING: 500, State.OURS: 491, State.THEIRS: 500}


class Exchange:
    """The offers and answers of one dialog. `ours` and `theirs` are the descriptions last agreed on, or empty."""

    __slots__ = ("offer", "ours", "state", "theirs")

    def __init__(self) -> None:
        self.state = State.NOTHING
        self.ours = b""
        self.theirs = b""
        self.offer = b""  # what waits for its answer, whosever it is

    @property
    def refusal(self) -> int | None:
        """What an offer of theirs is answered with now: 491, 500 (with Retry-After), or None when it may come."""
        return _REFUSALS.get(self.state)

    @property
    def unanswered(self) -> bool:
        """Nothing binding has been said yet to what the INVITE asks, an offer in it or the lack of one."""
        return self.state in (State.NOTHING, State.THEIRS)

    def sent(self, body: bytes) -> None:
        """We sent a description; an empty body is none."""
        if body:
            before = self._feed(Input.SENT)
            self._take(body, before, answers=State.THEIRS)

    def received(self, body: bytes) -> None:
        """They sent one."""
        if body:
            before = self._feed(Input.RECEIVED)
            self._take(body, before, answers=State.OURS)

    def concluded(self, body: bytes) -> None:
        """A reliable 18x or the 2xx to our INVITE: what is said twice is the same, or of another fork."""
        if self.state is State.AGREED:
            self.theirs = body or self.theirs
        elif self.state is not State.THEIRS:
            self.received(body)

    def refused(self) -> None:
        """The offer that is out was refused, by whoever got it."""
        self._feed(Input.REFUSED)
        self.offer = b""

    def acknowledged(self, body: bytes) -> None:
        """The ACK of a 2xx passed, in either direction; a description in it can only be an answer."""
        before = self._feed(Input.ACKNOWLEDGED)
        if before is State.OURS:
            self.ours, self.theirs = self.offer, body or self.theirs
        elif before is State.THEIRS:
            self.ours, self.theirs = body or self.ours, self.offer

    def _feed(self, kind: Input) -> State:
        before = self.state
        self.state = ROWS.get((before, kind), before)
        return before

    def _take(self, body: bytes, before: State, answers: State) -> None:
        if self.state is before:
            return
        if before is not answers:
            self.offer = body
        elif answers is State.THEIRS:
            self.ours, self.theirs = body, self.offer
        else:
            self.ours, self.theirs = self.offer, body
