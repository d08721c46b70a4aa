from dataclasses import replace

import pytest

from byoc_proxy.trunk.directory import Directories, Directory, DirectoryProblems
from byoc_proxy.trunk.model import CredentialListSid, stable_sid
from byoc_proxy.trunk.regions import DEFAULT_REGIONS
from tests.trunk.records import (
    BASE,
    CARRIERS,
    DALLAS,
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
    resources,
    target,
    trunk,
)


def found(snapshot: Directory, host: str) -> tuple[str, str] | None:
    match = snapshot.find(host)
    return (match.domain.domain_name, match.region) if match is not None else None


def test_the_generic_name_and_all_eight_localized_names_reach_the_same_domain() -> None:
    snapshot = directory()
    assert found(snapshot, f"acme.{BASE}") == (f"acme.{BASE}", "us1")
    for region in DEFAULT_REGIONS:
        assert found(snapshot, f"acme.{region}.{BASE}") == (f"acme.{BASE}", region)
        assert found(snapshot, f"acme.sip.{region}.example.test") == (f"acme.{BASE}", region)


def test_the_case_of_a_host_and_a_root_dot_do_not_matter() -> None:
    assert found(directory(), f"Acme.{BASE.upper()}.") == (f"acme.{BASE}", "us1")


@pytest.mark.parametrize(
    "host", [BASE, f"x.acme.{BASE}", f"other.{BASE}", "acme", f"acme.xx9.{BASE}", "192.0.2.1", ""]
)
def test_a_host_is_matched_whole_and_never_by_its_end(host: str) -> None:
    assert directory().find(host) is None


def test_a_sub_domain_routes_apart_from_its_higher_level_domain() -> None:
    snapshot = directory(domains=(domain("b"), domain("a.b")))
    assert found(snapshot, f"a.b.{BASE}") == (f"a.b.{BASE}", "us1")
    assert found(snapshot, f"a.b.de1.{BASE}") == (f"a.b.{BASE}", "de1")
    assert found(snapshot, f"b.{BASE}") == (f"b.{BASE}", "us1")


def test_a_static_address_is_found_in_any_spelling_of_it() -> None:
    rich = account(static_ip=True, interconnect=("10.9.0.0/24", "2001:db8:9::/64"))
    static = domain(static_ips=("10.9.0.5", "2001:db8:9::5"))
    snapshot = directory(accounts=(rich,), domains=(static,))
    for host in ("10.9.0.5", "2001:db8:9::5", "2001:DB8:9:0::5"):
        match = snapshot.find(host)
        assert match is not None
        assert match.static_ip in static.static_ips
    assert snapshot.find("::not-an-address") is None


def test_a_source_is_known_when_any_domain_uses_a_list_that_holds_it() -> None:
    unused = acl("198.51.100.0/24", sid=type(DALLAS)(stable_sid("AL", "unused")), name="Unused")
    snapshot = directory(ip_access_control_lists=(*resources().ip_access_control_lists, unused))
    assert snapshot.knows("203.0.113.9") is True
    assert snapshot.knows("198.51.100.9") is False


def test_several_credential_lists_may_share_a_user_name() -> None:
    second = CredentialListSid(stable_sid("CL", "second"))
    snapshot = directory(
        credential_lists=(credentials("sbc1"), credentials("sbc1", "sbc2", sid=second)),
        domains=(domain(credential_list_sids=(SBCS, second)),),
    )
    here = snapshot.resources.domains[0]
    assert len(snapshot.credentials(here, "sbc1")) == 2
    assert len(snapshot.credentials(here, "sbc2")) == 1
    assert snapshot.credentials(here, "nobody") == ()


def test_a_trunk_of_another_account_is_as_unknown_as_a_wrong_sid() -> None:
    snapshot = directory(accounts=(account(), account(OTHER)))
    assert snapshot.trunk_of(trunk().account_sid, TRUNK) == trunk()
    assert snapshot.trunk_of(OTHER, TRUNK) is None
    assert snapshot.trunk_of(trunk().account_sid, "BYwrong") is None


def test_outbound_calls_come_from_the_from_domain_of_the_trunk_or_the_base_domain() -> None:
    assert directory().from_host(trunk()) == BASE
    with_domain = trunk(from_domain_sid=domain().sid)
    assert directory(trunks=(with_domain,)).from_host(with_domain) == f"acme.{BASE}"


def test_a_trunk_leads_to_its_policy_or_to_none() -> None:
    snapshot = directory()
    held = snapshot.policy_of(trunk())
    assert held is not None
    assert held.sid == CARRIERS
    assert snapshot.policy_of(trunk(connection_policy_sid=None)) is None


def test_an_installation_starts_at_its_own_region() -> None:
    snapshot = directory(installation=replace(INSTALLATION, region="de1"))
    assert snapshot.region_order[:2] == ("de1", "ie1")
    assert found(snapshot, f"acme.{BASE}") == (f"acme.{BASE}", "de1")


def test_a_build_that_fails_names_every_problem_at_once() -> None:
    with pytest.raises(DirectoryProblems) as failed:
        directory(
            trunks=(trunk(connection_policy_sid="NYgone"),),
            connection_policies=(policy(target("sips:a.example"), target("sip:b", 65536, 0)),),
        )
    assert [problem.path[2:] for problem in failed.value.problems] == [
        ("connection_policy_sid",),
        ("targets", 0, "target"),
        ("targets", 1, "priority"),
        ("targets", 1, "weight"),
    ]


def test_a_snapshot_in_use_does_not_change_when_another_becomes_current() -> None:
    holder = Directories(directory())
    mine = holder.current
    lines = holder.replace(directory(domains=()))
    assert mine.find(f"acme.{BASE}") is not None
    assert holder.current.find(f"acme.{BASE}") is None
    assert holder.version == 2
    assert lines == [f"domains: {domain().sid} removed"]


CHANGED = {
    "accounts": (account(auth_token="the-new-token"),),
    "trunks": (trunk(ringing="relay", voice_url=None),),
    "ip_access_control_lists": (),
    "domains": (domain(ip_access_control_list_sids=()), domain("second", ip_access_control_list_sids=())),
}
IN_WORDS = [
    f"accounts: {account().sid} changed: auth_token",
    f"trunks: {TRUNK} changed: voice_url, ringing",
    f"domains: {domain('second').sid} added",
    f"domains: {domain().sid} changed: ip_access_control_list_sids",
    f"ip_access_control_lists: {DALLAS} removed",
]


def test_what_a_reload_changes_is_told_by_fields_and_never_by_a_value() -> None:
    holder = Directories(directory())
    assert holder.replace(directory(**CHANGED)) == IN_WORDS
    assert holder.replace(directory(**CHANGED)) == []


def test_a_reload_may_change_the_installation_too() -> None:
    holder = Directories(directory())
    elsewhere = replace(INSTALLATION, unknown_domain="404")
    lines = holder.replace(directory(**CHANGED, installation=elsewhere))
    assert lines == ["installation changed: unknown_domain", *IN_WORDS]
    assert holder.current.installation == elsewhere
