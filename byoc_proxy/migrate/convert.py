"""What was read, as our own rows with the SIDs they had, and notes about what cannot move as it is."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, Literal

from byoc_proxy.config.resources import target_name
from byoc_proxy.config.yaml_text import printable
from byoc_proxy.sip.digest import Ha1
from byoc_proxy.sip.uri import SipUri, UriError
from byoc_proxy.trunk.checks import target_fault
from byoc_proxy.trunk.model import (
    Account,
    AccountSid,
    ByocTrunk,
    ByocTrunkSid,
    ConnectionPolicy,
    ConnectionPolicySid,
    ConnectionPolicyTarget,
    Credential,
    CredentialList,
    CredentialListSid,
    CredentialSid,
    Installation,
    IpAccessControlList,
    IpAccessControlListSid,
    IpAddress,
    IpAddressSid,
    Resources,
    SipDomain,
    SipDomainSid,
    TargetSid,
)
from byoc_proxy.trunk.networks import AddressError, read_network
from byoc_proxy.trunk.origination import read_target
from byoc_proxy.trunk.regions import DEFAULT_REGIONS

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator

    from byoc_proxy.migrate.rows import AccountState, AddressRow, DomainRow, Row, TargetRow, TrunkRow

ACCOUNT_NAME: Final = "Imported"
_UNKNOWN: Final = Ha1("", "")  # passwords cannot be read: the export asks the environment for them
_THEIR_BASE: Final = re.compile(r"\.sip(?:\.[a-z0-9-]+)?\.twilio\.com", re.IGNORECASE)
_REGION: Final = "us1"


@dataclass(frozen=True, slots=True)
class Imported:
    """`notes` are sentences for whoever imports, each about one thing that needs a look."""

    resources: Resources
    notes: tuple[str, ...]


def converted(state: AccountState, base_domain: str) -> Imported:
    """The rows of an installation with `base_domain`; `x.sip.twilio.com` becomes `x.{base_domain}`."""
    converter = _Converter(state, base_domain)
    return Imported(converter.resources(), tuple(converter.notes))


class _Converter:
    """One conversion; `notes` grow in the order of the rows."""

    def __init__(self, state: AccountState, base_domain: str) -> None:
        self._state = state
        self._base = base_domain
        self._owner = AccountSid(state.sid)
        self.notes: list[str] = []

    def resources(self) -> Resources:
        state, owner = self._state, self._owner
        rows = Resources(
            Installation(self._base, self._base, _REGION, DEFAULT_REGIONS),
            accounts=(Account(owner, ACCOUNT_NAME),),
            trunks=tuple(map(self._trunk, state.trunks)),
            domains=tuple(map(self._domain, state.domains)),
            ip_access_control_lists=tuple(
                IpAccessControlList(IpAccessControlListSid(row.sid), owner, _name(row), tuple(self._addresses(row)))
                for row in state.acls
            ),
            credential_lists=tuple(map(self._credential_list, state.credential_lists)),
            connection_policies=tuple(
                ConnectionPolicy(ConnectionPolicySid(row.sid), owner, _name(row), tuple(self._targets(row)))
                for row in state.policies
            ),
        )
        self._static_addresses()
        return rows

    def _trunk(self, row: TrunkRow) -> ByocTrunk:
        what = f"trunk {_called(row)}"
        policy = self._known(row.connection_policy_sid, self._state.policies, what)
        domain = self._known(row.from_domain_sid, self._state.domains, what)
        if row.cnam_lookup_enabled:
            self._note(f"{what}: no names are looked up here; CallerName is what the carrier sends")
        return ByocTrunk(
            ByocTrunkSid(row.sid),
            self._owner,
            _name(row),
            row.voice_url or None,
            _method(row.voice_method),
            row.voice_fallback_url or None,
            _method(row.voice_fallback_method),
            row.status_callback_url or None,
            _method(row.status_callback_method),
            bool(row.cnam_lookup_enabled),
            ConnectionPolicySid(policy) if policy is not None else None,
            SipDomainSid(domain) if domain is not None else None,
        )

    def _domain(self, row: DomainRow) -> SipDomain:
        what = f"domain {row.domain_name}"
        trunk = self._known(row.byoc_trunk_sid, self._state.trunks, what)
        if trunk is None and row.voice_url:
            self._note(f"{what}: its own voice_url, {row.voice_url}, is not used here; give it a trunk")
        if row.sip_registration:
            self._note(f"{what}: SIP registration has no equivalent; phones cannot register here")
        if row.emergency_calling_enabled:
            self._note(f"{what}: emergency calling has no equivalent; route such calls to a carrier yourself")
        acls = self._known_lists(self._state.acls_of_domain.get(row.sid, []), self._state.acls, what)
        lists = self._state.credential_lists_of_domain.get(row.sid, [])
        return SipDomain(
            SipDomainSid(row.sid),
            self._owner,
            self._moved(row.domain_name),
            _name(row),
            ByocTrunkSid(trunk) if trunk is not None else None,
            tuple(map(IpAccessControlListSid, acls)),
            tuple(map(CredentialListSid, self._known_lists(lists, self._state.credential_lists, what))),
            bool(row.secure),
        )

    def _moved(self, name: str) -> str:
        found = _THEIR_BASE.search(name)
        if found is not None and found.end() == len(name):
            return f"{name[: found.start()]}.{self._base}".lower()
        if not name.lower().endswith(f".{self._base}"):
            self._note(f"domain {name}: ends neither in sip.twilio.com nor in {self._base}; rename it")
        return name.lower()

    def _addresses(self, acl: Row) -> Iterator[IpAddress]:
        seen: set[str] = set()
        for row in self._state.addresses.get(acl.sid, []):
            text = _cidr(row)
            try:
                exact = read_network(text).cidr
            except AddressError as error:
                self._note(f"address list {_called(acl)}: {row.sid} was left out: {error}")
                continue
            if exact in seen:
                self._note(f"address list {_called(acl)}: {row.sid} was left out: {exact} is there already")
                continue
            seen.add(exact)
            yield IpAddress(IpAddressSid(row.sid), _name(row), text)

    def _credential_list(self, row: Row) -> CredentialList:
        credentials = (
            Credential(CredentialSid(each.sid), each.username, _UNKNOWN)
            for each in self._state.credentials.get(row.sid, [])
        )
        return CredentialList(CredentialListSid(row.sid), self._owner, _name(row), tuple(credentials))

    def _targets(self, policy: Row) -> Iterator[ConnectionPolicyTarget]:
        for row in self._state.targets.get(policy.sid, []):
            what = f"target {row.target} of policy {_called(policy)}"
            uri = self._target(row, what)
            if uri is None:
                continue
            if row.weight < 1:
                self._note(f"{what}: weight {row.weight} is 1 now, the least there is")
            name = row.friendly_name if row.friendly_name is not None else target_name(uri)
            yield ConnectionPolicyTarget(
                TargetSid(row.sid), name, uri, row.priority, max(row.weight, 1), row.enabled
            )

    def _target(self, row: TargetRow, what: str) -> SipUri | None:
        try:
            uri = read_target(row.target)
        except UriError as error:
            self._note(f"{what} was left out: {error}")
            return None
        if uri.scheme == "sips":
            uri = SipUri(
                uri.host,
                uri.user,
                uri.port,
                params={**uri.params, "transport": "tls"},
                headers=uri.headers,
                password=uri.password,
            )
            self._note(f"{what}: sips: is written {uri} here")
        fault = target_fault(uri)
        if fault is not None:
            self._note(f"{what} was left out: {fault}")
            return None
        return uri

    def _static_addresses(self) -> None:
        records = {row.sid: _cidr(row) for row in self._state.ip_records}
        domains = {row.sid: row.domain_name for row in self._state.domains}
        for mapping in self._state.source_mappings:
            address = records.pop(mapping.ip_record_sid, mapping.ip_record_sid)
            domain = domains.get(mapping.sip_domain_sid, mapping.sip_domain_sid)
            text = "static addresses are those of the installation; list your own as static_ips of the domain"
            self._note(f"IP record {address} of domain {domain}: {text}")
        for address in records.values():
            self._note(f"IP record {address}: no domain uses it, and it was left out")

    def _note(self, text: str) -> None:
        self.notes.append(printable(text))

    def _known(self, sid: str | None, rows: Collection[Row], what: str) -> str | None:
        if sid and all(row.sid != sid for row in rows):
            self._note(f"{what}: {sid} is not there any more; the reference was left out")
            return None
        return sid or None

    def _known_lists(self, sids: list[str], rows: Collection[Row], what: str) -> list[str]:
        return [sid for sid in sids if self._known(sid, rows, what)]


def _name(row: Row) -> str:
    return row.friendly_name or ""


def _called(row: Row) -> str:
    return f"{row.friendly_name!r} ({row.sid})" if row.friendly_name else row.sid


def _method(text: str | None) -> Literal["GET", "POST"]:
    return "GET" if text == "GET" else "POST"


def _cidr(row: AddressRow) -> str:
    length = row.cidr_prefix_length
    return row.ip_address if length in (None, 32) else f"{row.ip_address}/{length}"
