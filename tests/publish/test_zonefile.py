"""The zone of an installation's names. A real server loads it in tests/wire."""

from typing import Any

import pytest

from byoc_proxy.publish.zonefile import Authority, NameServer, ZoneError, is_inside, origin_of, zone_file
from byoc_proxy.trunk.directory import Directory
from byoc_proxy.trunk.model import Region
from byoc_proxy.trunk.networking import Edge
from tests.publish.installations import EDGES, REGIONS, directory
from tests.trunk import records

NS = NameServer("ns1.elsewhere.example")


def authority(**fields: Any) -> Authority:
    return Authority(**{"origin": "example.test", "name_servers": (NS,), "serial": 7, **fields})


def zone(
    built: Directory, edges: tuple[Edge, ...] = EDGES, head: bool = True, **fields: Any
) -> tuple[list[str], list[str]]:
    """The records, and the comments."""
    lines = list(zone_file(built, edges, authority(**fields), head=head))
    return [line for line in lines if line[0] not in ";$"], [line for line in lines if line[0] == ";"]


def of(name: str, lines: list[str]) -> list[str]:
    """What a name has, without its TTL."""
    return [line.partition(" 600 IN ")[2] for line in lines if line.startswith(f"{name}. ")]


def test_every_domain_has_a_name_in_every_region_that_has_edges_in_both_spellings() -> None:
    """S51: names for every domain and region."""
    built = directory(domains=(records.domain(), records.domain("sales", byoc_trunk_sid=None)))
    lines, comments = zone(built)
    with_addresses = {line.split(". ")[0] for line in lines if " A " in line}
    assert with_addresses == {
        f"{name}.{place}"
        for name in ("acme", "sales")
        for place in (
            *("sip.example.test", "sip.us1.example.test", "sip.us2.example.test"),
            *("us1.sip.example.test", "us2.sip.example.test"),
        )
    }
    assert "; no addresses are configured for de1" in comments


def test_a_localized_name_has_all_addresses_of_its_region_for_ten_minutes() -> None:
    """S52: the A-record table with its TTL."""
    lines, _ = zone(directory())
    assert [line for line in lines if line.startswith("acme.sip.us1.example.test. ")] == [
        "acme.sip.us1.example.test. 600 IN A 203.0.113.5",
        "acme.sip.us1.example.test. 600 IN A 203.0.113.6",
        "acme.sip.us1.example.test. 600 IN AAAA 2001:db8:1::5",
    ]
    assert of("acme.us2.sip.example.test", lines) == ["A 198.51.100.5", "A 198.51.100.6"]


def test_a_localized_name_has_srv_records_for_each_transport_that_lead_to_itself() -> None:
    lines, _ = zone(directory())
    for name in ("acme.sip.us2.example.test", "acme.us2.sip.example.test"):
        assert of(f"_sip._udp.{name}", lines) == [f"SRV 10 10 5060 {name}."]
        assert of(f"_sip._tcp.{name}", lines) == [f"SRV 10 10 5060 {name}."]
        assert of(f"_sips._tcp.{name}", lines) == [f"SRV 10 10 5061 {name}."]


def test_the_generic_name_leads_to_the_default_region_and_its_srv_records_on_to_the_neighbours() -> None:
    lines, _ = zone(directory())
    assert of("acme.sip.example.test", lines) == ["A 203.0.113.5", "A 203.0.113.6", "AAAA 2001:db8:1::5"]
    assert of("_sip._udp.acme.sip.example.test", lines) == [
        "SRV 10 10 5060 acme.sip.us1.example.test.",
        "SRV 20 10 5060 acme.sip.us2.example.test.",
    ]
    chosen, _ = zone(directory({"default_region": "us2"}))
    assert of("acme.sip.example.test", chosen) == ["A 198.51.100.5", "A 198.51.100.6"]
    assert of("_sips._tcp.acme.sip.example.test", chosen)[0] == "SRV 10 10 5061 acme.sip.us2.example.test."


def test_a_secure_domain_is_found_over_tls_alone() -> None:
    lines, _ = zone(directory(domains=(records.domain(secure=True),)))
    assert {line.partition(".acme")[0] for line in lines if " SRV " in line} == {"_sips._tcp"}


def test_two_ports_of_a_transport_are_two_srv_records() -> None:
    lines, _ = zone(directory(), (Edge("UDP", "203.0.113.5", 5060, False), Edge("UDP", "203.0.113.5", 5080, False)))
    assert [line.split()[2] for line in of("_sip._udp.acme.sip.us1.example.test", lines)] == ["10", "10"]
    assert [line.split()[3] for line in of("_sip._udp.acme.sip.us1.example.test", lines)] == ["5060", "5080"]


def test_the_origin_holds_both_spellings() -> None:
    assert origin_of("sip.example.test") == "example.test"
    assert origin_of("voice.example.test") == "voice.example.test"
    assert is_inside("acme.sip.example.test", "sip.example.test")
    assert not is_inside("acme.gossip.example.test", "sip.example.test")


def test_names_outside_of_the_origin_are_left_out_and_said() -> None:
    lines, comments = zone(directory(), origin="sip.example.test")
    assert all(is_inside(line.split(". ")[0], "sip.example.test") for line in lines)
    assert of("_sip._udp.acme.sip.example.test", lines) == [
        "SRV 10 10 5060 acme.us1.sip.example.test.",
        "SRV 20 10 5060 acme.us2.sip.example.test.",
    ]
    assert comments[-2:] == [
        "; not in this zone: acme.sip.us1.example.test",
        "; not in this zone: acme.sip.us2.example.test",
    ]


def test_a_zone_of_one_region_has_that_spelling_alone() -> None:
    lines, _ = zone(directory(), origin="sip.us1.example.test")
    assert {line.split(". ")[0] for line in lines if " A " in line} == {"acme.sip.us1.example.test"}


def test_a_name_that_is_too_long_for_the_dns_is_left_out() -> None:
    long = ".".join(["a" * 60] * 3 + ["a" * 45])
    higher = long.split(".")
    rows = [records.domain(".".join(higher[at:])) for at in range(4)]
    lines, comments = zone(directory(domains=tuple(rows)))
    assert max(len(line.split(". ")[0]) for line in lines) <= 253
    assert any(comment.startswith(f"; not in this zone: {long}") for comment in comments)


def test_the_head_has_a_soa_with_sensible_times_and_the_name_servers() -> None:
    lines, _ = zone(directory())
    assert lines[:2] == [
        "example.test. 600 IN SOA ns1.elsewhere.example. hostmaster.example.test. 7 3600 900 1209600 300",
        "example.test. 600 IN NS ns1.elsewhere.example.",
    ]
    own = zone(directory(), primary="a.example", mailbox="b.example", times=(1, 2, 3, 4))[0]
    assert own[0] == "example.test. 600 IN SOA a.example. b.example. 7 1 2 3 4"


def test_without_a_name_server_a_stand_in_lets_the_zone_load_and_a_comment_says_so() -> None:
    lines, comments = zone(directory(), name_servers=())
    assert lines[1] == "example.test. 600 IN NS localhost."
    assert comments[1] == "; localhost stands in for a name server that the world can ask: name yours with --ns"


def test_a_name_server_inside_of_the_zone_needs_its_address() -> None:
    glue = NameServer("ns1.example.test", ("192.0.2.53", "2001:db8::53"))
    assert zone(directory(), name_servers=(glue,))[0][2:4] == [
        "ns1.example.test. 600 IN A 192.0.2.53",
        "ns1.example.test. 600 IN AAAA 2001:db8::53",
    ]
    with pytest.raises(ZoneError, match="is inside of the zone: say its address, ns1.example.test=192.0.2.53"):
        zone(directory(), name_servers=(NameServer("ns1.example.test"),))


def test_records_alone_can_be_included_in_another_zone() -> None:
    lines, comments = zone(directory(), head=False)
    assert not [line for line in lines if " SOA " in line or " NS " in line]
    assert not [comment for comment in comments if "localhost" in comment]


def test_without_any_address_there_is_no_zone_and_the_error_says_which_key_is_missing() -> None:
    bare = {"us1": Region("us1", "Virginia")}
    with pytest.raises(ZoneError, match=r"region us1 has no address: set regions\.us1\.addresses"):
        zone(directory({"regions": bare}), ())
    with pytest.raises(ZoneError, match=r"region de1 has no address: set regions\.de1\.addresses"):
        zone(directory({"regions": REGIONS, "default_region": "de1"}))
