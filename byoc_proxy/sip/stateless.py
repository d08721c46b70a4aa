"""Answers that leave nothing behind (RFC 3261 §8.2.7): their tag, their size, and the shortest way to one.

Whoever we do not know can forge the address that a datagram came from. So what is sent there is never larger than
what came: an answer is shortened until it fits, or is not given.
"""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING, Final, NamedTuple, Protocol

from byoc_proxy.sip.headers import KEYS, HeaderError, Via
from byoc_proxy.sip.message import MAGIC_COOKIE, Response, tag_of
from byoc_proxy.sip.uri import UriError

if TYPE_CHECKING:
    from byoc_proxy.sip.flow import Flow
    from byoc_proxy.sip.screening import Answer, Ignore

_REPEATED: Final = frozenset({"via", "from", "to", "call-id", "cseq"})  # §8.2.6.2
_MARK_BYTES: Final = 3
_HASH_BYTES: Final = 5


class Tags:
    """The To tags of stateless answers: the same one for every retransmission of a request, hence no random token.

    All begin with one mark, by which the ACK of such an answer is known before it is read.
    """

    __slots__ = ("_mark", "in_ack")

    def __init__(self, secret: str) -> None:
        self._mark = _hash(f"mark of {secret}", _MARK_BYTES)
        self.in_ack = f";tag={self._mark}".encode("ascii")

    def tag(self, secret: str, call_id: str, cseq: str | None, branch: str | None) -> str:
        """The tag for the request that these identify."""
        return self._mark + _hash(f"{secret}{call_id}{cseq}{branch}", _HASH_BYTES)


def within(response: Response, size: int) -> bytes | None:
    """The response in at most `size` bytes, or None when it cannot be that short.

    First the reason phrase goes, which may be empty (§25.1), with Content-Length, which a datagram can do without
    (§18.3); then what is optional, where one challenge is not (§22.2), and a second one is only a choice.
    """
    data = response.encode()
    if len(data) <= size:
        return data
    items = [item for item in response.headers.items if item[0] != "content-length"]
    challenges = [item for item in items if item[0] in ("proxy-authenticate", "www-authenticate")]
    needed = [item for item in items if item[0] in _REPEATED] + challenges[:1]
    for fields in (items, needed):
        lines = "".join(f"{name}: {value}\r\n" for _, name, value in fields)
        data = f"SIP/2.0 {response.status} \r\n{lines}\r\n".encode("utf-8", "surrogateescape")
        if len(data) <= size:
            return data
    return None


class Door(Protocol):
    """Who is there, before anything is read."""

    def glance(self, data: bytes, flow: Flow) -> Answer | Ignore | None:
        """Judge a datagram by its source and its first bytes; None: read it.

        An `Answer` is for INVITEs that begin a call; those that need to be read with care are read all the same.
        """
        ...

    def knows(self, flow: Flow) -> bool:
        """Whether the source may be sent more than it sent itself."""
        ...

    def garbled(self, flow: Flow) -> bool:
        """What came is no message: whether the source is to hear so."""
        ...


class Opening(NamedTuple):
    """As much of an INVITE outside of any dialog as an answer repeats."""

    via: Via
    vias: list[str]  # as they are repeated
    values: dict[str, str]

    @property
    def key(self) -> tuple[str, str, str]:
        """Of its transaction (§17.2.3)."""
        return (self.via.branch or "", self.via.sent_by, "INVITE")

    def refusal(self, start: str, tag: str, headers: str) -> bytes:
        """The answer, from its start line and its own headers, which end with CRLF."""
        values = self.values
        vias = "".join(f"Via: {via}\r\n" for via in self.vias)
        return (
            f"{start}\r\n{vias}From: {values['from']}\r\nTo: {values['to']};tag={tag}\r\n"
            f"Call-ID: {values['call-id']}\r\nCSeq: {values['cseq']}\r\n{headers}Content-Length: 0\r\n\r\n"
        ).encode("utf-8", "surrogateescape")


def opening(data: bytes, flow: Flow) -> Opening | None:
    """Skim an INVITE; None for what has to be read with care: folded, damaged, from an old peer, in a dialog."""
    head, end, _ = data.partition(b"\r\n\r\n")
    if not end or not head.count(b"\r\n") == head.count(b"\n") == head.count(b"\r") or b"\x00" in head:
        return None
    read = _repeated(head.decode("utf-8", "surrogateescape").split("\r\n")[1:])
    if read is None:
        return None
    values, more_vias = read
    if len(values) < len(_REPEATED) or "," in values["via"] or tag_of(values["to"]):
        return None
    try:
        via = Via.parse(values["via"])
        if not (via.branch or "").startswith(MAGIC_COOKIE):
            return None
        via.note_source(*flow.remote)
        return Opening(via, [str(via), *more_vias], values)
    except (HeaderError, UriError):
        return None  # no Via, or one with a parameter that cannot be repeated


def _repeated(lines: list[str]) -> tuple[dict[str, str], list[str]] | None:
    """The first value of each header that an answer repeats, and the Vias after the first."""
    values: dict[str, str] = {}
    more_vias: list[str] = []
    for line in lines:
        name, _, value = line.partition(":")
        key = KEYS.get(name)
        if key in _REPEATED and key is not None:
            if key not in values:
                values[key] = value.strip(" \t")
            elif key == "via":
                more_vias.append(value.strip(" \t"))
            else:
                return None
        elif key is None and _is_disguised(name):
            return None
    return values, more_vias


def _is_disguised(name: str) -> bool:
    """A line that goes on the one before it, or one of the headers that matter in an unusual spelling (§7.3.1)."""
    return name[:1] in (" ", "\t") or KEYS.get(name.rstrip(" \t").lower()) in _REPEATED


def _hash(text: str, size: int) -> str:
    return hashlib.blake2b(text.encode("utf-8", "replace"), digest_size=size).hexdigest()
