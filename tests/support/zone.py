"""DNS for tests: a zone of records, a resolver that reads it without sockets, and a real server on loopback."""

import asyncio
from collections.abc import Callable, Sequence
from typing import Literal, Self

import dns.flags
import dns.message
import dns.rcode
import dns.rdatatype
import dns.rrset

from byoc_proxy.net.dns import carry_out
from byoc_proxy.sip.locate import Answer, Family, Hop, Kind, LookupFailed, Query, Srv, locate
from byoc_proxy.sip.uri import SipUri

Mood = Literal["answer", "silent", "servfail", "nxdomain"]
_KINDS: dict[dns.rdatatype.RdataType, Kind] = {
    dns.rdatatype.SRV: "SRV",
    dns.rdatatype.A: "A",
    dns.rdatatype.AAAA: "AAAA",
}


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


class DnsServer(asyncio.DatagramProtocol):
    """An authoritative server of one zone on 127.0.0.1. Use it as `async with DnsServer(zone) as server`.

    `mood` says how it meets questions from now on; `ttl` and `minimum` (of the SOA; None for none) are in
    seconds; `aliases` maps names to their CNAME.
    """

    def __init__(self, zone: Zone) -> None:
        self.zone = zone
        self.mood: Mood = "answer"
        self.ttl = 60
        self.minimum: int | None = 30
        self.aliases: dict[str, str] = {}
        self.asked: list[Query] = []
        self._waiting: list[tuple[int, asyncio.Future[None]]] = []
        self._transport: asyncio.DatagramTransport | None = None

    async def __aenter__(self) -> Self:
        loop = asyncio.get_running_loop()
        self._transport, _ = await loop.create_datagram_endpoint(lambda: self, local_addr=("127.0.0.1", 0))
        return self

    async def __aexit__(self, *_: object) -> None:
        if self._transport is not None:
            self._transport.close()

    @property
    def address(self) -> str:
        """Where it listens, as `host:port`."""
        assert self._transport is not None
        host, port = self._transport.get_extra_info("sockname")
        return f"{host}:{port}"

    async def was_asked(self, times: int = 1) -> None:
        """Wait until that many questions, in all, have arrived."""
        if len(self.asked) < times:
            arrived = asyncio.get_running_loop().create_future()
            self._waiting.append((times, arrived))
            await arrived

    def datagram_received(self, data: bytes, addr: tuple[str, int]) -> None:
        question = dns.message.from_wire(data)
        name = question.question[0].name.to_text(omit_final_dot=True)
        query = Query(name, _KINDS[question.question[0].rdtype])
        self.asked.append(query)
        for times, arrived in self._waiting:
            if len(self.asked) >= times and not arrived.done():
                arrived.set_result(None)
        if self.mood != "silent" and self._transport is not None:
            self._transport.sendto(self._response(question, query).to_wire(), addr)

    def _response(self, question: dns.message.Message, query: Query) -> dns.message.Message:
        response = dns.message.make_response(question)
        response.flags |= dns.flags.AA
        name = query.name
        if self.mood == "servfail":
            response.set_rcode(dns.rcode.SERVFAIL)
            return response
        if name in self.aliases:
            target = self.aliases[name]
            response.answer.append(dns.rrset.from_text(f"{name}.", self.ttl, "IN", "CNAME", f"{target}."))
            name = target
        texts = [_text(record) for record in self.zone.answer(Query(name, query.kind))]
        if texts and self.mood == "answer":
            response.answer.append(dns.rrset.from_text(f"{name}.", self.ttl, "IN", query.kind, *texts))
            return response
        if self.mood == "nxdomain" or name not in self.zone:
            response.answer.clear()
            response.set_rcode(dns.rcode.NXDOMAIN)
        if self.minimum is not None:
            soa = f"ns. root. 1 7200 900 86400 {self.minimum}"
            response.authority.append(dns.rrset.from_text(".", 86400, "IN", "SOA", soa))
        return response


def _text(record: Srv | str) -> str:
    if isinstance(record, str):
        return record
    return f"{record.priority} {record.weight} {record.port} {record.target.rstrip('.')}."
