"""A leg that a call has dialled, as the API names it by its own CallSid: ended, called off, redirected, limited."""

from __future__ import annotations

from typing import TYPE_CHECKING

from byoc_proxy.call.call import Call
from byoc_proxy.call.dialling import on_no_trunk
from byoc_proxy.call.intent import Origin
from byoc_proxy.call.journal import Journal
from byoc_proxy.call.status import shown
from byoc_proxy.storage.record import CallRecord
from byoc_proxy.trunk.identity import Identity

if TYPE_CHECKING:
    from collections.abc import Callable

    from byoc_proxy.call.hunt import Hunt
    from byoc_proxy.call.leg import Leg
    from byoc_proxy.twiml.interpreter import Entry


class Child:
    """What may be asked of a dialled leg, in the words of `Call`. `begin` takes the call that it becomes."""

    def __init__(self, parent: Call, hunt: Hunt, begin: Callable[[Call], None]) -> None:
        self.sid = hunt.quarry.call_sid
        self.progress = hunt.begun
        self.journal = parent.journal
        self._parent = parent
        self._hunt = hunt
        self._begin = begin

    def end(self) -> bool:
        """Hang it up, or call it off while it rings: the `<Dial>` is over, or goes on with the others."""
        if self.progress.over:
            return False
        if self._hunt.leg is None:
            self._hunt.cancel()
        else:
            self._hunt.leg.hang_up()
        return True

    def cancel(self) -> bool:
        """Call it off, if nobody has answered."""
        return self._hunt.leg is None and self.end()

    def redirect(self, entry: Entry) -> bool:
        """Take it out of the conversation, into a call of its own that runs this script. Its `<Dial>` is over."""
        dialled = self._parent.dialled
        leg = dialled.release(self._hunt) if dialled is not None else None
        if leg is None:
            return False
        self._begin(PartedCall(self._parent, self._hunt, leg, entry))
        return True

    def limit(self, seconds: float) -> bool:
        """Hang it up so many seconds after its answer."""
        if self.progress.over:
            return False
        self._hunt.limit(seconds)
        return True


class PartedCall(Call):
    """A call that was a leg of another one; it keeps its CallSid, its line and what it has come to."""

    def __init__(self, parent: Call, hunt: Hunt, leg: Leg, entry: Entry) -> None:
        trunk = hunt.quarry.trunk or on_no_trunk(parent.trunk.account_sid)
        caller = Identity.of_application(hunt.begun.facts.caller, parent.origin.identity)
        origin = Origin(caller, (), b"", parent.origin.max_forwards)
        super().__init__(parent.services, _journal(parent, hunt, leg), origin, trunk, entry)
        self._hunt = hunt
        self.stands_on(leg, "callee")

    def release(self) -> None:
        self._hunt.free()


def _journal(parent: Call, hunt: Hunt, leg: Leg) -> Journal:
    """What was written down of the leg, as that of a call."""
    progress, told = hunt.begun, parent.journal.part(hunt.quarry.call_sid)
    facts = progress.facts
    record = CallRecord(
        call_sid=facts.call_sid,
        account_sid=facts.account_sid,
        trunk_sid=facts.trunk_sid,
        trunk=hunt.quarry.trunk.friendly_name if hunt.quarry.trunk is not None else "",
        domain_sid=None,
        domain="",
        region=parent.journal.record.region,
        direction=facts.direction,
        caller=facts.caller,
        called=facts.called,
        source="",
        call_id=leg.call_id,
        status=shown(progress.status),
        sip_status=progress.sip_status,
        parent_call_sid=facts.parent_call_sid,
    )
    progress.goes_on(record)
    journal = Journal(parent.services, record, progress)
    record.stages.update(received=told.started_at, answered=told.answered_at or told.started_at)
    journal.begin("parted")
    journal.tell("call.parted", parent_call_sid=facts.parent_call_sid)
    return journal
