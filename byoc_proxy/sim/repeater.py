"""Saying something again until it is heard: the retransmissions of a simulated peer (RFC 3261 §17, §13.3.1.4)."""

from __future__ import annotations

import asyncio
import math
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Callable

T1: Final = 0.5
T2: Final = 4.0
PATIENCE: Final = 64 * T1


class Repeater:
    """Calls `say` after T1 and then after twice as long each time, up to `cap`; `gives_up` after 64*T1.

    It does not say it the first time. With `repeats` False, as for requests on a stream, it only waits.
    """

    __slots__ = ("_ends_at", "_gives_up", "_interval", "_cap", "_loop", "_say", "_timer")

    def __init__(
        self,
        say: Callable[[], None],
        gives_up: Callable[[], None],
        *,
        cap: float = math.inf,
        repeats: bool = True,
    ) -> None:
        self._loop = asyncio.get_running_loop()
        self._say = say
        self._gives_up = gives_up
        self._cap = cap
        self._interval = T1 if repeats else math.inf
        self._ends_at = self._loop.time() + PATIENCE
        self._timer: asyncio.TimerHandle | None = None
        self._arm()

    @property
    def is_due(self) -> bool:
        """Whether the transaction can still be there, at either end."""
        return self._loop.time() < self._ends_at

    def stop(self) -> None:
        """It was heard."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def _arm(self) -> None:
        self._timer = self._loop.call_at(min(self._loop.time() + self._interval, self._ends_at), self._due)

    def _due(self) -> None:
        self._timer = None
        if self._loop.time() >= self._ends_at:
            self._gives_up()
            return
        self._interval = min(2 * self._interval, self._cap)
        self._arm()
        self._say()
