"""A reload of the configuration file on a node that has a database: both go together, or nothing changes."""

from dataclasses import replace

import pytest

from byoc_proxy.storage.database import Database
from byoc_proxy.trunk.directory import Directory, DirectoryProblems
from byoc_proxy.trunk.model import Resources
from tests.support.databases import Log
from tests.support.provisioned import NOTHING, a_domain, a_trunk, a_whole_domain, an_account, started
from tests.trunk.records import ACME, BASE, INSTALLATION, TRUNK, domain, resources, trunk

pytestmark = pytest.mark.store

FILE = resources()


async def test_a_reload_changes_what_the_file_says_and_leaves_the_rows(database: Database) -> None:
    provisioning = await started(database, FILE)
    row = await a_domain(provisioning, ACME, "shop", byoc_trunk_sid=TRUNK)
    told: list[Directory] = []
    provisioning.directories.follow(told.append)
    renamed = replace(FILE, trunks=(trunk(friendly_name="New name"),))
    assert await provisioning.redeclare(renamed) == [f"trunks: {TRUNK} changed: friendly_name"]
    assert [directory.trunks[TRUNK].friendly_name for directory in told] == ["New name"]
    assert row in told[0].domains
    assert provisioning.declared is renamed
    assert provisioning.is_declared(TRUNK)


async def test_a_reload_without_what_a_row_refers_to_is_refused_as_a_whole(database: Database) -> None:
    provisioning = await started(database, FILE)
    await a_domain(provisioning, ACME, "shop", byoc_trunk_sid=TRUNK)
    before = provisioning.directories.current
    without = replace(FILE, trunks=(), domains=(domain(byoc_trunk_sid=None),))
    with pytest.raises(DirectoryProblems, match=f"shop.{BASE}"):
        await provisioning.redeclare(without)
    assert provisioning.directories.current is before
    assert provisioning.declared is FILE


async def test_a_reload_that_takes_the_name_or_the_sid_of_a_row_is_refused(database: Database) -> None:
    provisioning = await started(database, FILE)
    shop = await a_domain(provisioning, ACME, "shop")
    named = replace(FILE, domains=(*FILE.domains, domain("shop")))
    with pytest.raises(DirectoryProblems, match="already exists"):
        await provisioning.redeclare(named)
    pinned = replace(FILE, domains=(*FILE.domains, domain("other", sid=shop)))
    with pytest.raises(DirectoryProblems, match=f"{shop} is the SID of a row in the database"):
        await provisioning.redeclare(pinned)
    assert provisioning.declared is FILE


async def test_a_row_that_was_left_out_comes_back_with_what_it_refers_to(database: Database) -> None:
    provisioning = await started(database, FILE)
    shop = await a_domain(provisioning, ACME, "shop", byoc_trunk_sid=TRUNK)
    log = Log()
    without = replace(FILE, trunks=(), domains=(domain(byoc_trunk_sid=None),))
    again = await started(database, without, log)
    assert [facts["sid"] for facts in log.of("provision.left_out")] == [shop]
    assert shop not in again.directories.current.domains
    await again.redeclare(FILE)
    assert shop in again.directories.current.domains
    assert [facts["sid"] for facts in log.of("provision.no_longer_left_out")] == [shop]


async def test_what_is_left_out_can_be_put_right_by_a_write(database: Database) -> None:
    provisioning = await started(database, FILE)
    await a_domain(provisioning, ACME, "shop.acme")
    again = await started(database, replace(FILE, domains=()))
    assert again.directories.current.domains == {}
    await a_domain(again, ACME, "acme")
    assert {each.domain_name for each in again.directories.current.domains.values()} == {
        f"acme.{BASE}",
        f"shop.acme.{BASE}",
    }


async def test_another_installation_is_judged_against_all_rows(database: Database) -> None:
    provisioning = await started(database, NOTHING)
    account = await an_account(provisioning)
    await a_whole_domain(provisioning, account)
    elsewhere = replace(INSTALLATION, base_domain="sip.other.test")
    with pytest.raises(DirectoryProblems, match=r"must end in \.sip\.other\.test"):
        await provisioning.redeclare(Resources(elsewhere))
    assert provisioning.directories.current.installation == INSTALLATION
    stricter = replace(INSTALLATION, unknown_domain="404")
    assert await provisioning.redeclare(Resources(stricter)) == ["installation changed: unknown_domain"]
    match = provisioning.directories.current.find(f"acme.{BASE}")
    assert match is not None
    assert provisioning.directories.current.installation == stricter


async def test_what_the_file_declares_is_changed_by_nobody_else(database: Database) -> None:
    provisioning = await started(database, FILE)
    trunk_sid = await a_trunk(provisioning, ACME)
    assert not provisioning.is_declared(trunk_sid)
    async with provisioning.writing() as write:
        with pytest.raises(ValueError, match="declared in the configuration file"):
            write.touch("trunks", TRUNK)
        with pytest.raises(ValueError, match="is no section of the resources"):
            write.touch("byoc_trunks", trunk_sid)
