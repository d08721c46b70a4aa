"""The lines that calls occupy, and whether one more may be seized.

A line is a leg's place on a trunk: one for a call that came in, one for each `<Number>` that is being called or
talked to. Nothing is counted up and down: a line is in the table while somebody holds it, and the counts are the
table's. It is taken in the very moment of the decision, so that calls of one wake-up see each other.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final
from weakref import WeakSet

from byoc_proxy.trunk.rates import Window

if TYPE_CHECKING:
    from byoc_proxy.trunk.model import ByocTrunk

# the public error codes
TOO_MANY_CALLS: Final = 10004
TOO_FAST_ON_TRUNK: Final = 32001
TOO_FAST_ON_NODE: Final = 32013

WAIT_FOR_A_LINE: Final = 5  # seconds, in Retry-After: calls last for a while
WAIT_FOR_THE_RATE: Final = 1  # seconds: the window moves on


@dataclass(eq=False, slots=True, weakref_slot=True)
class Line:
    """One leg's place on a trunk."""

    trunk_sid: str
    inbound: bool


@dataclass(frozen=True, slots=True)
class Full:
    """Why there is no line: reason phrase, public code with its text, seconds until it is worth trying again."""

    reason: str
    code: int
    text: str
    retry_after: int


class Lines:
    """Lines in use on this node. `max_calls` and `max_calls_per_second` (None: any) are those of the node."""

    def __init__(self, max_calls: int, max_calls_per_second: int | None = None) -> None:
        self._max_calls = max_calls
        self._pace = Window(max_calls_per_second) if max_calls_per_second is not None else None
        self._inbound: WeakSet[Line] = WeakSet()
        self._by_trunk: dict[str, WeakSet[Line]] = {}
        self._paces: dict[str, Window] = {}

    @property
    def calls(self) -> int:
        """Calls that came in and hold a line."""
        return len(self._inbound)

    def on(self, trunk_sid: str) -> int:
        """Lines of a trunk that are in use, in both directions."""
        return len(self._by_trunk.get(trunk_sid, ()))

    @property
    def full(self) -> Full | None:
        """Why no call at all can come in now, or None. A pace that is reached is over in a second, so it is no
        reason to be called full.
        """
        if self.calls < self._max_calls:
            return None
        return Full("Too Many Calls", TOO_MANY_CALLS, "Call concurrency limit exceeded", WAIT_FOR_A_LINE)

    def seize(self, trunk: ByocTrunk, now: float, *, inbound: bool) -> Line | Full:
        """A line on `trunk`, or why there is none; what is refused counts against no rate.

        The node's limits are about calls that come in: each `<Dial>` belongs to one of those.
        """
        node_pace = self._pace if inbound else None
        trunk_pace = self._pace_of(trunk)
        refusal = (self.full if inbound else None) or self._refusal(trunk, node_pace, trunk_pace, now)
        if refusal is not None:
            return refusal
        for pace in (node_pace, trunk_pace):
            if pace is not None:
                pace.take(now)
        line = Line(trunk.sid, inbound)
        self._by_trunk.setdefault(trunk.sid, WeakSet()).add(line)
        if inbound:
            self._inbound.add(line)
        return line

    def release(self, line: Line) -> None:
        """The leg is gone. Idempotent; a line that nobody holds any more is released by itself."""
        self._inbound.discard(line)
        on_trunk = self._by_trunk.get(line.trunk_sid)
        if on_trunk is not None:
            on_trunk.discard(line)
            if not on_trunk:
                del self._by_trunk[line.trunk_sid]

    def _refusal(
        self, trunk: ByocTrunk, node_pace: Window | None, trunk_pace: Window | None, now: float
    ) -> Full | None:
        if trunk.max_calls is not None and self.on(trunk.sid) >= trunk.max_calls:
            text = f"Call concurrency limit exceeded: {trunk.max_calls} on trunk {trunk.sid}"
            return Full("Too Many Calls On Trunk", TOO_MANY_CALLS, text, WAIT_FOR_A_LINE)
        if node_pace is not None and node_pace.is_full(now):
            text = "SIP interface CPS limit exceeded"
            return Full("Too Many Calls Per Second", TOO_FAST_ON_NODE, text, WAIT_FOR_THE_RATE)
        if trunk_pace is not None and trunk_pace.is_full(now):
            text = f"Trunk CPS limit exceeded: {trunk_pace.most} on trunk {trunk.sid}"
            return Full("Too Many Calls Per Second On Trunk", TOO_FAST_ON_TRUNK, text, WAIT_FOR_THE_RATE)
        return None

    def _pace_of(self, trunk: ByocTrunk) -> Window | None:
        """The window of a trunk; a reload that changes the limit starts a new one."""
        most = trunk.max_calls_per_second
        if most is None:
            self._paces.pop(trunk.sid, None)
            return None
        pace = self._paces.get(trunk.sid)
        if pace is None or pace.most != most:
            pace = self._paces[trunk.sid] = Window(most)
        return pace
