"""URLs in a document, relative to the document's own (RFC 3986 §5)."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING
from urllib.parse import urljoin

if TYPE_CHECKING:
    from byoc_proxy.twiml.verbs import Dial, Number, Sip


def located(dial: Dial, base: str) -> Dial:
    """`dial` with the status callbacks of its nouns where a document at `base` means them."""
    if all(noun.callback is None for noun in dial.nouns):
        return dial
    return replace(dial, nouns=tuple(_located(noun, base) for noun in dial.nouns))


def _located(noun: Number | Sip, base: str) -> Number | Sip:
    if noun.callback is None:
        return noun
    try:
        url = urljoin(base, noun.callback.url)
    except ValueError:  # brackets that are no IPv6 address: whoever is to request it says so
        return noun
    return replace(noun, callback=replace(noun.callback, url=url))
