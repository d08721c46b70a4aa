"""A call as rows of the table, from its record and from its line in the records file."""

import json
from typing import Any

import pytest

from byoc_proxy.storage.call_rows import call_rows
from byoc_proxy.storage.lines import line_of
from byoc_proxy.storage.plain import plain
from byoc_proxy.storage.record import CallRecord, LegRecord
from byoc_proxy.storage.reread import reread
from byoc_proxy.storage.tables import calls
from tests.storage.test_store import WALL, a_record

NODE = "host/udp:5060"


def a_call() -> CallRecord:
    """Received at WALL, answered by the second of two legs after three seconds, over after another twelve."""
    record = a_record("CA1", status="completed", cause="BYE", caller_name="Ann")
    record.stages = {"received": WALL, "answered": WALL + 3.0, "ended": WALL + 15.25}
    record.duration = 12.25
    record.legs = [
        LegRecord("CA2", "BY1", "+1", "+2", WALL + 0.5, "busy", None, WALL + 1),
        LegRecord("CA3", None, "+1", "sip:bob@198.51.100.1", WALL + 1, "completed", WALL + 3, WALL + 15.2),
    ]
    return record


def test_the_first_row_is_the_callers_leg_and_the_others_name_it_as_their_parent() -> None:
    first, *legs = call_rows(a_call(), NODE, WALL + 20, "the line")
    assert first == {
        "sid": "CA1",
        "account_sid": "AC1",
        "parent_call_sid": None,
        "trunk_sid": "BY1",
        "domain_sid": "SD1",
        "from": "+1",
        "to": "+2",
        "caller_name": "Ann",
        "status": "completed",
        "direction": "inbound",
        "start_time": WALL,
        "end_time": WALL + 15.25,
        "duration": 12,
        "queue_time": 0,
        "cause": "BYE",
        "node": NODE,
        "record": "the line",
        "owed": None,
        "date_created": 1_760_000_000,
        "date_updated": 1_760_000_020,
    }
    assert [(leg["sid"], leg["parent_call_sid"], leg["direction"], leg["status"]) for leg in legs] == [
        ("CA2", "CA1", "outbound-dial", "busy"),
        ("CA3", "CA1", "outbound-dial", "completed"),
    ]
    assert [(leg["trunk_sid"], leg["to"], leg["duration"]) for leg in legs] == [
        ("BY1", "+2", None),
        (None, "sip:bob@198.51.100.1", 12),
    ]
    assert {(leg["record"], leg["domain_sid"]) for leg in legs} == {(None, None)}


def test_every_row_has_every_column_that_the_table_does_not_fill_itself() -> None:
    for row in call_rows(a_call(), NODE, WALL):
        assert {*row, "id"} == set(calls.columns.keys())


def test_a_call_that_rings_has_neither_end_nor_duration() -> None:
    record = a_record()
    record.stages["received"] = WALL
    record.legs.append(LegRecord("CA2", "BY1", "+1", "+2", WALL))
    assert [(row["status"], row["end_time"], row["duration"]) for row in call_rows(record, NODE, WALL)] == [
        ("ringing", None, None),
        ("ringing", None, None),
    ]


def test_a_call_that_nobody_answered_has_no_duration() -> None:
    record = a_record(status="busy")
    record.stages = {"received": WALL, "ended": WALL + 5}
    (row,) = call_rows(record, NODE, WALL + 5)
    assert (row["end_time"], row["duration"]) == (WALL + 5, None)


def test_a_line_of_the_records_file_makes_the_rows_that_the_record_made() -> None:
    record = a_call()
    again = reread(json.loads(line_of(record.as_dict())))
    assert again is not None
    assert call_rows(again, NODE, WALL, "x") == call_rows(record, NODE, WALL, "x")


@pytest.mark.parametrize(
    "line",
    [
        {},
        {"call_sid": "CA1"},
        {**a_record("CA1").as_dict(), "stages": {"received": "2025-10-09T08:53:20.000Z"}},
        {**a_record("CA1").as_dict(), "stages": {"ended": "yesterday"}},
        {**a_record("CA1").as_dict(), "stages": ["ended"]},
        {**a_record("CA1").as_dict(), "legs": [1]},
    ],
)
def test_a_line_that_is_no_record_of_a_call_that_is_over_is_none(line: dict[str, Any]) -> None:
    assert reread(line) is None


@pytest.mark.parametrize(
    ("text", "kept"),
    [
        ("Ann", "Ann"),
        ("Zoë \N{SNOWMAN}\N{CALL ME HAND}", "Zoë \N{SNOWMAN}\N{CALL ME HAND}"),
        (b"Occup\xe9".decode("utf-8", "surrogateescape"), "Occup\ufffd"),
        ("a\0b", "a\ufffdb"),
        ("\ud83d", "\ufffd"),
    ],
)
def test_text_of_any_bytes_is_kept_as_valid_text(text: str, kept: str) -> None:
    assert plain(text) == kept
