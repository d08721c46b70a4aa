"""One `<Dial>` while it runs: whom it calls, who answers, and how long they talk."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from typing import TYPE_CHECKING, Final

from byoc_proxy.call.bridge import Bridge, refuse_method
from byoc_proxy.call.conversation import Conversation, NotJoined, Released
from byoc_proxy.call.dialling import CannotDial, Dialling
from byoc_proxy.call.hunt import RING_BUFFER, Hunt, routing_error
from byoc_proxy.call.status import Cause, Status, cause_of_all, dial_status
from byoc_proxy.call.transfer import Asked, Transferor
from byoc_proxy.sip.outputs import Ended
from byoc_proxy.sip.sdp import holds
from byoc_proxy.trunk.relaying import extensions
from byoc_proxy.trunk.verdicts import CallerLeft, FinalResponse, failure
from byoc_proxy.twiml.interpreter import DialOutcome, ScriptRequest
from byoc_proxy.twiml.verbs import Number, Sip
from byoc_proxy.webhook.parameters import CallFacts

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from byoc_proxy.call.call import Call
    from byoc_proxy.call.leg import Leg
    from byoc_proxy.sip.message import Response
    from byoc_proxy.twiml.verbs import Dial

NOBODY: Final = FinalResponse(480, "Temporarily Unavailable")


class DialRun:
    """A `<Dial>` of a call. After `run`, `refusal` and `error` say how it failed, for a caller who still waits."""

    def __init__(self, call: Call, dial: Dial) -> None:
        self.hunts: list[Hunt] = []
        self.refusal: FinalResponse | None = None
        self.error = ""  # the coded reason, where it was not the called party's own
        self._call = call
        self._dial = dial
        self._journal = call.journal
        self._services = call.services
        self._ringing: Leg | None = None  # the one phone that rings
        self._talk: Conversation | None = None
        self.left_off = DialOutcome(Status.CANCELED)  # how it stood when the caller left
        self._winner: tuple[Hunt, float] | None = None  # who answered, and when
        self._answered_with: dict[str, str] = {}

    async def run(self) -> DialOutcome:
        """Call somebody and, if they answer, wait until that leg is over. Leaves nobody ringing or talking."""
        self._journal.stage("dialling")
        self._prepare()
        try:
            return await self._run()
        except asyncio.CancelledError:
            self.left_off = self._left_off()
            if self._talk is not None:
                self._talk.break_off()  # no hunt has found a caller who has handed over, and waits
            raise
        finally:
            for hunt in self.hunts:
                if hunt.leg is not None and hunt.leg is self._call.leg:
                    self._call.keeps(hunt)  # its caller has handed it over: the call goes on with this leg
                    continue
                if hunt.leg is not None:
                    hunt.leg.hang_up()
                hunt.free()  # a ring timeout has freed them before
            # they know this run: it would wait for the collector
            self.hunts, self._talk, self._winner = [], None, None

    def hang_up(self, reason: str) -> None:
        """End the legs that talk."""
        if self._talk is not None:
            self._talk.other.hang_up(reason)
            self._talk.anchor.hang_up(reason)

    def release(self, hunt: Hunt) -> Leg | None:
        """Let the dialled leg that talks go its own way; None when this is not one that can."""
        talk = self._talk
        if talk is None or hunt.leg is not talk.other or not talk.release():
            return None
        self.hunts.remove(hunt)
        return hunt.leg

    async def _run(self) -> DialOutcome:
        started = self._services.endpoint.now
        try:
            async with asyncio.timeout(self._dial.timeout + RING_BUFFER):
                winner = await self._first_answer()
        except TimeoutError:
            return self._rang_out()
        if winner is None:
            return self._failed()
        self._journal.tell("dial.answered", seconds=round(self._services.endpoint.now - started, 3))
        return await self._converse(winner)

    # --- calling -------------------------------------------------------------------------------------------

    def _prepare(self) -> None:
        dial, call = self._dial, self._call
        sole = len(dial.nouns) == 1 or dial.sequential
        answers_early = sole and not call.leg.answered and call.leg.answers_early
        dialling = self._dialling(self._offer(), answers_early)
        for noun in dial.nouns:
            try:
                self.hunts.append(
                    self._hunt(dialling, noun, lambda leg, response: self._progress(leg, response, sole))
                )
            except CannotDial as error:
                self._journal.event(error.code, error.text)
                self.error = f"{error.code} {error.text}"

    def _offer(self) -> bytes:
        """What the called side is offered; nothing asks it for an offer of its own (RFC 3725 §4.4, flow IV).

        A caller who has been answered before offered us all that it can, and what it said last is good enough for
        who is called next: an INVITE without an offer is what carriers like least. But there is nothing in the
        description of a leg on hold, and a leg that we called has only ever answered, with what the other side of
        that time could do.
        """
        leg = self._call.leg
        if not leg.answered:
            return self._call.origin.offer
        return b"" if leg.is_ours or holds(leg.remote_sdp) else leg.remote_sdp

    def _dialling(self, body: bytes, answers_early: bool = False) -> Dialling:
        directory = self._services.directories.current  # the newest: a disabled target is not tried any more
        call = self._call
        return Dialling(directory, call.trunk, call.origin, self._services.draw, body, answers_early)

    def _hunt(self, dialling: Dialling, noun: Number | Sip, on_progress: Callable[[Leg, Response], None]) -> Hunt:
        """One noun to be hunted for. Raises `CannotDial`."""
        journal, callback = self._journal, noun.callback
        quarry = dialling.quarry(noun, f"CA{self._services.token()}", self._dial.caller_id)
        if self._dial.refer_url:
            quarry.intent.terms = quarry.intent.terms._replace(transfers=True)
        journal.tell("dial.started", leg_sid=quarry.call_sid, trunk_sid=quarry.trunk_sid)
        facts = CallFacts(
            quarry.call_sid,
            self._call.facts.account_sid,
            quarry.intent.caller,
            quarry.called,
            direction="outbound-dial",
            trunk_sid=quarry.trunk_sid,
            parent_call_sid=self._call.sid,
            body_format=self._call.facts.body_format,
        )
        return Hunt(self._services, quarry, journal, lambda: journal.child(facts, callback), on_progress)

    async def _first_answer(self) -> Hunt | None:
        if len(self.hunts) == 1 or self._dial.sequential:
            for hunt in self.hunts:
                if await hunt.run() is not None:
                    return hunt
            return None
        winner = await self._race()
        for hunt in self.hunts:
            if hunt is not winner:
                hunt.free()
        return winner

    async def _race(self) -> Hunt | None:
        """All at once: the first answer wins and the rest are cancelled."""
        winners: list[Hunt] = []

        async def chase(hunt: Hunt) -> None:
            leg = await hunt.run()
            if leg is None:
                return
            if winners:
                leg.hang_up()  # answered in the same instant as the winner
                return
            winners.append(hunt)
            for task in tasks:
                if task is not asyncio.current_task():
                    task.cancel()

        async with asyncio.TaskGroup() as group:
            tasks = [group.create_task(chase(hunt)) for hunt in self.hunts]
        return winners[0] if winners else None

    def _progress(self, leg: Leg, response: Response, sole: bool) -> None:
        """Their 18x to our caller: early media only when one phone rings, 180 once. One who has been answered hears
        nothing of it.
        """
        call = self._call
        if call.transferor is not None:
            call.transferor.hears(response)
        if call.leg.answered:
            return
        self._journal.stage("progress")
        if sole and self._ringing is not leg:
            self._ringing = leg
            Bridge(call.leg, leg, refuse_method)  # what they ask in their early dialogs crosses, too
        if response.sdp and sole:
            self._journal.rang()
            call.leg.progress(response.status, response.sdp, call.leg.lets(response.headers))
        elif response.status != 183:
            call.ring(call.leg.lets(response.headers) if sole else ())

    def _rang_out(self) -> DialOutcome:
        for hunt in self.hunts:
            hunt.free(Cause.UNANSWERED)
        return self._unanswered(Cause.UNANSWERED)

    def _failed(self) -> DialOutcome:
        """Every hunt has come to its end."""
        hunts = self.hunts
        if hunts and all(hunt.cancelled for hunt in hunts):
            return self._unanswered(Cause.CANCELLED)
        outcomes = [each for hunt in hunts for each in hunt.outcomes if not isinstance(each, CallerLeft)]
        final = failure(outcomes)
        error = routing_error(self._journal, hunts, final) if hunts else self.error
        return self._unanswered(cause_of_all(outcomes), final, error)

    def _unanswered(self, cause: Cause, final: FinalResponse = NOBODY, error: str = "") -> DialOutcome:
        """`final` is what a caller hears who still waits; without one the call was left while it rang."""
        self.refusal, self.error = final, error
        status = dial_status(cause)
        self._journal.tell("dial.failed", status=status, sip_status=final.status)
        sid = self.hunts[0].quarry.call_sid if self.hunts else None
        code = 487 if final is NOBODY else final.status
        is_sip = isinstance(self._dial.nouns[0], Sip)
        return DialOutcome(status, sid, sip_response_code=code, is_sip=is_sip, sip_headers=final.extensions)

    # --- talking -------------------------------------------------------------------------------------------

    async def _converse(self, winner: Hunt) -> DialOutcome:
        """The conversation, until the called side leaves or `timeLimit` is up."""
        callee = winner.leg
        assert callee is not None
        self.refusal, self.error = None, ""
        started = self._services.endpoint.now
        self._winner = winner, started
        self._call.transferor_leaves(200)
        self._answered_with = dict(extensions(callee.answer_fields))  # before the caller's answer takes them
        talk = self._talk = Conversation(
            self._services,
            self._journal,
            (self._call.leg, callee),
            None if self._dial.refer_url else self._redial,
            lambda anchor: self._call.stands_on(anchor, "callee"),  # who was called was handed over, and stays
            lambda leg: _free(self.hunts, leg),
        )
        ended = await talk.run(self._dial.time_limit, self._dial.timeout + RING_BUFFER)
        if isinstance(ended, NotJoined):
            return replace(self._completed(winner, started), status=Status.FAILED, sip_response_code=ended.status)
        if ended is None:
            self._journal.tell("dial.time_limit", seconds=self._dial.time_limit)
            talk.other.hang_up()
        elif isinstance(ended, Released):
            return replace(self._completed(winner, started), duration=None)  # it goes on
        elif isinstance(ended, Asked):
            return replace(self._completed(winner, started), replaced_by=self._refer(ended))
        elif isinstance(ended, Ended):
            self._journal.callee_ended(ended)
        return self._completed(winner, started)

    def _refer(self, asked: Asked) -> ScriptRequest:
        """One of the two wants somebody else in its place: the application says how the call goes on."""
        asker = asked.reports.leg
        found = [hunt for hunt in self.hunts if hunt.leg is asker]
        for hunt in found:
            self.hunts.remove(hunt)
        self._call.transferor = Transferor(asked.reports, found[0] if found else None)
        self._journal.decided(f"transfer to {asked.wish.target} asked for: referUrl decides")
        extra = (("ReferTransferTarget", asked.wish.target),)
        return ScriptRequest(self._dial.refer_url or "", self._dial.refer_method, extra)

    def _left_off(self) -> DialOutcome:
        if self._winner is not None:
            return self._completed(*self._winner)
        return DialOutcome(Status.CANCELED, self.hunts[0].quarry.call_sid if self.hunts else None)

    def _completed(self, winner: Hunt, started: float) -> DialOutcome:
        callee = winner.leg
        last = callee.ending.request if callee is not None and callee.ending is not None else None
        return DialOutcome(
            Status.COMPLETED,
            winner.quarry.call_sid,
            int(self._services.endpoint.now - started),
            bridged=self._talk is not None and self._talk.joined,
            sip_response_code=200,
            sip_call_id=callee.call_id if callee is not None else None,
            is_sip=winner.quarry.trunk_sid is None,  # a <Number> leaves on a trunk
            sip_headers=tuple({**self._answered_with, **dict(extensions(last.headers) if last else ())}.items()),
        )

    def _redial(self, number: str, asker: Leg, offer: bytes, tell: Callable[[Response], None]) -> Hunt:
        """The hunt of a transfer, on the trunk of the leg that asks for it. Raises `CannotDial`."""
        trunk = asker.trunk
        if trunk is not None:
            number = trunk.inbound_numbers.called.apply(number)  # its carrier wrote it
        noun = Number(number, trunk.sid if trunk is not None else None)
        hunt = self._hunt(self._dialling(offer), noun, lambda _, response: tell(response))
        self.hunts.append(hunt)
        return hunt


def _free(hunts: Sequence[Hunt], leg: Leg) -> None:
    """The leg is out of the conversation, which goes on: so is its hunt."""
    for hunt in hunts:
        if hunt.leg is leg:
            hunt.free()
