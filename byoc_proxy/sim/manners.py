"""How a simulated peer behaves in one call: what it does, when, and what it leaves undone."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

Verb = Literal[
    "hang up",
    "hold",
    "ask for an offer",
    "INFO",
    "UPDATE",
    "OPTIONS",
    "MESSAGE",
    "REFER",
    "repeat",
    "vanish",
    "restart",
]


@dataclass(frozen=True, slots=True)
class Deed:
    """Something done `after` so many seconds: of a call that is up, or of the INVITE."""

    after: float
    verb: Verb


@dataclass(frozen=True, slots=True)
class Manners:
    """What a peer does with what it hears.

    `acks_after` is in seconds, None for never; `reinvite` is the final response to one of theirs, 0 for none;
    `request` the one to their INFO and the like.
    """

    acks_after: float | None = 0.0
    answers_bye: bool = True
    obeys_cancel: bool = True
    reinvite: int = 200
    request: int = 200


@dataclass(frozen=True, slots=True)
class Line:
    """A response of a called peer, so many seconds after the one before.

    `fork`: another branch says it. `reliable`: with RFC 3262, where the caller supports that.
    """

    after: float
    status: int
    sdp: bool = False
    fork: bool = False
    reliable: bool = False
    headers: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Part:
    """What a called peer plays: its responses, and its deeds once its 200 is acknowledged."""

    lines: tuple[Line, ...]
    deeds: tuple[Deed, ...] = ()
    manners: Manners = Manners()
