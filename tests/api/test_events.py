"""Events of a call (contract 1.8): what was asked of the application, by plain requests and the official client."""

from typing import Any

import pytest

from byoc_proxy.storage.database_records import DatabaseRecords
from byoc_proxy.webhook.exchange import Exchange
from tests.api.test_calls import talked
from tests.support.api import ACME, NOW, Installation
from tests.support.call_records import a_call, recorded, sid
from tests.support.databases import Log
from tests.support.sdk import sdk

pytestmark = pytest.mark.store

EVENTS = f"/Calls/{sid(1)}/Events.json"
URL = "https://app.example.test/voice?tenant=7"
TWIML = b'<?xml version="1.0"?><Response><Say>Gr\xc3\xbc\xc3\x9fe</Say></Response>'
ASKED = Exchange("POST", URL, [("CallSid", sid(1)), ("From", "+14155550100")], 0.0426, 200, "text/xml", TWIML)
REFUSED = Exchange("GET", URL, [], 5.0, code=11202, text="Connection refused")


async def noted(api: Installation, *exchanges: Exchange, call: str = sid(1), account: str = ACME) -> None:
    store = DatabaseRecords(api.provisioning.database, "node", list, lambda: "NO" + "0" * 32, api.clock, Log())
    for exchange in exchanges:
        store.exchanges.note(account, call, exchange)
    await store.flush(5)


async def events(api: Installation, **query: str) -> list[Any]:
    reply = await api.acme.get(EVENTS, **query)
    assert reply.status == 200, reply.json
    found: list[Any] = reply.json["events"]
    return found


async def test_an_event_has_every_field_of_the_contract(api: Installation) -> None:
    await recorded(api, talked(a_call(1)))
    await noted(api, ASKED)
    assert await events(api) == [
        {
            "request": {
                "method": "POST",
                "url": URL,
                "parameters": {"CallSid": sid(1), "From": "+14155550100"},
            },
            "response": {
                "response_code": 200,
                "request_duration": 43,
                "content_type": "text/xml",
                "response_body": TWIML.decode(),
                "date_created": "Thu, 09 Oct 2025 08:53:20 +0000",
                "error_code": None,
                "error_message": None,
            },
        }
    ]


async def test_a_request_without_an_answer_says_why(api: Installation) -> None:
    await recorded(api, talked(a_call(1)))
    await noted(api, REFUSED)
    (event,) = await events(api)
    assert event["request"] == {"method": "GET", "url": URL, "parameters": {}}
    assert event["response"] == {
        "response_code": None,
        "request_duration": 5000,
        "content_type": None,
        "response_body": None,
        "date_created": "Thu, 09 Oct 2025 08:53:20 +0000",
        "error_code": 11202,
        "error_message": "Connection refused",
    }


async def test_a_call_that_lives_has_its_events_in_the_order_they_came(api: Installation) -> None:
    await recorded(api, a_call(1))
    await noted(api, *(ASKED._replace(method=method) for method in ("GET", "POST", "GET")))
    await noted(api, ASKED._replace(status=404))
    assert [event["request"]["method"] for event in await events(api)] == ["GET", "POST", "GET", "POST"]
    assert (await events(api))[3]["response"]["response_code"] == 404


async def test_events_come_in_pages(api: Installation) -> None:
    await recorded(api, a_call(1))
    await noted(api, *(ASKED._replace(status=200 + number) for number in range(5)))
    path, found = f"{EVENTS}?PageSize=2", []
    while path:
        page = (await api.acme.get(path)).json
        found.append([event["response"]["response_code"] for event in page["events"]])
        path = page["next_page_uri"]
    assert found == [[200, 201], [202, 203], [204]]


@pytest.mark.parametrize(
    "hostile", [ASKED._replace(body=b"\xff\x00\xed\xa0\x80"), ASKED._replace(parameters=[("X", "\ud800\0")])]
)
async def test_bytes_that_are_no_text_are_shown_as_text(api: Installation, hostile: Exchange) -> None:
    await recorded(api, a_call(1))
    await noted(api, hostile)
    (event,) = await events(api)
    shown = f"{event['response']['response_body']}{event['request']['parameters']}"
    assert "\N{REPLACEMENT CHARACTER}" in shown
    assert "\0" not in shown


async def test_a_parameter_that_comes_twice_is_a_list(api: Installation) -> None:
    await recorded(api, a_call(1))
    await noted(api, ASKED._replace(parameters=[("Digits", "1"), ("Digits", "2"), ("Digits", "3")]))
    (event,) = await events(api)
    assert event["request"]["parameters"] == {"Digits": ["1", "2", "3"]}


async def test_events_of_no_call_and_of_another_account_are_not_found(api: Installation) -> None:
    await recorded(api, talked(a_call(1)))
    await noted(api, ASKED)
    assert (await api.acme.get(f"/Calls/{sid(2)}/Events.json")).code == 20404
    assert (await api.other.get(EVENTS)).code == 20404
    assert (await api.acme.get(f"/Calls/{sid(1)}/Events/EV1.json")).status == 404
    assert (await api.acme.post(EVENTS)).status == 405


async def test_the_events_of_a_call_are_deleted_with_it(api: Installation) -> None:
    await recorded(api, talked(a_call(1)), talked(a_call(2)))
    await noted(api, ASKED)
    await noted(api, ASKED, call=sid(2))
    assert (await api.acme.delete(f"/Calls/{sid(1)}.json")).status == 204
    left = (await api.tables())["call_events"]
    assert len(left) == 1
    assert sid(2) in left[0]


async def test_the_official_client_reads_events(api: Installation) -> None:
    await recorded(api, talked(a_call(1, NOW)))
    await noted(api, ASKED, REFUSED)
    found = await sdk(api).calls(sid(1)).events.list_async()
    assert [event.request["method"] for event in found] == ["POST", "GET"]
    assert [event.response["response_code"] for event in found] == [200, None]
