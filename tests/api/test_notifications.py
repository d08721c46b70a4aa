"""Notifications and alerts (contract 1.10): one row under two names, by plain requests and the official client."""

from datetime import UTC, datetime
from itertools import count
from typing import Any

import pytest

from byoc_proxy.storage.alerts import Alert
from byoc_proxy.storage.database_records import DatabaseRecords
from tests.support.api import ACME, NOW, OTHER, Installation
from tests.support.call_records import a_call, recorded, sid
from tests.support.databases import Log
from tests.support.sdk import sdk

pytestmark = pytest.mark.store

HERE = f"/2010-04-01/Accounts/{ACME}"
LIST, ALERTS = "/Notifications.json", "/v1/Alerts"
DOMAIN = "SD" + "1" * 32
FAILED = Alert(ACME, 11200, "status 404 & more", sid(1), "203.0.113.8", "http://app.example.test/voice", "POST")
NOT_LISTED = Alert(ACME, 32201, "Authentication failure - source IP Address not in ACL", DOMAIN, "203.0.113.9")
WARNING = Alert(ACME, 32011, "sip:gw1: nothing heard for 4 s", sid(1), "203.0.113.8")


async def noted(api: Installation, *alerts: Alert) -> None:
    numbers = count(api.clock.now)
    store = DatabaseRecords(
        api.provisioning.database, "node", list, lambda: f"NO{next(numbers):032x}", api.clock, Log()
    )
    for alert in alerts:
        store.alerts.note(alert)
    await store.flush(5)


async def listed(api: Installation, path: str, **filters: str) -> list[Any]:
    reply = await api.acme.get(path, **filters)
    assert reply.status == 200, reply.json
    rows: list[Any] = reply.json["alerts" if path == ALERTS else "notifications"]
    return rows


async def test_a_notification_has_every_field_of_the_contract(api: Installation) -> None:
    await noted(api, FAILED)
    (row,) = await listed(api, LIST)
    place = f"{HERE}/Notifications/{row['sid']}.json"
    assert row == {
        "sid": row["sid"],
        "account_sid": ACME,
        "call_sid": sid(1),
        "api_version": "2010-04-01",
        "log": "0",
        "error_code": "11200",
        "more_info": "https://www.twilio.com/docs/errors/11200",
        "message_text": "Msg=status+404+%26+more&ErrorCode=11200&LogLevel=ERROR&sourceIp=203.0.113.8",
        "message_date": "Thu, 09 Oct 2025 08:53:20 +0000",
        "request_method": "POST",
        "request_url": "http://app.example.test/voice",
        "date_created": "Thu, 09 Oct 2025 08:53:20 +0000",
        "date_updated": "Thu, 09 Oct 2025 08:53:20 +0000",
        "uri": place,
    }
    alone = (await api.acme.get(place)).json
    assert alone == {**row, "request_variables": None, "response_headers": None, "response_body": None}


async def test_an_alert_has_every_field_of_the_contract(api: Installation) -> None:
    """Fact 1: dates of v1 are ISO 8601."""
    await noted(api, NOT_LISTED, NOT_LISTED)
    (row,) = await listed(api, ALERTS)
    assert row == {
        "sid": row["sid"],
        "account_sid": ACME,
        "alert_text": "Authentication failure - source IP Address not in ACL (203.0.113.9, 2 times)",
        "api_version": "2010-04-01",
        "date_created": "2025-10-09T08:53:20Z",
        "date_generated": "2025-10-09T08:53:20Z",
        "date_updated": "2025-10-09T08:53:20Z",
        "error_code": "32201",
        "log_level": "error",
        "more_info": "https://www.twilio.com/docs/errors/32201",
        "request_method": None,
        "request_url": None,
        "resource_sid": DOMAIN,
        "service_sid": None,
        "url": f"http://127.0.0.1:8080/v1/Alerts/{row['sid']}",
    }
    alone = (await api.acme.get(row["url"])).json
    nothing = dict.fromkeys(("request_headers", "request_variables", "response_headers", "response_body"))
    assert alone == {**row, **nothing}


async def test_an_invite_that_never_became_a_call_has_a_notification_without_one(api: Installation) -> None:
    await noted(api, NOT_LISTED, NOT_LISTED)
    (row,) = await listed(api, LIST)
    assert row["call_sid"] is None
    assert row["message_text"].endswith("&sourceIp=203.0.113.9&count=2")


async def test_the_notifications_of_a_call_are_found_under_it(api: Installation) -> None:
    await recorded(api, a_call(1), a_call(2))
    await noted(api, FAILED, WARNING, NOT_LISTED)
    rows = await listed(api, f"/Calls/{sid(1)}/Notifications.json")
    assert [row["error_code"] for row in rows] == ["32011", "11200"]
    assert (await api.acme.get(rows[0]["uri"])).json["call_sid"] == sid(1)
    assert await listed(api, f"/Calls/{sid(2)}/Notifications.json") == []
    assert (await api.acme.get(f"/Calls/{sid(3)}/Notifications.json")).status == 404
    (warning,) = await listed(api, f"/Calls/{sid(1)}/Notifications.json", Log="1")
    assert warning["error_code"] == "32011"


@pytest.mark.parametrize(
    ("filters", "found"),
    [
        ({"Log": "0"}, ["32201", "11200"]),
        ({"Log": "1"}, ["32011"]),
        ({"Log": ""}, ["32011", "32201", "11200"]),
        ({"MessageDate": "2025-10-09"}, ["11200"]),
        ({"MessageDate>": "2025-10-10"}, ["32011", "32201"]),
        ({"MessageDate<": "2025-10-10"}, ["11200"]),
        ({"MessageDate>": "2025-10-10", "Log": "1"}, ["32011"]),
    ],
)
async def test_notifications_are_found_by_level_and_date(
    api: Installation, filters: dict[str, str], found: list[str]
) -> None:
    await noted(api, FAILED)
    api.clock.now += 86_400
    await noted(api, NOT_LISTED, WARNING)
    assert [row["error_code"] for row in await listed(api, LIST, **filters)] == found


@pytest.mark.parametrize(
    ("filters", "found"),
    [
        ({"LogLevel": "error"}, ["32201", "11200"]),
        ({"LogLevel": "warning"}, ["32011"]),
        ({"LogLevel": "debug"}, []),
        ({"StartDate": "2025-10-10"}, ["32011", "32201"]),
        ({"EndDate": "2025-10-09"}, ["11200"]),
        ({"EndDate": "2025-10-09T08:53:20Z"}, ["11200"]),
        ({"EndDate": "2025-10-09T08:53:19Z"}, []),
        ({"StartDate": "2025-10-09", "EndDate": "2025-10-10", "LogLevel": "warning"}, ["32011"]),
    ],
)
async def test_alerts_are_found_by_level_and_date(
    api: Installation, filters: dict[str, str], found: list[str]
) -> None:
    await noted(api, FAILED)
    api.clock.now += 86_400
    await noted(api, NOT_LISTED, WARNING)
    assert [row["error_code"] for row in await listed(api, ALERTS, **filters)] == found


@pytest.mark.parametrize(
    ("path", "name", "value", "code"),
    [
        (LIST, "Log", "2", 20422),
        (LIST, "MessageDate", "today", 20422),
        (LIST, "LogLevel", "error", 20001),
        (ALERTS, "LogLevel", "fatal", 20422),
        (ALERTS, "StartDate", "2025-13-01", 20422),
        (ALERTS, "ResourceSid", sid(1), 20001),
    ],
)
async def test_a_wrong_filter_is_400(api: Installation, path: str, name: str, value: str, code: int) -> None:
    reply = await api.acme.get(path, **{name: value})
    assert (reply.status, reply.code) == (400, code)


async def test_alerts_of_another_account_are_not_there(api: Installation) -> None:
    await noted(api, FAILED._replace(account_sid=OTHER))
    assert await listed(api, ALERTS) == await listed(api, LIST) == []
    (row,) = (await api.other.get(ALERTS)).json["alerts"]
    reply = await api.acme.get(f"/v1/Alerts/{row['sid']}")
    assert (reply.status, reply.message) == (404, f"The requested resource /Alerts/{row['sid']} was not found")
    assert (await api.acme.get(f"/Notifications/{row['sid']}.json")).status == 404


async def test_alerts_come_in_pages_with_the_newest_first(api: Installation) -> None:
    for number in range(5):
        await noted(api, FAILED._replace(resource_sid=sid(number)))
        api.clock.now += 1
    first = (await api.acme.get(ALERTS, PageSize="3")).json
    second = (await api.acme.get(first["meta"]["next_page_url"])).json
    found = [alert["resource_sid"] for page in (first, second) for alert in page["alerts"]]
    assert found == [sid(number) for number in (4, 3, 2, 1, 0)]
    assert first["meta"]["key"] == "alerts"


async def test_the_official_client_lists_and_fetches_both_as_typed_values(api: Installation) -> None:
    await recorded(api, a_call(1))
    await noted(api, FAILED, NOT_LISTED)
    client, moment = sdk(api), datetime.fromtimestamp(NOW, UTC)
    notification, alone = await client.api.v2010.account.notifications.list_async(log=0)
    assert {notification.error_code, alone.error_code} == {"11200", "32201"}
    assert notification.message_date == moment
    assert (await client.notifications(alone.sid).fetch_async()).request_url == "http://app.example.test/voice"
    (of_call,) = await client.calls(sid(1)).notifications.list_async()
    assert of_call.call_sid == sid(1)
    listed = await client.monitor.v1.alerts.list_async(log_level="error", start_date=moment, end_date=moment)
    assert [(alert.error_code, alert.date_generated) for alert in listed] == [("32201", moment), ("11200", moment)]
    fetched = await client.monitor.v1.alerts(listed[1].sid).fetch_async()
    assert (fetched.resource_sid, fetched.response_body) == (sid(1), None)
