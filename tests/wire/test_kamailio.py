"""Calls between foreign telephones over foreign proxies: baresip at both ends, Kamailio on either side of ours."""

import asyncio
import contextlib
from collections.abc import AsyncIterator
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.support.baresip import Baresip, baresip
from tests.support.daemon import DOMAIN, Daemon, Document, configuration, daemon, until
from tests.support.kamailio import Address, kamailio
from tests.support.sipp import Sipp, Transport, free_port

pytestmark = pytest.mark.wire

PASSWORD = "Secret-12345x"
UDP, TCP = "", ";transport=tcp"


@dataclass(frozen=True, slots=True)
class Line:
    """The hops of a call, and whether the proxies on it are strict routers."""

    to_front: str = UDP
    to_us: str = UDP
    to_behind: str = UDP
    to_callee: str = UDP
    strict: bool = False


ALL_UDP = Line()
ALL_TCP = Line(TCP, TCP, TCP, TCP)
CHANGING = Line(UDP, TCP, UDP, TCP)
CHANGING_BACK = Line(TCP, UDP, TCP, UDP)
STRICT = Line(strict=True)


@dataclass(frozen=True, slots=True)
class Stage:
    """Two telephones and the daemon between them."""

    caller: Baresip
    proxy: Daemon
    callee: Baresip

    async def talking(self) -> None:
        await self.caller.does("dial", f"sip:+15550100@{DOMAIN}")
        await self.caller.has("CALL_ESTABLISHED")
        await self.callee.has("CALL_ESTABLISHED")


@contextlib.asynccontextmanager
async def stage(directory: Path, line: Line) -> AsyncIterator[Stage]:
    """baresip, Kamailio, the daemon, Kamailio, baresip: in the order of a call."""

    def router(address: Address, suffix: str, host: str) -> AbstractAsyncContextManager[Address]:
        return kamailio(directory / host, _uri(address, suffix), host=host, strict=line.strict)

    async with (
        baresip(directory / "callee") as callee,
        router(callee.address, line.to_callee, "127.0.0.31") as behind,
        daemon(directory, configuration(_uri(behind, line.to_behind))) as proxy,
        router(proxy.udp, line.to_us, "127.0.0.30") as front,
        baresip(
            directory / "caller", host="127.0.0.41", user="alice", outbound=_uri(front, line.to_front)
        ) as caller,
    ):
        yield Stage(caller, proxy, callee)


@pytest.mark.parametrize(
    ("line", "routes"),
    [
        pytest.param(ALL_UDP, 1, id="over UDP"),
        pytest.param(ALL_TCP, 1, id="over TCP"),
        pytest.param(CHANGING, 2, id="from UDP to TCP at each proxy: two Record-Routes"),
        pytest.param(CHANGING_BACK, 2, id="from TCP to UDP at each proxy: two Record-Routes"),
        pytest.param(STRICT, 1, id="over strict routers"),
    ],
)
async def test_a_call_over_proxies_on_both_sides_is_held_resumed_and_ended_through_them(
    tmp_path: Path, line: Line, routes: int
) -> None:
    async with stage(tmp_path, line) as scene:
        await scene.talking()
        await _holds_and_resumes(scene.caller, scene.callee)
        await _holds_and_resumes(scene.callee, scene.caller)
        first, second = (scene.callee, scene.caller) if line.to_us else (scene.caller, scene.callee)
        await first.does("hangup")
        await second.has("CALL_CLOSED")
        record = await scene.proxy.record()
        invites = [each for each in scene.callee.received if each.start.startswith("INVITE")]
        sources = {each.source.partition(":")[0] for each in (*scene.callee.received, *scene.caller.received)}
    assert (record["status"], record["ended_by"]) == ("completed", "callee" if line.to_us else "caller")
    assert len(invites[0].all("Record-Route")) == routes
    assert len(invites) == 3  # and its own two never came back
    assert sources == {"127.0.0.30", "127.0.0.31"}, "a message went past the proxies"


@pytest.mark.parametrize("transport", ["u1", "t1"])
async def test_a_carrier_behind_a_proxy_is_put_on_hold_by_the_telephone_it_called(
    tmp_path: Path, transport: Transport
) -> None:
    suffix = TCP if transport == "t1" else UDP
    async with (
        baresip(tmp_path / "callee") as callee,
        daemon(tmp_path, configuration(_uri(callee.address, suffix))) as proxy,
        kamailio(tmp_path / "front", _uri(proxy.udp, suffix)) as front,
        asyncio.TaskGroup() as tasks,
    ):
        carrier = tasks.create_task(Sipp(tmp_path).uac("uac_held.xml", front, transport=transport, hold=0.05))
        await callee.has("CALL_ESTABLISHED")
        await callee.does("hold")
        await callee.has("CALL_CLOSED")
        report, record = await carrier, await proxy.record()
    assert (report.exit_code, report.retransmissions) == (0, 0), report.errors + report.messages
    assert (record["status"], record["ended_by"]) == ("completed", "caller")


async def test_a_carrier_behind_a_proxy_gives_up_a_call_that_rings_at_a_telephone(tmp_path: Path) -> None:
    async with (
        baresip(tmp_path / "callee", answers=False) as callee,
        kamailio(tmp_path / "behind", _uri(callee.address, UDP), host="127.0.0.31") as behind,
        daemon(tmp_path, configuration(_uri(behind, UDP))) as proxy,
        kamailio(tmp_path / "front", _uri(proxy.udp, UDP)) as front,
    ):
        report = await Sipp(tmp_path).uac("uac_cancel.xml", front, hold=0.1)
        await callee.has("CALL_CLOSED")
        record = await proxy.record()
        # the balancer's ACK to the telephone's 487 comes when it comes: the call is over without it
        await until(lambda: "ACK" in _methods(callee) or None, 5.0, lambda: callee.trace)
        methods = _methods(callee)
    assert report.exit_code == 0, report.errors + report.messages
    assert methods == ["INVITE", "CANCEL", "ACK"]
    assert (record["status"], record["sip_status"]) == ("no-answer", 487)


async def test_a_carrier_behind_a_proxy_hears_that_a_telephone_refuses(tmp_path: Path) -> None:
    async with (
        baresip(tmp_path / "callee", answers=False) as callee,
        kamailio(tmp_path / "behind", _uri(callee.address, UDP), host="127.0.0.31") as behind,
        daemon(tmp_path, configuration(_uri(behind, UDP))) as proxy,
        kamailio(tmp_path / "front", _uri(proxy.udp, UDP)) as front,
        asyncio.TaskGroup() as tasks,
    ):
        carrier = tasks.create_task(Sipp(tmp_path).uac("uac_refused.xml", front, final=486))
        await callee.has("CALL_INCOMING")
        await callee.does("hangup")
        report, record = await carrier, await proxy.record()
    assert report.exit_code == 0, report.errors + report.messages
    assert record["status"] == "busy"


async def test_a_telephone_behind_a_proxy_with_nowhere_to_go_is_tried_at_the_next_target(tmp_path: Path) -> None:
    nobody = ("127.0.0.49", free_port("127.0.0.49", "t1"))
    async with (
        baresip(tmp_path / "callee") as callee,
        kamailio(tmp_path / "behind", _uri(nobody, TCP), host="127.0.0.31", stranded=True) as behind,
        daemon(tmp_path, configuration(_uri(behind, UDP), _uri(callee.address, UDP))) as proxy,
    ):
        report = await Sipp(tmp_path).uac("uac_plain.xml", proxy.udp, hold=0.05)
        record = await proxy.record()
    assert report.exit_code == 0, report.errors + report.messages
    first, second = record["attempts"]
    assert (first["status"], second["outcome"]) == (477, "answered")


@pytest.mark.parametrize("algorithm", ["MD5", "SHA-256"])
async def test_a_telephone_says_its_password_to_us_and_we_say_ours_to_a_proxy_for_every_request(
    tmp_path: Path, algorithm: str
) -> None:
    async with (
        baresip(tmp_path / "callee") as callee,
        kamailio(tmp_path / "behind", _uri(callee.address, UDP), password=PASSWORD, algorithm=algorithm) as behind,
        daemon(tmp_path, _asking(configuration(_uri(behind, UDP)))) as proxy,
        baresip(
            tmp_path / "caller", host="127.0.0.41", user="alice", outbound=_uri(proxy.udp, UDP), password=PASSWORD
        ) as caller,
    ):
        scene = Stage(caller, proxy, callee)
        await scene.talking()
        await _holds_and_resumes(caller, callee)
        await caller.does("hangup")
        await callee.has("CALL_CLOSED")
        record = await proxy.record()
    assert (record["username"], record["status"]) == ("alice", "completed")
    assert [attempt["outcome"] for attempt in record["attempts"]] == ["answered"]


def _asking(document: Document) -> Document:
    """Callers have to say who they are, and the carrier is told who we are."""
    document["domains"]["acme"]["credential_lists"] = ["phones"]
    document["domains"]["acme"]["digest_algorithms"] = ["MD5"]  # a second challenge is too much for libre 1
    document["credential_lists"] = {"phones": {"credentials": [{"username": "alice", "password": PASSWORD}]}}
    credentials = {"username": "account42", "password": PASSWORD, "realm": "carrier.example"}
    document["connection_policies"]["carriers"]["credentials"] = credentials
    return document


async def _holds_and_resumes(one: Baresip, other: Baresip) -> None:
    for command, direction in (("hold", "sendonly"), ("resume", "sendrecv")):
        await one.does(command)
        await other.has("CALL_REMOTE_SDP", param="offer")
        await one.has("CALL_REMOTE_SDP", param="answer")
        offer = [each for each in other.received if each.start.startswith("INVITE")][-1]
        assert f"a={direction}" in offer.text


def _methods(telephone: Baresip) -> list[str]:
    """What it has received, by method."""
    return [each.start.split()[0] for each in telephone.received]


def _uri(address: Address, suffix: str) -> str:
    return f"sip:{address[0]}:{address[1]}{suffix}"
