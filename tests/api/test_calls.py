"""Calls: list, filters, fetch and delete (contract 1.8), as plain requests and through the official client."""

from datetime import UTC, date, datetime

import pytest

from byoc_proxy.api import call_parameters
from byoc_proxy.api.calls import CALLS, formatted
from byoc_proxy.storage.record import CallRecord, LegRecord
from tests.support.api import ACME, NOW, OTHER, Installation, Reply
from tests.support.call_records import TRUNK, a_call, recorded, sid
from tests.support.sdk import sdk

pytestmark = pytest.mark.store

LIST = "/Calls.json"
HERE = f"/2010-04-01/Accounts/{ACME}"
HOUR, DAY = 3600, 86_400


def talked(record: CallRecord, seconds: float = 12.4) -> CallRecord:
    """It was answered after two seconds, by a leg of its own, and ended."""
    start = record.stages["received"]
    record.stages |= {"answered": start + 2, "ended": start + 2 + seconds}
    record.status, record.duration = "completed", seconds
    leg = LegRecord(record.call_sid.replace("CA0", "CAd"), TRUNK, "+14155550100", "+442071838750", start + 1)
    leg.status, leg.answered_at, leg.ended_at = "completed", start + 2, start + 2 + seconds
    record.legs.append(leg)
    return record


def sids(reply: Reply) -> list[str]:
    assert reply.status == 200, reply.json
    return [call["sid"] for call in reply.json["calls"]]


async def test_a_call_has_every_field_of_the_contract(api: Installation) -> None:
    """S105, facts 1 and 22: dates are RFC 2822, durations and the queue time are strings."""
    await recorded(api, talked(a_call(1, caller_name="Ann")))
    parent = (await api.acme.get(f"/Calls/{sid(1)}.json")).json
    place = f"{HERE}/Calls/{sid(1)}"
    assert parent == {
        "sid": sid(1),
        "date_created": "Thu, 09 Oct 2025 08:53:20 +0000",
        "date_updated": "Thu, 09 Oct 2025 08:53:20 +0000",
        "parent_call_sid": None,
        "account_sid": ACME,
        "to": "+14158675309",
        "to_formatted": "(415) 867-5309",
        "from": "+14155550100",
        "from_formatted": "(415) 555-0100",
        "phone_number_sid": None,
        "status": "completed",
        "start_time": "Thu, 09 Oct 2025 08:53:20 +0000",
        "end_time": "Thu, 09 Oct 2025 08:53:34 +0000",
        "duration": "12",
        "price": None,
        "price_unit": "USD",
        "direction": "inbound",
        "answered_by": None,
        "api_version": "2010-04-01",
        "forwarded_from": None,
        "group_sid": None,
        "caller_name": "Ann",
        "queue_time": "0",
        "trunk_sid": TRUNK,
        "uri": f"{place}.json",
        "subresource_uris": {
            "notifications": f"{place}/Notifications.json",
            "recordings": f"{place}/Recordings.json",
            "payments": f"{place}/Payments.json",
            "events": f"{place}/Events.json",
            "siprec": f"{place}/Siprec.json",
            "streams": f"{place}/Streams.json",
            "transcriptions": f"{place}/Transcriptions.json",
            "user_defined_message_subscriptions": f"{place}/UserDefinedMessageSubscriptions.json",
            "user_defined_messages": f"{place}/UserDefinedMessages.json",
        },
    }
    (child,) = (await api.acme.get(LIST, ParentCallSid=sid(1))).json["calls"]
    assert (child["parent_call_sid"], child["direction"], child["duration"]) == (sid(1), "outbound-dial", "12")
    assert (child["to"], child["to_formatted"]) == ("+442071838750", "+442071838750")


async def test_a_call_that_lives_has_neither_end_nor_duration(api: Installation) -> None:
    await recorded(api, a_call(1))
    call = (await api.acme.get(f"/Calls/{sid(1)}.json")).json
    assert (call["status"], call["end_time"], call["duration"]) == ("ringing", None, None)


async def test_the_newest_call_comes_first_and_pages_go_back_in_time(api: Installation) -> None:
    """S105: `page`, `page_size`, `next_page_uri`."""
    await recorded(api, *(a_call(number, NOW + number) for number in range(5)))
    first = (await api.acme.get(LIST, PageSize="2")).json
    second = (await api.acme.get(first["next_page_uri"])).json
    third = (await api.acme.get(second["next_page_uri"])).json
    found = [call["sid"] for page in (first, second, third) for call in page["calls"]]
    assert found == [sid(number) for number in (4, 3, 2, 1, 0)]
    assert (second["start"], second["end"], third["next_page_uri"]) == (2, 3, None)
    back = (await api.acme.get(third["previous_page_uri"])).json
    assert [call["sid"] for call in back["calls"]] == [sid(2), sid(1)]


@pytest.mark.parametrize(
    ("filters", "found"),
    [
        ({"From": "+14155550100"}, [3, 2, 1]),
        ({"From": "+14155550199"}, []),
        ({"To": "sip:bob@example.com"}, [3]),
        ({"Status": "completed"}, [1]),
        ({"Status": "in-progress"}, [2]),
        ({"Status": "canceled"}, []),
        ({"StartTime": "2025-10-09"}, [2, 1]),
        ({"StartTime": "2025-10-09T23:00:00Z"}, [2, 1]),
        ({"StartTime<": "2025-10-10"}, [2, 1]),
        ({"StartTime>": "2025-10-10"}, [3]),
        ({"StartTime>": "2025-10-09T09:53:20Z"}, [3, 2]),
        ({"StartTime>": "2025-10-09T09:53:21Z"}, [3]),
        ({"StartTime<": "2025-10-09T09:53:20Z"}, [1]),
        ({"StartTime>": "2025-10-09", "StartTime<": "2025-10-10", "Status": "completed"}, [1]),
        ({"EndTime": "2025-10-09"}, [1]),
        ({"EndTime<": "2025-10-09T08:53:33Z"}, []),
        ({"EndTime>": "2025-10-09T08:53:33Z"}, [1]),
        ({"To": "", "StartTime": ""}, [3, 2, 1]),
    ],
)
async def test_calls_are_found_by_every_filter_of_the_contract(
    api: Installation, filters: dict[str, str], found: list[int]
) -> None:
    first = talked(a_call(1))
    first.legs.clear()
    second = a_call(2, NOW + HOUR, status="in-progress")
    await recorded(api, first, second, a_call(3, NOW + DAY, called="sip:bob@example.com"))
    assert sids(await api.acme.get(LIST, **filters)) == [sid(number) for number in found]


@pytest.mark.parametrize(
    ("name", "value", "code"),
    [
        ("Status", "initiated", 20422),
        ("StartTime", "yesterday", 20422),
        ("StartTime>", "2025-02-30", 20422),
        ("EndTime<", "2025-10-09 10:00", 20422),
        ("EndTime>", "2025-10-09T10:00:00+02:00", 20422),
        ("ParentCallSid", "AC" + "1" * 32, 20422),
        ("From", "a\0b", 20422),
        ("StartTime>=", "2025-10-09", 20001),
        ("Direction", "inbound", 20001),
    ],
)
async def test_a_wrong_filter_is_400(api: Installation, name: str, value: str, code: int) -> None:
    reply = await api.acme.get(LIST, **{name: value})
    assert (reply.status, reply.code) == (400, code)
    assert name.rstrip("=") in reply.message


async def test_calls_of_another_account_are_not_there(api: Installation) -> None:
    await recorded(api, a_call(1, account=OTHER))
    assert sids(await api.acme.get(LIST)) == []
    for reply in (await api.acme.get(f"/Calls/{sid(1)}.json"), await api.acme.delete(f"/Calls/{sid(1)}.json")):
        assert (reply.status, reply.code) == (404, 20404)
    assert sids(await api.other.get(LIST)) == [sid(1)]
    assert (await api.acme.get(f"/2010-04-01/Accounts/{OTHER}/Calls.json")).status == 404


async def test_only_a_call_that_is_over_is_deleted(api: Installation) -> None:
    await recorded(api, talked(a_call(1)), a_call(2))
    assert (await api.acme.delete(f"/Calls/{sid(1)}.json")).status == 204
    reply = await api.acme.delete(f"/Calls/{sid(2)}.json")
    assert (reply.status, reply.code) == (400, 20009)
    left = sids(await api.acme.get(LIST))
    assert (sid(1) in left, sid(2) in left) == (False, True)
    assert (await api.acme.get(f"/Calls/{sid(1)}.json")).message == (
        f"The requested resource {HERE}/Calls/{sid(1)}.json was not found"
    )


@pytest.mark.parametrize(
    ("party", "shown"),
    [
        ("+14158675309", "(415) 867-5309"),
        ("+11158675309", "+11158675309"),
        ("+442071838750", "+442071838750"),
        ("sip:bob@example.com", "sip:bob@example.com"),
        ("anonymous", "anonymous"),
    ],
)
def test_numbers_of_north_america_are_shown_in_their_national_form(party: str, shown: str) -> None:
    assert formatted(party) == shown


async def test_the_description_knows_every_field_of_a_call_and_its_parameters(api: Installation) -> None:
    paths = (await api.acme.get("/openapi.json")).json["paths"]
    operation = paths["/2010-04-01/Accounts/{account_sid}/Calls.json"]["get"]
    names = {each["name"] for each in operation["parameters"] if each["in"] == "query"}
    times = {f"{name}{sign}" for name in ("StartTime", "EndTime") for sign in ("", "<", ">")}
    assert names == {"To", "From", "ParentCallSid", "Status", *times, "PageSize", "Page", "PageToken"}
    listed = operation["responses"]["200"]["content"]["application/json"]["schema"]
    assert set(listed["properties"]["calls"]["items"]["properties"]) == set(CALLS.answer)


async def test_the_description_knows_what_a_create_and_an_update_take_and_how_they_are_answered(
    api: Installation,
) -> None:
    """S98, S105."""
    paths = (await api.acme.get("/openapi.json")).json["paths"]
    for path, verb, status, parameters in (
        ("Calls.json", "createCall", "201", call_parameters.CREATE),
        ("Calls/{sid}.json", "updateCall", "200", call_parameters.UPDATE),
    ):
        operation = paths[f"/2010-04-01/Accounts/{{account_sid}}/{path}"]["post"]
        (form,) = operation["requestBody"]["content"].values()
        assert operation["operationId"] == verb
        assert list(form["schema"]["properties"]) == [each.name for each in parameters]
        answer = operation["responses"][status]["content"]["application/json"]["schema"]
        assert set(answer["properties"]) == set(CALLS.answer)
    making = paths["/2010-04-01/Accounts/{account_sid}/Calls.json"]["post"]
    assert "429" in making["responses"]
    assert making["requestBody"]["content"]["application/x-www-form-urlencoded"]["schema"]["required"] == [
        "To",
        "From",
    ]


# --- the official client ------------------------------------------------------------------------------------


async def test_the_official_client_lists_and_fetches_calls_as_typed_values(api: Installation) -> None:
    await recorded(api, talked(a_call(1)), a_call(2, NOW + HOUR))
    client = sdk(api)
    found = await client.calls.list_async(start_time_after=datetime.fromtimestamp(NOW + 60, UTC))
    assert [call.sid for call in found] == [sid(2)]
    assert await client.calls.list_async(start_time=date(2025, 10, 8)) == []
    assert len(await client.calls.list_async(end_time_before=datetime.fromtimestamp(NOW + 60, UTC))) == 2
    call = await client.calls(sid(1)).fetch_async()
    assert (call.status, call.duration, call.direction, call.to) == ("completed", "12", "inbound", "+14158675309")
    assert call.start_time == datetime.fromtimestamp(NOW, UTC)
    assert call.date_created.tzinfo is not None
    assert (call.price, call.price_unit, call.queue_time) == (None, "USD", "0")


async def test_the_official_client_reads_calls_over_pages_and_deletes_one(api: Installation) -> None:
    await recorded(api, *(talked(a_call(number, NOW + number)) for number in range(7)))
    client = sdk(api)
    found = await client.calls.list_async(page_size=4, limit=14)
    assert len({call.sid for call in found}) == 14
    assert await client.calls(sid(3)).delete_async() is True
    assert len(await client.calls.list_async()) == 13
