"""What carriers are told: names by region, addresses and ports, where media comes in."""

from dataclasses import replace
from typing import Any

from byoc_proxy.trunk.directory import Directory
from byoc_proxy.trunk.model import ByocTrunkSid, Media, Region, SipDomainSid, stable_sid
from byoc_proxy.trunk.networking import Edge, Networking, SignallingPort, edge_of, networking
from byoc_proxy.trunk.networking_view import networking_info
from byoc_proxy.trunk.regions import DEFAULT_REGIONS
from tests.trunk import records

US1 = ("203.0.113.5", "203.0.113.6", "2001:db8::5", "2001:db8::6")
US2 = ("198.51.100.5", "198.51.100.6")
REGIONS = {
    **DEFAULT_REGIONS,
    "us1": replace(DEFAULT_REGIONS["us1"], addresses=US1),
    "us2": replace(DEFAULT_REGIONS["us2"], addresses=US2),
}
EDGES = (Edge("UDP", "203.0.113.5", 5060, False), Edge("TLS", "203.0.113.5", 5061, False))
SECOND = ByocTrunkSid(stable_sid("BY", "second"))


def directory(installation: dict[str, Any] | None = None, **fields: Any) -> Directory:
    place = replace(records.INSTALLATION, **{"regions": REGIONS, **(installation or {})})
    return records.directory(installation=place, **fields)


def told(built: Directory, edges: tuple[Edge, ...] = EDGES) -> Networking:
    return networking(built, edges, built.trunks.values())


def test_show_localized_uris_expands_the_regional_fqdns_of_a_trunks_domains() -> None:
    """S33: the page's spelling first, the other beside it."""
    rows = (records.domain(), records.domain("acme-2"), records.domain("other", byoc_trunk_sid=SECOND))
    trunks = (records.trunk(), records.trunk(sid=SECOND))
    first, second = told(directory(domains=rows, trunks=trunks)).trunks
    assert [each.uri for each in first.domains] == ["acme.sip.example.test", "acme-2.sip.example.test"]
    assert [each.uri for each in second.domains] == ["other.sip.example.test"]
    localized = {each.region: (each.uri, each.other_spellings) for each in first.domains[0].localized}
    assert localized["sg1"] == ("acme.sip.sg1.example.test", ("acme.sg1.sip.example.test",))
    assert list(localized) == ["us1", "us2", "ie1", "de1", "sg1", "jp1", "br1", "au1"]


def test_a_base_domain_that_does_not_begin_with_sip_has_one_spelling() -> None:
    domain = replace(records.domain(), domain_name="acme.voice.example")
    built = directory({"base_domain": "voice.example"}, domains=(domain,))
    (first, *_) = told(built).trunks[0].domains[0].localized
    assert (first.uri, first.other_spellings) == ("acme.us1.voice.example", ())


def test_the_eight_localized_termination_uris_carry_the_labels_of_the_page() -> None:
    """S49: shipped as defaults."""
    labels = {each.region: each.label for each in told(directory()).trunks[0].domains[0].localized}
    assert labels == {
        "us1": "North America Virginia",
        "us2": "North America Oregon",
        "ie1": "Europe Ireland",
        "de1": "Europe Frankfurt",
        "sg1": "Asia Pacific Singapore",
        "jp1": "Asia Pacific Tokyo",
        "br1": "South America São Paulo",
        "au1": "Asia Pacific Sydney",
    }


def test_every_region_has_its_signalling_addresses_and_knows_whether_this_node_is_in_it() -> None:
    """S26: signalling IPs per region."""
    info = told(directory())
    regions = {each.region: (each.addresses, each.has_node) for each in info.regions}
    assert (regions["us1"], regions["us2"], regions["de1"]) == ((US1, True), (US2, False), ((), False))
    assert info.addresses == US1 + US2


def test_without_written_addresses_a_nodes_own_region_has_those_that_its_listeners_advertise() -> None:
    edges = (*EDGES, Edge("TCP", "edge.example.test", 5060, False), Edge("UDP", "2001:db8::5", 5060, True))
    info = told(directory({"regions": DEFAULT_REGIONS}), edges)
    assert info.addresses == ("203.0.113.5", "2001:db8::5")


def test_the_ports_are_those_of_the_listeners_unless_they_are_written() -> None:
    """S26: port and transport."""
    assert told(directory()).ports == (SignallingPort("UDP", 5060), SignallingPort("TLS", 5061))
    written = directory({"signalling_ports": (("TLS", 5071), ("TCP", 5070))})
    assert told(written).ports == (SignallingPort("TCP", 5070), SignallingPort("TLS", 5071))


def test_a_secure_domain_is_offered_over_tls_alone() -> None:
    (trunk,) = told(directory(domains=(records.domain(secure=True),))).trunks
    assert trunk.domains[0].ports == (SignallingPort("TLS", 5061),)


def test_generic_names_lead_to_the_first_region_with_addresses_or_to_the_chosen_one() -> None:
    assert told(directory()).default_region == "us1"
    later = {**DEFAULT_REGIONS, "jp1": Region("jp1", "Tokyo", (), US2)}
    assert told(directory({"regions": later}), ()).default_region == "jp1"
    assert told(directory({"default_region": "us2"})).default_region == "us2"
    assert told(directory({"regions": DEFAULT_REGIONS}), ()).default_region is None


def test_an_edge_is_read_from_what_a_listener_says() -> None:
    assert edge_of("UDP", "203.0.113.5:5060", "0.0.0.0") == Edge("UDP", "203.0.113.5", 5060, False)
    assert edge_of("TLS", "[2001:db8::5]:5061", "::") == Edge("TLS", "2001:db8::5", 5061, True)


def test_an_account_is_told_of_its_own_trunks_and_of_no_others() -> None:
    """S26: trunk-specific Domain URIs and IP allow list information, as JSON."""
    foreign = records.trunk(sid=SECOND, account_sid=records.OTHER, connection_policy_sid=None)
    domain = records.domain(
        "other",
        sid=SipDomainSid(stable_sid("SD", "other")),
        account_sid=records.OTHER,
        byoc_trunk_sid=SECOND,
        ip_access_control_list_sids=(),
        credential_list_sids=(),
    )
    built = directory(
        {"media": Media(("203.0.113.64/26",), 10000, 60000)},
        accounts=(records.account(), records.account(records.OTHER)),
        trunks=(records.trunk(), foreign),
        domains=(records.domain(), domain),
    )
    info = networking_info(built, records.ACME, EDGES)
    assert {key: info[key] for key in ("account_sid", "base_domain", "default_region", "media")} == {
        "account_sid": records.ACME,
        "base_domain": "sip.example.test",
        "default_region": "us1",
        "media": {
            "text": "RTP comes in here",
            "addresses": ["203.0.113.64/26"],
            "ports": {"first": 10000, "last": 60000},
        },
    }
    assert info["regions"][1] == {
        "region": "us2",
        "label": "North America Oregon",
        "has_this_node": False,
        "signalling": {
            "addresses": list(US2),
            "ports": [{"transport": "udp", "port": 5060}, {"transport": "tls", "port": 5061}],
        },
    }
    (trunk,) = info["trunks"]
    assert (trunk["sid"], trunk["account_sid"], trunk["edge_share"]) == (records.TRUNK, records.ACME, None)
    (told_domain,) = trunk["domains"]
    assert told_domain["termination_uri"] == "acme.sip.example.test"
    assert told_domain["localized_uris"][3] == {
        "region": "de1",
        "label": "Europe Frankfurt",
        "termination_uri": "acme.sip.de1.example.test",
        "other_spellings": ["acme.de1.sip.example.test"],
    }
    assert [each["sid"] for each in networking_info(built, records.OTHER, EDGES)["trunks"]] == [SECOND]


def test_without_a_media_engine_the_info_says_where_media_flows() -> None:
    info = networking_info(directory(), records.ACME, EDGES)
    assert info["media"] == {
        "text": "no media engine: RTP passes between the carrier and the far end, not through the proxy",
        "addresses": [],
        "ports": None,
    }
