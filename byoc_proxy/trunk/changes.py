"""What changes between two sets of rows, one row at a time: what an API writes, and what a reload comes to.

A `Directory` takes changes without reading the rest of the rows again; see `Directory.changed`.
"""

from __future__ import annotations

from dataclasses import dataclass, fields, replace
from typing import TYPE_CHECKING, Any, Final

from byoc_proxy.trunk.checks import by_sid
from byoc_proxy.trunk.model import Resources

if TYPE_CHECKING:
    from collections.abc import Iterable

    from byoc_proxy.trunk.model import (
        Account,
        ByocTrunk,
        ConnectionPolicy,
        CredentialList,
        IpAccessControlList,
        SipDomain,
    )

    Row = Account | ByocTrunk | SipDomain | IpAccessControlList | CredentialList | ConnectionPolicy

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
    """The changes that make the rows of `new` out of those of `old`; what is equal is no change."""
    found = []
    for section in SECTIONS:
        before, after = by_sid(getattr(old, section)), by_sid(getattr(new, section))
        found += [Change(section, sid, None) for sid in before if sid not in after]
        found += [Change(section, sid, row) for sid, row in after.items() if before.get(sid) != row]
    return found


def applied(rows: Resources, changes: Iterable[Change]) -> Resources:
    """The rows with the changes in them: those that stay keep their places, new ones come last."""
    sections: dict[str, dict[str, Any]] = {}
    for change in changes:
        table = sections.setdefault(change.section, by_sid(getattr(rows, change.section)))
        if change.row is None:
            table.pop(change.sid, None)
        else:
            table[change.sid] = change.row
    changed: dict[str, Any] = {section: tuple(table.values()) for section, table in sections.items()}
    return replace(rows, **changed)
