"""What a UAS looks at before it does anything with a request: the order is that of RFC 3261 §8.2."""

import pytest

from byoc_proxy.sip.inspection import ALLOWED, inspect
from byoc_proxy.sip.message import Request
from byoc_proxy.sip.parser import parse_datagram
from tests.support.wires import OFFER, request, wire


def status_of(data: bytes) -> int | None:
    message = parse_datagram(data)
    assert isinstance(message, Request)
    refusal = inspect(message)
    return refusal.status if refusal else None


@pytest.mark.parametrize("method", ALLOWED)
def test_the_methods_we_serve_pass(method: str) -> None:
    assert status_of(request(method)) is None


def test_a_method_we_do_not_serve_is_told_which_ones_we_do() -> None:
    message = parse_datagram(request("REGISTER"))
    assert isinstance(message, Request)
    refusal = inspect(message)
    assert refusal is not None
    assert (refusal.status, refusal.headers) == (405, (("Allow", ", ".join(ALLOWED)),))


@pytest.mark.parametrize(
    ("extra", "uri", "body", "status"),
    [
        ((), "tel:+14155550100", OFFER, 416),
        ((), "sip:2001:db8::10", OFFER, 400),
        ((), "sip:bob@h;x=\\", OFFER, None),
        (("Require: foo",), "sip:bob@h", OFFER, 420),
        (("Require: 100rel, timer",), "sip:bob@h", OFFER, None),
        (("Proxy-Require: privacy",), "sip:bob@h", OFFER, 420),
        (("Require: ",), "sip:bob@h", OFFER, None),
        (("Content-Encoding: gzip",), "sip:bob@h", OFFER, 415),
        (("Content-Encoding: identity",), "sip:bob@h", OFFER, None),
        (("m: <sip:a@h",), "sip:bob@h", OFFER, 400),
        (("m: <sip:a@h>, <sip:b@h>;;",), "sip:bob@h", OFFER, 400),
        (("m: *",), "sip:bob@h", OFFER, None),
        (("Record-Route: sip:p;lr",), "sip:bob@h", OFFER, None),
        (("Record-Route: s :spUi<erB@h>",), "sip:bob@h", OFFER, 400),
        (("Record-Route: <sip:p;lr>, <tel:1>",), "sip:bob@h", OFFER, 400),
        ((), "sip:bob@h", b"", None),
    ],
)
def test_an_invite_is_judged_header_by_header(
    extra: tuple[str, ...], uri: str, body: bytes, status: int | None
) -> None:
    assert status_of(request("INVITE", *extra, uri=uri, body=body)) == status


def test_a_body_of_another_type_is_refused_with_what_we_accept() -> None:
    data = request("INVITE", "Content-Type: text/plain").replace(b"Content-Length: 0\r\n\r\n", b"\r\nhello")
    message = parse_datagram(data)
    assert isinstance(message, Request)
    refusal = inspect(message)
    assert refusal is not None
    assert (refusal.status, refusal.headers) == (415, (("Accept", "application/sdp, multipart/mixed"),))


def test_an_invite_without_hops_left_is_refused_but_a_probe_is_answered() -> None:
    no_hops = ("Max-Forwards: 0",)
    for method, status in (("INVITE", 483), ("OPTIONS", None)):
        data = request(method).replace(b"Max-Forwards: 70", no_hops[0].encode())
        assert status_of(data) == status


@pytest.mark.parametrize("broken", ['From: "open <sip:a@h>;tag=1', "From: <sip:a@h>;tag", "To: nonsense"])
def test_a_from_or_to_that_cannot_be_read_is_400_with_a_printable_reason(broken: str) -> None:
    name = broken.partition(":")[0]
    lines = ["Via: SIP/2.0/UDP h;branch=z9hG4bKx", "Call-ID: c", "CSeq: 1 INVITE", broken]
    lines.append("To: <sip:b@h>" if name == "From" else "From: <sip:a@h>;tag=1")
    message = parse_datagram(wire("INVITE sip:b@h SIP/2.0", *lines))
    assert isinstance(message, Request)
    refusal = inspect(message)
    if broken.endswith(";tag"):
        assert refusal is None  # a tag without a value is an RFC 2543 peer's "no tag"
        return
    assert refusal is not None
    assert refusal.status == 400
    assert refusal.reason is not None
    assert refusal.reason.isascii()
    assert refusal.reason.isprintable()
