"""Whoever is cancelled in the middle of a write leaves neither a lock nor half of it."""

import asyncio
import random

import pytest
from sqlalchemy import func, select

from byoc_proxy.storage.call_rows import call_rows
from byoc_proxy.storage.call_table import write_calls
from byoc_proxy.storage.database import Database
from byoc_proxy.storage.tables import calls
from tests.storage.test_database_records import NODE, ended
from tests.storage.test_store import WALL

pytestmark = pytest.mark.store

CALLS = 60  # several statements of one transaction


async def write(database: Database) -> None:
    rows = [row for number in range(CALLS) for row in call_rows(ended(number), NODE, WALL, "x" * 1000)]
    async with database.recording() as connection:
        await connection.execute(calls.delete())
        await write_calls(connection, rows)


async def test_a_write_that_is_cancelled_at_any_moment_is_undone_and_locks_nobody_out(database: Database) -> None:
    draw = random.Random(1).random
    await write(database)
    kept: list[object] = []  # a traceback holds the connection that it went through
    for _ in range(40):
        task = asyncio.create_task(write(database))
        await asyncio.sleep(draw() * 0.01)
        task.cancel()
        kept += await asyncio.gather(task, return_exceptions=True)
        async with asyncio.timeout(1):  # another writer would wait for two seconds, and then give up
            async with database.recording() as connection:
                assert await connection.scalar(select(func.count()).select_from(calls)) == CALLS
    assert any(isinstance(each, asyncio.CancelledError) for each in kept)
