"""What changed rows mean for rows that stay as they are: who still refers to them, and who must be judged again.

Only what is removed, or changes in what rules about *other* rows read, makes anybody look further than at the
changed rows. Then the rows that may refer to it are looked through once, however many have changed.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from typing import TYPE_CHECKING, Any, Final

from byoc_proxy.trunk.changes import SECTIONS
from byoc_proxy.trunk.checks import REFERENCES
from byoc_proxy.trunk.domain_checks import higher_name
from byoc_proxy.trunk.findings import Finding, Rule
from byoc_proxy.trunk.handler_checks import NAME_HANDLERS, bins_named

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from byoc_proxy.trunk.changes import Row
    from byoc_proxy.trunk.model import SipDomain
    from byoc_proxy.trunk.rows import Changed, Key, Rows

MOST_NAMED: Final = 10  # users that a finding names; of more it says how many
# What is missing to an untouched row has been removed by this very change: it is said of what was removed.
SAID_OF_THE_REMOVED: Final = frozenset({Rule.NO_SUCH_REFERENCE, Rule.HIGHER_MISSING})
# What rules about other rows read of a row, beside whether it is there.
_SEEN_BY_OTHERS: Final = {
    "accounts": ("parent_sid", "static_ip", "interconnect"),
    "domains": ("account_sid", "domain_name"),
    "twiml_bins": ("account_sid", "unique_name"),
}
# Of rules about these rows, none reads more of the account than that it is there.
_READ_NOTHING_OF_THEIR_OWNER: Final = frozenset(
    (section, "account_sid") for section in REFERENCES if section not in ("accounts", "domains")
)
_KINDS: Final = {
    "accounts": "account",
    "trunks": "trunk",
    "domains": "domain",
    "ip_access_control_lists": "IP access control list",
    "credential_lists": "credential list",
    "connection_policies": "connection policy",
    "twiml_bins": "TwiML bin",
    "applications": "application",
}


class Consequences:
    """`problems`: what cannot go because it is in use. `judge_again`: (section, row), untouched, each once."""

    def __init__(self, old: Rows, new: Rows, changed: Changed) -> None:
        self._old, self._new, self._changed = old, new, changed
        self._gone: dict[str, set[str]] = defaultdict(set)
        self._moved: dict[str, set[str]] = defaultdict(set)
        self._uses: Counter[Key] = Counter()
        self._users: dict[Key, list[tuple[str, Row]]] = defaultdict(list)  # the first of them
        self._again: dict[Key, Row] = {}
        for key in changed:
            self._sort(*key)
        for section in SECTIONS:
            self._find_users(section)
        self._find_sub_domains()
        self._find_users_of_bins()
        self._find_loops()
        self.problems = [*self._in_use()]
        self.judge_again = [(section, row) for (section, _), row in self._again.items()]

    def _sort(self, section: str, sid: str) -> None:
        before, after = self._old.section(section).get(sid), self._new.section(section).get(sid)
        if before is None:
            return  # nobody can have referred to it
        fields = _SEEN_BY_OTHERS.get(section, ("account_sid",))
        if after is None:
            self._gone[section].add(sid)
        elif any(getattr(before, field) != getattr(after, field) for field in fields):
            self._moved[section].add(sid)

    def _untouched(self, section: str) -> Iterator[Any]:
        changed = self._changed
        return (row for sid, row in self._new.section(section).items() if (section, sid) not in changed)

    def _find_users(self, section: str) -> None:
        for field, to in REFERENCES[section].items():
            gone = self._gone[to]
            moved = self._moved[to] if (section, field) not in _READ_NOTHING_OF_THEIR_OWNER else frozenset()
            if not gone and not moved:
                continue
            for row in self._untouched(section):
                value = getattr(row, field)
                for sid in value if isinstance(value, tuple) else (value,):
                    if sid in gone:
                        self._note_user((to, sid), section, row)
                    elif sid in moved and (field != "account_sid" or self._minds_its_owner(row)):
                        self._again[section, row.sid] = row

    def _minds_its_owner(self, domain: SipDomain) -> bool:
        return bool(domain.static_ips) or higher_name(domain.domain_name) != self._new.installation.base_domain

    def _note_user(self, of: Key, section: str, row: Row) -> None:
        self._uses[of] += 1
        if self._uses[of] <= MOST_NAMED:
            self._users[of].append((section, row))

    def _find_sub_domains(self) -> None:
        touched = self._gone["domains"] | self._moved["domains"]
        lost = {self._old.domains[sid].domain_name: sid for sid in touched}
        if not lost:
            return
        for domain in self._untouched("domains"):
            higher = higher_name(domain.domain_name)
            if higher not in lost:
                continue
            if higher in self._new.names:
                self._again["domains", domain.sid] = domain
            else:
                self._note_user(("names", lost[higher]), "domains", domain)

    def _find_users_of_bins(self) -> None:
        """Handlers name a bin by its name or SID; another one may have taken the name by this very change."""
        touched = self._gone["twiml_bins"] | self._moved["twiml_bins"]
        for section in NAME_HANDLERS if touched else ():
            for row in self._untouched(section):
                for _, name in bins_named(row):
                    before = self._old.bin_of(row.account_sid, name)
                    if before is not None and self._new.bin_of(row.account_sid, name) is None:
                        self._note_user(("twiml_bins", before.sid), section, row)

    def _find_loops(self) -> None:
        """A domain that is new, or called otherwise, may be where a target leads."""
        for host, policies in self._new.near_hosts.items():
            found = self._new.named(host)
            if found is not None and ("domains", found[0].sid) in self._changed:
                for sid in policies:
                    if ("connection_policies", sid) not in self._changed:
                        self._again["connection_policies", sid] = self._new.connection_policies[sid]

    def _in_use(self) -> Iterator[Finding]:
        for (section, sid), times in self._uses.items():
            users = _named(self._users[section, sid], times)
            if section != "names":
                renamed = ("unique_name",) if section == "twiml_bins" and sid in self._new.twiml_bins else ()
                text = f"is in use by {users}; change or remove what uses it first"
                yield Finding((section, sid, *renamed), text, Rule.IN_USE)
                continue
            name = self._old.domains[sid].domain_name
            renamed = ("domain_name",) if sid in self._new.domains else ()
            text = f"{name} has sub-domains, which must go first: {users}"
            yield Finding(("domains", sid, *renamed), text, Rule.HAS_SUBDOMAINS)


def _named(users: Sequence[tuple[str, Any]], times: int) -> str:
    named = [f"{_KINDS[section]} {_name(row)!r} ({row.sid})" for section, row in users]
    more = times - len(named)
    return ", ".join(named) + (f" and {more} more" if more else "")


def _name(row: Any) -> str:
    name: str = row.friendly_name or getattr(row, "domain_name", "")
    return name
