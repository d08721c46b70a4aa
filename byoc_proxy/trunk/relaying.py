"""Which header fields of one leg may be said on the other.

A trunk lists what its carrier may hear: `relay_headers` of the trunk that a message leaves on. What the protocol
itself writes never crosses, whatever the list says, and no wildcard covers it. A header that is on the list
crosses byte for byte, but for Diversion and History-Info: the hosts in these are of the network they came from, so
they get ours (RFC 5806, RFC 7044).
"""

from __future__ import annotations

import re
from functools import lru_cache
from typing import TYPE_CHECKING, Final

from byoc_proxy.sip.headers import HeaderError, header_key, refuse_unsafe
from byoc_proxy.sip.uri import NameAddr, SipUri, UriError, escape_user, quoted, render_params, split_commas
from byoc_proxy.trunk.numbers import AS_IT_IS, number_of

if TYPE_CHECKING:
    from collections.abc import Iterable

    from byoc_proxy.trunk.numbers import NumberFormat

    Field = tuple[str, str, str]  # key, name as written, value

DEFAULT_RELAYED: Final = ("User-to-User", "Subject", "Priority", "Accept-Language")

# Said by each leg for itself: its route, its dialog, its body, what it supports and how it proves who it is.
_OWN: Final = frozenset(
    "accept accept-encoding allow allow-events authentication-info authorization call-id contact"
    " content-disposition content-encoding content-language content-length content-type cseq event expires from"
    " info-package join max-breadth max-forwards mime-version min-expires min-se path proxy-authenticate"
    " proxy-authorization proxy-require rack reason record-route recv-info refer-sub refer-to replaces require"
    " retry-after route rseq service-route session-expires sip-etag sip-if-match subscription-state supported"
    " target-dialog timestamp to unsupported via www-authenticate x-byoc-error".split()
)
_IDENTITY: Final = frozenset({"p-asserted-identity", "p-preferred-identity", "remote-party-id"})
_NEVER: Final = _OWN | _IDENTITY | {"privacy"}
_ADDRESSES: Final = frozenset({"diversion", "history-info"})
_PATTERN: Final = re.compile(r"[A-Za-z0-9\-.!%_+`'~]+\*?")
_WITHHELD: Final = re.compile(r"(?:^|&)privacy=[^&]*(?:history|header|session)", re.IGNORECASE)


def pattern_fault(pattern: str) -> str | None:
    """Why `pattern`, a header name or the beginning of one and `*`, cannot stand in `relay_headers`; or None."""
    if not _PATTERN.fullmatch(pattern):
        return f"{pattern!r} is not a header name; write X-Account or, for all that begin so, X-*"
    if pattern.endswith("*"):
        return None if len(pattern) > 2 else f"{pattern!r} would cover nearly everything; write more of it, as X-*"
    key = header_key(pattern)
    if key in _IDENTITY:
        return f"{pattern} says who calls: identity_header and trust_identity decide about it"
    if key == "privacy":
        return "Privacy is always honoured and passed on; leave it out"
    if key in _OWN:
        return f"{pattern} is the protocol's own: each leg says it for itself; leave it out"
    return None


def candidates(fields: Iterable[Field]) -> tuple[Field, ...]:
    """The fields that some list might let through."""
    return tuple(field for field in fields if field[0] not in _NEVER)


def extensions(fields: Iterable[Field]) -> tuple[tuple[str, str], ...]:
    """The X- headers, by name and value: what applications say to each other."""
    return tuple([(name, value) for key, name, value in fields if key.startswith("x-")])


class Border:
    """What may be said to one carrier of what came from elsewhere: the fields that `patterns` name.

    Addresses are written with our `host`, numbers in the carrier's format. An entry whose user asked for privacy
    does not cross a border that is not `trusted`.
    """

    __slots__ = ("_calling", "_host", "_patterns", "_trusted")

    def __init__(self, patterns: tuple[str, ...], host: str, calling: NumberFormat, *, trusted: bool) -> None:
        self._patterns = patterns
        self._host = host
        self._calling = calling
        self._trusted = trusted

    def relayed(self, fields: Iterable[Field], written: NumberFormat = AS_IT_IS) -> tuple[tuple[str, str], ...]:
        """Those of `fields` that cross, in their order, as they are to be said. `written`: what makes a number of
        theirs one of ours.
        """
        names, beginnings = _compiled(self._patterns)
        crossing: list[tuple[str, str]] = []
        for key, name, value in fields:
            if key in _NEVER or not (key in names or (beginnings and key.startswith(beginnings))):
                continue
            if key in _ADDRESSES:
                crossing += [(name, address) for address in self._addresses(value, written)]
            elif _is_safe(name, value):
                crossing.append((name, value))
        return tuple(crossing)

    def _addresses(self, value: str, written: NumberFormat) -> list[str]:
        """The entries of one Diversion or History-Info line; what cannot be read is left out."""
        entries = []
        for text in filter(None, split_commas(value)):
            try:
                entry = NameAddr.parse(text)
                if isinstance(entry.uri, SipUri) and (self._trusted or not _is_withheld(entry, entry.uri)):
                    entries.append(self._entry(entry, entry.uri, written))
            except UriError:
                continue
        return entries

    def _entry(self, entry: NameAddr, uri: SipUri, written: NumberFormat) -> str:
        user = escape_user(self._calling.apply(written.apply(number_of(uri))))
        name = f'"{quoted(entry.display_name)}" ' if entry.display_name else ""
        headers = f"?{uri.headers}" if uri.headers else ""
        return f"{name}<sip:{user}{'@' if user else ''}{self._host}{headers}>{render_params(entry.params)}"


def _is_withheld(entry: NameAddr, uri: SipUri) -> bool:
    # RFC 5806 §4.2: privacy=full, name, uri or off. RFC 7044 §10.1.2: a Privacy header escaped in the URI
    return entry.params.get("privacy") not in (None, "off") or _WITHHELD.search(uri.headers) is not None


def _is_safe(name: str, value: str) -> bool:
    """A lone CR or LF can stand in a datagram; said by us it could be taken for the end of a line."""
    try:
        refuse_unsafe(name, value)
    except HeaderError:
        return False
    return True


@lru_cache(256)
def _compiled(patterns: tuple[str, ...]) -> tuple[frozenset[str], tuple[str, ...]]:
    """The names and the beginnings of names, in lower case."""
    names = frozenset(header_key(pattern) for pattern in patterns if not pattern.endswith("*"))
    return names, tuple(pattern[:-1].lower() for pattern in patterns if pattern.endswith("*"))
