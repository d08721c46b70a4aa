"""The real transport against real servers on loopback: what goes over the wire, and what bad servers cost."""

import asyncio
import gzip
import socket
import ssl
import threading
import time
import zlib
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

import pytest
import trustme

from byoc_proxy.webhook.client import Webhooks
from byoc_proxy.webhook.session import WebSession
from byoc_proxy.webhook.transport import (
    MAX_BODY,
    AiohttpTransport,
    CertificateFailed,
    ConnectFailed,
    ConnectRefused,
    ConnectTimedOut,
    HostNotFound,
    HttpRequest,
    HttpResponse,
    ProtocolViolated,
    ReadTimedOut,
    TlsFailed,
    TransportError,
)
from byoc_proxy.webhook.urls import WebhookError

pytestmark = pytest.mark.wire

TWIML = b"<Response/>"


def http(body: bytes = TWIML, *headers: str, status: str = "200 OK", length: int | None = None) -> bytes:
    lines = [f"HTTP/1.1 {status}", "Content-Type: text/xml", *headers]
    lines.append(f"Content-Length: {len(body) if length is None else length}")
    return "\r\n".join(lines).encode() + b"\r\n\r\n" + body


@dataclass
class Server:
    """A web server of a few lines: each request is answered with `reply(request)`, None closes the connection."""

    reply: Callable[[bytes], bytes | None]
    port: int = 0
    connections: int = 0
    requests: list[bytes] = field(default_factory=list)
    sent: int = 0
    close_after_reply: bool = False

    def url(self, path: str = "/voice", scheme: str = "http") -> str:
        return f"{scheme}://127.0.0.1:{self.port}{path}"

    async def talk(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.connections += 1
        try:
            while (answer := self.reply(await self._request(reader))) is not None:
                for at in range(0, len(answer), 16384):
                    writer.write(answer[at : at + 16384])
                    await writer.drain()
                    self.sent += len(answer[at : at + 16384])
                if self.close_after_reply:
                    break
        except (ConnectionError, asyncio.IncompleteReadError, ssl.SSLError):
            return  # the far end has gone, which is what several tests are about
        finally:
            writer.close()

    async def _request(self, reader: asyncio.StreamReader) -> bytes:
        head = await reader.readuntil(b"\r\n\r\n")
        _, found, length = head.lower().partition(b"content-length: ")
        body = await reader.readexactly(int(length.split(b"\r\n")[0])) if found else b""
        self.requests.append(head + body)
        return head + body


@asynccontextmanager
async def serving(
    reply: Callable[[bytes], bytes | None] | bytes | None,
    tls: ssl.SSLContext | None = None,
    *,
    close_after_reply: bool = False,
) -> AsyncIterator[Server]:
    server = Server(reply if callable(reply) else lambda _: reply, close_after_reply=close_after_reply)
    listener = await asyncio.start_server(server.talk, "127.0.0.1", 0, ssl=tls)
    server.port = listener.sockets[0].getsockname()[1]
    async with listener:
        yield server


def post(url: str, connect_timeout: float = 5.0) -> HttpRequest:
    headers = {"User-Agent": "byoc-proxy/test", "X-Twilio-Signature": "abc="}
    return HttpRequest("POST", url, headers, b"CallSid=CA1", connect_timeout)


def session() -> WebSession:
    return WebSession("AC1", "CA1", "secret")


async def ask(url: str, tls: ssl.SSLContext | None = None) -> HttpResponse:
    async with AiohttpTransport(tls) as transport:
        return await transport.send(post(url))


async def failure(url: str, tls: ssl.SSLContext | None = None) -> TransportError:
    with pytest.raises(TransportError) as caught:
        await ask(url, tls)
    assert str(caught.value).isprintable()
    return caught.value


async def test_the_wire_holds_what_was_asked_and_little_else() -> None:
    answer = http(TWIML, "Set-Cookie: a=1; Path=/", "Set-Cookie: b=2", "Location: /x")
    async with serving(answer) as server:
        response = await ask(server.url("/voice?q=%2B1&x=a%20b"))
    assert response == HttpResponse(200, TWIML, "text/xml", "/x", ("a=1; Path=/", "b=2"))
    head, _, body = server.requests[0].partition(b"\r\n\r\n")
    first, *headers = head.decode().split("\r\n")
    assert first == "POST /voice?q=%2B1&x=a%20b HTTP/1.1"
    assert sorted(headers) == [
        "Content-Length: 11",
        f"Host: 127.0.0.1:{server.port}",
        "User-Agent: byoc-proxy/test",
        "X-Twilio-Signature: abc=",
    ]
    assert body == b"CallSid=CA1"


async def test_requests_one_after_another_share_a_connection() -> None:
    async with serving(http()) as server, AiohttpTransport() as transport:
        for _ in range(20):
            await transport.send(post(server.url()))
    assert (server.connections, len(server.requests)) == (1, 20)


async def test_requests_at_once_do_not_wait_for_each_other() -> None:
    async with serving(http()) as server, AiohttpTransport() as transport:
        await asyncio.gather(*(transport.send(post(server.url())) for _ in range(30)))
    assert len(server.requests) == 30
    assert server.connections > 1


async def test_a_connection_that_the_server_closed_is_replaced() -> None:
    async with serving(http(), close_after_reply=True) as server, AiohttpTransport() as transport:
        asking = Webhooks(transport, user_agent="byoc-proxy/test", new_token=lambda: "token")
        for _ in range(5):
            assert (await asking.fetch(server.url(), "POST", [], session())).body == TWIML


async def test_redirects_are_the_clients_business() -> None:
    async with serving(http(b"", "Location: /voice", status="302 Found")) as server:
        assert (await ask(server.url())).location == "/voice"
    assert len(server.requests) == 1


async def test_a_redirect_loop_ends() -> None:
    async with (
        serving(http(b"", "Location: /voice", status="307 Again")) as server,
        AiohttpTransport() as transport,
    ):
        asking = Webhooks(transport, user_agent="byoc-proxy/test", new_token=lambda: "token")
        with pytest.raises(WebhookError) as caught:
            await asking.fetch(server.url(), "POST", [("a", "1")], session())
    assert caught.value.code == 11215
    assert len(server.requests) == 11


async def test_ten_megabytes_are_not_read() -> None:
    async with serving(http(b"x" * 10_000_000)) as server:
        response = await ask(server.url())
    assert len(response.body) == MAX_BODY + 1
    assert server.sent < 9_000_000


async def test_a_body_of_just_the_limit_is_read() -> None:
    async with serving(http(b"x" * MAX_BODY)) as server:
        assert len((await ask(server.url())).body) == MAX_BODY


async def test_a_chunked_body_is_put_together() -> None:
    chunked = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\n<Re\r\n8\r\nsponse/>\r\n0\r\n\r\n"
    async with serving(chunked) as server:
        assert (await ask(server.url())).body == TWIML


async def test_gzip_is_unpacked() -> None:
    async with serving(http(gzip.compress(TWIML), "Content-Encoding: gzip")) as server:
        assert (await ask(server.url())).body == TWIML


async def test_a_gzip_bomb_goes_off_at_the_limit() -> None:
    bomb = gzip.compress(b"x" * 50_000_000)
    async with serving(http(bomb, "Content-Encoding: gzip")) as server:
        assert len((await ask(server.url())).body) == MAX_BODY + 1


@pytest.mark.parametrize(
    ("body", "encoding"),
    [
        (b"<Response/>", "gzip"),
        (gzip.compress(TWIML)[:-6], "gzip"),
        (zlib.compress(TWIML), "gzip"),
        (TWIML, "br"),
    ],
)
async def test_an_encoding_that_is_broken_or_was_not_offered_is_refused(body: bytes, encoding: str) -> None:
    async with serving(http(body, f"Content-Encoding: {encoding}")) as server:
        assert isinstance(await failure(server.url()), ProtocolViolated)


@pytest.mark.parametrize(
    "garbage",
    [
        b"SSH-2.0-OpenSSH_9.2\r\n",
        b"\x00" * 100 + b"\r\n\r\n",
        b"HTTP/1.1 two hundred\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nContent-Length: many\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nX: " + b"y" * 20_000 + b"\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n",
    ],
)
async def test_garbage_is_a_protocol_violation(garbage: bytes) -> None:
    async with serving(garbage, close_after_reply=True) as server:
        error = await failure(server.url())
    assert (type(error), error.code) == (ProtocolViolated, 11206)


async def test_a_server_that_closes_in_the_middle_of_its_answer_is_not_believed() -> None:
    async with serving(http(TWIML, length=500), close_after_reply=True) as server:
        assert isinstance(await failure(server.url()), ProtocolViolated)


async def test_a_server_that_closes_without_a_word_did_not_take_the_request() -> None:
    async with serving(None) as server:
        error = await failure(server.url())
    assert (type(error), error.code) == (ConnectFailed, 11205)


async def test_a_closed_port_is_refused() -> None:
    async with serving(http()) as server:
        url = server.url()
    error = await failure(url)
    assert (type(error), error.code) == (ConnectRefused, 11202)


async def test_a_host_that_does_not_take_the_connection_in_time_is_given_up() -> None:
    full = socket.socket()
    waiting = [socket.socket() for _ in range(4)]
    try:
        # A listener that never accepts, with its queue filled: the kernel ignores further SYNs, like a dead host
        full.bind(("127.0.0.1", 0))
        full.listen(0)
        for client in waiting:
            client.setblocking(False)
            client.connect_ex(full.getsockname())
        async with AiohttpTransport() as transport:
            with pytest.raises(ConnectTimedOut) as caught:
                await transport.send(post(f"http://127.0.0.1:{full.getsockname()[1]}/", connect_timeout=0.1))
        assert caught.value.code == 11201
    finally:
        for sock in (full, *waiting):
            sock.close()


async def test_a_server_that_hangs_is_given_up_after_the_total_timeout() -> None:
    silent = asyncio.Event()

    async def hang(_reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await silent.wait()
        writer.close()

    listener = await asyncio.start_server(hang, "127.0.0.1", 0)
    async with listener, AiohttpTransport() as transport:
        asking = Webhooks(transport, user_agent="x", new_token=lambda: "token", total_timeout=0.2)
        url = f"http://127.0.0.1:{listener.sockets[0].getsockname()[1]}/"
        with pytest.raises(WebhookError) as caught:
            await asking.fetch(url, "POST", [], session())
        silent.set()
    assert caught.value.code == 11203


async def test_a_name_without_an_address_is_not_found(monkeypatch: pytest.MonkeyPatch) -> None:
    def nowhere(*_query: object, **_options: object) -> None:
        raise socket.gaierror(socket.EAI_NONAME, "Name or service not known")

    monkeypatch.setattr(socket, "getaddrinfo", nowhere)
    error = await failure("http://app.example.invalid/voice")
    assert (type(error), error.code) == (HostNotFound, 11210)


async def test_names_that_nobody_answers_for_do_not_delay_those_of_others(monkeypatch: pytest.MonkeyPatch) -> None:
    """More of them than a default executor has threads; each gives up after its own time to connect."""
    answered, real = threading.Event(), socket.getaddrinfo

    def slow(host: str, *query: Any, **options: Any) -> Any:
        if host.endswith(".invalid"):
            answered.wait(10)
            raise socket.gaierror(socket.EAI_AGAIN, "Temporary failure in name resolution")
        return real(host, *query, **options)

    monkeypatch.setattr(socket, "getaddrinfo", slow)
    try:
        async with serving(http()) as server, AiohttpTransport() as transport:
            dead = [
                asyncio.ensure_future(transport.send(post(f"http://app{number}.invalid/", connect_timeout=0.3)))
                for number in range(40)
            ]
            await asyncio.sleep(0.05)
            began = time.monotonic()
            assert (await transport.send(post(f"http://localhost:{server.port}/"))).status == 200
            assert time.monotonic() - began < 0.25, "not after the others have given up"
            failures = await asyncio.gather(*dead, return_exceptions=True)
            answered.set()
        assert {type(failure) for failure in failures} == {ConnectTimedOut}
    finally:
        answered.set()


async def test_an_answer_that_does_not_begin_or_go_on_in_time_is_given_up() -> None:
    for beginning in (b"", b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\n<Response>"):
        async with serving(beginning) as server, AiohttpTransport() as transport:
            request = HttpRequest("POST", server.url(), {}, b"", read_timeout=0.1)
            with pytest.raises(ReadTimedOut):
                await transport.send(request)


async def test_the_headers_that_allow_to_keep_an_answer_are_read_for_get() -> None:
    answer = http(TWIML, 'etag: "v1"', "Cache-Control: public", "cache-control: max-age=60", "X-Other: 1")
    async with serving(answer) as server, AiohttpTransport() as transport:
        kept = await transport.send(HttpRequest("GET", server.url(), {}))
        posted = await transport.send(post(server.url()))
    assert kept.headers == {"ETag": '"v1"', "Cache-Control": "public, max-age=60"}
    assert posted.headers == {}


async def test_an_answer_to_get_is_asked_for_again_and_a_304_is_enough() -> None:
    def reply(request: bytes) -> bytes:
        if b'If-None-Match: "v1"' in request:
            return http(b"", 'ETag: "v1"', status="304 Not Modified")
        return http(TWIML, 'ETag: "v1"')

    async with serving(reply) as server, AiohttpTransport() as transport:
        asking = Webhooks(transport, user_agent="test", new_token=lambda: "token")
        for _ in range(3):
            assert (await asking.fetch(server.url(), "GET", [], session())).body == TWIML
    assert [b"If-None-Match" in request for request in server.requests] == [False, True, True]


@pytest.mark.parametrize("host", ["a..b", "x" * 64 + ".example"])
async def test_a_name_that_cannot_be_looked_up_is_not_found(host: str) -> None:
    assert isinstance(await failure(f"http://{host}/voice"), HostNotFound)


async def test_proxies_of_the_environment_are_ignored(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HTTP_PROXY", "http://127.0.0.1:9")
    monkeypatch.setenv("http_proxy", "http://127.0.0.1:9")
    async with serving(http()) as server:
        assert (await ask(server.url())).status == 200


def authority() -> tuple[trustme.CA, ssl.SSLContext, ssl.SSLContext]:
    ca = trustme.CA()
    trusting, serving_tls = ssl.create_default_context(), ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    ca.configure_trust(trusting)
    return ca, trusting, serving_tls


async def test_a_trusted_certificate_is_accepted() -> None:
    ca, trusting, tls = authority()
    ca.issue_cert("127.0.0.1").configure_cert(tls)
    async with serving(http(), tls) as server:
        assert (await ask(server.url(scheme="https"), trusting)).body == TWIML


@pytest.mark.parametrize("names", [("app.example.com",), ("127.0.0.1",)])
async def test_a_certificate_for_another_name_or_of_a_stranger_is_refused(names: tuple[str, ...]) -> None:
    ca, trusting, tls = authority()
    ca.issue_cert(*names).configure_cert(tls)
    async with serving(http(), tls) as server:
        error = await failure(server.url(scheme="https"), trusting if "example" in names[0] else None)
    assert (type(error), error.code) == (CertificateFailed, 11237)
    assert server.requests == []


async def test_a_plain_server_cannot_speak_tls() -> None:
    async def greet(_reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(b"220 mail.example.com ready\r\n")
        writer.close()

    _, trusting, _ = authority()
    async with await asyncio.start_server(greet, "127.0.0.1", 0) as listener:
        error = await failure(f"https://127.0.0.1:{listener.sockets[0].getsockname()[1]}/", trusting)
    assert (type(error), error.code) == (TlsFailed, 11220)
