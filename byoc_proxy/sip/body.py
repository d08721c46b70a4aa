"""Which session description a message carries, and whether we may act on it (RFC 3261 §8.2.3, §20.11, RFC 5621).

A body is SDP, or a `multipart` that holds SDP beside what a carrier adds: ISUP (RFC 3204), a location (RFC 6442).
Of such a body we act on the SDP alone. What must be understood and is not, is refused.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final, NamedTuple

from byoc_proxy.sip.uri import UriError, parse_params

if TYPE_CHECKING:
    from collections.abc import Iterator

SDP: Final = "application/sdp"
MULTIPART: Final = ("multipart/mixed", "multipart/alternative", "multipart/related")
_DEEPEST: Final = 3  # a multipart in a multipart is seen now and then, and no deeper
_MOST_PARTS: Final = 16
_FIELD: Final = re.compile(rb"(?im)^(content-type|c|content-disposition)[ \t]*:[ \t]*([^\r\n]*)")
_NAMES: Final = {b"c": b"content-type"}


class Part(NamedTuple):
    """One body, or one of a multipart. The types are as written, parameters included."""

    content_type: str
    disposition: str
    body: bytes


def media_type(content_type: str) -> str:
    """The type in lower case, without parameters."""
    return content_type.partition(";")[0].strip().lower()


def session_description(content_type: str, body: bytes) -> bytes:
    """The SDP of a body; empty when there is none. Of alternatives the last, which is the richest (RFC 2046)."""
    kind = media_type(content_type)
    if kind == SDP:
        return body
    found = [part.body for part in parts(content_type, body) if media_type(part.content_type) == SDP]
    if not found:
        return b""
    return found[-1] if kind == "multipart/alternative" else found[0]


def is_beyond_us(content_type: str, disposition: str, body: bytes) -> bool:
    """Whether a body demands to be understood that we do not understand: a 415.

    `handling` is `required` unless it says otherwise (§20.11). Beside SDP in a multipart, we ask for the word:
    there are carriers that add ISUP or a location without it, and nobody would want to lose a call for that.
    """
    if not body or media_type(content_type) == SDP:
        return False
    inner = list(parts(content_type, body))
    if not inner:
        return _handling(disposition) != "optional"
    strangers = [part for part in inner if media_type(part.content_type) != SDP]
    return any(_handling(part.disposition) == "required" for part in strangers) or len(strangers) == len(inner)


def parts(content_type: str, body: bytes, depth: int = _DEEPEST) -> Iterator[Part]:
    """The bodies inside a multipart, inner ones included, in order; none when it is no multipart."""
    if media_type(content_type) not in MULTIPART or not depth:
        return
    boundary = _parameters(content_type).get("boundary")
    if not boundary:
        return
    # RFC 2046 §5.1.1: the line break before a delimiter belongs to the delimiter
    edge = re.escape(boundary.encode("utf-8", "surrogateescape"))
    pieces = re.split(rb"(?:^|\r?\n)--" + edge + rb"(--)?[ \t]*(?=\r?\n|$)", body, maxsplit=_MOST_PARTS)
    for closing, text in zip(pieces[1::2], pieces[2::2], strict=True):
        if closing:
            return
        part = _part(text)
        inner = list(parts(part.content_type, part.body, depth - 1))
        yield from inner or [part]


def _part(text: bytes) -> Part:
    head, _, body = text.partition(b"\r\n\r\n")  # the text begins with the line break of its delimiter
    fields = {_NAMES.get(name.lower(), name.lower()): value for name, value in _FIELD.findall(head)}
    content_type = fields.get(b"content-type", b"text/plain").decode("utf-8", "surrogateescape")
    return Part(content_type, fields.get(b"content-disposition", b"").decode("utf-8", "surrogateescape"), body)


def _handling(disposition: str) -> str:
    return (_parameters(disposition).get("handling") or "").lower()


def _parameters(value: str) -> dict[str, str | None]:
    try:
        return parse_params(value[value.find(";") :]) if ";" in value else {}
    except UriError:
        return {}
