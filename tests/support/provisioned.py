"""Rows as an API would write them, through the door of a `Provisioning`."""

import asyncio
import contextlib
from collections.abc import AsyncIterator
from typing import Any

from sqlalchemy import delete, insert, update

from byoc_proxy.provision.provisioning import Provisioning
from byoc_proxy.provision.write import Write
from byoc_proxy.storage import tables
from byoc_proxy.storage.database import Database
from byoc_proxy.storage.rows import CALLS_ADDRESSES, CALLS_CREDENTIALS
from byoc_proxy.storage.vault import Vault, new_sid
from byoc_proxy.trunk.model import Resources
from tests.support.databases import Log
from tests.trunk.records import BASE, INSTALLATION

VAULT = Vault(bytes(32))
NOTHING = Resources(INSTALLATION)
NOW = 1_700_000_000

_SECTIONS = {"byoc_trunks": "trunks"}  # tables whose section is named otherwise
_INSIDE = {
    "ip_addresses": ("ip_access_control_lists", "ip_access_control_list_sid"),
    "credentials": ("credential_lists", "credential_list_sid"),
    "targets": ("connection_policies", "connection_policy_sid"),
    "source_ip_mappings": ("domains", "sip_domain_sid"),
}
_PREFIXES = {
    "accounts": "AC",
    "byoc_trunks": "BY",
    "domains": "SD",
    "ip_access_control_lists": "AL",
    "ip_addresses": "IP",
    "credential_lists": "CL",
    "credentials": "CR",
    "connection_policies": "NY",
    "targets": "NE",
    "twiml_bins": "EH",
    "applications": "AP",
    "ip_records": "IL",
    "source_ip_mappings": "IB",
}


async def started(database: Database, declared: Resources = NOTHING, log: Log | None = None) -> Provisioning:
    return await Provisioning.start(database, VAULT, declared, lambda: float(NOW), log or Log())


async def made(write: Write, table: str, **values: Any) -> str:
    """Insert a row with a new SID; its SID."""
    sid = values.pop("sid", None) or new_sid(_PREFIXES[table])
    if table == "accounts":
        values = {"auth_token": VAULT.seal("token-of-" + sid, sid), **values}
    dates = {"date_created": write.now, "date_updated": write.now}
    await write.connection.execute(insert(tables.metadata.tables[table]).values(sid=sid, **dates, **values))
    _touch(write, table, sid, values)
    return sid


async def changed(write: Write, table: str, sid: str, **values: Any) -> None:
    rows = tables.metadata.tables[table]
    await write.connection.execute(update(rows).where(rows.c.sid == sid).values(**values))
    write.touch(_SECTIONS.get(table, table), sid)


async def removed(write: Write, table: str, sid: str) -> None:
    rows = tables.metadata.tables[table]
    await write.connection.execute(delete(rows).where(rows.c.sid == sid))
    write.touch(_SECTIONS.get(table, table), sid)


async def mapped(write: Write, kind: str, domain: str, sid: str, account: str) -> None:
    await write.connection.execute(
        insert(tables.domain_mappings).values(
            domain_sid=domain, kind=kind, sid=sid, account_sid=account, date_created=NOW, date_updated=NOW
        )
    )
    write.touch("domains", domain)


async def an_account(provisioning: Provisioning, **values: Any) -> str:
    async with provisioning.writing() as write:
        return await made(write, "accounts", friendly_name="Acme", **values)


async def a_trunk(provisioning: Provisioning, account: str, **values: Any) -> str:
    async with provisioning.writing() as write:
        return await made(write, "byoc_trunks", account_sid=account, **values)


async def a_domain(provisioning: Provisioning, account: str, name: str, **values: Any) -> str:
    async with provisioning.writing() as write:
        return await made(write, "domains", account_sid=account, domain_name=f"{name}.{BASE}", **values)


async def a_whole_domain(provisioning: Provisioning, account: str, name: str = "acme") -> str:
    """A domain with a trunk, a policy, an access control list and a credential list, all in one write."""
    owned = {"account_sid": account}
    async with provisioning.writing() as write:
        policy = await made(write, "connection_policies", friendly_name="Carriers", **owned)
        uri = "sip:gw1.carrier.example"
        await made(write, "targets", connection_policy_sid=policy, friendly_name="gw1", target=uri, **owned)
        trunk = await made(write, "byoc_trunks", voice_url="https://a.test/", connection_policy_sid=policy, **owned)
        domain = await made(write, "domains", domain_name=f"{name}.{BASE}", byoc_trunk_sid=trunk, **owned)
        acl = await made(write, "ip_access_control_lists", friendly_name="Dallas", **owned)
        network = {"ip_address": "203.0.113.8", "cidr_prefix_length": 30}
        await made(write, "ip_addresses", ip_access_control_list_sid=acl, friendly_name="SBC", **network, **owned)
        users = await made(write, "credential_lists", friendly_name="SBCs", **owned)
        hashes = {"ha1_md5": bytes(16), "ha1_sha256": bytes(range(32))}
        await made(write, "credentials", credential_list_sid=users, username="sbc1", **hashes, **owned)
        await mapped(write, CALLS_ADDRESSES, domain, acl, account)
        await mapped(write, CALLS_CREDENTIALS, domain, users, account)
        return domain


@contextlib.asynccontextmanager
async def following(provisioning: Provisioning) -> AsyncIterator[None]:
    async with asyncio.TaskGroup() as group:
        task = group.create_task(provisioning.follow())
        yield
        task.cancel()


def _touch(write: Write, table: str, sid: str, values: dict[str, Any]) -> None:
    if table in _INSIDE:
        section, column = _INSIDE[table]
        write.touch(section, values[column])
    elif table != "ip_records":
        write.touch(_SECTIONS.get(table, table), sid)
