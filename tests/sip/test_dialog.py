"""Dialogs: the route set of the requests inside one, in both roles; targets, sequence numbers (RFC 3261 §12)."""

import pytest

from byoc_proxy.sip.dialog import Dialog
from byoc_proxy.sip.headers import HeaderError
from byoc_proxy.sip.message import Request, Response
from byoc_proxy.sip.parser import parse_datagram
from tests.support.wires import Lab, Sent, flow_to, request, wire

TARGET = "sip:bob@127.0.0.9:5090"
LOOSE_1, LOOSE_2 = "<sip:p1.example;lr>", "<sip:p2.example:5070;lr;x=1>"
STRICT = "<sip:strict.example;method=BYE?Subject=no>"


def record_routes(*routes: str) -> list[str]:
    return [f"Record-Route: {route}" for route in routes]


def routing(message: Request) -> tuple[str, list[str]]:
    return message.uri_text, message.headers.all("route")


def requests(lab: Lab, method: str) -> list[Request]:
    return [
        sent.message for sent in lab.sent if isinstance(sent.message, Request) and sent.message.method == method
    ]


# expected Request-URI and Route of an in-dialog request, for the route set in the order of travel
ROUTE_SETS = [
    pytest.param((), (TARGET, []), id="no route"),
    pytest.param((LOOSE_1,), (TARGET, [LOOSE_1]), id="one loose router"),
    pytest.param((LOOSE_1, LOOSE_2), (TARGET, [LOOSE_1, LOOSE_2]), id="two loose routers"),
    pytest.param((STRICT,), ("sip:strict.example", [f"<{TARGET}>"]), id="one strict router"),
    pytest.param((STRICT, LOOSE_1), ("sip:strict.example", [LOOSE_1, f"<{TARGET}>"]), id="strict, then loose"),
    pytest.param((LOOSE_1, STRICT), (TARGET, [LOOSE_1, STRICT]), id="loose, then strict"),
]


@pytest.mark.parametrize(("travel", "expected"), ROUTE_SETS)
@pytest.mark.parametrize("on_one_line", [False, True])
def test_the_caller_routes_ack_and_bye_along_the_reversed_record_routes(
    travel: tuple[str, ...], expected: tuple[str, list[str]], on_one_line: bool
) -> None:
    lab = Lab()
    session = lab.call()
    recorded = travel[::-1]  # the router next to the callee recorded last, so it stands first
    lines = record_routes(", ".join(recorded)) if on_one_line and recorded else record_routes(*recorded)
    lab.answers(200, *lines, f"Contact: <{TARGET}>")
    session.hang_up(1.0)
    lab.flush()
    assert routing(requests(lab, "ACK")[0]) == expected
    assert routing(requests(lab, "BYE")[0]) == expected


@pytest.mark.parametrize("route", ["s :spUi<erB@h>", "<sip:p;lr", "<tel:1>", "<sip:p;lr>, <sip:>"])
def test_a_route_set_that_cannot_be_read_is_none(route: str) -> None:
    lab = Lab()
    session = lab.call()
    lab.answers(200, f"Record-Route: {route}", f"Contact: <{TARGET}>")
    session.hang_up(1.0)
    lab.flush()
    assert routing(requests(lab, "BYE")[0]) == (TARGET, [])


@pytest.mark.parametrize(("travel", "expected"), ROUTE_SETS)
def test_the_callee_routes_bye_along_the_record_routes_as_they_came(
    travel: tuple[str, ...], expected: tuple[str, list[str]]
) -> None:
    lab = Lab()
    session = lab.invited(*record_routes(*travel), contact=TARGET)
    session.answer(b"", 0.0)
    lab.flush()
    assert lab.sent[-1].message.headers.all("record-route") == list(travel)  # §12.1.1: copied, in order
    lab.says(session, "ACK", 1)
    session.hang_up(1.0)
    lab.flush()
    assert routing(requests(lab, "BYE")[0]) == expected


def test_a_preloaded_route_goes_with_cancel_and_the_ack_of_a_refusal_but_not_into_the_dialog() -> None:
    routes = (("Route", "<sip:edge.example;lr>"), ("Route", "<sip:core.example>"))
    refused = Lab()
    refused.call(headers=routes)
    refused.answers(486, *record_routes(LOOSE_1), "Contact: <sip:other@h>")
    ack = requests(refused, "ACK")[0]
    assert routing(ack) == ("sip:bob@127.0.0.2", [value for _, value in routes])

    cancelled = Lab()
    session = cancelled.call(headers=routes)
    cancelled.answers(180, *record_routes(LOOSE_1), "Contact: <sip:other@h>")
    session.hang_up(1.0)
    cancelled.flush()
    assert routing(requests(cancelled, "CANCEL")[0]) == ("sip:bob@127.0.0.2", [value for _, value in routes])

    answered = Lab()
    answered.call(headers=routes)
    answered.answers(200, f"Contact: <{TARGET}>")
    assert routing(requests(answered, "ACK")[0]) == (TARGET, [])


def test_the_route_set_is_frozen_when_the_dialog_is_made() -> None:
    lab = Lab()
    session = lab.call()
    lab.answers(200, *record_routes(LOOSE_1), f"Contact: <{TARGET}>")
    session.offer(b"v=0", 1.0)
    lab.flush()
    lab.answers(200, *record_routes(LOOSE_2), "Contact: <sip:moved@h>", method="INVITE")
    assert routing(requests(lab, "ACK")[-1]) == ("sip:moved@h", [LOOSE_1])


# --- where the bytes go ------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("contact", "route", "remote"),
    [
        (TARGET, "", ("127.0.0.9", 5090)),
        ("sip:bob@127.0.0.9", "", ("127.0.0.9", 5060)),
        ("sip:bob@[::1]:5070", "", ("::1", 5070)),
        (TARGET, "<sip:127.0.0.7;lr>", ("127.0.0.7", 5060)),
        (TARGET, "<sip:127.0.0.7:5075>", ("127.0.0.7", 5075)),
        ("sip:bob@gateway.example", "", ("127.0.0.2", 5060)),
        ("sip:bob@999.999.999.999", "", ("127.0.0.2", 5060)),
        ("sip:bob@1234", "", ("127.0.0.2", 5060)),
        ("sip:bob@[1::2::3]", "", ("127.0.0.2", 5060)),
        (TARGET, "<sip:proxy.example;lr>", ("127.0.0.2", 5060)),
        (TARGET, "<sips:broken", ("127.0.0.9", 5090)),
    ],
)
def test_on_udp_an_in_dialog_request_goes_to_a_numeric_next_hop_or_back_to_the_source(
    contact: str, route: str, remote: tuple[str, int]
) -> None:
    lab = Lab()
    lab.call()
    ack = lab.answers(200, *(record_routes(route) if route else []), f"Contact: <{contact}>")[-1]
    assert (ack.what, ack.flow.remote, ack.flow.local) == ("ACK", remote, lab.flow.local)


def test_on_a_stream_an_in_dialog_request_stays_on_its_connection() -> None:
    lab = Lab(transport="TLS")
    lab.call()
    ack: Sent = lab.answers(200, *record_routes("<sip:127.0.0.7;lr>"), f"Contact: <{TARGET}>")[-1]
    assert ack.flow == lab.flow
    assert ack.message.via.transport == "TLS"


def test_a_request_on_a_new_connection_moves_the_dialog_there() -> None:
    lab = Lab(transport="TCP")
    session = lab.call()
    lab.answers(200, f"Contact: <{TARGET}>")
    newer = flow_to(transport="TCP", connection=7)
    lab.flow = newer
    lab.says(session, "INFO", 1)
    session.hang_up(1.0)
    lab.flush()
    assert lab.sent[-1].flow == newer


# --- the dialog itself -------------------------------------------------------------------------------------


def dialogs() -> tuple[Dialog, Dialog]:
    """Both ends of one dialog, from the same two messages."""
    invite = parse_datagram(request("INVITE", cseq=7))
    ok = parse_datagram(
        wire(
            "SIP/2.0 200 OK",
            "Via: SIP/2.0/UDP 127.0.0.2:5060;branch=z9hG4bKone",
            "From: <sip:alice@127.0.0.2>;tag=theirs",
            "To: <sip:bob@127.0.0.1>;tag=ours",
            "Call-ID: call-1",
            "CSeq: 7 INVITE",
            f"Contact: <{TARGET}>",
        )
    )
    assert isinstance(invite, Request)
    assert isinstance(ok, Response)
    caller = Dialog.of_uac(invite, ok, "<sip:us>", flow_to())
    return caller, Dialog.of_uas(invite, "ours", "<sip:us>", flow_to())


def test_both_ends_agree_on_who_is_who() -> None:
    caller, callee = dialogs()
    assert (caller.local_tag, caller.remote_tag) == (callee.remote_tag, callee.local_tag) == ("theirs", "ours")
    assert caller.local == callee.remote == "<sip:alice@127.0.0.2>;tag=theirs"
    assert caller.remote == callee.local == "<sip:bob@127.0.0.1>;tag=ours"
    assert (caller.remote_target, callee.remote_target) == (TARGET, "sip:alice@127.0.0.2:5060")


def test_sequence_numbers_go_up_by_one_and_an_ack_repeats_its_invites() -> None:
    caller, callee = dialogs()
    numbers = [caller.request(method, "z9hG4bKx").cseq for method in ("INFO", "INVITE", "BYE")]
    assert numbers == [(8, "INFO"), (9, "INVITE"), (10, "BYE")]
    assert caller.request("ACK", "z9hG4bKx", cseq=9).cseq == (9, "ACK")
    assert caller.request("INFO", "z9hG4bKx").cseq == (11, "INFO")
    assert callee.request("BYE", "z9hG4bKx").cseq == (1, "BYE")


def test_a_request_in_a_dialog_says_who_where_and_by_which_way() -> None:
    caller, _ = dialogs()
    info = caller.request("INFO", "z9hG4bKx", headers=[("X-Own", "1")], body=b"hi")
    assert (
        info.encode()
        == (
            f"INFO {TARGET} SIP/2.0\r\n"
            "Via: SIP/2.0/UDP 127.0.0.1:5060;branch=z9hG4bKx;rport\r\n"
            "Max-Forwards: 70\r\n"
            "From: <sip:alice@127.0.0.2>;tag=theirs\r\n"
            "To: <sip:bob@127.0.0.1>;tag=ours\r\n"
            "Call-ID: call-1\r\n"
            "CSeq: 8 INFO\r\n"
            "Contact: <sip:us>\r\n"
            "X-Own: 1\r\n"
            "Content-Length: 2\r\n\r\nhi"
        ).encode()
    )
    for method in ("BYE", "ACK"):
        assert "contact" not in caller.request(method, "z9hG4bKx").headers


def test_nothing_a_user_adds_to_a_request_can_start_a_header() -> None:
    caller, _ = dialogs()
    with pytest.raises(HeaderError):
        caller.request("INFO", "z9hG4bKx", headers=[("X-Own", "1\r\nX-Injected: 2")])


@pytest.mark.parametrize(("number", "fresh"), [(8, True), (7, False), (1, False), (2**31 - 1, True)])
def test_a_request_with_an_old_number_is_out_of_order(number: int, fresh: bool) -> None:
    _, callee = dialogs()
    bye = parse_datagram(request("BYE", cseq=number))
    assert isinstance(bye, Request)
    assert callee.in_order(bye) is fresh
    assert callee.in_order(bye) is False


def test_gaps_in_the_numbers_of_the_far_end_are_no_error() -> None:
    _, callee = dialogs()
    for number in (20, 21, 500):
        message = parse_datagram(request("INFO", cseq=number))
        assert isinstance(message, Request)
        assert callee.in_order(message)


@pytest.mark.parametrize(
    ("contact", "target"),
    [
        ("Contact: <sip:new@h:5099;x=1?Subject=y>", "sip:new@h:5099;x=1"),
        ("Contact: <tel:+1415>", "sip:alice@127.0.0.2:5060"),
        ("Contact: <sip:broken", "sip:alice@127.0.0.2:5060"),
        ("Subject: none", "sip:alice@127.0.0.2:5060"),
    ],
)
def test_a_target_refresh_moves_the_target_when_its_contact_can_be_used(contact: str, target: str) -> None:
    _, callee = dialogs()
    refresh = parse_datagram(request("OPTIONS", contact))
    assert isinstance(refresh, Request)
    callee.refresh_target(refresh)
    assert callee.remote_target == target


def test_a_caller_without_a_contact_is_reached_at_its_from_address() -> None:
    invite = parse_datagram(request("INVITE").replace(b"Contact: <sip:alice@127.0.0.2:5060>\r\n", b""))
    assert isinstance(invite, Request)
    assert Dialog.of_uas(invite, "ours", "<sip:us>", flow_to()).remote_target == "sip:alice@127.0.0.2"


def test_a_callee_without_a_contact_is_reached_at_the_request_uri() -> None:
    lab = Lab()
    lab.call(uri="sip:bob@127.0.0.2;x=1")
    lab.answers(200)
    assert requests(lab, "ACK")[0].uri_text == "sip:bob@127.0.0.2;x=1"
