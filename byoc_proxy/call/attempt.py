"""One attempt: an INVITE to one address of one target, and what came of it.

The way there is chosen by its size, a challenge is answered, and two clocks run: one for any sign of life, one for
the first ring. What follows from the outcome is the hunt's business.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from byoc_proxy.call.evidence import of_call
from byoc_proxy.call.leg import Leg, Stage, host_of
from byoc_proxy.call.passage import Passage, TooLarge, find_passage
from byoc_proxy.net.wire import Unreachable as WireUnreachable
from byoc_proxy.sip.digest_client import Proof
from byoc_proxy.trunk.health import Evidence
from byoc_proxy.trunk.relaying import extensions
from byoc_proxy.trunk.verdicts import FinalResponse, NoProgress, Outcome, Silence, Unreachable

if TYPE_CHECKING:
    from collections.abc import Callable

    from byoc_proxy.call.journal import Journal
    from byoc_proxy.call.quarry import Quarry
    from byoc_proxy.call.services import Services
    from byoc_proxy.sip.flow import Flow
    from byoc_proxy.sip.locate import Hop
    from byoc_proxy.sip.message import Response
    from byoc_proxy.storage.record import AttemptRecord
    from byoc_proxy.trunk.origination import Destination

    OnProgress = Callable[[Leg, Response], None]


class Attempt:
    """See the module. `record` is filled in as the attempt goes on."""

    def __init__(
        self,
        services: Services,
        journal: Journal,
        quarry: Quarry,
        destination: Destination,
        hop: Hop,
        record: AttemptRecord,
    ) -> None:
        self._services = services
        self._journal = journal
        self._quarry = quarry
        self._destination = destination
        self._hop = hop
        self._record = record
        self._credentials = destination.credentials or quarry.credentials

    async def run(self, on_progress: OnProgress) -> tuple[Leg | None, Outcome]:
        """Make it. `on_progress` hears each 18x. Cancelling leaves nothing ringing."""
        endpoint, hop, record = self._services.endpoint, self._hop, self._record
        outgoing = self._quarry.intent.invite(self._destination.uri, self._destination.fields)
        try:
            way: Passage | None = await find_passage(endpoint, hop, self._destination.target, outgoing)
        except TooLarge as error:
            return None, Unreachable(str(error))  # which says nothing about the far end
        except WireUnreachable as error:
            self._services.health.tell(self._destination, hop, Evidence("miss", "call", str(error)), endpoint.now)
            return None, Unreachable(str(error))
        self._services.door.trust(hop.address)  # a gateway that we call may probe us, and be in no list
        leg: Leg | None = None
        outcome: Outcome = Unreachable("no way")
        while way is not None:
            record.address, record.size, record.remark = way.address, way.size, way.remark
            self._hop = way.taken_to(hop)
            leg, outcome = await self._ask(way.flow, on_progress)
            # §18.1.1: a far end that takes the connection and resets it has no SIP over TCP
            way = way.in_fragments(outcome.cause) if isinstance(outcome, Unreachable) else None
        return leg, outcome

    async def _ask(self, flow: Flow, on_progress: OnProgress) -> tuple[Leg, Outcome]:
        """One INVITE, and those that answer a challenge to it."""
        leg, outcome = await self._invite(flow, on_progress)
        credentials = self._credentials
        if credentials is not None:
            proof = Proof(credentials)
            while self._proves(proof, leg):
                # to the same address and connection: another server would not know the nonce
                self._record.username = credentials.username
                leg, outcome = await self._invite(flow, on_progress, proof.fields, again=leg)
        return leg, outcome

    async def _invite(
        self,
        flow: Flow,
        on_progress: OnProgress,
        authorization: tuple[tuple[str, str], ...] = (),
        again: Leg | None = None,
    ) -> tuple[Leg, Outcome]:
        quarry, record = self._quarry, self._record
        extra = (*self._destination.fields, *authorization)
        outgoing = quarry.intent.invite(self._destination.uri, extra, host_of(flow))
        leg = Leg.calling(self._services.endpoint, outgoing, flow, again)
        if quarry.trunk is not None:
            leg.belongs_to(quarry.trunk)
        leg.border = quarry.border
        leg.session.credentials = self._credentials  # requests inside the dialog may be challenged too
        record.call_id = leg.call_id
        leg.on_progress = lambda response: on_progress(leg, response)
        leg.on_late = lambda response: self._journal.late(record, response)
        outcome: Outcome | None = None
        try:
            outcome = await self._outcome(leg)
            self._journal.decided(leg.detour)
            return leg, outcome
        finally:
            if leg.answer is None or outcome is None:
                leg.hang_up()

    async def _outcome(self, leg: Leg) -> Outcome:
        """The two clocks: 4 s for any sign of life, then a while for the first ring. After that, the caller's."""
        policy, endpoint = self._quarry.policy, self._services.endpoint
        started = endpoint.now
        lives = await leg.beyond(Stage.SILENT, policy.no_reply_timeout)
        now = endpoint.now
        self._services.health.tell(self._destination, self._hop, of_call(leg, round(now - started, 3)), now)
        if not lives:
            return Silence()
        if not await leg.beyond(Stage.HEARD, policy.ring_no_progress_timeout):
            return NoProgress()
        await leg.beyond(Stage.RINGING)
        return _final(leg, heard=self._quarry.trunk is None)

    def _proves(self, proof: Proof, leg: Leg) -> bool:
        """Whether the leg was refused by a challenge that can be answered."""
        response = leg.refusal.response if leg.refusal is not None else None
        if response is None:
            return False
        uri = self._quarry.intent.invite(self._destination.uri).uri
        return proof.takes(response, "INVITE", uri, self._services.token())


def _final(leg: Leg, *, heard: bool) -> Outcome:
    """`heard`: an application may hear what the far end adds, which on a trunk is a carrier."""
    if leg.answer is not None:
        return FinalResponse(leg.answer.status, leg.answer.reason)
    refusal = leg.refusal
    response = refusal.response if refusal else None
    if response is not None:
        added = extensions(response.headers) if heard else ()
        return FinalResponse(response.status, response.reason, response.retry_after, added)
    cause = refusal.cause if refusal else "the leg ended"
    return Silence() if cause == "timeout" else Unreachable(cause)
