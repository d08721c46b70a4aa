"""Door 2: a call that the API asks for waits for its turn, rings somebody, and runs its script once it is answered.

It is offered a description in which nothing flows: there is nobody yet to talk to (RFC 3725 §4.4).
"""

from __future__ import annotations

import asyncio
from dataclasses import replace
from typing import TYPE_CHECKING, Final

from byoc_proxy.call.call import Call
from byoc_proxy.call.dialling import CannotDial, Dialling, on_no_trunk
from byoc_proxy.call.hunt import RING_BUFFER, Hunt, routing_error
from byoc_proxy.call.intent import Origin
from byoc_proxy.call.journal import Journal
from byoc_proxy.call.progress import Progress
from byoc_proxy.call.status import Cause, Status
from byoc_proxy.call.subscriptions import subscription
from byoc_proxy.storage.record import CallRecord
from byoc_proxy.trunk.identity import Identity, Party
from byoc_proxy.trunk.model import AccountSid, ByocTrunk, ByocTrunkSid
from byoc_proxy.trunk.verdicts import failure
from byoc_proxy.twiml.sip_noun import sip_noun
from byoc_proxy.twiml.verbs import Number, TwimlError
from byoc_proxy.webhook.parameters import CallFacts

if TYPE_CHECKING:
    from byoc_proxy.call.leg import Leg
    from byoc_proxy.call.new_call import NewCall
    from byoc_proxy.call.services import Services
    from byoc_proxy.twiml.verbs import Sip

_NOBODY: Final = Identity(Party(""))
_FORWARDS: Final = 71  # one more than the INVITE says (RFC 3261 §8.1.1.6): nobody has forwarded it yet


class OutboundCall(Call):
    """The call of a `NewCall`, which waits for `depart`."""

    def __init__(self, services: Services, new: NewCall, trunk: ByocTrunk, journal: Journal) -> None:
        origin = Origin(Identity.of_application(new.from_, _NOBODY), (), b"", _FORWARDS)
        super().__init__(services, journal, origin, trunk, new.entry)
        self._new = new
        self._departure = asyncio.Event()
        self._hunt: Hunt | None = None

    def depart(self) -> None:
        """It is this call's turn."""
        self._departure.set()

    async def open(self) -> bool:
        await self._departure.wait()
        hunt = self._hunt = self._hunted()
        if hunt is None:
            return False
        try:
            async with asyncio.timeout(self._new.timeout + RING_BUFFER):
                leg = await hunt.run()
        except TimeoutError:
            hunt.free(Cause.UNANSWERED)
            return False
        if leg is None:
            if not hunt.cancelled:
                routing_error(self.journal, [hunt], failure(hunt.outcomes))
            return False
        self.journal.record.call_id = leg.call_id
        self.journal.answered()
        if self._limit is None:  # else it was given another one while it rang
            self.limit(self._new.time_limit)
        self.stands_on(leg, "callee")
        return leg.ending is None

    def release(self) -> None:
        if self._hunt is not None:
            self._hunt.free()

    def _hunted(self) -> Hunt | None:
        """The hunt for whom it calls, by the newest snapshot; None when there is no way, which is told."""
        new, services, journal = self._new, self.services, self.journal
        number = int(services.token()[:8], 16)
        dialling = Dialling(services.directories.current, self.trunk, self.origin, services.draw, held=number)
        try:
            quarry = dialling.quarry(_noun(new), self.sid, new.caller_id)
        except (CannotDial, TwimlError) as error:
            journal.event(error.code, error.text)
            journal.refused(404)
            return None
        if new.credentials is not None:
            quarry = replace(quarry, credentials=new.credentials)
        journal.tell("dial.started", leg_sid=quarry.call_sid, trunk_sid=quarry.trunk_sid)
        return Hunt(services, quarry, journal, lambda: journal.progress, lambda leg, _: _rings(journal, leg))


def queued_record(services: Services, new: NewCall) -> CallRecord:
    """What is known of a call that nobody has placed yet: enough for a row that promises it."""
    trunk = _trunk(services, new)
    record = CallRecord(
        call_sid=f"CA{services.token()}",
        account_sid=new.account_sid,
        trunk_sid=trunk.sid or None,
        trunk=trunk.friendly_name,
        domain_sid=None,
        domain="",
        region=services.directories.current.installation.region,
        direction="outbound-api",
        caller=new.from_,
        called=new.to,
        source="",
        call_id="",
        status=Status.QUEUED,
    )
    record.stages["queued"] = services.wall()
    if new.callback is not None:
        record.owed = subscription(_facts(record, trunk), Status.QUEUED, new.callback).owed()
    return record


def open_outbound(services: Services, new: NewCall, record: CallRecord) -> OutboundCall:
    """The call that is asked for, whose record is a `queued_record`: queued, and not running yet."""
    trunk = _trunk(services, new)
    facts = _facts(record, trunk)
    progress = Progress(services, facts, Status.QUEUED, record, record, new.callback)
    journal = Journal(services, record, progress)
    journal.begin("queued")
    journal.tell("call.placed", trunk_sid=facts.trunk_sid, caller=facts.caller, called=facts.called)
    return OutboundCall(services, new, trunk, journal)


def _facts(record: CallRecord, trunk: ByocTrunk) -> CallFacts:
    return CallFacts(
        record.call_sid,
        record.account_sid,
        record.caller,
        record.called,
        direction=record.direction,
        trunk_sid=record.trunk_sid,
        body_format=trunk.webhook_format,
    )


def _trunk(services: Services, new: NewCall) -> ByocTrunk:
    """The trunk that it leaves on."""
    account = AccountSid(new.account_sid)
    if new.trunk_sid is None:
        return on_no_trunk(account)
    trunk = services.directories.current.trunk_of(account, new.trunk_sid)
    return trunk or ByocTrunk(ByocTrunkSid(new.trunk_sid), account)  # it is gone, and the call will say so


def _noun(new: NewCall) -> Number | Sip:
    if _is_uri(new.to):
        return sip_noun(new.to)[0]
    return Number(new.to, new.trunk_sid)


def _is_uri(to: str) -> bool:
    return to[:4].lower() == "sip:"


def _rings(journal: Journal, leg: Leg) -> None:
    if leg.rang:
        journal.rang()
