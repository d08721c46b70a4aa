"""The resources of an account as the REST API shows them (contract 1.2 to 1.7), and their reading."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Annotated, Any, Final, TypeVar

from pydantic import BaseModel, ConfigDict, Field, TypeAdapter, ValidationError

from byoc_proxy.migrate.api import ImportFailed

if TYPE_CHECKING:
    from byoc_proxy.migrate.api import Api


Sid = Annotated[str, Field(pattern=r"^[A-Z]{2}[0-9a-f]{32}$")]


class Row(BaseModel):
    """What every resource has. Fields that are not read here are none of our business."""

    model_config = ConfigDict(frozen=True)

    sid: Sid
    account_sid: str | None = None
    friendly_name: str | None = None


class TrunkRow(Row):
    voice_url: str | None = None
    voice_method: str | None = None
    voice_fallback_url: str | None = None
    voice_fallback_method: str | None = None
    status_callback_url: str | None = None
    status_callback_method: str | None = None
    cnam_lookup_enabled: bool | None = None
    connection_policy_sid: str | None = None
    from_domain_sid: str | None = None


class TargetRow(Row):
    target: str
    priority: int = 10
    weight: int = 10
    enabled: bool = True


class DomainRow(Row):
    domain_name: str
    voice_url: str | None = None
    sip_registration: bool | None = None
    emergency_calling_enabled: bool | None = None
    secure: bool | None = None
    byoc_trunk_sid: str | None = None


class AddressRow(Row):
    ip_address: str
    cidr_prefix_length: int | None = None


class CredentialRow(Row):
    username: str


class SourceMappingRow(BaseModel):
    ip_record_sid: Sid
    sip_domain_sid: Sid


@dataclass(slots=True)
class AccountState:
    """All that was read. What belongs to a row stands under its SID; lists of a domain are the SIDs of lists."""

    sid: str
    trunks: list[TrunkRow] = field(default_factory=list)
    policies: list[Row] = field(default_factory=list)
    targets: dict[str, list[TargetRow]] = field(default_factory=dict)
    domains: list[DomainRow] = field(default_factory=list)
    acls_of_domain: dict[str, list[str]] = field(default_factory=dict)
    credential_lists_of_domain: dict[str, list[str]] = field(default_factory=dict)
    acls: list[Row] = field(default_factory=list)
    addresses: dict[str, list[AddressRow]] = field(default_factory=dict)
    credential_lists: list[Row] = field(default_factory=list)
    credentials: dict[str, list[CredentialRow]] = field(default_factory=dict)
    ip_records: list[AddressRow] = field(default_factory=list)
    source_mappings: list[SourceMappingRow] = field(default_factory=list)


_M = TypeVar("_M", bound=BaseModel)
_MAPPINGS: Final = "contents"  # what both lists of mappings are called


async def read_account(api: Api, account_sid: str) -> AccountState:
    """Read everything, one request after another. `ImportFailed`."""
    state = AccountState(account_sid)
    await _read_voice(api, state)
    await _read_domains(api, state)
    await _read_lists(api, state)
    return state


async def _read_voice(api: Api, state: AccountState) -> None:
    state.trunks = _own(state.sid, await _voice(api, TrunkRow, "/ByocTrunks", "byoc_trunks"))
    state.policies = _own(state.sid, await _voice(api, Row, "/ConnectionPolicies", "connection_policies"))
    for policy in state.policies:
        path = f"/ConnectionPolicies/{policy.sid}/Targets"
        state.targets[policy.sid] = await _voice(api, TargetRow, path, "targets")
    state.ip_records = _own(state.sid, await _voice(api, AddressRow, "/IpRecords", "ip_records"))
    state.source_mappings = await _voice(api, SourceMappingRow, "/SourceIpMappings", "source_ip_mappings")


async def _read_domains(api: Api, state: AccountState) -> None:
    top = f"/Accounts/{state.sid}/SIP/Domains"
    state.domains = await _account(api, DomainRow, f"{top}.json", "domains")
    for domain in state.domains:
        calls = f"{top}/{domain.sid}/Auth/Calls"
        acls = await _account(api, Row, f"{calls}/IpAccessControlListMappings.json", _MAPPINGS)
        lists = await _account(api, Row, f"{calls}/CredentialListMappings.json", _MAPPINGS)
        state.acls_of_domain[domain.sid] = [row.sid for row in acls]
        state.credential_lists_of_domain[domain.sid] = [row.sid for row in lists]


async def _read_lists(api: Api, state: AccountState) -> None:
    top = f"/Accounts/{state.sid}/SIP"
    state.acls = await _account(api, Row, f"{top}/IpAccessControlLists.json", "ip_access_control_lists")
    for acl in state.acls:
        path = f"{top}/IpAccessControlLists/{acl.sid}/IpAddresses.json"
        state.addresses[acl.sid] = await _account(api, AddressRow, path, "ip_addresses")
    state.credential_lists = await _account(api, Row, f"{top}/CredentialLists.json", "credential_lists")
    for each in state.credential_lists:
        path = f"{top}/CredentialLists/{each.sid}/Credentials.json"
        state.credentials[each.sid] = await _account(api, CredentialRow, path, "credentials")


async def _voice(api: Api, model: type[_M], path: str, section: str) -> list[_M]:
    return _read(model, await api.voice_rows(path, section), path, section)


async def _account(api: Api, model: type[_M], path: str, section: str) -> list[_M]:
    return _read(model, await api.account_rows(path, section), path, section)


def _read(model: type[_M], rows: list[Any], path: str, section: str) -> list[_M]:
    try:
        return TypeAdapter(list[model]).validate_python(rows)  # type: ignore[valid-type]  # made at run time
    except ValidationError as error:
        first = error.errors(include_url=False, include_input=False)[0]
        place = ".".join(map(str, (section, *first["loc"])))
        raise ImportFailed(f"GET {path}: {place}: {first['msg']}; this is not the API that was expected") from None


_R = TypeVar("_R", bound=Row)


def _own(account_sid: str, rows: list[_R]) -> list[_R]:
    """voice/v1 names no account in its paths: it shows that of the key, which must be the one that is asked for."""
    foreign = next((row for row in rows if row.account_sid not in (None, account_sid)), None)
    if foreign is not None:
        text = f"the key shows {foreign.sid} of account {foreign.account_sid}, not {account_sid}"
        raise ImportFailed(f"{text}; use a key of the account itself")
    return rows
