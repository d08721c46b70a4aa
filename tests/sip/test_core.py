"""The user agent core: who gets a message, where a response goes, what a stranger costs (RFC 3261 §8, §17, §18)."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from byoc_proxy.sip.flow import Flow, PeerCertificate, contact_of
from byoc_proxy.sip.message import Request
from byoc_proxy.sip.outputs import Acked, Answered, Ended, Invited, Refused, Replied, Requested
from byoc_proxy.sip.parser import parse_datagram
from byoc_proxy.sip.screening import Accept, Answer, Ignore
from byoc_proxy.sip.states import State
from byoc_proxy.sip.transaction import server_key
from byoc_proxy.sip.uas import UasSession
from tests.support.wires import ANSWER, OFFER, THEIRS, Lab, accept_all, flow_to, request, response, wire

CONTACT = "Contact: <sip:bob@127.0.0.2:5060>"


def refuse_all(request: Request, flow: Flow) -> Accept | Answer | Ignore:
    return Answer(403, "Go away", (("X-Own", "1"),))


# --- strangers ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize("method", ["INVITE", "OPTIONS", "BYE", "REGISTER", "FOO"])
def test_a_stateless_answer_leaves_no_state_and_is_the_same_every_time(method: str) -> None:
    lab = Lab(refuse_all)
    first, second = lab.hears(request(method)), lab.hears(request(method))
    assert [sent.what for sent in first] == [f"403 {method}"]
    assert first[0].data == second[0].data
    assert first[0].message.to_tag != ""
    assert first[0].message.headers.get("x-own") == "1"
    assert (lab.core.transactions, lab.core.sessions, lab.core.deadline) == ({}, {}, None)


def test_the_tag_of_a_stateless_answer_cannot_be_guessed_and_differs_by_request() -> None:
    tags = set()
    for lab, branch in ((Lab(refuse_all), "a"), (Lab(refuse_all), "b"), (Lab(refuse_all), "c")):
        lab.core._secret = f"secret of {branch}"
        for number in (1, 2):
            tags.add(lab.hears(request("OPTIONS", cseq=number))[0].message.to_tag)
    assert len(tags) == 6


def test_what_the_screen_ignores_is_dropped_in_silence() -> None:
    lab = Lab(lambda request, flow: Ignore("a stranger"))
    assert lab.hears(request("INVITE")) == []
    assert [dropped.reason for dropped in lab.dropped] == ["a stranger"]
    assert lab.is_empty()


def test_what_the_screen_admits_comes_back_with_the_invitation() -> None:
    lab = Lab(lambda request, flow: Accept("gold"))
    lab.invited()
    assert lab.heard(Invited)[0].admission == "gold"


@pytest.mark.parametrize("to_tag", ["", "unknown"])
def test_an_ack_is_never_answered(to_tag: str) -> None:
    lab = Lab(refuse_all)
    assert lab.hears(request("ACK", to_tag=to_tag)) == []
    assert lab.hears(request("ACK", to_tag=to_tag).replace(b"CSeq: 1 ACK", b"CSeq: 1 BYE")) == []
    assert lab.core.transactions == {}


def test_the_ack_of_a_stateless_refusal_is_absorbed() -> None:
    lab = Lab(refuse_all)
    refusal = lab.hears(request("INVITE"))[0].message
    assert lab.hears(request("ACK", to_tag=refusal.to_tag)) == []
    assert lab.dropped == []


def test_a_cancel_that_matches_nothing_is_481() -> None:
    lab = Lab()
    assert [sent.what for sent in lab.hears(request("CANCEL"))] == ["481 CANCEL"]
    assert lab.core.transactions == {}


def test_noise_is_dropped_and_named() -> None:
    lab = Lab()
    for data in (b"", b"\r\n\r\n", b"\x00" * 30, b"GET / HTTP/1.1\r\n\r\n", wire("SIP/2.0 200 OK")):
        assert lab.hears(data) == []
    assert len(lab.dropped) == 5


def test_a_broken_request_is_answered_along_its_via_and_forgotten() -> None:
    lab = Lab()
    broken = request("INVITE", via="SIP/2.0/UDP 10.0.0.9:5070;rport;branch={branch}").replace(
        b"CSeq: 1 ", b"CSeq: x "
    )
    sent = lab.hears(broken, flow_to(("127.0.0.2", 6060)))
    assert sent[0].data.startswith(b"SIP/2.0 400 CSeq number out of range: 'x'\r\n")
    assert b"Via: SIP/2.0/UDP 10.0.0.9:5070;rport=6060;branch=z9hG4bKone;received=127.0.0.2\r\n" in sent[0].data
    assert sent[0].flow.remote == ("127.0.0.2", 6060)
    assert lab.core.transactions == {}


@given(st.binary(max_size=60), st.integers(0, 400), st.sampled_from(["INVITE", "OPTIONS", "ACK", "BYE", "CANCEL"]))
def test_no_damage_to_a_request_stops_the_core(noise: bytes, at: int, method: str) -> None:
    lab = Lab()
    data = request(method, "Record-Route: <sip:p;lr>", body=OFFER)
    lab.hears(data[:at] + noise + data[at + len(noise) :])
    for event in lab.heard(Invited):
        event.session.hang_up(lab.now)
    assert lab.is_empty()


@given(st.binary(max_size=60), st.integers(0, 400), st.sampled_from([100, 183, 200, 302, 487]))
def test_no_damage_to_a_response_stops_the_core(noise: bytes, at: int, status: int) -> None:
    lab = Lab()
    session = lab.call()
    data = response(lab.last_request(), status, CONTACT, "Record-Route: <sip:p;lr>", body=ANSWER)
    lab.hears(data[:at] + noise + data[at + len(noise) :])
    session.hang_up(lab.now)
    assert lab.is_empty()


# --- where responses go ------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("via", "source", "remote"),
    [
        # RFC 3581: asked for, so back to the source
        ("SIP/2.0/UDP 127.0.0.2:5070;rport;branch={branch}", ("127.0.0.2", 6060), ("127.0.0.2", 6060)),
        ("SIP/2.0/UDP 10.0.0.1:5070;rport;branch={branch}", ("127.0.0.2", 6060), ("127.0.0.2", 6060)),
        # the Via tells the truth: its port, which may not be the one it sends from
        ("SIP/2.0/UDP 127.0.0.2:5070;branch={branch}", ("127.0.0.2", 6060), ("127.0.0.2", 5070)),
        ("SIP/2.0/UDP 127.0.0.2;branch={branch}", ("127.0.0.2", 6060), ("127.0.0.2", 5060)),
        # it does not: behind a NAT only the source leads back
        ("SIP/2.0/UDP 10.0.0.1:5070;branch={branch}", ("127.0.0.2", 6060), ("127.0.0.2", 6060)),
        ("SIP/2.0/UDP sbc.example;branch={branch}", ("127.0.0.2", 6060), ("127.0.0.2", 6060)),
        # what it says of itself does not count
        ("SIP/2.0/UDP 10.0.0.1;received=192.0.2.9;branch={branch}", ("127.0.0.2", 6060), ("127.0.0.2", 6060)),
        ("SIP/2.0/UDP 127.0.0.2;maddr=192.0.2.9;branch={branch}", ("127.0.0.2", 6060), ("127.0.0.2", 5060)),
        ("SIP/2.0/UDP [::1]:5070;rport;branch={branch}", ("::1", 6060), ("::1", 6060)),
    ],
)
@pytest.mark.parametrize("method", ["OPTIONS", "INVITE"])
def test_a_response_goes_where_its_request_came_from(
    via: str, source: tuple[str, int], remote: tuple[str, int], method: str
) -> None:
    lab = Lab()
    sent = lab.hears(request(method, via=via), flow_to(source))
    assert sent[0].flow.remote == remote
    assert sent[0].flow.local == lab.flow.local


def test_the_via_of_a_response_says_where_the_request_came_from() -> None:
    lab = Lab()
    sent = lab.hears(
        request("OPTIONS", via="SIP/2.0/UDP 10.0.0.1;rport;branch={branch}"), flow_to(("127.0.0.2", 6060))
    )
    assert sent[0].message.headers.get("via") == (
        "SIP/2.0/UDP 10.0.0.1;rport=6060;branch=z9hG4bKone;received=127.0.0.2"
    )


@pytest.mark.parametrize("transport", ["TCP", "TLS"])
def test_on_a_stream_a_response_goes_back_on_its_connection(transport: str) -> None:
    lab = Lab(transport=transport)
    source = flow_to(("127.0.0.2", 40000), transport, 9)
    sent = lab.hears(request("OPTIONS", via="SIP/2.0/TCP 10.0.0.1:5070;branch={branch}"), source)
    assert sent[0].flow == source


def test_every_response_of_a_call_takes_the_same_way() -> None:
    lab = Lab()
    source = flow_to(("127.0.0.2", 6060))
    lab.hears(request("INVITE", via="SIP/2.0/UDP 10.0.0.1;branch={branch}", body=OFFER), source)
    session = lab.heard(Invited)[0].session
    session.hang_up(0.0)
    lab.until(4.0)
    assert {sent.flow for sent in lab.sent} == {source}


# --- matching ----------------------------------------------------------------------------------------------


def established() -> tuple[Lab, str, str]:
    """A lab with one call up, its Call-ID and our tag."""
    lab = Lab()
    session = lab.invited()
    session.answer(ANSWER, 0.0)
    lab.flush()
    lab.says(session, "ACK", 1)
    return lab, session.call_id, session.local_tag


@pytest.mark.parametrize(
    ("call_id", "from_tag", "to_tag"),
    [
        ("other", "theirs", "{ours}"),
        ("call-1", "other", "{ours}"),
        ("call-1", "theirs", "other"),
        ("call-1", "", "{ours}"),
    ],
)
@pytest.mark.parametrize("method", ["BYE", "INFO", "INVITE", "UPDATE"])
def test_a_request_belongs_to_a_dialog_only_by_call_id_and_both_tags(
    method: str, call_id: str, from_tag: str, to_tag: str
) -> None:
    lab, _, ours = established()
    stranger = request(
        method, call_id=call_id, from_tag=from_tag, to_tag=to_tag.format(ours=ours), branch="z9hG4bKx", cseq=9
    )
    transactions = dict(lab.core.transactions)
    assert [sent.what for sent in lab.hears(stranger)] == [f"481 {method}"]
    assert lab.heard(Ended) == []
    assert lab.core.transactions == transactions


def test_tags_and_call_ids_are_compared_byte_for_byte() -> None:
    lab, call_id, ours = established()
    shouting = request("BYE", call_id=call_id.upper(), to_tag=ours, branch="z9hG4bKx", cseq=9)
    assert [sent.what for sent in lab.hears(shouting)] == ["481 BYE"]


@pytest.mark.parametrize(
    ("branch", "via", "same"),
    [
        ("z9hG4bKone", "SIP/2.0/UDP 127.0.0.2:5060;branch={branch}", True),
        ("z9hG4bKone", "SIP/2.0/UDP 127.0.0.2:5060;x=1;branch={branch};rport", True),
        ("z9hG4bKtwo", "SIP/2.0/UDP 127.0.0.2:5060;branch={branch}", False),
        ("z9hG4bKone", "SIP/2.0/UDP 127.0.0.2:5061;branch={branch}", False),
        ("z9hG4bKone", "SIP/2.0/UDP 127.0.0.3:5060;branch={branch}", False),
    ],
)
def test_a_transaction_is_known_by_branch_sent_by_and_method(branch: str, via: str, same: bool) -> None:
    one, two = parse_datagram(request("INVITE")), parse_datagram(request("INVITE", branch=branch, via=via))
    assert isinstance(one, Request)
    assert isinstance(two, Request)
    assert (server_key(one) == server_key(two)) is same


def test_an_ack_shares_the_key_of_its_invite_and_a_cancel_does_not() -> None:
    keys = []
    for method in ("INVITE", "ACK", "CANCEL", "BYE"):
        message = parse_datagram(request(method))
        assert isinstance(message, Request)
        keys.append(server_key(message))
    assert keys[0] == keys[1]
    assert len(set(keys)) == 3


@pytest.mark.parametrize("branch", ["", "1", "z9hG4bK"])
def test_a_peer_of_rfc_2543_is_known_by_its_other_headers(branch: str) -> None:
    via = "SIP/2.0/UDP 127.0.0.2:5060" + (";branch={branch}" if branch else "")
    lab = Lab()
    lab.hears(request("INVITE", branch=branch, via=via, body=OFFER))
    lab.hears(request("INVITE", branch=branch, via=via, body=OFFER))
    assert lab.ladder == ["100 INVITE", "100 INVITE"]
    assert len(lab.heard(Invited)) == 1
    lab.hears(request("INVITE", branch=branch, via=via, body=OFFER, call_id="call-2"))
    assert len(lab.heard(Invited)) == 2
    assert [sent.what for sent in lab.hears(request("CANCEL", branch=branch, via=via))] == [
        "200 CANCEL",
        "487 INVITE",
    ]
    assert lab.hears(request("ACK", branch=branch, via=via)) == []
    lab.heard(Invited)[1].session.hang_up(0.0)
    assert lab.is_empty()


def test_a_response_that_belongs_to_nothing_is_dropped() -> None:
    lab = Lab()
    lab.call()
    invite = lab.last_request()
    stray = response(invite, 200, CONTACT).replace(b"branch=z9hG4bK", b"branch=z9hG4bKother")
    assert lab.hears(stray) == []
    assert lab.hears(response(invite, 200).replace(b"1 INVITE", b"1 BYE")) == []
    assert lab.hears(wire("SIP/2.0 200 OK", "Via: x", "From: y", "To: z", "Call-ID: c", "CSeq: 1 X")) == []
    assert lab.events == []
    assert len(lab.dropped) == 3


def test_a_response_with_a_second_via_went_astray() -> None:
    lab = Lab()
    lab.call()
    doubled = response(lab.last_request(), 200, CONTACT).replace(b"\r\nFrom", b"\r\nv: SIP/2.0/UDP far\r\nFrom")
    assert lab.hears(doubled) == []
    assert lab.heard(Answered) == []


# --- transport failures ------------------------------------------------------------------------------------


def test_a_closed_connection_fails_the_requests_that_wait_on_it_and_no_others() -> None:
    lab = Lab(transport="TCP")
    lab.call()
    other = flow_to(transport="TCP", connection=2)
    lab.flow = other
    survivor = lab.call()
    lab.core.closed(flow_to(transport="TCP", connection=1), 1.0)
    lab.flush()
    assert [event.cause for event in lab.heard(Refused)] == ["connection lost"]
    # the far end may have read its INVITE before: until 64*T1 what it answers over a new connection is heard
    assert [session.state for session in lab.core.sessions.values()] == [State.ABANDONED, survivor.state]
    assert survivor.state is State.CALLING
    lab.until(32.0)
    assert len(lab.core.transactions) == len(lab.core.sessions) == 0


def test_a_closed_connection_leaves_a_ringing_call_and_its_answer_may_come_on_another() -> None:
    lab = Lab(transport="TCP")
    session = lab.call()
    lab.answers(180)
    lab.core.closed(lab.flow, 1.0)
    lab.flush()
    lab.flow = flow_to(transport="TCP", connection=2)
    lab.answers(200, CONTACT)
    assert len(lab.heard(Answered)) == 1
    session.hang_up(2.0)
    lab.flush()
    lab.answers(200, method="BYE")
    assert lab.is_empty()


def test_a_bye_that_a_breaking_connection_took_with_it_is_said_once_more_on_another() -> None:
    # a seed of the simulation found it: the far end would have talked on for ever
    lab = Lab(transport="TCP")
    session = lab.call()
    lab.answers(200, "Contact: <sip:bob@127.0.0.2:5070;transport=tcp>")
    session.hang_up(1.0)
    lab.flush()
    lab.core.closed(lab.flow, 1.5)
    lab.flush()
    again = lab.sent[-1]
    assert (again.what, again.message.cseq[0]) == ("BYE", 3)
    assert (again.flow.connection, again.flow.remote) == (0, ("127.0.0.2", 5070))
    lab.core.closed(
        flow_to(("127.0.0.2", 5070), "TCP", connection=9), 2.0
    )  # that one breaks, too: enough is enough
    lab.flush()
    assert [sent.what for sent in lab.sent].count("BYE") == 2
    assert lab.is_empty()


def test_a_closed_connection_leaves_server_transactions_to_their_user() -> None:
    lab = Lab(transport="TCP")
    session = lab.invited()
    lab.core.closed(lab.flow, 0.0)
    session.refuse(486, 0.0)
    lab.until(0.0)
    assert lab.ladder[-1] == "486 INVITE"
    assert lab.is_empty()


@pytest.mark.parametrize(
    ("contact", "certificate", "name"),
    [
        ("sip:alice@gw.carrier.example", None, "gw.carrier.example"),
        ("sip:alice@127.0.0.3:5071", None, ""),  # then its address must stand in the certificate
        ("sip:alice@127.0.0.3:5071", PeerCertificate(("sbc.carrier.example",), frozenset()), "sbc.carrier.example"),
    ],
)
def test_a_new_tls_connection_into_a_dialog_must_lead_to_who_was_there(
    contact: str, certificate: PeerCertificate | None, name: str
) -> None:
    lab = Lab(transport="TLS")
    lab.flow = lab.flow._replace(certificate=certificate)
    session = lab.invited(contact=contact)
    session.answer(ANSWER, 0.0)
    lab.flush()
    lab.says(session, "ACK", 1)
    lab.core.closed(lab.flow, 1.0)
    session.hang_up(2.0)
    lab.flush()
    flow = lab.sent[-1].flow
    assert (lab.ladder[-1], flow.connection, flow.server_name) == ("BYE", 0, name)


@pytest.mark.parametrize("transport", ["TCP", "TLS"])
def test_a_connection_that_closes_just_after_a_call_on_it_has_ended_disturbs_nothing(transport: str) -> None:
    lab = Lab(transport=transport)
    session = lab.invited()
    session.answer(ANSWER, 0.0)
    lab.flush()
    lab.says(session, "ACK", 1)
    lab.says(session, "BYE", 2)
    lab.core.closed(lab.flow, 1.0)
    assert lab.is_empty()


def test_an_undeliverable_datagram_fails_its_own_transaction_only() -> None:
    lab = Lab()
    lab.call(uri="sip:bob@127.0.0.2;branch=z9hG4bKdecoy")
    lab.call()
    first = lab.sent[0]
    lab.core.undeliverable(first.data, "port unreachable", 0.1)
    lab.flush()
    assert [event.cause for event in lab.heard(Refused)] == ["port unreachable"]
    assert len(lab.core.sessions) == 1
    lab.core.undeliverable(first.data, "port unreachable", 0.2)
    assert len(lab.core.transactions) == 1


def test_an_undeliverable_response_ack_or_fragment_fails_nothing() -> None:
    lab = Lab()
    lab.call()
    lab.answers(486)
    lab.invited()
    before = dict(lab.core.transactions)
    for data in (*(sent.data for sent in lab.sent if sent.what != "INVITE"), b"", b"INVITE sip:x", b"\xff" * 20):
        lab.core.undeliverable(data, "port unreachable", 0.1)
    assert lab.core.transactions == before


def test_a_bye_that_cannot_be_delivered_ends_the_call_all_the_same() -> None:
    lab, _, _ = established()
    session = next(iter(lab.core.sessions.values()))
    session.hang_up(0.0)
    lab.flush()
    lab.core.undeliverable(lab.sent[-1].data, "host unreachable", 0.1)
    lab.flush()
    assert lab.core.sessions == {}
    assert len(lab.heard(Ended)) == 1
    assert lab.is_empty()


def test_a_request_in_a_dialog_that_cannot_be_delivered_is_reported() -> None:
    lab, _, _ = established()
    session = next(iter(lab.core.sessions.values()))
    ticket = session.transact("INFO", b"", 0.0)
    lab.flush()
    lab.core.undeliverable(lab.sent[-1].data, "host unreachable", 0.1)
    lab.flush()
    assert [(event.ticket, event.response) for event in lab.heard(Replied)] == [(ticket, None)]


# --- leftovers ---------------------------------------------------------------------------------------------


def test_a_thousand_calls_leave_nothing_behind() -> None:
    lab = Lab(accept_all)
    for number in range(1000):
        lab.now = float(number)
        lab.hears(request("INVITE", branch=f"z9hG4bK{number}", call_id=f"call-{number}", body=OFFER))
        session = lab.heard(Invited)[-1].session
        assert isinstance(session, UasSession)
        match number % 4:
            case 0:
                lab.hears(request("CANCEL", branch=f"z9hG4bK{number}", call_id=f"call-{number}"))
            case 1:
                session.hang_up(lab.now)
            case 2:
                session.answer(ANSWER, lab.now)
                lab.says(session, "ACK", 1, branch=f"z9hG4bKack{number}")
                lab.says(session, "INFO", 2, branch=f"z9hG4bKinfo{number}")
                lab.says(session, "BYE", 3, branch=f"z9hG4bKbye{number}")
            case 3:
                session.answer(ANSWER, lab.now)
        lab.until(lab.now)
    assert len(lab.core.transactions) < 200
    assert len(lab.core.sessions) < 40
    assert lab.is_empty()
    assert len(lab.heard(Ended)) == 1000
    assert len(lab.heard(Acked)) == 250
    assert len(lab.heard(Requested)) == 250


def test_on_a_stream_nothing_waits_for_retransmissions() -> None:
    lab = Lab(transport="TCP")
    session = lab.invited()
    session.refuse(486, 0.0)
    lab.flush()
    lab.hears(request("ACK", to_tag=session.local_tag))
    lab.until(0.0)
    assert (lab.core.transactions, lab.core.sessions, lab.core.deadline) == ({}, {}, None)


@pytest.mark.parametrize(
    ("transport", "contact"),
    [
        ("UDP", "<sip:127.0.0.1:5060>"),
        ("TCP", "<sip:127.0.0.1:5060;transport=tcp>"),
        ("TLS", "<sip:127.0.0.1:5060;transport=tls>"),
    ],
)
def test_our_contact_is_the_advertised_address_of_the_listener(transport: str, contact: str) -> None:
    assert contact_of(flow_to(THEIRS, transport)) == contact
