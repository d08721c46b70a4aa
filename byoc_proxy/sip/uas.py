"""The session of a UAS: their INVITE, and what we said to it (RFC 3261 §13.3, §9.2)."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, ClassVar, Final

from byoc_proxy.sip.asking import typed
from byoc_proxy.sip.dialog import Dialog
from byoc_proxy.sip.established import ESTABLISHED, ESTABLISHED_TIMERS
from byoc_proxy.sip.exchange import State as Offers
from byoc_proxy.sip.inspection import SUPPORTED, allow
from byoc_proxy.sip.machine import Table, to
from byoc_proxy.sip.message import reply_to
from byoc_proxy.sip.outputs import By, Pracked
from byoc_proxy.sip.reliable import OPTION, Provisionals
from byoc_proxy.sip.reliable import Input as Provisional
from byoc_proxy.sip.session import Session
from byoc_proxy.sip.states import Input, State, Timer
from byoc_proxy.sip.terms import Reliability, Terms

if TYPE_CHECKING:
    from byoc_proxy.sip.message import Response
    from byoc_proxy.sip.reliable import Said
    from byoc_proxy.sip.session import Fields
    from byoc_proxy.sip.stack import Stack
    from byoc_proxy.sip.transaction import ServerTransaction


_TERMS: Final = Terms()


class UasSession(Session):
    """Their INVITE. `invite` is its server transaction."""

    __slots__ = ("_provisionals", "_withheld", "invite")
    table: ClassVar[Table]

    def __init__(
        self,
        stack: Stack,
        invite: ServerTransaction,
        local_tag: str,
        contact: str,
        now: float,
        terms: Terms = _TERMS,
    ) -> None:
        super().__init__(stack, invite.flow, invite.request.call_id, local_tag, contact, now)
        self.invite = invite
        self.terms = terms
        self._provisionals: Provisionals | None = None  # once one of them is sent reliably
        self._withheld: Said | None = None  # the 2xx that waits for their PRACK
        self.note(invite.request)
        self.exchange.received(invite.request.sdp)
        invite.user = self
        self.dialog = Dialog.of_uas(invite.request, local_tag, contact, invite.flow)

    # --- verbs ---------------------------------------------------------------------------------------------

    def progress(self, status: int, now: float, body: bytes = b"", headers: Fields = ()) -> None:
        """Send a 101-199, reliably where the caller requires it or our terms want it (RFC 3262 §3).

        An offer, which a caller without one gets, is only sent reliably (§5); and after an answer that was, no
        other description follows it.
        """
        self.feed(Input.PROGRESS_OUT, (status, body, tuple(headers)), now)

    def answer(self, body: bytes, now: float, headers: Fields = ()) -> None:
        """Send the 200, and again until the ACK comes (§13.3.1.4); not before the PRACK of a description."""
        withheld = self._provisionals is not None and self._provisionals.holds_answer
        self.feed(Input.ANSWER_LATER if withheld else Input.ANSWER, (200, body, tuple(headers)), now)

    def refuse(self, status: int, now: float, reason: str | None = None, headers: Fields = ()) -> None:
        """Send a final failure; absorbed once answered."""
        self.feed(Input.REFUSE, (status, reason, headers), now)

    @property
    def takes_reliable(self) -> bool:
        """The caller acknowledges provisional responses: it supports it, or requires it (RFC 3262 §3)."""
        invite = self.invite.request
        return invite.lists("require", OPTION) or invite.lists("supported", OPTION)

    @property
    def answered(self) -> bool:
        """Our answer has been given, even where it still waits for a PRACK."""
        return self.state not in (State.INVITED, State.EARLY)

    # --- what our reliable responses say (reliable.Inviter) ------------------------------------------------

    def send_reliable(self, said: Said, rseq: int, now: float) -> tuple[Response, bool]:
        status, body, headers = said
        body = self._binding(body)
        self.exchange.sent(body)
        fields = [("Contact", self.contact), allow(self.terms), SUPPORTED, ("Require", OPTION)]
        fields += [("RSeq", str(rseq)), *headers]
        response = reply_to(
            self.invite.request, status, to_tag=self.local_tag, headers=typed(body, fields), body=body
        )
        self.invite.respond(response, now)
        return response, bool(body)

    def repeat_reliable(self, response: Response, now: float) -> None:
        self.invite.respond(response, now)

    def on_acknowledged(self, now: float) -> None:
        self.feed(Input.PRACKED, None, now)

    def on_unacknowledged(self, now: float) -> None:
        self.feed(Input.UNPRACKED, None, now)

    def _binding(self, body: bytes) -> bytes:
        """A description that follows a reliable one would be another offer (RFC 6337 §3.1.1)."""
        return body if self.exchange.unanswered else b""

    # --- actions -------------------------------------------------------------------------------------------

    def send_progress(self, said: Said, now: float) -> None:
        status, body, headers = said
        if self._is_reliable(bool(body)):
            if self._provisionals is None:
                self._provisionals = Provisionals(self, self.invite.request.cseq[0], self.alarms, now)
            self._provisionals.say(status, body, headers, now)
        else:
            answers = self.exchange.state is Offers.THEIRS
            self._respond(self.invite, status, now, body=body if answers else b"", headers=headers)

    def _is_reliable(self, described: bool) -> bool:
        invite = self.invite.request
        if invite.lists("require", OPTION):
            return True
        if not self.takes_reliable:
            return False
        wanted = self.terms.reliability
        offers = described and self.exchange.state is Offers.NOTHING
        return offers or wanted is Reliability.ALWAYS or (described and wanted is Reliability.MEDIA)

    def send_answer(self, said: Said, now: float) -> None:
        status, body, headers = said
        self._finish(now)
        self._respond(self.invite, status, now, body=self._binding(body), headers=headers)

    def withhold(self, said: Said, now: float) -> None:
        self._withheld = said

    def send_withheld(self, _: object, now: float) -> None:
        said, self._withheld = self._withheld, None
        if said is not None:
            self.send_answer(said, now)

    def take_prack(self, transaction: ServerTransaction, now: float) -> None:
        prack, provisionals = transaction.request, self._provisionals
        if provisionals is None or not provisionals.acknowledges(prack):
            transaction.respond(reply_to(prack, 481, to_tag=self.local_tag), now)  # RFC 3262 §3
            return
        answer = prack.sdp if self.exchange.state is Offers.OURS else b""
        self.exchange.received(answer)
        # RFC 3262 §5 lets a PRACK carry an offer of its own: that one is refused, the 18x has arrived all the same
        status = 200 if answer or not prack.body else 488
        transaction.respond(reply_to(prack, status, to_tag=self.local_tag), now)
        self.stack.emit(Pracked(self, prack))
        provisionals.feed(Provisional.PRACK, None, now)

    def _finish(self, now: float) -> None:
        if self._provisionals is not None:
            self._provisionals.feed(Provisional.FINAL, None, now)

    def forget(self, _: object, now: float) -> None:
        self._finish(now)
        self._provisionals = None  # it knows us: the two would wait for the garbage collector
        super().forget(_, now)

    def send_refusal(self, said: tuple[int, str | None, Fields], now: float) -> None:
        status, reason, headers = said
        response = reply_to(self.invite.request, status, reason, to_tag=self.local_tag, headers=headers)
        self.invite.respond(response, now)
        self._end(By.LOCAL, f"refused with {status}", now)

    def refuse_unpracked(self, _: object, now: float) -> None:
        # RFC 3262 §3: a 5xx after 64*T1 without the PRACK
        self.invite.respond(reply_to(self.invite.request, 504, "No PRACK", to_tag=self.local_tag), now)
        self._end(By.TIMEOUT, "no PRACK", now)

    def refuse_unanswered(self, _: Any, now: float) -> None:
        self.send_refusal((480, None, ()), now)

    def send_487(self, _: object, now: float) -> None:
        self.invite.respond(reply_to(self.invite.request, 487, to_tag=self.local_tag), now)


_S, _In, _X = State, Input, UasSession

UasSession.table = Table(
    rows={
        **ESTABLISHED,
        (_S.CONFIRMED, _In.PRACK): to(_S.CONFIRMED, _X.take_prack),  # it was overtaken by the ACK
        (_S.INVITED, _In.PROGRESS_OUT): to(_S.EARLY, _X.send_progress),
        (_S.INVITED, _In.ANSWER): to(_S.ANSWERED, _X.send_answer),
        (_S.INVITED, _In.REFUSE): to(_S.OVER, _X.send_refusal, _X.forget),
        (_S.INVITED, _In.HANG_UP): to(_S.OVER, _X.refuse_unanswered, _X.forget),
        (_S.INVITED, _In.CANCEL): to(_S.OVER, _X.ok, _X.send_487, _X.ended_by_remote, _X.forget),
        (_S.INVITED, _In.BYE): to(_S.OVER, _X.ok, _X.send_487, _X.ended_by_remote, _X.forget),
        (_S.INVITED, _In.REINVITE): to(_S.INVITED, _X.reply_too_early),
        (_S.EARLY, _In.PROGRESS_OUT): to(_S.EARLY, _X.send_progress),
        (_S.EARLY, _In.PRACK): to(_S.EARLY, _X.take_prack),
        (_S.EARLY, _In.UNPRACKED): to(_S.OVER, _X.refuse_unpracked, _X.forget),
        (_S.EARLY, _In.ANSWER_LATER): to(_S.WITHHELD, _X.withhold),
        (_S.EARLY, _In.ANSWER): to(_S.ANSWERED, _X.send_answer),
        (_S.EARLY, _In.REFUSE): to(_S.OVER, _X.send_refusal, _X.forget),
        (_S.EARLY, _In.HANG_UP): to(_S.OVER, _X.refuse_unanswered, _X.forget),
        (_S.EARLY, _In.CANCEL): to(_S.OVER, _X.ok, _X.send_487, _X.ended_by_remote, _X.forget),
        (_S.EARLY, _In.BYE): to(_S.OVER, _X.ok, _X.send_487, _X.ended_by_remote, _X.forget),  # §15: early
        (_S.EARLY, _In.REINVITE): to(_S.EARLY, _X.reply_too_early),
        (_S.EARLY, _In.REQUEST): to(_S.EARLY, _X.pass_request),
        (_S.EARLY, _In.TRANSACT): to(_S.EARLY, _X.send_other),
        # RFC 3262 §3: the 2xx waits until the description in an 18x has arrived
        (_S.WITHHELD, _In.PRACK): to(_S.WITHHELD, _X.take_prack),
        (_S.WITHHELD, _In.PRACKED): to(_S.ANSWERED, _X.send_withheld),
        (_S.WITHHELD, _In.UNPRACKED): to(_S.OVER, _X.refuse_unpracked, _X.forget),
        (_S.WITHHELD, _In.REFUSE): to(_S.OVER, _X.send_refusal, _X.forget),
        (_S.WITHHELD, _In.HANG_UP): to(_S.OVER, _X.refuse_unanswered, _X.forget),
        (_S.WITHHELD, _In.CANCEL): to(_S.OVER, _X.ok, _X.send_487, _X.ended_by_remote, _X.forget),
        (_S.WITHHELD, _In.BYE): to(_S.OVER, _X.ok, _X.send_487, _X.ended_by_remote, _X.forget),
        (_S.WITHHELD, _In.REINVITE): to(_S.WITHHELD, _X.reply_too_early),
        (_S.WITHHELD, _In.REQUEST): to(_S.WITHHELD, _X.pass_request),
        (_S.ANSWERED, _In.ACK): to(_S.CONFIRMED, _X.acked),
        (_S.ANSWERED, Timer.REPEAT): to(_S.ANSWERED, _X.repeat_answer),
        (_S.ANSWERED, Timer.NO_ACK): to(_S.CLOSING, _X.ended_without_ack, _X.send_bye_without_ack),
        (_S.ANSWERED, _In.BYE): to(_S.OVER, _X.ok, _X.ended_by_remote, _X.forget),
        (_S.ANSWERED, _In.REINVITE): to(_S.ANSWERED, _X.reply_pending),
        (_S.ANSWERED, _In.OFFER): to(_S.ANSWERED, _X.refuse_own_offer),
        (_S.ANSWERED, _In.REQUEST): to(_S.ANSWERED, _X.pass_request),
        (_S.ANSWERED, _In.PRACK): to(_S.ANSWERED, _X.take_prack),
        (_S.ANSWERED, _In.DIALOG_LOST): to(_S.LEAVING, _X.ended_lost),
        (_S.ANSWERED, _In.EXPIRED): to(_S.LEAVING, _X.ended_expired),
        (_S.ANSWERED, _In.TRANSACT): to(_S.ANSWERED, _X.send_other),
        # §15: the callee says BYE only after the ACK, or after giving up on it
        (_S.ANSWERED, _In.HANG_UP): to(_S.LEAVING, _X.ended_by_us),
        (_S.LEAVING, _In.PRACK): to(_S.LEAVING, _X.take_prack),
        (_S.LEAVING, _In.ACK): to(_S.CLOSING, _X.send_bye),
        (_S.LEAVING, Timer.REPEAT): to(_S.LEAVING, _X.repeat_answer),
        (_S.LEAVING, Timer.NO_ACK): to(_S.CLOSING, _X.send_bye_without_ack),
        (_S.LEAVING, _In.BYE): to(_S.OVER, _X.ok, _X.forget),
    },
    timers={
        **ESTABLISHED_TIMERS,
        _S.ANSWERED: (Timer.REPEAT, Timer.NO_ACK),
        _S.LEAVING: (Timer.REPEAT, Timer.NO_ACK),
    },
    keep=(Timer.REPEAT, Timer.NO_ACK),
    initial=_S.INVITED,
    final=_S.OVER,
)
