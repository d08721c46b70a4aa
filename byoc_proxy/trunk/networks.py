"""Addresses and ranges in CIDR notation, as text and as integers.

netaddr reads them: it accepts host bits and netmasks and refuses what is ambiguous (`010.1.2.3`, `10.1`). What is
written as IPv4 always should be is read here, a dozen times as fast: an installation may list 100 000 of them.
"""

from __future__ import annotations

import ipaddress
import re
from typing import Final, NamedTuple

import netaddr

_MAPPED: Final = "::ffff:"  # RFC 4291 §2.5.5.2: what a dual-stack socket makes of an IPv4 source
_BYTE: Final = "(25[0-5]|2[0-4][0-9]|1[0-9][0-9]|[1-9]?[0-9])"
_PLAIN_V4: Final = re.compile(rf"{_BYTE}\.{_BYTE}\.{_BYTE}\.{_BYTE}(?:/(3[0-2]|[12]?[0-9]))?")


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


def read_network(text: str) -> Network:
    """Read an address or CIDR; an IPv4-mapped IPv6 range becomes IPv4. `AddressError` otherwise."""
    plain = _PLAIN_V4.fullmatch(text)
    if plain is None:
        return _read_any(text)
    a, b, c, d, length = plain.groups()
    number = int(a) << 24 | int(b) << 16 | int(c) << 8 | int(d)
    if length is None:
        return Network(4, number, number, f"{text}/32", False)
    hosts = 0xFFFFFFFF >> int(length)
    first = number & ~hosts
    if first == number:
        return Network(4, number, number | hosts, text, False)
    cidr = f"{first >> 24}.{first >> 16 & 255}.{first >> 8 & 255}.{first & 255}/{length}"
    return Network(4, first, first | hosts, cidr, True)


def _read_any(text: str) -> Network:
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


def read_source(source: str) -> tuple[int, int]:
    """(version, number) of an address as the socket spelled it."""
    if ":" not in source:
        return 4, _ipv4_number(source)
    if source.startswith(_MAPPED) and "." in source:
        return 4, _ipv4_number(source[len(_MAPPED) :])
    return 6, int(ipaddress.IPv6Address(source.partition("%")[0]))


def _ipv4_number(address: str) -> int:
    a, b, c, d = address.split(".")
    return int(a) << 24 | int(b) << 16 | int(c) << 8 | int(d)
