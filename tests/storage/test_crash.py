"""What the records say after the process was killed, the disk was full, or both."""

import contextlib
import errno
import json
import os
import resource
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from byoc_proxy.storage import live
from byoc_proxy.storage.live import INTERRUPTED, LiveCalls
from byoc_proxy.storage.record import AttemptRecord, CallRecord
from byoc_proxy.storage.store import RecordFile
from tests.storage.test_store import WALL, a_record, lines


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "calls.jsonl"


def up(sid: str = "CA1", *, answered: float | None = None) -> CallRecord:
    """The record of a call that is up: received at WALL, answered some seconds later."""
    record = a_record(sid)
    record.stages["received"] = WALL
    if answered is not None:
        record.stages["answered"] = WALL + answered
        record.status, record.sip_status = "in-progress", 200
    return record


def restarted(path: Path) -> list[str]:
    """A start that finds what another process left; which calls it says were interrupted."""
    store = RecordFile(path)
    interrupted = store.recover()
    store.close()
    return interrupted


def beside(path: Path) -> Path:
    return path.with_name("calls.jsonl.live")


def test_a_call_that_was_up_gets_a_record_that_says_so_at_the_next_start(path: Path) -> None:
    store = RecordFile(path)
    store.keep(up("CA1"))
    store.keep(up("CA1", answered=2.5))
    store.alive(WALL + 62.75)
    store.close()  # as the kernel does it for a process that is killed
    assert restarted(path) == ["CA1"]
    record = lines(path)[0]
    told = ("call_sid", "from", "to", "trunk_sid", "status", "sip_status", "cause", "ended_by", "duration")
    assert [record[name] for name in told] == [
        *("CA1", "+1", "+2", "BY1"),
        *("failed", 200, INTERRUPTED, "proxy", 60.25),
    ]
    assert record["stages"] == {
        "received": "2025-10-09T08:53:20.000Z",
        "answered": "2025-10-09T08:53:22.500Z",
        "ended": "2025-10-09T08:54:22.750Z",
    }


def test_a_call_that_still_rang_lasted_nothing(path: Path) -> None:
    store = RecordFile(path)
    record = up("CA1")
    record.attempts.append(AttemptRecord("CA2", "sip:gw", WALL, duration=17.5))
    store.keep(record)
    store.alive(WALL + 5)
    store.close()
    restarted(path)
    written: dict[str, Any] = lines(path)[0]
    assert written["duration"] == 0.0
    assert written["attempts"][0]["outcome"] == "interrupted"
    assert written["attempts"][0]["duration"] is None


def test_a_call_that_ended_has_one_record_and_no_second_one_after_a_crash(path: Path) -> None:
    store = RecordFile(path)
    for sid in ("CA1", "CA2"):
        store.keep(up(sid))
    store.add(a_record("CA1", status="completed"))
    store.close()
    assert restarted(path) == ["CA2"]
    assert [(line["call_sid"], line["status"]) for line in lines(path)] == [("CA1", "completed"), ("CA2", "failed")]


def test_a_crash_is_told_once_and_not_again_at_every_start(path: Path) -> None:
    store = RecordFile(path)
    store.keep(up())
    store.close()
    assert [restarted(path) for _ in range(3)] == [["CA1"], [], []]
    assert len(lines(path)) == 1


def test_a_process_killed_between_the_record_and_its_note_leaves_one_record(path: Path) -> None:
    store = RecordFile(path)
    store.keep(up("CA1"))
    noted = beside(path).read_bytes()
    store.add(a_record("CA1", status="completed"))
    store.close()
    beside(path).write_bytes(noted)
    assert restarted(path) == []
    assert [line["status"] for line in lines(path)] == ["completed"]
    assert beside(path).read_bytes() == b""


@pytest.mark.parametrize("torn", range(1, 40, 3))
def test_a_torn_last_line_of_the_live_calls_hides_only_itself(path: Path, torn: int) -> None:
    store = RecordFile(path)
    for sid in ("CA1", "CA2"):
        store.keep(up(sid))
    store.add(a_record("CA1"))
    store.close()
    over = beside(path).read_bytes().rpartition(b"\n")[0]
    beside(path).write_bytes(over + b'\n{"call_sid":"CA3","account_sid":"AC1","trunk'[:torn])
    assert restarted(path) == ["CA2"]


def test_a_torn_record_makes_place_for_the_next_one_and_its_call_is_told_as_interrupted(path: Path) -> None:
    store = RecordFile(path)
    store.keep(up("CA1"))
    store.add(a_record("CA0"))
    store.close()
    with path.open("ab") as file:
        file.write(b'{"call_sid":"CA1","account_sid":"AC1","trunk_s')
    assert restarted(path) == ["CA1"]
    assert [line["call_sid"] for line in lines(path)] == ["CA0", "CA1"]


@pytest.mark.parametrize("tail", [b'{"call_sid":"CA0"}', b"somebody's own line"])
def test_a_last_line_without_its_end_is_ended_and_not_lost(path: Path, tail: bytes) -> None:
    path.write_bytes(tail)
    store = RecordFile(path)
    store.add(a_record("CA1"))
    store.close()
    before, after = path.read_bytes().splitlines()
    assert before == tail
    assert json.loads(after)["call_sid"] == "CA1"


def test_two_processes_never_write_the_same_records(path: Path) -> None:
    store = RecordFile(path)
    with pytest.raises(BlockingIOError, match="another process has it"):
        RecordFile(path)
    store.keep(up())
    store.reopen()  # which puts another file in the place of the locked one
    with pytest.raises(BlockingIOError):
        RecordFile(path)
    store.close()
    assert restarted(path) == ["CA1"]


def test_after_a_rotation_of_both_files_the_live_calls_are_still_known(path: Path) -> None:
    store = RecordFile(path)
    store.keep(up("CA1"))
    for file in (path, beside(path)):
        file.rename(file.with_suffix(".1"))
    store.reopen()
    store.close()
    assert restarted(path) == ["CA1"]


def test_the_file_of_live_calls_stays_as_small_as_there_are_few(path: Path) -> None:
    store = RecordFile(path)
    store.keep(up("CA-long"))
    for number in range(3000):
        store.keep(up(f"CA{number}"))
        store.add(a_record(f"CA{number}"))
    assert len(beside(path).read_bytes().splitlines()) < 2100
    store.close()
    assert restarted(path) == ["CA-long"]


def test_what_is_written_where_records_cannot_be_read_back_is_written_as_before(tmp_path: Path) -> None:
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    reader = os.open(pipe, os.O_RDONLY | os.O_NONBLOCK)
    store = RecordFile(pipe)
    store.keep(up("CA1"))
    assert store.recover() == []
    store.add(a_record("CA1"))
    store.reopen()
    store.close()
    assert json.loads(os.read(reader, 65536))["call_sid"] == "CA1"
    assert list(tmp_path.iterdir()) == [pipe]
    os.close(reader)


@contextlib.contextmanager
def room(size: int) -> Iterator[None]:
    """No file can grow beyond `size` bytes: a write up to there is cut short, the next one fails."""
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))


def kept(calls: LiveCalls, *sids: str) -> list[bool]:
    """Which of these calls the file of live calls says that it has."""
    return [taken(calls.keep, up(sid)) for sid in sids]


def taken(write: Callable[[CallRecord], None], record: CallRecord) -> bool:
    """Whether there was room for a record."""
    try:
        write(record)
    except OSError as error:
        return error.errno not in (errno.ENOSPC, errno.EFBIG)
    return True


def test_a_full_disk_refuses_a_record_as_a_whole_and_never_a_half(path: Path) -> None:
    store = RecordFile(path)
    with room(3000):
        fits = [taken(store.add, a_record(f"CA{number}")) for number in range(9)]
    store.add(a_record("CA9"))
    store.close()
    assert 1 <= fits.count(True) < 9
    assert [line["call_sid"] for line in lines(path)] == [*(f"CA{n}" for n in range(9) if fits[n]), "CA9"]


def test_live_calls_that_found_no_room_are_kept_once_there_is_some(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    calls = LiveCalls(beside(path))
    with room(700):
        assert kept(calls, "CA0", "CA1", "CA2") == [True, False, False]
    monkeypatch.setattr(live, "_PATIENCE", 0)
    assert kept(calls, "CA3") == [True]
    calls.close()
    left = LiveCalls(beside(path))
    assert [each["call_sid"] for each in left.interrupted] == ["CA0", "CA1", "CA2", "CA3"]
    left.close()


def test_what_could_not_be_told_at_one_start_is_told_at_the_next(path: Path) -> None:
    store = RecordFile(path)
    store.keep(up("CA1"))
    store.close()
    store = RecordFile(path)
    with room(0), pytest.raises(OSError, match="too large"):
        store.recover()
    store.keep(up("CA2"))
    store.close()
    assert restarted(path) == ["CA1", "CA2"]
