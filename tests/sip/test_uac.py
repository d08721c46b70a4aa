"""Our INVITE, as seen on the wire and by its user (RFC 3261 §13.2, §9.1)."""

import pytest

from byoc_proxy.sip.headers import HeaderError
from byoc_proxy.sip.message import Request
from byoc_proxy.sip.outputs import Answered, By, Ended, Progressed, Refused, Replied, Requested
from byoc_proxy.sip.uac import OutgoingInvite
from tests.support.wires import ANSWER, OFFER, Lab, request

CONTACT = "Contact: <sip:bob@127.0.0.2:5060>"


def kinds(lab: Lab) -> list[str]:
    return [type(event).__name__ for event in lab.events]


def test_the_invite_is_complete() -> None:
    lab = Lab()
    session = lab.call(headers=(("Content-Type", "application/sdp"), ("X-Own", "1")))
    invite = lab.sent[0].message
    assert isinstance(invite, Request)
    assert (
        lab.sent[0].data
        == (
            "INVITE sip:bob@127.0.0.2 SIP/2.0\r\n"
            f"Via: SIP/2.0/UDP 127.0.0.1:5060;branch={invite.via.branch};rport\r\n"
            "Max-Forwards: 70\r\n"
            f"From: <sip:alice@127.0.0.1>;tag={session.local_tag}\r\n"
            "To: <sip:bob@127.0.0.2>\r\n"
            f"Call-ID: {session.call_id}\r\n"
            "CSeq: 1 INVITE\r\n"
            "Contact: <sip:127.0.0.1:5060>\r\n"
            "Allow: INVITE, ACK, CANCEL, BYE, OPTIONS, INFO, UPDATE, PRACK\r\n"
            "Supported: 100rel, timer\r\n"
            "Content-Type: application/sdp\r\n"
            "X-Own: 1\r\n"
            f"Content-Length: {len(OFFER)}\r\n\r\n"
        ).encode()
        + OFFER
    )
    assert (invite.via.branch or "").startswith("z9hG4bK")


@pytest.mark.parametrize(
    ("transport", "suffix"), [("UDP", ""), ("TCP", ";transport=tcp"), ("TLS", ";transport=tls")]
)
def test_the_contact_names_the_transport_and_is_never_sips(transport: str, suffix: str) -> None:
    lab = Lab(transport=transport)
    lab.call()
    assert lab.sent[0].message.headers.get("contact") == f"<sip:127.0.0.1:5060{suffix}>"
    assert lab.sent[0].message.via.transport == transport


@pytest.mark.parametrize(
    ("uri", "from_", "to", "header"),
    [
        ("sip:b@h\r\nX: y", "<sip:a@h>", "<sip:b@h>", "v"),
        ("sip:b@h SIP/2.0", "<sip:a@h>", "<sip:b@h>", "v"),
        ("sip:b@h\t", "<sip:a@h>", "<sip:b@h>", "v"),
        ("", "<sip:a@h>", "<sip:b@h>", "v"),
        ("sip:b@h", "<sip:a@h>\r\nX: y", "<sip:b@h>", "v"),
        ("sip:b@h", "<sip:a@h>", "<sip:b@h>\n", "v"),
        ("sip:b@h", "<sip:a@h>", "<sip:b@h>", "v\r\nX: y"),
        ("sip:b@h", "<sip:a@h>", "<sip:b@h>", "\x00"),
    ],
)
def test_a_call_that_would_inject_a_header_cannot_be_described(uri: str, from_: str, to: str, header: str) -> None:
    with pytest.raises(HeaderError):
        OutgoingInvite(uri, from_, to, (("X-Own", header),))


def test_a_call_rings_is_answered_acknowledged_and_hung_up() -> None:
    lab = Lab()
    session = lab.call()
    lab.answers(100, tag="")
    lab.answers(180, CONTACT)
    lab.answers(200, CONTACT, body=ANSWER)
    assert lab.ladder == ["INVITE", "ACK"]
    session.hang_up(1.0, 'Q.850;cause=16;text="normal"')
    session.hang_up(1.0)
    lab.flush()
    assert lab.ladder == ["INVITE", "ACK", "BYE"]
    assert lab.sent[-1].message.headers.get("reason") == 'Q.850;cause=16;text="normal"'
    lab.answers(200)
    assert kinds(lab) == ["Progressed", "Progressed", "Answered", "Ended"]
    ended = lab.heard(Ended)[0]
    assert (ended.by, ended.reason) == (By.LOCAL, 'Q.850;cause=16;text="normal"')
    assert lab.is_empty()


def test_the_ack_of_a_2xx_has_its_own_branch_and_the_number_and_credentials_of_its_invite() -> None:
    lab = Lab()
    lab.call(headers=(("Proxy-Authorization", "Digest one"), ("Authorization", "Digest two"), ("X-Own", "1")))
    lab.answers(200, CONTACT)
    invite, ack = lab.sent[0].message, lab.sent[1].message
    assert ack.via.branch != invite.via.branch
    assert ack.cseq == (1, "ACK")
    assert ack.headers.get("proxy-authorization") == "Digest one"
    assert ack.headers.get("authorization") == "Digest two"
    assert "x-own" not in ack.headers
    assert (ack.to_tag, ack.from_tag) == ("theirs", invite.from_tag)


def test_a_repeated_2xx_gets_the_same_ack_again() -> None:
    lab = Lab()
    lab.call()
    first = lab.answers(200, CONTACT)
    again = lab.answers(200, CONTACT, method="INVITE")
    assert [sent.data for sent in again] == [sent.data for sent in first]
    assert len(lab.heard(Answered)) == 1


def test_a_refusal_is_told_once_with_its_response() -> None:
    lab = Lab()
    lab.call()
    lab.answers(486)
    assert lab.answers(486, method="INVITE")[0].what == "ACK"
    assert kinds(lab) == ["Refused"]
    refused = lab.heard(Refused)[0]
    assert refused.response is not None
    assert refused.response.status == 486
    assert lab.is_empty()


def test_silence_for_32_seconds_is_a_refusal_without_a_response() -> None:
    lab = Lab()
    lab.call()
    lab.until(32.0)
    assert [(event.response, event.cause) for event in lab.heard(Refused)] == [(None, "timeout")]
    assert lab.is_empty()


def test_a_call_may_ring_for_minutes() -> None:
    lab = Lab()
    lab.call()
    lab.answers(180)
    assert lab.until(600.0) == []
    lab.answers(200, CONTACT)
    assert len(lab.heard(Answered)) == 1


@pytest.mark.parametrize("before", [(), (100,), (100, 100), (180,), (100, 180, 183, 180)])
@pytest.mark.parametrize(("status", "body"), [(200, b""), (200, ANSWER), (486, b"")])
@pytest.mark.parametrize("offer", [b"", OFFER])
def test_every_response_is_told_in_its_order_however_far_the_call_had_come(
    before: tuple[int, ...], status: int, body: bytes, offer: bytes
) -> None:
    lab = Lab()
    session = lab.call(body=offer)
    for provisional in before:
        lab.answers(provisional)
    lab.answers(status, CONTACT, body=body)
    assert [event.response.status for event in lab.heard(Progressed)] == list(before)
    answered = [event.response.status for event in lab.heard(Answered)]
    refused = [event.response.status for event in lab.heard(Refused) if event.response]
    assert (answered, refused) == (([200], []) if status == 200 else ([], [486]))
    session.hang_up(1.0)
    assert lab.is_empty()


# --- leaving before the answer -----------------------------------------------------------------------------


@pytest.mark.parametrize("status", [100, 180, 183])
def test_after_a_provisional_response_leaving_is_a_cancel(status: int) -> None:
    lab = Lab()
    session = lab.call()
    lab.answers(status)
    session.hang_up(1.0)
    lab.flush()
    assert lab.ladder == ["INVITE", "CANCEL"]
    lab.answers(200, method="CANCEL")
    assert lab.heard(Ended) == []
    lab.answers(487, method="INVITE")
    assert lab.ladder == ["INVITE", "CANCEL", "ACK"]
    assert [(event.by, event.reason) for event in lab.heard(Ended)] == [(By.LOCAL, "cancelled")]
    assert lab.is_empty()


def test_before_any_response_leaving_sends_nothing_and_stops_the_retransmissions() -> None:
    lab = Lab()
    session = lab.call()
    lab.until(4.0)
    session.hang_up(4.0)
    assert [sent.what for sent in lab.until(31.0)] == []
    lab.until(32.0)
    assert [event.reason for event in lab.heard(Ended)] == ["cancelled"]
    assert lab.ladder == ["INVITE"] * 4
    assert lab.is_empty()


@pytest.mark.parametrize("status", [100, 180])
def test_a_late_provisional_response_to_an_abandoned_invite_is_cancelled(status: int) -> None:
    lab = Lab()
    session = lab.call()
    lab.until(4.0)
    session.hang_up(4.0)
    lab.until(20.0)
    assert [sent.what for sent in lab.answers(status, method="INVITE")] == ["CANCEL"]
    assert [event.late for event in lab.heard(Progressed)] == [True]
    lab.answers(487, method="INVITE")
    assert kinds(lab) == ["Progressed", "Ended"]
    assert lab.is_empty()


def test_a_late_refusal_of_an_abandoned_invite_ends_it() -> None:
    lab = Lab()
    session = lab.call()
    lab.until(4.0)
    session.hang_up(4.0)
    lab.until(20.0)
    assert [sent.what for sent in lab.answers(486, method="INVITE")] == ["ACK"]
    assert [(event.by, event.reason) for event in lab.heard(Ended)] == [(By.LOCAL, "cancelled")]
    assert lab.core.sessions == {}


@pytest.mark.parametrize("body", [b"", ANSWER])
@pytest.mark.parametrize("offer", [b"", OFFER])
def test_a_late_2xx_to_an_abandoned_invite_is_acknowledged_and_hung_up(offer: bytes, body: bytes) -> None:
    lab = Lab()
    session = lab.call(body=offer)
    lab.until(4.0)
    session.hang_up(4.0)
    lab.until(20.0)
    assert [sent.what for sent in lab.answers(200, CONTACT, method="INVITE", body=body)] == ["ACK", "BYE"]
    assert [event.late for event in lab.heard(Answered)] == [True]
    assert [sent.what for sent in lab.answers(200, CONTACT, method="INVITE", body=body)] == ["ACK"]
    lab.answers(200, method="BYE")
    assert kinds(lab) == ["Answered", "Ended"]
    assert lab.is_empty()


@pytest.mark.parametrize("offer", [b"", OFFER])
def test_a_2xx_that_crosses_our_cancel_is_acknowledged_and_hung_up(offer: bytes) -> None:
    lab = Lab()
    session = lab.call(body=offer)
    lab.answers(180)
    session.hang_up(1.0)
    lab.flush()
    assert [sent.what for sent in lab.answers(200, CONTACT, method="INVITE", body=ANSWER)] == ["ACK", "BYE"]
    lab.answers(481, method="CANCEL")
    lab.answers(200, method="BYE")
    assert [event.late for event in lab.heard(Answered)] == [True]
    assert len(lab.heard(Ended)) == 1
    assert lab.is_empty()


def test_a_cancelled_invite_that_never_ends_is_given_up_64_t1_after_the_cancel() -> None:
    lab = Lab()
    session = lab.call()
    lab.answers(180)
    lab.until(10.0)
    session.hang_up(10.0)
    lab.flush()
    lab.answers(200, method="CANCEL")
    lab.until(41.75)
    assert lab.heard(Ended) == []
    lab.until(42.0)
    assert [event.reason for event in lab.heard(Ended)] == ["cancelled"]
    assert lab.is_empty()


# --- forks -------------------------------------------------------------------------------------------------


def test_a_second_branch_that_answers_is_acknowledged_every_time_and_hung_up_once() -> None:
    lab = Lab()
    session = lab.call()
    lab.answers(200, CONTACT, tag="one")
    fork = lab.answers(200, "Contact: <sip:fork@127.0.0.3>", method="INVITE", tag="two")
    assert [(sent.what, sent.message.to_tag, sent.flow.remote) for sent in fork] == [
        ("ACK", "two", ("127.0.0.3", 5060)),
        ("BYE", "two", ("127.0.0.3", 5060)),
    ]
    again = lab.answers(200, "Contact: <sip:fork@127.0.0.3>", method="INVITE", tag="two")
    assert [sent.what for sent in again] == ["ACK"]
    assert lab.answers(200, CONTACT, method="INVITE", tag="one")[0].message.to_tag == "one"
    assert len(lab.heard(Answered)) == 1
    assert session.dialog is not None
    assert session.dialog.remote_tag == "one"


def test_the_answer_to_the_bye_of_a_fork_does_not_end_our_own_bye() -> None:
    lab = Lab()
    session = lab.call()
    lab.answers(200, CONTACT, tag="one")
    lab.answers(200, CONTACT, method="INVITE", tag="two")
    fork_bye = lab.last_request("BYE")
    session.hang_up(1.0)
    lab.flush()
    own_bye = lab.last_request("BYE")
    assert (fork_bye.to_tag, own_bye.to_tag) == ("two", "one")
    lab.sent.append(lab.sent[lab.ladder.index("BYE")])  # the far end answers this one
    lab.answers(200)
    assert len(lab.core.sessions) == 1
    assert [sent.what for sent in lab.says(session, "BYE", 1)] == ["200 BYE"]  # theirs still crosses ours


# --- an INVITE without an offer ----------------------------------------------------------------------------


def test_the_answer_to_a_late_offer_travels_in_the_ack() -> None:
    lab = Lab()
    session = lab.call(body=b"")
    lab.answers(200, CONTACT, "Content-Type: application/sdp", body=OFFER)
    assert lab.ladder == ["INVITE"]
    assert lab.answers(200, CONTACT, method="INVITE", body=OFFER) == []
    session.acknowledge(ANSWER, 1.0)
    session.acknowledge(b"twice", 1.0)
    lab.flush()
    assert lab.ladder == ["INVITE", "ACK"]
    assert (lab.sent[-1].message.sdp, lab.sent[-1].message.content_type) == (ANSWER, "application/sdp")
    assert lab.answers(200, CONTACT, method="INVITE", body=OFFER)[0].data == lab.sent[1].data


def test_hanging_up_on_a_late_offer_acknowledges_it_first() -> None:
    lab = Lab()
    session = lab.call(body=b"")
    lab.answers(200, CONTACT, body=OFFER)
    session.hang_up(1.0)
    lab.flush()
    assert lab.ladder == ["INVITE", "ACK", "BYE"]


def test_a_bye_before_our_ack_still_gets_the_2xx_its_ack() -> None:
    lab = Lab()
    session = lab.call(body=b"")
    lab.answers(200, CONTACT, body=OFFER)
    assert [sent.what for sent in lab.says(session, "BYE", 1)] == ["ACK", "200 BYE"]
    assert [event.by for event in lab.heard(Ended)] == [By.REMOTE]
    assert lab.is_empty()


def test_while_a_late_offer_waits_other_requests_are_served_and_offers_refused() -> None:
    lab = Lab()
    session = lab.call(body=b"")
    lab.answers(200, CONTACT, body=OFFER)
    assert [sent.what for sent in lab.says(session, "INVITE", 1)] == ["100 INVITE", "491 INVITE"]
    assert lab.says(session, "INFO", 2) == []
    session.reply(lab.heard(Requested)[0].transaction, 200, b"", 1.0)
    lab.flush()
    assert lab.ladder[-1] == "200 INFO"
    assert session.offer(OFFER, 1.0) == 1
    assert session.transact("INFO", b"", 1.0) == 2
    lab.flush()
    assert [(event.ticket, event.response) for event in lab.heard(Replied)] == [(1, None), (2, None)]


def test_the_caller_repeats_its_2xx_to_a_re_invite_and_gives_up_without_an_ack() -> None:
    lab = Lab()
    session = lab.call()
    lab.answers(200, CONTACT)
    lab.says(session, "INVITE", 1, body=OFFER)
    session.reply(lab.heard(Requested)[0].transaction, 200, ANSWER, 0.0)
    lab.flush()
    again = [(sent.at, sent.what) for sent in lab.until(32.0)]
    assert again[:4] == [(0.5, "200 INVITE"), (1.5, "200 INVITE"), (3.5, "200 INVITE"), (7.5, "200 INVITE")]
    assert (32.0, "BYE") in again
    assert [(event.by, event.reason) for event in lab.heard(Ended)] == [(By.TIMEOUT, "no ACK")]


# --- before there is a dialog ------------------------------------------------------------------------------


def test_a_bye_or_reinvite_for_a_call_that_is_not_answered_finds_no_dialog() -> None:
    lab = Lab()
    session = lab.call()
    lab.answers(180, tag="early")
    for cseq, method in enumerate(("BYE", "INVITE"), start=1):
        sent = lab.hears(
            request(
                method,
                call_id=session.call_id,
                to_tag=session.local_tag,
                from_tag="early",
                cseq=cseq,
                branch=f"z9hG4bK{method}",
            )
        )
        assert sent[-1].what == f"481 {method}"
    lab.answers(200, CONTACT, tag="early", method="INVITE")
    assert len(lab.heard(Answered)) == 1


def test_the_second_attempt_with_credentials_keeps_the_call_id_and_tag_and_takes_the_next_number() -> None:
    lab = Lab()
    first = lab.call()
    lab.answers(407, "Proxy-Authenticate: Digest realm=x")
    again = lab.core.invite(OutgoingInvite("sip:bob@127.0.0.2", "<sip:a@h>", "<sip:b@h>"), lab.flow, 1.0, first)
    lab.flush()
    one, two = lab.sent[0].message, lab.sent[-1].message
    assert (two.call_id, two.from_tag, two.cseq) == (one.call_id, one.from_tag, (2, "INVITE"))
    assert two.via.branch != one.via.branch
    lab.answers(200, CONTACT)
    again.hang_up(2.0)
    lab.flush()
    assert lab.last_request("ACK").cseq == (2, "ACK")
    assert lab.last_request("BYE").cseq == (3, "BYE")
    lab.answers(200)
    assert lab.is_empty()


def test_white_space_of_unicode_parts_no_request_line() -> None:
    lab = Lab()
    lab.call(uri="sip:\xa0b\u2028ob@127.0.0.2")
    assert lab.last_request().uri_text == "sip:\xa0b\u2028ob@127.0.0.2"
