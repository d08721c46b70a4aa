"""Hears that others have committed something: other nodes on PostgreSQL, other processes on one file of SQLite's.

What is heard may be nothing, and what was missed while nobody could hear is not lost: whoever hears compares
revisions. So it is enough to hear soon, and once a second in any case.
"""

from __future__ import annotations

import asyncio
import sqlite3
from contextlib import asynccontextmanager, closing
from typing import TYPE_CHECKING, Any, Final

from byoc_proxy.storage.errors import StoreUnavailable
from byoc_proxy.storage.refusals import refusals
from byoc_proxy.storage.revisions import CHANNEL

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, AsyncIterator
    from pathlib import Path

    from byoc_proxy.storage.database import Database

LOOK: Final = 0.02  # seconds between two looks at the file; one costs 4 µs
NET: Final = 1.0  # seconds until it is assumed that there is news
_PAUSES: Final = (0.2, 10.0)  # seconds until a lost connection is tried again: the first and the longest


def heard(database: Database, log: Any) -> AsyncGenerator[None]:
    """Yields each time that there may be news, and at once when it begins to hear. Close it after use."""
    path = database.path
    return _noticed(database, log) if path is None else _seen(path, log)


async def _seen(path: Path, log: Any) -> AsyncGenerator[None]:
    """`PRAGMA data_version` changes with every commit of another connection, and is read from shared memory.

    Most commits are of calls: only those with a new revision are news.
    """
    loop = asyncio.get_running_loop()
    with closing(sqlite3.connect(path, timeout=0, isolation_level=None)) as watch:
        version, number, due = -1, -1, 0.0
        while True:
            before = number
            try:
                found = _single(watch, "PRAGMA data_version")
                if found != version:
                    number = _single(watch, "SELECT number FROM revision")
                    version = found
            except sqlite3.OperationalError as error:
                log.debug("database.not_seen", cause=str(error))  # locked as a whole for a moment
            if number != before or loop.time() >= due:
                due = loop.time() + NET
                yield
            await asyncio.sleep(LOOK)


def _single(watch: sqlite3.Connection, query: str) -> int:
    ((number,),) = watch.execute(query).fetchall()
    return int(number)


async def _noticed(database: Database, log: Any) -> AsyncGenerator[None]:
    """NOTIFY on a connection of its own."""
    first, longest = _PAUSES
    pause = first
    while True:
        try:
            async with _listening(database) as news:
                log.info("database.listening", database=database.name)
                pause = first
                yield
                while await news.wait():
                    yield
        except StoreUnavailable as error:
            log.warning("database.not_listening", cause=str(error), retry_in=pause)
        yield  # it may be there for reading
        await asyncio.sleep(pause)
        pause = min(2 * pause, longest)


class _News:
    """What has come over a listening connection since the last time."""

    def __init__(self, connection: Any) -> None:
        self._connection = connection
        self._arrived = asyncio.Event()

    def arrived(self, *_: object) -> None:
        self._arrived.set()

    async def wait(self) -> bool:
        """True: there may be news; raises what the driver raises when the connection is dead."""
        try:
            async with asyncio.timeout(NET):
                await self._arrived.wait()
        except TimeoutError:
            await self._connection.fetchval("SELECT 1", timeout=2 * NET)  # a dead peer is silent too
        self._arrived.clear()
        return not self._connection.is_closed()


@asynccontextmanager
async def _listening(database: Database) -> AsyncIterator[_News]:
    """A connection that listens. `StoreUnavailable` when it cannot be had, or dies."""
    from asyncpg import InterfaceError, PostgresError  # belongs to an extra

    with refusals(database.name, "changes of others are looked for every now and then"):
        async with database.engine.connect() as connection:
            raw = await connection.get_raw_connection()
            driver: Any = raw.driver_connection
            news = _News(driver)
            try:
                await driver.add_listener(CHANNEL, news.arrived)
                driver.add_termination_listener(news.arrived)
                yield news
            except (InterfaceError, PostgresError) as error:
                raise StoreUnavailable(f"{database.name}: the connection was lost: {error}") from error
            finally:
                await connection.invalidate()
