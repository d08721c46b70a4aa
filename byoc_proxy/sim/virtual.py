"""An event loop whose clock jumps: a test of 32 seconds of SIP timers takes a millisecond and is exact.

When nothing is ready to run, `VirtualLoop` moves `time()` to the next timer instead of sleeping until it.
It refuses to wait for what can never come: with no timer set, `Stuck` names the tasks that wait.
"""

import asyncio
import math
import selectors
from collections.abc import Callable
from concurrent.futures import Executor
from typing import TypeVar, TypeVarTuple

__all__ = ["Stuck", "VirtualLoop"]

T = TypeVar("T")
Ts = TypeVarTuple("Ts")


class Stuck(RuntimeError):
    """Every task waits and no timer is set: nothing can ever happen again."""


class _JumpingSelector(selectors.DefaultSelector):
    """Polls the descriptors, so `call_soon_threadsafe` wakes the loop, but jumps instead of sleeping."""

    def __init__(self, jump: Callable[[], None]) -> None:
        super().__init__()
        self._jump = jump

    def select(self, timeout: float | None = None) -> list[tuple[selectors.SelectorKey, int]]:
        ready = super().select(0)
        if not ready and timeout != 0:
            self._jump()
        return ready


class VirtualLoop(asyncio.SelectorEventLoop):
    """`time()` starts at 0.0 seconds and is, while a timer runs, exactly the time that timer was set to."""

    # These two belong to asyncio.BaseEventLoop, which has no public way to ask for the next timer.
    _scheduled: list[asyncio.TimerHandle]
    _clock_resolution: float

    def __init__(self) -> None:
        super().__init__(_JumpingSelector(self._jump))
        self._set(0.0)

    def time(self) -> float:
        return self._now

    def run_in_executor(self, executor: Executor | None, func: Callable[[*Ts], T], *args: *Ts) -> asyncio.Future[T]:
        """Run `func` here and now: a thread lives in real time and would lose every race with the jumps."""
        future: asyncio.Future[T] = self.create_future()
        try:
            future.set_result(func(*args))
        except Exception as error:  # whatever it raises belongs to the one who awaits
            future.set_exception(error)
        return future

    def _jump(self) -> None:
        due = self._scheduled[0].when() if self._scheduled else math.inf
        if due == math.inf:
            names = ", ".join(sorted(task.get_name() for task in asyncio.all_tasks(self)))
            raise Stuck(f"every task waits and no timer is set: {names}")
        self._set(due)

    def _set(self, now: float) -> None:
        # asyncio runs the timers due before now + resolution: one step of the float makes that "due by now".
        self._now = now
        self._clock_resolution = math.ulp(now)
