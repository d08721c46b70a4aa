"""What an outbound leg is to say, described once and rendered afresh for every attempt.

Nothing that one attempt rewrote reaches the next, and nothing of the caller's network reaches the carrier: From,
To, Contact, Via and Call-ID are our own. Only the headers named in `RELAYED` cross, byte for byte.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final
from urllib.parse import unquote

from byoc_proxy.sip.uac import OutgoingInvite
from byoc_proxy.sip.uri import SipUri, UriError, escape_user, quoted

if TYPE_CHECKING:
    from byoc_proxy.sip.message import Request

RELAYED: Final = frozenset({"user-to-user", "subject", "priority", "privacy", "accept-language"})

# what `identity_header` may be, and how it is spelt (RFC 3325 §9; RFC 3323's draft kin)
_IDENTITY: Final = {"pai": "P-Asserted-Identity", "ppi": "P-Preferred-Identity", "rpid": "Remote-Party-ID"}


@dataclass(slots=True)
class Origin:
    """What of the caller's INVITE outlives it: all that any leg of the call may ever say.

    `headers` are those that cross to the other leg; `offer` is the caller's SDP, empty when there was none.
    """

    user: str
    display_name: str
    headers: tuple[tuple[str, str], ...]
    offer: bytes
    max_forwards: int

    @classmethod
    def of(cls, request: Request) -> Origin:
        from_ = request.from_
        user = from_.uri.decoded_user if isinstance(from_.uri, SipUri) else from_.uri.rest
        headers = tuple((name, value) for key, name, value in request.headers if key in RELAYED)
        return cls(user, from_.display_name, headers, request.sdp, request.max_forwards)


@dataclass(slots=True)
class Caller:
    """Who calls, as the called side sees it: user part, display name, and the host of From."""

    user: str
    display_name: str
    host: str

    @property
    def address(self) -> str:
        """`"name" <sip:user@host>`."""
        user = f"{escape_user(self.user)}@" if self.user else ""
        name = ""
        if self.display_name:
            try:
                name = f'"{quoted(self.display_name)}" '
            except UriError:
                name = ""  # a control character: the name is decoration, the call is not
        return f"{name}<sip:{user}{self.host}>"


@dataclass(slots=True)
class CallIntent:
    """One leg to be made, before anything is known of the target.

    `number` goes into a target's user part when it has none. `identity` is a trunk's `identity_header`.
    """

    caller: Caller
    number: str
    identity: str
    headers: tuple[tuple[str, str], ...]
    body: bytes
    max_forwards: int

    def invite(self, target: SipUri, extra: tuple[tuple[str, str], ...] = ()) -> OutgoingInvite:
        """The INVITE towards `target`."""
        uri = target if target.user else target.with_user(escape_user(self.number) or None)
        request_uri = uri.without_headers()
        to_user = f"{uri.user}@" if uri.user else ""
        headers = [*self.headers, *_uri_headers(target), *extra]
        identity = _IDENTITY.get(self.identity)
        if identity is not None and self.caller.user:
            headers.append((identity, self.caller.address))
        if self.body:
            headers.append(("Content-Type", "application/sdp"))
        return OutgoingInvite(
            str(request_uri),
            self.caller.address,
            f"<sip:{to_user}{uri.host_port}>",
            tuple(headers),
            self.body,
            self.max_forwards,
        )


def _uri_headers(target: SipUri) -> list[tuple[str, str]]:
    """A target's `?X-name=value` headers; others must not come out of a URI (RFC 3261 §19.1.5)."""
    headers = []
    for part in target.headers.split("&"):
        name, _, value = part.partition("=")
        if name.lower().startswith("x-") and "%0" not in value.lower():
            headers.append((name, unquote(value)))
    return headers
