"""scripts/bench: what a call costs here, and beside Kamailio.

Every run is one JSON object on stdout as soon as it is done; the tables follow at the end.
CPU is utime + stime of the system under test, which has a core for itself where the machine has two.
Jobs: acl (source address, fixed TwiML), digest-webhook (source address, digest, TwiML by HTTP over connections
that stay open), failover (the same, and the first target refuses by ICMP). Loopback only.
Compare equal rates only: CPU per call falls as the rate rises.
"""

import argparse
import asyncio
import contextlib
import json
import sys
import tempfile
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from .jobs import JOBS, Job
from .load import Bench, Load
from .places import Places, address
from .processes import DidNotStart, Session, is_open
from .report import Row, as_row, medians, table, with_ratios
from .systems import KAMAILIO, kamailio, proxy

PROXY, DIRECT = "byoc-proxy", "direct"
STEP = 1.25  # from one rate to the next in the search for the highest
SETTLED = 0.05  # the search ends when the gap between clean and not clean is this small
CEILING = 6000.0  # calls per second; the tools themselves are not faster


@dataclass(frozen=True, slots=True)
class Subject:
    """A system with a job; `bench()` starts it afresh, so that no run inherits another's memory."""

    system: str
    job: Job
    places: Places
    command: str
    directory: Path

    @contextlib.asynccontextmanager
    async def bench(self, title: str) -> AsyncIterator[tuple[Bench, Path]]:
        directory = self.directory / f"{self.system}-{self.job.name}-{title}"
        directory.mkdir(parents=True)
        taken = [place for place in (self.places.target, self.places.callee) if is_open(place)]
        if taken:
            raise DidNotStart(f"already in use by somebody else: {taken}")
        target = self.places.callee if self.system == DIRECT else self.places.target
        async with self._started(directory) as session:
            yield Bench(self.system, self.job, self.places, target, session), directory

    def _started(self, directory: Path) -> contextlib.AbstractAsyncContextManager[Session | None]:
        if self.system == PROXY:
            return proxy(self.job, self.places, self.command, directory)
        if self.system == KAMAILIO:
            return kamailio(self.places, directory)
        return contextlib.nullcontext()  # caller and callee face to face

    async def measure(self, load: Load, number: int) -> Row:
        async with self.bench(f"{load.rate:g}-{number}") as (bench, directory):
            return as_row(await bench.run(load, directory))

    async def is_clean(self, load: Load, attempt: str) -> bool:
        async with self.bench(attempt) as (bench, directory):
            return (await bench.run(load, directory, probed=False)).clean

    async def highest_rate(self, start: float, seconds: float) -> float:
        """Calls per second, for `seconds`, without a failure: up by steps, then the last gap is halved."""
        clean, dirty, rate = 0.0, CEILING, start
        while dirty - clean > SETTLED * dirty:
            if await self.is_clean(Load(rate, seconds), f"highest-{rate:g}"):
                clean = rate
            else:
                dirty = rate
            rate = round(min(clean * STEP, (clean + dirty) / 2) if clean else dirty / 2)
        return clean

    async def megabytes_per_1000(self) -> float:
        async with self.bench("live") as (bench, directory):
            return round(await bench.live_calls(directory), 1)


def arguments(words: Sequence[str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="scripts/bench", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    places = Places()
    parser.add_argument("jobs", nargs="*", metavar="JOB", help=f"of {', '.join(JOBS)}; all if none is named")
    parser.add_argument("--rate", type=float, nargs="+", default=[200.0], help="calls per second (200)")
    parser.add_argument("--seconds", type=float, default=10.0, help="of one run (10)")
    parser.add_argument("--runs", type=int, default=3, help="of each rate; the table has the median (3)")
    parser.add_argument(
        "--kamailio", action="store_true", help="run Kamailio with ACL and digest in turn with ours"
    )
    parser.add_argument("--direct", action="store_true", help="only caller to callee: the ceiling of the tools")
    parser.add_argument("--highest", action="store_true", help="search the highest clean rate too")
    parser.add_argument("--memory", action="store_true", help="measure 1000 live calls too")
    parser.add_argument(
        "--command", default="byoc-proxy run -c {config}", help="starts the proxy; {config} is its file"
    )
    parser.add_argument("--traces", type=Path, help="keep configurations, logs and SIPp's traces in this directory")
    parser.add_argument("--caller", default=places.caller)
    for name in ("target", "callee", "closed", "webhook"):
        parser.add_argument(f"--{name}", type=address, default=getattr(places, name), metavar="HOST:PORT")
    parser.add_argument("--core", type=int, default=places.core, help="of the system under test")
    parser.add_argument("--tool-core", type=int, default=places.tool_core, help="of everything else")
    asked = parser.parse_args(words)
    unknown = [job for job in asked.jobs if job not in JOBS]
    if unknown:
        parser.error(f"no such job: {', '.join(unknown)}")
    return asked


def subjects(asked: argparse.Namespace, directory: Path) -> list[Subject]:
    places = Places(
        asked.caller, asked.target, asked.callee, asked.closed, asked.webhook, asked.core, asked.tool_core
    )
    if asked.direct:
        return [Subject(DIRECT, JOBS["acl"], places, "", directory)]
    jobs = [JOBS[name] for name in asked.jobs or JOBS]
    ours = [Subject(PROXY, job, places, asked.command, directory) for job in jobs]
    theirs = [Subject(KAMAILIO, JOBS["digest-webhook"], places, "", directory)] if asked.kamailio else []
    return ours + theirs


def say(row: Row) -> Row:
    sys.stdout.write(json.dumps(row) + "\n")
    sys.stdout.flush()
    return row


async def tables(asked: argparse.Namespace, directory: Path) -> str:
    everyone = subjects(asked, directory)
    text = table(await runs(asked, everyone))
    return f"{text}\n\n{table(await limits(asked, everyone))}" if asked.highest or asked.memory else text


async def runs(asked: argparse.Namespace, everyone: Sequence[Subject]) -> list[Row]:
    """All runs, the systems in turn: a machine that is slow for a minute is slow for all of them."""
    rows: list[Row] = []
    for rate in asked.rate:
        for number in range(asked.runs):
            load = Load(rate, asked.seconds)
            rows += [say(await subject.measure(load, number)) for subject in everyone]
    return with_ratios(medians(rows))


async def limits(asked: argparse.Namespace, everyone: Sequence[Subject]) -> list[Row]:
    """What was asked for beside the runs: the highest clean rate, and the memory of live calls."""
    rows: list[Row] = []
    for subject in everyone:
        row: dict[str, object] = {"system": subject.system, "job": subject.job.name}
        if asked.highest:
            row["highest_rate"] = await subject.highest_rate(max(asked.rate), asked.seconds)
        if asked.memory and subject.system != DIRECT:
            row["megabytes_per_1000"] = await subject.megabytes_per_1000()
        rows.append(say(row))
    return rows


def main() -> int:
    asked = arguments(sys.argv[1:])
    with contextlib.ExitStack() as stack:
        directory = asked.traces or Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="byoc-bench-")))
        try:
            text = asyncio.run(tables(asked, directory.resolve()))
        except (DidNotStart, AssertionError) as error:
            sys.stderr.write(f"{error}\n")
            return 1
    sys.stdout.write(f"\n{text}\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
