"""Carriers that are asked by OPTIONS on real sockets: SIPp is there, goes away and comes back."""

import asyncio
import sys
from pathlib import Path
from typing import Any

import aiohttp
import pytest

from tests.support.daemon import ROOT, configuration, daemon, free_for_both
from tests.support.sipp import Sipp, free_port

pytestmark = pytest.mark.wire

AT_ONCE = ("-deadcall_wait", "0")  # SIPp ends when told to
EVERY_SECOND = {"mode": "options", "interval": 1, "misses": 1, "timeout": 0.5}


async def addresses(port: int) -> dict[str, dict[str, Any]]:
    """What `/targets` shows of each address."""
    async with aiohttp.ClientSession() as http, http.get(f"http://127.0.0.10:{port}/targets") as answer:
        (policy,) = (await answer.json())["policies"]
    return {each["address"]: each for target in policy["targets"] for each in target["addresses"]}


async def shown(directory: Path) -> str:
    """What `byoc-proxy targets` prints."""
    command = (sys.executable, "-m", "byoc_proxy", "targets", "config.yaml")
    environ = {"PYTHONPATH": str(ROOT)}
    process = await asyncio.create_subprocess_exec(
        *command, cwd=directory, env=environ, stdout=asyncio.subprocess.PIPE
    )
    said, _ = await asyncio.wait_for(process.communicate(), 20)
    assert process.returncode == 0
    return said.decode()


async def test_a_carrier_is_seen_to_be_there_to_go_and_to_come_back_over_udp_and_tcp(tmp_path: Path) -> None:
    sipp, port = Sipp(tmp_path), free_for_both("127.0.0.10")
    udp, tcp = free_port("127.0.0.21"), free_port("127.0.0.22", "t1")
    document = configuration(f"sip:127.0.0.21:{udp}", f"sip:127.0.0.22:{tcp};transport=tcp")
    document["connection_policies"]["carriers"]["health"] = EVERY_SECOND
    document["health"] = {"bind": f"127.0.0.10:{port}"}
    places = (f"UDP 127.0.0.21:{udp}", f"TCP 127.0.0.22:{tcp}")
    async with daemon(tmp_path, document) as proxy:
        for place in places:  # nobody is there yet: the kernel says so at once
            down = await proxy.logged("address.down", address=place)
            assert "refused" in down["cause"]
        async with (
            sipp.uas("uas_options.xml", address="127.0.0.21", port=udp, final=404, more=AT_ONCE) as first,
            sipp.uas(
                "uas_options.xml", address="127.0.0.22", port=tcp, final=200, transport="t1", more=AT_ONCE
            ) as second,
        ):
            for place in places:
                await proxy.logged("address.state", address=place, state="up", was="down")
            seen, table = await addresses(port), await shown(tmp_path)
        assert [seen[place]["in_use"] for place in places] == [True, True]
        assert [seen[place]["last"]["status"] for place in places] == [404, 200]
        assert all(0 <= seen[place]["last"]["seconds"] < 0.5 for place in places)
        assert all(0 <= seen[place]["next_probe_in"] <= 1.1 for place in places)
        assert first.report is not None
        assert second.report is not None
        assert (first.report.failed, second.report.failed) == (0, 0)
        assert all(f"{place}  up" in table for place in places)
        assert f"OPTIONS sip:127.0.0.22:{tcp};transport=tcp SIP/2.0" in second.report.messages
        for place in places:
            await proxy.logged("address.down", address=place, was="up")
