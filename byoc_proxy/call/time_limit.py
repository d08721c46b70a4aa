"""How long an answered leg may last."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Callable

    from byoc_proxy.call.progress import Progress


_INSTANT: Final = 0.001  # seconds: less is a rounding error, and an alarm for it would not move the clock


class TimeLimit:
    """Calls `end` so many seconds after the answer. It knows who is to be ended: `stop` it when that is over."""

    def __init__(self, progress: Progress, end: Callable[[], object], seconds: float) -> None:
        self._progress = progress
        self._end = end
        self._seconds = seconds
        self._alarm: asyncio.TimerHandle | None = None
        self._look()

    def stop(self) -> None:
        """Never mind."""
        if self._alarm is not None:
            self._alarm.cancel()

    def _look(self) -> None:
        """Time counts from the answer: before it, all of it is left."""
        left = self._seconds - (self._progress.answered_for or 0.0)
        if left > _INSTANT:
            self._alarm = asyncio.get_running_loop().call_later(left, self._look)
        else:
            self._end()
