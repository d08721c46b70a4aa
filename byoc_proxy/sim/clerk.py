"""Somebody at the API: places calls, and ends, calls off, redirects and limits whatever lives, at any moment."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, Literal

from byoc_proxy.call.new_call import NewCall
from byoc_proxy.call.switchboard import NotTaken
from byoc_proxy.sim.application import draw_dial
from byoc_proxy.sim.installation import POLICIES, VOICE
from byoc_proxy.sim.subscriber import STATUS
from byoc_proxy.trunk.model import stable_sid
from byoc_proxy.twiml.interpreter import Entry, ScriptRequest
from byoc_proxy.twiml.verbs import StatusCallback

if TYPE_CHECKING:
    from asyncio import AbstractEventLoop
    from collections.abc import Callable
    from random import Random

    from byoc_proxy.call.outbound import OutboundCall
    from byoc_proxy.call.switchboard import Switchboard

Verb = Literal["end", "cancel", "redirect", "limit"]
_VERBS: Final[tuple[Verb, ...]] = ("end", "cancel", "redirect", "redirect", "limit")
_ALL: Final = StatusCallback(STATUS, "POST", ("initiated", "ringing", "answered", "completed"))
_ACCOUNT: Final = stable_sid("AC", "acme")


@dataclass(frozen=True, slots=True)
class Order:
    """One call to be placed, `at` so many seconds, to `number` with a digit more, and to go out `after` so many."""

    number: str
    policy: str
    at: float
    after: float
    timeout: int
    time_limit: int


@dataclass(frozen=True, slots=True)
class Errand:
    """One thing to be done to somebody who lives `at` so many seconds. `script` is what a redirection leads to."""

    at: float
    verb: Verb
    script: str
    seconds: float


class Clerk:
    """Does what was drawn. `done` counts what was granted, by verb."""

    def __init__(self, chance: Random, spread: float, says: Callable[[str], object]) -> None:
        """`says` hears of every script that a call is redirected to."""
        self._says = says
        self.done: dict[str, int] = {}
        self._chance = chance
        busy = chance.random() < 0.6
        self.orders = [_order(chance, index, spread) for index in range(chance.randrange(1, 4) if busy else 0)]
        self._errands = [_errand(chance, index, spread) for index in range(chance.randrange(0, 6) if busy else 0)]

    def works(self, loop: AbstractEventLoop, board: Switchboard) -> None:
        """From now on."""
        for order in self.orders:
            loop.call_at(order.at, self._place, loop, board, order)
        for errand in self._errands:
            loop.call_at(errand.at, self._run, board, errand)

    def _place(self, loop: AbstractEventLoop, board: Switchboard, order: Order) -> None:
        new = NewCall(
            _ACCOUNT,
            f"+{order.number}0",
            "+15550100",
            Entry(ScriptRequest(VOICE)),
            stable_sid("BY", order.policy),
            timeout=order.timeout,
            time_limit=order.time_limit,
            callback=_ALL,
        )
        try:
            call: OutboundCall = board.place(new)
        except NotTaken:
            return  # the node is being drained
        self._count("place")
        loop.call_later(order.after, board.start, call)

    def _run(self, board: Switchboard, errand: Errand) -> None:
        sids = [sid for call in board.calls.values() for sid in (call.sid, *call.dialled_sids)]
        found = board.find(self._chance.choice(sids)) if sids else None
        if found is None:
            return
        match errand.verb:
            case "end":
                granted = found.end()
            case "cancel":
                granted = found.cancel()
            case "limit":
                granted = found.limit(errand.seconds)
            case "redirect":
                number = found.progress.facts.called.partition("@")[0].removeprefix("sip:").lstrip("+")[:9]
                script = errand.script.replace("{number}", number)
                self._says(script)
                granted = found.redirect(Entry(script.encode()))
        if granted:
            self._count(errand.verb)

    def _count(self, verb: str) -> None:
        self.done[verb] = self.done.get(verb, 0) + 1


def _order(chance: Random, index: int, spread: float) -> Order:
    return Order(
        f"1417{index:05d}",
        chance.choice(tuple(POLICIES)),
        chance.uniform(0.0, spread),
        chance.choice((0.0, 0.0, 0.3, 4.0)),
        chance.choice((5, 20, 60)),
        chance.choice((15, 40, 300)),
    )


def _errand(chance: Random, index: int, spread: float) -> Errand:
    dial = draw_dial(chance, f"{{number}}9{index}")
    script = chance.choice((dial, dial, '<Pause length="7"/>', "<Hangup/>", "", "<Say>hello</Say>"))
    return Errand(
        chance.uniform(0.0, 5 * spread),
        chance.choice(_VERBS),
        f"<Response>{script}</Response>",
        chance.choice((1.0, 10.0, 60.0)),
    )
