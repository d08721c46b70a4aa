"""One immutable snapshot of the configuration, indexed for the questions that a call asks.

`Directory.build` refuses rows that do not fit together and names every problem at once. A reader takes
`Directories.current` once and keeps that snapshot: nothing it sees changes under it, and nobody locks.
"""

from __future__ import annotations

from dataclasses import dataclass, field, fields
from typing import TYPE_CHECKING

from byoc_proxy.trunk import checks
from byoc_proxy.trunk.changes import applied
from byoc_proxy.trunk.checks import Finding, by_sid
from byoc_proxy.trunk.identity import Presentation
from byoc_proxy.trunk.regions import localized_names, region_order
from byoc_proxy.trunk.relaying import Border
from byoc_proxy.trunk.sources import AclEntry, AddressError, SourceTable, read_address, read_network

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence

    from _typeshed import DataclassInstance

    from byoc_proxy.sip.digest import Ha1
    from byoc_proxy.trunk.changes import Change
    from byoc_proxy.trunk.model import (
        Account,
        AccountSid,
        ByocTrunk,
        ConnectionPolicy,
        CredentialList,
        Installation,
        IpAccessControlList,
        IpAccessControlListSid,
        Resources,
        SipDomain,
    )


class DirectoryProblems(ValueError):
    """The resources cannot be used together; `problems` holds every reason."""

    def __init__(self, problems: Sequence[Finding]) -> None:
        super().__init__("\n".join(map(str, problems)))
        self.problems = tuple(problems)


@dataclass(frozen=True, slots=True)
class DomainRules:
    """A domain with all it takes to judge a call to it.

    `sources` or `credentials` None: no list of that kind is mapped. An empty table is a mapped list that lets
    nobody in.
    """

    domain: SipDomain
    trunk: ByocTrunk | None
    sources: SourceTable | None
    credentials: Mapping[str, tuple[Ha1, ...]] | None = field(repr=False)


@dataclass(frozen=True, slots=True)
class HostMatch:
    """Which domain a Request-URI host names, in which region; `static_ip` when the host is one."""

    rules: DomainRules
    region: str
    static_ip: str | None = None


@dataclass(frozen=True, slots=True, eq=False)
class Directory:
    """The snapshot. Mappings are keyed by SID; `warnings` are findings that did not forbid the build."""

    resources: Resources = field(repr=False)
    installation: Installation
    region_order: tuple[str, ...]
    accounts: Mapping[str, Account] = field(repr=False)
    trunks: Mapping[str, ByocTrunk] = field(repr=False)
    domains: Mapping[str, DomainRules] = field(repr=False)
    connection_policies: Mapping[str, ConnectionPolicy] = field(repr=False)
    warnings: tuple[Finding, ...]
    _hosts: Mapping[str, HostMatch] = field(repr=False)
    _known: SourceTable = field(repr=False)

    @classmethod
    def build(cls, rows: Resources) -> Directory:
        """Index `rows`; raises `DirectoryProblems` with every reason why they cannot be used together."""
        found = checks.problems(rows)
        if found:
            raise DirectoryProblems(found)
        installation = rows.installation
        domains = _domain_rules(rows)
        return cls(
            resources=rows,
            installation=installation,
            region_order=region_order(installation.region, installation.regions),
            accounts=by_sid(rows.accounts),
            trunks=by_sid(rows.trunks),
            domains=domains,
            connection_policies=by_sid(rows.connection_policies),
            warnings=tuple(checks.warnings(rows)),
            _hosts=_host_index(domains.values(), installation),
            _known=_known_sources(rows),
        )

    def changed(self, changes: Iterable[Change]) -> Directory:
        """This snapshot with some rows changed, all of them at once: their order does not matter.

        Raises `DirectoryProblems` when the rows do not fit together afterwards; this snapshot stays as it is.
        """
        return Directory.build(applied(self.resources, changes))

    def find(self, host: str) -> HostMatch | None:
        """The domain that a Request-URI host names: generic, localized or static; never by suffix."""
        found = self._hosts.get(host)
        if found is not None:
            return found
        return self._hosts.get(_canonical_host(host))

    def knows(self, source: str) -> bool:
        """Whether a source address is in an access control list that any domain uses."""
        return self._known.match(source) is not None

    def credentials(self, domain: SipDomain, username: str) -> tuple[Ha1, ...]:
        """The HA1s that a user name has on a domain; several when mapped lists share the name."""
        users = self.domains[domain.sid].credentials
        return users.get(username, ()) if users is not None else ()

    def trunk_of(self, account_sid: AccountSid, trunk_sid: str) -> ByocTrunk | None:
        """The trunk of that SID if the account owns it; a foreign SID is as unknown as a wrong one."""
        trunk = self.trunks.get(trunk_sid)
        return trunk if trunk is not None and trunk.account_sid == account_sid else None

    def policy_of(self, trunk: ByocTrunk) -> ConnectionPolicy | None:
        """The policy that the trunk's outbound calls follow, or None when it has none."""
        sid = trunk.connection_policy_sid
        return self.connection_policies[sid] if sid is not None else None

    def from_host(self, trunk: ByocTrunk) -> str:
        """The host of From on the trunk's outbound calls: as written, its From domain, else the base domain."""
        if trunk.from_host is not None:
            return trunk.from_host
        sid = trunk.from_domain_sid
        return self.domains[sid].domain.domain_name if sid is not None else self.installation.base_domain

    def presentation(self, trunk: ByocTrunk) -> Presentation:
        """How the trunk's carrier is told who calls."""
        calling = trunk.outbound_numbers.calling
        return Presentation(self.from_host(trunk), trunk.identity_header, trunk.from_user, calling)

    def border(self, trunk: ByocTrunk) -> Border:
        """What of another leg's headers may be said to the trunk's carrier."""
        trusted = trunk.identity_header != "none"
        return Border(trunk.relay_headers, self.from_host(trunk), trunk.outbound_numbers.calling, trusted=trusted)


class Directories:
    """Holds the snapshot that new decisions read; replacing it is one assignment."""

    def __init__(self, first: Directory) -> None:
        self.current = first
        self.version = 1
        self._followers: list[Callable[[Directory], None]] = []

    def put(self, new: Directory) -> None:
        """Make `new` current, and tell who follows."""
        self.current = new
        self.version += 1
        for tell in self._followers:
            tell(new)

    def follow(self, tell: Callable[[Directory], None]) -> None:
        """Call `tell` with each snapshot that comes into force from now on."""
        self._followers.append(tell)

    def replace(self, new: Directory) -> list[str]:
        """Make `new` current. Returns what changed, one line each, without any value (some are secrets)."""
        lines = difference(self.current.resources, new.resources)
        self.put(new)
        return lines


def difference(old: Resources, new: Resources) -> list[str]:
    """What was added, removed or changed between two sets of rows, in words."""
    lines = []
    changed = _changed_fields(old.installation, new.installation)
    if changed:
        lines.append(f"installation changed: {changed}")
    for section in fields(old):
        if section.name == "installation":
            continue
        before, after = by_sid(getattr(old, section.name)), by_sid(getattr(new, section.name))
        lines += [f"{section.name}: {sid} removed" for sid in before if sid not in after]
        lines += [f"{section.name}: {sid} added" for sid in after if sid not in before]
        lines += [
            f"{section.name}: {sid} changed: {_changed_fields(before[sid], row)}"
            for sid, row in after.items()
            if sid in before and before[sid] != row
        ]
    return lines


def _changed_fields(before: DataclassInstance, after: DataclassInstance) -> str:
    names = (field.name for field in fields(after))
    return ", ".join(name for name in names if getattr(before, name) != getattr(after, name))


def _canonical_host(host: str) -> str:
    """The spelling that the index uses: lower case, no root dot, IPv6 as RFC 5952 has it."""
    if ":" in host:
        try:
            return read_address(host)
        except AddressError:
            return host
    return host.lower().rstrip(".")


def _domain_rules(rows: Resources) -> dict[str, DomainRules]:
    trunks = by_sid(rows.trunks)
    lists, credential_lists = by_sid(rows.ip_access_control_lists), by_sid(rows.credential_lists)
    tables: dict[tuple[IpAccessControlListSid, ...], SourceTable] = {}  # domains often share their lists
    rules = {}
    for domain in rows.domains:
        sids = domain.ip_access_control_list_sids
        if sids and sids not in tables:
            tables[sids] = _source_table(lists[sid] for sid in sids)
        trunk = trunks[domain.byoc_trunk_sid] if domain.byoc_trunk_sid is not None else None
        rules[str(domain.sid)] = DomainRules(domain, trunk, tables.get(sids), _users(domain, credential_lists))
    return rules


def _users(domain: SipDomain, lists: Mapping[str, CredentialList]) -> dict[str, tuple[Ha1, ...]] | None:
    if not domain.credential_list_sids:
        return None
    users: dict[str, tuple[Ha1, ...]] = {}
    for sid in domain.credential_list_sids:
        for credential in lists[sid].credentials:
            users[credential.username] = (*users.get(credential.username, ()), credential.ha1)
    return users


def _known_sources(rows: Resources) -> SourceTable:
    used = {sid for domain in rows.domains for sid in domain.ip_access_control_list_sids}
    return _source_table(acl for acl in rows.ip_access_control_lists if acl.sid in used)


def _source_table(lists: Iterable[IpAccessControlList]) -> SourceTable:
    return SourceTable(
        (network, AclEntry(acl.friendly_name, entry.friendly_name, network.cidr))
        for acl in lists
        for entry in acl.addresses
        for network in (read_network(entry.cidr),)
    )


def _host_index(domains: Iterable[DomainRules], installation: Installation) -> dict[str, HostMatch]:
    """Every host that names a domain. A call over the generic name came in at the node's own region."""
    home, base = installation.region, installation.base_domain
    hosts: dict[str, HostMatch] = {}
    for rules in domains:
        name = rules.domain.domain_name
        hosts[name] = HostMatch(rules, home)
        for region in installation.regions:
            hosts |= {host: HostMatch(rules, region) for host in localized_names(name, base, region)}
        hosts |= {address: HostMatch(rules, home, address) for address in rules.domain.static_ips}
    return hosts
