"""Lists of the REST API, page by page, with both of its envelopes.

2010-04-01 links the next page as `next_page_uri`, a path; voice/v1 as `meta.next_page_url`, absolute. Both are
followed on the configured base only, so that no answer can send the key elsewhere. A 429 is waited out as
Retry-After says, a bounded number of times. Source: contract 1.1 (pagination, errors).
"""

from __future__ import annotations

import asyncio
import base64
import ipaddress
import json
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import urlencode, urlsplit

from byoc_proxy.migrate.transport import Unreachable

if TYPE_CHECKING:
    from byoc_proxy.migrate.transport import Answer, Key, Transport

LARGEST_PAGE: Final = 1000
_MOST_PAGES: Final = 1000
_MOST_TRIES: Final = 6
_LONGEST_WAIT: Final = 60.0  # seconds
_LONGEST_TEXT: Final = 300


class ImportFailed(Exception):
    """The account cannot be read; the text is one line that says where and why, without the key's secret."""


class Api:
    """What can be read with one key. `base` is for 2010-04-01, `voice_base` for voice/v1; they may be the same.

    `page_size`: how many rows a page is asked for, at most `LARGEST_PAGE`.
    """

    def __init__(
        self, transport: Transport, key: Key, base: str, voice_base: str, page_size: int = LARGEST_PAGE
    ) -> None:
        self._transport = transport
        self._key = key
        self._page_size = page_size
        self._base = checked_base(base)
        self._voice_base = checked_base(voice_base)

    async def account_rows(self, path: str, section: str) -> list[Any]:
        """All rows of a list below 2010-04-01, `path` like `/Accounts/AC…/SIP/Domains.json`. `ImportFailed`."""
        return await self._rows(self._base, f"/2010-04-01{path}", section)

    async def voice_rows(self, path: str, section: str) -> list[Any]:
        """All rows of a list below voice/v1, `path` like `/ByocTrunks`. `ImportFailed`."""
        return await self._rows(self._voice_base, f"/v1{path}", section)

    async def _rows(self, base: str, path: str, section: str) -> list[Any]:
        url = f"{base}{path}?{urlencode({'PageSize': self._page_size})}"
        found: list[Any] = []
        seen: set[str] = set()
        while len(seen) < _MOST_PAGES:
            seen.add(url)
            page = await self._page(url)
            rows = page.get(section)
            if not isinstance(rows, list):
                raise self._failed(url, f"the answer has no list {section!r}; is {base} the right API?")
            found += rows
            link = _next_of(page)
            if not link:
                return found
            here, url = url, self._followed(base, url, link)
            if url in seen:
                raise self._failed(here, "the next page is one that was there already")
        raise self._failed(url, f"there are more than {_MOST_PAGES} pages")

    async def _page(self, url: str) -> dict[str, Any]:
        answer = await self._answer(url)
        try:
            page = json.loads(answer.body)
        except (ValueError, RecursionError):
            page = None
        if answer.status != 200:
            raise self._refused(url, answer.status, page if isinstance(page, dict) else {})
        if not isinstance(page, dict):
            raise self._failed(url, "200, but the answer is not a JSON object")
        return page

    async def _answer(self, url: str) -> Answer:
        for number in range(1, _MOST_TRIES + 1):
            try:
                answer = await self._transport.get(url)
            except Unreachable as error:
                raise self._failed(url, str(error)) from error
            if answer.status != 429 or number == _MOST_TRIES:
                break
            await asyncio.sleep(_wait(answer.retry_after, number))
        return answer

    def _followed(self, base: str, here: str, link: object) -> str:
        """The next page: only its path and query are taken, and only if it is where we are."""
        if not isinstance(link, str):
            raise self._failed(here, "the link to the next page is not text")
        if link.startswith("/") and not link.startswith("//"):
            return base + link
        try:
            there, home = urlsplit(link), urlsplit(base)
            same = (there.scheme, there.netloc.lower()) == (home.scheme, home.netloc.lower())
        except ValueError:
            same = False
        if not same or not there.path.startswith(f"{home.path}/"):
            raise self._failed(here, f"the next page is elsewhere, at {link!r}; the key was not sent there")
        return f"{home.scheme}://{home.netloc}{there.path}?{there.query}"

    def _refused(self, url: str, status: int, body: dict[str, Any]) -> ImportFailed:
        said = " ".join(str(body[key]) for key in ("code", "message") if body.get(key))
        if status == 401:
            return self._failed(url, f"401 {said}: {self._key.source} were not accepted for {self._key.name}")
        if status == 429:
            return self._failed(url, f"429 {said}: still too many requests after {_MOST_TRIES} tries; wait a while")
        return self._failed(url, f"{status} {said}" if said else f"{status} without a reason")

    def _failed(self, url: str, text: str) -> ImportFailed:
        secret = self._key.secret
        basic = base64.b64encode(f"{self._key.name}:{secret}".encode()).decode()
        line = "".join(char if char.isprintable() else " " for char in f"GET {url}: {text}")
        for hidden in (basic, secret):
            line = line.replace(hidden, "***")
        return ImportFailed(line[: _LONGEST_TEXT + len(url)])


def checked_base(text: str) -> str:
    """A base URL without its last slash: https, or http to this machine. `ImportFailed`."""
    try:
        parts = urlsplit(text)
        host, port = parts.hostname, parts.port
    except ValueError:
        host, port = None, None
    if not host or port == 0 or parts.scheme not in ("http", "https") or parts.query or parts.fragment:
        raise ImportFailed(f"{text!r} is no base of an API; write https://api.twilio.com")
    if "@" in parts.netloc:
        raise ImportFailed("the base of an API holds no key; leave out what stands before the @")
    if parts.scheme == "http" and not _is_this_machine(host):
        raise ImportFailed(f"{text} would send the key unencrypted; use https, or a tunnel to this machine")
    return text.rstrip("/")


def _is_this_machine(host: str) -> bool:
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


def _next_of(page: dict[str, Any]) -> object:
    meta = page.get("meta")
    return meta.get("next_page_url") if isinstance(meta, dict) else page.get("next_page_uri")


def _wait(retry_after: str, number: int) -> float:
    """Seconds until the next try. Retry-After may be a date too (RFC 9110 §10.2.3): then ours counts."""
    asked = float(retry_after) if retry_after.isascii() and retry_after.isdecimal() else 2.0 ** (number - 1)
    return min(max(asked, 0.5), _LONGEST_WAIT)
