"""`<Dial>` and the nouns in it: plain text, `<Number>`, `<Sip>`.

Refuses (`TwimlError`) what cannot be dialled as asked: a bad number (13223), URI (13243), credential
(13249) or caller ID (13214), more than ten nouns (13250), `<Conference>` beside `<Number>` (13000). Of the
headers in a SIP URI (RFC 3261 §19.1.1) only those that a caller may set are kept; the others are dropped
with a warning.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final

from byoc_proxy.sip.uri import SipUri, UriError, unescape
from byoc_proxy.twiml.elements import Element
from byoc_proxy.twiml.reader import SCHEMA_WARNING, Reader, caller_id, has_control, phone_number, url
from byoc_proxy.twiml.verbs import Dial, NeedsMedia, Number, Sip, TwimlError

if TYPE_CHECKING:
    from byoc_proxy.twiml.verbs import TwimlWarning

_MOST_NOUNS: Final = 10
_LONGEST_URI: Final = 254
_LONGEST_HEADERS: Final = 1023
_LONGEST_CREDENTIAL: Final = 255

_DIAL: Final = frozenset(
    "action answerOnBridge callerId callReason events hangupOnStar method passports record"
    " recordingConfigurationId recordingStatusCallback recordingStatusCallbackEvent"
    " recordingStatusCallbackMethod recordingTrack referMethod referUrl ringTone sequential timeLimit timeout"
    " trim".split()
)
_LEG: Final = frozenset(
    "amdStatusCallback amdStatusCallbackMethod machineDetection machineDetectionSilenceTimeout"
    " machineDetectionSpeechEndThreshold machineDetectionSpeechThreshold machineDetectionTimeout method"
    " statusCallback statusCallbackEvent statusCallbackMethod url".split()
)
_NUMBER: Final = _LEG | {"byoc", "sendDigits"}
_SIP: Final = _LEG | {"username", "password"}
_URI: Final = frozenset(("priority", "weight", "username", "password"))
_MEDIA_NOUNS: Final = frozenset(("Client", "Conference", "Queue"))
# What each attribute says when it asks for nothing that needs audio; empty always asks for nothing
_SILENT: Final = {
    "Dial": (
        ("record", ("do-not-record", "false")),
        ("hangupOnStar", ("false",)),
        ("ringTone", ("automatic",)),
    ),
    "Number": (("sendDigits", ()), ("url", ()), ("machineDetection", ())),
    "Sip": (("url", ()), ("machineDetection", ())),
}
_HEADERS: Final = {
    name.lower(): name for name in ("User-to-User", "Remote-Party-ID", "P-Preferred-Identity", "P-Called-Party-ID")
}
_HEADER_NAME: Final = re.compile(r"[A-Za-z0-9\-.!%*_+`'~]+")
# Escapes of C0 controls and DEL: legal in a URI, but nothing honest needs them and whoever decodes them is
# split
_ESCAPED_CONTROL: Final = re.compile(r"%(?:[01][0-9A-Fa-f]|7[Ff])")


def read_dial(element: Element, reader: Reader) -> Dial | NeedsMedia:
    """`<Dial>` with its nouns, or what of it cannot be done without a media engine."""
    reader.known(element, _DIAL)
    nouns, media = _read_nouns(element, reader)
    dial = Dial(
        nouns=tuple(nouns),
        timeout=reader.seconds(element, "timeout", 13212, 30, range(5, 601)),
        caller_id=caller_id(element),
        action=url(element, "action"),
        method=reader.method(element, "method", 13210),
        time_limit=reader.seconds(element, "timeLimit", 13216, 14400, range(1, 86401)),
        answer_on_bridge=reader.flag(element, "answerOnBridge", 13219),
        sequential=reader.flag(element, "sequential", 13218),
        refer_url=url(element, "referUrl"),
        refer_method=reader.method(element, "referMethod", 13210),
    )
    what = _wants_media(element) or media
    return NeedsMedia(what) if what else dial


def sip_noun(text: str) -> tuple[Sip, tuple[TwimlWarning, ...]]:
    """A SIP URI as `<Sip>` takes it, and what was dropped of it; `TwimlError` 13243 or 13253."""
    element, reader = Element("Sip", {}), Reader()
    element.text = text
    return _read_sip(element, reader), tuple(reader.warnings)


def _read_nouns(element: Element, reader: Reader) -> tuple[list[Number | Sip], str | None]:
    """The nouns in document order, and the first thing about them that needs a media engine."""
    nouns: list[Number | Sip] = []
    media: str | None = None
    for child in element.children:
        if child.name == "Number":
            nouns.append(_read_number(child, reader))
        elif child.name == "Sip":
            nouns.append(_read_sip(child, reader))
        elif child.name in _MEDIA_NOUNS:
            media = media or f"<{child.name}>"
            continue
        else:
            reader.warn(13215, f"<{child.name}> cannot stand in <Dial>; it is ignored")
            continue
        media = media or _wants_media(child)
    if element.text and not element.children:
        nouns.append(Number(phone_number(element)))
    elif element.text:
        reader.warn(SCHEMA_WARNING, "text beside the nouns of <Dial> is ignored")
    _check_nouns(element, nouns, media)
    return nouns, media


def _check_nouns(element: Element, nouns: list[Number | Sip], media: str | None) -> None:
    if nouns and any(child.name == "Conference" for child in element.children):
        raise TwimlError(13000, "<Conference> cannot stand beside other nouns")
    if len(nouns) > _MOST_NOUNS:
        raise TwimlError(13250, f"<Dial> has {len(nouns)} nouns; {_MOST_NOUNS} is the most")
    if not nouns and media is None:
        raise TwimlError(13223, "<Dial> names nobody to call")


def _wants_media(element: Element) -> str | None:
    for name, silent in _SILENT[element.name]:
        value = element.attributes.get(name)
        if value and value not in silent:
            return f"<{element.name} {name}>"
    return None


def _read_number(element: Element, reader: Reader) -> Number:
    reader.known(element, _NUMBER)
    reader.childless(element)
    byoc = element.attributes.get("byoc", "").strip()
    return Number(phone_number(element), byoc or None, reader.callback(element, 13221))


def _read_sip(element: Element, reader: Reader) -> Sip:
    """`<Sip>uri</Sip>` or the longer `<Sip><Uri>uri</Uri><Headers>…</Headers></Sip>`."""
    reader.known(element, _SIP)
    holder, headers = element, []
    for child in element.children:
        if child.name == "Uri" and holder is element:
            reader.known(child, _URI)
            holder = child
        elif child.name == "Uri":
            raise TwimlError(13250, "<Sip> holds several <Uri>; use one <Sip> for each")
        elif child.name == "Headers":
            headers += [(h.attributes.get("name", ""), h.attributes.get("value", "")) for h in child.children]
        else:
            reader.warn(13215, f"<{child.name}> cannot stand in <Sip>; it is ignored")
    uri = _sip_uri(holder.text, reader)
    headers += _uri_headers(uri.headers)
    return Sip(
        uri=str(uri.without_headers()),
        headers=_allowed_headers(headers, reader),
        username=_credential(element, holder, "username"),
        password=_credential(element, holder, "password"),
        callback=reader.callback(element, 13241),
    )


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
    if uri.params.get("secure", "true") not in ("true", "false"):
        # Left in place: whoever honours the parameter compares with "true", so anything else is false
        reader.warn(32114, f"secure={uri.params['secure']!r} is neither true nor false; false is used")
    return uri


def _uri_headers(text: str) -> list[tuple[str, str]]:
    pairs = (pair.partition("=") for pair in text.split("&") if pair)
    return [(unescape(name), unescape(value)) for name, _, value in pairs]


def _allowed_headers(headers: list[tuple[str, str]], reader: Reader) -> tuple[tuple[str, str], ...]:
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


def _credential(element: Element, holder: Element, name: str) -> str | None:
    value = holder.attributes.get(name, element.attributes.get(name))
    if not value:
        return None
    if len(value) > _LONGEST_CREDENTIAL or has_control(value):
        raise TwimlError(13249, f"{name} of <Sip> is too long or holds control characters")
    return value
