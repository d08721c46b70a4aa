"""Who is connected to us over TCP and TLS, on all listeners together: bounded, and fair between sources.

A stranger may open as many connections as one source is allowed, and say nothing on them. What that costs is
bounded here; whose call it costs is decided here too: nobody's. When the node is full, a newcomer takes the place
of those that carry nothing and have been quiet for the longest time, and no connection that a call, a dialog or
an unfinished transaction lives on is ever closed for another.
"""

from __future__ import annotations

import ipaddress
from collections import Counter
from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from collections.abc import Callable


@dataclass(frozen=True, slots=True)
class StreamLimits:
    """`max` connections that others opened, `max_per_source` (an IPv4 address, an IPv6 /64); the rest in seconds.

    `handshake_timeout`: TLS, after the connection was accepted. `message_timeout`: from its first byte to its last.
    `idle_timeout`: without a byte on a connection that nothing lives on. `connect_timeout`: until a connection of
    ours is up, TLS included.
    """

    max: int = 5000
    max_per_source: int = 200
    handshake_timeout: float = 5.0
    message_timeout: float = 10.0
    idle_timeout: float = 600.0
    connect_timeout: float = 4.0


class Guest(Protocol):
    """One connection that was opened to us, from the moment it is accepted."""

    number: int
    source: str
    proven: bool  # it has brought a whole message
    heard_at: float

    def dismiss(self, cause: str) -> None: ...


class Lobby:
    """Admits and counts. `busy` tells the numbers of the connections that something lives on."""

    def __init__(self, limits: StreamLimits, busy: Callable[[], set[int]]) -> None:
        self.limits = limits
        self._busy = busy
        self._guests: dict[int, Guest] = {}
        self._by_source: Counter[str] = Counter()

    def __len__(self) -> int:
        return len(self._guests)

    def refusal(self, source: str) -> str | None:
        """Why a connection from `source` cannot be taken now, or None. May dismiss others to make room."""
        key = _source_key(source)
        if self._by_source[key] >= self.limits.max_per_source:
            return f"{key} has {self.limits.max_per_source} connections open (limits.connections.max_per_source)"
        if len(self._guests) >= self.limits.max and not self._make_room():
            return f"{self.limits.max} connections are open and in use (limits.connections.max)"
        return None

    def enter(self, guest: Guest) -> None:
        self._guests[guest.number] = guest
        self._by_source[_source_key(guest.source)] += 1

    def leave(self, guest: Guest) -> None:
        """Said twice, or of somebody who never entered, it means nothing."""
        if self._guests.pop(guest.number, None) is None:
            return
        key = _source_key(guest.source)
        self._by_source[key] -= 1
        if not self._by_source[key]:
            del self._by_source[key]

    def _make_room(self) -> bool:
        """Dismiss the quietest twentieth at once: a flood at the door must not cost a search for each of it."""
        busy = self._busy()
        idle = [guest for guest in self._guests.values() if guest.number not in busy]
        idle.sort(key=lambda guest: (guest.proven, guest.heard_at))
        for guest in idle[: max(1, self.limits.max // 20)]:
            self.leave(guest)
            guest.dismiss("others need the place (limits.connections.max)")
        return bool(idle)


def _source_key(source: str) -> str:
    """A host has one IPv4 address, and at least one /64 of IPv6 addresses (RFC 6177)."""
    if ":" not in source:
        return source
    return str(ipaddress.ip_network((source.partition("%")[0], 64), strict=False))
