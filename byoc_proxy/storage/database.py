"""The database: a file of SQLite's, or PostgreSQL by URL. Transactions for reading and for writing, all bounded.

Who writes queues at one lock, the row of `revision`, so that all nodes agree on the order of what is committed:
BEGIN IMMEDIATE takes it on SQLite, SELECT … FOR UPDATE on PostgreSQL. Readers wait for nobody and see one moment.
"""

from __future__ import annotations

import asyncio
import os
import sqlite3
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from sqlalchemy import URL, event, make_url, select
from sqlalchemy.exc import ArgumentError, DBAPIError
from sqlalchemy.ext.asyncio import create_async_engine
from sqlalchemy.pool import AsyncAdaptedQueuePool
from sqlalchemy.util.concurrency import await_only, in_greenlet

from byoc_proxy.storage.errors import StoreUnavailable, UnsureCommit, UnusableDatabase
from byoc_proxy.storage.migrate import migrate, newest, version
from byoc_proxy.storage.refusals import refusals
from byoc_proxy.storage.tables import revision

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from contextlib import AbstractAsyncContextManager

    from sqlalchemy import Connection
    from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

LOCK_WAIT: Final = 2.0  # seconds that a writer waits for another one
_ANSWER: Final = 10.0  # seconds that any statement may take
_PATIENCE: Final = 600.0  # the same of both while a schema is brought up to date, by us or by another node
_CONNECTIONS: Final = 5
_WRITING: Final = "byoc_writing"


class Database:
    """An open database of this version of the schema."""

    def __init__(self, engine: AsyncEngine) -> None:
        self.engine = engine
        self.is_sqlite = engine.dialect.name == "sqlite"
        self.name = _name(engine.url)
        self._turn = asyncio.Lock()  # SQLite has room for one writer, and lets the others try again now and then

    @classmethod
    async def open(cls, url: str, log: Any) -> Database:
        """Open it, make it when it is new, bring its schema to this version.

        `url` is `sqlite:///relative.db`, `sqlite:////absolute.db` or `postgresql://user@host/name`.
        `UnusableDatabase` for what will not go away by itself, `StoreUnavailable` for what may.
        """
        database = cls(_engine(url))
        async with AsyncExitStack() as unless_good:
            unless_good.push_async_callback(database.close)
            async with database.reading() as connection:
                found = await connection.run_sync(version)
            if found != newest():
                await cls._migrated(url, log)
            unless_good.pop_all()
        return database

    @classmethod
    async def _migrated(cls, url: str, log: Any) -> None:
        patient = cls(_engine(url, _PATIENCE, _PATIENCE))
        try:
            async with patient._locked() as connection:
                before, after = await connection.run_sync(migrate)
        finally:
            await patient.close()
        if before != after:
            log.info("database.migrated", database=patient.name, before=before or "nothing", now=after)

    @classmethod
    async def version(cls, url: str) -> str | None:
        """The version of the schema, which stays as it is; None: there is no schema. Errors as of `open`."""
        if _is_missing_file(url):
            return None  # to look would be to make it
        database = cls(_engine(url))
        try:
            async with database.reading() as connection:
                return await connection.run_sync(version)
        finally:
            await database.close()

    @property
    def path(self) -> Path | None:
        """The file of SQLite's; None on PostgreSQL."""
        return Path(self.engine.url.database or "") if self.is_sqlite else None

    @asynccontextmanager
    async def reading(self) -> AsyncIterator[AsyncConnection]:
        """A transaction that sees one moment of the database. `StoreUnavailable`."""
        with refusals(self.name):
            async with self.engine.connect() as connection:
                if not self.is_sqlite:
                    await connection.execution_options(isolation_level="REPEATABLE READ", postgresql_readonly=True)
                async with connection.begin():
                    yield connection

    @asynccontextmanager
    async def writing(self) -> AsyncIterator[AsyncConnection]:
        """The one transaction of all nodes that writes; it is durable when the context has ended without an error.

        `StoreUnavailable` when the lock cannot be had within two seconds, and for all else that is refused.
        """
        async with self._locked() as connection:
            if not self.is_sqlite:
                await connection.execute(select(revision.c.number).with_for_update())
            yield connection

    def recording(self) -> AbstractAsyncContextManager[AsyncConnection]:
        """A transaction for rows that no snapshot is made of, such as calls. It waits for no change of resources,
        and none for it, but where the file of SQLite's has room for one writer only. `StoreUnavailable`.
        """
        return self._locked()

    @asynccontextmanager
    async def _locked(self) -> AsyncIterator[AsyncConnection]:
        async with self._in_turn():
            with refusals(self.name):
                async with self.engine.connect() as connection:
                    await connection.execution_options(**{_WRITING: True})
                    await connection.begin()
                    yield connection
                    await self._commit(connection)

    @asynccontextmanager
    async def _in_turn(self) -> AsyncIterator[None]:
        """On a file of SQLite's the writers of this process go one by one, in the order in which they came."""
        if not self.is_sqlite:
            yield
            return
        try:
            async with asyncio.timeout(LOCK_WAIT):
                await self._turn.acquire()
        except TimeoutError as error:
            raise StoreUnavailable(f"{self.name}: too many writers wait; nothing was changed") from error
        try:
            yield
        finally:
            self._turn.release()

    async def _commit(self, connection: AsyncConnection) -> None:
        try:
            await connection.commit()
        except (DBAPIError, OSError) as error:
            if self.is_sqlite or not (isinstance(error, OSError) or error.connection_invalidated):
                raise
            text = "the connection was lost in the middle of a commit; whether the change was kept is not known"
            raise UnsureCommit(f"{self.name}: {text}: read it again") from error

    async def close(self) -> None:
        """Close all connections."""
        await self.engine.dispose()


def _name(url: URL) -> str:
    """For people; what stands behind the question mark may be secret."""
    kept = {"host": url.query["host"]} if "host" in url.query else {}
    return url.set(drivername=url.drivername.partition("+")[0], query=kept).render_as_string(hide_password=True)


def _read(url: str) -> URL:
    try:
        return make_url(url)
    except ArgumentError:
        raise UnusableDatabase(f"database.url {_ADVICE}") from None


def _is_missing_file(url: str) -> bool:
    read = _read(url)
    return read.drivername == "sqlite" and bool(read.database) and not Path(read.database or "").exists()


def _engine(url: str, lock_wait: float = LOCK_WAIT, answer: float = _ANSWER) -> AsyncEngine:
    """`lock_wait`: seconds for another one's transaction to end; `answer`: for a statement."""
    read = _read(url)
    match read.drivername:
        case "sqlite":
            return _sqlite(read, lock_wait)
        case "postgresql" | "postgres":
            return _postgresql(read, lock_wait, answer)
    raise UnusableDatabase(f"database.url begins with {read.drivername!r} and {_ADVICE}")


_ADVICE: Final = "must be sqlite:///FILE or postgresql://USER:PASSWORD@HOST/NAME"


def _sqlite(url: URL, lock_wait: float) -> AsyncEngine:
    if not url.database or url.database == ":memory:":
        raise UnusableDatabase(f"database.url names no file: it {_ADVICE}")
    _prepare_file(Path(url.database))
    engine = create_async_engine(url.set(drivername="sqlite+aiosqlite"), **_POOL)

    def connected(connection: Any, _: object) -> None:
        connection.isolation_level = None  # or the driver would begin transactions of its own, and too late
        cursor = connection.cursor()
        cursor.execute(f"PRAGMA busy_timeout={lock_wait * 1000:.0f}")
        _keep_a_log(cursor, lock_wait)
        for pragma in _PRAGMAS:
            cursor.execute(f"PRAGMA {pragma}")
        cursor.close()

    def begun(connection: Connection) -> None:
        writing = connection.get_execution_options().get(_WRITING, False)
        connection.exec_driver_sql("BEGIN IMMEDIATE" if writing else "BEGIN")

    def given_up(connection: Any, *_: object) -> None:
        # by somebody who was cancelled: closed with a statement open, it would keep its lock until both are gone
        if in_greenlet():
            await_only(asyncio.shield(connection.driver_connection.rollback()))

    event.listen(engine.sync_engine, "invalidate", given_up)
    event.listen(engine.sync_engine, "connect", connected)
    event.listen(engine.sync_engine, "begin", begun)
    return engine


def _keep_a_log(cursor: Any, lock_wait: float) -> None:
    """Write ahead. The first who comes makes the file so for good, and for that SQLite does not wait until the
    transaction of another one is over, whatever its `busy_timeout` says.
    """
    tries = max(int(lock_wait / _BETWEEN_TRIES), 1)
    for left in reversed(range(tries)):
        try:
            cursor.execute("PRAGMA journal_mode=WAL")
        except sqlite3.OperationalError as error:
            if error.sqlite_errorcode != sqlite3.SQLITE_BUSY or not left:
                raise
            await_only(asyncio.sleep(_BETWEEN_TRIES))
        else:
            return


_BETWEEN_TRIES: Final = 0.02  # seconds
# FULL: in WAL mode anything less forgets commits when the power fails.
_PRAGMAS: Final = ("synchronous=FULL", "foreign_keys=ON")
_POOL: Final[dict[str, Any]] = {
    "poolclass": AsyncAdaptedQueuePool,
    "pool_size": _CONNECTIONS,
    "max_overflow": 0,
    "pool_timeout": LOCK_WAIT,
}


def _prepare_file(path: Path) -> None:
    """A new database is for its owner alone: there are secrets in it. The files beside it get the same mode."""
    try:
        os.close(os.open(path, os.O_CREAT | os.O_RDWR, 0o600))
    except OSError as error:
        raise UnusableDatabase(
            f"the database {path} cannot be opened for writing: {error.strerror}; its directory must be there and "
            "belong to the user that byoc-proxy runs as"
        ) from error


def _postgresql(url: URL, lock_wait: float, answer: float) -> AsyncEngine:
    limits = {
        "application_name": "byoc-proxy",
        "lock_timeout": f"{lock_wait * 1000:.0f}",
        "statement_timeout": f"{answer * 1000:.0f}",
        "idle_in_transaction_session_timeout": f"{answer * 1000:.0f}",
    }
    arguments = {"timeout": LOCK_WAIT, "command_timeout": answer, "server_settings": limits}
    try:
        return create_async_engine(
            url.set(drivername="postgresql+asyncpg"), connect_args=arguments, pool_pre_ping=True, **_POOL
        )
    except ModuleNotFoundError as error:
        raise UnusableDatabase(
            f"PostgreSQL needs the package {error.name}: install byoc-proxy with its extra, byoc-proxy[postgres]"
        ) from error
