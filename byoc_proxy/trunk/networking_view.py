"""Networking info as a value for JSON, for the API, the command line and scripts. Keys are snake_case."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from byoc_proxy.trunk.networking import NO_MEDIA, networking

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from byoc_proxy.trunk.directory import Directory
    from byoc_proxy.trunk.edge_share import EdgeShares, TrunkShare
    from byoc_proxy.trunk.model import ByocTrunk, Media
    from byoc_proxy.trunk.networking import (
        DomainUris,
        Edge,
        EdgesOfRegion,
        Networking,
        SignallingPort,
        TrunkNetworking,
    )


def networking_info(
    directory: Directory, account_sid: str, edges: Sequence[Edge], shares: EdgeShares | None = None
) -> dict[str, Any]:
    """What `GET /v1/NetworkingInfo` answers for one account: its own trunks, none of its sub-accounts.

    `edges` are the listeners of this node; without `shares` the edge share of every trunk is null. With thousands
    of domains this takes tenths of a second: call it from a thread, it changes nothing.
    """
    trunks = [trunk for trunk in directory.trunks.values() if trunk.account_sid == account_sid]
    counted = shares.of((trunk.sid for trunk in trunks), edges) if shares is not None else {}
    told = {sid: share_view(share) for sid, share in counted.items()}
    return {"account_sid": account_sid, **networking_view(networking(directory, edges, trunks), told)}


def networking_view(info: Networking, shares: Mapping[str, dict[str, Any]]) -> dict[str, Any]:
    """The whole; `shares` are views of shares by trunk SID."""
    return {
        "base_domain": info.base_domain,
        "default_region": info.default_region,
        "regions": [_region(each, info.ports) for each in info.regions],
        "media": _media(info.media),
        "trunks": [_trunk(each, shares.get(each.trunk.sid)) for each in info.trunks],
    }


def share_view(share: TrunkShare) -> dict[str, Any]:
    """Calls since the start of this node; a share is a part of 1, and null while there were no calls."""
    return {
        "calls": share.calls,
        "edges": [
            {
                "transport": edge.transport.lower(),
                "address": edge.host,
                "port": edge.port,
                "calls": calls,
                "share": round(calls / share.calls, 4) if share.calls else None,
            }
            for edge, calls in share.by_edge
        ],
        "sources": [{"address": source, "calls": calls} for source, calls in share.by_source],
        "warning": share.warning,
    }


def shares_report(trunks: Iterable[ByocTrunk], edges: Sequence[Edge], shares: EdgeShares) -> list[dict[str, Any]]:
    """The shares of those trunks that have had calls, most calls first."""
    named = {str(trunk.sid): trunk for trunk in trunks}
    counted = sorted(shares.of(named, edges).items(), key=lambda each: -each[1].calls)
    return [
        {
            "trunk_sid": sid,
            "account_sid": named[sid].account_sid,
            "trunk": named[sid].friendly_name,
            **share_view(share),
        }
        for sid, share in counted
        if share.calls
    ]


def _region(region: EdgesOfRegion, ports: Iterable[SignallingPort]) -> dict[str, Any]:
    return {
        "region": region.region,
        "label": region.label,
        "has_this_node": region.has_node,
        "signalling": {"addresses": list(region.addresses), "ports": _ports(ports)},
    }


def _media(media: Media | None) -> dict[str, Any]:
    if media is None:
        return {"text": NO_MEDIA, "addresses": [], "ports": None}
    ports = {"first": media.first_port, "last": media.last_port}
    return {"text": "RTP comes in here", "addresses": list(media.addresses), "ports": ports}


def _trunk(info: TrunkNetworking, share: dict[str, Any] | None) -> dict[str, Any]:
    return {
        "sid": info.trunk.sid,
        "account_sid": info.trunk.account_sid,
        "friendly_name": info.trunk.friendly_name,
        "domains": [_domain(each) for each in info.domains],
        "edge_share": share,
    }


def _domain(info: DomainUris) -> dict[str, Any]:
    return {
        "sid": info.domain.sid,
        "friendly_name": info.domain.friendly_name,
        "secure": info.domain.secure,
        "termination_uri": info.uri,
        "ports": _ports(info.ports),
        "localized_uris": [
            {
                "region": each.region,
                "label": each.label,
                "termination_uri": each.uri,
                "other_spellings": list(each.other_spellings),
            }
            for each in info.localized
        ],
    }


def _ports(ports: Iterable[SignallingPort]) -> list[dict[str, Any]]:
    return [{"transport": each.transport.lower(), "port": each.port} for each in ports]
