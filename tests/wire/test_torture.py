"""RFC 4475 and RFC 5118 on the wire: each message to the running daemon, from an address that it knows.

The messages are for example.com, and so is the daemon. An INVITE that an RFC allows to be answered becomes a call,
and leaves for a carrier who writes down what it hears and says that it is busy.
"""

import asyncio
import contextlib
import os
from collections.abc import AsyncIterator, Sequence
from pathlib import Path

import pytest

from tests.support.daemon import Daemon, Document, configuration, daemon, until
from tests.support.peers import CallerSide, Peer, UdpPeer, reply, stream_peer, udp_peer
from tests.support.torture import INDEX, Torture

pytestmark = pytest.mark.wire

# RFC 3261 §18.2.2: an answer goes to the port of the Via, and to 5060 where that has none.
PORTS = {"quotbal": 5050, "mult-ip-in-header": 6050, "ipv4-mapped-ipv6": 19823}
# The body of its second request is longer than that says: the rest is no SIP and closes the stream, before the
# callee has been heard.
CUT_OFF: dict[str, list[int | None]] = {"dblreq": [405]}
EXPECTED = frozenset(  # what an INVITE of ours may say, whatever the caller's said
    "via max-forwards from to call-id cseq contact p-asserted-identity allow supported session-expires min-se"
    " content-type content-length".split()
)


def document(callee: UdpPeer) -> Document:
    """The configuration of a daemon that is responsible for example.com, and knows this machine."""
    document = configuration(f"sip:{callee.sent_by}")
    document["base_domain"] = "com"
    document["domains"] = {"example": document["domains"].pop("acme")}
    return document


def on_the_trunk(torture: Torture, status: int | None) -> int | None:
    """What becomes of the answer of the index, which takes every call: ours is busy, or not for us."""
    if status != 200 or not torture.data.startswith(b"INVITE"):
        return status
    return 486 if b"@example.com" in torture.data.split(b"\r\n")[0] else 404


@contextlib.asynccontextmanager
async def busy_carrier() -> AsyncIterator[UdpPeer]:
    """A carrier that hears calls and takes none."""

    async def refuse(peer: UdpPeer) -> None:
        while True:
            invite = await peer.hear("INVITE", 60)
            peer.send(reply(invite, 486), invite.source)

    async with udp_peer("127.0.0.20") as peer:
        refusing = asyncio.create_task(refuse(peer))
        yield peer
        refusing.cancel()


def places() -> list[str]:
    """An address of loopback for each message, which no other run of these tests has now."""
    process = os.getpid()
    return [f"127.{64 + process % 128}.{process // 128 % 256}.{each}" for each in range(1, len(INDEX) + 1)]


async def probed(proxy: Daemon) -> None:
    """The daemon lives, and has answered what it could answer at once of all that came before."""
    async with udp_peer("127.0.0.4") as prober:
        prober.send(CallerSide(prober, proxy.udp).text("OPTIONS"), proxy.udp)
        await prober.hear("200 OPTIONS")


def finals(carrier: Peer) -> list[int]:
    """Each final response that it has heard, once."""
    once = dict.fromkeys((each.get("call-id"), each.get("cseq"), each.status) for each in carrier.heard)
    return [status for *_, status in once if status >= 200]


async def heard(carrier: Peer, wanted: Sequence[int | None], proxy: Daemon) -> list[int]:
    """What came of a message: its final responses, or those that came while all the wanted ones did not."""
    with contextlib.suppress(AssertionError):
        await until(lambda: len(finals(carrier)) >= len(wanted) or None, 3, str)
    await probed(proxy)
    return finals(carrier)


async def test_every_torture_message_in_a_datagram_gets_its_answer_and_the_next_probe_too(tmp_path: Path) -> None:
    outcomes, wanted = {}, {}
    async with busy_carrier() as callee, daemon(tmp_path, document(callee)) as proxy:
        for torture, host in zip(INDEX, places(), strict=True):
            status = on_the_trunk(torture, torture.datagram)
            wanted[torture.name] = [] if status is None else [status]
            async with udp_peer(host, PORTS.get(torture.name, 5060)) as carrier:
                carrier.send(torture.data, proxy.udp)
                outcomes[torture.name] = await heard(carrier, wanted[torture.name], proxy)
            assert torture.allows(status), torture.why
    assert outcomes == wanted
    assert_in_order(callee, calls=sum(statuses == [486] for statuses in wanted.values()))


async def test_every_torture_message_on_a_stream_gets_its_answers_and_the_next_probe_too(tmp_path: Path) -> None:
    outcomes, wanted = {}, {}
    async with busy_carrier() as callee, daemon(tmp_path, document(callee)) as proxy:
        for torture in INDEX:
            stream = [on_the_trunk(torture, status) for status in torture.stream]
            wanted[torture.name] = CUT_OFF.get(torture.name, stream)
            async with stream_peer(proxy.tcp) as carrier:
                carrier.send(torture.data)
                outcomes[torture.name] = await heard(carrier, wanted[torture.name], proxy)
    assert outcomes == wanted
    assert_in_order(callee, calls=sum(statuses == [486] for statuses in wanted.values()) + len(CUT_OFF))


def assert_in_order(callee: UdpPeer, calls: int) -> None:
    """What of a torture message goes on to a carrier is plain SIP, and holds nothing that was smuggled in."""
    invites = [each for each in callee.heard if each.what == "INVITE"]
    assert len(invites) == calls
    for invite in invites:
        assert invite.uri == f"sip:+15550199@{callee.sent_by}"
        assert {name for name, _ in invite.headers} <= EXPECTED
        assert invite.get("content-length") == str(len(invite.body))
