"""Drives the user agent core with sockets and one timer: feed, drain, send, hand events on, re-arm."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Final

from byoc_proxy.net.whereabouts import Whereabouts
from byoc_proxy.net.wire import Unreachable, Wire
from byoc_proxy.sip.flow import Flow
from byoc_proxy.sip.outputs import Answered, Dropped, Invited, Over, Replied, Requested, Send
from byoc_proxy.sip.uri import bracketed

if TYPE_CHECKING:
    from collections.abc import Callable

    from byoc_proxy.net.whereabouts import Resolver
    from byoc_proxy.sip.core import UserAgentCore
    from byoc_proxy.sip.flow import Address, TlsTerms
    from byoc_proxy.sip.locate import Hop
    from byoc_proxy.sip.message import Message, Response
    from byoc_proxy.sip.outputs import Event
    from byoc_proxy.sip.parser import ParseError
    from byoc_proxy.sip.session import Session
    from byoc_proxy.sip.transaction import ClientTransaction
    from byoc_proxy.sip.uac import Outgoing, OutgoingInvite, UacSession


_MOVING: Final = (Invited, Answered, Requested, Replied)  # what may bring a new Contact


class _Question:
    """The user of a transaction that somebody awaits."""

    def __init__(self, answer: asyncio.Future[Response]) -> None:
        self.answer = answer

    def on_response(self, transaction: ClientTransaction, response: Response, now: float) -> None:
        if response.status >= 200 and not self.answer.done():
            self.answer.set_result(response)

    def on_no_response(self, transaction: ClientTransaction, cause: str, now: float) -> None:
        if not self.answer.done():
            self.answer.set_exception(Unreachable(cause))


class Endpoint:
    """The core, its wires and its clock. `on_invited` hears of every session that the screen let in."""

    def __init__(
        self, core: UserAgentCore, on_dropped: Callable[[Dropped], None], resolver: Resolver | None = None
    ) -> None:
        """Without `resolver`, far ends that name themselves are reached where they were last heard from."""
        self.core = core
        self._whereabouts = Whereabouts(resolver) if resolver is not None else None
        core.stream_beside = self._stream_beside
        self.wires: list[Wire] = []
        self.on_invited: Callable[[Invited], None] | None = None
        self._on_dropped = on_dropped
        self._loop = asyncio.get_running_loop()
        self._by_address: dict[tuple[str, Address], Wire] = {}
        self._own: set[tuple[str, str]] = set()
        self._timer: asyncio.TimerHandle | None = None
        self._timer_at = 0.0
        self._draining = False
        self._quiet: asyncio.Future[None] | None = None

    def add(self, wire: Wire) -> None:
        """Serve a listener."""
        self.wires.append(wire)
        self._by_address[(wire.transport, wire.local)] = wire
        host, port = wire.local
        self._own |= {(wire.transport, wire.sent_by), (wire.transport, f"{bracketed(host)}:{port}")}

    @property
    def now(self) -> float:
        """The loop's clock, in seconds."""
        return self._loop.time()

    # --- what the wires say (wire.Receiver) ----------------------------------------------------------------

    def received(self, data: bytes, flow: Flow) -> None:
        self.core.receive(data, flow, self._loop.time())

    def delivered(self, message: Message, flow: Flow) -> None:
        self.core.deliver(message, flow, self._loop.time())

    def garbled(self, error: ParseError, flow: Flow) -> None:
        self.core.refuse_garbage(error, flow)

    def closed(self, flow: Flow, cause: str = "connection lost") -> None:
        self.core.closed(flow, self._loop.time(), cause)

    def turned_away(self, cause: str, flow: Flow) -> None:
        self._on_dropped(Dropped(cause, flow, "connection"))

    def busy(self) -> set[int]:
        return self.core.connections_in_use()

    def undeliverable(self, data: bytes, cause: str) -> None:
        self.core.undeliverable(data, cause, self._loop.time())

    def flush(self) -> None:
        """Send what is to be sent, tell what happened, and set the timer. Call it after every verb."""
        if self._draining:
            return  # a listener's verb inside the loop below: the loop picks it up
        self._draining = True
        try:
            while outputs := self.core.drain():
                for output in outputs:
                    if isinstance(output, Send):
                        self._send(output)
                    elif isinstance(output, Dropped):
                        self._on_dropped(output)
                    else:
                        self._hand_out(output)
        finally:
            self._draining = False
        if self._quiet is not None and not self.core.sessions and not self._quiet.done():
            self._quiet.set_result(None)
        self._arm()

    # --- what the legs ask ---------------------------------------------------------------------------------

    async def reach(self, hop: Hop, terms: TlsTerms | None = None) -> Flow:
        """A flow to `hop` from the first listener that can; `Unreachable` when none can, or it is ourselves.

        `terms` are for TLS.
        """
        if self.is_own(hop):
            raise Unreachable("the target is this proxy itself")
        cause: Unreachable | None = None
        for wire in self.wires:
            if wire.transport == hop.transport and (":" in wire.local[0]) == (":" in hop.address):
                try:
                    return await wire.reach(hop, terms)
                except Unreachable as error:
                    cause = error
        raise cause or Unreachable(f"no {hop.transport} listener can reach {hop.address}")

    def size(self, outgoing: OutgoingInvite, flow: Flow) -> int:
        """How many bytes the INVITE would have."""
        return self.core.size(outgoing, flow)

    def invite(self, outgoing: OutgoingInvite, flow: Flow, again: Session | None = None) -> UacSession:
        """Send an INVITE. Set the session's `listener` and then call `flush`."""
        return self.core.invite(outgoing, flow, self._loop.time(), again)

    async def ask(self, method: str, outgoing: Outgoing, flow: Flow) -> Response:
        """Send a request outside of any dialog and wait for its final response; `Unreachable` if none can come.

        Whoever stops waiting stops the retransmissions too.
        """
        question = _Question(self._loop.create_future())
        transaction = self.core.ask(method, outgoing, flow, question, self._loop.time())
        self.flush()
        try:
            return await question.answer
        finally:
            self.core.abandon(transaction, self._loop.time())

    def is_own(self, hop: Hop) -> bool:
        """True when `hop` is one of our own listeners: a call sent there would come back."""
        return (hop.transport, f"{bracketed(hop.address)}:{hop.port}") in self._own

    async def quiet(self) -> None:
        """Wait until no session is left: every BYE and CANCEL of ours has had its answer, or its time."""
        if self.core.sessions:
            self._quiet = self._loop.create_future()
            await self._quiet

    async def close(self) -> None:
        """Close every listener and the timer."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        if self._whereabouts is not None:
            await self._whereabouts.stop()
        for wire in self.wires:
            await wire.close()

    # --- how it is done ------------------------------------------------------------------------------------

    def _hand_out(self, event: Event) -> None:
        session = event.session
        if self._whereabouts is not None and isinstance(event, _MOVING) and session.dialog is not None:
            self._whereabouts.seek(session.dialog)
        if isinstance(event, Invited):
            if self.on_invited is not None:
                self.on_invited(event)
        elif session.listener is not None:
            session.listener(event)
            if isinstance(event, Over):
                session.listener = None  # nothing more will come; the listener need not wait for the collector

    def _send(self, output: Send) -> None:
        flow = output.flow
        wire = self._by_address.get((flow.transport, flow.local)) or self._wire_for(flow)
        if wire is None:
            self.core.undeliverable(output.data, f"no {flow.transport} listener", self._loop.time())
        else:
            wire.send(output.data, flow)

    def _stream_beside(self, flow: Flow) -> Flow | None:
        """TCP to where a UDP flow leads; None without a listener that could carry it."""
        for wire in self.wires:
            if wire.transport == "TCP" and (":" in wire.local[0]) == (":" in flow.remote[0]):
                return Flow("TCP", wire.local, flow.remote, wire.sent_by, tentative=True)
        return None

    def _wire_for(self, flow: Flow) -> Wire | None:
        """A stream's local address is its connection's, not its listener's."""
        for wire in self.wires:
            if wire.transport == flow.transport and wire.sent_by == flow.sent_by:
                return wire
        return next((wire for wire in self.wires if wire.transport == flow.transport), None)

    def _arm(self) -> None:
        """One timer: moved only when something is due earlier; a late one just finds nothing due."""
        deadline = self.core.deadline
        if deadline is None or (self._timer is not None and self._timer_at <= deadline):
            return
        if self._timer is not None:
            self._timer.cancel()
        self._timer_at = deadline
        self._timer = self._loop.call_at(deadline, self._tick)

    def _tick(self) -> None:
        self._timer = None
        # the loop may wake a clock tick early; what was armed for this moment is due now
        self.core.tick(max(self._loop.time(), self._timer_at))
        self.flush()
