"""Coded events become rows, and noise is bounded."""

import re
from itertools import count
from pathlib import Path

from byoc_proxy.storage.alerts import MOST_WAITING, ROWS_A_MINUTE, Alert, AlertLedger
from byoc_proxy.storage.levels import WARNINGS

WALL = 1_760_000_000.0
PAGE = Path(__file__).resolve().parents[2] / "docs" / "response-codes.md"


class Clock:
    def __init__(self) -> None:
        self.now = WALL

    def __call__(self) -> float:
        return self.now


def a_ledger(clock: Clock | None = None) -> AlertLedger:
    numbers = count(1)
    return AlertLedger(lambda: f"NO{next(numbers):032x}", clock or Clock())


def not_listed(source: str = "203.0.113.8", account: str = "AC1") -> Alert:
    return Alert(account, 32201, "Authentication failure - source IP Address not in ACL", "SD1", source)


def test_an_alert_is_a_row_with_its_code_level_and_text() -> None:
    ledger = a_ledger()
    ledger.note(Alert("AC1", 11200, "status 404", "CA1", "203.0.113.8", "http://app.example.test/voice", "POST"))
    assert ledger.batch(10) == [
        {
            "sid": f"NO{1:032x}",
            "account_sid": "AC1",
            "resource_sid": "CA1",
            "error_code": 11200,
            "log_level": "error",
            "alert_text": "status 404",
            "request_url": "http://app.example.test/voice",
            "request_method": "POST",
            "source": "203.0.113.8",
            "count": 1,
            "date_created": 1_760_000_000,
            "date_updated": 1_760_000_000,
        }
    ]


def test_equal_alerts_within_a_minute_are_one_row_with_a_count() -> None:
    clock = Clock()
    ledger = a_ledger(clock)
    for _ in range(3):
        ledger.note(not_listed())
        clock.now += 10
    ledger.note(not_listed("203.0.113.9"))
    assert [(row["source"], row["count"]) for row in ledger.batch(10)] == [("203.0.113.8", 3), ("203.0.113.9", 1)]
    assert ledger.batch(10)[0]["date_updated"] == WALL + 20
    clock.now = WALL + 61
    ledger.note(not_listed())
    assert [row["count"] for row in ledger.batch(10)] == [3, 1, 1]


def test_of_one_code_an_account_gets_so_many_rows_a_minute_and_one_that_counts_the_rest() -> None:
    ledger = a_ledger()
    for number in range(ROWS_A_MINUTE + 500):
        ledger.note(not_listed(f"198.51.100.{number}"))
    ledger.note(not_listed(account="AC2"))
    ledger.note(Alert("AC1", 32208, "Secure media required", "SD1", "203.0.113.8"))
    rows = ledger.batch(1000)
    assert len(rows) == ROWS_A_MINUTE + 3
    rest = rows[ROWS_A_MINUTE]
    assert (rest["error_code"], rest["count"], rest["resource_sid"], rest["source"]) == (32201, 500, "AC1", "")
    assert "is counted here" in rest["alert_text"]
    assert [row["count"] for row in rows[-2:]] == [1, 1]  # another account and another code are not hidden by it


def test_a_row_that_is_written_waits_no_more_unless_it_has_changed_meanwhile() -> None:
    ledger = a_ledger()
    ledger.note(not_listed("203.0.113.8"))
    ledger.note(not_listed("203.0.113.9"))
    rows = ledger.batch(10)
    ledger.note(not_listed("203.0.113.9"))
    ledger.written(rows)
    assert [(row["source"], row["count"]) for row in ledger.batch(10)] == [("203.0.113.9", 2)]
    ledger.note(not_listed("203.0.113.8"))  # the same row, once more
    assert [(row["sid"], row["count"]) for row in ledger.batch(10)] == [
        (f"NO{2:032x}", 2),
        (f"NO{1:032x}", 2),
    ]


def test_rows_that_wait_for_a_database_are_bounded_and_the_oldest_are_dropped() -> None:
    clock = Clock()
    ledger = a_ledger(clock)
    for number in range(MOST_WAITING + 7):
        clock.now += 61
        ledger.note(not_listed(f"{number}"))
    assert len(ledger) == MOST_WAITING
    assert ledger.dropped == 7
    assert ledger.batch(1)[0]["source"] == "7"


def test_a_row_that_was_dropped_while_it_was_being_written_is_no_surprise() -> None:
    clock = Clock()
    ledger = a_ledger(clock)
    ledger.note(not_listed("first"))
    rows = ledger.batch(1)
    for number in range(MOST_WAITING):
        clock.now += 61
        ledger.note(not_listed(f"{number}"))
    ledger.written(rows)
    assert len(ledger) == MOST_WAITING


def test_a_clock_that_is_set_back_does_not_stop_alerts() -> None:
    clock = Clock()
    ledger = a_ledger(clock)
    ledger.note(not_listed())
    clock.now -= 3600
    ledger.note(not_listed())
    assert [row["count"] for row in ledger.batch(10)] == [1, 1]


def test_a_text_of_a_stranger_is_cut_and_is_text() -> None:
    ledger = a_ledger()
    ledger.note(Alert("AC1", 32101, "\0\udce9" + "x" * 5000, "SD1", "203.0.113.8"))
    text = ledger.batch(1)[0]["alert_text"]
    assert len(text) == 1000
    assert text.startswith("\ufffd\ufffdx")


def test_the_level_of_a_code_is_that_of_the_page() -> None:
    codes = PAGE.read_text(encoding="utf-8").partition("## Codes in records")[2]
    marked = [line for line in codes.splitlines() if re.match(r"\| [\d, ]+ \| warnings?\b", line)]
    assert {int(code) for line in marked for code in re.findall(r"\b\d{5}\b", line.split("|")[1])} == WARNINGS
