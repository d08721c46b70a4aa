"""The node's log in a simulated world: decisions are kept for a trace, and an exception breaks a rule."""

from __future__ import annotations

import sys
import traceback
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from byoc_proxy.sim.watch import Watch


@dataclass(frozen=True, slots=True)
class Told:
    """One event of the log."""

    at: float
    event: str
    fields: Mapping[str, object]


class QuietLog:
    """What the node needs of a structlog logger, and no more."""

    def __init__(self, watch: Watch, now: Callable[[], float]) -> None:
        self.told: list[Told] = []
        self._watch = watch
        self._now = now

    def debug(self, event: str, **fields: object) -> None:
        self.told.append(Told(self._now(), event, fields))

    info = warning = error = debug

    def exception(self, event: str, **fields: object) -> None:
        """A bug: `call.crashed` and its like."""
        last = traceback.extract_tb(sys.exc_info()[2])[-1:]
        place = "".join(f" at {frame.filename.rpartition('byoc_proxy/')[2]}:{frame.lineno}" for frame in last)
        self._watch.complain("nothing fails unseen", f"{event}: {sys.exc_info()[1]!r}{place}")
        self.debug(event, **fields)

    def count(self, event: str) -> int:
        return sum(1 for each in self.told if each.event == event)
