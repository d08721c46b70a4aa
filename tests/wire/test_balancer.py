"""Two nodes behind a load balancer of somebody else's making: a restart of one of them costs no call."""

import asyncio
import signal
from pathlib import Path

import pytest

from tests.support.daemon import configuration, daemon, until
from tests.support.kamailio import balancer
from tests.support.sipp import Sipp

pytestmark = pytest.mark.wire


async def test_a_node_that_drains_says_503_to_options_and_the_balancer_sends_its_calls_elsewhere(
    tmp_path: Path,
) -> None:
    sipp = Sipp(tmp_path, keep_messages=False)
    async with sipp.uas("uas_answer.xml") as callee:
        target = f"sip:{callee.address[0]}:{callee.address[1]}"
        documents = [configuration(target, host=host) for host in ("127.0.0.10", "127.0.0.11")]
        documents[0]["limits"]["drain_grace"] = 10
        for name in ("leaves", "stays"):
            (tmp_path / name).mkdir()
        async with (
            daemon(tmp_path / "leaves", documents[0]) as leaves,
            daemon(tmp_path / "stays", documents[1]) as stays,
            balancer(tmp_path / "balancer", leaves.udp, stays.udp) as (place, said),
            asyncio.TaskGroup() as tasks,
        ):
            held = tasks.create_task(sipp.uac("uac_plain.xml", place, calls=2, rate=20, hold=2.5))
            await asyncio.gather(leaves.logged("call.admitted"), stays.logged("call.admitted"))
            leaves.signal(signal.SIGTERM)
            down = f"node is down: sip:{leaves.udp[0]}:{leaves.udp[1]}"
            await until(lambda: down in said.said or None, 5, lambda: said.said)
            report = await sipp.uac("uac_plain.xml", place, calls=10, rate=20)
            code = await leaves.exited(10)
    assert (held.result().successful, held.result().failed) == (2, 0), held.result().errors
    assert (report.successful, report.failed, report.retransmissions) == (10, 0, 0), report.errors
    assert len(await stays.records(11)) == 11
    assert len(await leaves.records(1)) == 1
    assert code == 0
