"""SIP and SDP written by hand, so that no fault of the package's own builder can hide in what it is tested with."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Sequence

    from byoc_proxy.sip.message import Request

_BRACKETED: Final = re.compile(r"<([^>]+)>")


def sdp(address: str, port: int = 4000, direction: str = "sendrecv", version: int = 1) -> bytes:
    """A session description of one PCMU stream."""
    lines = [
        "v=0",
        f"o=- 1 {version} IN IP4 {address}",
        "s=-",
        f"c=IN IP4 {address}",
        "t=0 0",
        f"m=audio {port} RTP/AVP 0 101",
        "a=rtpmap:0 PCMU/8000",
        "a=rtpmap:101 telephone-event/8000",
        f"a={direction}",
    ]
    return "\r\n".join([*lines, ""]).encode()


def written(lines: Sequence[str], body: bytes) -> bytes:
    """A message of these lines, with a Content-Type where a body comes without one, and its Content-Length."""
    typed = (
        []
        if not body or any(line.lower().startswith("content-type:") for line in lines)
        else ["Content-Type: application/sdp"]
    )
    return (
        "\r\n".join([*lines, *typed, f"Content-Length: {len(body)}", "", ""]).encode("utf-8", "surrogateescape")
        + body
    )


def reply(request: Request, status: int, tag: str, headers: Sequence[str] = (), body: bytes = b"") -> bytes:
    """A response to `request` (RFC 3261 §8.2.6.2); `tag` stands in To where that has none."""
    to = request.headers.get("to") or ""
    lines = [
        f"SIP/2.0 {status} {'OK' if status == 200 else 'Said by a peer'}",
        *(f"Via: {value}" for value in request.headers.all("via")),
        f"From: {request.headers.get('from')}",
        f"To: {to if request.to_tag or status == 100 else f'{to};tag={tag}'}",
        f"Call-ID: {request.call_id}",
        f"CSeq: {request.headers.get('cseq')}",
    ]
    return written([*lines, *headers], body)


def uri_in(value: str) -> str:
    """What stands between the brackets of a name-addr; empty when there are none."""
    match = _BRACKETED.search(value)
    return match[1] if match else ""
