"""One target under Atheris, in a process of its own: `python -m fuzzing.worker TARGET FINDINGS ARGUMENTS...`.

A finding does not end the run: it is written to a file, once for each place in our code that raised.
ARGUMENTS are libFuzzer's.
"""

import hashlib
import random
import sys
import traceback
from collections.abc import Callable
from pathlib import Path
from types import TracebackType

import atheris

with atheris.instrument_imports(include=["byoc_proxy"]):
    from tests.fuzz.mutation import mutated
    from tests.fuzz.targets import LARGEST, TARGETS, Target

SLOWER = 8.0  # instrumented code is: what it finds slow is looked at again without instruments
OF_OURS = 0.5  # how often our own changes are made, and not libFuzzer's


class Findings:
    """Files of inputs that raised, one for each place."""

    def __init__(self, target: Target, directory: Path) -> None:
        self._target = target
        self._directory = directory
        self._places: set[str] = set()

    def keep(self, data: bytes, error: BaseException) -> None:
        """Write the input down, unless its like has been."""
        place = f"{type(error).__name__} at {_where(error.__traceback__)}"
        if place in self._places:
            return
        self._places.add(place)
        path = self._directory / f"{self._target.name}-{hashlib.sha256(data).hexdigest()[:12]}"
        path.write_bytes(data)
        sys.stdout.write(f"finding {path}: {place}: {str(error)[:200]!r}\n")


def _where(trace: TracebackType | None) -> str:
    frames = traceback.extract_tb(trace)
    return " < ".join(f"{Path(frame.filename).name}:{frame.lineno}" for frame in reversed(frames[-4:]))


def _guarded(target: Target, findings: Findings) -> Callable[[bytes], None]:
    def run(data: bytes) -> None:
        try:
            target.timed(data, SLOWER)
        except Exception as error:  # whatever it is, it is what we are here for
            findings.keep(data, error)

    return run


def _change(data: bytes, largest: int, seed: int) -> bytes:
    draws = random.Random(seed)
    if draws.random() < OF_OURS:
        return mutated(data, draws, min(largest, LARGEST))
    changed: bytes = atheris.Mutate(data, largest)
    return changed


def main(name: str, directory: str, *arguments: str) -> None:
    target = TARGETS[name]
    run = _guarded(target, Findings(target, Path(directory)))
    atheris.Setup([sys.argv[0], *arguments], run, custom_mutator=_change)
    atheris.Fuzz()


if __name__ == "__main__":
    main(*sys.argv[1:])
