"""Targets that read: each takes any bytes and raises only if a reader broke its word.

A reader's word is: a value, or the one error that it declares; and what it wrote, it reads again as the same.
"""

from contextlib import suppress
from typing import get_args

from byoc_proxy.call.intent import CallIntent
from byoc_proxy.sip import digest_client
from byoc_proxy.sip.body import is_beyond_us, session_description
from byoc_proxy.sip.digest import Algorithm, Ha1, read_params
from byoc_proxy.sip.digest_server import DigestServer, Passed, Stale
from byoc_proxy.sip.headers import HeaderError, Headers, Via
from byoc_proxy.sip.inspection import inspect
from byoc_proxy.sip.message import Message, Request, Response, reply_to
from byoc_proxy.sip.parser import MAX_MESSAGE, ParseError, StreamParser, parse_datagram
from byoc_proxy.sip.sdp import SdpError, describe, held_answer, is_hold, is_secure
from byoc_proxy.sip.uri import (
    NameAddr,
    SipUri,
    UriError,
    escape_user,
    parse_params,
    parse_uri,
    split_commas,
    unescape,
)
from byoc_proxy.trunk.identity import Identity, IdentityHeader, Presentation
from byoc_proxy.trunk.numbers import NumberFormat, with_format
from byoc_proxy.trunk.origination import redirected_to
from byoc_proxy.trunk.relaying import Border, candidates
from byoc_proxy.twiml.document import parse
from byoc_proxy.twiml.verbs import TwimlError, media_needs
from byoc_proxy.webhook.parameters import party

REALM = "sip.example.test"
TYPED = ("via", "cseq", "from_", "to", "contacts", "contact", "from_tag", "to_tag", "call_id", "branch")
MORE_TYPED = {Request: ("uri", "max_forwards"), Response: ("retry_after",)}
MOST_PARTS = 100  # of a list; each is read by three readers
ABROAD = NumberFormat(country_code="44", national_prefix="0", plus="add", tech_prefix="1234#")
EVERYTHING = ("Diversion", "History-Info", "User-to-User", "Subject", "X-*")
LISTED = ("via", "contact", "route", "record-route", "require", "supported", "allow")


def text_of(data: bytes) -> str:
    """Bytes as the text of one header value, as the parser would give it."""
    return data.decode("utf-8", "surrogateescape").translate({0: None, 10: 32, 13: 32}).strip(" \t")


def datagram(data: bytes) -> None:
    """One datagram: a message whose every header can be asked for, or a `ParseError` that can be answered."""
    try:
        message = parse_datagram(data)
    except ParseError as error:
        if error.request is not None:
            look_at(error.request)
        return
    look_at(message)
    written = message.encode()
    if len(written) <= MAX_MESSAGE:
        again = parse_datagram(written)
        assert (again.start_line, again.body) == (message.start_line, message.body)
        kept = [(key, value) for key, _, value in message.headers if key != "content-length"]
        assert kept == [(key, value) for key, _, value in again.headers if key != "content-length"]


def look_at(message: Message) -> None:
    """Ask for everything that a message may be asked for."""
    for name in (*TYPED, *MORE_TYPED[type(message)], "content_type", "sdp"):
        with suppress(HeaderError, UriError):
            getattr(message, name)
    for key in LISTED:
        message.listed(key)
    if isinstance(message, Request):
        inspect(message)
        with suppress(HeaderError, UriError):
            message.received("192.0.2.1", 5060)
            reply_to(message, 183, to_tag="ours").encode()


def stream(data: bytes) -> None:
    """The same messages, whatever the segments; the first byte seeds where they are cut."""
    if not data:
        return
    seed, data = data[0], data[1:]
    cuts = sorted({(seed * step) % (len(data) + 1) for step in (1, 7, 31, 257, 1009)})
    edges = [0, *cuts, len(data)]
    pieces = [data[start:end] for start, end in zip(edges, edges[1:], strict=False)]
    whole, cut = _framed([data]), _framed(pieces)
    assert whole == cut, (whole, cut)


def _framed(pieces: list[bytes]) -> list[bytes | str]:
    """What came out of a stream: messages on the wire, and the error that ended it."""
    parser = StreamParser()
    out: list[bytes | str] = []
    for piece in pieces:
        parser.feed(piece)
        try:
            while True:
                if parser.take_ping():
                    continue
                message = parser.next_message()
                if message is None:
                    break
                out.append(message.encode())
        except ParseError as error:
            return [*out, error.reason]
    return out


def address(data: bytes) -> None:
    """URIs, name-addrs, Vias and their lists."""
    text = text_of(data)
    for part in split_commas(text)[:MOST_PARTS]:
        with suppress(UriError):
            _check_address(NameAddr.parse(part))
        for read in (Via.parse, Via.salvage):
            with suppress(HeaderError):
                via = read(part)
                with suppress(UriError):
                    assert str(Via.parse(str(via))) == str(via)
    with suppress(UriError):
        parse_params(text)
    with suppress(UriError):
        uri = parse_uri(text)
        again = parse_uri(str(uri))
        assert again == uri, (uri, again)
    redirected_to(text, lambda host: host == "ours")
    assert SipUri.parse(f"sip:{escape_user(text)}@h").decoded_user if text else True
    unescape(text)


def _check_address(found: NameAddr) -> None:
    written = str(found)
    again = NameAddr.parse(written)
    assert (again.uri, again.params, again.display_name) == (found.uri, found.params, found.display_name)
    party(found.uri).encode("utf-8", "surrogateescape")
    parse_uri(str(with_format(found.uri, ABROAD)))


def identity(data: bytes) -> None:
    """Who calls, as every kind of carrier is told, and what else crosses: each can stand in a message."""
    try:
        message = parse_datagram(data)
        if not isinstance(message, Request) or inspect(message) is not None:
            return
    except ParseError:
        return
    caller = Identity.of(message, believed=True, calling=ABROAD)
    relayed = Border(EVERYTHING, "h", ABROAD, trusted=True).relayed(candidates(message.headers))
    for header in get_args(IdentityHeader):
        told = Presentation("h", header, None, ABROAD)
        target = message.uri if isinstance(message.uri, SipUri) else SipUri("gateway.example.test")
        headers = (*told.headers(caller), *relayed)
        outgoing = CallIntent(told.from_value(caller), told.number(caller), "+1415", headers, b"", 70).invite(
            target
        )
        said = Headers([("From", outgoing.from_), ("To", outgoing.to), *outgoing.headers])
        for key in ("from", "to", "p-asserted-identity", "p-preferred-identity", "remote-party-id"):
            for value in said.all(key):
                NameAddr.parse(value)
        assert NameAddr.parse(outgoing.from_).uri.scheme == "sip"


def digest(data: bytes) -> None:
    """Credentials are judged and challenges answered, one on each line; nothing is ever raised."""
    values = [text_of(line) for line in data.split(b"\n")]
    server = DigestServer(REALM, b"s" * 32)
    account = Ha1.of("user", REALM, "password")
    verdict = server.verify(values, "INVITE", "sip:x@h", 1e9, lambda _: [account], tuple(Algorithm))
    assert not isinstance(verdict, Passed | Stale), "nobody can guess a response"
    answer = digest_client.answer(values, "INVITE", "sip:x@h", "user", "password", "c")
    if answer is not None:
        Headers([("Authorization", answer)])
        read_params(answer)


def body(data: bytes) -> None:
    """A body of any type, which stands on the first line: the session description in it, if there is one."""
    content_type, _, content = data.partition(b"\n")
    kind = text_of(content_type)
    found = session_description(kind, content)
    assert found in content
    is_beyond_us(kind, kind.partition(";")[2], content)


def sdp(data: bytes) -> None:
    """A description, and the answer to it that holds everything, which must be one again."""
    try:
        description = describe(data)
    except SdpError:
        return
    assert isinstance(is_secure(description), bool)
    assert isinstance(is_hold(description), bool)
    for key in (b"", b"k" * 30):
        answer = describe(held_answer(data, "192.0.2.1", 1, key))
        assert len(answer.media) == len(description.media)
        assert not [media for media in answer.media if media.port and media.direction != "inactive"]


def twiml(data: bytes) -> None:
    """A document or its coded error."""
    with suppress(TwimlError):
        media_needs(parse(data))
