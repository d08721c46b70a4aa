"""Telephone numbers as one carrier writes them and as everybody else here does.

Inside there is one form, usually E.164 with its plus. A trunk says for each direction and each side what has to be
done to a number at the carrier's border: a `NumberFormat` is that recipe, a pure function of the number. What is
not a number (`alice`, `anonymous`) passes as it is. Sources: ITU-T E.164 and E.123, RFC 3261 §19.1.6, RFC 3966.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, Literal

from byoc_proxy.sip.uri import OtherUri, SipUri, escape_user

if TYPE_CHECKING:
    from byoc_proxy.sip.uri import Uri

Plus = Literal["keep", "add", "remove"]

LONGEST_SERVICE_NUMBER: Final = 6  # 112, 911, 118118: no country in front of these, whatever the plan
_VISUAL: Final = str.maketrans("", "", "-.() ")  # RFC 3966 §5.1.1 and what people add to it
_NUMBER: Final = re.compile(r"\+?[0-9*#]+")


@dataclass(frozen=True, slots=True)
class NumberFormat:
    """What is done to a number, in the order of the fields; the default changes nothing.

    `strip_prefix` goes where the number begins with it; then the first `strip_digits` digits go, with the plus
    before them. `country_code` makes a national or international number E.164: `national_prefix` and
    `international_prefix` are what people of that country dial before the two kinds. `prepend` stands before the
    digits, behind the plus if there is one. `plus` is then added or removed, and `tech_prefix` stands before
    all. `min_digits` changes nothing: it is the least that a called number must have on its way in.
    """

    strip_prefix: str = ""
    strip_digits: int = 0
    country_code: str | None = None
    national_prefix: str = ""
    international_prefix: str = "00"
    prepend: str = ""
    plus: Plus = "keep"
    tech_prefix: str = ""
    min_digits: int = 0

    def apply(self, text: str) -> str:
        """`text` in this format; separators go from a number, everything else passes as it is."""
        if self is AS_IT_IS or self == AS_IT_IS:
            return text
        number = text.translate(_VISUAL)
        if _NUMBER.fullmatch(number) is None:
            return text
        number = self._stripped(number)
        if self.country_code is not None:
            number = self._e164(number, self.country_code)
        plus, digits = _split(number)
        digits = self.prepend + digits
        if self.plus == "remove":
            plus = ""
        elif self.plus == "add" and _is_subscriber(digits):
            plus = "+"
        return f"{self.tech_prefix}{plus}{digits}"

    def is_complete(self, text: str) -> bool:
        """Whether a called number has the digits that this format demands."""
        if not self.min_digits:
            return True
        number = text.translate(_VISUAL)
        return _NUMBER.fullmatch(number) is not None and len(_split(number)[1]) >= self.min_digits

    def _stripped(self, number: str) -> str:
        if self.strip_prefix:
            number = number.removeprefix(self.strip_prefix)
        if self.strip_digits:
            number = _split(number)[1][self.strip_digits :]
        return number

    def _e164(self, number: str, country_code: str) -> str:
        plus, digits = _split(number)
        if plus or not _is_subscriber(digits):
            return number
        international, national = self.international_prefix, self.national_prefix
        if international and digits.startswith(international):
            return f"+{digits.removeprefix(international)}"
        if national and digits.startswith(national):
            return f"+{country_code}{digits.removeprefix(national)}"
        if national and digits.startswith(country_code):
            return f"+{digits}"  # E.164 that lost its plus: a national number would begin with its prefix
        return f"+{country_code}{digits}"


AS_IT_IS: Final = NumberFormat()


@dataclass(frozen=True, slots=True)
class NumberFormats:
    """The formats of one direction of a trunk: of the called number and of the calling one."""

    called: NumberFormat = AS_IT_IS
    calling: NumberFormat = AS_IT_IS


def number_of(uri: Uri) -> str:
    """The user part of a URI, decoded and without telephone parameters (§19.1.6); the number of a `tel:` URI."""
    text = uri.decoded_user if isinstance(uri, SipUri) else uri.rest
    number, semicolon, _ = text.partition(";")
    return number if semicolon and _NUMBER.fullmatch(number.translate(_VISUAL)) else text


def with_format(uri: Uri, wanted: NumberFormat) -> Uri:
    """The URI with its number in the wanted form; the URI itself where there is nothing to change."""
    number = number_of(uri)
    written = wanted.apply(number)
    if written == number:
        return uri
    if isinstance(uri, SipUri):
        return uri.with_user(escape_user(written) or None)
    return OtherUri(uri.scheme, written)


def _split(number: str) -> tuple[str, str]:
    """The plus, if there is one, and the rest."""
    return ("+", number[1:]) if number.startswith("+") else ("", number)


def _is_subscriber(digits: str) -> bool:
    """A number that somebody may have in any country, neither a service code (`112`) nor a star code (`*100#`)."""
    return len(digits) > LONGEST_SERVICE_NUMBER and digits.isdigit()
