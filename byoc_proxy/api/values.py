"""What a parameter may hold: from its text to a value, or the reason why not; and the same as JSON Schema.

A kind is a value of data: the form reader asks it to `read`, the OpenAPI description to `schema`. An empty text
means "set to null" (contract 1.1): what that is depends on the field, so no kind ever sees one.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final, Protocol

from byoc_proxy.sip.uri import UriError
from byoc_proxy.trunk.checks import target_fault
from byoc_proxy.trunk.handler_checks import bin_name_fault, bin_url_fault
from byoc_proxy.trunk.model import PYTHON, TWIML
from byoc_proxy.trunk.networks import AddressError, read_address
from byoc_proxy.trunk.origination import read_target
from byoc_proxy.webhook.overrides import overrides
from byoc_proxy.webhook.urls import WebhookError, address

if TYPE_CHECKING:
    from collections.abc import Mapping

_CONTROL: Final = re.compile(r"[\x00-\x1f\x7f-\x9f\u2028\u2029\ud800-\udfff]")
_PLAIN: Final = r"^[^\x00-\x1f\x7f-\x9f\u2028\u2029]*$"  # the same for JSON Schema, which knows no surrogates
_WHOLE: Final = re.compile(r"-?[0-9]{1,18}")
_BOOLEANS: Final = {"true": True, "false": False}
_LONGEST_URL: Final = 4000


class CodedFault(ValueError):
    """What is wrong with a value, where the public dictionary has a code of its own for just that."""

    def __init__(self, code: int, reason: str) -> None:
        super().__init__(reason)
        self.code = code


class Kind(Protocol):
    """`read` raises `ValueError` with the reason in words, `CodedFault` where that has a code apart from the
    parameter's; `schema` is JSON Schema of what `read` takes.
    """

    def read(self, text: str) -> Any: ...

    def schema(self) -> Mapping[str, object]: ...


@dataclass(frozen=True, slots=True)
class Words:
    """Plain text without control characters: much of it reaches a header of SIP or HTTP one day."""

    longest: int
    least: int = 0

    def read(self, text: str) -> str:
        if _CONTROL.search(text):
            raise ValueError("holds a line break or another control character; send one plain line")
        if len(text) < self.least:
            raise ValueError(f"is shorter than {self.least} characters")
        if len(text) > self.longest:
            raise ValueError(f"has {len(text)} characters; at most {self.longest} are allowed")
        return text

    def schema(self) -> Mapping[str, object]:
        least = {"minLength": self.least} if self.least else {}
        return {"type": "string", "maxLength": self.longest, "pattern": _PLAIN, **least}


@dataclass(frozen=True, slots=True)
class Choice:
    """One of a few words, in any case; read as it is listed."""

    words: tuple[str, ...]

    def read(self, text: str) -> str:
        for word in self.words:
            if word.lower() == text.lower():
                return word
        raise ValueError(f"must be {' or '.join(self.words)}")

    def schema(self) -> Mapping[str, object]:
        return {"type": "string", "enum": list(self.words)}


@dataclass(frozen=True, slots=True)
class Several:
    """Some of a few words: the parameter given several times, or once with spaces between them."""

    words: tuple[str, ...]

    def read(self, text: str) -> tuple[str, ...]:
        one = Choice(self.words)
        read = tuple(dict.fromkeys(one.read(word) for word in text.split()))
        if not read:
            raise ValueError(f"must be some of {', '.join(self.words)}")
        return read

    def schema(self) -> Mapping[str, object]:
        return {"type": "array", "items": {"type": "string", "enum": list(self.words)}, "minItems": 1}


@dataclass(frozen=True, slots=True)
class Truth:
    """`true` or `false`."""

    def read(self, text: str) -> bool:
        found = _BOOLEANS.get(text.lower())
        if found is None:
            raise ValueError("must be true or false")
        return found

    def schema(self) -> Mapping[str, object]:
        return {"type": "boolean"}


@dataclass(frozen=True, slots=True)
class Whole:
    """A whole number of a range, both ends included."""

    least: int
    most: int

    def read(self, text: str) -> int:
        number = int(text) if _WHOLE.fullmatch(text) else None
        if number is None or not self.least <= number <= self.most:
            raise ValueError(f"must be a whole number from {self.least} to {self.most}")
        return number

    def schema(self) -> Mapping[str, object]:
        return {"type": "integer", "minimum": self.least, "maximum": self.most}


@dataclass(frozen=True, slots=True)
class Sid:
    """The SID of something: two letters and 32 hex digits, read in the lower case that we write."""

    prefix: str

    def read(self, text: str) -> str:
        if not re.fullmatch(f"{self.prefix}[0-9a-fA-F]{{32}}", text):
            raise ValueError(f"is not a SID of this kind; it is {self.prefix} and 32 hex digits")
        return self.prefix + text[2:].lower()

    def schema(self) -> Mapping[str, object]:
        return {"type": "string", "pattern": f"^{self.prefix}[0-9a-fA-F]{{32}}$"}


@dataclass(frozen=True, slots=True)
class Url:
    """A web address of the application."""

    def read(self, text: str) -> str:
        text = Words(_LONGEST_URL).read(text)
        try:
            address(text)
        except WebhookError as error:
            raise ValueError(f"is not a web address ({error.text}); write https://host/path") from None
        try:
            overrides(text)
        except WebhookError as error:
            raise ValueError(f"has a fragment that cannot be followed: {error.code} {error.text}") from None
        return text

    def schema(self) -> Mapping[str, object]:
        return {"type": "string", "format": "uri", "maxLength": _LONGEST_URL}


@dataclass(frozen=True, slots=True)
class HandlerUrl:
    """What answers a call: a web address, or `twiml:` and the name of a TwiML bin; functions are the file's."""

    def read(self, text: str) -> str:
        if text.startswith(PYTHON):
            raise ValueError("names a function, which only the configuration file may do; give a web address")
        if not text.startswith(TWIML):
            return Url().read(text)
        fault = bin_url_fault(text)
        if fault is not None:
            raise ValueError(fault)
        return text

    def schema(self) -> Mapping[str, object]:
        return Url().schema()


@dataclass(frozen=True, slots=True)
class BinName:
    """What a TwiML bin is called."""

    def read(self, text: str) -> str:
        fault = bin_name_fault(text)
        if fault is not None:
            raise ValueError(fault)
        return text

    def schema(self) -> Mapping[str, object]:
        return {"type": "string", "pattern": "^[A-Za-z0-9][A-Za-z0-9._-]{0,63}$"}


@dataclass(frozen=True, slots=True)
class Lines:
    """Text of any number of lines."""

    longest: int

    def read(self, text: str) -> str:
        if len(text) > self.longest:
            raise ValueError(f"has {len(text)} characters; at most {self.longest} are allowed")
        return text

    def schema(self) -> Mapping[str, object]:
        return {"type": "string", "maxLength": self.longest}


@dataclass(frozen=True, slots=True)
class TargetUri:
    """The SIP URI of an entry point into a carrier."""

    def read(self, text: str) -> str:
        text = Words(1000).read(text)
        try:
            fault = target_fault(read_target(text))
        except UriError as error:
            raise ValueError(f"{error}; write sip:gateway.carrier.example") from None
        if fault is not None:
            raise ValueError(fault)
        return text

    def schema(self) -> Mapping[str, object]:
        return {"type": "string", "maxLength": 1000}


@dataclass(frozen=True, slots=True)
class Address:
    """An IP address, never a name: lists hold the addresses that packets come from. IPv6 is our extension."""

    def read(self, text: str) -> str:
        try:
            return read_address(Words(45).read(text))
        except AddressError as error:
            raise ValueError(f"{error}; list the addresses that packets come from, not a host name") from None

    def schema(self) -> Mapping[str, object]:
        return {"type": "string", "maxLength": 45}


@dataclass(frozen=True, slots=True)
class UserName:
    """A digest user. RFC 7616 §3.4.2: HA1 is over user:realm:password, so a colon would move the borders."""

    def read(self, text: str) -> str:
        text = Words(32).read(text)
        if re.search(r'[:"\\]', text):
            raise ValueError("holds a colon, quote or backslash; use letters, digits and dashes")
        return text

    def schema(self) -> Mapping[str, object]:
        return {"type": "string", "maxLength": 32, "pattern": r'^[^:"\\]+$'}


@dataclass(frozen=True, slots=True)
class Password:
    """Contract 1.7: twelve characters or more, a digit, a small and a capital letter."""

    def read(self, text: str) -> str:
        text = Words(255).read(text)
        mixed = text != text.lower() and text != text.upper()
        if len(text) < 12 or not mixed or not any(char.isdigit() for char in text):
            raise ValueError("is weak; use 12 characters or more with a digit, a small and a capital letter")
        return text

    def schema(self) -> Mapping[str, object]:
        return {"type": "string", "format": "password", "minLength": 12, "maxLength": 255}
