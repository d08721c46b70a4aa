"""Calls and alerts in the database. Whoever reports them is never kept waiting: one task writes, whenever it can.

The path of a call puts a reference into a table in memory. Every fifth of a second a transaction of its own takes
what there is; a database that is away is asked again and again, and gets everything when it is back, as far as
memory allows (`CallBacklog`, `AlertLedger`). What found no place comes out of the records file, if there is one.
"""

from __future__ import annotations

import asyncio
from collections import deque
from typing import TYPE_CHECKING, Any, Final

from byoc_proxy.storage.alerts import AlertLedger
from byoc_proxy.storage.call_backlog import CallBacklog
from byoc_proxy.storage.call_rows import call_rows
from byoc_proxy.storage.call_table import (
    Standing,
    note_alive,
    withdraw,
    write_alerts,
    write_calls,
    write_events,
)
from byoc_proxy.storage.errors import StoreUnavailable, UnsureCommit
from byoc_proxy.storage.exchanges import ExchangeBacklog
from byoc_proxy.storage.lines import line_of
from byoc_proxy.storage.notice import NoticeLedger
from byoc_proxy.storage.notice_table import write_notices
from byoc_proxy.storage.rows_apart import write_rows
from byoc_proxy.storage.succession import PULSE, Succession

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from sqlalchemy.ext.asyncio import AsyncConnection

    from byoc_proxy.storage.database import Database
    from byoc_proxy.storage.record import CallRecord

Row = dict[str, Any]

EVERY: Final = 0.2  # seconds between two looks at what there is to write
LONGEST_PAUSE: Final = 5.0  # between two attempts at a database that is away
ROWS: Final = 200  # in one transaction
_TELL_EVERY: Final = 60.0
_FIRST_TURN: Final = 4.0  # seconds that a call may wait for the calls of the last process to be put in order
_MOST_VOID: Final = 10_000  # of which each waits for a commit that the server was lost in


class DatabaseRecords:
    """A `CallStore`, an `AlertSink` (`alerts`), a `NoticeBook` (`notices`) and an `ExchangeSink` (`exchanges`): all
    only remember. `run` is the task that writes.

    `node` is the name of this process and of no other that lives. `latest` reads the last records of its file, if
    it has one; `new_sid` gives SIDs of alerts, `wall` seconds since 1970.
    """

    def __init__(
        self,
        database: Database,
        node: str,
        latest: Callable[[], list[Row]],
        new_sid: Callable[[], str],
        wall: Callable[[], float],
        log: Any,
    ) -> None:
        self.alerts = AlertLedger(new_sid, wall)
        self.notices = NoticeLedger()
        self.exchanges = ExchangeBacklog(wall)
        self._backlog = CallBacklog(node, wall, self.notices.subscriptions)
        self._succession = Succession(database, node, latest, self.notices.found, log)
        self._standing: Standing | None = None  # None until what the last process left is in order
        self._database = database
        self.node = node
        self._wall = wall
        self._log = log
        self._in_order = asyncio.Event()  # there is a standing
        self._void: deque[str] = deque(maxlen=_MOST_VOID)  # rows of calls that there are not
        self._away: float | None = None  # since when the database is
        self._told = 0.0

    # --- for the path of calls -----------------------------------------------------------------------------------

    def keep(self, record: CallRecord) -> None:
        self._backlog.begin(record)

    def changed(self, record: CallRecord) -> None:
        self._backlog.changed(record.call_sid)

    def add(self, record: CallRecord) -> None:
        self.take(record, line_of(record.as_dict()))

    def take(self, record: CallRecord, line: bytes) -> None:
        """As `add`, of a record that is a line already."""
        self._backlog.end(record, line.rstrip(b"\n").decode("ascii"))

    def alive(self, wall: float) -> None:
        """The task says so by itself."""

    def reopen(self) -> None:
        """Nothing is held open."""

    def close(self) -> None:
        """The database is its owner's."""

    # --- for whoever promises something ---------------------------------------------------------------------------

    def withdraw(self, call_sid: str) -> None:
        """There is no such call after all: its row goes, when it can."""
        self._void.append(call_sid)

    def row_of(self, record: CallRecord, call_sid: str) -> Row:
        """The row of a leg that lives, as of now."""
        rows = call_rows(record, self.node, self._wall())
        return next(row for row in rows if row["sid"] == call_sid)

    async def settle(self, record: CallRecord) -> Row:
        """Write a call that is about to be; the row of its first leg, which is there for good when this returns.

        `StoreUnavailable`: it is not there, and if that is not known now (`UnsureCommit`), it will not be later.
        """
        rows = call_rows(record, self.node, self._wall(), subscriptions=self.notices.subscriptions)
        try:
            async with asyncio.timeout(_FIRST_TURN):
                await self._in_order.wait()
        except TimeoutError:
            raise StoreUnavailable("what the last process left in the database is not in order yet") from None
        try:
            async with self._database.recording() as connection:
                await write_calls(connection, rows)
        except UnsureCommit:
            self.withdraw(record.call_sid)
            raise
        return rows[0]

    # --- the task ------------------------------------------------------------------------------------------------

    async def run(self) -> None:
        """Write, until cancelled."""
        pause = EVERY
        while True:
            await asyncio.sleep(pause)
            try:
                await self._write_all()
            except StoreUnavailable as error:
                pause = min(pause * 2, LONGEST_PAUSE)
                self._is_away(error)
            else:
                pause = EVERY
                self._is_back()
            self._tell_dropped()

    async def flush(self, within: float) -> None:
        """The process ends: write what there is, for so many seconds at most. Not while `run` is running."""
        try:
            async with asyncio.timeout(within):
                while self._news():
                    try:
                        await self._write_all()
                    except StoreUnavailable as error:
                        self._is_away(error)
                        await asyncio.sleep(EVERY)
        except TimeoutError:
            left = {"calls": self._backlog.over, "alerts": len(self.alerts), "callbacks": len(self.notices)}
            self._log.error("records.left_behind", **left, webhooks=len(self.exchanges))

    def _news(self) -> bool:
        return bool(self._backlog or self.alerts or self.notices or self.exchanges)

    async def _write_all(self) -> None:
        standing = self._standing
        if standing is None:
            standing = self._standing = await self._succession.take_over(self._wall())
            self._in_order.set()
        if self._away is not None:
            self._backlog.tell_all()  # another node may have thought that this one was dead
            await self._succession.find_own()  # which the answer to a commit would have told
        if self._backlog.complete_until is not None:
            await self._succession.fill_in(self._backlog.complete_until)
            self._backlog.filled()
        while self._void:
            sid = self._void[0]
            async with self._database.recording() as connection:
                await withdraw(connection, sid)
            self._void.popleft()
        while self._news():
            standing = self._standing = await self._write_some(standing)
        now = self._wall()
        if not 0.0 <= now - standing.alive < PULSE:
            standing = self._standing = Standing(now, standing.recorded)
            await self._succession.pulse(standing)

    async def _write_some(self, before: Standing) -> Standing:
        """One transaction; what is known of this node after it."""
        batch = self._backlog.batch(ROWS)
        alerts = self.alerts.batch(max(ROWS - len(batch.rows), 1))
        notices = self.notices.batch(ROWS, self.node)
        events = self.exchanges.batch(max(ROWS - len(batch.rows) - len(alerts), 1))
        standing = Standing(self._wall(), max(before.recorded, batch.ended))

        async def write(connection: AsyncConnection, rows: Sequence[Row]) -> None:
            await write_calls(connection, [row for row in rows if "parent_call_sid" in row])
            await write_alerts(connection, [row for row in rows if "error_code" in row])
            await write_notices(connection, [row for row in rows if "token" in row])
            await write_events(connection, [row for row in rows if "response_code" in row])
            await note_alive(connection, self.node, standing)

        done = False
        try:
            await write_rows(self._database, write, [*notices, *batch.rows, *alerts, *events], self._log)
            done = True
        finally:
            if not done:
                self._backlog.put_back(batch)
        self._backlog.written(batch)
        self.alerts.written(alerts)
        self.notices.written(notices)
        self.exchanges.written(events)
        return standing

    # --- what the operator hears ---------------------------------------------------------------------------------

    def _is_away(self, error: StoreUnavailable) -> None:
        if self._away is None:
            self._away = self._wall()
            self._log.warning("records.behind", cause=str(error), text="calls go on; their rows wait in memory")

    def _is_back(self) -> None:
        if self._away is not None:
            self._log.info("records.caught_up", seconds=round(self._wall() - self._away, 1))
            self._away = None

    def _tell_dropped(self) -> None:
        now = self._wall()
        calls, alerts, webhooks = self._backlog.dropped, self.alerts.dropped, self.exchanges.dropped
        if 0.0 <= now - self._told < _TELL_EVERY or not (calls or alerts or webhooks):
            return
        self._told = now
        self._backlog.dropped = self.alerts.dropped = self.exchanges.dropped = 0
        text = "the database has been away for too long; calls that are in the records file will be filled in"
        self._log.error("records.dropped", calls=calls, alerts=alerts, webhooks=webhooks, text=text)
