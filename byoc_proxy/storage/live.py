"""The calls that are up, on the disk: what the next start knows of them if this process is killed.

The file has three kinds of lines: a call's record as it stands, `{"over": CallSid}` when the call has its place in
the records, and `{"alive": moment}` now and then. It is written anew, with the live calls only, when most of its
lines are about calls that are over. The file also is the lock that keeps a second process from the same records.
"""

from __future__ import annotations

import contextlib
import fcntl
import os
from datetime import datetime
from typing import TYPE_CHECKING, Any, Final

from byoc_proxy.storage.lines import line_of, objects, write_whole
from byoc_proxy.storage.record import timestamp

if TYPE_CHECKING:
    from pathlib import Path

    from byoc_proxy.storage.record import CallRecord

INTERRUPTED: Final = "interrupted: the proxy ended while the call was up"
_ACCESS: Final = os.O_RDWR | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC
_SLACK: Final = 2000  # lines, and so many more for each live call, before the file is written anew
_SLACK_PER_CALL: Final = 4
_PATIENCE: Final = 50  # lines that are lost on a full disk before writing is tried again


class LiveCalls:
    """Keeps one line for each live call.

    On a full disk the file falls behind, `keep` says so each time, and now and then it is tried again.
    """

    def __init__(self, path: Path) -> None:
        """Open and lock; `OSError` when that cannot be done, or when another process has it."""
        self._path = path
        self._fd = _locked(path)
        self._lines: dict[str, bytes] = {}
        self._written = 0  # lines since the file was written anew
        self._behind: OSError | None = None  # why the file does not tell the whole truth
        self.interrupted = _left_over(self._fd)

    def settled(self) -> None:
        """The interrupted calls have their place in the records: forget them."""
        self.interrupted = []
        self._rewrite()

    def keep(self, record: CallRecord) -> None:
        """A call is up, and this is what is known of it. `OSError` while the disk refuses to keep it."""
        line = self._lines[record.call_sid] = line_of(record.as_dict())
        self._append(line)
        if self._behind is not None:
            raise self._behind

    def over(self, call_sid: str) -> None:
        """A call has ended and its record is where it belongs."""
        if self._lines.pop(call_sid, None) is not None:
            self._append(line_of({"over": call_sid}))

    def alive(self, wall: float) -> None:
        """The process lives, in seconds since 1970: an interrupted call lasted until then at least."""
        if self._lines:
            self._append(line_of({"alive": timestamp(wall)}))

    def reopen(self) -> None:
        """Write the file anew, in case somebody moved it away."""
        self._rewrite()

    def close(self) -> None:
        os.close(self._fd)

    def _append(self, line: bytes) -> None:
        self._written += 1
        if self._written > (_PATIENCE if self._behind else _SLACK + _SLACK_PER_CALL * len(self._lines)):
            self._rewrite()
        elif self._behind is None:
            try:
                write_whole(self._fd, line)
            except OSError as error:
                self._behind, self._written = error, 0

    def _rewrite(self) -> None:
        """Replace the file, all at once, by one that holds what is still needed."""
        lines = [*map(line_of, self.interrupted), *self._lines.values()]
        self._written = 0
        try:
            fd = _replaced(self._path, b"".join(lines))
        except OSError as error:
            self._behind = error
        else:
            os.close(self._fd)
            self._fd, self._behind = fd, None


def _replaced(path: Path, data: bytes) -> int:
    """Put a new file, locked, in the place of the one at `path`."""
    fresh = path.with_name(f"{path.name}.new")
    fd = os.open(fresh, _ACCESS | os.O_TRUNC, 0o666)
    try:
        fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
        write_whole(fd, data)
        fresh.replace(path)
    except OSError:
        os.close(fd)
        fresh.unlink(missing_ok=True)
        raise
    return fd


def _locked(path: Path) -> int:
    while True:
        fd = os.open(path, _ACCESS, 0o666)
        try:
            fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            os.close(fd)
            raise OSError(error.errno, "another process has it; give each node a file of its own") from error
        with contextlib.suppress(FileNotFoundError):
            if os.fstat(fd).st_ino == path.stat().st_ino:
                return fd
        os.close(fd)  # its owner has just put another in its place


def _left_over(fd: int) -> list[dict[str, Any]]:
    """The records of the calls that were up when the process before this one ended."""
    calls: dict[str, dict[str, Any]] = {}
    alive = ""
    for line in objects(os.pread(fd, os.fstat(fd).st_size, 0)):
        match line:
            case {"call_sid": str(call_sid), "stages": dict(), "attempts": list()}:
                calls[call_sid] = line
            case {"over": str(call_sid)}:
                calls.pop(call_sid, None)
            case {"alive": str(moment)}:
                alive = moment
    return [_interrupted(record, alive) for record in calls.values()]


def _interrupted(record: dict[str, Any], alive: str) -> dict[str, Any]:
    """What was known of the call, ended at the last moment that anything is known of."""
    stages: dict[str, str] = record["stages"]
    if "ended" in stages:
        return record  # it was interrupted even before, and the disk had no room for its record
    ended = max(alive, *stages.values())  # ISO 8601 in UTC sorts as text
    answered = stages.get("answered")
    lasted = datetime.fromisoformat(ended) - datetime.fromisoformat(answered) if answered else None
    for leg in record.get("legs", ()):
        if leg["ended_at"] is None:
            leg.update(status="failed", ended_at=ended)
    for attempt in record["attempts"]:
        if attempt["outcome"] == "pending":
            attempt.update(outcome="interrupted", duration=None)
    return {
        **record,
        "stages": {**stages, "ended": ended},
        "status": "failed",
        "cause": INTERRUPTED,
        "ended_by": "proxy",
        "duration": round(lasted.total_seconds(), 3) if lasted else 0.0,
    }
