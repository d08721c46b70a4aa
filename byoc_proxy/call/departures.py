"""Calls that the API asked for wait here for their turn: so many a second go out for each account, in their order.

No account waits for another. Only calls of the API wait; what a `<Dial>` calls belongs to a call that is up.
"""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Generic, Protocol, TypeVar

from byoc_proxy.trunk.rates import Window

if TYPE_CHECKING:
    from asyncio import AbstractEventLoop, TimerHandle
    from collections.abc import Callable


class Departing(Protocol):
    """A queued call, as far as a queue has to know it."""

    @property
    def sid(self) -> str: ...


T = TypeVar("T", bound=Departing)


@dataclass(slots=True)
class _Lane(Generic[T]):
    """One account's: who waits, in order, and when the last ones went. It stays: it is what knows the pace."""

    pace: Window
    waiting: deque[T] = field(default_factory=deque)
    held: int = 0  # places of calls that are about to come
    timer: TimerHandle | None = None


class Departures(Generic[T]):
    """`pace` gives the calls per second of an account, by its SID; `start` sends a call on its way and cannot fail.
    At most `most` calls of one account wait.
    """

    def __init__(
        self, loop: AbstractEventLoop, pace: Callable[[str], int], start: Callable[[T], None], most: int
    ) -> None:
        self.most = most
        self._loop = loop
        self._pace = pace
        self._start = start
        self._lanes: dict[str, _Lane[T]] = {}

    def __len__(self) -> int:
        """Calls that wait, of all accounts."""
        return sum(len(lane.waiting) for lane in self._lanes.values())

    def hold(self, account_sid: str) -> bool:
        """Hold a place for a call, until it comes (`join`) or does not (`release`). False: there is no room."""
        lane = self._lane(account_sid)
        if len(lane.waiting) + lane.held >= self.most:
            return False
        lane.held += 1
        return True

    def release(self, account_sid: str) -> None:
        """The call does not come."""
        self._lanes[account_sid].held -= 1

    def join(self, account_sid: str, call: T) -> None:
        """The call is there: it goes when those before it have gone and the pace allows, maybe at once."""
        lane = self._lanes[account_sid]
        lane.held -= 1
        lane.waiting.append(call)
        if lane.timer is None:
            self._depart(account_sid)

    def leave(self, account_sid: str, call_sid: str) -> T | None:
        """Take a call out of the queue; None: it is not in it, or not any more."""
        lane = self._lane(account_sid)
        found = next((call for call in lane.waiting if call.sid == call_sid), None)
        if found is not None:
            lane.waiting.remove(found)
        return found

    def clear(self) -> list[T]:
        """Nobody who waits departs any more; they are given back, in order."""
        left = [call for lane in self._lanes.values() for call in lane.waiting]
        for lane in self._lanes.values():
            lane.waiting.clear()
            if lane.timer is not None:
                lane.timer.cancel()
                lane.timer = None
        return left

    def _lane(self, account_sid: str) -> _Lane[T]:
        """An account's. A reload that changes its pace starts a new window, as it does for trunks."""
        most = self._pace(account_sid)
        lane = self._lanes.get(account_sid)
        if lane is None:
            lane = self._lanes[account_sid] = _Lane(Window(most))
        elif lane.pace.most != most:
            lane.pace = Window(most)
        return lane

    def _depart(self, account_sid: str) -> None:
        """Let go whoever may, and come back for the next."""
        lane = self._lane(account_sid)
        lane.timer = None
        now = self._loop.time()
        while lane.waiting and not lane.pace.is_full(now):
            lane.pace.take(now)
            self._start(lane.waiting.popleft())
        if lane.waiting:
            lane.timer = self._loop.call_later(lane.pace.wait(now), self._depart, account_sid)
