"""What a call costs in the proxy's own code: whole calls through one node, no sockets, no other process.

The wire is a list; caller and callee are templates of bytes. Under the load of `scripts/bench` a call costs about
twice as much: there the core sleeps and wakes for every packet, and the caches are cold.
"""

import argparse
import asyncio
import cProfile
import pstats
import re
import sys
import tempfile
import time
from collections import Counter
from pathlib import Path

import yaml

from byoc_proxy.app import Node, World
from byoc_proxy.config.load import load
from byoc_proxy.daemon import calm_collector
from byoc_proxy.net.dns import Resolver
from byoc_proxy.net.endpoint import Endpoint
from byoc_proxy.observe.log import configured
from byoc_proxy.sip.flow import Address, Flow, TlsTerms
from byoc_proxy.sip.locate import Hop
from byoc_proxy.storage.store import NoStore
from byoc_proxy.webhook.transport import HttpRequest, HttpResponse

from .jobs import JOBS
from .places import DOMAIN, NUMBER, Places, text

PLACES = Places()
CALLER = ("127.0.0.1", 5070)
SDP = b"v=0\r\no=- 1 1 IN IP4 127.0.0.1\r\ns=-\r\nc=IN IP4 127.0.0.1\r\nt=0 0\r\nm=audio 6000 RTP/AVP 0 8 101\r\n"
WITH_SDP = b"Content-Type: application/sdp\r\nContent-Length: %d\r\n\r\n%b" % (len(SDP), SDP)
EMPTY = b"Content-Length: 0\r\n\r\n"


class ListWire:
    """Keeps what is sent, by where it goes."""

    transport = "UDP"

    def __init__(self) -> None:
        self.local: Address = PLACES.target
        self.sent_by = text(PLACES.target)
        self.sent: list[tuple[bytes, Address]] = []

    def send(self, data: bytes, flow: Flow) -> None:
        self.sent.append((data, flow.remote))

    async def reach(self, hop: Hop, terms: TlsTerms | None = None) -> Flow:
        return self.flow((hop.address, hop.port))

    async def close(self) -> None:
        """Nothing is open."""

    def flow(self, remote: Address) -> Flow:
        return Flow("UDP", self.local, remote, self.sent_by)

    async def take(self, remote: Address, start: bytes) -> bytes:
        """What was sent to `remote` and begins so; a few turns of the loop are all that it may take."""
        for _ in range(50):
            for data, to in self.sent:
                if to == remote and data.startswith(start):
                    self.sent.clear()
                    return data
            await asyncio.sleep(0)
        raise AssertionError(f"the proxy sent nothing that begins with {start!r}")


class NoApplication:
    """The job has its TwiML in the configuration."""

    async def send(self, request: HttpRequest) -> HttpResponse:
        raise AssertionError(f"{request.url} was asked")


class Calls:
    """Places whole calls through one endpoint."""

    def __init__(self, endpoint: Endpoint, wire: ListWire) -> None:
        self._endpoint, self._wire = endpoint, wire

    def _hear(self, data: bytes, remote: Address) -> None:
        self._endpoint.received(data, self._wire.flow(remote))
        self._endpoint.flush()

    async def one(self, number: int) -> None:
        uri = f"sip:{NUMBER}@{DOMAIN}".encode()
        callee = PLACES.callee

        def request(method: bytes, cseq: int, to: bytes, rest: bytes) -> bytes:
            return (
                b"%b %b SIP/2.0\r\nVia: SIP/2.0/UDP 127.0.0.1:5070;branch=z9hG4bK-%d-%d\r\n"
                b'From: "Caller" <sip:+15550177@127.0.0.1:5070>;tag=c%d\r\nTo: %b\r\nCall-ID: %d@127.0.0.1\r\n'
                b"CSeq: %d %b\r\nContact: <sip:+15550177@127.0.0.1:5070>\r\nMax-Forwards: 70\r\n%b"
                % (method, uri, number, cseq + len(method), number, to, number, cseq, method, rest)
            )

        self._hear(request(b"INVITE", 1, b"<%b>" % uri, WITH_SDP), CALLER)
        invite = await self._wire.take(callee, b"INVITE")
        tagged = _response_headers(invite, b";tag=s%d" % number) + b"Contact: <sip:127.0.0.20:5090>\r\n"
        self._hear(b"SIP/2.0 180 Ringing\r\n" + tagged + EMPTY, callee)
        self._hear(b"SIP/2.0 200 OK\r\n" + tagged + WITH_SDP, callee)
        to = _header(await self._wire.take(CALLER, b"SIP/2.0 200"), b"To")
        self._hear(request(b"ACK", 1, to, EMPTY), CALLER)
        self._hear(request(b"BYE", 2, to, EMPTY), CALLER)
        bye = await self._wire.take(callee, b"BYE")
        self._hear(b"SIP/2.0 200 OK\r\n" + _response_headers(bye, b"") + EMPTY, callee)


def _header(message: bytes, name: bytes) -> bytes:
    found = re.search(rb"\r\n" + name + rb": ([^\r]*)", message)
    if found is None:
        raise AssertionError(f"no {name!r} in {message!r}")
    return found[1]


def _response_headers(request: bytes, tag: bytes) -> bytes:
    names = (b"Via", b"From", b"To", b"Call-ID", b"CSeq")
    return b"".join(
        b"%b: %b%b\r\n" % (name, _header(request, name), tag if name == b"To" else b"") for name in names
    )


def node_and_wire(directory: Path) -> tuple[Node, ListWire]:
    file = directory / "bench.yaml"
    file.write_text(yaml.safe_dump(JOBS["acl"].configuration(PLACES)))
    resolver = Resolver(("127.0.0.1",), now=time.monotonic, draw=lambda: 0.0, families=("A",))
    node = Node(load(file, {}), World(NoApplication(), resolver, NoStore(), configured("warning", "json")))
    wire = ListWire()
    node.endpoint.add(wire)
    return node, wire


def shares(profile: cProfile.Profile) -> list[tuple[str, float]]:
    """How the time divides, by package of ours and by library, in percent."""
    spent: Counter[str] = Counter()
    stats = pstats.Stats(profile)
    for (file, _, _), (_, _, own, _, _) in stats.stats.items():  # type: ignore[attr-defined]
        found = re.search(r"byoc_proxy/(\w+)/(\w+)\.py", file)
        part = f"{found[1]}/{found[2]}" if found else "asyncio" if "asyncio" in file else "built-in and library"
        spent[part] += own
    whole = sum(spent.values())
    return [(part, 100 * own / whole) for part, own in spent.most_common()]


async def measure(calls: int, profiled: bool) -> None:
    with tempfile.TemporaryDirectory() as directory:
        node, wire = node_and_wire(Path(directory))
    placing = Calls(node.endpoint, wire)
    for number in range(200):
        await placing.one(number)
    calm_collector()
    profile = cProfile.Profile()
    if profiled:
        profile.enable()
    started = time.process_time()
    for number in range(200, 200 + calls):
        await placing.one(number)
    each = (time.process_time() - started) / calls * 1e6
    profile.disable()
    sys.stdout.write(f"{each:.0f} us a call{' under the profiler' if profiled else ''}, {calls} calls\n")
    if profiled:
        for part, share in shares(profile)[:20]:
            sys.stdout.write(f"{share:5.1f} %  {part}\n")
    await node.endpoint.close()


def main() -> int:
    parser = argparse.ArgumentParser(prog="scripts/profile", description=__doc__)
    parser.add_argument("--calls", type=int, default=3000)
    parser.add_argument("--shares", action="store_true", help="where the time goes, by module")
    asked = parser.parse_args()
    asyncio.run(measure(asked.calls, asked.shares))
    return 0


if __name__ == "__main__":
    sys.exit(main())
