"""Making and changing calls: what is answered, and what is on the disk by then. The node's calls are stand-ins."""

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio

from byoc_proxy.storage.database import Database
from byoc_proxy.storage.errors import StoreUnavailable
from byoc_proxy.twiml.interpreter import Entry, ScriptRequest
from byoc_proxy.twiml.verbs import StatusCallback
from tests.support.api import MOST_QUEUED, NOW, TRUNKS, Installation, Reply, installed
from tests.support.databases import Log
from tests.support.exchange import StandIn, running
from tests.support.postgres import Postgres

pytestmark = pytest.mark.store

LIST = "/Calls.json"
URL = "https://app.example.test/voice"
SIP = {"To": "sip:kate@example.com", "From": "Jack", "Url": URL}


@pytest_asyncio.fixture
async def api(database: Database, tmp_path: Path) -> AsyncIterator[Installation]:
    """An installation whose calls are written down; nobody waits when a test is over."""
    api = await installed(database, tmp_path)
    async with running(api.book.run()):
        yield api
    api.departures.clear()


async def made(api: Installation, **more: str) -> tuple[Any, StandIn]:
    """The answer to a create, and the call."""
    call = await api.acme.made(LIST, SIP, **more)
    return call, api.exchange.calls[call["sid"]]


def at(call: Any) -> str:
    return f"/Calls/{call['sid']}.json"


def told(reply: Reply) -> tuple[int, int | None]:
    return reply.status, reply.code


# --- making ---------------------------------------------------------------------------------------------------


async def test_s98_s105_a_call_is_answered_whole_and_queued_and_is_in_the_database_by_then(
    api: Installation,
) -> None:
    trunk = await api.acme.made(TRUNKS, FriendlyName="Carrier A")
    fields = {"To": "+14158675309", "From": "+14155551212", "Url": URL, "Byoc": trunk["sid"]}
    reply = await api.acme.post(LIST, fields)
    assert reply.status == 201
    call = reply.json
    assert (await api.acme.get(at(call))).json == call
    assert (call["status"], call["direction"], call["trunk_sid"]) == ("queued", "outbound-api", trunk["sid"])
    assert (call["to"], call["to_formatted"], call["from"]) == ("+14158675309", "(415) 867-5309", "+14155551212")
    never = ("start_time", "end_time", "duration", "queue_time", "price", "parent_call_sid", "answered_by")
    assert {name: call[name] for name in never} == dict.fromkeys(never)
    assert call["date_created"] == "Thu, 09 Oct 2025 08:53:20 +0000"
    assert api.exchange.gone == [call["sid"]]


async def test_calls_go_out_in_order_at_the_accounts_pace_and_no_account_waits_for_another(
    api: Installation,
) -> None:
    first, _ = await made(api)
    second, _ = await made(api)
    theirs = await api.other.made(LIST, SIP)
    assert api.exchange.gone == [first["sid"], theirs["sid"]]
    await asyncio.sleep(1.1)
    assert api.exchange.gone == [first["sid"], theirs["sid"], second["sid"]]


async def test_more_calls_than_may_wait_are_429_and_leave_nothing_behind(api: Installation) -> None:
    for _ in range(MOST_QUEUED + 1):
        await made(api)
    reply = await api.acme.post(LIST, SIP)
    assert (told(reply), reply.headers["Retry-After"]) == ((429, 20429), "1")
    assert len((await api.acme.get(LIST)).json["calls"]) == MOST_QUEUED + 1
    assert (await api.other.post(LIST, SIP)).status == 201


async def test_creates_that_come_at_once_find_so_much_room_and_no_more(api: Installation) -> None:
    replies = await asyncio.gather(*(api.acme.post(LIST, SIP) for _ in range(MOST_QUEUED + 10)))
    statuses = [reply.status for reply in replies]
    assert {*statuses} <= {201, 429}
    assert MOST_QUEUED <= statuses.count(201) <= MOST_QUEUED + 1
    assert len(api.exchange.calls) == statuses.count(201)


async def test_while_the_database_is_away_no_call_is_promised_and_none_goes_out(
    api: Installation, monkeypatch: pytest.MonkeyPatch
) -> None:
    def away(_: object) -> None:
        raise StoreUnavailable("the database is away; nothing was changed")

    with monkeypatch.context() as patch:
        patch.setattr(Database, "recording", away)
        reply = await api.acme.post(LIST, SIP)
    assert (told(reply), reply.headers["Retry-After"]) == ((503, 20503), "1")
    assert (api.exchange.calls, api.exchange.gone) == ({}, [])
    call, _ = await made(api)
    assert [each["sid"] for each in (await api.acme.get(LIST)).json["calls"]] == [call["sid"]]


async def test_no_call_begins_for_an_account_that_is_suspended(api: Installation) -> None:
    branch = await api.sub_account()
    path = f"/2010-04-01/Accounts/{branch.sid}"
    await api.acme.post(f"{path}.json", Status="suspended")
    assert told(await api.acme.post(f"{path}/Calls.json", SIP)) == (403, 20005)
    assert api.exchange.calls == {}


@pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)
async def test_a_locked_database_refuses_a_call_in_time_and_none_goes_out(
    api: Installation, database_url: str
) -> None:
    another = await Database.open(database_url, Log())
    async with another.recording(), asyncio.timeout(5):
        reply = await api.acme.post(LIST, SIP)
    await another.close()
    assert told(reply) == (503, 20503)
    assert (api.exchange.calls, api.exchange.gone) == ({}, [])
    assert (await api.acme.get(LIST)).json["calls"] == []


@pytest.mark.parametrize("database_url", ["postgresql"], indirect=True)
async def test_a_server_that_is_gone_refuses_a_call_and_takes_the_next_when_it_is_back(
    api: Installation, postgresql: Postgres
) -> None:
    await asyncio.to_thread(postgresql.stop)
    reply = await api.acme.post(LIST, SIP)
    await asyncio.to_thread(postgresql.start)
    assert told(reply) == (503, 20503)
    assert (api.exchange.calls, api.exchange.gone) == ({}, [])
    call, _ = await made(api)
    await asyncio.sleep(1)
    assert [each["sid"] for each in (await api.acme.get(LIST)).json["calls"]] == [call["sid"]]


async def test_a_node_that_stops_takes_no_call(api: Installation) -> None:
    api.exchange.draining = True
    assert told(await api.acme.post(LIST, SIP)) == (503, 20503)
    assert (await api.acme.get(LIST)).json["calls"] == []


async def test_a_node_that_begins_to_stop_while_a_call_is_written_takes_it_back(api: Installation) -> None:
    api.exchange.drains_next = True
    reply = await api.acme.post(LIST, SIP)
    assert told(reply) == (503, 20503)
    assert "Draining" in reply.message
    await asyncio.sleep(1)
    assert (await api.acme.get(LIST)).json["calls"] == []


async def test_a_warning_about_a_create_is_written_into_the_record_of_the_call(api: Installation) -> None:
    _, call = await made(api, Twiml="<Response/>")
    assert call.events == [(32019, "Url and Twiml are both given: Url is used")]


async def test_a_call_that_is_refused_changes_nothing(api: Installation) -> None:
    before = await api.tables()
    for fields, code in (
        ({**SIP, "To": ""}, 21201),
        ({**SIP, "Record": "true"}, 12490),
        ({**SIP, "X": "1"}, 20001),
    ):
        assert told(await api.acme.post(LIST, fields)) == (400, code)
    assert await api.tables() == before
    assert api.exchange.calls == {}


# --- changing -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("parameters", "did"),
    [
        ({"Status": "completed"}, [("end",)]),
        ({"Status": "canceled"}, [("cancel",)]),
        ({"Url": URL, "Method": "GET"}, [("redirect", Entry(ScriptRequest(URL, "GET")))]),
        ({"Twiml": "<Response/>"}, [("redirect", Entry(b"<Response/>"))]),
        ({"TimeLimit": "30"}, [("limit", 30)]),
        ({"TimeLimit": "30", "Url": URL}, [("redirect", Entry(ScriptRequest(URL))), ("limit", 30)]),
        ({"Status": "completed", "Url": URL}, [("end",)]),
        ({}, []),
    ],
)
async def test_a_live_call_does_what_an_update_says(
    api: Installation, parameters: dict[str, str], did: list[Any]
) -> None:
    made_call, call = await made(api)
    reply = await api.acme.post(at(made_call), parameters)
    assert (reply.status, reply.json["sid"], call.did) == (200, call.sid, did)


async def test_another_status_callback_hears_the_same_events(api: Installation) -> None:
    call, stand_in = await made(api)
    await api.acme.post(at(call), StatusCallback=URL)
    assert stand_in.callback == StatusCallback(URL, "POST", ("completed",))
    stand_in.callback = StatusCallback("https://old.example.test/", "POST", ("initiated", "answered"))
    await api.acme.post(at(call), StatusCallback=URL, StatusCallbackMethod="GET")
    assert stand_in.callback == StatusCallback(URL, "GET", ("initiated", "answered"))


@pytest.mark.parametrize(
    ("parameters", "refuses", "words"),
    [
        ({"Status": "completed"}, "end", "Call is not in-progress. Cannot redirect."),
        ({"Status": "canceled"}, "cancel", "Call is in-progress. Cannot cancel: complete it."),
        ({"Url": URL}, "redirect", "Call is not in-progress. Cannot redirect."),
        ({"TimeLimit": "3"}, "limit", "Call is not in-progress. Cannot redirect."),
    ],
)
async def test_what_a_call_is_in_no_state_for_is_21220(
    api: Installation, parameters: dict[str, str], refuses: str, words: str
) -> None:
    made_call, call = await made(api)
    call.allows[refuses] = False
    reply = await api.acme.post(at(made_call), parameters)
    assert (told(reply), reply.message) == ((400, 21220), words)


async def test_an_update_of_which_one_part_cannot_be_changes_nothing(api: Installation) -> None:
    made_call, call = await made(api)
    call.allows["redirect"] = False
    reply = await api.acme.post(at(made_call), Url=URL, TimeLimit="3", StatusCallback=URL)
    assert told(reply) == (400, 21220)
    assert [what for what, *_ in call.did] == ["redirect"]
    assert call.callback is None


async def test_a_call_that_is_over_is_21220_and_stays_as_it_is(api: Installation) -> None:
    call, stand_in = await made(api)
    del api.exchange.calls[call["sid"]]
    stand_in.record.stages["ended"] = NOW + 5
    stand_in.record.status = "completed"
    await api.book.settle(stand_in.record)
    before = await api.tables()
    for parameters in ({"Status": "completed"}, {"Status": "canceled"}, {"Url": URL}):
        assert told(await api.acme.post(at(call), parameters)) == (400, 21220)
    assert told(await api.acme.post(at(call), Status="busy")) == (400, 20422)
    assert await api.tables() == before


async def test_a_call_of_another_account_is_not_there_and_is_not_touched(api: Installation) -> None:
    call, stand_in = await made(api)
    assert told(await api.other.post(at(call), Status="completed")) == (404, 20404)
    assert stand_in.did == []
    assert told(await api.acme.post(f"/Calls/CA{'9' * 32}.json", Status="completed")) == (404, 20404)


async def test_a_wrong_update_does_not_touch_the_call(api: Installation) -> None:
    call, stand_in = await made(api)
    for parameters, code in (({"Status": "busy"}, 20422), ({"Url": "x"}, 21205), ({"To": "+1415"}, 20001)):
        assert told(await api.acme.post(at(call), parameters)) == (400, code)
    assert stand_in.did == []


async def test_a_call_that_is_cancelled_in_the_queue_takes_nobodys_turn(api: Installation) -> None:
    first, _ = await made(api)
    second, stand_in = await made(api)
    third, _ = await made(api)
    await api.acme.post(at(second), Status="canceled")
    await asyncio.sleep(1.1)
    assert api.exchange.gone == [first["sid"], third["sid"]]
    assert stand_in.did == [("cancel",)]
