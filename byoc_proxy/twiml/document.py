"""`parse`: the bytes of an application's answer to a `Document`.

Names are case-sensitive. Verbs and attributes that TwiML does not have are skipped with warning 12200 and
the document goes on; verbs that TwiML has but signalling cannot run become `NeedsMedia`, so that nothing is
skipped silently. Refuses with `TwimlError`: what `elements` refuses, a root other than `<Response>`
(12102), and values without which a verb makes no sense (see `reader` and `nouns`).
"""

from __future__ import annotations

from functools import lru_cache
from typing import TYPE_CHECKING, Final

from byoc_proxy.twiml.elements import read_elements
from byoc_proxy.twiml.nouns import read_dial
from byoc_proxy.twiml.reader import SCHEMA_WARNING, Reader, url_text
from byoc_proxy.twiml.verbs import Document, Hangup, NeedsMedia, Pause, Redirect, Reject, TwimlError, Verb

if TYPE_CHECKING:
    from collections.abc import Callable

    from byoc_proxy.twiml.elements import Element

_NONE: Final[frozenset[str]] = frozenset()
_REASON: Final = frozenset(("reason",))
_METHOD: Final = frozenset(("method",))
_LENGTH: Final = frozenset(("length",))
_REASONS: Final = frozenset(("rejected", "busy"))
_LONGEST_PAUSE: Final = 14400
_MEDIA_VERBS: Final = frozenset(
    ("Connect", "Echo", "Enqueue", "Gather", "Pay", "Play", "Prompt", "Record", "Say", "Start", "Stop")
)
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
        read = _VERBS.get(element.name)
        if read is not None:
            verbs.append(read(element, reader))
        elif element.name in _MEDIA_VERBS:
            verbs.append(NeedsMedia(f"<{element.name}>"))
        else:
            reader.warn(SCHEMA_WARNING, f"<{element.name[:80]}> is not a verb that can be run; it is skipped")
    return Document(tuple(verbs), tuple(reader.warnings))


_remembered = lru_cache(_CACHED_DOCUMENTS)(_read)


def _read_reject(element: Element, reader: Reader) -> Reject:
    reader.known(element, _REASON)
    reader.childless(element, allowed="Parameter")
    reason = element.attributes.get("reason", "rejected")
    if reason in _REASONS:
        return Reject(reason)
    reader.warn(13810, f"reason={reason[:80]!r} of <Reject> is neither rejected nor busy; rejected is used")
    return Reject()


def _read_hangup(element: Element, reader: Reader) -> Hangup:
    reader.known(element, _NONE)
    reader.childless(element, allowed="Parameter")
    return Hangup()


def _read_redirect(element: Element, reader: Reader) -> Redirect:
    reader.known(element, _METHOD)
    reader.childless(element)
    return Redirect(url_text(element, element.text), reader.method(element, "method", 13710))


def _read_pause(element: Element, reader: Reader) -> Pause:
    reader.known(element, _LENGTH)
    reader.childless(element)
    return Pause(reader.seconds(element, "length", 13910, 1, range(1, _LONGEST_PAUSE + 1)))


_VERBS: Final[dict[str, Callable[[Element, Reader], Verb]]] = {
    "Dial": read_dial,
    "Reject": _read_reject,
    "Hangup": _read_hangup,
    "Redirect": _read_redirect,
    "Pause": _read_pause,
}
