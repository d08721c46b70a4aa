"""Where a SIP URI leads: RFC 3263 as a plan of DNS queries, and the orders of RFC 2782. No I/O.

`locate` is a generator: it yields a `Query`, is sent the records, and returns the `Hop`s in the order in
which they are to be tried. The same plan runs on the real resolver, in tests without sockets, in a dry run.

The transport comes from the URI and is UDP when absent. NAPTR (§4.1) is not asked: a trunk is told its
transport and must not find another one by itself. Transports other than UDP, TCP and TLS are refused.
"""

from __future__ import annotations

import ipaddress
from collections.abc import Generator
from dataclasses import dataclass
from functools import lru_cache
from typing import TYPE_CHECKING, Final, Literal, Protocol, TypeVar

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

    from byoc_proxy.sip.uri import SipUri

Transport = Literal["UDP", "TCP", "TLS"]
Kind = Literal["SRV", "A", "AAAA"]
Family = Literal["A", "AAAA"]

_TRANSPORTS: Final[dict[str, Transport]] = {"udp": "UDP", "tcp": "TCP", "tls": "TLS"}
_SERVICES: Final[dict[Transport, str]] = {"UDP": "_sip._udp", "TCP": "_sip._tcp", "TLS": "_sips._tcp"}
DEFAULT_PORTS: Final[dict[Transport, int]] = {"UDP": 5060, "TCP": 5060, "TLS": 5061}  # RFC 3261 §19.1.2
_MOST_TARGETS: Final = 20  # each costs queries before the first INVITE; no carrier has more gateways in one name
_HARDLY_EVER: Final = 1 / 64


class NotLocated(Exception):
    """The URI leads nowhere; the message says why, in words for a call record."""


class LookupFailed(Exception):
    """Thrown into a plan: the query has no answer (timeout, SERVFAIL), as opposed to an empty one."""


@dataclass(frozen=True, slots=True, order=True)
class Hop:
    """One place to send a request to. `address` is numeric; `server_name` is for TLS (RFC 5922 §7.1)."""

    transport: Transport
    address: str
    port: int
    server_name: str


@dataclass(frozen=True, slots=True)
class Query:
    """One question to the DNS, the name absolute and without the last dot."""

    name: str
    kind: Kind


@dataclass(frozen=True, slots=True)
class Srv:
    """An SRV record (RFC 2782); `target` is `.` where the service is decidedly not available."""

    priority: int
    weight: int
    port: int
    target: str


Answer = tuple[Srv, ...] | tuple[str, ...]
"""Records of the asked kind, addresses as text; empty when there are none, or no such name."""

Plan = Generator[Query, Answer, list[Hop]]
"""Yields queries, is sent their records or has `LookupFailed` thrown into it, returns hops."""


class Ranked(Protocol):
    """What has a place in the order of RFC 2782: an SRV record, an origination target."""

    @property
    def priority(self) -> int: ...
    @property
    def weight(self) -> int: ...


RankedT = TypeVar("RankedT", bound=Ranked)
T = TypeVar("T")


def by_priority_then_weight(items: Iterable[RankedT], draw: Callable[[], float]) -> list[RankedT]:
    """Ascending priority; inside one priority a weighted draw without replacement (RFC 2782).

    `draw` gives floats in [0, 1) and is not called where there is no choice. Shares are exactly by weight;
    weight 0 is drawn hardly ever beside others, and evenly among its like.
    """
    ordered: list[RankedT] = []
    remaining = sorted(items, key=lambda item: item.priority)
    while remaining:
        first = remaining[0].priority
        group = [item for item in remaining if item.priority == first]
        remaining = remaining[len(group) :]
        while len(group) > 1:
            ordered.append(group.pop(_weighted(group, draw)))
        ordered += group
    return ordered


def locate(uri: SipUri, draw: Callable[[], float], families: Sequence[Family] = ("A", "AAAA")) -> Plan:
    """The plan for one URI (RFC 3263 §4). Returns at least one hop, none twice; raises `NotLocated`.

    Addresses of one name come by family in the given order, shuffled inside a family. A query that fails
    costs only what it would have brought: without SRV the name is asked itself, without AAAA there is A.
    """
    transport = transport_of(uri)
    host = (uri.params.get("maddr") or uri.host).strip("[]").lower()  # RFC 3263 §4: maddr is the TARGET
    port = DEFAULT_PORTS[transport] if uri.port is None else uri.port
    address = _numeric(host)
    if address is not None:
        return [Hop(transport, address, port, uri.host)]
    failures: list[str] = []
    places = [(host, port)]
    if uri.port is None:
        # §4.2: a port in the URI says that SRV is not to be asked
        places = (yield from _services(Query(f"{_SERVICES[transport]}.{host}", "SRV"), draw, failures)) or places
    hops: list[Hop] = []
    for name, service_port in places:
        addresses = yield from _addresses(name, families, draw, failures)
        hops += [Hop(transport, address, service_port, uri.host) for address in addresses]
    if not hops:
        raise NotLocated("; ".join(failures) or f"{host} has no address")
    return list(dict.fromkeys(hops))


def transport_of(uri: SipUri) -> Transport:
    """The transport that a URI asks for; `NotLocated` when it is none of ours."""
    name = uri.transport
    if uri.scheme == "sips":
        return "TLS"  # RFC 3261 §26.2.2; `sips:…;transport=tcp` is TLS over TCP
    transport = "UDP" if name is None else _TRANSPORTS.get(name)
    if transport is None:
        raise NotLocated(f"transport {name} is not supported")
    return transport


def _services(
    query: Query, draw: Callable[[], float], failures: list[str]
) -> Generator[Query, Answer, list[tuple[str, int]]]:
    """Names and ports of the service in the order to be tried; empty when it has no SRV records."""
    records = [record for record in (yield from _ask(query, failures)) if isinstance(record, Srv)]
    offered = [record for record in records if record.target != "."]
    if records and not offered:
        raise NotLocated(f"{query.name} says that the service is not available")  # RFC 2782 "Target"
    return [(record.target, record.port) for record in by_priority_then_weight(offered, draw)[:_MOST_TARGETS]]


def _addresses(
    name: str, families: Sequence[Family], draw: Callable[[], float], failures: list[str]
) -> Generator[Query, Answer, list[str]]:
    addresses: list[str] = []
    for family in families:
        answer = yield from _ask(Query(name, family), failures)
        addresses += _shuffled([record for record in answer if isinstance(record, str)], draw)
    return addresses


def _ask(query: Query, failures: list[str]) -> Generator[Query, Answer, Answer]:
    try:
        return (yield query)
    except LookupFailed as failure:
        failures.append(str(failure))
        return ()


@lru_cache(4096)
def _numeric(host: str) -> str | None:
    """The address that the host is, in its canonical text; None when it is a name."""
    if not (host[-1:].isdigit() or ":" in host):
        return None  # the common case of a name, without an exception
    try:
        return str(ipaddress.ip_address(host))
    except ValueError:
        return None


def _weighted(items: Sequence[Ranked], draw: Callable[[], float]) -> int:
    """The index of one item, drawn by weight."""
    weights = [item.weight or _HARDLY_EVER for item in items]
    ticket = draw() * sum(weights)
    for index, weight in enumerate(weights):
        ticket -= weight
        if ticket < 0:
            return index
    return len(weights) - 1  # rounding: the ticket was a hair below the sum


def _shuffled(items: list[T], draw: Callable[[], float]) -> list[T]:
    """A fair permutation; with `draw` always 0 the order stays."""
    shuffled: list[T] = []
    while len(items) > 1:
        shuffled.append(items.pop(int(draw() * len(items))))
    return shuffled + items
