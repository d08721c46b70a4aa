"""Calls on their way to the table `calls`: the newest state of each, in memory, as long as the database is away.

A call that lives is a reference to its record, read when it is written: there are never more of them than calls,
and none is ever lost. Calls that are over are rows, a bounded number of them; the oldest give way.
"""

from __future__ import annotations

from itertools import islice
from typing import TYPE_CHECKING, Any, Final, NamedTuple

from byoc_proxy.storage.call_rows import call_rows

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from byoc_proxy.storage.notice import Subscription
    from byoc_proxy.storage.record import CallRecord

Row = dict[str, Any]

MOST_WAITING: Final = 20_000  # calls that are over: some 3 kB each


class Over(NamedTuple):
    """A call that has ended, at a moment in seconds since 1970."""

    rows: list[Row]
    ended: float


class Batch(NamedTuple):
    """Some calls that are being written."""

    over: dict[str, Over]
    live: dict[str, None]
    rows: list[Row]

    @property
    def ended(self) -> float:
        """The latest end among them; 0 when all of them live."""
        return max((each.ended for each in self.over.values()), default=0.0)


class CallBacklog:
    """`node` is the name on the rows, `wall` gives seconds since 1970; `subscriptions`: who hears of live legs."""

    def __init__(
        self,
        node: str,
        wall: Callable[[], float],
        subscriptions: Mapping[str, Subscription],
        most: int = MOST_WAITING,
    ) -> None:
        self.dropped = 0  # calls that ended, and found no place here
        self.complete_until: float | None = None  # before the first that was dropped, seconds since 1970
        self._node = node
        self._wall = wall
        self._most = most
        self._subscriptions = subscriptions
        self._live: dict[str, CallRecord] = {}
        self._news: dict[str, None] = {}  # live calls with another state than the table has; a set that keeps order
        self._over: dict[str, Over] = {}

    def begin(self, record: CallRecord) -> None:
        """A call is up. Its record goes on changing."""
        self._live[record.call_sid] = record
        self._news[record.call_sid] = None

    def changed(self, call_sid: str) -> None:
        """There is news of a call, if it is up."""
        if call_sid in self._live:
            self._news[call_sid] = None

    def end(self, record: CallRecord, line: str) -> None:
        """A call is over, or something was added to the record of one that is: here it is as a line of JSON."""
        sid, now = record.call_sid, self._wall()
        self._live.pop(sid, None)
        self._news.pop(sid, None)
        self._over.pop(sid, None)
        self._over[sid] = Over(call_rows(record, self._node, now, line), record.stages.get("ended", now))
        if len(self._over) > self._most:
            lost = self._over.pop(next(iter(self._over)))
            self.dropped += 1
            if self.complete_until is None:
                self.complete_until = lost.ended - 0.001  # the moments in the file are whole milliseconds

    def tell_all(self) -> None:
        """Whatever the table says of live calls, it is to be said again."""
        self._news.update(dict.fromkeys(self._live))

    def batch(self, most: int) -> Batch:
        """About `most` rows. What is over waits on until it is `written`; live ones are to be `put_back` if not."""
        over: dict[str, Over] = {}
        rows: list[Row] = []
        for sid, each in self._over.items():
            if len(rows) >= most:
                break
            over[sid] = each
            rows += each.rows
        live = dict.fromkeys(islice(self._news, max(most - len(rows), 0)))
        now = self._wall()
        for sid in live:
            del self._news[sid]
            rows += call_rows(self._live[sid], self._node, now, subscriptions=self._subscriptions)
        return Batch(over, live, rows)

    def written(self, batch: Batch) -> None:
        """These are in the table. A call that has another record since then waits on."""
        for sid, over in batch.over.items():
            if self._over.get(sid) is over:
                del self._over[sid]

    def put_back(self, batch: Batch) -> None:
        """These could not be written."""
        for sid in batch.live:
            self.changed(sid)

    def filled(self) -> None:
        """What was dropped came from elsewhere."""
        self.complete_until = None

    @property
    def over(self) -> int:
        """How many calls that are over wait here."""
        return len(self._over)

    def __len__(self) -> int:
        return len(self._over) + len(self._news)
