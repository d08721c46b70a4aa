"""Networking info: what the carrier of a trunk is told. Names by region, addresses, ports, where media comes in.

Pure: a function of one snapshot and of what this node listens on. Other nodes are known by the `addresses` of their
regions only, so `signalling_ports` says what this node's listeners do not. RFC 3263 has how a carrier gets from a
name to an address; the names are those of the BYOC page ("localized Termination SIP URIs").
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, NamedTuple, cast

from byoc_proxy.sip.addresses import is_numeric
from byoc_proxy.trunk.regions import localized_names

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from byoc_proxy.sip.locate import Transport
    from byoc_proxy.trunk.directory import Directory
    from byoc_proxy.trunk.model import ByocTrunk, Installation, Media, SipDomain

NO_MEDIA: Final = "no media engine: RTP passes between the carrier and the far end, not through the proxy"
_IN_ORDER: Final[dict[str, int]] = {"UDP": 0, "TCP": 1, "TLS": 2}


class Edge(NamedTuple):
    """One listener of this node as far ends are told: `host` and `port` of Via and Contact; `six`: of IPv6."""

    transport: Transport
    host: str
    port: int
    six: bool


class SignallingPort(NamedTuple):
    """Where every edge takes SIP."""

    transport: Transport
    port: int


@dataclass(frozen=True, slots=True)
class EdgesOfRegion:
    """A region and the addresses of its edges; `has_node`: this node is one of them."""

    region: str
    label: str
    addresses: tuple[str, ...]
    has_node: bool


@dataclass(frozen=True, slots=True)
class LocalizedUri:
    """A domain's name in one region. `other_spellings` lead to the same place."""

    region: str
    label: str
    uri: str
    other_spellings: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class DomainUris:
    """The Termination SIP URIs of a domain, as hosts. A secure one takes calls over TLS alone."""

    domain: SipDomain
    uri: str
    localized: tuple[LocalizedUri, ...]
    ports: tuple[SignallingPort, ...]


@dataclass(frozen=True, slots=True)
class TrunkNetworking:
    """What the carrier of one trunk dials."""

    trunk: ByocTrunk
    domains: tuple[DomainUris, ...]


@dataclass(frozen=True, slots=True)
class Networking:
    """`default_region` None: no region has an address, so generic names lead nowhere. `media` None: `NO_MEDIA`."""

    base_domain: str
    default_region: str | None
    regions: tuple[EdgesOfRegion, ...]
    ports: tuple[SignallingPort, ...]
    media: Media | None
    trunks: tuple[TrunkNetworking, ...]

    @property
    def addresses(self) -> tuple[str, ...]:
        """All edges of all regions, each once."""
        return tuple(dict.fromkeys(address for region in self.regions for address in region.addresses))


def edge_of(transport: str, sent_by: str, bound: str) -> Edge:
    """The edge of a listener that says `sent_by` (`host:port`, IPv6 in brackets) and is bound to an address."""
    host, _, port = sent_by.rpartition(":")
    return Edge(cast("Transport", transport), host.strip("[]"), int(port), ":" in bound)


def networking(directory: Directory, edges: Sequence[Edge], trunks: Iterable[ByocTrunk]) -> Networking:
    """What the carriers of these trunks are told."""
    place = directory.installation
    regions, ports = edges_of_regions(place, edges), signalling_ports(place, edges)
    names: dict[str, list[DomainUris]] = {trunk.sid: [] for trunk in trunks}
    for domain in directory.domains.values():
        if domain.byoc_trunk_sid in names:
            names[domain.byoc_trunk_sid].append(uris_of(domain, place, ports))
    return Networking(
        place.base_domain,
        default_region(place, regions),
        regions,
        ports,
        place.media,
        tuple(TrunkNetworking(directory.trunks[sid], tuple(domains)) for sid, domains in names.items()),
    )


def edges_of_regions(place: Installation, edges: Sequence[Edge]) -> tuple[EdgesOfRegion, ...]:
    """Every region with its addresses. This node's region, if none are written, has those of its listeners."""
    own = tuple(dict.fromkeys(edge.host for edge in edges if is_numeric(edge.host)))
    return tuple(
        EdgesOfRegion(
            region.name,
            region.label,
            region.addresses or (own if region.name == place.region else ()),
            region.name == place.region,
        )
        for region in place.regions.values()
    )


def signalling_ports(place: Installation, edges: Sequence[Edge]) -> tuple[SignallingPort, ...]:
    """The ports of every edge: as configured, else those of this node's listeners. UDP, TCP, TLS in this order."""
    written = (SignallingPort(*each) for each in place.signalling_ports)
    ports = set(written) or {SignallingPort(edge.transport, edge.port) for edge in edges}
    return tuple(sorted(ports, key=lambda each: (_IN_ORDER[each.transport], each.port)))


def default_region(place: Installation, regions: Iterable[EdgesOfRegion]) -> str | None:
    """Where generic names lead: as configured, else the first region that has an address."""
    leading = (each.region for each in regions if each.addresses)
    return place.default_region or next(leading, None)


def uris_of(domain: SipDomain, place: Installation, ports: Sequence[SignallingPort]) -> DomainUris:
    """The names of a domain in every region of the installation, with or without edges there."""
    name = domain.domain_name
    offered = tuple(each for each in ports if each.transport == "TLS" or not domain.secure)
    return DomainUris(domain, name, tuple(_localized(name, place)), offered)


def _localized(name: str, place: Installation) -> Iterator[LocalizedUri]:
    for region in place.regions.values():
        *others, uri = localized_names(name, place.base_domain, region.name)  # the page's own spelling is the last
        yield LocalizedUri(region.name, region.label, uri, tuple(others))
