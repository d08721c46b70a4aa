"""How far one CallSid has come: the only place where a status moves, and where others hear of it."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from byoc_proxy.call.status import TERMINAL, Cause, Status, after, shown

if TYPE_CHECKING:
    from byoc_proxy.call.services import Services
    from byoc_proxy.storage.record import CallRecord, LegRecord
    from byoc_proxy.twiml.verbs import StatusCallback
    from byoc_proxy.webhook.parameters import CallFacts


class Moved(NamedTuple):
    """A leg has another status, `at` so many seconds since 1970.

    `duration` is how long it was answered, in seconds: 0.0 for one that never was, None while it lives.
    `sip_status` is the final response to its INVITE, once there is one; `callback` who asked to be told of this
    leg alone.
    """

    facts: CallFacts
    status: Status
    at: float
    sip_status: int | None = None
    duration: float | None = None
    callback: StatusCallback | None = None


class Progress:
    """One leg's. `record` is its own, `whole` that of the call which it is part of.

    It begins in `status`, which is told, and ends in exactly one terminal status.
    """

    __slots__ = ("_answered_at", "_record", "_services", "_whole", "callback", "facts", "sip_status", "status")

    def __init__(
        self,
        services: Services,
        facts: CallFacts,
        status: Status,
        record: CallRecord | LegRecord,
        whole: CallRecord,
        callback: StatusCallback | None = None,
    ) -> None:
        self.facts = facts
        self.status = status
        self.callback = callback
        self.sip_status: int | None = None
        self._services = services
        self._record = record
        self._whole = whole
        self._answered_at: float | None = None
        self._tell()

    @property
    def over(self) -> bool:
        """It has its terminal status."""
        return self.status in TERMINAL

    @property
    def answered_for(self) -> float | None:
        """Seconds since the answer; None before it."""
        return None if self._answered_at is None else self._services.endpoint.now - self._answered_at

    def goes_on(self, record: CallRecord) -> None:
        """The leg has become a call of its own, with this record."""
        self._record = self._whole = record

    def move(self, cause: Cause, sip_status: int | None = None) -> bool:
        """`cause` has happened; False when it changes nothing here."""
        status = after(self.status, cause)
        if status is self.status:
            return False
        self.status = status
        self.sip_status = sip_status or self.sip_status
        if status is Status.IN_PROGRESS:
            self._answered_at = self._services.endpoint.now
        self._tell()
        return True

    def _tell(self) -> None:
        services, status = self._services, self.status
        duration = (self.answered_for or 0.0) if status in TERMINAL else None
        moved = Moved(self.facts, status, services.wall(), self.sip_status, duration, self.callback)
        self._record.moved(shown(status), moved.at, moved.sip_status, duration)
        services.records.changed(self._whole)
        for listener in services.listeners:
            listener(moved)
