"""Far ends made by hand on real sockets, for what a stock SIP program would never do.

They take messages apart by themselves: a test does not trust the parser that it tests. Loopback addresses only.

    async with udp_peer() as carrier:
        call = CallerSide(carrier, daemon.udp)
        call.invite()
        answer = await carrier.hear("200 INVITE")
"""

import asyncio
import contextlib
import itertools
import ssl
from collections.abc import AsyncIterator
from dataclasses import dataclass
from typing import cast

__all__ = [
    "SDP",
    "SECURE_SDP",
    "CallerSide",
    "Heard",
    "Peer",
    "StreamHost",
    "StreamPeer",
    "UdpPeer",
    "reply",
    "stream_host",
    "stream_peer",
    "udp_peer",
]

Address = tuple[str, int]
SDP = b"v=0\r\no=- 1 1 IN IP4 127.0.0.2\r\ns=-\r\nc=IN IP4 127.0.0.2\r\nt=0 0\r\nm=audio 40000 RTP/AVP 0\r\n"
SECURE_SDP = SDP.replace(b"RTP/AVP", b"RTP/SAVP") + (
    b"a=crypto:1 AES_CM_128_HMAC_SHA1_80 inline:MTIzNDU2Nzg5MDEyMzQ1Njc4OTAxMjM0NTY3ODkw\r\n"
)
_numbers = itertools.count(1)


@dataclass(frozen=True, slots=True)
class Heard:
    """One message: its first line, its headers by lower-case name, its body, when it came and from where."""

    start: str
    headers: tuple[tuple[str, str], ...]
    body: bytes
    at: float
    source: Address

    @property
    def status(self) -> int:
        return int(self.start.split()[1]) if self.start.startswith("SIP/2.0") else 0

    @property
    def what(self) -> str:
        """`INVITE`, `200 BYE`."""
        method = self.get("cseq").split()[-1]
        return f"{self.status} {method}" if self.status else method

    @property
    def uri(self) -> str:
        """The Request-URI."""
        return self.start.split()[1]

    def get(self, name: str) -> str:
        """The first value of a header, empty when there is none."""
        return next((value for key, value in self.headers if key == name), "")


class Peer:
    """What has been heard, and the next of a kind of message that nobody has asked for yet."""

    transport: str
    address: Address

    def __init__(self) -> None:
        self.heard: list[Heard] = []
        self.closed = asyncio.Event()
        self.raw = b""  # bytes of a stream that make no message yet
        self._unread: list[Heard] = []
        self._news = asyncio.Condition()

    @property
    def sent_by(self) -> str:
        host, port = self.address
        return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"

    @property
    def contact(self) -> str:
        return f"<sip:carrier@{self.sent_by};transport={self.transport.lower()}>"

    async def hear(self, what: str, within: float = 5.0) -> Heard:
        """The next message that is `what`; others that come meanwhile stay unread. Fails after `within` seconds."""
        try:
            async with asyncio.timeout(within), self._news:
                while True:
                    for message in self._unread:
                        if message.what == what:
                            self._unread.remove(message)
                            return message
                    await self._news.wait()
        except TimeoutError:
            raise AssertionError(f"no {what} within {within:g} s; heard {self.kinds}") from None

    @property
    def kinds(self) -> list[str]:
        return [message.what for message in self.heard]

    def send(self, data: bytes, to: Address | None = None) -> None:
        raise NotImplementedError

    def _take(self, head: bytes, body: bytes, source: Address) -> None:
        lines = head.decode("utf-8", "replace").split("\r\n")
        pairs = (line.partition(":") for line in lines[1:])
        headers = tuple((name.strip().lower(), value.strip()) for name, _, value in pairs)
        message = Heard(lines[0], headers, body, asyncio.get_running_loop().time(), source)
        self.heard.append(message)
        self._unread.append(message)
        self._wake = asyncio.get_running_loop().create_task(self._tell())

    async def _tell(self) -> None:
        async with self._news:
            self._news.notify_all()


class UdpPeer(Peer, asyncio.DatagramProtocol):
    """One UDP socket."""

    transport = "UDP"

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._socket = cast("asyncio.DatagramTransport", transport)
        self.address = transport.get_extra_info("sockname")[:2]

    def datagram_received(self, data: bytes, addr: Address) -> None:
        head, _, body = data.partition(b"\r\n\r\n")
        self._take(head, body, addr[:2])

    def send(self, data: bytes, to: Address | None = None) -> None:
        assert to is not None, "a datagram needs an address"
        self._socket.sendto(data, to)

    def close(self) -> None:
        self._socket.close()


class StreamPeer(Peer, asyncio.Protocol):
    """One TCP or TLS connection, made or accepted. `raw` holds what is left after whole messages are taken."""

    transport = "TCP"
    certified: tuple[str, ...] = ()  # the names that a TLS peer has shown, where it was asked

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._stream = cast("asyncio.Transport", transport)
        self.address = transport.get_extra_info("sockname")[:2]
        tls = transport.get_extra_info("ssl_object")
        if tls is not None:
            self.transport = "TLS"
            names = (tls.getpeercert() or {}).get("subjectAltName", ())
            self.certified = tuple(value for _, value in names)

    def data_received(self, data: bytes) -> None:
        self.raw += data
        while b"\r\n\r\n" in self.raw.lstrip(b"\r\n"):
            head, _, rest = self.raw.lstrip(b"\r\n").partition(b"\r\n\r\n")
            lengths = [line[15:] for line in head.split(b"\r\n") if line.lower().startswith(b"content-length:")]
            length = int(lengths[0]) if lengths else 0
            if len(rest) < length:
                return
            self.raw = rest[length:]
            self._take(head, rest[:length], self._stream.get_extra_info("peername")[:2])
        self._wake = asyncio.get_running_loop().create_task(self._tell())

    def connection_lost(self, exc: Exception | None) -> None:
        self.closed.set()

    def send(self, data: bytes, to: Address | None = None) -> None:
        self._stream.write(data)

    def close(self) -> None:
        self._stream.close()

    def finish(self) -> None:
        """Nothing more will be sent; what comes is still read."""
        self._stream.write_eof()

    async def gone(self, within: float = 5.0) -> None:
        """Wait until the connection is closed, by whichever side."""
        async with asyncio.timeout(within):
            await self.closed.wait()

    async def pong(self, within: float = 5.0) -> bytes:
        """Wait for bytes that are no message, and take them."""
        async with asyncio.timeout(within), self._news:
            await self._news.wait_for(lambda: self.raw)
        raw, self.raw = self.raw, b""
        return raw


class StreamHost:
    """A listening TCP or TLS port; `accept` gives the connections in the order they came."""

    def __init__(self) -> None:
        self.connections: list[StreamPeer] = []
        self._fresh: asyncio.Queue[StreamPeer] = asyncio.Queue()
        self.address: Address = ("", 0)

    def make(self) -> StreamPeer:
        host = self

        class _Accepted(StreamPeer):
            def connection_made(self, transport: asyncio.BaseTransport) -> None:
                super().connection_made(transport)
                host.connections.append(self)
                host._fresh.put_nowait(self)

        return _Accepted()

    async def accept(self, within: float = 5.0) -> StreamPeer:
        async with asyncio.timeout(within):
            return await self._fresh.get()


@contextlib.asynccontextmanager
async def udp_peer(host: str = "127.0.0.2", port: int = 0) -> AsyncIterator[UdpPeer]:
    """A bound UDP socket."""
    loop = asyncio.get_running_loop()
    _, peer = await loop.create_datagram_endpoint(UdpPeer, local_addr=(host, port))
    try:
        yield peer
    finally:
        peer.close()


@contextlib.asynccontextmanager
async def stream_peer(
    to: Address, host: str = "127.0.0.2", tls: ssl.SSLContext | None = None, server_name: str | None = None
) -> AsyncIterator[StreamPeer]:
    """A connection to `to`."""
    loop = asyncio.get_running_loop()
    _, peer = await loop.create_connection(
        StreamPeer, *to, local_addr=(host, 0), ssl=tls, server_hostname=server_name if tls else None
    )
    try:
        yield peer
    finally:
        peer.close()


@contextlib.asynccontextmanager
async def stream_host(
    host: str = "127.0.0.20", port: int = 0, tls: ssl.SSLContext | None = None
) -> AsyncIterator[StreamHost]:
    """A listening port."""
    loop = asyncio.get_running_loop()
    listening = StreamHost()
    server = await loop.create_server(listening.make, host, port, ssl=tls)
    listening.address = server.sockets[0].getsockname()[:2]
    try:
        yield listening
    finally:
        server.close()
        for connection in listening.connections:
            connection.close()


class CallerSide:
    """A carrier's call to the proxy: builds each request and sends it from `peer` to `to`."""

    def __init__(
        self, peer: Peer, to: Address, *, domain: str = "acme.sip.example.test", contact: str = ""
    ) -> None:
        self.contact = contact or peer.contact
        self.number = next(_numbers)
        self.call_id = f"call-{self.number}@carrier"
        self.uri = f"sip:+15550100@{domain}"
        self._peer = peer
        self._to = to
        self._tag = f"tag{self.number}"

    def text(
        self,
        method: str,
        *extra: str,
        body: bytes = b"",
        cseq: int = 1,
        uri: str = "",
        to_tag: str = "",
        via: str = "",
        branch: str = "",
    ) -> bytes:
        """One request as bytes; a CANCEL and the ACK of a refusal share the branch of their INVITE."""
        shared = cseq if method in {"INVITE", "CANCEL"} else f"{method}{cseq}"
        branch = branch or f"z9hG4bK-{self.number}-{shared}"
        peer = self._peer
        lines = [
            f"{method} {uri or self.uri} SIP/2.0",
            f"Via: {via or f'SIP/2.0/{peer.transport} {peer.sent_by};rport'};branch={branch}",
            "Max-Forwards: 70",
            f"From: <sip:+15550177@carrier.example>;tag={self._tag}",
            f"To: <{self.uri}>{f';tag={to_tag}' if to_tag else ''}",
            f"Call-ID: {self.call_id}",
            f"CSeq: {cseq} {method}",
            f"Contact: {self.contact}",
            *extra,
            *(["Content-Type: application/sdp"] if body else []),
            f"Content-Length: {len(body)}",
        ]
        return "\r\n".join([*lines, "", ""]).encode() + body

    def invite(self, *extra: str, body: bytes = SDP, via: str = "") -> None:
        self._peer.send(self.text("INVITE", *extra, body=body, via=via), self._to)

    def cancel(self) -> None:
        self._peer.send(self.text("CANCEL"), self._to)

    def ack(self, answer: Heard) -> None:
        """The ACK of a final response to the INVITE."""
        refused = answer.status >= 300
        branch = f"z9hG4bK-{self.number}-1" if refused else ""
        uri = self.uri if refused else _target(answer)
        self._peer.send(self.text("ACK", uri=uri, to_tag=_tag(answer.get("to")), branch=branch), self._to)

    def bye(self, answer: Heard, cseq: int = 2) -> None:
        self._peer.send(self.text("BYE", cseq=cseq, uri=_target(answer), to_tag=_tag(answer.get("to"))), self._to)

    async def up(self) -> Heard:
        """INVITE, and the ACK of its 200."""
        self.invite()
        answer = await self._peer.hear("200 INVITE", 10)
        self.ack(answer)
        return answer


def reply(to: Heard, status: int, *extra: str, contact: str = "", body: bytes = b"", tag: str = "callee") -> bytes:
    """A response to a request that was heard."""
    tagged = to.get("to") if "tag=" in to.get("to") else f"{to.get('to')};tag={tag}"
    vias = [f"Via: {value}" for key, value in to.headers if key == "via"]
    lines = [
        f"SIP/2.0 {status} Said",
        *vias,
        f"From: {to.get('from')}",
        f"To: {tagged if status > 100 else to.get('to')}",
        f"Call-ID: {to.get('call-id')}",
        f"CSeq: {to.get('cseq')}",
        *([f"Contact: {contact}"] if contact else []),
        *extra,
        *(["Content-Type: application/sdp"] if body else []),
        f"Content-Length: {len(body)}",
    ]
    return "\r\n".join([*lines, "", ""]).encode() + body


def _target(answer: Heard) -> str:
    return answer.get("contact").partition("<")[2].partition(">")[0]


def _tag(value: str) -> str:
    return value.partition(";tag=")[2].partition(";")[0]
