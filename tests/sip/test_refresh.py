"""Session timers in both roles, to the second (RFC 4028)."""

import pytest

from byoc_proxy.sip.message import Message, Request, Response
from byoc_proxy.sip.outputs import Answered, By, Ended, Refused, Requested
from byoc_proxy.sip.parser import parse_datagram
from byoc_proxy.sip.refresh import Agreement, SessionTimer, asked_of, granted, least_of, obtained
from byoc_proxy.sip.screening import Accept
from byoc_proxy.sip.session import Session
from byoc_proxy.sip.terms import Terms
from byoc_proxy.sip.uac import OutgoingInvite
from tests.support.wires import ANSWER, OFFER, Lab, request, response

SDP = "Content-Type: application/sdp"
CONTACT = "Contact: <sip:bob@127.0.0.2:5060>"
UPDATES = "Allow: INVITE, ACK, BYE, UPDATE"
TIMED = Terms(1800)
DAY = 86400.0


def caller(*said: str, terms: Terms = TIMED) -> tuple[Lab, Session]:
    """Our call is up at 0; the 200 says `said`."""
    lab = Lab()
    outgoing = OutgoingInvite(
        "sip:bob@127.0.0.2", "<sip:alice@127.0.0.1>", "<sip:bob@127.0.0.2>", body=OFFER, terms=terms
    )
    session = lab.core.invite(outgoing, lab.flow, 0.0)
    lab.flush()
    lab.answers(200, CONTACT, SDP, *said, body=ANSWER)
    return lab, session


def callee(*said: str, terms: Terms = TIMED) -> tuple[Lab, Session]:
    """Their call is up at 0; the INVITE says `said`."""
    lab = Lab(lambda *_: Accept(None, terms))
    session = lab.invited(*said)
    session.answer(ANSWER, 0.0)
    lab.flush()
    lab.says(session, "ACK", 1)
    return lab, session


def ended(lab: Lab) -> tuple[By, str]:
    (event,) = lab.heard(Ended)
    return event.by, event.reason


def invite(*said: str) -> Request:
    message = parse_datagram(request("INVITE", *said, body=OFFER))
    assert isinstance(message, Request)
    return message


def test_the_table_is_sound() -> None:
    assert SessionTimer.table.lint() == []


# --- what the headers say ----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("value", "asked"),
    [
        ("1800", (1800, "")),
        ("1800;refresher=uac", (1800, "uac")),
        (" 90 ; Refresher = UAS ; x=y", (90, "uas")),
        ("1800;refresher=nobody", (1800, "")),
        ("9999999999", (2**31 - 1, "")),
        ("soon", None),
        ("-1", None),
        ("\u0661\u0668", None),
    ],
)
def test_session_expires_is_read_or_ignored(value: str, asked: tuple[int, str] | None) -> None:
    message: Message = parse_datagram(request("INVITE", f"x: {value}"))
    assert asked_of(message) == asked


@pytest.mark.parametrize(
    ("said", "seconds"), [("Min-SE: 120", 120), ("Min-SE: 30", 90), ("Min-SE: x", 90), ("X: y", 90)]
)
def test_min_se_is_never_below_90(said: str, seconds: int) -> None:
    assert least_of(invite(said)) == seconds


T = "Supported: timer"


@pytest.mark.parametrize(
    ("said", "terms", "agreed"),
    [
        ([], Terms(1800), None),
        ([T], Terms(0), None),
        ([T], Terms(1800), Agreement(1800, ours=True)),
        ([T, "Min-SE: 3600"], Terms(1800), Agreement(3600, ours=True)),
        ([T, "Session-Expires: 1800"], Terms(0), Agreement(1800, ours=False)),
        ([T, "Session-Expires: 3600"], Terms(1800), Agreement(1800, ours=False)),
        ([T, "Session-Expires: 3600", "Min-SE: 2000"], Terms(1800), Agreement(2000, ours=False)),
        ([T, "Session-Expires: 600"], Terms(1800), Agreement(600, ours=False)),
        ([T, "Session-Expires: 600;refresher=uac"], Terms(1800), Agreement(600, ours=False)),
        ([T, "Session-Expires: 600;refresher=uas"], Terms(1800), Agreement(600, ours=True)),
        (["Session-Expires: 600"], Terms(1800), Agreement(600, ours=True)),  # a proxy wants it, the caller cannot
    ],
)
def test_what_a_callee_agrees_to(said: list[str], terms: Terms, agreed: Agreement | None) -> None:
    assert granted(invite(*said), terms) == agreed


@pytest.mark.parametrize(
    ("said", "agreed"),
    [
        ("X: y", None),
        ("Session-Expires: 600;refresher=uac", Agreement(600, ours=True)),
        ("Session-Expires: 600;refresher=uas", Agreement(600, ours=False)),
        ("Session-Expires: 600", Agreement(600, ours=True)),
        ("Session-Expires: 0;refresher=uas", Agreement(10, ours=False)),
    ],
)
def test_what_a_caller_is_told(said: str, agreed: Agreement | None) -> None:
    message = parse_datagram(response(invite(), 200, said))
    assert isinstance(message, Response)
    assert obtained(message) == agreed


def test_our_invite_asks_and_its_200_may_say_no() -> None:
    lab, _ = caller()
    headers = lab.sent[0].message.headers
    assert (headers.get("session-expires"), headers.get("min-se")) == ("1800", None)
    lab.until(DAY)
    assert lab.ladder == ["INVITE", "ACK"]


def test_our_200_names_the_refresher_and_requires_what_the_caller_supports() -> None:
    lab, _ = callee(T, "Session-Expires: 600;refresher=uac")
    headers = next(sent for sent in lab.sent if sent.what == "200 INVITE").message.headers
    assert (headers.get("session-expires"), headers.get("require")) == ("600;refresher=uac", "timer")


# --- we refresh --------------------------------------------------------------------------------------------


@pytest.mark.parametrize("allow", [UPDATES, "Allow: INVITE, ACK, BYE"])
def test_we_refresh_at_half_the_interval_by_update_or_with_the_same_offer(allow: str) -> None:
    lab, _ = caller("Session-Expires: 1800;refresher=uac", allow)
    method = "UPDATE" if allow == UPDATES else "INVITE"
    for number in range(1, 5):
        (sent,) = lab.until(900.0 * number)
        assert (sent.at, sent.what) == (900.0 * number, method)
        assert sent.message.headers.get("session-expires") == "1800;refresher=uac"
        assert sent.message.body == (b"" if method == "UPDATE" else OFFER)
        lab.answers(200, CONTACT, SDP, "Session-Expires: 1800;refresher=uac", body=sent.message.body and ANSWER)


def test_a_callee_refreshes_with_its_own_answer() -> None:
    lab, _ = callee(T, "Session-Expires: 1800;refresher=uas")
    (sent,) = lab.until(900.0)
    assert (sent.what, sent.message.body) == ("INVITE", ANSWER)
    assert sent.message.headers.get("session-expires") == "1800;refresher=uac"  # of this request we are the client


@pytest.mark.parametrize("status", [408, 481])
def test_a_refresh_that_finds_no_dialog_ends_the_session_at_once(status: int) -> None:
    lab, _ = caller("Session-Expires: 1800;refresher=uac", UPDATES)
    lab.until(900.0)
    assert [sent.what for sent in lab.answers(status)] == ["BYE"]
    assert ended(lab) == (By.TIMEOUT, "the far end has lost the dialog")
    assert lab.is_empty()


@pytest.mark.parametrize("allow", [UPDATES, "Allow: INVITE"])
def test_a_refresh_that_nobody_answers_ends_the_session_after_32_seconds(allow: str) -> None:
    lab, _ = caller("Session-Expires: 1800;refresher=uac", allow)
    lab.until(940.0)
    assert (lab.sent[-1].what, next(sent.at for sent in lab.sent if sent.what == "BYE")) == ("BYE", 932.0)
    assert ended(lab) == (By.TIMEOUT, "the far end has lost the dialog")
    assert lab.is_empty()


def test_a_refused_refresh_is_tried_again_until_the_session_expires() -> None:
    lab, _ = caller("Session-Expires: 90;refresher=uac", "Allow: INVITE", terms=Terms(90))
    times = []
    while "BYE" not in lab.ladder:
        lab.until(lab.core.deadline or DAY)
        if lab.sent[-1].what == "INVITE" and lab.sent[-1].at not in times:
            times.append(lab.sent[-1].at)
            lab.answers(503)
    assert times[:4] == [45.0, 55.0, 65.0, 75.0]
    assert lab.sent[-1].at == 90.0
    assert ended(lab) == (By.TIMEOUT, "the session expired")
    assert lab.is_empty()


def test_retry_after_is_heeded_while_there_is_time() -> None:
    lab, _ = caller("Session-Expires: 1800;refresher=uac", "Allow: INVITE")
    lab.until(900.0)
    lab.answers(500, "Retry-After: 60")
    assert [(sent.at, sent.what) for sent in lab.until(960.0)] == [(960.0, "INVITE")]
    lab.answers(500, "Retry-After: 3600")
    assert [(sent.at, sent.what) for sent in lab.until(1380.0)] == [(1380.0, "INVITE")]  # half of what was left


def test_a_refresh_that_crosses_theirs_is_tried_again_within_the_time_of_the_rfc() -> None:
    lab, _ = caller("Session-Expires: 1800;refresher=uac", "Allow: INVITE")
    lab.until(900.0)
    lab.answers(491)
    (again,) = lab.until(904.0)
    assert 902.1 <= again.at <= 904.0  # RFC 3261 §14.1: the Call-ID is ours


def test_an_update_that_is_not_understood_becomes_a_reinvite_at_once() -> None:
    lab, _ = caller("Session-Expires: 1800;refresher=uac", UPDATES)
    lab.until(900.0)
    lab.answers(501)
    assert [(sent.at, sent.what) for sent in lab.until(900.0)] == [(900.0, "INVITE")]


def test_a_refresh_that_is_too_brief_asks_for_what_they_want() -> None:
    lab, _ = caller("Session-Expires: 1800;refresher=uac", UPDATES)
    lab.until(900.0)
    (again,) = lab.answers(422, "Min-SE: 3600")
    headers = again.message.headers
    assert (again.what, headers.get("session-expires"), headers.get("min-se")) == (
        "UPDATE",
        "3600;refresher=uac",
        "3600",
    )
    lab.answers(200, CONTACT, "Session-Expires: 3600;refresher=uac")
    assert [sent.at for sent in lab.until(2700.0)] == [2700.0]


def test_a_reinvite_of_the_user_is_a_refresh_as_well() -> None:
    lab, session = caller("Session-Expires: 1800;refresher=uac", "Allow: INVITE")
    lab.until(600.0)
    session.offer(b"v=0\r\no=held\r\n", lab.now)
    lab.flush()
    assert lab.sent[-1].message.headers.get("session-expires") == "1800;refresher=uac"
    lab.answers(200, CONTACT, SDP, "Session-Expires: 1800;refresher=uac", body=ANSWER)
    (refresh,) = lab.until(1500.0)
    assert (refresh.at, refresh.message.body) == (1500.0, b"v=0\r\no=held\r\n")


def test_a_refresh_that_is_due_while_our_offer_is_out_waits_for_its_end() -> None:
    lab, session = caller("Session-Expires: 1800;refresher=uac", "Allow: INVITE")
    lab.until(899.0)
    session.offer(b"v=0\r\no=held\r\n", lab.now)
    lab.flush()
    lab.answers(100, tag="")
    lab.until(901.0)
    lab.answers(488)
    sent = [each for each in lab.until(905.0) if each.what == "INVITE"]
    assert {each.message.body for each in sent} == {OFFER}


def test_a_2xx_without_a_timer_turns_it_off() -> None:
    lab, _ = caller("Session-Expires: 1800;refresher=uac", UPDATES)
    lab.until(900.0)
    lab.answers(200, CONTACT)
    assert lab.until(DAY) == []


# --- they refresh ------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("seconds", "at"), [(1800, 1768.0), (90, 60.0), (120, 88.0)])
def test_without_a_refresh_of_theirs_we_say_bye_a_little_before_the_end(seconds: int, at: float) -> None:
    lab, _ = caller(f"Session-Expires: {seconds};refresher=uas")
    lab.until(DAY)
    assert next(sent.at for sent in lab.sent if sent.what == "BYE") == at
    assert ended(lab) == (By.TIMEOUT, "the session expired")
    assert lab.is_empty()


def test_each_refresh_of_theirs_starts_the_interval_anew_and_is_nobody_elses_business() -> None:
    lab, session = callee(T, "Session-Expires: 1800;refresher=uac")
    for number in range(1, 13):
        lab.until(900.0 * number)
        (ok,) = lab.says(session, "UPDATE", number + 1, T, "Session-Expires: 1800;refresher=uac")
        assert ok.message.headers.get("session-expires") == "1800;refresher=uac"
    lab.until(900.0 * 12 + 1768.0)
    assert lab.sent[-1].what == "BYE"
    assert lab.heard(Requested) == []


def test_a_reinvite_that_changes_nothing_is_answered_with_what_we_said_before() -> None:
    lab, session = callee(T, "Session-Expires: 1800;refresher=uac")
    trying, ok = lab.says(session, "INVITE", 2, T, "Session-Expires: 1800;refresher=uac", body=OFFER)
    assert (trying.what, ok.what, ok.message.body) == ("100 INVITE", "200 INVITE", ANSWER)
    lab.says(session, "ACK", 2)
    assert lab.heard(Requested) == []
    assert (session.exchange.ours, session.exchange.theirs) == (ANSWER, OFFER)


@pytest.mark.parametrize(
    ("said", "body"),
    [(["Session-Expires: 1800"], b"v=0\r\no=changed\r\n"), ([], OFFER), (["Session-Expires: 1800"], b"")],
)
def test_a_reinvite_that_may_change_something_is_passed_on(said: list[str], body: bytes) -> None:
    lab, session = callee(T, "Session-Expires: 1800;refresher=uac")
    lab.says(session, "INVITE", 2, T, *said, body=body)
    assert len(lab.heard(Requested)) == 1


@pytest.mark.parametrize("method", ["INVITE", "UPDATE"])
def test_less_than_our_least_is_422(method: str) -> None:
    lab, session = callee(T, terms=Terms(1800, 600))
    sent = lab.says(session, method, 2, T, "Session-Expires: 300", body=OFFER)[-1]
    assert (sent.what, sent.message.headers.get("min-se")) == (f"422 {method}", "600")
    assert lab.heard(Requested) == []


# --- 422 to our INVITE -------------------------------------------------------------------------------------


def test_an_invite_that_is_too_brief_is_sent_again_in_the_same_dialog_to_be_with_the_next_number() -> None:
    lab = Lab()
    outgoing = OutgoingInvite("sip:b@127.0.0.2", "<sip:a@h>", "<sip:b@h>", (("X-Own", "1"),), OFFER, terms=TIMED)
    lab.core.invite(outgoing, lab.flow, 0.0)
    lab.flush()
    first = lab.sent[0].message
    ack, again = lab.answers(422, "Min-SE: 3600")
    second = again.message
    assert (ack.what, again.what) == ("ACK", "INVITE")
    assert (second.call_id, second.from_tag, second.cseq) == (first.call_id, first.from_tag, (2, "INVITE"))
    assert second.via.branch != first.via.branch
    assert second.to_tag == ""
    assert (second.headers.get("session-expires"), second.headers.get("min-se")) == ("3600", "3600")
    assert (second.headers.get("x-own"), second.body) == ("1", OFFER)
    lab.answers(200, CONTACT, SDP, method="INVITE", body=ANSWER)
    assert len(lab.heard(Answered)) == 1


def test_a_second_422_is_the_answer() -> None:
    lab = Lab()
    lab.core.invite(OutgoingInvite("sip:b@127.0.0.2", "<sip:a@h>", "<sip:b@h>", terms=TIMED), lab.flow, 0.0)
    lab.flush()
    lab.answers(422, "Min-SE: 3600")
    lab.answers(422, "Min-SE: 7200", method="INVITE")
    (refused,) = lab.heard(Refused)
    assert refused.response is not None
    assert refused.response.status == 422
    assert lab.is_empty()


@pytest.mark.parametrize("said", ["Min-SE: 1800", "X: y", "Min-SE: x"])
def test_a_422_that_wants_no_more_than_we_asked_for_is_the_answer(said: str) -> None:
    lab = Lab()
    lab.core.invite(OutgoingInvite("sip:b@127.0.0.2", "<sip:a@h>", "<sip:b@h>", terms=TIMED), lab.flow, 0.0)
    lab.flush()
    lab.answers(422, said)
    assert len(lab.heard(Refused)) == 1
    assert lab.is_empty()
