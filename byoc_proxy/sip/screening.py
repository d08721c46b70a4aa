"""What is said to a request that belongs to no session and no transaction yet: take it, answer it, or be silent."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from byoc_proxy.sip.terms import Terms

_TERMS: Final = Terms()


@dataclass(slots=True)
class Accept:
    """Make a session of this INVITE, on these terms. `admission` comes back in `Invited`."""

    admission: object = None
    terms: Terms = _TERMS


@dataclass(slots=True)
class Answer:
    """Answer statelessly."""

    status: int
    reason: str | None = None
    headers: tuple[tuple[str, str], ...] = ()


@dataclass(slots=True)
class Ignore:
    """Say nothing."""

    reason: str
    kind: str = "stray"
