"""The process is killed in the middle of many calls, and another one takes its place."""

import asyncio
import signal
from pathlib import Path

import pytest

from byoc_proxy.storage.live import INTERRUPTED
from tests.support.daemon import Daemon, configuration, daemon, until
from tests.support.peers import CallerSide, udp_peer
from tests.support.sipp import Options, Sipp, free_port

pytestmark = pytest.mark.wire

FINISHED = 30
LIVE = 200
CALLEE = "127.0.0.20"
MOST_WAITED = 2.0  # seconds from the start of a process to its first answer
HOLD = 5.0  # seconds of a live call: enough to get all of them up, and the proxy killed and restarted


async def calls_up(proxy: Daemon, count: int) -> None:
    """Wait until so many calls have been answered."""

    def answered() -> bool | None:
        return sum(line["event"] == "dial.answered" for line in proxy.log) >= count or None

    await until(answered, 10.0, lambda: f"fewer than {count} calls were answered")


async def answers_at_once(proxy: Daemon, started: float) -> float:
    """Seconds from the start of the process to its first answer, but for those that others had the processor."""
    async with udp_peer() as peer:
        peer.send(CallerSide(peer, proxy.udp).text("OPTIONS"), proxy.udp)
        return (await peer.hear("200 OPTIONS")).at - started - proxy.kept_waiting()


async def test_a_proxy_killed_in_the_middle_of_200_calls_loses_no_record_and_answers_again(tmp_path: Path) -> None:
    port = free_port(CALLEE)
    document = configuration(f"sip:{CALLEE}:{port}")
    sipp = Sipp(tmp_path, keep_messages=False)
    held: Options = {"calls": LIVE, "rate": 100, "hold": HOLD, "bye": 481, "timeout": 15}
    taken: Options = {**held, "port": port}
    async with daemon(tmp_path, document) as proxy:
        async with sipp.uas("uas_answer.xml", port=port):
            await sipp.uac("uac_plain.xml", proxy.udp, calls=FINISHED, rate=100)
        async with sipp.uas("uas_hangup.xml", **taken) as callee, asyncio.TaskGroup() as group:
            caller = group.create_task(sipp.uac("uac_plain.xml", proxy.udp, **held))
            await calls_up(proxy, FINISHED + LIVE)
            proxy.signal(signal.SIGKILL)
            await proxy.exited()
            started = asyncio.get_running_loop().time()
            async with daemon(tmp_path, document) as again:
                waited = await answers_at_once(again, started)
                records = await again.records(FINISHED + LIVE)
                await again.logged("calls.interrupted", calls=LIVE)
                await caller
    assert waited < MOST_WAITED
    report = caller.result()
    assert (report.successful, report.failed) == (LIVE, 0), report.errors
    assert callee.report is not None
    assert (callee.report.successful, callee.report.failed) == (LIVE, 0), callee.report.errors
    assert [record["status"] for record in records] == ["completed"] * FINISHED + ["failed"] * LIVE
    assert {record["cause"] for record in records[FINISHED:]} == {INTERRUPTED}
    assert (tmp_path / "records.jsonl").read_bytes().count(b"\n") == FINISHED + LIVE
