"""A leg: the face that one SIP session shows to the call.

Verbs are synchronous, never raise and may be said twice. What the far end does comes as hooks, called at once, and
as two waits: `beyond` (has anything been heard? does it ring? is there a final answer?) and `ended`.
"""

from __future__ import annotations

import asyncio
from enum import IntEnum
from typing import TYPE_CHECKING, Final, TypeVar

from byoc_proxy.sip.inspection import CAPABILITIES
from byoc_proxy.sip.outputs import (
    Acked,
    Answered,
    Ended,
    Over,
    Pracked,
    Progressed,
    Refused,
    Replied,
    Requested,
)
from byoc_proxy.sip.sdp import SdpError, describe, has_plain_media, held_answer, version_after
from byoc_proxy.sip.uas import UasSession
from byoc_proxy.trunk.admission import ERROR_HEADER, SECURE_MEDIA_REQUIRED, SECURE_MEDIA_TEXT
from byoc_proxy.trunk.relaying import candidates

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from byoc_proxy.net.endpoint import Endpoint
    from byoc_proxy.sip.flow import Flow
    from byoc_proxy.sip.message import Request, Response
    from byoc_proxy.sip.outputs import Event
    from byoc_proxy.sip.session import Fields, Session
    from byoc_proxy.sip.transaction import ServerTransaction
    from byoc_proxy.sip.uac import OutgoingInvite
    from byoc_proxy.trunk.model import ByocTrunk
    from byoc_proxy.trunk.relaying import Border

    Done = Callable[[Response | None], None]


Heard = TypeVar("Heard")


class Stage(IntEnum):
    """How far a leg has come."""

    SILENT = 0
    HEARD = 1  # 100: a sign of life
    RINGING = 2  # 18x: somebody may be hearing it ring
    FINAL = 3  # answered or refused


_NO_SRTP: Final = (ERROR_HEADER, f"{SECURE_MEDIA_REQUIRED} {SECURE_MEDIA_TEXT}")
_RINGING: Final = range(180, 184)  # what a phone may already be making noise after


class Leg:
    """One session. An outbound leg's outcome is in `answer` or in `refusal` once it is FINAL."""

    __slots__ = (
        "_done",
        "_endpoint",
        "_replies",
        "_waiter",
        "answer",
        "answer_fields",
        "border",
        "ending",
        "on_acked",
        "on_ended",
        "on_late",
        "on_pracked",
        "on_progress",
        "on_request",
        "rang",
        "refusal",
        "remote_sdp",
        "secure",
        "session",
        "stage",
        "trunk",
    )

    def __init__(self, endpoint: Endpoint, session: Session) -> None:
        self.session = session
        self.trunk: ByocTrunk | None = None
        self.secure = False  # its domain takes no media but SRTP
        self.border: Border | None = None  # what may be said here of what another leg heard
        self.stage = Stage.SILENT
        self.rang = False  # somebody may have heard it ring: no failover any more
        self.answer: Response | None = None
        self.answer_fields: tuple[tuple[str, str, str], ...] = ()  # of the answer, what may cross to another leg
        self.refusal: Refused | None = None
        self.ending: Ended | None = None
        self.remote_sdp = b""  # the far end's last SDP, offer or answer
        self.on_progress: Callable[[Response], None] | None = None
        self.on_request: Callable[[Requested], None] | None = None
        self.on_acked: Callable[[Request], None] | None = None
        self.on_pracked: Callable[[Request], None] | None = None
        self.on_ended: Callable[[Ended], None] | None = None
        self.on_late: Callable[[Response], None] | None = None
        self._endpoint = endpoint
        self._waiter: asyncio.Future[None] | None = None
        self._done: Callable[[], bool] = bool  # what the waiter waits for
        self._replies: dict[int, Done] = {}
        session.listener = self._hear

    @classmethod
    def calling(cls, endpoint: Endpoint, outgoing: OutgoingInvite, flow: Flow, again: Leg | None = None) -> Leg:
        """An outbound leg: sends the INVITE, `again` in the place of a leg that was asked for credentials."""
        leg = cls(endpoint, endpoint.invite(outgoing, flow, again.session if again else None))
        endpoint.flush()
        return leg

    @property
    def call_id(self) -> str:
        return self.session.call_id

    @property
    def local_host(self) -> str:
        """Our address on it, as far ends are told, without brackets."""
        return host_of(self.session.flow)

    @property
    def answered(self) -> bool:
        """The INVITE has been answered, by us or by the far end."""
        session = self.session
        return session.answered if isinstance(session, UasSession) else self.answer is not None

    @property
    def is_ours(self) -> bool:
        """We called: the Call-ID is ours."""
        return not isinstance(self.session, UasSession)

    @property
    def answers_early(self) -> bool:
        """Inbound: the caller can answer an offer before the call is answered, in a PRACK (RFC 3262 §5)."""
        return isinstance(self.session, UasSession) and self.session.takes_reliable

    @property
    def allows_update(self) -> bool:
        """The far end takes UPDATE (RFC 3311 §4)."""
        return self.session.allows_update

    @property
    def local_sdp(self) -> bytes:
        """What we said last that the far end agreed to."""
        return self.session.exchange.ours

    @property
    def has_agreed(self) -> bool:
        """No offer waits for its answer, and there has been one."""
        return self.session.exchange.refusal is None

    def belongs_to(self, trunk: ByocTrunk) -> None:
        """The trunk that the leg came in on or goes out on: its settings hold for the leg."""
        self.trunk = trunk
        self.session.route(trunk.contact_routing)

    @property
    def detour(self) -> str | None:
        """Where in-dialog requests go instead of where the far end says, in words; None when they do go there."""
        dialog = self.session.dialog
        if dialog is None or not dialog.goes_to_source:
            return None
        host, port = dialog.flow.remote
        return f"requests inside the dialog go to the source {host}:{port} and not to {dialog.next_hop}"

    def lets(self, fields: Iterable[tuple[str, str, str]]) -> Fields:
        """What of another leg's headers may be said on this one."""
        return self.border.relayed(fields) if self.border is not None else ()

    # --- verbs ---------------------------------------------------------------------------------------------

    def progress(self, status: int, body: bytes = b"", headers: Fields = ()) -> None:
        """Inbound: send a 101-199, with early media's SDP or without."""
        if isinstance(self.session, UasSession):
            self.session.progress(status, self._endpoint.now, body, headers)
            self._endpoint.flush()

    def accept(self, body: bytes, headers: Fields = ()) -> None:
        """Inbound: answer the INVITE."""
        if isinstance(self.session, UasSession) and not self.session.answered:
            self.session.answer(body, self._endpoint.now, headers)
            self.stage = Stage.FINAL
            self._endpoint.flush()

    def refuse(self, status: int, reason: str | None = None, headers: Fields = ()) -> None:
        """Inbound: refuse the INVITE; nothing happens once it is answered."""
        if isinstance(self.session, UasSession):
            self.session.refuse(status, self._endpoint.now, reason, headers)
            self._endpoint.flush()

    def hang_up(self, reason: str = "") -> None:
        """End the leg, whatever that takes. `reason` is a Reason header (RFC 3326)."""
        self.session.hang_up(self._endpoint.now, reason)
        self._endpoint.flush()

    def offer(self, body: bytes, done: Done, headers: Fields = ()) -> None:
        """Send a re-INVITE; `done` hears its final response, None when there is none or it could not be sent."""
        self._await_reply(self.session.offer(body, self._endpoint.now, headers), done)

    def transact(self, method: str, body: bytes, done: Done, headers: Fields = ()) -> None:
        """Send another in-dialog request; `done` as above."""
        self._await_reply(self.session.transact(method, body, self._endpoint.now, headers), done)

    def reply(self, transaction: ServerTransaction, status: int, body: bytes = b"", headers: Fields = ()) -> None:
        """Answer an in-dialog request of the far end. What it describes counts once we have agreed to it."""
        if 200 <= status < 300:
            self._learn(transaction.request)
        self.session.reply(transaction, status, body, self._endpoint.now, headers)
        self._endpoint.flush()

    def acknowledge(self, body: bytes) -> None:
        """Send the ACK with the answer to an offer that came in a 2xx; without such a 2xx nothing happens."""
        self.session.acknowledge(body, self._endpoint.now)
        self._endpoint.flush()

    # --- waits ---------------------------------------------------------------------------------------------

    async def beyond(self, stage: Stage, within: float | None = None) -> bool:
        """Wait until the leg has come further than `stage`; False when it has not `within` so many seconds."""
        if self.stage <= stage:
            await self._until(lambda: self.stage > stage, within)
        return self.stage > stage

    async def ended(self, within: float | None = None) -> Ended | None:
        """Wait until the leg is over for us; None when it is not `within` so many seconds."""
        if self.ending is None:
            await self._until(lambda: self.ending is not None, within)
        return self.ending

    async def _until(self, done: Callable[[], bool], within: float | None) -> None:
        """What has happened counts even in the instant in which the time is up."""
        loop = asyncio.get_running_loop()
        self._waiter = loop.create_future()
        self._done = done
        timer = loop.call_later(within, self._wake) if within is not None else None
        try:
            await self._waiter
        finally:
            self._waiter = None
            self._done = bool  # `done` knows this leg: the two would wait for the collector
            if timer is not None:
                timer.cancel()

    def _wake(self) -> None:
        if self._waiter is not None and not self._waiter.done():
            self._waiter.set_result(None)

    # --- events --------------------------------------------------------------------------------------------

    def _hear(self, event: Event) -> None:
        match event:
            case Progressed(_, response, True) | Answered(_, response, True):
                _tell(self.on_late, response)
            case Progressed(_, response):
                self._progressed(response)
            case Answered(_, response):
                self.answer = response
                # without one in the 2xx it is what its own fork said in a reliable 18x, whatever others said since
                self.remote_sdp = response.sdp or self.session.exchange.theirs or self.remote_sdp
                self.answer_fields = candidates(response.headers)
                response.shed()  # a call lasts: what it was answered with need not
                self._advance(Stage.FINAL)
            case Refused():
                self.refusal = event
                self._advance(Stage.FINAL)
            case Acked(_, request) | Pracked(_, request):
                self._learn(request)
                _tell(self.on_acked if isinstance(event, Acked) else self.on_pracked, request)
            case Requested():
                self._requested(event)
            case Replied(_, ticket, response):
                self._replied(ticket, response)
            case Ended():
                self.ending = event
                self._advance(self.stage)
                _tell(self.on_ended, event)
            case Over():
                self._release()

    def _release(self) -> None:
        """Nothing more will come: let go of the call, which knows this leg."""
        self.on_progress = self.on_request = self.on_acked = self.on_ended = self.on_late = self.on_pracked = None

    def _learn(self, message: Request | Response) -> None:
        self.remote_sdp = message.sdp or self.remote_sdp

    def _progressed(self, response: Response) -> None:
        self._learn(response)
        self.rang = self.rang or response.status in _RINGING
        self._advance(Stage.RINGING if self.rang else Stage.HEARD)
        if response.status > 100:
            _tell(self.on_progress, response)

    def _requested(self, event: Requested) -> None:
        if event.request.method == "OPTIONS":
            # it asks about us, whoever we are bridged to (§11.2)
            self.reply(event.transaction, 200, b"", CAPABILITIES)
        elif self.secure and _is_plain(event.request.sdp):
            self.reply(event.transaction, 488, b"", (_NO_SRTP,))  # what began as SRTP stays SRTP
        elif self.on_request is not None:
            self.on_request(event)
        elif self.is_ours and event.request.sdp and event.request.method in {"INVITE", "UPDATE"}:
            self._answer_alone(event)
        else:
            # nobody is at the other end of this leg now: it may be asked again (RFC 3261 §14.2)
            self.reply(event.transaction, 491 if event.request.method == "INVITE" else 480)

    def _answer_alone(self, event: Requested) -> None:
        """An offer to a leg of ours that talks to nobody now: nothing flows. Whoever it talks to next is asked for
        an offer, so that nothing is lost by it.
        """
        try:
            held = held_answer(event.request.sdp, self.local_host, version_after(self.local_sdp))
            lives = any(media.port for media in describe(held).media)
        except SdpError:
            held, lives = b"", False
        if lives:
            self.reply(event.transaction, 200, held)
        else:
            self.reply(event.transaction, 488)

    def _advance(self, stage: Stage) -> None:
        self.stage = max(self.stage, stage)
        if self._waiter is not None and self._done():
            self._wake()

    def _await_reply(self, ticket: int, done: Done) -> None:
        # the events of the verb are still in the core's queue: `done` is in place before they are handed out
        self._replies[ticket] = done
        self._endpoint.flush()

    def _replied(self, ticket: int, response: Response | None) -> None:
        if response is not None:
            self._learn(response)
        done = self._replies.pop(ticket, None)
        if done is not None:
            done(response)


def host_of(flow: Flow) -> str:
    """Our address on a flow, as far ends are told, without brackets."""
    return flow.sent_by.rpartition(":")[0].strip("[]")


def _is_plain(offer: bytes) -> bool:
    try:
        return bool(offer) and has_plain_media(describe(offer))
    except SdpError:
        return True  # what we cannot read we cannot let through


def _tell(hook: Callable[[Heard], None] | None, what: Heard) -> None:
    if hook is not None:
        hook(what)
