"""What is written down about one call: its record, its status, and one log event per decision."""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING

from byoc_proxy.call.progress import Progress
from byoc_proxy.call.status import Cause, Status, cause_of_code
from byoc_proxy.sip.outputs import NO_ACK, By
from byoc_proxy.storage.alerts import Alert
from byoc_proxy.storage.record import EventRecord, LegRecord, WebhookRecord
from byoc_proxy.webhook.urls import without_credentials

if TYPE_CHECKING:
    from collections.abc import Iterator

    from byoc_proxy.call.services import Services
    from byoc_proxy.sip.message import Response
    from byoc_proxy.sip.outputs import Ended
    from byoc_proxy.storage.record import AttemptRecord, CallRecord
    from byoc_proxy.twiml.verbs import StatusCallback
    from byoc_proxy.webhook.parameters import CallFacts

_ABOUT_THE_SCRIPT = frozenset({11, 12, 13})  # thousands of the codes of requests, documents and verbs
UNACKNOWLEDGED = 32022
_WHO = {By.LOCAL: "proxy", By.TIMEOUT: "timeout"}


class Journal:
    """The record of one call in the making."""

    def __init__(self, services: Services, record: CallRecord, progress: Progress) -> None:
        """`record` is to be filled in from now on; `progress` is that of the leg that the call stands on."""
        self.record = record
        self.progress = progress
        self._services = services
        self._started = services.endpoint.now
        self._written = False

    def begin(self, stage: str) -> None:
        """The call is known from here on: should the process be killed, the next one writes what is known now."""
        self.stage(stage)
        self._keep()

    @property
    def status(self) -> str:
        """The public CallStatus."""
        return self.record.status

    def child(self, facts: CallFacts, callback: StatusCallback | None = None) -> Progress:
        """One more leg of this call, that is being dialled."""
        leg = LegRecord(facts.call_sid, facts.trunk_sid, facts.caller, facts.called, self._services.wall())
        self.record.legs.append(leg)
        return Progress(self._services, facts, Status.INITIATED, leg, self.record, callback)

    def part(self, call_sid: str) -> LegRecord:
        """A leg of this call goes on as a call of its own: what was known of it, and is in this record no more."""
        told = next(leg for leg in self.record.legs if leg.call_sid == call_sid)
        self.record.legs.remove(told)
        self.decided(f"leg {call_sid} goes on as a call of its own")
        self._services.records.changed(self.record)
        return told

    def tell(self, event: str, **fields: object) -> None:
        """Log one decision, under the call's CallSid and its caller's Call-ID."""
        record = self.record
        self._services.log.info(event, call_sid=record.call_sid, sip_call_id=record.call_id, **fields)

    def warn(self, event: str, **fields: object) -> None:
        """Log something that should not be so."""
        record = self.record
        self._services.log.warning(event, call_sid=record.call_sid, sip_call_id=record.call_id, **fields)

    def crashed(self) -> None:
        """Log the exception being handled: a bug of ours."""
        self._services.log.exception("call.crashed", call_sid=self.record.call_sid)

    def stage(self, name: str) -> None:
        """Note when a stage was first reached."""
        self.record.stages.setdefault(name, self._services.wall())

    def decided(self, line: str | None) -> None:
        """One more line of the trail, if there is something to say."""
        if line is not None:
            self.record.decisions.append(line)
            self.tell("call.decided", decision=line)

    def event(self, code: int, text: str) -> None:
        """A coded warning or error."""
        self.noted(self._alert(code, text))

    def noted(self, alert: Alert) -> None:
        """A coded warning or error, as the account is told of it."""
        self.record.events.append(EventRecord(alert.code, alert.text, self._services.wall()))
        self.warn("call.event", code=alert.code, text=alert.text)
        self._services.alerts.note(alert)

    def alert(self, code: int, text: str) -> None:
        """Tell the account of a code that the record has in its place."""
        self._services.alerts.note(self._alert(code, text))

    def _alert(self, code: int, text: str) -> Alert:
        record = self.record
        alert = Alert(record.account_sid, code, text, record.call_sid, _host_of(record.source))
        if record.webhooks and code // 1000 in _ABOUT_THE_SCRIPT:
            asked = record.webhooks[-1]
            alert = alert._replace(request_url=asked.url, request_method=asked.method)
        return alert

    @contextmanager
    def webhook(self, url: str, method: str) -> Iterator[WebhookRecord]:
        """Note a question to the application and how long its answer took. Password and query of its URL stay out
        of the record.
        """
        asked = WebhookRecord(without_credentials(url.partition("?")[0]), method, self._services.wall())
        self.record.webhooks.append(asked)
        self.stage("webhook")
        started = self._services.endpoint.now
        try:
            yield asked
        finally:
            asked.duration = round(self._services.endpoint.now - started, 4)
            self.tell("webhook.answered", url=asked.url, seconds=asked.duration, code=asked.code)

    def rang(self) -> None:
        """The called side rings, or our caller hears so."""
        self.stage("ringing")
        self.progress.move(Cause.RANG)

    def answered(self) -> None:
        self.stage("answered")
        self.progress.move(Cause.ANSWERED, 200)
        self._keep()

    def refused(self, status: int, cause: Cause | None = None) -> None:
        """We are about to refuse the caller; `cause` where the code does not say it."""
        self.progress.move(cause or cause_of_code(status), status)

    def callee_ended(self, ended: Ended) -> None:
        if ended.by is not By.LOCAL:
            self.record.ended_by = "callee" if ended.by is By.REMOTE else _WHO[ended.by]
            self.record.cause = ended.reason
        self.tell("callee.ended", by=ended.by, reason=ended.reason)

    def ended(self, ended: Ended, who: str = "caller") -> None:
        """The leg is over that the call stands on: the caller's, or that of `who` after a transfer."""
        record = self.record
        if ended.reason == NO_ACK:
            self.event(UNACKNOWLEDGED, "the answer was never acknowledged: no ACK came for 32 s")
        record.ended_by = record.ended_by or _WHO.get(ended.by, who)
        record.cause = record.cause or ended.reason
        # an unanswered leg is over by a CANCEL of its caller's (RFC 3261 §9.2)
        self.progress.move(Cause.ENDED, None if record.sip_status else 487)

    def late(self, attempt: AttemptRecord, response: Response) -> None:
        """Something came for an attempt that we had left; if the record is out, a new revision follows."""
        attempt.late.append(f"{response.status} {response.reason}")
        self.warn(
            "attempt.late", address=attempt.address, status=response.status, sip_attempt_call_id=attempt.call_id
        )
        if self._written:
            self.record.revision += 1
            self._write()

    def close(self) -> None:
        """The call is over: write its record."""
        now = self._services.endpoint.now
        record = self.record
        if not self.progress.move(Cause.ENDED):
            self.progress.move(Cause.FAILED)
        self.stage("ended")
        self.tell(
            "call.ended",
            status=record.status,
            sip_status=record.sip_status,
            ended_by=record.ended_by,
            cause=record.cause,
            sip_call_ids=[attempt.call_id for attempt in record.attempts],
            seconds=round(now - self._started, 3),
        )
        self._written = True
        self._write()

    def _keep(self) -> None:
        """Should the process be killed, the next one writes the record from what is known now."""
        try:
            self._services.records.keep(self.record)
        except OSError as error:
            self.warn("record.not_kept", cause=str(error))  # a full disk must not end calls

    def _write(self) -> None:
        try:
            self._services.records.add(self.record)
        except OSError as error:
            # a full disk must not end calls; the log has what the file could not take
            self.warn("record.not_written", cause=str(error), record=self.record.as_dict())


def _host_of(place: str) -> str:
    """The address in `UDP 203.0.113.8:5060`; nothing for a call that came from nowhere."""
    return place.partition(" ")[2].rpartition(":")[0].strip("[]")
