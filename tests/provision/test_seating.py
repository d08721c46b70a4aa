"""Rows of the database beside the configuration file: the file wins, and the rest goes on."""

from dataclasses import replace
from typing import Any

from byoc_proxy.provision.seating import Seating, move, reconsider, seat
from byoc_proxy.storage.revisions import Place
from byoc_proxy.trunk.changes import Change
from byoc_proxy.trunk.model import Account, AccountSid, Resources, SipDomain, SipDomainSid, stable_sid
from tests.trunk.records import (
    ACME,
    BASE,
    CARRIERS,
    DOMAIN,
    INSTALLATION,
    OTHER,
    TRUNK,
    account,
    domain,
    policy,
    resources,
    target,
    trunk,
)

FILE = resources()
ROW = Account(AccountSid(stable_sid("AC", "row")), "Row")


def sid(name: str) -> SipDomainSid:
    return SipDomainSid(stable_sid("SD", f"row {name}"))


def named(name: str, **fields: Any) -> SipDomain:
    """A domain of the database."""
    return SipDomain(sid(name), fields.pop("account_sid", ACME), f"{name}.{BASE}", **fields)


def rows(*records: Any) -> list[Change]:
    sections = {"AC": "accounts", "BY": "trunks", "SD": "domains", "NY": "connection_policies"}
    return [Change(sections[record.sid[:2]], record.sid, record) for record in records]


def domains(seating: Seating) -> set[str]:
    return {each.domain_name.removesuffix(f".{BASE}") for each in seating.directory.domains.values()}


def test_what_fits_stands_beside_what_the_file_declares() -> None:
    seating = seat(FILE, rows(ROW, named("shop", account_sid=ROW.sid), named("store", byoc_trunk_sid=TRUNK)))
    assert domains(seating) == {"acme", "shop", "store"}
    assert seating.left_out == {}


def test_a_name_that_the_file_declares_is_the_files() -> None:
    clashing = SipDomain(sid("x"), ACME, f"acme.{BASE}")
    seating = seat(FILE, rows(clashing, named("shop")))
    assert domains(seating) == {"acme", "shop"}
    assert seating.directory.domains[DOMAIN] == domain()
    assert "already exists" in seating.reasons[Place("domains", sid("x"))]


def test_a_sid_that_the_file_declares_is_the_files() -> None:
    seating = seat(FILE, rows(replace(trunk(), friendly_name="of the database")))
    assert seating.directory.trunks[TRUNK].friendly_name == "Acme Trunk"
    assert seating.reasons == {Place("trunks", TRUNK): "the configuration file declares this SID"}


def test_a_row_whose_reference_has_left_the_file_is_left_out_and_the_others_are_not() -> None:
    foreign = named("shop", byoc_trunk_sid=stable_sid("BY", "gone"))
    seating = seat(FILE, rows(foreign, named("store")))
    assert domains(seating) == {"acme", "store"}
    assert f"there is no {stable_sid('BY', 'gone')}" in seating.reasons[Place("domains", sid("shop"))]


def test_what_refers_to_a_row_that_is_left_out_is_left_out_too() -> None:
    orphan = Account(
        AccountSid(stable_sid("AC", "orphan")), "Orphan", parent_sid=AccountSid(stable_sid("AC", "no"))
    )
    higher = named("shop", account_sid=orphan.sid)
    lower = SipDomain(sid("lower"), ACME, f"a.shop.{BASE}")
    seating = seat(FILE, rows(orphan, higher, lower, named("store")))
    assert domains(seating) == {"acme", "store"}
    assert set(seating.left_out) == {
        Place("accounts", orphan.sid),
        Place("domains", higher.sid),
        Place("domains", lower.sid),
    }


def test_a_domain_whose_name_is_a_target_of_the_file_is_left_out_and_not_the_file() -> None:
    called = policy(target(f"sip:shop.us1.{BASE}"))
    seating = seat(replace(FILE, connection_policies=(called,)), rows(named("shop"), named("store")))
    assert domains(seating) == {"acme", "store"}
    assert "calls would loop" in seating.reasons[Place("domains", sid("shop"))]


def test_a_file_with_nothing_but_the_installation_takes_all_rows() -> None:
    seating = seat(Resources(INSTALLATION), rows(ROW, named("shop", account_sid=ROW.sid)))
    assert domains(seating) == {"shop"}


def test_a_change_of_others_that_does_not_fit_here_is_left_out_and_the_rest_of_it_taken() -> None:
    before = seat(FILE, rows(named("shop")))
    clashing = SipDomain(sid("x"), ACME, f"acme.{BASE}")
    after = move(before, rows(clashing, named("store")), FILE)
    assert domains(after) == {"acme", "shop", "store"}
    assert set(after.left_out) == {Place("domains", sid("x"))}


def test_a_change_that_is_left_out_takes_the_old_row_away() -> None:
    """What others have in force no longer is not kept here as if it were."""
    before = seat(FILE, rows(named("shop")))
    renamed = replace(named("shop"), domain_name=f"acme.{BASE}")
    assert domains(move(before, rows(renamed), FILE)) == {"acme"}


def test_the_removal_of_what_others_here_refer_to_leaves_those_out() -> None:
    before = seat(FILE, rows(ROW, named("shop", account_sid=ROW.sid)))
    after = move(before, [Change("accounts", ROW.sid, None)], FILE)
    assert domains(after) == {"acme"}
    assert "there is no account" in after.reasons[Place("domains", sid("shop"))]


def test_a_change_of_what_the_file_declares_is_left_out() -> None:
    before = seat(FILE, [])
    after = move(before, rows(replace(trunk(), friendly_name="of the database")), FILE)
    assert after.directory.trunks[TRUNK].friendly_name == "Acme Trunk"
    assert set(after.left_out) == {Place("trunks", TRUNK)}
    gone = move(after, [Change("trunks", TRUNK, None)], FILE)
    assert gone.left_out == {}
    assert TRUNK in gone.directory.trunks


def test_what_was_left_out_is_taken_in_when_it_fits() -> None:
    before = seat(FILE, rows(named("shop", account_sid=ROW.sid), SipDomain(sid("lower"), ACME, f"a.shop.{BASE}")))
    assert len(before.left_out) == 2
    after = move(before, rows(ROW), FILE)
    assert domains(after) == {"acme", "shop"}
    assert set(after.left_out) == {Place("domains", sid("lower"))}, "its higher domain is another account's"


def test_what_still_does_not_fit_stays_left_out_with_its_reason() -> None:
    before = seat(FILE, rows(named("shop", account_sid=OTHER)))
    assert reconsider(before) == before


def test_targets_and_policies_of_the_database_serve_trunks_of_the_file() -> None:
    seating = seat(replace(FILE, connection_policies=()), rows(policy()))
    assert set(seating.directory.connection_policies) == {CARRIERS}
    assert account() in seating.directory.accounts.values()
