"""Exchanges wait in memory while the database is away, in bounded room, and each is written once."""

import pytest
from sqlalchemy import func, select

from byoc_proxy.storage.call_table import write_events
from byoc_proxy.storage.database import Database
from byoc_proxy.storage.errors import StoreUnavailable
from byoc_proxy.storage.exchanges import ExchangeBacklog
from byoc_proxy.storage.tables import call_events
from byoc_proxy.webhook.exchange import Exchange
from tests.storage.test_database_records import Clock, Flaky, ended, records
from tests.storage.test_store import WALL
from tests.support.databases import Log

ASKED = Exchange("POST", "http://app.example/voice", [("CallSid", "CA1")], 0.1, 200, "text/xml", b"<Response/>")


def note(backlog: ExchangeBacklog, count: int, exchange: Exchange = ASKED) -> None:
    for number in range(count):
        backlog.note("AC1", f"CA{number}", exchange)


def test_the_oldest_give_way_when_there_are_too_many() -> None:
    backlog = ExchangeBacklog(lambda: WALL, most=3)
    note(backlog, 5)
    assert [row["call_sid"] for row in backlog.batch(10)] == ["CA2", "CA3", "CA4"]
    assert (len(backlog), backlog.dropped) == (3, 2)


def test_the_oldest_give_way_when_they_are_too_large() -> None:
    backlog = ExchangeBacklog(lambda: WALL, most_bytes=10_000)
    note(backlog, 5, ASKED._replace(body=b"x" * 3000))
    assert (len(backlog), backlog.dropped) == (3, 2)
    backlog.written(backlog.batch(10))
    note(backlog, 3, ASKED._replace(body=b"x" * 3000))
    assert (len(backlog), backlog.dropped) == (3, 2), "what is written takes no room"


def test_one_that_gave_way_while_it_was_written_is_not_missed() -> None:
    backlog = ExchangeBacklog(lambda: WALL, most=2)
    note(backlog, 2)
    batch = backlog.batch(2)
    note(backlog, 1)
    backlog.written(batch)
    assert len(backlog) == 1


def test_a_row_keeps_its_name_until_it_is_written() -> None:
    backlog = ExchangeBacklog(lambda: WALL)
    note(backlog, 2)
    assert [row["sid"] for row in backlog.batch(2)] == [row["sid"] for row in backlog.batch(2)]


@pytest.mark.store
async def test_a_database_that_was_away_has_every_exchange_once(database: Database) -> None:
    flaky = Flaky(database)
    store = records(flaky)
    store.add(ended())
    note(store.exchanges, 450)
    flaky.away = True
    with pytest.raises(StoreUnavailable):
        await store._write_all()  # what the task does, at a moment of our choice
    flaky.away = False
    await store.flush(10)
    async with database.reading() as connection:
        assert await connection.scalar(select(func.count()).select_from(call_events)) == 450
    assert len(store.exchanges) == 0


@pytest.mark.store
async def test_what_could_not_be_written_in_time_is_told(database: Database) -> None:
    flaky, log = Flaky(database), Log()
    flaky.away = True
    store = records(flaky, log=log, clock=Clock())
    note(store.exchanges, 3)
    await store.flush(0.3)
    assert [facts["webhooks"] for facts in log.of("records.left_behind")] == [3]


@pytest.mark.store
async def test_an_exchange_whose_commit_was_in_doubt_is_not_there_twice(database: Database) -> None:
    backlog = ExchangeBacklog(lambda: WALL)
    note(backlog, 2)
    for _ in range(2):
        async with database.recording() as connection:
            await write_events(connection, backlog.batch(2))
    async with database.reading() as connection:
        assert await connection.scalar(select(func.count()).select_from(call_events)) == 2
