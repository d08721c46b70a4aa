"""A call that the API is about to promise: it is in the database before, or there is no such call."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest
from sqlalchemy.ext.asyncio import AsyncConnection

from byoc_proxy.storage.call_rows import call_rows
from byoc_proxy.storage.database import Database
from byoc_proxy.storage.errors import StoreUnavailable, UnsureCommit
from byoc_proxy.storage.live import INTERRUPTED
from byoc_proxy.storage.record import CallRecord
from tests.storage.test_database_records import NODE, Flaky, records, rows, running, states, until
from tests.storage.test_store import WALL, a_record

pytestmark = pytest.mark.store


def queued(number: int = 1) -> CallRecord:
    record = a_record(f"CA{number:032x}", status="queued", direction="outbound-api")
    record.stages["queued"] = WALL
    return record


class Severed(Flaky):
    """The server is lost in the very commit, which it has carried out."""

    severed = False

    @asynccontextmanager
    async def recording(self) -> AsyncIterator[AsyncConnection]:
        async with super().recording() as connection:
            yield connection
        if self.severed:
            raise UnsureCommit("the connection was lost in the middle of a commit")


def test_a_queued_call_has_no_start_and_one_that_left_the_queue_tells_how_long_it_waited() -> None:
    record = queued()
    (row,) = call_rows(record, NODE, WALL + 1)
    assert (row["start_time"], row["queue_time"], row["date_created"]) == (None, None, int(WALL))
    record.stages["initiated"] = WALL + 1.25
    (row,) = call_rows(record, NODE, WALL + 2)
    assert (row["start_time"], row["queue_time"], row["date_created"]) == (WALL + 1.25, 1250, int(WALL))


async def test_a_call_that_is_settled_is_there_at_once(database: Database) -> None:
    store = records(database)
    async with running(store):
        row = await store.settle(queued())
        (there,) = await rows(database)
    assert {**row, "id": there["id"]} == there
    assert (there["status"], there["start_time"], there["node"]) == ("queued", None, NODE)


async def test_a_settled_call_whose_process_is_killed_is_failed_with_its_cause(database: Database) -> None:
    """It was promised, so it is told what became of it; the next process has the same name."""
    store = records(database)
    async with running(store):
        await store.settle(queued())
    async with running(records(database)):
        await until(lambda: states(database), [("failed", True)])
    (row,) = await rows(database)
    assert (row["status"], row["cause"], row["start_time"]) == ("failed", INTERRUPTED, None)
    assert row["end_time"] >= row["date_created"]


async def test_a_call_is_settled_only_when_those_of_the_last_process_are_in_order(database: Database) -> None:
    """Or it would be taken for one of them."""
    store = records(database)
    settling = asyncio.create_task(store.settle(queued()))
    await asyncio.sleep(0.1)
    assert await rows(database) == []
    async with running(store):
        await settling
        await asyncio.sleep(0.5)
        assert await states(database) == [("queued", False)]


async def test_a_call_that_cannot_be_written_is_not_there(database: Database) -> None:
    flaky = Flaky(database)
    store = records(flaky)
    async with running(store):
        await store.settle(queued(1))
        flaky.away = True
        with pytest.raises(StoreUnavailable):
            await store.settle(queued(2))
        flaky.away = False
        await asyncio.sleep(0.5)
        assert len(await rows(database)) == 1


async def test_a_call_whose_commit_is_not_known_of_is_withdrawn_when_the_database_is_back(
    database: Database,
) -> None:
    severed = Severed(database)
    store = records(severed)
    async with running(store):
        await store.settle(queued(1))
        severed.severed = True
        with pytest.raises(UnsureCommit):
            await store.settle(queued(2))
        severed.severed = False
        await until(lambda: states(database), [("queued", False)])
