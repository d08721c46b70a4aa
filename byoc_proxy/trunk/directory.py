"""One immutable snapshot of all rows, with the answers that an INVITE or a webhook asks for.

`Directory.build` and `Directory.changed` refuse rows that do not fit together and name every problem at once. A
reader takes `Directories.current` once and keeps that snapshot: nothing it sees changes under it, and nobody locks.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, NamedTuple

from byoc_proxy.trunk.advice import advice, advice_on
from byoc_proxy.trunk.changes import SECTIONS, changes_in_words, differences, fields_that_differ
from byoc_proxy.trunk.checks import Rules
from byoc_proxy.trunk.consequences import SAID_OF_THE_REMOVED, Consequences
from byoc_proxy.trunk.findings import Finding
from byoc_proxy.trunk.identity import Presentation
from byoc_proxy.trunk.list_checks import read_list
from byoc_proxy.trunk.lists import NO_LISTS, Lists
from byoc_proxy.trunk.networks import AddressError, read_address
from byoc_proxy.trunk.regions import region_order
from byoc_proxy.trunk.relaying import Border
from byoc_proxy.trunk.rows import Rows

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence

    from byoc_proxy.sip.digest import Ha1
    from byoc_proxy.trunk.changes import Change, Row
    from byoc_proxy.trunk.model import (
        Account,
        AccountSid,
        Application,
        ByocTrunk,
        ConnectionPolicy,
        Installation,
        Resources,
        SipDomain,
        TwimlBin,
    )
    from byoc_proxy.trunk.rows import Changed
    from byoc_proxy.trunk.sources import SourceTable


class DirectoryProblems(ValueError):
    """The rows cannot be used together; `problems` holds every reason."""

    def __init__(self, problems: Sequence[Finding]) -> None:
        super().__init__("\n".join(map(str, problems)))
        self.problems = tuple(problems)


class HostMatch(NamedTuple):
    """The domain that a Request-URI host names, with all it takes to judge a call to it.

    `sources`: its access control lists; empty: none is mapped. A mapped list without entries lets nobody in.
    `region`: where the call came in. `static_ip` when the host is one. `trail`: how the host led here, in words,
    which are the same for every call to it: found once, and not put together anew from what lies all over memory.
    """

    domain: SipDomain
    account: Account
    trunk: ByocTrunk | None
    sources: tuple[SourceTable, ...]
    region: str
    trail: tuple[str, ...]
    static_ip: str | None = None


@dataclass(frozen=True, slots=True, eq=False)
class Directory:
    """The snapshot. Its sections are mappings by SID."""

    installation: Installation
    region_order: tuple[str, ...]
    _rows: Rows = field(repr=False)
    _lists: Lists = field(repr=False)
    _found: dict[str, HostMatch] = field(default_factory=dict, repr=False)  # what was asked for before

    @classmethod
    def build(cls, resources: Resources) -> Directory:
        """Index all rows; raises `DirectoryProblems` with every reason why they cannot be used together."""
        installation = resources.installation
        order = region_order(installation.region, installation.regions)
        empty = cls(installation, order, Rows.none(installation), NO_LISTS)
        changed = {(section, row.sid): row for section in SECTIONS for row in getattr(resources, section)}
        return empty._with(changed, list(_sids_used_twice(resources)))

    def changed(self, changes: Iterable[Change]) -> Directory:
        """This snapshot with some rows changed, all of them at once: their order does not matter.

        What is untouched is shared, and costs nothing. Raises `DirectoryProblems` when the rows do not fit together
        afterwards; this snapshot stays as it is.
        """
        return self._with({(change.section, change.sid): change.row for change in changes}, [])

    def _with(self, changed: Changed, found: list[Finding]) -> Directory:
        rows = self._rows.changed(changed)
        readings = {
            sid: read_list(rows.ip_access_control_lists[sid])
            for section, sid in changed
            if section == "ip_access_control_lists" and sid in rows.ip_access_control_lists
        }
        found += _problems(self._rows, rows, changed, Rules(rows, readings))
        if found:
            raise DirectoryProblems(found)
        lists = self._lists.changed(self._rows, rows, changed, readings)
        return Directory(self.installation, self.region_order, rows, lists)

    @property
    def resources(self) -> Resources:
        """The rows, assembled when asked for."""
        return self._rows.resources()

    @property
    def accounts(self) -> Mapping[str, Account]:
        return self._rows.accounts

    @property
    def trunks(self) -> Mapping[str, ByocTrunk]:
        return self._rows.trunks

    @property
    def domains(self) -> Mapping[str, SipDomain]:
        return self._rows.domains

    @property
    def connection_policies(self) -> Mapping[str, ConnectionPolicy]:
        return self._rows.connection_policies

    @property
    def applications(self) -> Mapping[str, Application]:
        return self._rows.applications

    @property
    def warnings(self) -> tuple[Finding, ...]:
        """What did not forbid the build and should be looked at; found when asked for."""
        return tuple(advice(self._rows))

    def warnings_of(self, section: str, sid: str) -> tuple[Finding, ...]:
        """The same of one row; `section` is a field of `Resources`."""
        return tuple(advice_on(self._rows, section, sid))

    def section(self, name: str) -> Mapping[str, Row]:
        """The rows of a section, a field of `Resources`, by SID."""
        return self._rows.section(name)

    def find(self, host: str) -> HostMatch | None:
        """The domain that a Request-URI host names: generic, localized or static; never by suffix."""
        found = self._found.get(host)
        return found if found is not None else self._look_up(host)

    def is_ours(self, host: str) -> bool:
        """Whether a host is a domain here, or under the base domain, where nobody else has one."""
        base = self.installation.base_domain
        return self.find(host) is not None or f".{_canonical_host(host)}".endswith(f".{base}")

    def _look_up(self, host: str) -> HostMatch | None:
        name = _canonical_host(host)
        domain = self._rows.static_ips.get(name)
        if domain is not None:  # as over the generic name, the call came in at the node's own region
            found = self._match(host, domain, self.installation.region, name)
        else:
            named = self._rows.named(name)
            if named is None:
                return None
            found = self._match(host, *named)
        if name == host:
            self._found[host] = found  # no more than there are names of ours
        return found

    def _match(self, host: str, domain: SipDomain, region: str, static_ip: str | None = None) -> HostMatch:
        trunk_sid, tables = domain.byoc_trunk_sid, self._lists.sources
        trunk = self._rows.trunks[trunk_sid] if trunk_sid is not None else None
        line = f"domain {domain.domain_name} matched host {host}, region {region}"
        return HostMatch(
            domain,
            self._rows.accounts[domain.account_sid],
            trunk,
            tuple([tables[sid] for sid in domain.ip_access_control_list_sids]),
            region,
            (line,) if trunk is None else (line, f"trunk {trunk.sid} '{trunk.friendly_name}'"),
            static_ip,
        )

    def knows(self, source: str) -> bool:
        """Whether a source address is in an access control list that any domain uses."""
        return self._lists.known.hold(source)

    def credentials(self, domain: SipDomain, username: str) -> tuple[Ha1, ...]:
        """The HA1s that a user name has on a domain of this snapshot; several when mapped lists share the name."""
        lists = self._lists.users
        held = [lists[sid].get(username) for sid in domain.credential_list_sids]
        return tuple([ha1 for ha1 in held if ha1 is not None])

    def trunk_of(self, account_sid: AccountSid, trunk_sid: str) -> ByocTrunk | None:
        """The trunk of that SID if the account owns it; a foreign SID is as unknown as a wrong one."""
        trunk = self.trunks.get(trunk_sid)
        return trunk if trunk is not None and trunk.account_sid == account_sid else None

    def application_of(self, account_sid: AccountSid, application_sid: str) -> Application | None:
        """The application of that SID if the account owns it."""
        found = self.applications.get(application_sid)
        return found if found is not None and found.account_sid == account_sid else None

    def bin_of(self, account_sid: str, name: str) -> TwimlBin | None:
        """The TwiML bin that `twiml:` and `name` stands for in an account: its name, or its SID."""
        return self._rows.bin_of(account_sid, name)

    def policy_of(self, trunk: ByocTrunk) -> ConnectionPolicy | None:
        """The policy that the trunk's outbound calls follow, or None when it has none."""
        sid = trunk.connection_policy_sid
        return self.connection_policies[sid] if sid is not None else None

    def policies_of(self, trunk: ByocTrunk) -> list[ConnectionPolicy]:
        """Its policy and the one to fall back to, as far as it has them, in the order in which calls try them."""
        sids = (trunk.connection_policy_sid, trunk.fallback_connection_policy_sid)
        return [self.connection_policies[sid] for sid in sids if sid is not None]

    def from_host(self, trunk: ByocTrunk) -> str:
        """The host of From on the trunk's outbound calls: as written, its From domain, else the base domain."""
        if trunk.from_host is not None:
            return trunk.from_host
        sid = trunk.from_domain_sid
        return self.domains[sid].domain_name if sid is not None else self.installation.base_domain

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
        before = self.current
        self.put(new)
        place = fields_that_differ(before.installation, new.installation)
        lines = changes_in_words(before.section, differences(before.resources, new.resources))
        return [f"installation changed: {place}", *lines] if place else lines


def _problems(old: Rows, new: Rows, changed: Changed, rules: Rules) -> list[Finding]:
    """What is wrong with the changed rows, and with others because of them."""
    follows = Consequences(old, new, changed)
    found = [
        finding for (section, _), row in changed.items() if row is not None for finding in rules.judge(section, row)
    ]
    for section, row in follows.judge_again:
        found += [each for each in rules.judge(section, row) if each.rule not in SAID_OF_THE_REMOVED]
    return [*found, *follows.problems]


def _sids_used_twice(resources: Resources) -> Iterator[Finding]:
    for section in SECTIONS:
        for sid, times in Counter(row.sid for row in getattr(resources, section)).items():
            if times > 1:
                text = f"{sid} is used {times} times; a SID names one thing"
                yield Finding((section, sid, "sid"), text)


def _canonical_host(host: str) -> str:
    """The spelling that the index uses: lower case, no root dot, IPv6 as RFC 5952 has it."""
    if ":" in host:
        try:
            return read_address(host)
        except AddressError:
            return host
    return host.lower().rstrip(".")
