"""The DNS zone of an installation's names, as a master file (RFC 1035 §5).

For every domain and region: A and AAAA of the region's edges, and SRV for each transport that carriers may use
(RFC 2782, RFC 3263). The generic name leads to the default region; its SRV records go on to the others in the order
of failover. The BYOC page has ten minutes as the TTL, and so does this.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, NamedTuple

from byoc_proxy.trunk.networking import default_region, edges_of_regions, signalling_ports, uris_of
from byoc_proxy.trunk.regions import region_order

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from byoc_proxy.sip.locate import Transport
    from byoc_proxy.trunk.directory import Directory
    from byoc_proxy.trunk.model import SipDomain
    from byoc_proxy.trunk.networking import DomainUris, Edge, SignallingPort

TTL: Final = 600  # seconds
STAND_IN: Final = "localhost"  # a name server's name that every server loads and nobody can ask
_SERVICES: Final[Mapping[Transport, str]] = {"UDP": "_sip._udp", "TCP": "_sip._tcp", "TLS": "_sips._tcp"}
_LONGEST: Final = 253 - len("_sips._tcp.")  # RFC 1035 §2.3.4, without the last dot
_FIRST_PRIORITY: Final = 10
_WEIGHT: Final = 10


class ZoneError(ValueError):
    """No zone can be made of this; the message says what to do."""


class NameServer(NamedTuple):
    """A server of the zone. Inside the zone it needs addresses (glue), outside they are not for us to say."""

    name: str
    addresses: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Authority:
    """The head of the zone (RFC 1035 §3.3.13): `mailbox` as a name, times in seconds. Names have no last dot."""

    origin: str
    name_servers: tuple[NameServer, ...]
    serial: int
    primary: str = ""
    mailbox: str = ""
    times: tuple[int, int, int, int] = (3600, 900, 1209600, 300)  # refresh, retry, expire, negative answers

    def records(self) -> Iterator[str]:
        """SOA, NS and the addresses of name servers inside the zone. `ZoneError` when those are missing."""
        servers = self.name_servers or (NameServer(STAND_IN),)
        primary = self.primary or servers[0].name
        mailbox = self.mailbox or f"hostmaster.{self.origin}"
        times = " ".join(map(str, self.times))
        yield _record(self.origin, f"SOA {primary}. {mailbox}. {self.serial} {times}")
        for server in servers:
            yield _record(self.origin, f"NS {server.name}.")
        for server in servers:
            if is_inside(server.name, self.origin) and not server.addresses:
                raise ZoneError(f"{server.name} is inside of the zone: say its address, {server.name}=192.0.2.53")
            if is_inside(server.name, self.origin):
                yield from _addresses(server.name, server.addresses)


def origin_of(base_domain: str) -> str:
    """The zone that holds both spellings of localized names: `acme.sip.us1.example.test` is outside of the base."""
    return base_domain.removeprefix("sip.")


def is_inside(name: str, origin: str) -> bool:
    """Whether a name belongs to the zone of that origin."""
    return name == origin or name.endswith(f".{origin}")


def zone_file(directory: Directory, edges: Sequence[Edge], authority: Authority, *, head: bool) -> Iterator[str]:
    """The lines of the zone; without `head` the records of our names alone, to be included in another zone.

    `edges` are what this node listens on, as in `trunk.networking`. `ZoneError` when no region has an address.
    """
    names = _Names(directory, edges, authority.origin)
    records = list(authority.records()) if head else []  # what is wrong is told before the first line
    yield f"; the names of {directory.installation.base_domain} and where they lead"
    if head:
        if not authority.name_servers:
            yield f"; {STAND_IN} stands in for a name server that the world can ask: name yours with --ns"
        yield f"$ORIGIN {authority.origin}."
        yield from records
    if names.bare_regions:
        yield f"; no addresses are configured for {', '.join(names.bare_regions)}"
    for domain in directory.domains.values():
        yield from names.of(domain)
    for name in names.left_out:
        yield f"; not in this zone: {name}"


class _Names:
    """The records of domains.

    `left_out` are names that are outside of the origin or too long for the DNS, `bare_regions` have no addresses.
    """

    def __init__(self, directory: Directory, edges: Sequence[Edge], origin: str) -> None:
        place = directory.installation
        regions = edges_of_regions(place, edges)
        self._place = place
        self._origin = origin
        self._ports = signalling_ports(place, edges)
        self._addresses = {each.region: each.addresses for each in regions if each.addresses}
        self.bare_regions = [each.region for each in regions if not each.addresses]
        self._default = default_region(place, regions)
        self.left_out: list[str] = []
        if self._default is None or self._default not in self._addresses:
            named = self._default or place.region
            raise ZoneError(f"region {named} has no address: set regions.{named}.addresses")

    def of(self, domain: SipDomain) -> Iterator[str]:
        uris = uris_of(domain, self._place, self._ports)
        local = dict(self._localized(uris))
        for region, names in local.items():
            for name in names:
                yield from _addresses(name, self._addresses[region])
                yield from _services(name, uris.ports, [name])
        if self._may_hold(uris.uri) and self._default is not None:
            yield from _addresses(uris.uri, self._addresses[self._default])
            order = region_order(self._default, self._place.regions)
            yield from _services(uris.uri, uris.ports, [local[region][0] for region in order if local.get(region)])

    def _localized(self, uris: DomainUris) -> Iterator[tuple[str, list[str]]]:
        """The names in each region that has edges, the page's own spelling first."""
        for each in uris.localized:
            if each.region in self._addresses:
                names = (each.uri, *each.other_spellings)
                yield each.region, [name for name in names if self._may_hold(name)]

    def _may_hold(self, name: str) -> bool:
        if is_inside(name, self._origin) and len(name) <= _LONGEST:
            return True
        self.left_out.append(name)
        return False


def _addresses(name: str, addresses: Sequence[str]) -> Iterator[str]:
    for address in addresses:
        yield _record(name, f"{'AAAA' if ':' in address else 'A'} {address}")


def _services(name: str, ports: Sequence[SignallingPort], targets: Sequence[str]) -> Iterator[str]:
    for each in ports:
        for place, target in enumerate(targets):
            priority = _FIRST_PRIORITY * (place + 1)
            yield _record(f"{_SERVICES[each.transport]}.{name}", f"SRV {priority} {_WEIGHT} {each.port} {target}.")


def _record(name: str, rest: str) -> str:
    return f"{name}. {TTL} IN {rest}"
