"""Reads messages once, however often they are carried, seen and heard."""

from __future__ import annotations

from byoc_proxy.sip.message import Request, Response
from byoc_proxy.sip.parser import ParseError, parse_datagram


class Reader:
    """Bytes to the message in them, None for what is none. A message that is shared must not be changed."""

    def __init__(self) -> None:
        self._read: dict[bytes, Request | Response | None] = {}

    def __call__(self, data: bytes) -> Request | Response | None:
        if data not in self._read:
            self._read[data] = _read(data)
        return self._read[data]


def _read(data: bytes) -> Request | Response | None:
    try:
        message = parse_datagram(data)
    except ParseError:
        return None
    return message if isinstance(message, Request | Response) else None
