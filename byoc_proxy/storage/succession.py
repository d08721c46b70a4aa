"""Nodes that write calls come and go: what one of them leaves behind when it dies is put in order by the next.

A node dies without a word. The process that takes its name, or any other one after two minutes of silence, ends the
calls that it had up and delivers the status callbacks that it left, and those about such ends; and what its records
file has and the database lacks is filled in.
"""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any, Final

from byoc_proxy.storage.call_rows import call_rows
from byoc_proxy.storage.call_table import (
    Standing,
    fill_in,
    forget,
    interrupt,
    note_alive,
    silent_since,
    standing_of,
)
from byoc_proxy.storage.lines import line_of
from byoc_proxy.storage.notice_table import inherit, settle_owed
from byoc_proxy.storage.reread import reread
from byoc_proxy.storage.rows_apart import write_rows

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from byoc_proxy.storage.database import Database
    from byoc_proxy.storage.notice import Notice

Row = dict[str, Any]

PULSE: Final = 5.0  # seconds between two signs of life
SILENCE: Final = 120.0  # without one a node is dead
_AT_A_TIME: Final = 200  # rows


class Succession:
    """`node` is this process; `latest` reads the last records of its file, and may take its time; `deliver` takes
    status callbacks that others have left behind.
    """

    def __init__(
        self,
        database: Database,
        node: str,
        latest: Callable[[], list[Row]],
        deliver: Callable[[Sequence[Notice]], None],
        log: Any,
    ) -> None:
        self._database = database
        self._node = node
        self._latest = latest
        self._deliver = deliver
        self._log = log

    async def take_over(self, now: float) -> Standing:
        """End the calls of the process that had our name before, recorded as far as its file knows."""
        async with self._database.recording() as connection:
            before = await standing_of(connection, self._node)
        await self.fill_in(before.recorded)
        standing = Standing(now, before.recorded)
        async with self._database.recording() as connection:
            calls = await interrupt(connection, self._node, before.alive, now)
            await settle_owed(connection, self._node)
        if calls:
            self._log.warning("calls.interrupted", calls=calls, text="up when the last process ended")
        await self.pulse(standing)
        await self.find_own()
        return standing

    async def find_own(self) -> None:
        """Deliver the status callbacks that are this node's in the table, unless it knows of them."""
        async with self._database.recording() as connection:
            left = await inherit(connection, self._node, self._node)
        self._deliver(left)

    async def fill_in(self, since: float) -> None:
        """Put in the calls of the records file that ended after `since` (seconds since 1970) and are not there."""
        try:
            lines = await asyncio.to_thread(self._latest)
        except OSError as error:
            self._log.error("records.not_read", cause=str(error), text="calls that ended lately may be missing")
            return
        rows: list[Row] = []
        for line in lines:
            record = reread(line)
            if record is not None and record.stages["ended"] > since:
                text = line_of(line).rstrip(b"\n").decode("ascii")
                rows += call_rows(record, self._node, record.stages["ended"], text)
        for start in range(0, len(rows), _AT_A_TIME):
            await write_rows(self._database, fill_in, rows[start : start + _AT_A_TIME], self._log)

    async def pulse(self, standing: Standing) -> None:
        """Say that we live, and end the calls of nodes that are silent."""
        now = standing.alive
        ended: dict[str, int] = {}
        left: list[Notice] = []
        async with self._database.recording() as connection:
            await note_alive(connection, self._node, standing)
            for node, alive in (await silent_since(connection, now - SILENCE)).items():
                ended[node] = await interrupt(connection, node, alive, now)
                await settle_owed(connection, node)
                left += await inherit(connection, node, self._node)
                await forget(connection, node)
        for node, calls in ended.items():
            self._log.warning("node.silent", node=node, calls=calls, text="its calls are told to have failed")
        self._deliver(left)
