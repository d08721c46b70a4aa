"""What is known of a word of TwiML: what becomes of it here, and what its attributes may say."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from enum import StrEnum
from typing import TYPE_CHECKING, Final

from byoc_proxy.twiml.verbs import MEDIA_ENGINE_MISSING

if TYPE_CHECKING:
    from collections.abc import Mapping

SCHEMA_WARNING: Final = 12200
INVALID_URL: Final = 11100


class Fate(StrEnum):
    """What becomes of an element or of an attribute."""

    RUNS = "runs"  # an attribute: it is honoured
    NEEDS_MEDIA = "needs media"  # 12490
    NO_EFFECT = "no effect"  # it speaks of something that is not done, or that is read by nobody here
    SKIPPED = "skipped"  # with a warning


@dataclass(frozen=True, slots=True)
class Attribute:
    """One attribute. `code` is that of a value which it cannot have: a warning and the default, or with `refuses` a
    document that cannot run; for one that is skipped it is that of the warning.

    `values` is what its value may look like, where that is all there is to check. `silent` are the values with
    which an attribute that needs media asks for none; the empty one always is.
    """

    fate: Fate = Fate.RUNS
    code: int = SCHEMA_WARNING
    refuses: bool = False
    values: re.Pattern[str] | None = None
    silent: frozenset[str] = frozenset()


@dataclass(frozen=True, slots=True)
class Word:
    """One element. `code` goes with a fate other than `RUNS`."""

    fate: Fate = Fate.RUNS
    attributes: Mapping[str, Attribute] = field(default_factory=dict)
    code: int = SCHEMA_WARNING


def media(attributes: str = "") -> Word:
    """A verb or noun that is audio, and its attributes, which are read when there is an engine."""
    needed = Attribute(Fate.NEEDS_MEDIA)
    return Word(Fate.NEEDS_MEDIA, dict.fromkeys(attributes.split(), needed), MEDIA_ENGINE_MISSING)


def one_of(*values: str) -> re.Pattern[str]:
    return re.compile("|".join(map(re.escape, values)))


def list_of(*values: str) -> re.Pattern[str]:
    one = "|".join(map(re.escape, values))
    return re.compile(f"(?:{one})(?: +(?:{one}))*")


def skipped(attributes: str = "", code: int = SCHEMA_WARNING) -> Word:
    """An element that is left out with a warning, whatever its attributes say."""
    return Word(Fate.SKIPPED, dict.fromkeys(attributes.split(), Attribute(Fate.SKIPPED, code)), code)


def silent(attributes: str = "") -> Word:
    """An element that is understood and changes nothing."""
    return Word(Fate.NO_EFFECT, dict.fromkeys(attributes.split(), Attribute(Fate.NO_EFFECT)))
