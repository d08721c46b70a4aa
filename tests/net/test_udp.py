"""The UDP listener on real sockets and on every event loop that the daemon may run on."""

import asyncio
import socket
from collections.abc import Callable, Coroutine
from typing import Any

import pytest
import uvloop

from byoc_proxy.net.udp import BATCH, UdpListener
from byoc_proxy.net.wire import Unreachable
from byoc_proxy.sip.flow import Flow
from byoc_proxy.sip.locate import Hop
from byoc_proxy.sip.message import Message
from byoc_proxy.sip.parser import ParseError
from tests.support.daemon import until
from tests.support.sipp import free_port

pytestmark = pytest.mark.wire

LOOPS = [pytest.param(asyncio.new_event_loop, id="asyncio"), pytest.param(uvloop.new_event_loop, id="uvloop")]
NewLoop = Callable[[], asyncio.AbstractEventLoop]


class Ear:
    """A receiver that keeps what it is told."""

    def __init__(self) -> None:
        self.datagrams: list[tuple[bytes, Flow]] = []
        self.lost: list[tuple[bytes, str]] = []
        self.flushes = 0

    def received(self, data: bytes, flow: Flow) -> None:
        self.datagrams.append((data, flow))

    def undeliverable(self, data: bytes, cause: str) -> None:
        self.lost.append((data, cause))

    def flush(self) -> None:
        self.flushes += 1

    def delivered(self, message: Message, flow: Flow) -> None:
        raise AssertionError("a datagram is not framed")

    def garbled(self, error: ParseError, flow: Flow) -> None:
        raise AssertionError("a datagram is not parsed here")

    def closed(self, flow: Flow) -> None:
        raise AssertionError("a datagram socket has no connections")

    async def heard(self, count: int) -> list[bytes]:
        await until(lambda: len(self.datagrams) >= count or None, 5, lambda: f"only {self.datagrams}")
        return [data for data, _ in self.datagrams]


def on(new_loop: NewLoop, work: Coroutine[Any, Any, None]) -> None:
    with asyncio.Runner(loop_factory=new_loop) as runner:
        runner.run(work)


@pytest.mark.parametrize("new_loop", LOOPS)
@pytest.mark.parametrize("host", ["127.0.0.10", "::1"])
def test_datagrams_come_with_their_source_and_go_out_from_the_listeners_own_port(
    new_loop: NewLoop, host: str
) -> None:
    async def work() -> None:
        ear = Ear()
        listener = UdpListener((host, 0), f"{host}:5060", ear)
        with socket.socket(socket.AF_INET6 if ":" in host else socket.AF_INET, socket.SOCK_DGRAM) as peer:
            peer.bind((host, 0))
            peer.sendto(b"OPTIONS", listener.local)
            assert await ear.heard(1) == [b"OPTIONS"]
            flow = ear.datagrams[0][1]
            assert flow == Flow("UDP", listener.local, peer.getsockname()[:2], f"{host}:5060")
            listener.send(b"200", flow)
            peer.settimeout(5)
            data, source = peer.recvfrom(100)
        await listener.close()
        assert (data, source[:2]) == (b"200", listener.local)

    on(new_loop, work())


@pytest.mark.parametrize("new_loop", LOOPS)
def test_a_closed_port_is_reported_with_the_datagram_that_met_it_and_deafens_nobody(new_loop: NewLoop) -> None:
    async def work() -> None:
        ear = Ear()
        listener = UdpListener(("127.0.0.10", 0), "proxy", ear)
        dead = Flow("UDP", listener.local, ("127.0.0.21", free_port("127.0.0.21")), "proxy")
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as peer:
            peer.bind(("127.0.0.20", 0))
            for number in range(1, 6):
                listener.send(b"INVITE %d" % number, dead)
                await until(
                    lambda n=number: len(ear.lost) >= n or None,  # type: ignore[misc]
                    5,
                    lambda: f"nothing said of a closed port: {ear.lost}",
                )
                peer.sendto(b"still there?", listener.local)
                await ear.heard(number)
        await listener.close()
        assert ear.lost == [(b"INVITE %d" % number, "ICMP: Connection refused") for number in range(1, 6)]

    on(new_loop, work())


@pytest.mark.parametrize("new_loop", LOOPS)
def test_a_live_address_gets_its_datagram_although_an_earlier_one_to_a_dead_address_came_back(
    new_loop: NewLoop,
) -> None:
    async def work() -> None:
        ear = Ear()
        listener = UdpListener(("127.0.0.10", 0), "proxy", ear)
        dead = Flow("UDP", listener.local, ("127.0.0.21", free_port("127.0.0.21")), "proxy")
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as peer:
            peer.bind(("127.0.0.20", 0))
            alive = Flow("UDP", listener.local, peer.getsockname(), "proxy")
            listener.send(b"to the dead", dead)
            listener.send(b"to the living", alive)  # the kernel reports the first one's fate here
            peer.settimeout(5)
            assert peer.recv(100) == b"to the living"
            peer.sendto(b"thanks", listener.local)
            assert await ear.heard(1) == [b"thanks"]
        await listener.close()
        assert [data for data, _ in ear.lost] == [b"to the dead"]

    on(new_loop, work())


@pytest.mark.parametrize("new_loop", LOOPS)
def test_a_message_too_big_for_a_datagram_is_reported_and_the_next_one_is_heard(new_loop: NewLoop) -> None:
    async def work() -> None:
        ear = Ear()
        listener = UdpListener(("127.0.0.10", 0), "proxy", ear)
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as peer:
            peer.bind(("127.0.0.20", 0))
            listener.send(b"x" * 70_000, Flow("UDP", listener.local, peer.getsockname(), "proxy"))
            peer.sendto(b"OPTIONS", listener.local)
            await ear.heard(1)
        await listener.close()
        assert [(len(data), cause) for data, cause in ear.lost] == [(70_000, "Message too long")]

    on(new_loop, work())


async def test_a_burst_is_read_in_turns_of_a_batch_and_nothing_of_it_is_lost() -> None:
    ear = Ear()
    listener = UdpListener(("127.0.0.10", 0), "proxy", ear)
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as peer:
        for number in range(3 * BATCH):
            peer.sendto(b"datagram %03d" % number, listener.local)
        heard = await ear.heard(3 * BATCH)
    await listener.close()
    assert heard == [b"datagram %03d" % number for number in range(3 * BATCH)]
    assert 3 <= ear.flushes <= 6  # once per wake-up, not once per datagram


async def test_keep_alives_are_not_passed_on() -> None:
    ear = Ear()
    listener = UdpListener(("127.0.0.10", 0), "proxy", ear)
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as peer:
        for data in (b"", b"\r\n", b"\r\n\r\n", b"\0\0\0\0", b"OPTIONS"):
            peer.sendto(data, listener.local)
        assert await ear.heard(1) == [b"OPTIONS"]
    await listener.close()


async def test_a_port_that_is_taken_and_an_address_of_the_other_family_are_refused() -> None:
    listener = UdpListener(("127.0.0.10", 0), "proxy", Ear())
    with pytest.raises(OSError, match="Address already in use"):
        UdpListener(listener.local, "proxy", Ear())
    with pytest.raises(Unreachable, match="family"):
        await listener.reach(Hop("UDP", "::1", 5060, "::1"))
    flow = await listener.reach(Hop("UDP", "127.0.0.20", 5070, "gw.carrier.test"))
    await listener.close()
    assert flow == Flow("UDP", listener.local, ("127.0.0.20", 5070), "proxy")


@pytest.mark.parametrize("host", ["127.0.0.10", "::1"])
def test_the_backlog_is_the_share_of_the_buffer_that_waits_and_none_once_it_is_read(host: str) -> None:
    async def work() -> None:
        ear = Ear()
        listener = UdpListener((host, 0), "proxy", ear)
        assert listener.backlog() == 0.0
        shares = []
        with socket.socket(socket.AF_INET6 if ":" in host else socket.AF_INET, socket.SOCK_DGRAM) as peer:
            for _ in range(3):
                for _ in range(20):
                    peer.sendto(b"x" * 900, listener.local)
                shares.append(listener.backlog())
        assert 0.0 < shares[0] < shares[1] < shares[2] < 1.0
        await ear.heard(60)
        await listener.close()
        assert listener.backlog() == 0.0

    on(asyncio.new_event_loop, work())
