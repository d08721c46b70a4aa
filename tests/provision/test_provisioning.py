"""Rows of a database as a snapshot that calls read, on SQLite and on PostgreSQL."""

import pytest
from sqlalchemy.exc import IntegrityError

from byoc_proxy.storage.database import Database
from byoc_proxy.trunk.directory import DirectoryProblems
from tests.support.provisioned import (
    NOTHING,
    NOW,
    a_domain,
    a_trunk,
    a_whole_domain,
    an_account,
    changed,
    made,
    removed,
    started,
)
from tests.trunk.records import BASE

pytestmark = pytest.mark.store


async def test_what_is_written_is_in_force_when_the_write_ends(database: Database) -> None:
    provisioning = await started(database)
    domain = await a_whole_domain(provisioning, await an_account(provisioning))
    directory = provisioning.directories.current
    match = directory.find(f"acme.{BASE}")
    assert match is not None
    assert match.domain.sid == domain
    assert match.trunk is not None
    assert directory.knows("203.0.113.9")
    (ha1,) = directory.credentials(match.domain, "sbc1")
    assert (ha1.md5, ha1.sha256) == (bytes(16).hex(), bytes(range(32)).hex())
    policy = directory.policy_of(match.trunk)
    assert policy is not None
    (target,) = policy.targets
    assert (str(target.target), target.priority, target.weight, target.enabled) == (
        "sip:gw1.carrier.example",
        10,
        10,
        True,
    )


async def test_a_second_start_reads_what_the_first_one_wrote(database: Database) -> None:
    first = await started(database)
    account = await an_account(first)
    await a_whole_domain(first, account)
    second = await started(database)
    assert second.directories.current.resources == first.directories.current.resources
    assert second.directories.current.accounts[account].auth_token == f"token-of-{account}"


async def test_a_write_that_fails_changes_nothing(database: Database) -> None:
    provisioning = await started(database)
    account = await an_account(provisioning)
    before = provisioning.directories.current

    async def fails_on_the_way() -> None:
        async with provisioning.writing() as write:
            await made(write, "byoc_trunks", account_sid=account)
            raise RuntimeError("on the way")

    with pytest.raises(RuntimeError, match="on the way"):
        await fails_on_the_way()
    assert provisioning.directories.current is before
    assert (await started(database)).directories.current.trunks == {}


async def test_rows_that_do_not_fit_are_refused_and_rolled_back(database: Database) -> None:
    provisioning = await started(database)
    account = await an_account(provisioning)
    trunk = await a_trunk(provisioning, account)
    domain = await a_domain(provisioning, account, "acme", byoc_trunk_sid=trunk)
    with pytest.raises(DirectoryProblems, match=trunk):
        async with provisioning.writing() as write:
            await removed(write, "byoc_trunks", trunk)
    assert trunk in provisioning.directories.current.trunks
    async with provisioning.writing() as write:
        await changed(write, "domains", domain, byoc_trunk_sid=None)
        await removed(write, "byoc_trunks", trunk)
    assert provisioning.directories.current.trunks == {}


async def test_the_name_of_a_domain_is_taken_once(database: Database) -> None:
    provisioning = await started(database)
    account = await an_account(provisioning)
    await a_domain(provisioning, account, "acme")
    with pytest.raises(IntegrityError):
        await a_domain(provisioning, account, "acme")
    await a_domain(provisioning, account, "other")
    assert len(provisioning.directories.current.domains) == 2


async def test_a_write_knows_its_moment_and_the_snapshot_that_it_goes_onto(database: Database) -> None:
    provisioning = await started(database)
    async with provisioning.writing() as write:
        assert write.now == NOW
        assert write.directory is provisioning.directories.current


async def test_a_write_that_touches_nothing_leaves_the_snapshot_alone(database: Database) -> None:
    provisioning = await started(database, NOTHING)
    before = provisioning.directories.current
    async with provisioning.writing():
        pass
    assert provisioning.directories.current is before
