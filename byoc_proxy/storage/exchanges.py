"""Exchanges with applications on their way to the table `call_events`: in memory, as long as the database is away.

What is noted is a reference; it becomes a row when it is written. Bounded in number and bytes: the oldest give way.
"""

from __future__ import annotations

import json
from itertools import islice
from typing import TYPE_CHECKING, Any, Final, NamedTuple

from byoc_proxy.storage.plain import plain
from byoc_proxy.storage.vault import new_sid

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from byoc_proxy.webhook.exchange import Exchange

Row = dict[str, Any]

MOST_WAITING: Final = 20_000
MOST_BYTES: Final = 32 << 20


class _Noted(NamedTuple):
    """An exchange of a call, that ended at a moment in seconds since 1970."""

    account_sid: str
    call_sid: str
    exchange: Exchange
    at: float
    size: int


class ExchangeBacklog:
    """An `ExchangeSink`. `wall` gives seconds since 1970."""

    def __init__(self, wall: Callable[[], float], most: int = MOST_WAITING, most_bytes: int = MOST_BYTES) -> None:
        self.dropped = 0  # exchanges that found no place here
        self._wall = wall
        self._most = most
        self._most_bytes = most_bytes
        self._bytes = 0
        self._waiting: dict[str, _Noted] = {}

    def note(self, account_sid: str, call_sid: str, exchange: Exchange) -> None:
        noted = _Noted(account_sid, call_sid, exchange, self._wall(), exchange.size)
        self._waiting[new_sid("EV")] = noted
        self._bytes += noted.size
        while len(self._waiting) > self._most or self._bytes > self._most_bytes:
            self._take(next(iter(self._waiting)))
            self.dropped += 1

    def batch(self, most: int) -> list[Row]:
        """The oldest as rows; they wait on until they are `written`."""
        return [_row(sid, noted) for sid, noted in islice(self._waiting.items(), most)]

    def written(self, rows: Sequence[Row]) -> None:
        """These are in the table."""
        for row in rows:
            if row["sid"] in self._waiting:  # else it gave way meanwhile
                self._take(row["sid"])

    def _take(self, sid: str) -> None:
        self._bytes -= self._waiting.pop(sid).size

    def __len__(self) -> int:
        return len(self._waiting)


def _row(sid: str, noted: _Noted) -> Row:
    exchange = noted.exchange
    return {
        "sid": sid,
        "account_sid": noted.account_sid,
        "call_sid": noted.call_sid,
        "method": exchange.method,
        "url": plain(exchange.url),
        "parameters": _object(exchange.parameters),
        "response_code": exchange.status,
        "duration": round(exchange.duration * 1000),
        "content_type": plain(exchange.content_type),
        "body": plain(exchange.body.decode("utf-8", "replace")),
        "failure_code": exchange.code,
        "failure": plain(exchange.text),
        "date_created": int(noted.at),
        "date_updated": int(noted.at),
    }


def _object(pairs: Sequence[tuple[str, str]]) -> str:
    """As JSON; of a name that comes more than once, a list."""
    told = dict(pairs)
    if len(told) == len(pairs):
        text = json.dumps(told)
        if "\\u" not in text:
            return text  # nothing in it that is not ASCII, and no NUL: as good as always
    lists: dict[str, list[str]] = {}
    for name, value in pairs:
        lists.setdefault(plain(name), []).append(plain(value))
    return json.dumps({name: values[0] if len(values) == 1 else values for name, values in lists.items()})
