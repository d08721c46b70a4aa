"""Status callbacks of the real daemon: over HTTP, signed, in order, and through kill -9."""

import asyncio
import secrets
import signal
from collections import defaultdict
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
import pytest_asyncio
from sqlalchemy import func, select

from byoc_proxy.storage.database import Database
from byoc_proxy.storage.tables import calls, notices
from tests.support.daemon import AUTH_TOKEN, Document, configuration, daemon, until
from tests.support.databases import Log
from tests.support.sipp import Options, Sipp, free_port
from tests.support.voice_app import Asked, VoiceApp, voice_app

pytestmark = pytest.mark.wire

CALLEE = "127.0.0.20"
LIVE = 20
WHOLE = ["initiated", "ringing", "in-progress", "completed"]
CHILD = '<Number statusCallback="/child" statusCallbackEvent="initiated answered completed">+15550199</Number>'


@pytest_asyncio.fixture
async def app() -> AsyncIterator[VoiceApp]:
    async with voice_app(AUTH_TOKEN) as app:
        app.answers("/voice", f"<Response><Dial>{CHILD}</Dial></Response>")
        app.answers("/status", "")
        app.answers("/child", "")
        yield app


def document(app: VoiceApp, target: str) -> Document:
    return configuration(target, voice_url=f"{app.url}/voice", status_callback_url=f"{app.url}/status")


def told(app: VoiceApp, path: str) -> dict[str, list[Asked]]:
    """What came for a path, by CallSid."""
    by_call: dict[str, list[Asked]] = defaultdict(list)
    for asked in app.asked:
        if asked.path == path:
            by_call[asked.params["CallSid"]].append(asked)
    return by_call


def statuses(asked: list[Asked]) -> list[str]:
    return [each.params["CallStatus"] for each in asked]


async def over(app: VoiceApp, path: str, count: int, *, within: float = 15.0) -> None:
    """Wait until so many calls have told their end."""

    def ended() -> bool | None:
        return sum("CallDuration" in asked[-1].params for asked in told(app, path).values()) >= count or None

    await until(ended, within, lambda: f"{path}: {[statuses(each) for each in told(app, path).values()]}")


async def test_s38_every_leg_between_two_carriers_tells_its_events_in_order(tmp_path: Path, app: VoiceApp) -> None:
    port = free_port(CALLEE)
    sipp = Sipp(tmp_path, keep_messages=False)
    async with (
        daemon(tmp_path, document(app, f"sip:{CALLEE}:{port}")) as proxy,
        sipp.uas("uas_answer.xml", port=port),
    ):
        report = await sipp.uac("uac_plain.xml", proxy.udp, calls=LIVE, rate=50)
        assert (report.successful, report.failed) == (LIVE, 0), report.errors
        await over(app, "/status", LIVE)
        await over(app, "/child", LIVE)
    parents, children = told(app, "/status"), told(app, "/child")
    assert [statuses(each) for each in parents.values()] == [WHOLE] * LIVE
    assert [statuses(each) for each in children.values()] == [["initiated", "in-progress", "completed"]] * LIVE
    assert {each[0].params["ParentCallSid"] for each in children.values()} == parents.keys()
    for asked in (*parents.values(), *children.values()):
        assert [each.params["SequenceNumber"] for each in asked] == [str(number) for number in range(len(asked))]
    assert len({each.token for each in app.asked}) == len(app.asked)


@pytest_asyncio.fixture
async def reader(database_url: str) -> AsyncIterator[Database]:
    """The database as another process sees it."""
    database = await Database.open(database_url, Log())
    yield database
    await database.close()


async def kept(reader: Database) -> tuple[int, int]:
    """How many legs that are up owe a callback, and how many callbacks wait."""
    async with reader.reading() as connection:
        up = calls.c.owed.is_not(None) & (calls.c.status == "in-progress")
        owing = await connection.scalar(select(func.count()).select_from(calls).where(up))
        waiting = await connection.scalar(select(func.count()).select_from(notices))
    return owing or 0, waiting or 0


async def shows(reader: Database, wanted: tuple[int, int], within: float = 10.0) -> None:
    for _ in range(int(within / 0.05)):
        if (found := await kept(reader)) == wanted:
            return
        await asyncio.sleep(0.05)
    raise AssertionError(f"{found} is not {wanted}")


async def test_a_daemon_killed_amid_calls_loses_no_callback_and_the_next_one_tells_how_they_ended(
    tmp_path: Path, app: VoiceApp, database_url: str, reader: Database
) -> None:
    (tmp_path / "key").write_text(secrets.token_hex(32), encoding="ascii")
    port = free_port(CALLEE)
    setup = document(app, f"sip:{CALLEE}:{port}") | {"database": {"url": database_url, "key_file": "key"}}
    held: Options = {"calls": LIVE, "rate": 50, "hold": 30.0, "timeout": 60}
    taken_by: Options = {**held, "port": port}
    sipp = Sipp(tmp_path, keep_messages=False)
    app.refuses("/child", 503)  # whoever is told of the dialled legs is away for now
    async with daemon(tmp_path, setup) as proxy, sipp.uas("uas_hangup.xml", **taken_by):
        async with asyncio.TaskGroup() as group:
            caller = group.create_task(sipp.uac("uac_plain.xml", proxy.udp, **held))
            # two callbacks of each child leg wait: initiated and answered
            await shows(reader, (2 * LIVE, 2 * LIVE))
            proxy.signal(signal.SIGKILL)
            await proxy.exited()
            refused = len(app.asked)
            app.refuses("/child", None)
            async with daemon(tmp_path, setup) as again:
                await again.logged("callbacks.taken_up")
                await over(app, "/status", LIVE)
                await over(app, "/child", LIVE)
                await shows(reader, (0, 0))
            caller.cancel()
    parents, children = told(app, "/status"), told(app, "/child")
    assert [statuses(each) for each in parents.values()] == [
        ["initiated", "ringing", "in-progress", "failed"]
    ] * LIVE
    for call_sid, asked in children.items():
        taken = [each for each in app.asked[refused:] if each.params["CallSid"] == call_sid]
        assert statuses(taken) == ["initiated", "in-progress", "failed"]
        assert [each.params["SequenceNumber"] for each in taken] == ["0", "1", "2"]
        assert {each.token for each in asked if each.params["CallStatus"] == "initiated"} == {taken[0].token}


async def test_what_a_stopped_daemon_could_not_deliver_its_successor_does(
    tmp_path: Path, app: VoiceApp, database_url: str, reader: Database
) -> None:
    (tmp_path / "key").write_text(secrets.token_hex(32), encoding="ascii")
    port = free_port(CALLEE)
    setup = document(app, f"sip:{CALLEE}:{port}") | {"database": {"url": database_url, "key_file": "key"}}
    sipp = Sipp(tmp_path, keep_messages=False)
    app.refuses("/status", 503)
    app.refuses("/child", 503)
    async with daemon(tmp_path, setup) as proxy:
        async with sipp.uas("uas_answer.xml", port=port):
            await sipp.uac("uac_plain.xml", proxy.udp)
        await shows(reader, (0, 4 + 3))
        proxy.signal(signal.SIGTERM)
        assert await proxy.exited() == 0
    assert await kept(reader) == (0, 7)
    left = len(app.asked)
    app.refuses("/status", None)
    app.refuses("/child", None)
    async with daemon(tmp_path, setup):
        await over(app, "/status", 1)
        await over(app, "/child", 1)
        await shows(reader, (0, 0))
    assert statuses([each for each in app.asked[left:] if each.path == "/status"]) == WHOLE
