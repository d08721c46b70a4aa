"""The keys of the file that say who calls whom, and what is said about those that are wrong."""

import json
from pathlib import Path
from typing import Any

import pytest

from byoc_proxy.config.load import ConfigProblems, Loaded, load
from byoc_proxy.sip.digest_client import Credentials
from byoc_proxy.trunk.numbers import NumberFormat, NumberFormats

PASSWORD = "Secret-of-Carrier-1"


def read(directory: Path, trunk: dict[str, Any], policy: dict[str, Any] | None = None) -> Loaded:
    document = {
        "base_domain": "sip.example.test",
        "listeners": [{"transport": "udp", "bind": "127.0.0.1:5060"}],
        "accounts": {"acme": {"auth_token": "token-of-acme"}},
        "domains": {"acme": {"trunk": "main", "credential_lists": []}},
        "trunks": {"main": {"voice_url": "https://app.example.test", "connection_policy": "carriers", **trunk}},
        "connection_policies": {"carriers": {"targets": [{"target": "sip:gw.example"}], **(policy or {})}},
    }
    file = directory / "byoc.yaml"
    file.write_text(json.dumps(document), encoding="utf-8")
    return load(file, {"CARRIER_PASSWORD": PASSWORD})


def test_a_trunk_says_how_its_carrier_is_told_who_calls(tmp_path: Path) -> None:
    settings = {
        "from_user": "acct42",
        "from_host": "carrier.example:5070",
        "to_host": "[2001:db8::5]",
        "trust_identity": "never",
        "relay_headers": ["X-*", "Diversion"],
        "inbound_numbers": {"called": {"country_code": 44, "national_prefix": 0, "min_digits": 3}},
        "outbound_numbers": {"calling": {"plus": "remove", "tech_prefix": "1234#"}},
    }
    (trunk,) = read(tmp_path, settings).resources.trunks
    assert (trunk.from_user, trunk.from_host, trunk.to_host) == ("acct42", "carrier.example:5070", "[2001:db8::5]")
    assert (trunk.trust_identity, trunk.relay_headers) == ("never", ("X-*", "Diversion"))
    called = NumberFormat(country_code="44", national_prefix="0", min_digits=3)
    assert trunk.inbound_numbers == NumberFormats(called=called)
    assert trunk.outbound_numbers == NumberFormats(calling=NumberFormat(plus="remove", tech_prefix="1234#"))


def test_without_such_keys_nothing_is_changed(tmp_path: Path) -> None:
    (trunk,) = read(tmp_path, {}).resources.trunks
    assert (trunk.from_user, trunk.from_host, trunk.to_host, trunk.trust_identity) == (None, None, None, "acl")
    assert trunk.relay_headers == ("User-to-User", "Subject", "Priority", "Accept-Language")
    assert (trunk.inbound_numbers, trunk.outbound_numbers) == (NumberFormats(), NumberFormats())


def test_the_password_of_a_carrier_comes_from_the_environment_and_shows_nowhere(tmp_path: Path) -> None:
    login = {"username": "acct@carrier.example", "password": "${CARRIER_PASSWORD}", "realm": "carrier.example"}
    loaded = read(tmp_path, {}, {"credentials": login})
    (policy,) = loaded.resources.connection_policies
    assert policy.credentials == Credentials("acct@carrier.example", PASSWORD, "carrier.example")
    assert PASSWORD not in f"{loaded!r} {policy!r} {policy.credentials!r} {policy.credentials}"


def test_a_target_may_be_reached_by_way_of_another_host(tmp_path: Path) -> None:
    target = {"target": "sip:carrier.example", "outbound_proxy": "sip:sbc.{region}.example;transport=tcp"}
    (policy,) = read(tmp_path, {}, {"targets": [target]}).resources.connection_policies
    assert str(policy.targets[0].outbound_proxy) == "sip:sbc.{region}.example;transport=tcp"


@pytest.mark.parametrize(
    ("trunk", "words"),
    [
        ({"relay_headers": ["Via"]}, "trunks.main.relay_headers.0: Via is the protocol's own"),
        ({"relay_headers": ["X-A", "m"]}, "relay_headers.1: m is the protocol's own"),
        ({"relay_headers": ["Privacy"]}, "Privacy is always honoured"),
        ({"relay_headers": ["X-A: b"]}, "is not a header name"),
        ({"from_host": "carrier example"}, "trunks.main.from_host: is not an address; write host, host:port"),
        ({"from_host": "c.example", "from_domain": "acme"}, "from_host: from_domain is set too; keep one"),
        ({"from_user": ""}, "trunks.main.from_user: "),
        ({"from_user": "a\nVia: evil"}, "from_user: holds a line break"),
        ({"trust_identity": "yes"}, "trust_identity: must be 'acl', 'always' or 'never'"),
        ({"inbound_numbers": {"called": {"country_code": "44"}}}, "country_code needs national_prefix"),
        ({"inbound_numbers": {"called": {"country_code": "044"}}}, "'044' is no country code"),
        ({"outbound_numbers": {"called": {"tech_prefix": "abc"}}}, "'abc' may hold digits, *, # and a + in front"),
        ({"outbound_numbers": {"called": {"min_digits": 3}}}, "called.min_digits: unknown key"),
        ({"outbound_numbers": {"caller": {}}}, "unknown key; did you mean 'called'?"),
    ],
)
def test_a_mistake_is_told_with_its_place_and_advice(tmp_path: Path, trunk: dict[str, Any], words: str) -> None:
    with pytest.raises(ConfigProblems) as failed:
        read(tmp_path, trunk)
    (line,) = failed.value.problems
    assert words in line


@pytest.mark.parametrize(
    ("policy", "words"),
    [
        ({"credentials": {"username": "a:b", "password": PASSWORD}}, "holds a colon"),
        ({"credentials": {"username": "acct42"}}, "credentials.password: is missing"),
        ({"targets": [{"target": "sip:a.example", "outbound_proxy": "sips:b.example"}]}, "sips: is not supported"),
        (
            {"targets": [{"target": "sip:a.example", "outbound_proxy": "sip:acme.sip.example.test"}]},
            "targets.0.outbound_proxy: acme.sip.example.test is a domain of this installation",
        ),
    ],
)
def test_a_mistake_in_a_policy_is_told_without_its_secret(
    tmp_path: Path, policy: dict[str, Any], words: str
) -> None:
    with pytest.raises(ConfigProblems) as failed:
        read(tmp_path, {}, policy)
    (line,) = failed.value.problems
    assert words in line
    assert PASSWORD not in line


def test_a_trunk_that_tells_no_caller_id_at_all_is_a_warning(tmp_path: Path) -> None:
    warnings = read(tmp_path, {"from_user": "acct42", "identity_header": "none"}).warnings
    assert any("from_user: stands in From instead of the number" in line for line in warnings)
