"""A network in memory: datagrams and streams between numbered hosts, on the loop's (virtual) clock.

Every message is kept with its time, ends and fate. Hosts may be silent, unreachable, refuse connections or leave
them hanging; messages may be lost, doubled or delayed. `NodeWire` is the proxy's side of it, a `net.wire.Wire`.
"""

import asyncio
import heapq
import itertools
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Literal, Protocol

from byoc_proxy.net.wire import Receiver, Unreachable
from byoc_proxy.sip.flow import Address, Flow
from byoc_proxy.sip.locate import Hop
from byoc_proxy.sip.message import Message, Request, Response
from byoc_proxy.sip.parser import ParseError, parse_datagram

CONNECT_TIMEOUT = 4.0
Fate = Literal["delivered", "lost", "unreachable", "swallowed"]
Mood = Literal["silent", "unreachable", "refuses", "hangs"]


def what(message: Message) -> str:
    """`INVITE`, `200 BYE`."""
    if isinstance(message, Response):
        return f"{message.status} {message.cseq[1]}"
    assert isinstance(message, Request)
    return message.method


def kind_of(data: bytes) -> str:
    """What the bytes are; the first line of what is no message."""
    try:
        return what(parse_datagram(data))
    except ParseError:
        return data.partition(b"\r\n")[0].decode("latin-1")


@dataclass(frozen=True, slots=True)
class Carried:
    """One message on the network."""

    at: float
    transport: str
    source: Address
    destination: Address
    data: bytes
    fate: Fate

    @property
    def what(self) -> str:
        return kind_of(self.data)


@dataclass(slots=True)
class Stream:
    """One connection between two addresses."""

    number: int
    ends: tuple[Address, Address]
    open: bool = True


class Host(Protocol):
    """Whoever has an address."""

    def takes(self, data: bytes, transport: str, source: Address, here: Address, stream: int) -> None: ...
    def loses(self, stream: int) -> None: ...


@dataclass(slots=True)
class Network:
    """See the module. `delay` in seconds, for every message; `moods` by IP address."""

    delay: float = 0.0
    moods: dict[str, Mood] = field(default_factory=dict)
    failures: dict[str, str] = field(default_factory=dict)  # IP address -> why a connection to it fails
    log: list[Carried] = field(default_factory=list)
    faults: list[str] = field(default_factory=list)  # what a host got and should not have
    streams: dict[int, Stream] = field(default_factory=dict)
    _hosts: dict[tuple[str, Address], Host] = field(default_factory=dict)
    _losses: dict[str, int] = field(default_factory=dict)
    _doubles: dict[str, int] = field(default_factory=dict)
    _flying: list[tuple[float, int, Callable[[], None]]] = field(default_factory=list)
    _serials: Iterator[int] = field(default_factory=lambda: itertools.count(1))
    _ports: Iterator[int] = field(default_factory=lambda: itertools.count(40001))

    # --- the weather ---------------------------------------------------------------------------------------

    def loses(self, words: str, count: int = 1) -> None:
        """Lose the next `count` messages of that kind, such as `ACK` or `200 INVITE`."""
        self._losses[words] = self._losses.get(words, 0) + count

    def doubles(self, words: str, count: int = 1) -> None:
        """Deliver the next `count` messages of that kind twice."""
        self._doubles[words] = self._doubles.get(words, 0) + count

    def cut(self, number: int) -> None:
        """A stream breaks; both ends notice."""
        stream = self.streams[number]
        stream.open = False
        for end in stream.ends:
            host = self._hosts.get(("TCP", end)) or self._hosts.get(("TLS", end))
            if host is not None:
                host.loses(number)

    # --- hosts ---------------------------------------------------------------------------------------------

    def attach(self, transport: str, address: Address, host: Host) -> None:
        self._hosts[(transport, address)] = host

    def connect(self, transport: str, source: Address, destination: Address) -> Stream:
        """A stream from a fresh port of `source`; `Unreachable` when nobody listens."""
        listener = self._hosts.get((transport, destination))
        if listener is None or self.moods.get(destination[0]) == "refuses":
            raise Unreachable(f"{transport} connect: Connection refused")
        here = (source[0], next(self._ports))
        self._hosts[(transport, here)] = self._hosts[(transport, source)]
        stream = Stream(next(self._serials), (here, destination))
        self.streams[stream.number] = stream
        return stream

    def send(self, data: bytes, transport: str, source: Address, destination: Address, stream: int = 0) -> Fate:
        """Carry one message; what became of it."""
        words = kind_of(data)
        host = self._hosts.get((transport, destination))
        fate: Fate = "delivered"
        if self._losses.get(words, 0):
            self._losses[words] -= 1
            fate = "lost"
        elif self.moods.get(destination[0]) == "unreachable":
            fate = "unreachable"
        elif host is None or self.moods.get(destination[0]) == "silent":
            fate = "swallowed"
        self.log.append(Carried(self._now, transport, source, destination, data, fate))
        if fate == "delivered" and host is not None:
            copies = 2 if self._doubles.get(words, 0) else 1
            self._doubles[words] = self._doubles.get(words, 0) - (copies - 1)
            for _ in range(copies):
                self._fly(lambda: host.takes(data, transport, source, destination, stream))
        return fate

    # --- how it is done ------------------------------------------------------------------------------------

    @property
    def _now(self) -> float:
        return asyncio.get_running_loop().time()

    def _fly(self, land: Callable[[], None]) -> None:
        loop = asyncio.get_running_loop()
        if not self.delay:
            loop.call_soon(land)
            return
        due = loop.time() + self.delay
        heapq.heappush(self._flying, (due, next(self._serials), land))  # asyncio keeps no order among equal times
        loop.call_at(due, self._land)

    def _land(self) -> None:
        while self._flying and self._flying[0][0] <= self._now:
            heapq.heappop(self._flying)[2]()


class NodeWire:
    """One listener of the proxy on the network."""

    def __init__(self, network: Network, transport: str, local: Address, sent_by: str, receiver: Receiver) -> None:
        self._transport = transport
        self._local = local
        self._sent_by = sent_by
        self._network = network
        self._receiver = receiver
        self._flows: dict[int, Flow] = {}
        self.closed = False
        network.attach(transport, local, self)

    @property
    def transport(self) -> str:
        return self._transport

    @property
    def local(self) -> Address:
        return self._local

    @property
    def sent_by(self) -> str:
        return self._sent_by

    def takes(self, data: bytes, transport: str, source: Address, here: Address, stream: int) -> None:
        if transport == "UDP":
            self._receiver.received(data, Flow("UDP", self.local, source, self.sent_by))
        else:
            self._takes_of_stream(data, self._flow(stream, here, source))
        self._receiver.flush()

    def _takes_of_stream(self, data: bytes, flow: Flow) -> None:
        try:
            message = parse_datagram(data)
        except ParseError as error:
            self._receiver.garbled(error, flow)
        else:
            self._receiver.delivered(message, flow)

    def loses(self, stream: int) -> None:
        flow = self._flows.pop(stream, None)
        if flow is not None:
            self._receiver.closed(flow)
            self._receiver.flush()

    def send(self, data: bytes, flow: Flow) -> None:
        if flow.reliable and flow.connection not in self._flows:
            try:
                flow = self._pooled(flow.remote, flow.server_name) or self._open(flow.remote, flow.server_name)
            except Unreachable as error:
                self._is_undeliverable(data, str(error))
                return
        fate = self._network.send(data, self.transport, flow.local, flow.remote, flow.connection)
        if fate == "unreachable":
            self._is_undeliverable(data, "ICMP: Connection refused")

    async def reach(self, hop: Hop) -> Flow:
        remote = (hop.address, hop.port)
        if self.transport == "UDP":
            return Flow("UDP", self.local, remote, self.sent_by)
        server_name = hop.server_name if self.transport == "TLS" else ""
        if flow := self._pooled(remote, server_name):
            return flow
        if self._network.moods.get(hop.address) == "hangs":
            await asyncio.sleep(CONNECT_TIMEOUT)
            raise Unreachable(f"{self.transport} connect silent for {CONNECT_TIMEOUT:g} s")
        return self._open(remote, server_name)

    async def close(self) -> None:
        self.closed = True

    def _pooled(self, remote: Address, server_name: str) -> Flow | None:
        flows = self._flows.values()
        return next((each for each in flows if (each.remote, each.server_name) == (remote, server_name)), None)

    def _open(self, remote: Address, server_name: str) -> Flow:
        cause = self._network.failures.get(remote[0])
        if cause is not None:
            raise Unreachable(cause)
        stream = self._network.connect(self.transport, self.local, remote)
        return self._flow(stream.number, stream.ends[0], remote, server_name)

    def _flow(self, stream: int, here: Address, there: Address, server_name: str = "") -> Flow:
        if stream not in self._flows:
            self._flows[stream] = Flow(self.transport, here, there, self.sent_by, stream, server_name)
        return self._flows[stream]

    def _is_undeliverable(self, data: bytes, cause: str) -> None:
        def tell() -> None:
            self._receiver.undeliverable(data, cause)
            self._receiver.flush()

        asyncio.get_running_loop().call_soon(tell)
