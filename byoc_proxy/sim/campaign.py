"""Many seeds, on several processes, and what came of them in a few lines."""

from __future__ import annotations

import multiprocessing
import time
from collections import Counter
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass, field
from functools import partial
from typing import TYPE_CHECKING, Final

from byoc_proxy.sim.trace import course
from byoc_proxy.sim.world import simulate

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from byoc_proxy.sim.world import Report

CHUNK: Final = 20  # seeds that a process is given at a time


@dataclass(slots=True)
class Tally:
    """The sum of the reports so far. `seconds` are virtual."""

    seeds: int = 0
    calls: int = 0
    messages: int = 0
    seconds: float = 0.0
    outcomes: Counter[str] = field(default_factory=Counter)
    checks: Counter[str] = field(default_factory=Counter)
    failed: list[int] = field(default_factory=list)

    def add(self, report: Report) -> None:
        self.seeds += 1
        self.calls += report.calls
        self.messages += report.messages
        self.seconds += report.seconds
        self.outcomes.update(report.outcomes)
        self.checks.update(report.checks)
        if report.violations:
            self.failed.append(report.seed)

    def lines(self, real: float) -> Iterator[str]:
        """The summary, after so many real seconds."""
        yield (
            f"{self.seeds} seeds, {self.calls} calls, {self.messages} messages: "
            f"{self.seconds / 3600:.1f} virtual hours in {real:.1f} s"
        )
        yield "calls: " + ", ".join(f"{count} {name}" for name, count in self.outcomes.most_common())
        yield f"{sum(self.checks.values())} checks:"
        yield from (f"  {count:>9}  {name}" for name, count in self.checks.items())
        yield f"{len(self.failed)} seeds failed" if self.failed else "every rule was kept"


def run(seeds: Sequence[int], calls: int, jobs: int, *, trace: bool, write: Callable[[str], None]) -> bool:
    """Simulate the seeds, tell of those that broke a rule, sum up. True when none did.

    With `trace`, the course of a single seed or of the calls that broke a rule is written too.
    """
    tally = Tally()
    started = time.monotonic()
    for report in _reports(seeds, calls, jobs):
        tally.add(report)
        for violation in report.violations[:3]:
            write(f"seed {report.seed}: {violation.rule}: {violation.text} at {violation.at:.4f} s")
        if report.violations and not trace:
            write(f"  see it: byoc-proxy sim --seed {report.seed} --calls {calls} --trace")
        if trace and (report.violations or len(seeds) == 1):
            for line in _course(report.seed, calls):
                write(line)
    for line in tally.lines(time.monotonic() - started):
        write(line)
    return not tally.failed


def _course(seed: int, calls: int) -> Iterator[str]:
    report = simulate(seed, calls, trace=True)
    return course(report, report.violations[0].call_id if report.violations else "")


def _reports(seeds: Sequence[int], calls: int, jobs: int) -> Iterator[Report]:
    if jobs == 1 or len(seeds) <= CHUNK:
        yield from (simulate(seed, calls) for seed in seeds)
        return
    chunks = [seeds[at : at + CHUNK] for at in range(0, len(seeds), CHUNK)]
    with ProcessPoolExecutor(jobs, multiprocessing.get_context("spawn")) as pool:
        for reports in pool.map(partial(_chunk, calls=calls), chunks):
            yield from reports


def _chunk(seeds: Sequence[int], calls: int) -> list[Report]:
    return [simulate(seed, calls) for seed in seeds]
