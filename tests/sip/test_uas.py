"""Their INVITE, as seen on the wire and by its user (RFC 3261 §13.3, §9.2, §15)."""

import pytest

from byoc_proxy.sip.message import Response
from byoc_proxy.sip.outputs import Acked, By, Ended, Invited, Replied, Requested
from byoc_proxy.sip.uas import UasSession
from tests.support.wires import ANSWER, OFFER, Lab, request

UP_TO_T2 = [0.5, 1.5, 3.5, 7.5, 11.5, 15.5, 19.5, 23.5, 27.5, 31.5]


def kinds(lab: Lab) -> list[str]:
    return [type(event).__name__ for event in lab.events]


def cancel(branch: str = "z9hG4bKone") -> bytes:
    return request("CANCEL", branch=branch)


# --- setup -------------------------------------------------------------------------------------------------


def test_an_invite_gets_100_at_once_without_a_tag_and_its_user_is_told() -> None:
    lab = Lab()
    session = lab.invited()
    assert lab.ladder == ["100 INVITE"]
    assert lab.sent[0].message.to_tag == ""
    invited = lab.heard(Invited)[0]
    assert invited.session is session
    assert invited.request.sdp == OFFER


def test_a_call_rings_is_answered_acknowledged_and_hung_up_by_the_caller() -> None:
    lab = Lab()
    session = lab.invited()
    session.progress(180, 1.0)
    session.progress(183, 2.0, b"early")
    session.answer(ANSWER, 3.0, (("Server", "x"),))
    session.answer(b"twice", 3.0)
    session.progress(180, 3.0)
    lab.now = 3.0
    lab.flush()
    assert lab.ladder == ["100 INVITE", "180 INVITE", "183 INVITE", "200 INVITE"]
    ringing, early, ok = (sent.message for sent in lab.sent[1:])
    assert ringing.to_tag == early.to_tag == ok.to_tag == session.local_tag
    assert early.sdp == b"early"
    assert ok.sdp == ANSWER
    assert ok.headers.get("server") == "x"
    assert ok.headers.get("contact") == ringing.headers.get("contact") == "<sip:127.0.0.1:5060>"
    assert lab.says(session, "ACK", 1) == []
    assert [sent.what for sent in lab.says(session, "BYE", 2, "Reason: Q.850;cause=16")] == ["200 BYE"]
    assert kinds(lab) == ["Invited", "Acked", "Ended"]
    assert (lab.heard(Ended)[0].by, lab.heard(Ended)[0].reason) == (By.REMOTE, "Q.850;cause=16")
    assert lab.is_empty()


def test_a_refusal_has_its_reason_and_headers_and_is_repeated_until_its_ack() -> None:
    lab = Lab()
    session = lab.invited()
    session.refuse(486, 0.0, "Nobody home", (("X-Own", "1"),))
    session.refuse(500, 0.0)
    session.answer(ANSWER, 0.0)
    lab.until(1.5)
    assert lab.ladder == ["100 INVITE", *["486 INVITE"] * 3]
    assert lab.sent[-1].data.startswith(b"SIP/2.0 486 Nobody home\r\n")
    assert lab.sent[-1].message.headers.get("x-own") == "1"
    assert "contact" not in lab.sent[-1].message.headers
    assert lab.hears(request("ACK", to_tag=session.local_tag)) == []
    assert [(event.by, event.reason) for event in lab.heard(Ended)] == [(By.LOCAL, "refused with 486")]
    assert lab.until(60.0) == []
    assert lab.is_empty()


def test_a_call_that_rang_may_still_be_refused() -> None:
    lab = Lab()
    session = lab.invited()
    session.progress(180, 0.0)
    session.refuse(603, 1.0)
    lab.flush()
    assert lab.ladder == ["100 INVITE", "180 INVITE", "603 INVITE"]
    assert [event.reason for event in lab.heard(Ended)] == ["refused with 603"]
    assert lab.is_empty()


def test_hanging_up_on_an_unanswered_caller_is_480() -> None:
    for ringing in (False, True):
        lab = Lab()
        session = lab.invited()
        if ringing:
            session.progress(180, 0.0)
        session.hang_up(0.0)
        lab.flush()
        assert lab.ladder[-1] == "480 INVITE"
        assert len(lab.heard(Ended)) == 1
        assert lab.is_empty()


def test_a_repeated_invite_gets_the_last_response_and_no_second_session() -> None:
    lab = Lab()
    session = lab.invited()
    session.progress(180, 0.0)
    lab.flush()
    assert [sent.what for sent in lab.hears(request("INVITE", body=OFFER))] == ["180 INVITE"]
    assert len(lab.heard(Invited)) == 1


# --- our 2xx and its ACK -----------------------------------------------------------------------------------


@pytest.mark.parametrize("transport", ["UDP", "TCP"])
def test_the_2xx_is_repeated_until_the_ack_on_every_transport(transport: str) -> None:
    lab = Lab(transport=transport)
    session = lab.invited()
    session.answer(ANSWER, 0.0)
    lab.flush()
    again = lab.until(8.0)
    assert [(sent.at, sent.what) for sent in again] == [(at, "200 INVITE") for at in UP_TO_T2[:4]]
    assert {sent.data for sent in again} == {lab.sent[1].data}
    lab.says(session, "ACK", 1)
    assert lab.until(100.0) == []
    assert len(lab.heard(Acked)) == 1


def test_without_an_ack_the_call_ends_with_a_bye_that_says_why() -> None:
    lab = Lab()
    session = lab.invited()
    session.answer(ANSWER, 0.0)
    lab.flush()
    sent = [(each.at, each.what) for each in lab.until(32.0)[:11]]
    assert sent == [*((at, "200 INVITE") for at in UP_TO_T2), (32.0, "BYE")]
    assert lab.last_request("BYE").headers.get("reason") == 'SIP;cause=408;text="ACK timeout"'
    assert [(event.by, event.reason) for event in lab.heard(Ended)] == [(By.TIMEOUT, "no ACK")]
    assert lab.is_empty()


def test_a_late_ack_and_one_of_another_invite_mean_nothing() -> None:
    lab = Lab()
    session = lab.invited()
    lab.says(session, "ACK", 1)
    session.answer(ANSWER, 0.0)
    lab.flush()
    lab.says(session, "ACK", 7)
    assert lab.heard(Acked) == []
    lab.says(session, "ACK", 1)
    lab.says(session, "ACK", 1)
    assert len(lab.heard(Acked)) == 1
    assert lab.ladder == ["100 INVITE", "200 INVITE"]


def test_an_ack_with_the_branch_of_its_invite_is_taken_too() -> None:
    lab = Lab()
    session = lab.invited()
    session.answer(ANSWER, 0.0)
    lab.flush()
    lab.says(session, "ACK", 1, branch="z9hG4bKone")
    assert len(lab.heard(Acked)) == 1
    lab.says(session, "INVITE", 2, branch="z9hG4bKtwo", body=OFFER)
    session.reply(lab.heard(Requested)[0].transaction, 200, ANSWER, 1.0)
    lab.flush()
    lab.says(session, "ACK", 2, branch="z9hG4bKtwo")
    assert len(lab.heard(Acked)) == 2


def test_a_repeated_invite_after_the_2xx_is_absorbed() -> None:
    lab = Lab()
    session = lab.invited()
    session.answer(ANSWER, 0.0)
    lab.flush()
    assert lab.hears(request("INVITE", body=OFFER)) == []
    assert len(lab.heard(Invited)) == 1


def test_an_answer_to_a_late_offer_comes_with_the_ack() -> None:
    lab = Lab()
    session = lab.invited(body=b"")
    session.answer(OFFER, 0.0)
    lab.flush()
    lab.says(session, "ACK", 1, body=ANSWER)
    assert lab.heard(Acked)[0].request.sdp == ANSWER


def test_the_callee_says_bye_only_after_the_ack() -> None:
    lab = Lab()
    session = lab.invited()
    session.answer(ANSWER, 0.0)
    session.hang_up(0.0)
    lab.until(0.5)
    assert lab.ladder == ["100 INVITE", "200 INVITE", "200 INVITE"]
    assert [event.by for event in lab.heard(Ended)] == [By.LOCAL]
    assert [sent.what for sent in lab.says(session, "ACK", 1)] == ["BYE"]
    lab.answers(200)
    assert kinds(lab) == ["Invited", "Ended"]
    assert lab.is_empty()


@pytest.mark.parametrize("at", [0.0, 10.0])
def test_the_callee_who_leaves_without_an_ack_says_bye_64_t1_after_its_2xx(at: float) -> None:
    lab = Lab()
    session = lab.invited()
    session.answer(ANSWER, 0.0)
    lab.until(at)
    session.hang_up(at)
    lab.until(40.0)
    assert [sent.at for sent in lab.sent if sent.what == "200 INVITE"] == [0.0, *UP_TO_T2]
    assert [sent.at for sent in lab.sent if sent.what == "BYE"][0] == 32.0
    assert len(lab.heard(Ended)) == 1
    assert lab.is_empty()


@pytest.mark.parametrize("leaving", [False, True])
def test_a_bye_before_the_ack_ends_the_call_and_the_repetitions(leaving: bool) -> None:
    lab = Lab()
    session = lab.invited()
    session.answer(ANSWER, 0.0)
    if leaving:
        session.hang_up(0.0)
    lab.flush()
    assert [sent.what for sent in lab.says(session, "BYE", 2)] == ["200 BYE"]
    assert lab.until(100.0) == []
    assert [event.by for event in lab.heard(Ended)] == [By.LOCAL if leaving else By.REMOTE]
    assert lab.is_empty()


def test_between_the_2xx_and_its_ack_other_requests_pass_and_offers_wait() -> None:
    lab = Lab()
    session = lab.invited()
    session.answer(ANSWER, 0.0)
    lab.flush()
    assert lab.says(session, "INVITE", 2)[-1].what == "491 INVITE"
    assert lab.says(session, "INFO", 3) == []
    session.reply(lab.heard(Requested)[0].transaction, 200, b"", 0.0)
    refused = session.offer(OFFER, 0.0)
    sent = session.transact("INFO", b"", 0.0)
    lab.flush()
    assert lab.ladder[-2:] == ["200 INFO", "INFO"]
    lab.answers(200, method="INFO")
    assert [(event.ticket, event.response is None) for event in lab.heard(Replied)] == [
        (refused, True),
        (sent, False),
    ]
    lab.says(session, "ACK", 1)
    assert len(lab.heard(Acked)) == 1


# --- CANCEL ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("ringing", [False, True])
def test_a_cancel_gets_200_and_its_invite_487_with_one_tag(ringing: bool) -> None:
    lab = Lab()
    session = lab.invited()
    if ringing:
        session.progress(180, 0.0)
        lab.flush()
    sent = lab.hears(cancel())
    assert [each.what for each in sent] == ["200 CANCEL", "487 INVITE"]
    assert {each.message.to_tag for each in sent} == {session.local_tag}
    assert [(event.by, event.reason) for event in lab.heard(Ended)] == [(By.REMOTE, "CANCEL")]
    assert [each.what for each in lab.hears(cancel())] == ["200 CANCEL"]
    assert lab.is_empty()


def test_a_cancel_that_comes_too_late_gets_200_and_changes_nothing() -> None:
    lab = Lab()
    session = lab.invited()
    session.answer(ANSWER, 0.0)
    lab.flush()
    assert [each.what for each in lab.hears(cancel())] == ["200 CANCEL"]
    lab.says(session, "ACK", 1)
    assert kinds(lab) == ["Invited", "Acked"]


def test_a_cancel_of_a_refused_invite_gets_200() -> None:
    lab = Lab()
    lab.invited().refuse(486, 0.0)
    lab.flush()
    assert [each.what for each in lab.hears(cancel())] == ["200 CANCEL"]
    assert lab.is_empty()


def test_a_cancel_without_its_invite_is_481() -> None:
    lab = Lab()
    lab.invited()
    sent = lab.hears(cancel("z9hG4bKother"))
    assert [each.what for each in sent] == ["481 CANCEL"]
    assert lab.heard(Ended) == []


def test_a_cancel_of_a_re_invite_gets_200_and_the_re_invite_its_answer() -> None:
    lab = Lab()
    session = lab.invited()
    session.answer(ANSWER, 0.0)
    lab.flush()
    lab.says(session, "ACK", 1)
    lab.says(session, "INVITE", 2, branch="z9hG4bKtwo")
    cancelled = request("CANCEL", call_id=session.call_id, to_tag=session.local_tag, branch="z9hG4bKtwo", cseq=2)
    assert [each.what for each in lab.hears(cancelled)] == ["200 CANCEL"]
    session.reply(lab.heard(Requested)[0].transaction, 200, ANSWER, 1.0)
    lab.flush()
    assert lab.ladder[-1] == "200 INVITE"
    lab.says(session, "ACK", 2)
    assert len(lab.heard(Acked)) == 2
    assert lab.heard(Ended) == []


# --- other requests before the answer ----------------------------------------------------------------------


@pytest.mark.parametrize("ringing", [False, True])
def test_a_bye_in_an_early_dialog_ends_the_invite_with_487(ringing: bool) -> None:
    lab = Lab()
    session = lab.invited()
    if ringing:
        session.progress(180, 0.0)
        lab.flush()
    assert [each.what for each in lab.says(session, "BYE", 2)] == ["200 BYE", "487 INVITE"]
    assert lab.is_empty()


@pytest.mark.parametrize("ringing", [False, True])
def test_a_second_invite_before_our_answer_is_500_with_retry_after(ringing: bool) -> None:
    lab = Lab()
    session = lab.invited()
    if ringing:
        session.progress(180, 0.0)
        lab.flush()
    sent = lab.says(session, "INVITE", 2)
    assert sent[-1].what == "500 INVITE"
    assert 0 <= int(sent[-1].message.headers.get("retry-after") or "-1") <= 10


def test_requests_in_an_early_dialog_reach_the_user_and_are_settled_at_the_end() -> None:
    lab = Lab()
    session = lab.invited()
    session.progress(180, 0.0)
    lab.flush()
    assert lab.says(session, "INFO", 2) == []
    session.reply(lab.heard(Requested)[0].transaction, 200, b"", 0.0)
    lab.flush()
    assert lab.sent[-1].what == "200 INFO"
    lab.says(session, "INFO", 3)
    assert [each.what for each in lab.hears(cancel())] == ["200 CANCEL", "487 INVITE", "487 INFO"]
    assert lab.is_empty()


def test_an_early_update_with_an_offer_has_to_wait_while_the_first_offer_has_no_answer() -> None:
    lab = Lab()
    session = lab.invited()
    session.progress(180, 0.0)
    lab.flush()
    (sent,) = lab.says(session, "UPDATE", 2, body=OFFER)  # RFC 3311 §5.2
    assert sent.what == "500 UPDATE"
    assert sent.message.headers.get("retry-after") == "3"
    assert lab.heard(Requested) == []


def test_an_update_moves_the_remote_target() -> None:
    lab = Lab()
    session = lab.invited()
    session.answer(ANSWER, 0.0)
    lab.flush()
    lab.says(session, "ACK", 1)
    update = request(
        "UPDATE", call_id=session.call_id, to_tag=session.local_tag, cseq=2, contact="sip:new@127.0.0.5"
    )
    lab.hears(update)
    session.hang_up(1.0)
    lab.flush()
    assert (lab.last_request("BYE").uri_text, lab.sent[-1].flow.remote) == (
        "sip:new@127.0.0.5",
        ("127.0.0.5", 5060),
    )


def test_the_answer_to_our_update_moves_the_remote_target() -> None:
    lab = Lab()
    session = lab.invited()
    session.answer(ANSWER, 0.0)
    lab.flush()
    lab.says(session, "ACK", 1)
    session.transact("UPDATE", OFFER, 1.0)
    lab.flush()
    lab.answers(200, "Contact: <sip:new@127.0.0.5>")
    session.hang_up(1.0)
    lab.flush()
    assert lab.last_request("BYE").uri_text == "sip:new@127.0.0.5"


# --- the established dialog --------------------------------------------------------------------------------


def confirmed() -> tuple[Lab, UasSession]:
    """A lab with one established call."""
    lab = Lab()
    session = lab.invited()
    session.answer(ANSWER, 0.0)
    lab.flush()
    lab.says(session, "ACK", 1)
    lab.events.clear()
    lab.sent.clear()
    return lab, session


def test_a_re_invite_gets_100_and_the_answer_of_the_user_which_may_be_said_twice() -> None:
    lab, session = confirmed()
    assert [each.what for each in lab.says(session, "INVITE", 2, body=OFFER)] == ["100 INVITE"]
    asked = lab.heard(Requested)[0].transaction
    session.reply(asked, 200, ANSWER, 0.0)
    session.reply(asked, 200, b"twice", 0.0)
    session.reply(asked, 488, b"", 0.0)
    lab.flush()
    assert lab.ladder == ["100 INVITE", "200 INVITE"]
    assert lab.sent[-1].message.sdp == ANSWER
    lab.until(1.5)
    assert [each.at for each in lab.sent if each.what == "200 INVITE"] == [0.0, 0.5, 1.5]
    lab.says(session, "ACK", 2)
    assert [each.what for each in lab.until(100.0)] == []


def test_a_declined_re_invite_leaves_the_call_up() -> None:
    lab, session = confirmed()
    lab.says(session, "INVITE", 2, body=OFFER)
    session.reply(lab.heard(Requested)[0].transaction, 488, b"", 0.0)
    lab.flush()
    assert lab.ladder == ["100 INVITE", "488 INVITE"]
    lab.says(session, "INVITE", 3, body=OFFER)
    assert len(lab.heard(Requested)) == 2
    assert lab.heard(Ended) == []


def test_a_re_invite_whose_2xx_is_never_acknowledged_ends_the_call_with_a_bye() -> None:
    lab, session = confirmed()
    lab.says(session, "INVITE", 2, body=OFFER)
    session.reply(lab.heard(Requested)[0].transaction, 200, ANSWER, 0.0)
    lab.flush()
    assert [(each.at, each.what) for each in lab.until(32.0)[:11]][-1] == (32.0, "BYE")
    assert [event.reason for event in lab.heard(Ended)] == ["no ACK"]


def test_a_second_re_invite_while_the_first_waits_is_500_and_before_its_ack_491() -> None:
    lab, session = confirmed()
    lab.says(session, "INVITE", 2)
    assert lab.says(session, "INVITE", 3)[-1].what == "500 INVITE"
    session.reply(lab.heard(Requested)[0].transaction, 200, ANSWER, 0.0)
    assert lab.says(session, "INVITE", 4)[-1].what == "491 INVITE"
    lab.says(session, "ACK", 2)
    assert len(lab.heard(Acked)) == 1


def test_what_is_pending_when_a_bye_comes_is_answered_with_487() -> None:
    lab, session = confirmed()
    ticket = session.transact("INFO", b"", 0.0)
    lab.says(session, "INVITE", 2)
    lab.says(session, "MESSAGE", 3)
    sent = lab.says(session, "BYE", 4)
    assert sorted(each.what for each in sent) == ["200 BYE", "487 INVITE", "487 MESSAGE"]
    assert [(event.ticket, event.response) for event in lab.heard(Replied)] == [(ticket, None)]
    lab.answers(200, method="INFO")
    assert len(lab.heard(Replied)) == 1
    assert lab.is_empty()


def test_a_request_with_an_old_number_is_500_and_ends_nothing() -> None:
    lab, session = confirmed()
    assert [each.what for each in lab.says(session, "BYE", 1)] == ["500 BYE"]
    assert lab.heard(Ended) == []


def test_a_request_after_our_bye_is_481_and_their_bye_200() -> None:
    lab, session = confirmed()
    session.hang_up(0.0)
    lab.flush()
    assert [each.what for each in lab.says(session, "INFO", 2)] == ["481 INFO"]
    assert lab.says(session, "INVITE", 3)[-1].what == "481 INVITE"
    assert [each.what for each in lab.says(session, "BYE", 4)] == ["200 BYE"]
    lab.answers(200, method="BYE")
    assert [each.what for each in lab.says(session, "BYE", 5)] == ["481 BYE"]
    assert len(lab.heard(Ended)) == 1


@pytest.mark.parametrize("status", [408, 481])
def test_a_far_end_that_has_lost_the_dialog_is_hung_up(status: int) -> None:
    lab, session = confirmed()
    ticket = session.offer(OFFER, 0.0)
    lab.flush()
    assert [each.what for each in lab.answers(status)] == ["ACK", "BYE"]
    assert [(event.ticket, event.response) for event in lab.heard(Replied)] == [(ticket, None)]
    assert [event.by for event in lab.heard(Ended)] == [By.TIMEOUT]


def test_verbs_after_the_end_do_nothing() -> None:
    lab, session = confirmed()
    lab.says(session, "INVITE", 2)
    asked = lab.heard(Requested)[0].transaction
    lab.says(session, "BYE", 3)
    lab.sent.clear()
    session.hang_up(1.0)
    session.acknowledge(ANSWER, 1.0)
    session.reply(asked, 200, ANSWER, 1.0)
    session.reply(asked, 180, b"", 1.0)
    assert session.offer(OFFER, 1.0) == 1
    lab.flush()
    assert lab.sent == []
    assert [event.response for event in lab.heard(Replied)] == [None]
    assert lab.is_empty()


@pytest.mark.parametrize("method", ["INVITE", "UPDATE", "INFO"])
def test_a_request_in_a_dialog_that_requires_what_we_lack_is_420_and_ends_nothing(method: str) -> None:
    lab, session = confirmed()
    refusal = lab.says(session, method, 2, "Require: timer, foo", "Proxy-Require: bar")[-1].message
    assert isinstance(refusal, Response)
    assert (refusal.status, refusal.headers.get("unsupported")) == (420, "foo, bar")
    assert lab.heard(Requested) == []
    if method == "INVITE":
        lab.says(session, "ACK", 2, branch="z9hG4bKINVITE2")
    assert [sent.what for sent in lab.says(session, "BYE", 3, "Require: foo")] == ["200 BYE"]  # it has left anyway
    assert lab.heard(Ended)


def test_a_re_invite_with_a_body_that_we_cannot_act_on_is_415() -> None:
    lab, session = confirmed()
    refusal = lab.says(session, "INVITE", 2, "Content-Encoding: gzip", body=OFFER)[-1]
    assert refusal.what == "415 INVITE"
    assert lab.heard(Requested) == []
