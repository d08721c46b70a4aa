"""One call: the leg that it stands on, the script that runs on it, and what may be done to it from outside.

`run` is the call's one task. What it does runs in a scope that the leaving of its leg closes, which takes down
whatever is waited for: webhook, hunts or conversation. Legs are then told to hang up, which cannot fail and is not
waited for. The two doors, `inbound` and `outbound`, are about how the leg comes to be; all after that is here.
"""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Final

from byoc_proxy.call.stage import ScriptStage
from byoc_proxy.call.status import Cause, Status
from byoc_proxy.call.time_limit import TimeLimit
from byoc_proxy.sip.outputs import By
from byoc_proxy.trunk.admission import ERROR_HEADER
from byoc_proxy.trunk.verdicts import FinalResponse, status_for_other_leg
from byoc_proxy.twiml.interpreter import FetchFailed
from byoc_proxy.twiml.interpreter import run as run_script
from byoc_proxy.webhook.session import WebSession

if TYPE_CHECKING:
    from collections.abc import Coroutine

    from byoc_proxy.call.dial import DialRun
    from byoc_proxy.call.hunt import Hunt
    from byoc_proxy.call.intent import Origin
    from byoc_proxy.call.journal import Journal
    from byoc_proxy.call.leg import Leg
    from byoc_proxy.call.services import Services
    from byoc_proxy.call.transfer import Transferor
    from byoc_proxy.sip.outputs import Ended
    from byoc_proxy.sip.session import Fields
    from byoc_proxy.trunk.model import ByocTrunk
    from byoc_proxy.twiml.interpreter import Entry, ScriptRequest

INTERNAL: Final = 12400


class Call:
    """One CallSid that a script runs for. `trunk` is the one that its leg is on; its SID is empty for a leg that is
    on none.

    What may be asked of it, `end`, `cancel`, `redirect` and `limit`, happens at once and cannot fail; False says
    that the call is not in a state for it.
    """

    def __init__(
        self,
        services: Services,
        journal: Journal,
        origin: Origin,
        trunk: ByocTrunk,
        entry: Entry,
        leg: Leg | None = None,
    ) -> None:
        self.services = services
        self.journal = journal
        self.progress = journal.progress
        self.facts = journal.progress.facts
        self.sid = self.facts.call_sid
        self.origin = origin
        self.trunk = trunk
        account = services.directories.current.accounts[self.facts.account_sid]
        form = self.facts.body_format
        self.web = WebSession(account.sid, self.sid, account.auth_token, form, services.exchanges)
        self.dialled: DialRun | None = None  # the <Dial> that runs
        self.abandoned = False  # its leg has left; we did not hang up
        self._entry: Entry | None = entry  # of the script that is to run next
        self._leg: Leg | None = None
        self._scope: asyncio.Timeout | None = None  # around what the call does now
        self.last_words: ScriptRequest | None = None
        self.transferor: Transferor | None = None  # who has asked a script for somebody in its place
        self._kept: list[Hunt] = []  # that found the leg it stands on now
        self._limit: TimeLimit | None = None
        if leg is not None:
            self.stands_on(leg)

    @property
    def leg(self) -> Leg:
        """The leg that the call stands on; no script runs before there is one."""
        if self._leg is None:
            raise AssertionError("the call has no leg yet")
        return self._leg

    @property
    def is_up(self) -> bool:
        """Its leg is answered and has not ended."""
        return self.progress.status is Status.IN_PROGRESS and self.leg.ending is None

    # --- life ----------------------------------------------------------------------------------------------

    async def run(self) -> None:
        """Run the script, and any that it is redirected to; returns when the call is over."""
        try:
            await self._do(self._begin())
            while self._entry is not None and self.is_up:
                await self._do(self._perform())
            if self.last_words is not None:
                self.release()  # a slow application holds no line
                await self._say(self.last_words)
        except Exception:
            # a bug in one call ends that call, never the process
            self.journal.crashed()
            self.fail(INTERNAL, "Internal failure")
        finally:
            self._scope = None
            self._lift_limit()
            self._hang_up("")
            for hunt in self._kept:
                hunt.free()

    def close(self) -> None:
        """It is over, for good."""
        self.release()
        self.journal.close()

    def release(self) -> None:
        """Give back what only a call that is up may hold. Idempotent."""

    async def open(self) -> bool:
        """Have the leg where a script may begin on it; False when it did not come to that."""
        return True

    async def _begin(self) -> None:
        if await self.open():
            await self._perform()

    async def _perform(self) -> None:
        entry, self._entry = self._entry, None
        self.transferor_leaves(480)
        if entry is not None:
            await run_script(ScriptStage(self), entry)

    async def _do(self, work: Coroutine[None, None, None]) -> None:
        """Work until it is done, or until `_stop`."""
        if self.progress.over:
            work.close()  # its CANCEL came in the same wake-up as its INVITE
            return
        scope = asyncio.timeout(None)
        try:
            async with scope:
                self._scope = scope
                await work
        except TimeoutError:
            if not scope.expired():
                raise
            if self._entry is None:
                self.journal.stage("caller_left")  # the ordinary end
        finally:
            self._scope = None

    async def _say(self, request: ScriptRequest) -> None:
        """Tell the application how the <Dial> or <Refer> went that the caller has left. No script follows: what it
        answers is not read.
        """
        try:
            await ScriptStage(self).fetch(request)
        except FetchFailed as failed:
            self.journal.event(failed.code, failed.text)

    def _stop(self) -> None:
        """Whatever the call waits for is over: webhook, hunts, conversation."""
        scope, self._scope = self._scope, None
        if scope is not None:
            scope.reschedule(self.services.endpoint.now)

    def stands_on(self, leg: Leg, who: str = "caller") -> None:
        """The call lives as long as this leg of `who`."""
        self._leg = leg
        leg.on_ended = lambda ended: self._left(ended, who)
        if leg.ending is not None:  # its BYE came right behind its answer
            self._left(leg.ending, who)

    def _left(self, ended: Ended, who: str) -> None:
        self.journal.ended(ended, who)
        self.abandoned = ended.by is not By.LOCAL
        self._stop()

    def keeps(self, hunt: Hunt) -> None:
        """The leg that a `<Dial>` has found outlives it: the call stands on it."""
        self._kept.append(hunt)

    def transferor_leaves(self, status: int) -> None:
        """Whoever has asked for somebody in its place has had its way, or never will."""
        transferor, self.transferor = self.transferor, None
        if transferor is not None:
            transferor.leaves(status)

    def _finish(self, reason: str = "") -> None:
        self._entry = None
        self._stop()  # before the legs end: the script must not go on with what comes of that
        self._hang_up(reason)

    def _hang_up(self, reason: str) -> None:
        self.transferor_leaves(480)
        if self.dialled is not None:
            self.dialled.hang_up(reason)
        if self._leg is not None:
            self._leg.hang_up(reason)

    # --- what may be asked of it ---------------------------------------------------------------------------

    def end(self, reason: str = "") -> bool:
        """Hang up whatever is up, or cancel what rings. `reason` is a Reason header (RFC 3326)."""
        if self.progress.over:
            return False
        if self._leg is None:
            return self.cancel()
        self._finish(reason)
        return True

    def cancel(self) -> bool:
        """End it, if nobody has answered."""
        if self.progress.over or self.progress.status is Status.IN_PROGRESS:
            return False
        self.progress.move(Cause.CANCELLED, None if self.progress.status is Status.QUEUED else 487)
        self._finish()
        return True

    def give_up(self, why: str) -> None:
        """End it, and not because anybody wanted that."""
        self.journal.record.cause, self.journal.record.ended_by = why, "proxy"
        self.progress.move(Cause.FAILED)
        self._finish()

    def redirect(self, entry: Entry) -> bool:
        """Leave the script and whoever it has dialled, and run another one; only an answered call can."""
        if not self.is_up:
            return False
        self._entry = entry
        self._stop()
        return True

    def limit(self, seconds: float) -> bool:
        """Hang up so many seconds after the answer, or at once if that is past."""
        if self.progress.over:
            return False
        self._lift_limit()
        self._limit = TimeLimit(self.progress, self._time_is_up, seconds)
        return True

    @property
    def dialled_sids(self) -> list[str]:
        """The CallSids of the legs that it has dialled and that live."""
        hunts = self.dialled.hunts if self.dialled is not None else ()
        return [hunt.quarry.call_sid for hunt in hunts if hunt.lives]

    def hunt_of(self, call_sid: str) -> Hunt | None:
        """The dialled leg of that CallSid, if it lives."""
        hunts = (*(self.dialled.hunts if self.dialled is not None else ()), *self._kept)
        return next((hunt for hunt in hunts if hunt.quarry.call_sid == call_sid and hunt.lives), None)

    def _time_is_up(self) -> None:
        self.journal.tell("call.time_limit", seconds=round(self.progress.answered_for or 0.0, 3))
        self.end()

    def _lift_limit(self) -> None:
        limit, self._limit = self._limit, None
        if limit is not None:
            limit.stop()

    # --- how a script may end it ---------------------------------------------------------------------------

    def ring(self, headers: Fields = ()) -> None:
        """180 to a caller, unless it rings already."""
        if "ringing" not in self.journal.record.stages:
            self.journal.rang()
            self.leg.progress(180, b"", headers)

    def refuse(self, final: FinalResponse, error: str = "", cause: Cause | None = None) -> None:
        """A final failure for a caller who waits; `error` with its public code."""
        text = "".join(char if char.isprintable() else " " for char in error)
        status = status_for_other_leg(final.status)
        reason = final.reason if status == final.status else ""
        self.journal.refused(status, cause)
        self.leg.refuse(status, reason or None, ((ERROR_HEADER, text),) if text else ())

    def fail(self, code: int, text: str) -> None:
        """It cannot go on, because of what this code says."""
        if self._leg is None:
            self.progress.move(Cause.FAILED)
        elif self._leg.answered:
            self._leg.hang_up()
        else:
            self.refuse(FinalResponse(500, "Application Error"), f"{code} {text}")
