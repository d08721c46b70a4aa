"""The one representation of a state machine: a table of (state, input) -> next state and actions.

States, inputs and timers are members of `StrEnum`s. A timer is an input that the clock gives. It is armed by
entering a state that lists it and dies on leaving that state; the few that live across states are named in
`keep`. An input without a row is absorbed: for retransmissions that *is* the rule of RFC 3261 §17.

    TABLE = Table(
        rows={(CALLING, PROVISIONAL): to(PROCEEDING, pass_up), ...},
        timers={CALLING: (Timer.A, Timer.B), ...},
        final=TERMINATED,
    )
"""

from __future__ import annotations

import heapq
from typing import TYPE_CHECKING, Any, ClassVar, Final, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping
    from enum import StrEnum

    Action = Callable[[Any, Any, float], None]


class Rule(NamedTuple):
    """Where an input leads, and what is done on the way, in order."""

    next: StrEnum
    actions: tuple[Action, ...]


def to(state: StrEnum, *actions: Action) -> Rule:
    """A row's right-hand side. Actions are called as `action(machine, argument, now)` in the new state."""
    return Rule(state, actions)


class Table:
    """The rows of one machine, its timers by state, and its final state. `lint()` says what is wrong with it."""

    def __init__(
        self,
        rows: Mapping[tuple[StrEnum, StrEnum], Rule],
        timers: Mapping[StrEnum, tuple[StrEnum, ...]],
        *,
        initial: StrEnum,
        final: StrEnum,
        keep: tuple[StrEnum, ...] = (),
    ) -> None:
        self.rows = dict(rows)
        self.timers = dict(timers)
        self.initial = initial
        self.final = final
        self.keep = frozenset(keep)

    def lint(self) -> list[str]:
        """Every timer has a row where it may fire, every state can be reached and left."""
        states = {
            self.initial,
            *(state for state, _ in self.rows),
            *(rule.next for rule in self.rows.values()),
        }
        problems = [
            f"{timer} is armed in {state} but has no row there"
            for state, timers in self.timers.items()
            for timer in timers
            if (state, timer) not in self.rows
        ]
        reached = self._reached()
        problems += [f"{state} is never reached" for state in sorted(states - reached)]
        exits = {state for (state, _), rule in self.rows.items() if rule.next is not state}
        problems += [f"{state} has no exit" for state in sorted(states - exits - {self.final})]
        return problems

    def _reached(self) -> set[StrEnum]:
        reached, todo = {self.initial}, [self.initial]
        while todo:
            here = todo.pop()
            onward = {rule.next for (state, _), rule in self.rows.items() if state is here} - reached
            reached |= onward
            todo.extend(onward)
        return reached


class Alarms:
    """Deadlines of many machines in one heap; a cancelled alarm costs nothing until it would have been due."""

    __slots__ = ("_cancelled", "_heap", "_serial")

    def __init__(self) -> None:
        self._heap: list[Alarm] = []
        self._serial = 0
        self._cancelled = 0

    def set(self, at: float, machine: Machine, timer: StrEnum) -> Alarm:
        self._serial += 1
        alarm: Alarm = [at, self._serial, machine, timer]
        heapq.heappush(self._heap, alarm)
        return alarm

    def cancel(self, alarm: Alarm) -> None:
        if alarm[2] is None:
            return
        alarm[2] = None  # also lets the machine go before the deadline
        self._cancelled += 1
        if self._cancelled > 1000 and self._cancelled * 2 > len(self._heap):
            self._heap = [entry for entry in self._heap if entry[2] is not None]
            heapq.heapify(self._heap)
            self._cancelled = 0

    @property
    def deadline(self) -> float | None:
        """When the next live alarm is due, or None."""
        heap = self._heap
        while heap and heap[0][2] is None:
            heapq.heappop(heap)
            self._cancelled -= 1
        return heap[0][0] if heap else None

    def due(self, now: float) -> Iterator[tuple[Machine, StrEnum]]:
        """Take every alarm that is due at `now`, in the order of their deadlines."""
        while (at := self.deadline) is not None and at <= now:
            _, _, machine, timer = heapq.heappop(self._heap)
            yield machine, timer

    def __len__(self) -> int:
        return len(self._heap) - self._cancelled


Alarm = list[Any]  # [deadline, serial, machine or None once cancelled, timer]: lists compare at C speed
_NO_TIMERS: Final[tuple[StrEnum, ...]] = ()


class Machine:
    """One running instance of a table. Subclasses say how long their timers are."""

    __slots__ = ("alarms", "armed", "state")
    table: ClassVar[Table]

    def __init__(self, alarms: Alarms, now: float) -> None:
        self.alarms = alarms
        self.armed: dict[StrEnum, Alarm] = {}
        self.state: StrEnum = self.table.initial
        for timer in self.table.timers.get(self.state, _NO_TIMERS):
            self.arm(timer, now)

    @property
    def over(self) -> bool:
        """True in the final state."""
        return self.state is self.table.final

    def duration(self, timer: StrEnum) -> float | None:
        """Seconds until `timer` fires once armed; None when it does not run at all (reliable transports)."""
        raise NotImplementedError

    def arm(self, timer: StrEnum, now: float) -> None:
        """Start `timer`, or start it again."""
        running = self.armed.pop(timer, None)
        if running is not None:
            self.alarms.cancel(running)
        seconds = self.duration(timer)
        if seconds is not None:
            self.armed[timer] = self.alarms.set(now + seconds, self, timer)

    def fire(self, timer: StrEnum, now: float) -> None:
        """The clock's input."""
        self.armed.pop(timer, None)
        self.feed(timer, None, now)

    def feed(self, kind: StrEnum, argument: Any, now: float) -> bool:
        """Take one input. False when no row knows it here: it is absorbed."""
        rule = self.table.rows.get((self.state, kind))
        if rule is None:
            return False
        if rule.next is not self.state:
            self._enter(rule.next, now)
        for action in rule.actions:
            action(self, argument, now)
        return True

    def _enter(self, state: StrEnum, now: float) -> None:
        self.state = state
        table = self.table
        wanted = table.timers.get(state, _NO_TIMERS)
        armed = self.armed
        if armed:
            for timer in [timer for timer in armed if timer not in wanted or timer not in table.keep]:
                self.alarms.cancel(armed.pop(timer))
        for timer in wanted:
            if timer not in armed:
                self.arm(timer, now)

    def __repr__(self) -> str:
        return f"<{type(self).__name__} {self.state}>"
