"""The API over real HTTP, as those meet it who have no SDK: curl, and a process that is killed."""

import asyncio
import contextlib
import json
import signal
from pathlib import Path
from typing import Any

import httpx2
import pytest

from tests.support.api_daemon import AUTH_TOKEN, MAIN, ApiDaemon, api_daemon, api_document
from tests.support.daemon import Document, until
from tests.support.programs import installed

pytestmark = pytest.mark.wire


async def curl(*arguments: str) -> tuple[int, Any]:
    """The status and the JSON of an answer."""
    process = await asyncio.create_subprocess_exec(
        *(installed("curl", "curl"), "-s", "-w", "\n%{http_code}", *arguments), stdout=asyncio.subprocess.PIPE
    )
    said, _ = await asyncio.wait_for(process.communicate(), 20)
    body, _, status = said.decode().rpartition("\n")
    return int(status), json.loads(body) if body else None


async def test_curl_makes_and_deletes_things_as_on_the_page(tmp_path: Path) -> None:
    """S104: -u AccountSid:AuthToken. The lines for calls and participants themselves: `test_made_calls`."""
    user = ("-u", f"{MAIN}:{AUTH_TOKEN}")
    async with api_daemon(tmp_path) as api:
        named = ("--data-urlencode", "FriendlyName=Carrier A & B")
        status, trunk = await curl(f"{api.base}/v1/ByocTrunks", *named, *user)
        assert (status, trunk["friendly_name"]) == (201, "Carrier A & B")
        status, listed = await curl(f"{api.base}/v1/ByocTrunks", *user)
        assert (status, [each["sid"] for each in listed["byoc_trunks"]]) == (200, [trunk["sid"]])
        assert await curl(trunk["url"], *user) == (200, trunk)
        assert (await curl(trunk["url"], "-u", f"{MAIN}:wrong"))[0] == 401
        assert (await curl(trunk["url"]))[0] == 401
        assert await curl(trunk["url"], "-X", "DELETE", *user) == (204, None)


async def test_behind_a_tls_proxy_on_this_machine_links_begin_as_the_client_wrote_it(tmp_path: Path) -> None:
    told = ("-H", "Host: api.example.test", "-H", "X-Forwarded-Proto: https")
    async with api_daemon(tmp_path) as api:
        asked = (f"{api.base}/v1/ByocTrunks", "-X", "POST", "-u", f"{MAIN}:{AUTH_TOKEN}", *told)
        status, trunk = await curl(*asked)
    assert (status, trunk["url"]) == (201, f"https://api.example.test/v1/ByocTrunks/{trunk['sid']}")


@pytest.fixture(params=["sqlite", "postgresql"])
def document(request: pytest.FixtureRequest) -> Document:
    """A daemon on a database of each kind."""
    if request.param == "sqlite":
        return api_document()
    server = request.getfixturevalue("postgresql")
    return api_document(server.url(server.create()))


async def test_a_process_that_is_killed_amid_a_burst_of_requests_loses_no_acknowledged_one(
    tmp_path: Path, document: Document
) -> None:
    acknowledged: list[str] = []
    async with api_daemon(tmp_path, document) as api:
        writers = [asyncio.create_task(_write(api, acknowledged)) for _ in range(4)]
        await until(
            lambda: len(acknowledged) >= 60 or None, 30, lambda: f"only {len(acknowledged)} were acknowledged"
        )
        api.proxy.signal(signal.SIGKILL)
        await api.proxy.exited()
        await asyncio.gather(*writers)
    async with api_daemon(tmp_path, document) as again, _client(again) as client:
        kept = await _all_trunks(client)
    assert set(acknowledged) <= set(kept)
    assert len(kept) <= len(acknowledged) + len(writers)  # those on their way may have arrived


def _client(api: ApiDaemon) -> httpx2.AsyncClient:
    return httpx2.AsyncClient(base_url=api.base, auth=(MAIN, AUTH_TOKEN), timeout=10)


async def _write(api: ApiDaemon, acknowledged: list[str]) -> None:
    """Make trunks until nobody answers any more."""
    async with _client(api) as client:
        with contextlib.suppress(httpx2.TransportError):
            while True:
                answer = await client.post("/v1/ByocTrunks", data={"FriendlyName": "burst"})
                assert answer.status_code == 201, answer.text
                acknowledged.append(answer.json()["sid"])


async def _all_trunks(client: httpx2.AsyncClient) -> list[str]:
    sids: list[str] = []
    place: str | None = "/v1/ByocTrunks?PageSize=50"
    while place:
        page = (await client.get(place)).json()
        sids += [each["sid"] for each in page["byoc_trunks"]]
        place = page["meta"]["next_page_url"]
    return sids
