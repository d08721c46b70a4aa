"""Rows of the tables as records of `trunk.model`: all of a section, or those of a few SIDs.

Plain tuples and no ORM: an installation may have a hundred thousand addresses, and is read as a whole at start.
A record takes its inner rows (addresses, credentials, targets, mappings) in the order in which they were made.
"""

from __future__ import annotations

from collections import defaultdict
from typing import TYPE_CHECKING, Any, Final

from sqlalchemy import select

from byoc_proxy.sip.digest import Ha1
from byoc_proxy.sip.uri import UriError
from byoc_proxy.storage import tables
from byoc_proxy.storage.vault import Unsealable
from byoc_proxy.trunk.model import (
    PYTHON,
    Account,
    Application,
    ByocTrunk,
    ConnectionPolicy,
    ConnectionPolicyTarget,
    Credential,
    CredentialList,
    IpAccessControlList,
    IpAddress,
    SipDomain,
    TwimlBin,
)
from byoc_proxy.trunk.origination import read_target

if TYPE_CHECKING:
    from collections.abc import Collection, Sequence

    from sqlalchemy import Column, Select, Table
    from sqlalchemy.ext.asyncio import AsyncConnection

    from byoc_proxy.storage.vault import Vault

    Record = (
        Account
        | ByocTrunk
        | SipDomain
        | IpAccessControlList
        | CredentialList
        | ConnectionPolicy
        | TwimlBin
        | Application
    )

CALLS_ADDRESSES: Final = "calls_ip_access_control_lists"  # kinds of a domain's mappings
CALLS_CREDENTIALS: Final = "calls_credential_lists"
_MOST_AT_ONCE: Final = 500  # SIDs in one statement


class RowReader:
    """Reads records over one connection. `unreadable` collects (section, SID, reason) of what makes no record."""

    def __init__(self, connection: AsyncConnection, vault: Vault) -> None:
        self._connection = connection
        self._vault = vault
        self.unreadable: list[tuple[str, str, str]] = []

    async def read(self, section: str, sids: Collection[str] | None = None) -> list[Record]:
        """The records of a section: all of them, or those of `sids` that exist, in the order of their making."""
        read_section = getattr(self, f"_{section}")
        if sids is None:
            records: list[Record] = await read_section(None)
            return records
        wanted, found = list(sids), []
        for at in range(0, len(wanted), _MOST_AT_ONCE):
            found += await read_section(wanted[at : at + _MOST_AT_ONCE])
        return found

    async def _accounts(self, sids: Sequence[str] | None) -> list[Record]:
        table = tables.accounts
        names = "sid friendly_name auth_token parent_sid static_ip interconnect status"
        found: list[Record] = []
        for sid, name, sealed, *others in await self._rows(table, names, table.c.sid, sids):
            parent, static_ip, interconnect, status = others
            try:
                token = self._vault.open(sealed, sid)
            except Unsealable as error:
                self.unreadable.append(("accounts", sid, str(error)))
                continue
            found.append(Account(sid, name, token, parent, static_ip, tuple(interconnect), status))
        return found

    async def _trunks(self, sids: Sequence[str] | None) -> list[Record]:
        table = tables.byoc_trunks
        names = (
            "sid account_sid friendly_name voice_url voice_method voice_fallback_url voice_fallback_method "
            "status_callback_url status_callback_method cnam_lookup_enabled connection_policy_sid from_domain_sid"
        )
        found = [ByocTrunk(*row) for row in await self._rows(table, names, table.c.sid, sids)]
        return [trunk for trunk in found if self._names_no_function("trunks", trunk)]

    async def _applications(self, sids: Sequence[str] | None) -> list[Record]:
        table = tables.applications
        names = (
            "sid account_sid friendly_name voice_url voice_method voice_fallback_url voice_fallback_method "
            "status_callback status_callback_method voice_caller_id_lookup"
        )
        found = [Application(*row) for row in await self._rows(table, names, table.c.sid, sids)]
        return [application for application in found if self._names_no_function("applications", application)]

    def _names_no_function(self, section: str, row: ByocTrunk | Application) -> bool:
        """Who may write rows may not run code in this process: functions are named by the configuration file."""
        for field in ("voice_url", "voice_fallback_url"):
            if (getattr(row, field) or "").startswith(PYTHON):
                reason = f"{field} names a function, which only the configuration file may do"
                self.unreadable.append((section, row.sid, reason))
                return False
        return True

    async def _twiml_bins(self, sids: Sequence[str] | None) -> list[Record]:
        table = tables.twiml_bins
        names = "sid account_sid friendly_name unique_name twiml"
        return [TwimlBin(*row) for row in await self._rows(table, names, table.c.sid, sids)]

    async def _domains(self, sids: Sequence[str] | None) -> list[Record]:
        mappings, domains = tables.domain_mappings, tables.domains
        mapped: defaultdict[tuple[str, str], list[Any]] = defaultdict(list)
        for domain, kind, sid in await self._rows(mappings, "domain_sid kind sid", mappings.c.domain_sid, sids):
            mapped[domain, kind].append(sid)
        static = await self._static_addresses(sids)
        names = "sid account_sid domain_name friendly_name byoc_trunk_sid secure"
        return [
            SipDomain(
                sid,
                account,
                domain_name,
                name,
                trunk,
                tuple(mapped.get((sid, CALLS_ADDRESSES), ())),
                tuple(mapped.get((sid, CALLS_CREDENTIALS), ())),
                secure,
                tuple(static.get(sid, ())),
            )
            for sid, account, domain_name, name, trunk, secure in await self._rows(
                domains, names, domains.c.sid, sids
            )
        ]

    async def _static_addresses(self, domain_sids: Sequence[str] | None) -> dict[str, list[str]]:
        mappings, records = tables.source_ip_mappings, tables.ip_records
        query = select(mappings.c.sip_domain_sid, records.c.ip_address).join_from(mappings, records)
        found: defaultdict[str, list[str]] = defaultdict(list)
        for domain, address in await self._all(query, mappings, mappings.c.sip_domain_sid, domain_sids):
            found[domain].append(address)
        return found

    async def _ip_access_control_lists(self, sids: Sequence[str] | None) -> list[Record]:
        lists, addresses = tables.ip_access_control_lists, tables.ip_addresses
        names = "ip_access_control_list_sid sid friendly_name ip_address cidr_prefix_length"
        parent = addresses.c.ip_access_control_list_sid
        inside: defaultdict[str, list[IpAddress]] = defaultdict(list)
        for owner, sid, name, address, length in await self._rows(addresses, names, parent, sids):
            inside[owner].append(IpAddress(sid, name, f"{address}/{length}"))
        rows = await self._rows(lists, "sid account_sid friendly_name", lists.c.sid, sids)
        return [IpAccessControlList(sid, account, name, tuple(inside.get(sid, ()))) for sid, account, name in rows]

    async def _credential_lists(self, sids: Sequence[str] | None) -> list[Record]:
        lists, credentials = tables.credential_lists, tables.credentials
        names = "credential_list_sid sid username ha1_md5 ha1_sha256"
        inside: defaultdict[str, list[Credential]] = defaultdict(list)
        parent = credentials.c.credential_list_sid
        for owner, sid, username, md5, sha256 in await self._rows(credentials, names, parent, sids):
            inside[owner].append(Credential(sid, username, Ha1(md5.hex(), sha256.hex())))
        rows = await self._rows(lists, "sid account_sid friendly_name", lists.c.sid, sids)
        return [CredentialList(sid, account, name, tuple(inside.get(sid, ()))) for sid, account, name in rows]

    async def _connection_policies(self, sids: Sequence[str] | None) -> list[Record]:
        policies, targets = tables.connection_policies, tables.targets
        names = "connection_policy_sid sid friendly_name target priority weight enabled"
        inside: defaultdict[str, list[ConnectionPolicyTarget]] = defaultdict(list)
        broken: set[str] = set()
        for owner, sid, name, uri, *rest in await self._rows(targets, names, targets.c.connection_policy_sid, sids):
            try:
                inside[owner].append(ConnectionPolicyTarget(sid, name, read_target(uri), *rest))
            except UriError as error:
                broken.add(owner)
                self.unreadable.append(("connection_policies", owner, f"target {sid}: {error}"))
        rows = await self._rows(policies, "sid account_sid friendly_name", policies.c.sid, sids)
        return [
            ConnectionPolicy(sid, account, name, tuple(inside.get(sid, ())))
            for sid, account, name in rows
            if sid not in broken
        ]

    async def _rows(self, table: Table, names: str, key: Column[str], keys: Sequence[str] | None) -> Sequence[Any]:
        return await self._all(select(*(table.c[name] for name in names.split())), table, key, keys)

    async def _all(
        self, query: Select[Any], table: Table, key: Column[str], keys: Sequence[str] | None
    ) -> Sequence[Any]:
        if keys is not None:
            query = query.where(key.in_(keys))
        found: Sequence[Any] = (await self._connection.execute(query.order_by(table.c.id))).all()
        return found
