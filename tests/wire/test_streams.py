"""TCP as carriers use and abuse it: odd segments, keep-alives, garbage, slow readers, connections that go away."""

import asyncio
import contextlib
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from tests.support.authority import Authority
from tests.support.daemon import Daemon, configuration, daemon, free_for_both
from tests.support.peers import (
    SDP,
    CallerSide,
    Heard,
    StreamPeer,
    UdpPeer,
    reply,
    stream_host,
    stream_peer,
    udp_peer,
)

pytestmark = pytest.mark.wire

REJECT = "<Response><Reject/></Response>"


@contextlib.asynccontextmanager
async def proxy_and_callee(directory: Path) -> AsyncIterator[tuple[Daemon, UdpPeer]]:
    async with (
        udp_peer("127.0.0.20") as callee,
        daemon(directory, configuration(f"sip:{callee.sent_by}")) as proxy,
    ):
        yield proxy, callee


def answer(callee: UdpPeer, request: Heard) -> None:
    body = SDP if request.what == "INVITE" else b""
    callee.send(reply(request, 200, contact=callee.contact, body=body), request.source)


async def test_an_invite_that_comes_byte_by_byte_is_answered(tmp_path: Path) -> None:
    async with (
        daemon(tmp_path, configuration("sip:127.0.0.20:5060", voice_twiml=REJECT)) as proxy,
        stream_peer(proxy.tcp) as carrier,
    ):
        call = CallerSide(carrier, proxy.tcp)
        for byte in call.text("INVITE", body=SDP):
            carrier.send(bytes([byte]))
            await asyncio.sleep(0)
        call.ack(await carrier.hear("404 INVITE"))
    assert carrier.kinds[-1] == "404 INVITE"


async def test_many_messages_in_one_segment_are_all_answered_in_order(tmp_path: Path) -> None:
    async with (
        daemon(tmp_path, configuration("sip:127.0.0.20:5060", voice_twiml=REJECT)) as proxy,
        stream_peer(proxy.tcp) as carrier,
    ):
        call = CallerSide(carrier, proxy.tcp)
        probes = b"".join(call.text("OPTIONS", cseq=number) for number in range(1, 31))
        carrier.send(probes + call.text("INVITE", body=SDP, cseq=31))
        await carrier.hear("404 INVITE")
    answered = [int(message.get("cseq").split()[0]) for message in carrier.heard if message.what == "200 OPTIONS"]
    assert answered == list(range(1, 31))


async def test_a_keep_alive_on_a_stream_gets_its_pong(tmp_path: Path) -> None:
    async with daemon(tmp_path, configuration("sip:127.0.0.20:5060")) as proxy, stream_peer(proxy.tcp) as carrier:
        carrier.send(b"\r\n\r\n")
        assert await carrier.pong() == b"\r\n"  # RFC 5626 §4.4.1
        carrier.send(CallerSide(carrier, proxy.tcp).text("OPTIONS"))
        await carrier.hear("200 OPTIONS")


async def test_a_message_without_an_end_that_can_be_found_gets_400_and_the_stream_is_closed(tmp_path: Path) -> None:
    async with daemon(tmp_path, configuration("sip:127.0.0.20:5060")) as proxy, stream_peer(proxy.tcp) as carrier:
        probe = CallerSide(carrier, proxy.tcp).text("OPTIONS")
        carrier.send(probe.replace(b"Content-Length: 0", b"Content-Length: many"))
        await carrier.hear("400 OPTIONS")
        await carrier.gone()


async def test_bytes_that_are_no_sip_at_all_close_the_stream(tmp_path: Path) -> None:
    async with daemon(tmp_path, configuration("sip:127.0.0.20:5060")) as proxy, stream_peer(proxy.tcp) as carrier:
        carrier.send(b"GET / HTTP/1.1\r\nHost: proxy\r\n\r\n")
        await carrier.gone()
    assert carrier.heard == []


HALF = b"INVITE sip:+15550100@acme.sip.example.test SIP/2.0\r\nVia: SIP/2.0/TCP 127.0.0.3;branch=z9"
HELLO = bytes.fromhex("160301020001000000")  # a TLS record that promises 512 bytes and brings four


async def test_five_hundred_slow_connections_cost_a_call_nothing_and_are_all_closed_in_time(tmp_path: Path) -> None:
    """Half messages, half TLS handshakes, and silence; the call lives on a connection that was there before."""
    async with udp_peer("127.0.0.20") as callee, contextlib.AsyncExitStack() as stack:
        document = Authority.made(tmp_path).secure(configuration(f"sip:{callee.sent_by}"), tmp_path)
        times = {"message_timeout": 1.5, "handshake_timeout": 1.5, "idle_timeout": 1.5}
        document["limits"]["connections"] = {"max": 1000, "max_per_source": 200, **times}
        proxy = await stack.enter_async_context(daemon(tmp_path, document))
        carrier = await stack.enter_async_context(stream_peer(proxy.tcp))
        call = CallerSide(carrier, proxy.tcp)
        call.invite()
        answer(callee, await callee.hear("INVITE"))
        final = await carrier.hear("200 INVITE")
        call.ack(final)
        before = proxy.resident()
        crowd = [
            await stack.enter_async_context(stream_peer(place, f"127.0.0.{3 + number % 3}"))
            for number, place in enumerate([proxy.tcp, proxy.tcp, proxy.tls] * 167)
        ]
        for number, slow in enumerate(crowd):
            slow.send((HALF, b"", HELLO)[number % 3])
        started = asyncio.get_running_loop().time()
        second = CallerSide(carrier, proxy.tcp)
        second.invite()
        answer(callee, await callee.hear("INVITE"))
        quick = (await carrier.hear("200 INVITE")).at - started
        grown = proxy.resident() - before
        await asyncio.gather(*(slow.gone(5) for slow in crowd))
        closed = asyncio.get_running_loop().time() - started
        call.bye(final)
        await carrier.hear("200 BYE")  # its own connection was quiet for longer than they were, and is there
    assert quick < 0.5
    assert closed < 3.0
    assert grown < 64 << 20


async def test_a_source_with_too_many_connections_is_refused_the_next_and_others_are_not(tmp_path: Path) -> None:
    document = configuration("sip:127.0.0.20:5060")
    document["limits"]["connections"] = {"max_per_source": 3}
    async with daemon(tmp_path, document) as proxy, contextlib.AsyncExitStack() as stack:
        kept = [await stack.enter_async_context(stream_peer(proxy.tcp, "127.0.0.3")) for _ in range(3)]
        for peer in kept:
            peer.send(b"\r\n\r\n")
            await peer.pong()
        refused = await stack.enter_async_context(stream_peer(proxy.tcp, "127.0.0.3"))
        await refused.gone()
        other = await stack.enter_async_context(stream_peer(proxy.tcp, "127.0.0.4"))
        other.send(CallerSide(other, proxy.tcp).text("OPTIONS"))
        await other.hear("200 OPTIONS")
        await _lose(kept[0])
        again = await stack.enter_async_context(stream_peer(proxy.tcp, "127.0.0.3"))
        again.send(b"\r\n\r\n")
        assert await again.pong() == b"\r\n"


async def test_a_bye_of_ours_comes_on_the_callers_connection_whatever_its_contact_says(tmp_path: Path) -> None:
    async with proxy_and_callee(tmp_path) as (proxy, callee), stream_peer(proxy.tcp) as carrier:
        call = CallerSide(carrier, proxy.tcp, contact="<sip:carrier@192.168.1.9:5060;transport=tcp>")
        call.invite()
        answer(callee, await callee.hear("INVITE"))
        call.ack(await carrier.hear("200 INVITE"))
        ack = await callee.hear("ACK")
        callee.send(_bye_of_callee(callee, ack), ack.source)
        bye = await carrier.hear("BYE")
        carrier.send(reply(bye, 200))
        await callee.hear("200 BYE")
    assert bye.uri == "sip:carrier@192.168.1.9:5060;transport=tcp"


async def test_a_bye_after_the_callers_connection_went_away_takes_a_new_one_to_its_contact(tmp_path: Path) -> None:
    async with proxy_and_callee(tmp_path) as (proxy, callee), stream_host("127.0.0.2") as listening:
        host, port = listening.address
        async with stream_peer(proxy.tcp) as carrier:
            call = CallerSide(carrier, proxy.tcp, contact=f"<sip:carrier@{host}:{port};transport=tcp>")
            call.invite()
            answer(callee, await callee.hear("INVITE"))
            call.ack(await carrier.hear("200 INVITE"))
            ack = await callee.hear("ACK")
            await _lose(carrier)
        callee.send(_bye_of_callee(callee, ack), ack.source)
        fresh = await listening.accept()
        bye = await fresh.hear("BYE")
        fresh.send(reply(bye, 200))
        await callee.hear("200 BYE")
        record = await proxy.record()
    assert bye.get("call-id") == call.call_id
    assert record["status"] == "completed"


async def test_an_answer_after_the_callers_connection_went_away_takes_a_new_one_to_its_via(tmp_path: Path) -> None:
    async with proxy_and_callee(tmp_path) as (proxy, callee), stream_host("127.0.0.2") as listening:
        place = ":".join(map(str, listening.address))
        async with stream_peer(proxy.tcp) as carrier:
            call = CallerSide(carrier, proxy.tcp, contact=f"<sip:carrier@{place};transport=tcp>")
            call.invite(via=f"SIP/2.0/TCP {place}")
            invite = await callee.hear("INVITE")
            await _lose(carrier)
        answer(callee, invite)
        fresh = await listening.accept()
        final = await fresh.hear("200 INVITE")  # RFC 3261 §18.2.2
        fresh.send(_in_dialog(call, "ACK", final, 1))
        await callee.hear("ACK")
        fresh.send(_in_dialog(call, "BYE", final, 2))
        await fresh.hear("200 BYE")


async def test_calls_to_one_gateway_share_a_connection(tmp_path: Path) -> None:
    async with stream_host() as gateway, udp_peer() as carrier:
        host, port = gateway.address
        async with daemon(tmp_path, configuration(f"sip:{host}:{port};transport=tcp")) as proxy:
            for _ in range(2):
                call = CallerSide(carrier, proxy.udp)
                call.invite()
                link = gateway.connections[0] if gateway.connections else await gateway.accept()
                link.send(reply(await link.hear("INVITE"), 486))
                await link.hear("ACK")
                call.ack(await carrier.hear("486 INVITE"))
    assert len(gateway.connections) == 1


@pytest.mark.parametrize("listens", [True, False], ids=["with TCP", "without TCP"])
async def test_an_invite_too_large_for_udp_goes_over_tcp_where_there_is_tcp(tmp_path: Path, listens: bool) -> None:
    port = free_for_both("127.0.0.20")
    large = SDP + b"a=x:" + b"y" * 3000 + b"\r\n"
    async with contextlib.AsyncExitStack() as stack:
        datagrams = await stack.enter_async_context(udp_peer("127.0.0.20", port))
        streams = await stack.enter_async_context(stream_host("127.0.0.20", port if listens else 0))
        proxy = await stack.enter_async_context(daemon(tmp_path, configuration(f"sip:127.0.0.20:{port}")))
        carrier = await stack.enter_async_context(stream_peer(proxy.tcp))
        call = CallerSide(carrier, proxy.tcp)
        call.invite(body=large)
        callee: StreamPeer | UdpPeer = await streams.accept() if listens else datagrams
        invite = await callee.hear("INVITE")
        callee.send(reply(invite, 486), invite.source)
        call.ack(await carrier.hear("486 INVITE"))
        await callee.hear("ACK")
        attempt = (await proxy.record())["attempts"][0]
    transport = "TCP" if listens else "UDP"
    assert invite.body == large
    assert invite.get("via").startswith(f"SIP/2.0/{transport} 127.0.0.10:")
    assert attempt["address"] == f"{transport} 127.0.0.20:{port}"
    assert attempt["size"] > 3000
    assert ("over TCP and not UDP" if listens else "Connection refused") in attempt["remark"]


async def _lose(carrier: StreamPeer) -> None:
    """Make the proxy close the connection: then it is certain that it knows."""
    carrier.send(b"no SIP\r\n\r\n")
    await carrier.gone()


def _in_dialog(call: CallerSide, method: str, final: Heard, cseq: int) -> bytes:
    target = final.get("contact").strip("<>")
    return call.text(method, cseq=cseq, uri=target, to_tag=final.get("to").partition(";tag=")[2])


def _bye_of_callee(callee: UdpPeer, ack: Heard) -> bytes:
    """What the callee says when it hangs up: its own From is the To of the requests that it heard."""
    lines = [
        f"BYE sip:{ack.source[0]}:{ack.source[1]} SIP/2.0",
        f"Via: SIP/2.0/UDP {callee.sent_by};branch=z9hG4bK-callee-bye",
        "Max-Forwards: 70",
        f"From: {ack.get('to')}",
        f"To: {ack.get('from')}",
        f"Call-ID: {ack.get('call-id')}",
        "CSeq: 1 BYE",
        "Content-Length: 0",
    ]
    return "\r\n".join([*lines, "", ""]).encode()
