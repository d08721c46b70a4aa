"""Failover on the real clock and the real network: silence, ICMP, refused connections, names of many addresses."""

import asyncio
import contextlib
import socket
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from byoc_proxy.sim.zone import Zone
from tests.support.daemon import configuration, daemon
from tests.support.peers import SDP, CallerSide, Heard, UdpPeer, reply, udp_peer
from tests.support.sipp import free_port
from tests.support.zone import DnsServer

pytestmark = pytest.mark.wire

GATEWAYS = ("127.0.0.21", "127.0.0.22", "127.0.0.23")
QUICK = 0.3  # seconds of no_reply_timeout where the four are not what is tested


def answer(callee: UdpPeer, invite: Heard) -> None:
    callee.send(reply(invite, 200, contact=callee.contact, body=SDP), invite.source)


@contextlib.asynccontextmanager
async def gateways(*hosts: str) -> AsyncIterator[list[UdpPeer]]:
    """A socket on each host, all on one port, as the addresses of one name are."""
    port = free_port(hosts[0])
    async with contextlib.AsyncExitStack() as stack:
        yield [await stack.enter_async_context(udp_peer(host, port)) for host in hosts]


async def test_a_dead_address_costs_four_seconds_and_two_of_three_cost_eight(tmp_path: Path) -> None:
    for name in ("udp", "tcp"):
        (tmp_path / name).mkdir()
    async with asyncio.TaskGroup() as both:
        both.create_task(_third_of_three_answers(tmp_path / "udp"))
        both.create_task(_tcp_queue_is_full(tmp_path / "tcp"))


async def _third_of_three_answers(tmp_path: Path) -> None:
    zone = Zone().host("gw.carrier.test", *GATEWAYS)
    async with DnsServer(zone) as dns, gateways(*GATEWAYS) as hosts, udp_peer() as carrier:
        document = configuration(f"sip:gw.carrier.test:{hosts[0].address[1]}")
        document["dns"] = {"nameservers": [dns.address]}
        async with daemon(tmp_path, document) as proxy:
            call = CallerSide(carrier, proxy.udp)
            call.invite()
            waiting = {asyncio.create_task(host.hear("INVITE", 10)): host for host in hosts}
            firsts: list[Heard] = []
            while waiting:  # the proxy shuffles the addresses: whichever comes third is the one that lives
                done, _ = await asyncio.wait(waiting, return_when=asyncio.FIRST_COMPLETED)
                for task in done:
                    host = waiting.pop(task)
                    firsts.append(task.result())
            answer(host, firsts[2])
            final = await carrier.hear("200 INVITE")
            call.ack(final)
            await host.hear("ACK")
            call.bye(final)
            await host.hear("BYE")
            record = await proxy.record()
    assert firsts[1].at - firsts[0].at == pytest.approx(4.0, abs=0.1)
    assert final.at - firsts[0].at == pytest.approx(8.0, abs=0.3)
    assert [attempt["outcome"] for attempt in record["attempts"]] == ["no reply", "no reply", "answered"]
    assert len({attempt["address"] for attempt in record["attempts"]}) == 3
    silent = [other for other in hosts if other is not host]
    assert [other.kinds for other in silent] == [["INVITE"] * 4] * 2  # at 0, 0.5, 1.5 and 3.5 s; never a CANCEL


async def _tcp_queue_is_full(tmp_path: Path) -> None:
    with socket.socket() as full, socket.socket() as waiting:
        full.bind(("127.0.0.24", 0))
        full.listen(0)  # one connection fills its queue; the kernel drops the SYNs of all others
        waiting.connect(full.getsockname())
        host, port = full.getsockname()
        async with udp_peer("127.0.0.22") as callee, udp_peer() as carrier:
            document = configuration(f"sip:{host}:{port};transport=tcp", f"sip:{callee.sent_by}")
            async with daemon(tmp_path, document) as proxy:
                started = asyncio.get_running_loop().time()
                call = CallerSide(carrier, proxy.udp)
                call.invite()
                invite = await callee.hear("INVITE", 6)
                callee.send(reply(invite, 486), invite.source)
                call.ack(await carrier.hear("486 INVITE"))
                record = await proxy.record()
    assert invite.at - started == pytest.approx(4.0, abs=0.3)
    assert record["attempts"][0]["reason"] == "TCP connect silent for 4 s"


async def test_a_whole_region_that_is_silent_is_left_for_the_next(tmp_path: Path) -> None:
    zone = Zone().host("edge.us1.carrier.test", *GATEWAYS[:2]).host("edge.us2.carrier.test", GATEWAYS[2])
    async with DnsServer(zone) as dns, gateways(*GATEWAYS) as hosts, udp_peer() as carrier:
        document = configuration(f"sip:edge.{{region}}.carrier.test:{hosts[0].address[1]}")
        document["dns"] = {"nameservers": [dns.address]}
        document["connection_policies"]["carriers"]["no_reply_timeout"] = QUICK
        async with daemon(tmp_path, document) as proxy:
            call = CallerSide(carrier, proxy.udp)
            call.invite()
            answer(hosts[2], await hosts[2].hear("INVITE"))
            final = await carrier.hear("200 INVITE")
            call.ack(final)
            call.bye(final)
            await carrier.hear("200 BYE")
            record = await proxy.record()
    assert [(attempt["region"], attempt["outcome"]) for attempt in record["attempts"]] == [
        ("us1", "no reply"),
        ("us1", "no reply"),
        ("us2", "answered"),
    ]


async def test_a_late_answer_of_an_address_that_was_left_is_acknowledged_and_hung_up(tmp_path: Path) -> None:
    async with udp_peer("127.0.0.21") as slow, udp_peer("127.0.0.22") as quick, udp_peer() as carrier:
        document = configuration(f"sip:{slow.sent_by}", f"sip:{quick.sent_by}")
        document["connection_policies"]["carriers"]["no_reply_timeout"] = QUICK
        async with daemon(tmp_path, document) as proxy:
            call = CallerSide(carrier, proxy.udp)
            call.invite()
            missed = await slow.hear("INVITE")
            answer(quick, await quick.hear("INVITE"))
            final = await carrier.hear("200 INVITE")
            call.ack(final)
            answer(slow, missed)
            await slow.hear("ACK")
            bye = await slow.hear("BYE")
            slow.send(reply(bye, 200), bye.source)
            call.bye(final)
            await carrier.hear("200 BYE")
            record = await proxy.record()
    assert "CANCEL" not in slow.kinds  # nothing had been heard: RFC 3261 §9.1
    assert record["attempts"][0]["outcome"] == "no reply"
    assert record["attempts"][0]["late"] == ["200 Said"]


async def past_a_dead_target(tmp_path: Path, dead: str) -> tuple[float, dict[str, Any]]:
    """A call whose first target is `dead`: seconds until the second had the INVITE, and the first attempt."""
    async with udp_peer("127.0.0.22") as callee, udp_peer() as carrier:
        async with daemon(tmp_path, configuration(dead, f"sip:{callee.sent_by}")) as proxy:
            started = asyncio.get_running_loop().time()
            call = CallerSide(carrier, proxy.udp)
            call.invite()
            invite = await callee.hear("INVITE")
            callee.send(reply(invite, 486), invite.source)
            call.ack(await carrier.hear("486 INVITE"))
            record = await proxy.record()
    return invite.at - started, record["attempts"][0]


async def test_a_closed_udp_port_costs_no_waiting(tmp_path: Path) -> None:
    waited, attempt = await past_a_dead_target(tmp_path, f"sip:127.0.0.21:{free_port('127.0.0.21')}")
    assert waited < 0.3
    assert attempt["outcome"] == "unreachable"
    assert "ICMP" in attempt["reason"]


async def test_a_refused_tcp_connection_costs_no_waiting(tmp_path: Path) -> None:
    closed = free_port("127.0.0.21", "t1")
    waited, attempt = await past_a_dead_target(tmp_path, f"sip:127.0.0.21:{closed};transport=tcp")
    assert waited < 0.3
    assert attempt["outcome"] == "unreachable"
    assert "refused" in attempt["reason"]


async def test_a_name_that_does_not_exist_costs_no_waiting_and_is_written_down(tmp_path: Path) -> None:
    async with DnsServer(Zone()) as dns, udp_peer("127.0.0.22") as callee, udp_peer() as carrier:
        document = configuration("sip:nowhere.carrier.test", f"sip:{callee.sent_by}")
        document["dns"] = {"nameservers": [dns.address]}
        async with daemon(tmp_path, document) as proxy:
            call = CallerSide(carrier, proxy.udp)
            call.invite()
            invite = await callee.hear("INVITE", 1)
            callee.send(reply(invite, 486), invite.source)
            call.ack(await carrier.hear("486 INVITE"))
            record = await proxy.record()
    assert record["attempts"][0]["outcome"] == "not resolved"
    assert record["attempts"][0]["target"] == "sip:nowhere.carrier.test"


async def test_a_carrier_out_of_order_rests_and_the_next_call_goes_past_it(tmp_path: Path) -> None:
    async with udp_peer("127.0.0.21") as broken, udp_peer("127.0.0.22") as callee, udp_peer() as carrier:
        document = configuration(f"sip:{broken.sent_by}", f"sip:{callee.sent_by}")
        async with daemon(tmp_path, document) as proxy:
            for number in (1, 2):
                call = CallerSide(carrier, proxy.udp)
                call.invite()
                if number == 1:
                    invite = await broken.hear("INVITE")
                    broken.send(reply(invite, 503, "Retry-After: 20"), invite.source)
                invite = await callee.hear("INVITE")
                callee.send(reply(invite, 486), invite.source)
                call.ack(await carrier.hear("486 INVITE"))
            await proxy.records(2)
    assert broken.kinds.count("INVITE") == 1
