"""The printed zone in a real authoritative server: it loads, and carriers find every edge through it."""

import asyncio
from pathlib import Path

import dns.asyncquery
import dns.flags
import dns.message
import dns.rcode
import pytest
from typer.testing import CliRunner

from byoc_proxy.__main__ import app
from byoc_proxy.net.dns import Resolver
from byoc_proxy.sip.locate import Hop
from byoc_proxy.sip.uri import SipUri
from tests.support.nsd import checked, name_server

pytestmark = pytest.mark.wire

US1 = ("203.0.113.5", "203.0.113.6", "203.0.113.7", "203.0.113.8")
US1_SIX = "2001:db8:1::5"
US2 = ("198.51.100.5", "198.51.100.6")
CONFIG = f"""
base_domain: sip.example.test
regions:
  us1: {{neighbours: [us2, de1], addresses: [{", ".join(US1)}, "{US1_SIX}"]}}
  us2: {{neighbours: [us1], addresses: [{", ".join(US2)}]}}
  de1: {{neighbours: [us1]}}
signalling_ports: {{udp: 5060, tcp: 5070, tls: 5061}}
listeners: [{{transport: udp, bind: "203.0.113.5:5060"}}]
accounts: {{acme: {{auth_token: token}}}}
trunks: {{main: {{voice_url: "https://app.example.test/voice"}}}}
domains:
  acme: {{trunk: main, ip_access_control_lists: [dallas]}}
  sales.acme: {{trunk: main, ip_access_control_lists: [dallas]}}
  vault: {{trunk: main, ip_access_control_lists: [dallas], secure: true}}
ip_access_control_lists: {{dallas: {{addresses: [203.0.113.8/30]}}}}
"""
NAMES = [
    f"{name}.{place}"
    for name in ("acme", "sales.acme", "vault")
    for place in ("sip.example.test", "sip.us1.example.test", "us1.sip.example.test", "sip.us2.example.test")
]


def printed(directory: Path, *arguments: str) -> str:
    """What `byoc-proxy dns-zone` prints."""
    config = directory / "config.yaml"
    config.write_text(CONFIG, encoding="utf-8")
    result = CliRunner().invoke(app, ["dns-zone", "-c", str(config), *arguments])
    assert result.exit_code == 0, result.output
    return result.stdout


async def asked(server: tuple[str, int], name: str, kind: str) -> tuple[set[str], set[int]]:
    """The records of a name and their TTLs; the answer must be authoritative."""
    question = dns.message.make_query(name, kind)
    answer = await dns.asyncquery.udp(question, server[0], timeout=2, port=server[1])
    assert (answer.rcode(), bool(answer.flags & dns.flags.AA)) == (dns.rcode.NOERROR, True)
    records = {record.to_text() for rrset in answer.answer for record in rrset}
    return records, {rrset.ttl for rrset in answer.answer}


def resolver(server: tuple[str, int]) -> Resolver:
    """Ours, asking that server alone; nothing is shuffled."""
    now = asyncio.get_running_loop().time
    return Resolver([f"{server[0]}:{server[1]}"], now=now, draw=lambda: 0.0, families=("A",))


async def test_the_a_records_of_a_localized_name_are_the_configured_edges_with_a_ttl_of_ten_minutes(
    tmp_path: Path,
) -> None:
    """S52: `dig x.sip.us1.example.test A` returns the 4 configured IPs, TTL 600."""
    async with name_server(tmp_path, {"example.test": printed(tmp_path)}) as server:
        for name in ("acme.sip.us1.example.test", "ACME.us1.sip.example.test", "acme.sip.example.test"):
            assert await asked(server, name, "A") == (set(US1), {600})
            assert await asked(server, name, "AAAA") == ({US1_SIX}, {600})
        assert await asked(server, "acme.sip.us2.example.test", "A") == (set(US2), {600})
        assert await asked(server, "acme.sip.us2.example.test", "AAAA") == (set(), set())


async def test_the_server_has_names_for_every_domain_and_region(tmp_path: Path) -> None:
    """S51: names for every domain × region, with SRV for each transport that the domain takes."""
    async with name_server(tmp_path, {"example.test": printed(tmp_path)}) as server:
        for name in NAMES:
            assert len((await asked(server, name, "A"))[0]) in (2, 4)
            lead = name if "us" in name else name.replace("sip.", "sip.us1.")
            (first, *_), ttls = sorted((await asked(server, f"_sips._tcp.{name}", "SRV"))[0]), {600}
            assert (first, ttls) == (f"10 10 5061 {lead}.", {600})
            if not name.startswith("vault"):
                udp, _ = await asked(server, f"_sip._udp.{name}", "SRV")
                assert f"10 10 5060 {lead}." in udp


async def test_our_own_resolver_locates_a_domain_and_fails_over_to_the_next_region(tmp_path: Path) -> None:
    """S53: all edges of the region, then those of its neighbour (RFC 3263)."""
    async with name_server(tmp_path, {"example.test": printed(tmp_path)}) as server:
        hops = await resolver(server).locate(SipUri.parse("sip:+15550123@acme.sip.example.test"))
        assert [hop.address for hop in hops[4:]] == list(US2)
        assert {hop.address for hop in hops[:4]} == set(US1)
        over_tcp = await resolver(server).locate(SipUri.parse("sip:acme.sip.us2.example.test;transport=tcp"))
        assert over_tcp == [Hop("TCP", address, 5070, "acme.sip.us2.example.test") for address in US2]
        over_tls = await resolver(server).locate(SipUri.parse("sip:vault.us2.sip.example.test;transport=tls"))
        assert over_tls == [Hop("TLS", address, 5061, "vault.us2.sip.example.test") for address in US2]


async def test_the_zone_passes_a_strict_check_with_and_without_name_servers_of_its_own(tmp_path: Path) -> None:
    glue = ("--ns", "ns1.example.test=192.0.2.53,2001:db8::53", "--ns", "ns2.elsewhere.example")
    soa = ("--soa", "ns1.example.test dns.example.test 7200 600 604800 60")
    for arguments in ((), glue, (*glue, *soa, "--serial", "4294967295")):
        assert "is ok" in await checked(tmp_path, "example.test", printed(tmp_path, *arguments))


@pytest.mark.parametrize("origin", ["sip.example.test", "sip.us1.example.test"])
async def test_a_delegated_part_is_a_zone_of_its_own(tmp_path: Path, origin: str) -> None:
    zone = printed(tmp_path, "--origin", origin)
    async with name_server(tmp_path, {origin: zone}) as server:
        name = "acme.sip.us1.example.test" if origin == "sip.us1.example.test" else "acme.us1.sip.example.test"
        assert await asked(server, name, "A") == (set(US1), {600})


async def test_the_records_alone_are_included_in_a_zone_that_has_other_names(tmp_path: Path) -> None:
    (tmp_path / "byoc.zone").write_text(printed(tmp_path, "--records-only"), encoding="utf-8")
    head = "$ORIGIN example.test.\n$TTL 300\n@ SOA ns.other.example. h.other.example. 1 3600 900 1209600 300\n"
    zone = f"{head}@ NS ns.other.example.\nwww A 192.0.2.80\n$INCLUDE {tmp_path}/byoc.zone\n"
    await checked(tmp_path, "example.test", zone)
    async with name_server(tmp_path, {"example.test": zone}) as server:
        assert await asked(server, "www.example.test", "A") == ({"192.0.2.80"}, {300})
        assert await asked(server, "acme.sip.us1.example.test", "A") == (set(US1), {600})
