"""scripts/load/flood: calls of a carrier while scanners send all they have.

A carrier's calls go on at a steady rate, with digest and a webhook over HTTP, while strangers at other loopback
addresses send OPTIONS, INVITE, REGISTER and garbage as fast as they are told. Shown are the calls that completed,
the packets that strangers sent and the answers that they got, and the CPU with and without them. Loopback only.
"""

import argparse
import asyncio
import socket
import sys
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from tests.support.sipp import Report, Sipp

from .jobs import JOBS
from .load import SIPP
from .overload import PATIENCE, say
from .places import DOMAIN, NUMBER, Places
from .processes import pinned
from .systems import proxy

PLACES = Places(target=("127.0.0.42", 5060), callee=("127.0.0.52", 5090), webhook=("127.0.0.62", 8080))
TURN = 0.01  # seconds between two handfuls of packets

_HEAD = (
    "{method} sip:{host} SIP/2.0\r\nVia: SIP/2.0/UDP 127.9.0.1:5060;branch=z9hG4bK-{number};rport\r\n"
    "From: <sip:100@{host}>;tag={number}\r\nTo: <sip:100@{host}>\r\nCall-ID: {number}@scanner\r\n"
    "CSeq: 1 {method}\r\n"
    "Max-Forwards: 70\r\nContact: <sip:100@127.9.0.1>\r\nUser-Agent: friendly-scanner\r\nContent-Length: 0\r\n\r\n"
)
_WISHES = (("OPTIONS", "127.0.0.42"), ("INVITE", "127.0.0.42"), ("REGISTER", "127.0.0.42"), ("INVITE", DOMAIN))


@dataclass(slots=True)
class Scanners:
    """Strangers, one socket each."""

    sockets: Sequence[socket.socket]
    sent: int = 0
    heard: int = 0
    _number: int = field(default=0)

    async def scan(self, rate: float, seconds: float) -> None:
        """Send at `rate` packets per second, all together."""
        loop = asyncio.get_running_loop()
        started = loop.time()
        while (passed := loop.time() - started) < seconds:
            while self.sent < rate * passed:
                self._send()
            self._hear()
            await asyncio.sleep(TURN)
        self._hear()

    def _send(self) -> None:
        self._number += 1
        stranger = self.sockets[self._number % len(self.sockets)]
        kind = self._number % (len(_WISHES) + 1)
        if kind == len(_WISHES):
            data = b"\x00\x01 nothing that anybody could read \xff" * 8
        else:
            method, host = _WISHES[kind]
            data = _HEAD.format(method=method, host=host, number=self._number).encode("ascii")
        stranger.sendto(data, PLACES.target)
        self.sent += 1

    def _hear(self) -> None:
        for stranger in self.sockets:
            try:
                while stranger.recv(65535):
                    self.heard += 1
            except BlockingIOError:
                continue


@contextmanager
def scanners(count: int) -> Iterator[Scanners]:
    with ExitStack() as stack:
        sockets = []
        for number in range(count):
            stranger = stack.enter_context(socket.socket(socket.AF_INET, socket.SOCK_DGRAM))
            stranger.bind((f"127.9.{number // 250}.{number % 250 + 1}", 0))
            stranger.setblocking(False)
            sockets.append(stranger)
        yield Scanners(sockets)


async def calls(sipp: Sipp, rate: float, seconds: float) -> Report:
    job = JOBS["digest-webhook"]
    count = int(rate * seconds)
    return await sipp.uac(
        job.scenario,
        PLACES.target,
        domain=DOMAIN,
        number=NUMBER,
        credentials=job.credentials,
        address=PLACES.caller,
        calls=count,
        rate=rate,
        timeout=seconds + PATIENCE,
        more=("-l", str(count)),
    )


async def survive(chosen: argparse.Namespace, directory: Path) -> bool:
    """True when every call completed."""
    job, command = JOBS["digest-webhook"], "byoc-proxy run -c {config}"
    sipp = Sipp(directory, prefix=pinned(PLACES.tool_core), common=SIPP, keep_messages=False)
    host, port = PLACES.callee
    completed = True
    async with (
        proxy(job, PLACES, command, directory) as session,
        sipp.uas("uas_answer.xml", address=host, port=port),
    ):
        say(" packets/s  sources     sent answered  calls     ok sent again   CPU")
        for rate in (0, *chosen.flood):
            with scanners(chosen.sources) as strangers:
                before = session.cpu_seconds()
                async with asyncio.TaskGroup() as group:
                    group.create_task(strangers.scan(rate, chosen.seconds))
                    caller = group.create_task(calls(sipp, chosen.rate, chosen.seconds))
                cpu = (session.cpu_seconds() - before) / chosen.seconds
            report, wanted = caller.result(), int(chosen.rate * chosen.seconds)
            completed = completed and report.successful == wanted
            say(
                f"{rate:>10.0f} {chosen.sources:>8} {strangers.sent:>8} {strangers.heard:>8} {wanted:>6}"
                f" {report.successful:>6} {report.retransmissions:>10} {cpu:>5.2f}"
            )
    return completed


def arguments(words: Sequence[str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="scripts/load/flood", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--flood", type=float, nargs="+", default=[1000.0, 5000.0], help="packets per second")
    parser.add_argument("--sources", type=int, default=20, help="addresses that they come from (20)")
    parser.add_argument("--rate", type=float, default=20.0, help="calls per second beside them (20)")
    parser.add_argument("--seconds", type=float, default=10.0, help="of each run (10)")
    return parser.parse_args(words)


async def main(words: Sequence[str]) -> int:
    with tempfile.TemporaryDirectory(prefix="byoc-flood-") as directory:
        return 0 if await survive(arguments(words), Path(directory)) else 1


if __name__ == "__main__":
    sys.exit(asyncio.run(main(sys.argv[1:])))
