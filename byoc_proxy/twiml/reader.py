"""Attribute values of TwiML, read with the rule of the error dictionary: warn or refuse.

A knob that is wrong (a timeout, a method, a switch) has a sensible default, so the default is used and a
warning kept. What decides who is called, as whom, or where the script goes on has none, so it is refused
with `TwimlError`. Control characters are refused everywhere: a character reference such as `&#13;&#10;`
survives XML attribute normalisation and would otherwise end a SIP header line (RFC 3261 §7.3.1).
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final

from byoc_proxy.sip.uri import SipUri, UriError
from byoc_proxy.twiml.verbs import StatusCallback, TwimlError, TwimlWarning
from byoc_proxy.twiml.vocabulary import WORDS
from byoc_proxy.twiml.words import INVALID_URL, SCHEMA_WARNING, Fate

if TYPE_CHECKING:
    from byoc_proxy.twiml.elements import Element
    from byoc_proxy.twiml.words import Attribute, Word

_FUNCTION: Final = "python:"
_CONTROL: Final = re.compile(r"[\x00-\x1f\x7f]")
_INTEGER: Final = re.compile(r"[0-9]{1,9}")
_NUMBER: Final = re.compile(r"\+?[0-9*#]{1,32}")
_CALLER: Final = re.compile(r"[A-Za-z0-9+\-_.*#]+")
_SEPARATORS: Final = str.maketrans("", "", " \u00a0-().")
_LONGEST_CALLER: Final = 64
_LONGEST_CREDENTIAL: Final = 255
_MOST_WARNINGS: Final = 50
_METHODS: Final = frozenset(("GET", "POST"))
_EVENTS: Final = frozenset(("initiated", "ringing", "answered", "completed"))


class Reader:
    """Keeps the first warnings of one document in the order met, and opens its elements."""

    __slots__ = ("warnings",)

    def __init__(self) -> None:
        self.warnings: list[TwimlWarning] = []

    def warn(self, code: int, text: str) -> None:
        # 64 kB of nonsense must not become ten thousand lines in the record of every call
        if len(self.warnings) < _MOST_WARNINGS:
            self.warnings.append(TwimlWarning(code, text))

    def open(self, element: Element, path: str) -> Fields:
        """The attributes of the word at `path`. Those that it does not have (except XML's own, `xmlns`), those that
        are not served, and values that cannot be are warned of.
        """
        word = WORDS[path]
        for name, written in element.attributes.items():
            attribute = word.attributes.get(name)
            if attribute is None:
                if not name.startswith("xml"):
                    self.warn(SCHEMA_WARNING, f"<{element.name}> has no attribute {name}")
            elif attribute.fate is Fate.SKIPPED:
                self.warn(attribute.code, f"{name} of <{element.name}> is not served here")
            elif not fits(attribute, written):
                self.warn(attribute.code, f"{_place(element, name, written)} cannot be; it is ignored")
        return Fields(element, word, self)

    def lone(self, element: Element, path: str) -> Fields:
        """`open`, for an element in which nothing stands that is read; what cannot stand there is warned of."""
        self.childless(element, path)
        return self.open(element, path)

    def childless(self, element: Element, path: str) -> None:
        """Warn of children that the word at `path` cannot have."""
        for child in element.children:
            if f"{path}/{child.name}" not in WORDS:
                self.warn(SCHEMA_WARNING, f"<{child.name}> cannot stand in <{element.name}>")


class Fields:
    """The attributes of one element, read as the vocabulary has them."""

    __slots__ = ("_element", "_reader", "_word")

    def __init__(self, element: Element, word: Word, reader: Reader) -> None:
        self._element = element
        self._word = word
        self._reader = reader

    def wants_media(self) -> str | None:
        """The first attribute that asks for audio, as `<Dial record>`."""
        for name, attribute in self._word.attributes.items():
            if attribute.fate is Fate.NEEDS_MEDIA:
                value = self._element.attributes.get(name)
                if value and value not in attribute.silent and fits(attribute, value):
                    return f"<{self._element.name} {name}>"
        return None

    def method(self, name: str) -> str:
        """`GET` or `POST`, by default `POST`."""
        written = self._element.attributes.get(name)
        if written is None:
            return "POST"
        value = written.strip().upper()
        if value in _METHODS:
            return value
        self._wrong(name, written, "is neither GET nor POST; POST is used")
        return "POST"

    def flag(self, name: str) -> bool:
        """`true` or `false`, by default false."""
        written = self._element.attributes.get(name)
        if written not in (None, "true", "false"):
            self._wrong(name, written, "is neither true nor false; false is used")
        return written == "true"

    def number(self, name: str, default: int, limits: range) -> int:
        """A whole number, moved to the nearer end of `limits`; `default` if it is none."""
        written = self._element.attributes.get(name)
        if written is None:
            return default
        if _INTEGER.fullmatch(written.strip()) is None:
            self._wrong(name, written, f"is not a whole number; {default} is used")
            return default
        value = int(written)
        nearest = min(max(value, limits[0]), limits[-1])
        if nearest != value:
            self._wrong(name, written, f"is out of range; {nearest} is used")
        return nearest

    def choice(self, name: str, default: str, values: frozenset[str]) -> str:
        """One of `values`."""
        written = self._element.attributes.get(name, default)
        if written in values:
            return written
        self._wrong(name, written, f"is none of {', '.join(sorted(values))}; {default} is used")
        return default

    def url(self, name: str) -> str | None:
        """An absolute or relative URL; None when absent."""
        written = self._element.attributes.get(name)
        return None if written is None else url_text(self._element, written)

    def callback(self) -> StatusCallback | None:
        """The `statusCallback…` attributes of a noun, None when there is no URL."""
        address = self.url("statusCallback")
        method = self.method("statusCallbackMethod")
        events = []
        for event in self._element.attributes.get("statusCallbackEvent", "completed").split():
            if event in _EVENTS:
                events.append(event)
            else:
                self._wrong("statusCallbackEvent", event, "is not an event")
        return StatusCallback(address, method, tuple(events) or ("completed",)) if address else None

    def caller_id(self) -> str | None:
        """`callerId` as a SIP user part; None when absent or empty. `TwimlError` 13214, or 13248 when too long.

        A number may be written with separators. A `sip:` URI gives its user part, because that is the form in
        which `From` reaches the application when the caller is not a number, and an echo of it must work.
        """
        written = self._element.attributes.get("callerId", "").strip()
        if not written:
            return None
        user = _sip_user(written) if written[:4].lower() == "sip:" else written
        bare = user.translate(_SEPARATORS)
        if _NUMBER.fullmatch(bare):
            user = bare
        if _CALLER.fullmatch(user) is None:
            raise TwimlError(13214, f"{_place(self._element, 'callerId', written)} cannot be a caller ID")
        if len(user) > _LONGEST_CALLER:
            raise TwimlError(13248, f"callerId is longer than {_LONGEST_CALLER} characters")
        return user

    def credential(self, name: str) -> str | None:
        """A user name or password for digest; `TwimlError` when it cannot be used."""
        value = self._element.attributes.get(name)
        if not value:
            return None
        if len(value) > _LONGEST_CREDENTIAL or has_control(value):
            raise TwimlError(
                self._word.attributes[name].code,
                f"{name} of <{self._element.name}> is too long or holds control characters",
            )
        return value

    def _wrong(self, name: str, written: str | None, text: str) -> None:
        self._reader.warn(self._word.attributes[name].code, f"{_place(self._element, name, written or '')} {text}")


def fits(attribute: Attribute, written: str) -> bool:
    """Whether a value may be what it is; the empty one is as good as none."""
    return attribute.values is None or not written or attribute.values.fullmatch(written) is not None


def url_text(element: Element, written: str) -> str:
    """A URL as written, trimmed; `TwimlError` 11100 when it holds control characters, or leads to code of ours."""
    written = written.strip()
    if _CONTROL.search(written):
        raise TwimlError(INVALID_URL, f"a URL of <{element.name}> holds control characters")
    if written.startswith(_FUNCTION):
        text = f"{written[:80]!r} in <{element.name}> is a function, which only the configuration file may name"
        raise TwimlError(INVALID_URL, text)
    return written


def phone_number(element: Element) -> str:
    """The text of `element` as a dialable number, separators removed; `TwimlError` 13223."""
    number = element.text.translate(_SEPARATORS)
    if _NUMBER.fullmatch(number) is None:
        raise TwimlError(13223, f"{element.text[:80]!r} in <{element.name}> is not a phone number")
    return number


def has_control(text: str) -> bool:
    """Whether `text` holds a character that must not be written into a header line."""
    return _CONTROL.search(text) is not None


def _sip_user(written: str) -> str:
    try:
        return SipUri.parse(written).decoded_user
    except UriError:
        return ""


def _place(element: Element, name: str, written: str) -> str:
    return f"{name}={written[:80]!r} of <{element.name}>"
