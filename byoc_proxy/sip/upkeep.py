"""What keeps a session up while nobody says anything: its descriptions, its timer, and who refreshes it.

The part of `Session` that RFC 4028 and RFC 3311 added. Terms are ours, agreements are made with every 2xx to an
INVITE or UPDATE; the clock itself is `refresh.SessionTimer`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar, Final

from byoc_proxy.sip.exchange import Exchange
from byoc_proxy.sip.inspection import SUPPORTED, allow
from byoc_proxy.sip.machine import Machine
from byoc_proxy.sip.refresh import (
    SessionTimer,
    grant_fields,
    granted,
    least,
    pause,
    request_fields,
    too_brief,
)
from byoc_proxy.sip.states import Input
from byoc_proxy.sip.terms import Terms

if TYPE_CHECKING:
    from collections.abc import Iterable

    from byoc_proxy.sip.machine import Alarms
    from byoc_proxy.sip.message import Request, Response
    from byoc_proxy.sip.refresh import Agreement

    Fields = Iterable[tuple[str, str]]

REFRESH: Final = -1  # the ticket of a refresh of ours: nobody above waits for it
SOON: Final = ("Retry-After", "3")
_NO_UPDATE: Final = frozenset({405, 415, 420, 501})  # UPDATE is not understood, whatever their Allow said
_TERMS: Final = Terms()


class Upkeep(Machine):
    """`exchange` has the descriptions, `terms` are ours, `allows_update` is what the far end's Allow says."""

    __slots__ = ("allows_update", "exchange", "local_tag", "terms", "timer")
    calls: ClassVar[bool] = False  # the Call-ID is ours (RFC 3261 §14.1)

    def __init__(self, local_tag: str, alarms: Alarms, now: float) -> None:
        self.local_tag = local_tag
        self.exchange = Exchange()
        self.terms = _TERMS
        self.timer: SessionTimer | None = None
        self.allows_update = False
        super().__init__(alarms, now)

    # --- what the timer says (refresh.Refreshed) -----------------------------------------------------------

    def refresh(self, now: float) -> None:
        """Our refresh is due (RFC 4028 §7.4): UPDATE says least; else the same description again."""
        if self.allows_update:
            asked = self.feed(Input.TRANSACT, (REFRESH, "UPDATE", b"", ()), now)
        elif self.exchange.refusal is not None:
            asked = False  # an offer is out
        else:
            asked = self.feed(Input.OFFER, (REFRESH, "INVITE", self.exchange.ours, ()), now)
        if not asked:
            self.refreshed(None, now)

    def expire(self, now: float) -> None:
        """Nobody refreshed in time (RFC 4028 §10)."""
        self.feed(Input.EXPIRED, None, now)

    def refreshed(self, response: Response | None, now: float) -> None:
        """What came of our refresh; a 2xx has set the timer anew already, and 408 and 481 have ended it."""
        if self.timer is None or (response is not None and response.status < 300):
            return
        if response is not None and response.status in _NO_UPDATE and self.allows_update:
            self.allows_update = False  # the next is a re-INVITE, at once
            self.timer.failed(0.0, now)
        else:
            self.timer.failed(pause(response, self.calls, self.local_tag), now)

    # --- what the messages say -----------------------------------------------------------------------------

    def agree(self, agreement: Agreement | None, now: float) -> None:
        """A 2xx to an INVITE or UPDATE passed."""
        if self.timer is None:
            if agreement is None:
                return
            self.timer = SessionTimer(self, self.alarms, now)
        self.timer.agree(agreement, now)

    def grant(self, request: Request, now: float) -> list[tuple[str, str]]:
        """Our 2xx to an INVITE or UPDATE: what it says of us, and of the timer that runs from now on."""
        agreement = granted(request, self.terms)
        self.agree(agreement, now)
        abilities = [allow(self.terms), SUPPORTED]
        return abilities if agreement is None else [*abilities, *grant_fields(request, agreement)]

    def wishes(self) -> list[tuple[str, str]]:
        """Our re-INVITE or UPDATE: without the timer that runs, it would turn it off."""
        agreement = self.timer.agreement if self.timer is not None else None
        if agreement is None:
            return [allow(self.terms), SUPPORTED]
        role = "uac" if agreement.ours else "uas"
        return [allow(self.terms), SUPPORTED, *request_fields(self.terms, agreement.seconds, role)]

    def note(self, message: Request | Response) -> None:
        """What the far end can do."""
        if "allow" in message.headers:
            # methods are told apart by case (§7.1), and none that is known has this name inside its own
            self.allows_update = any("UPDATE" in line for line in message.headers.all("allow"))

    def fault(self, request: Request) -> tuple[int, Fields] | None:
        """How a re-INVITE or UPDATE that cannot be had now, or not like this, is answered; None when it can."""
        if too_brief(request, self.terms):
            return 422, [least(self.terms.min_se)]  # RFC 4028 §9
        refusal = self.exchange.refusal if request.sdp else None
        if refusal is None:
            return None
        return refusal, [SOON] if refusal == 500 else ()  # RFC 3311 §5.2

    def only_refreshes(self, request: Request) -> bool:
        """A re-INVITE that keeps the session alive and no more: it names its interval, and repeats itself."""
        known = self.exchange.theirs
        return self.timer is not None and "session-expires" in request.headers and request.sdp == known != b""

    def rest(self, now: float) -> None:
        """The session is over. The timer knows us: the two would wait for the garbage collector."""
        if self.timer is not None:
            self.timer.stop(now)
            self.timer = None
