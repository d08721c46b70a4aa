"""Where call records go: a file of JSON lines, or memory. `CallStore` is what the call floor needs of either."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Protocol, TextIO

if TYPE_CHECKING:
    from pathlib import Path

    from byoc_proxy.storage.record import CallRecord


class CallStore(Protocol):
    """Takes the record of a call that has ended. A later revision of the same call replaces an earlier one."""

    def add(self, record: CallRecord) -> None: ...

    def reopen(self) -> None: ...

    def close(self) -> None: ...


class MemoryStore:
    """Keeps the records of this process, the newest revision of each, by CallSid."""

    def __init__(self) -> None:
        self.records: dict[str, CallRecord] = {}

    def add(self, record: CallRecord) -> None:
        self.records[record.call_sid] = record

    def reopen(self) -> None:
        """Nothing is held open."""

    def close(self) -> None:
        """Nothing is held open."""


class NoStore:
    """For a node without a place for records: the log still tells how each call ended."""

    def add(self, record: CallRecord) -> None:
        """Nothing is kept."""

    def reopen(self) -> None:
        """Nothing is held open."""

    def close(self) -> None:
        """Nothing is held open."""


class RecordFile:
    """Appends one JSON line per call and flushes it, so that a reader and a crash find whole lines only."""

    def __init__(self, path: Path) -> None:
        """Open for appending; `OSError` when that cannot be done."""
        self._path = path
        self._file: TextIO = path.open("a", encoding="utf-8")

    def add(self, record: CallRecord) -> None:
        """Append the record; `OSError` when the disk refuses it."""
        self._file.write(json.dumps(record.as_dict(), ensure_ascii=True, separators=(",", ":")) + "\n")
        self._file.flush()

    def reopen(self) -> None:
        """Start a new file under the same name, after a log rotation moved the old one away."""
        fresh = self._path.open("a", encoding="utf-8")
        self._file.close()
        self._file = fresh

    def close(self) -> None:
        self._file.close()
