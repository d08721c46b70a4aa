"""What stays of a UAC session that is over, for as long as its INVITE transaction stays (RFC 3261 §13.2.2.4).

A 2xx that comes again is acknowledged again, and a branch that answers only now is acknowledged and ended. That
takes an ACK and an address: the session, its dialog and its request need not wait 32 seconds for it (timer M).
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from byoc_proxy.sip.dialog import Dialog
from byoc_proxy.sip.headers import Headers
from byoc_proxy.sip.message import IDENTITY, Request
from byoc_proxy.sip.transaction import InviteClient

if TYPE_CHECKING:
    from collections.abc import Mapping

    from byoc_proxy.sip.flow import Flow
    from byoc_proxy.sip.message import Response
    from byoc_proxy.sip.session import Fields
    from byoc_proxy.sip.stack import Stack
    from byoc_proxy.sip.transaction import ClientTransaction, ClientUser


def end_fork(
    stack: Stack, fork: Dialog, number: int, user: ClientUser, now: float, *, bye: bool, credentials: Fields = ()
) -> None:
    """Another branch answered INVITE `number`: ACK it, every time, and say BYE, the first time (§13.2.2.4)."""
    flow = stack.flow_for(fork)
    ack = fork.request("ACK", stack.new_branch(), cseq=number, headers=credentials)
    stack.send_bytes(ack.encode(), flow)
    if bye:
        stack.send_request(fork.request("BYE", stack.new_branch()), flow, user, now)


class Aftermath:
    """The user of an accepted INVITE whose session is over. `ack` are the bytes of its last ACK.

    `forks` are the tags of the branches that have been ended, `numbers` the last CSeq in those that had a PRACK.
    """

    __slots__ = ("_ack", "_flow", "_forks", "_numbers", "_remote_tag", "_stack")

    def __init__(
        self,
        stack: Stack,
        flow: Flow,
        ack: Request,
        remote_tag: str,
        forks: frozenset[str],
        numbers: Mapping[str, int],
    ) -> None:
        self._stack = stack
        self._flow = flow
        self._ack = ack.encode()
        self._remote_tag = remote_tag
        self._forks = forks
        self._numbers = numbers

    def on_response(self, transaction: ClientTransaction, response: Response, now: float) -> None:
        if not isinstance(transaction, InviteClient) or not 200 <= response.status < 300:
            return
        if response.to_tag == self._remote_tag:
            self._stack.send_bytes(self._ack, self._flow)
            return
        fork = Dialog.of_uac(_request_of(response), response, "", self._flow)
        fork.local_cseq = max(fork.local_cseq, self._numbers.get(response.to_tag, 0))
        first = response.to_tag not in self._forks
        self._forks |= {response.to_tag}
        end_fork(self._stack, fork, response.cseq[0], self, now, bye=first)

    def on_no_response(self, transaction: ClientTransaction, cause: str, now: float) -> None:
        """Nobody is left to tell."""


def _request_of(response: Response) -> Request:
    """The request as its response tells it: From, Call-ID and CSeq are the request's own (§8.2.6.2)."""
    items = [item for item in response.headers.items if item[0] in IDENTITY]
    return Request("INVITE", "", Headers.of_parsed(items, None))
