"""Coded warnings and errors on their way to the table `alerts`, and the noise among them bounded.

Equal ones (account, code, resource, source) within a minute are one row with a count. Of one code an account gets
so many rows a minute; a last one counts the rest. A flood of one code hides no other, and there are dozens at most.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final, NamedTuple, Protocol

from byoc_proxy.storage.levels import level_of
from byoc_proxy.storage.plain import plain

if TYPE_CHECKING:
    from collections.abc import Callable

Row = dict[str, Any]
Key = tuple[str, int, str | None, str]

MINUTE: Final = 60.0
ROWS_A_MINUTE: Final = 20  # of one code of one account, before the rest is only counted
MOST_WAITING: Final = 5000  # rows, while the database is away
_LONGEST: Final = 1000  # characters of a text, some of which may be a stranger's


class Alert(NamedTuple):
    """What happened. `resource_sid` is the call, or the domain of an INVITE that never became one; `source` the IP
    address; `request_url`, without its query, when it is about what the application answered.
    """

    account_sid: str
    code: int
    text: str
    resource_sid: str
    source: str
    request_url: str | None = None
    request_method: str | None = None


class AlertSink(Protocol):
    """Hears of every coded event, on the path of calls: it may not take long."""

    def note(self, alert: Alert) -> None: ...


class NoAlerts:
    """For a node without a database: records and log have the codes."""

    def note(self, alert: Alert) -> None:
        """Nothing is kept."""


class AlertLedger:
    """The rows of this minute. `new_sid` gives a SID that begins with NO, `wall` seconds since 1970."""

    def __init__(self, new_sid: Callable[[], str], wall: Callable[[], float]) -> None:
        self.dropped = 0  # rows that the database was away for too long for
        self._new_sid = new_sid
        self._wall = wall
        self._began = 0.0
        self._rows: dict[Key, Row] = {}
        self._kept: dict[tuple[str, int], int] = {}
        self._waiting: dict[str, Row] = {}

    def note(self, alert: Alert) -> None:
        now = self._wall()
        if not 0.0 <= now - self._began < MINUTE:
            self._began = now
            self._rows.clear()
            self._kept.clear()
        key: Key = (alert.account_sid, alert.code, alert.resource_sid, alert.source)
        row = self._rows.get(key) or self._new_row(key, alert, int(now))
        row["count"] += 1
        row["date_updated"] = int(now)
        self._wait(row)

    def batch(self, most: int) -> list[Row]:
        """The rows that wait to be written, the oldest first; they wait on until they are `written`."""
        return [dict(row) for row, _ in zip(self._waiting.values(), range(most), strict=False)]

    def written(self, rows: list[Row]) -> None:
        """These are in the database. A row that has changed meanwhile waits again."""
        for row in rows:
            waiting = self._waiting.get(row["sid"])
            if waiting is not None and waiting["count"] == row["count"]:
                del self._waiting[row["sid"]]

    def __len__(self) -> int:
        return len(self._waiting)

    def _new_row(self, key: Key, alert: Alert, now: int) -> Row:
        ours = alert.account_sid, alert.code
        kept = self._kept[ours] = self._kept.get(ours, 0) + 1
        if kept > ROWS_A_MINUTE:
            key = (*ours, None, "")
            if key in self._rows:
                return self._rows[key]
            text = f"more than {ROWS_A_MINUTE} alerts with this code within a minute: the rest is counted here"
            alert = Alert(*ours, text, alert.account_sid, "")
        self._rows[key] = {
            "sid": self._new_sid(),
            "account_sid": alert.account_sid,
            "resource_sid": alert.resource_sid,
            "error_code": alert.code,
            "log_level": level_of(alert.code),
            "alert_text": plain(alert.text[:_LONGEST]),
            "request_url": None if alert.request_url is None else plain(alert.request_url),
            "request_method": alert.request_method,
            "source": plain(alert.source),
            "count": 0,
            "date_created": now,
            "date_updated": now,
        }
        return self._rows[key]

    def _wait(self, row: Row) -> None:
        self._waiting[row["sid"]] = row
        if len(self._waiting) > MOST_WAITING:
            del self._waiting[next(iter(self._waiting))]
            self.dropped += 1
