"""The record of a call: what happened, when, and why, as one JSON object.

Moments are kept as seconds since 1970 and written as ISO 8601 in UTC with milliseconds; durations are seconds.
Nothing secret is ever put in: no token, password, digest response or cookie.
"""

from __future__ import annotations

from dataclasses import dataclass, field, fields
from datetime import UTC, datetime
from typing import Final

_NAMES: Final = {"caller": "from", "called": "to", "caller_raw": "from_raw", "called_raw": "to_raw"}


@dataclass(slots=True)
class LegRecord:
    """One noun of a `<Dial>`, which has a CallSid of its own: all attempts to reach somebody for it.

    `status` is that of the public Call resource; a leg that was given up is `canceled`, or `no-answer` when it rang
    for as long as the `<Dial>` allows. What the final response was, its attempts tell.
    """

    call_sid: str
    trunk_sid: str | None
    caller: str
    called: str
    started_at: float
    status: str = "ringing"
    answered_at: float | None = None
    ended_at: float | None = None

    def moved(self, status: str, at: float, sip_status: int | None, duration: float | None) -> None:
        """It has another status; `duration` in seconds is None while it lives."""
        self.status = status
        if status == "in-progress":
            self.answered_at = at
        elif duration is not None:
            self.ended_at = at


@dataclass(slots=True)
class AttemptRecord:
    """One INVITE to one address of one target, or the reason why there was none.

    `caller` and `called` are the numbers as they were sent to the carrier, `size` the bytes of the INVITE. `remark`
    says why it did not go over the target's own transport, or went in fragments.
    """

    call_sid: str
    target: str
    started_at: float
    trunk_sid: str | None = None
    policy_sid: str | None = None
    target_sid: str | None = None
    region: str | None = None
    address: str | None = None
    call_id: str | None = None
    caller: str = ""
    called: str = ""
    username: str | None = None
    outcome: str = "pending"
    status: int | None = None
    reason: str = ""
    code: int | None = None
    duration: float | None = None
    size: int | None = None
    remark: str = ""
    late: list[str] = field(default_factory=list)


@dataclass(slots=True)
class WebhookRecord:
    """One question to the application."""

    url: str
    method: str
    started_at: float
    duration: float | None = None
    code: int | None = None


@dataclass(slots=True)
class EventRecord:
    """A coded warning or error."""

    code: int
    text: str
    at: float


@dataclass(slots=True)
class CallRecord:
    """One call, from its INVITE, or from what the API asked for, to the end of its last leg.

    `caller` and `called` are as the application saw them, the raw ones as the carrier sent them; `caller_name` is
    what the carrier's look-up says, where the trunk asks for it. A call that did not come in has no domain and no
    source, and no trunk when it leaves on none; `parent_call_sid` is of one that was a leg of another call before.
    `owed` is what somebody is to be told if it ends before it is placed (`storage.notice`); it is not published.
    """

    call_sid: str
    account_sid: str
    trunk_sid: str | None
    trunk: str
    domain_sid: str | None
    domain: str
    region: str
    direction: str
    caller: str
    called: str
    source: str
    call_id: str
    caller_raw: str = ""
    called_raw: str = ""
    caller_name: str | None = None
    username: str | None = None
    acl_entry: str | None = None
    decisions: list[str] = field(default_factory=list)
    stages: dict[str, float] = field(default_factory=dict)
    webhooks: list[WebhookRecord] = field(default_factory=list)
    legs: list[LegRecord] = field(default_factory=list)
    attempts: list[AttemptRecord] = field(default_factory=list)
    events: list[EventRecord] = field(default_factory=list)
    status: str = "ringing"
    sip_status: int | None = None
    cause: str = ""
    ended_by: str = ""
    duration: float = 0.0
    revision: int = 1
    parent_call_sid: str | None = None
    owed: str | None = None

    def moved(self, status: str, at: float, sip_status: int | None, duration: float | None) -> None:
        """Its own leg has another status; `duration` in seconds is None while it lives."""
        self.status = status
        self.sip_status = sip_status
        if status == "in-progress":
            self.stages.setdefault("answered", at)
        elif duration is not None:
            self.duration, self.owed = round(duration, 3), None

    def as_dict(self) -> dict[str, object]:
        """The record under its published names: `from` and `to` are what the columns are called."""
        published = {public: getattr(self, name) for name, public in _PUBLISHED}
        published["stages"] = {stage: timestamp(at) for stage, at in self.stages.items()}
        published["webhooks"] = [_part(each, "started_at") for each in self.webhooks]
        published["legs"] = [_leg(each) for each in self.legs]
        published["attempts"] = [_part(each, "started_at") for each in self.attempts]
        published["events"] = [_part(each, "at") for each in self.events]
        return published


_PUBLISHED: Final = [
    (each.name, _NAMES.get(each.name, each.name)) for each in fields(CallRecord) if each.name != "owed"
]


def _leg(leg: LegRecord) -> dict[str, object]:
    return {
        "call_sid": leg.call_sid,
        "trunk_sid": leg.trunk_sid,
        "from": leg.caller,
        "to": leg.called,
        "status": leg.status,
        "started_at": timestamp(leg.started_at),
        "answered_at": None if leg.answered_at is None else timestamp(leg.answered_at),
        "ended_at": None if leg.ended_at is None else timestamp(leg.ended_at),
    }


def _part(entry: AttemptRecord | WebhookRecord | EventRecord, moment: str) -> dict[str, object]:
    part = {name: getattr(entry, name) for name in entry.__slots__}
    part[moment] = timestamp(part[moment])
    return part


def timestamp(wall: float) -> str:
    """ISO 8601 in UTC with milliseconds."""
    return datetime.fromtimestamp(wall, UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
