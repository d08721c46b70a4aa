"""How one INVITE gets to one address: the transport of the target, or TCP when it is too large for a datagram.

RFC 3261 §18.1.1 asks for TCP above 1300 bytes; many a carrier has none, or drops what knocks there. So a target
says what is to be done (`udp_oversize`), every INVITE decides for itself, and the record says what became of it.
"""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from byoc_proxy.net.wire import TENTATIVE, Unreachable
from byoc_proxy.sip.flow import place_of
from byoc_proxy.sip.oversize import LARGEST

if TYPE_CHECKING:
    from byoc_proxy.net.endpoint import Endpoint
    from byoc_proxy.sip.flow import Flow
    from byoc_proxy.sip.locate import Hop
    from byoc_proxy.sip.uac import OutgoingInvite
    from byoc_proxy.trunk.model import ConnectionPolicyTarget


class TooLarge(Unreachable):
    """The target takes no request of this size."""


@dataclass(frozen=True, slots=True)
class Passage:
    """The flow that an INVITE of `size` bytes takes. `instead` is UDP's, where TCP was chosen for the size alone.

    `remark` says why it is not simply the target's transport, for the record.
    """

    flow: Flow
    size: int
    remark: str = ""
    instead: Flow | None = None

    @property
    def address(self) -> str:
        """As records and logs have it."""
        return place_of(self.flow.transport, self.flow.remote)

    def taken_to(self, hop: Hop) -> Hop:
        """The hop itself, or its TCP side: what that is worth says nothing about the other."""
        return replace(hop, transport="TCP") if self.instead is not None else hop

    def in_fragments(self, cause: str) -> Passage | None:
        """The way over UDP after all, when the far end took the connection and not the call."""
        if self.instead is None:
            return None
        return Passage(self.instead, self.size, _fragments(self.size, cause))


async def find_passage(
    endpoint: Endpoint, hop: Hop, target: ConnectionPolicyTarget, outgoing: OutgoingInvite
) -> Passage:
    """The way of an INVITE to `hop`; `Unreachable` when there is none."""
    flow = await endpoint.reach(hop, target.tls)
    size = endpoint.size(outgoing, flow)
    if flow.reliable or size <= LARGEST:
        return Passage(flow, size)
    if target.udp_oversize == "refuse":
        raise TooLarge(f"INVITE of {size} bytes, and over UDP the target takes {LARGEST} (udp_oversize: refuse)")
    if target.udp_oversize == "fragment":
        return Passage(flow, size, f"{size} bytes: in fragments over UDP (udp_oversize: fragment)")
    try:
        stream = await _stream(endpoint, replace(hop, transport="TCP"))
    except Unreachable as error:
        return Passage(flow, size, _fragments(size, str(error)))
    size = endpoint.size(outgoing, stream)
    return Passage(stream, size, f"{size} bytes: over TCP and not UDP", flow)


async def _stream(endpoint: Endpoint, hop: Hop) -> Flow:
    if endpoint.is_own(hop):
        raise Unreachable("TCP there is this proxy itself")
    try:
        async with asyncio.timeout(TENTATIVE):
            return await endpoint.reach(hop)
    except TimeoutError as error:
        raise Unreachable(f"TCP connect silent for {TENTATIVE:g} s") from error


def _fragments(size: int, cause: str) -> str:
    return f"{size} bytes: in fragments over UDP, because {cause}"
