"""Which addresses of a target a call had better pass over: those that asked for rest, and those found dead.

An address is judged by evidence, from OPTIONS of ours or from what calls met there: an answer, a miss, or neither.
Misses in a row take it out (one lost packet does not), answers in a row bring it back. `HealthRules` of its target
say how many, and who looks: OPTIONS (`options`), the calls themselves (`passive`), nobody (`off`). Nothing here is
ever a reason not to call at all: when every address of a call is passed over, all are tried.

All times are seconds of one monotonic clock.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from functools import partial
from typing import TYPE_CHECKING, Any, ClassVar, Final, Literal

from byoc_proxy.sip.machine import Alarms, Machine, Table, to
from byoc_proxy.trunk.origination import in_regions

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

    from byoc_proxy.sip.locate import Hop
    from byoc_proxy.trunk.directory import Directory
    from byoc_proxy.trunk.model import ConnectionPolicy, ConnectionPolicyTarget, HealthRules, TargetSid
    from byoc_proxy.trunk.origination import Destination


class State(StrEnum):
    UNKNOWN = "unknown"  # nothing has been heard of it, good or bad
    UP = "up"
    FAILING = "failing"  # it has missed, not yet often enough
    DOWN = "down"
    RECOVERING = "recovering"  # it answers again, not yet often enough; or one call is trying it
    GONE = "gone"  # its target or its DNS record is no more


class Input(StrEnum):
    ANSWER = "answer"
    ENOUGH = "enough answers in a row"
    MISS = "miss"
    TOO_MANY = "too many misses in a row"
    TRIAL = "a call tries it"
    VANISH = "vanish"


Meaning = Literal["answer", "miss", "neither"]


@dataclass(frozen=True, slots=True)
class Evidence:
    """What came of one OPTIONS or of one INVITE at one address.

    `text` in words; `status` of the response if there was one, and the `seconds` it took to come.
    """

    meaning: Meaning
    by: Literal["options", "call"]
    text: str
    status: int | None = None
    seconds: float | None = None


@dataclass(frozen=True, slots=True)
class Obstacle:
    """Why a call should pass an address over, and until when, where that is known."""

    why: Literal["resting", "down", "recovering"]
    until: float | None
    cause: str = ""


def rules_of(policy: ConnectionPolicy, target: ConnectionPolicyTarget) -> HealthRules:
    """How a target of a policy is watched."""
    return target.health or policy.health


class RestingAddresses:
    """Addresses that asked to be left alone for a while (RFC 3261 §21.5.4).

    Shared by all calls of a node: what one call learnt from a 503 the next one knows. An address rests under
    whichever name it was found.
    """

    __slots__ = ("_until",)

    def __init__(self) -> None:
        self._until: dict[tuple[str, str, int], float] = {}

    def rest(self, hop: Hop, until: float, now: float) -> None:
        """Let an address rest, at least as long as was asked before; forgets those that have woken."""
        self._until = {key: end for key, end in self._until.items() if end > now}
        key = (hop.transport, hop.address, hop.port)
        self._until[key] = max(until, self._until.get(key, until))

    def until(self, hop: Hop, now: float) -> float | None:
        """The end of an address's rest; None when it does not rest."""
        end = self._until.get((hop.transport, hop.address, hop.port))
        return end if end is not None and end > now else None


def leave_alone(watch: Watch, _: object, now: float) -> None:
    watch.until = now + watch.rules.interval


_S, _In = State, Input


class Watch(Machine):
    """What is known of one address of one target."""

    __slots__ = ("answers", "hop", "last", "misses", "next_probe", "on_change", "region", "rules", "since", "until")
    table: ClassVar[Table] = Table(
        rows={
            (_S.UNKNOWN, _In.ANSWER): to(_S.UP),
            (_S.UNKNOWN, _In.ENOUGH): to(_S.UP),
            (_S.UNKNOWN, _In.MISS): to(_S.FAILING),
            (_S.UNKNOWN, _In.TOO_MANY): to(_S.DOWN, leave_alone),
            (_S.UP, _In.MISS): to(_S.FAILING),
            (_S.UP, _In.TOO_MANY): to(_S.DOWN, leave_alone),
            (_S.FAILING, _In.ANSWER): to(_S.UP),
            (_S.FAILING, _In.ENOUGH): to(_S.UP),
            (_S.FAILING, _In.TOO_MANY): to(_S.DOWN, leave_alone),
            (_S.DOWN, _In.ANSWER): to(_S.RECOVERING),
            (_S.DOWN, _In.ENOUGH): to(_S.UP),
            (_S.DOWN, _In.TRIAL): to(_S.RECOVERING, leave_alone),
            (_S.RECOVERING, _In.ENOUGH): to(_S.UP),
            (_S.RECOVERING, _In.TRIAL): to(_S.RECOVERING, leave_alone),
            (_S.RECOVERING, _In.MISS): to(_S.DOWN, leave_alone),
            (_S.RECOVERING, _In.TOO_MANY): to(_S.DOWN, leave_alone),
            **{(state, _In.VANISH): to(_S.GONE) for state in State if state is not _S.GONE},
        },
        timers={},
        initial=_S.UNKNOWN,
        final=_S.GONE,
    )

    def __init__(self, hop: Hop, region: str | None, rules: HealthRules, now: float) -> None:
        self.hop = hop
        self.region = region
        self.rules = rules
        self.since = now  # of the state
        self.until = now  # passive: from when on a call may try a dead address
        self.next_probe: float | None = None  # options: when it is asked next
        self.misses = 0  # in a row
        self.answers = 0  # in a row
        self.last: tuple[float, Evidence] | None = None
        self.on_change: Callable[[Watch, StrEnum], None] | None = None  # hears which state was left
        super().__init__(_NO_ALARMS, now)

    def take(self, evidence: Evidence, now: float) -> None:
        """Judge the address by one more thing that is known of it."""
        self.last = (now, evidence)
        if self.rules.mode == "off" or evidence.meaning == "neither":
            return
        if evidence.meaning == "answer":
            self.misses, self.answers = 0, self.answers + 1
            self.feed(_In.ENOUGH if self.answers >= self.rules.answers else _In.ANSWER, None, now)
        else:
            self.misses, self.answers = self.misses + 1, 0
            self.feed(_In.TOO_MANY if self.misses >= self.rules.misses else _In.MISS, None, now)

    def is_avoided(self, now: float) -> bool:
        """Whether calls pass this address over at the moment."""
        if self.state is not _S.DOWN and self.state is not _S.RECOVERING:
            return False
        return self.rules.mode != "passive" or now < self.until

    def obstacle(self, now: float) -> Obstacle | None:
        """Why a call should pass this address over. None: it may try; of a dead one, it is the trial.

        With `passive` one call in each interval finds out whether a dead address lives again, and no more than one:
        nobody else waits four seconds for nothing.
        """
        if not self.is_avoided(now):
            self.feed(_In.TRIAL, None, now)  # no row knows it of an address that lives
            return None
        until = self.until if self.rules.mode == "passive" else self.next_probe
        why: Literal["down", "recovering"] = "down" if self.state is _S.DOWN else "recovering"
        return Obstacle(why, until, self.last[1].text if self.last else "")

    def vanish(self, now: float) -> None:
        """The address is no more: what is still said of it changes nothing."""
        self.on_change = None
        self.feed(_In.VANISH, None, now)

    def feed(self, kind: StrEnum, argument: Any, now: float) -> bool:
        left = self.state
        known = super().feed(kind, argument, now)
        if self.state is not left:
            self.since = now
            if self.on_change is not None:
                self.on_change(self, left)
        return known


_NO_ALARMS: Final = Alarms()  # a watch has no timers: whoever asks it says when


class WatchedTarget:
    """An enabled target and what is known of its addresses; `problems` has, by region, why there are none."""

    __slots__ = ("addresses", "destinations", "policy", "problems", "rules", "target")

    def __init__(
        self, policy: ConnectionPolicy, target: ConnectionPolicyTarget, region_order: Sequence[str]
    ) -> None:
        self.policy = policy
        self.target = target
        self.rules = rules_of(policy, target)
        self.destinations = in_regions(target, region_order)
        self.addresses: dict[Hop, Watch] = {}
        self.problems: dict[str | None, str] = {}

    def renewed(self, new: WatchedTarget) -> WatchedTarget:
        """This one with the words of the new one, when both are the same to watch; else the new one."""
        before = [destination.uri for destination in self.destinations]
        if self.rules != new.rules or before != [destination.uri for destination in new.destinations]:
            return new
        self.policy, self.target, self.destinations = new.policy, new.target, new.destinations
        return self

    def vanish(self, now: float) -> None:
        for watch in self.addresses.values():
            watch.vanish(now)
        self.addresses.clear()


class Watchlist:
    """What a node knows of the addresses of its targets. `on_change` hears of each whose state was left.

    A target that is no part of the directory (any more), such as that of a `<Sip>` noun, has no watches: its
    addresses can rest, and are never found dead.
    """

    def __init__(self, on_change: Callable[[WatchedTarget, Watch, StrEnum], None]) -> None:
        self.resting = RestingAddresses()
        self.targets: dict[TargetSid, WatchedTarget] = {}
        self._on_change = on_change

    def follow(self, directory: Directory, now: float) -> None:
        """Watch the enabled targets of a snapshot. What is known of those that stay as they were is kept."""
        before, self.targets = self.targets, {}
        for policy in directory.connection_policies.values():
            for target in policy.targets:
                if target.enabled:
                    new = WatchedTarget(policy, target, directory.region_order)
                    known = before.get(target.sid)
                    self.targets[target.sid] = known.renewed(new) if known is not None else new
        for sid, watched in before.items():
            if self.targets.get(sid) is not watched:
                watched.vanish(now)

    def watch(self, destination: Destination, hop: Hop, now: float) -> Watch | None:
        """What is known of an address of a destination; None when its target is not watched."""
        watched = self.targets.get(destination.target.sid)
        if watched is None:
            return None
        watch = watched.addresses.get(hop)
        if watch is None:
            watch = watched.addresses[hop] = Watch(hop, destination.region, watched.rules, now)
            watch.on_change = partial(self._on_change, watched)
        return watch

    def located(self, destination: Destination, hops: Iterable[Hop], now: float) -> None:
        """These are the addresses of a destination now; those that have vanished are forgotten."""
        watched = self.targets.get(destination.target.sid)
        if watched is None:
            return
        watched.problems.pop(destination.region, None)
        here = set(hops)
        for hop, watch in list(watched.addresses.items()):
            if watch.region == destination.region and hop not in here:
                del watched.addresses[hop]
                watch.vanish(now)

    def not_located(self, destination: Destination, problem: str) -> None:
        """The name of a destination leads nowhere at the moment. What was known of its addresses is kept."""
        watched = self.targets.get(destination.target.sid)
        if watched is not None:
            watched.problems[destination.region] = problem

    def obstacle(self, destination: Destination, hop: Hop, now: float) -> Obstacle | None:
        """Why a call should pass over an address; None when it should try it, and then it had better do so."""
        until = self.resting.until(hop, now)
        if until is not None:
            return Obstacle("resting", until)
        watch = self.watch(destination, hop, now)
        return watch.obstacle(now) if watch is not None else None

    def tell(self, destination: Destination, hop: Hop, evidence: Evidence, now: float) -> None:
        """What a call met at an address. Of one that is none of the target's own, a redirect's, nothing is kept."""
        watched = self.targets.get(destination.target.sid)
        watch = watched.addresses.get(hop) if watched is not None else None
        if watch is not None:
            watch.take(evidence, now)
