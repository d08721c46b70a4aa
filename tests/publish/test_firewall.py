"""Firewall rules: who is let in, who is shut out, and when nobody may be. The real parsers are in tests/wire."""

from typing import Any

import pytest

from byoc_proxy.publish.access import OTHER_CUSTOMERS, Access, access_to_carrier, access_to_us
from byoc_proxy.publish.firewall import iptables, nftables
from byoc_proxy.trunk.directory import Directory
from byoc_proxy.trunk.model import ByocTrunkSid, ClientCertificates, IpAccessControlListSid, Media, stable_sid
from byoc_proxy.trunk.networking import networking
from tests.publish.installations import EDGES, directory
from tests.trunk import records

SPARE = IpAccessControlListSid(stable_sid("AL", "spare"))
SECOND = ByocTrunkSid(stable_sid("BY", "second"))


def access(built: Directory, *sids: str) -> Access:
    trunks = [trunk for trunk in built.trunks.values() if trunk.sid in sids or not sids]
    return access_to_us(built, networking(built, EDGES, trunks))


def test_the_sources_of_access_control_lists_and_the_carriers_we_call_come_in() -> None:
    found = access(directory())
    assert found.sources == (
        ("203.0.113.8/30", "Dallas: Production SBC"),
        ("198.51.100.77/32", "target sip:198.51.100.77"),
    )
    assert (found.udp_ports, found.tcp_ports, found.open_because) == ((5060,), (5060, 5061), ())


def test_every_source_is_there_once_in_its_canonical_form() -> None:
    lists = (
        records.acl("203.0.113.9/30", "::ffff:192.0.2.1", "2001:DB8::1"),
        records.acl("192.0.2.1", "203.0.113.8/30", sid=SPARE, name="the same again"),
        records.acl("10.0.0.0/8", sid=IpAccessControlListSid("AL3"), name="unused"),
    )
    domain = records.domain(credential_list_sids=(), ip_access_control_list_sids=(records.DALLAS, SPARE))
    built = directory(ip_access_control_lists=lists, domains=(domain,))
    assert [cidr for cidr, _ in access(built).sources] == [
        "203.0.113.8/30",
        "192.0.2.1/32",
        "2001:db8::1/128",
        "198.51.100.77/32",
    ]


def test_a_disabled_target_needs_no_hole() -> None:
    policy = records.policy(records.target("sip:192.0.2.40", enabled=False), records.target("sip:[2001:db8::7]"))
    found = access(directory(connection_policies=(policy,)))
    assert [cidr for cidr, _ in found.of_family(6)] == ["2001:db8::7/128"]
    assert [cidr for cidr, _ in found.of_family(4)] == ["203.0.113.8/30"]


@pytest.mark.parametrize(
    ("fields", "reason"),
    [
        (
            {"domains": (records.domain(ip_access_control_list_sids=()),)},
            "acme.sip.example.test asks for no source address, but for credentials or a certificate",
        ),
        (
            {
                "domains": (
                    records.domain(
                        ip_access_control_list_sids=(),
                        credential_list_sids=(),
                        client_certificates=ClientCertificates("ca.pem", frozenset({"00"})),
                    ),
                )
            },
            "acme.sip.example.test asks for no source address, but for credentials or a certificate",
        ),
        (
            {
                "accounts": (records.account(static_ip=True, interconnect=("10.9.0.0/24",)),),
                "domains": (records.domain(static_ips=("10.9.0.5",)),),
            },
            "acme.sip.example.test has static addresses, where no list is asked",
        ),
        (
            {"connection_policies": (records.policy(records.target("sip:gw.carrier.example")),)},
            (
                "target sip:gw.carrier.example is reached by the name gw.carrier.example; "
                "add its addresses, from which its BYE comes"
            ),
        ),
    ],
    ids=["credentials alone", "certificates alone", "static addresses", "a target by name"],
)
def test_nobody_is_shut_out_where_that_could_cost_calls(fields: dict[str, Any], reason: str) -> None:
    found = access(directory(**fields))
    assert found.open_because == (reason,)
    for text in (list(nftables(found)), list(iptables(found))):
        assert f"# Others are NOT shut out: {reason}" in text
        assert not [line for line in text if "drop" in line.lower() and not line.strip().startswith("#")]
        assert [line for line in text if "drop" in line.lower() and line.strip().startswith("# ")]


def test_the_rules_of_one_trunk_of_several_shut_nobody_out() -> None:
    built = directory(trunks=(records.trunk(), records.trunk(sid=SECOND, connection_policy_sid=None)))
    assert access(built, SECOND).sources == ()
    assert access(built, SECOND).open_because == (
        "these rules are for some of the trunks; the carriers of the others come in too",
    )
    assert access(built).open_because == ()


def test_a_name_cannot_bring_a_line_of_its_own_into_a_file_that_root_loads() -> None:
    evil = records.acl("192.0.2.9", name="x\n-A INPUT -j ACCEPT\u2028y")
    found = access(directory(ip_access_control_lists=(evil,)))
    assert found.sources[0] == ("192.0.2.9/32", "x?-A INPUT -j ACCEPT?y")


def test_both_outputs_say_first_whose_firewall_they_are_for() -> None:
    for text in (nftables(access(directory())), iptables(access(directory()))):
        first, second, *_ = text
        assert (
            first
            == "# For the firewall of the PROXY's own machines (our side): who may reach our signalling ports."
        )
        assert second.endswith(" 203.0.113.5, 203.0.113.6, 2001:db8:1::5, 198.51.100.5, 198.51.100.6")


def test_the_carriers_side_lets_our_edges_in_to_the_ports_that_calls_are_sent_to() -> None:
    """S26: IP allow list information."""
    policy = records.policy(
        records.target("sip:198.51.100.77:5080"),
        records.target("sip:gw.carrier.example;transport=tls"),
        records.target("sip:192.0.2.40:9999", enabled=False),
    )
    built = directory({"media": Media(("203.0.113.64/26",), 10000, 60000)}, connection_policies=(policy,))
    found = access_to_carrier(built, networking(built, EDGES, built.trunks.values()))
    assert found.sources == (
        ("203.0.113.5/32", "Virginia"),
        ("203.0.113.6/32", "Virginia"),
        ("2001:db8:1::5/128", "Virginia"),
        ("198.51.100.5/32", "Oregon"),
        ("198.51.100.6/32", "Oregon"),
    )
    assert (found.udp_ports, found.tcp_ports, found.open_because) == ((5080,), (5061,), (OTHER_CUSTOMERS,))
    nft, ipt = list(nftables(found)), list(iptables(found))
    assert (
        nft[0]
        == ipt[0]
        == ("# For the CARRIER's firewall (the other side): it lets in what the proxy sends to the carrier.")
    )
    assert "        ip saddr @media4 udp sport 10000-60000 accept" in nft
    assert "-A BYOC_PROXY -4 -s 203.0.113.64/26 -p udp --sport 10000:60000 -j ACCEPT" in ipt


def test_a_carrier_that_no_call_is_sent_to_is_told_the_usual_ports() -> None:
    built = directory(trunks=(records.trunk(connection_policy_sid=None),))
    found = access_to_carrier(built, networking(built, EDGES, built.trunks.values()))
    assert (found.udp_ports, found.tcp_ports) == ((5060,), (5060, 5061))


def test_nftables_rules_are_one_table_that_replaces_itself() -> None:
    built = directory({"media": Media(("203.0.113.64/26",), 10000, 60000)})
    rules = [line for line in nftables(access(built)) if not line.startswith("#")]
    assert rules == [
        "table inet byoc_proxy",
        "delete table inet byoc_proxy",
        "table inet byoc_proxy {",
        "    set sources4 {",
        "        type ipv4_addr",
        "        flags interval",
        "        auto-merge",
        "        elements = {",
        "            203.0.113.8/30,  # Dallas: Production SBC",
        "            198.51.100.77/32,  # target sip:198.51.100.77",
        "        }",
        "    }",
        "    set media4 {",
        "        type ipv4_addr",
        "        flags interval",
        "        auto-merge",
        "        elements = {",
        "            203.0.113.64/26,",
        "        }",
        "    }",
        "    set sources6 {",
        "        type ipv6_addr",
        "        flags interval",
        "        auto-merge",
        "    }",
        "    chain input {",
        "        type filter hook input priority filter; policy accept;",
        "        ct state established,related accept",
        "        udp dport { 5060 } ip saddr @sources4 accept",
        "        udp dport { 5060 } ip6 saddr @sources6 accept",
        "        udp dport { 5060 } drop",
        "        tcp dport { 5060, 5061 } ip saddr @sources4 accept",
        "        tcp dport { 5060, 5061 } ip6 saddr @sources6 accept",
        "        tcp dport { 5060, 5061 } drop",
        "        ip daddr @media4 udp dport 10000-60000 accept",
        "    }",
        "}",
    ]


def test_iptables_rules_are_for_both_families_in_one_file() -> None:
    built = directory({"media": Media(("203.0.113.64/26", "2001:db8:9::/64"), 10000, 60000)})
    rules = [line for line in iptables(access(built)) if not line.startswith("#")]
    assert rules == [
        "*filter",
        ":BYOC_PROXY - [0:0]",
        ":BYOC_SOURCES - [0:0]",
        "-A BYOC_PROXY -m conntrack --ctstate RELATED,ESTABLISHED -j ACCEPT",
        "-A BYOC_PROXY -p udp -m multiport --dports 5060 -j BYOC_SOURCES",
        "-A BYOC_PROXY -p tcp -m multiport --dports 5060,5061 -j BYOC_SOURCES",
        "-A BYOC_PROXY -4 -d 203.0.113.64/26 -p udp --dport 10000:60000 -j ACCEPT",
        "-A BYOC_PROXY -6 -d 2001:db8:9::/64 -p udp --dport 10000:60000 -j ACCEPT",
        "-A BYOC_SOURCES -4 -s 203.0.113.8/30 -j ACCEPT",
        "-A BYOC_SOURCES -4 -s 198.51.100.77/32 -j ACCEPT",
        "-A BYOC_SOURCES -j DROP",
        "-I INPUT -j BYOC_PROXY",
        "COMMIT",
    ]
