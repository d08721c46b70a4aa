"""Measures how far behind the node is while calls come in, and says which new calls it cannot take.

Nothing runs while nobody calls: a new call starts a look, and only a node that is turning calls away keeps looking
by itself.
"""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any, Final

from byoc_proxy.call.shedding import Shedding

if TYPE_CHECKING:
    from collections.abc import Callable

PERIOD: Final = 0.025  # seconds between two looks
LONGEST_WAIT: Final = 4  # seconds in a Retry-After; spread, so that not all come back at once


class Gauge:
    """The load of one node. `draw` gives floats in [0, 1)."""

    def __init__(self, draw: Callable[[], float], log: Any) -> None:
        self._backlogs: list[Callable[[], float]] = []
        self._shedding = Shedding()
        self._draw = draw
        self._log = log
        self._loop = asyncio.get_running_loop()
        self._next_look = 0.0
        self._busy_since: float | None = None
        self._refused = 0

    def watch(self, backlog: Callable[[], float]) -> None:
        """Look at one more socket: what share of its buffer waits unread (0 to 1)."""
        self._backlogs.append(backlog)

    def is_behind(self) -> bool:
        """Ask when a call begins, which is when it is worth looking: True while some calls have to go."""
        now = self._loop.time()
        if now >= self._next_look:
            self._look(now)
        return self._busy_since is not None

    def turn_away(self, *, has_credentials: bool) -> int | None:
        """Ask once for each new call: seconds for its Retry-After, or None when it can be taken."""
        if not self._shedding.refuses(has_credentials=has_credentials):
            return None
        self._refused += 1
        return 1 + int(self._draw() * LONGEST_WAIT)

    def _look(self, now: float) -> None:
        self._next_look = now + PERIOD
        self._loop.call_soon(self._turned, now)

    def _turned(self, began: float) -> None:
        """One turn of the loop later: what it took is what everything that waits has waited at least."""
        now = self._loop.time()
        backlog = max((waits() for waits in self._backlogs), default=0.0)
        self._shedding.measure(backlog, now - began, now)
        if self._shedding.severity > 0.0:
            self._next_look = now + 2 * PERIOD  # the timer looks, calls need not
            self._loop.call_later(PERIOD, self._look_again)
            if self._busy_since is None:
                self._busy_since = now
                self._log.warning("node.overloaded", severity=round(self._shedding.severity, 2))
        elif self._busy_since is not None:
            self._log.warning("node.recovered", refused=self._refused, seconds=round(now - self._busy_since, 1))
            self._busy_since, self._refused = None, 0

    def _look_again(self) -> None:
        self._look(self._loop.time())
