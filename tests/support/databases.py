"""Fixtures: the same test on a fresh database of SQLite's and of PostgreSQL's.

Tests that use them are marked `store`: the drivers need a clock that runs.
"""

import asyncio
import shutil
from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio

from byoc_proxy.storage.database import Database
from tests.support.postgres import Postgres, running

EMPTY = "template_empty"  # a database that is migrated, and empty


@dataclass
class Log:
    """Keeps what is logged: (level, event, facts)."""

    lines: list[tuple[str, str, dict[str, Any]]] = field(default_factory=list)

    def __getattr__(self, level: str) -> Any:
        if level.startswith("_"):
            raise AttributeError(level)
        return lambda event, **facts: self.lines.append((level, event, facts))

    def of(self, event: str) -> list[dict[str, Any]]:
        return [facts for _, name, facts in self.lines if name == event]


@pytest.fixture(scope="session")
def postgresql() -> Iterator[Postgres]:
    """The server of this session, with a migrated database to copy."""
    with running() as server:
        server.sql(f"CREATE DATABASE {EMPTY}")
        asyncio.run(migrated(server.url(EMPTY)))
        yield server


@pytest.fixture(scope="session")
def empty_file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A migrated and empty file to copy."""
    path = tmp_path_factory.mktemp("database") / "empty.db"
    asyncio.run(migrated(f"sqlite:///{path}"))
    return path


async def migrated(url: str) -> None:
    await (await Database.open(url, Log())).close()


@pytest.fixture(params=["sqlite", "postgresql"])
def database_url(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[str]:
    """The URL of a migrated and empty database."""
    if request.param == "sqlite":
        shutil.copy(request.getfixturevalue("empty_file"), tmp_path / "byoc-proxy.db")
        yield f"sqlite:///{tmp_path}/byoc-proxy.db"
        return
    server: Postgres = request.getfixturevalue("postgresql")
    yield server.url(server.emptied(EMPTY))


@pytest_asyncio.fixture
async def database(database_url: str) -> AsyncIterator[Database]:
    """An open, migrated and empty database."""
    opened = await Database.open(database_url, Log())
    yield opened
    await opened.close()
