"""Who calls: what of a caller's INVITE is believed, and how a carrier is told.

Two things are kept apart (RFC 3325): the address that the caller presents (From) and the identity that a network
we trust vouches for (P-Asserted-Identity). A caller who wants privacy (RFC 3323, RFC 3325 §7) is anonymous in every
From that we write; the identity goes to a carrier only where an identity header is agreed with it, and then with
`Privacy: id`.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, Literal

from byoc_proxy.sip.uri import NameAddr, SipUri, UriError, escape_user, quoted
from byoc_proxy.trunk.numbers import NumberFormat, number_of

if TYPE_CHECKING:
    from byoc_proxy.sip.message import Request

IdentityHeader = Literal["pai", "ppi", "rpid", "none"]
TrustIdentity = Literal["acl", "always", "never"]

ANONYMOUS: Final = '"Anonymous" <sip:anonymous@anonymous.invalid>'  # RFC 3323 §4.1.1.3
_ANONYMOUS_USER: Final = "anonymous"
_NOBODY: Final = ".invalid"  # RFC 2606 §2: anonymous.invalid (RFC 3323), unknown.invalid where there is no number
_NAMES: Final = {"pai": "P-Asserted-Identity", "ppi": "P-Preferred-Identity", "rpid": "Remote-Party-ID"}
_WITHHOLDS: Final = frozenset({"id", "user"})
_PRIV_VALUE: Final = re.compile(r"[A-Za-z0-9\-.!%*_+`'~]+")


@dataclass(frozen=True, slots=True)
class Party:
    """A user part, decoded, and a display name; either may be empty."""

    user: str
    display_name: str = ""

    def address(self, host: str) -> str:
        """`"name" <sip:user@host>`."""
        user = f"{escape_user(self.user)}@" if self.user else ""
        return f"{_name(self.display_name)}<sip:{user}{host}>"


@dataclass(frozen=True, slots=True)
class Identity:
    """`presented` is who the caller says to be, `asserted` who somebody we trust says it is, if anybody does.

    `privacy` are the priv-values of the INVITE (RFC 3323 §4.2); `anonymous` is true when From named nobody.
    """

    presented: Party
    asserted: Party | None = None
    privacy: tuple[str, ...] = ()
    anonymous: bool = False

    @classmethod
    def of(cls, request: Request, believed: bool, calling: NumberFormat) -> Identity:
        """The caller of an INVITE, numbers in our own form. P-Asserted-Identity counts only if `believed`."""
        from_ = request.from_
        uri = from_.uri
        presented = Party(calling.apply(number_of(uri)), from_.display_name)
        nobody = presented.user.lower() == _ANONYMOUS_USER or (
            isinstance(uri, SipUri) and uri.host.endswith(_NOBODY)
        )
        asserted = _asserted(request, calling) if believed else None
        return cls(presented, asserted, _privacy(request), nobody)

    @classmethod
    def of_application(cls, caller_id: str, caller: Identity) -> Identity:
        """The identity that an application chose with `callerId`; `anonymous` hides the caller's own."""
        if caller_id.lower() == _ANONYMOUS_USER:
            return cls(caller.presented, caller.asserted, ("id",), caller.anonymous)
        return cls(Party(caller_id), Party(caller_id))

    @property
    def withheld(self) -> bool:
        """Whether the called party must not learn who calls."""
        return self.anonymous or not _WITHHOLDS.isdisjoint(self.privacy)

    @property
    def known(self) -> Party | None:
        """The best that is known of who calls, for a network that may know it."""
        if self.asserted is not None:
            return self.asserted
        return self.presented if self.presented.user and not self.anonymous else None


@dataclass(frozen=True, slots=True)
class Presentation:
    """How a carrier is told who calls.

    `host` is that of From and of the identity header. `from_user` stands in From instead of the number, for
    carriers that want the account there. `calling` is the number format.
    """

    host: str
    header: IdentityHeader = "none"
    from_user: str | None = None
    calling: NumberFormat = NumberFormat()

    def from_value(self, identity: Identity) -> str:
        """The value of From, without a tag."""
        if self.from_user is not None:
            name = "Anonymous" if identity.withheld else identity.presented.display_name
            return Party(self.from_user, name).address(self.host)
        return ANONYMOUS if identity.withheld else self._written(identity.presented).address(self.host)

    def headers(self, identity: Identity) -> tuple[tuple[str, str], ...]:
        """The identity header and Privacy, as far as there is anything to say."""
        fields: list[tuple[str, str]] = []
        privacy = identity.privacy
        known = identity.known if self.header != "none" else None
        if known is not None:
            fields.append((_NAMES[self.header], f"{self._written(known).address(self.host)}{self._rpid(identity)}"))
            if identity.withheld and "id" not in privacy:
                privacy = (*privacy, "id")  # its From was anonymous: what we vouch for must not tell after all
        if privacy:
            fields.append(("Privacy", ";".join(privacy)))
        return tuple(fields)

    def number(self, identity: Identity) -> str:
        """The caller's number as this carrier gets it, for records; `anonymous` when it is withheld."""
        return _ANONYMOUS_USER if identity.withheld else self._written(identity.presented).user

    def _written(self, party: Party) -> Party:
        return Party(self.calling.apply(party.user), party.display_name)

    def _rpid(self, identity: Identity) -> str:
        if self.header != "rpid":
            return ""
        screened = "yes" if identity.asserted is not None else "no"
        return f";party=calling;screen={screened};privacy={'full' if identity.withheld else 'off'}"


def _asserted(request: Request, calling: NumberFormat) -> Party | None:
    """The first P-Asserted-Identity with a user (RFC 3325 §9.1: one `sip:` and one `tel:` at most)."""
    for value in request.listed("p-asserted-identity"):
        try:
            address = NameAddr.parse(value)
        except UriError:
            continue
        user = number_of(address.uri)
        if user and user.lower() != _ANONYMOUS_USER:
            return Party(calling.apply(user), address.display_name)
    return None


def _privacy(request: Request) -> tuple[str, ...]:
    """The priv-values in lower case, once each; separators other than `;` are forgiven."""
    words = ";".join(request.headers.all("privacy")).replace(",", ";").split(";")
    values = (word.strip().lower() for word in words)
    return tuple(dict.fromkeys(value for value in values if _PRIV_VALUE.fullmatch(value)))


def _name(display_name: str) -> str:
    if not display_name:
        return ""
    try:
        return f'"{quoted(display_name)}" '
    except UriError:
        return ""  # a control character: the name is decoration, the call is not
