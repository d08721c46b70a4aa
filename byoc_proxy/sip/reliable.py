"""Provisional responses that arrive: 100rel, RSeq, RAck and PRACK (RFC 3262).

`Provisionals` sends those of one INVITE of theirs, one at a time; `Early` keeps the order of those that one
branch of an INVITE of ours sends.
"""

from __future__ import annotations

import zlib
from enum import StrEnum
from typing import TYPE_CHECKING, ClassVar, Final, Protocol

from byoc_proxy.sip.machine import Machine, Table, to
from byoc_proxy.sip.transaction import T1, TIMEOUT

if TYPE_CHECKING:
    from byoc_proxy.sip.dialog import Dialog
    from byoc_proxy.sip.machine import Alarms
    from byoc_proxy.sip.message import Request, Response

    Said = tuple[int, bytes, tuple[tuple[str, str], ...]]  # status, body, headers

OPTION: Final = "100rel"


class State(StrEnum):
    QUIET = "quiet"
    UNACKNOWLEDGED = "unacknowledged"
    OVER = "over"  # a final response has been sent


class Input(StrEnum):
    SAY = "say"
    PRACK = "PRACK"
    FINAL = "final response"


class Timer(StrEnum):
    REPEAT = "repeat the 18x"
    GIVE_UP = "no PRACK"


class Inviter(Protocol):
    """Whose INVITE it is: the session that is being set up."""

    local_tag: str

    def send_reliable(self, said: Said, rseq: int, now: float) -> tuple[Response, bool]: ...
    def repeat_reliable(self, response: Response, now: float) -> None: ...
    def on_acknowledged(self, now: float) -> None: ...
    def on_unacknowledged(self, now: float) -> None: ...


class Provisionals(Machine):
    """The reliable provisional responses to one INVITE (§3): the next waits until the last has its PRACK.

    One may wait. What comes after it takes its place, and its description if it has none of its own: a caller
    who is slow to acknowledge is told the newest.
    """

    __slots__ = ("_interval", "_number", "_response", "_rseq", "_user", "_waiting", "holds_answer")
    table: ClassVar[Table]

    def __init__(self, user: Inviter, invite: int, alarms: Alarms, now: float) -> None:
        self._user = user
        self._number = invite  # CSeq of the INVITE
        # §3: begins anywhere in 1..2**31-1. The tag is random, hence so is this
        self._rseq = zlib.crc32(user.local_tag.encode()) % 2**30
        self._interval = T1
        self._response: Response | None = None
        self._waiting: Said | None = None
        self.holds_answer = False  # a description waits for its PRACK: no 2xx before that (§3)
        super().__init__(alarms, now)

    def say(self, status: int, body: bytes, headers: tuple[tuple[str, str], ...], now: float) -> None:
        """Send a 101-199 reliably, now or as soon as the last one is acknowledged."""
        self.feed(Input.SAY, (status, body, headers), now)

    def acknowledges(self, prack: Request) -> bool:
        """Whether a PRACK is that of the last response (§3: RSeq, CSeq and method of it)."""
        return self._response is not None and prack.rack == (self._rseq, self._number, "INVITE")

    def duration(self, timer: StrEnum) -> float | None:
        return self._interval if timer is Timer.REPEAT else TIMEOUT

    # --- actions -------------------------------------------------------------------------------------------

    def send(self, said: Said, now: float) -> None:
        self._rseq += 1
        self._response, self.holds_answer = self._user.send_reliable(said, self._rseq, now)

    def keep(self, said: Said, now: float) -> None:
        status, body, headers = said
        self._waiting = (status, body or (self._waiting[1] if self._waiting else b""), headers)

    def repeat(self, _: object, now: float) -> None:
        # §3: T1, doubling each time; unlike the 2xx without T2 as its limit
        if self._response is not None:
            self._user.repeat_reliable(self._response, now)
        self._interval *= 2
        self.arm(Timer.REPEAT, now)

    def acknowledged(self, _: object, now: float) -> None:
        self._response = None
        self._interval = T1
        self.holds_answer = False
        self._user.on_acknowledged(now)
        said, self._waiting = self._waiting, None
        if said is not None:
            self.feed(Input.SAY, said, now)

    def settle(self, _: object, now: float) -> None:
        self._response = None

    def give_up(self, _: object, now: float) -> None:
        self._user.on_unacknowledged(now)


_S, _In, _X = State, Input, Provisionals

Provisionals.table = Table(
    rows={
        (_S.QUIET, _In.SAY): to(_S.UNACKNOWLEDGED, _X.send),
        (_S.QUIET, _In.FINAL): to(_S.OVER),
        (_S.UNACKNOWLEDGED, _In.SAY): to(_S.UNACKNOWLEDGED, _X.keep),
        (_S.UNACKNOWLEDGED, Timer.REPEAT): to(_S.UNACKNOWLEDGED, _X.repeat),
        (_S.UNACKNOWLEDGED, _In.PRACK): to(_S.QUIET, _X.acknowledged),
        (_S.UNACKNOWLEDGED, Timer.GIVE_UP): to(_S.OVER, _X.give_up),  # §3: 64*T1
        (_S.UNACKNOWLEDGED, _In.FINAL): to(_S.OVER),
        (_S.OVER, _In.PRACK): to(_S.OVER, _X.settle),  # §3: it crossed our final response
    },
    timers={_S.UNACKNOWLEDGED: (Timer.REPEAT, Timer.GIVE_UP)},
    keep=(Timer.REPEAT, Timer.GIVE_UP),
    initial=_S.QUIET,
    final=_S.OVER,
)


class Early:
    """One early dialog of an INVITE of ours (RFC 3261 §12.1.2): `heard` made it, `rseq` was its last in order.

    Its dialog is built when it is first spoken in: most calls ring and are answered without.
    """

    __slots__ = ("dialog", "heard", "rseq", "sdp")

    def __init__(self, heard: Response) -> None:
        self.heard = heard
        self.dialog: Dialog | None = None
        self.rseq: int | None = None
        self.sdp = b""  # its last in a reliable 18x

    def takes(self, rseq: int) -> bool:
        """§4: the first of a branch, or the one that follows the last; a repetition and one too early are not."""
        if self.rseq is not None and rseq != self.rseq + 1:
            return False
        self.rseq = rseq
        return True


def reliable(response: Response) -> int | None:
    """The RSeq of a provisional response that asks for a PRACK (§4), else None."""
    if "rseq" not in response.headers or not response.lists("require", OPTION):
        return None
    return response.rseq


def acknowledgement(response: Response) -> tuple[str, str]:
    """The RAck header of the PRACK of `response` (§7.2)."""
    number, method = response.cseq
    return ("RAck", f"{response.rseq} {number} {method}")
