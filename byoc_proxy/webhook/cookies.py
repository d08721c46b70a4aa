"""What a browser would remember of one call: cookies (RFC 6265), and Basic credentials, each for its own host.

At most `MAX_COOKIES` of `MAX_COOKIE` characters are kept; what comes when they are there is dropped. Domains may be
as wide as the application likes (there is no list of public suffixes here): the jar ends with its call. Credentials
follow RFC 7617 §2.2.
"""

from __future__ import annotations

import re
from typing import Final

from aiohttp import CookieJar
from yarl import URL

MAX_COOKIES: Final = 50
MAX_COOKIE: Final = 4096

# RFC 6265 §4.1.1: the name is a token; of the value we take, as browsers do, anything printable before a semicolon
_PAIR: Final = re.compile(r"\s*[!#$%&'*+\-.^_`|~0-9A-Za-z]+\s*=\s*[ -:<-~]*(?:;[ -~]*)?")


class CallCookies:
    """Made at the start of a call and given to each of its requests."""

    __slots__ = ("_credentials", "_jar")

    def __init__(self) -> None:
        self._jar: CookieJar | None = None  # most calls never see a cookie
        self._credentials: dict[str, str] = {}

    def header(self, url: str) -> str | None:
        """The value of the Cookie header for a request to `url`; None when there are no cookies for it."""
        if self._jar is None:
            return None
        found = self._jar.filter_cookies(URL(url, encoded=True))
        return "; ".join(f"{name}={morsel.coded_value}" for name, morsel in found.items()) or None

    def store(self, url: str, set_cookies: tuple[str, ...]) -> None:
        """Keep what the Set-Cookie headers of the answer from `url` say."""
        lines = [line for line in set_cookies if len(line) <= MAX_COOKIE and _PAIR.fullmatch(line)]
        if not lines:
            return
        if self._jar is None:
            self._jar = CookieJar(unsafe=True, quote_cookie=False)  # "unsafe": hosts may be IP addresses
        self._jar.update_cookies_from_headers(lines[: MAX_COOKIES - len(self._jar)], URL(url, encoded=True))

    def authorization(self, origin: str, given: str | None) -> str | None:
        """The Authorization header for `origin`, `scheme://host`: `given` with the URL, or else what was before.

        The URLs that a script is run from carry no credentials, so a relative URL in it needs this memory.
        """
        if given is None:
            return self._credentials.get(origin)
        self._credentials[origin] = given
        return given
