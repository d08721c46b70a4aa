"""What is heard of other processes on one file: every change of resources soon, and nothing of the calls."""

import asyncio
from contextlib import aclosing
from pathlib import Path

import pytest
from sqlalchemy import insert

from byoc_proxy.provision import following
from byoc_proxy.storage.database import Database
from byoc_proxy.storage.tables import nodes
from tests.support.databases import Log
from tests.support.provisioned import a_trunk, an_account, started

pytestmark = pytest.mark.store


async def test_commits_of_calls_are_no_news_and_those_of_resources_are(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(following, "NET", 60.0)
    database = await Database.open(f"sqlite:///{tmp_path}/a.db", Log())
    provisioning = await started(database)
    account = await an_account(provisioning)
    heard = 0

    async def listen() -> None:
        nonlocal heard
        async with aclosing(following.heard(database, Log())) as news:
            async for _ in news:
                heard += 1

    async with asyncio.TaskGroup() as group:
        listening = group.create_task(listen())
        await asyncio.sleep(5 * following.LOOK)
        assert heard == 1, "at once, when it begins to hear"
        for turn in range(5):
            async with database.recording() as connection:
                await connection.execute(insert(nodes).values(name=f"node {turn}", alive=turn))
            await asyncio.sleep(2 * following.LOOK)
        assert heard == 1
        await a_trunk(provisioning, account)
        await asyncio.sleep(5 * following.LOOK)
        assert heard == 2
        listening.cancel()
    await database.close()
