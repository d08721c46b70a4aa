"""What a judgement says about a row: where, which rule, and in words what would be right."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum, auto

Path = tuple[str | int, ...]


class Rule(StrEnum):
    """Which rule a finding is about, for who answers with a code of his own and should not read the text."""

    DUPLICATE_NAME = auto()  # the domain name is another domain's
    NAME_FORM = auto()
    NAME_SUFFIX = auto()  # the domain name does not end in the base domain
    HIGHER_MISSING = auto()  # a sub-domain without its higher-level domain
    HIGHER_FOREIGN = auto()  # … which belongs to an unrelated account
    HAS_SUBDOMAINS = auto()  # the domain cannot go, or be called otherwise, before its sub-domains
    IN_USE = auto()  # the row cannot go before those that refer to it
    NO_SUCH_REFERENCE = auto()
    FOREIGN_REFERENCE = auto()  # what is referred to belongs to another account
    STATIC_IP_OFF = auto()  # not allowed for the account
    STATIC_IP_REGION = auto()
    STATIC_IP_RANGE = auto()  # outside of the account's interconnect
    STATIC_IP_TAKEN = auto()
    TOO_MANY_TARGETS = auto()
    TARGET = auto()  # no call can be sent there
    RANGE = auto()  # a number that is too small or too large
    DUPLICATE_ENTRY = auto()  # a list holds it twice
    ADDRESS = auto()  # no IP address or range
    ADVICE = auto()  # unwise, and allowed
    OTHER = auto()


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing that is wrong or unwise: where, and what with what would be right.

    The path begins with the section and the SID (`("domains", "SD…", "static_ips", 0)`), so that whoever wrote
    the row can be shown the place.
    """

    path: Path
    text: str
    rule: Rule = Rule.OTHER

    def __str__(self) -> str:
        return f"{'.'.join(map(str, self.path))}: {self.text}"
