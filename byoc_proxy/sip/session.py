"""INVITE sessions: what both roles share (RFC 3261 §12.2, §14, §15).

A session is one INVITE usage of a dialog. `UacSession` (uac.py) and `UasSession` (uas.py) add their setup to
the rows of an established dialog (established.py): re-INVITE both ways, glare, other requests, hang-up and every
crossing of them. `HANG_UP` is one input that means "we want out, whatever that takes here". The user's verbs
never fail: what has no row in a state is absorbed.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Protocol

from byoc_proxy.sip.digest_client import Proof, without_proof
from byoc_proxy.sip.machine import Alarms, Machine
from byoc_proxy.sip.message import reply_to
from byoc_proxy.sip.outputs import Acked, By, Ended, Replied, Requested
from byoc_proxy.sip.states import Input, State, Timer
from byoc_proxy.sip.transaction import T1, T2, TIMEOUT

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable
    from enum import StrEnum

    from byoc_proxy.sip.dialog import Dialog, Routing
    from byoc_proxy.sip.digest_client import Credentials
    from byoc_proxy.sip.flow import Flow
    from byoc_proxy.sip.message import Request, Response
    from byoc_proxy.sip.outputs import Event
    from byoc_proxy.sip.transaction import ClientTransaction, ClientUser, ServerTransaction

    Fields = Iterable[tuple[str, str]]


TARGET_REFRESH = frozenset({"INVITE", "UPDATE"})  # both carry a Contact, and so do their 2xx (§12.2, RFC 3311 §5)


class Stack(Protocol):
    """What a session needs of the core."""

    alarms: Alarms

    def new_branch(self) -> str: ...
    def new_cnonce(self) -> str: ...
    def new_ticket(self) -> int: ...
    def emit(self, event: Event) -> None: ...
    def send_request(self, request: Request, flow: Flow, user: ClientUser, now: float) -> ClientTransaction: ...
    def send_bytes(self, data: bytes, flow: Flow) -> None: ...
    def flow_for(self, dialog: Dialog) -> Flow: ...
    def forget(self, session: Session) -> None: ...


class Session(Machine):
    """One INVITE usage. `call_id` and `local_tag` identify it; `listener` hears its events."""

    __slots__ = (
        "_ack",
        "_interval",
        "_offer_ticket",
        "_offered_bare",
        "_pending",
        "_proofs",
        "_proven",
        "_reoffer",
        "_tickets",
        "_unacked",
        "_unacknowledged",
        "call_id",
        "contact",
        "credentials",
        "dialog",
        "flow",
        "listener",
        "local_tag",
        "routing",
        "stack",
    )

    def __init__(self, stack: Stack, flow: Flow, call_id: str, local_tag: str, contact: str, now: float) -> None:
        self.stack = stack
        self.flow = flow
        self.call_id = call_id
        self.local_tag = local_tag
        self.contact = contact
        self.dialog: Dialog | None = None
        self.routing: Routing = "auto"
        self.credentials: Credentials | None = None  # for whoever challenges a request of ours
        self.listener: Callable[[Event], None] | None = None
        self._interval = T1
        self._unacknowledged: tuple[ServerTransaction, Response] | None = None  # our 2xx, until its ACK
        self._unacked: Response | None = None  # their 2xx, until our ACK
        self._ack: Request | None = None  # our last ACK, for a repeated 2xx
        self._reoffer: ServerTransaction | None = None  # their re-INVITE in progress
        self._offer_ticket = 0  # our re-INVITE in progress
        self._offered_bare = False  # ... which carried no offer
        self._tickets: dict[str, int] = {}  # branch of our other in-dialog requests -> ticket
        self._pending: list[ServerTransaction] = []  # their other requests that wait for an answer
        self._proofs: dict[str, Proof] = {}  # branch of our challenged requests -> what they answered
        self._proven: Fields = ()  # the answers of our re-INVITE, for its ACK
        super().__init__(stack.alarms, now)

    def route(self, routing: Routing) -> None:
        """Choose where in-dialog requests go."""
        self.routing = routing
        if self.dialog is not None:
            self.dialog.routing = routing

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

    def _ask(self, kind: Input, method: str, body: bytes, headers: Fields, now: float) -> int:
        ticket = self.stack.new_ticket()
        if not self.feed(kind, (ticket, method, body, headers), now):
            self.stack.emit(Replied(self, ticket, None))
        return ticket

    # --- what the core and the transactions say ------------------------------------------------------------

    def duration(self, timer: StrEnum) -> float | None:
        return self._interval if timer is Timer.REPEAT else TIMEOUT

    def on_request(self, request: Request, transaction: ServerTransaction, now: float) -> None:
        """A request inside our dialog: Call-ID and both tags matched."""
        dialog = self.dialog
        if dialog is None:
            transaction.respond(reply_to(request, 481), now)
            return
        if not dialog.in_order(request):
            transaction.respond(reply_to(request, 500), now)  # §12.2.2
            return
        if transaction.flow.reliable or dialog.goes_to_source:
            # a stream that lives is better than one we would open, and a NAT may have moved its far end
            self.flow = dialog.flow = transaction.flow
        transaction.user = self  # hears the ACK that comes with the branch of its INVITE
        kind = {"BYE": Input.BYE, "INVITE": Input.REINVITE}.get(request.method, Input.REQUEST)
        if not self.feed(kind, transaction, now):
            transaction.respond(reply_to(request, 481), now)

    def on_ack(self, request: Request, now: float) -> None:
        """An ACK inside our dialog; only that of our last 2xx means anything."""
        if self._unacknowledged and request.cseq[0] == self._unacknowledged[0].request.cseq[0]:
            self.feed(Input.ACK, request, now)

    def on_no_ack(self, transaction: ServerTransaction, now: float) -> None:
        """A failure of ours was never acknowledged: nobody is left to tell (§17.2.1 timer H)."""

    def on_response(self, transaction: ClientTransaction, response: Response, now: float) -> None:
        method, status = transaction.request.method, response.status
        if status < 200 or method == "CANCEL" or self._proves(transaction, response, now):
            return
        if method == "BYE":
            self.feed(Input.BYE_DONE, response, now)
        elif method == "INVITE":
            self._on_reinvite_response(response, now)
        else:
            if method in TARGET_REFRESH and status < 300:
                self._established.refresh_target(response)
            self._replied(transaction, response)

    def on_no_response(self, transaction: ClientTransaction, cause: str, now: float) -> None:
        method = transaction.request.method
        if method == "BYE":
            self.feed(Input.BYE_DONE, None, now)
        elif method == "INVITE":
            self.feed(Input.REOFFER_LOST, None, now)
        elif method != "CANCEL":
            self._replied(transaction, None)

    def _on_reinvite_response(self, response: Response, now: float) -> None:
        if response.status >= 300:
            # §12.2.1.2: 481 and 408 say that the far end has no such dialog any more
            lost = response.status in {408, 481}
            self.feed(Input.REOFFER_LOST if lost else Input.REOFFER_REFUSED, response, now)
        elif self._ack is not None and self._ack.cseq[0] == response.cseq[0]:
            self._repeat_ack()
        else:
            self._established.refresh_target(response)
            with_offer = self._offered_bare and bool(response.body)
            self.feed(Input.REOFFER_SUCCESS_OFFER if with_offer else Input.REOFFER_SUCCESS, response, now)

    # --- actions: requests of ours -------------------------------------------------------------------------

    def send_bye(self, reason: Any, now: float) -> None:
        headers = (("Reason", reason),) if isinstance(reason, str) and reason else ()
        self._send("BYE", now, headers=headers)

    def send_bye_without_ack(self, _: object, now: float) -> None:
        self._send("BYE", now, headers=(("Reason", 'SIP;cause=408;text="ACK timeout"'),))

    def send_reinvite(self, asked: tuple[int, str, bytes, Fields], now: float) -> None:
        self._offer_ticket, _, body, _ = asked
        self._proven = ()
        self._offered_bare = not body
        self._send_asked(asked, now)

    def send_other(self, asked: tuple[int, str, bytes, Fields], now: float) -> None:
        self._tickets[self._send_asked(asked, now).key[0]] = asked[0]

    def refuse_own_offer(self, asked: tuple[int, str, bytes, Fields], now: float) -> None:
        # §14.1: not while an INVITE is in progress in either direction
        self.stack.emit(Replied(self, asked[0], None))

    def send_ack(self, response: Response, now: float) -> None:
        self._acknowledge(response, b"")

    def keep_for_ack(self, response: Response, now: float) -> None:
        self._unacked = response

    def send_late_ack(self, body: Any, now: float) -> None:
        if self._unacked is not None:
            self._acknowledge(self._unacked, body if isinstance(body, bytes) else b"")
            self._unacked = None

    def reoffer_done(self, response: Response, now: float) -> None:
        ticket, self._offer_ticket = self._offer_ticket, 0
        self.stack.emit(Replied(self, ticket, response))

    # --- actions: requests of theirs -----------------------------------------------------------------------

    def ok(self, transaction: ServerTransaction, now: float) -> None:
        transaction.respond(reply_to(transaction.request, 200, to_tag=self.local_tag), now)

    def pass_reinvite(self, transaction: ServerTransaction, now: float) -> None:
        self._reoffer = transaction
        self._established.refresh_target(transaction.request)  # §12.2.2
        self.stack.emit(Requested(self, transaction.request, transaction))

    def pass_request(self, transaction: ServerTransaction, now: float) -> None:
        if transaction.request.method in TARGET_REFRESH:
            self._established.refresh_target(transaction.request)
        self._pending.append(transaction)
        self.stack.emit(Requested(self, transaction.request, transaction))

    def reply_pending(self, transaction: ServerTransaction, now: float) -> None:
        self._respond(transaction, 491, now)  # §14.2: our own INVITE is in progress

    def reply_too_early(self, transaction: ServerTransaction, now: float) -> None:
        self._respond(transaction, 500, now, headers=(("Retry-After", "3"),))  # §14.2: theirs is

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
        self.stack.emit(Acked(self, request))

    # --- actions: the end ----------------------------------------------------------------------------------

    def ended_by_remote(self, transaction: ServerTransaction, now: float) -> None:
        request = transaction.request
        self._end(By.REMOTE, request.headers.get("reason") or request.method, now)

    def ended_by_us(self, reason: Any, now: float) -> None:
        self._end(By.LOCAL, reason if isinstance(reason, str) and reason else "hang up", now)

    def ended_without_ack(self, _: object, now: float) -> None:
        self._end(By.TIMEOUT, "no ACK", now)

    def ended_lost(self, _: object, now: float) -> None:
        self._end(By.TIMEOUT, "the far end has lost the dialog", now)

    def forget(self, _: object, now: float) -> None:
        self.stack.forget(self)

    def _end(self, by: By, reason: str, now: float) -> None:
        self._settle(now)
        self.stack.emit(Ended(self, by, reason))

    def _settle(self, now: float) -> None:
        """Nothing of a session that ends stays unanswered, on either side (§15.1.2)."""
        pending = [*self._pending, *([self._reoffer] if self._reoffer else [])]
        tickets = [*self._tickets.values(), *([self._offer_ticket] if self._offer_ticket else [])]
        self._pending, self._reoffer, self._offer_ticket = [], None, 0
        self._tickets.clear()
        for transaction in pending:
            transaction.respond(reply_to(transaction.request, 487, to_tag=self.local_tag), now)
        for ticket in tickets:
            self.stack.emit(Replied(self, ticket, None))

    # --- how it is done ------------------------------------------------------------------------------------

    def _send(self, method: str, now: float, body: bytes = b"", headers: Fields = ()) -> ClientTransaction:
        dialog = self._established
        request = dialog.request(method, self.stack.new_branch(), headers=headers, body=body)
        return self.stack.send_request(request, self.stack.flow_for(dialog), self, now)

    def _send_asked(self, asked: tuple[int, str, bytes, Fields], now: float) -> ClientTransaction:
        _, method, body, headers = asked
        return self._send(method, now, body=body, headers=_typed(body, headers))

    def _acknowledge(self, response: Response, body: bytes) -> None:
        number = response.cseq[0]
        headers = [*self.proven(), *_typed(body, ())]
        self._ack = self._established.request(
            "ACK", self.stack.new_branch(), cseq=number, headers=headers, body=body
        )
        self._repeat_ack()

    def proven(self) -> Fields:
        """What the ACK of a 2xx repeats of its INVITE (§13.2.2.4, §22.1)."""
        return self._proven

    def _proves(self, transaction: ClientTransaction, response: Response, now: float) -> bool:
        """A challenged request is sent again with the answer, to whom asked for it (§22.2); True when it is.

        Somebody who only wants out says BYE again, and nothing else.
        """
        request, branch = transaction.request, transaction.key[0]
        proof = self._proofs.pop(branch, None)
        if response.status not in {401, 407} or self.credentials is None or self.dialog is None:
            return False
        if request.method != "BYE" and self.state in {State.CLOSING, State.OVER}:
            return False
        proof = proof or Proof(self.credentials)
        if not proof.takes(response, request.method, request.uri_text, self.stack.new_cnonce()):
            return False
        headers = [*without_proof(request.headers), *proof.fields]
        again = self.dialog.request(request.method, self.stack.new_branch(), headers=headers, body=request.body)
        sent = self.stack.send_request(again, transaction.flow, self, now).key[0]
        self._proofs[sent] = proof
        if branch in self._tickets:
            self._tickets[sent] = self._tickets.pop(branch)
        if request.method == "INVITE":
            self._proven = proof.fields
        return True

    def _repeat_ack(self) -> None:
        if self._ack is not None:
            self.stack.send_bytes(self._ack.encode(), self.stack.flow_for(self._established))

    def _respond(
        self, transaction: ServerTransaction, status: int, now: float, body: bytes = b"", headers: Fields = ()
    ) -> None:
        request = transaction.request
        fields = _typed(body, headers)
        if request.method in TARGET_REFRESH and 100 < status < 300:
            fields = [("Contact", self.contact), *fields]
        response = reply_to(request, status, to_tag=self.local_tag, headers=fields, body=body)
        if request.method == "INVITE" and 200 <= status < 300:
            self._unacknowledged = (transaction, response)
        if status >= 200 and transaction in self._pending:
            self._pending.remove(transaction)
        transaction.respond(response, now)

    def _replied(self, transaction: ClientTransaction, response: Response | None) -> None:
        ticket = self._tickets.pop(transaction.key[0], None)
        if ticket is not None:
            self.stack.emit(Replied(self, ticket, response))

    @property
    def _established(self) -> Dialog:
        if self.dialog is None:
            raise AssertionError("a row of the table needs a dialog before there is one")
        return self.dialog


def _typed(body: bytes, headers: Fields) -> Fields:
    """The headers, with SDP's Content-Type when a body comes without one."""
    if not body or any(name.lower() == "content-type" for name, _ in headers):
        return headers
    return [*headers, ("Content-Type", "application/sdp")]
