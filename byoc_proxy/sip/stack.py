"""What a session needs of the core."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from byoc_proxy.sip.dialog import Dialog
    from byoc_proxy.sip.flow import Flow
    from byoc_proxy.sip.machine import Alarms
    from byoc_proxy.sip.message import Request
    from byoc_proxy.sip.outputs import Event
    from byoc_proxy.sip.session import Session
    from byoc_proxy.sip.transaction import ClientTransaction, ClientUser


class Stack(Protocol):
    """Branches and tickets, the clock's alarms, and the ways out."""

    alarms: Alarms

    def new_branch(self) -> str: ...
    def new_cnonce(self) -> str: ...
    def new_ticket(self) -> int: ...
    def emit(self, event: Event) -> None: ...
    def send_request(self, request: Request, flow: Flow, user: ClientUser, now: float) -> ClientTransaction: ...
    def send_bytes(self, data: bytes, flow: Flow) -> None: ...
    def flow_for(self, dialog: Dialog) -> Flow: ...
    def forget(self, session: Session) -> None: ...
