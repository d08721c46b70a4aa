"""Status callbacks as values: one that is to be delivered, and what a leg still owes to its subscriber.

Both hold all that is sent but the account's token, so another process can deliver them when this one is gone.
"""

from __future__ import annotations

import json
import uuid
from dataclasses import dataclass
from datetime import UTC, datetime
from email.utils import format_datetime
from typing import TYPE_CHECKING, Any, ClassVar, Final, NamedTuple, Protocol

from byoc_proxy.storage.plain import plain

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from byoc_proxy.trunk.model import WebhookFormat

    Parameters = Sequence[tuple[str, str]]

COMPLETED: Final = "completed"  # the event of every terminal status
_OURS: Final = uuid.UUID("5d9e3a52-7c35-4b6e-9a0e-6f0b1f6c2a4d")  # what the tokens are derived from
_STATUS: Final = "CallStatus"


class Notice(NamedTuple):
    """One status callback. `token` (36 characters) tells it from all others, and stays the same however often it
    is sent; `made_at` is in seconds since 1970. What it is about is in the order of its call.
    """

    token: str
    call_sid: str
    account_sid: str
    url: str
    method: str
    parameters: Parameters
    made_at: float
    body_format: WebhookFormat = "form"

    @property
    def size(self) -> int:
        """Characters of it, nearly."""
        return len(self.url) + sum(len(name) + len(value) for name, value in self.parameters)


class End(NamedTuple):
    """How a leg ended: the seconds that it was answered for, and the final response to its INVITE, if any."""

    duration: float
    sip_status: int | None


@dataclass(slots=True)
class Subscription:
    """Who is told of a leg. `parameters` are those of any request about it, CallStatus among them; `sequence` is
    the number of the next callback; `answered_at`, in seconds since 1970, when the leg was, if it was; `begun`: it
    is not only queued any more.
    """

    call_sid: str
    account_sid: str
    url: str
    method: str
    events: tuple[str, ...]
    parameters: Parameters
    body_format: WebhookFormat = "form"
    sequence: int = 0
    answered_at: float | None = None
    begun: bool = False

    def notice(self, event: str, status: str, at: float, end: End | None = None) -> Notice:
        """The next callback: the leg has `status` since `at` (seconds since 1970); `end` if that is a terminal one.

        An event comes once in a call, so its token can be found again by whoever sends it a second time after a
        crash.
        """
        told = [
            *((name, status if name == _STATUS else value) for name, value in self.parameters),
            ("Timestamp", format_datetime(datetime.fromtimestamp(int(at), UTC))),
            ("CallbackSource", "call-progress-events"),
            ("SequenceNumber", str(self.sequence)),
        ]
        if end is not None:
            seconds = int(end.duration)
            told += [("CallDuration", str(seconds)), ("Duration", str(-(-seconds // 60)))]  # begun minutes count
            if end.sip_status is not None:
                told.append(("SipResponseCode", str(end.sip_status)))
        self.sequence += 1
        token = str(uuid.uuid5(_OURS, f"{self.call_sid} {event}"))
        form = self.body_format
        return Notice(token, self.call_sid, self.account_sid, self.url, self.method, told, at, form)

    def owed(self) -> str | None:
        """As a line, for whoever has to tell the end if this process cannot; None when nobody wants to hear it."""
        if COMPLETED not in self.events:
            return None
        kept = (self.url, self.method, self.parameters, self.body_format, self.sequence, self.answered_at)
        return json.dumps(kept, ensure_ascii=True, separators=(",", ":"))

    @classmethod
    def read(cls, call_sid: str, account_sid: str, line: str) -> Subscription:
        """What `owed` wrote."""
        url, method, parameters, *rest = json.loads(line)
        return cls(call_sid, account_sid, url, method, (COMPLETED,), pairs(parameters), *rest)


class NoticeBook(Protocol):
    """Keeps what is to be delivered, and who is to be told of the legs that live, should this process end first.

    Every method only remembers. `follow` names who delivers what others have left behind. `durable`: the next
    process would deliver what this one has not.
    """

    durable: ClassVar[bool]
    subscriptions: dict[str, Subscription]

    def keep(self, notice: Notice) -> None: ...

    def settle(self, notice: Notice) -> None: ...

    def follow(self, take: Callable[[Sequence[Notice]], None]) -> None: ...


class MemoryBook:
    """For a node without a database: what it has not delivered ends with it."""

    durable: ClassVar[bool] = False

    def __init__(self) -> None:
        self.subscriptions: dict[str, Subscription] = {}

    def keep(self, notice: Notice) -> None:
        """Who delivers has it in hand."""

    def settle(self, notice: Notice) -> None:
        """Who delivers has it in hand."""

    def follow(self, take: Callable[[Sequence[Notice]], None]) -> None:
        """Nobody leaves anything behind here."""


class NoticeLedger:
    """What is to be put into the table `notices`, and taken out of it: the newest state of each, in memory.

    One that is delivered before anybody had time to write it down is never written.
    """

    durable: ClassVar[bool] = True

    def __init__(self) -> None:
        self.subscriptions: dict[str, Subscription] = {}
        self._unwritten: dict[str, Notice] = {}
        self._tried: set[str] = set()  # unwritten ones that may be in the table all the same
        self._settled: dict[str, None] = {}  # to be taken out: a set that keeps order
        self._found: list[Notice] = []
        self._take: Callable[[Sequence[Notice]], None] = self._found.extend

    # --- for who delivers ----------------------------------------------------------------------------------------

    def keep(self, notice: Notice) -> None:
        self._unwritten[notice.token] = notice

    def settle(self, notice: Notice) -> None:
        """It is delivered, or given up."""
        token = notice.token
        if self._unwritten.pop(token, None) is None or token in self._tried:
            self._tried.discard(token)
            self._settled[token] = None

    def follow(self, take: Callable[[Sequence[Notice]], None]) -> None:
        """Give `take` what was found in the table, now and later."""
        self._take = take
        take(self._found)
        self._found = []

    # --- for who writes ------------------------------------------------------------------------------------------

    def found(self, notices: Sequence[Notice]) -> None:
        """These are in the table, and nobody else delivers them."""
        self._take([each for each in notices if each.token not in self._settled])

    def batch(self, most: int, node: str) -> list[dict[str, Any]]:
        """Rows to be put in, and tokens to be taken out (`settled`); they wait on until they are `written`."""
        new = [notice for notice, _ in zip(self._unwritten.values(), range(most), strict=False)]
        self._tried.update(notice.token for notice in new)
        gone = [token for token, _ in zip(self._settled, range(most - len(new)), strict=False)]
        return [*(row_of(each, node) for each in new), *({"token": token, "settled": True} for token in gone)]

    def written(self, rows: Sequence[dict[str, Any]]) -> None:
        """These are in the table, or out of it."""
        for row in rows:
            if "settled" in row:
                self._settled.pop(row["token"], None)
            else:
                self._unwritten.pop(row["token"], None)
                self._tried.discard(row["token"])

    def __len__(self) -> int:
        return len(self._unwritten) + len(self._settled)


def pairs(parameters: Sequence[Sequence[str]]) -> Parameters:
    """As they were before they were JSON."""
    return [(name, value) for name, value in parameters]


def row_of(notice: Notice, node: str) -> dict[str, Any]:
    """A notice as a row, of the node that delivers it. Escaped as ASCII, no text of a carrier is refused."""
    parameters = json.dumps(notice.parameters, ensure_ascii=True, separators=(",", ":"))
    return {**notice._asdict(), "url": plain(notice.url), "parameters": parameters, "node": node}
