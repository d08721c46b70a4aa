"""A network in memory: datagrams and streams between numbered hosts, on the loop's (virtual) clock.

Every message is kept with its time, ends and fate. Hosts may be silent, unreachable, refuse connections or leave
them hanging; messages may be lost, doubled or delayed, by name or by a `weather` that decides on each. The proxy's
side of it is `wire.NodeWire`.
"""

import asyncio
import heapq
import itertools
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from typing import Literal, Protocol

from byoc_proxy.net.wire import Unreachable
from byoc_proxy.sip.flow import Address
from byoc_proxy.sip.message import Message, Request, Response
from byoc_proxy.sip.parser import ParseError, parse_datagram

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
    busy_until: dict[Address, float] = field(default_factory=dict)  # by the end that is sent to

    def in_order(self, destination: Address, due: float) -> float:
        """When a message arrives that overtakes none before it."""
        self.busy_until[destination] = max(due, self.busy_until.get(destination, 0.0))
        return self.busy_until[destination]


Weather = Callable[[Carried], Sequence[float]]
"""The delays in seconds of the copies that arrive of a message: none if it is lost, several if it is doubled."""


class Host(Protocol):
    """Whoever has an address."""

    def takes(self, data: bytes, transport: str, source: Address, here: Address, stream: int) -> None: ...
    def loses(self, stream: int) -> None: ...


@dataclass(slots=True)
class Network:
    """See the module. `delay` in seconds, for every message; `moods` by IP address; `watcher` sees what is sent."""

    delay: float = 0.0
    weather: Weather | None = None  # in place of `delay` and of what is lost and doubled by name
    watcher: Callable[[Carried], None] | None = None
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
        host = self._hosts.get((transport, destination))
        carried = Carried(self._now, transport, source, destination, data, self._fate(destination, host))
        delays: Sequence[float] = ()
        if carried.fate == "delivered":
            delays = self._named_weather(carried) if self.weather is None else self.weather(carried)
            if not delays:
                carried = replace(carried, fate="lost")
        self.log.append(carried)
        if self.watcher is not None:
            self.watcher(carried)
        if host is not None:
            for delay in delays:
                due = carried.at + delay
                if stream:
                    due = self.streams[stream].in_order(destination, due)
                self._fly(due, lambda: self._deliver(host, carried, stream))
        return carried.fate

    # --- how it is done ------------------------------------------------------------------------------------

    @property
    def _now(self) -> float:
        return asyncio.get_running_loop().time()

    def _deliver(self, host: Host, carried: Carried, stream: int) -> None:
        if not stream or self.streams[stream].open:  # what was on its way when a stream broke is gone
            host.takes(carried.data, carried.transport, carried.source, carried.destination, stream)

    def _fate(self, destination: Address, host: Host | None) -> Fate:
        mood = self.moods.get(destination[0])
        if mood == "unreachable":
            return "unreachable"
        return "swallowed" if host is None or mood == "silent" else "delivered"

    def _named_weather(self, carried: Carried) -> Sequence[float]:
        """What `loses`, `doubles` and `delay` say."""
        if not (self._losses or self._doubles):
            return (self.delay,)
        words = carried.what
        if self._losses.get(words, 0):
            self._losses[words] -= 1
            return ()
        if self._doubles.get(words, 0):
            self._doubles[words] -= 1
            return (self.delay, self.delay)
        return (self.delay,)

    def _fly(self, due: float, land: Callable[[], None]) -> None:
        loop = asyncio.get_running_loop()
        if due <= loop.time() and not self._flying:
            loop.call_soon(land)
            return
        heapq.heappush(self._flying, (due, next(self._serials), land))  # asyncio keeps no order among equal times
        loop.call_at(due, self._land)

    def _land(self) -> None:
        while self._flying and self._flying[0][0] <= self._now:
            heapq.heappop(self._flying)[2]()
