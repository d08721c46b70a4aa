"""Which edges a carrier's calls come in at, and the word of warning to one that knows a single edge."""

import pytest

from byoc_proxy.sip.flow import Flow
from byoc_proxy.trunk import edge_share
from byoc_proxy.trunk.edge_share import EdgeShares, TrunkShare
from byoc_proxy.trunk.networking import Edge
from byoc_proxy.trunk.networking_view import networking_info, share_view, shares_report
from tests.trunk import records

ONE, TWO = "203.0.113.5:5060", "203.0.113.6:5060"
EDGES = (Edge("UDP", "203.0.113.5", 5060, False), Edge("UDP", "203.0.113.6", 5060, False))
SIX = Edge("UDP", "2001:db8::5", 5060, True)
TLS = Edge("TLS", "203.0.113.6", 5061, False)
TCP = Edge("TCP", "203.0.113.5", 5060, False)


def flow(sent_by: str = ONE, source: str = "198.51.100.7", transport: str = "UDP") -> Flow:
    return Flow(transport, ("10.0.0.1", 5060), (source, 5060), sent_by)


def share(shares: EdgeShares, edges: tuple[Edge, ...] = EDGES, trunk: str = "BY1") -> TrunkShare:
    return shares.of([trunk], edges)[trunk]


def counted(calls: int, *flows: Flow) -> EdgeShares:
    shares = EdgeShares()
    for _ in range(calls):
        for each in flows:
            shares.count("BY1", each)
    return shares


def test_every_edge_of_the_node_has_its_share_of_a_trunks_calls() -> None:
    """S55: per-edge traffic share."""
    shares = counted(3, flow(), flow(TWO), flow(TWO, "198.51.100.8"))
    shares.count("BY2", flow())
    found = share(shares)
    assert (found.calls, found.by_edge) == (9, ((EDGES[0], 3), (EDGES[1], 6)))
    assert found.by_source == (("198.51.100.7", 6), ("198.51.100.8", 3))
    assert share(shares, trunk="BY3") == TrunkShare(0, ((EDGES[0], 0), (EDGES[1], 0)), (), None)


def test_a_carrier_that_pegs_towards_a_single_ip_address_is_warned_of_after_20_calls() -> None:
    """S55: do not peg towards a single IP address."""
    assert share(counted(19, flow())).warning is None
    assert share(counted(20, flow())).warning == (
        "all 20 calls came in at 203.0.113.5 and none at 203.0.113.6: "
        "the carrier should use every address and go to the next one after 4 seconds without an answer"
    )


def test_a_single_call_at_another_edge_is_enough_to_know_that_the_carrier_can() -> None:
    shares = counted(20, flow())
    shares.count("BY1", flow(TWO))
    assert share(shares).warning is None


@pytest.mark.parametrize("other", [SIX, TLS, TCP], ids=["IPv6", "TLS only", "the same address over TCP"])
def test_nobody_is_warned_of_an_edge_that_the_carrier_could_not_use(other: Edge) -> None:
    assert share(counted(20, flow()), (EDGES[0], other)).warning is None


def test_two_transports_to_one_address_are_one_edge() -> None:
    shares = counted(10, flow(), flow(transport="TCP"))
    assert share(shares, (*EDGES, TCP)).warning is not None


def test_an_ipv6_edge_is_counted_by_its_address() -> None:
    found = share(counted(2, flow("[2001:db8::5]:5060", "2001:db8:7::1")), (SIX,))
    assert found.by_edge == ((SIX, 2),)


def test_sources_beyond_the_bound_are_counted_together(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(edge_share, "MOST_KEPT", 3)
    shares = EdgeShares()
    for number in range(100):
        shares.count("BY1", flow(source=f"198.51.100.{number}"))
    found = share(shares)
    assert (shares.size, found.calls, found.by_source[0]) == (4, 100, ("others", 97))


def test_the_view_has_parts_of_one_and_none_before_the_first_call() -> None:
    view = share_view(share(counted(1, flow(), flow(), flow(TWO))))
    assert view == {
        "calls": 3,
        "edges": [
            {"transport": "udp", "address": "203.0.113.5", "port": 5060, "calls": 2, "share": 0.6667},
            {"transport": "udp", "address": "203.0.113.6", "port": 5060, "calls": 1, "share": 0.3333},
        ],
        "sources": [{"address": "198.51.100.7", "calls": 3}],
        "warning": None,
    }
    assert [edge["share"] for edge in share_view(share(EdgeShares()))["edges"]] == [None, None]


def test_the_networking_info_of_an_account_has_the_share_of_each_trunk() -> None:
    shares = EdgeShares()
    for _ in range(20):
        shares.count(records.TRUNK, flow())
    (trunk,) = networking_info(records.directory(), records.ACME, EDGES, shares)["trunks"]
    assert trunk["edge_share"]["calls"] == 20
    assert trunk["edge_share"]["warning"].startswith("all 20 calls came in at 203.0.113.5 and none at 203.0.113.6")


def test_the_report_of_a_node_names_the_trunks_that_had_calls_the_busiest_first() -> None:
    shares = EdgeShares()
    for sid, calls in (("BY1", 1), ("BY2", 5)):
        for _ in range(calls):
            shares.count(sid, flow())
    trunks = [records.trunk(sid=sid, friendly_name=f"Trunk {sid}") for sid in ("BY1", "BY2", "BY3")]
    report = shares_report(trunks, EDGES, shares)
    assert [(each["trunk"], each["calls"]) for each in report] == [("Trunk BY2", 5), ("Trunk BY1", 1)]
    assert report[0]["account_sid"] == records.ACME
