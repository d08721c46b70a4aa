"""Status callbacks that wait: as values, in the table, after a crash, and when the database was away."""

import json
from collections.abc import Sequence
from contextlib import closing
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import select

from byoc_proxy.storage.both import FileAndDatabase
from byoc_proxy.storage.database import Database
from byoc_proxy.storage.database_records import DatabaseRecords
from byoc_proxy.storage.notice import End, Notice, NoticeLedger, Subscription
from byoc_proxy.storage.notice_table import write_notices
from byoc_proxy.storage.store import RecordFile
from byoc_proxy.storage.succession import SILENCE
from byoc_proxy.storage.tables import calls, notices
from tests.storage.test_database_records import NODE, Clock, Flaky, ended, records, ringing, running, until, written
from tests.storage.test_store import WALL
from tests.support.databases import Log

pytestmark = pytest.mark.store

URL = "https://app.example.test/status"
CALL = "CA" + "0" * 31 + "1"
ALL = ("initiated", "ringing", "answered", "completed")


def subscribed(call_sid: str = CALL, events: tuple[str, ...] = ALL) -> Subscription:
    parameters = (("CallSid", call_sid), ("CallStatus", "ringing"), ("From", "+1"))
    return Subscription(call_sid, "AC1", URL, "POST", events, parameters, "json")


def a_notice(event: str = "initiated", call_sid: str = CALL) -> Notice:
    return subscribed(call_sid).notice(event, event, WALL)


class Heir:
    """Takes what it is handed, each once."""

    def __init__(self, book: NoticeLedger) -> None:
        self.got: dict[str, Notice] = {}
        book.follow(self._take)

    def _take(self, found: Sequence[Notice]) -> None:
        self.got |= {each.token: each for each in found if each.token not in self.got}

    def told(self) -> list[tuple[str, str, str]]:
        """CallSid's last digit, CallStatus and SequenceNumber."""
        told = (dict(each.parameters) for each in self.got.values())
        return [(each["CallSid"][-1], each["CallStatus"], each["SequenceNumber"]) for each in told]


async def table(database: Database) -> list[dict[str, Any]]:
    async with database.reading() as connection:
        found = await connection.execute(select(notices).order_by(notices.c.id))
        return [dict(row) for row in found.mappings()]


async def statuses(database: Database) -> list[str]:
    return [dict(json.loads(row["parameters"]))["CallStatus"] for row in await table(database)]


async def restarted(database: Database, now: float = WALL + 500, **options: Any) -> tuple[DatabaseRecords, Heir]:
    """The next process of the same name, after its first look at the database."""
    after = records(database, clock=Clock(now), **options)
    heir = Heir(after.notices)
    await written(after)
    return after, heir


# --- values ------------------------------------------------------------------------------------------------


def test_a_callback_has_the_parameters_of_the_call_and_of_its_progress() -> None:
    subscription = subscribed()
    first, last = (
        subscription.notice("initiated", "initiated", WALL),
        subscription.notice("completed", "completed", WALL + 62, End(60.5, 200)),
    )
    at = datetime.fromtimestamp(WALL, UTC).strftime("%a, %d %b %Y %H:%M:%S +0000")
    assert dict(first.parameters) == {
        "CallSid": CALL,
        "CallStatus": "initiated",
        "From": "+1",
        "Timestamp": at,
        "CallbackSource": "call-progress-events",
        "SequenceNumber": "0",
    }
    told = dict(last.parameters)
    assert (told["CallStatus"], told["SequenceNumber"], told["SipResponseCode"]) == ("completed", "1", "200")
    assert (told["CallDuration"], told["Duration"]) == ("60", "1")


@pytest.mark.parametrize(
    ("seconds", "minutes"), [(0.0, "0"), (0.9, "0"), (1.0, "1"), (60.0, "1"), (61.0, "2"), (3599.0, "60")]
)
def test_a_minute_that_has_begun_counts(seconds: float, minutes: str) -> None:
    told = subscribed().notice("completed", "completed", WALL, End(seconds, None))
    assert dict(told.parameters)["Duration"] == minutes
    assert "SipResponseCode" not in dict(told.parameters)


def test_an_event_of_a_call_has_one_token_whoever_sends_it_and_two_events_have_two() -> None:
    tokens = {event: {subscribed().notice(event, "x", WALL + n).token for n in range(3)} for event in ALL}
    assert [len(each) for each in tokens.values()] == [1, 1, 1, 1]
    assert len(set.union(*tokens.values(), {a_notice("initiated", CALL[:-1] + "2").token})) == 5


def test_what_a_live_call_owes_is_its_end_if_somebody_wants_to_hear_it() -> None:
    subscription = subscribed()
    subscription.notice("initiated", "initiated", WALL)
    line = subscription.owed()
    assert line is not None
    last = Subscription.read(CALL, "AC1", line).notice("completed", "failed", WALL, End(0, None))
    assert (dict(last.parameters)["CallStatus"], dict(last.parameters)["SequenceNumber"]) == ("failed", "1")
    assert subscribed(events=("ringing",)).owed() is None


# --- the table ---------------------------------------------------------------------------------------------


async def test_a_notice_is_in_the_table_until_it_is_settled(database: Database) -> None:
    store = records(database)
    notice = a_notice()
    store.notices.keep(notice)
    await store.flush(5)
    (row,) = await table(database)
    assert (row["token"], row["call_sid"], row["account_sid"]) == (notice.token, CALL, "AC1")
    assert (row["url"], row["method"], row["body_format"], row["node"]) == (URL, "POST", "json", NODE)
    assert (row["made_at"], [tuple(pair) for pair in json.loads(row["parameters"])]) == (WALL, notice.parameters)
    store.notices.settle(notice)
    await store.flush(5)
    assert await table(database) == []
    assert not store.notices


async def test_what_is_delivered_before_it_is_written_is_never_written(database: Database) -> None:
    flaky = Flaky(database)
    store = records(flaky)
    await written(store)
    flaky.asked = 0
    store.notices.keep(a_notice())
    store.notices.settle(a_notice())
    await store.flush(5)
    assert flaky.asked == 0


async def test_what_is_settled_while_it_is_written_does_not_stay_in_the_table(database: Database) -> None:
    store = records(database)
    notice = a_notice()
    store.notices.keep(notice)
    batch = store.notices.batch(10, NODE)
    store.notices.settle(notice)
    store.notices.written(batch)
    assert [row["token"] for row in store.notices.batch(10, NODE) if "settled" in row] == [notice.token]


async def test_text_of_any_kind_in_a_callback_survives(database: Database) -> None:
    notice = a_notice()._replace(
        url=f"{URL}?n=\N{SNOWMAN}\0", parameters=[("SipHeader_X-Name", "Zo\xeb \N{SNOWMAN} \0 \ud83d")]
    )
    store = records(database)
    store.notices.keep(notice)
    await store.flush(5)
    _, heir = await restarted(database)
    (found,) = heir.got.values()
    assert found.parameters == notice.parameters
    assert found.url == f"{URL}?n=\N{SNOWMAN}\ufffd"


async def test_more_than_fit_into_a_transaction_are_all_written_and_taken_out(database: Database) -> None:
    store = records(database)
    many = [a_notice("initiated", f"CA{number:032x}") for number in range(503)]
    for notice in many:
        store.notices.keep(notice)
    await store.flush(20)
    assert [row["call_sid"] for row in await table(database)] == [notice.call_sid for notice in many]
    for notice in many:
        store.notices.settle(notice)
    await store.flush(20)
    assert await table(database) == []


# --- after a crash -----------------------------------------------------------------------------------------


async def test_what_a_killed_process_had_to_deliver_is_delivered_by_the_next_in_the_same_order(
    database: Database,
) -> None:
    killed = records(database)
    subscription = subscribed()
    sent = [subscription.notice(event, event, WALL) for event in ALL]
    for notice in sent:
        killed.notices.keep(notice)
    await killed.flush(5)
    killed.notices.settle(sent[0])  # delivered, and killed before that was written down: it is delivered again
    after, heir = await restarted(database)
    assert heir.told() == [("1", event, str(number)) for number, event in enumerate(ALL)]
    for notice in heir.got.values():
        after.notices.settle(notice)
    await after.flush(5)
    assert await table(database) == []


async def test_the_subscriber_of_a_call_that_was_up_is_told_that_it_failed(database: Database) -> None:
    clock = Clock()
    killed = records(database, clock=clock)
    subscription = subscribed()
    killed.notices.subscriptions[CALL] = subscription
    killed.notices.settle(subscription.notice("initiated", "initiated", WALL))
    subscription.answered_at = WALL + 2
    killed.keep(ringing(1))
    clock.now = WALL + 63
    await killed.flush(5)
    _, heir = await restarted(database)
    assert heir.told() == [("1", "failed", "1")]
    (last,) = heir.got.values()
    told = dict(last.parameters)
    assert (told["CallDuration"], told["Duration"], told["SipResponseCode"]) == ("61", "2", "200")
    assert last.body_format == "json"
    assert last.token == subscribed().notice("completed", "completed", WALL).token
    assert await statuses(database) == ["failed"]
    _, again = await restarted(database)
    assert again.told() == [("1", "failed", "1")]  # from the table: it owes nothing any more


async def test_the_subscriber_of_a_call_that_was_promised_and_never_made_is_told_that_it_failed(
    database: Database,
) -> None:
    killed = records(database)
    await written(killed)
    record = ringing(1)
    record.status, record.owed = "queued", subscribed().owed()
    await killed.settle(record)
    _, heir = await restarted(database)
    assert heir.told() == [("1", "failed", "0")]


async def test_what_a_crash_found_in_the_table_is_not_told_a_second_time_in_other_words(database: Database) -> None:
    killed = records(database)
    subscription = killed.notices.subscriptions[CALL] = subscribed()
    killed.keep(ringing(1))
    await killed.flush(5)
    killed.notices.keep(subscription.notice("completed", "busy", WALL + 5, End(0, 486)))
    async with database.recording() as connection:  # the very moment between the callback and the row of its call
        await write_notices(connection, killed.notices.batch(10, NODE))
    _, heir = await restarted(database)
    assert heir.told() == [("1", "busy", "0")]


async def test_a_call_that_the_records_file_knows_the_end_of_is_told_to_have_ended_so(
    database: Database, tmp_path: Path
) -> None:
    with closing(RecordFile(tmp_path / "calls.jsonl")) as file:
        before = records(database)
        before.notices.subscriptions[CALL] = subscribed()
        FileAndDatabase(file, before).keep(ringing(1))
        await before.flush(5)
        file.add(ended(1, WALL + 20))  # the process was killed before the database had it
        _, heir = await restarted(database, latest=lambda: file.latest(1 << 20))
    assert heir.told() == [("1", "completed", "0")]
    (last,) = heir.got.values()
    assert dict(last.parameters)["CallDuration"] == "18"


async def test_a_call_that_is_over_owes_nothing(database: Database) -> None:
    store = records(database)
    store.notices.subscriptions[CALL] = subscribed()
    store.keep(ringing(1))
    await store.flush(5)
    del store.notices.subscriptions[CALL]
    store.add(ended(1))
    await store.flush(5)
    async with database.reading() as connection:
        assert (await connection.scalars(select(calls.c.owed))).all() == [None]
    _, heir = await restarted(database)
    assert heir.got == {}


async def test_what_a_silent_node_had_to_deliver_is_delivered_by_another_one(database: Database) -> None:
    clock = Clock()
    one, two = records(database, "one", clock), records(database, "two", clock)
    heir = Heir(two.notices)
    one.notices.subscriptions[CALL] = subscribed()
    one.keep(ringing(1))
    one.notices.keep(a_notice("initiated", CALL[:-1] + "2"))
    await one.flush(5)
    await written(two)
    assert heir.got == {}
    clock.now += SILENCE + 1
    await written(two)
    assert heir.told() == [("2", "initiated", "0"), ("1", "failed", "0")]
    assert [row["node"] for row in await table(database)] == ["two", "two"]


# --- a database that is away -------------------------------------------------------------------------------


async def test_a_database_that_is_away_loses_no_callback_and_brings_none_back(database: Database) -> None:
    flaky, log = Flaky(database), Log()
    store = records(flaky, log=log)
    heir = Heir(store.notices)
    early, late = a_notice("initiated"), a_notice("ringing")
    async with running(store):
        store.notices.keep(early)
        await until(lambda: statuses(database), ["initiated"])
        flaky.away = True
        store.notices.settle(early)
        store.notices.keep(late)
        await until(lambda: _told(log), ["records.behind"])
        flaky.away = False
        await until(lambda: statuses(database), ["ringing"])
    assert early.token not in heir.got


async def _told(log: Log) -> list[str]:
    return [name for _, name, _ in log.lines]


async def test_one_whose_commit_was_not_answered_is_taken_out_all_the_same(database: Database) -> None:
    flaky = Flaky(database)
    store = records(flaky)
    await written(store)
    notice = a_notice()
    store.notices.keep(notice)
    store.notices.batch(10, NODE)  # and then the connection was lost: nobody knows whether it was written
    store.notices.settle(notice)
    assert [row["token"] for row in store.notices.batch(10, NODE) if "settled" in row] == [notice.token]
