"""The table of `byoc-proxy targets`: every address on a line, in words that fit a terminal."""

from typing import Any

import pytest
from aiohttp import web

from byoc_proxy.targets import NoReport, fetched, table


def address(**changes: Any) -> dict[str, Any]:
    usual = {
        "address": "UDP 198.51.100.1:5060",
        "region": None,
        "state": "up",
        "since": "2026-01-01T10:00:00.000Z",
        "in_use": True,
        "rests_until": None,
        "last": {"at": "", "by": "options", "text": "200 OK", "status": 200, "seconds": 0.014},
        "next_probe_in": 31.2,
        "next_trial_in": None,
    }
    return {**usual, **changes}


def report(*addresses: dict[str, Any], **changes: Any) -> dict[str, Any]:
    target = {"target": "sip:gw.example", "enabled": True, "problem": "", "addresses": list(addresses), **changes}
    return {"at": "2026-01-01T12:00:00.000Z", "policies": [{"policy": "carriers", "targets": [target]}]}


def lines(shown: dict[str, Any]) -> list[list[str]]:
    return [[cell for cell in line.split("  ") if cell] for line in table(shown)]


def test_each_address_has_a_line_and_its_target_is_named_once() -> None:
    dead = address(address="UDP 198.51.100.2:5060", state="down", last=None, next_probe_in=None, next_trial_in=9.0)
    assert [[cell.strip() for cell in line] for line in lines(report(address(), dead))] == [
        ["POLICY", "TARGET", "ADDRESS", "STATE", "FOR", "LAST", "NEXT"],
        ["carriers", "sip:gw.example", "UDP 198.51.100.1:5060", "up", "2 h", "options: 200 OK, 14 ms", "in 31 s"],
        ["UDP 198.51.100.2:5060", "down", "2 h", "in 9 s"],
    ]


def test_columns_are_aligned() -> None:
    head, first, second = table(report(address(), address(state="recovering")))
    assert head.index("STATE") == first.index("up") == second.index("recovering")
    assert head.index("NEXT") == first.index("in 31 s") == second.index("in 31 s")


def test_an_address_that_rests_says_until_when() -> None:
    rests = address(rests_until="2026-01-01T12:05:00.000Z", last={"by": "call", "text": "503 Full", "seconds": 0.2})
    (_, line) = table(report(rests))
    assert "up, rests" in line
    assert line.endswith("call: 503 Full, 200 ms  in 5 min")


def test_a_target_without_addresses_says_why() -> None:
    (_, line) = table(report(problem="gw.example has no address"))
    assert line.endswith("gw.example has no address")
    (_, line) = table(report(enabled=False))
    assert line.endswith("disabled")


@pytest.mark.wire
async def test_a_node_is_asked_where_it_listens_and_on_loopback_when_that_is_everywhere() -> None:
    async def shown(_: web.Request) -> web.Response:
        return web.json_response({"at": "now"})

    app = web.Application()
    app.add_routes([web.get("/targets", shown)])
    runner = web.AppRunner(app)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    port = runner.addresses[0][1]
    assert await fetched("127.0.0.1", port) == await fetched("0.0.0.0", port) == {"at": "now"}
    await runner.cleanup()
    with pytest.raises(NoReport, match=f"http://127.0.0.1:{port}/targets: .*does a node run here"):
        await fetched("127.0.0.1", port)
