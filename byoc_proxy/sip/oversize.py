"""Requests that are too large for a datagram (RFC 3261 §18.1.1).

A request of more than 1300 bytes, towards a far end on UDP, goes over TCP where that can be had and over UDP, in
fragments, where it cannot. The decision is the request's own: the next is made anew, and Via says what was done.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from byoc_proxy.sip.headers import Headers
from byoc_proxy.sip.message import Request

if TYPE_CHECKING:
    from collections.abc import Callable

    from byoc_proxy.sip.flow import Flow
    from byoc_proxy.sip.message import Response
    from byoc_proxy.sip.transaction import ClientTransaction, ClientUser

    Sender = Callable[[Request, Flow, ClientUser, float], object]

LARGEST: Final = 1300  # bytes, where the path MTU is not known


def is_oversize(request: Request, flow: Flow) -> bool:
    """Whether a request would have to leave in fragments."""
    return not flow.reliable and len(request.encode()) > LARGEST


def sent_by_way_of(request: Request, flow: Flow, branch: str) -> Request:
    """The same request with the top Via of another flow: a sent-by and a transport that are true (§18.1.1)."""
    headers = Headers()
    via = f"SIP/2.0/{flow.transport} {flow.sent_by};branch={branch};rport"
    headers.items = [("via", "Via", via), *(item for item in request.headers.items if item[0] != "via")]
    return Request(request.method, request.uri_text, headers, request.body)


class OverStream:
    """The user of a request that was sent over a stream for its size alone.

    Where no stream can be had, "the element SHOULD retry the request, using UDP" (§18.1.1), and nobody hears of it.
    """

    __slots__ = ("_flow", "_request", "_send", "_user")

    def __init__(self, request: Request, flow: Flow, user: ClientUser, send: Sender) -> None:
        self._request = request
        self._flow = flow
        self._user = user
        self._send = send

    def on_response(self, transaction: ClientTransaction, response: Response, now: float) -> None:
        self._user.on_response(transaction, response, now)

    def on_no_response(self, transaction: ClientTransaction, cause: str, now: float) -> None:
        if cause == "timeout":
            self._user.on_no_response(transaction, cause, now)
        else:
            self._send(self._request, self._flow, self._user, now)
