"""Bytes to messages: one datagram, or a stream framed by Content-Length (RFC 3261 §7, §18.3).

Any bytes give a message or a `ParseError`; nothing else comes out. A `ParseError` carries the request as far as
it could be read when its Via can be answered, and the status that says what is wrong (RFC 4475). Refused:
more than `MAX_MESSAGE` bytes, more than `MAX_HEADERS` lines, bare CR or LF in the head, headers that may stand
once only standing twice.
"""

from __future__ import annotations

import re
from typing import Final

from byoc_proxy.sip.headers import KEYS, SINGLE, HeaderError, Headers, header_key
from byoc_proxy.sip.message import VERSION, Message, Request, Response

MAX_MESSAGE: Final = 65536
MAX_HEADERS: Final = 100
REQUIRED: Final = ("via", "from", "to", "call-id", "cseq")  # §8.1.1; Max-Forwards is absent in RFC 2543

_METHOD: Final = re.compile(r"[A-Za-z0-9\-.!%*_+`'~]+")
_STATUS_LINE: Final = re.compile(r"SIP/2\.0 ([1-6][0-9][0-9])(?: (.*))?", re.IGNORECASE | re.DOTALL)
_FOLD: Final = re.compile(r"\r\n[ \t]+")
_NUL: Final = re.compile(rb"(?<!\\)\x00")


class ParseError(ValueError):
    """Bytes that are not a SIP message.

    `status` is what to answer and `request` the readable part to answer to; both are None when nothing can or
    should be answered (a response, no usable Via).
    """

    def __init__(self, reason: str, status: int | None = None, request: Request | None = None) -> None:
        super().__init__(reason)
        self.reason = reason
        self.status = status
        self.request = request


def parse_datagram(data: bytes) -> Message:
    """Read the message in one datagram; octets after Content-Length are ignored (§18.3). `ParseError`."""
    if len(data) > MAX_MESSAGE:
        raise ParseError("longer than 65536 bytes")
    head, separator, body = data.lstrip(b"\r\n").partition(b"\r\n\r\n")
    if not separator:
        raise ParseError("no empty line after the headers")
    return _with_body(_parse_head(head), body)


class StreamParser:
    """Frames messages on a stream (§18.3). Feed it bytes as they come; it yields complete messages.

    After a `ParseError` the stream cannot be trusted to be in step, and the owner should close it.
    """

    __slots__ = ("_buffer", "_head", "_needed", "_searched")

    def __init__(self) -> None:
        self._buffer = bytearray()
        self._searched = 0  # so many bytes hold no end of a head: what comes drop by drop is looked at once
        self._head: Message | None = None
        self._needed = 0

    def feed(self, data: bytes) -> None:
        self._buffer += data

    def take_ping(self) -> bool:
        """Remove a keep-alive CRLFCRLF that stands between messages (RFC 5626 §4.4.1); True if one stood."""
        if self._head is None and self._buffer.startswith(b"\r\n\r\n"):
            del self._buffer[:4]
            return True
        return False

    def next_message(self) -> Message | None:
        """The next complete message, or None when more bytes are needed. `ParseError` on what is none."""
        if self._head is None:
            # with less than four bytes it may still become a ping
            while len(self._buffer) > 3 and self._buffer.startswith(b"\r\n"):
                del self._buffer[:2]
            end = self._buffer.find(b"\r\n\r\n", self._searched)
            if end < 0:
                if len(self._buffer) > MAX_MESSAGE:
                    raise ParseError("headers longer than 65536 bytes")
                self._searched = max(len(self._buffer) - 3, 0)
                return None
            self._searched = 0
            head = _parse_head(bytes(self._buffer[:end]))
            length = _content_length(head)
            if length is None:
                # §20.14: on a stream only Content-Length says where the next message starts
                raise _refusal("Content-Length is required on a stream", head)
            if end + 4 + length > MAX_MESSAGE:
                raise _refusal("longer than 65536 bytes", head, 513)
            del self._buffer[: end + 4]
            self._head, self._needed = head, length
        if len(self._buffer) < self._needed:
            return None
        message, self._head = self._head, None
        message.body = bytes(self._buffer[: self._needed])
        del self._buffer[: self._needed]
        return message

    @property
    def is_inside(self) -> bool:
        """Whether a message has begun and is not whole. Line ends may be half a keep-alive: they begin nothing."""
        return self._head is not None or not b"\r\n\r\n".startswith(self._buffer)

    @property
    def pending(self) -> int:
        """Bytes held of an incomplete message."""
        return len(self._buffer)


def _parse_head(head: bytes) -> Message:
    if not head.count(b"\r\n") == head.count(b"\n") == head.count(b"\r"):
        raise ParseError("bare CR or LF in the headers")
    if b"\x00" in head and _NUL.search(head):
        raise ParseError("NUL in the headers")  # as a quoted-pair it is legal (RFC 4475 §3.1.1.2)
    text = head.decode("utf-8", "surrogateescape")
    if "\r\n " in text or "\r\n\t" in text:
        text = _FOLD.sub(" ", text)  # §7.3.1: folding is equivalent to one space
    lines = text.split("\r\n")
    headers, fault = _fields(lines[1 : MAX_HEADERS + 1])
    if len(lines) - 1 > MAX_HEADERS:
        fault = f"more than {MAX_HEADERS} headers"
    return _checked(_start(lines[0], headers), fault)


def _fields(lines: list[str]) -> tuple[Headers, str | None]:
    """The header fields, and the first thing that is wrong with them; a faulty line is left out."""
    items: list[tuple[str, str, str]] = []
    first: dict[str, str] = {}
    fault: str | None = None
    for line in lines:
        name, colon, value = line.partition(":")
        key = KEYS.get(name)
        if key is None or not colon:
            try:
                key = header_key(name if colon else "")
            except HeaderError as error:
                fault = fault or str(error)
                continue
        value = value.strip(" \t")
        if key not in first:
            first[key] = value
        elif key in SINGLE and (key != "content-length" or first[key] != value):
            fault = fault or f"{name} stands twice"
            continue
        items.append((key, name, value))
    return Headers.of_parsed(items, first), fault


def _start(line: str, headers: Headers) -> Message:
    if line[:4].upper() == "SIP/":
        match = _STATUS_LINE.fullmatch(line)
        if match is None:
            raise ParseError(f"not a status line: {line[:80]!r}")
        return Response(int(match[1]), match[2] or "", headers)
    parts = line.split(" ")
    if len(parts) == 3 and parts[2] == VERSION and _METHOD.fullmatch(parts[0]):
        return Request(parts[0], parts[1], headers)
    method = parts[0] if _METHOD.fullmatch(parts[0]) else "UNKNOWN"
    broken = Request(method, parts[1] if len(parts) > 1 else "", headers)
    version = parts[-1].upper()
    if len(parts) == 3 and version == VERSION:
        return Request(parts[0], parts[1], headers)  # the version is case-insensitive (§7.1)
    if len(parts) == 3 and re.fullmatch(r"SIP/[0-9]+\.[0-9]+", version):
        raise _refusal(f"SIP version {parts[-1]}", broken, 505)
    raise _refusal(f"not a request line: {line[:80]!r}", broken)


def _checked(message: Message, fault: str | None) -> Message:
    """What every message must have, whoever it is for (§8.1.1)."""
    headers = message.headers
    if fault is None:
        missing = [key for key in REQUIRED if key not in headers.first]
        if missing:
            fault = f"no {missing[0].title()} header"
    if fault is None:
        try:
            method = message.cseq[1]
            if isinstance(message, Request):
                _ = message.via
                if method != message.method:
                    fault = f"CSeq names {method[:20]!r}, the request line {message.method!r}"
        except HeaderError as error:
            fault = str(error)
    if fault is not None:
        raise _refusal(fault, message)
    return message


def _with_body(message: Message, body: bytes) -> Message:
    length = _content_length(message)
    if length is not None and length > len(body):
        raise _refusal("the body is shorter than Content-Length", message)
    message.body = body if length is None else body[:length]
    return message


def _content_length(message: Message) -> int | None:
    value = message.headers.get("content-length")
    if value is None:
        return None
    if not (value.isascii() and value.isdigit()) or len(value) > 9:
        raise _refusal(f"Content-Length is not a number: {value[:20]!r}", message)
    return int(value)


def _refusal(reason: str, message: Message, status: int = 400) -> ParseError:
    """A `ParseError` that can be answered, when there is a request with a Via to answer along (§18.2.2)."""
    if not isinstance(message, Request) or message.method == "ACK":
        return ParseError(reason)
    try:
        message.salvage_via()
    except HeaderError:
        return ParseError(reason)
    return ParseError(reason, status, message)
