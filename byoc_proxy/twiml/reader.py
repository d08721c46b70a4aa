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

if TYPE_CHECKING:
    from byoc_proxy.twiml.elements import Element

SCHEMA_WARNING: Final = 12200
INVALID_URL: Final = 11100

_CONTROL: Final = re.compile(r"[\x00-\x1f\x7f]")
_INTEGER: Final = re.compile(r"[0-9]{1,9}")
_NUMBER: Final = re.compile(r"\+?[0-9*#]{1,32}")
_CALLER: Final = re.compile(r"[A-Za-z0-9+\-_.*#]+")
_SEPARATORS: Final = str.maketrans("", "", " \u00a0-().")
_LONGEST_CALLER: Final = 64
_MOST_WARNINGS: Final = 50
_METHODS: Final = frozenset(("GET", "POST"))
_EVENTS: Final = frozenset(("initiated", "ringing", "answered", "completed"))


class Reader:
    """Reads the attributes of one document's elements and keeps the first warnings in the order met."""

    __slots__ = ("warnings",)

    def __init__(self) -> None:
        self.warnings: list[TwimlWarning] = []

    def warn(self, code: int, text: str) -> None:
        # 64 kB of nonsense must not become ten thousand lines in the record of every call
        if len(self.warnings) < _MOST_WARNINGS:
            self.warnings.append(TwimlWarning(code, text))

    def known(self, element: Element, names: frozenset[str]) -> None:
        """Warn (12200) of attributes outside `names`, except XML's own (`xmlns`, `xml:lang`)."""
        for name in element.attributes:
            if name not in names and not name.startswith("xml"):
                self.warn(SCHEMA_WARNING, f"<{element.name}> has no attribute {name}")

    def childless(self, element: Element, allowed: str = "") -> None:
        """Warn (12200) of children that are not named `allowed`; they are ignored."""
        for child in element.children:
            if child.name != allowed:
                self.warn(SCHEMA_WARNING, f"<{child.name}> cannot stand in <{element.name}>")

    def method(self, element: Element, name: str, code: int) -> str:
        """`GET` or `POST`, by default `POST`."""
        written = element.attributes.get(name)
        if written is None:
            return "POST"
        value = written.strip().upper()
        if value in _METHODS:
            return value
        self.warn(code, f"{_place(element, name, written)} is neither GET nor POST; POST is used")
        return "POST"

    def flag(self, element: Element, name: str, code: int) -> bool:
        """`true` or `false`, by default false."""
        written = element.attributes.get(name)
        if written is None:
            return False
        if written not in ("true", "false"):
            self.warn(code, f"{_place(element, name, written)} is neither true nor false; false is used")
        return written == "true"

    def seconds(self, element: Element, name: str, code: int, default: int, limits: range) -> int:
        """A whole number of seconds, moved to the nearer end of `limits`; `default` if not a number."""
        written = element.attributes.get(name)
        if written is None:
            return default
        if _INTEGER.fullmatch(written.strip()) is None:
            self.warn(code, f"{_place(element, name, written)} is not a number of seconds; {default} is used")
            return default
        value = int(written)
        nearest = min(max(value, limits[0]), limits[-1])
        if nearest != value:
            self.warn(code, f"{_place(element, name, written)} is out of range; {nearest} is used")
        return nearest

    def callback(self, element: Element, method_code: int) -> StatusCallback | None:
        """The `statusCallback…` attributes of a noun, None when there is no URL."""
        address = url(element, "statusCallback")
        if not address:
            return None
        events = []
        for event in element.attributes.get("statusCallbackEvent", "completed").split():
            if event in _EVENTS:
                events.append(event)
            else:
                self.warn(SCHEMA_WARNING, _place(element, "statusCallbackEvent", event) + " is not an event")
        method = self.method(element, "statusCallbackMethod", method_code)
        return StatusCallback(address, method, tuple(events) or ("completed",))


def url(element: Element, name: str) -> str | None:
    """An attribute that holds an absolute or relative URL; None when absent."""
    written = element.attributes.get(name)
    return None if written is None else url_text(element, written)


def url_text(element: Element, written: str) -> str:
    """A URL as written, trimmed; `TwimlError` 11100 when it holds control characters."""
    written = written.strip()
    if _CONTROL.search(written):
        raise TwimlError(INVALID_URL, f"a URL of <{element.name}> holds control characters")
    return written


def phone_number(element: Element) -> str:
    """The text of `element` as a dialable number, separators removed; `TwimlError` 13223."""
    number = element.text.translate(_SEPARATORS)
    if _NUMBER.fullmatch(number) is None:
        raise TwimlError(13223, f"{element.text[:80]!r} in <{element.name}> is not a phone number")
    return number


def caller_id(element: Element) -> str | None:
    """`callerId` as a SIP user part; None when absent or empty. `TwimlError` 13214, or 13248 when too long.

    A number may be written with separators. A `sip:` URI gives its user part, because that is the form in
    which `From` reaches the application when the caller is not a number, and an echo of it must work.
    """
    written = element.attributes.get("callerId", "").strip()
    if not written:
        return None
    user = _sip_user(written) if written[:4].lower() == "sip:" else written
    bare = user.translate(_SEPARATORS)
    if _NUMBER.fullmatch(bare):
        user = bare
    if _CALLER.fullmatch(user) is None:
        raise TwimlError(13214, f"{_place(element, 'callerId', written)} cannot be a caller ID")
    if len(user) > _LONGEST_CALLER:
        raise TwimlError(13248, f"callerId of <{element.name}> is longer than {_LONGEST_CALLER} characters")
    return user


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
