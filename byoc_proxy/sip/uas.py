"""The session of a UAS: their INVITE, and what we said to it (RFC 3261 §13.3, §9.2)."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, ClassVar

from byoc_proxy.sip.dialog import Dialog
from byoc_proxy.sip.established import ESTABLISHED, ESTABLISHED_TIMERS
from byoc_proxy.sip.machine import Table, to
from byoc_proxy.sip.message import reply_to
from byoc_proxy.sip.outputs import By
from byoc_proxy.sip.session import Session, Stack
from byoc_proxy.sip.states import Input, State, Timer

if TYPE_CHECKING:
    from byoc_proxy.sip.session import Fields
    from byoc_proxy.sip.transaction import ServerTransaction


class UasSession(Session):
    """Their INVITE. `invite` is its server transaction."""

    __slots__ = ("invite",)
    table: ClassVar[Table]

    def __init__(self, stack: Stack, invite: ServerTransaction, local_tag: str, contact: str, now: float) -> None:
        super().__init__(stack, invite.flow, invite.request.call_id, local_tag, contact, now)
        self.invite = invite
        invite.user = self
        self.dialog = Dialog.of_uas(invite.request, local_tag, contact, invite.flow)

    # --- verbs ---------------------------------------------------------------------------------------------

    def progress(self, status: int, now: float, body: bytes = b"", headers: Fields = ()) -> None:
        """Send a 101-199."""
        self.feed(Input.PROGRESS_OUT, (status, body, headers), now)

    def answer(self, body: bytes, now: float, headers: Fields = ()) -> None:
        """Send the 200, and again until the ACK comes (§13.3.1.4)."""
        self.feed(Input.ANSWER, (200, body, headers), now)

    def refuse(self, status: int, now: float, reason: str | None = None, headers: Fields = ()) -> None:
        """Send a final failure; absorbed once answered."""
        self.feed(Input.REFUSE, (status, reason, headers), now)

    # --- actions -------------------------------------------------------------------------------------------

    def send_response(self, said: tuple[int, bytes, Fields], now: float) -> None:
        status, body, headers = said
        self._respond(self.invite, status, now, body=body, headers=headers)

    def send_refusal(self, said: tuple[int, str | None, Fields], now: float) -> None:
        status, reason, headers = said
        response = reply_to(self.invite.request, status, reason, to_tag=self.local_tag, headers=headers)
        self.invite.respond(response, now)
        self._end(By.LOCAL, f"refused with {status}", now)

    def refuse_unanswered(self, _: Any, now: float) -> None:
        self.send_refusal((480, None, ()), now)

    def send_487(self, _: object, now: float) -> None:
        self.invite.respond(reply_to(self.invite.request, 487, to_tag=self.local_tag), now)


_S, _In, _X = State, Input, UasSession

UasSession.table = Table(
    rows={
        **ESTABLISHED,
        (_S.INVITED, _In.PROGRESS_OUT): to(_S.EARLY, _X.send_response),
        (_S.INVITED, _In.ANSWER): to(_S.ANSWERED, _X.send_response),
        (_S.INVITED, _In.REFUSE): to(_S.OVER, _X.send_refusal, _X.forget),
        (_S.INVITED, _In.HANG_UP): to(_S.OVER, _X.refuse_unanswered, _X.forget),
        (_S.INVITED, _In.CANCEL): to(_S.OVER, _X.ok, _X.send_487, _X.ended_by_remote, _X.forget),
        (_S.INVITED, _In.BYE): to(_S.OVER, _X.ok, _X.send_487, _X.ended_by_remote, _X.forget),
        (_S.INVITED, _In.REINVITE): to(_S.INVITED, _X.reply_too_early),
        (_S.EARLY, _In.PROGRESS_OUT): to(_S.EARLY, _X.send_response),
        (_S.EARLY, _In.ANSWER): to(_S.ANSWERED, _X.send_response),
        (_S.EARLY, _In.REFUSE): to(_S.OVER, _X.send_refusal, _X.forget),
        (_S.EARLY, _In.HANG_UP): to(_S.OVER, _X.refuse_unanswered, _X.forget),
        (_S.EARLY, _In.CANCEL): to(_S.OVER, _X.ok, _X.send_487, _X.ended_by_remote, _X.forget),
        (_S.EARLY, _In.BYE): to(_S.OVER, _X.ok, _X.send_487, _X.ended_by_remote, _X.forget),  # §15: early
        (_S.EARLY, _In.REINVITE): to(_S.EARLY, _X.reply_too_early),
        (_S.EARLY, _In.REQUEST): to(_S.EARLY, _X.pass_request),
        (_S.ANSWERED, _In.ACK): to(_S.CONFIRMED, _X.acked),
        (_S.ANSWERED, Timer.REPEAT): to(_S.ANSWERED, _X.repeat_answer),
        (_S.ANSWERED, Timer.NO_ACK): to(_S.CLOSING, _X.ended_without_ack, _X.send_bye_without_ack),
        (_S.ANSWERED, _In.BYE): to(_S.OVER, _X.ok, _X.ended_by_remote, _X.forget),
        (_S.ANSWERED, _In.REINVITE): to(_S.ANSWERED, _X.reply_pending),
        (_S.ANSWERED, _In.OFFER): to(_S.ANSWERED, _X.refuse_own_offer),
        (_S.ANSWERED, _In.REQUEST): to(_S.ANSWERED, _X.pass_request),
        (_S.ANSWERED, _In.TRANSACT): to(_S.ANSWERED, _X.send_other),
        # §15: the callee says BYE only after the ACK, or after giving up on it
        (_S.ANSWERED, _In.HANG_UP): to(_S.LEAVING, _X.ended_by_us),
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
