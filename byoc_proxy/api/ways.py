"""What single resources do in a way of their own: the hooks of `api.catalogue` (see `resource.Ways`).

What calls depend on is judged by the directory when a write is committed; here is only what it cannot know.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

import netaddr
from sqlalchemy import func, select

from byoc_proxy.api.errors import CONFLICT, INVALID_PARAMETER, INVALID_SID, ApiError, Fault, bad_request
from byoc_proxy.sip.digest import Ha1
from byoc_proxy.storage import tables
from byoc_proxy.storage.vault import hashed_secret, new_secret, new_sid, new_token
from byoc_proxy.trunk.networks import read_network

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Mapping, Sequence

    from sqlalchemy import Table

    from byoc_proxy.api.resource import Row
    from byoc_proxy.api.scope import Scope
    from byoc_proxy.provision.provisioning import Write
    from byoc_proxy.trunk.directory import Directory

DEFAULT_LENGTH: Final = {4: 32, 6: 128}
_MOST_NAMED: Final = 3  # calls: each of them is soon over


# --- accounts and keys ------------------------------------------------------------------------------------------


async def account(write: Write, scope: Scope, values: Row, before: Row | None) -> Row:
    """A sub-account of the one that asks, with a token; or its new name or status."""
    if before is not None:
        if before["sid"] == scope.principal.sid and values.get("status", before["status"]) != before["status"]:
            raise ApiError(403, 20006, "An account does not change its own status; ask with its parent's token")
        if before["status"] == "closed" and values.get("status", "closed") != "closed":
            raise bad_request([Fault("Status", INVALID_PARAMETER, "A closed account is never opened again")])
        return values
    if scope.principal.parent_sid is not None:
        raise ApiError(403, 20006, "A sub-account has no sub-accounts of its own; ask with its parent's token")
    sid = new_sid("AC")
    return {**values, "sid": sid, "parent_sid": scope.principal.sid, "auth_token": write.seal(new_token(), sid)}


def account_facts(row: Row, directory: Directory) -> Mapping[str, object]:
    found = directory.accounts.get(row["sid"])
    return {
        "type": "Full",
        "owner_account_sid": row["parent_sid"] or row["sid"],
        "auth_token": found.auth_token if found is not None else None,
    }


async def key(write: Write, _: Scope, values: Row, before: Row | None) -> Row:
    """A secret that only this answer shows; what is kept is its hash."""
    if before is not None:
        return values
    secret = new_secret()
    return {**values, "secret_hash": hashed_secret(secret), "secret": secret}


# --- domains ----------------------------------------------------------------------------------------------------


async def domain(_: Write, __: Scope, values: Row, ___: Row | None) -> Row:
    """Names of hosts have no case. What is not ASCII stays, to be refused: some of it grows in lower case."""
    name = values.get("domain_name", "")
    return {**values, "domain_name": name.lower().rstrip(".")} if name.isascii() and name else values


def domain_facts(row: Row, directory: Directory) -> Mapping[str, object]:
    """`auth_type` by what is mapped for calls; `warnings` (ours) say why no call comes in, and what is unwise."""
    found = directory.domains.get(row["sid"])
    if found is None:
        return {"auth_type": "", "warnings": []}
    kinds = {"CREDENTIAL_LIST": found.credential_list_sids, "IP_ACL": found.ip_access_control_list_sids}
    warnings = [finding.text for finding in directory.warnings_of("domains", row["sid"])]
    return {"auth_type": ",".join(kind for kind, sids in kinds.items() if sids), "warnings": warnings}


async def users_of_domain(write: Write, row: Row) -> Sequence[str]:
    """Static addresses that lead to it, and the calls that came in by it and are still up, on whatever node."""
    table, calls = tables.source_ip_mappings, tables.calls
    mapped = await write.connection.scalars(select(table.c.sid).where(table.c.sip_domain_sid == row["sid"]))
    users = [f"source IP mapping {sid}" for sid in mapped]
    live = (calls.c.domain_sid == row["sid"]) & calls.c.end_time.is_(None)
    count = await write.connection.scalar(select(func.count()).select_from(calls).where(live)) or 0
    named = await write.connection.scalars(select(calls.c.sid).where(live).order_by(calls.c.id).limit(_MOST_NAMED))
    users += [f"live call {sid}" for sid in named]
    return [*users, f"{count - _MOST_NAMED} more live calls"] if count > _MOST_NAMED else users


def mapping(listed: Table) -> Callable[[Write, Scope, Row, Row | None], Awaitable[Row]]:
    """The list must be one of the account's own: it is looked up here because registrations need no directory."""
    section = listed.name

    async def prepare(write: Write, scope: Scope, values: Row, _: Row | None) -> Row:
        found = write.directory.section(section).get(values["sid"])
        if found is None or getattr(found, "account_sid", None) != scope.account.sid:
            raise bad_request([Fault("", INVALID_SID, f"There is no {values['sid']} in this account")])
        return values

    return prepare


def mapping_facts(section: str) -> Callable[[Row, Directory], Mapping[str, object]]:
    """A mapping bears the name of its list."""

    def facts(row: Row, directory: Directory) -> Mapping[str, object]:
        found = directory.section(section).get(row["sid"])
        return {"friendly_name": getattr(found, "friendly_name", "")}

    return facts


# --- lists ------------------------------------------------------------------------------------------------------


def unique_list_name(table: Table, code: int) -> Callable[[Write, Scope, Row, Row | None], Awaitable[Row]]:
    """No two lists of an account have one name (contract 1.6)."""

    async def prepare(write: Write, scope: Scope, values: Row, before: Row | None) -> Row:
        name = values.get("friendly_name")
        query = select(table.c.sid).where(table.c.account_sid == scope.account.sid, table.c.friendly_name == name)
        found = await write.connection.scalar(query)
        if name is not None and found is not None and (before is None or found != before["sid"]):
            raise bad_request([Fault("FriendlyName", code, f"{found} is called {name!r} already")])
        return values

    return prepare


async def ip_address(_: Write, __: Scope, values: Row, before: Row | None) -> Row:
    """A range by its address and the length of its prefix: the whole address when none is given."""
    merged: dict[str, Any] = {**(before or {}), **values}
    length = merged.get("cidr_prefix_length")
    if "ip_address" not in values and "cidr_prefix_length" not in values:
        return values
    whole = DEFAULT_LENGTH[netaddr.IPAddress(merged["ip_address"]).version]
    if length is None or (before is not None and "cidr_prefix_length" not in values and length > whole):
        length = whole
    if length > whole:
        raise bad_request([Fault("CidrPrefixLength", 21238, f"CidrPrefixLength must be from 0 to {whole}")])
    return {**values, "cidr_prefix_length": length}


async def credential(write: Write, _: Scope, values: Row, before: Row | None) -> Row:
    """A password is hashed and forgotten."""
    if "password" not in values:
        return values
    password = values.pop("password")
    username = before["username"] if before is not None else values["username"]
    ha1 = Ha1.of(username, write.directory.installation.realm, password)
    return {**values, "ha1_md5": bytes.fromhex(ha1.md5), "ha1_sha256": bytes.fromhex(ha1.sha256)}


async def users_of_credential_list(write: Write, row: Row) -> Sequence[str]:
    """Domains that have it for registrations: no call needs it, so the directory does not know them."""
    table = tables.domain_mappings
    query = select(table.c.domain_sid).where(
        table.c.sid == row["sid"], table.c.kind == "registrations_credential_lists"
    )
    return [f"registrations of domain {sid}" for sid in await write.connection.scalars(query)]


# --- static addresses -------------------------------------------------------------------------------------------


async def ip_record(_: Write, scope: Scope, values: Row, before: Row | None) -> Row:
    """One address of ours on a private interconnect of the account (page: "must be a subset")."""
    if before is not None:
        return values
    account, address = scope.account, values["ip_address"]
    network = read_network(address)
    whole = DEFAULT_LENGTH[network.version]
    faults = []
    if values["cidr_prefix_length"] not in (None, whole):
        faults.append(
            Fault("CidrPrefixLength", INVALID_PARAMETER, f"CidrPrefixLength must be {whole}: one address")
        )
    if not account.static_ip:
        text = "Static addresses are off for this account; whoever runs this installation can turn them on"
        faults.append(Fault("IpAddress", INVALID_PARAMETER, text))
    elif not any(read_network(cidr).contains(network) for cidr in account.interconnect):
        text = f"IpAddress {address} is outside the interconnect ranges of the account"
        faults.append(Fault("IpAddress", INVALID_PARAMETER, text))
    if faults:
        raise bad_request(faults)
    return {**values, "cidr_prefix_length": whole}


async def users_of_ip_record(write: Write, row: Row) -> Sequence[str]:
    table = tables.source_ip_mappings
    found = await write.connection.scalars(select(table.c.sid).where(table.c.ip_record_sid == row["sid"]))
    return [f"source IP mapping {sid}" for sid in found]


async def source_ip_mapping(write: Write, scope: Scope, values: Row, before: Row | None) -> Row:
    """A record and a domain, both of this account."""
    if before is None:
        table = tables.ip_records
        query = select(table.c.sid).where(
            table.c.sid == values["ip_record_sid"], table.c.account_sid == scope.account.sid
        )
        if await write.connection.scalar(query) is None:
            text = f"There is no {values['ip_record_sid']} in this account"
            raise bad_request([Fault("IpRecordSid", INVALID_SID, text)])
    found = write.directory.domains.get(values["sip_domain_sid"])
    if found is None or found.account_sid != scope.account.sid:
        text = f"There is no {values['sip_domain_sid']} in this account"
        raise bad_request([Fault("SipDomainSid", INVALID_SID, text)])
    if write.is_declared(values["sip_domain_sid"]):
        text = f"{values['sip_domain_sid']} is declared in the configuration file; list its static_ips there"
        raise ApiError(409, CONFLICT, text)
    return values
