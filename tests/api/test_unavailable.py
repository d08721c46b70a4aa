"""A database that cannot be had now: 503 with 20503 and Retry-After, and nothing is changed."""

import shutil
from pathlib import Path

import pytest
from sqlalchemy import text

from byoc_proxy.provision.provisioning import StoreUnavailable
from byoc_proxy.storage.database import Database
from tests.support.api import TRUNKS, Installation, installed
from tests.support.databases import Log

pytestmark = pytest.mark.store


async def test_a_locked_database_refuses_changes_and_goes_on_showing_what_there_is(
    api: Installation, database_url: str
) -> None:
    trunk = await api.acme.made(TRUNKS)
    place = f"{TRUNKS}/{trunk['sid']}"
    tables, directory = await api.tables(), api.directory
    another = await Database.open(database_url, Log())
    async with another.writing():
        for reply in (
            await api.acme.post(TRUNKS),
            await api.acme.post(place, FriendlyName="x"),
            await api.acme.delete(place),
        ):
            assert (reply.status, reply.code) == (503, 20503)
            assert reply.headers["Retry-After"] == "1"
            assert "nothing was changed" in reply.message
        assert (await api.acme.get(place)).json == trunk
    await another.close()
    assert await api.tables() == tables
    assert api.directory is directory
    assert (await api.acme.delete(place)).status == 204


async def test_a_full_disk_refuses_changes_and_keeps_every_one_that_was_acknowledged(
    empty_file: Path, tmp_path: Path
) -> None:
    url = f"sqlite:///{shutil.copy(empty_file, tmp_path / 'a.db')}"
    database = await Database.open(url, Log())
    api = await installed(database, tmp_path)
    async with api.provisioning.writing() as write:
        pages = (await write.connection.execute(text("PRAGMA page_count"))).scalar_one()
        await write.connection.execute(text(f"PRAGMA max_page_count = {pages + 3}"))
    kept = []
    for _ in range(200):
        reply = await api.acme.post(TRUNKS, FriendlyName="x" * 255, VoiceUrl="https://a.test/" + "x" * 900)
        if reply.status != 201:
            break
        kept.append(reply.json["sid"])
    assert (reply.status, reply.code) == (503, 20503)
    assert "full; nothing was changed" in reply.message
    assert kept
    assert sorted(api.directory.trunks) == sorted(kept)
    await database.close()
    again = await Database.open(url, Log())
    assert sorted((await installed(again, tmp_path)).directory.trunks) == sorted(kept)
    await again.close()


async def test_a_key_cannot_be_looked_up_while_the_database_is_away(
    api: Installation, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The account's own token works on: it is in the snapshot."""
    key = await api.acme.made("/Keys.json")

    def gone() -> None:
        raise StoreUnavailable("the database: connection refused; nothing was changed")

    monkeypatch.setattr(api.provisioning, "reading", gone)
    reply = await api.client(key["sid"], key["secret"]).get(TRUNKS)
    assert (reply.status, reply.code) == (503, 20503)
    assert reply.headers["Retry-After"] == "1"
    assert (await api.acme.get("/v1/Nothing")).status == 404
