"""Bodies with more than a session description in them (RFC 5621), and those that we cannot act on."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from byoc_proxy.sip.body import is_beyond_us, parts, session_description

SDP = b"v=0\r\no=- 1 1 IN IP4 127.0.0.2\r\ns=-\r\n"
ISUP = b"\x01\x00\x49--x\r\n\x00\x03"


def multipart(*bodies: bytes, boundary: bytes = b"edge") -> bytes:
    joined = b"".join(b"--" + boundary + b"\r\n" + body + b"\r\n" for body in bodies)
    return b"a preamble\r\n" + joined + b"--" + boundary + b"--\r\nan epilogue"


def part(content_type: str, body: bytes, disposition: str = "") -> bytes:
    lines = f"Content-Type: {content_type}\r\n"
    if disposition:
        lines += f"Content-Disposition: {disposition}\r\n"
    return lines.encode() + b"\r\n" + body


SDP_PART = part("application/sdp", SDP)
MIXED = 'multipart/mixed; boundary="edge"'


@pytest.mark.parametrize(
    ("content_type", "body"),
    [
        ("application/sdp", SDP),
        ("Application/SDP ;charset=utf-8", SDP),
        (MIXED, multipart(SDP_PART, part("application/isup;version=itu-t92+", ISUP))),
        (MIXED, multipart(part("application/isup", ISUP), SDP_PART)),
        ("multipart/mixed;boundary=edge", multipart(SDP_PART)),
        ("MULTIPART/MIXED;boundary=a+b.c", multipart(SDP_PART, boundary=b"a+b.c")),
        (MIXED, multipart(SDP_PART.replace(b"Content-Type", b"c"))),
        (MIXED, multipart(part("multipart/mixed;boundary=in", multipart(SDP_PART, boundary=b"in")))),
        ("multipart/alternative;boundary=edge", multipart(part("application/sdp", b"v=0\r\nold"), SDP_PART)),
    ],
)
def test_the_session_description_is_found_byte_for_byte(content_type: str, body: bytes) -> None:
    assert session_description(content_type, body) == SDP
    assert not is_beyond_us(content_type, "", body)


@pytest.mark.parametrize(
    ("content_type", "disposition", "body", "beyond"),
    [
        ("", "", b"", False),
        ("text/plain", "", b"hello", True),
        ("text/plain", "render;handling=optional", b"hello", False),
        ("application/isup", "signal;handling=required", ISUP, True),
        ("multipart/mixed", "", multipart(SDP_PART), True),  # no boundary: no parts
        (MIXED, "", multipart(part("application/isup", ISUP)), True),
        (MIXED, "", multipart(SDP_PART, part("application/pidf+xml", b"<presence/>")), False),
        (MIXED, "", multipart(SDP_PART, part("application/isup", ISUP, "signal;handling=optional")), False),
        (MIXED, "", multipart(SDP_PART, part("application/isup", ISUP, "signal; Handling=Required")), True),
    ],
)
def test_what_must_be_understood_and_is_not(content_type: str, disposition: str, body: bytes, beyond: bool) -> None:
    assert is_beyond_us(content_type, disposition, body) is beyond


def test_a_multipart_cannot_cost_much_however_deep_or_long_it_is() -> None:
    deep = SDP_PART
    for level in range(10):
        deep = part(f"multipart/mixed;boundary=l{level}", multipart(deep, boundary=f"l{level}".encode()))
    assert session_description(MIXED, multipart(deep)) == b""
    assert len(list(parts(MIXED, multipart(*[SDP_PART] * 1000)))) <= 16


@given(st.binary(max_size=300), st.sampled_from([MIXED, "multipart/mixed;boundary=-", "multipart/related"]))
def test_no_bytes_disturb_it(noise: bytes, content_type: str) -> None:
    body = multipart(SDP_PART, noise)
    is_beyond_us(content_type, "", body)
    assert isinstance(session_description(content_type, noise), bytes)
