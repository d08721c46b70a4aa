"""The access control lists and credential lists, compiled for the questions of a call: one by one, and shared.

A domain names its lists and has no compiled ones of its own: 10 000 domains on one list of 1000 would be ten
million entries, and each change of the list would touch them all.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from byoc_proxy.trunk.networks import Network, read_network
from byoc_proxy.trunk.sources import NOBODY, AclEntry, KnownSources, SourceTable

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Iterator, Mapping

    from byoc_proxy.sip.digest import Ha1
    from byoc_proxy.trunk.list_checks import Reading
    from byoc_proxy.trunk.model import IpAccessControlList
    from byoc_proxy.trunk.rows import Changed, Rows

    Users = Mapping[str, Ha1]  # by user name


@dataclass(frozen=True, slots=True, eq=False)
class Lists:
    """`sources` and `users` by SID of the list; `uses`: how many domains an access control list is mapped to, if to
    any; `known`: the sources that are in a list of some domain.
    """

    sources: Mapping[str, SourceTable]
    users: Mapping[str, Users]
    uses: Mapping[str, int]
    known: KnownSources

    def changed(self, old: Rows, new: Rows, changed: Changed, readings: Mapping[str, Reading]) -> Lists:
        """The lists after `old` has become `new`; `readings` are those of the access control lists that changed."""
        touched = [sid for section, sid in changed if section == "ip_access_control_lists"]
        credential_lists = [sid for section, sid in changed if section == "credential_lists"]
        steps = _steps(old, new, [sid for section, sid in changed if section == "domains"])
        uses = _added(self.uses, steps)
        turned = {*touched, *(sid for sid in steps if (sid in uses) != (sid in self.uses))}
        before = {sid: old.ip_access_control_lists[sid] for sid in turned if sid in self.uses}
        after = {sid: new.ip_access_control_lists[sid] for sid in turned if sid in uses}
        return Lists(
            self._sources(new, touched, readings),
            self._users(new, credential_lists),
            uses,
            self.known.changed(
                fewer=_networks_beside(before, after, {}),
                more=_networks_beside(after, before, readings),
            ),
        )

    def _sources(
        self, new: Rows, touched: Collection[str], readings: Mapping[str, Reading]
    ) -> Mapping[str, SourceTable]:
        if not touched:
            return self.sources
        sources = dict(self.sources)
        for sid in touched:
            acl = new.ip_access_control_lists.get(sid)
            if acl is None:
                sources.pop(sid, None)
            else:
                sources[sid] = SourceTable(_entries(acl, readings[sid]))
        return sources

    def _users(self, new: Rows, touched: Collection[str]) -> Mapping[str, Users]:
        if not touched:
            return self.users
        users = dict(self.users)
        for sid in touched:
            credentials = new.credential_lists.get(sid)
            if credentials is None:
                users.pop(sid, None)
            else:
                users[sid] = {each.username: each.ha1 for each in credentials.credentials}
        return users


NO_LISTS: Final = Lists({}, {}, {}, NOBODY)


def _steps(old: Rows, new: Rows, domains: Iterable[str]) -> dict[str, int]:
    """How many more domains use a list after these have changed."""
    steps: Counter[str] = Counter()
    for sid in domains:
        if sid in old.domains:
            steps.subtract(old.domains[sid].ip_access_control_list_sids)
        if sid in new.domains:
            steps.update(new.domains[sid].ip_access_control_list_sids)
    return {sid: step for sid, step in steps.items() if step}


def _added(uses: Mapping[str, int], steps: Mapping[str, int]) -> Mapping[str, int]:
    if not steps:
        return uses
    added = dict(uses)
    for sid, step in steps.items():
        added[sid] = added.get(sid, 0) + step
        if not added[sid]:
            del added[sid]
    return added


def _entries(acl: IpAccessControlList, reading: Reading) -> Iterator[tuple[Network, AclEntry]]:
    for entry, network in zip(acl.addresses, reading, strict=True):
        if isinstance(network, Network):
            yield network, AclEntry(acl.friendly_name, entry.friendly_name, network.cidr)


def _networks_beside(
    these: Mapping[str, IpAccessControlList],
    those: Mapping[str, IpAccessControlList],
    readings: Mapping[str, Reading],
) -> Iterator[Network]:
    """What these lists hold that those of the same SIDs do not: usually one entry of a long list."""
    for sid, acl in these.items():
        there = {entry.cidr for entry in those[sid].addresses} if sid in those else ()
        if sid in readings:
            entries = zip(acl.addresses, readings[sid], strict=True)
            yield from (found for entry, found in entries if entry.cidr not in there and isinstance(found, Network))
        else:
            yield from (read_network(entry.cidr) for entry in acl.addresses if entry.cidr not in there)
