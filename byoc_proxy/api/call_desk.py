"""Making and changing calls: what is promised is on the disk before, and goes out in its turn (contract 1.8)."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Final, Protocol

from byoc_proxy.api.call_changes import change_of
from byoc_proxy.api.call_orders import order_of
from byoc_proxy.api.errors import ACCOUNT_NOT_ACTIVE, UNAVAILABLE, ApiError
from byoc_proxy.api.refusals import RETRY_AFTER, stored
from byoc_proxy.call.switchboard import NotTaken

if TYPE_CHECKING:
    from byoc_proxy.api.call_changes import Change
    from byoc_proxy.api.resource import Row
    from byoc_proxy.api.server import Ask
    from byoc_proxy.call.call import Call
    from byoc_proxy.call.child import Child
    from byoc_proxy.call.departures import Departures
    from byoc_proxy.call.new_call import NewCall
    from byoc_proxy.call.outbound import OutboundCall
    from byoc_proxy.storage.record import CallRecord

NOT_IN_PROGRESS: Final = 21220
TOO_MANY: Final = 20429
NOT_NOW: Final = "Call is not in-progress. Cannot redirect."  # the words of the public API
CANNOT_CANCEL: Final = "Call is in-progress. Cannot cancel: complete it."


class Board(Protocol):
    """The calls of this node: `call.switchboard`. `draft` and `place` raise `NotTaken`."""

    def draft(self, new: NewCall) -> CallRecord: ...

    def place(self, new: NewCall, record: CallRecord) -> OutboundCall: ...

    def find(self, call_sid: str) -> Call | Child | None: ...


class Book(Protocol):
    """Where calls are promised: `storage.database_records`."""

    @property
    def node(self) -> str: ...

    async def settle(self, record: CallRecord) -> Row: ...

    def withdraw(self, call_sid: str) -> None: ...

    def row_of(self, record: CallRecord, call_sid: str) -> Row: ...


class CallDesk:
    """What may be done to the calls of this node."""

    def __init__(self, board: Board, departures: Departures[OutboundCall], book: Book) -> None:
        self._board = board
        self._departures = departures
        self._book = book

    async def make(self, ask: Ask) -> Row:
        """The row of a call that is queued. `ApiError`: there is none."""
        account = ask.scope.account
        if account.status != "active":
            raise ApiError(403, ACCOUNT_NOT_ACTIVE, f"The account is {account.status}: no call begins for it")
        order = order_of(ask.scope, ask.parameters)
        account_sid = account.sid
        if not self._departures.hold(account_sid):
            text = f"{self._departures.most} calls of this account wait for their turn; this one found no room"
            raise ApiError(429, TOO_MANY, text, headers={"Retry-After": RETRY_AFTER})
        placed = None
        try:
            placed = await self._placed(order.call)
        finally:
            if placed is None:
                self._departures.release(account_sid)
        row, call = placed
        for code, text in order.warnings:
            call.journal.event(code, text)
        self._departures.join(account_sid, call)
        return row

    async def _placed(self, new: NewCall) -> tuple[Row, OutboundCall]:
        """On the disk first: a call that goes out can always be asked for."""
        try:
            record = self._board.draft(new)
            with stored():
                row = await self._book.settle(record)
            call = None
            try:
                call = self._board.place(new, record)
            finally:
                if call is None:
                    self._book.withdraw(record.call_sid)
        except NotTaken as reason:
            text = f"No new call is taken now: {reason}"
            raise ApiError(503, UNAVAILABLE, text, headers={"Retry-After": RETRY_AFTER}) from reason
        return row, call

    def change(self, ask: Ask) -> Row | None:
        """The row of a live call as it is after the change; None: this node has no such call."""
        call_sid = ask.names["sid"]
        call = self._board.find(call_sid)
        account_sid = ask.scope.account.sid
        if call is None or call.progress.facts.account_sid != account_sid:
            return None
        change = change_of(ask.scope, ask.parameters)
        if change.status is not None:
            self._departures.leave(account_sid, call_sid)
        self._apply(call, change)
        now = self._board.find(call_sid) or call
        return self._book.row_of(now.journal.record, call_sid)

    def _apply(self, call: Call | Child, change: Change) -> None:
        """All of it or nothing."""
        before = call.progress.callback
        if change.callback is not None:
            events = change.callback.events if before is None else before.events  # an update cannot say which
            call.progress.callback = replace(change.callback, events=events)  # who hears of the end, too
        if not self._happens(call, change):
            call.progress.callback = before
            raise ApiError(400, NOT_IN_PROGRESS, CANNOT_CANCEL if change.status == "canceled" else NOT_NOW)

    def _happens(self, call: Call | Child, change: Change) -> bool:
        """False: the call is in no state for it."""
        if change.status is not None:
            return call.cancel() if change.status == "canceled" else call.end()
        if change.entry is not None:
            if not call.redirect(change.entry):
                return False
            call = self._board.find(call.sid) or call  # a leg that was redirected is a call of its own now
        return change.time_limit is None or call.limit(change.time_limit)

    def is_elsewhere(self, row: Row) -> bool:
        """Whether a call with this row, which is not here, lives on another node."""
        return row["end_time"] is None and row["node"] != self._book.node
