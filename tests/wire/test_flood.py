"""Scanners at thousands of packets a second, on real sockets: a carrier's calls do not notice."""

import asyncio
import contextlib
import socket
from pathlib import Path

import aiohttp
import pytest

from tests.support.daemon import configuration, daemon
from tests.support.sipp import Address, Sipp, free_port

pytestmark = pytest.mark.wire

PACKETS = 4000
SECONDS = 2.5
CALLS, RATE = 50, 20
SCANNERS = [f"127.9.0.{number}" for number in range(1, 11)]


async def scan(scanner: str, target: Address) -> int:
    """Send this scanner's share of the packets; how many answers it got."""
    share = PACKETS // len(SCANNERS)
    request = (
        f"OPTIONS sip:100@{target[0]} SIP/2.0\r\nVia: SIP/2.0/UDP {scanner}:5060;branch=z9hG4bKx;rport\r\n"
        f"From: <sip:100@{target[0]}>;tag=x\r\nTo: <sip:100@{target[0]}>\r\nCall-ID: x@{scanner}\r\n"
        "CSeq: 1 OPTIONS\r\nUser-Agent: friendly-scanner\r\nContent-Length: 0\r\n\r\n"
    ).encode()
    answers = 0
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as peer:
        peer.bind((scanner, 0))
        peer.setblocking(False)
        for number in range(share):
            peer.sendto(request if number % 2 else b"\x00 no message \xff" * 20, target)
            with contextlib.suppress(BlockingIOError):
                answers += bool(peer.recv(65535))
            await asyncio.sleep(SECONDS / share)
    return answers


async def test_a_flood_of_scanners_costs_no_call_and_gets_no_answer_and_is_shown_over_http(tmp_path: Path) -> None:
    sipp = Sipp(tmp_path, keep_messages=False)
    async with sipp.uas("uas_answer.xml") as callee:
        document = configuration(f"sip:{callee.address[0]}:{callee.address[1]}")
        document["ip_access_control_lists"]["loopback"]["addresses"] = ["127.0.0.0/24"]
        document["health"] = {"bind": f"127.0.0.10:{free_port('127.0.0.10', 't1')}"}
        async with daemon(tmp_path, document) as proxy:
            async with asyncio.TaskGroup() as group:
                calls = group.create_task(sipp.uac("uac_plain.xml", proxy.udp, calls=CALLS, rate=RATE))
                scans = [group.create_task(scan(scanner, proxy.udp)) for scanner in SCANNERS]
            url = f"http://{document['health']['bind']}/rejected"
            async with aiohttp.ClientSession() as http, http.get(url) as answer:
                rejected = await answer.json()
            banned = [line["source"] for line in proxy.log if line["event"] == "source.banned"]
    report = calls.result()
    assert (report.successful, report.failed) == (CALLS, 0), report.errors
    assert [each.result() for each in scans] == [0] * len(SCANNERS)
    assert sorted(banned) == sorted(SCANNERS)
    assert rejected["counts"]["banned"] > PACKETS / 2
    assert 0 < len(rejected["recent"]) <= 200
