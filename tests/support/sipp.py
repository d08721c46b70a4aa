"""SIPp as a foreign peer: it plays the carrier's side of the scenarios in `tests/wire/scenarios`.

A test that needs SIPp fails where SIPp is not installed; it is never skipped. Loopback addresses only.
"""

import asyncio
import contextlib
import csv
import signal
import socket
from collections.abc import AsyncIterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, TypedDict, Unpack

from tests.support.programs import installed, is_bound

__all__ = ["Address", "Options", "Report", "Sipp", "Uas", "free_port"]

SCENARIOS = Path(__file__).resolve().parent.parent / "wire" / "scenarios"
START_TIMEOUT = 5.0
STOP_TIMEOUT = 2.0
POLITE_TO_FINAL = (signal.SIGUSR1, signal.SIGTERM, signal.SIGKILL)  # the first lets calls in progress end

Address = tuple[str, int]
Transport = Literal["u1", "t1"]


class Options(TypedDict, total=False):
    """What both sides of a call may say; anything left out has the default of `Sipp`."""

    address: str  # of loopback, 127.0.0.2 for callers and 127.0.0.20 for callees
    port: int  # a free one
    transport: Transport  # u1: UDP, t1: TCP
    calls: int  # how many before it ends by itself: 1 for a caller, no end for a callee
    rate: float  # new calls per second, 10
    hold: float  # seconds of every <pause/>, 0
    timeout: float  # seconds until SIPp gives up, 30
    final: int  # the status that stands for @FINAL@ in a scenario
    bye: int  # what the BYE at the end of a scenario must be answered with, 200
    more: Sequence[str]  # further arguments of SIPp


@dataclass(frozen=True, slots=True)
class Report:
    """What one SIPp says of its calls when it is done."""

    exit_code: int  # 0 is success, 1 a failed call, 97 timeout, 99 no call at all
    successful: int
    failed: int
    retransmissions: int
    errors: str  # unexpected messages, and what SIPp wrote to stderr
    messages: str  # every message sent and received, if `Sipp` keeps them
    counters: Mapping[str, str]  # the last row of -trace_stat
    history: Sequence[Mapping[str, str]]  # all rows, one a second


class Sipp:
    """Starts SIPp processes that write their traces below `directory`.

    `prefix` goes before every command (`taskset -c 1`), `common` into each; `keep_messages` records the wire.
    """

    def __init__(
        self,
        directory: Path,
        *,
        prefix: Sequence[str] = (),
        common: Sequence[str] = (),
        keep_messages: bool = True,
    ) -> None:
        self._command = (*prefix, installed("sipp", "sip-tester"), *common)
        self._directory = directory
        self._keep_messages = keep_messages
        self._runs = 0

    async def uac(
        self,
        scenario: str,
        target: Address,
        *,
        domain: str = "acme.sip.example.test",
        number: str = "+15550100",
        credentials: tuple[str, str] = ("", ""),
        **options: Unpack[Options],
    ) -> Report:
        """Place calls to `number`@`domain` through `target` and wait until all are over."""
        user, password = credentials
        options = {"address": "127.0.0.2", "calls": 1, **options}
        run = self._run(scenario, options)
        caller = (f"{target[0]}:{target[1]}", "-s", number, "-key", "domain", domain)
        digest = ("-au", user, "-ap", password, "-auth_uri", f"{number}@{domain}") if user else ()
        process = await run.start([*caller, *digest])
        try:
            await asyncio.wait_for(process.wait(), run.timeout + START_TIMEOUT)
        finally:
            await _stop(process)
        return run.report(process)

    @contextlib.asynccontextmanager
    async def uas(self, scenario: str, **options: Unpack[Options]) -> AsyncIterator["Uas"]:
        """Take calls inside the `async with`; the report is there when it ends."""
        options = {"address": "127.0.0.20", "timeout": 600.0, **options}
        run = self._run(scenario, options)
        process = await run.start([])
        callee = Uas((run.address, run.port), process)
        try:
            await run.listening(process)
            yield callee
        finally:
            await _stop(process)
            callee.report = run.report(process)

    def _run(self, scenario: str, options: Options) -> "_Run":
        self._runs += 1
        directory = self._directory / f"{self._runs}-{scenario.removesuffix('.xml')}"
        directory.mkdir(parents=True)
        return _Run(self._command, scenario, options, directory, self._keep_messages)


class Uas:
    """A SIPp that takes calls at `address`; `report` is its account, once it has ended."""

    def __init__(self, address: Address, process: asyncio.subprocess.Process) -> None:
        self.address = address
        self.pid = process.pid
        self.report: Report | None = None


class _Run:
    """One SIPp process: its arguments, its directory, its traces."""

    def __init__(
        self, command: Sequence[str], scenario: str, options: Options, directory: Path, keep_messages: bool
    ) -> None:
        self.address = options["address"]
        self.transport: Transport = options.get("transport", "u1")
        self.port = options.get("port") or free_port(self.address, self.transport)
        self.timeout = options.get("timeout", 30.0)
        self._directory = directory
        source = (SCENARIOS / scenario).read_text(encoding="utf-8")
        source = source.replace("@FINAL@", str(options.get("final", 503)))
        last = '<recv response="{}"/>\n</scenario>'
        source = source.replace(last.format(200), last.format(options.get("bye", 200)))
        (directory / "scenario.xml").write_text(source, "utf-8")
        traces = "-trace_err -error_file errors -trace_stat -stf counters.csv -fd 1 -sf scenario.xml -nostdin"
        messages = "-trace_msg -message_file messages" if keep_messages else ""
        place = f"-i {self.address} -mi {self.address} -p {self.port} -t {self.transport}"
        times = f"-timeout {self.timeout:g} -d {options.get('hold', 0.0) * 1000:.0f}"
        count = f"-m {options['calls']}" if "calls" in options else ""
        words = f"{traces} {messages} {place} {times} -r {options.get('rate', 10.0):g} {count}".split()
        self._arguments = [*command, *words, *options.get("more", ())]

    async def start(self, arguments: Sequence[str]) -> asyncio.subprocess.Process:
        with (self._directory / "stderr").open("wb") as stderr:
            return await asyncio.create_subprocess_exec(
                *self._arguments,
                *arguments,
                cwd=self._directory,
                stdin=asyncio.subprocess.DEVNULL,
                stdout=asyncio.subprocess.DEVNULL,
                stderr=stderr,
            )

    async def listening(self, process: asyncio.subprocess.Process) -> None:
        """Wait until the kernel knows the socket: SIPp says nothing when it is ready."""
        async with asyncio.timeout(START_TIMEOUT):
            while not is_bound("udp" if self.transport == "u1" else "tcp", self.address, self.port):
                assert process.returncode is None, f"SIPp did not start: {self._text('stderr')}"
                await asyncio.sleep(0.01)

    def report(self, process: asyncio.subprocess.Process) -> Report:
        history = _rows(self._text("counters.csv"))
        counters = history[-1] if history else {}
        return Report(
            exit_code=-1 if process.returncode is None else process.returncode,
            successful=int(counters.get("SuccessfulCall(C)", 0)),
            failed=int(counters.get("FailedCall(C)", 0)),
            retransmissions=int(counters.get("Retransmissions(C)", 0)),
            errors=self._text("errors") + self._text("stderr"),
            messages=self._text("messages"),
            counters=counters,
            history=history,
        )

    def _text(self, name: str) -> str:
        path = self._directory / name
        return path.read_text(encoding="utf-8", errors="replace") if path.exists() else ""


def free_port(address: str, transport: Transport = "u1") -> int:
    """A port of `address` that nobody holds at this moment."""
    kind = socket.SOCK_DGRAM if transport == "u1" else socket.SOCK_STREAM
    with socket.socket(socket.AF_INET6 if ":" in address else socket.AF_INET, kind) as probe:
        probe.bind((address, 0))
        port: int = probe.getsockname()[1]
        return port


def _rows(table: str) -> list[dict[str, str]]:
    """SIPp appends a row every second and one at the end; the counters with (C) are cumulative."""
    rows = [row for row in csv.reader(table.splitlines(), delimiter=";") if row]
    return [dict(zip(rows[0], row, strict=False)) for row in rows[1:]]


async def _stop(process: asyncio.subprocess.Process) -> None:
    """End this one process, by its id."""
    for number in POLITE_TO_FINAL:
        if process.returncode is not None:
            return
        process.send_signal(number)
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(process.wait(), STOP_TIMEOUT)
