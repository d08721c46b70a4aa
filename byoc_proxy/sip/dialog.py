"""Dialogs: identity, route set, CSeq and remote target, and the requests sent inside them (RFC 3261 §12).

The route set is computed once, here (§12.1.1, §12.1.2), and the rendered head of in-dialog requests is reused.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, Literal

from byoc_proxy.sip.addresses import is_numeric, is_private
from byoc_proxy.sip.headers import Headers
from byoc_proxy.sip.message import Request
from byoc_proxy.sip.uri import NameAddr, SipUri, UriError

if TYPE_CHECKING:
    from collections.abc import Iterable

    from byoc_proxy.sip.flow import Address, Flow
    from byoc_proxy.sip.message import Response


Routing = Literal["auto", "contact", "source"]
"""Where in-dialog requests go: where the dialog says (§12.2.1.1), or where the far end sends from. `auto`: where
the dialog says, unless that is a private address and the far end is heard from a public one."""

_WITHOUT_CONTACT: Final = frozenset({"ACK", "BYE", "PRACK"})


class Dialog:
    """One dialog as one side sees it.

    `local` and `remote` are the From and To values, tags included, of the requests that we send.
    `remote_target` is the URI of the far end's Contact.
    """

    __slots__ = (
        "call_id",
        "contact",
        "flow",
        "_is_sought",
        "_next_hop",
        "located",
        "local",
        "local_cseq",
        "local_tag",
        "remote",
        "remote_cseq",
        "remote_tag",
        "remote_target",
        "route_set",
        "routing",
    )

    def __init__(self, call_id: str, local: str, local_tag: str, remote: str, remote_tag: str) -> None:
        self.call_id = call_id
        self.local = local
        self.local_tag = local_tag
        self.remote = remote
        self.remote_tag = remote_tag
        self.local_cseq = 0
        self.remote_cseq = -1
        self.remote_target = ""
        self._next_hop: SipUri | None = None
        self._is_sought = False
        self.located: Address | None = None  # of a next hop that is a name
        self.route_set: list[str] = []
        self.contact = ""
        self.routing: Routing = "auto"
        self.flow: Flow

    @classmethod
    def of_uas(cls, request: Request, local_tag: str, contact: str, flow: Flow) -> Dialog:
        """The dialog that our 1xx or 2xx to `request` makes (§12.1.1)."""
        local = f"{request.headers.get('to')};tag={local_tag}"
        dialog = cls(request.call_id, local, local_tag, request.headers.get("from") or "", request.from_tag)
        dialog.remote_cseq = request.cseq[0]
        dialog.route_set = _routes(request)  # §12.1.1: in the order of the request
        dialog.contact = contact
        dialog.flow = flow
        dialog.refresh_target(request)
        return dialog

    @classmethod
    def of_uac(cls, request: Request, response: Response, contact: str, flow: Flow) -> Dialog:
        """The dialog that `response` to our `request` makes (§12.1.2)."""
        remote = response.headers.get("to") or ""
        dialog = cls(request.call_id, request.headers.get("from") or "", request.from_tag, remote, response.to_tag)
        dialog.local_cseq = request.cseq[0]
        dialog.route_set = _routes(response)[::-1]  # §12.1.2: in reverse order
        dialog.contact = contact
        dialog.flow = flow
        dialog.remote_target = request.uri_text  # until a Contact says better
        dialog.refresh_target(response)
        return dialog

    def confirm(self, response: Response) -> None:
        """The 2xx of an early dialog came: the route set is computed again (§13.2.2.4)."""
        self.remote = response.headers.get("to") or self.remote
        self.route_set = response.listed("record-route")[::-1]
        self._lose()
        self.refresh_target(response)

    def refresh_target(self, message: Request | Response) -> None:
        """A target refresh request or its 2xx moves the remote target (§12.2)."""
        contact = message.contact
        if contact is not None:
            target = str(contact.without_headers())
            if target != self.remote_target:
                self.remote_target = target
                self._lose()
        elif not self.remote_target:
            # RFC 2543 peers and broken ones send no Contact; the From address is all that is left
            self.remote_target = _address(message.headers.get("from") or "")

    def in_order(self, request: Request) -> bool:
        """Accept the request's CSeq if it is higher than any before (§12.2.2)."""
        number = request.cseq[0]
        if number <= self.remote_cseq:
            return False
        self.remote_cseq = number
        return True

    def request(
        self,
        method: str,
        branch: str,
        *,
        cseq: int | None = None,
        headers: Iterable[tuple[str, str]] = (),
        body: bytes = b"",
    ) -> Request:
        """Build an in-dialog request (§12.2.1.1). `cseq` only for ACK, which repeats its INVITE's number."""
        if cseq is None:
            self.local_cseq += 1
            cseq = self.local_cseq
        uri, routes = self._target_and_routes()
        flow = self.flow
        fields = Headers()
        fields.items = [
            ("via", "Via", f"SIP/2.0/{flow.transport} {flow.sent_by};branch={branch};rport"),
            ("max-forwards", "Max-Forwards", "70"),
            *(("route", "Route", route) for route in routes),
            ("from", "From", self.local),
            ("to", "To", self.remote),
            ("call-id", "Call-ID", self.call_id),
            ("cseq", "CSeq", f"{cseq} {method}"),
        ]
        if method not in _WITHOUT_CONTACT:
            fields.items.append(("contact", "Contact", self.contact))
        for name, value in headers:
            fields.add(name, value)
        return Request(method, uri, fields, body)

    @property
    def next_hop(self) -> SipUri | None:
        """Where in-dialog requests go: the topmost route, else the remote target (§12.2.1.1, §8.1.2)."""
        if self._next_hop is None:
            text = _address(self.route_set[0]) if self.route_set else self.remote_target
            try:
                self._next_hop = SipUri.parse(text)
            except UriError:
                return None
        return self._next_hop

    def take_name(self) -> SipUri | None:
        """The next hop when it is a name that has to be looked up, said once. A stream needs no address."""
        hop = self.next_hop
        if self._is_sought or hop is None or self.flow.reliable or is_numeric(hop.host):
            return None
        self._is_sought = True
        return hop

    def found(self, hop: SipUri, place: Address) -> None:
        """The name has been looked up; nothing happens when the dialog has moved on meanwhile."""
        if hop is self._next_hop:
            self.located = place

    def _lose(self) -> None:
        self._next_hop = self.located = None
        self._is_sought = False

    @property
    def goes_to_source(self) -> bool:
        """Whether in-dialog requests go to where the far end was heard from, whatever it says of itself.

        Only a public far end with a private next hop is misunderstood in this way, never the reverse: inside one
        network, sending from one address and listening on another is nothing unusual.
        """
        if self.routing != "auto":
            return self.routing == "source"
        hop = self.next_hop
        host = self.located[0] if self.located is not None else hop.host if hop is not None else ""
        return is_private(host) and not is_private(self.flow.remote[0])

    def _target_and_routes(self) -> tuple[str, list[str]]:
        if not self.route_set:
            return self.remote_target, []
        first = self.next_hop
        if first is not None and "lr" in first.params:
            return self.remote_target, self.route_set
        # §12.2.1.1: a strict router stands in the Request-URI, stripped of what may not stand there, and the
        # remote target moves to the end of the routes
        router = str(first.without_headers()) if first is not None else _address(self.route_set[0])
        return router, [*self.route_set[1:], f"<{self.remote_target}>"]


def _routes(message: Request | Response) -> list[str]:
    """The Record-Routes; none when they cannot be read: then the far end is reached where its Contact says."""
    try:
        return message.record_routes
    except UriError:
        return []


def _address(value: str) -> str:
    """The URI inside a name-addr; the text itself when it is none."""
    try:
        return str(NameAddr.parse(value).uri)
    except UriError:
        return value
