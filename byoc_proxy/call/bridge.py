"""Two legs as one conversation: what one side asks inside its dialog is asked of the other inside its own.

re-INVITE (hold and resume, with an offer or without), UPDATE and INFO cross with their bodies as they came, in
early dialogs as well as in answered ones, and so does the answer in a PRACK; an UPDATE becomes a re-INVITE for a
side that has none. Call-ID, tags, CSeq, Via, Contact and the refreshes of its session are each leg's own.
Everything here is a hook that runs at once: a bridged call has no task that waits for such requests.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from byoc_proxy.call.transfer import translated
from byoc_proxy.sip.inspection import allow
from byoc_proxy.trunk.verdicts import status_for_other_leg

if TYPE_CHECKING:
    from collections.abc import Callable

    from byoc_proxy.call.leg import Leg
    from byoc_proxy.sip.message import Request, Response
    from byoc_proxy.sip.outputs import Requested
    from byoc_proxy.sip.session import Fields

_RELAYED: Final = frozenset({"INFO", "UPDATE", "MESSAGE"})
_BODY_HEADERS: Final = frozenset({"content-type", "content-disposition", "info-package"})
_SOON: Final = ("Retry-After", "3")
_EVENT_HEADERS: Final = frozenset({"refer-to", "refer-sub", "event", "subscription-state"})  # RFC 3515, RFC 4488


class Bridge:
    """Joins two legs until `part`, or until another bridge does; `caller` is the one that may still wait.

    `on_refer` decides about a REFER, and may have it passed on.
    """

    def __init__(self, caller: Leg, callee: Leg, on_refer: Callable[[Requested, Leg], None]) -> None:
        self._legs = (caller, callee)
        self._on_refer = on_refer
        self._passes_events = False  # once a REFER has crossed, its NOTIFYs do
        # for each leg, the CSeq numbers of the REFERs that it was sent, and those that they came with
        self._referrals: dict[Leg, dict[str, str]] = {caller: {}, callee: {}}
        caller.on_request = lambda event: self._relay(event, caller, callee)
        # RFC 3262 §5: the offer was the callee's, in a reliable 18x
        caller.on_pracked = lambda prack: callee.acknowledge(prack.sdp)
        callee.on_request = lambda event: self._relay(event, callee, caller)

    def part(self) -> None:
        """The conversation is over; each leg answers for itself again."""
        for leg in self._legs:
            leg.on_request = None
            leg.on_acked = leg.on_pracked = None

    def pass_on(self, event: Requested, here: Leg) -> None:
        """Ask the other side what was asked here."""
        self._passes_events = self._passes_events or event.request.method == "REFER"
        there = self._legs[1] if here is self._legs[0] else self._legs[0]
        request = event.request

        def answered(response: Response | None) -> None:
            if response is not None and request.method == "REFER":
                self._referrals[there][str(response.cseq[0])] = str(request.cseq[0])
            here.reply(event.transaction, *_answer(response), _crossing(response, here) if response else ())

        headers = tuple(
            (name, translated(value, self._referrals[here]) if name.lower() == "event" else value)
            for name, value in _crossing(request, there)
        )
        there.transact(request.method, request.body, answered, headers)

    def _relay(self, event: Requested, here: Leg, there: Leg) -> None:
        method = event.request.method
        if method == "INVITE":
            self._relay_offer(event, here, there)
        elif method == "UPDATE" and event.request.sdp:
            self._relay_update(event, here, there)
        elif method in _RELAYED or (method == "NOTIFY" and self._passes_events):
            self.pass_on(event, here)
        elif method == "REFER":
            self._on_refer(event, here)
        else:
            refuse_method(event, here)

    def _relay_update(self, event: Requested, here: Leg, there: Leg) -> None:
        """An offer in an UPDATE (RFC 3311 §5.2): as such where the other side takes it, else in a re-INVITE, which
        an early dialog does not know.
        """

        def answered(response: Response | None) -> None:
            status, body = (491, b"") if response is None else _answer(response)
            here.reply(event.transaction, status, body)

        if there.allows_update and there.has_agreed:
            there.transact("UPDATE", event.request.sdp, answered, there.lets(event.request.headers))
        elif there.answered:
            self._relay_offer(event, here, there)
        elif there.allows_update:
            here.reply(event.transaction, 500, b"", (_SOON,))  # its first offer has no answer yet
        else:
            here.reply(event.transaction, 488)

    def _relay_offer(self, event: Requested, here: Leg, there: Leg) -> None:
        """An offer in a re-INVITE (§14). Without one the far side is asked, and our ACK brings the answer."""
        bare = not event.request.sdp

        def answered(response: Response | None) -> None:
            if response is None:
                # nothing came, or an INVITE of the other side is in progress: it may be tried again (§14.1)
                here.reply(event.transaction, 491)
                return
            if bare and 200 <= response.status < 300:
                here.on_acked = lambda ack: _pass_answer(ack, here, there)
            status, _ = _answer(response)
            here.reply(event.transaction, status, response.sdp if status < 300 else b"")

        there.offer(event.request.sdp, answered)


def refuse_method(event: Requested, here: Leg) -> None:
    """What the leg does not take, or not now: a REFER, say, where there is nobody yet to be transferred."""
    here.reply(event.transaction, 405, b"", (allow(here.session.terms),))


def _pass_answer(ack: Request, here: Leg, there: Leg) -> None:
    here.on_acked = None
    there.acknowledge(ack.sdp)


def _answer(response: Response | None) -> tuple[int, bytes]:
    """The status and body to give back. A refusal is its code alone.

    What 408 and 481 say, and silence, is true of the other dialog: here they would end this one (§12.2.1.2).
    """
    if response is None or response.status in {408, 481}:
        return 504, b""
    return status_for_other_leg(response.status), response.body if response.status < 300 else b""


def _crossing(message: Request | Response, leg: Leg) -> Fields:
    """What is said on `leg` of the headers of a message that came on the other one."""
    described = [
        (name, value) for key, name, value in message.headers if key in _BODY_HEADERS or key in _EVENT_HEADERS
    ]
    return [*described, *leg.lets(message.headers)]
