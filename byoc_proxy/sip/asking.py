"""What we ask inside a dialog, and what comes of it (RFC 3261 §12.2.1, §14.1, §22.2, RFC 3262, RFC 4028).

The client half of a session: its requests, their answers by ticket, and the same again where the far end wants
credentials or a longer interval.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from byoc_proxy.sip.digest_client import Proof, without_proof
from byoc_proxy.sip.exchange import State as Offers
from byoc_proxy.sip.message import TARGET_REFRESH
from byoc_proxy.sip.refresh import asked_again, obtained, raised
from byoc_proxy.sip.sdp import SdpError, refusing_answer
from byoc_proxy.sip.states import Input, State
from byoc_proxy.sip.upkeep import REFRESH, Upkeep

if TYPE_CHECKING:
    from collections.abc import Iterable

    from byoc_proxy.sip.dialog import Dialog, Routing
    from byoc_proxy.sip.digest_client import Credentials
    from byoc_proxy.sip.message import Request, Response
    from byoc_proxy.sip.stack import Stack
    from byoc_proxy.sip.transaction import ClientTransaction

    Fields = Iterable[tuple[str, str]]
    Asked = tuple[int, str, bytes, Fields]  # ticket, method, body, headers

_NO_DIALOG: Final = frozenset({408, 481})  # the far end has no such dialog any more (§12.2.1.2)


class Asking(Upkeep):
    """`dialog` is what we speak in: the established one, or the early one that spoke last."""

    __slots__ = (
        "_ack",
        "_offer_ticket",
        "_offered_bare",
        "_proofs",
        "_proven",
        "_tickets",
        "_unacked",
        "call_id",
        "credentials",
        "dialog",
        "routing",
        "stack",
    )

    def __init__(self, stack: Stack, call_id: str, local_tag: str, now: float) -> None:
        self.stack = stack
        self.call_id = call_id
        self.dialog: Dialog | None = None
        self.routing: Routing = "auto"
        self.credentials: Credentials | None = None  # for whoever challenges a request of ours
        self._unacked: Response | None = None  # their 2xx, until our ACK
        self._ack: Request | None = None  # our last ACK, for a repeated 2xx
        self._offer_ticket = 0  # our re-INVITE in progress
        self._offered_bare = False  # ... which carried no offer
        self._tickets: dict[str, int] = {}  # branch of our other in-dialog requests -> ticket
        self._proofs: dict[str, Proof] = {}  # branch of our challenged requests -> what they answered
        self._proven: Fields = ()  # the answers of our re-INVITE, for its ACK
        super().__init__(local_tag, stack.alarms, now)

    def told(self, ticket: int, response: Response | None) -> None:
        """What came of a request that the user asked for."""
        raise NotImplementedError

    def route(self, routing: Routing) -> None:
        """Choose where in-dialog requests go."""
        self.routing = routing
        if self.dialog is not None:
            self.dialog.routing = routing

    def dialog_of(self, remote_tag: str) -> Dialog | None:
        """The dialog of this session with that far end."""
        dialog = self.dialog
        return dialog if dialog is not None and dialog.remote_tag == remote_tag else None

    # --- answers -------------------------------------------------------------------------------------------

    def on_response(self, transaction: ClientTransaction, response: Response, now: float) -> None:
        method, status = transaction.request.method, response.status
        if status < 200 or method == "CANCEL" or self._proves(transaction, response, now):
            return
        if status == 422 and self._asks_longer(transaction, response, now):
            return
        if method == "BYE":
            self.feed(Input.BYE_DONE, response, now)
        elif method == "INVITE":
            self._on_reinvite_response(response, now)
        else:
            if method == "UPDATE":
                self._on_update_response(response, now)
            self._replied(transaction, response, now)
            if status in _NO_DIALOG and self.dialog_of(transaction.request.to_tag) is not None:
                self.feed(Input.DIALOG_LOST, response, now)

    def on_no_response(self, transaction: ClientTransaction, cause: str, now: float) -> None:
        method = transaction.request.method
        if method == "BYE":
            # §18.4: a stream that breaks takes what is under way with it, and without a BYE the far end talks on
            broke = cause != "timeout" and transaction.flow.reliable
            self.feed(Input.BYE_LOST if broke else Input.BYE_DONE, None, now)
        elif method == "INVITE":
            self.feed(Input.REOFFER_LOST, None, now)
        elif method != "CANCEL":
            self._replied(transaction, None, now)
            if method == "UPDATE" and cause == "timeout":
                # §12.2.1.2. Silence to an INFO is no proof: there are peers that drop what they do not know
                self.feed(Input.DIALOG_LOST, None, now)

    def _on_reinvite_response(self, response: Response, now: float) -> None:
        if response.status >= 300:
            self.exchange.refused()
            lost = response.status in _NO_DIALOG
            self.feed(Input.REOFFER_LOST if lost else Input.REOFFER_REFUSED, response, now)
        elif self._ack is not None and self._ack.cseq[0] == response.cseq[0]:
            self._repeat_ack()
        else:
            self._established.refresh_target(response)
            self.exchange.received(response.sdp)
            self.agree(obtained(response), now)
            with_offer = self._offered_bare and bool(response.body)
            self.feed(Input.REOFFER_SUCCESS_OFFER if with_offer else Input.REOFFER_SUCCESS, response, now)

    def _on_update_response(self, response: Response, now: float) -> None:
        if response.status >= 300:
            self.exchange.refused()
            return
        self._established.refresh_target(response)
        self.exchange.received(response.sdp)
        self.exchange.refused()  # a 2xx without an answer changes nothing
        self.agree(obtained(response), now)

    def _proves(self, transaction: ClientTransaction, response: Response, now: float) -> bool:
        """A challenged request is sent again with the answer, to whom asked for it (§22.2); True when it is.

        Somebody who only wants out says BYE again, and nothing else.
        """
        request = transaction.request
        proof = self._proofs.pop(transaction.key[0], None)
        if response.status not in {401, 407} or self.credentials is None:
            return False
        if request.method != "BYE" and self.state in {State.CLOSING, State.OVER}:
            return False
        proof = proof or Proof(self.credentials)
        if not proof.takes(response, request.method, request.uri_text, self.stack.new_cnonce()):
            return False
        sent = self._say_again(transaction, [*without_proof(request.headers), *proof.fields], now)
        if sent is None:
            return False
        self._proofs[sent] = proof
        if request.method == "INVITE":
            self._proven = proof.fields
        return True

    def _asks_longer(self, transaction: ClientTransaction, response: Response, now: float) -> bool:
        """After a 422 the same with the longer interval (RFC 4028 §7.3); True when it is sent."""
        seconds = raised(transaction.request, response)
        if seconds is None or self.state in {State.CLOSING, State.OVER}:
            return False
        return self._say_again(transaction, asked_again(transaction.request, seconds), now) is not None

    def _say_again(self, transaction: ClientTransaction, headers: Fields, now: float) -> str | None:
        """A request once more in its dialog, with other headers, to whom the first went; its branch."""
        request, branch = transaction.request, transaction.key[0]
        dialog = self.dialog_of(request.to_tag)
        if dialog is None:
            return None
        again = dialog.request(request.method, self.stack.new_branch(), headers=headers, body=request.body)
        sent = self.stack.send_request(again, transaction.flow, self, now).key[0]
        if branch in self._tickets:
            self._tickets[sent] = self._tickets.pop(branch)
        return sent

    # --- actions -------------------------------------------------------------------------------------------

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
        self._tell(asked[0], None, now)

    def send_ack(self, response: Response, now: float) -> None:
        self._acknowledge(response, b"")

    def keep_for_ack(self, response: Response, now: float) -> None:
        self._unacked = response

    def send_late_ack(self, body: bytes, now: float) -> None:
        if self._unacked is not None:
            self._acknowledge(self._unacked, body)
            self._unacked = None

    def send_leaving_ack(self, _: object, now: float) -> None:
        """Their 2xx with the offer is answered all the same (§13.2.2.4): we take nothing of it."""
        if self._unacked is not None:
            self.send_late_ack(self._nothing(), now)

    def send_late_leaving_ack(self, response: Response, now: float) -> None:
        """The same to a 2xx that comes when we have left."""
        self._acknowledge(response, self._nothing())

    def _nothing(self) -> bytes:
        address = self._established.flow.sent_by.rpartition(":")[0].strip("[]")
        try:
            return refusing_answer(self.exchange.offer, address)
        except SdpError:
            return b""  # who cannot write an offer gets no answer

    def reoffer_done(self, response: Response, now: float) -> None:
        ticket, self._offer_ticket = self._offer_ticket, 0
        self._tell(ticket, response, now)

    # --- how it is done ------------------------------------------------------------------------------------

    def _ask(self, kind: Input, method: str, body: bytes, headers: Fields, now: float) -> int:
        ticket = self.stack.new_ticket()
        offers = method in TARGET_REFRESH and _is_offer(body, headers)
        if self.dialog is None or (offers and self.exchange.state is not Offers.AGREED):
            self.told(ticket, None)
        elif not self.feed(kind, (ticket, method, body, headers), now):
            self.told(ticket, None)
        return ticket

    def _send(self, method: str, now: float, body: bytes = b"", headers: Fields = ()) -> ClientTransaction:
        dialog = self._established
        if method in TARGET_REFRESH:
            headers = [*self.wishes(), *headers]
            self.exchange.sent(body if _is_offer(body, headers) else b"")
        request = dialog.request(method, self.stack.new_branch(), headers=headers, body=body)
        return self.stack.send_request(request, self.stack.flow_for(dialog), self, now)

    def _send_asked(self, asked: tuple[int, str, bytes, Fields], now: float) -> ClientTransaction:
        _, method, body, headers = asked
        return self._send(method, now, body=body, headers=typed(body, headers))

    def _acknowledge(self, response: Response, body: bytes) -> None:
        number = response.cseq[0]
        self.exchange.acknowledged(body)
        headers = [*self.proven(), *typed(body, ())]
        self._ack = self._established.request(
            "ACK", self.stack.new_branch(), cseq=number, headers=headers, body=body
        )
        self._repeat_ack()

    def proven(self) -> Fields:
        """What the ACK of a 2xx repeats of its INVITE (§13.2.2.4, §22.1)."""
        return self._proven

    def _repeat_ack(self) -> None:
        if self._ack is not None:
            self.stack.send_bytes(self._ack.encode(), self.stack.flow_for(self._established))

    def _replied(self, transaction: ClientTransaction, response: Response | None, now: float) -> None:
        ticket = self._tickets.pop(transaction.key[0], None)
        if ticket is not None:
            self._tell(ticket, response, now)

    def _tell(self, ticket: int, response: Response | None, now: float) -> None:
        if ticket == REFRESH:
            self.refreshed(response, now)
        else:
            self.told(ticket, response)

    @property
    def _established(self) -> Dialog:
        if self.dialog is None:
            raise AssertionError("a row of the table needs a dialog before there is one")
        return self.dialog


def _is_offer(body: bytes, headers: Fields) -> bool:
    """A body is a description unless its headers say otherwise."""
    types = [value for name, value in headers if name.lower() == "content-type"]
    return bool(body) and all(value.lower().startswith("application/sdp") for value in types)


def typed(body: bytes, headers: Fields) -> Fields:
    """The headers, with SDP's Content-Type when a body comes without one."""
    if not body or any(name.lower() == "content-type" for name, _ in headers):
        return headers
    return [*headers, ("Content-Type", "application/sdp")]
