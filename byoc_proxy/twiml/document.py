"""`parse`: the bytes of an application's answer to a `Document`.

Names are case-sensitive. Verbs and attributes that TwiML does not have are skipped with warning 12200 and
the document goes on; verbs that TwiML has but signalling cannot run become `NeedsMedia`, so that nothing is
skipped silently. What there is, and what becomes of it, is the table in `vocabulary`. Refuses with
`TwimlError`: what `elements` refuses, a root other than `<Response>`
(12102), and values without which a verb makes no sense (see `reader` and `nouns`).
"""

from __future__ import annotations

from functools import lru_cache
from typing import TYPE_CHECKING, Final

from byoc_proxy.twiml.elements import read_elements
from byoc_proxy.twiml.nouns import read_dial
from byoc_proxy.twiml.reader import Reader, url_text
from byoc_proxy.twiml.sip_noun import read_refer_to
from byoc_proxy.twiml.verbs import (
    Document,
    Hangup,
    NeedsMedia,
    Pause,
    Redirect,
    Refer,
    Reject,
    TwimlError,
    Verb,
)
from byoc_proxy.twiml.vocabulary import WORDS
from byoc_proxy.twiml.words import SCHEMA_WARNING, Fate

if TYPE_CHECKING:
    from collections.abc import Callable

    from byoc_proxy.twiml.elements import Element

_REASONS: Final = frozenset(("rejected", "busy"))
_PAUSES: Final = range(1, 14400 + 1)
_CACHED_SIZE: Final = 4096
_CACHED_DOCUMENTS: Final = 256


def parse(body: bytes) -> Document:
    """Read one TwiML document; `TwimlError(code, text)` when it cannot be run.

    Documents are values, so small ones are remembered by their bytes: many applications answer every call
    alike.
    """
    return _remembered(body) if len(body) <= _CACHED_SIZE else _read(body)


def _read(body: bytes) -> Document:
    root = read_elements(body)
    if root.name != "Response":
        raise TwimlError(12102, f"the root element is <{root.name[:80]}>, it must be <Response>")
    reader = Reader()
    if root.text:
        reader.warn(SCHEMA_WARNING, "text outside of the verbs is ignored")
    verbs: list[Verb] = []
    for element in root.children:
        word = WORDS.get(element.name)
        if word is None or word.fate is Fate.SKIPPED:
            reader.warn(SCHEMA_WARNING, f"<{element.name[:80]}> is not a verb that can be run; it is skipped")
        elif word.fate is Fate.NEEDS_MEDIA:
            verbs.append(NeedsMedia(f"<{element.name}>"))
        else:
            verbs.append(_VERBS[element.name](element, reader))
    return Document(tuple(verbs), tuple(reader.warnings))


_remembered = lru_cache(_CACHED_DOCUMENTS)(_read)


def _read_reject(element: Element, reader: Reader) -> Reject:
    return Reject(reader.lone(element, "Reject").choice("reason", "rejected", _REASONS))


def _read_hangup(element: Element, reader: Reader) -> Hangup:
    reader.lone(element, "Hangup")
    return Hangup()


def _read_redirect(element: Element, reader: Reader) -> Redirect:
    method = reader.lone(element, "Redirect").method("method")
    return Redirect(url_text(element, element.text), method)


def _read_pause(element: Element, reader: Reader) -> Pause:
    return Pause(reader.lone(element, "Pause").number("length", 1, _PAUSES))


def _read_refer(element: Element, reader: Reader) -> Refer:
    """`<Refer><Sip>uri</Sip></Refer>`; who is to be called has no default (13243)."""
    fields = reader.lone(element, "Refer")
    targets = [child for child in element.children if child.name == "Sip"]
    if len(targets) != 1:
        raise TwimlError(13243, f"<Refer> holds {len(targets)} <Sip>, it must be one")
    return Refer(read_refer_to(targets[0], reader), fields.url("action"), fields.method("method"))


_VERBS: Final[dict[str, Callable[[Element, Reader], Verb]]] = {
    "Dial": read_dial,
    "Refer": _read_refer,
    "Reject": _read_reject,
    "Hangup": _read_hangup,
    "Redirect": _read_redirect,
    "Pause": _read_pause,
}
