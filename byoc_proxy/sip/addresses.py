"""Which hosts are addresses, and which of those nobody outside of their own network can send to."""

from __future__ import annotations

import ipaddress
from functools import lru_cache
from typing import Final

_PRIVATE: Final = tuple(
    map(
        ipaddress.ip_network,
        (
            "10.0.0.0/8",  # RFC 1918
            "172.16.0.0/12",
            "192.168.0.0/16",
            "100.64.0.0/10",  # RFC 6598: carrier-grade NAT
            "169.254.0.0/16",  # RFC 3927
            "127.0.0.0/8",
            "0.0.0.0/8",
            "fc00::/7",  # RFC 4193
            "fe80::/10",
            "::1/128",
            "::/128",
        ),
    )
)


@lru_cache(4096)
def is_numeric(host: str) -> bool:
    """An address that needs no look-up; `999.999.999.999` and `1234` would be looked up by the socket, blocking."""
    return _address(host) is not None


@lru_cache(4096)
def is_private(host: str) -> bool:
    """An address, bracketed or not, that cannot be reached from the Internet. A name is not: who knows."""
    address = _address(host)
    return address is not None and any(address in network for network in _PRIVATE)


def is_private_network(cidr: str) -> bool:
    """Whether every address of a range is private; `ValueError` when it is no range."""
    network = ipaddress.ip_network(cidr, strict=False)
    return is_private(str(network[0])) and is_private(str(network[-1]))  # ranges nest, so its ends tell


def _address(host: str) -> ipaddress.IPv4Address | ipaddress.IPv6Address | None:
    try:
        address = ipaddress.ip_address(host.strip("[]"))
    except ValueError:
        return None
    return getattr(address, "ipv4_mapped", None) or address
