"""Rows of the database beside the resources of the configuration file, in one snapshot that always fits together.

The file wins. A row that does not go with it, or with the other rows, is left out by itself, with the reason; it is
tried again whenever something changes. Nothing here awaits, reads or logs.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from byoc_proxy.storage.revisions import Place
from byoc_proxy.trunk.changes import SECTIONS, Change, applied
from byoc_proxy.trunk.directory import Directory, DirectoryProblems
from byoc_proxy.trunk.regions import localized_names

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

    from byoc_proxy.trunk.changes import Row
    from byoc_proxy.trunk.findings import Finding
    from byoc_proxy.trunk.model import ConnectionPolicyTarget, Credential, IpAddress, Resources, SipDomain

Rows = dict[Place, "Row"]


@dataclass(frozen=True, slots=True)
class Seating:
    """A snapshot, the rows that it could not take, and why not: in words, by place."""

    directory: Directory
    left_out: Rows = field(default_factory=dict)
    reasons: Mapping[Place, str] = field(default_factory=dict)


def seat(declared: Resources, rows: Iterable[Change]) -> Seating:
    """The resources of the file, which fit together, with all rows that fit too."""
    ours = places_of(declared)
    taken = {sid for _, sid in ours}
    standing: Rows = {}
    left_out: Rows = {}
    reasons: dict[Place, str] = {}
    for place, row in _rows(rows):
        if place.sid in taken:
            left_out[place], reasons[place] = row, "the configuration file declares this SID"
        else:
            standing[place] = row
    while True:
        try:
            directory = Directory.build(applied(declared, _changes(standing)))
        except DirectoryProblems as error:
            culprits = _culprits(error.problems, standing) or _disturbers(error.problems, declared, standing)
            # nothing can be blamed: what the file says is served in any case
            for place, text in (culprits or dict.fromkeys(standing, str(error))).items():
                left_out[place], reasons[place] = standing.pop(place), text
        else:
            return Seating(directory, left_out, reasons)


def move(before: Seating, changes: Iterable[Change], declared: Resources) -> Seating:
    """The snapshot after changes that others have committed, whose rows may not fit into it."""
    pending = {Place(change.section, change.sid): change for change in changes}
    left_out = {place: row for place, row in before.left_out.items() if place not in pending}
    reasons = {place: before.reasons[place] for place in left_out}
    taken = {sid for _, sid in places_of(declared)}
    for place in [place for place in pending if place.sid in taken]:
        change = pending.pop(place)
        if change.row is not None:
            left_out[place], reasons[place] = change.row, "the configuration file declares this SID"
    while True:
        try:
            directory = before.directory.changed(list(pending.values()))
        except DirectoryProblems as error:
            arriving = {place: change.row for place, change in pending.items() if change.row is not None}
            culprits = _culprits(error.problems, arriving)
            if not culprits:
                standing = {Place(change.section, change.sid): change for change in rows_beside(declared, before)}
                return seat(declared, [*{**standing, **pending}.values()])
            for place, text in culprits.items():
                left_out[place], reasons[place] = arriving[place], text
                pending[place] = Change(*place, None)
        else:
            return reconsider(Seating(directory, left_out, reasons))


def reconsider(seating: Seating) -> Seating:
    """Take in what was left out and fits by now."""
    standing = seating.directory.section
    # what stands where a row was left out is the file's
    waiting = {place: row for place, row in seating.left_out.items() if place.sid not in standing(place.section)}
    while waiting:
        try:
            directory = seating.directory.changed(_changes(waiting))
        except DirectoryProblems as error:
            culprits = _culprits(error.problems, waiting)
            if not culprits:
                return seating
            for place in culprits:
                del waiting[place]
        else:
            left_out = {place: row for place, row in seating.left_out.items() if place not in waiting}
            return Seating(directory, left_out, {place: seating.reasons[place] for place in left_out})
    return seating


def rows_beside(declared: Resources, seating: Seating) -> list[Change]:
    """All rows of the database, those that were left out included."""
    ours = places_of(declared)
    standing = [
        Change(section, sid, row)
        for section in SECTIONS
        for sid, row in seating.directory.section(section).items()
        if (section, sid) not in ours
    ]
    return [*standing, *_changes(seating.left_out)]


def places_of(rows: Resources) -> frozenset[Place]:
    """The place of each row."""
    return frozenset(Place(section, row.sid) for section in SECTIONS for row in getattr(rows, section))


def sids_of(rows: Resources) -> frozenset[str]:
    """Every SID of these rows, with those of the addresses, credentials and targets inside them."""
    inner: tuple[IpAddress | Credential | ConnectionPolicyTarget, ...] = (
        *(address for acl in rows.ip_access_control_lists for address in acl.addresses),
        *(credential for users in rows.credential_lists for credential in users.credentials),
        *(target for policy in rows.connection_policies for target in policy.targets),
    )
    return frozenset(place.sid for place in places_of(rows)) | {each.sid for each in inner}


def _rows(changes: Iterable[Change]) -> Iterator[tuple[Place, Row]]:
    for change in changes:
        if change.row is not None:
            yield Place(change.section, change.sid), change.row


def _changes(rows: Rows) -> list[Change]:
    return [Change(*place, row) for place, row in rows.items()]


def _culprits(problems: Iterable[Finding], rows: Mapping[Place, object]) -> dict[Place, str]:
    """Those of `rows` that problems name, with the first thing that is wrong with each."""
    found: dict[Place, str] = {}
    for problem in problems:
        place = Place(str(problem.path[0]), str(problem.path[1]))
        if place in rows:
            found.setdefault(place, str(problem))
    return found


def _disturbers(problems: Iterable[Finding], declared: Resources, rows: Rows) -> dict[Place, str]:
    """Domains of the database whose name is a target of the file, which is blamed and was there first."""
    blamed = {problem.path[1]: str(problem) for problem in problems if problem.path[0] == "connection_policies"}
    hosts = {
        uri.host: blamed[policy.sid]
        for policy in declared.connection_policies
        if policy.sid in blamed
        for target in policy.targets
        for uri in (target.target, target.outbound_proxy)
        if uri is not None
    }
    found = {}
    for place, row in rows.items():
        text = next((hosts[name] for name in _names(place, row, declared) if name in hosts), None)
        if text is not None:
            found[place] = text
    return found


def _names(place: Place, row: Any, declared: Resources) -> Iterator[str]:
    if place.section == "domains":
        domain: SipDomain = row
        place_of = declared.installation
        yield domain.domain_name
        for region in place_of.regions:
            yield from localized_names(domain.domain_name, place_of.base_domain, region)
