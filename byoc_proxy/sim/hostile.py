"""Hostile bytes: what others said, mangled, from a stranger's address or under a carrier's own."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Final

from byoc_proxy.sim.installation import CALLERS, GATEWAYS, STRANGER
from byoc_proxy.sim.peer import PROXY

if TYPE_CHECKING:
    from random import Random

    from byoc_proxy.sim.network import Network
    from byoc_proxy.sim.watch import Watch

_GARBAGE: Final = (
    b"\x00",
    b"\r\n",
    b"\r\n\r\n",
    b"\xff\xfe",
    b"%00",
    b"\\",
    b'"',
    b"<",
    b"999999999999",
    b"-1",
    b"A" * 3000,
    b",",
    b";tag=",
    b"SIP/2.0",
)


class Stranger:
    """Sends mangled copies of what went to the proxy before."""

    def __init__(self, network: Network, chance: Random, watch: Watch) -> None:
        self._network = network
        self._chance = chance
        self._watch = watch
        self._serial = 0

    def threatens(self, seconds: float) -> None:
        """Send a few in the next so many seconds, in one world of three."""
        chance = self._chance
        if chance.random() < 0.35:
            loop = asyncio.get_running_loop()
            for _ in range(chance.randrange(1, 30)):
                loop.call_later(chance.uniform(0.0, 4 * seconds), self._send)

    def _send(self) -> None:
        victims = [each for each in self._network.log[-400:] if each.destination == PROXY]
        if not victims:
            return
        chance = self._chance
        data = self._under_another_name(chance.choice(victims).data)
        for _ in range(chance.randrange(1, 4)):
            data = mangled(data, chance)
        self._watch.corrupted(data)
        address = chance.choice((STRANGER, *CALLERS, *GATEWAYS))
        self._network.send(data, "UDP", (address, 5060), PROXY)

    def _under_another_name(self, data: bytes) -> bytes:
        """A Call-ID and a branch of its own, so that what comes of it is nobody else's call."""
        head, separator, rest = data.partition(b"\r\nCall-ID: ")
        if not separator:
            return data
        self._serial += 1
        call_id = f"stranger-{self._serial}"
        self._watch.strays.add(call_id)
        fresh = head + separator + call_id.encode() + b"\r\n" + rest.partition(b"\r\n")[2]
        return fresh.replace(b"z9hG4bK", b"z9hG4bKstranger%d-" % self._serial)


class Corruption:
    """In one world of five, one datagram of fifty arrives other than it was sent."""

    def __init__(self, chance: Random) -> None:
        self._chance = chance
        self._share = 0.02 if chance.random() < 0.2 else 0.0

    def __call__(self, data: bytes) -> bytes | None:
        """Other bytes, or None for those that came."""
        if not self._share or self._chance.random() >= self._share:
            return None
        return mangled(data, self._chance)


def mangled(data: bytes, chance: Random) -> bytes:
    """The bytes with one thing wrong: something missing, doubled, swapped, or in the wrong place."""
    start, end = sorted(chance.randrange(len(data) + 1) for _ in range(2))
    match chance.randrange(5):
        case 0:
            return data[:start] + chance.choice(_GARBAGE) + data[start:]
        case 1:
            return data[:start] + data[min(end, start + 20) :]
        case 2:
            return data[:start]
        case 3:
            lines = data.split(b"\r\n")
            lines.insert(chance.randrange(len(lines)), chance.choice(lines))
            return b"\r\n".join(lines)
        case _:
            if start == len(data):
                return data
            return data[:start] + bytes((chance.randrange(256),)) + data[start + 1 :]
