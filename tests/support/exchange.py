"""The calls of a node, as far as the API asks for them: a switchboard of stand-ins, whose answers a test chooses.

async def test_something(api: Installation) -> None:
    call = api.exchange.rings(ACME)
    call.allows["cancel"] = False
"""

import asyncio
import itertools
from collections.abc import AsyncIterator, Coroutine
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any, cast

from byoc_proxy.call.new_call import NewCall
from byoc_proxy.call.outbound import OutboundCall
from byoc_proxy.call.switchboard import NotTaken
from byoc_proxy.storage.record import CallRecord
from byoc_proxy.twiml.interpreter import Entry
from byoc_proxy.twiml.verbs import StatusCallback

NOW = 1_760_000_000.0


@asynccontextmanager
async def running(chore: Coroutine[Any, Any, None]) -> AsyncIterator[None]:
    """Let it run until the end of the `async with`."""
    task = asyncio.create_task(chore)
    try:
        yield
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)


@dataclass
class StandIn:
    """A live call. `did` is what was asked of it, `allows` what of that it is in a state for."""

    record: CallRecord
    new: NewCall | None = None
    did: list[Any] = field(default_factory=list)
    events: list[tuple[int, str]] = field(default_factory=list)
    allows: dict[str, bool] = field(default_factory=dict)
    callback: StatusCallback | None = None

    def __post_init__(self) -> None:
        self.sid = self.record.call_sid
        self.facts = self.record  # it has the fields that are asked for
        self.journal = self.progress = self

    def event(self, code: int, text: str) -> None:
        self.events.append((code, text))

    def end(self) -> bool:
        return self._done("end")

    def cancel(self) -> bool:
        return self._done("cancel")

    def redirect(self, entry: Entry) -> bool:
        return self._done("redirect", entry)

    def limit(self, seconds: float) -> bool:
        return self._done("limit", seconds)

    def _done(self, what: str, *about: Any) -> bool:
        self.did.append((what, *about))
        return self.allows.get(what, True)


class Exchange:
    """The switchboard. `gone` are the calls that left the queue; `draining` and `drains_next` refuse new ones."""

    def __init__(self) -> None:
        self.calls: dict[str, StandIn] = {}
        self.gone: list[str] = []
        self.draining = self.drains_next = False
        self._numbers = itertools.count(1)

    def draft(self, new: NewCall) -> CallRecord:
        if self.draining:
            raise NotTaken("Draining")
        self.draining = self.drains_next
        record = CallRecord(
            f"CA{next(self._numbers):032x}",
            *(new.account_sid, new.trunk_sid, "Trunk", None, "", "us1", "outbound-api"),
            *(new.from_, new.to, "", ""),
            status="queued",
        )
        record.stages["queued"] = NOW
        return record

    def place(self, new: NewCall, record: CallRecord) -> OutboundCall:
        if self.draining:
            raise NotTaken("Draining")
        call = self.calls[record.call_sid] = StandIn(record, new)
        return cast("OutboundCall", call)

    def find(self, call_sid: str) -> OutboundCall | None:
        return cast("OutboundCall | None", self.calls.get(call_sid))

    def start(self, call: OutboundCall) -> None:
        self.gone.append(call.sid)
