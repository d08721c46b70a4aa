"""The live calls: takes them in, counts them, finds them, and lets them end."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from typing import TYPE_CHECKING

from byoc_proxy.call.child import Child
from byoc_proxy.call.inbound import open_inbound
from byoc_proxy.call.lines import WAIT_FOR_A_LINE, Line
from byoc_proxy.call.outbound import open_outbound, queued_record
from byoc_proxy.call.status import Status
from byoc_proxy.trunk.edge_share import EdgeShares

if TYPE_CHECKING:
    from byoc_proxy.call.call import Call
    from byoc_proxy.call.lines import Full, Lines
    from byoc_proxy.call.new_call import NewCall
    from byoc_proxy.call.outbound import OutboundCall
    from byoc_proxy.call.services import Services
    from byoc_proxy.sip.message import Request
    from byoc_proxy.sip.outputs import Invited
    from byoc_proxy.storage.alerts import Alert
    from byoc_proxy.storage.record import CallRecord
    from byoc_proxy.trunk.admission import Admit


class NotTaken(Exception):
    """No new call is taken; the message is the reason, as a reason phrase has it."""


@dataclass(slots=True)
class Seated:
    """An INVITE that was admitted and has its line."""

    verdict: Admit
    line: Line


class Switchboard:
    """Owns the task of every call."""

    retry_after = WAIT_FOR_A_LINE  # seconds, in a 503

    def __init__(self, lines: Lines) -> None:
        self.calls: dict[str, Call] = {}
        self.draining = False
        self.lines = lines
        self.shares = EdgeShares()
        self._tasks: set[asyncio.Task[None]] = set()
        self._idle = asyncio.Event()
        self._idle.set()

    def serve(self, services: Services) -> None:
        """Take calls from the endpoint of `services`."""
        self._services = services
        services.endpoint.on_invited = self._take

    def refusal(self) -> str | None:
        """Why no new call is taken now, or None."""
        if self.draining:
            return "Draining"
        full = self.lines.full
        return full.reason if full is not None else None

    def seat(self, verdict: Admit) -> Seated | Full:
        """A line for an INVITE, or why there is none."""
        line = self.lines.seize(verdict.trunk, self._services.endpoint.now, inbound=True)
        return Seated(verdict, line) if isinstance(line, Line) else line

    def find(self, call_sid: str) -> Call | Child | None:
        """A live call, or a live leg that one of them has dialled."""
        if call_sid in self.calls:
            return self.calls[call_sid]
        for call in self.calls.values():
            hunt = call.hunt_of(call_sid)
            if hunt is not None:
                return Child(call, hunt, self._begin)
        return None

    def report(self, alert: Alert, whole: str) -> None:
        """Tell an account of something about a leg of the call `whole`; if that is up, its record says so, too."""
        call = self.calls.get(alert.resource_sid) or self.calls.get(whole)
        if call is not None:
            call.journal.noted(alert)
        else:
            self._services.alerts.note(alert)

    def has_come_back(self, request: Request, trunk_sid: str) -> bool:
        """Whether an INVITE is one that a call of the same trunk sent out (a loop, RFC 3261 §16.3 (4)).

        Another trunk's INVITE may well come in here: two customers, and a carrier between them.
        """
        if (request.call_id, request.from_tag) not in self._services.endpoint.core.sessions:
            return False  # nearly always: nothing of ours is called that
        records = (call.journal.record for call in self.calls.values())
        return any(
            attempt.call_id == request.call_id
            for record in records
            if record.trunk_sid == trunk_sid
            for attempt in record.attempts
        )

    def draft(self, new: NewCall) -> CallRecord:
        """The record of a call that may be placed: what a row can promise it by. Raises `NotTaken`."""
        if self.draining:
            raise NotTaken("Draining")
        return queued_record(self._services, new)

    def place(self, new: NewCall, record: CallRecord | None = None) -> OutboundCall:
        """Take a call that the API asks for, under its `draft`: it is queued until `start`. Raises `NotTaken`."""
        record = record or self.draft(new)
        if self.draining:
            raise NotTaken("Draining")
        call = open_outbound(self._services, new, record)
        self._begin(call)
        return call

    def start(self, call: OutboundCall) -> None:
        """It is the turn of a call that was placed; nothing happens to one that is over."""
        call.depart()

    async def drain(self, grace: float) -> None:
        """Take no more calls, give up those in the queue, give live ones `grace` seconds, then hang up the rest."""
        self.draining = True
        for call in list(self.calls.values()):
            if call.progress.status is Status.QUEUED:
                call.give_up("the node was stopped before it was this call's turn")
        try:
            async with asyncio.timeout(grace):
                await self._idle.wait()
        except TimeoutError:
            for call in list(self.calls.values()):
                call.end()
            await self._idle.wait()

    def _take(self, invited: Invited) -> None:
        seated = invited.admission
        if not isinstance(seated, Seated):
            raise TypeError(f"the screen admitted with {seated!r}")
        self.shares.count(seated.verdict.trunk.sid, invited.session.flow)
        call = open_inbound(self._services, invited, seated.verdict)
        call.line = seated.line
        self._begin(call)

    def _begin(self, call: Call) -> None:
        self.calls[call.sid] = call
        self._idle.clear()
        task = asyncio.get_running_loop().create_task(self._run(call), name=call.sid)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _run(self, call: Call) -> None:
        try:
            await call.run()
        finally:
            call.close()
            del self.calls[call.sid]
            if not self.calls:
                self._idle.set()
