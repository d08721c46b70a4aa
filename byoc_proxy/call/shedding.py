"""How large a share of the new calls is turned away while the node is behind (RFC 5390, RFC 6357, loss-based).

A node that takes every call when it cannot keep up finishes none: what it has begun waits behind what has just
come. So new calls are refused before anything is spent on them, and only as many as are too many. Pure: the driver
measures and tells the time.

*Strain* is how far behind the node is, 1 being as far as it may be: the share of the sockets' buffers that waits
unread, or the time that one turn of the event loop takes. A burst that is worked off within `WINDOW` is no strain.

The controller is proportional and integral, like PIE's (RFC 8033): the integral part finds the share that has to
go, the proportional part answers to the moment.
"""

from __future__ import annotations

from typing import Final

WINDOW: Final = 0.1  # seconds; what is gone within it was a burst
FULL_BACKLOG: Final = 0.25  # share of a socket's buffer
FULL_LAG: Final = 0.1  # seconds
STEP_UP: Final = 0.06  # of severity per window, for each strain above 1
STEP_DOWN: Final = 0.03  # the same below 1
PROPORTIONAL: Final = 0.25  # severity for each strain of the moment
MOST_STRAIN: Final = 3.0
MOST_SEVERITY: Final = 2.0


class Shedding:
    """`severity` is what has to go: up to 1 a share of the calls that begin, beyond it of those, too, that have
    answered a challenge already and cost the most to have come so far.
    """

    __slots__ = ("_debts", "_lowest", "_share", "_strain", "_window_ends")

    def __init__(self) -> None:
        self._share = 0.0  # the integral part
        self._strain = 0.0  # of the moment
        self._lowest = MOST_STRAIN
        self._window_ends = 0.0
        self._debts = [0.0, 0.0]  # of calls that begin, of calls with credentials

    @property
    def severity(self) -> float:
        """0 to 2; 0 when every call is taken."""
        if self._share <= 0.0:
            return 0.0
        return min(self._share + PROPORTIONAL * self._strain, MOST_SEVERITY)

    def measure(self, backlog: float, lag: float, now: float) -> None:
        """Tell how full the fullest socket's buffer is (0 to 1) and how long a turn of the loop took."""
        strain = min(max(backlog / FULL_BACKLOG, lag / FULL_LAG), MOST_STRAIN)
        self._strain = strain
        self._lowest = min(self._lowest, strain)
        if now < self._window_ends:
            return
        if now < self._window_ends + WINDOW:  # else nobody has measured for a while, and one look proves nothing
            error = self._lowest - 1.0
            share = self._share + (STEP_UP if error > 0.0 else STEP_DOWN) * error
            self._share = min(max(share, 0.0), MOST_SEVERITY)
        self._lowest = MOST_STRAIN
        self._window_ends = now + WINDOW

    def refuses(self, *, has_credentials: bool) -> bool:
        """Whether this new call has to go. The share is dealt out evenly, without dice."""
        share = self.severity - 1.0 if has_credentials else self.severity
        if share <= 0.0:
            return False
        debt = self._debts[has_credentials] + min(share, 1.0)
        refused = debt >= 1.0
        self._debts[has_credentials] = debt - 1.0 if refused else debt
        return refused
