"""Who has to get through to our signalling ports, and whether everybody else may be shut out.

In come the sources of access control lists, and the carriers that we call: a BYE or re-INVITE of a callee is a
request of its own, long after a firewall has forgotten our INVITE. Where somebody may come from anywhere, or from
an address that only the DNS knows, shutting out the rest would cost calls; then `open_because` says why.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from byoc_proxy.sip.addresses import is_numeric
from byoc_proxy.trunk.networks import read_network

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from byoc_proxy.trunk.directory import Directory
    from byoc_proxy.trunk.model import ByocTrunk, Media, SipDomain
    from byoc_proxy.trunk.networking import Networking


@dataclass(frozen=True, slots=True)
class Access:
    """`sources` are CIDRs with a name each, every one once; ports are those of our edges.

    `edges` are our addresses, for the other side's firewall. `open_because`: why others cannot be shut out; empty:
    they can. No text holds a control character: it ends up in files that root loads.
    """

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


def access_for(directory: Directory, info: Networking) -> Access:
    """Who needs to reach us for the trunks of `info` to work."""
    trunks = [each.trunk for each in info.trunks]
    sids = {trunk.sid for trunk in trunks}
    domains = [each for each in directory.domains.values() if each.byoc_trunk_sid in sids]
    sources: dict[str, str] = {}
    for cidr, name in (*_listed(directory, domains), *_called(directory, trunks)):
        sources.setdefault(read_network(cidr).cidr, _printable(name))
    reasons = [*_from_anywhere(domains), *_named(directory, trunks)]
    if len(trunks) < len(directory.trunks):
        reasons.append("these rules are for some of the trunks; the carriers of the others come in too")
    ports = info.ports
    return Access(
        tuple(sources.items()),
        tuple(dict.fromkeys(each.port for each in ports if each.transport == "UDP")),
        tuple(dict.fromkeys(each.port for each in ports if each.transport != "UDP")),
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
    for host, name in _next_hops(directory, trunks):
        if is_numeric(host):
            yield host.strip("[]"), name


def _named(directory: Directory, trunks: Sequence[ByocTrunk]) -> Iterator[str]:
    for host, name in _next_hops(directory, trunks):
        if not is_numeric(host):
            yield f"{name} is reached by the name {host}; add its addresses, from which its BYE comes"


def _next_hops(directory: Directory, trunks: Sequence[ByocTrunk]) -> Iterator[tuple[str, str]]:
    """The hosts that calls of these trunks are sent to, with the target's name."""
    policies = {policy.sid: policy for trunk in trunks if (policy := directory.policy_of(trunk)) is not None}
    for policy in policies.values():
        for target in policy.targets:
            if target.enabled:
                yield (target.outbound_proxy or target.target).host, f"target {target.friendly_name}"


def _from_anywhere(domains: Sequence[SipDomain]) -> Iterator[str]:
    for domain in domains:
        if domain.static_ips:
            yield f"{domain.domain_name} has static addresses, where no list is asked"
        elif not domain.ip_access_control_list_sids and (domain.credential_list_sids or domain.client_certificates):
            yield f"{domain.domain_name} asks for no source address, but for credentials or a certificate"


def _printable(text: str) -> str:
    return "".join(char if char.isprintable() else "?" for char in text)
