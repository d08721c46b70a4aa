"""Networking info as text to be copied."""

from typing import Any

from byoc_proxy.publish.table import table
from byoc_proxy.trunk.directory import Directory
from byoc_proxy.trunk.edge_share import EdgeShares
from byoc_proxy.trunk.model import Media
from byoc_proxy.trunk.networking import networking
from byoc_proxy.trunk.networking_view import share_view
from tests.publish.installations import EDGES, directory
from tests.trunk import records


def lines(built: Directory, shares: dict[str, dict[str, Any]] | None = None) -> list[str]:
    info = networking(built, EDGES, built.trunks.values())
    return list(table(info, shares or {}, "unknown, because nobody was asked"))


def test_the_table_has_regions_ports_addresses_and_every_uri_of_a_trunk() -> None:
    """S26, S33."""
    assert lines(directory()) == [
        "Networking info of sip.example.test",
        "",
        "REGION  LABEL     PORTS                         SIGNALLING ADDRESSES",
        "us1     Virginia  udp 5060, tcp 5060, tls 5061  203.0.113.5, 203.0.113.6, 2001:db8:1::5",
        "us2     Oregon    udp 5060, tcp 5060, tls 5061  198.51.100.5, 198.51.100.6",
        "No addresses are configured for de1: names of these regions lead nowhere.",
        "Generic names lead to us1.",
        "Media: no media engine: RTP passes between the carrier and the far end, not through the proxy",
        "",
        f"Trunk Acme Trunk  {records.TRUNK}",
        "  acme.sip.example.test      generic, leads to us1",
        "  acme.sip.us1.example.test  Virginia, also acme.us1.sip.example.test",
        "  acme.sip.us2.example.test  Oregon, also acme.us2.sip.example.test",
        "  acme.sip.de1.example.test  Frankfurt, also acme.de1.sip.example.test (no addresses)",
        "  edge share: unknown, because nobody was asked",
    ]


def test_media_ranges_are_named_where_there_are_some() -> None:
    """S26: media IP and port range."""
    shown = lines(directory({"media": Media(("203.0.113.64/26", "2001:db8:9::/64"), 10000, 60000)}))
    assert "Media: RTP comes in at 203.0.113.64/26, 2001:db8:9::/64, UDP ports 10000-60000" in shown


def test_a_secure_domain_says_its_only_port_and_a_trunk_without_domains_that_it_has_none() -> None:
    assert any(
        line.endswith("us1; only tls 5061") for line in lines(directory(domains=(records.domain(secure=True),)))
    )
    assert "  no domain leads here: a carrier has nothing to dial" in lines(directory(domains=()))


def test_the_share_of_each_edge_stands_below_its_trunk_with_the_warning() -> None:
    """S55."""
    shown = lines(directory(), {records.TRUNK: {**share_view(_pegged()), "warning": "all calls came in at one"}})
    assert shown[-5:] == [
        "  edge share: 0 calls since the start of the node",
        "    udp 203.0.113.5 port 5060: 0",
        "    tcp 203.0.113.5 port 5060: 0",
        "    tls 203.0.113.5 port 5061: 0",
        "  WARNING: all calls came in at one",
    ]


def _pegged() -> Any:
    return EdgeShares().of(["BY"], EDGES)["BY"]
