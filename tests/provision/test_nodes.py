"""Several nodes on one database: what one commits, all have; and no two of them can contradict each other."""

import asyncio
import statistics
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack
from typing import Any

import pytest
import pytest_asyncio
from sqlalchemy import delete, select, update
from sqlalchemy.exc import IntegrityError

from byoc_proxy.provision.provisioning import Provisioning
from byoc_proxy.storage import revisions, tables
from byoc_proxy.storage.database import Database
from byoc_proxy.trunk.directory import DirectoryProblems
from tests.support.databases import Log
from tests.support.provisioned import (
    a_domain,
    a_trunk,
    a_whole_domain,
    an_account,
    changed,
    following,
    made,
    removed,
    started,
)
from tests.trunk.records import BASE

pytestmark = pytest.mark.store

VISIBLE = 0.1  # seconds from a commit on one node to the next INVITE on another


class Nodes:
    """Two nodes, each with connections of its own, that follow each other."""

    def __init__(self, first: Provisioning, second: Provisioning, log: Log) -> None:
        self.first = first
        self.second = second
        self.log = log


@pytest_asyncio.fixture
async def nodes(database_url: str) -> AsyncIterator[Nodes]:
    log = Log()
    async with AsyncExitStack() as stack:
        both = []
        for _ in range(2):
            database = await Database.open(database_url, log)
            stack.push_async_callback(database.close)
            both.append(await started(database, log=log))
        for node in both:
            await stack.enter_async_context(following(node))
        yield Nodes(both[0], both[1], log)


async def until(holds: Callable[[], Any], within: float = 5.0) -> float:
    """The seconds until something holds."""
    loop = asyncio.get_running_loop()
    start = loop.time()
    while not holds():
        assert loop.time() - start < within
        await asyncio.sleep(0.001)
    return loop.time() - start


async def test_what_one_node_commits_is_in_force_on_the_other_within_100_ms(nodes: Nodes) -> None:
    account = await an_account(nodes.first)
    there = nodes.second.directories
    delays = []
    for turn in range(20):
        await a_domain(nodes.first, account, f"d{turn}")
        delays.append(await until(lambda: there.current.find(f"d{turn}.{BASE}")))  # noqa: B023
    assert statistics.median(delays) < VISIBLE, delays  # some may meet a machine that does something else


async def test_both_nodes_come_to_the_same_rows(nodes: Nodes) -> None:
    account = await an_account(nodes.first)
    await until(lambda: account in nodes.second.directories.current.accounts)
    await asyncio.gather(
        *(a_domain((nodes.first, nodes.second)[turn % 2], account, f"d{turn}") for turn in range(10))
    )
    await a_whole_domain(nodes.second, account, "whole")
    await until(lambda: len(nodes.first.directories.current.domains) == 11)
    await until(lambda: len(nodes.second.directories.current.domains) == 11)
    assert set(nodes.first.directories.current.domains.values()) == set(
        nodes.second.directories.current.domains.values()
    )


async def test_two_writers_at_once_queue_and_neither_is_lost(nodes: Nodes) -> None:
    account = await an_account(nodes.first)
    trunk = await a_trunk(nodes.first, account, friendly_name="0")

    async def count_up(node: Provisioning) -> None:
        for _ in range(10):
            async with node.writing() as write:
                (name,) = (
                    await write.connection.execute(
                        select(tables.byoc_trunks.c.friendly_name).where(tables.byoc_trunks.c.sid == trunk)
                    )
                ).one()
                assert write.directory.trunks[trunk].friendly_name == name
                await changed(write, "byoc_trunks", trunk, friendly_name=str(int(name) + 1))

    await asyncio.gather(count_up(nodes.first), count_up(nodes.second), count_up(nodes.first))
    for node in (nodes.first, nodes.second):
        await until(lambda: node.directories.current.trunks[trunk].friendly_name == "30")  # noqa: B023


async def test_of_a_link_to_a_trunk_and_its_removal_at_once_exactly_one_wins(nodes: Nodes) -> None:
    account = await an_account(nodes.first)
    wins = []
    for turn in range(8):
        trunk = await a_trunk(nodes.first, account)
        domain = await a_domain(nodes.first, account, f"d{turn}")

        async def link(domain: str = domain, trunk: str = trunk) -> None:
            async with nodes.first.writing() as write:
                await changed(write, "domains", domain, byoc_trunk_sid=trunk)

        async def take_away(trunk: str = trunk) -> None:
            async with nodes.second.writing() as write:
                await removed(write, "byoc_trunks", trunk)

        first, second = (link, take_away) if turn % 2 else (take_away, link)
        outcomes = await asyncio.gather(_tried(first), _tried(second))
        assert sorted(outcomes) == [False, True], outcomes
        wins.append(outcomes)
        last = nodes.first.directories.current.domains[domain].byoc_trunk_sid
        assert (last is None) is (trunk not in nodes.first.directories.current.trunks)
    assert nodes.log.of("provision.left_out") == []


async def test_two_nodes_that_claim_one_domain_name_do_not_both_get_it(nodes: Nodes) -> None:
    account = await an_account(nodes.first)
    for turn in range(5):
        outcomes = await asyncio.gather(
            _tried(lambda: a_domain(nodes.first, account, f"d{turn}")),  # noqa: B023
            _tried(lambda: a_domain(nodes.second, account, f"d{turn}")),  # noqa: B023
        )
        assert sorted(outcomes) == [False, True]


async def test_a_node_that_was_away_too_long_reads_everything_again(nodes: Nodes, database: Database) -> None:
    away = await started(database)
    account = await an_account(nodes.first)
    for turn in range(3):
        await a_domain(nodes.first, account, f"d{turn}")
    async with nodes.first.writing() as write:  # as the sweep does, a hundred thousand revisions later
        await write.connection.execute(delete(tables.changes).where(tables.changes.c.revision <= 2))
    assert len(away.directories.current.domains) == 0
    async with following(away):
        await until(lambda: len(away.directories.current.domains) == 3)
        await a_domain(away, account, "one-more")


async def test_a_backup_that_was_put_in_place_is_noticed(nodes: Nodes) -> None:
    account = await an_account(nodes.first)
    domain = await a_domain(nodes.first, account, "new")
    await until(lambda: domain in nodes.second.directories.current.domains)
    async with nodes.first.writing() as write:
        await write.connection.execute(delete(tables.domains))
        await write.connection.execute(delete(tables.changes))
        await write.connection.execute(update(tables.revision).values(number=0))
    await until(lambda: domain not in nodes.second.directories.current.domains)
    assert account in nodes.second.directories.current.accounts


async def test_old_changes_are_swept_away(database: Database, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(revisions, "KEPT", 5)
    monkeypatch.setattr(revisions, "_SWEEP_EVERY", 10)
    node = await started(database)
    account = await an_account(node)
    for turn in range(9):
        await a_trunk(node, account, friendly_name=str(turn))
    async with node.reading() as connection:
        rows = (await connection.execute(select(tables.changes.c.revision))).scalars().all()
    assert sorted(rows) == [6, 7, 8, 9, 10]


async def test_a_change_in_many_rows_at_once_reaches_the_other_node(nodes: Nodes) -> None:
    account = await an_account(nodes.first)
    async with nodes.first.writing() as write:
        for turn in range(300):
            await made(write, "domains", account_sid=account, domain_name=f"d{turn}.{BASE}")
    await until(lambda: len(nodes.second.directories.current.domains) == 300)


async def _tried(action: Callable[[], Awaitable[object]]) -> bool:
    """Whether it went through; refused is no error here."""
    try:
        await action()
    except (DirectoryProblems, IntegrityError):
        return False
    return True
