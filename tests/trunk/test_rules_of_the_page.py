"""What the page says of domains, lists and policies, where the snapshot decides it: one change at a time.

Each test names its row of the capabilities: S42 is the page's "Configure a unique SIP Domain Name", and so on.
"""

from dataclasses import replace
from typing import Any

import pytest

from byoc_proxy.sip.digest_server import Passed
from byoc_proxy.trunk.admission import Admit, Arrival, Refuse, admit
from byoc_proxy.trunk.changes import Change, Row
from byoc_proxy.trunk.directory import Directory, DirectoryProblems
from byoc_proxy.trunk.findings import Finding, Rule
from byoc_proxy.trunk.model import (
    AccountSid,
    CredentialListSid,
    IpAccessControlListSid,
    SipDomain,
    SipDomainSid,
    stable_sid,
)
from tests.trunk.records import (
    BASE,
    CARRIERS,
    DALLAS,
    DOMAIN,
    INSTALLATION,
    OTHER,
    SBCS,
    TRUNK,
    account,
    acl,
    credentials,
    directory,
    domain,
    policy,
    target,
    trunk,
)

SUB = AccountSid(stable_sid("AC", "sub"))
RICH = account(static_ip=True, interconnect=("10.9.0.0/24",))
CHICAGO = IpAccessControlListSid(stable_sid("AL", "chicago"))
SPARE = CredentialListSid(stable_sid("CL", "spare"))
SECTIONS = {"AC": "accounts", "BY": "trunks", "SD": "domains", "NY": "connection_policies"} | {
    "AL": "ip_access_control_lists",
    "CL": "credential_lists",
}


def written(row: Row) -> Change:
    return Change(SECTIONS[row.sid[:2]], row.sid, row)


def removed(sid: str) -> Change:
    return Change(SECTIONS[sid[:2]], sid, None)


def refused(snapshot: Directory, *changes: Change) -> Finding:
    """The one problem that these changes have."""
    with pytest.raises(DirectoryProblems) as problems:
        snapshot.changed(changes)
    (finding,) = problems.value.problems
    return finding


def bare(name: str, **fields: Any) -> SipDomain:
    """A domain that refers to nothing."""
    return domain(name, byoc_trunk_sid=None, ip_access_control_list_sids=(), credential_list_sids=(), **fields)


def called(snapshot: Directory, host: str, source: str = "203.0.113.9", **arrival: Any) -> Admit | Refuse:
    """The verdict on a call whose credentials, if any are asked for, are right."""
    verdict = admit(Arrival(host, source, "UDP", called="+15550199", **arrival), snapshot, lambda _: Passed("sbc1"))
    assert isinstance(verdict, Admit | Refuse)
    return verdict


# --- names -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["acme", "ACME", "Acme"])
@pytest.mark.parametrize("owner", [account().sid, OTHER])
def test_s42_a_second_domain_of_the_same_name_is_refused_in_any_case_and_for_any_account(
    name: str, owner: AccountSid
) -> None:
    snapshot = directory(accounts=(account(), account(OTHER)))
    finding = refused(snapshot, written(bare(name, account_sid=owner, sid=SipDomainSid("SD" + "2" * 32))))
    assert finding.rule is Rule.DUPLICATE_NAME
    assert finding.path == ("domains", "SD" + "2" * 32, "domain_name")


def test_s42_a_name_is_free_again_when_its_domain_is_gone_and_two_domains_may_change_names() -> None:
    snapshot = directory(domains=(domain("a"), domain("b")))
    a, b = domain("a").sid, domain("b").sid
    swapped = snapshot.changed([written(domain("b", sid=a)), written(domain("a", sid=b))])
    match = swapped.find(f"a.{BASE}")
    assert match is not None
    assert match.domain.sid == b
    again = swapped.changed([removed(a), written(bare("b"))])
    assert again.domains[domain("b").sid].domain_name == f"b.{BASE}"


@pytest.mark.parametrize(
    "name", ["ac_me", "acme!", "-acme", "acme-", "ac me", "a..b", "acmé", "x" * 64, "Fresh", ""]
)
def test_s43_a_name_holds_letters_digits_and_dashes(name: str) -> None:
    finding = refused(directory(), written(bare(name)))
    assert finding.rule is Rule.NAME_FORM
    assert "letters, digits and dashes" in finding.text


def test_s43_a_name_is_not_longer_than_the_dns_allows() -> None:
    name = ".".join(["x" * 60] * 4)
    assert refused(directory(), written(bare(name))).rule is Rule.NAME_FORM


@pytest.mark.parametrize("full", ["acme.example.org", BASE, "acme", f"acme{BASE}"])
def test_s43_a_name_ends_in_the_base_domain(full: str) -> None:
    finding = refused(directory(), written(replace(bare("new"), domain_name=full)))
    assert finding.rule is Rule.NAME_SUFFIX
    assert finding.text.endswith(f"must end in .{BASE}; write example.{BASE}")


def test_s44_who_types_a_dot_is_offered_the_dashed_form() -> None:
    finding = refused(directory(), written(bare("london.office")))
    assert finding.text.endswith(f"or use a dash: london-office.{BASE}")


def test_s45_a_sub_domain_routes_apart_from_its_higher_level_domain() -> None:
    snapshot = directory(domains=(domain("b"),)).changed([written(domain("a.b", byoc_trunk_sid=None))])
    assert isinstance(called(snapshot, f"b.{BASE}"), Admit)
    verdict = called(snapshot, f"a.b.{BASE}")
    assert isinstance(verdict, Refuse)
    assert verdict.text == f"no trunk linked to a.b.{BASE}"


def test_s46_the_higher_level_domain_must_be_created_first_and_is_named() -> None:
    finding = refused(directory(), written(bare("a.b")))
    assert finding.rule is Rule.HIGHER_MISSING
    assert f"b.{BASE} must exist first" in finding.text


def test_s46_a_domain_with_sub_domains_cannot_be_removed_and_they_are_named() -> None:
    snapshot = directory(domains=(bare("b"), bare("a.b", friendly_name="Branch")))
    finding = refused(snapshot, removed(bare("b").sid))
    assert finding.rule is Rule.HAS_SUBDOMAINS
    assert finding.path == ("domains", bare("b").sid)
    assert f"domain 'Branch' ({bare('a.b').sid})" in finding.text
    assert snapshot.changed([removed(bare("b").sid), removed(bare("a.b").sid)]).domains == {}


def test_s46_a_domain_with_sub_domains_cannot_be_called_otherwise() -> None:
    snapshot = directory(domains=(bare("b"), bare("a.b")))
    finding = refused(snapshot, written(bare("c", sid=bare("b").sid)))
    assert finding.rule is Rule.HAS_SUBDOMAINS
    assert finding.path == ("domains", bare("b").sid, "domain_name")


def test_s47_a_sub_domain_may_belong_to_the_same_or_to_a_sub_account_and_to_no_other() -> None:
    accounts = (account(), account(SUB, parent_sid=account().sid), account(OTHER))
    snapshot = directory(accounts=accounts, domains=(bare("b"),))
    snapshot.changed([written(bare("own.b")), written(bare("subs.b", account_sid=SUB))])
    finding = refused(snapshot, written(bare("a.b", account_sid=OTHER)))
    assert finding.rule is Rule.HIGHER_FOREIGN
    assert "must belong to the same or the parent account" in finding.text


def test_s47_an_account_cannot_leave_the_parent_whose_domain_its_sub_domain_is_under() -> None:
    accounts = (account(), account(SUB, parent_sid=account().sid))
    snapshot = directory(accounts=accounts, domains=(bare("b"), bare("a.b", account_sid=SUB)))
    finding = refused(snapshot, written(account(SUB)))
    assert (finding.rule, finding.path[1]) == (Rule.HIGHER_FOREIGN, bare("a.b").sid)


@pytest.mark.parametrize("host", [f"new.{BASE}", f"NEW.{BASE}.", f"new.de1.{BASE}", "new.sip.us2.example.test"])
def test_s48_the_request_uri_host_decides_and_its_case_does_not_matter(host: str) -> None:
    snapshot = directory()
    assert snapshot.find(host) is None
    verdict = called(snapshot.changed([written(domain("new"))]), host)
    assert isinstance(verdict, Admit)
    assert verdict.domain.domain_name == f"new.{BASE}"


# --- static addresses --------------------------------------------------------------------------------------


def test_s59_static_addresses_are_for_the_regions_that_are_configured_us1_by_default() -> None:
    static = domain(static_ips=("10.9.0.5",))
    assert directory(accounts=(RICH,)).changed([written(static)]).find("10.9.0.5") is not None
    elsewhere = replace(INSTALLATION, region="au1")
    finding = refused(directory(accounts=(RICH,), installation=elsewhere), written(static))
    assert finding.rule is Rule.STATIC_IP_REGION
    assert finding.text == "not available in region au1; only in us1"
    allowed = replace(elsewhere, static_ip_regions=("us1", "au1"))
    assert directory(accounts=(RICH,), domains=(static,), installation=allowed).find("10.9.0.5") is not None


def test_s61_the_static_address_decides_where_the_host_is_one_and_the_domains_rules_where_it_is_a_name() -> None:
    snapshot = directory(accounts=(RICH,), domains=(domain(static_ips=("10.9.0.5",)),))
    stranger = "198.51.100.7"
    assert isinstance(called(snapshot, "10.9.0.5", stranger, local=("10.9.0.5",)), Admit)
    verdict = called(snapshot, f"acme.{BASE}", stranger, local=("10.9.0.5",))
    assert isinstance(verdict, Refuse)
    assert verdict.code == 32201


def test_s62_over_a_static_address_lists_are_not_asked_and_credentials_are() -> None:
    snapshot = directory(accounts=(RICH,), domains=(domain(static_ips=("10.9.0.5",)),))
    verdict = called(snapshot, "10.9.0.5", "198.51.100.7", local=("10.9.0.5",))
    assert isinstance(verdict, Admit)
    assert (verdict.acl_entry, verdict.username) == (None, "sbc1")


@pytest.mark.parametrize("address", ["10.8.255.255", "10.9.1.0", "192.0.2.1", "2001:db8::1"])
def test_s63_a_static_address_is_one_of_the_accounts_interconnect(address: str) -> None:
    finding = refused(directory(accounts=(RICH,)), written(domain(static_ips=(address,))))
    assert finding.rule is Rule.STATIC_IP_RANGE


def test_s63_an_interconnect_cannot_shrink_under_the_addresses_in_use() -> None:
    snapshot = directory(accounts=(RICH,), domains=(domain(static_ips=("10.9.0.5",)),))
    finding = refused(snapshot, written(replace(RICH, interconnect=("10.9.0.128/25",))))
    assert (finding.rule, finding.path) == (Rule.STATIC_IP_RANGE, ("domains", DOMAIN, "static_ips", 0))
    assert refused(snapshot, written(replace(RICH, static_ip=False))).rule is Rule.STATIC_IP_OFF


def test_a_static_address_leads_to_one_domain_and_the_one_that_had_it_keeps_it() -> None:
    snapshot = directory(accounts=(RICH,), domains=(domain("z"), domain("a", static_ips=("10.9.0.5",))))
    finding = refused(snapshot, written(domain("z", static_ips=("10.9.0.5",))))
    assert (finding.rule, finding.path[1]) == (Rule.STATIC_IP_TAKEN, domain("z").sid)


# --- lists, trunks and policies ----------------------------------------------------------------------------


def test_s65_a_domain_without_its_last_list_is_blocked_and_says_so_and_is_never_open() -> None:
    snapshot = directory().changed([written(domain(ip_access_control_list_sids=(), credential_list_sids=()))])
    verdict = called(snapshot, f"acme.{BASE}")
    assert isinstance(verdict, Refuse)
    assert (verdict.status, verdict.code) == (403, 32200)
    (warning,) = snapshot.warnings_of("domains", DOMAIN)
    assert warning.rule is Rule.ADVICE
    assert warning.text.startswith("blocked: no authentication")


def test_s67_a_source_in_any_of_several_lists_comes_in_and_the_narrowest_entry_is_named() -> None:
    snapshot = directory().changed(
        [
            written(acl("198.51.100.0/24", "203.0.113.9", sid=CHICAGO, name="Chicago")),
            written(domain(ip_access_control_list_sids=(DALLAS, CHICAGO))),
        ]
    )
    entries = {source: called(snapshot, f"acme.{BASE}", source) for source in ("203.0.113.8", "203.0.113.9")}
    named = {source: str(verdict.acl_entry) for source, verdict in entries.items() if isinstance(verdict, Admit)}
    assert named == {
        "203.0.113.8": "'Production SBC' 203.0.113.8/30",
        "203.0.113.9": "'Chicago' 203.0.113.9/32",
    }
    assert isinstance(called(snapshot, f"acme.{BASE}", "198.51.100.7"), Admit)
    assert isinstance(called(snapshot, f"acme.{BASE}", "198.51.101.7"), Refuse)


def test_s68_a_user_of_any_of_several_lists_is_known() -> None:
    snapshot = directory().changed(
        [
            written(credentials("sbc1", "sbc2", sid=SPARE)),
            written(domain(credential_list_sids=(SBCS, SPARE))),
        ]
    )
    here = snapshot.domains[DOMAIN]
    assert [len(snapshot.credentials(here, user)) for user in ("sbc1", "sbc2", "sbc3")] == [2, 1, 0]


def test_s71_one_trunk_may_have_several_domains_and_what_changes_on_it_holds_for_all() -> None:
    snapshot = directory(domains=(domain("one"), domain("two")))
    after = snapshot.changed([written(trunk(friendly_name="Renamed"))])
    for host in (f"one.{BASE}", f"two.{BASE}"):
        verdict = called(after, host)
        assert isinstance(verdict, Admit)
        assert (verdict.trunk.sid, verdict.trunk.friendly_name) == (TRUNK, "Renamed")


USED = {
    "S74: a connection policy that a trunk uses": (CARRIERS, f"trunk 'Acme Trunk' ({TRUNK})"),
    "S87: an access control list that is mapped": (DALLAS, f"domain 'acme.{BASE}' ({DOMAIN})"),
    "S92: a credential list that is mapped": (SBCS, f"domain 'acme.{BASE}' ({DOMAIN})"),
    "a trunk that a domain leads to": (TRUNK, f"domain 'acme.{BASE}' ({DOMAIN})"),
    "an account that owns something": (account().sid, f"trunk 'Acme Trunk' ({TRUNK})"),
}


@pytest.mark.parametrize(("sid", "user"), USED.values(), ids=USED.keys())
def test_what_is_in_use_cannot_be_removed_and_its_users_are_named(sid: str, user: str) -> None:
    snapshot = directory()
    finding = refused(snapshot, removed(sid))
    assert finding.rule is Rule.IN_USE
    assert finding.path == (SECTIONS[sid[:2]], sid)
    assert user in finding.text


def test_what_is_in_use_can_be_removed_together_with_its_users() -> None:
    everything = (account().sid, TRUNK, DOMAIN, DALLAS, SBCS, CARRIERS)
    assert directory().changed(list(map(removed, everything))).resources.accounts == ()


def test_of_many_users_ten_are_named_and_the_others_counted() -> None:
    snapshot = directory(domains=tuple(domain(f"d{at}") for at in range(14)))
    assert refused(snapshot, removed(TRUNK)).text.count("(SD") == 10
    assert " and 4 more; change or remove" in refused(snapshot, removed(TRUNK)).text


def test_the_from_domain_of_a_trunk_and_the_parent_of_an_account_are_in_use_too() -> None:
    snapshot = directory(
        accounts=(account(), account(SUB, parent_sid=account().sid)), trunks=(trunk(from_domain_sid=DOMAIN),)
    )
    assert f"trunk 'Acme Trunk' ({TRUNK})" in refused(snapshot, removed(DOMAIN)).text
    assert f"account 'Acme' ({SUB})" in refused(snapshot, removed(account().sid)).text


@pytest.mark.parametrize("section", ["trunk", "acl", "credentials"])
def test_what_is_used_cannot_move_to_another_account(section: str) -> None:
    snapshot = directory(accounts=(account(), account(OTHER)), trunks=(trunk(connection_policy_sid=None),))
    moved: dict[str, Row] = {
        "trunk": trunk(account_sid=OTHER, connection_policy_sid=None),
        "acl": replace(acl("203.0.113.8"), account_sid=OTHER),
        "credentials": replace(credentials("sbc1"), account_sid=OTHER),
    }
    finding = refused(snapshot, written(moved[section]))
    assert (finding.rule, finding.path[:2]) == (Rule.FOREIGN_REFERENCE, ("domains", DOMAIN))


def test_a_domain_cannot_take_the_name_that_a_target_leads_to() -> None:
    snapshot = directory(connection_policies=(policy(target(f"sip:sales.{{region}}.{BASE}")),))
    finding = refused(snapshot, written(bare("sales")))
    assert (finding.rule, finding.path[:2]) == (Rule.TARGET, ("connection_policies", CARRIERS))
    elsewhere = snapshot.changed([written(policy(target("sip:gw.example")))])
    assert elsewhere.changed([written(bare("sales"))]).find(f"sales.{BASE}") is not None
    gone = snapshot.changed([removed(CARRIERS), written(trunk(connection_policy_sid=None))])
    assert gone.changed([written(bare("sales"))]).find(f"sales.{BASE}") is not None


# --- advice on one row -------------------------------------------------------------------------------------


def test_the_advice_on_one_row_is_what_the_whole_list_says_of_it() -> None:
    snapshot = directory(
        accounts=(account(status="suspended"),),
        trunks=(trunk(voice_url=None),),
        domains=(domain(credential_list_sids=()),),
        ip_access_control_lists=(acl("0.0.0.0/0", "10.0.0.1/8"),),
        connection_policies=(policy(target("sip:gw.example", enabled=False)),),
    )
    rows = [(section, sid) for section in SECTIONS.values() for sid in snapshot.section(section)]
    one_by_one = [finding for section, sid in rows for finding in snapshot.warnings_of(section, sid)]
    assert len(snapshot.warnings) == 6
    assert sorted(map(str, one_by_one)) == sorted(map(str, snapshot.warnings))


def test_there_is_no_advice_on_a_row_that_is_not_there() -> None:
    assert directory().warnings_of("domains", "SDnone") == ()


def test_nobody_needs_a_voice_url_on_a_trunk_that_no_domain_leads_to() -> None:
    snapshot = directory(trunks=(trunk(voice_url=None),))
    assert [finding.text for finding in snapshot.warnings_of("trunks", TRUNK)] != []
    assert snapshot.changed([removed(DOMAIN)]).warnings_of("trunks", TRUNK) == ()
