"""One simulated world: a real node between simulated carriers, names, application and operator, on virtual time.

Everything in it is drawn from one seed: the same seed gives the same messages at the same times.
"""

from __future__ import annotations

import asyncio
from collections import Counter
from dataclasses import dataclass, field
from random import Random
from typing import TYPE_CHECKING, Any, Final

from byoc_proxy.app import Node, World
from byoc_proxy.sim.application import Application, draw_script
from byoc_proxy.sim.caller import Caller
from byoc_proxy.sim.clerk import Clerk
from byoc_proxy.sim.draw import Weather, draw_call, draw_mood, draw_part
from byoc_proxy.sim.gateway import Gateway
from byoc_proxy.sim.hostile import Corruption, Stranger
from byoc_proxy.sim.installation import CALLERS, GATEWAYS, installation, zone
from byoc_proxy.sim.leftovers import disorder, kept_by, unfinished
from byoc_proxy.sim.log import QuietLog
from byoc_proxy.sim.network import Carried, Network
from byoc_proxy.sim.party import Stand
from byoc_proxy.sim.peer import Peer
from byoc_proxy.sim.reader import Reader
from byoc_proxy.sim.resolver import MoodyResolver
from byoc_proxy.sim.rules import EveryAnswerAcknowledged, InPolicy, OneAnswer, OneRings, OwnRequests
from byoc_proxy.sim.subscriber import Subscriber, ToldInOrder
from byoc_proxy.sim.tasks import Tasks
from byoc_proxy.sim.virtual import VirtualLoop
from byoc_proxy.sim.watch import Violation, Watch, Watched
from byoc_proxy.sim.wire import listen
from byoc_proxy.storage.store import MemoryStore

if TYPE_CHECKING:
    from collections.abc import Mapping

    from byoc_proxy.call.progress import Moved
    from byoc_proxy.sim.log import Told
    from byoc_proxy.storage.record import CallRecord

WALL: Final = 1_760_000_000.0  # the wall clock when the loop's clock says 0
SPREAD: Final = 8.0  # seconds in which the calls of a world begin
STEP: Final = 20.0
STEPS: Final = 200  # by then every call of a world has been over for long
ALL_TIMERS: Final = 200.0  # several times 64*T1: an INVITE, its CANCEL and what follows may each take that long


@dataclass(frozen=True, slots=True)
class Report:
    """What came of a seed. `granted` is what the API asked for and got, by verb. `carried` and `told` are kept only
    where a trace was asked for.
    """

    seed: int
    calls: int
    messages: int
    seconds: float
    outcomes: Mapping[str, int]
    checks: Mapping[str, int]
    granted: Mapping[str, int]
    violations: tuple[Violation, ...]
    carried: tuple[Carried, ...] = field(default=(), repr=False)
    told: tuple[Told, ...] = field(default=(), repr=False)


def simulate(seed: int, calls: int, *, trace: bool = False) -> Report:
    """Play the world of a seed to its end and hold it to the rules."""
    with asyncio.Runner(loop_factory=VirtualLoop) as runner:
        return runner.run(_play(seed, calls, trace=trace))


async def _play(seed: int, calls: int, *, trace: bool) -> Report:
    return await _Play(seed, calls).play(trace=trace)


class _Store(MemoryStore):
    """Takes every revision of a record once; the status of a call never changes after the first."""

    def __init__(self, watch: Watch) -> None:
        super().__init__()
        self._statuses: dict[str, tuple[str, int]] = {}  # and revision, as they were recorded
        self._watch = watch

    def add(self, record: CallRecord) -> None:
        before = self._statuses.get(record.call_sid)
        if before is not None and (before[0] != record.status or before[1] >= record.revision):
            text = f"{record.call_sid} was recorded as {before} and as {record.status}"
            self._watch.complain("one terminal status per call", text)
        self._statuses[record.call_sid] = (record.status, record.revision)
        super().add(record)


class _Play:
    """The making and the course of one world."""

    def __init__(self, seed: int, calls: int) -> None:
        self._seed = seed
        self._calls = calls
        self._chance = Random(seed)
        self._loop = asyncio.get_running_loop()
        self._read = Reader()
        self._network = Network()
        self._watch = Watch(self._read, self._loop.time)
        self._store = _Store(self._watch)
        self._log = QuietLog(self._watch, self._loop.time)
        self._callers: list[Caller] = []
        self._serial = 0
        self._stopped = False
        self._peers = self._make_peers()
        self._plans = [draw_call(self._chance, index, SPREAD) for index in range(calls)]
        self._clerk = Clerk(Random(f"clerk {seed}"), SPREAD, self._hears_of)
        self._moves: list[Moved] = []
        numbers = [*(plan.number for plan in self._plans), *(order.number for order in self._clerk.orders)]
        scripts = {number: draw_script(self._chance, number) for number in numbers}
        self._told = ToldInOrder(self._watch)
        self._application = Application(scripts, Subscriber(Random(f"{seed} subscriber"), self._told))
        self._make_rules()
        self._tasks = Tasks(self._loop)
        self._loop.set_exception_handler(self._crashed)

    async def play(self, *, trace: bool) -> Report:
        """Everything, and what came of it."""
        self._start_node()
        for plan in self._plans:
            self._loop.call_at(plan.at, self._place, plan)
        self._clerk.works(self._loop, self.node.switchboard)
        Stranger(self._network, self._chance, self._watch).threatens(SPREAD)
        self._operate()
        if self._chance.random() < 0.2:
            for _ in range(self._chance.randrange(1, 6)):
                self._loop.call_at(self._chance.uniform(0, 4 * SPREAD), self._cut)
        await self._quiet()
        self._judge()
        return Report(
            self._seed,
            self._calls,
            self._watch.messages,
            self._loop.time(),
            Counter(each.status for each in self._store.records.values()),
            {rule.name: rule.checks for rule in self._watch.rules},
            self._clerk.done,
            tuple(self._watch.violations),
            tuple(self._network.log) if trace else (),
            tuple(self._log.told) if trace else (),
        )

    # --- how it is made ------------------------------------------------------------------------------------

    def _make_peers(self) -> list[Peer]:
        chance, network = self._chance, self._network
        network.weather = Weather(chance)
        network.watcher = self._watch.carried
        for address in GATEWAYS:
            if (mood := draw_mood(chance)) is not None:
                network.moods[address] = mood
        callers = [Peer(network, address, chance, self._read) for address in CALLERS]
        return [*callers, *(Gateway(network, address, chance, self._read, draw_part) for address in GATEWAYS)]

    def _make_rules(self) -> None:
        watch = self._watch
        policies = {plan.number: plan.domain.partition(".")[0].removesuffix("-digest") for plan in self._plans}
        policies |= {order.number: order.policy for order in self._clerk.orders}
        watch.rules += [
            OneAnswer(watch),
            OwnRequests(watch),
            InPolicy(watch, policies, self._application.named),
            OneRings(watch, policies),
            EveryAnswerAcknowledged(watch),
            self._told,
        ]

    def _start_node(self) -> None:
        loaded = installation()
        world = World(
            self._application,
            MoodyResolver(zone(), self._chance),
            self._store,
            self._log,
            wall=lambda: WALL + self._loop.time(),
            draw=self._chance.random,
            hex_digits=self._hex_digits,
            listeners=(self._moves.append,),
        )
        self.node = Node(loaded, world)
        corruption = Corruption(self._chance)
        for listener in loaded.settings.listeners:
            wire = listen(self._network, listener, self.node.endpoint)
            self._network.attach(wire.transport, wire.local, Watched(wire, self._watch, corruption))

    def _place(self, plan: Any) -> None:
        peer = self._peers[self._chance.randrange(len(CALLERS))]
        caller = Caller(peer, plan)
        peer.add(caller)
        self._callers.append(caller)
        caller.place()

    def _cut(self) -> None:
        """A connection breaks."""
        live = [number for number, stream in self._network.streams.items() if stream.open]
        if live:
            self._watch.cut_at = self._loop.time()
            self._network.cut(self._chance.choice(live))

    def _operate(self) -> None:
        """The operator reloads the configuration in the middle of it all."""
        if self._chance.random() < 0.15:
            at = self._chance.uniform(0, 2 * SPREAD)
            self._loop.call_at(at, self.node.reload, installation(reloaded=True))

    # --- its course ----------------------------------------------------------------------------------------

    async def _quiet(self) -> None:
        """Until every call is over and every timer of the node has run."""
        if self._chance.random() < 0.15:
            await asyncio.sleep(self._chance.uniform(0, 4 * SPREAD))
            await self.node.stop(self._chance.choice((0.0, 5.0, 30.0)))
            self._stopped = True
        await asyncio.sleep(SPREAD)
        for _ in range(STEPS):
            if self._is_busy():
                await asyncio.sleep(STEP)
        await asyncio.sleep(ALL_TIMERS)

    def _is_busy(self) -> bool:
        core = self.node.endpoint.core
        parties = (party for peer in self._peers for party in peer.all_parties)
        return bool(core.sessions) or any(
            not party.gone and party.stand not in (Stand.OVER, Stand.IDLE) for party in parties
        )

    def _hears_of(self, script: str) -> None:
        self._application.hears_of(script)

    def _crashed(self, _: object, context: dict[str, Any]) -> None:
        self._watch.complain("nothing fails unseen", str(context.get("exception", context.get("message"))))

    # --- its end -------------------------------------------------------------------------------------------

    def _judge(self) -> None:
        watch = self._watch
        if not self._stopped:
            watch.over()
            self._told.ended(self._store.records.values())
            self._judge_peers()
        kept = kept_by(self.node, stopped=self._stopped)
        kept["tasks"] = self._tasks.running()
        kept["failed tasks"] = self._tasks.failures()
        kept["live records"] = list(self._store.live)
        for kind, found in kept.items():
            if found:
                watch.complain("nothing is left behind", f"{kind}: {', '.join(found)}")
        for text in unfinished(self._store.records.values()):
            watch.complain("one terminal status per call", text)
        for text in disorder(self._moves):
            watch.complain("one terminal status per call", text)
        begun = sum(self._log.count(f"call.{how}") for how in ("admitted", "placed", "parted"))
        if begun != len(self._store.records):
            text = f"{begun} calls have begun, {len(self._store.records)} were recorded"
            watch.complain("one terminal status per call", text)

    def _judge_peers(self) -> None:
        """No far end that is still there believes in a call that the proxy has forgotten."""
        for peer in self._peers:
            for party in peer.all_parties:
                lost = not party.gone and party.stand not in (Stand.OVER, Stand.IDLE)
                if lost and party.call_id not in self._watch.strays:
                    text = f"{peer.address[0]} is left {party.stand.name.lower()}"
                    watch = self._watch
                    watch.violations.append(Violation("no end is left hanging", text, watch.now(), party.call_id))

    def _hex_digits(self) -> str:
        self._serial += 1
        return f"{self._serial:08x}".ljust(32, "0")
