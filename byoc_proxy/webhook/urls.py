"""URLs of applications, brought into the one form that is requested, signed and shown.

Refuses with `WebhookError` 11100 what is not an absolute http or https URL (RFC 9110 §4.2) and whatever holds
control characters. Removes fragments (connection overrides live there), credentials (they travel in a header)
and default ports; escapes what may not stand in a request line, so that both ends sign the same text.
"""

from __future__ import annotations

import re
from base64 import b64encode
from dataclasses import dataclass
from functools import lru_cache
from typing import Final
from urllib.parse import SplitResult, quote, unquote, urljoin, urlsplit, urlunsplit

from byoc_proxy.webhook.signature import signed_url

INVALID_URL: Final = 11100

_REMEMBERED: Final = 1024
_CONTROL: Final = re.compile(r"[\x00-\x1f\x7f]")
_AUTHORITY: Final = re.compile(r"(?:[a-z0-9._\-]+|\[[0-9a-f:.]+\])(?::[0-9]*)?")
_USERINFO: Final = re.compile(r"(?<=://)[^/?#]*@")
# What may stand in a URL unescaped (RFC 3986 §2.2, §2.3); `%` too, because what is escaped already stays so
_SAFE: Final = "%/:=&?~+!$,;'@()*[]"


class WebhookError(Exception):
    """No document: public error code, sentence for the record, and the URL that failed, without
    credentials.
    """

    def __init__(self, code: int, text: str, url: str) -> None:
        super().__init__(f"{code} {text}")
        self.code = code
        self.text = text
        self.url = url


@dataclass(frozen=True, slots=True)
class Address:
    """`url` as it is requested and signed; `origin` is `scheme://host`, the key of credentials."""

    url: str
    origin: str
    authorization: str | None = None


@lru_cache(_REMEMBERED)
def address(url: str) -> Address:
    """Take `url` apart; raises `WebhookError` 11100."""
    shown = without_credentials(url)
    if _CONTROL.search(url):
        raise WebhookError(INVALID_URL, "the URL holds control characters", shown)
    try:
        parts = urlsplit(url)
        host, _port = parts.hostname, parts.port  # a port out of range is a ValueError
        authority = _ascii(parts.netloc.rpartition("@")[2].lower())
        path, query = quote(parts.path, safe=_SAFE) or "/", quote(parts.query, safe=_SAFE)
        authorization = _basic(parts)
    except ValueError as error:
        raise WebhookError(INVALID_URL, f"not a URL: {_printable(str(error))}", shown) from error
    if parts.scheme not in ("http", "https") or not host or _AUTHORITY.fullmatch(authority) is None:
        raise WebhookError(INVALID_URL, "not an absolute http or https URL", shown)
    requested = signed_url(urlunsplit((parts.scheme, authority, path, query, "")))
    return Address(requested, f"{parts.scheme}://{host}", authorization)


def redirected(base: str, location: str) -> Address:
    """Where a Location header leads (RFC 9110 §10.2.2: it may be relative); raises `WebhookError` 11100."""
    try:
        return address(urljoin(base, location))
    except ValueError as error:
        raise WebhookError(INVALID_URL, f"redirected to {location[:80]!r}, which is no URL", base) from error


def without_credentials(url: str) -> str:
    """`url` for records and messages: no user and password, no fragment."""
    return _USERINFO.sub("", url.partition("#")[0], count=1)


def _basic(parts: SplitResult) -> str | None:
    """RFC 7617: the credentials of the URL as a header value."""
    if parts.username is None:
        return None
    pair = f"{unquote(parts.username)}:{unquote(parts.password or '')}"
    return "Basic " + b64encode(pair.encode()).decode("ascii")


def _ascii(authority: str) -> str:
    """International host names as DNS knows them (RFC 3490)."""
    return authority if authority.isascii() else authority.encode("idna").decode("ascii")


def _printable(text: str) -> str:
    """Errors quote what they do not like, and records and headers quote errors."""
    return "".join(char if char.isprintable() else "?" for char in text)
