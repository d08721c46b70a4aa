"""The lines of a session description that we read or write (RFC 8866, RFC 3264, RFC 4568).

SDP passes through the proxy untouched. What is needed of it is read here: where media goes, whether it is
secure, whether it is on hold; and what we say when no far end can speak yet: an offer or answer in which
nothing flows. Refused with `SdpError` is what has no version, origin or connection, and media lines without a
port or format; lines of other kinds are not looked at. A bare LF ends a line as well as CRLF (RFC 8866 §5).
"""

from __future__ import annotations

import base64
import re
from dataclasses import dataclass
from typing import Final

_DIRECTIONS: Final = ("sendrecv", "sendonly", "recvonly", "inactive")
_SUITES: Final = ("AES_CM_128_HMAC_SHA1_80", "AES_CM_128_HMAC_SHA1_32")
_PLAIN_RTP: Final = ("RTP/AVP", "RTP/AVPF")
_SECURE_RTP: Final = ("RTP/SAVP", "RTP/SAVPF")
_NOWHERE: Final = ("0.0.0.0", "::")
_DISCARD_PORT: Final = 9
_ORIGIN: Final = re.compile(rb"(^o=\S+ \d{1,30} )(\d{1,30})(?= )", re.MULTILINE)


class SdpError(ValueError):
    """The body is not a session description that we can read; the message says why."""


@dataclass(frozen=True, slots=True)
class Media:
    """One m= section. `port` 0 means that the stream is refused or removed (RFC 3264 §6, §8.2).

    `address` is that of its own c= line or else of the session; `direction` likewise, `sendrecv` by default.
    `crypto` holds the suites of the usable a=crypto lines in order; their keys stay in the body, so that a
    description in a log betrays nothing.
    """

    kind: str
    port: int
    protocol: str
    formats: tuple[str, ...]
    direction: str
    address: str
    crypto: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class SessionDescription:
    """`origin_address` is the host of o=; `address` that of the session's c=, or empty."""

    origin_address: str
    address: str
    media: tuple[Media, ...]


def describe(body: bytes) -> SessionDescription:
    """Read an offer or answer; `SdpError` when it cannot be one."""
    session, sections = _sections(body)
    address = _connection(session, "")
    direction = _direction(session, "sendrecv")
    media = tuple(_media(section, address, direction) for section in sections)
    return SessionDescription(_origin_address(session), address, media)


def is_secure(description: SessionDescription) -> bool:
    """Whether there is live audio, and all live audio and video is SRTP of a known suite (RFC 4568 §6.2)."""
    return any(media.kind == "audio" for media in _live(description)) and not has_plain_media(description)


def has_plain_media(description: SessionDescription) -> bool:
    """Whether live audio or video would go without SRTP of a known suite."""
    return not all(
        media.protocol in _SECURE_RTP and any(suite in _SUITES for suite in media.crypto)
        for media in _live(description)
    )


def _live(description: SessionDescription) -> list[Media]:
    return [media for media in description.media if media.port and media.kind in ("audio", "video")]


def is_hold(description: SessionDescription) -> bool:
    """Whether the sender of this description does not listen: no live audio comes to it (RFC 3264 §8.4).

    The old form, a connection address of zeros, is a hold as well. No live audio at all is not: there is
    nothing to hold.
    """
    audio = [media for media in description.media if media.port and media.kind == "audio"]
    return bool(audio) and all(
        media.direction in ("sendonly", "inactive") or media.address in _NOWHERE for media in audio
    )


def holds(body: bytes) -> bool:
    """`is_hold` of a body as it came; what cannot be read is not one."""
    try:
        return is_hold(describe(body))
    except SdpError:
        return False


def inactive(body: bytes) -> bytes:
    """The same description, of the same streams, with nothing flowing: its next version (RFC 3264 §8)."""
    lines: list[bytes] = []
    for line in without_direction(newer(body, body)).split(b"\r\n"):
        if line.startswith(b"m=") and any(each.startswith(b"m=") for each in lines):
            lines.append(b"a=inactive")
        lines.append(line)
    return b"\r\n".join([*lines[:-1], b"a=inactive", lines[-1]])


def newer(body: bytes, than: bytes) -> bytes:
    """`body` with another version than `than` has, so that nobody takes the two for the same (RFC 3264 §8).

    Far ends that come one after the other may count alike.
    """
    match, before = _ORIGIN.search(body), _ORIGIN.search(than)
    if match is None or before is None or match[2] != before[2]:
        return body
    return b"%b%b%d%b" % (body[: match.start()], match[1], int(match[2]) + 1, body[match.end() :])


def version_after(body: bytes) -> int:
    """The number of the description that follows this one."""
    match = _ORIGIN.search(body)
    return int(match[2]) + 1 if match is not None else 1


def without_direction(body: bytes) -> bytes:
    """The same description with every stream open both ways, which is what no direction means (RFC 8866 §6.7)."""
    lines = body.split(b"\r\n")
    held = {f"a={direction}".encode() for direction in _DIRECTIONS}
    return b"\r\n".join(line for line in lines if line.strip() not in held)


def held_offer(address: str, session_id: int) -> bytes:
    """An offer in which nothing flows, for a call that is answered before there is a far end (RFC 3725)."""
    return _body(
        [
            *_session_lines(address, session_id, ["t=0 0"]),
            f"m=audio {_DISCARD_PORT} RTP/AVP 0 8 101",
            "a=rtpmap:0 PCMU/8000",
            "a=rtpmap:8 PCMA/8000",
            "a=rtpmap:101 telephone-event/8000",
            "a=fmtp:101 0-16",
            "a=inactive",
        ]
    )


def held_answer(offer: bytes, address: str, session_id: int, srtp_key: bytes = b"") -> bytes:
    """The answer that accepts the audio of `offer` while nothing flows (RFC 3264 §6).

    An offer of SRTP is accepted only with `srtp_key`: 30 random bytes, master key and salt (RFC 4568 §6.1).
    Without it the stream is refused, as is all that is not audio. `SdpError` when the offer cannot be read.
    """
    session, sections = _sections(offer)
    _origin_address(session)
    address_of_session = _connection(session, "")
    # RFC 3264 §6: the t= line of the answer must equal that of the offer
    lines = _session_lines(address, session_id, [line for line in session if line[:2] == "t="] or ["t=0 0"])
    for section in sections:
        lines += _held_stream(_media(section, address_of_session, "sendrecv"), section, srtp_key)
    return _body(lines)


def refusing_answer(offer: bytes, address: str) -> bytes:
    """The answer that takes no stream of `offer` (RFC 3264 §6), for somebody who is about to be left."""
    session, sections = _sections(offer)
    lines = _session_lines(address, 0, [line for line in session if line[:2] == "t="] or ["t=0 0"])
    for section in sections:
        media = _media(section, address, "inactive")
        lines.append(f"m={media.kind} 0 {media.protocol} {' '.join(media.formats)}")
    return _body(lines)


def _held_stream(media: Media, section: list[str], srtp_key: bytes) -> list[str]:
    crypto = _crypto_answer(section, srtp_key) if media.protocol in _SECURE_RTP else ""
    acceptable = media.protocol in _PLAIN_RTP or crypto
    if media.kind != "audio" or media.port == 0 or not acceptable:
        return [f"m={media.kind} 0 {media.protocol} {' '.join(media.formats)}"]
    formats = _answered_formats(media, section)
    lines = [f"m=audio {_DISCARD_PORT} {media.protocol} {' '.join(formats)}"]
    lines += [line for line in section if _attribute_format(line) in formats]
    if crypto:
        lines.append(crypto)
    return [*lines, "a=inactive"]


def _answered_formats(media: Media, section: list[str]) -> list[str]:
    """The first codec, and the telephone-event of the offer: a digit must not get lost later."""
    events = {
        _attribute_format(line)
        for line in section
        if line.startswith("a=rtpmap:") and line.partition(" ")[2].lower().startswith("telephone-event/")
    }
    codecs = [name for name in media.formats if name not in events]
    return codecs[:1] + [name for name in media.formats if name in events]


def _attribute_format(line: str) -> str:
    """The payload format that an a=rtpmap or a=fmtp line is about, empty for other lines."""
    if not line.startswith(("a=rtpmap:", "a=fmtp:")):
        return ""
    return line.partition(":")[2].partition(" ")[0]


def _crypto_answer(section: list[str], srtp_key: bytes) -> str:
    """The a=crypto line that takes the first usable one of the offer, with its tag (RFC 4568 §5.1.2)."""
    for tag, suite in _crypto(section):
        if srtp_key and suite in _SUITES:
            return f"a=crypto:{tag} {suite} inline:{base64.b64encode(srtp_key).decode()}"
    return ""


def _session_lines(address: str, session_id: int, timing: list[str]) -> list[str]:
    family = "IP6" if ":" in address else "IP4"
    return [
        "v=0",
        f"o=- {session_id} {session_id} IN {family} {address}",
        "s=-",
        f"c=IN {family} {address}",
        *timing,
    ]


def _body(lines: list[str]) -> bytes:
    return "".join(f"{line}\r\n" for line in lines).encode("utf-8", "surrogateescape")


def _sections(body: bytes) -> tuple[list[str], list[list[str]]]:
    """The lines of the session and those of each m= section, which starts with its m= line."""
    session: list[str] = []
    sections: list[list[str]] = []
    current = session
    for raw in body.decode("utf-8", "surrogateescape").split("\n"):
        line = raw.rstrip("\r \t")
        if not line:
            continue
        if line[1:2] != "=" or not line[0].islower():
            raise SdpError(f"not a line of a session description: {line[:40]!r}")
        if line[0] == "m":
            current = []
            sections.append(current)
        current.append(line)
    if not session or session[0] != "v=0":
        raise SdpError("a session description starts with v=0")
    return session, sections


def _origin_address(session: list[str]) -> str:
    for line in session:
        if line[0] == "o":
            fields = line[2:].split()
            if len(fields) != 6:
                raise SdpError(f"an origin has six fields: {line[:80]!r}")
            return fields[5]
    raise SdpError("there is no o= line")


def _media(section: list[str], address: str, direction: str) -> Media:
    fields = section[0][2:].split()
    if len(fields) < 4:
        raise SdpError(f"a media line has kind, port, protocol and format: {section[0][:80]!r}")
    kind, ports, protocol, *formats = fields
    port = ports.partition("/")[0]  # §5.14: a number of ports may follow
    if not (port.isascii() and port.isdigit() and len(port) <= 5 and int(port) <= 65535):
        raise SdpError(f"{ports[:20]!r} is not a port")
    address = _connection(section, address)
    if not address and int(port):
        raise SdpError(f"there is no c= line for {section[0][:80]!r}")
    return Media(
        kind,
        int(port),
        protocol,
        tuple(formats),
        _direction(section, direction),
        address,
        tuple(suite for _, suite in _crypto(section)),
    )


def _connection(lines: list[str], inherited: str) -> str:
    for line in lines:
        if line[0] == "c":
            fields = line[2:].split()
            if len(fields) != 3:
                raise SdpError(f"a connection has three fields: {line[:80]!r}")
            return fields[2].partition("/")[0]  # §5.7: TTL and count of a multicast address
    return inherited


def _direction(lines: list[str], inherited: str) -> str:
    for line in lines:
        if line[:2] == "a=" and line[2:] in _DIRECTIONS:
            return line[2:]
    return inherited


def _crypto(section: list[str]) -> list[tuple[str, str]]:
    """Tag and suite of each a=crypto line that has an inline key (RFC 4568 §9.1)."""
    found: list[tuple[str, str]] = []
    for line in section:
        if line.startswith("a=crypto:"):
            fields = line[9:].split()
            if len(fields) >= 3 and fields[2].startswith("inline:"):
                found.append((fields[0], fields[1]))
    return found
