"""`<Dial>` and the nouns in it: plain text, `<Number>`, `<Sip>`.

Refuses (`TwimlError`) what cannot be dialled as asked: a bad number (13223), a bad caller ID (13214), more than
ten nouns (13250), `<Conference>` beside `<Number>` (13000), nothing that can be called (13215, 13223), and what
`sip_noun` refuses.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from byoc_proxy.twiml.reader import phone_number
from byoc_proxy.twiml.sip_noun import read_sip
from byoc_proxy.twiml.verbs import Dial, NeedsMedia, Number, Sip, TwimlError
from byoc_proxy.twiml.vocabulary import WORDS
from byoc_proxy.twiml.words import SCHEMA_WARNING, Fate

if TYPE_CHECKING:
    from collections.abc import Callable

    from byoc_proxy.twiml.elements import Element
    from byoc_proxy.twiml.reader import Fields, Reader

_MOST_NOUNS: Final = 10
_CANNOT_STAND: Final = 13215
_TIMEOUTS: Final = range(5, 601)
_TIME_LIMITS: Final = range(1, 86401)


def read_dial(element: Element, reader: Reader) -> Dial | NeedsMedia:
    """`<Dial>` with its nouns, or what of it cannot be done without a media engine."""
    fields = reader.open(element, "Dial")
    nouns, media = _read_nouns(element, reader)
    dial = Dial(
        nouns=tuple(nouns),
        timeout=fields.number("timeout", 30, _TIMEOUTS),
        caller_id=fields.caller_id(),
        action=fields.url("action"),
        method=fields.method("method"),
        time_limit=fields.number("timeLimit", 14400, _TIME_LIMITS),
        sequential=fields.flag("sequential"),
        refer_url=fields.url("referUrl"),
        refer_method=fields.method("referMethod"),
    )
    what = fields.wants_media() or media
    return NeedsMedia(what) if what else dial


def _read_nouns(element: Element, reader: Reader) -> tuple[list[Number | Sip], str | None]:
    """The nouns in document order, and the first thing about them that needs a media engine."""
    nouns: list[Number | Sip] = []
    media: str | None = None
    for child in element.children:
        path = f"Dial/{child.name}"
        word = WORDS.get(path)
        if word is None or word.fate is Fate.SKIPPED:
            reader.warn(_CANNOT_STAND, f"<{child.name}> is nobody to call in a <Dial>; it is ignored")
        elif word.fate is Fate.NEEDS_MEDIA:
            media = media or f"<{child.name}>"
        else:
            fields = reader.open(child, path)
            nouns.append(_NOUNS[child.name](child, fields, reader))
            media = media or fields.wants_media()
    if element.text and not element.children:
        nouns.append(Number(phone_number(element)))
    elif element.text:
        reader.warn(SCHEMA_WARNING, "text beside the nouns of <Dial> is ignored")
    _check_nouns(element, nouns, media)
    return nouns, media


def _read_number(element: Element, fields: Fields, reader: Reader) -> Number:
    reader.childless(element, "Dial/Number")
    byoc = element.attributes.get("byoc", "").strip()
    return Number(phone_number(element), byoc or None, fields.callback())


_NOUNS: Final[dict[str, Callable[[Element, Fields, Reader], Number | Sip]]] = {
    "Number": _read_number,
    "Sip": read_sip,
}


def _check_nouns(element: Element, nouns: list[Number | Sip], media: str | None) -> None:
    if nouns and any(child.name == "Conference" for child in element.children):
        raise TwimlError(13000, "<Conference> cannot stand beside other nouns")
    if len(nouns) > _MOST_NOUNS:
        raise TwimlError(13250, f"<Dial> has {len(nouns)} nouns; {_MOST_NOUNS} is the most")
    if nouns or media is not None:
        return
    if element.children:
        raise TwimlError(_CANNOT_STAND, f"<Dial> calls nobody: <{element.children[0].name}> cannot be called")
    raise TwimlError(13223, "<Dial> names nobody to call")
