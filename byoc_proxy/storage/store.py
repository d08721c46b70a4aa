"""Where call records go: a file of JSON lines, or memory. `CallStore` is what the call floor needs of either."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final, Protocol

from byoc_proxy.storage.lines import LineFile, line_of
from byoc_proxy.storage.live import LiveCalls

if TYPE_CHECKING:
    from pathlib import Path

    from byoc_proxy.storage.record import CallRecord


_TAIL: Final = 64 * 1024  # bytes of the records that are searched for a call, and so many for each one searched
_TAIL_PER_CALL: Final = 4 * 1024


class CallStore(Protocol):
    """Takes the record of a call that has ended. A later revision of the same call replaces an earlier one.

    `keep` takes the record of a call that is up, as far as it goes, each time that something worth keeping is
    known; `changed` says that there is news of one that a crash may take away; `alive` says now and then (seconds
    since 1970) that the process still is.
    """

    def keep(self, record: CallRecord) -> None: ...

    def changed(self, record: CallRecord) -> None: ...

    def add(self, record: CallRecord) -> None: ...

    def alive(self, wall: float) -> None: ...

    def reopen(self) -> None: ...

    def close(self) -> None: ...


class MemoryStore:
    """Keeps the records of this process, the newest revision of each, by CallSid."""

    def __init__(self) -> None:
        self.records: dict[str, CallRecord] = {}
        self.live: dict[str, CallRecord] = {}

    def keep(self, record: CallRecord) -> None:
        self.live[record.call_sid] = record

    def add(self, record: CallRecord) -> None:
        self.records[record.call_sid] = record
        self.live.pop(record.call_sid, None)

    def changed(self, record: CallRecord) -> None:
        """The record is the very one that is kept."""

    def alive(self, wall: float) -> None:
        """The records end with the process."""

    def reopen(self) -> None:
        """Nothing is held open."""

    def close(self) -> None:
        """Nothing is held open."""


class NoStore:
    """For a node without a place for records: the log still tells how each call ended."""

    def keep(self, record: CallRecord) -> None:
        """Nothing is kept."""

    def changed(self, record: CallRecord) -> None:
        """Nothing is kept."""

    def add(self, record: CallRecord) -> None:
        """Nothing is kept."""

    def alive(self, wall: float) -> None:
        """Nothing is kept."""

    def reopen(self) -> None:
        """Nothing is held open."""

    def close(self) -> None:
        """Nothing is held open."""


class RecordFile:
    """Appends one JSON line per call that ended, and keeps the live ones in a file beside it, `FILE.live`.

    A process that is killed loses nothing that was written. What it had no time to write, the records of the calls
    that were up, `recover` writes at the next start.
    """

    def __init__(self, path: Path) -> None:
        """Open for appending; `OSError` when that cannot be done, or another process writes there."""
        self._file = LineFile(path, ours=b'{"call_sid":')
        try:
            self._live = LiveCalls(path.with_name(f"{path.name}.live")) if self._file.is_regular else None
        except OSError:
            self._file.close()
            raise

    def recover(self) -> list[str]:
        """Write the records of the calls that a crash interrupted, once each; their CallSids. `OSError`."""
        interrupted = self._live.interrupted if self._live else []
        if self._live is None or not interrupted:
            return []
        # killed between a record and the note that the call is over, or at this very point before
        lately = {line.get("call_sid") for line in self._file.tail(_TAIL + _TAIL_PER_CALL * len(interrupted))}
        missing = [record for record in interrupted if record["call_sid"] not in lately]
        for record in missing:
            self._file.append(line_of(record))
        self._live.settled()
        return [record["call_sid"] for record in missing]

    def keep(self, record: CallRecord) -> None:
        """Note that the call is up; `OSError` when the disk refuses it."""
        if self._live is not None:
            self._live.keep(record)

    def changed(self, record: CallRecord) -> None:
        """The next line that is kept will tell of it."""

    def alive(self, wall: float) -> None:
        """Note that the process is: an interrupted call lasted until the last such moment."""
        if self._live is not None:
            self._live.alive(wall)

    def add(self, record: CallRecord) -> None:
        """Append the record; `OSError` when the disk refuses it. The call is over in either case."""
        self.write(record.call_sid, line_of(record.as_dict()))

    def write(self, call_sid: str, line: bytes) -> None:
        """As `add`, of a record that is a line already."""
        try:
            self._file.append(line)
        finally:
            if self._live is not None:
                self._live.over(call_sid)

    def latest(self, size: int) -> list[dict[str, Any]]:
        """The records in the last `size` bytes, in the order of their ends; none of a pipe. `OSError`."""
        return list(self._file.tail(size)) if self._file.is_regular else []

    def reopen(self) -> None:
        """Start a new file under the same name, after a log rotation moved the old one away."""
        self._file.reopen()
        if self._live is not None:
            self._live.reopen()

    def close(self) -> None:
        self._file.close()
        if self._live is not None:
            self._live.close()
