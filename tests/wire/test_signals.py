"""What an operator's signals do to the daemon: SIGTERM drains, SIGHUP reloads, and neither harms a call."""

import asyncio
import contextlib
import copy
import signal
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
import yaml

from tests.support.daemon import Daemon, configuration, daemon
from tests.support.peers import SDP, CallerSide, Heard, UdpPeer, reply, udp_peer

pytestmark = pytest.mark.wire

REJECT = "<Response><Reject reason='busy'/></Response>"


class LiveCall:
    """A call that is up, and both of its ends."""

    def __init__(self, proxy: Daemon, carrier: UdpPeer, callee: UdpPeer) -> None:
        self.proxy, self.carrier, self.callee = proxy, carrier, callee
        self.caller_side = CallerSide(carrier, proxy.udp)
        self.answer: Heard

    async def start(self) -> None:
        self.caller_side.invite()
        invite = await self.callee.hear("INVITE")
        self.callee.send(reply(invite, 200, contact=self.callee.contact, body=SDP), invite.source)
        self.answer = await self.carrier.hear("200 INVITE")
        self.caller_side.ack(self.answer)
        await self.callee.hear("ACK")

    async def hang_up(self) -> None:
        """The caller hangs up, and both ends hear it out."""
        self.caller_side.bye(self.answer)
        await self.carrier.hear("200 BYE")
        bye = await self.callee.hear("BYE")
        self.callee.send(reply(bye, 200), bye.source)

    async def is_hung_up_on(self) -> None:
        """The proxy ends it, on both sides."""
        for end in (self.carrier, self.callee):
            bye = await end.hear("BYE")
            end.send(reply(bye, 200), bye.source)


@contextlib.asynccontextmanager
async def live_call(directory: Path, grace: float = 20.0, allowed: tuple[str, ...] = ()) -> AsyncIterator[LiveCall]:
    async with udp_peer("127.0.0.20") as callee, udp_peer() as carrier:
        document = configuration(f"sip:{callee.sent_by}")
        document["limits"]["drain_grace"] = grace
        async with daemon(directory, document, allowed=allowed) as proxy:
            call = LiveCall(proxy, carrier, callee)
            await call.start()
            yield call


def rewrite(proxy: Daemon, **trunk: object) -> None:
    """Change the trunk in the configuration file."""
    document = yaml.safe_load(proxy.config.read_text(encoding="utf-8"))
    changed = copy.deepcopy(document)
    changed["trunks"]["t1"] |= trunk
    proxy.config.write_text(yaml.safe_dump(changed), encoding="utf-8")


async def test_sigterm_refuses_new_calls_and_lets_the_live_one_end_by_itself(tmp_path: Path) -> None:
    async with live_call(tmp_path) as call, udp_peer() as other:
        proxy = call.proxy
        proxy.signal(signal.SIGTERM)
        await proxy.logged("node.draining", calls=1)
        late = CallerSide(other, proxy.udp)
        late.invite()
        refusal = await other.hear("503 INVITE")
        late.ack(refusal)
        other.send(CallerSide(other, proxy.udp).text("OPTIONS"), proxy.udp)
        probe = await other.hear("503 OPTIONS")
        assert "BYE" not in call.callee.kinds
        await call.hang_up()
        code = await proxy.exited()
    assert code == 0
    assert (refusal.get("retry-after"), probe.get("retry-after")) == ("5", "5")
    assert (await proxy.record())["status"] == "completed"


async def test_calls_that_outlast_the_grace_are_hung_up_on_both_sides(tmp_path: Path) -> None:
    async with live_call(tmp_path, grace=0.2) as call:
        call.proxy.signal(signal.SIGTERM)
        await call.is_hung_up_on()
        code = await call.proxy.exited()
    assert code == 0
    assert (await call.proxy.record())["status"] == "completed"


@pytest.mark.parametrize("second", [signal.SIGTERM, signal.SIGINT])
async def test_a_second_signal_cuts_the_grace_short(tmp_path: Path, second: signal.Signals) -> None:
    async with live_call(tmp_path, grace=600) as call:
        proxy = call.proxy
        proxy.signal(signal.SIGTERM)
        await proxy.logged("node.draining")
        asked = asyncio.get_running_loop().time()
        proxy.signal(second)
        await call.carrier.hear("BYE")
        await call.callee.hear("BYE")  # neither is answered: nobody waits for that now
        code = await proxy.exited()
        took = asyncio.get_running_loop().time() - asked
    assert (code, took < 2.0) == (0, True)
    assert (await proxy.record())["status"] == "completed"


async def test_sighup_changes_the_next_call_and_not_the_live_one(tmp_path: Path) -> None:
    async with live_call(tmp_path) as call, udp_peer() as other:
        proxy = call.proxy
        rewrite(proxy, voice_twiml=REJECT)
        proxy.signal(signal.SIGHUP)
        await proxy.logged("config.reloaded")
        following = CallerSide(other, proxy.udp)
        following.invite()
        following.ack(await other.hear("486 INVITE"))
        assert "BYE" not in [*call.carrier.kinds, *call.callee.kinds]
        await call.hang_up()
        records = await proxy.records(2)
    assert [record["status"] for record in records] == ["busy", "completed"]


async def test_sighup_with_a_broken_file_keeps_the_old_one_and_says_where_it_is_broken(tmp_path: Path) -> None:
    async with live_call(tmp_path, allowed=("config.kept",)) as call, udp_peer() as other:
        proxy = call.proxy
        rewrite(proxy, voice_twiml=REJECT, connection_policy="nobody")
        proxy.signal(signal.SIGHUP)
        line = await proxy.logged("config.kept")
        following = CallerSide(other, proxy.udp)
        following.invite()
        invite = await call.callee.hear("INVITE")  # the old script still dials
        call.callee.send(reply(invite, 404), invite.source)
        following.ack(await other.hear("404 INVITE"))
        await call.hang_up()
    problem = line["problems"][0]
    assert problem.startswith("config.yaml:")
    assert "nobody" in problem


async def test_sighup_says_what_takes_effect_only_after_a_restart(tmp_path: Path) -> None:
    async with daemon(tmp_path, configuration("sip:127.0.0.20:5060")) as proxy:
        document = yaml.safe_load(proxy.config.read_text(encoding="utf-8"))
        document["limits"]["max_calls"] = 7
        proxy.config.write_text(yaml.safe_dump(document), encoding="utf-8")
        proxy.signal(signal.SIGHUP)
        await proxy.logged("config.reloaded")
        line = await proxy.logged("config.restart_needed")
    assert line["level"] == "warning"
