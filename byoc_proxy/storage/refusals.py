"""What a database refuses by itself, told apart from what it was asked wrongly.

Locked, full, read-only, out of reach, in each other's way: nobody's mistake, and worth another try. A name that is
there already, or a statement that makes no sense, stays the error that it is.
"""

from __future__ import annotations

from contextlib import contextmanager
from sqlite3 import Error as SqliteError
from typing import TYPE_CHECKING, Final

from sqlalchemy.exc import DBAPIError, IntegrityError, SQLAlchemyError
from sqlalchemy.exc import TimeoutError as PoolTimeout

from byoc_proxy.storage.errors import StoreUnavailable

if TYPE_CHECKING:
    from collections.abc import Iterator

# Primary result codes, https://www.sqlite.org/rescode.html
_SQLITE: Final = {
    3: "access is denied",
    5: "another process has locked it",
    6: "another connection has locked it",
    7: "there is no memory left",
    8: "it is read-only",
    10: "the disk fails",
    11: "the file is damaged",
    13: "the disk or the database is full",
    14: "the file cannot be opened",
    15: "another process has locked it",
    26: "the file is not a database",
}
# Classes of SQLSTATE and single states, PostgreSQL manual, appendix A.
_POSTGRESQL: Final = {
    "08": "the connection was lost",
    "25006": "it is read-only",
    "28": "it refuses this user",
    "3D": "there is no such database",
    "40": "another node was in the way",
    "53": "it is out of disk, memory or connections",
    "55P03": "another node has locked it",
    "57": "it is shutting down, starting up or too slow",
    "58": "its machine fails",
}


@contextmanager
def refusals(place: str, outcome: str = "nothing was changed") -> Iterator[None]:
    """Raise `StoreUnavailable` for what the database called `place` refuses by itself."""
    try:
        yield
    except (SQLAlchemyError, OSError) as error:
        reason = refusal(error)
        if reason is None:
            raise
        raise StoreUnavailable(f"{place}: {reason}; {outcome}") from error


def refusal(error: SQLAlchemyError | OSError) -> str | None:
    """In words what the database refuses by itself; None: it was asked wrongly."""
    match error:
        case PoolTimeout():
            return "all connections are busy"
        case IntegrityError():
            return None
        case DBAPIError():
            return _of_driver(error)
        case TimeoutError():
            return "it does not answer in time"
        case OSError():
            return error.strerror or str(error) or "the connection was lost"
        case _:
            return None


def _of_driver(error: DBAPIError) -> str | None:
    cause = error.orig
    if isinstance(cause, SqliteError):
        return _SQLITE.get(getattr(cause, "sqlite_errorcode", 0) & 0xFF)
    state = getattr(cause, "sqlstate", None) or ""
    known = _POSTGRESQL.get(state) or _POSTGRESQL.get(state[:2])
    return known or ("the connection was lost" if error.connection_invalidated or not state else None)
