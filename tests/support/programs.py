"""Foreign programs as child processes: found or named as missing, awaited without guessing, ended by their id.

Loopback addresses only. Every program runs in a session of its own, so that one which forks leaves nobody behind.
"""

import asyncio
import contextlib
import os
import shutil
import signal
import socket
from collections.abc import AsyncIterator, Iterable
from pathlib import Path
from typing import BinaryIO, Literal

__all__ = ["Program", "installed", "is_bound", "program", "run"]

Protocol = Literal["udp", "tcp"]
STOP_TIMEOUT = 3.0
START_TIMEOUT = 5.0


def installed(name: str, package: str) -> str:
    """The path of a program. Fails, and never skips, where it is missing; `package` is Debian's."""
    binary = shutil.which(name) or shutil.which(name, path="/usr/sbin:/usr/local/sbin")
    assert binary is not None, f"{name} is not installed: apt-get install {package}"
    return binary


class Program:
    """One running program; everything it says goes to `output`."""

    def __init__(self, process: asyncio.subprocess.Process, output: Path) -> None:
        self.pid = process.pid
        self._process = process
        self._output = output

    @property
    def said(self) -> str:
        return self._output.read_text(encoding="utf-8", errors="replace")

    async def listening(self, sockets: Iterable[tuple[Protocol, str, int]]) -> None:
        """Wait until the kernel knows all of these sockets."""
        waiting = set(sockets)
        try:
            async with asyncio.timeout(START_TIMEOUT):
                while waiting := {each for each in waiting if not is_bound(*each)}:
                    assert self._process.returncode is None, f"it did not start: {self.said}"
                    await asyncio.sleep(0.01)
        except TimeoutError:
            raise AssertionError(f"it does not listen at {waiting}: {self.said}") from None

    async def ended(self, within: float) -> int:
        """Its exit code."""
        return await asyncio.wait_for(self._process.wait(), within)

    async def stop(self) -> None:
        """Ask it to end; after a while end it and all of its children."""
        if self._process.returncode is None:
            self._process.terminate()
        with contextlib.suppress(TimeoutError):
            await self.ended(STOP_TIMEOUT)
        with contextlib.suppress(ProcessLookupError):
            os.killpg(self.pid, signal.SIGKILL)
        await self._process.wait()


@contextlib.asynccontextmanager
async def program(directory: Path, *command: str) -> AsyncIterator[Program]:
    """Run `command` in `directory`, which is made if need be, until the end of the `async with`."""
    output = directory / "output"
    with _opened(output) as sink:
        process = await asyncio.create_subprocess_exec(
            *command,
            cwd=directory,
            stdin=asyncio.subprocess.DEVNULL,
            stdout=sink,
            stderr=asyncio.subprocess.STDOUT,
            start_new_session=True,
        )
    running = Program(process, output)
    try:
        yield running
    finally:
        await running.stop()


async def run(directory: Path, *command: str, within: float = 20.0) -> tuple[int, str]:
    """Run `command` to its end: its exit code and what it said."""
    async with program(directory, *command) as running:
        code = await running.ended(within)
        return code, running.said


def _opened(output: Path) -> BinaryIO:
    output.parent.mkdir(parents=True, exist_ok=True)
    return output.open("wb")


def is_bound(protocol: Protocol, address: str, port: int) -> bool:
    """True if the kernel's table lists a socket there: hexadecimal, the address in host order (Linux)."""
    host = int.from_bytes(socket.inet_aton(address), "little")
    table = Path(f"/proc/net/{protocol}").read_text(encoding="ascii")
    return any(line.split()[1] == f"{host:08X}:{port:04X}" for line in table.splitlines()[1:])
