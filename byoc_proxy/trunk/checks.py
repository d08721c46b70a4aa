"""What must hold between configured resources, and what is allowed but unwise.

Every rule looks at plain `Resources` and yields `Finding`s; none stops at the first. A finding's path begins
with the collection and the SID (`("domains", "SD…", "static_ips", 0)`) so that whoever wrote the resource can
be shown the place. Rules are those of the BYOC page and of the REST contract; limits there that protect a
shared platform (resources per account) are not ours to keep.
"""

from __future__ import annotations

import re
from collections import Counter
from dataclasses import dataclass
from itertools import chain
from typing import TYPE_CHECKING, Final, Protocol, TypeVar

from byoc_proxy.trunk.origination import REGION_TOKEN
from byoc_proxy.trunk.regions import localized_names
from byoc_proxy.trunk.sources import AddressError, read_address, read_network

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

    from byoc_proxy.sip.uri import SipUri
    from byoc_proxy.trunk.model import (
        Account,
        AccountSid,
        ByocTrunk,
        ConnectionPolicy,
        ConnectionPolicyTarget,
        CredentialList,
        HealthRules,
        IpAccessControlList,
        Resources,
        SipDomain,
    )

Path = tuple[str | int, ...]

MOST_TARGETS: Final = 10
MOST_PRIORITY: Final = 65535
MOST_WEIGHT: Final = 65535
VERIFY_WARNINGS: Final = {
    "chain": "is chain: whoever has a certificate of a trusted authority may pose as a carrier; set it to full",
    "off": "is off: whoever is on the way may pose as a carrier; set it to full",
}
COURTEOUS_INTERVAL: Final = 10.0  # seconds between two OPTIONS; SBCs are known to ban who asks more often
_LABEL: Final = re.compile(r"[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?")
_TRANSPORTS: Final = (None, "udp", "tcp", "tls")


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing that is wrong or unwise: where, and what with what would be right."""

    path: Path
    text: str

    def __str__(self) -> str:
        return f"{'.'.join(map(str, self.path))}: {self.text}"


class _Named(Protocol):
    @property
    def sid(self) -> str: ...


class _Owned(_Named, Protocol):
    @property
    def account_sid(self) -> AccountSid: ...


_N = TypeVar("_N", bound=_Named)


def problems(rows: Resources) -> list[Finding]:
    """Everything that forbids these resources from being used together."""
    rules = _Rules(rows)
    return [
        *rules.sids(),
        *rules.owners(),
        *chain.from_iterable(map(rules.account, rows.accounts)),
        *chain.from_iterable(map(rules.trunk, rows.trunks)),
        *chain.from_iterable(map(rules.domain, rows.domains)),
        *rules.static_ips_used_twice(),
        *chain.from_iterable(map(_access_control_list, rows.ip_access_control_lists)),
        *chain.from_iterable(map(_credential_list, rows.credential_lists)),
        *chain.from_iterable(map(rules.policy, rows.connection_policies)),
    ]


def warnings(rows: Resources) -> list[Finding]:
    """What may be used but should be looked at. Only for rows without `problems`."""
    used = {domain.byoc_trunk_sid for domain in rows.domains}
    return [
        *chain.from_iterable(map(_unwise_domain, rows.domains)),
        *chain.from_iterable(map(_unwise_trunk, rows.trunks)),
        *chain.from_iterable(_unanswered(trunk) for trunk in rows.trunks if trunk.sid in used),
        *chain.from_iterable(map(_unwise_addresses, rows.ip_access_control_lists)),
        *chain.from_iterable(map(_unwise_policy, rows.connection_policies)),
    ]


def by_sid(rows: Iterable[_N]) -> dict[str, _N]:
    return {row.sid: row for row in rows}


def target_fault(uri: SipUri) -> str | None:
    """Why no call can be sent to a target URI, or None."""
    if uri.scheme == "sips":
        return f"sips: is not supported; write sip:{str(uri).partition(':')[2]};transport=tls"
    if uri.transport not in _TRANSPORTS:
        return f"transport {uri.transport!r} is not known; use udp, tcp or tls"
    return None


class _Rules:
    """The rules that need more than one resource to judge."""

    def __init__(self, rows: Resources) -> None:
        self._rows = rows
        self._place = rows.installation
        self._accounts = by_sid(rows.accounts)
        self._trunks = by_sid(rows.trunks)
        self._domains = by_sid(rows.domains)
        self._access_control_lists = by_sid(rows.ip_access_control_lists)
        self._credential_lists = by_sid(rows.credential_lists)
        self._policies = by_sid(rows.connection_policies)
        self._by_name = {domain.domain_name.lower(): domain for domain in reversed(rows.domains)}
        self._own_hosts = {
            host
            for name in self._by_name
            for region in self._place.regions
            for host in (name, *localized_names(name, self._place.base_domain, region))
        }

    def sids(self) -> Iterator[Finding]:
        for section, rows in _sections(self._rows):
            seen = Counter(row.sid for row in rows)
            for sid, times in seen.items():
                if times > 1:
                    yield Finding((section, sid, "sid"), f"{sid} is used {times} times; a SID names one thing")

    def owners(self) -> Iterator[Finding]:
        for section, rows in _owned_sections(self._rows):
            for row in rows:
                if row.account_sid not in self._accounts:
                    yield Finding((section, row.sid, "account_sid"), f"there is no account {row.account_sid}")

    def account(self, account: Account) -> Iterator[Finding]:
        path: Path = ("accounts", account.sid)
        if account.parent_sid is not None:
            parent = self._accounts.get(account.parent_sid)
            if parent is None:
                yield Finding((*path, "parent_sid"), f"there is no account {account.parent_sid}")
            elif parent.parent_sid is not None or parent.sid == account.sid:
                yield Finding((*path, "parent_sid"), "a parent must be an account without a parent of its own")
        for at, cidr in enumerate(account.interconnect):
            try:
                read_network(cidr)
            except AddressError as error:
                yield Finding((*path, "interconnect", at), f"{error}; write 10.9.0.0/24")

    def trunk(self, trunk: ByocTrunk) -> Iterator[Finding]:
        path: Path = ("trunks", trunk.sid)
        policy, from_domain = trunk.connection_policy_sid, trunk.from_domain_sid
        if policy is not None:
            yield from _reference((*path, "connection_policy_sid"), policy, trunk, self._policies)
        if from_domain is not None:
            yield from _reference((*path, "from_domain_sid"), from_domain, trunk, self._domains)
        if from_domain is not None and trunk.from_host is not None:
            yield Finding((*path, "from_host"), "from_domain is set too; keep one of the two")
        if trunk.voice_url is not None and trunk.voice_twiml is not None:
            yield Finding((*path, "voice_twiml"), "voice_url is set too; keep one of the two")
        if 0 < trunk.session_expires < trunk.min_se:
            text = f"{trunk.session_expires} is below min_se, {trunk.min_se}: we would refuse it ourselves"
            yield Finding((*path, "session_expires"), text)

    def domain(self, domain: SipDomain) -> Iterator[Finding]:
        path: Path = ("domains", domain.sid)
        yield from self._domain_name(domain, (*path, "domain_name"))
        if domain.byoc_trunk_sid is not None:
            yield from _reference((*path, "byoc_trunk_sid"), domain.byoc_trunk_sid, domain, self._trunks)
        for at, acl in enumerate(domain.ip_access_control_list_sids):
            where = (*path, "ip_access_control_list_sids", at)
            yield from _reference(where, acl, domain, self._access_control_lists)
        for at, credentials in enumerate(domain.credential_list_sids):
            where = (*path, "credential_list_sids", at)
            yield from _reference(where, credentials, domain, self._credential_lists)
        if not domain.digest_algorithms:
            yield Finding((*path, "digest_algorithms"), "the list is empty; name MD5, SHA-256 or both")
        if domain.static_ips:
            yield from self._static_ips(domain, (*path, "static_ips"))

    def _domain_name(self, domain: SipDomain, path: Path) -> Iterator[Finding]:
        base = self._place.base_domain
        name = domain.domain_name.removesuffix(f".{base}")
        if name == domain.domain_name:
            yield Finding(path, f"{domain.domain_name!r} must end in .{base}; write example.{base}")
            return
        labels = name.split(".")
        if not all(map(_LABEL.fullmatch, labels)) or len(domain.domain_name) > 253:
            yield Finding(path, f"{name!r} may hold lower-case letters, digits and dashes only")
            return
        if self._by_name[domain.domain_name].sid != domain.sid:
            yield Finding(path, f"{domain.domain_name} already exists; domain names are unique")
        if labels[-1] in self._place.regions:
            yield Finding(path, f"{labels[-1]!r} is the name of a region, so localized names would be ambiguous")
        elif len(labels) > 1:
            yield from self._sub_domain(domain, path)

    def _sub_domain(self, domain: SipDomain, path: Path) -> Iterator[Finding]:
        higher_name = domain.domain_name.partition(".")[2]
        higher = self._by_name.get(higher_name)
        owner = self._accounts.get(domain.account_sid)
        if higher is None:
            dashed = domain.domain_name.replace(".", "-", 1)
            yield Finding(path, f"the higher-level domain {higher_name} must exist first; or use a dash: {dashed}")
        elif owner is not None and higher.account_sid not in (owner.sid, owner.parent_sid):
            yield Finding(
                path, f"the higher-level domain {higher_name} must belong to the same or the parent account"
            )

    def _static_ips(self, domain: SipDomain, path: Path) -> Iterator[Finding]:
        account = self._accounts.get(domain.account_sid)
        if account is None:
            return  # `owners` has said so
        if not account.static_ip:
            yield Finding(path, "static addresses are off for this account; set static_ip: true on it")
        allowed = self._place.static_ip_regions
        if self._place.region not in allowed:
            names = ", ".join(allowed) or "no region"
            yield Finding(path, f"not available in region {self._place.region}; only in {names}")
        for at, text in enumerate(domain.static_ips):
            yield from _inside(text, account.interconnect, (*path, at))

    def static_ips_used_twice(self) -> Iterator[Finding]:
        seen: set[str] = set()
        for domain in self._rows.domains:
            for at, text in enumerate(domain.static_ips):
                if text in seen:
                    yield Finding(
                        ("domains", domain.sid, "static_ips", at),
                        f"{text} is a static address of another entry; one address leads to one domain",
                    )
                seen.add(text)

    def policy(self, policy: ConnectionPolicy) -> Iterator[Finding]:
        path: Path = ("connection_policies", policy.sid)
        if len(policy.targets) > MOST_TARGETS:
            yield Finding((*path, "targets"), f"{len(policy.targets)} targets; at most {MOST_TARGETS} are allowed")
        yield from _health_faults(policy.health, (*path, "health"))
        for at, target in enumerate(policy.targets):
            yield from self._target(target, (*path, "targets", at))
            if target.health is not None:
                yield from _health_faults(target.health, (*path, "targets", at, "health"))
        for code in sorted(policy.failover_stop_codes or ()):
            if not 300 <= code <= 699:
                yield Finding((*path, "failover_stop_codes"), f"{code} is not a failure code (300 to 699)")

    def _target(self, target: ConnectionPolicyTarget, path: Path) -> Iterator[Finding]:
        yield from self._next_hop(target.target, (*path, "target"))
        if target.outbound_proxy is not None:
            yield from self._next_hop(target.outbound_proxy, (*path, "outbound_proxy"))
        if not 0 <= target.priority <= MOST_PRIORITY:
            yield Finding((*path, "priority"), f"{target.priority} is out of range; use 0 to 65535, 0 first")
        if not 1 <= target.weight <= MOST_WEIGHT:
            yield Finding((*path, "weight"), f"{target.weight} is out of range; use 1 to 65535")

    def _next_hop(self, uri: SipUri, path: Path) -> Iterator[Finding]:
        fault = target_fault(uri)
        if fault is not None:
            yield Finding(path, fault)
        hosts = {uri.host.replace(REGION_TOKEN, region) for region in self._place.regions}
        if hosts & self._own_hosts:
            yield Finding(path, f"{uri.host} is a domain of this installation: calls would loop")


def _health_faults(rules: HealthRules, path: Path) -> Iterator[Finding]:
    if rules.interval < 1:
        yield Finding((*path, "interval"), f"{rules.interval:g} is too short; use 1 second or more")
    if rules.misses < 1 or rules.answers < 1:
        yield Finding(path, "misses and answers are counted from 1")
    if rules.mode == "options" and not 0 < rules.timeout < rules.interval:
        text = f"{rules.timeout:g} is not shorter than the interval of {rules.interval:g}; make it shorter"
        yield Finding((*path, "timeout"), text)


def _sections(rows: Resources) -> Iterator[tuple[str, Iterable[_Named]]]:
    yield "accounts", rows.accounts
    yield from _owned_sections(rows)


def _owned_sections(rows: Resources) -> Iterator[tuple[str, Iterable[_Owned]]]:
    yield "trunks", rows.trunks
    yield "domains", rows.domains
    yield "ip_access_control_lists", rows.ip_access_control_lists
    yield "credential_lists", rows.credential_lists
    yield "connection_policies", rows.connection_policies


def _reference(path: Path, sid: str, owner: _Owned, table: Mapping[str, _Owned]) -> Iterator[Finding]:
    found = table.get(sid)
    if found is None:
        yield Finding(path, f"there is no {sid}")
    elif found.account_sid != owner.account_sid:
        yield Finding(path, f"{sid} belongs to another account; use one of the same account")


def _inside(text: str, interconnect: Iterable[str], path: Path) -> Iterator[Finding]:
    """A static address must be one of the account's private interconnect."""
    try:
        if read_address(text) != text:
            yield Finding(path, f"{text!r} is not in canonical form; write {read_address(text)}")
        address = read_network(text)
        if not any(read_network(cidr).contains(address) for cidr in interconnect):
            yield Finding(path, f"{text} is outside the interconnect ranges of the account")
    except AddressError as error:
        yield Finding(path, f"{error}; interconnect ranges and static addresses are plain IP addresses")


def _access_control_list(acl: IpAccessControlList) -> Iterator[Finding]:
    seen: set[str] = set()
    for at, entry in enumerate(acl.addresses):
        path: Path = ("ip_access_control_lists", acl.sid, "addresses", at)
        try:
            cidr = read_network(entry.cidr).cidr
        except AddressError as error:
            yield Finding(path, f"{error}; list the addresses that packets come from, not a host name")
            continue
        if cidr in seen:
            yield Finding(path, f"{cidr} is in this list already")
        seen.add(cidr)


def _credential_list(credentials: CredentialList) -> Iterator[Finding]:
    seen: set[str] = set()
    for at, credential in enumerate(credentials.credentials):
        if credential.username in seen:
            path = ("credential_lists", credentials.sid, "credentials", at)
            yield Finding((*path, "username"), f"user {credential.username!r} is in this list already")
        seen.add(credential.username)


def _unwise_domain(domain: SipDomain) -> Iterator[Finding]:
    path: Path = ("domains", domain.sid)
    if domain.byoc_trunk_sid is None:
        yield Finding(path, "no trunk is linked: every call to this domain is refused with 404")
    if domain.client_certificates is not None:
        return  # TLS proves who calls
    if not domain.ip_access_control_list_sids and not domain.credential_list_sids:
        yield Finding(path, "blocked: no authentication; map an IP access control list or a credential list")
    elif not domain.credential_list_sids:
        yield Finding(path, "IP access control lists alone stop no spoofed source; add a credential list")


def _unwise_addresses(acl: IpAccessControlList) -> Iterator[Finding]:
    for at, entry in enumerate(acl.addresses):
        path: Path = ("ip_access_control_lists", acl.sid, "addresses", at)
        network = read_network(entry.cidr)
        if network.has_host_bits:
            yield Finding(path, f"{entry.cidr} has host bits set and is read as {network.cidr}")
        if network.cidr.endswith("/0"):
            yield Finding(path, f"{network.cidr} lets the whole Internet in")


def _unwise_policy(policy: ConnectionPolicy) -> Iterator[Finding]:
    if not any(target.enabled for target in policy.targets):
        yield Finding(
            ("connection_policies", policy.sid, "targets"),
            "no target is enabled: calls over this policy fail",
        )
    path: Path = ("connection_policies", policy.sid)
    yield from _unwise_health(policy.health, (*path, "health"))
    for at, target in enumerate(policy.targets):
        if target.health is not None and target.health != policy.health:
            yield from _unwise_health(target.health, (*path, "targets", at, "health"))
        level = target.tls.verify if target.tls is not None else ""
        if level in VERIFY_WARNINGS:
            yield Finding((*path, "targets", at, "tls", "verify"), VERIFY_WARNINGS[level])


def _unwise_health(rules: HealthRules, path: Path) -> Iterator[Finding]:
    if rules.mode == "options" and rules.interval < COURTEOUS_INTERVAL:
        text = (
            f"OPTIONS every {rules.interval:g} s: many carriers want {COURTEOUS_INTERVAL:g} s or more between them"
        )
        yield Finding((*path, "interval"), text)
    if rules.mode != "off" and rules.misses == 1:
        yield Finding((*path, "misses"), "one lost packet takes an address out of use; 2 or more are wiser")


def _unwise_trunk(trunk: ByocTrunk) -> Iterator[Finding]:
    if trunk.from_user is not None and trunk.identity_header == "none":
        yield Finding(
            ("trunks", trunk.sid, "from_user"),
            "stands in From instead of the number, and identity_header is none: no caller ID is sent",
        )


def _unanswered(trunk: ByocTrunk) -> Iterator[Finding]:
    if trunk.voice_url is None and trunk.voice_twiml is None:
        yield Finding(("trunks", trunk.sid), "a domain leads here, but neither voice_url nor voice_twiml is set")
