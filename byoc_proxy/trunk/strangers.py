"""What sources that nobody has vouched for may cost: a rate each, a rate in all, and silence for who offends.

Whether a source is a stranger is decided elsewhere: addresses in an access control list never come here, so that
nobody can have a carrier banned by forging its address. Pure, and of a fixed size: a flood from many addresses
pushes out other strangers, the longest unheard first, and nothing else.
"""

from __future__ import annotations

import ipaddress
from collections import OrderedDict
from dataclasses import dataclass
from typing import Final

from byoc_proxy.trunk.rates import TokenBucket

FORGIVEN: Final = 0.1  # offences per second: who offends less often is never banned
BURST: Final = 5.0  # seconds' worth of requests at once
TRUST: Final = 24 * 3600.0  # seconds that a proof of good faith is worth
_MAPPED: Final = "::ffff:"


@dataclass(frozen=True, slots=True)
class StrangerLimits:
    """`per_source` and `in_all` requests per second; a source is banned for `ban_time` seconds once it has
    offended `ban_after` times; at most `most_sources` are remembered.
    """

    per_source: int = 20
    in_all: int = 500
    ban_after: int = 20
    ban_time: float = 600.0
    most_sources: int = 10_000


@dataclass(slots=True)
class _Source:
    requests: TokenBucket
    patience: TokenBucket


class Strangers:
    """The strangers of late. A source is an IPv4 address or the /64 of an IPv6 one: who has one, has it all."""

    def __init__(self, limits: StrangerLimits) -> None:
        self._limits = limits
        self._sources: OrderedDict[str, _Source] = OrderedDict()
        self._banned: OrderedDict[str, float] = OrderedDict()
        self._trusted: OrderedDict[str, float] = OrderedDict()
        self._all = TokenBucket(limits.in_all, limits.in_all, 0.0)

    @property
    def size(self) -> int:
        """Entries that are kept, of all kinds: never more than three times `most_sources`."""
        return len(self._sources) + len(self._banned) + len(self._trusted)

    @property
    def any_banned(self) -> bool:
        """False while it is not worth asking."""
        return bool(self._banned)

    def allows(self, address: str, now: float) -> bool:
        """Take one request of this source's rate and of the rate of all."""
        return self._source(place_of(address), now).requests.take(now) and self._all.take(now)

    def blame(self, address: str, now: float) -> bool:
        """Note an offence; True when it was the one too many, and the source is banned from now on."""
        place = place_of(address)
        if place in self._banned or self._source(place, now).patience.take(now):
            return False
        del self._sources[place]
        self._keep(self._banned, place, now + self._limits.ban_time)
        return True

    def is_banned(self, address: str, now: float) -> bool:
        """Whether the source hears nothing now."""
        place = place_of(address)
        until = self._banned.get(place)
        if until is None:
            return False
        if now < until:
            return True
        del self._banned[place]
        return False

    def trust(self, address: str, now: float) -> None:
        """The source has proved itself: it knew a password, or we called it."""
        place = place_of(address)
        self._banned.pop(place, None)
        self._keep(self._trusted, place, now + TRUST)

    def trusts(self, address: str, now: float) -> bool:
        """Whether the source has proved itself in the last day."""
        until = self._trusted.get(place_of(address))
        return until is not None and now < until

    def _source(self, place: str, now: float) -> _Source:
        source = self._sources.get(place)
        if source is not None:
            self._sources.move_to_end(place)
            return source
        limits = self._limits
        requests = TokenBucket(limits.per_source, limits.per_source * BURST, now)
        source = _Source(requests, TokenBucket(FORGIVEN, limits.ban_after - 1, now))
        self._sources[place] = source
        if len(self._sources) > limits.most_sources:
            self._sources.popitem(last=False)
        return source

    def _keep(self, table: OrderedDict[str, float], place: str, until: float) -> None:
        table[place] = until
        table.move_to_end(place)
        if len(table) > self._limits.most_sources:
            table.popitem(last=False)


def place_of(address: str) -> str:
    """What an address, as the socket spelled it, is counted under."""
    if ":" not in address:
        return address
    if address.startswith(_MAPPED) and "." in address:
        return address[len(_MAPPED) :]
    return ipaddress.IPv6Address(address.partition("%")[0]).packed[:8].hex()
