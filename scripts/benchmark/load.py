"""One measured run: a warm-up, then calls at a steady rate with the probe beside them."""

import asyncio
import json
import os
import statistics
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from tests.support.sipp import Address, Report, Sipp

from .jobs import Job
from .places import DOMAIN, NUMBER, Places, text
from .processes import Session, pinned

SIPP = ("-timer_resol", "1", "-buff_size", "4194304", "-deadcall_wait", "0")
PROBE_RATE = 25.0  # calls per second beside the load
PATIENCE = 30.0  # seconds after the last call should have ended
QUIET = 0.3  # seconds between the last call and the reading of the counters


@dataclass(frozen=True, slots=True)
class Load:
    """`rate` new calls per second for `seconds`, each held for `hold` seconds."""

    rate: float
    seconds: float
    hold: float = 0.0

    @property
    def calls(self) -> int:
        return int(self.rate * self.seconds)


WARM_UP = Load(rate=50, seconds=2)
LIVE = Load(rate=100, seconds=10, hold=14)  # 1000 calls that are all up after 10 seconds, for 4 seconds


@dataclass(frozen=True, slots=True)
class Latency:
    """Milliseconds from the INVITE, seen by the probe; None where that response never came."""

    p50_100: float | None
    p99_180: float | None
    p50_200: float | None
    p99_200: float | None


@dataclass(frozen=True, slots=True)
class Measured:
    """What one run cost and how it went."""

    system: str
    job: str
    rate: float
    successful: int
    failed: int
    retransmissions: int
    cpu_per_1000: float | None  # seconds of utime + stime of the system under test per 1000 calls
    latency: Latency

    @property
    def clean(self) -> bool:
        """Every call ended as it should, and next to nothing was sent twice."""
        return self.failed == 0 and self.retransmissions <= self.successful / 100


class Bench:
    """Caller, callee and probe on the tools' core, around the system `name` at `target`.

    `session` holds the processes whose CPU and memory are counted, None for nobody's.
    """

    def __init__(self, name: str, job: Job, places: Places, target: Address, session: Session | None) -> None:
        self._name, self._job, self._places, self._target = name, job, places, target
        self._session = session

    async def run(self, load: Load, directory: Path, probed: bool = True) -> Measured:
        """Measure one load; SIPp's traces go below `directory`."""
        sipp = self._sipp(directory)
        host, port = self._places.callee
        times: Mapping[str, Sequence[float]] = {}
        failures: Sequence[float] = ()
        async with sipp.uas("uas_answer.xml", address=host, port=port) as callee:
            await self._call(sipp, WARM_UP)
            before = self._cpu_seconds()
            async with asyncio.TaskGroup() as group:
                probe = group.create_task(self._probe(load.seconds)) if probed else None
                caller = group.create_task(self._call(sipp, load))
            await asyncio.sleep(QUIET)
            spent = self._cpu_seconds() - before
        if probe:
            times = probe.result()
            failures = times["failures"]
        mine = caller.result()
        sides = [mine] + ([callee.report] if callee.report else [])
        successful = mine.successful + len(times.get("200", ()))
        return Measured(
            system=self._name,
            job=self._job.name,
            rate=load.rate,
            successful=successful,
            failed=load.calls - mine.successful + len(failures),
            retransmissions=sum(side.retransmissions for side in sides),
            cpu_per_1000=round(1000 * spent / max(1, successful), 3) if self._session else None,
            latency=_latency(times),
        )

    async def live_calls(self, directory: Path) -> float:
        """Megabytes (PSS) that 1000 calls need while they are up."""
        assert self._session is not None
        sipp = self._sipp(directory)
        host, port = self._places.callee
        async with sipp.uas("uas_answer.xml", address=host, port=port), asyncio.TaskGroup() as group:
            await self._call(sipp, WARM_UP)
            before = self._session.memory().pss
            caller = group.create_task(self._call(sipp, LIVE))
            await asyncio.sleep(LIVE.seconds + 2)
            during = self._session.memory().pss
            report = await caller
        assert report.successful == LIVE.calls, report.errors
        return (during - before) * 1000 / LIVE.calls

    def _sipp(self, directory: Path) -> Sipp:
        return Sipp(directory, prefix=pinned(self._places.tool_core), common=SIPP, keep_messages=False)

    def _cpu_seconds(self) -> float:
        return self._session.cpu_seconds() if self._session else 0.0

    async def _call(self, sipp: Sipp, load: Load) -> Report:
        return await sipp.uac(
            self._job.scenario,
            self._target,
            domain=DOMAIN,
            number=NUMBER,
            credentials=self._job.credentials,
            address=self._places.caller,
            calls=load.calls,
            rate=load.rate,
            hold=load.hold,
            timeout=load.seconds + load.hold + PATIENCE,
            more=("-l", str(load.calls)),  # SIPp would otherwise hold back new calls when answers are late
        )

    async def _probe(self, seconds: float) -> Mapping[str, Sequence[float]]:
        words = ("-m", "benchmark.probe", self._places.caller, text(self._target), str(PROBE_RATE), str(seconds))
        process = await asyncio.create_subprocess_exec(
            *pinned(self._places.tool_core), sys.executable, *words, stdout=asyncio.subprocess.PIPE, env=os.environ
        )
        output, _ = await process.communicate()
        measured: Mapping[str, Sequence[float]] = json.loads(output)
        return measured


def _latency(times: Mapping[str, Sequence[float]]) -> Latency:
    return Latency(
        p50_100=_percentile(times.get("100", ()), 50),
        p99_180=_percentile(times.get("180", ()), 99),
        p50_200=_percentile(times.get("200", ()), 50),
        p99_200=_percentile(times.get("200", ()), 99),
    )


def _percentile(values: Sequence[float], percent: int) -> float | None:
    return round(statistics.quantiles(values, n=100)[percent - 1], 2) if len(values) > 1 else None
