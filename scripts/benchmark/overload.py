"""scripts/load/overload: what becomes of calls when more are offered than can be served.

First the highest rate at which (nearly) every call completes is found, then multiples of it are offered to a fresh
proxy, and the calls that complete in a second are counted: what was refused or failed is no success, whoever said
so. Caller and callee are stock SIPp, on the tools' core; the first seconds of a run are not counted. Where others
use the machine too, the last column is the one to compare: completed calls for each second of CPU that was had.
Jobs: acl (source address, fixed TwiML), digest-webhook (digest, TwiML over HTTP). Loopback only.
"""

import argparse
import asyncio
import sys
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from tests.support.sipp import Report, Sipp

from .jobs import JOBS, Job
from .load import SIPP
from .places import DOMAIN, NUMBER, Places
from .processes import DidNotStart, Session, pinned
from .systems import proxy

SETTLING = 3  # seconds of a run that are not counted
STEP = 1.15  # from one rate to the next in the search
ENOUGH = 0.98  # of the offered calls must complete for a rate to count as sustained
PATIENCE = 8.0  # seconds after the last call was placed
PLACES = Places(target=("127.0.0.40", 5060), callee=("127.0.0.50", 5090), webhook=("127.0.0.60", 8080))


@dataclass(frozen=True, slots=True)
class Outcome:
    """Per second of the counted time: calls that SIPp really placed, those that completed; and the proxy's CPU."""

    wanted: float
    placed: float
    completed: float
    cpu: float


@dataclass(frozen=True, slots=True)
class Trial:
    """One job against a fresh proxy, for `seconds` at each rate."""

    job: Job
    seconds: int
    directory: Path

    async def offer(self, rate: float) -> Outcome:
        directory = Path(tempfile.mkdtemp(dir=self.directory))
        command = "byoc-proxy run -c {config}"
        sipp = Sipp(directory, prefix=pinned(PLACES.tool_core), common=SIPP, keep_messages=False)
        host, port = PLACES.callee
        async with (
            proxy(self.job, PLACES, command, directory) as session,
            sipp.uas("uas_answer.xml", address=host, port=port),
        ):
            started = session.cpu_seconds()
            report = await self._call(sipp, rate)
            return self._counted(rate, report, session, started)

    async def _call(self, sipp: Sipp, rate: float) -> Report:
        calls = int(rate * self.seconds)
        return await sipp.uac(
            self.job.scenario,
            PLACES.target,
            domain=DOMAIN,
            number=NUMBER,
            credentials=self.job.credentials,
            address=PLACES.caller,
            calls=calls,
            rate=rate,
            timeout=self.seconds + PATIENCE,
            more=("-l", str(calls)),
        )

    def _counted(self, rate: float, report: Report, session: Session, started: float) -> Outcome:
        rows = report.history[SETTLING : self.seconds]
        if len(rows) < 2:
            raise DidNotStart(f"SIPp counted nothing:\n{report.errors[-2000:]}")

        def per_second(column: str) -> float:
            return (float(rows[-1][column]) - float(rows[0][column])) / (len(rows) - 1)

        cpu = (session.cpu_seconds() - started) / self.seconds
        return Outcome(rate, per_second("OutgoingCall(C)"), per_second("SuccessfulCall(C)"), cpu)

    async def sustained(self, start: float) -> Outcome:
        """The best of rising rates, up to the first at which calls do not complete, twice."""
        best = Outcome(start, 0.0, 0.0, 0.0)
        rate, failures = start, 0
        while failures < 2:
            outcome = await self.offer(rate)
            show(self.job, "search", outcome, None)
            best = max(best, outcome, key=lambda each: each.completed)
            if outcome.completed >= ENOUGH * rate:
                rate, failures = rate * STEP, 0
            else:
                failures += 1  # once may be the machine's fault
        return best


def show(job: Job, what: str, outcome: Outcome, best: float | None) -> None:
    ratio = "" if best is None else f"{outcome.completed / best:.2f}"
    say(
        f"{job.name:16} {what:>8} {outcome.wanted:10.0f} {outcome.placed:10.0f} {outcome.completed:10.0f}"
        f" {outcome.cpu:6.2f} {ratio:>8} {outcome.completed / outcome.cpu:10.0f}"
    )


def say(line: str) -> None:
    sys.stdout.write(f"{line}\n")
    sys.stdout.flush()


def arguments(words: Sequence[str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="scripts/load/overload", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("jobs", nargs="*", metavar="JOB", default=["acl", "digest-webhook"])
    parser.add_argument("--rate", type=float, default=0.0, help="the sustained rate; searched when not given")
    parser.add_argument("--start", type=float, default=600.0, help="first rate of the search (600)")
    parser.add_argument("--seconds", type=int, default=15, help="length of each run (15)")
    parser.add_argument("--times", type=float, nargs="+", default=[1.0, 1.5, 2.0, 3.0], help="what is offered")
    parser.add_argument("--least", type=float, default=0.9, help="share of the best that must complete (0.9)")
    chosen = parser.parse_args(words)
    unknown = set(chosen.jobs) - JOBS.keys()
    if unknown or chosen.seconds <= SETTLING + 1:
        parser.error(f"no such job: {', '.join(unknown)}" if unknown else f"--seconds is at least {SETTLING + 2}")
    return chosen


async def measure(job: Job, chosen: argparse.Namespace, directory: Path) -> bool:
    """True when at every multiple enough calls complete."""
    trial = Trial(job, chosen.seconds, directory)
    rate = chosen.rate or (await trial.sustained(chosen.start)).completed
    outcomes = [(times, await trial.offer(rate * times)) for times in chosen.times]
    best = max(outcome.completed for _, outcome in outcomes)
    for times, outcome in outcomes:
        show(job, f"{times:g} x", outcome, best)
    return all(outcome.completed >= chosen.least * best for times, outcome in outcomes if times >= 1.0)


async def main(words: Sequence[str]) -> int:
    chosen = arguments(words)
    say("job                   run   wanted/s   placed/s     done/s    CPU  of best done/CPU-s")
    with tempfile.TemporaryDirectory(prefix="byoc-overload-") as directory:
        passed = [await measure(JOBS[name], chosen, Path(directory)) for name in chosen.jobs]
    return 0 if all(passed) else 1


if __name__ == "__main__":
    sys.exit(asyncio.run(main(sys.argv[1:])))
