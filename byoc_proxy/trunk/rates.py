"""How often something may happen: an exact window, and a bucket that forgives a burst. Pure: time comes in."""

from __future__ import annotations

from collections import deque
from typing import Final

_EPSILON: Final = 1e-9  # seconds; arithmetic on times, not a grace


class Window:
    """At most `most` in any `seconds`, wherever one starts to count: what a contract's "calls per second" says.

    Memory is one float for each of `most`.
    """

    __slots__ = ("_seconds", "_taken", "most")

    def __init__(self, most: int, seconds: float = 1.0) -> None:
        self.most = most
        self._seconds = seconds
        self._taken: deque[float] = deque(maxlen=most)

    def is_full(self, now: float) -> bool:
        """True when one more would be one too many."""
        return len(self._taken) == self.most and now - self._taken[0] < self._seconds - _EPSILON

    def wait(self, now: float) -> float:
        """Seconds until one more may be taken; 0.0: now."""
        return self._taken[0] + self._seconds - now if self.is_full(now) else 0.0

    def take(self, now: float) -> None:
        """Count one."""
        self._taken.append(now)


class TokenBucket:
    """`burst` at once, then `rate` per second."""

    __slots__ = ("_at", "_burst", "_rate", "_tokens")

    def __init__(self, rate: float, burst: float, now: float) -> None:
        self._rate = rate
        self._burst = burst
        self._tokens = burst
        self._at = now

    def take(self, now: float) -> bool:
        """Take one token; False when there is none."""
        self._tokens = min(self._burst, self._tokens + (now - self._at) * self._rate)
        self._at = now
        if self._tokens < 1.0 - _EPSILON:
            return False
        self._tokens -= 1.0
        return True
