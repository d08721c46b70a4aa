"""Requests and responses as values, and the messages that follow from another message."""

import pytest

from byoc_proxy.sip.headers import HeaderError, Headers
from byoc_proxy.sip.message import (
    REASONS,
    Request,
    Response,
    ack_for_failure,
    cancel_for,
    reason_of,
    reply_to,
)
from byoc_proxy.sip.parser import parse_datagram
from byoc_proxy.sip.uri import UriError
from tests.support.wires import request, wire


def parsed(data: bytes) -> Request:
    message = parse_datagram(data)
    assert isinstance(message, Request)
    return message


def of(*fields: tuple[str, str], body: bytes = b"") -> Request:
    return Request("INVITE", "sip:b@h", Headers(fields), body)


def test_content_length_goes_last_and_tells_the_truth() -> None:
    message = of(("Content-Length", "999"), ("To", "<sip:b@h>"), ("l", "7"), body="é".encode())
    assert message.encode() == b"INVITE sip:b@h SIP/2.0\r\nTo: <sip:b@h>\r\nContent-Length: 2\r\n\r\n\xc3\xa9"


def test_a_retransmission_is_the_same_bytes() -> None:
    message = of(("To", "<sip:b@h>"))
    assert message.encode() is message.encode()


@pytest.mark.parametrize(
    ("value", "number", "method"),
    [
        ("1 INVITE", 1, "INVITE"),
        ("0009   INVITE", 9, "INVITE"),
        ("7\tBYE", 7, "BYE"),
        ("2147483647 X", 2**31 - 1, "X"),
    ],
)
def test_the_cseq_is_a_number_and_a_method(value: str, number: int, method: str) -> None:
    assert of(("CSeq", value)).cseq == (number, method)


@pytest.mark.parametrize("value", ["", "INVITE", "-1 INVITE", "2147483648 INVITE", "٣ INVITE", "1" * 5000])
def test_a_cseq_out_of_its_range_is_refused(value: str) -> None:
    with pytest.raises(HeaderError):
        _ = of(("CSeq", value)).cseq


@pytest.mark.parametrize(
    ("value", "tag"),
    [
        ("<sip:a@h>;tag=x", "x"),
        ("sip:a@h;tag=x;other", "x"),
        ('"evil;tag=no>" <sip:a@h;tag=no> ;  TAG = x ', "x"),
        ('<sip:a@h>;note=";tag=no>";tag=x', "x"),
        ("<sip:a@h;tag=no>", ""),
        ('"broken;tag=no', ""),
        ('<sip:a@h>;note="open;tag=no', ""),
    ],
)
def test_the_tag_is_found_wherever_it_hides(value: str, tag: str) -> None:
    message = of(("From", value), ("To", value))
    assert (message.from_tag, message.to_tag) == (tag, tag)


def test_headers_that_cannot_be_read_say_so_or_count_as_absent() -> None:
    message = of(("From", "<sip:a@h"), ("Contact", "<sip:a@h"), ("Max-Forwards", "many"))
    with pytest.raises(UriError):
        _ = message.from_
    with pytest.raises(HeaderError):
        _ = message.via
    assert message.contact is None
    assert message.max_forwards == 70
    assert of(("Contact", "<tel:+1>")).contact is None
    assert of(("Max-Forwards", "300")).max_forwards == 255


def test_the_body_counts_as_sdp_only_under_its_own_type() -> None:
    assert of(("c", "Application/SDP;charset=utf-8"), body=b"v=0").sdp == b"v=0"
    assert of(("Content-Type", "text/plain"), body=b"v=0").sdp == b""
    assert of(body=b"v=0").sdp == b""


def test_a_comma_separated_header_is_read_over_all_its_lines() -> None:
    message = of(("Record-Route", "<sip:a,b@h;lr>, <sip:c;lr>"), ("record-route", "<sip:d;lr>"))
    assert message.listed("record-route") == ["<sip:a,b@h;lr>", "<sip:c;lr>", "<sip:d;lr>"]


@pytest.mark.parametrize(
    ("value", "seconds"), [("120", 120.0), ("18 (busy);duration=3", 18.0), ("9" * 30, None), ("soon", None)]
)
def test_retry_after_is_read_without_its_comment(value: str, seconds: float | None) -> None:
    assert Response(503, "", Headers([("Retry-After", value)])).retry_after == seconds
    assert Response(503, "", Headers()).retry_after is None


def test_a_reply_repeats_the_via_the_identity_and_the_order_of_the_request() -> None:
    invite = parsed(
        wire(
            "INVITE sip:b@h SIP/2.0",
            "v: SIP/2.0/UDP 10.0.0.1;rport;branch=z9hG4bK1, SIP/2.0/TCP far;branch=z9hG4bK0",
            "Record-Route: <sip:p1;lr>",
            "f: <sip:a@h>;tag=1",
            "Via: SIP/2.0/UDP farther",
            "t: <sip:b@h>",
            "i: call",
            "CSeq: 1 INVITE",
            "Timestamp: 54",
            "Subject: not yours",
        )
    )
    invite.received("192.0.2.1", 6000)
    ringing = reply_to(invite, 180, to_tag="mine", headers=[("Contact", "<sip:us>")])
    assert ringing.headers.all("via") == [
        "SIP/2.0/UDP 10.0.0.1;rport=6000;branch=z9hG4bK1;received=192.0.2.1",
        "SIP/2.0/TCP far;branch=z9hG4bK0",
        "SIP/2.0/UDP farther",
    ]
    assert ringing.headers.all("record-route") == ["<sip:p1;lr>"]
    assert ringing.headers.get("to") == "<sip:b@h>;tag=mine"
    assert (ringing.headers.get("from"), ringing.call_id) == ("<sip:a@h>;tag=1", "call")
    assert ringing.headers.get("contact") == "<sip:us>"
    assert "subject" not in ringing.headers
    assert "timestamp" not in ringing.headers
    trying = reply_to(invite, 100)
    assert trying.headers.get("to") == "<sip:b@h>"
    assert trying.headers.get("timestamp") == "54"
    assert "record-route" not in reply_to(invite, 486, to_tag="mine").headers


def test_a_reply_inside_a_dialog_keeps_the_tag_that_is_there() -> None:
    bye = parsed(request("BYE", to_tag="known"))
    assert reply_to(bye, 200, to_tag="other").to_tag == "known"


@pytest.mark.parametrize("status", [*REASONS, 299, 499, 699])
def test_every_status_has_a_reason_phrase(status: int) -> None:
    assert reason_of(status).isascii()


@pytest.mark.parametrize("follow_up", ["ACK", "CANCEL"])
def test_what_follows_an_invite_in_its_transaction_repeats_branch_uri_route_and_number(follow_up: str) -> None:
    invite = parsed(
        request(
            "INVITE",
            "Route: <sip:p1;lr>",
            "Route: <sip:p2>",
            "Require: something",
            uri="sip:bob@h;x=1",
            cseq=7,
        )
    )
    busy = reply_to(invite, 486, to_tag="busy")
    message = ack_for_failure(invite, busy) if follow_up == "ACK" else cancel_for(invite)
    assert message.start_line == f"{follow_up} sip:bob@h;x=1 SIP/2.0"
    assert message.headers.all("via") == ["SIP/2.0/UDP 127.0.0.2:5060;branch=z9hG4bKone"]
    assert message.headers.all("route") == ["<sip:p1;lr>", "<sip:p2>"]
    assert message.cseq == (7, follow_up)
    assert message.to_tag == ("busy" if follow_up == "ACK" else "")
    assert (message.from_tag, message.call_id) == ("theirs", "call-1")
    assert "require" not in message.headers
    assert parsed(message.encode()).method == follow_up
