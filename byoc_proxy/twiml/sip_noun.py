"""`<Sip>`, of `<Dial>` and of `<Refer>`: addresses, the headers that go along, and what is no address.

Refuses (`TwimlError`) what cannot be dialled as asked: a bad URI (13243), too long headers (13253), a bad
credential (13249), more than ten addresses (13250). Of the headers in a SIP URI (RFC 3261 §19.1.1) only those
that a caller may set are kept; the others are dropped with a warning.
"""

from __future__ import annotations

import re
from dataclasses import replace
from typing import TYPE_CHECKING, Final
from urllib.parse import quote

from byoc_proxy.sip.uri import SipUri, UriError, unescape
from byoc_proxy.twiml.reader import Reader, has_control
from byoc_proxy.twiml.verbs import Sip, SipTarget, TwimlError

if TYPE_CHECKING:
    from collections.abc import Iterable

    from byoc_proxy.twiml.elements import Element
    from byoc_proxy.twiml.reader import Fields
    from byoc_proxy.twiml.verbs import TwimlWarning

MOST_TARGETS: Final = 10
_LONGEST_URI: Final = 254
_LONGEST_HEADERS: Final = 1023
_PRIORITIES: Final = range(65536)
_WEIGHTS: Final = range(1, 65536)
_HEADERS: Final = {
    name.lower(): name for name in ("User-to-User", "Remote-Party-ID", "P-Preferred-Identity", "P-Called-Party-ID")
}
_HEADER_NAME: Final = re.compile(r"[A-Za-z0-9\-.!%*_+`'~]+")
# Escapes of C0 controls and DEL: legal in a URI, but nothing honest needs them and whoever decodes them is split
_ESCAPED_CONTROL: Final = re.compile(r"%(?:[01][0-9A-Fa-f]|7[Ff])")
# They choose where a call leaves a network of many places: a node sends from where it is
_PLACES: Final = ("region", "edge", "tnx")

Headers = tuple[tuple[str, str], ...]


def read_sip(element: Element, fields: Fields, reader: Reader) -> Sip:
    """`<Sip>uri</Sip>` or the longer `<Sip><Uri>uri</Uri>…<Headers>…</Headers></Sip>`."""
    uris: list[Element] = []
    common: Headers = ()
    for child in element.children:
        if child.name == "Uri":
            uris.append(child)
        elif child.name == "Headers":
            common += _read_headers(child, reader)
        else:
            reader.warn(13215, f"<{child.name}> cannot stand in <Sip>; it is ignored")
    if len(uris) > MOST_TARGETS:
        raise TwimlError(13250, f"<Sip> has {len(uris)} <Uri>; {MOST_TARGETS} is the most")
    username, password = fields.credential("username"), fields.credential("password")
    targets = [_read_uri(each, common, reader) for each in uris] or [_target(element.text, common, reader)]
    if username is not None:
        targets = [
            each if each.username is not None else replace(each, username=username, password=password)
            for each in targets
        ]
    return Sip(tuple(targets), fields.callback())


def sip_noun(text: str) -> tuple[Sip, tuple[TwimlWarning, ...]]:
    """A SIP URI as `<Sip>` takes it, and what was dropped of it; `TwimlError` 13243 or 13253."""
    reader = Reader()
    return Sip((_target(text, (), reader),)), tuple(reader.warnings)


def read_refer_to(element: Element, reader: Reader) -> str:
    """The URI that a Refer-To names, with those of its headers that may go along (RFC 3515 §2.1)."""
    reader.lone(element, "Refer/Sip")
    target = _target(element.text, (), reader)
    headers = "&".join(f"{quote(name)}={quote(value, safe='')}" for name, value in target.headers)
    return f"{target.uri}?{headers}" if headers else target.uri


def _read_uri(element: Element, common: Headers, reader: Reader) -> SipTarget:
    fields = reader.lone(element, "Dial/Sip/Uri")
    return replace(
        _target(element.text, common, reader),
        username=fields.credential("username"),
        password=fields.credential("password"),
        priority=fields.number("priority", 10, _PRIORITIES),
        weight=fields.number("weight", 10, _WEIGHTS),
    )


def _read_headers(element: Element, reader: Reader) -> Headers:
    reader.open(element, "Dial/Sip/Headers")
    pairs = []
    for child in element.children:
        if child.name == "Header":
            reader.lone(child, "Dial/Sip/Headers/Header")
            pairs.append((child.attributes.get("name", ""), child.attributes.get("value", "")))
        else:
            reader.warn(13215, f"<{child.name}> cannot stand in <Headers>; it is ignored")
    return _allowed(pairs, reader)


def _target(text: str, common: Headers, reader: Reader) -> SipTarget:
    uri = _sip_uri(text, reader)
    own = _allowed(_uri_headers(uri.headers), reader)
    if sum(len(name) + len(value) for name, value in common + own) > _LONGEST_HEADERS:
        raise TwimlError(13253, f"the headers of a <Sip> have more than {_LONGEST_HEADERS} characters")
    return SipTarget(str(uri.without_headers()), common + own)


def _sip_uri(text: str, reader: Reader) -> SipUri:
    address, _, headers = text.partition("?")
    if len(headers) > _LONGEST_HEADERS:
        raise TwimlError(13253, f"the headers of a SIP URI have more than {_LONGEST_HEADERS} characters")
    if len(address) > _LONGEST_URI or _ESCAPED_CONTROL.search(address):
        raise TwimlError(13243, f"{text[:80]!r} is too long for a SIP URI or hides control characters")
    try:
        uri = SipUri.parse(text)
    except UriError as error:
        raise TwimlError(13243, str(error)) from error
    if uri.scheme != "sip":
        raise TwimlError(13243, "sips: is not supported; write sip: with ;transport=tls")
    return _served_params(uri, reader)


def _served_params(uri: SipUri, reader: Reader) -> SipUri:
    if uri.params.get("secure", "true") not in ("true", "false"):
        # Left in place: whoever honours the parameter compares with "true", so anything else is false
        reader.warn(32114, f"secure={uri.params['secure']!r} is neither true nor false; false is used")
    places = [name for name in _PLACES if name in uri.params]
    if not places:
        return uri
    for name in places:
        reader.warn(32215, f"{name}={uri.params[name]!r} of a SIP URI chooses nothing: the node itself calls")
    params = {name: value for name, value in uri.params.items() if name not in _PLACES}
    return SipUri(uri.host, uri.user, uri.port, params=params, headers=uri.headers, password=uri.password)


def _uri_headers(text: str) -> list[tuple[str, str]]:
    pairs = (pair.partition("=") for pair in text.split("&") if pair)
    return [(unescape(name), unescape(value)) for name, _, value in pairs]


def _allowed(headers: Iterable[tuple[str, str]], reader: Reader) -> Headers:
    """Those of `headers` that an application may put into an INVITE; the rest becomes warnings."""
    allowed = []
    for name, value in headers:
        extension = name[:2].lower() == "x-" and _HEADER_NAME.fullmatch(name) is not None
        spelled = name if extension else _HEADERS.get(name.lower())
        if spelled is None:
            reader.warn(32111, f"header {name[:80]!r} may not be set; it is dropped")
        elif name[:8].lower() == "x-twilio":
            reader.warn(32113, f"header {name[:80]!r} is reserved; it is dropped")
        elif has_control(value):
            reader.warn(32112, f"the value of header {name[:80]!r} holds control characters; it is dropped")
        else:
            allowed.append((spelled, value))
    return tuple(allowed)
