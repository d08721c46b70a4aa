"""A DNS server for the demo: one name with two A records, and no such name for every other (RFC 1035, UDP)."""

from __future__ import annotations

import asyncio
import contextlib
from typing import TYPE_CHECKING, cast

import dns.exception
import dns.flags
import dns.message
import dns.rcode
import dns.rdatatype
import dns.rrset

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Mapping, Sequence

    from byoc_proxy.sip.flow import Address

TTL = 600  # seconds: what the addresses of a trunk usually have


class NameServer(asyncio.DatagramProtocol):
    """Answers from `zone`: names in lower case, without the last dot, to IPv4 addresses in their order."""

    def __init__(self, zone: Mapping[str, Sequence[str]], remark: Callable[[str], None]) -> None:
        self._zone = zone
        self._remark = remark

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast("asyncio.DatagramTransport", transport)

    def datagram_received(self, data: bytes, address: Address) -> None:
        try:
            query = dns.message.from_wire(data)
        except dns.exception.DNSException as error:
            self._remark(f"DNS: dropped what is no query: {error}")
            return
        response = answered(query, self._zone)
        self._remark(f"DNS: {_in_words(response)}")
        # dnspython would shuffle the addresses; the demo wants the silent one first
        self._transport.sendto(response.to_wire(want_shuffle=False), address)


def answered(query: dns.message.Message, zone: Mapping[str, Sequence[str]]) -> dns.message.Message:
    """The response to `query`: A records, an empty answer for other types, or NXDOMAIN."""
    response = dns.message.make_response(query)
    response.flags |= dns.flags.AA
    for question in query.question:
        addresses = zone.get(question.name.to_text(omit_final_dot=True).lower())
        if addresses is None:
            response.set_rcode(dns.rcode.NXDOMAIN)
        elif question.rdtype == dns.rdatatype.A:
            response.answer.append(dns.rrset.from_text(question.name, TTL, "IN", "A", *addresses))
    return response


@contextlib.asynccontextmanager
async def serving(
    local: Address, zone: Mapping[str, Sequence[str]], remark: Callable[[str], None]
) -> AsyncIterator[None]:
    """Serve `zone` on UDP inside the `async with`; `OSError` when the address cannot be had."""
    loop = asyncio.get_running_loop()
    transport, _ = await loop.create_datagram_endpoint(lambda: NameServer(zone, remark), local_addr=local)
    try:
        yield
    finally:
        transport.close()


def _in_words(response: dns.message.Message) -> str:
    asked = ", ".join(
        f"{question.name.to_text(omit_final_dot=True)} {dns.rdatatype.to_text(question.rdtype)}"
        for question in response.question
    )
    found = ", ".join(record.to_text() for rrset in response.answer for record in rrset)
    return f"{asked} -> {found or dns.rcode.to_text(response.rcode())}"
