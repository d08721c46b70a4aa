"""One call: its caller's leg, the script that runs on it, and everything that is written down about it.

`run` is the call's one task. The script runs in a scope that the caller's leaving closes, which takes down
whatever it waits for: webhook, hunts or conversation. Legs are then told to hang up, which cannot fail and is not
waited for.
"""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Final, NamedTuple

from byoc_proxy.call.bridge import Bridge, refuse_method
from byoc_proxy.call.conversation import Conversation
from byoc_proxy.call.dialling import CannotDial, Dialling
from byoc_proxy.call.hunt import Hunt
from byoc_proxy.call.status import Cause, Status, dial_status
from byoc_proxy.sip.sdp import SdpError, held_answer, held_offer
from byoc_proxy.trunk.admission import ERROR_HEADER
from byoc_proxy.trunk.verdicts import (
    FinalResponse,
    Outcome,
    RingTimeout,
    failure,
    status_for_other_leg,
)
from byoc_proxy.twiml.interpreter import DialOutcome, Entry, Fetched, FetchFailed, ScriptRequest
from byoc_proxy.twiml.interpreter import run as run_script
from byoc_proxy.twiml.verbs import Number, Sip
from byoc_proxy.webhook.parameters import CallFacts, voice_parameters
from byoc_proxy.webhook.session import WebSession
from byoc_proxy.webhook.urls import WebhookError

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from byoc_proxy.call.intent import Origin
    from byoc_proxy.call.journal import Journal
    from byoc_proxy.call.leg import Leg
    from byoc_proxy.call.services import Services
    from byoc_proxy.sip.message import Response
    from byoc_proxy.sip.outputs import Ended
    from byoc_proxy.sip.session import Fields
    from byoc_proxy.trunk.model import ByocTrunk
    from byoc_proxy.twiml.verbs import Dial

RING_BUFFER: Final = 5.0  # the public API rings five seconds longer than `timeout` says
LONGEST_SETUP: Final = 900.0  # more than any single <Dial> may ring
SETUP_TOO_LONG: Final = 32016  # post dial delay timeout
ROUTING_FAILED: Final = 32400  # BYOC trunk routing failure
NO_VOICE_URL: Final = 11100


class Rejection(NamedTuple):
    """What `<Reject>` says to the caller, and what that makes of the call."""

    code: int
    cause: Cause


REJECTED: Final = {"rejected": Rejection(404, Cause.UNANSWERED), "busy": Rejection(486, Cause.BUSY)}


class Call:
    """One inbound call; the `Stage` of its script."""

    def __init__(
        self, services: Services, leg: Leg, origin: Origin, trunk: ByocTrunk, facts: CallFacts, journal: Journal
    ) -> None:
        self.sid = facts.call_sid
        self.leg = leg
        self.journal = journal
        self._services = services
        self._origin = origin
        self._trunk = trunk
        self._facts = facts
        self._ringing: Leg | None = None  # the one phone that rings
        self._conversation: Conversation | None = None
        self._refusal: FinalResponse | None = None  # how the last <Dial> failed
        self._error = ""  # and the coded reason, where it was not the called party's own
        self._stay: asyncio.Timeout | None = None  # while the script runs
        leg.on_ended = self._caller_left
        leg.on_acked = lambda _: self.journal.stage("acknowledged")
        account = services.directories.current.accounts[trunk.account_sid]
        self._web = WebSession(account.sid, facts.call_sid, account.auth_token, exchanges=services.exchanges)

    # --- life ----------------------------------------------------------------------------------------------

    async def run(self) -> None:
        """Run the trunk's script; returns when the call is over."""
        stay = asyncio.timeout(None)
        overdue = asyncio.get_running_loop().call_later(LONGEST_SETUP, self._overdue)
        try:
            async with stay:
                if self.leg.ending is None:  # else its CANCEL came in the same wake-up as its INVITE
                    self._stay = stay
                    await self._perform()
        except Exception as error:
            self._stay = None
            if isinstance(error, TimeoutError) and stay.expired():
                self.journal.stage("caller_left")  # the ordinary end
            else:
                # a bug in one call ends that call, never the process
                self.journal.crashed()
                self.fail(12400, "Internal failure")
        finally:
            overdue.cancel()
            self._stay = None
            self.end()
            self._conversation = None  # it knows this call: the two would wait for the collector

    async def _perform(self) -> None:
        if self._trunk.ringing == "early":
            self.ring()
        await run_script(self, self._entry())

    def ring(self, headers: Fields = ()) -> None:
        """180, unless it rings already."""
        if "ringing" not in self.journal.record.stages:
            self.journal.rang()
            self.leg.progress(180, b"", headers)

    def end(self, reason: str = "") -> None:
        """Hang up whatever is up. Idempotent."""
        talk = self._conversation
        for leg in (talk.other, talk.anchor, self.leg) if talk is not None else (self.leg,):
            leg.hang_up(reason)

    def _overdue(self) -> None:
        """Each stage has its own limit, but a script can have any number of them: no INVITE waits for ever."""
        if self._stay is None or self.leg.answered:
            return
        text = f"no final response to the caller after {LONGEST_SETUP:g} s"
        self.note(SETUP_TOO_LONG, text)
        self._refuse(FinalResponse(408, "Request Timeout"), f"{SETUP_TOO_LONG} {text}")

    def _caller_left(self, ended: Ended, who: str = "caller") -> None:
        """Whatever the script waits for is over: webhook, hunts, conversation."""
        self.journal.ended(ended, who)
        if self._stay is not None:
            self._stay.reschedule(self._services.endpoint.now)
            self._stay = None

    def _entry(self) -> Entry:
        trunk = self._trunk
        fallback = None
        if trunk.voice_fallback_url is not None:
            fallback = ScriptRequest(trunk.voice_fallback_url, trunk.voice_fallback_method)
        if trunk.voice_twiml is not None:
            return Entry(trunk.voice_twiml.encode(), fallback)
        return Entry(ScriptRequest(trunk.voice_url or "", trunk.voice_method), fallback)

    # --- the stage of the script ---------------------------------------------------------------------------

    async def fetch(self, request: ScriptRequest) -> Fetched:
        parameters = voice_parameters(self._facts, self.journal.status)
        if request.extra:
            parameters += request.extra
        with self.journal.webhook(request.url, request.method) as asked:
            if not request.url:
                asked.code = NO_VOICE_URL
                raise FetchFailed(NO_VOICE_URL, "the trunk has no voice URL", "")
            try:
                document = await self._services.webhooks.fetch(request.url, request.method, parameters, self._web)
            except WebhookError as error:
                asked.code = error.code
                raise FetchFailed(error.code, error.text, error.url) from error
        return Fetched(document.url, document.body, document.spoken)

    async def pause(self, seconds: float) -> None:
        await asyncio.sleep(seconds)

    def note(self, code: int, text: str) -> None:
        self.journal.event(code, text)

    def reject(self, reason: str) -> None:
        if self.leg.answered:
            self.leg.hang_up()
        else:
            self._refuse(FinalResponse(REJECTED[reason].code), cause=REJECTED[reason].cause)

    def hang_up(self) -> None:
        """`<Hangup>`, or nothing left to run. An unanswered caller hears why the last `<Dial>` failed; if there
        was none, the call is answered and ended, as the public API does.
        """
        if self.leg.answered:
            self.leg.hang_up()
        elif self._refusal is not None:
            self._refuse(self._refusal, self._error)
        else:
            self._answer_and_end()

    def fail(self, code: int, text: str) -> None:
        if self.leg.answered:
            self.leg.hang_up()
        else:
            self._refuse(FinalResponse(500, "Application Error"), f"{code} {text}")

    async def dial(self, dial: Dial) -> DialOutcome:
        self.journal.stage("dialling")
        hunts = self._hunts(dial)
        try:
            return await self._dial(dial, hunts)
        finally:
            for hunt in hunts:
                hunt.free()  # a ring timeout has freed them before

    async def _dial(self, dial: Dial, hunts: list[Hunt]) -> DialOutcome:
        started = self._services.endpoint.now
        try:
            async with asyncio.timeout(dial.timeout + RING_BUFFER):
                winner = await self._first_answer(hunts, dial.sequential)
        except TimeoutError:
            return self._unanswered(dial, hunts, RingTimeout())
        if winner is None:
            return self._unanswered(dial, hunts, None)
        self.journal.tell("dial.answered", seconds=round(self._services.endpoint.now - started, 3))
        return await self._talk(dial, hunts, winner)

    # --- dialling ------------------------------------------------------------------------------------------

    def _hunts(self, dial: Dial) -> list[Hunt]:
        sole = len(dial.nouns) == 1 or dial.sequential
        answers_early = sole and not self.leg.answered and self.leg.answers_early
        offer = self.leg.remote_sdp if self.leg.answered else self._origin.offer
        dialling = self._dialling(offer, answers_early)
        hunts = []
        for noun in dial.nouns:
            try:
                hunts.append(
                    self._hunt(dialling, dial, noun, lambda leg, response: self._progress(leg, response, sole)),
                )
            except CannotDial as error:
                self.note(error.code, error.text)
                self._error = f"{error.code} {error.text}"
        return hunts

    def _dialling(self, body: bytes, answers_early: bool = False) -> Dialling:
        directory = self._services.directories.current  # the newest: a disabled target is not tried any more
        return Dialling(directory, self._trunk, self._origin, body, self._services.draw, answers_early)

    def _hunt(
        self, dialling: Dialling, dial: Dial, noun: Number | Sip, on_progress: Callable[[Leg, Response], None]
    ) -> Hunt:
        """One noun to be hunted for. Raises `CannotDial`."""
        quarry = dialling.quarry(dial, noun, f"CA{self._services.token()}")
        self.journal.tell("dial.started", leg_sid=quarry.call_sid, trunk_sid=quarry.trunk_sid)
        facts = CallFacts(
            quarry.call_sid,
            self._facts.account_sid,
            quarry.intent.caller,
            quarry.called,
            direction="outbound-dial",
            trunk_sid=quarry.trunk_sid,
            parent_call_sid=self.sid,
        )
        journal, callback = self.journal, noun.callback
        return Hunt(self._services, quarry, journal, lambda: journal.child(facts, callback), on_progress)

    async def _first_answer(self, hunts: Sequence[Hunt], sequential: bool) -> Hunt | None:
        if len(hunts) == 1 or sequential:
            for hunt in hunts:
                if await hunt.run() is not None:
                    return hunt
            return None
        winner = await self._race(hunts)
        for hunt in hunts:
            if hunt is not winner:
                hunt.free()
        return winner

    async def _race(self, hunts: Sequence[Hunt]) -> Hunt | None:
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

        try:
            async with asyncio.TaskGroup() as group:
                tasks = [group.create_task(chase(hunt)) for hunt in hunts]
        except asyncio.CancelledError:
            for hunt in winners:  # the caller left, or the time was up, in the instant of the answer
                if hunt.leg is not None:
                    hunt.leg.hang_up()
            raise
        return winners[0] if winners else None

    def _progress(self, leg: Leg, response: Response, sole: bool) -> None:
        """Their 18x to our caller: early media only when one phone rings, 180 once."""
        if self.leg.answered:
            return
        self.journal.stage("progress")
        if sole and self._ringing is not leg:
            self._ringing = leg
            Bridge(self.leg, leg, refuse_method)  # what they ask in their early dialogs crosses, too
        if response.sdp and sole:
            self.journal.rang()
            self.leg.progress(response.status, response.sdp, self.leg.lets(response.headers))
        elif response.status != 183:
            self.ring(self.leg.lets(response.headers) if sole else ())

    def _unanswered(self, dial: Dial, hunts: Sequence[Hunt], outcome: Outcome | None) -> DialOutcome:
        outcomes = [each for hunt in hunts for each in hunt.outcomes]
        if outcome is None:
            outcome = self._refusal = failure(outcomes)
            if hunts:
                self._error = self._routing_error(hunts, outcome)
        else:
            self._refusal, self._error = FinalResponse(480, "Temporarily Unavailable"), ""
            for hunt in hunts:
                hunt.free(Cause.UNANSWERED)
        status = dial_status(outcome)
        self.journal.tell("dial.failed", status=status, sip_status=self._refusal.status)
        sid = hunts[0].quarry.call_sid if hunts else None
        code = outcome.status if isinstance(outcome, FinalResponse) else 487
        return DialOutcome(status, sid, sip_response_code=code, is_sip=isinstance(dial.nouns[0], Sip))

    def _routing_error(self, hunts: Sequence[Hunt], final: FinalResponse) -> str:
        """A called party who says no is no routing failure; running out of addresses is."""
        if all(hunt.stopped for hunt in hunts):
            return ""
        self.note(ROUTING_FAILED, f"BYOC Trunk routing failure: {final.status} {final.reason}".rstrip())
        return f"{ROUTING_FAILED} BYOC Trunk routing failure"

    # --- talking -------------------------------------------------------------------------------------------

    async def _talk(self, dial: Dial, hunts: list[Hunt], winner: Hunt) -> DialOutcome:
        """The conversation, until the called side leaves or `timeLimit` is up."""
        callee = winner.leg
        assert callee is not None
        self._refusal, self._error = None, ""
        started = self._services.endpoint.now
        talk = self._conversation = Conversation(
            self._services,
            self.journal,
            (self.leg, callee),
            lambda *asked: self._redial(dial, hunts, *asked),
            self._handed_over,
            lambda leg: _free(hunts, leg),
        )
        ended = await talk.run(dial.time_limit, dial.timeout + RING_BUFFER)
        if ended is None:
            self.journal.tell("dial.time_limit", seconds=dial.time_limit)
            talk.other.hang_up()
        else:
            self.journal.callee_ended(ended)
        self._conversation = None
        return DialOutcome(
            Status.COMPLETED,
            winner.quarry.call_sid,
            int(self._services.endpoint.now - started),
            bridged=True,
            sip_response_code=200,
            sip_call_id=callee.call_id,
            is_sip=winner.quarry.trunk_sid is None,  # a <Number> leaves on a trunk
        )

    def _redial(
        self, dial: Dial, hunts: list[Hunt], number: str, asker: Leg, offer: bytes, tell: Callable[[Response], None]
    ) -> Hunt:
        """The hunt of a transfer, on the trunk of the leg that asks for it. Raises `CannotDial`."""
        trunk = asker.trunk
        if trunk is not None:
            number = trunk.inbound_numbers.called.apply(number)  # its carrier wrote it
        noun = Number(number, trunk.sid if trunk is not None else None)
        hunt = self._hunt(self._dialling(offer), dial, noun, lambda _, response: tell(response))
        hunts.append(hunt)
        return hunt

    def _handed_over(self, anchor: Leg) -> None:
        """The caller has transferred the called side: the call lives on as long as that stays."""
        self.leg = anchor
        anchor.on_ended = lambda ended: self._caller_left(ended, "callee")

    # --- ending --------------------------------------------------------------------------------------------

    def _refuse(self, final: FinalResponse, error: str = "", cause: Cause | None = None) -> None:
        text = "".join(char if char.isprintable() else " " for char in error)
        status = status_for_other_leg(final.status)
        reason = final.reason if status == final.status else ""
        self.journal.refused(status, cause)
        self.leg.refuse(status, reason or None, ((ERROR_HEADER, text),) if text else ())

    def _answer_and_end(self) -> None:
        address = self.leg.session.flow.sent_by.rpartition(":")[0].strip("[]")
        number = int(self._services.token()[:8], 16)
        offer = self._origin.offer
        try:
            body = held_answer(offer, address, number) if offer else held_offer(address, number)
        except SdpError as error:
            self.note(32102, f"bad SDP: {error}")
            self._refuse(FinalResponse(488), "32102 Bad SDP")
            return
        self.leg.accept(body)
        self.journal.answered()
        self.leg.hang_up()


def _free(hunts: Sequence[Hunt], leg: Leg) -> None:
    """The leg is out of the conversation, which goes on: so is its hunt."""
    for hunt in hunts:
        if hunt.leg is leg:
            hunt.free()
