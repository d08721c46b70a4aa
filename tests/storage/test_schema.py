"""The schema that migrations make is the one that the program works with, on both databases."""

import asyncio
import shutil
import sqlite3
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from alembic.autogenerate import compare_metadata
from alembic.runtime.migration import MigrationContext
from sqlalchemy import Connection, inspect, text

from byoc_proxy.storage.database import Database
from byoc_proxy.storage.errors import StoreUnavailable, UnusableDatabase
from byoc_proxy.storage.migrate import migrate, newest
from byoc_proxy.storage.tables import metadata
from tests.support.databases import Log

pytestmark = pytest.mark.store


def differences(connection: Connection) -> list[Any]:
    """What Alembic would change to make the schema that of `tables`."""
    options = {"compare_type": True, "compare_server_default": _differs}
    found: list[Any] = compare_metadata(MigrationContext.configure(connection, opts=options), metadata)
    return found


def _differs(_: Any, __: Any, column: Any, found: str | None, ___: Any, wanted: str | None) -> bool | None:
    """Literals are compared as they stand: Alembic takes '' for no default, and cannot compare JSON."""
    default = column.server_default
    if default is None or not isinstance(default.arg, str):
        return None
    return found is None or found.split("::")[0].strip("()'") != default.arg


async def test_the_migrated_schema_is_that_of_the_tables(database: Database) -> None:
    async with database.reading() as connection:
        assert await connection.run_sync(differences) == []


async def test_a_column_that_no_migration_makes_would_be_noticed(new_url: str) -> None:
    database = await Database.open(new_url, Log())
    async with database.writing() as connection:
        await connection.execute(text("ALTER TABLE byoc_trunks DROP COLUMN cnam_lookup_enabled"))
        await connection.execute(text("DROP INDEX ix_calls_live"))
    async with database.reading() as connection:
        found = await connection.run_sync(differences)
    await database.close()
    assert {entry[0] for entry in found} == {"add_column", "add_index"}


@pytest.fixture(params=["sqlite", "postgresql"])
def new_url(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[str]:
    """The URL of a database that has nothing in it."""
    if request.param == "sqlite":
        yield f"sqlite:///{tmp_path}/new.db"
        return
    server = request.getfixturevalue("postgresql")
    name = server.create()
    yield server.url(name)
    server.drop(name)


async def test_of_several_nodes_that_start_at_once_one_makes_the_schema(new_url: str) -> None:
    logs = [Log() for _ in range(5)]
    databases = await asyncio.gather(*(Database.open(new_url, log) for log in logs))
    assert [len(log.of("database.migrated")) for log in logs].count(1) == 1
    async with databases[0].reading() as connection:
        assert set(metadata.tables) <= set(await connection.run_sync(lambda sync: inspect(sync).get_table_names()))
    for database in databases:
        await database.close()


async def test_a_file_that_another_process_is_making_is_waited_for(tmp_path: Path) -> None:
    """As long as it is no write-ahead log yet, SQLite itself would not wait for a transaction that may write."""
    there = sqlite3.connect(tmp_path / "new.db", isolation_level=None)
    there.execute("BEGIN IMMEDIATE")
    opening = asyncio.create_task(Database.open(f"sqlite:///{tmp_path}/new.db", Log()))
    await asyncio.sleep(0.3)
    assert not opening.done()
    there.execute("COMMIT")
    there.close()
    await (await opening).close()


async def test_writers_of_one_process_take_turns_on_a_file(tmp_path: Path) -> None:
    """SQLite would have each of them try again now and then: some at once, others not within two seconds."""
    database = await Database.open(f"sqlite:///{tmp_path}/new.db", Log())
    order: list[int] = []

    async def write(number: int) -> None:
        async with database.recording() as connection:
            await connection.execute(text("UPDATE revision SET number = number"))
            await asyncio.sleep(0.01)
            order.append(number)

    await asyncio.gather(*map(write, range(100)))
    await database.close()
    assert order == list(range(100))


async def test_a_writer_waits_no_longer_than_two_seconds_for_its_turn(tmp_path: Path) -> None:
    database = await Database.open(f"sqlite:///{tmp_path}/new.db", Log())
    async with database.recording():
        with pytest.raises(StoreUnavailable, match="too many writers wait; nothing was changed"):
            async with database.writing():
                raise AssertionError("there are two writers")
    async with database.writing():
        pass  # whoever gave up has left the queue
    await database.close()


async def test_a_migration_that_fails_leaves_nothing_behind(new_url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    def half_way(connection: Connection) -> None:
        migrate(connection)
        raise RuntimeError("the power is gone")

    monkeypatch.setattr("byoc_proxy.storage.database.migrate", half_way)
    with pytest.raises(RuntimeError, match="the power is gone"):
        await Database.open(new_url, Log())
    monkeypatch.undo()
    assert await Database.version(new_url) is None
    log = Log()
    await (await Database.open(new_url, log)).close()
    assert log.of("database.migrated")[0]["before"] == "nothing"


async def test_a_newer_schema_is_refused_and_left_alone(new_url: str) -> None:
    database = await Database.open(new_url, Log())
    async with database.writing() as connection:
        await connection.execute(text("UPDATE alembic_version SET version_num = '9999'"))
    await database.close()
    with pytest.raises(UnusableDatabase, match=f"version 9999 of the schema, which is newer than {newest()}"):
        await Database.open(new_url, Log())
    assert await Database.version(new_url) == "9999"


async def test_a_file_of_sqlite_keeps_acknowledged_writes_when_the_power_fails(
    tmp_path: Path, empty_file: Path
) -> None:
    """What SQLite promises for it: a write-ahead log that is synced with every commit."""
    shutil.copy(empty_file, tmp_path / "a.db")
    database = await Database.open(f"sqlite:///{tmp_path}/a.db", Log())
    async with database.reading() as connection:
        pragmas = [
            (await connection.execute(text(f"PRAGMA {name}"))).scalar()
            for name in ("journal_mode", "synchronous", "foreign_keys")
        ]
    await database.close()
    assert pragmas == ["wal", 2, 1]


async def test_a_file_that_is_no_database_is_refused(tmp_path: Path) -> None:
    (tmp_path / "a.db").write_text("base_domain: sip.example.test\n" * 100)
    with pytest.raises(StoreUnavailable, match="is not a database"):
        await Database.open(f"sqlite:///{tmp_path}/a.db", Log())
