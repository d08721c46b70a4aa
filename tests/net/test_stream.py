"""TCP and TLS connections of the proxy on real sockets: pooling, framing, and peers that do not play along."""

import asyncio
import socket
import ssl
import struct
from pathlib import Path

import pytest
import trustme

from byoc_proxy.net.connection import MAX_UNSENT
from byoc_proxy.net.lobby import Lobby, StreamLimits
from byoc_proxy.net.stream import StreamListener
from byoc_proxy.net.tls import ClientTls
from byoc_proxy.net.wire import Unreachable
from byoc_proxy.sip.flow import Flow, TlsTerms
from byoc_proxy.sip.locate import Hop
from byoc_proxy.sip.message import Message
from byoc_proxy.sip.parser import ParseError
from tests.support.daemon import until
from tests.support.peers import CallerSide, StreamHost, stream_host, stream_peer
from tests.support.sipp import free_port
from tests.support.wires import what

pytestmark = pytest.mark.wire


class Ear:
    """A receiver that keeps what it is told."""

    def __init__(self) -> None:
        self.messages: list[tuple[str, Flow]] = []
        self.garbage: list[str] = []
        self.gone: list[Flow] = []
        self.lost: list[tuple[bytes, str]] = []
        self.flushes = 0
        self.causes: list[str] = []  # why connections ended
        self.turned: list[str] = []  # why connections were not taken, or ended by us
        self.in_use: set[int] = set()

    def received(self, data: bytes, flow: Flow) -> None:
        raise AssertionError("a stream has no datagrams")

    def delivered(self, message: Message, flow: Flow) -> None:
        self.messages.append((what(message), flow))

    def garbled(self, error: ParseError, flow: Flow) -> None:
        self.garbage.append(error.reason)

    def closed(self, flow: Flow, cause: str = "") -> None:
        self.gone.append(flow)
        self.causes.append(cause)

    def turned_away(self, cause: str, flow: Flow) -> None:
        self.turned.append(cause)

    def busy(self) -> set[int]:
        return self.in_use

    def undeliverable(self, data: bytes, cause: str) -> None:
        self.lost.append((data, cause))

    def flush(self) -> None:
        self.flushes += 1


async def listening(
    ear: Ear, server: ssl.SSLContext | None = None, client: ClientTls | None = None, **limits: float
) -> StreamListener:
    lobby = Lobby(StreamLimits(**limits), ear.busy)  # type: ignore[arg-type]
    return StreamListener(("127.0.0.10", 0), "proxy.test:5060", ear, lobby, server_tls=server, client_tls=client)


def hop_to(host: StreamHost, name: str = "gw.carrier.test", transport: str = "TCP") -> Hop:
    return Hop("TLS" if transport == "TLS" else "TCP", *host.address, name)


async def test_messages_of_one_segment_are_delivered_in_order_and_flushed_once() -> None:
    ear = Ear()
    listener = await listening(ear)
    async with stream_peer(listener.local) as peer:
        call = CallerSide(peer, listener.local)
        peer.send(b"".join(call.text(method) for method in ("OPTIONS", "INVITE", "CANCEL")))
        await until(lambda: len(ear.messages) == 3 or None, 5, lambda: str(ear.messages))
        flow = ear.messages[0][1]
        assert flow.remote == peer.address
        assert flow.local == listener.local
    await until(lambda: ear.gone or None, 5, lambda: "the end of the connection was not told")
    await listener.close()
    assert [kind for kind, _ in ear.messages] == ["OPTIONS", "INVITE", "CANCEL"]
    assert ear.flushes == 2  # the segment, and the end of the connection
    assert ear.gone == [flow]


async def test_what_is_sent_on_a_flow_goes_out_on_its_connection() -> None:
    ear = Ear()
    listener = await listening(ear)
    async with stream_peer(listener.local) as peer, stream_peer(listener.local) as other:
        for each in (peer, other):
            each.send(CallerSide(each, listener.local).text("OPTIONS"))
        await until(lambda: len(ear.messages) == 2 or None, 5, lambda: str(ear.messages))
        flow = next(flow for _, flow in ear.messages if flow.remote == other.address)
        listener.send(b"SIP/2.0 200 OK\r\nCSeq: 1 OPTIONS\r\nContent-Length: 0\r\n\r\n", flow)
        await other.hear("200 OPTIONS")
        assert peer.heard == []
    await listener.close()


async def test_two_calls_at_once_to_one_gateway_make_one_connection() -> None:
    listener = await listening(Ear())
    async with stream_host() as gateway:
        flows = await asyncio.gather(*(listener.reach(hop_to(gateway)) for _ in range(5)))
        again = await listener.reach(hop_to(gateway))
        await gateway.accept()
        assert {*flows, again} == {again}
        assert len(gateway.connections) == 1
    await listener.close()


async def test_a_call_that_leaves_does_not_take_the_connection_of_the_other_with_it() -> None:
    listener = await listening(Ear())
    async with stream_host() as gateway:
        leaving = asyncio.create_task(listener.reach(hop_to(gateway)))
        staying = asyncio.create_task(listener.reach(hop_to(gateway)))
        await asyncio.sleep(0)
        leaving.cancel()
        flow = await staying
        assert flow.remote == gateway.address
    await listener.close()


async def test_a_message_for_a_connection_that_is_gone_opens_a_new_one() -> None:
    ear = Ear()
    listener = await listening(ear)
    async with stream_host() as gateway:
        flow = await listener.reach(hop_to(gateway))
        (await gateway.accept()).close()
        await until(lambda: ear.gone or None, 5, lambda: "the end of the connection was not told")
        listener.send(b"BYE sip:x SIP/2.0\r\nCSeq: 2 BYE\r\nContent-Length: 0\r\n\r\n", flow)
        await (await gateway.accept()).hear("BYE")
    await listener.close()
    assert ear.lost == []


async def test_a_message_that_cannot_be_sent_any_more_is_reported_with_the_cause() -> None:
    ear = Ear()
    listener = await listening(ear)
    nowhere = Flow("TCP", listener.local, ("127.0.0.21", free_port("127.0.0.21", "t1")), "proxy.test:5060")
    listener.send(b"BYE", nowhere)
    await until(lambda: ear.lost or None, 5, lambda: "nobody was told")
    await listener.close()
    assert ear.lost == [(b"BYE", "TCP connect: Connection refused")]


async def test_a_gateway_that_takes_no_connection_is_given_up_after_the_timeout() -> None:
    listener = await listening(Ear(), connect_timeout=0.05)
    with socket.socket() as full, socket.socket() as waiting:
        full.bind(("127.0.0.21", 0))
        full.listen(0)  # one connection fills its queue
        waiting.connect(full.getsockname())
        host, port = full.getsockname()
        with pytest.raises(Unreachable, match=r"TCP connect silent for 0\.05 s"):
            await listener.reach(Hop("TCP", host, port, "gw"))
    await listener.close()


async def test_a_peer_that_does_not_read_is_cut_off_before_it_fills_our_memory() -> None:
    ear = Ear()
    listener = await listening(ear)
    with socket.socket() as deaf:
        deaf.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        deaf.bind(("127.0.0.2", 0))
        deaf.setblocking(False)
        loop = asyncio.get_running_loop()
        await loop.sock_connect(deaf, listener.local)
        await loop.sock_sendall(deaf, b"OPTIONS sip:x SIP/2.0\r\nVia: SIP/2.0/TCP a;branch=z9hG4bK1\r\n")
        await loop.sock_sendall(
            deaf,
            b"From: <sip:a@a>;tag=1\r\nTo: <sip:b@b>\r\nCall-ID: 1\r\nCSeq: 1 OPTIONS\r\nContent-Length: 0\r\n\r\n",
        )
        await until(lambda: ear.messages or None, 5, lambda: str(ear.garbage))
        flow = ear.messages[0][1]
        written = 0
        while not ear.gone:
            assert written < 64 * MAX_UNSENT, "it may make us keep as much as it likes"
            listener.send(b"x" * 65536, flow)
            written += 65536
            await asyncio.sleep(0)
    await listener.close()
    assert written >= MAX_UNSENT
    assert ear.gone == [flow]


async def test_tls_peers_are_verified_and_pooled_by_the_name_that_was_asked_for(tmp_path: Path) -> None:
    ca = trustme.CA()
    server = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    ca.issue_cert("a.carrier.test", "b.carrier.test").configure_cert(server)
    ca.cert_pem.write_to_path(tmp_path / "ca.pem")
    listener = await listening(Ear(), server, ClientTls(TlsTerms(ca_file=str(tmp_path / "ca.pem"))))
    async with stream_host(tls=server) as gateway:
        first = await listener.reach(hop_to(gateway, "a.carrier.test", "TLS"))
        second = await listener.reach(hop_to(gateway, "b.carrier.test", "TLS"))
        again = await listener.reach(hop_to(gateway, "a.carrier.test", "TLS"))
        with pytest.raises(Unreachable, match="TLS failure: name mismatch"):
            await listener.reach(hop_to(gateway, "c.carrier.test", "TLS"))
    await listener.close()
    assert first == again
    assert first.connection != second.connection
    assert (first.transport, first.server_name) == ("TLS", "a.carrier.test")


async def test_connections_of_one_address_are_not_shared_between_terms(tmp_path: Path) -> None:
    ca = trustme.CA()
    server = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    ca.issue_cert("a.carrier.test").configure_cert(server)
    ca.cert_pem.write_to_path(tmp_path / "ca.pem")
    terms = TlsTerms("chain"), TlsTerms("off"), TlsTerms(name="a.carrier.test")
    listener = await listening(Ear(), server, ClientTls(TlsTerms(ca_file=str(tmp_path / "ca.pem"))))
    async with stream_host(tls=server) as gateway:
        hop = hop_to(gateway, "b.carrier.test", "TLS")
        flows = [await listener.reach(hop, each) for each in (*terms, *terms)]
        with pytest.raises(Unreachable, match="name mismatch"):
            await listener.reach(hop)
    await listener.close()
    assert flows[:3] == flows[3:]
    assert len({flow.connection for flow in flows}) == 3


async def test_a_message_for_a_tls_connection_that_is_gone_opens_one_on_the_same_terms(tmp_path: Path) -> None:
    ca = trustme.CA()
    server = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    ca.issue_cert("*.carrier.test").configure_cert(server)
    ca.cert_pem.write_to_path(tmp_path / "ca.pem")
    ear = Ear()
    listener = await listening(ear, server, ClientTls(TlsTerms(ca_file=str(tmp_path / "ca.pem"))))
    async with stream_host(tls=server) as gateway:
        flow = await listener.reach(hop_to(gateway, "b.carrier.test", "TLS"), TlsTerms(name="*.carrier.test"))
        (await gateway.accept()).close()
        await until(lambda: ear.gone or None, 5, lambda: "the end of the connection was not told")
        listener.send(b"BYE sip:x SIP/2.0\r\nCSeq: 2 BYE\r\nContent-Length: 0\r\n\r\n", flow)
        await (await gateway.accept()).hear("BYE")
    await listener.close()
    assert ear.causes[0] == "connection closed by the far end"


async def test_a_far_end_that_is_silent_in_the_handshake_is_told_from_one_that_is_silent_before() -> None:
    client = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    listener = await listening(Ear(), client, ClientTls(TlsTerms()), connect_timeout=0.2)
    async with stream_host() as gateway:
        with pytest.raises(Unreachable, match=r"TLS handshake silent for 0\.2 s"):
            await listener.reach(hop_to(gateway, transport="TLS"))
        assert len(gateway.connections) == 1
    await listener.close()


@pytest.mark.parametrize(
    ("word", "cause"),
    [(b"SIP/2.0 400 Bad Request\r\n\r\n", "TLS failure: wrong version number"), (b"", "TLS handshake: ")],
    ids=["no TLS", "closed"],
)
async def test_a_far_end_without_tls_is_left_at_once_and_the_cause_is_named(word: bytes, cause: str) -> None:
    listener = await listening(Ear(), ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER), ClientTls(TlsTerms()))
    async with stream_host() as gateway:
        trying = asyncio.create_task(listener.reach(hop_to(gateway, transport="TLS")))
        peer = await gateway.accept()
        peer.send(word)
        peer.close()
        with pytest.raises(Unreachable, match=f"^{cause}"):
            await trying
    await listener.close()


async def test_a_connection_of_ours_comes_from_the_address_of_its_listener() -> None:
    listener = await listening(Ear())
    async with stream_host() as gateway:
        flow = await listener.reach(hop_to(gateway))
    await listener.close()
    assert flow.local[0] == listener.local[0] == "127.0.0.10"


async def test_a_scanner_that_connects_and_resets_at_once_leaves_nothing_behind() -> None:
    ear, loop = Ear(), asyncio.get_running_loop()
    crashes: list[dict[str, object]] = []
    loop.set_exception_handler(lambda _, context: crashes.append(context))
    lobby = Lobby(StreamLimits(), ear.busy)
    listener = StreamListener(("127.0.0.10", 0), "proxy.test:5060", ear, lobby)
    for _ in range(50):
        with socket.create_connection(listener.local) as scanner:
            scanner.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    await until(lambda: len(ear.gone) == 50 or None, 5, lambda: f"{len(ear.gone)} of 50, {crashes}")
    await listener.close()
    assert len(lobby) == 0
    assert crashes == []


async def test_half_a_handshake_is_ended_and_counts_no_more() -> None:
    ear = Ear()
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    listener = await listening(ear, context, handshake_timeout=0.1, max_per_source=1)
    for _ in range(2):
        async with stream_peer(listener.local) as silent:
            await silent.gone(2)
    await listener.close()
    assert [cause.partition(":")[0] for cause in ear.turned] == ["TLS handshake"] * 2
    assert ear.gone == []


async def test_in_a_full_house_a_carrier_gets_the_place_of_who_is_half_through_a_handshake() -> None:
    ear = Ear()
    listener = await listening(ear, ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER), max=1)
    async with stream_peer(listener.local) as silent, stream_peer(listener.local) as second:
        await silent.gone(2)
        assert not second.closed.is_set()
    await listener.close()
    assert ear.turned[0] == "TLS handshake: others need the place"
