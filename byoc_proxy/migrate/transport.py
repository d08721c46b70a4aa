"""One GET with a key, and its answer: the seam to the network. Follows nothing; the key goes where it is told."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final, Protocol

import aiohttp
from yarl import URL

if TYPE_CHECKING:
    from typing import Self

LONGEST_BODY: Final = 8 << 20  # bytes; a page of 1000 rows has about one million
_TIMEOUT: Final = aiohttp.ClientTimeout(total=60.0, sock_connect=10.0)


@dataclass(frozen=True, slots=True)
class Key:
    """Who asks. `name` and `secret` are for HTTP Basic, `source` says in words where they were found."""

    name: str
    secret: str = field(repr=False)
    source: str = "the key"


@dataclass(frozen=True, slots=True)
class Answer:
    """What matters of an answer. `retry_after` as the header has it, empty when it is missing."""

    status: int
    body: bytes = b""
    retry_after: str = ""


class Unreachable(Exception):
    """No answer, or none that is whole; the text says why."""


class Transport(Protocol):
    """Sends one request."""

    async def get(self, url: str) -> Answer:
        """GET an absolute URL, following no redirection; raises `Unreachable`."""
        ...


class AiohttpTransport:
    """A `Transport` over one session; an async context. Proxy variables of the environment are not read."""

    def __init__(self, key: Key) -> None:
        self._session = aiohttp.ClientSession(
            auth=aiohttp.BasicAuth(key.name, key.secret, encoding="utf-8"),
            headers={"Accept": "application/json"},
            cookie_jar=aiohttp.DummyCookieJar(),
            timeout=_TIMEOUT,
        )

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_error: object) -> None:
        await self._session.close()

    async def get(self, url: str) -> Answer:
        """See `Transport.get`."""
        try:
            async with self._session.get(URL(url), allow_redirects=False) as answer:
                body = b""
                async for chunk in answer.content.iter_any():
                    body += chunk
                    if len(body) > LONGEST_BODY:
                        raise Unreachable(f"the answer is longer than {LONGEST_BODY >> 20} MiB")
                return Answer(answer.status, body, answer.headers.get("Retry-After", ""))
        except TimeoutError as error:
            raise Unreachable("no answer in time") from error
        except (aiohttp.ClientError, OSError, ValueError) as error:  # ValueError: no host that can be looked up
            raise Unreachable(str(error) or type(error).__name__) from error
