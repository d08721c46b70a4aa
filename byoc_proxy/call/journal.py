"""What is written down about one call: its record, its status, and one log event per decision."""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING

from byoc_proxy.call.status import Cause, Status, after, cause_of_refusal
from byoc_proxy.sip.flow import place_of
from byoc_proxy.sip.outputs import By
from byoc_proxy.storage.alerts import Alert
from byoc_proxy.storage.record import CallRecord, EventRecord, WebhookRecord
from byoc_proxy.webhook.urls import without_credentials

if TYPE_CHECKING:
    from collections.abc import Iterator

    from byoc_proxy.call.leg import Leg
    from byoc_proxy.call.services import Services
    from byoc_proxy.sip.message import Response
    from byoc_proxy.sip.outputs import Ended
    from byoc_proxy.storage.record import AttemptRecord
    from byoc_proxy.trunk.admission import Admit
    from byoc_proxy.webhook.parameters import CallFacts

_ABOUT_THE_SCRIPT = frozenset({11, 12, 13})  # thousands of the codes of requests, documents and verbs
_WHO = {By.LOCAL: "proxy", By.TIMEOUT: "timeout"}


class Journal:
    """The record of one call in the making."""

    def __init__(self, services: Services, leg: Leg, admission: Admit, facts: CallFacts) -> None:
        flow = leg.session.flow
        trunk, domain = admission.trunk, admission.domain
        self._services = services
        self._started = services.endpoint.now
        self._answered_at: float | None = None
        self._written = False
        self._source = flow.remote[0]
        self.record = CallRecord(
            call_sid=facts.call_sid,
            account_sid=facts.account_sid,
            trunk_sid=trunk.sid,
            trunk=trunk.friendly_name,
            domain_sid=domain.sid,
            domain=domain.domain_name,
            region=admission.region,
            direction=facts.direction,
            caller=facts.caller,
            called=facts.called,
            source=place_of(flow.transport, flow.remote),
            call_id=leg.call_id,
            caller_raw=facts.caller_raw,
            called_raw=facts.called_raw,
            caller_name=facts.caller_name,
            username=admission.username,
            acl_entry=str(admission.acl_entry) if admission.acl_entry else None,
            decisions=list(admission.trail),
        )
        self.stage("received")
        self.tell(
            "call.admitted",
            trunk_sid=trunk.sid,
            domain=domain.domain_name,
            caller=facts.caller,
            called=facts.called,
            source=self.record.source,
            decisions=self.record.decisions,
        )
        self._keep()

    @property
    def status(self) -> str:
        """The public CallStatus."""
        return self.record.status

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
        self.record.events.append(EventRecord(code, text, self._services.wall()))
        self.warn("call.event", code=code, text=text)
        self.alert(code, text)

    def alert(self, code: int, text: str) -> None:
        """Tell the account of a code that the record has in its place."""
        record = self.record
        alert = Alert(record.account_sid, code, text, record.call_sid, self._source)
        if record.webhooks and code // 1000 in _ABOUT_THE_SCRIPT:
            asked = record.webhooks[-1]
            alert = alert._replace(request_url=asked.url, request_method=asked.method)
        self._services.alerts.note(alert)

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

    def changed(self) -> None:
        """Something is different that is told to whoever looks, and not worth a write to the disk."""
        self._services.records.changed(self.record)

    def answered(self) -> None:
        self._answered_at = self._services.endpoint.now
        self.stage("answered")
        self.record.sip_status = 200
        self._move(Cause.ANSWERED)
        self._keep()

    def refused(self, status: int) -> None:
        """We are about to refuse the caller."""
        self.record.sip_status = status
        self._move(cause_of_refusal(status))

    def callee_ended(self, ended: Ended) -> None:
        if ended.by is not By.LOCAL:
            self.record.ended_by = "callee" if ended.by is By.REMOTE else _WHO[ended.by]
            self.record.cause = ended.reason
        self.tell("callee.ended", by=ended.by, reason=ended.reason)

    def ended(self, ended: Ended, who: str = "caller") -> None:
        """The leg is over that the call stands on: the caller's, or that of `who` after a transfer."""
        record = self.record
        if record.status == Status.RINGING and record.sip_status is None:
            record.sip_status = 487  # the caller's CANCEL (RFC 3261 §9.2)
        record.ended_by = record.ended_by or _WHO.get(ended.by, who)
        record.cause = record.cause or ended.reason
        self._move(Cause.ENDED)

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
        if self._answered_at is not None:
            record.duration = round(now - self._answered_at, 3)
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

    def _move(self, cause: Cause) -> None:
        self.record.status = after(Status(self.record.status), cause)
