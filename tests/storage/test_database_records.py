"""Calls and alerts in the database: while they live, when they are over, after a crash, and when it was away."""

import asyncio
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, closing
from itertools import count
from pathlib import Path
from typing import Any, cast

import pytest
from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncConnection

from byoc_proxy.storage.alerts import Alert
from byoc_proxy.storage.both import FileAndDatabase
from byoc_proxy.storage.call_backlog import CallBacklog
from byoc_proxy.storage.call_rows import Row
from byoc_proxy.storage.database import Database
from byoc_proxy.storage.database_records import DatabaseRecords
from byoc_proxy.storage.errors import StoreUnavailable
from byoc_proxy.storage.live import INTERRUPTED
from byoc_proxy.storage.notice import Subscription
from byoc_proxy.storage.record import CallRecord, LegRecord
from byoc_proxy.storage.store import RecordFile
from byoc_proxy.storage.succession import SILENCE
from byoc_proxy.storage.tables import alerts, calls, nodes
from byoc_proxy.storage.upsert import SLICE
from tests.storage.test_store import WALL, a_record
from tests.support.databases import Log
from tests.support.postgres import Postgres

pytestmark = pytest.mark.store

NODE = "one/udp:5060"


class Clock:
    def __init__(self, now: float = WALL) -> None:
        self.now = now

    def __call__(self) -> float:
        return self.now


class Flaky:
    """A database that can be made to be away."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self.away = False
        self.asked = 0

    @asynccontextmanager
    async def recording(self) -> AsyncIterator[AsyncConnection]:
        self.asked += 1
        if self.away:
            raise StoreUnavailable("the database is away; nothing was changed")
        async with self._database.recording() as connection:
            yield connection


def no_file() -> list[Row]:
    return []


def records(
    database: Database | Flaky,
    node: str = NODE,
    clock: Clock | None = None,
    log: Log | None = None,
    latest: Callable[[], list[Row]] = no_file,
) -> DatabaseRecords:
    numbers = count(1)
    return DatabaseRecords(
        cast("Database", database),
        node,
        latest,
        lambda: f"NO{next(numbers):032x}",
        clock or Clock(),
        log or Log(),
    )


def ringing(number: int = 1) -> CallRecord:
    record = a_record(f"CA{number:032x}")
    record.stages["received"] = WALL
    return record


def dials(record: CallRecord) -> LegRecord:
    leg = LegRecord(record.call_sid.replace("CA0", "CAd"), "BY1", "+1", "+2", WALL + 1)
    record.legs.append(leg)
    return leg


def ended(number: int = 1, at: float = WALL + 10, cause: str = "BYE") -> CallRecord:
    record = ringing(number)
    record.stages |= {"answered": WALL + 2, "ended": at}
    record.status, record.cause, record.duration = "completed", cause, at - WALL - 2
    return record


async def rows(database: Database) -> list[dict[str, Any]]:
    async with database.reading() as connection:
        found = await connection.execute(select(calls).order_by(calls.c.id))
        return [dict(row) for row in found.mappings()]


async def states(database: Database) -> list[tuple[str, bool]]:
    return [(row["status"], row["end_time"] is not None) for row in await rows(database)]


async def test_a_call_is_in_the_table_while_it_rings_while_it_talks_and_when_it_is_over(database: Database) -> None:
    store = records(database)
    record = ringing()
    store.keep(record)
    leg = dials(record)
    store.changed(record)
    await store.flush(5)
    assert await states(database) == [("ringing", False), ("ringing", False)]
    record.status = leg.status = "in-progress"
    record.stages["answered"] = leg.answered_at = WALL + 3
    store.keep(record)
    await store.flush(5)
    assert await states(database) == [("in-progress", False), ("in-progress", False)]
    record.status = leg.status = "completed"
    record.stages["ended"], leg.ended_at, record.duration = WALL + 9.5, WALL + 9.4, 6.5
    store.add(record)
    await store.flush(5)
    first, second = await rows(database)
    assert (first["status"], first["duration"], first["end_time"]) == ("completed", 6, WALL + 9.5)
    assert first["record"].startswith('{"call_sid":"CA0')
    assert (second["parent_call_sid"], second["direction"]) == (first["sid"], "outbound-dial")
    assert (second["status"], second["duration"], second["record"]) == ("completed", 6, None)
    assert first["date_created"] == WALL
    assert first["node"] == NODE


async def test_a_call_that_is_over_before_anything_was_written_is_written_once(database: Database) -> None:
    store = records(database)
    record = ringing()
    store.keep(record)
    store.add(ended())
    await store.flush(5)
    assert await states(database) == [("completed", True)]


async def test_a_later_revision_replaces_the_record(database: Database) -> None:
    store = records(database)
    store.add(ended())
    await store.flush(5)
    late = ended()
    late.revision = 2
    store.add(late)
    await store.flush(5)
    (row,) = await rows(database)
    assert '"revision":2' in row["record"]


async def test_more_calls_than_fit_into_a_transaction_are_all_written(database: Database) -> None:
    store = records(database)
    for number in range(503):
        store.add(ended(number))
    await store.flush(20)
    assert len(await rows(database)) == 503


async def test_alerts_are_in_the_table_and_are_counted_up(database: Database) -> None:
    store = records(database)
    for _ in range(2):
        for source in ("203.0.113.8", "203.0.113.9", "203.0.113.9"):
            store.alerts.note(Alert("AC1", 32201, "not in a list", "SD1", source))
        await store.flush(5)
    async with database.reading() as connection:
        found = (await connection.execute(select(alerts.c.source, alerts.c.count))).all()
    assert sorted(tuple(row) for row in found) == [("203.0.113.8", 2), ("203.0.113.9", 4)]


# --- after a crash -----------------------------------------------------------------------------------------


async def test_no_call_of_a_process_that_was_killed_stays_live(database: Database) -> None:
    killed = records(database, clock=Clock(WALL + 100))
    record = ringing()
    dials(record)
    killed.keep(record)
    killed.add(ended(2))
    await killed.flush(5)
    log = Log()
    await written(records(database, clock=Clock(WALL + 500), log=log))
    cut_off, leg, whole = sorted(await rows(database), key=lambda row: str(row["cause"]), reverse=True)
    for row in (cut_off, leg):
        assert (row["status"], row["cause"], row["end_time"]) == ("failed", INTERRUPTED, WALL + 100)
    assert (whole["status"], whole["cause"]) == ("completed", "BYE")
    assert [facts["calls"] for facts in log.of("calls.interrupted")] == [1]


async def test_the_calls_of_another_node_that_lives_are_left_alone(database: Database) -> None:
    clock = Clock()
    one, two = records(database, "one", clock), records(database, "two", clock)
    one.keep(ringing(1))
    await one.flush(5)
    two.keep(ringing(2))
    await two.flush(5)
    await written(records(database, "two", clock))
    assert await states(database) == [("ringing", False), ("failed", True)]


async def test_a_node_that_is_silent_for_two_minutes_is_dead_and_so_are_its_calls(database: Database) -> None:
    clock, log = Clock(), Log()
    one, two = records(database, "one", clock), records(database, "two", clock, log)
    one.keep(ringing(1))
    await one.flush(5)
    await written(two)
    clock.now += SILENCE + 1
    await written(two)
    assert await states(database) == [("failed", True)]
    assert [(facts["node"], facts["calls"]) for facts in log.of("node.silent")] == [("one", 1)]
    async with database.reading() as connection:
        assert (await connection.scalars(select(nodes.c.name))).all() == ["two"]


async def test_a_node_that_was_thought_dead_puts_its_calls_right_when_the_database_is_back(
    database: Database,
) -> None:
    clock, flaky = Clock(), Flaky(database)
    one, two = records(flaky, "one", clock), records(database, "two", clock)
    one.keep(ringing(1))
    async with running(one):
        await until_written(database, 1)
        flaky.away = True
        clock.now += SILENCE + 1
        await asyncio.sleep(0.3)
        await written(two)
        assert await states(database) == [("failed", True)]
        flaky.away = False
        await until(lambda: states(database), [("ringing", False)])


async def test_records_of_the_file_that_the_database_lacks_are_filled_in(
    database: Database, tmp_path: Path
) -> None:
    with closing(RecordFile(tmp_path / "calls.jsonl")) as file:
        before = records(database)
        both = FileAndDatabase(file, before)
        both.add(ended(1, WALL + 10))
        await before.flush(5)
        both.keep(ringing(2))
        await before.flush(5)
        file.add(ended(2, WALL + 20))  # the process was killed before the database had it
        file.add(ended(3, WALL + 30))
        await written(records(database, latest=lambda: file.latest(1 << 20)))
    assert [(row["sid"][-1], row["status"], row["cause"]) for row in await rows(database)] == [
        ("1", "completed", "BYE"),
        ("2", "completed", "BYE"),
        ("3", "completed", "BYE"),
    ]
    assert all(row["record"] for row in await rows(database))


async def test_what_was_deleted_does_not_come_back_out_of_the_file(database: Database, tmp_path: Path) -> None:
    with closing(RecordFile(tmp_path / "calls.jsonl")) as file:
        store = records(database)
        FileAndDatabase(file, store).add(ended(1))
        await store.flush(5)
        async with database.recording() as connection:
            await connection.execute(calls.delete())
        await written(records(database, latest=lambda: file.latest(1 << 20)))
    assert await rows(database) == []


async def test_a_file_that_cannot_be_read_is_told_and_keeps_nobody_waiting(database: Database) -> None:
    def broken() -> list[Row]:
        raise OSError(5, "Input/output error")

    log = Log()
    store = records(database, latest=broken, log=log)
    store.add(ended(1))
    await store.flush(5)
    assert await states(database) == [("completed", True)]
    assert len(log.of("records.not_read")) == 1


# --- a database that is away -------------------------------------------------------------------------------


async def test_a_database_that_is_away_delays_rows_and_loses_none(database: Database) -> None:
    flaky, log = Flaky(database), Log()
    store = records(flaky, log=log)
    async with running(store):
        store.keep(ringing(1))
        await until_written(database, 1)
        flaky.away, flaky.asked = True, 0
        for number in range(1, 300):
            store.add(ended(number))
        store.keep(ringing(500))
        store.alerts.note(Alert("AC1", 32400, "failed", "CA1", "203.0.113.8"))
        await asyncio.sleep(0.7)
        assert len(await rows(database)) == 1
        asked = flaky.asked
        flaky.away = False
        await until_written(database, 300)
    assert asked <= 4  # it is not asked all the time
    assert [name for _, name, _ in log.lines] == ["records.behind", "records.caught_up"]
    await store.flush(5)
    async with database.reading() as connection:
        assert (await connection.scalars(select(alerts.c.error_code))).all() == [32400]


@pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)
async def test_a_locked_file_delays_rows_and_the_loop_goes_on(database: Database, tmp_path: Path) -> None:
    other = await Database.open(f"sqlite:///{tmp_path}/byoc-proxy.db", Log())
    log = Log()
    store = records(database, log=log)
    async with running(store):
        store.keep(ringing(1))
        await until_written(database, 1)
        async with other.recording():
            store.add(ended(1))
            assert await longest_turn(3.0) < 0.1
            assert await states(database) == [("ringing", False)]
        await until(lambda: states(database), [("completed", True)])
    assert len(log.of("records.behind")) == 1
    await other.close()


@pytest.mark.parametrize("database_url", ["postgresql"], indirect=True)
async def test_a_server_that_restarts_delays_rows_and_loses_none(database: Database, postgresql: Postgres) -> None:
    store = records(database)
    async with running(store):
        store.keep(ringing(1))
        await until_written(database, 1)
        await asyncio.to_thread(postgresql.stop)
        for number in range(1, 50):
            store.add(ended(number))
        await asyncio.sleep(0.5)
        await asyncio.to_thread(postgresql.start)
        await until_written(database, 49)


async def test_what_memory_has_no_room_for_is_told_once_a_minute_and_comes_out_of_the_file(
    database: Database, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("byoc_proxy.storage.database_records.CallBacklog", small_backlog)
    flaky, log, clock = Flaky(database), Log(), Clock()
    with closing(RecordFile(tmp_path / "calls.jsonl")) as file:
        store = records(flaky, clock=clock, log=log, latest=lambda: file.latest(1 << 20))
        both = FileAndDatabase(file, store)
        async with running(store):
            flaky.away = True
            for number in range(50):
                both.add(ended(number, WALL + 10 + number))
            await asyncio.sleep(0.5)
            assert [facts["calls"] for facts in log.of("records.dropped")] == [40]
            flaky.away = False
            await until_written(database, 50)
    assert {row["status"] for row in await rows(database)} == {"completed"}


def small_backlog(node: str, wall: Callable[[], float], subscriptions: dict[str, Subscription]) -> CallBacklog:
    return CallBacklog(node, wall, subscriptions, most=10)


async def test_the_end_of_the_process_waits_for_the_database_only_for_so_long(database: Database) -> None:
    flaky, log = Flaky(database), Log()
    store = records(flaky, log=log)
    store.add(ended(1))
    store.alerts.note(Alert("AC1", 32400, "failed", "CA1", "203.0.113.8"))
    flaky.away = True
    started = time.monotonic()
    await store.flush(0.5)
    assert time.monotonic() - started < 1.5
    assert log.of("records.left_behind") == [{"calls": 1, "alerts": 1, "callbacks": 0, "webhooks": 0}]


async def test_a_row_that_the_database_refuses_is_told_and_keeps_no_other_back(database: Database) -> None:
    log = Log()
    store = records(database, log=log)
    bad = ended(2)
    bad.account_sid = cast("str", None)
    for record in (ended(1), bad, ended(3)):
        store.add(record)
    await store.flush(5)
    assert [row["sid"][-1] for row in await rows(database)] == ["1", "3"]
    assert [facts["sid"] for facts in log.of("records.row_refused")] == [bad.call_sid]


async def test_a_writer_that_is_cancelled_in_the_middle_loses_no_live_call(database: Database) -> None:
    store = records(database)
    store.keep(ringing(1))
    task = asyncio.create_task(store.flush(5))
    await asyncio.sleep(0)
    await asyncio.sleep(0.001)
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)
    await store.flush(5)
    assert await states(database) == [("ringing", False)]


# --- what calls notice of it -------------------------------------------------------------------------------


async def test_to_report_a_call_takes_microseconds_whatever_the_database_does(database: Database) -> None:
    flaky = Flaky(database)
    flaky.away = True
    store = records(flaky)
    record, over = ringing(), [ended(number) for number in range(1000)]
    dials(record)
    started = time.perf_counter()
    for _ in range(1000):
        store.keep(record)
        store.changed(record)
    reported = time.perf_counter()
    for each in over:
        store.add(each)
    added = time.perf_counter()
    assert (reported - started) / 2000 < 20e-6
    assert (added - reported) / 1000 < 500e-6  # some 30, with the line of JSON that the file needs as well


async def test_writing_hundreds_of_rows_does_not_hold_the_loop(database: Database) -> None:
    store = records(database)
    store.add(ended(1))
    await store.flush(5)  # the first statement of its kind is compiled
    for number in range(1000):
        store.add(ended(number))
    async with running(store):
        worst = await longest_turn(1.0)
    assert SLICE <= 50
    assert worst < 0.1  # some 3 ms on a quiet machine
    assert len(await rows(database)) == 1000


# --- how it is done ----------------------------------------------------------------------------------------


@asynccontextmanager
async def running(store: DatabaseRecords) -> AsyncIterator[None]:
    task = asyncio.create_task(store.run())
    try:
        yield
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)


async def written(store: DatabaseRecords) -> None:
    """One round of its task."""
    await store._write_all()


async def until(look: Callable[[], Any], wanted: object) -> None:
    for _ in range(200):
        if await look() == wanted:
            return
        await asyncio.sleep(0.05)
    assert await look() == wanted


async def until_written(database: Database, number: int) -> None:
    async def counted() -> int:
        try:
            return len(await rows(database))
        except StoreUnavailable:
            return -1

    await until(counted, number)


async def longest_turn(seconds: float) -> float:
    """The longest time that the loop was busy with something else."""
    worst, last = 0.0, time.perf_counter()
    end = last + seconds
    while last < end:
        await asyncio.sleep(0.001)
        now = time.perf_counter()
        worst, last = max(worst, now - last - 0.001), now
    return worst
