import pytest

from byoc_proxy.trunk.changes import Change, differences
from byoc_proxy.trunk.directory import Directory, DirectoryProblems
from tests.trunk.records import BASE, DALLAS, TRUNK, directory, domain, resources, trunk


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
