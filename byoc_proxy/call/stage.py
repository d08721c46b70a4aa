"""What a script may do to its call: the `Stage` of `twiml.interpreter`, for calls of both doors."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from typing import TYPE_CHECKING, Final, NamedTuple

from byoc_proxy.call.dial import DialRun
from byoc_proxy.call.refer import Referring
from byoc_proxy.call.status import Cause
from byoc_proxy.sip.sdp import SdpError, held_answer, held_offer
from byoc_proxy.trunk.verdicts import FinalResponse
from byoc_proxy.twiml.interpreter import Fetched, FetchFailed, dial_parameters, refer_parameters
from byoc_proxy.webhook.parameters import voice_parameters
from byoc_proxy.webhook.urls import WebhookError

if TYPE_CHECKING:
    from byoc_proxy.call.call import Call
    from byoc_proxy.twiml.interpreter import DialOutcome, Parameters, ReferOutcome, ScriptRequest
    from byoc_proxy.twiml.verbs import Dial, Refer

NO_VOICE_URL: Final = 11100


class Rejection(NamedTuple):
    """What `<Reject>` says to the caller, and what that makes of the call."""

    code: int
    cause: Cause


REJECTED: Final = {"rejected": Rejection(404, Cause.UNANSWERED), "busy": Rejection(486, Cause.BUSY)}


class ScriptStage:
    """The stage of one script on one call."""

    def __init__(self, call: Call) -> None:
        self._call = call
        self._refusal: FinalResponse | None = None  # how the last <Dial> failed
        self._error = ""  # and the coded reason, where it was not the called party's own

    async def fetch(self, request: ScriptRequest) -> Fetched:
        call = self._call
        services = call.services
        parameters = voice_parameters(call.facts, call.journal.status, request.extra)
        with call.journal.webhook(request.url, request.method) as asked:
            if not request.url:
                asked.code = NO_VOICE_URL
                raise FetchFailed(NO_VOICE_URL, "the trunk has no voice URL", "")
            try:
                document = await services.handlers.fetch(request.url, request.method, parameters, call.web)
            except WebhookError as error:
                asked.code = error.code
                raise FetchFailed(error.code, error.text, error.url) from error
        return Fetched(document.url, document.body, document.spoken)

    async def pause(self, seconds: float) -> None:
        await asyncio.sleep(seconds)

    def note(self, code: int, text: str) -> None:
        self._call.journal.event(code, text)

    async def dial(self, dial: Dial, then: ScriptRequest | None) -> DialOutcome:
        call = self._call
        run = call.dialled = DialRun(call, dial)
        try:
            return await run.run()
        except asyncio.CancelledError:
            self._last_words(then, dial_parameters(run.left_off))
            raise
        finally:
            call.dialled = None
            self._refusal, self._error = run.refusal, run.error

    async def refer(self, refer: Refer, then: ScriptRequest | None) -> ReferOutcome:
        """Only an answered leg can be referred (RFC 3515 §2.1), so one that still rings is answered, on hold."""
        leg = self._call.leg
        if not leg.answered:
            acknowledged = asyncio.Event()
            leg.on_acked = lambda _: acknowledged.set()
            self._answer_on_hold()
            await acknowledged.wait()
            self._call.journal.stage("acknowledged")
        referring = Referring(leg, refer.target)
        try:
            outcome = await referring.run()
        except asyncio.CancelledError:
            self._last_words(then, refer_parameters(referring.left_off))
            raise
        self._call.journal.decided(f"the caller was referred to {refer.target}: {outcome.status}")
        return outcome

    def reject(self, reason: str) -> None:
        if self._call.leg.answered:
            self._call.leg.hang_up()
        else:
            rejection = REJECTED[reason]
            self._call.refuse(FinalResponse(rejection.code), cause=rejection.cause)

    def hang_up(self) -> None:
        """`<Hangup>`, or nothing left to run. An unanswered caller hears why the last `<Dial>` failed; if there
        was none, the call is answered and ended, as the public API does.
        """
        if self._call.leg.answered:
            self._call.leg.hang_up()
        elif self._refusal is not None:
            self._call.refuse(self._refusal, self._error)
        else:
            self._answer_on_hold()
            self._call.leg.hang_up()

    def fail(self, code: int, text: str) -> None:
        self._call.fail(code, text)

    def _last_words(self, then: ScriptRequest | None, parameters: Parameters) -> None:
        """The script is stopped; if it is because the caller has left, the application still hears how it went."""
        if then is not None and self._call.abandoned:
            self._call.last_words = replace(then, extra=parameters)

    def _answer_on_hold(self) -> None:
        call = self._call
        number = int(call.services.token()[:8], 16)
        offer, address = call.origin.offer, call.leg.local_host
        try:
            body = held_answer(offer, address, number) if offer else held_offer(address, number)
        except SdpError as error:
            self.note(32102, f"bad SDP: {error}")
            call.refuse(FinalResponse(488), "32102 Bad SDP")
            return
        call.leg.accept(body)
        call.journal.answered()
