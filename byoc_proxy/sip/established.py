"""The rows of an established dialog, the same for both roles (RFC 3261 §12.2, §14, §15).

`uac.py` and `uas.py` add the rows of their set-up to `ESTABLISHED`. What has no row is absorbed; a request of
the far end is then answered with 481.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from byoc_proxy.sip.machine import to
from byoc_proxy.sip.session import Session
from byoc_proxy.sip.states import Input, State, Timer

if TYPE_CHECKING:
    from enum import StrEnum

    from byoc_proxy.sip.machine import Rule

_S, _In, _X = State, Input, Session


def _closing(state: StrEnum) -> dict[tuple[StrEnum, StrEnum], Rule]:
    """What a dialog takes whose BYE is out, said once or twice."""
    return {
        (state, _In.BYE): to(state, _X.ok),
        (state, _In.REOFFER_SUCCESS): to(state, _X.send_ack),
        (state, _In.REOFFER_SUCCESS_OFFER): to(state, _X.send_ack),
        (state, _In.BYE_DONE): to(_S.OVER, _X.forget),
    }


ESTABLISHED: Final[dict[tuple[StrEnum, StrEnum], Rule]] = {
    (_S.CONFIRMED, _In.BYE): to(_S.OVER, _X.ok, _X.ended_by_remote, _X.forget),
    (_S.CONFIRMED, _In.HANG_UP): to(_S.CLOSING, _X.ended_by_us, _X.send_bye),
    (_S.CONFIRMED, _In.REQUEST): to(_S.CONFIRMED, _X.pass_request),
    (_S.CONFIRMED, _In.TRANSACT): to(_S.CONFIRMED, _X.send_other),
    (_S.CONFIRMED, _In.REINVITE): to(_S.OFFERED, _X.pass_reinvite),
    (_S.CONFIRMED, _In.REFRESH): to(_S.ACCEPTED, _X.answer_refresh),  # RFC 4028 §7.4
    (_S.CONFIRMED, _In.OFFER): to(_S.OFFERING, _X.send_reinvite),
    # our re-INVITE is out (§14.1)
    (_S.OFFERING, _In.REOFFER_SUCCESS): to(_S.CONFIRMED, _X.send_ack, _X.reoffer_done),
    (_S.OFFERING, _In.REOFFER_SUCCESS_OFFER): to(_S.REOFFER_UNACKED, _X.keep_for_ack, _X.reoffer_done),
    (_S.OFFERING, _In.REOFFER_REFUSED): to(_S.CONFIRMED, _X.reoffer_done),
    (_S.OFFERING, _In.REOFFER_LOST): to(_S.CLOSING, _X.ended_lost, _X.send_bye),
    (_S.OFFERING, _In.REINVITE): to(_S.OFFERING, _X.reply_pending),
    (_S.OFFERING, _In.OFFER): to(_S.OFFERING, _X.refuse_own_offer),
    (_S.OFFERING, _In.REQUEST): to(_S.OFFERING, _X.pass_request),
    (_S.OFFERING, _In.TRANSACT): to(_S.OFFERING, _X.send_other),
    (_S.OFFERING, _In.BYE): to(_S.OVER, _X.ok, _X.ended_by_remote, _X.forget),
    (_S.OFFERING, _In.HANG_UP): to(_S.CLOSING, _X.ended_by_us, _X.send_bye),
    (_S.REOFFER_UNACKED, _In.ACKNOWLEDGE): to(_S.CONFIRMED, _X.send_late_ack),
    (_S.REOFFER_UNACKED, _In.REINVITE): to(_S.REOFFER_UNACKED, _X.reply_pending),
    (_S.REOFFER_UNACKED, _In.OFFER): to(_S.REOFFER_UNACKED, _X.refuse_own_offer),
    (_S.REOFFER_UNACKED, _In.REQUEST): to(_S.REOFFER_UNACKED, _X.pass_request),
    (_S.REOFFER_UNACKED, _In.TRANSACT): to(_S.REOFFER_UNACKED, _X.send_other),
    (_S.REOFFER_UNACKED, _In.BYE): to(_S.OVER, _X.send_leaving_ack, _X.ok, _X.ended_by_remote, _X.forget),
    (_S.REOFFER_UNACKED, _In.HANG_UP): to(_S.CLOSING, _X.send_leaving_ack, _X.ended_by_us, _X.send_bye),
    # their re-INVITE waits for our answer (§14.2)
    (_S.OFFERED, _In.ACCEPT): to(_S.ACCEPTED, _X.answer_reinvite),
    (_S.OFFERED, _In.DECLINE): to(_S.CONFIRMED, _X.answer_reinvite),
    (_S.OFFERED, _In.REINVITE): to(_S.OFFERED, _X.reply_too_early),
    (_S.OFFERED, _In.OFFER): to(_S.OFFERED, _X.refuse_own_offer),
    (_S.OFFERED, _In.REQUEST): to(_S.OFFERED, _X.pass_request),
    (_S.OFFERED, _In.TRANSACT): to(_S.OFFERED, _X.send_other),
    (_S.OFFERED, _In.BYE): to(_S.OVER, _X.ok, _X.ended_by_remote, _X.forget),
    (_S.OFFERED, _In.HANG_UP): to(_S.CLOSING, _X.ended_by_us, _X.send_bye),
    (_S.ACCEPTED, _In.ACK): to(_S.CONFIRMED, _X.acked),
    (_S.ACCEPTED, Timer.REPEAT): to(_S.ACCEPTED, _X.repeat_answer),
    (_S.ACCEPTED, Timer.NO_ACK): to(_S.CLOSING, _X.ended_without_ack, _X.send_bye_without_ack),
    (_S.ACCEPTED, _In.REINVITE): to(_S.ACCEPTED, _X.reply_pending),
    (_S.ACCEPTED, _In.OFFER): to(_S.ACCEPTED, _X.refuse_own_offer),
    (_S.ACCEPTED, _In.REQUEST): to(_S.ACCEPTED, _X.pass_request),
    (_S.ACCEPTED, _In.TRANSACT): to(_S.ACCEPTED, _X.send_other),
    (_S.ACCEPTED, _In.BYE): to(_S.OVER, _X.ok, _X.ended_by_remote, _X.forget),
    (_S.ACCEPTED, _In.HANG_UP): to(_S.CLOSING, _X.ended_by_us, _X.send_bye),
    # nobody is at the other end: 408, 481 or no response (§12.2.1.2), no refresh in time (RFC 4028 §10)
    (_S.CONFIRMED, _In.DIALOG_LOST): to(_S.CLOSING, _X.ended_lost, _X.send_bye),
    (_S.CONFIRMED, _In.EXPIRED): to(_S.CLOSING, _X.ended_expired, _X.send_bye),
    (_S.OFFERING, _In.DIALOG_LOST): to(_S.CLOSING, _X.ended_lost, _X.send_bye),
    (_S.OFFERING, _In.EXPIRED): to(_S.CLOSING, _X.ended_expired, _X.send_bye),
    (_S.REOFFER_UNACKED, _In.DIALOG_LOST): to(_S.CLOSING, _X.send_leaving_ack, _X.ended_lost, _X.send_bye),
    (_S.REOFFER_UNACKED, _In.EXPIRED): to(_S.CLOSING, _X.send_leaving_ack, _X.ended_expired, _X.send_bye),
    (_S.OFFERED, _In.DIALOG_LOST): to(_S.CLOSING, _X.ended_lost, _X.send_bye),
    (_S.OFFERED, _In.EXPIRED): to(_S.CLOSING, _X.ended_expired, _X.send_bye),
    (_S.ACCEPTED, _In.DIALOG_LOST): to(_S.CLOSING, _X.ended_lost, _X.send_bye),
    (_S.ACCEPTED, _In.EXPIRED): to(_S.CLOSING, _X.ended_expired, _X.send_bye),
    # our BYE is out (§15.1.1); a BYE of theirs crosses it, a 2xx to our re-INVITE still wants its ACK
    **_closing(_S.CLOSING),
    (_S.CLOSING, _In.BYE_LOST): to(_S.CLOSING_AGAIN, _X.send_bye),
    **_closing(_S.CLOSING_AGAIN),
    (_S.CLOSING_AGAIN, _In.BYE_LOST): to(_S.OVER, _X.forget),
    # their BYE crossed a 2xx of theirs: that one is acknowledged all the same (§13.2.2.4)
    (_S.OVER, _In.REOFFER_SUCCESS): to(_S.OVER, _X.send_ack),
    (_S.OVER, _In.REOFFER_SUCCESS_OFFER): to(_S.OVER, _X.send_ack),
}
ESTABLISHED_TIMERS: Final[dict[StrEnum, tuple[StrEnum, ...]]] = {
    _S.ACCEPTED: (Timer.REPEAT, Timer.NO_ACK),
}
