"""Two answered legs as one call: joined, bridged until one of them leaves, and joined anew after a transfer."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Final, NamedTuple

from byoc_proxy.call.bridge import Bridge, refuse_method
from byoc_proxy.call.dialling import CannotDial
from byoc_proxy.call.status import Cause
from byoc_proxy.call.transfer import NOT_ALLOWED, Asked, Referral, Reports, Unfit, Wish, read_referral, read_wish
from byoc_proxy.sip.outputs import Ended
from byoc_proxy.sip.sdp import inactive, newer, without_direction
from byoc_proxy.trunk.verdicts import FinalResponse, failure

if TYPE_CHECKING:
    from collections.abc import Callable

    from byoc_proxy.call.hunt import Hunt
    from byoc_proxy.call.journal import Journal
    from byoc_proxy.call.leg import Leg
    from byoc_proxy.call.services import Services
    from byoc_proxy.sip.message import Request, Response
    from byoc_proxy.sip.outputs import Requested

    Redial = Callable[[str, Leg, bytes, Callable[[Response], None]], Hunt]

MAX_GLARES: Final = 5
NOT_AT_ONCE: Final = 0.05  # seconds: a script that ends there says BYE, and needs no hold before it
LONGEST_JOIN: Final = 40.0  # seconds: more than a far end needs to lose its patience, or its dialog, with us


class NotJoined(NamedTuple):
    """The anchor did not take the other leg's description; `status` is what it said to it."""

    status: int


class Released(NamedTuple):
    """The other leg was taken out, and lives on."""


Parting = Ended | NotJoined | Released | Asked
"""What a conversation came to."""


class Conversation:
    """`anchor` is the leg whose leaving ends the call, `other` the one whose leaving ends the conversation.

    `redial` gives the hunt for a number on the trunk of a leg, with an offer; it raises `CannotDial`. Without it a
    script carries transfers out, whatever the trunks say: the first that is asked for ends the talk. `on_anchor`
    hears that the call has a new anchor: its caller has handed it over. `on_left` hears which leg a transfer has
    replaced. `joined`: the two have talked.
    """

    def __init__(
        self,
        services: Services,
        journal: Journal,
        legs: tuple[Leg, Leg],
        redial: Redial | None,
        on_anchor: Callable[[Leg], None],
        on_left: Callable[[Leg], None],
    ) -> None:
        self.anchor, self.other = legs
        self.joined = False
        self._services = services
        self._journal = journal
        self._redial = redial
        self._on_anchor = on_anchor
        self._on_left = on_left
        self._news = asyncio.Event()
        self._referral: tuple[Referral | Wish, Reports] | None = None
        self._askers: list[Leg] = []  # who has referred before
        self._bridge: Bridge | None = None
        self._mismatched = False  # the anchor was told another description than the other leg's
        self._released = False

    async def run(self, time_limit: float, ring_timeout: float) -> Parting | None:
        """Talk until the other leg leaves, is released, or the time is up (None)."""
        self._connect()
        try:
            apart = await self._join()
            if apart is not None:
                self.other.hang_up()
                return apart
            return await self._talk(time_limit, ring_timeout)
        finally:
            self._part()

    def release(self) -> bool:
        """Take the other leg out of the conversation, which is over then; False while a transfer is under way."""
        if self._referral is not None or not self.joined or self.other.ending is not None:
            return False
        self._part()
        for leg in (self.anchor, self.other):  # they are to hear each other no more
            asyncio.get_running_loop().call_later(NOT_AT_ONCE, _hold, leg)
        self._released = True
        self._news.set()
        return True

    def break_off(self) -> None:
        """Its call goes on without it, or is over: whom it has not released is let down."""
        if not self._released:
            self.other.hang_up()

    async def _talk(self, time_limit: float, ring_timeout: float) -> Parting | None:
        try:
            async with asyncio.timeout(time_limit):
                while True:
                    await self._news.wait()
                    self._news.clear()
                    if self._released:
                        return Released()
                    if self._mismatched:
                        self._mismatched = False
                        if await self._bring_over(self.other) is not None:
                            self.other.hang_up()
                    if self._referral is not None:
                        asked, reports = self._referral
                        if isinstance(asked, Wish):
                            return Asked(asked, reports)
                        await self._transfer(asked, reports, ring_timeout)
                    if self.other.ending is not None:
                        return self.other.ending
        except TimeoutError:
            return None

    # --- together and apart --------------------------------------------------------------------------------

    def _connect(self) -> None:
        self._bridge = Bridge(self.anchor, self.other, self._referred)
        self._watch(self.other)
        if self.other.ending is not None:
            self._news.set()

    def _watch(self, leg: Leg, settle: Callable[[None], None] | None = None) -> None:
        """Its leaving is news, and settles what is being waited for."""

        def left(_: Ended) -> None:
            self._news.set()
            if settle is not None:
                settle(None)

        leg.on_ended = left

    def _part(self) -> None:
        if self._bridge is not None:
            self._bridge.part()
            self._bridge = None
            self.other.on_ended = None

    async def _join(self) -> NotJoined | None:
        """Bring the two SDPs together: the callee's answer answers the caller, or re-INVITEs them."""
        fields, self.other.answer_fields = self.other.answer_fields, ()
        if self.anchor.answered:
            return await self._bring_over(self.other)
        # a caller without an offer answers ours, the callee's, in the ACK (RFC 3261 §13.2.1)
        self.anchor.on_acked = self._acknowledged
        self.anchor.accept(self.other.remote_sdp, self.anchor.lets(fields))
        self._journal.answered()
        self.joined = True
        return None

    def _acknowledged(self, ack: Request) -> None:
        self._journal.stage("acknowledged")
        self.anchor.on_acked = None
        self.other.acknowledge(ack.sdp)
        if self.anchor.local_sdp != self.other.remote_sdp:
            # a reliable 18x was the answer already, and another description than that of who answered
            self._mismatched = True
            self._news.set()

    async def _bring_over(self, leg: Leg) -> NotJoined | None:
        """Offer the SDP of `leg` to an anchor who talked to somebody else before, or to nobody. Where that SDP is
        an offer, because its INVITE had none, the anchor's answer goes into its ACK (RFC 3725 §4.4).

        Nothing went wrong if `leg` leaves meanwhile: its leaving is told as any other.
        """
        status = 488  # a 2xx that offers nothing, or answers nothing
        for _ in range(MAX_GLARES):
            if leg.ending is not None:
                return None
            if not leg.remote_sdp:
                break
            try:
                async with asyncio.timeout(LONGEST_JOIN):
                    response = await self._reinvited(leg)
            except TimeoutError:
                status = 408
                break
            if leg.ending is not None:
                return None
            if response is not None and response.status < 300:
                leg.acknowledge(response.sdp)
                self.joined = True
                return None
            status = 491 if response is None else response.status
            if status != 491:
                break
            await asyncio.sleep(self._until_again())
        self._journal.tell("dial.not_joined", status=status)
        return NotJoined(status)

    async def _reinvited(self, leg: Leg) -> Response | None:
        """What the anchor says to the SDP of `leg`. None: it could not be asked now, or `leg` has left."""
        replied: asyncio.Future[Response | None] = asyncio.get_running_loop().create_future()

        def settle(response: Response | None) -> None:
            if not replied.done():
                replied.set_result(response)

        self._watch(leg, settle)
        self.anchor.offer(newer(leg.remote_sdp, self.anchor.local_sdp), settle)
        return await replied

    def _until_again(self) -> float:
        """Seconds after a glare: two to four where the Call-ID is ours, up to two where it is not (§14.1)."""
        draw = self._services.draw()
        return 2.1 + 1.9 * draw if self.anchor.is_ours else 2.0 * draw

    # --- transfer ------------------------------------------------------------------------------------------

    def _referred(self, event: Requested, asker: Leg) -> None:
        """A REFER: what its leg's trunk says of it. Runs at once: a BYE may be the very next message."""
        policy = asker.trunk.refer if asker.trunk is not None else "reject"
        if self._redial is None:
            self._accept_referral(event, asker)
        elif policy == "relay" and self._bridge is not None:
            self._bridge.pass_on(event, asker)
        elif policy == "terminate":
            self._accept_referral(event, asker)
        else:
            self._journal.event(NOT_ALLOWED, "a REFER, and neither referUrl nor the trunk says what to do")
            refuse_method(event, asker)

    def _accept_referral(self, event: Requested, asker: Leg) -> None:
        asked = read_wish(event.request) if self._redial is None else read_referral(event.request)
        if isinstance(asked, Unfit):
            asker.reply(event.transaction, asked.status, b"", (("Warning", f'399 proxy "{asked.reason}"'),))
        elif self._referral is not None or not self.joined:
            # one at a time, and none before the two have been brought together
            asker.reply(event.transaction, 500, b"", (("Retry-After", "5"),))
        else:
            asker.reply(event.transaction, 202)
            reports = Reports(asker, event.request.cseq[0] if asker in self._askers else None)
            reports.tell(100)
            self._askers.append(asker)
            self._referral = (asked, reports)
            if asker is self.anchor:
                self._hand_over()
            self._news.set()

    def _hand_over(self) -> None:
        """The anchor may leave from now on: the call lives as long as the leg that stays."""
        self.anchor, self.other = self.other, self.anchor
        self._watch(self.other)
        self._on_anchor(self.anchor)

    async def _transfer(self, asked: Referral, reports: Reports, ring_timeout: float) -> None:
        """Ring the number for the asker, who is `other`, and put who answers in its place. The two that talk go on
        talking meanwhile, and for good if it fails.
        """
        self._journal.decided(f"transfer to {asked.number} asked for")
        try:
            offer = without_direction(self.anchor.remote_sdp)  # the asker has it on hold, the new leg has not
            assert self._redial is not None
            hunt = self._redial(asked.number, self.other, offer, reports.heard)
        except CannotDial as error:
            self._journal.event(error.code, error.text)
            final = FinalResponse(404)
        else:
            final = await self._replace(hunt, ring_timeout)
        reports.tell(final.status, final.reason)
        self._journal.decided(f"transfer to {asked.number}: {final.status} {final.reason}".rstrip())
        if final.status < 300:
            reports.leg.hang_up()
            self._on_left(reports.leg)
        self._referral = None

    async def _replace(self, hunt: Hunt, ring_timeout: float) -> FinalResponse:
        try:
            async with asyncio.timeout(ring_timeout):
                leg = await hunt.run()
        except TimeoutError:
            hunt.free(Cause.UNANSWERED)
            return FinalResponse(408)
        if leg is None:
            return failure(hunt.outcomes)
        joined = False
        try:
            joined = await self._bring_over(leg) is None and leg.ending is None
        finally:
            if not joined:
                leg.hang_up()
        if not joined:
            return FinalResponse(488)
        self._part()
        self.other = leg
        self._connect()
        return FinalResponse(200, "OK")


def _hold(leg: Leg) -> None:
    """Nothing flows on a leg that is up and talks to nobody."""
    if leg.ending is None and leg.on_request is None and leg.local_sdp:
        leg.offer(inactive(leg.local_sdp), lambda _: None)
