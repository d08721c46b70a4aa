"""The real daemon as a child process, with a configuration of its own on free loopback ports.

    async with daemon(tmp_path, configuration("sip:127.0.0.20:5090")) as proxy:
        ...
        record = await proxy.record()

It is ready when it says so the way systemd hears it. At the end it must have logged no error and raised nothing.
"""

import asyncio
import contextlib
import json
import os
import signal
import socket
import sys
from collections.abc import AsyncIterator, Callable, Sequence
from pathlib import Path
from typing import Any, TypeVar

import yaml

__all__ = ["AUTH_TOKEN", "DOMAIN", "Daemon", "Document", "configuration", "daemon", "free_for_both", "until"]

Address = tuple[str, int]
Document = dict[str, Any]
T = TypeVar("T")
ROOT = Path(__file__).resolve().parent.parent.parent
AUTH_TOKEN = "0123456789abcdef0123456789abcdef"
DOMAIN = "acme.sip.example.test"
DIAL = "<Response><Dial><Number>+15550199</Number></Dial></Response>"
START_TIMEOUT = 10.0
STOP_TIMEOUT = 5.0


def configuration(*targets: str | Document, host: str = "127.0.0.10", **trunk: Any) -> Document:
    """A document with one account, trunk `t1`, domain `acme` and policy `carriers`; tests change it as they like.

    `targets` in the order of their priority. The trunk dials +15550199 without asking anybody, unless `trunk`
    names another `voice_twiml` or a `voice_url`.
    """
    bind = f"[{host}]" if ":" in host else host
    port = free_for_both(host)
    script = trunk if "voice_url" in trunk else {"voice_twiml": DIAL, **trunk}
    listed = [
        {"priority": place, **({"target": target} if isinstance(target, str) else target)}
        for place, target in enumerate(targets, 1)
    ]
    return {
        "base_domain": "sip.example.test",
        "listeners": [{"transport": name, "bind": f"{bind}:{port}"} for name in ("udp", "tcp")],
        "accounts": {"acme": {"auth_token": AUTH_TOKEN}},
        "trunks": {"t1": {"connection_policy": "carriers", **script}},
        "domains": {"acme": {"trunk": "t1", "ip_access_control_lists": ["loopback"]}},
        "ip_access_control_lists": {"loopback": {"addresses": ["127.0.0.0/8", "::1"]}},
        "connection_policies": {"carriers": {"targets": listed}},
        "records": "records.jsonl",
        "limits": {"drain_grace": 0.2},
        "log": {"level": "info"},
    }


class Daemon:
    """One running daemon. `log` holds its lines of JSON so far; `garbage` is what it said besides."""

    def __init__(self, process: asyncio.subprocess.Process, directory: Path, document: Document) -> None:
        self.pid = process.pid
        self.log: list[dict[str, Any]] = []
        self.garbage: list[str] = []
        self.config = directory / "config.yaml"
        self._process = process
        self._records = directory / "records.jsonl"
        self._places: dict[str, Address] = {}
        for listener in document["listeners"]:
            host, _, port = listener["bind"].rpartition(":")
            self._places[listener["transport"]] = (host.strip("[]"), int(port))
        assert process.stdout is not None
        assert process.stderr is not None
        self._readers = [
            asyncio.create_task(self._read(process.stdout)),
            asyncio.create_task(self._read(process.stderr)),
        ]

    @property
    def udp(self) -> Address:
        return self._places["udp"]

    @property
    def tcp(self) -> Address:
        return self._places["tcp"]

    @property
    def tls(self) -> Address:
        return self._places["tls"]

    def signal(self, number: signal.Signals) -> None:
        self._process.send_signal(number)

    async def exited(self, within: float = STOP_TIMEOUT) -> int:
        """Its exit code, once it has ended and all it said has been read."""
        async with asyncio.timeout(within):
            code = await self._process.wait()
            await asyncio.gather(*self._readers)
        return code

    async def logged(self, event: str, within: float = 5.0, **fields: Any) -> dict[str, Any]:
        """The first line of that event that has these fields."""

        def find() -> dict[str, Any] | None:
            for line in self.log:
                if line["event"] == event and fields.items() <= line.items():
                    return line
            return None

        return await until(find, within, lambda: f"no {event} {fields} in {[line['event'] for line in self.log]}")

    async def records(self, count: int, within: float = 5.0) -> list[dict[str, Any]]:
        """The records of the calls that have ended, once there are `count` of them, newest revision of each."""
        return await until(lambda: self._written(count), within, lambda: f"fewer than {count} records")

    async def record(self, within: float = 5.0) -> dict[str, Any]:
        """The record of the only call."""
        return (await self.records(1, within))[0]

    def resident(self) -> int:
        """Its memory in bytes."""
        pages = Path(f"/proc/{self.pid}/statm").read_text(encoding="ascii").split()[1]
        return int(pages) * os.sysconf("SC_PAGE_SIZE")

    def kept_waiting(self) -> float:
        """Seconds in which it could have run and something else had the processor (Linux: schedstat)."""
        return int(Path(f"/proc/{self.pid}/schedstat").read_text(encoding="ascii").split()[1]) / 1e9

    def descriptors(self) -> list[str]:
        """What its open file descriptors are, such as `socket:[1234]`."""
        return [os.readlink(link) for link in os.scandir(f"/proc/{self.pid}/fd")]

    def complaints(self, allowed: Sequence[str]) -> list[Any]:
        """Errors that it logged, but for the events in `allowed`, and whatever is no log line."""
        errors = [line for line in self.log if line["level"] in {"error", "critical"} or "exception" in line]
        return [line for line in errors if line["event"] not in allowed] + self.garbage

    def _written(self, count: int) -> list[dict[str, Any]] | None:
        if not self._records.exists():
            return None
        lines = [json.loads(line) for line in self._records.read_text(encoding="utf-8").splitlines()]
        records = list({line["call_sid"]: line for line in lines}.values())
        return records if len(records) >= count else None

    async def _read(self, stream: asyncio.StreamReader) -> None:
        while line := await stream.readline():
            try:
                self.log.append(json.loads(line))
            except ValueError:
                self.garbage.append(line.decode("utf-8", "replace"))


@contextlib.asynccontextmanager
async def daemon(directory: Path, document: Document, *, allowed: Sequence[str] = ()) -> AsyncIterator[Daemon]:
    """Run one until the end of the `async with`, which fails on errors in the log other than `allowed`."""
    (directory / "config.yaml").write_text(yaml.safe_dump(document, sort_keys=False), encoding="utf-8")
    loop = asyncio.get_running_loop()
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as supervisor:
        supervisor.setblocking(False)
        supervisor.bind("")  # the kernel picks a name in the abstract space: no path that could be too long
        process = await asyncio.create_subprocess_exec(
            *(sys.executable, "-m", "byoc_proxy", "run", "-c", "config.yaml"),
            cwd=directory,
            env={
                **os.environ,
                "PYTHONPATH": str(ROOT),
                "PYTHONWARNINGS": "error::RuntimeWarning",
                "NOTIFY_SOCKET": "@" + supervisor.getsockname()[1:].decode(),
            },
            stdin=asyncio.subprocess.DEVNULL,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.PIPE,
        )
        proxy = Daemon(process, directory, document)
        try:
            ready = asyncio.create_task(loop.sock_recv(supervisor, 100))
            gone = asyncio.create_task(process.wait())
            await asyncio.wait((ready, gone), timeout=START_TIMEOUT, return_when=asyncio.FIRST_COMPLETED)
            gone.cancel()
            assert ready.done(), f"the daemon did not start: {ready.cancel()} {proxy.log} {proxy.garbage}"
            assert ready.result() == b"READY=1"
            yield proxy
        finally:
            await _stop(proxy, process)
    assert not proxy.complaints(allowed), proxy.complaints(allowed)


async def until(look: Callable[[], T | None], within: float, complaint: Callable[[], str]) -> T:
    """What `look` finds, as soon as it finds something."""
    loop = asyncio.get_running_loop()
    deadline = loop.time() + within
    while (found := look()) is None:
        assert loop.time() < deadline, complaint()
        await asyncio.sleep(0.005)
    return found


async def _stop(proxy: Daemon, process: asyncio.subprocess.Process) -> None:
    """End this one process, by its id: politely, impatiently, at last without asking."""
    for number, patience in ((signal.SIGTERM, 0.4), (signal.SIGTERM, 2.0), (signal.SIGKILL, 2.0)):
        if process.returncode is None:
            process.send_signal(number)
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(process.wait(), patience)
    await proxy.exited()


def free_for_both(host: str) -> int:
    """A port that is free for UDP and for TCP."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    for _ in range(50):
        with socket.socket(family, socket.SOCK_DGRAM) as udp, socket.socket(family, socket.SOCK_STREAM) as tcp:
            udp.bind((host, 0))
            port: int = udp.getsockname()[1]
            with contextlib.suppress(OSError):
                tcp.bind((host, port))
                return port
    raise AssertionError(f"no port of {host} is free")


def sockets_of(pid: int) -> set[tuple[str, str, int]]:
    """The IPv4 sockets of a process: its descriptors name inodes, the kernel's tables name those."""
    inodes = {link.readlink().name for link in Path(f"/proc/{pid}/fd").iterdir() if link.is_symlink()}
    held = set()
    for protocol in ("udp", "tcp"):
        for line in Path(f"/proc/{pid}/net/{protocol}").read_text(encoding="ascii").splitlines()[1:]:
            fields = line.split()
            if f"socket:[{fields[9]}]" in inodes:
                host, port = fields[1].split(":")
                octets = int(host, 16).to_bytes(4, "little")
                held.add((protocol, ".".join(map(str, octets)), int(port, 16)))
    return held
