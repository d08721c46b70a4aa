"""DNS in memory: a zone of records, and a resolver that reads it without sockets."""

from __future__ import annotations

from typing import TYPE_CHECKING, Self

from byoc_proxy.net.dns import carry_out
from byoc_proxy.sip.locate import Answer, Family, Hop, LookupFailed, Query, Srv, locate

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from byoc_proxy.sip.uri import SipUri


class Zone:
    """Records by name and kind. The verbs return the zone, so that one expression can hold all of it."""

    def __init__(self) -> None:
        self.addresses: dict[Query, tuple[str, ...]] = {}
        self.services: dict[Query, tuple[Srv, ...]] = {}

    def host(self, name: str, *addresses: str) -> Self:
        """Give `name` these addresses, IPv4 and IPv6 mixed, in place of those that it had."""
        self.addresses[Query(name, "A")] = tuple(text for text in addresses if ":" not in text)
        self.addresses[Query(name, "AAAA")] = tuple(text for text in addresses if ":" in text)
        return self

    def service(self, name: str, *records: Srv) -> Self:
        """Give `name`, such as `_sip._udp.carrier.example`, these SRV records."""
        self.services[Query(name, "SRV")] = records
        return self

    def answer(self, query: Query) -> Answer:
        """The records of the asked kind; empty when there are none."""
        return self.services.get(query, ()) or self.addresses.get(query, ())

    def __contains__(self, name: object) -> bool:
        return any(query.name == name for query in (*self.services, *self.addresses))


class FakeResolver:
    """What `net.dns.Resolver` is to a call, on a zone and without sockets or waits.

    Lookups of a name in `failing`, and of all names below it, fail. `asked` lists the questions in order. With
    the default `draw` nothing is shuffled, and the first of equal priorities comes first.
    """

    def __init__(
        self,
        zone: Zone,
        draw: Callable[[], float] = lambda: 0.0,
        families: Sequence[Family] = ("A", "AAAA"),
    ) -> None:
        self.zone = zone
        self.failing: set[str] = set()
        self.asked: list[Query] = []
        self._draw = draw
        self._families = families

    async def locate(self, uri: SipUri) -> list[Hop]:
        return await carry_out(locate(uri, self._draw, self._families), self._ask)

    async def _ask(self, query: Query) -> Answer:
        self.asked.append(query)
        labels = query.name.split(".")
        if any(".".join(labels[start:]) in self.failing for start in range(len(labels))):
            raise LookupFailed(f"{query.kind} lookup of {query.name} failed: SERVFAIL")
        return self.zone.answer(query)
