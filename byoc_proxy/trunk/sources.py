"""Source addresses against access control lists: compiled once, then one bisection per packet.

CIDRs are read by netaddr, which accepts host bits and netmasks and refuses what is ambiguous (`010.1.2.3`,
`10.1`). Host names are refused: a list holds the addresses that packets come from. On the hot path an address
is an integer and a compiled table is a sorted row of boundaries, so that 10 and 10 000 ranges cost the same.
"""

from __future__ import annotations

import ipaddress
from bisect import bisect_right
from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple

import netaddr

if TYPE_CHECKING:
    from collections.abc import Iterable

_MAPPED = "::ffff:"  # RFC 4291 §2.5.5.2: what a dual-stack socket makes of an IPv4 source


class AddressError(ValueError):
    """The text is neither an IP address nor a range in CIDR notation."""


class Network(NamedTuple):
    """A range of addresses as integers, both ends included; `version` is 4 or 6."""

    version: int
    first: int
    last: int
    cidr: str
    has_host_bits: bool

    def contains(self, other: Network) -> bool:
        return self.version == other.version and self.first <= other.first and other.last <= self.last


@dataclass(frozen=True, slots=True)
class AclEntry:
    """One line of one list, by the names that a trace shows."""

    list_name: str
    friendly_name: str
    cidr: str

    def __str__(self) -> str:
        return f"'{self.friendly_name or self.list_name}' {self.cidr}"


def read_network(text: str) -> Network:
    """Read an address or CIDR; an IPv4-mapped IPv6 range becomes IPv4. `AddressError` otherwise."""
    try:
        network = netaddr.IPNetwork(text)
    except (netaddr.AddrFormatError, ValueError) as error:
        raise AddressError(f"{text!r} is not an IP address or CIDR range") from error
    has_host_bits = network.ip != network.network
    if network.version == 6 and network.prefixlen >= 96 and network.is_ipv4_mapped():
        network = network.ipv4()
    exact = network.cidr
    return Network(exact.version, int(exact.first), int(exact.last), str(exact), has_host_bits)


def read_address(text: str) -> str:
    """One IP address in its canonical spelling. `AddressError` otherwise."""
    try:
        return str(netaddr.IPAddress(text))
    except (netaddr.AddrFormatError, ValueError) as error:
        raise AddressError(f"{text!r} is not an IP address") from error


class SourceTable:
    """Which entry of a set of lists an address falls into; of nested ranges the narrowest answers."""

    __slots__ = ("_v4", "_v6")

    def __init__(self, entries: Iterable[tuple[Network, AclEntry]]) -> None:
        rows = list(entries)
        self._v4 = _boundaries(row for row in rows if row[0].version == 4)
        self._v6 = _boundaries(row for row in rows if row[0].version == 6)

    def match(self, source: str) -> AclEntry | None:
        """The entry that holds `source`, an address as the socket spelled it; None when there is none."""
        if ":" not in source:
            starts, owners = self._v4
            number = _ipv4_number(source)
        elif source.startswith(_MAPPED) and "." in source:
            starts, owners = self._v4
            number = _ipv4_number(source[len(_MAPPED) :])
        else:
            starts, owners = self._v6
            number = int(ipaddress.IPv6Address(source.partition("%")[0]))
        at = bisect_right(starts, number)
        return owners[at - 1] if at else None


def _ipv4_number(address: str) -> int:
    a, b, c, d = address.split(".")
    return int(a) << 24 | int(b) << 16 | int(c) << 8 | int(d)


def _boundaries(rows: Iterable[tuple[Network, AclEntry]]) -> tuple[list[int], list[AclEntry | None]]:
    """Addresses at which the owner changes, and the owner from there on (None in the gaps).

    CIDR ranges nest or are apart, never overlap by half, so a stack of open ranges is enough. Of two equal
    ranges the first listed owns: it is pushed last.
    """
    starts: list[int] = []
    owners: list[AclEntry | None] = []
    still_open: list[tuple[int, AclEntry]] = []

    def change(at: int, owner: AclEntry | None) -> None:
        if starts and starts[-1] == at:
            owners[-1] = owner
        else:
            starts.append(at)
            owners.append(owner)

    def close_before(limit: float) -> None:
        while still_open and still_open[-1][0] < limit:
            last, _ = still_open.pop()
            change(last + 1, still_open[-1][1] if still_open else None)

    last_listed_first = list(rows)[::-1]
    for network, entry in sorted(last_listed_first, key=lambda row: (row[0].first, -row[0].last)):
        close_before(network.first)
        change(network.first, entry)
        still_open.append((network.last, entry))
    close_before(float("inf"))
    return starts, owners
