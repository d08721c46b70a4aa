"""The real daemon and its calls in the database: while they live, when they are over, and after kill -9."""

import asyncio
import secrets
import signal
import statistics
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio
from sqlalchemy import select

from byoc_proxy.storage.database import Database
from byoc_proxy.storage.live import INTERRUPTED
from byoc_proxy.storage.tables import alerts, calls
from tests.support.daemon import Daemon, Document, configuration, daemon
from tests.support.databases import Log
from tests.support.peers import SDP, CallerSide, UdpPeer, reply, udp_peer

pytestmark = pytest.mark.wire

CALLEE = "127.0.0.20"
FINISHED, LIVE = 5, 20


@pytest.fixture
def document(tmp_path: Path, database_url: str) -> Document:
    (tmp_path / "key").write_text(secrets.token_hex(32), encoding="ascii")
    return configuration() | {"database": {"url": database_url, "key_file": "key"}}


@pytest_asyncio.fixture
async def reader(database_url: str) -> AsyncIterator[Database]:
    """The database as another process sees it."""
    database = await Database.open(database_url, Log())
    yield database
    await database.close()


async def table(reader: Database) -> list[dict[str, Any]]:
    async with reader.reading() as connection:
        return [dict(row) for row in (await connection.execute(select(calls).order_by(calls.c.id))).mappings()]


async def shows(reader: Database, *states: tuple[str, str], within: float = 5.0) -> list[dict[str, Any]]:
    """Wait until the table has exactly these directions and statuses."""
    for _ in range(int(within / 0.02)):
        rows = await table(reader)
        if [(row["direction"], row["status"]) for row in rows] == [*states]:
            return rows
        await asyncio.sleep(0.02)
    raise AssertionError(f"{[(row['direction'], row['status']) for row in await table(reader)]} is not {states}")


async def test_a_call_is_in_the_table_while_it_rings_while_it_talks_and_when_it_has_ended(
    tmp_path: Path, document: Document, reader: Database
) -> None:
    async with udp_peer(CALLEE) as callee, udp_peer() as carrier:
        targets = [{"target": f"sip:{callee.sent_by}"}]
        document["connection_policies"]["carriers"]["targets"] = targets
        async with daemon(tmp_path, document) as proxy:
            caller = CallerSide(carrier, proxy.udp)
            caller.invite()
            invite = await callee.hear("INVITE")
            callee.send(reply(invite, 180), proxy.udp)
            await shows(reader, ("inbound", "ringing"), ("outbound-dial", "ringing"))
            callee.send(reply(invite, 200, contact=callee.contact, body=SDP), proxy.udp)
            answer = await carrier.hear("200 INVITE")
            caller.ack(answer)
            await callee.hear("ACK")
            await shows(reader, ("inbound", "in-progress"), ("outbound-dial", "in-progress"))
            caller.bye(answer)
            callee.send(reply(await callee.hear("BYE"), 200), proxy.udp)
            rows = await shows(reader, ("inbound", "completed"), ("outbound-dial", "completed"))
            record = await proxy.record()
    first, second = rows
    assert (first["sid"], second["parent_call_sid"]) == (record["call_sid"], record["call_sid"])
    assert second["sid"] == record["legs"][0]["call_sid"]
    assert (first["from"], first["to"]) == ("+15550177", "+15550100")
    assert first["record"] == (tmp_path / "records.jsonl").read_text(encoding="ascii").rstrip("\n")


@pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)
async def test_calls_are_as_quick_as_ever_while_somebody_else_has_the_database_locked(
    tmp_path: Path, document: Document, reader: Database
) -> None:
    async with udp_peer(CALLEE) as callee, udp_peer() as carrier:
        document["connection_policies"]["carriers"]["targets"] = [{"target": f"sip:{callee.sent_by}"}]
        async with daemon(tmp_path, document) as proxy:
            took = []
            async with reader.recording():
                for _ in range(10):
                    started = asyncio.get_running_loop().time()
                    await one_call(proxy, carrier, callee)
                    took.append(asyncio.get_running_loop().time() - started)
                    await asyncio.sleep(0.25)
                assert await table(reader) == []
                await proxy.logged("records.behind")
            over = [("inbound", "completed"), ("outbound-dial", "completed")]
            await shows(reader, *over * 10, within=10)
    assert statistics.median(took) < 0.1


async def one_call(proxy: Daemon, carrier: UdpPeer, callee: UdpPeer) -> None:
    """A whole call, from its INVITE to the answer to its BYE."""
    caller = CallerSide(carrier, proxy.udp)
    caller.invite()
    callee.send(reply(await callee.hear("INVITE"), 200, contact=callee.contact, body=SDP), proxy.udp)
    answer = await carrier.hear("200 INVITE")
    caller.ack(answer)
    caller.bye(answer)
    callee.send(reply(await callee.hear("BYE"), 200), proxy.udp)
    await carrier.hear("200 BYE")


async def test_calls_of_the_last_seconds_before_a_stop_are_in_the_table(
    tmp_path: Path, document: Document, reader: Database
) -> None:
    document["connection_policies"]["carriers"]["targets"] = [{"target": "sip:127.0.0.20:9"}]
    async with daemon(tmp_path, document) as proxy, udp_peer() as carrier:
        caller = CallerSide(carrier, proxy.udp)
        caller.invite()
        await carrier.hear("180 INVITE")
        proxy.signal(signal.SIGTERM)
        await proxy.exited(within=10)
        rows = await table(reader)
    assert {row["end_time"] is not None for row in rows} == {True}
    assert [row["direction"] for row in rows] == ["inbound", "outbound-dial"]
    async with reader.reading() as connection:
        assert set(await connection.scalars(select(alerts.c.resource_sid))) <= {rows[0]["sid"]}


@pytest.mark.parametrize("with_file", [True, False], ids=["with a records file", "without one"])
async def test_after_kill_9_amid_calls_none_stays_live_and_none_that_ended_is_missing(
    tmp_path: Path, document: Document, reader: Database, with_file: bool
) -> None:
    if not with_file:
        del document["records"]
    async with udp_peer(CALLEE) as callee, udp_peer() as carrier:
        document["connection_policies"]["carriers"]["targets"] = [{"target": f"sip:{callee.sent_by}"}]
        async with daemon(tmp_path, document) as proxy:
            for number in range(FINISHED + LIVE):
                caller = CallerSide(carrier, proxy.udp)
                caller.invite()
                callee.send(reply(await callee.hear("INVITE"), 200, contact=callee.contact, body=SDP), proxy.udp)
                answer = await carrier.hear("200 INVITE")
                caller.ack(answer)
                if number < FINISHED:
                    caller.bye(answer)
                    callee.send(reply(await callee.hear("BYE"), 200), proxy.udp)
                    await carrier.hear("200 BYE")
            over, lives = [("inbound", "completed"), ("outbound-dial", "completed")], ("inbound", "in-progress")
            await shows(reader, *over * FINISHED, *[lives, ("outbound-dial", "in-progress")] * LIVE)
            proxy.signal(signal.SIGKILL)
            await proxy.exited()
        async with daemon(tmp_path, document):
            cut_off = [("inbound", "failed"), ("outbound-dial", "failed")]
            rows = await shows(reader, *over * FINISHED, *cut_off * LIVE)
    first = [row for row in rows if row["direction"] == "inbound"][FINISHED:]
    assert {row["cause"] for row in first} == {INTERRUPTED}
    assert {row["record"] is not None for row in first} == {with_file}
