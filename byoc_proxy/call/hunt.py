"""One noun of a `<Dial>`: its destinations in order, address by address, until one answers or the hunt stops.

What an outcome leads to is a row in `trunk.verdicts`; this is where it is waited for and done. Cancelling `run` at
any point leaves nothing ringing: the leg in hand is told to hang up, and the protocol floor sees to the rest.
"""

from __future__ import annotations

import asyncio
from dataclasses import replace
from typing import TYPE_CHECKING, Final

from byoc_proxy.call.attempt import Attempt
from byoc_proxy.call.evidence import in_words, spelt
from byoc_proxy.call.lines import Full
from byoc_proxy.call.status import Cause, Status, cause_of_all
from byoc_proxy.call.time_limit import TimeLimit
from byoc_proxy.sip.locate import NotLocated
from byoc_proxy.storage.record import AttemptRecord
from byoc_proxy.trunk.origination import Destination, redirected_to
from byoc_proxy.trunk.verdicts import (
    CallerLeft,
    FinalResponse,
    Next,
    NoProgress,
    Outcome,
    Silence,
    Step,
    Unreachable,
    Unresolved,
    failure,
    judge,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from byoc_proxy.call.journal import Journal
    from byoc_proxy.call.leg import Leg
    from byoc_proxy.call.lines import Line
    from byoc_proxy.call.progress import Progress
    from byoc_proxy.call.quarry import Quarry
    from byoc_proxy.call.services import Services
    from byoc_proxy.sip.locate import Hop
    from byoc_proxy.sip.message import Response
    from byoc_proxy.trunk.model import ConnectionPolicyTarget


RING_BUFFER: Final = 5.0  # the public API rings five seconds longer than `timeout` says
ROUTING_FAILED: Final = 32400  # BYOC trunk routing failure
FALLBACK_ROUTING: Final = 32401  # BYOC trunk routing failure, failover to another way


class Hunt:
    """One hunt. After `run`, `leg` is the answered leg or None, `outcomes` what every attempt came to."""

    def __init__(
        self,
        services: Services,
        quarry: Quarry,
        journal: Journal,
        begin: Callable[[], Progress],
        on_progress: Callable[[Leg, Response], None],
    ) -> None:
        """`begin` gives the progress of the leg, when it is hunted for and not before."""
        self.quarry = quarry
        self.progress: Progress | None = None
        self.leg: Leg | None = None
        self.outcomes: list[Outcome] = []
        self.stopped = False  # the far end's word was final
        self._services = services
        self._journal = journal
        self._begin_leg = begin
        self._on_progress = on_progress
        self._line: Line | None = None
        self._scope: asyncio.Timeout | None = None  # while it runs
        self._limit: TimeLimit | None = None

    @property
    def begun(self) -> Progress:
        """Of a hunt that has begun."""
        if self.progress is None:
            raise AssertionError("nobody has been hunted for yet")
        return self.progress

    @property
    def lives(self) -> bool:
        """It hunts, or the leg that it found is up."""
        return self.progress is not None and not self.progress.over

    async def run(self) -> Leg | None:
        """Hunt. Raises nothing but cancellation, and leaves no attempt without an end. `free` is to follow."""
        progress = self.progress = self._begin_leg()
        scope = self._scope = asyncio.timeout(None)
        try:
            async with scope:
                if self._seize():
                    await self._run()
        except TimeoutError:
            if not scope.expired():
                raise
            self.outcomes.append(CallerLeft())
        finally:
            self._scope = None
            for record in self._own_attempts():
                close_attempt(record, None, self._services.endpoint.now)
        if self.leg is not None and progress.over:  # called off in the instant of the answer
            self.leg.hang_up()
            self.leg = None
            self.outcomes.append(CallerLeft())
        if self.leg is not None:
            progress.move(Cause.ANSWERED, 200)
        elif self.cancelled:
            self.free()
        else:
            final = failure(self.outcomes)
            self.free(cause_of_all(self.outcomes), final.status)
        return self.leg

    @property
    def cancelled(self) -> bool:
        """Somebody called it off while it was under way."""
        return bool(self.outcomes) and isinstance(self.outcomes[-1], CallerLeft)

    def cancel(self) -> None:
        """Call it off: `run` returns without a leg. Too late, nothing happens."""
        scope, self._scope = self._scope, None
        if scope is not None:
            self.begun.move(Cause.CANCELLED, 487)
            scope.reschedule(self._services.endpoint.now)

    def limit(self, seconds: float) -> None:
        """Hang the leg up so many seconds after its answer."""
        self._lift_limit()
        self._limit = TimeLimit(self.begun, lambda: self.leg.hang_up() if self.leg else self.cancel(), seconds)

    def _lift_limit(self) -> None:
        limit, self._limit = self._limit, None
        if limit is not None:
            limit.stop()

    def free(self, cause: Cause = Cause.CANCELLED, sip_status: int | None = 487) -> None:
        """The leg is over, or given up before it was answered because of `cause`. Its line is free. Idempotent."""
        self._lift_limit()
        if self._line is not None:
            self._services.lines.release(self._line)
            self._line = None
        if self.progress is not None:
            answered = self.progress.status is Status.IN_PROGRESS
            self.progress.move(Cause.ENDED if answered else cause, None if answered else sip_status)

    def _seize(self) -> bool:
        """A line on the trunk that the call leaves on; without one this hunt has failed before it began."""
        if self.quarry.trunk is None:
            return True
        line = self._services.lines.seize(self.quarry.trunk, self._services.endpoint.now, inbound=False)
        if isinstance(line, Full):
            self._journal.event(line.code, line.text)
            # not 503: that would make the caller's carrier try this call again and again (see `verdicts.failure`)
            self.outcomes.append(FinalResponse(480, line.reason))
            return False
        self._line = line
        return True

    async def _run(self) -> None:
        await self._by_policy()
        while self.leg is None and not self.stopped and self.quarry.fallback is not None:
            self.quarry = self.quarry.fallback
            await self._by_policy()

    async def _by_policy(self) -> None:
        """The destinations of one policy, until the far end says yes or no."""
        if self.quarry.is_fallback:
            way = f"the fallback policy {self.quarry.policy.friendly_name} {self.quarry.policy.sid}"
            self._journal.event(FALLBACK_ROUTING, f"BYOC Trunk routing failure: going on by {way}")
        passed_over: list[tuple[Destination, Hop]] = []
        given_up: ConnectionPolicyTarget | None = None  # the target whose other regions are not worth trying
        for destination in self.quarry.destinations:
            if destination.target is given_up:
                continue
            hops = await self._locate(destination)
            step = await self._try_each(destination, hops, passed_over)
            if step in (Next.DONE, Next.STOP):
                return
            if step is Next.NEXT_TARGET:
                given_up = destination.target
        if self.quarry.fallback is not None:
            return  # what rests or is down is worth a try only where there is no other way
        if passed_over and not self._reached_any():
            self._journal.decided("every address rests or is down: all are tried")
            for destination, hop in passed_over:
                if await self._try_each(destination, [hop]) in (Next.DONE, Next.STOP):
                    return

    def _reached_any(self) -> bool:
        """Whether an address of this policy has been asked."""
        policy = self.quarry.policy.sid or None
        return any(record.address and record.policy_sid == policy for record in self._own_attempts())

    def _own_attempts(self) -> list[AttemptRecord]:
        attempts = self._journal.record.attempts
        return [record for record in attempts if record.call_sid == self.quarry.call_sid]

    async def _locate(self, destination: Destination, *, redirected: bool = False) -> list[Hop]:
        health = self._services.health
        try:
            hops = await self._services.resolver.locate(destination.next_hop)
        except NotLocated as error:
            if not redirected:
                health.not_located(destination, str(error))
            record = self._begin(destination, None)
            self._finish(record, Unresolved(str(error)))
            return []
        if not redirected:
            health.located(destination, hops, self._services.endpoint.now)
        return hops

    def _has_obstacle(self, destination: Destination, hop: Hop) -> bool:
        """Whether to pass an address over; the record says why."""
        services = self._services
        now = services.endpoint.now
        obstacle = services.health.obstacle(destination, hop, now)
        if obstacle is None:
            return False
        self._journal.decided(f"{spelt(hop)} passed over: {in_words(obstacle, services.wall() - now)}")
        return True

    async def _try_each(
        self,
        destination: Destination,
        hops: Sequence[Hop],
        passed_over: list[tuple[Destination, Hop]] | None = None,
        *,
        redirected: bool = False,
    ) -> Next:
        """The addresses of one destination in turn; what to do after the last one tried.

        Those with an obstacle go to `passed_over`; without that list all are tried.
        """
        for hop in hops:
            if passed_over is not None and self._has_obstacle(destination, hop):
                passed_over.append((destination, hop))
                continue
            record = self._begin(destination, hop)
            attempt = Attempt(self._services, self._journal, self.quarry, destination, hop, record)
            leg, outcome = await attempt.run(self._progressed)
            step = self._finish(record, outcome, leg, redirected)
            if step.rest:
                now = self._services.endpoint.now
                self._services.health.resting.rest(hop, now + step.rest, now)
                self._journal.tell(
                    "address.resting", address=record.address, seconds=step.rest, status=record.status
                )
            if step.then is Next.DONE:
                self.leg = leg
            if step.then is Next.FOLLOW and leg is not None:
                return await self._follow(destination, leg)
            if step.then is not Next.NEXT_ADDRESS:
                return step.then
        return Next.NEXT_ADDRESS

    async def _follow(self, destination: Destination, leg: Leg) -> Next:
        """One hop behind a 3xx: its first Contact, never one of our own domains."""
        directory = self._services.directories.current
        refusal = leg.refusal
        contacts = refusal.response.headers.get("contact") if refusal and refusal.response else None
        uri = redirected_to(contacts or "", lambda host: directory.find(host) is not None)
        if uri is None:
            return Next.NEXT_TARGET
        elsewhere = replace(destination, uri=uri)  # by way of the same outbound proxy
        return await self._try_each(elsewhere, await self._locate(elsewhere, redirected=True), redirected=True)

    def _progressed(self, leg: Leg, response: Response) -> None:
        if leg.rang and self.progress is not None:
            self.progress.move(Cause.RANG)  # of an API call, this is the call's own leg
        self._on_progress(leg, response)

    def _begin(self, destination: Destination, hop: Hop | None) -> AttemptRecord:
        quarry = self.quarry
        if hop is not None and self.progress is not None and self.progress.move(Cause.CALLED):
            self._journal.stage("initiated")
        record = AttemptRecord(
            quarry.call_sid,
            str(destination.uri.with_user(destination.uri.user).without_headers()),  # no password, no headers
            self._services.wall(),
            trunk_sid=quarry.trunk_sid,
            policy_sid=quarry.policy.sid or None,
            target_sid=destination.target.sid or None,
            region=destination.region,
            address=spelt(hop) if hop else None,
            caller=quarry.intent.caller,
            called=destination.uri.decoded_user or quarry.intent.number,
            duration=self._services.endpoint.now,  # the start, until it is finished
        )
        self._journal.record.attempts.append(record)
        return record

    def _finish(
        self, record: AttemptRecord, outcome: Outcome, leg: Leg | None = None, redirected: bool = False
    ) -> Step:
        pinned = leg is not None and leg.rang
        step = judge(outcome, self.quarry.policy, pinned=pinned, redirected=redirected)
        self.outcomes.append(outcome)
        self.stopped = step.then is Next.STOP
        close_attempt(record, outcome, self._services.endpoint.now)
        record.code = step.code
        if step.code is not None and step.then in (Next.NEXT_ADDRESS, Next.NEXT_TARGET):
            what = " ".join(map(str, filter(None, (record.status, record.reason or record.outcome))))
            self._journal.alert(step.code, f"{record.target} by way of {record.address or 'no address'}: {what}")
        self._journal.tell(
            "attempt.ended",
            leg_sid=record.call_sid,
            target=record.target,
            address=record.address,
            leg_call_id=record.call_id,
            caller=record.caller,
            called=record.called,
            outcome=record.outcome,
            status=record.status,
            size=record.size,
            remark=record.remark,
            seconds=record.duration,
            then=step.then.name.lower(),
        )
        return step


def routing_error(journal: Journal, hunts: Sequence[Hunt], final: FinalResponse) -> str:
    """What a caller is told of hunts that all failed, and `final` is what came of them: a called party who says no
    is no routing failure; running out of addresses is, and the account hears of it.
    """
    if all(hunt.stopped for hunt in hunts):
        return ""
    journal.event(ROUTING_FAILED, f"BYOC Trunk routing failure: {final.status} {final.reason}".rstrip())
    return f"{ROUTING_FAILED} BYOC Trunk routing failure"


def close_attempt(record: AttemptRecord, outcome: Outcome | None, now: float) -> None:
    """Write down how an attempt ended; `outcome` is None when we left it."""
    if record.outcome != "pending":
        return
    started = now if record.duration is None else record.duration
    record.duration = round(now - started, 3)
    match outcome:
        case FinalResponse(status, reason):
            record.outcome = "answered" if status < 300 else "refused"
            record.status, record.reason = status, reason
        case Silence():
            record.outcome, record.reason = "no reply", f"nothing heard for {record.duration:g} s"
        case NoProgress():
            record.outcome, record.reason = "no progress", "100 and then nothing"
        case Unresolved(reason):
            record.outcome, record.reason = "not resolved", reason
        case Unreachable(cause):
            record.outcome, record.reason = "unreachable", cause
        case _:
            record.outcome = "left"
