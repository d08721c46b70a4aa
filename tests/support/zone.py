"""A real DNS server on loopback, of the zones that the tests without sockets read too."""

import asyncio
from typing import Literal, Self

import dns.flags
import dns.message
import dns.rcode
import dns.rdatatype
import dns.rrset

from byoc_proxy.sim.zone import Zone
from byoc_proxy.sip.locate import Kind, Query, Srv

Mood = Literal["answer", "silent", "servfail", "nxdomain"]
_KINDS: dict[dns.rdatatype.RdataType, Kind] = {
    dns.rdatatype.SRV: "SRV",
    dns.rdatatype.A: "A",
    dns.rdatatype.AAAA: "AAAA",
}


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
