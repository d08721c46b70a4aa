"""Rows become records: all of a section in a few statements, or some of it, in the order of their making."""

import pytest
from sqlalchemy import Connection, event, update

from byoc_proxy.storage import tables
from byoc_proxy.storage.database import Database
from byoc_proxy.storage.errors import UnusableDatabase
from byoc_proxy.storage.rows import CALLS_ADDRESSES, CALLS_CREDENTIALS, RowReader
from byoc_proxy.trunk.changes import SECTIONS
from byoc_proxy.trunk.model import Resources
from tests.support.databases import Log
from tests.support.provisioned import (
    NOTHING,
    VAULT,
    a_domain,
    a_trunk,
    a_whole_domain,
    an_account,
    made,
    mapped,
    started,
)
from tests.trunk.records import BASE, INSTALLATION

pytestmark = pytest.mark.store


def statements(database: Database) -> list[str]:
    """Every SELECT from now on."""
    seen: list[str] = []

    def note(_: Connection, __: object, statement: str, *___: object) -> None:
        if statement.startswith("SELECT"):
            seen.append(statement)

    event.listen(database.engine.sync_engine, "before_cursor_execute", note)
    return seen


async def test_all_rows_are_read_in_a_number_of_statements_that_does_not_grow(database: Database) -> None:
    provisioning = await started(database)
    account = await an_account(provisioning)
    counts = []
    for turn in range(2):
        for name in range(5):
            await a_whole_domain(provisioning, account, f"d{turn}{name}")
        seen = statements(database)
        await started(database)
        counts.append(len(seen))
    assert counts[0] == counts[1] < 40


async def test_inner_rows_come_in_the_order_of_their_making(database: Database) -> None:
    provisioning = await started(database)
    account = await an_account(provisioning)
    owned = {"account_sid": account}
    async with provisioning.writing() as write:
        lists = [await made(write, "ip_access_control_lists", friendly_name=str(n), **owned) for n in range(5)]
        users = [await made(write, "credential_lists", friendly_name=str(n), **owned) for n in range(5)]
        for host in (9, 3, 7, 1):
            network = {"ip_address": f"203.0.113.{host}", "cidr_prefix_length": 32}
            await made(write, "ip_addresses", ip_access_control_list_sid=lists[0], **network, **owned)
        domain = await made(write, "domains", domain_name=f"acme.{BASE}", **owned)
        for place in (3, 0, 4, 2):
            await mapped(write, CALLS_ADDRESSES, domain, lists[place], account)
            await mapped(write, CALLS_CREDENTIALS, domain, users[place], account)
            await mapped(write, "registrations_credential_lists", domain, users[place], account)
    for node in (provisioning, await started(database)):
        directory = node.directories.current
        row = directory.domains[domain]
        assert row.ip_access_control_list_sids == tuple(lists[place] for place in (3, 0, 4, 2))
        assert row.credential_list_sids == tuple(users[place] for place in (3, 0, 4, 2))
        (acl,) = (each for each in directory.resources.ip_access_control_lists if each.sid == lists[0])
        assert [entry.cidr for entry in acl.addresses] == [f"203.0.113.{host}/32" for host in (9, 3, 7, 1)]


async def test_a_static_address_is_the_ip_record_that_is_mapped_to_the_domain(database: Database) -> None:
    """S60: the address of an IP record counts once a source IP mapping leads to the domain."""
    provisioning = await started(database)
    account = await an_account(provisioning, static_ip=True, interconnect=["10.9.0.0/24"])
    domain = await a_domain(provisioning, account, "acme")
    async with provisioning.writing() as write:
        record = await made(write, "ip_records", account_sid=account, ip_address="10.9.0.5", cidr_prefix_length=32)
        assert write.directory.find("10.9.0.5") is None
        names = {"ip_record_sid": record, "sip_domain_sid": domain}
        await made(write, "source_ip_mappings", account_sid=account, **names)
    match = provisioning.directories.current.find("10.9.0.5")
    assert match is not None
    assert match.domain.sid == domain


async def test_a_suspended_account_is_read_as_such(database: Database) -> None:
    provisioning = await started(database)
    account = await an_account(provisioning, status="suspended")
    assert provisioning.directories.current.accounts[account].status == "suspended"


async def test_a_row_that_makes_no_sense_is_left_out_and_the_others_are_read(database: Database) -> None:
    provisioning = await started(database)
    account, broken = await an_account(provisioning), await an_account(provisioning)
    await a_whole_domain(provisioning, account)
    await a_trunk(provisioning, account)
    async with database.writing() as connection:  # as no program of ours would
        await connection.execute(update(tables.targets).values(target="not a URI"))
        accounts = tables.accounts
        await connection.execute(update(accounts).where(accounts.c.sid == broken).values(auth_token=b"\x01damaged"))
    log = Log()
    again = await started(database, log=log)
    assert {facts["section"] for facts in log.of("provision.unreadable")} == {"accounts", "connection_policies"}
    left_out = {facts["section"]: facts["reason"] for facts in log.of("provision.left_out")}
    assert set(left_out) == {"trunks", "domains"}
    assert "there is no NY" in left_out["trunks"]
    directory = again.directories.current
    assert set(directory.accounts) == {account}
    assert len(directory.trunks) == 1


async def test_many_rows_are_asked_for_in_portions(database: Database, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("byoc_proxy.storage.rows._MOST_AT_ONCE", 2)
    provisioning = await started(database)
    account = await an_account(provisioning)
    sids = [await a_trunk(provisioning, account) for _ in range(5)]
    async with database.reading() as connection:
        reader = RowReader(connection, VAULT)
        assert {record.sid for record in await reader.read("trunks", sids)} == set(sids)
        assert [len(await reader.read(section, [])) for section in SECTIONS] == [0] * len(SECTIONS)


async def test_credentials_for_another_realm_are_noticed_before_everybody_is_refused(database: Database) -> None:
    elsewhere = Resources(INSTALLATION.__class__(BASE, "other.test", "us1", INSTALLATION.regions))
    provisioning = await started(database)
    await started(database, elsewhere)  # nobody has a password yet
    provisioning = await started(database, NOTHING)
    await a_whole_domain(provisioning, await an_account(provisioning))
    with pytest.raises(UnusableDatabase, match=f"made for the digest realm '{BASE}'.*write `realm: {BASE}`"):
        await started(database, elsewhere)
