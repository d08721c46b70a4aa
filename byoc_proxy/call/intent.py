"""What an outbound leg is to say, described once and rendered afresh for every attempt.

Nothing that one attempt rewrote reaches the next, and nothing of the caller's network reaches the carrier: From,
To, Contact, Via and Call-ID are our own. Who calls is written by `trunk.identity`, what else crosses is chosen by
`trunk.relaying`.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING
from urllib.parse import unquote

from byoc_proxy.sip.sdp import held_offer
from byoc_proxy.sip.terms import Terms
from byoc_proxy.sip.uac import OutgoingInvite
from byoc_proxy.sip.uri import escape_user
from byoc_proxy.trunk.relaying import candidates

if TYPE_CHECKING:
    from byoc_proxy.sip.message import Request
    from byoc_proxy.sip.uri import SipUri
    from byoc_proxy.trunk.identity import Identity


@dataclass(slots=True)
class Origin:
    """What of the caller's INVITE outlives it: all that any leg of the call may ever say.

    `fields` are the headers that some trunk may let through; `offer` is the caller's SDP, empty for none.
    """

    identity: Identity
    fields: tuple[tuple[str, str, str], ...]
    offer: bytes
    max_forwards: int

    @classmethod
    def of(cls, request: Request, identity: Identity) -> Origin:
        return cls(identity, candidates(request.headers), request.sdp, request.max_forwards)


@dataclass(slots=True)
class CallIntent:
    """One leg to be made, before anything is known of the target.

    `from_` is the value of From; `caller` and `number` are who calls whom in the carrier's form, of which `number`
    goes into a target's user part when it has none. `to_host` replaces the target's host in To. `terms` are those
    of its trunk. `held` is the session of an offer in which nothing flows, which then is sent in place of `body`.
    """

    from_: str
    caller: str
    number: str
    headers: tuple[tuple[str, str], ...]
    body: bytes
    max_forwards: int
    to_host: str | None = None
    terms: Terms = Terms()
    held: int | None = None

    def invite(
        self, target: SipUri, extra: tuple[tuple[str, str], ...] = (), here: str = "0.0.0.0"
    ) -> OutgoingInvite:
        """The INVITE towards `target`; `here` is our own address on the way, as far as it is known."""
        body = held_offer(here, self.held) if self.held is not None else self.body
        uri = target if target.user else target.with_user(escape_user(self.number) or None)
        request_uri = uri.without_headers()
        to_user = f"{uri.user}@" if uri.user else ""
        headers = [*self.headers, *_uri_headers(target), *extra]
        if body:
            headers.append(("Content-Type", "application/sdp"))
        return OutgoingInvite(
            str(request_uri),
            self.from_,
            f"<sip:{to_user}{self.to_host or uri.host_port}>",
            tuple(headers),
            body,
            self.max_forwards,
            self.terms,
        )


def _uri_headers(target: SipUri) -> list[tuple[str, str]]:
    """A target's `?X-name=value` headers; others must not come out of a URI (RFC 3261 §19.1.5)."""
    headers = []
    for part in target.headers.split("&"):
        name, _, value = part.partition("=")
        if name.lower().startswith("x-") and "%0" not in value.lower():
            headers.append((name, unquote(value)))
    return headers
