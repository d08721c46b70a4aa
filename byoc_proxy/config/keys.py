"""Keys and variables for rows that have SIDs and names: readable, valid in the file, and the same every time."""

from __future__ import annotations

import re
import unicodedata
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Container, Iterable

_NOT_IN_A_KEY: Final = re.compile(r"[^a-z0-9]+")
_NOT_IN_A_VARIABLE: Final = re.compile(r"[^A-Z0-9]+")
_LONGEST: Final = 48  # of 64, so that a number fits behind it
_OF_A_SID: Final = 10


def readable_keys(rows: Iterable[tuple[str, str]]) -> dict[str, str]:
    """A key for each (SID, name): the name in lower-case ASCII letters, digits and dashes, or the SID's beginning.

    Of rows with the same name, the one with the lowest SID has it alone and the others a number behind it.
    """
    wanted = sorted((_slug(name) or sid[:_OF_A_SID].lower(), sid) for sid, name in rows)
    keys: dict[str, str] = {}
    taken: set[str] = set()
    for slug, sid in wanted:
        keys[sid] = free_name(slug, "-", taken)
        taken.add(keys[sid])
    return keys


def variable_name(taken: Container[str], *parts: str) -> str:
    """The name of an environment variable made of `parts`, that is not `taken`: `BYOC_PASSWORD_SBCS_SBC1`."""
    return free_name(_NOT_IN_A_VARIABLE.sub("_", "_".join(map(_ascii, parts)).upper()), "_", taken)


def free_name(name: str, joint: str, taken: Container[str]) -> str:
    """`name`, or the first of `name-2`, `name-3`, … that is not taken."""
    number, free = 1, name
    while free in taken:
        number += 1
        free = f"{name}{joint}{number}"
    return free


def _slug(name: str) -> str:
    return _NOT_IN_A_KEY.sub("-", _ascii(name).lower()).strip("-")[:_LONGEST].rstrip("-")


def _ascii(text: str) -> str:
    """`text` with accents taken off; what has no ASCII letter in it goes."""
    return unicodedata.normalize("NFKD", text).encode("ascii", "ignore").decode()
