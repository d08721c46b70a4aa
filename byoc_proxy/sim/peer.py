"""A simulated host: an address with calls, over UDP and TCP."""

from __future__ import annotations

import asyncio
import itertools
from typing import TYPE_CHECKING, Final

from byoc_proxy.net.wire import Unreachable
from byoc_proxy.sim.words import reply
from byoc_proxy.sip.message import Request, Response

if TYPE_CHECKING:
    from random import Random

    from byoc_proxy.sim.network import Network
    from byoc_proxy.sim.party import Party
    from byoc_proxy.sim.reader import Reader
    from byoc_proxy.sip.flow import Address

PROXY: Final = ("192.0.2.1", 5060)


class Peer:
    """`parties` are its calls by Call-ID, `all_parties` those too that it forgot."""

    def __init__(self, network: Network, address: str, chance: Random, read: Reader) -> None:
        self.network = network
        self.address: Address = (address, 5060)
        self.chance = chance
        self.parties: dict[str, Party] = {}
        self.all_parties: list[Party] = []
        self._read = read
        self._numbers = itertools.count(1)
        for transport in ("UDP", "TCP"):
            network.attach(transport, self.address, self)

    def branch(self) -> str:
        """A branch that was never used before (RFC 3261 §8.1.1.7)."""
        return f"z9hG4bK{self.address[0]}-{next(self._numbers)}"

    def tag(self) -> str:
        return f"tag{next(self._numbers)}-{self.address[0]}"

    def add(self, party: Party) -> None:
        self.parties[party.call_id] = party
        self.all_parties.append(party)

    def restart(self) -> None:
        """Forget every call: what was in progress is unknown from now on."""
        for party in self.parties.values():
            party.vanish()
        self.parties.clear()

    # --- the network's side --------------------------------------------------------------------------------

    def takes(self, data: bytes, transport: str, source: Address, here: Address, stream: int) -> None:
        message = self._read(data)
        if message is None:
            return
        party = self.parties.get(message.call_id)
        if party is not None and not self._begins_anew(message):
            if not party.gone:
                party.transport, party.stream = transport, stream
            party.take(message)
        elif isinstance(message, Request):
            self.meets(message, transport, stream)

    def loses(self, stream: int) -> None:
        """A stream broke: whoever speaks next opens another."""

    def meets(self, request: Request, transport: str, stream: int) -> None:
        """A request that belongs to no call here."""
        if request.method != "ACK":
            status = 200 if request.method == "OPTIONS" else 481
            self.send(reply(request, status, self.tag()), transport, stream)

    def send(self, data: bytes, transport: str, stream: int = 0) -> int:
        """Put bytes on the wire; the stream that took them, opened where there was none."""
        network = self.network
        if transport == "UDP":
            network.send(data, transport, self.address, PROXY)
            return 0
        if not stream or not network.streams[stream].open:
            try:
                stream = network.connect(transport, self.address, PROXY).number
            except Unreachable:
                return 0
        ours, theirs = network.streams[stream].ends
        if ours[0] != self.address[0]:
            ours, theirs = theirs, ours
        network.send(data, transport, ours, theirs, stream)
        return stream

    def _begins_anew(self, message: Request | Response) -> bool:
        return False

    @property
    def now(self) -> float:
        return asyncio.get_running_loop().time()
