"""What changes between two sets of rows, one row at a time: what an API writes, and what a reload comes to.

A `Directory` takes changes without reading the rest of the rows again; see `Directory.changed`.
"""

from __future__ import annotations

from dataclasses import dataclass, fields, replace
from typing import TYPE_CHECKING, Any, Final

from byoc_proxy.trunk.model import (
    Account,
    Application,
    ByocTrunk,
    ConnectionPolicy,
    CredentialList,
    IpAccessControlList,
    Resources,
    SipDomain,
    TwimlBin,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping

    from _typeshed import DataclassInstance

Row = (
    Account
    | ByocTrunk
    | SipDomain
    | IpAccessControlList
    | CredentialList
    | ConnectionPolicy
    | TwimlBin
    | Application
)
SECTIONS: Final = tuple(section.name for section in fields(Resources) if section.name != "installation")


@dataclass(frozen=True, slots=True)
class Change:
    """One row as it shall be: new, in place of the one with its SID, or None: removed.

    `section` is a field of `Resources` other than `installation`, and `row` one of its rows with that `sid`.
    Removing what is not there changes nothing.
    """

    section: str
    sid: str
    row: Row | None


def differences(old: Resources, new: Resources) -> list[Change]:
    """The changes that make the rows of `new` out of those of `old`: removed, added, and then altered ones."""
    found = []
    for section in SECTIONS:
        before: dict[str, Row] = {row.sid: row for row in getattr(old, section)}
        after: dict[str, Row] = {row.sid: row for row in getattr(new, section)}
        found += [Change(section, sid, None) for sid in before if sid not in after]
        found += [Change(section, sid, row) for sid, row in after.items() if sid not in before]
        found += [Change(section, sid, row) for sid, row in after.items() if sid in before and before[sid] != row]
    return found


def applied(rows: Resources, changes: Iterable[Change]) -> Resources:
    """The rows with the changes in them: those that stay keep their places, new ones come last."""
    sections: dict[str, dict[str, Any]] = {}
    for change in changes:
        table = sections.setdefault(change.section, {row.sid: row for row in getattr(rows, change.section)})
        if change.row is None:
            table.pop(change.sid, None)
        else:
            table[change.sid] = change.row
    changed: dict[str, Any] = {section: tuple(table.values()) for section, table in sections.items()}
    return replace(rows, **changed)


def changes_in_words(before: Callable[[str], Mapping[str, Row]], changes: Iterable[Change]) -> list[str]:
    """One line for each change of the rows that `before` gives by section; names of fields, and never a value."""
    lines = []
    for change in changes:
        row = before(change.section).get(change.sid)
        if row != change.row:
            lines.append(f"{change.section}: {change.sid} {_verb(row, change.row)}")
    return lines


def _verb(before: Row | None, after: Row | None) -> str:
    if after is None:
        return "removed"
    return "added" if before is None else f"changed: {fields_that_differ(before, after)}"


def fields_that_differ(before: DataclassInstance, after: DataclassInstance) -> str:
    """Their names, or nothing."""
    names = (field.name for field in fields(after))
    return ", ".join(name for name in names if getattr(before, name) != getattr(after, name))
