from collections.abc import Iterator
from typing import Any

import pytest

from byoc_proxy.trunk import list_checks
from byoc_proxy.trunk.changes import SECTIONS, Change, differences
from byoc_proxy.trunk.checks import Rules
from byoc_proxy.trunk.directory import Directory, DirectoryProblems
from byoc_proxy.trunk.findings import Finding
from byoc_proxy.trunk.model import CredentialListSid, IpAccessControlListSid
from byoc_proxy.trunk.networks import Network, read_network
from tests.trunk.records import (
    BASE,
    CARRIERS,
    DALLAS,
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


def test_the_differences_of_two_sets_of_rows_make_the_one_of_the_other() -> None:
    old = resources()
    new = resources(domains=(domain("second"),), trunks=(trunk(ringing="relay"),))
    changes = differences(old, new)
    assert changes == [
        Change("trunks", TRUNK, trunk(ringing="relay")),
        Change("domains", domain().sid, None),
        Change("domains", domain("second").sid, domain("second")),
    ]
    assert Directory.build(old).changed(changes).resources == new
    assert differences(new, new) == []


def test_a_change_is_in_the_new_snapshot_and_not_in_the_old_one() -> None:
    before = directory()
    after = before.changed([Change("domains", domain("second").sid, domain("second"))])
    assert before.find(f"second.{BASE}") is None
    assert after.find(f"second.{BASE}") is not None


def test_changes_that_need_each_other_are_judged_together() -> None:
    b, a_b = domain("b"), domain("a.b")
    after = directory().changed([Change("domains", a_b.sid, a_b), Change("domains", b.sid, b)])
    assert after.find(f"a.b.{BASE}") is not None


def test_a_change_that_does_not_fit_is_refused_and_leaves_the_snapshot_alone() -> None:
    before = directory()
    with pytest.raises(DirectoryProblems):
        before.changed([Change("ip_access_control_lists", DALLAS, None)])
    assert before.knows("203.0.113.9")


def test_removing_what_is_not_there_changes_nothing() -> None:
    before = directory()
    assert differences(before.resources, before.changed([Change("trunks", "BYnone", None)]).resources) == []


# --- what a change costs: work, not time ---------------------------------------------------------------------

MANY = 300


def large() -> Directory:
    """Many domains, each with a list of either kind of its own."""
    lists = [IpAccessControlListSid(f"AL{at}") for at in range(MANY)]
    users = [CredentialListSid(f"CL{at}") for at in range(MANY)]
    return directory(
        domains=tuple(
            domain(f"d{at}", ip_access_control_list_sids=(lists[at],), credential_list_sids=(users[at],))
            for at in range(MANY)
        ),
        ip_access_control_lists=tuple(acl(f"10.{at >> 8}.{at & 255}.1", sid=lists[at]) for at in range(MANY)),
        credential_lists=tuple(credentials(f"user{at}", sid=users[at]) for at in range(MANY)),
    )


def compiled(snapshot: Directory) -> dict[str, object]:
    """The compiled access control list of each domain, by name."""
    found = {name: snapshot.find(f"{name}.{BASE}") for name in (f"d{at}" for at in range(MANY))}
    return {name: match.sources[0] for name, match in found.items() if match is not None}


CHEAP = {
    "an address more": Change(
        "ip_access_control_lists", "AL7", acl("10.0.7.1", "10.0.7.2", sid=IpAccessControlListSid("AL7"))
    ),
    "another password": Change("credential_lists", "CL7", credentials("user7", sid=CredentialListSid("CL7"))),
    "a new domain": Change(
        "domains", domain("new").sid, domain("new", ip_access_control_list_sids=(), credential_list_sids=())
    ),
    "a domain less": Change("domains", domain("d7").sid, None),
    "another voice url": Change("trunks", TRUNK, trunk(voice_url="https://other.example/")),
    "a suspended account": Change("accounts", account().sid, account(status="suspended")),
    "another target": Change("connection_policies", CARRIERS, policy(target("sip:c.example"))),
}


@pytest.mark.parametrize("change", CHEAP.values(), ids=CHEAP.keys())
def test_a_change_judges_its_row_alone_and_compiles_nothing_else(
    change: Change, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = large()
    judged, read = [], []
    judge = Rules.judge

    def noted(rules: Rules, section: str, row: Any) -> Iterator[Finding]:
        judged.append((section, row.sid))
        return judge(rules, section, row)

    def read_and_noted(cidr: str) -> Network:
        read.append(cidr)
        return read_network(cidr)

    monkeypatch.setattr(Rules, "judge", noted)
    monkeypatch.setattr(list_checks, "read_network", read_and_noted)
    after = before.changed([change])
    assert judged == ([(change.section, change.sid)] if change.row is not None else [])
    assert read == (["10.0.7.1", "10.0.7.2"] if change.section == "ip_access_control_lists" else [])
    old, new = compiled(before), compiled(after)
    touched = {"d7"} if change.sid in ("AL7", domain("d7").sid) else set()
    assert {name for name in old if new.get(name) is not old[name]} == touched
    sections = {section for section in SECTIONS if after.section(section) is not before.section(section)}
    assert sections == {change.section}


def test_a_change_of_an_account_judges_only_those_of_its_domains_that_depend_on_it(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    rich = account(static_ip=True, interconnect=("10.9.0.0/24",))
    static = domain("static", static_ips=("10.9.0.5",))
    before = large().changed(
        [
            Change("ip_access_control_lists", DALLAS, acl("203.0.113.8/30")),
            Change("credential_lists", SBCS, credentials("sbc1")),
            Change("accounts", rich.sid, rich),
            Change("domains", static.sid, static),
            Change("domains", domain("a.d1").sid, domain("a.d1")),
        ]
    )
    judged = []
    judge = Rules.judge

    def noted(rules: Rules, section: str, row: Any) -> Iterator[Finding]:
        judged.append(row.sid)
        return judge(rules, section, row)

    monkeypatch.setattr(Rules, "judge", noted)
    wider = account(static_ip=True, interconnect=("10.9.0.0/16",))
    before.changed([Change("accounts", rich.sid, wider)])
    assert judged == [rich.sid, static.sid, domain("a.d1").sid]
