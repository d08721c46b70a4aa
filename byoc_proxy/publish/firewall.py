"""Firewall rules for one side of a trunk, as files that nft and iptables-restore load as they are.

Both leave the rest of the machine's rules alone: a table, or two chains, of their own. Replies to what we sent come
in by connection tracking.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from byoc_proxy.publish.access import Side

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from byoc_proxy.publish.access import Access

_FAMILIES = ((4, "ip"), (6, "ip6"))


def nftables(access: Access) -> Iterator[str]:
    """A whole table `inet byoc_proxy`; loading it again replaces it."""
    yield from _preface(access, "nft -f FILE", "the table byoc_proxy, and nothing else")
    yield "table inet byoc_proxy"
    yield "delete table inet byoc_proxy"
    yield "table inet byoc_proxy {"
    for version, _ in _FAMILIES:
        yield from _indented(_nft_set(f"sources{version}", version, access.of_family(version)))
        media = access.media_of_family(version)
        if media:
            yield from _indented(_nft_set(f"media{version}", version, [(cidr, "") for cidr in media]))
    yield "    chain input {"
    yield "        type filter hook input priority filter; policy accept;"
    yield "        ct state established,related accept"
    for protocol, ports in (("udp", access.udp_ports), ("tcp", access.tcp_ports)):
        if ports:
            dport = f"{protocol} dport {{ {', '.join(map(str, ports))} }}"
            for version, family in _FAMILIES:
                yield f"        {dport} {family} saddr @sources{version} accept"
            yield from (f"        {line}" for line in _or_comment(access, f"{dport} drop"))
    if access.media is not None:
        end, span = _media_end(access), f"{access.media.first_port}-{access.media.last_port}"
        for version, family in _FAMILIES:
            if access.media_of_family(version):
                yield f"        {family} {end}addr @media{version} udp {end}port {span} accept"
    yield "    }"
    yield "}"


def iptables(access: Access) -> Iterator[str]:
    """The filter rules of both families in one file: `-4` and `-6` say which program heeds a line."""
    load = "iptables-restore --noflush FILE && ip6tables-restore --noflush FILE"
    yield from _preface(access, load, "the chains BYOC_PROXY and BYOC_SOURCES, and puts a jump in front of INPUT")
    yield "*filter"
    yield ":BYOC_PROXY - [0:0]"
    yield ":BYOC_SOURCES - [0:0]"
    yield "-A BYOC_PROXY -m conntrack --ctstate RELATED,ESTABLISHED -j ACCEPT"
    for protocol, ports in (("udp", access.udp_ports), ("tcp", access.tcp_ports)):
        if ports:
            dports = ",".join(map(str, ports))
            yield f"-A BYOC_PROXY -p {protocol} -m multiport --dports {dports} -j BYOC_SOURCES"
    if access.media is not None:
        end, span = _media_end(access), f"{access.media.first_port}:{access.media.last_port}"
        for version, _ in _FAMILIES:
            for cidr in access.media_of_family(version):
                yield f"-A BYOC_PROXY -{version} -{end} {cidr} -p udp --{end}port {span} -j ACCEPT"
    for version, _ in _FAMILIES:
        for cidr, name in access.of_family(version):
            yield f"# {name}"
            yield f"-A BYOC_SOURCES -{version} -s {cidr} -j ACCEPT"
    yield from _or_comment(access, "-A BYOC_SOURCES -j DROP")
    yield "-I INPUT -j BYOC_PROXY"
    yield "COMMIT"


def _preface(access: Access, load: str, replaces: str) -> Iterator[str]:
    edges = ", ".join(access.edges) or "none, see regions.*.addresses"
    if access.side is Side.PROXY:
        yield "# For the firewall of the PROXY's own machines (our side): who may reach our signalling ports."
        yield f"# The carrier's firewall is the other side (--side carrier): it lets in SIP from {edges}"
    else:
        yield "# For the CARRIER's firewall (the other side): it lets in what the proxy sends to the carrier."
        yield f"# The proxy's edges, which the carrier sends to: {edges}"
    yield f"# Load with: {load}"
    yield f"# This replaces {replaces}. A firewall of yours that drops by default needs the accepting rules too."
    if access.media is None:
        yield "# No rule for media: no media engine is configured, and RTP does not pass through the proxy."
    for reason in access.open_because:
        yield f"# Others are NOT shut out: {reason}"


def _media_end(access: Access) -> str:
    """Our end of RTP: the destination on our side, the source on the carrier's."""
    return "d" if access.side is Side.PROXY else "s"


def _or_comment(access: Access, rule: str) -> Iterator[str]:
    """A rule that shuts others out, if they may be."""
    yield f"# {rule}" if access.open_because else rule


def _nft_set(name: str, version: int, rows: Sequence[tuple[str, str]]) -> Iterator[str]:
    yield f"set {name} {{"
    yield f"    type ipv{version}_addr"
    yield "    flags interval"
    yield "    auto-merge"
    if rows:  # an empty list of elements is a syntax error
        yield "    elements = {"
        for cidr, name_of_source in rows:
            yield f"        {cidr}," + (f"  # {name_of_source}" if name_of_source else "")
        yield "    }"
    yield "}"


def _indented(lines: Iterator[str]) -> Iterator[str]:
    return (f"    {line}" for line in lines)
