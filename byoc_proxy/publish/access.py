"""Who has to get through to signalling ports, on our side and on the carrier's, and whether others may be shut out.

To us come the sources of access control lists, and the carriers that we call: a BYE or re-INVITE of a callee is a
request of its own, long after a firewall has forgotten our INVITE. Where somebody may come from anywhere, or from
an address that only the DNS knows, shutting out the rest would cost calls; then `open_because` says why. To the
carrier come our edges, and it has other customers.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING, Final, NamedTuple

from byoc_proxy.sip.addresses import is_numeric
from byoc_proxy.sip.locate import DEFAULT_PORTS, transport_of
from byoc_proxy.trunk.networks import read_network

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from byoc_proxy.sip.locate import Transport
    from byoc_proxy.trunk.directory import Directory
    from byoc_proxy.trunk.model import ByocTrunk, Media, SipDomain
    from byoc_proxy.trunk.networking import Networking

OTHER_CUSTOMERS: Final = "the carrier has other customers, who come in too"


class Side(StrEnum):
    """Whose firewall it is."""

    PROXY = "proxy"
    CARRIER = "carrier"


class _NextHop(NamedTuple):
    """Where calls to a target are sent: a name or an address. A name's SRV records may say other ports."""

    host: str
    transport: Transport
    port: int
    name: str


@dataclass(frozen=True, slots=True)
class Access:
    """What one side's firewall lets in.

    `sources` are CIDRs with a name each, every one once; the ports are those that they send to. `edges` are our
    addresses. `media` is our range: where RTP comes in on our side, where it comes from on the carrier's.
    `open_because`: why others cannot be shut out; empty: they can. No text holds a control character: it ends up in
    files that root loads.
    """

    side: Side
    sources: tuple[tuple[str, str], ...]
    udp_ports: tuple[int, ...]
    tcp_ports: tuple[int, ...]
    edges: tuple[str, ...]
    media: Media | None
    open_because: tuple[str, ...]

    def of_family(self, version: int) -> tuple[tuple[str, str], ...]:
        """The sources of IPv4 (4) or IPv6 (6)."""
        return tuple(each for each in self.sources if (":" in each[0]) is (version == 6))

    def media_of_family(self, version: int) -> tuple[str, ...]:
        """The media ranges of IPv4 (4) or IPv6 (6)."""
        media = self.media.addresses if self.media is not None else ()
        return tuple(each for each in media if (":" in each) is (version == 6))


def access_to_us(directory: Directory, info: Networking) -> Access:
    """Who needs to reach us for the trunks of `info` to work."""
    trunks = [each.trunk for each in info.trunks]
    sids = {trunk.sid for trunk in trunks}
    domains = [each for each in directory.domains.values() if each.byoc_trunk_sid in sids]
    reasons = [*_from_anywhere(domains), *_named(directory, trunks)]
    if len(trunks) < len(directory.trunks):
        reasons.append("these rules are for some of the trunks; the carriers of the others come in too")
    sources = (*_listed(directory, domains), *_called(directory, trunks))
    ports = ((each.transport, each.port) for each in info.ports)
    return _access(Side.PROXY, info, sources, ports, reasons)


def access_to_carrier(directory: Directory, info: Networking) -> Access:
    """Where our calls to the carriers of the trunks of `info` come from, and which ports of theirs they go to."""
    trunks = [each.trunk for each in info.trunks]
    sources = ((address, region.label) for region in info.regions for address in region.addresses)
    ports = {(hop.transport, hop.port) for hop in _next_hops(directory, trunks)}
    return _access(Side.CARRIER, info, sources, sorted(ports or DEFAULT_PORTS.items()), [OTHER_CUSTOMERS])


def _access(
    side: Side,
    info: Networking,
    sources: Iterable[tuple[str, str]],
    ports: Iterable[tuple[str, int]],
    reasons: Sequence[str],
) -> Access:
    named: dict[str, str] = {}
    for cidr, name in sources:
        named.setdefault(read_network(cidr).cidr, _printable(name))
    ports = list(ports)
    return Access(
        side,
        tuple(named.items()),
        tuple(dict.fromkeys(port for transport, port in ports if transport == "UDP")),
        tuple(dict.fromkeys(port for transport, port in ports if transport != "UDP")),
        info.addresses,
        info.media,
        tuple(map(_printable, dict.fromkeys(reasons))),
    )


def _listed(directory: Directory, domains: Sequence[SipDomain]) -> Iterator[tuple[str, str]]:
    used = {sid for each in domains for sid in each.ip_access_control_list_sids}
    for acl in directory.resources.ip_access_control_lists:
        for entry in acl.addresses if acl.sid in used else ():
            yield entry.cidr, ": ".join(filter(None, (acl.friendly_name, entry.friendly_name)))


def _called(directory: Directory, trunks: Sequence[ByocTrunk]) -> Iterator[tuple[str, str]]:
    for hop in _next_hops(directory, trunks):
        if is_numeric(hop.host):
            yield hop.host, hop.name


def _named(directory: Directory, trunks: Sequence[ByocTrunk]) -> Iterator[str]:
    for hop in _next_hops(directory, trunks):
        if not is_numeric(hop.host):
            yield f"{hop.name} is reached by the name {hop.host}; add its addresses, from which its BYE comes"


def _next_hops(directory: Directory, trunks: Sequence[ByocTrunk]) -> Iterator[_NextHop]:
    """Where calls of these trunks are sent."""
    policies = {policy.sid: policy for trunk in trunks if (policy := directory.policy_of(trunk)) is not None}
    for policy in policies.values():
        for target in policy.targets:
            if target.enabled:
                uri = target.outbound_proxy or target.target
                host, transport = uri.params.get("maddr") or uri.host, transport_of(uri)
                port = uri.port or DEFAULT_PORTS[transport]
                yield _NextHop(host.strip("[]"), transport, port, f"target {target.friendly_name}")


def _from_anywhere(domains: Sequence[SipDomain]) -> Iterator[str]:
    for domain in domains:
        if domain.static_ips:
            yield f"{domain.domain_name} has static addresses, where no list is asked"
        elif not domain.ip_access_control_list_sids and (domain.credential_list_sids or domain.client_certificates):
            yield f"{domain.domain_name} asks for no source address, but for credentials or a certificate"


def _printable(text: str) -> str:
    return "".join(char if char.isprintable() else "?" for char in text)
