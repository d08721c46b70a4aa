"""Records in a file and in the database: both get everything, and a record becomes a line of JSON once."""

from __future__ import annotations

from typing import TYPE_CHECKING

from byoc_proxy.storage.lines import line_of

if TYPE_CHECKING:
    from byoc_proxy.storage.database_records import DatabaseRecords
    from byoc_proxy.storage.record import CallRecord
    from byoc_proxy.storage.store import RecordFile


class FileAndDatabase:
    """A `CallStore`. A disk that refuses a line is an `OSError`, as of the file alone; the database has it then."""

    def __init__(self, file: RecordFile, database: DatabaseRecords) -> None:
        self._file = file
        self._database = database

    def keep(self, record: CallRecord) -> None:
        self._database.keep(record)
        self._file.keep(record)

    def changed(self, record: CallRecord) -> None:
        self._database.changed(record)

    def add(self, record: CallRecord) -> None:
        line = line_of(record.as_dict())
        self._database.take(record, line)
        self._file.write(record.call_sid, line)

    def alive(self, wall: float) -> None:
        self._file.alive(wall)

    def reopen(self) -> None:
        self._file.reopen()

    def close(self) -> None:
        self._file.close()
