"""What a browser would remember of one call: cookies and Basic credentials, each for its own host.

RFC 6265 in small: paths and domains are ignored, a call is too short for expiry dates, but `Max-Age=0`
deletes. A host over https and over http are two, which is what `Secure` is for. At most `MAX_COOKIES` of
`MAX_COOKIE` characters are kept; the rest is dropped. Credentials follow RFC 7617 §2.2.
"""

from __future__ import annotations

import re
from typing import Final

MAX_COOKIES: Final = 50
MAX_COOKIE: Final = 4096

# RFC 6265 §4.1.1: the name is a token; of the value we take, as browsers do, anything printable before a
# semicolon
_PAIR: Final = re.compile(r"\s*([!#$%&'*+\-.^_`|~0-9A-Za-z]+)\s*=\s*([ -:<-~]*)(?:;|$)")
_DELETED: Final = re.compile(r";\s*max-age\s*=\s*(?:0+|-\d+)\s*(?:;|$)", re.IGNORECASE)


class CallCookies:
    """Made at the start of a call and given to each of its requests. An origin is `scheme://host`."""

    __slots__ = ("_credentials", "_values")

    def __init__(self) -> None:
        self._values: dict[tuple[str, str], str] = {}
        self._credentials: dict[str, str] = {}

    def header(self, origin: str) -> str | None:
        """The value of the Cookie header for `origin`; None when there are no cookies for it."""
        if not self._values:
            return None
        pairs = [f"{name}={value}" for (host, name), value in self._values.items() if host == origin]
        return "; ".join(pairs) or None

    def store(self, origin: str, set_cookies: tuple[str, ...]) -> None:
        """Keep what the Set-Cookie headers of an answer from `origin` say."""
        for line in set_cookies:
            match = _PAIR.match(line) if len(line) <= MAX_COOKIE else None
            if match is None:
                continue
            key = (origin, match[1])
            if _DELETED.search(line):
                self._values.pop(key, None)
            elif key in self._values or len(self._values) < MAX_COOKIES:
                self._values[key] = match[2].rstrip()

    def authorization(self, origin: str, given: str | None) -> str | None:
        """The Authorization header for `origin`: `given` with the URL, or else what was given there before.

        The URLs that a script is run from carry no credentials, so a relative URL in it needs this memory.
        """
        if given is None:
            return self._credentials.get(origin)
        self._credentials[origin] = given
        return given
