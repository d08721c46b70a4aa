"""The session of a UAC: our INVITE, from the first byte to the dialog (RFC 3261 §13.2, §9.1)."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from typing import TYPE_CHECKING, ClassVar, Final

from byoc_proxy.sip.aftermath import Aftermath, end_fork
from byoc_proxy.sip.asking import typed
from byoc_proxy.sip.dialog import Dialog
from byoc_proxy.sip.established import ESTABLISHED, ESTABLISHED_TIMERS
from byoc_proxy.sip.exchange import Exchange
from byoc_proxy.sip.exchange import State as Offers
from byoc_proxy.sip.headers import HeaderError, Headers, refuse_unsafe
from byoc_proxy.sip.inspection import SUPPORTED, allow
from byoc_proxy.sip.machine import Table, to
from byoc_proxy.sip.message import Request, cancel_for
from byoc_proxy.sip.outputs import Answered, By, Ended, Progressed, Refused
from byoc_proxy.sip.refresh import OPTION as TIMER
from byoc_proxy.sip.refresh import TIMER_HEADERS, longer, obtained, raised, request_fields
from byoc_proxy.sip.reliable import Early, acknowledgement, reliable
from byoc_proxy.sip.session import Session
from byoc_proxy.sip.states import Input, State, Timer
from byoc_proxy.sip.terms import Terms
from byoc_proxy.sip.transaction import Input as TransactionInput

if TYPE_CHECKING:
    from byoc_proxy.sip.flow import Flow
    from byoc_proxy.sip.message import Response
    from byoc_proxy.sip.session import Fields
    from byoc_proxy.sip.transaction import ClientTransaction


CREDENTIALS: Final = frozenset({"authorization", "proxy-authorization"})
MAX_EARLY: Final = 16  # early dialogs of one INVITE; a fork beyond them rings, and is not spoken to
_ONLY_TIMER: Final = ("Supported", TIMER)
_TERMS: Final = Terms()
_ASCII_SPACE: Final = frozenset(" \t\v\f\r\n")


@dataclass(slots=True)
class Outgoing:
    """One request to be made outside of any dialog: Request-URI, From and To values without tags, the rest.

    `headers` are `(name, value)` pairs; Via, Call-ID, CSeq, Contact and Content-Length are of whoever sends it.
    `HeaderError` when a value would break out of its line, or the Request-URI holds white space.
    """

    uri: str
    from_: str
    to: str
    headers: tuple[tuple[str, str], ...] = ()
    body: bytes = b""
    max_forwards: int = 70

    def __post_init__(self) -> None:
        for name, value in (("Request-URI", self.uri), ("From", self.from_), ("To", self.to), *self.headers):
            refuse_unsafe(name, value)
        if not self.uri or not _ASCII_SPACE.isdisjoint(self.uri):
            # what is white space in Unicode alone parts nothing on a wire, and may stand in a user part
            raise HeaderError("white space in the Request-URI")

    @property
    def abilities(self) -> tuple[tuple[str, str, str], ...]:
        """What it says of us, besides: as `Headers.items`."""
        return ()

    def request(
        self, method: str, flow: Flow, contact: str, call_id: str, tag: str, branch: str, cseq: int = 1
    ) -> Request:
        """The request itself (§8.1.1)."""
        headers = Headers()
        headers.items = [
            ("via", "Via", f"SIP/2.0/{flow.transport} {flow.sent_by};branch={branch};rport"),
            ("max-forwards", "Max-Forwards", str(self.max_forwards)),
            ("from", "From", f"{self.from_};tag={tag}"),
            ("to", "To", self.to),
            ("call-id", "Call-ID", call_id),
            ("cseq", "CSeq", f"{cseq} {method}"),
            ("contact", "Contact", contact),
        ]
        headers.items += self.abilities
        for name, value in self.headers:
            headers.add(name, value)
        return Request(method, self.uri, headers, self.body)


@dataclass(slots=True)
class OutgoingInvite(Outgoing):
    """One call to be made, the same for every attempt."""

    terms: Terms = _TERMS

    @property
    def abilities(self) -> tuple[tuple[str, str, str], ...]:
        """What it says of us, and of the session timer that we want."""
        return _abilities(self.terms)


@lru_cache(256)  # one for each trunk's terms
def _abilities(terms: Terms) -> tuple[tuple[str, str, str], ...]:
    fields = (allow(terms), SUPPORTED if terms.prack else _ONLY_TIMER, *request_fields(terms))
    return tuple((name.lower(), name, value) for name, value in fields)


class UacSession(Session):
    """Our INVITE and what came of it."""

    __slots__ = ("_early", "_forks", "_unpracked", "invite")
    table: ClassVar[Table]
    calls = True

    invite: ClientTransaction  # from `start` on

    def start(self, outgoing: OutgoingInvite, now: float, cseq: int = 1) -> None:
        """Send the INVITE."""
        self._forks: frozenset[str] = frozenset()  # To tags of further answers
        self._begin(outgoing.body)
        self.terms = outgoing.terms
        request = outgoing.request(
            "INVITE", self.flow, self.contact, self.call_id, self.local_tag, self.stack.new_branch(), cseq
        )
        self.invite = self.stack.send_request(request, self.flow, self, now)

    def _begin(self, body: bytes) -> None:
        """Nothing has come of the INVITE yet."""
        self._early: dict[str, Early] = {}  # by To tag
        self._unpracked: Response | None = None  # their 18x with the offer, until our PRACK
        self.exchange.sent(body)

    def on_response(self, transaction: ClientTransaction, response: Response, now: float) -> None:
        if transaction is not self.invite:
            if transaction.request.to_tag not in self._forks:
                super().on_response(transaction, response, now)
        elif response.status < 200:
            self._on_provisional(response, now)
        elif response.status >= 300:
            if raised(transaction.request, response) is None or not self.feed(Input.TOO_BRIEF, response, now):
                self.feed(Input.FAILURE, response, now)
        elif not self._feed_success(response, now):
            if self.dialog is not None and response.to_tag == self.dialog.remote_tag:
                self._repeat_ack()  # §13.2.2.4: the 2xx again
            else:
                self._end_fork(response, now)

    def _feed_success(self, response: Response, now: float) -> bool:
        """False when there has been a 2xx before: the first is the call."""
        bare = self.exchange.state is Offers.NOTHING and bool(response.body)
        return self.feed(Input.SUCCESS_OFFER if bare else Input.SUCCESS, response, now)

    def _on_provisional(self, response: Response, now: float) -> None:
        if response.status == 100:
            self.feed(Input.TRYING, response, now)
            return
        early = self._early_of(response)
        rseq = reliable(response)
        if rseq is None:
            self.feed(Input.PROGRESS, response, now)
        elif early is not None and early.takes(rseq):  # RFC 3262 §4: else it is not even looked at
            bare = self.exchange.state is Offers.NOTHING and bool(response.body)
            self.feed(Input.PROGRESS_OFFER if bare else Input.PROGRESS_RELIABLE, response, now)

    def _early_of(self, response: Response) -> Early | None:
        """The early dialog of an 18x (§12.1.2): a forked INVITE has several."""
        tag = response.to_tag
        early = self._early.get(tag)
        if early is None and tag and len(self._early) < MAX_EARLY:
            early = self._early[tag] = Early(response)
        return early

    def dialog_of(self, remote_tag: str) -> Dialog | None:
        early = self._early.get(remote_tag)
        return super().dialog_of(remote_tag) if early is None else self._dialog_in(early)

    def _dialog_in(self, early: Early) -> Dialog:
        if early.dialog is None:
            early.dialog = Dialog.of_uac(self.invite.request, early.heard, self.contact, self.flow)
            early.dialog.routing = self.routing
        return early.dialog

    def _dialog_of(self, response: Response) -> Dialog:
        """The dialog that a 2xx makes: the early one of its branch where there is one (§12.1.2)."""
        early = self._early.get(response.to_tag)
        if early is None or early.dialog is None:
            return Dialog.of_uac(self.invite.request, response, self.contact, self.flow)
        early.dialog.confirm(response)
        return early.dialog

    def on_no_response(self, transaction: ClientTransaction, cause: str, now: float) -> None:
        if transaction is self.invite:
            # a transaction that goes on waits for what may come over a new connection (§18.2.2)
            self.feed(Input.LOST if transaction.over else Input.CUT, cause, now)
        elif transaction.request.to_tag not in self._forks:
            super().on_no_response(transaction, cause, now)

    def _end_fork(self, response: Response, now: float) -> None:
        """Another branch answered: the first is the call."""
        fork = self._dialog_of(response)
        first = response.to_tag not in self._forks
        self._forks |= {response.to_tag}
        end_fork(self.stack, fork, response.cseq[0], self, now, bye=first, credentials=self.proven())

    def leave(self) -> None:
        """The session is over: its INVITE may stay, with as little as it needs."""
        if self.dialog is not None and self._ack is not None:
            flow = self.stack.flow_for(self.dialog)
            numbers = {
                tag: early.dialog.local_cseq for tag, early in self._early.items() if early.dialog is not None
            }
            self.invite.user = Aftermath(self.stack, flow, self._ack, self.dialog.remote_tag, self._forks, numbers)
            self.invite.settle()

    def proven(self) -> Fields:
        if self._proven:
            return self._proven
        headers = self.invite.request.headers
        return [(name, value) for key, name, value in headers if key in CREDENTIALS]

    # --- actions -------------------------------------------------------------------------------------------

    def progressed(self, response: Response, now: float) -> None:
        self.stack.emit(Progressed(self, response))

    def send_prack(self, response: Response, now: float) -> None:
        self.exchange.concluded(response.sdp)
        self._prack(response, b"", now)

    def keep_for_prack(self, response: Response, now: float) -> None:
        self.exchange.received(response.sdp)
        self._unpracked = response

    def send_late_prack(self, body: bytes, now: float) -> None:
        response, self._unpracked = self._unpracked, None
        if response is not None:
            self.exchange.sent(body)
            self._prack(response, body, now)

    def _prack(self, response: Response, body: bytes, now: float) -> None:
        """RFC 3262 §4: within the early dialog that the 18x is of. The newest that speaks is spoken to."""
        early = self._early[response.to_tag]
        dialog = self._dialog_in(early)
        if response.body or self.dialog is None:
            self.dialog = dialog
            self.note(response)
        early.sdp = response.sdp or early.sdp
        headers = typed(body, [acknowledgement(response), *self.proven()])
        prack = dialog.request("PRACK", self.stack.new_branch(), headers=headers, body=body)
        self.stack.send_request(prack, self.stack.flow_for(dialog), self, now)

    def invite_again(self, response: Response, now: float) -> None:
        """After a 422: the longer interval, the same Call-ID, the next CSeq (RFC 4028 §7.3)."""
        request = self.invite.request
        seconds = raised(request, response) or 0
        number, _ = request.cseq
        own = {
            "via": f"SIP/2.0/{self.flow.transport} {self.flow.sent_by};branch={self.stack.new_branch()};rport",
            "cseq": f"{number + 1} INVITE",
        }
        headers = Headers()
        headers.items = [
            (key, name, own.get(key, value)) for key, name, value in request.headers if key not in TIMER_HEADERS
        ]
        for name, value in longer(request, seconds):
            headers.add(name, value)
        self.exchange = Exchange()
        self._begin(request.body)
        self.dialog = None
        again = Request("INVITE", request.uri_text, headers, request.body)
        self.invite = self.stack.send_request(again, self.flow, self, now)

    def late_progress(self, response: Response, now: float) -> None:
        self.stack.emit(Progressed(self, response, late=True))

    def make_dialog(self, response: Response, now: float) -> None:
        early = self._early.get(response.to_tag)
        dialog = self._dialog_of(response)
        said = response.sdp
        if early is not None and early.dialog is dialog and dialog is not self.dialog:
            said = said or early.sdp  # another branch spoke last, and this one is the call
        self.dialog = dialog
        self.route(self.routing)
        # a branch that got a PRACK and answers second is ended in the numbers of its own dialog
        self._early = {tag: early for tag, early in self._early.items() if early.dialog is not None}
        self.invite.request.shed()  # never sent again
        self.exchange.concluded(said)

    def answered(self, response: Response, now: float) -> None:
        self.note(response)
        self.agree(obtained(response), now)
        self.stack.emit(Answered(self, response))

    def late_answer(self, response: Response, now: float) -> None:
        self.stack.emit(Answered(self, response, late=True))

    def refused(self, response: Response, now: float) -> None:
        self._settle(now)
        self.stack.emit(Refused(self, response))

    def lost(self, cause: str, now: float) -> None:
        self._settle(now)
        self.stack.emit(Refused(self, None, cause))

    def abandon(self, _: object, now: float) -> None:
        self.invite.feed(TransactionInput.ABANDON, None, now)

    def send_cancel(self, _: object, now: float) -> None:
        self.stack.send_request(cancel_for(self.invite.request), self.flow, self, now)

    def left(self, _: object, now: float) -> None:
        self._settle(now)
        self.stack.emit(Ended(self, By.LOCAL, "cancelled"))


_S, _In, _X = State, Input, UacSession
_TOO_LATE: Final = (_X.late_answer, _X.left, _X.send_bye)

UacSession.table = Table(
    rows={
        **ESTABLISHED,
        (_S.CALLING, _In.TRYING): to(_S.PROCEEDING, _X.progressed),
        (_S.CALLING, _In.PROGRESS): to(_S.EARLY, _X.progressed),
        (_S.CALLING, _In.PROGRESS_RELIABLE): to(_S.EARLY, _X.send_prack, _X.progressed),
        (_S.CALLING, _In.PROGRESS_OFFER): to(_S.EARLY, _X.keep_for_prack, _X.progressed),
        (_S.CALLING, _In.TOO_BRIEF): to(_S.CALLING, _X.invite_again),
        (_S.CALLING, _In.SUCCESS): to(_S.CONFIRMED, _X.make_dialog, _X.send_ack, _X.answered),
        (_S.CALLING, _In.SUCCESS_OFFER): to(_S.UNACKED, _X.make_dialog, _X.keep_for_ack, _X.answered),
        (_S.CALLING, _In.FAILURE): to(_S.OVER, _X.refused, _X.forget),
        (_S.CALLING, _In.LOST): to(_S.OVER, _X.lost, _X.forget),
        (_S.CALLING, _In.CUT): to(_S.ABANDONED, _X.lost),
        # §9.1 forbids CANCEL before a 1xx: leave, and wait for what may still come
        (_S.CALLING, _In.HANG_UP): to(_S.ABANDONED, _X.abandon),
        (_S.PROCEEDING, _In.TRYING): to(_S.PROCEEDING, _X.progressed),
        (_S.PROCEEDING, _In.PROGRESS): to(_S.EARLY, _X.progressed),
        (_S.PROCEEDING, _In.PROGRESS_RELIABLE): to(_S.EARLY, _X.send_prack, _X.progressed),
        (_S.PROCEEDING, _In.PROGRESS_OFFER): to(_S.EARLY, _X.keep_for_prack, _X.progressed),
        (_S.PROCEEDING, _In.TOO_BRIEF): to(_S.CALLING, _X.invite_again),
        (_S.PROCEEDING, _In.SUCCESS): to(_S.CONFIRMED, _X.make_dialog, _X.send_ack, _X.answered),
        (_S.PROCEEDING, _In.SUCCESS_OFFER): to(_S.UNACKED, _X.make_dialog, _X.keep_for_ack, _X.answered),
        (_S.PROCEEDING, _In.FAILURE): to(_S.OVER, _X.refused, _X.forget),
        (_S.PROCEEDING, _In.LOST): to(_S.OVER, _X.lost, _X.forget),
        (_S.PROCEEDING, _In.HANG_UP): to(_S.CANCELLING, _X.send_cancel),
        (_S.EARLY, _In.PROGRESS): to(_S.EARLY, _X.progressed),
        (_S.EARLY, _In.PROGRESS_RELIABLE): to(_S.EARLY, _X.send_prack, _X.progressed),
        (_S.EARLY, _In.PROGRESS_OFFER): to(_S.EARLY, _X.keep_for_prack, _X.progressed),
        (_S.EARLY, _In.ACKNOWLEDGE): to(_S.EARLY, _X.send_late_prack),
        (_S.EARLY, _In.REQUEST): to(_S.EARLY, _X.pass_request),  # UPDATE, INFO in an early dialog
        (_S.EARLY, _In.TRANSACT): to(_S.EARLY, _X.send_other),
        (_S.EARLY, _In.TOO_BRIEF): to(_S.CALLING, _X.invite_again),
        (_S.EARLY, _In.SUCCESS): to(_S.CONFIRMED, _X.make_dialog, _X.send_ack, _X.answered),
        (_S.EARLY, _In.SUCCESS_OFFER): to(_S.UNACKED, _X.make_dialog, _X.keep_for_ack, _X.answered),
        (_S.EARLY, _In.FAILURE): to(_S.OVER, _X.refused, _X.forget),
        (_S.EARLY, _In.LOST): to(_S.OVER, _X.lost, _X.forget),
        (_S.EARLY, _In.HANG_UP): to(_S.CANCELLING, _X.send_cancel),
        # late: a first response CANCELs, a 2xx gets its ACK and a BYE
        (_S.ABANDONED, _In.TRYING): to(_S.CANCELLING, _X.send_cancel, _X.late_progress),
        (_S.ABANDONED, _In.PROGRESS): to(_S.CANCELLING, _X.send_cancel, _X.late_progress),
        (_S.ABANDONED, _In.PROGRESS_RELIABLE): to(_S.CANCELLING, _X.send_cancel, _X.late_progress),
        (_S.ABANDONED, _In.PROGRESS_OFFER): to(_S.CANCELLING, _X.send_cancel, _X.late_progress),
        (_S.ABANDONED, _In.SUCCESS): to(_S.CLOSING, _X.make_dialog, _X.send_ack, *_TOO_LATE),
        (_S.ABANDONED, _In.SUCCESS_OFFER): to(_S.CLOSING, _X.make_dialog, _X.send_late_leaving_ack, *_TOO_LATE),
        (_S.ABANDONED, _In.FAILURE): to(_S.OVER, _X.left, _X.forget),
        (_S.ABANDONED, _In.LOST): to(_S.OVER, _X.left, _X.forget),
        (_S.CANCELLING, _In.SUCCESS): to(_S.CLOSING, _X.make_dialog, _X.send_ack, *_TOO_LATE),
        (_S.CANCELLING, _In.SUCCESS_OFFER): to(_S.CLOSING, _X.make_dialog, _X.send_late_leaving_ack, *_TOO_LATE),
        (_S.CANCELLING, _In.FAILURE): to(_S.OVER, _X.left, _X.forget),
        (_S.CANCELLING, _In.LOST): to(_S.OVER, _X.left, _X.forget),
        # §9.1: no final response 64*T1 after the CANCEL: the transaction is considered cancelled
        (_S.CANCELLING, Timer.GIVE_UP): to(_S.OVER, _X.abandon, _X.left, _X.forget),
        # our INVITE carried no offer, the 2xx does (§13.2.2.4)
        (_S.UNACKED, _In.ACKNOWLEDGE): to(_S.CONFIRMED, _X.send_late_ack),
        (_S.UNACKED, _In.BYE): to(_S.OVER, _X.send_leaving_ack, _X.ok, _X.ended_by_remote, _X.forget),
        (_S.UNACKED, _In.HANG_UP): to(_S.CLOSING, _X.send_leaving_ack, _X.ended_by_us, _X.send_bye),
        (_S.UNACKED, _In.REINVITE): to(_S.UNACKED, _X.reply_pending),
        (_S.UNACKED, _In.OFFER): to(_S.UNACKED, _X.refuse_own_offer),
        (_S.UNACKED, _In.REQUEST): to(_S.UNACKED, _X.pass_request),
        (_S.UNACKED, _In.DIALOG_LOST): to(_S.CLOSING, _X.send_leaving_ack, _X.ended_lost, _X.send_bye),
        (_S.UNACKED, _In.EXPIRED): to(_S.CLOSING, _X.send_leaving_ack, _X.ended_expired, _X.send_bye),
    },
    timers={**ESTABLISHED_TIMERS, _S.CANCELLING: (Timer.GIVE_UP,)},
    initial=_S.CALLING,
    final=_S.OVER,
)
