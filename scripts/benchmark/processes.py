"""Processes under measurement: started in a session of their own, pinned to a core, read through /proc (Linux)."""

import asyncio
import contextlib
import os
import shutil
from collections.abc import AsyncIterator, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

TICK = os.sysconf("SC_CLK_TCK")
READY_TIMEOUT = 20.0
STOP_TIMEOUT = 10.0


class DidNotStart(RuntimeError):
    """The process ended, or did not open its socket in time; the message has the end of its log."""


@dataclass(frozen=True, slots=True)
class Memory:
    """Megabytes: resident, and proportional (shared pages divided among those who share them)."""

    rss: float
    pss: float


@dataclass(frozen=True, slots=True)
class Session:
    """All processes of one session, known by the id of its leader."""

    leader: int

    def cpu_seconds(self) -> float:
        """utime + stime of every process, all threads included. Ticks of 10 ms: measure for seconds."""
        return sum(int(fields[11]) + int(fields[12]) for fields in self._stats().values()) / TICK

    def memory(self) -> Memory:
        totals = {"Rss:": 0, "Pss:": 0}
        for pid in self._stats():
            for line in _read(f"/proc/{pid}/smaps_rollup").splitlines():
                name, *value = line.split()
                if name in totals:
                    totals[name] += int(value[0])
        return Memory(totals["Rss:"] / 1024, totals["Pss:"] / 1024)

    def _stats(self) -> Mapping[int, list[str]]:
        """/proc/PID/stat of the members, from the third field on: the second may hold spaces."""
        stats = {}
        for pid in _pids():
            fields = _read(f"/proc/{pid}/stat").rpartition(")")[2].split()
            if fields and int(fields[3]) == self.leader:
                stats[pid] = fields
        return stats


def pinned(core: int) -> tuple[str, ...]:
    """The words before a command that keep it on `core`; none where that cannot be done."""
    available = os.sched_getaffinity(0)
    return ("taskset", "-c", str(core)) if core in available and shutil.which("taskset") else ()


@contextlib.asynccontextmanager
async def running(
    command: Sequence[str], core: int, log: Path, port: tuple[str, int] | None = None, cwd: Path | None = None
) -> AsyncIterator[Session]:
    """Run `command` on `core` inside the `async with`; entered when `port` (UDP or TCP) is open."""
    with log.open("wb") as output:
        process = await asyncio.create_subprocess_exec(
            *pinned(core), *command, stdin=asyncio.subprocess.DEVNULL, stdout=output, stderr=output, cwd=cwd,
            start_new_session=True,
        )  # fmt: skip
    try:
        if port is not None:
            await _opened(port, process, log)
        yield Session(process.pid)
    finally:
        await _stop(process)


async def _opened(port: tuple[str, int], process: asyncio.subprocess.Process, log: Path) -> None:
    with contextlib.suppress(TimeoutError):
        async with asyncio.timeout(READY_TIMEOUT):
            while process.returncode is None:
                if is_open(port):
                    return
                await asyncio.sleep(0.05)
    raise DidNotStart(f"{port[0]}:{port[1]} did not open:\n{_read(str(log))[-2000:]}")


def is_open(port: tuple[str, int]) -> bool:
    """True if any UDP or TCP socket is bound to exactly this address and port."""
    octets = bytes(int(part) for part in port[0].split("."))
    wanted = f"{int.from_bytes(octets, 'little'):08X}:{port[1]:04X}"
    rows = (_read("/proc/net/udp") + _read("/proc/net/tcp")).splitlines()
    return any(wanted == row.split()[1] for row in rows)


async def _stop(process: asyncio.subprocess.Process) -> None:
    """Ask, then insist: only this process, by its id."""
    for end in (process.terminate, process.kill):
        if process.returncode is not None:
            return
        end()
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(process.wait(), STOP_TIMEOUT)


def _pids() -> Iterator[int]:
    return (int(name) for name in os.listdir("/proc") if name.isdigit())


def _read(path: str) -> str:
    """The text of a file; nothing if it has gone, as the files of a process do when it ends."""
    try:
        return Path(path).read_text(encoding="utf-8", errors="replace")
    except (FileNotFoundError, ProcessLookupError):
        return ""
