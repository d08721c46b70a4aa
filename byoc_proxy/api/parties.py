"""Who is called and who calls, as parameters of a call spell them (contract 1.8).

A number is read as `<Number>` reads one: digits with or without a plus, separators removed; carriers know more than
E.164. A SIP URI is read as `<Sip>` reads one; what a script would drop of it with a warning is refused here, where
nobody would see the warning.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from byoc_proxy.api.values import CodedFault, Words
from byoc_proxy.sip.uri import SipUri, UriError
from byoc_proxy.twiml.sip_noun import sip_noun
from byoc_proxy.twiml.verbs import TwimlError

if TYPE_CHECKING:
    from collections.abc import Mapping

NOT_A_NUMBER: Final = 21217
LONG_HEADERS: Final = 21227
HEADER_NAME: Final = 21228
HEADER_VALUE: Final = 21229

_NUMBER: Final = re.compile(r"\+?[0-9*#]{1,32}")
_NAME: Final = re.compile(r"[A-Za-z0-9+\-_.]{1,64}")
_LIKE_A_NUMBER: Final = re.compile(r"\+?[0-9]+")
_SEPARATORS: Final = str.maketrans("", "", " \u00a0-().")
_LONGEST: Final = 1500  # of a URI with its headers, which have limits of their own
_HEADER_CODES: Final = {13253: LONG_HEADERS, 32111: HEADER_NAME, 32113: HEADER_NAME, 32112: HEADER_VALUE}


def is_sip(party: str) -> bool:
    """Whether a party is a SIP URI."""
    return party[:4].lower() in ("sip:", "sips")


def is_client(party: str) -> bool:
    """Whether a party is a telephone in a browser or an application: `client:alice`."""
    return party[:7].lower() == "client:"


def is_number(party: str) -> bool:
    """Whether a party is a telephone number, as `Called` and `Calling` give it."""
    return _NUMBER.fullmatch(party) is not None


@dataclass(frozen=True, slots=True)
class Called:
    """`+14158675309`, `sip:kate@example.com?X-color=red` or `client:alice`."""

    def read(self, text: str) -> str:
        text = Words(_LONGEST).read(text).strip()
        if is_sip(text):
            return _checked(text)
        if is_client(text):
            return text
        number = text.translate(_SEPARATORS)
        if is_number(number):
            return number
        if _LIKE_A_NUMBER.match(number):
            raise CodedFault(NOT_A_NUMBER, f"{text[:80]!r} does not appear to be a telephone number")
        raise ValueError(f"{text[:80]!r} is neither a telephone number nor a SIP URI; write +14155550100")

    def schema(self) -> Mapping[str, object]:
        return {"type": "string", "maxLength": _LONGEST}


@dataclass(frozen=True, slots=True)
class Calling:
    """A number, or a name for the user part of From. `sip:user@host` stands for its user, which is all of it that
    the far end is told: the host is the trunk's.
    """

    def read(self, text: str) -> str:
        text = Words(255).read(text).strip()
        if is_client(text):
            raise ValueError("names a client; there are none here, write a number")
        user = _user(text) if is_sip(text) else text
        number = user.translate(_SEPARATORS)
        if is_number(number):
            return number
        if not _NAME.fullmatch(user):
            raise ValueError(f"{text[:80]!r} is neither a number nor a name of letters, digits and + - _ .")
        return user

    def schema(self) -> Mapping[str, object]:
        return {"type": "string", "maxLength": 255}


def _checked(text: str) -> str:
    try:
        _, dropped = sip_noun(text)
    except TwimlError as error:
        if error.code in _HEADER_CODES:
            raise CodedFault(_HEADER_CODES[error.code], error.text) from None
        raise ValueError(f"cannot be called: {error.text}") from None
    for warning in dropped:
        if warning.code in _HEADER_CODES:
            raise CodedFault(_HEADER_CODES[warning.code], f"cannot be called so: {warning.text}")
    return text


def _user(text: str) -> str:
    try:
        return SipUri.parse(text).decoded_user
    except UriError as error:
        raise ValueError(f"is no SIP URI: {error}") from None
