"""A database that is locked, full, gone or killed with its process: nothing is changed, or nothing is lost."""

import asyncio
import contextlib
import os
import shutil
import signal
import sqlite3
import sys
import time
from collections.abc import AsyncIterator, Callable
from pathlib import Path

import pytest
import pytest_asyncio
from sqlalchemy import select, text
from sqlalchemy.ext.asyncio import AsyncConnection

from byoc_proxy.provision.provisioning import Provisioning, StoreUnavailable
from byoc_proxy.storage import tables
from byoc_proxy.storage.database import LOCK_WAIT, Database
from byoc_proxy.storage.errors import UnusableDatabase
from byoc_proxy.storage.unlock import unlocked
from byoc_proxy.storage.vault import Vault
from tests.support.databases import Log
from tests.support.postgres import Postgres, running
from tests.support.provisioned import NOTHING, a_trunk, an_account, following, started

pytestmark = pytest.mark.store

ROOT = Path(__file__).resolve().parent.parent.parent
SOON = LOCK_WAIT + 2  # seconds within which a writer has an answer


async def refused(provisioning: Provisioning, account: str) -> str:
    """What a write is refused with, in time."""
    before = provisioning.directories.current
    start = time.monotonic()
    with pytest.raises(StoreUnavailable) as caught:
        await a_trunk(provisioning, account)
    assert time.monotonic() - start < SOON
    assert provisioning.directories.current is before
    return str(caught.value)


@contextlib.asynccontextmanager
async def locked_by_another(url: str) -> AsyncIterator[None]:
    """Another process that writes and does not come to an end."""
    database = await Database.open(url, Log())
    async with database.writing():
        yield
    await database.close()


async def test_a_write_to_a_locked_database_is_refused_in_time_and_changes_nothing(
    database: Database, database_url: str
) -> None:
    provisioning = await started(database)
    account = await an_account(provisioning)
    async with locked_by_another(database_url):
        assert "has locked it; nothing was changed" in await refused(provisioning, account)
        async with provisioning.reading() as connection:  # reading goes on
            assert (await connection.execute(select(tables.accounts.c.sid))).scalars().all() == [account]
    await a_trunk(provisioning, account)


async def test_writers_of_one_node_that_wait_too_long_are_refused(database: Database) -> None:
    provisioning = await started(database)
    account = await an_account(provisioning)
    async with provisioning.writing():
        start = time.monotonic()
        with pytest.raises(StoreUnavailable, match="too many writers wait"):
            await a_trunk(provisioning, account)
        assert time.monotonic() - start < 2 * SOON


@pytest.fixture
def file(tmp_path: Path, empty_file: Path) -> Path:
    """A migrated and empty file of SQLite's."""
    return Path(shutil.copy(empty_file, tmp_path / "a.db"))


async def test_a_file_that_is_locked_as_a_whole_is_refused_in_time(file: Path) -> None:
    database = await Database.open(f"sqlite:///{file}", Log())
    provisioning = await started(database)
    account = await an_account(provisioning)
    with contextlib.closing(sqlite3.connect(file, isolation_level=None)) as other:
        other.execute("BEGIN EXCLUSIVE")
        assert "another process has locked it" in await refused(provisioning, account)
        other.execute("ROLLBACK")
    await a_trunk(provisioning, account)
    await database.close()


async def test_a_full_disk_refuses_writes_and_keeps_what_was_acknowledged(file: Path) -> None:
    database = await Database.open(f"sqlite:///{file}", Log())
    provisioning = await started(database)
    account = await an_account(provisioning)
    async with provisioning.writing() as write:  # of the one connection that is used when nothing is in parallel
        pages = (await write.connection.execute(text("PRAGMA page_count"))).scalar_one()
        await write.connection.execute(text(f"PRAGMA max_page_count = {pages + 3}"))
    kept: list[str] = []

    async def write_until_full() -> None:
        while len(kept) < 200:
            kept.append(await a_trunk(provisioning, account, voice_url="https://a.test/" + "x" * 900))

    with pytest.raises(StoreUnavailable, match="the disk or the database is full; nothing was changed"):
        await write_until_full()
    assert kept
    assert set(provisioning.directories.current.trunks) == set(kept)
    await database.close()
    again = await Database.open(f"sqlite:///{file}", Log())
    assert set((await started(again)).directories.current.trunks) == set(kept)
    await again.close()


@pytest_asyncio.fixture
async def own_server() -> AsyncIterator[Postgres]:
    """A server that a test may stop."""
    with running() as server:
        yield server


async def test_calls_go_on_while_postgresql_is_gone_and_changes_come_through_when_it_is_back(
    own_server: Postgres,
) -> None:
    url = own_server.url(own_server.create())
    log = Log()
    first, second = await Database.open(url, log), await Database.open(url, log)
    writer, follower = await started(first), await started(second, log=log)
    account = await an_account(writer)
    async with following(follower):
        await _until(lambda: account in follower.directories.current.accounts)
        own_server.stop(signal.SIGQUIT)
        assert "nothing was changed" in await refused(writer, account)
        with pytest.raises(StoreUnavailable):
            async with writer.reading():
                raise AssertionError("there is nothing to read")
        await _until(lambda: log.of("database.not_listening"))
        assert account in follower.directories.current.accounts
        own_server.start()
        trunk = await _as_soon_as_possible(writer, account)
        await _until(lambda: trunk in follower.directories.current.trunks)
    await first.close()
    await second.close()


async def test_a_commit_whose_outcome_nobody_knows_is_told_as_such(
    own_server: Postgres, monkeypatch: pytest.MonkeyPatch
) -> None:
    database = await Database.open(own_server.url(own_server.create()), Log())
    provisioning = await started(database)
    account = await an_account(provisioning)
    commit = AsyncConnection.commit

    async def cut_off(connection: AsyncConnection) -> None:
        own_server.stop(signal.SIGQUIT)
        await commit(connection)

    monkeypatch.setattr(AsyncConnection, "commit", cut_off)
    with pytest.raises(StoreUnavailable, match="whether the change was kept is not known: read it again"):
        await a_trunk(provisioning, account)
    assert provisioning.directories.current.trunks == {}
    await database.close()


async def test_what_may_be_secret_in_a_url_is_shown_to_nobody() -> None:
    with pytest.raises(StoreUnavailable) as caught:
        await Database.open("postgresql://byoc:hunter2@/name?host=/nowhere&password=hunter3", Log())
    assert "postgresql://byoc:***@/name?host=" in str(caught.value)
    assert "hunter" not in str(caught.value)


async def test_a_database_that_is_not_there_is_refused_in_one_sentence(own_server: Postgres) -> None:
    with pytest.raises(StoreUnavailable, match="there is no such database"):
        await Database.open(own_server.url("nowhere"), Log())
    own_server.stop()
    with pytest.raises(StoreUnavailable, match="nothing was changed"):
        await Database.open(own_server.url("nowhere"), Log())


async def test_postgresql_without_its_driver_names_the_extra(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "asyncpg", None)
    with pytest.raises(UnusableDatabase, match=r"byoc-proxy\[postgres\]"):
        await Database.open("postgresql://a@/b", Log())


async def test_postgresql_without_a_secret_key_says_where_to_put_one(own_server: Postgres) -> None:
    database = await Database.open(own_server.url(own_server.create()), Log())
    with pytest.raises(UnusableDatabase, match=r"BYOC_SECRET_KEY or database\.key_file"):
        await unlocked(database, None, {})
    await unlocked(database, None, {"BYOC_SECRET_KEY": "a" * 32})
    await database.close()


async def test_a_node_with_another_key_does_not_start(database: Database) -> None:
    await started(database)
    with pytest.raises(UnusableDatabase, match="not the one that this database was made with"):
        await Provisioning.start(database, Vault(bytes(31) + b"x"), NOTHING, time.time, Log())


async def test_writers_that_are_cancelled_at_any_point_leave_all_in_order(database: Database) -> None:
    """As a client does that hangs up in the middle of its request."""
    provisioning = await started(database)
    account = await an_account(provisioning)
    for turn in range(40):
        writer = asyncio.ensure_future(a_trunk(provisioning, account, friendly_name=str(turn)))
        await asyncio.sleep(turn * 0.0004)
        writer.cancel()
        await asyncio.wait([writer])
    last = await a_trunk(provisioning, account)
    known = provisioning.directories.current.trunks
    assert last in known
    assert set((await started(database)).directories.current.trunks) == set(known)


async def test_no_acknowledged_write_is_lost_when_the_process_is_killed(database_url: str) -> None:
    acknowledged = await _killed_amid_a_burst(database_url)
    assert len(acknowledged) >= 20
    database = await Database.open(database_url, Log())
    kept = (await started(database)).directories.current.accounts
    await database.close()
    assert set(acknowledged) <= set(kept)
    assert len(kept) <= len(acknowledged) + 1  # the one that was on its way may have arrived


async def _killed_amid_a_burst(url: str) -> list[str]:
    """Run a process that writes as fast as it can, and kill it; what it had acknowledged by then."""
    burst = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "tests.support.burst", url),
        cwd=ROOT,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        stdout=asyncio.subprocess.PIPE,
    )
    assert burst.stdout is not None
    lines = [await asyncio.wait_for(burst.stdout.readline(), 20) for _ in range(20)]
    burst.kill()
    lines += (await burst.stdout.read()).splitlines(keepends=True)
    await burst.wait()
    return [line.decode().strip() for line in lines if line.endswith(b"\n")]


async def _as_soon_as_possible(provisioning: Provisioning, account: str) -> str:
    for _ in range(50):
        with contextlib.suppress(StoreUnavailable):
            return await a_trunk(provisioning, account)
        await asyncio.sleep(0.1)
    raise AssertionError("the database does not come back")


async def _until(holds: Callable[[], object], within: float = 8.0) -> None:
    give_up = time.monotonic() + within
    while not holds():
        assert time.monotonic() < give_up
        await asyncio.sleep(0.01)
