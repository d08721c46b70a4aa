"""Runs `sip.locate` plans against the DNS and remembers answers by their TTL (RFC 3263, RFC 2308).

A numeric host costs no query and no wait. One question is in flight once, however many calls ask it. The
hosts file and search domains are not consulted: a trunk's names are absolute.
"""

from __future__ import annotations

import asyncio
import ipaddress
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

import dns.asyncresolver
import dns.exception
import dns.message
import dns.name
import dns.nameserver
import dns.resolver
from dns.rdtypes.ANY.SOA import SOA
from dns.rdtypes.IN.A import A
from dns.rdtypes.IN.AAAA import AAAA
from dns.rdtypes.IN.SRV import SRV

from byoc_proxy.sip.locate import LookupFailed, Srv, locate

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Sequence

    from byoc_proxy.sip.locate import Answer, Family, Hop, Plan, Query
    from byoc_proxy.sip.uri import SipUri

_WITH_PORT: Final = re.compile(r"(?P<host>[^:]+|\[[^\]]+\]):(?P<port>\d{1,5})")
_SHORTEST_TTL: Final = 1.0
_LONGEST_TTL: Final = 3600.0
_NEGATIVE_TTL: Final = 5.0  # for "no such record" without an SOA to say how long
_FAILURE_TTL: Final = 1.0  # RFC 2308 §7 allows five minutes; a carrier that comes back should not wait for us
_MOST_ANSWERS: Final = 10_000
_TRIES: Final = 4  # a lost datagram costs a quarter of the timeout, not the call


@dataclass(frozen=True, slots=True)
class _Known:
    """What came of a query: an answer, or the words of a failure."""

    expires_at: float
    answer: Answer
    failure: str = ""


async def carry_out(plan: Plan, ask: Callable[[Query], Awaitable[Answer]]) -> list[Hop]:
    """Run a plan of `sip.locate` with `ask`, which returns records or raises `LookupFailed`."""
    try:
        query = next(plan)
        while True:
            try:
                answer = await ask(query)
            except LookupFailed as failure:
                query = plan.throw(failure)
            else:
                query = plan.send(answer)
    except StopIteration as done:
        hops: list[Hop] = done.value
        return hops


class Resolver:
    """Locates SIP URIs. `nameservers` are `address` or `address:port` (IPv6 with a port in brackets).

    Without nameservers those of the system are asked. Each query ends within `timeout` seconds. `now` is a
    monotonic clock in seconds, `draw` gives floats in [0, 1). `ValueError` for a nameserver that is a name.
    """

    def __init__(
        self,
        nameservers: Sequence[str] = (),
        timeout: float = 2.0,
        *,
        now: Callable[[], float],
        draw: Callable[[], float],
        families: Sequence[Family] = ("A", "AAAA"),
    ) -> None:
        self._dns = _dnspython(nameservers, timeout)
        self._now = now
        self._draw = draw
        self._families = families
        self._known: dict[Query, _Known] = {}
        self._in_flight: dict[Query, asyncio.Future[None]] = {}

    async def locate(self, uri: SipUri) -> list[Hop]:
        """The hops of a URI in the order to be tried; `sip.locate.NotLocated` when there are none."""
        return await carry_out(locate(uri, self._draw, self._families), self._ask)

    async def _ask(self, query: Query) -> Answer:
        known = self._known.get(query)
        while known is None or known.expires_at <= self._now():
            in_flight = self._in_flight.get(query)
            if in_flight is None:
                known = await self._lead(query)
                break
            # Whoever asked first asks for all. If that call is cancelled, nothing is known after the wait and
            # one of those who waited takes over: no query outlives the calls that want it.
            await asyncio.wait((in_flight,))
            known = self._known.get(query)
        if known.failure:
            raise LookupFailed(known.failure)
        return known.answer

    async def _lead(self, query: Query) -> _Known:
        """Ask the network on behalf of everybody who wants to know."""
        in_flight = self._in_flight[query] = asyncio.get_running_loop().create_future()
        try:
            known = await self._fetch(query)
            self._remember(query, known)
            return known
        finally:
            del self._in_flight[query]
            in_flight.set_result(None)

    async def _fetch(self, query: Query) -> _Known:
        try:
            found = await self._dns.resolve(query.name, query.kind, raise_on_no_answer=False, search=False)
        except dns.resolver.NXDOMAIN as absent:
            responses: dict[dns.name.Name, dns.message.Message] = absent.kwargs["responses"]
            return self._known_for(min(map(_negative_ttl, responses.values()), default=_NEGATIVE_TTL), ())
        except dns.exception.DNSException as error:
            failure = f"{query.kind} lookup of {query.name} failed: {error}"
            return _Known(self._now() + _FAILURE_TTL, (), failure)
        if found.rrset is None:
            return self._known_for(_negative_ttl(found.response), ())
        return self._known_for(found.chaining_result.minimum_ttl, _records(found))

    def _known_for(self, ttl: float, answer: Answer) -> _Known:
        return _Known(self._now() + min(max(ttl, _SHORTEST_TTL), _LONGEST_TTL), answer)

    def _remember(self, query: Query, known: _Known) -> None:
        self._known.pop(query, None)  # a renewed answer is a young one
        self._known[query] = known
        if len(self._known) > _MOST_ANSWERS:
            del self._known[next(iter(self._known))]


def _dnspython(nameservers: Sequence[str], timeout: float) -> dns.asyncresolver.Resolver:
    resolver = dns.asyncresolver.Resolver(configure=False)
    if nameservers:
        resolver.nameservers = [_nameserver(text) for text in nameservers]
    else:
        try:
            resolver = dns.asyncresolver.Resolver()
        except dns.resolver.NoResolverConfiguration:
            # No /etc/resolv.conf: numeric targets still work, and each name fails with words that say so.
            resolver.nameservers = []
    resolver.lifetime = timeout
    resolver.timeout = timeout / _TRIES
    return resolver


def _nameserver(text: str) -> dns.nameserver.Do53Nameserver:
    match = _WITH_PORT.fullmatch(text)
    host, port = (match["host"], int(match["port"])) if match else (text, 53)
    try:
        address = ipaddress.ip_address(host.removeprefix("[").removesuffix("]"))
    except ValueError as error:
        raise ValueError(f"nameserver {text!r} is not an address with or without a port") from error
    return dns.nameserver.Do53Nameserver(str(address), port)


def _records(found: dns.resolver.Answer) -> Answer:
    services: list[Srv] = []
    addresses: list[str] = []
    for record in found:
        if isinstance(record, SRV):
            target = record.target.to_text(omit_final_dot=True).lower()
            services.append(Srv(record.priority, record.weight, record.port, target))
        elif isinstance(record, A | AAAA):
            addresses.append(record.address)
    return tuple(services) or tuple(addresses)


def _negative_ttl(response: dns.message.Message) -> float:
    """How long "there is none" holds: the smaller of the SOA's TTL and its minimum (RFC 2308 §5)."""
    for rrset in response.authority:
        for record in rrset:
            if isinstance(record, SOA):
                return min(rrset.ttl, record.minimum)
    return _NEGATIVE_TTL
