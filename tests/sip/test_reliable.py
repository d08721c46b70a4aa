"""Provisional responses that arrive, in both roles (RFC 3262)."""

import pytest

from byoc_proxy.sip.message import Response
from byoc_proxy.sip.outputs import Answered, By, Ended, Pracked, Progressed, Refused
from byoc_proxy.sip.reliable import Provisionals
from byoc_proxy.sip.screening import Accept
from byoc_proxy.sip.terms import Reliability, Terms
from byoc_proxy.sip.uas import UasSession
from tests.support.wires import ANSWER, OFFER, Lab, Pair, Sent, request

REQUIRED = "Require: 100rel"
SDP = "Content-Type: application/sdp"
CONTACT = "Contact: <sip:bob@127.0.0.2:5060>"
DOUBLING = [0.0, 0.5, 1.5, 3.5, 7.5, 15.5, 31.5]


def called(
    *extra: str, body: bytes = OFFER, reliability: Reliability = Reliability.MEDIA
) -> tuple[Lab, UasSession]:
    """A caller who says `extra`."""
    lab = Lab(lambda *_: Accept(None, Terms(reliability=reliability)))
    return lab, lab.invited(*extra, body=body)


def says(lab: Lab, session: UasSession, status: int, body: bytes = b"") -> Sent:
    session.progress(status, lab.now, body)
    lab.flush()
    return lab.sent[-1]


def rack(sent: Sent) -> str:
    assert isinstance(sent.message, Response)
    return f"RAck: {sent.message.rseq} 1 INVITE"


def progress(lab: Lab, rseq: int, status: int = 183, tag: str = "theirs", body: bytes = b"") -> list[Sent]:
    """A reliable 18x to our INVITE."""
    typed = (SDP,) if body else ()
    return lab.answers(status, REQUIRED, f"RSeq: {rseq}", CONTACT, *typed, method="INVITE", tag=tag, body=body)


def test_the_table_is_sound() -> None:
    assert Provisionals.table.lint() == []


# --- to their INVITE ---------------------------------------------------------------------------------------


@pytest.mark.parametrize("said", ["Require: 100rel", "Supported: timer, 100REL"])
def test_early_media_is_sent_reliably_to_a_caller_who_can_acknowledge_it(said: str) -> None:
    lab, session = called(said)
    sent = says(lab, session, 183, ANSWER)
    assert sent.message.headers.get("require") == "100rel"
    assert "UPDATE" in (sent.message.headers.get("allow") or "")
    assert sent.message.headers.get("contact") == "<sip:127.0.0.1:5060>"
    assert [each.what for each in lab.says(session, "PRACK", 2, rack(sent))] == ["200 PRACK"]
    assert lab.heard(Pracked)[0].session is session


@pytest.mark.parametrize(
    ("said", "reliability", "body", "reliable"),
    [
        ("Require: 100rel", Reliability.REQUIRED, b"", True),
        ("Supported: 100rel", Reliability.REQUIRED, ANSWER, False),
        ("Supported: 100rel", Reliability.MEDIA, b"", False),
        ("Supported: 100rel", Reliability.MEDIA, ANSWER, True),
        ("Supported: 100rel", Reliability.ALWAYS, b"", True),
        ("Supported: timer", Reliability.ALWAYS, ANSWER, False),
    ],
)
def test_what_is_reliable_is_what_the_caller_requires_or_the_terms_ask(
    said: str, reliability: Reliability, body: bytes, reliable: bool
) -> None:
    lab, session = called(said, reliability=reliability)
    assert ("rseq" in says(lab, session, 180, body).message.headers) is reliable


def test_it_is_repeated_at_doubling_intervals_until_64_t1_and_then_the_call_is_refused() -> None:
    lab, session = called(REQUIRED)
    says(lab, session, 180)
    lab.until(100.0)
    assert [sent.at for sent in lab.sent if sent.what == "180 INVITE"] == DOUBLING
    assert next(sent.at for sent in lab.sent if sent.what == "504 INVITE") == 32.0
    assert (lab.heard(Ended)[0].by, lab.heard(Ended)[0].reason) == (By.TIMEOUT, "no PRACK")
    assert lab.is_empty()


def test_a_second_one_waits_for_the_prack_of_the_first_and_has_the_next_number() -> None:
    lab, session = called(REQUIRED)
    first = says(lab, session, 180)
    assert says(lab, session, 183, ANSWER) is first
    ok, second = lab.says(session, "PRACK", 2, rack(first))
    assert (ok.what, second.what) == ("200 PRACK", "183 INVITE")
    assert isinstance(first.message, Response)
    assert isinstance(second.message, Response)
    assert second.message.rseq == (first.message.rseq or 0) + 1
    assert second.message.sdp == ANSWER


def test_of_those_that_wait_the_newest_is_sent_with_the_description_of_any() -> None:
    lab, session = called(REQUIRED)
    first = says(lab, session, 180)
    says(lab, session, 183, ANSWER)
    says(lab, session, 181)
    _, second = lab.says(session, "PRACK", 2, rack(first))
    assert (second.what, second.message.sdp) == ("181 INVITE", ANSWER)


@pytest.mark.parametrize("said", ["RAck: 1 1 INVITE", "RAck: x", "RAck: 1 2 3 INVITE", "X-No: RAck"])
def test_a_prack_of_something_else_finds_nothing_and_changes_nothing(said: str) -> None:
    lab, session = called(REQUIRED)
    says(lab, session, 180)
    assert [sent.what for sent in lab.says(session, "PRACK", 2, said)] == ["481 PRACK"]
    assert lab.heard(Pracked) == []
    assert "180 INVITE" in [sent.what for sent in lab.until(0.5)]


def test_a_second_prack_of_the_same_response_finds_nothing() -> None:
    lab, session = called(REQUIRED)
    first = says(lab, session, 180)
    lab.says(session, "PRACK", 2, rack(first))
    assert [sent.what for sent in lab.says(session, "PRACK", 3, rack(first))] == ["481 PRACK"]


def test_the_200_waits_for_the_prack_of_a_description_and_does_not_repeat_it() -> None:
    lab, session = called(REQUIRED)
    early = says(lab, session, 183, ANSWER)
    session.answer(ANSWER, 0.0)
    session.answer(ANSWER, 0.0)
    lab.flush()
    assert session.answered
    assert lab.sent[-1] is early
    prack, ok = lab.says(session, "PRACK", 2, rack(early))
    assert (prack.what, ok.what, ok.message.body) == ("200 PRACK", "200 INVITE", b"")
    lab.says(session, "ACK", 1)
    lab.says(session, "BYE", 3)
    assert lab.is_empty()


def test_the_200_does_not_wait_for_the_prack_of_a_mere_ringing_which_is_repeated_no_more() -> None:
    lab, session = called(REQUIRED)
    ringing = says(lab, session, 180)
    session.answer(ANSWER, 0.25)
    lab.flush()
    assert (lab.sent[-1].what, lab.sent[-1].message.body) == ("200 INVITE", ANSWER)
    assert [sent.what for sent in lab.says(session, "PRACK", 2, rack(ringing))] == ["200 PRACK"]  # it crossed
    assert [sent.what for sent in lab.until(1.0)] == ["200 INVITE"]


@pytest.mark.parametrize("how", ["CANCEL", "BYE", "hang up", "refuse", "silence"])
def test_a_call_whose_200_waits_for_a_prack_ends_in_every_way(how: str) -> None:
    lab, session = called(REQUIRED)
    says(lab, session, 183, ANSWER)
    session.answer(ANSWER, 0.0)
    if how == "CANCEL":
        lab.hears(request("CANCEL"))
    elif how == "BYE":
        lab.says(session, "BYE", 2)
    elif how == "hang up":
        session.hang_up(0.0)
    elif how == "refuse":
        session.refuse(486, 0.0)
    assert lab.is_empty()
    finals = {"CANCEL": "487", "BYE": "487", "hang up": "480", "refuse": "486", "silence": "504"}
    assert f"{finals[how]} INVITE" in lab.ladder
    assert "200 INVITE" not in lab.ladder
    assert len(lab.heard(Ended)) == 1


def test_after_a_reliable_answer_no_other_description_follows() -> None:
    lab, session = called(REQUIRED)
    early = says(lab, session, 183, ANSWER)
    lab.says(session, "PRACK", 2, rack(early))
    later = says(lab, session, 183, b"v=0\r\no=other\r\n")
    assert later.message.body == b""
    assert session.exchange.ours == ANSWER


def test_a_caller_without_an_offer_gets_it_in_a_reliable_18x_and_answers_in_the_prack() -> None:
    lab, session = called("Supported: 100rel", body=b"")
    offer = says(lab, session, 183, OFFER)
    assert offer.message.sdp == OFFER
    assert [sent.what for sent in lab.says(session, "PRACK", 2, rack(offer), body=ANSWER)] == ["200 PRACK"]
    assert lab.heard(Pracked)[0].request.sdp == ANSWER
    assert (session.exchange.ours, session.exchange.theirs) == (OFFER, ANSWER)


def test_a_caller_without_an_offer_who_cannot_acknowledge_gets_none_before_the_200() -> None:
    lab, session = called(body=b"")
    assert says(lab, session, 183, OFFER).message.body == b""
    session.answer(OFFER, 0.0)
    lab.flush()
    assert lab.sent[-1].message.body == OFFER


def test_a_prack_that_brings_an_offer_of_its_own_acknowledges_and_is_refused() -> None:
    lab, session = called(REQUIRED)
    early = says(lab, session, 183, ANSWER)
    assert [sent.what for sent in lab.says(session, "PRACK", 2, rack(early), body=OFFER)] == ["488 PRACK"]
    session.answer(ANSWER, 0.0)
    lab.flush()
    assert lab.sent[-1].what == "200 INVITE"


# --- to our INVITE -----------------------------------------------------------------------------------------


def test_a_reliable_18x_is_acknowledged_within_its_early_dialog() -> None:
    lab = Lab()
    lab.call(headers=(("Proxy-Authorization", "Digest one"),))
    (prack,) = progress(lab, 7, body=ANSWER)
    assert prack.what == "PRACK"
    headers = prack.message.headers
    assert (headers.get("rack"), headers.get("cseq")) == ("7 1 INVITE", "2 PRACK")
    assert headers.get("proxy-authorization") == "Digest one"
    assert "contact" not in headers
    assert prack.message.to_tag == "theirs"
    assert len(lab.heard(Progressed)) == 1


def test_a_repeated_18x_and_one_out_of_order_are_not_even_looked_at() -> None:
    lab = Lab()
    lab.call()
    progress(lab, 7)
    for number in (7, 6, 9):
        assert progress(lab, number) == []
    assert [sent.message.headers.get("rack") for sent in progress(lab, 8)] == ["8 1 INVITE"]
    assert len(lab.heard(Progressed)) == 2


def test_each_fork_has_an_order_and_numbers_of_its_own() -> None:
    lab = Lab()
    lab.call()
    sent = [*progress(lab, 1, tag="a"), *progress(lab, 50, tag="b"), *progress(lab, 2, tag="a")]
    assert [each.message.to_tag for each in sent] == ["a", "b", "a"]
    assert [each.message.cseq[0] for each in sent] == [2, 2, 3]


def test_the_fork_that_answers_is_the_call_and_goes_on_with_its_own_numbers() -> None:
    lab = Lab()
    session = lab.call()
    progress(lab, 1, tag="a", body=ANSWER)
    progress(lab, 1, tag="b", body=b"v=0\r\no=b\r\n")
    lab.answers(200, CONTACT, method="INVITE", tag="a")
    session.hang_up(0.0)
    lab.flush()
    assert [(sent.what, sent.message.to_tag, sent.message.cseq[0]) for sent in lab.sent[-2:]] == [
        ("ACK", "a", 1),
        ("BYE", "a", 3),
    ]


def test_a_fork_that_only_rang_reliably_may_still_answer_second_and_is_ended() -> None:
    lab = Lab()
    lab.call()
    progress(lab, 1, tag="a")
    lab.answers(200, CONTACT, method="INVITE", tag="b", body=ANSWER)
    late = lab.answers(200, CONTACT, method="INVITE", tag="a", body=ANSWER)
    # its PRACK was number 2: a BYE of that number would be out of order (RFC 3261 §12.2.2)
    said = [(sent.what, sent.message.to_tag, sent.message.cseq[0]) for sent in late]
    assert said == [("ACK", "a", 1), ("BYE", "a", 3)]
    assert len(lab.heard(Answered)) == 1


def test_even_after_the_call_is_over_the_bye_to_such_a_fork_has_a_new_number() -> None:
    # a seed of the simulation found it
    lab = Lab()
    session = lab.call()
    progress(lab, 1, tag="a")
    lab.answers(200, CONTACT, method="INVITE", tag="b", body=ANSWER)
    session.hang_up(1.0)
    lab.flush()
    lab.answers(200, method="BYE")
    late = lab.answers(200, CONTACT, method="INVITE", tag="a", body=ANSWER)
    said = [(sent.what, sent.message.to_tag, sent.message.cseq[0]) for sent in late]
    assert said == [("ACK", "a", 1), ("BYE", "a", 3)]


def test_an_offer_in_a_reliable_18x_is_acknowledged_with_the_answer() -> None:
    lab = Lab()
    session = lab.call(body=b"")
    assert progress(lab, 1, body=OFFER) == []
    session.acknowledge(ANSWER, 0.0)
    session.acknowledge(b"twice", 0.0)
    lab.flush()
    assert [sent.what for sent in lab.sent] == ["INVITE", "PRACK"]
    assert (lab.sent[-1].message.body, lab.sent[-1].message.content_type) == (ANSWER, "application/sdp")
    (ack,) = lab.answers(200, CONTACT, SDP, method="INVITE", body=OFFER)  # the same said twice is no new offer
    assert (ack.what, ack.message.body) == ("ACK", b"")
    assert (session.exchange.ours, session.exchange.theirs) == (ANSWER, OFFER)


def test_a_call_that_we_have_left_acknowledges_no_18x_any_more() -> None:
    lab = Lab()
    session = lab.call()
    lab.answers(100, tag="")
    session.hang_up(0.0)
    lab.flush()
    assert progress(lab, 1) == []
    lab.answers(487, method="INVITE")
    assert lab.is_empty()


def test_a_fork_storm_costs_no_more_than_its_first_branches() -> None:
    lab = Lab()
    lab.call()
    pracks = [sent for number in range(40) for sent in progress(lab, 1, tag=f"tag{number}")]
    assert len(pracks) == 16
    assert progress(lab, 2, tag="tag3") != []


def test_a_refusal_answers_what_the_callee_still_asks() -> None:
    lab = Lab()
    session = lab.call()
    progress(lab, 1, body=ANSWER)
    assert lab.says_as("theirs", session, "INFO", 1) == []
    assert [sent.what for sent in lab.answers(486, method="INVITE")] == ["ACK", "487 INFO"]
    assert lab.heard(Refused)
    assert lab.is_empty()


# --- both --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("lost", ["183 INVITE", "PRACK", "200 PRACK"])
def test_whatever_is_lost_on_the_way_early_media_arrives_and_the_call_is_answered(lost: str) -> None:
    pair = Pair(delay=0.125)
    pair.lose(lost)
    caller, callee = pair.invite()
    callee.progress(183, pair.now, ANSWER)
    pair.run(2.0)
    callee.answer(ANSWER, pair.now)
    pair.run(4.0)
    assert [event.response.sdp for event in pair.alice.heard(Progressed) if event.response.status == 183] == [
        ANSWER
    ]
    assert len(pair.alice.heard(Answered)) == 1
    assert caller.exchange.theirs == callee.exchange.ours == ANSWER
    caller.hang_up(pair.now)
    assert pair.is_empty()
