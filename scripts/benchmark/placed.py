"""What calls cost that are made over the API.

    python -m scripts.benchmark.placed [--rate 50] [--calls 2000] [--database sqlite:///FILE | postgresql://…]

Each call is asked for by a request of its own, at a steady rate, and rings one SIPp, which answers; its TwiML dials
another one, without an offer, and connects the two by a re-INVITE for a second (RFC 3725 flow IV). Every call is in
the database before its request is answered. The daemon has core 0, everything else core 1. Times are of the clock.
"""

import argparse
import asyncio
import json
import os
import statistics
import sys
import tempfile
import time
from collections import Counter
from pathlib import Path

import aiohttp

from byoc_proxy.trunk.model import stable_sid
from tests.support.sipp import Sipp

from .places import Places, text
from .processes import pinned, running

API = ("127.0.0.10", 8090)
TOKEN = "a-token-of-the-benchmark"
ACCOUNT, FIRST, SECOND = stable_sid("AC", "bench"), stable_sid("BY", "first"), stable_sid("BY", "second")
SECOND_CALLEE = "127.0.0.21"
CALLS = f"http://{text(API)}/2010-04-01/Accounts/{ACCOUNT}/Calls.json"
TWIML = f'<Response><Dial timeLimit="1"><Number byoc="{SECOND}">+15550101</Number></Dial></Response>'
PATIENCE = 60.0


def configuration(places: Places, database: str) -> dict[str, object]:
    return {
        "base_domain": "sip.bench.test",
        "listeners": [{"transport": "udp", "bind": text(places.target)}],
        "accounts": {"bench": {"auth_token": TOKEN, "calls_per_second": 1000}},
        "trunks": {"first": {"connection_policy": "first"}, "second": {"connection_policy": "second"}},
        "connection_policies": {
            "first": {"targets": [{"target": f"sip:{text(places.callee)}"}]},
            "second": {"targets": [{"target": f"sip:{SECOND_CALLEE}:{places.callee[1]}"}]},
        },
        "api": {"bind": text(API), "queued_calls": 10_000},
        "database": {"url": database},
        "log": {"level": "warning"},
    }


async def place(http: aiohttp.ClientSession, number: int) -> float:
    """Ask for one call; seconds until it is promised."""
    form = {"To": f"+1555{number:07}", "From": "+15550100", "Byoc": FIRST, "Twiml": TWIML}
    begun = time.monotonic()
    async with http.post(CALLS, data=form) as answer:
        assert answer.status == 201, await answer.text()
        await answer.read()
    return time.monotonic() - begun


async def statuses(http: aiohttp.ClientSession) -> Counter[str]:
    """How many calls of the API have which status."""
    found: Counter[str] = Counter()
    url: str | None = f"{CALLS}?PageSize=1000"
    while url is not None:
        async with http.get(url) as answer:
            page = await answer.json()
        found.update(call["status"] for call in page["calls"] if call["direction"] == "outbound-api")
        url = f"http://{text(API)}{page['next_page_uri']}" if page["next_page_uri"] else None
    return found


async def all_over(http: aiohttp.ClientSession) -> Counter[str]:
    deadline = time.monotonic() + PATIENCE
    while time.monotonic() < deadline:
        found = await statuses(http)
        if not found.keys() & {"queued", "ringing", "in-progress"}:
            return found
        await asyncio.sleep(0.5)
    return found


async def measure(rate: float, calls: int, database: str | None, directory: Path) -> str:
    places = Places()
    url = database or f"sqlite:///{directory}/byoc-proxy.db"
    config = directory / "bench.yaml"
    config.write_text(json.dumps(configuration(places, url)), encoding="utf-8")  # JSON is YAML
    os.environ.setdefault("BYOC_SECRET_KEY", "5" * 64)
    command = [sys.executable, "-m", "byoc_proxy", "run", "-c", str(config)]
    sipp = Sipp(directory, prefix=pinned(places.tool_core), keep_messages=False)
    host, port = places.callee
    async with (
        sipp.uas("uas_held.xml", address=host, port=port) as first,
        sipp.uas("uas_late_offer.xml", address=SECOND_CALLEE, port=port) as second,
        running(command, places.core, directory / "proxy.log", API) as session,
        aiohttp.ClientSession(headers={"Authorization": aiohttp.encode_basic_auth(ACCOUNT, TOKEN)}) as http,
    ):
        await place(http, calls)  # a process pays for its first request
        await all_over(http)
        cpu, begun = session.cpu_seconds(), time.monotonic()
        async with asyncio.TaskGroup() as group:
            asked = []
            for number in range(calls):
                await asyncio.sleep(max(begun + number / rate - time.monotonic(), 0))
                asked.append(group.create_task(place(http, number)))
        found = await all_over(http)
        cpu = session.cpu_seconds() - cpu
    cuts = statistics.quantiles([task.result() * 1000 for task in asked], n=100)
    legs = [carrier.report for carrier in (first, second) if carrier.report is not None]
    well, badly = sum(leg.successful for leg in legs), sum(leg.failed for leg in legs)
    return (
        f"{calls} calls at {rate:g}/s: {dict(found)}; promised after {cuts[49]:.1f} ms (p50) and {cuts[98]:.1f} ms "
        f"(p99); {cpu / calls * 1000:.2f} s of CPU per 1000 calls; SIPp: {well} legs well, {badly} not, "
        f"{sum(leg.retransmissions for leg in legs)} retransmissions"
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--rate", type=float, default=50.0, help="calls per second (50)")
    parser.add_argument("--calls", type=int, default=2000)
    parser.add_argument("--database", help="a new database; without it a file of SQLite's")
    wanted = parser.parse_args()
    os.sched_setaffinity(0, {Places().tool_core} & os.sched_getaffinity(0) or os.sched_getaffinity(0))
    with tempfile.TemporaryDirectory() as name:
        print(asyncio.run(measure(wanted.rate, wanted.calls, wanted.database, Path(name))))  # noqa: T201


if __name__ == "__main__":
    main()
