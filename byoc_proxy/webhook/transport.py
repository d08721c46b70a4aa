"""One HTTP request to a customer's application and its answer: the seam to the network.

Redirects, cookies, signatures and what an answer means are the client's business. A transport reads at most
`MAX_BODY` + 1 bytes of a body, before and after decompression, so neither a huge answer nor a compressed bomb
costs more than that. It raises `TransportError` and nothing else; each kind has its public error code.
"""

from __future__ import annotations

import zlib
from dataclasses import dataclass, field
from functools import lru_cache
from typing import TYPE_CHECKING, ClassVar, Final, Protocol

import aiohttp
from yarl import URL

from byoc_proxy.webhook.names import ApplicationNames

if TYPE_CHECKING:
    import ssl
    from collections.abc import Mapping
    from typing import Self

    from multidict import CIMultiDictProxy

MAX_BODY: Final = 64 * 1024

_CACHING: Final = ("Age", "Cache-Control", "ETag", "Last-Modified", "Vary")
_KEEP_ALIVE: Final = 30.0
_GZIP: Final = 16 + zlib.MAX_WBITS  # a gzip member (RFC 1952), not a bare zlib stream
_REMEMBERED_URLS: Final = 1024
_LONGEST_TEXT: Final = 200


@dataclass(frozen=True, slots=True)
class HttpRequest:
    """A request that is ready to be sent: absolute http(s) `url` without fragment, in ASCII.

    `read_timeout` is for the beginning of the answer and for each of its parts, in seconds; None: the whole time is
    bounded, that is enough. Answers for one `account_sid` are none for another.
    """

    method: str
    url: str
    headers: dict[str, str]
    body: bytes | None = None
    connect_timeout: float = 5.0
    read_timeout: float | None = None
    account_sid: str = ""


@dataclass(frozen=True, slots=True)
class HttpResponse:
    """What matters of an answer. A `body` longer than `MAX_BODY` is cut and only tells that it was.

    `headers` are those of the answer to a GET that say how long it may be kept, spelt as in RFC 9110 and 9111.
    """

    status: int
    body: bytes = b""
    content_type: str = ""
    location: str = ""
    set_cookies: tuple[str, ...] = ()
    headers: Mapping[str, str] = field(default_factory=dict, compare=False, repr=False)


class TransportError(Exception):
    """No answer, or none that is HTTP. `kind` is its retry policy (`webhook.overrides`), if it falls under one."""

    code: ClassVar[int] = 11206
    kind: ClassVar[str] = ""


class ProtocolViolated(TransportError):
    """The far end spoke, but not HTTP, or stopped in the middle of its answer."""


class ConnectFailed(TransportError):
    """Nobody took the request: there is no connection, or it closed before an answer began."""

    code: ClassVar[int] = 11205
    kind: ClassVar[str] = "ct"


class ConnectRefused(ConnectFailed):
    """The host answered that the port is closed."""

    code: ClassVar[int] = 11202


class ConnectTimedOut(ConnectFailed):
    """No connection within `connect_timeout`: looking up the name and shaking hands over TLS are part of it."""

    code: ClassVar[int] = 11201


class HostNotFound(ConnectFailed):
    """The name has no address."""

    code: ClassVar[int] = 11210


class ReadTimedOut(TransportError):
    """The request was taken, and the answer did not begin or go on within `read_timeout`."""

    code: ClassVar[int] = 11200
    kind: ClassVar[str] = "rt"


class TlsFailed(TransportError):
    """The TLS handshake failed."""

    code: ClassVar[int] = 11220


class CertificateFailed(TlsFailed):
    """The certificate is not one that we trust for this name."""

    code: ClassVar[int] = 11237


class Transport(Protocol):
    """Sends one request."""

    async def send(self, request: HttpRequest) -> HttpResponse:
        """Send `request`, follow nothing; raises `TransportError`. Whoever calls bounds the whole time."""
        ...


class AiohttpTransport:
    """A `Transport` over one keep-alive `aiohttp` session; build it inside the running loop and close it.

    `tls` decides whom to trust (None: the system's authorities). Proxy variables of the environment are not
    read: where the requests go is the configuration's decision.
    """

    def __init__(self, tls: ssl.SSLContext | None = None) -> None:
        self._names = ApplicationNames()
        self._session = aiohttp.ClientSession(
            connector=aiohttp.TCPConnector(
                resolver=self._names,
                limit=0,  # who may send, and how many at once, is decided before it comes here (`webhook.turns`)
                keepalive_timeout=_KEEP_ALIVE,
                ssl=tls if tls is not None else True,
            ),
            # Cookies belong to calls, not to the process, and decompression must be bounded: both are done
            # by us
            cookie_jar=aiohttp.DummyCookieJar(),
            auto_decompress=False,
            skip_auto_headers=("User-Agent", "Accept", "Accept-Encoding", "Content-Type"),
        )

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_error: object) -> None:
        await self.close()

    async def close(self) -> None:
        """Close every connection."""
        await self._session.close()
        await self._names.close()

    async def send(self, request: HttpRequest) -> HttpResponse:
        """See `Transport.send`."""
        try:
            return await self._send(request)
        except aiohttp.ClientError as error:
            raise _translated(error) from error
        except UnicodeError as error:  # a host label that is empty or longer than 63 characters
            raise HostNotFound(_sentence(error)) from error

    async def _send(self, request: HttpRequest) -> HttpResponse:
        async with self._session.request(
            request.method,
            _parsed(request.url),
            data=request.body,
            headers=request.headers,
            allow_redirects=False,
            timeout=_timeout(request.connect_timeout, request.read_timeout),
        ) as answer:
            body = await _read(answer)
            headers = answer.headers
            return HttpResponse(
                status=answer.status,
                body=body,
                content_type=headers.get("Content-Type", ""),
                location=headers.get("Location", ""),
                set_cookies=tuple(headers.getall("Set-Cookie", ())),
                headers=_of_caching(headers) if request.method == "GET" else {},
            )


def _of_caching(headers: CIMultiDictProxy[str]) -> dict[str, str]:
    return {name: ", ".join(headers.getall(name)) for name in _CACHING if name in headers}


async def _read(answer: aiohttp.ClientResponse) -> bytes:
    """The body, decompressed; of one that is too long the beginning, and its connection is closed."""
    packed = b""
    while chunk := await answer.content.readany():
        packed += chunk
        if len(packed) > MAX_BODY:
            answer.close()
            return packed[: MAX_BODY + 1]
    encoding = answer.headers.get("Content-Encoding", "identity").lower()
    if encoding == "identity" or not packed:
        return packed
    if encoding not in ("gzip", "x-gzip"):
        raise ProtocolViolated(f"the answer is encoded as {encoding[:40]!r}, which was not offered")
    return _unpacked(packed)


def _unpacked(packed: bytes) -> bytes:
    inflate = zlib.decompressobj(_GZIP)
    try:
        body = inflate.decompress(packed, MAX_BODY + 1)
    except zlib.error as error:
        raise ProtocolViolated(f"the answer is not gzip: {error}") from error
    if len(body) <= MAX_BODY and not inflate.eof:
        raise ProtocolViolated("the gzip answer ends too early")
    return body


@lru_cache(_REMEMBERED_URLS)
def _parsed(url: str) -> URL:
    # encoded=True: the URL was signed as written and must go out as written
    return URL(url, encoded=True)


@lru_cache(64)
def _timeout(connect: float, read: float | None) -> aiohttp.ClientTimeout:
    return aiohttp.ClientTimeout(total=None, connect=connect, sock_read=read)


_KINDS: Final[tuple[tuple[type[Exception], type[TransportError]], ...]] = (
    (aiohttp.ClientConnectorCertificateError, CertificateFailed),
    (aiohttp.ClientSSLError, TlsFailed),
    (aiohttp.ClientConnectorDNSError, HostNotFound),
    (aiohttp.ConnectionTimeoutError, ConnectTimedOut),
    (aiohttp.SocketTimeoutError, ReadTimedOut),
    (aiohttp.ClientConnectionError, ConnectFailed),
)


def _translated(error: aiohttp.ClientError) -> TransportError:
    text = _sentence(error)
    if isinstance(error, aiohttp.ClientConnectorError) and isinstance(error.os_error, ConnectionRefusedError):
        return ConnectRefused(text)
    for theirs, ours in _KINDS:
        if isinstance(error, theirs):
            return ours(text)
    return ProtocolViolated(text)


def _sentence(error: Exception) -> str:
    """One printable line: errors quote what the far end sent, and records and headers quote errors."""
    line = " ".join(str(error).split())[:_LONGEST_TEXT]
    return "".join(char if char.isprintable() else "?" for char in line) or type(error).__name__
