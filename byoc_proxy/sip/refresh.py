"""Session timers (RFC 4028): what both sides agree on, who refreshes, when, and when silence ends the session."""

from __future__ import annotations

import zlib
from enum import StrEnum
from typing import TYPE_CHECKING, ClassVar, Final, NamedTuple, Protocol

from byoc_proxy.sip.digest_client import without_proof
from byoc_proxy.sip.machine import Machine, Table, to
from byoc_proxy.sip.terms import LEAST_INTERVAL

if TYPE_CHECKING:
    from byoc_proxy.sip.machine import Alarms
    from byoc_proxy.sip.message import Message, Request, Response
    from byoc_proxy.sip.terms import Terms

    Fields = list[tuple[str, str]]

OPTION: Final = "timer"
TIMER_HEADERS: Final = frozenset({"session-expires", "min-se"})
_RETRY: Final = 10.0  # seconds, after a refusal that says nothing of it
_SHORTEST: Final = 10  # seconds; a far end that answers with less gets this
_LONGEST: Final = 2**31 - 1
_MARGIN: Final = 32.0  # seconds before the end in which nobody refreshes any more (§10)


class Agreement(NamedTuple):
    """A session timer: its interval in seconds, and whether the refreshes are ours."""

    seconds: int
    ours: bool


# --- the headers -------------------------------------------------------------------------------------------


def asked_of(message: Message) -> tuple[int, str] | None:
    """Session-Expires: seconds and `uac`, `uas` or empty (§4); None when absent or unreadable."""
    value = message.headers.get("session-expires")
    if value is None:
        return None
    seconds, *params = (part.strip() for part in value.split(";"))
    if not (seconds.isascii() and seconds.isdigit() and len(seconds) <= 10):
        return None
    named = dict(param.replace(" ", "").lower().partition("=")[::2] for param in params)
    role = named.get("refresher", "")
    return min(int(seconds), _LONGEST), role if role in ("uac", "uas") else ""


def least_of(message: Message) -> int:
    """Min-SE in seconds (§5)."""
    value = (message.headers.get("min-se") or "").partition(";")[0].strip()
    if not (value.isascii() and value.isdigit() and len(value) <= 10):
        return LEAST_INTERVAL
    return min(max(int(value), LEAST_INTERVAL), _LONGEST)


def too_brief(request: Request, terms: Terms) -> bool:
    """Whether a request asks for less than our Min-SE and can be told so with a 422 (§9)."""
    asked = asked_of(request)
    return asked is not None and asked[0] < terms.min_se and request.lists("supported", OPTION)


def least(seconds: int) -> tuple[str, str]:
    """The Min-SE header."""
    return ("Min-SE", str(seconds))


def request_fields(terms: Terms, seconds: int = 0, refresher: str = "") -> Fields:
    """What a request of ours asks for (§7.1, §7.4). `seconds` is an interval already in force or asked for."""
    seconds = seconds or terms.session_expires
    if not seconds:
        return []
    fields = [("Session-Expires", f"{seconds};refresher={refresher}" if refresher else str(seconds))]
    return fields if terms.min_se == LEAST_INTERVAL else [*fields, least(terms.min_se)]


def raised(request: Request, response: Response) -> int | None:
    """The interval to ask for instead after a 422 (§7.3): once, for what we repeat carries the Min-SE it got."""
    asked, wanted = asked_of(request), least_of(response)
    if response.status != 422 or asked is None or wanted <= asked[0]:
        return None
    return None if "min-se" in request.headers and least_of(request) >= asked[0] else wanted


def asked_again(request: Request, seconds: int) -> Fields:
    """The headers of its repetition that are not its dialog's, with the interval that the 422 wanted."""
    kept = without_proof(field for field in request.headers if field[0] not in TIMER_HEADERS)
    return [*kept, *longer(request, seconds)]


def longer(request: Request, seconds: int) -> Fields:
    """What it asks of the timer now."""
    asked = asked_of(request)
    role = f";refresher={asked[1]}" if asked is not None and asked[1] else ""
    return [("Session-Expires", f"{seconds}{role}"), least(seconds)]


def pause(response: Response | None, owner: bool, tag: str) -> float:
    """Seconds until a refusal of our refresh is worth another try; `owner` of the Call-ID is us.

    RFC 3261 §14.1 has the owner wait 2.1 to 4 seconds after a 491 and the other side up to 2, at random: our tag
    is random.
    """
    if response is None or response.status == 491:
        chance = zlib.crc32(tag.encode()) % 200 / 100
        return 2.1 + chance * 0.95 if owner else chance
    return response.retry_after or _RETRY


# --- the agreement -----------------------------------------------------------------------------------------


def granted(request: Request, terms: Terms) -> Agreement | None:
    """What we, as UAS, agree to in the 2xx to a request (§9, table 2).

    A far end that asks for a timer gets one and, unless it said otherwise, does the refreshing; where only we
    want one, we do it; one that knows nothing of timers is left alone.
    """
    asked, supported = asked_of(request), request.lists("supported", OPTION)
    if asked is None:
        if not terms.session_expires or not supported:
            return None
        return Agreement(max(terms.session_expires, least_of(request)), ours=True)
    seconds, role = asked
    wanted = max(terms.session_expires or seconds, terms.min_se, least_of(request))
    return Agreement(max(min(seconds, wanted), _SHORTEST), ours=role == "uas" or not supported)


def grant_fields(request: Request, agreement: Agreement) -> Fields:
    """The headers of the 2xx that grants it; `uac` is who sent the request (§9)."""
    fields = [("Session-Expires", f"{agreement.seconds};refresher={'uas' if agreement.ours else 'uac'}")]
    return [("Require", OPTION), *fields] if request.lists("supported", OPTION) else fields


def obtained(response: Response) -> Agreement | None:
    """What a 2xx to a request of ours says (§7.2): without Session-Expires the session has no timer."""
    asked = asked_of(response)
    if asked is None:
        return None
    return Agreement(max(asked[0], _SHORTEST), ours=asked[1] != "uas")


# --- the clock ---------------------------------------------------------------------------------------------


class State(StrEnum):
    OFF = "no timer"
    KEEPING = "we refresh"
    ASKING = "our refresh is out"
    WATCHING = "they refresh"
    OVER = "over"


class Input(StrEnum):
    OURS = "agreed: we refresh"
    THEIRS = "agreed: they refresh"
    NONE = "agreed: no timer"
    FAILED = "refresh refused"
    STOP = "session over"


class Timer(StrEnum):
    REFRESH = "refresh"
    EXPIRY = "expiry"


class Refreshed(Protocol):
    """The session that lives by it."""

    def refresh(self, now: float) -> None: ...
    def expire(self, now: float) -> None: ...


class SessionTimer(Machine):
    """The timer of one session. Every 2xx to an INVITE or UPDATE, in either direction, agrees anew."""

    __slots__ = ("_life", "_user", "_wait", "agreement")
    table: ClassVar[Table]

    def __init__(self, user: Refreshed, alarms: Alarms, now: float) -> None:
        self._user = user
        self._wait = 0.0  # seconds to our next refresh
        self._life = 0.0  # seconds until silence ends the session
        self.agreement: Agreement | None = None
        super().__init__(alarms, now)

    def agree(self, agreement: Agreement | None, now: float) -> None:
        """A 2xx passed, with this in it."""
        self.agreement = agreement
        if agreement is None:
            self.feed(Input.NONE, None, now)
            return
        seconds = float(agreement.seconds)
        self._wait = seconds / 2  # §10
        self._life = seconds if agreement.ours else seconds - min(_MARGIN, seconds / 3)
        self.feed(Input.OURS if agreement.ours else Input.THEIRS, None, now)

    def failed(self, again: float, now: float) -> None:
        """Our refresh was refused, or could not be sent: once more in `again` seconds, while there is time."""
        expiry = self.armed.get(Timer.EXPIRY)
        left = expiry[0] - now if expiry is not None else 0.0
        self._wait = min(again, max(left / 2, 1.0))
        self.feed(Input.FAILED, None, now)

    def stop(self, now: float) -> None:
        """The session is over."""
        self.feed(Input.STOP, None, now)

    def duration(self, timer: StrEnum) -> float | None:
        return self._wait if timer is Timer.REFRESH else self._life

    # --- actions -------------------------------------------------------------------------------------------

    def restart(self, _: object, now: float) -> None:
        for timer in self.table.timers[self.state]:
            self.arm(timer, now)

    def refresh(self, _: object, now: float) -> None:
        self._user.refresh(now)

    def expire(self, _: object, now: float) -> None:
        self._user.expire(now)


_S, _In, _X = State, Input, SessionTimer

SessionTimer.table = Table(
    rows={
        (_S.OFF, _In.OURS): to(_S.KEEPING),
        (_S.OFF, _In.THEIRS): to(_S.WATCHING),
        (_S.OFF, _In.STOP): to(_S.OVER),
        (_S.KEEPING, Timer.REFRESH): to(_S.ASKING, _X.refresh),
        (_S.KEEPING, Timer.EXPIRY): to(_S.OVER, _X.expire),
        (_S.KEEPING, _In.OURS): to(_S.KEEPING, _X.restart),
        (_S.KEEPING, _In.THEIRS): to(_S.WATCHING, _X.restart),
        (_S.KEEPING, _In.NONE): to(_S.OFF),
        (_S.KEEPING, _In.STOP): to(_S.OVER),
        # §10: a refusal leaves the session as it was; what ends it is 408, 481, silence, or the expiry
        (_S.ASKING, _In.FAILED): to(_S.KEEPING),
        (_S.ASKING, Timer.EXPIRY): to(_S.OVER, _X.expire),
        (_S.ASKING, _In.OURS): to(_S.KEEPING, _X.restart),
        (_S.ASKING, _In.THEIRS): to(_S.WATCHING, _X.restart),
        (_S.ASKING, _In.NONE): to(_S.OFF),
        (_S.ASKING, _In.STOP): to(_S.OVER),
        # §10: who waits for refreshes says BYE a little before the end
        (_S.WATCHING, Timer.EXPIRY): to(_S.OVER, _X.expire),
        (_S.WATCHING, _In.OURS): to(_S.KEEPING, _X.restart),
        (_S.WATCHING, _In.THEIRS): to(_S.WATCHING, _X.restart),
        (_S.WATCHING, _In.NONE): to(_S.OFF),
        (_S.WATCHING, _In.STOP): to(_S.OVER),
    },
    timers={
        _S.KEEPING: (Timer.REFRESH, Timer.EXPIRY),
        _S.ASKING: (Timer.EXPIRY,),
        _S.WATCHING: (Timer.EXPIRY,),
    },
    keep=(Timer.EXPIRY,),
    initial=_S.OFF,
    final=_S.OVER,
)
