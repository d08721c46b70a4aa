"""`byoc-proxy networking` and `byoc-proxy dns-zone` as an operator meets them."""

import asyncio
import json
from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

from byoc_proxy.__main__ import app
from byoc_proxy.config.load import load
from byoc_proxy.provision.opening import provisioned
from byoc_proxy.trunk.model import stable_sid
from tests.support.databases import Log
from tests.support.provisioned import made


def run(*arguments: str) -> Result:
    return CliRunner(env={"COLUMNS": "300"}).invoke(app, arguments)


CARRIERS = """
base_domain: sip.example.test
regions:
  us1: {neighbours: [us2], addresses: [203.0.113.5, 203.0.113.6]}
  us2: {neighbours: [us1], addresses: [198.51.100.5, 198.51.100.6]}
listeners: [{transport: udp, bind: "203.0.113.5:5060"}]
accounts: {acme: {auth_token: a-token-of-acme}}
trunks:
  main: {voice_url: "https://app.example.test/voice"}
  spare: {voice_url: "https://app.example.test/voice", sid: BY22222222222222222222222222222222}
domains:
  acme: {trunk: main, ip_access_control_lists: [dallas]}
  acme-2: {trunk: spare, ip_access_control_lists: [dallas]}
ip_access_control_lists: {dallas: {addresses: [203.0.113.8/30]}}
"""


@pytest.fixture
def config(tmp_path: Path) -> str:
    """A file with two trunks that have a domain each, and two regions."""
    path = tmp_path / "config.yaml"
    path.write_text(CARRIERS, encoding="utf-8")
    return str(path)


def test_networking_prints_a_table_of_all_trunks_or_of_one_by_its_key_or_sid(config: str) -> None:
    """S26."""
    everything = run("networking", "-c", config)
    assert (everything.exit_code, everything.stderr) == (0, "")
    assert "acme.sip.us2.example.test" in everything.stdout
    assert "acme-2.sip.us2.example.test" in everything.stdout
    for name in ("spare", "BY" + "2" * 32):
        one = run("networking", "-c", config, "--trunk", name).stdout
        assert "acme-2.sip.us2.example.test" in one
        assert "acme.sip.us2.example.test" not in one


def test_networking_prints_json_and_firewall_rules_without_any_secret(config: str) -> None:
    """S26: copyable text, firewall rules and JSON."""
    shown = {form: run("networking", "-c", config, "--format", form) for form in ("json", "nftables", "iptables")}
    assert [(each.exit_code, each.stderr) for each in shown.values()] == [(0, "")] * 3
    assert [trunk["friendly_name"] for trunk in json.loads(shown["json"].stdout)["trunks"]] == ["main", "spare"]
    for form in ("nftables", "iptables"):
        assert shown[form].stdout.startswith("# For the firewall of the PROXY's own machines (our side)")
        assert "203.0.113.8/30" in shown[form].stdout
    assert not [form for form, each in shown.items() if "a-token-of-acme" in each.stdout]


def test_networking_of_a_trunk_that_is_not_there_says_so(config: str) -> None:
    result = run("networking", "-c", config, "--trunk", "nobody")
    assert (result.exit_code, result.stdout) == (1, "")
    assert (
        result.stderr
        == "byoc-proxy: there is no trunk 'nobody'; `byoc-proxy networking` without --trunk lists them\n"
    )


def test_trunks_and_domains_of_the_database_are_told_of_like_those_of_the_file(tmp_path: Path) -> None:
    account = stable_sid("AC", "acme")
    path = tmp_path / "config.yaml"
    path.write_text(f"{CARRIERS}database: {{}}\n", encoding="utf-8")
    assert run("networking", "-c", str(path)).exit_code == 0
    assert [each.name for each in tmp_path.iterdir()] == ["config.yaml"]  # asking makes no database
    place = load(path, {}).settings.database
    assert place is not None

    async def write() -> str:
        declared = load(path, {}).resources
        async with provisioned(place.url, place.key_file, declared, {}, Log()) as provisioning:
            async with provisioning.writing() as change:
                trunk = await made(change, "byoc_trunks", account_sid=account, friendly_name="Shop")
                await made(
                    change,
                    "domains",
                    account_sid=account,
                    domain_name="shop.sip.example.test",
                    byoc_trunk_sid=trunk,
                )
        return trunk

    trunk = asyncio.run(write())
    told = run("networking", "-c", str(path), "--trunk", trunk)
    assert "shop.sip.us2.example.test" in told.stdout, told.output
    assert "shop.sip.us2.example.test. 600 IN A 198.51.100.6" in run("dns-zone", "-c", str(path)).stdout


def test_dns_zone_prints_the_zone_of_every_domain_in_every_region(config: str) -> None:
    """S51."""
    result = run("dns-zone", "-c", config, "--serial", "7")
    assert (result.exit_code, result.stderr) == (0, "")
    lines = result.stdout.splitlines()
    assert "example.test. 600 IN SOA localhost. hostmaster.example.test. 7 3600 900 1209600 300" in lines
    assert "acme-2.sip.us2.example.test. 600 IN A 198.51.100.6" in lines
    assert run("dns-zone", "-c", config, "--records-only").stdout.count(" SOA ") == 0


def test_dns_zone_takes_name_servers_with_their_addresses_and_a_soa(config: str) -> None:
    servers = ("--ns", "NS1.example.test.=192.0.2.53,2001:db8::53", "--ns", "ns2.elsewhere.example")
    soa = ("--soa", "ns1.example.test. dns.example.test. 1 2 3 4", "--serial", "9")
    lines = run("dns-zone", "-c", config, *servers, *soa).stdout.splitlines()
    assert lines[2:7] == [
        "example.test. 600 IN SOA ns1.example.test. dns.example.test. 9 1 2 3 4",
        "example.test. 600 IN NS ns1.example.test.",
        "example.test. 600 IN NS ns2.elsewhere.example.",
        "ns1.example.test. 600 IN A 192.0.2.53",
        "ns1.example.test. 600 IN AAAA 2001:db8::53",
    ]


@pytest.mark.parametrize(
    ("arguments", "code", "text"),
    [
        (("--ns", "ns1.example.test"), 1, "ns1.example.test is inside of the zone: say its address"),
        (("--ns", "ns1.example.test=nowhere"), 2, "'nowhere' is not an IP address"),
        (("--ns", "ns 1.example"), 2, "'ns 1.example' is not a host name"),
        (("--origin", "a..b"), 2, "'a..b' is not a host name"),
        (("--soa", "ns1.example.test"), 2, "is not a SOA"),
        (("--soa", "ns1.example.test h.example.test 1 2 3 -4"), 2, "is not a SOA"),
    ],
)
def test_what_cannot_stand_in_a_zone_is_refused_with_words(
    config: str, arguments: tuple[str, ...], code: int, text: str
) -> None:
    result = run("dns-zone", "-c", config, *arguments)
    assert (result.exit_code, result.stdout) == (code, "")
    assert text in result.stderr
    assert "Traceback" not in result.stderr
