"""The real daemon on a database that others change: the next INVITE finds what they have made."""

import asyncio
import secrets
import signal
import statistics
from collections.abc import AsyncIterator
from pathlib import Path

import aiohttp
import pytest
import pytest_asyncio
import yaml

from byoc_proxy.provision.opening import provisioned
from byoc_proxy.provision.provisioning import Provisioning
from byoc_proxy.storage.rows import CALLS_CREDENTIALS
from byoc_proxy.trunk.model import Resources
from tests.support.daemon import Daemon, Document, configuration, daemon, free_for_both, until
from tests.support.databases import Log
from tests.support.peers import CallerSide, Heard, UdpPeer, udp_peer
from tests.support.provisioned import made, mapped, removed
from tests.test_cli import run
from tests.trunk.records import ACME, INSTALLATION, account

pytestmark = pytest.mark.wire

VISIBLE = 0.1  # seconds from a commit to the first INVITE that feels it


@pytest.fixture
def document(tmp_path: Path, database_url: str) -> Document:
    (tmp_path / "key").write_text(secrets.token_hex(32), encoding="ascii")
    return configuration("sip:127.0.0.20:5090") | {"database": {"url": database_url, "key_file": "key"}}


@pytest_asyncio.fixture
async def beside(tmp_path: Path, document: Document) -> AsyncIterator[Provisioning]:
    """Another process on the database of the daemon."""
    declared = Resources(INSTALLATION, accounts=(account(),))
    async with provisioned(document["database"]["url"], tmp_path / "key", declared, {}, Log()) as provisioning:
        yield provisioning


async def answer(carrier: UdpPeer, proxy: Daemon) -> int:
    """The final status of an INVITE to the new domain."""
    caller = CallerSide(carrier, proxy.udp, domain="new.sip.example.test")
    caller.invite()

    def final() -> Heard | None:
        heard = (each for each in carrier.heard if dict(each.headers)["call-id"] == caller.call_id)
        return next((each for each in heard if each.status >= 200), None)

    found = await until(final, 5.0, lambda: f"no answer: {carrier.kinds}")
    caller.ack(found)
    return found.status


async def changed_answer(carrier: UdpPeer, proxy: Daemon, before: int) -> tuple[int, float]:
    """The first answer other than the one before, and the seconds until the INVITE that got it."""
    loop = asyncio.get_running_loop()
    start = asked = loop.time()
    while (status := await answer(carrier, proxy)) == before:
        assert asked < start + 5
        asked = loop.time()
    return status, asked - start


async def test_what_another_process_commits_is_felt_by_the_next_invite_within_100_ms(
    tmp_path: Path, document: Document, beside: Provisioning
) -> None:
    took = []
    async with daemon(tmp_path, document) as proxy, udp_peer() as carrier:
        assert await answer(carrier, proxy) == 404
        for _ in range(3):
            domain = await a_domain_with_passwords(beside)
            status, seconds = await changed_answer(carrier, proxy, 404)
            assert status == 407
            took.append(seconds)
            async with beside.writing() as write:
                await removed(write, "domains", domain)
            status, seconds = await changed_answer(carrier, proxy, 407)
            assert status == 404
            took.append(seconds)
    assert statistics.median(took) < VISIBLE, took  # one may meet a machine that does something else


async def a_domain_with_passwords(provisioning: Provisioning) -> str:
    async with provisioning.writing() as write:
        users = await made(write, "credential_lists", account_sid=ACME)
        trunk = await made(write, "byoc_trunks", account_sid=ACME, voice_url="http://127.0.0.1:9/")
        name = {"domain_name": "new.sip.example.test", "byoc_trunk_sid": trunk}
        domain = await made(write, "domains", account_sid=ACME, **name)
        await mapped(write, CALLS_CREDENTIALS, domain, users, ACME)
    return domain


async def test_a_reload_that_takes_away_what_a_row_refers_to_is_refused(
    tmp_path: Path, document: Document, beside: Provisioning
) -> None:
    async with beside.writing() as write:
        await made(write, "domains", account_sid=ACME, domain_name="new.sip.example.test")
    async with daemon(tmp_path, document, allowed=["config.kept"]) as proxy, udp_peer() as carrier:
        proxy.config.write_text(yaml.safe_dump({**document, "accounts": {"other": {"auth_token": "x" * 32}}}))
        proxy.signal(signal.SIGHUP)
        kept = await proxy.logged("config.kept")
        assert f"{ACME}: is in use by domain 'new.sip.example.test'" in kept["problems"][0]
        assert await answer(carrier, proxy) == 404
        proxy.config.write_text(yaml.safe_dump({**document, "unknown_domain": "404"}))
        proxy.signal(signal.SIGHUP)
        await proxy.logged("config.reloaded")


async def test_an_account_made_on_the_command_line_is_known_to_a_daemon_within_100_ms(
    tmp_path: Path, document: Document
) -> None:
    place = f"127.0.0.10:{free_for_both('127.0.0.10')}"
    async with daemon(tmp_path, {**document, "api": {"bind": place}}):
        arguments = ["account", "create", "-c", "config.yaml", "--friendly-name", "Shop"]
        done = await asyncio.to_thread(run, *arguments, cwd=tmp_path)
        assert done.returncode == 0, done.stderr
        await asyncio.sleep(VISIBLE)
        shown = dict(line.split() for line in done.stdout.splitlines())
        sid, token = shown["sid"], shown["auth_token"]
        headers = {"Authorization": aiohttp.encode_basic_auth(sid, token)}
        async with aiohttp.ClientSession(headers=headers) as client:
            async with client.get(f"http://{place}/2010-04-01/Accounts/{sid}.json") as answered:
                assert answered.status == 200
                assert (await answered.json())["friendly_name"] == "Shop"
