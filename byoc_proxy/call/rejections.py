"""What was turned away, for whoever runs the node: the last few with source and reason, and counts of all.

A ring of its own and of a fixed size: noise pushes out other noise, never a call's record. The log has one line a
minute with the counts, and none while there is nothing to count.
"""

from __future__ import annotations

import asyncio
from collections import Counter, deque
from typing import TYPE_CHECKING, Any, Final

from byoc_proxy.sip.flow import place_of
from byoc_proxy.storage.alerts import Alert

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from byoc_proxy.sip.flow import Flow
    from byoc_proxy.storage.alerts import AlertSink
    from byoc_proxy.trunk.model import SipDomain

KEPT: Final = 200
EVERY: Final = 60.0  # seconds between two lines of the log
_LONGEST: Final = 200  # characters of a reason: it quotes what a stranger wrote
COUNTED_ONLY: Final = frozenset({"banned", "overload"})  # there are too many of them to be told one by one


class Rejections:
    """`wall` gives seconds since 1970. Kinds are a few fixed words."""

    def __init__(self, wall: Callable[[], float], alerts: AlertSink, log: Any) -> None:
        self._wall = wall
        self._alerts = alerts
        self._log = log
        self._ring: deque[tuple[float, str, str, str]] = deque(maxlen=KEPT)
        self._counts: Counter[str] = Counter()
        self._told: Counter[str] = Counter()
        self._loop = asyncio.get_running_loop()
        self._line_due = False

    def note(self, kind: str, flow: Flow, reason: str) -> None:
        """One message was turned away."""
        self._counts[kind] += 1
        if kind not in COUNTED_ONLY:
            source = place_of(flow.transport, flow.remote)
            self._ring.append((self._wall(), kind, source, reason[:_LONGEST]))
        if not self._line_due:
            self._line_due = True
            self._loop.call_later(EVERY, self._tell)

    def tell_account(self, domain: SipDomain, code: int, text: str, flow: Flow) -> None:
        """An INVITE for somebody's domain was refused, which its account wants to know."""
        self._alerts.note(Alert(domain.account_sid, code, text, domain.sid, flow.remote[0]))

    @property
    def counts(self) -> Mapping[str, int]:
        """How many of each kind since the start."""
        return self._counts

    def recent(self) -> list[dict[str, object]]:
        """The last ones, newest first."""
        names = ("at", "kind", "source", "reason")
        return [dict(zip(names, each, strict=True)) for each in reversed(self._ring)]

    def report(self) -> dict[str, object]:
        """All of it, as JSON has it."""
        return {"counts": dict(self._counts), "recent": self.recent()}

    def _tell(self) -> None:
        self._line_due = False
        news = self._counts - self._told
        self._told = Counter(self._counts)
        self._log.info("messages.rejected", seconds=EVERY, **news)
