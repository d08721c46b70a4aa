"""scripts/fuzz: every target in turn, for a time, from a seed; what it finds is a file and a line that repeats it.

The exit code is 0 when nothing was found. `scripts/fuzz --replay FILE` repeats a finding, whose name or folder says
which target it is for. Interesting inputs stay in --corpus, where the next run begins.
"""

import argparse
import re
import subprocess
import sys
import traceback
from dataclasses import dataclass
from pathlib import Path

from tests.fuzz.targets import LARGEST, TARGETS, Target

GRACE = 60.0  # seconds that a target may need to start and to end
_EXECUTIONS = re.compile(r"stat::number_of_executed_units:\s*(\d+)")
_EDGES = re.compile(r"#\d+\s+DONE\s+cov: (\d+)")


@dataclass(frozen=True, slots=True)
class Outcome:
    """What a run of one target came to."""

    target: str
    executions: int
    edges: int
    findings: list[Path]


def run(target: Target, seconds: int, seed: int, corpus: Path, findings: Path) -> Outcome:
    """Fuzz one target; prints its findings as they come."""
    place = corpus / target.name
    place.mkdir(parents=True, exist_ok=True)
    for number, data in enumerate(target.seeds()):
        (place / f"seed-{number:03}").write_bytes(data)
    before = set(findings.iterdir())
    done = subprocess.run(
        [sys.executable, "-m", "fuzzing.worker", target.name, str(findings), *_limits(seconds, seed), str(place)],
        capture_output=True,
        text=True,
        timeout=seconds + GRACE,
        check=False,
    )
    text = done.stdout + done.stderr
    if done.returncode:
        raise SystemExit(f"{text[-2000:]}\n{target.name}: the fuzzer itself failed with {done.returncode}")
    found = [path for path in sorted(set(findings.iterdir()) - before) if not holds(path)]
    return Outcome(target.name, _number(_EXECUTIONS, text), _number(_EDGES, text), found)


def _limits(seconds: int, seed: int) -> list[str]:
    """libFuzzer's arguments; seconds of `timeout` and megabytes are where it gives up itself."""
    words = f"max_total_time={seconds} seed={seed} max_len={LARGEST} len_control=20 timeout=30 rss_limit_mb=2048"
    return [f"-{word}" for word in (*words.split(), "print_final_stats=1")]


def _number(pattern: re.Pattern[str], text: str) -> int:
    found = pattern.search(text)
    return int(found[1]) if found else 0


def holds(path: Path) -> bool:
    """Repeat one finding without instruments; False, after saying what it raised, if it is one."""
    target = TARGETS.get(path.parent.name) or TARGETS[path.name.partition("-")[0]]
    try:
        target.timed(path.read_bytes())
    except Exception:  # whatever it is, it is what we are here for
        say(f"\n{target.name}: scripts/fuzz --replay {path}\n{traceback.format_exc(limit=-6)}")
        return False
    return True


def say(text: str) -> None:
    sys.stdout.write(f"{text}\n")
    sys.stdout.flush()


def main() -> int:
    words = argparse.ArgumentParser("scripts/fuzz", None, __doc__, formatter_class=argparse.RawTextHelpFormatter)
    words.add_argument("--target", action="append", choices=TARGETS, help="one of them; may be given again (all)")
    words.add_argument("--seconds", type=int, default=60, help="for each target (60)")
    words.add_argument("--seed", type=int, default=1, help="of all chance (1)")
    words.add_argument("--corpus", type=Path, default=Path(".fuzz/corpus"), help="where inputs are kept")
    words.add_argument("--findings", type=Path, default=Path(".fuzz/findings"), help="where findings go")
    words.add_argument("--replay", type=Path, nargs="+", help="repeat findings and do nothing else")
    said = words.parse_args()
    if said.replay:
        return int([holds(path) for path in said.replay].count(False) > 0)
    said.findings.mkdir(parents=True, exist_ok=True)
    outcomes = []
    for name in said.target or TARGETS:
        outcome = run(TARGETS[name], said.seconds, said.seed, said.corpus, said.findings)
        outcomes.append(outcome)
        say(f"{name}: {outcome.executions} executions, {outcome.edges} edges, {len(outcome.findings)} findings")
    total = sum(each.executions for each in outcomes)
    found = sum(len(each.findings) for each in outcomes)
    say(f"{total} executions in {said.seconds * len(outcomes)} s, {found} findings")
    return int(found > 0)


if __name__ == "__main__":
    sys.exit(main())
