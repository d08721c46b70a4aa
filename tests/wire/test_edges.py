"""Several edges of one region: each takes the same call, the death of one leaves the others, all are to be used."""

import asyncio
import json
import signal
from pathlib import Path

import pytest
import yaml
from typer.testing import CliRunner

from byoc_proxy.__main__ import app
from byoc_proxy.net.dns import Resolver
from byoc_proxy.sip.uri import SipUri
from tests.support.daemon import Document, configuration, daemon, free_for_both
from tests.support.nsd import name_server
from tests.support.peers import SDP, CallerSide, Heard, UdpPeer, reply, udp_peer
from tests.support.sipp import free_port

pytestmark = pytest.mark.wire

EDGES = ("127.0.0.10", "127.0.0.11")
LOCALIZED = "acme.sip.us1.example.test"
REJECT = "<Response><Reject/></Response>"


def edge(host: str, port: int, callee: UdpPeer) -> Document:
    """One node of a region of two."""
    document = configuration(f"sip:{callee.sent_by}", host=host)
    document["listeners"] = [{"transport": "udp", "bind": f"{host}:{port}"}]
    document["regions"] = {"us1": {"addresses": list(EDGES)}}
    return document


def printed(directory: Path, document: Document, *arguments: str) -> str:
    """What a command about carriers prints of a document."""
    file = directory / "printed.yaml"
    file.write_text(yaml.safe_dump(document), encoding="utf-8")
    result = CliRunner(env={"COLUMNS": "300"}).invoke(app, [*arguments, "-c", str(file)])
    assert result.exit_code == 0, result.output
    return result.stdout


async def talking(carrier: UdpPeer, callee: UdpPeer, to: tuple[str, int]) -> tuple[CallerSide, Heard]:
    """A call over that edge that is up on both sides, and its 200."""
    call = CallerSide(carrier, to, domain=LOCALIZED)
    call.invite()
    invite = await callee.hear("INVITE")
    callee.send(reply(invite, 200, contact=callee.contact, body=SDP), invite.source)
    answer = await carrier.hear("200 INVITE")
    call.ack(answer)
    await callee.hear("ACK")
    return call, answer


async def hung_up(call: CallerSide, answer: Heard, carrier: UdpPeer, callee: UdpPeer) -> None:
    call.bye(answer)
    bye = await callee.hear("BYE")
    callee.send(reply(bye, 200), bye.source)
    await carrier.hear("200 BYE")


async def test_the_same_call_succeeds_on_each_edge_and_the_death_of_one_leaves_the_other_and_its_calls(
    tmp_path: Path,
) -> None:
    """S54: each address is a public edge of its own. The carrier finds them by the printed zone."""
    port = free_for_both(EDGES[0])
    for name in ("one", "two", "dns"):
        (tmp_path / name).mkdir()
    async with udp_peer("127.0.0.20") as callee, udp_peer() as carrier:
        one, two = (edge(host, port, callee) for host in EDGES)
        zone = printed(tmp_path, one, "dns-zone")
        async with (
            name_server(tmp_path / "dns", {"example.test": zone}) as dns,
            daemon(tmp_path / "one", one) as dying,
            daemon(tmp_path / "two", two),
        ):
            now = asyncio.get_running_loop().time
            resolver = Resolver([f"{dns[0]}:{dns[1]}"], now=now, draw=lambda: 0.0, families=("A",))
            hops = await resolver.locate(SipUri.parse(f"sip:{LOCALIZED}"))
            places = sorted((hop.address, hop.port) for hop in hops)
            assert places == [(host, port) for host in EDGES]

            calls = [await talking(carrier, callee, place) for place in places]
            contacts = [answer.get("contact") for _, answer in calls]
            assert contacts == [f"<sip:{host}:{port}>" for host in EDGES]

            dying.signal(signal.SIGKILL)
            await dying.exited()
            await hung_up(*calls[1], carrier, callee)  # not on the dead edge: it goes on
            again = await talking(carrier, callee, places[1])
            await hung_up(*again, carrier, callee)
        lost = CallerSide(carrier, places[0], domain=LOCALIZED)
        lost.invite()
        with pytest.raises(AssertionError, match="no 200 INVITE within 0.3 s"):
            await carrier.hear("200 INVITE", 0.3)


async def test_a_carrier_that_uses_one_edge_of_two_is_warned_of_in_the_networking_info(tmp_path: Path) -> None:
    """S55: per-edge traffic share, and "do not peg towards a single IP address"."""
    port, health = free_for_both(EDGES[0]), free_port(EDGES[0], "t1")
    async with udp_peer("127.0.0.20") as callee, udp_peer() as carrier:
        document = edge(EDGES[0], port, callee)
        document["trunks"]["t1"] = {"voice_twiml": REJECT}
        document["listeners"].append({"transport": "udp", "bind": f"{EDGES[1]}:{port}"})
        document["health"] = {"bind": f"{EDGES[0]}:{health}"}
        async with daemon(tmp_path, document):
            for _ in range(20):
                await refused(carrier, (EDGES[0], port))
            text = await asyncio.to_thread(printed, tmp_path, document, "networking")
            await refused(carrier, (EDGES[1], port))
            view = json.loads(
                await asyncio.to_thread(printed, tmp_path, document, "networking", "--format", "json")
            )
        afterwards = await asyncio.to_thread(printed, tmp_path, document, "networking")
    assert text.splitlines()[-4:] == [
        "  edge share: 20 calls since the start of the node",
        f"    udp {EDGES[0]} port {port}: 20 (100%)",
        f"    udp {EDGES[1]} port {port}: 0 (0%)",
        (
            f"  WARNING: all 20 calls came in at {EDGES[0]} and none at {EDGES[1]}: "
            "the carrier should use every address and go to the next one after 4 seconds without an answer"
        ),
    ]
    (trunk,) = view["trunks"]
    assert [edge["calls"] for edge in trunk["edge_share"]["edges"]] == [20, 1]
    assert trunk["edge_share"]["sources"] == [{"address": "127.0.0.2", "calls": 21}]
    assert trunk["edge_share"]["warning"] is None
    assert "edge share: unknown: http://127.0.0.10" in afterwards


async def refused(carrier: UdpPeer, to: tuple[str, int]) -> None:
    """A call that the application refuses: it was admitted."""
    call = CallerSide(carrier, to, domain=LOCALIZED)
    call.invite()
    call.ack(await carrier.hear("404 INVITE"))
