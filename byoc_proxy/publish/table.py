"""Networking info as text that can be copied into a mail to a carrier."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from byoc_proxy.trunk.networking import NO_MEDIA

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence

    from byoc_proxy.trunk.networking import DomainUris, Networking, SignallingPort, TrunkNetworking

_HEAD = ("REGION", "LABEL", "PORTS", "SIGNALLING ADDRESSES")


def table(info: Networking, shares: Mapping[str, Mapping[str, Any]], unknown: str) -> Iterator[str]:
    """Regions first, then each trunk. `shares` are views by trunk SID; `unknown` says why one is missing."""
    yield f"Networking info of {info.base_domain}"
    yield ""
    ports = port_words(info.ports)
    rows = [(each.region, each.label, ports, ", ".join(each.addresses)) for each in info.regions if each.addresses]
    yield from _aligned([_HEAD, *rows])
    bare = [each.region for each in info.regions if not each.addresses]
    if bare:
        yield f"No addresses are configured for {', '.join(bare)}: names of these regions lead nowhere."
    yield f"Generic names lead to {info.default_region or 'nowhere'}."
    yield f"Media: {media_words(info)}"
    for trunk in info.trunks:
        yield ""
        yield f"Trunk {trunk.trunk.friendly_name}  {trunk.trunk.sid}"
        yield from _trunk(trunk, info)
        share = shares.get(trunk.trunk.sid)
        yield from _share(share) if share is not None else (f"  edge share: {unknown}",)


def port_words(ports: Iterable[SignallingPort]) -> str:
    """`udp 5060, tcp 5060, tls 5061`"""
    return ", ".join(f"{each.transport.lower()} {each.port}" for each in ports)


def media_words(info: Networking) -> str:
    """Where RTP comes in, in one line."""
    if info.media is None:
        return NO_MEDIA
    media = info.media
    return f"RTP comes in at {', '.join(media.addresses)}, UDP ports {media.first_port}-{media.last_port}"


def _trunk(trunk: TrunkNetworking, info: Networking) -> Iterator[str]:
    if not trunk.domains:
        yield "  no domain leads here: a carrier has nothing to dial"
    reached = {each.region for each in info.regions if each.addresses}
    for domain in trunk.domains:
        yield from _aligned([("  " + name, words) for name, words in _names(domain, info, reached)])


def _names(domain: DomainUris, info: Networking, reached: set[str]) -> Iterator[tuple[str, str]]:
    secure = f"; only {port_words(domain.ports) or 'TLS, and no port for it'}" if domain.domain.secure else ""
    yield domain.uri, f"generic, leads to {info.default_region or 'nowhere'}{secure}"
    for each in domain.localized:
        also = "".join(f", also {name}" for name in each.other_spellings)
        yield each.uri, f"{each.label}{also}{'' if each.region in reached else ' (no addresses)'}"


def _share(share: Mapping[str, Any]) -> Iterator[str]:
    yield f"  edge share: {share['calls']} calls since the start of the node"
    for edge in share["edges"]:
        part = f" ({edge['share']:.0%})" if edge["share"] is not None else ""
        yield f"    {edge['transport']} {edge['address']} port {edge['port']}: {edge['calls']}{part}"
    if share["warning"] is not None:
        yield f"  WARNING: {share['warning']}"


def _aligned(rows: Sequence[tuple[str, ...]]) -> Iterator[str]:
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    for row in rows:
        yield "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip()
