"""Each rule between resources, by the words that its finding must have."""

from collections.abc import Iterable
from dataclasses import replace

import pytest

from byoc_proxy.trunk.directory import Directory, DirectoryProblems
from byoc_proxy.trunk.findings import Finding, Rule
from byoc_proxy.trunk.model import AccountSid, HealthRules, Resources, stable_sid
from tests.trunk.records import (
    BASE,
    INSTALLATION,
    OTHER,
    account,
    acl,
    credentials,
    domain,
    policy,
    resources,
    target,
    trunk,
)

RICH = account(static_ip=True, interconnect=("10.9.0.0/24",))
SUB = AccountSid(stable_sid("AC", "sub"))
TWO_ACCOUNTS = (account(), account(OTHER))


def problems(rows: Resources) -> list[Finding]:
    try:
        Directory.build(rows)
    except DirectoryProblems as error:
        return list(error.problems)
    return []


def warnings(rows: Resources) -> list[Finding]:
    return list(Directory.build(rows).warnings)


def texts(findings: Iterable[Finding]) -> str:
    return "\n".join(map(str, findings))


def test_a_complete_installation_has_no_problem_and_no_warning() -> None:
    assert problems(resources()) == []
    assert warnings(resources()) == []


BROKEN = {
    "a domain name must end in the base domain": (
        resources(domains=(replace(domain(), domain_name="acme.other.test"),)),
        f"must end in .{BASE}",
        Rule.NAME_SUFFIX,
    ),
    "the base domain itself is not a domain": (
        resources(domains=(replace(domain(), domain_name=BASE),)),
        f"must end in .{BASE}",
        Rule.NAME_SUFFIX,
    ),
    "a domain name has letters, digits and dashes": (
        resources(domains=(domain("ac_me"),)),
        "lower-case letters, digits and dashes only",
        Rule.NAME_FORM,
    ),
    "a domain name is unique in any case": (
        resources(domains=(domain("acme"), domain("acme", sid="SDsecond"))),
        "already exists",
        Rule.DUPLICATE_NAME,
    ),
    "a sub-domain needs its higher-level domain": (
        resources(domains=(domain("a.b"),)),
        f"b.{BASE} must exist first; or use a dash: a-b.{BASE}",
        Rule.HIGHER_MISSING,
    ),
    "a sub-domain of an unrelated account is refused": (
        resources(
            accounts=TWO_ACCOUNTS,
            domains=(
                domain("b"),
                domain(
                    "a.b",
                    account_sid=OTHER,
                    byoc_trunk_sid=None,
                    **{"ip_access_control_list_sids": (), "credential_list_sids": ()},
                ),
            ),
        ),
        "must belong to the same or the parent account",
        Rule.HIGHER_FOREIGN,
    ),
    "a domain may not be named like a region": (
        resources(domains=(domain("de1"),)),
        "name of a region",
        Rule.NAME_FORM,
    ),
    "a reference must lead somewhere": (
        resources(domains=(domain(byoc_trunk_sid="BYgone"),)),
        "there is no BYgone",
        Rule.NO_SUCH_REFERENCE,
    ),
    "a reference stays inside the account": (
        resources(accounts=TWO_ACCOUNTS, trunks=(trunk(account_sid=OTHER, connection_policy_sid=None),)),
        "belongs to another account",
        Rule.FOREIGN_REFERENCE,
    ),
    "an owner must exist": (
        resources(connection_policies=(policy(account_sid=OTHER),), trunks=(trunk(connection_policy_sid=None),)),
        f"there is no account {OTHER}",
        Rule.NO_SUCH_REFERENCE,
    ),
    "a sid names one thing": (resources(trunks=(trunk(), trunk())), "is used 2 times", Rule.OTHER),
    "a parent account must exist": (
        resources(accounts=(account(parent_sid=OTHER),)),
        f"there is no account {OTHER}",
        Rule.NO_SUCH_REFERENCE,
    ),
    "sub-accounts have no sub-accounts": (
        resources(accounts=(account(parent_sid=account().sid),)),
        "without a parent of its own",
        Rule.OTHER,
    ),
    "a trunk has a url or twiml and not both": (
        resources(trunks=(trunk(voice_twiml="<Response/>"),)),
        "voice_url is set too",
        Rule.OTHER,
    ),
    "a trunk falls back to another policy than its own": (
        resources(trunks=(trunk(fallback_connection_policy_sid=trunk().connection_policy_sid),)),
        "is the trunk's connection_policy itself",
        Rule.OTHER,
    ),
    "digest needs an algorithm": (
        resources(domains=(domain(digest_algorithms=()),)),
        "name MD5, SHA-256",
        Rule.OTHER,
    ),
    "eleven targets are one too many": (
        resources(connection_policies=(policy(*(target(f"sip:gw{at}.example") for at in range(11))),)),
        "11 targets; at most 10",
        Rule.TOO_MANY_TARGETS,
    ),
    "sips is refused with advice": (
        resources(connection_policies=(policy(target("sips:a.example:5061")),)),
        "write sip:a.example:5061;transport=tls",
        Rule.TARGET,
    ),
    "an unknown transport is refused": (
        resources(connection_policies=(policy(target("sip:a.example;transport=ws")),)),
        "use udp, tcp or tls",
        Rule.TARGET,
    ),
    "a target must not lead back to us": (
        resources(connection_policies=(policy(target(f"sip:acme.{{region}}.{BASE}")),)),
        "calls would loop",
        Rule.TARGET,
    ),
    "priority 65536 is out of range": (
        resources(connection_policies=(policy(target("sip:a.example", 65536)),)),
        "use 0 to 65535",
        Rule.RANGE,
    ),
    "weight 0 is out of range": (
        resources(connection_policies=(policy(target("sip:a.example", 0, 0)),)),
        "use 1 to 65535",
        Rule.RANGE,
    ),
    "a success is no code to stop at": (
        resources(connection_policies=(policy(failover_stop_codes=frozenset({200})),)),
        "200 is not a failure code",
        Rule.RANGE,
    ),
    "an access control list holds no host names": (
        resources(ip_access_control_lists=(acl("sbc.example.com"),)),
        "not a host name",
        Rule.ADDRESS,
    ),
    "a range is listed once": (
        resources(ip_access_control_lists=(acl("10.0.0.1/8", "10.0.0.2/8"),)),
        "10.0.0.0/8 is in this list already",
        Rule.DUPLICATE_ENTRY,
    ),
    "a user is listed once": (
        resources(credential_lists=(credentials("sbc1", "sbc1"),)),
        "'sbc1' is in this list already",
        Rule.DUPLICATE_ENTRY,
    ),
    "an interconnect range is a range": (
        resources(accounts=(account(interconnect=("private",)),)),
        "'private' is not an IP address",
        Rule.ADDRESS,
    ),
    "static addresses are off by default": (
        resources(accounts=(replace(RICH, static_ip=False),), domains=(domain(static_ips=("10.9.0.5",)),)),
        "set static_ip: true",
        Rule.STATIC_IP_OFF,
    ),
    "a static address is inside the interconnect": (
        resources(accounts=(RICH,), domains=(domain(static_ips=("10.8.0.5",)),)),
        "outside the interconnect ranges",
        Rule.STATIC_IP_RANGE,
    ),
    "a static address is an address": (
        resources(accounts=(RICH,), domains=(domain(static_ips=("edge.example",)),)),
        "'edge.example' is not an IP address",
        Rule.ADDRESS,
    ),
    "a static address leads to one domain": (
        resources(
            accounts=(RICH,), domains=(domain(static_ips=("10.9.0.5",)), domain("b", static_ips=("10.9.0.5",)))
        ),
        "one address leads to one domain",
        Rule.STATIC_IP_TAKEN,
    ),
    "static addresses are not available in ireland": (
        resources(
            installation=replace(INSTALLATION, region="ie1"),
            accounts=(RICH,),
            domains=(domain(static_ips=("10.9.0.5",)),),
        ),
        "not available in region ie1; only in us1",
        Rule.STATIC_IP_REGION,
    ),
}


@pytest.mark.parametrize(("rows", "words", "rule"), BROKEN.values(), ids=BROKEN.keys())
def test_problem(rows: Resources, words: str, rule: Rule) -> None:
    found = problems(rows)
    assert words in texts(found)
    assert [finding.rule for finding in found] == [rule], texts(found)


ALLOWED = {
    "a sub-account may have a sub-domain of its parent's domain": resources(
        accounts=(account(), account(SUB, parent_sid=account().sid)),
        domains=(
            domain("b"),
            domain(
                "a.b",
                account_sid=SUB,
                byoc_trunk_sid=None,
                ip_access_control_list_sids=(),
                credential_list_sids=(),
            ),
        ),
    ),
    "priority 0 and 65535 and weight 65535 are in range": resources(
        connection_policies=(policy(target("sip:a.example", 0, 65535), target("sip:b.example", 65535, 1)),)
    ),
    "ten targets are allowed": resources(
        connection_policies=(policy(*(target(f"sip:gw{at}.example") for at in range(10))),)
    ),
    "a static address inside the interconnect in an allowed region": resources(
        accounts=(RICH,), domains=(domain(static_ips=("10.9.0.5",)),)
    ),
    "one trunk may have several domains": resources(domains=(domain("one"), domain("two"))),
}


FAULTS = {
    "OPTIONS wait no longer than until the next": (HealthRules("options", 10.0, timeout=10.0), "10 is not shorter"),
    "an interval has a length": (HealthRules(interval=0.0), "0 is too short; use 1 second or more"),
    "no miss is no reason": (HealthRules(misses=0), "counted from 1"),
    "no answer is no reason": (HealthRules(answers=0), "counted from 1"),
}


@pytest.mark.parametrize(("rules", "words"), FAULTS.values(), ids=FAULTS.keys())
def test_rules_of_health_must_make_sense_in_a_policy_and_in_a_target(rules: HealthRules, words: str) -> None:
    for carriers in (policy(target("sip:a.example"), health=rules), policy(target("sip:a.example", health=rules))):
        found = problems(resources(connection_policies=(carriers,)))
        assert [words in str(finding) for finding in found] == [True]


@pytest.mark.parametrize("rows", ALLOWED.values(), ids=ALLOWED.keys())
def test_allowed(rows: Resources) -> None:
    assert problems(rows) == []


UNWISE = {
    "a domain without authentication is blocked": (
        resources(domains=(domain(ip_access_control_list_sids=(), credential_list_sids=()),)),
        "blocked: no authentication",
    ),
    "access control lists alone are weak": (
        resources(domains=(domain(credential_list_sids=()),)),
        "add a credential list",
    ),
    "a domain without a trunk refuses every call": (
        resources(domains=(domain(byoc_trunk_sid=None),)),
        "no trunk is linked",
    ),
    "the whole internet may come in": (
        resources(ip_access_control_lists=(acl("0.0.0.0/0"),)),
        "lets the whole Internet in",
    ),
    "host bits are normalised with a notice": (
        resources(ip_access_control_lists=(acl("203.0.113.9/30"),)),
        "203.0.113.9/30 has host bits set and is read as 203.0.113.8/30",
    ),
    "all targets are disabled": (
        resources(connection_policies=(policy(target("sip:a.example", enabled=False)),)),
        "no target is enabled",
    ),
    "OPTIONS every few seconds annoy a carrier": (
        resources(connection_policies=(policy(target("sip:a.example"), health=HealthRules("options", 5.0)),)),
        "health.interval: OPTIONS every 5 s: many carriers want 10 s or more between them",
    ),
    "one lost packet takes a target out": (
        resources(connection_policies=(policy(target("sip:a.example", health=HealthRules(misses=1))),)),
        "targets.0.health.misses: one lost packet takes an address out of use",
    ),
    "nobody answers the trunk of a domain": (
        resources(trunks=(trunk(voice_url=None),)),
        "neither voice_url nor voice_twiml",
    ),
}


@pytest.mark.parametrize(("rows", "words"), UNWISE.values(), ids=UNWISE.keys())
def test_warning(rows: Resources, words: str) -> None:
    assert problems(rows) == []
    found = warnings(rows)
    assert words in texts(found)
    assert len(found) == 1, texts(found)
