"""Where records go: memory, nowhere, or a file of JSON lines."""

import json
from pathlib import Path

import pytest

from byoc_proxy.storage.record import AttemptRecord, CallRecord, EventRecord, WebhookRecord, timestamp
from byoc_proxy.storage.store import MemoryStore, NoStore, RecordFile

WALL = 1_760_000_000.0


def a_record(sid: str = "CA1", **fields: str | int) -> CallRecord:
    whose = ("AC1", "BY1", "Acme", "SD1", "acme.sip.example.test", "us1")
    record = CallRecord(sid, *whose, "inbound", "+1", "+2", "UDP 203.0.113.8:5060", "a@b")
    for name, value in fields.items():
        setattr(record, name, value)
    return record


def lines(path: Path) -> list[dict[str, object]]:
    return [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]


def test_memory_keeps_the_newest_revision_of_each_call() -> None:
    store = MemoryStore()
    store.add(a_record("CA1"))
    store.add(a_record("CA2"))
    store.add(a_record("CA1", revision=2))
    store.close()
    assert {sid: record.revision for sid, record in store.records.items()} == {"CA1": 2, "CA2": 1}


def test_a_node_without_a_place_for_records_keeps_none() -> None:
    store = NoStore()
    store.add(a_record())
    store.close()


def test_each_record_is_one_whole_line_on_the_disk_at_once(tmp_path: Path) -> None:
    path = tmp_path / "calls.jsonl"
    store = RecordFile(path)
    store.add(a_record("CA1", cause="one\nline \u2028 only"))
    assert [line["call_sid"] for line in lines(path)] == ["CA1"]
    store.add(a_record("CA2"))
    assert [line["call_sid"] for line in lines(path)] == ["CA1", "CA2"]
    assert path.read_bytes().count(b"\n") == 2
    store.close()


def test_a_restart_goes_on_at_the_end_of_the_file(tmp_path: Path) -> None:
    path = tmp_path / "calls.jsonl"
    for sid in ("CA1", "CA2"):
        store = RecordFile(path)
        store.add(a_record(sid))
        store.close()
    assert [line["call_sid"] for line in lines(path)] == ["CA1", "CA2"]


def test_after_a_rotation_a_new_file_takes_the_records(tmp_path: Path) -> None:
    path, old = tmp_path / "calls.jsonl", tmp_path / "calls.jsonl.1"
    store = RecordFile(path)
    store.add(a_record("CA1"))
    path.rename(old)
    store.reopen()
    store.add(a_record("CA2"))
    store.close()
    assert [line["call_sid"] for line in lines(old) + lines(path)] == ["CA1", "CA2"]


def test_a_file_that_cannot_be_opened_is_an_error_at_start(tmp_path: Path) -> None:
    with pytest.raises(OSError, match="missing"):
        RecordFile(tmp_path / "missing" / "calls.jsonl")


def test_a_reason_phrase_that_is_no_utf_8_does_not_break_the_file(tmp_path: Path) -> None:
    path = tmp_path / "calls.jsonl"
    store = RecordFile(path)
    store.add(a_record(cause=b"Occup\xe9".decode("utf-8", "surrogateescape")))
    store.close()
    assert len(lines(path)) == 1


def test_a_record_is_published_under_from_and_to_with_times_in_utc() -> None:
    record = a_record()
    record.stages["received"] = WALL
    record.webhooks.append(WebhookRecord("http://app.example.test/voice", "POST", WALL, 0.25))
    record.attempts.append(AttemptRecord("CA2", "sip:gw", WALL + 0.5))
    record.events.append(EventRecord(32400, "BYOC Trunk routing failure", WALL + 1))
    written = json.loads(json.dumps(record.as_dict()))
    assert (written["from"], written["to"]) == ("+1", "+2")
    assert "caller" not in written
    assert "called" not in written
    assert written["stages"] == {"received": "2025-10-09T08:53:20.000Z"}
    assert written["webhooks"][0]["started_at"] == "2025-10-09T08:53:20.000Z"
    assert written["attempts"][0]["started_at"] == "2025-10-09T08:53:20.500Z"
    assert written["events"][0]["at"] == "2025-10-09T08:53:21.000Z"


@pytest.mark.parametrize(
    ("wall", "text"), [(0.0, "1970-01-01T00:00:00.000Z"), (1.0006, "1970-01-01T00:00:01.000Z")]
)
def test_a_moment_is_iso_8601_in_utc_with_milliseconds(wall: float, text: str) -> None:
    assert timestamp(wall) == text
