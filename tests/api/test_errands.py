"""A change of a call that another node of the same database has: it goes there, and the answer comes back."""

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
import pytest_asyncio
from sqlalchemy import func, select

from byoc_proxy.api.call_desk import CallDesk
from byoc_proxy.api.errands import Errands
from byoc_proxy.call.departures import Departures
from byoc_proxy.call.new_call import NewCall
from byoc_proxy.storage.database import Database
from byoc_proxy.storage.database_records import DatabaseRecords
from byoc_proxy.storage.errors import StoreUnavailable
from byoc_proxy.storage.tables import errands
from byoc_proxy.twiml.interpreter import Entry, ScriptRequest
from tests.support.api import ACME, Installation, Reply, installed
from tests.support.databases import Log
from tests.support.exchange import Exchange, StandIn, running

pytestmark = pytest.mark.store

THERE = "node-b/udp:5060"
URL = "https://app.example.test/next"


class Elsewhere:
    """Another node, with one live call of Acme's; it does what it is asked only while its `errands` run."""

    def __init__(self, api: Installation) -> None:
        database, directories = api.provisioning.database, api.provisioning.directories
        self.exchange, self.log = Exchange(), Log()
        self.book = DatabaseRecords(database, THERE, list, lambda: "NO" + "0" * 32, api.clock, Log())
        departures = Departures(asyncio.get_running_loop(), lambda _: 1, self.exchange.start, 10)
        desk = CallDesk(self.exchange, departures, self.book)
        self.errands = Errands(database, THERE, desk, directories, api.clock, self.log)

    async def call(self) -> StandIn:
        new = NewCall(ACME, "sip:kate@example.com", "Jack", Entry(ScriptRequest(URL)))
        record = self.exchange.draft(new)
        await self.book.settle(record)
        self.exchange.place(new, record)
        return self.exchange.calls[record.call_sid]


@pytest_asyncio.fixture
async def api(database: Database, tmp_path: Path) -> Installation:
    return await installed(database, tmp_path)


@pytest_asyncio.fixture
async def there(api: Installation) -> AsyncIterator[Elsewhere]:
    other = Elsewhere(api)
    async with running(other.book.run()):
        yield other


async def change(api: Installation, call: StandIn, **parameters: str) -> Reply:
    return await api.acme.post(f"/Calls/{call.sid}.json", parameters)


async def left(api: Installation) -> int:
    """Errands that nobody has cleared away."""
    async with api.provisioning.reading() as connection:
        return int(await connection.scalar(select(func.count()).select_from(errands)) or 0)


async def test_a_call_of_another_node_is_changed_there_and_shown_here(api: Installation, there: Elsewhere) -> None:
    call = await there.call()
    async with running(there.errands.run()):
        ended = await change(api, call, Status="completed")
        sent_on = await change(api, call, Url=URL, TimeLimit="30")
    assert (ended.status, ended.json["sid"], ended.json["status"]) == (200, call.sid, "queued")
    assert ended.json == (await api.acme.get(f"/Calls/{call.sid}.json")).json
    assert sent_on.status == 200
    assert call.did == [("end",), ("redirect", Entry(ScriptRequest(URL))), ("limit", 30)]
    assert await left(api) == 0


async def test_what_the_other_node_refuses_is_refused_here_in_its_words(
    api: Installation, there: Elsewhere
) -> None:
    call = await there.call()
    call.allows["cancel"] = False
    async with running(there.errands.run()):
        reply = await change(api, call, Status="canceled")
        del there.exchange.calls[call.sid]
        gone = await change(api, call, Status="canceled")
    assert (reply.status, reply.code) == (400, 21220)
    assert reply.message == "Call is in-progress. Cannot cancel: complete it."
    assert (gone.status, gone.code) == (400, 21220)


async def test_a_node_that_does_not_answer_is_named(api: Installation, there: Elsewhere) -> None:
    call = await there.call()
    reply = await change(api, call, Status="completed")
    assert (reply.status, reply.code) == (503, 20503)
    assert THERE in reply.message
    assert await left(api) == 0
    async with running(there.errands.run()):
        await asyncio.sleep(0.5)
    assert call.did == [], "nobody waits for it any more"


async def test_a_wrong_update_goes_nowhere(api: Installation, there: Elsewhere) -> None:
    call = await there.call()
    reply = await change(api, call, Status="busy")
    assert (reply.status, reply.code) == (400, 20422)
    assert await left(api) == 0


async def test_a_bug_there_is_an_internal_error_here_and_ends_nothing(
    api: Installation, there: Elsewhere, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(_: object) -> bool:
        raise ZeroDivisionError("a bug of the test")

    call = await there.call()
    async with running(there.errands.run()):
        with monkeypatch.context() as patch:
            patch.setattr(StandIn, "end", broken)
            reply = await change(api, call, Status="completed")
        assert (reply.status, reply.code) == (500, 20500)
        assert "ZeroDivisionError" not in reply.message
        assert (await change(api, call, Status="completed")).status == 200
    assert len(there.log.of("api.crashed")) == 1


async def test_a_database_that_is_away_for_a_while_ends_no_errand_boy(
    api: Installation, there: Elsewhere, monkeypatch: pytest.MonkeyPatch
) -> None:
    def away(_: object) -> None:
        raise StoreUnavailable("the database is away; nothing was changed")

    call = await there.call()
    async with running(there.errands.run()):
        with monkeypatch.context() as patch:
            patch.setattr(Database, "reading", away)
            await asyncio.sleep(0.5)
        assert (await change(api, call, Status="completed")).status == 200
