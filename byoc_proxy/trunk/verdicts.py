"""What one outcome of an outbound attempt leads to: the failover rules as a table.

An attempt is one INVITE to one address of one target. `VERDICTS` has one row for each thing that can happen
to it; a policy may replace the list of final codes that stop the hunt. Which address or target comes next is
`trunk.origination`; sending, waiting and cancelling are the caller's.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import Enum, auto
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from byoc_proxy.trunk.model import ConnectionPolicy

ATTEMPT_FAILED: Final = 32011  # error with your SIP infrastructure
CARRIER_WANTS_CREDENTIALS: Final = 32106
LONGEST_REST: Final = 300.0
DEFAULT_REST: Final = 30.0


@dataclass(frozen=True, slots=True)
class Provisional:
    """A 1xx came."""

    status: int


@dataclass(frozen=True, slots=True)
class FinalResponse:
    """A 2xx to 6xx came. `retry_after` in seconds when the header was there; `extensions` are its X- headers, of a
    far end whose words the application hears.
    """

    status: int
    reason: str = ""
    retry_after: float | None = None
    extensions: tuple[tuple[str, str], ...] = field(default=(), compare=False)


@dataclass(frozen=True, slots=True)
class Silence:
    """Nothing at all came within the policy's `no_reply_timeout`."""


@dataclass(frozen=True, slots=True)
class NoProgress:
    """A 100 came, and nothing more within the policy's `ring_no_progress_timeout`."""


@dataclass(frozen=True, slots=True)
class Unresolved:
    """The target's host has no address: DNS failed or knows none."""

    reason: str


@dataclass(frozen=True, slots=True)
class Unreachable:
    """The transport failed: ICMP, connection refused, reset or silent, TLS handshake, certificate."""

    cause: str


@dataclass(frozen=True, slots=True)
class RingTimeout:
    """It rang, and nobody answered in the time that `<Dial>` allows."""


@dataclass(frozen=True, slots=True)
class CallerLeft:
    """The caller cancelled or hung up before an answer."""


Outcome = Provisional | FinalResponse | Silence | NoProgress | Unresolved | Unreachable | RingTimeout | CallerLeft


class Next(Enum):
    """What to do now."""

    WAIT = auto()  # keep waiting for this attempt
    PIN = auto()  # keep waiting, and never leave this attempt any more
    NEXT_ADDRESS = auto()
    NEXT_TARGET = auto()
    FOLLOW = auto()  # one more attempt, at the first Contact of the 3xx
    STOP = auto()  # this outcome is the call's
    DONE = auto()


@dataclass(frozen=True, slots=True)
class Verdict:
    """One row: `when` in words, the outcome it is for and what follows. `cancel`: a CANCEL is due first.

    `rest`: the Retry-After of this response is about the address (RFC 3261 §20.33: of 500 and 503 alone; others say
    when the called party is back), and without one it rests so many seconds. None: it never rests.
    """

    when: str
    outcome: type[Outcome]
    statuses: frozenset[int]
    then: Next
    code: int | None = ATTEMPT_FAILED
    cancel: bool = False
    rest: float | None = None


@dataclass(frozen=True, slots=True)
class Step:
    """What follows an outcome: `rest` seconds for the address; `code` for the call's record, or None."""

    then: Next
    rest: float = 0.0
    code: int | None = None
    cancel: bool = False


def _codes(first: int, last: int | None = None) -> frozenset[int]:
    return frozenset(range(first, (last or first) + 1))


_NONE: Final[frozenset[int]] = frozenset()
_REFUSED_BY_USER: Final = frozenset({400, 404, 405, 410, 416, 482, 484, 486}) | _codes(600, 699)

# The first row that fits wins. Silence needs no CANCEL: RFC 3261 §9.1 forbids one before a 1xx.
VERDICTS: Final[tuple[Verdict, ...]] = (
    Verdict("nothing came for 4 seconds", Silence, _NONE, Next.NEXT_ADDRESS),
    Verdict("the host does not resolve", Unresolved, _NONE, Next.NEXT_TARGET),
    Verdict("the address cannot be reached", Unreachable, _NONE, Next.NEXT_ADDRESS),
    Verdict("100 came and then nothing", NoProgress, _NONE, Next.NEXT_ADDRESS, cancel=True),
    Verdict("somebody may hear it ring", Provisional, _codes(180, 183), Next.PIN, None),
    Verdict("100 or another quiet 1xx", Provisional, _codes(100, 199), Next.WAIT, None),
    Verdict("answered", FinalResponse, _codes(200, 299), Next.DONE, None),
    Verdict("redirected", FinalResponse, _codes(300, 399), Next.NEXT_TARGET),
    Verdict("the number or the user refuses", FinalResponse, _REFUSED_BY_USER, Next.STOP),
    Verdict("overloaded", FinalResponse, _codes(503), Next.NEXT_ADDRESS, rest=DEFAULT_REST),
    Verdict("failed over there", FinalResponse, _codes(500), Next.NEXT_TARGET, rest=0.0),
    Verdict("timed out over there", FinalResponse, _codes(408), Next.NEXT_ADDRESS),
    Verdict(
        "credentials wanted",
        FinalResponse,
        frozenset({401, 407}),
        Next.NEXT_TARGET,
        CARRIER_WANTS_CREDENTIALS,
    ),
    Verdict("another 4xx", FinalResponse, _codes(400, 499), Next.NEXT_TARGET),
    Verdict("another 5xx", FinalResponse, _codes(500, 599), Next.NEXT_TARGET),
    Verdict("rang out", RingTimeout, _NONE, Next.STOP, None, cancel=True),
    Verdict("the caller left", CallerLeft, _NONE, Next.STOP, None, cancel=True),
)


def _index() -> dict[tuple[type[Outcome], int], Verdict]:
    index: dict[tuple[type[Outcome], int], Verdict] = {}
    for verdict in VERDICTS:
        for status in verdict.statuses or (0,):
            index.setdefault((verdict.outcome, status), verdict)
    return index


_INDEX: Final = _index()


def verdict_for(outcome: Outcome) -> Verdict:
    """The row for an outcome; a status is 1xx to 6xx, as the parser grants."""
    if isinstance(outcome, (Provisional, FinalResponse)):
        return _INDEX[type(outcome), outcome.status]
    return _INDEX[type(outcome), 0]


def judge(outcome: Outcome, policy: ConnectionPolicy, *, pinned: bool = False, redirected: bool = False) -> Step:
    """What follows `outcome`. `pinned`: it has rung already. `redirected`: this attempt came from a 3xx.

    Once pinned there is no failover: a second phone must not ring while the first one may be picked up.
    """
    row = verdict_for(outcome)
    if row.then in (Next.WAIT, Next.PIN, Next.DONE):
        return Step(row.then)
    if not isinstance(outcome, FinalResponse):
        return Step(Next.STOP if pinned else row.then, 0.0, row.code, row.cancel)
    if pinned:
        return Step(Next.STOP, asked_rest(outcome) or 0.0, row.code)  # it rests if it asks to, and only then
    then = _by_policy(outcome.status, row.then, policy)
    if then is Next.NEXT_TARGET and outcome.status < 400 and policy.follow_redirects and not redirected:
        then = Next.FOLLOW
    asked = asked_rest(outcome)
    return Step(then, row.rest or 0.0 if asked is None else asked, row.code)


def _by_policy(status: int, usual: Next, policy: ConnectionPolicy) -> Next:
    codes = policy.failover_stop_codes
    if codes is None:
        return usual
    if status in codes:
        return Next.STOP
    return Next.NEXT_TARGET if usual is Next.STOP else usual


def asked_rest(response: FinalResponse) -> float | None:
    """How long a response asks its address to be left alone (RFC 3261 §21.5.4); None when it does not.

    Bounded: one header cannot bench a carrier.
    """
    if response.retry_after is None or verdict_for(response).rest is None:
        return None
    return min(max(response.retry_after, 0.0), LONGEST_REST)


def best_failure(finals: Iterable[FinalResponse]) -> FinalResponse | None:
    """The final response that tells the caller most; the earliest of equals. None when there was none.

    6xx, then 4xx, then 5xx, then 408. A demand for credentials comes last among the 4xx and a 3xx last among
    all but 408: neither says anything about the called party.
    """
    failures = [final for final in finals if final.status >= 300]
    return min(failures, key=_rank) if failures else None


def _rank(final: FinalResponse) -> int:
    status = final.status
    if status == 408:
        return 5
    if status in (401, 407):
        return 2
    return {6: 0, 4: 1, 5: 3}.get(status // 100, 4)


def failure(outcomes: Sequence[Outcome]) -> FinalResponse:
    """The failure of a whole call whose attempts ended like this.

    What a carrier answered goes before what we could not even ask. Without any answer: 408 when something was
    reached or at least not known to be down (RFC 3261 §21.4.9), 502 when every name or transport failed
    (§21.5.3), 404 when there was nowhere to go. Never 503: it would say that *we* are overloaded, and the
    caller's carrier would try the same call again and again.
    """
    best = best_failure(outcome for outcome in outcomes if isinstance(outcome, FinalResponse))
    if best is not None:
        return best
    if not outcomes:
        return FinalResponse(404, "No Route")
    if all(isinstance(outcome, (Unresolved, Unreachable)) for outcome in outcomes):
        return FinalResponse(502, "Bad Gateway")
    return FinalResponse(408, "Request Timeout")


def status_for_other_leg(status: int) -> int:
    """What one far end is told when the other one has answered with `status`.

    A challenge and a redirection are for us, who were asked; without their headers, which must not cross, they
    would mean nothing (RFC 3261 §21.3, §21.4.2, §21.4.8).
    """
    if status in (401, 407):
        return 403
    return 480 if 300 <= status < 400 else status
