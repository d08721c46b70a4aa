"""Text as every database takes it: what came from the wire may be any bytes (PEP 383), and hold a NUL."""

from __future__ import annotations


def plain(text: str) -> str:
    """The text as valid Unicode without NUL; what stood for bytes that are no text is a replacement character."""
    if text.isascii() and "\0" not in text:
        return text
    valid = text.encode("utf-16", "surrogatepass").decode("utf-16", "replace")
    return valid.replace("\0", "\N{REPLACEMENT CHARACTER}")
