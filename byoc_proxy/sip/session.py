"""INVITE sessions: what both roles share (RFC 3261 §12.2, §14, §15).

A session is one INVITE usage of a dialog. `UacSession` (uac.py) and `UasSession` (uas.py) add their setup to
the rows of an established dialog (established.py): re-INVITE both ways, glare, other requests, hang-up and every
crossing of them. `HANG_UP` is one input that means "we want out, whatever that takes here". The user's verbs
never fail: what has no row in a state is absorbed.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from byoc_proxy.sip.asking import Asking, typed
from byoc_proxy.sip.inspection import inspect_inside
from byoc_proxy.sip.message import TARGET_REFRESH, reply_to
from byoc_proxy.sip.outputs import NO_ACK, Acked, By, Ended, Replied, Requested
from byoc_proxy.sip.states import Input, Timer
from byoc_proxy.sip.transaction import T1, T2, TIMEOUT
from byoc_proxy.sip.upkeep import REFRESH, SOON

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable
    from enum import StrEnum

    from byoc_proxy.sip.flow import Flow
    from byoc_proxy.sip.message import Request, Response
    from byoc_proxy.sip.outputs import Event
    from byoc_proxy.sip.stack import Stack
    from byoc_proxy.sip.transaction import ServerTransaction

    Fields = Iterable[tuple[str, str]]


_KINDS: Final = {"BYE": Input.BYE, "INVITE": Input.REINVITE, "PRACK": Input.PRACK}


class Session(Asking):
    """One INVITE usage. `call_id` and `local_tag` identify it; `listener` hears its events."""

    __slots__ = (
        "_interval",
        "_pending",
        "_reoffer",
        "_unacknowledged",
        "contact",
        "flow",
        "listener",
    )

    def __init__(self, stack: Stack, flow: Flow, call_id: str, local_tag: str, contact: str, now: float) -> None:
        self.flow = flow
        self.contact = contact
        self.listener: Callable[[Event], None] | None = None
        self._interval = T1
        self._unacknowledged: tuple[ServerTransaction, Response] | None = None  # our 2xx, until its ACK
        self._reoffer: ServerTransaction | None = None  # their re-INVITE in progress
        self._pending: list[ServerTransaction] = []  # their other requests that wait for an answer
        super().__init__(stack, call_id, local_tag, now)

    # --- verbs ---------------------------------------------------------------------------------------------

    def hang_up(self, now: float, reason: str = "") -> None:
        """We want out. `reason` becomes a Reason header (RFC 3326). Idempotent."""
        self.feed(Input.HANG_UP, reason, now)

    def offer(self, body: bytes, now: float, headers: Fields = ()) -> int:
        """Send a re-INVITE (§14.1). `Replied` brings its ticket back, without a response if it was not sent."""
        return self._ask(Input.OFFER, "INVITE", body, headers, now)

    def transact(self, method: str, body: bytes, now: float, headers: Fields = ()) -> int:
        """Send another in-dialog request (INFO, UPDATE...). `Replied` brings its ticket back."""
        return self._ask(Input.TRANSACT, method, body, headers, now)

    def acknowledge(self, body: bytes, now: float) -> None:
        """Send the ACK that carries our answer to an offer in a 2xx (§13.2.2.4)."""
        self.feed(Input.ACKNOWLEDGE, body, now)

    def reply(
        self, transaction: ServerTransaction, status: int, body: bytes, now: float, headers: Fields = ()
    ) -> None:
        """Answer an in-dialog request of theirs, provisionally or finally; said twice, the second is nothing."""
        if transaction.answered:
            return
        if transaction is self._reoffer and status >= 200:
            self.feed(Input.ACCEPT if status < 300 else Input.DECLINE, (status, body, headers), now)
        else:
            self._respond(transaction, status, now, body=body, headers=headers)

    def cancel(self, transaction: ServerTransaction, now: float) -> None:
        """A CANCEL of an INVITE of theirs came (§9.2).

        It gets a 200 even when there is nothing left to cancel. A re-INVITE is not cut short by it: the other leg
        may be changing its media already, and the CANCEL might as well have crossed our answer.
        """
        if not self.feed(Input.CANCEL, transaction, now):
            self.ok(transaction, now)

    # --- what the core and the transactions say ------------------------------------------------------------

    def duration(self, timer: StrEnum) -> float | None:
        return self._interval if timer is Timer.REPEAT else TIMEOUT

    def on_request(self, request: Request, transaction: ServerTransaction, now: float) -> None:
        """A request inside our dialog: Call-ID and both tags matched."""
        dialog = self.dialog_of(request.from_tag)
        if dialog is None:
            transaction.respond(reply_to(request, 481), now)
            return
        if not dialog.in_order(request):
            transaction.respond(reply_to(request, 500), now)  # §12.2.2
            return
        if transaction.flow != dialog.flow and (transaction.flow.reliable or dialog.goes_to_source):
            # a stream that lives is better than one we would open, and a NAT may have moved its far end
            self.flow = dialog.flow = transaction.flow
        refusal = inspect_inside(request)
        if refusal is not None:
            self._respond(transaction, refusal.status, now, headers=refusal.headers)
            return
        transaction.user = self  # hears the ACK that comes with the branch of its INVITE
        if request.method in TARGET_REFRESH:
            fault = self.fault(request)
            if fault is not None:
                self._respond(transaction, fault[0], now, headers=fault[1])
                return
            if self.only_refreshes(request) and self.feed(Input.REFRESH, transaction, now):
                return
        if not self.feed(_KINDS.get(request.method, Input.REQUEST), transaction, now):
            transaction.respond(reply_to(request, 481), now)

    def on_ack(self, request: Request, now: float) -> None:
        """An ACK inside our dialog; only that of our last 2xx means anything."""
        if self._unacknowledged and request.cseq[0] == self._unacknowledged[0].request.cseq[0]:
            self.feed(Input.ACK, request, now)

    def on_no_ack(self, transaction: ServerTransaction, now: float) -> None:
        """A failure of ours was never acknowledged: nobody is left to tell (§17.2.1 timer H)."""

    # --- actions: requests of theirs -----------------------------------------------------------------------

    def ok(self, transaction: ServerTransaction, now: float) -> None:
        transaction.respond(reply_to(transaction.request, 200, to_tag=self.local_tag), now)

    def pass_reinvite(self, transaction: ServerTransaction, now: float) -> None:
        self._reoffer = transaction
        self._refresh_theirs(transaction.request)
        self.stack.emit(Requested(self, transaction.request, transaction))

    def answer_refresh(self, transaction: ServerTransaction, now: float) -> None:
        """What is described as before is answered as before, and is nobody else's business."""
        ours = self.exchange.ours
        self._refresh_theirs(transaction.request)
        self._respond(transaction, 200, now, body=ours)

    def pass_request(self, transaction: ServerTransaction, now: float) -> None:
        request = transaction.request
        if request.method in TARGET_REFRESH:
            self._refresh_theirs(request)
            if not request.body:
                self._respond(transaction, 200, now)  # RFC 4028 §7.4: it keeps this leg alive, and asks nothing
                return
        self._pending.append(transaction)
        self.stack.emit(Requested(self, request, transaction))

    def _refresh_theirs(self, request: Request) -> None:
        """A target refresh request is taken (§12.2.2)."""
        dialog = self.dialog_of(request.from_tag)
        if dialog is not None:
            dialog.refresh_target(request)
        self.exchange.received(request.sdp)
        self.note(request)

    def reply_pending(self, transaction: ServerTransaction, now: float) -> None:
        self._respond(transaction, 491, now)  # §14.2: our own INVITE is in progress

    def reply_too_early(self, transaction: ServerTransaction, now: float) -> None:
        self._respond(transaction, 500, now, headers=[SOON])  # §14.2: theirs is

    def answer_reinvite(self, said: tuple[int, bytes, Fields], now: float) -> None:
        transaction, self._reoffer = self._reoffer, None
        if transaction is not None:
            status, body, headers = said
            self._respond(transaction, status, now, body=body, headers=headers)

    def repeat_answer(self, _: object, now: float) -> None:
        # §13.3.1.4: the 2xx is ours to repeat, T1 doubling up to T2, whatever the transport
        if self._unacknowledged is not None:
            transaction, response = self._unacknowledged
            transaction.respond(response, now)
            self._interval = min(2 * self._interval, T2)
            self.arm(Timer.REPEAT, now)

    def acked(self, request: Request, now: float) -> None:
        if self._unacknowledged is not None:
            self._unacknowledged[0].settle()
        self._unacknowledged = None
        self._interval = T1
        self.exchange.acknowledged(request.sdp)
        self.stack.emit(Acked(self, request))

    def told(self, ticket: int, response: Response | None) -> None:
        self.stack.emit(Replied(self, ticket, response))

    # --- actions: the end ----------------------------------------------------------------------------------

    def ended_by_remote(self, transaction: ServerTransaction, now: float) -> None:
        request = transaction.request
        self._end(By.REMOTE, request.headers.get("reason") or request.method, now, request)

    def ended_by_us(self, reason: Any, now: float) -> None:
        self._end(By.LOCAL, reason if isinstance(reason, str) and reason else "hang up", now)

    def ended_without_ack(self, _: object, now: float) -> None:
        self._end(By.TIMEOUT, NO_ACK, now)

    def ended_lost(self, _: object, now: float) -> None:
        self._end(By.TIMEOUT, "the far end has lost the dialog", now)

    def ended_expired(self, _: object, now: float) -> None:
        self._end(By.TIMEOUT, "the session expired", now)

    def forget(self, _: object, now: float) -> None:
        self.stack.forget(self)

    def _end(self, by: By, reason: str, now: float, request: Request | None = None) -> None:
        self._settle(now)
        self.rest(now)
        self.stack.emit(Ended(self, by, reason, request))

    def _settle(self, now: float) -> None:
        """Nothing of a session that ends stays unanswered, on either side (§15.1.2)."""
        pending = [*self._pending, *([self._reoffer] if self._reoffer else [])]
        tickets = [*self._tickets.values(), *([self._offer_ticket] if self._offer_ticket else [])]
        self._pending, self._reoffer, self._offer_ticket = [], None, 0
        self._tickets.clear()
        for transaction in pending:
            transaction.respond(reply_to(transaction.request, 487, to_tag=self.local_tag), now)
        for ticket in tickets:
            if ticket != REFRESH:
                self.stack.emit(Replied(self, ticket, None))

    # --- how it is done ------------------------------------------------------------------------------------

    def _respond(
        self, transaction: ServerTransaction, status: int, now: float, body: bytes = b"", headers: Fields = ()
    ) -> None:
        request = transaction.request
        fields = typed(body, headers)
        if request.method in TARGET_REFRESH and status > 100:
            fields = [*self._offer_fields(request, status, body, now), *fields]
        response = reply_to(request, status, to_tag=self.local_tag, headers=fields, body=body)
        if request.method == "INVITE" and 200 <= status < 300:
            self._unacknowledged = (transaction, response)
        if status >= 200 and transaction in self._pending:
            self._pending.remove(transaction)
        transaction.respond(response, now)

    def _offer_fields(self, request: Request, status: int, body: bytes, now: float) -> Fields:
        """What our response to an INVITE or UPDATE says of us, beside the description in it."""
        if status >= 300:
            self.exchange.refused()
            return ()
        if status < 200:
            return [("Contact", self.contact)]
        self.exchange.sent(body)
        return [("Contact", self.contact), *self.grant(request, now)]
