"""Answers to GET that an application lets us keep, as a private cache of each account (RFC 9111).

An answer is used again without asking while `max-age` lasts, and after that when the application says 304 to its
ETag or Last-Modified. What it forbids to store, sets cookies with, or makes depend on our headers, is not kept. The
key is the whole URL as requested, so parameters of a call that stand in it keep its answers apart. POST passes by.

Bounded in entries and bytes; the one that was not used for longest gives way.
"""

from __future__ import annotations

import asyncio
import re
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Final

from byoc_proxy.webhook.transport import MAX_BODY

if TYPE_CHECKING:
    from collections.abc import Mapping

    from byoc_proxy.webhook.transport import HttpRequest, HttpResponse, Transport

MOST_ENTRIES: Final = 1000
MOST_BYTES: Final = 8 << 20

_OVERHEAD: Final = 1000  # bytes of an entry beside URL and body, about
_DIRECTIVE: Final = re.compile(r'\s*([A-Za-z-]+)\s*(?:=\s*"?([^",]*)"?)?\s*(?:,|$)')
_HARMLESS: Final = frozenset(("accept", "accept-encoding", "user-agent"))  # the same in every request of ours
_LONGEST_AGE: Final = 31_536_000

Key = tuple[str, str, str | None]


@dataclass(slots=True)
class _Kept:
    """An answer that is fresh until a moment of the loop's clock."""

    response: HttpResponse
    fresh_until: float
    size: int


class CachingTransport:
    """A `Transport` before another one."""

    def __init__(
        self, transport: Transport, most_entries: int = MOST_ENTRIES, most_bytes: int = MOST_BYTES
    ) -> None:
        self._transport = transport
        self._most_entries = most_entries
        self._most_bytes = most_bytes
        self._kept: dict[Key, _Kept] = {}  # the one that was used last comes last
        self._bytes = 0

    async def send(self, request: HttpRequest) -> HttpResponse:
        """See `Transport.send`."""
        if request.method != "GET":
            return await self._transport.send(request)
        key = (request.account_sid, request.url, request.headers.get("Authorization"))
        kept = self._kept.get(key)
        if kept is None:
            response = await self._transport.send(request)
        elif asyncio.get_running_loop().time() < kept.fresh_until:
            self._put(key, kept)
            return kept.response
        else:
            response = await self._ask_again(request, kept.response)
        self._keep(key, response)
        return response

    async def _ask_again(self, request: HttpRequest, kept: HttpResponse) -> HttpResponse:
        """§4.3: the application judges whether what we have is still what it would say."""
        headers = {**request.headers, **_conditions(kept.headers)}
        response = await self._transport.send(replace(request, headers=headers))
        if response.status != 304:
            return response
        # §4.3.4: what the 304 says takes the place of what was said before
        return replace(kept, headers={**kept.headers, **response.headers}, set_cookies=response.set_cookies)

    def _keep(self, key: Key, response: HttpResponse) -> None:
        """Put this answer in the place of the one before it, or none."""
        lifetime = _lifetime(response)
        if lifetime is None:
            self._forget(key)
            return
        size = _OVERHEAD + len(key[1]) + len(response.body)
        self._put(key, _Kept(response, asyncio.get_running_loop().time() + lifetime, size))

    def _put(self, key: Key, kept: _Kept) -> None:
        self._forget(key)
        self._kept[key] = kept
        self._bytes += kept.size
        while len(self._kept) > self._most_entries or self._bytes > self._most_bytes:
            self._forget(next(iter(self._kept)))

    def _forget(self, key: Key) -> None:
        kept = self._kept.pop(key, None)
        if kept is not None:
            self._bytes -= kept.size

    def __len__(self) -> int:
        return len(self._kept)


def _lifetime(response: HttpResponse) -> float | None:
    """For how many seconds an answer need not be asked for again; None: it may not be kept (§3)."""
    headers = response.headers
    said = _directives(headers.get("Cache-Control", ""))
    varies = {each.strip().lower() for each in headers.get("Vary", "").split(",") if each.strip()}
    if response.status != 200 or response.set_cookies or "no-store" in said or not varies <= _HARMLESS:
        return None
    if len(response.body) > MAX_BODY:
        return None  # its beginning only
    lifetime = 0.0
    if "no-cache" not in said:
        lifetime = max(_seconds(said.get("max-age", "")) - _seconds(headers.get("Age", "")), 0)
    return lifetime if lifetime or _conditions(headers) else None


def _conditions(headers: Mapping[str, str]) -> dict[str, str]:
    """§4.3.1: the headers that ask whether an answer still holds."""
    asked = (("If-None-Match", "ETag"), ("If-Modified-Since", "Last-Modified"))
    return {ours: headers[theirs] for ours, theirs in asked if headers.get(theirs)}


def _directives(text: str) -> dict[str, str]:
    return {name.lower(): value for name, value in _DIRECTIVE.findall(text)}


def _seconds(text: str) -> int:
    return min(int(text), _LONGEST_AGE) if text.isascii() and text.isdigit() and len(text) < 12 else 0
