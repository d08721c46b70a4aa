"""Stored documents with parameters in them: `{{From}}`, `{{ SipHeader_X-Account }}`.

A parameter stands in text or in the value of an attribute and becomes the request's value of that name, in any
case; one that the request does not have becomes nothing. Values are escaped and read once: whatever they hold, the
document keeps its elements and attributes, and `{{` in a value stays as it is. In comments and CDATA sections
nothing is replaced.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final

from byoc_proxy.twiml.document import parse
from byoc_proxy.twiml.elements import read_elements
from byoc_proxy.twiml.verbs import MEDIA_ENGINE_MISSING, TwimlError, media_needs

if TYPE_CHECKING:
    from collections.abc import Iterable

_PARTS: Final = re.compile(r"<!--.*?-->|<!\[CDATA\[.*?\]\]>|\{\{\s*([^{}<>\s]+)\s*\}\}", re.DOTALL)
_DECLARATION: Final = re.compile(r"\ufeff?<\?xml\s[^>]*\?>")
_ESCAPES: Final = str.maketrans({"&": "&amp;", "<": "&lt;", ">": "&gt;", '"': "&quot;", "'": "&apos;"})
# XML 1.0 §2.2: no escape makes these part of a document
_NO_XML: Final = re.compile("[^\t\n\r\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")
# What is wrong with a document as a whole; whether anything else is wrong depends on the values of its parameters.
_OF_THE_WHOLE: Final = frozenset((11750, 11770, 12100, 12102))


def fill(template: str, parameters: Iterable[tuple[str, str]]) -> bytes:
    """The document for one request. Of several parameters with one name, the first counts."""
    values: dict[str, str] = {}
    for name, value in parameters:
        values.setdefault(name.lower(), value)

    def replaced(part: re.Match[str]) -> str:
        name = part[1]
        return part[0] if name is None else _escaped(values.get(name.lower(), ""))

    return _PARTS.sub(replaced, _without_declaration(template)).encode("utf-8", "replace")


def template_fault(template: str) -> TwimlError | None:
    """Why a stored document can never run, whatever its parameters will be, or None."""
    body = _without_declaration(template).encode("utf-8", "replace")
    try:
        read_elements(body)
        document = parse(body)
    except TwimlError as error:
        decided = error.code in _OF_THE_WHOLE or not any(part[1] for part in _PARTS.finditer(template))
        return error if decided else None
    for need in media_needs(document):
        return TwimlError(MEDIA_ENGINE_MISSING, f"{need} needs a media engine and none is configured")
    return None


def _without_declaration(template: str) -> str:
    """What an XML declaration says of the encoding was true before the document came here as text."""
    return _DECLARATION.sub("", template, count=1) if template.startswith(("<?xml", "\ufeff")) else template


def _escaped(value: str) -> str:
    return _NO_XML.sub("\ufffd", value).translate(_ESCAPES)
