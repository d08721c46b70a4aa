"""A simulated receiver of status callbacks, out of order at times; and what must be so whatever it does."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Final
from urllib.parse import parse_qs

from byoc_proxy.sim.leftovers import FINAL
from byoc_proxy.sim.watch import Rule
from byoc_proxy.webhook.transport import ConnectRefused, HttpRequest, HttpResponse

if TYPE_CHECKING:
    from collections.abc import Iterable
    from random import Random

    from byoc_proxy.sim.watch import Watch
    from byoc_proxy.storage.record import CallRecord

STATUS: Final = "http://status.example.test/told"
_ORDER: Final = ("initiated", "ringing", "in-progress", *sorted(FINAL))
_TAKEN: Final = 204


class ToldInOrder(Rule):
    """Each leg tells its events once each, in order and without a gap, and its one end is that of its record."""

    name = "callbacks once each and in order"

    def __init__(self, watch: Watch) -> None:
        super().__init__(watch)
        self._told: dict[str, list[str]] = {}  # statuses by CallSid

    def taken(self, call_sid: str, status: str, sequence: str) -> None:
        """A callback was delivered."""
        told = self._told.setdefault(call_sid, [])
        self.demand(sequence == str(len(told)), f"{call_sid} tells {status} as number {sequence} after {told}")
        later = not told or (_ORDER.index(status) > _ORDER.index(told[-1]) and told[-1] not in FINAL)
        self.demand(later, f"{call_sid} tells {status} after {told}")
        told.append(status)

    def ended(self, records: Iterable[CallRecord]) -> None:
        """Everything is quiet: what is there, was told."""
        for record in records:
            ends = {record.call_sid: record.status, **{leg.call_sid: leg.status for leg in record.legs}}
            for call_sid, status in ends.items():
                told = self._told.get(call_sid, [])
                end = [] if _never_left_the_queue(record) else [status]
                self.demand(told[-1:] == end, f"{call_sid} is {status} and told {told}")


def _never_left_the_queue(record: CallRecord) -> bool:
    """It was called off before its turn came, of which nobody is told."""
    return "queued" in record.stages and "initiated" not in record.stages and record.status == "canceled"


class Subscriber:
    """Takes callbacks, and fails to at times. `rule` hears of those that it has taken."""

    def __init__(self, chance: Random, rule: ToldInOrder) -> None:
        self._chance = chance
        self._rule = rule

    async def send(self, request: HttpRequest) -> HttpResponse:
        """As a `Transport` does."""
        mood = self._chance.random()
        if mood < 0.04:
            raise ConnectRefused("the port is closed")
        if mood < 0.06:
            never: asyncio.Future[HttpResponse] = asyncio.get_running_loop().create_future()
            return await never  # ends when the one who asked gives up
        if mood < 0.12:
            return HttpResponse(503 if mood < 0.10 else 429, b"later", "text/plain")
        if mood < 0.2:
            await asyncio.sleep(self._chance.uniform(0, 3))
        told = parse_qs((request.body or b"").decode())
        self._rule.taken(told["CallSid"][0], told["CallStatus"][0], told["SequenceNumber"][0])
        return HttpResponse(_TAKEN if mood < 0.95 else 404)
