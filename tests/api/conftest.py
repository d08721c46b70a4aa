"""An installation with two accounts in its file and nothing in its database."""

from pathlib import Path

import pytest_asyncio

from byoc_proxy.storage.database import Database
from tests.support.api import Installation, installed


@pytest_asyncio.fixture
async def api(database: Database, tmp_path: Path) -> Installation:
    return await installed(database, tmp_path)
