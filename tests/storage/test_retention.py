"""Old calls and alerts leave the database; what lives, and what is young enough, stays."""

import asyncio
from typing import cast

import pytest
from sqlalchemy import func, select

from byoc_proxy.storage.alerts import Alert
from byoc_proxy.storage.database import Database
from byoc_proxy.storage.retention import AT_A_TIME, DAY, Retention, prune
from byoc_proxy.storage.tables import alerts, call_events, calls
from byoc_proxy.webhook.exchange import Exchange
from tests.storage.test_database_records import Clock, Flaky, ended, records, ringing
from tests.storage.test_store import WALL
from tests.support.databases import Log

pytestmark = pytest.mark.store


async def one_round(database: Database, clock: Clock, log: Log) -> None:
    task = asyncio.create_task(prune(database, Retention(calls=90, alerts=30), clock, log))
    for _ in range(100):
        await asyncio.sleep(0.02)
        if log.lines:
            break
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)


async def left(database: Database) -> tuple[int | None, int | None]:
    async with database.reading() as connection:
        return (
            await connection.scalar(select(func.count()).select_from(calls)),
            await connection.scalar(select(func.count()).select_from(alerts)),
        )


async def test_calls_and_alerts_go_when_their_days_are_over_and_a_call_that_lives_stays(database: Database) -> None:
    clock, log = Clock(), Log()
    store = records(database, clock=clock)
    store.keep(ringing(0))
    for number in range(1, AT_A_TIME + 100):
        store.add(ended(number))
    store.alerts.note(Alert("AC1", 32400, "failed", "CA1", "203.0.113.8"))
    await store.flush(20)
    clock.now = WALL + 31 * DAY
    await one_round(database, clock, log)
    assert await left(database) == (AT_A_TIME + 100, 0)
    store.add(ended(5000, clock.now))
    await store.flush(5)
    clock.now = WALL + 91 * DAY
    log.lines.clear()
    await one_round(database, clock, log)
    assert await left(database) == (2, 0)
    assert log.of("records.pruned") == [{"calls": AT_A_TIME + 99, "webhooks": 0, "alerts": 0}]


async def test_a_database_that_is_away_is_pruned_another_time(database: Database) -> None:
    flaky, log = Flaky(database), Log()
    flaky.away = True
    await one_round(cast("Database", flaky), Clock(), log)
    assert [name for _, name, _ in log.lines] == ["records.not_pruned"]


async def test_what_was_asked_about_a_call_goes_after_it(database: Database) -> None:
    clock, log = Clock(), Log()
    store = records(database, clock=clock)
    store.add(ended(1))
    store.keep(ringing(2))
    for call in ("CA" + "1".zfill(32), "CA" + "2".zfill(32), "CA" + "9".zfill(32)):
        store.exchanges.note("AC1", call, Exchange("POST", "http://app.example/", [], 0.1, 200))
    await store.flush(20)
    clock.now = WALL + 91 * DAY
    store.exchanges.note("AC1", "CA" + "8".zfill(32), Exchange("POST", "http://app.example/", [], 0.1, 200))
    await store.flush(20)
    await one_round(database, clock, log)
    assert log.of("records.pruned") == [{"calls": 1, "webhooks": 2, "alerts": 0}]
    async with database.reading() as connection:
        left = await connection.scalars(select(call_events.c.call_sid).order_by(call_events.c.id))
        assert [sid[-1] for sid in left] == ["2", "8"], "of a call that is up, and of one whose row is yet to come"
