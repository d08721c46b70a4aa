"""The four transactions of RFC 3261 §17 with the corrections of RFC 6026, as tables.

A transaction sends through `wire` (a callable that takes bytes and a flow) and tells its user by calling it.
Timer names and values are those of RFC 3261 table 4; L and M are RFC 6026's.
"""

from __future__ import annotations

from enum import StrEnum
from typing import TYPE_CHECKING, ClassVar, Final, Protocol

from byoc_proxy.sip.headers import Headers
from byoc_proxy.sip.machine import Alarms, Machine, Table, to
from byoc_proxy.sip.message import MAGIC_COOKIE, Request, ack_for_failure

if TYPE_CHECKING:
    from collections.abc import Callable

    from byoc_proxy.sip.flow import Flow
    from byoc_proxy.sip.message import Response

    Wire = Callable[[bytes, Flow], None]

T1: Final = 0.5
T2: Final = 4.0
T4: Final = 5.0
TIMEOUT: Final = 64 * T1


class State(StrEnum):
    CALLING = "calling"
    ABANDONED = "abandoned"
    TRYING = "trying"
    PROCEEDING = "proceeding"
    COMPLETED = "completed"
    CONFIRMED = "confirmed"
    ACCEPTED = "accepted"
    TERMINATED = "terminated"


class Input(StrEnum):
    PROVISIONAL = "1xx"
    SUCCESS = "2xx"
    FAILURE = "3xx-6xx"
    REQUEST = "the request again"
    ACK = "ACK"
    TRANSPORT_ERROR = "transport error"
    CONNECTION_LOST = "connection lost"
    ABANDON = "abandon"


class Timer(StrEnum):
    A = "A"
    B = "B"
    D = "D"
    E = "E"
    F = "F"
    G = "G"
    H = "H"
    I = "I"  # noqa: E741  (RFC 3261 names it so)
    J = "J"
    K = "K"
    L = "L"
    M = "M"


_SETTLED: Final = Request("", "", Headers())
_RETRANSMISSIONS: Final[frozenset[StrEnum]] = frozenset((Timer.A, Timer.E, Timer.G))
# what absorbs retransmissions, hence waits for none on a reliable transport
_WAITS: Final[dict[StrEnum, float]] = {Timer.D: TIMEOUT, Timer.I: T4, Timer.J: TIMEOUT, Timer.K: T4}


class ClientUser(Protocol):
    """Who sent the request."""

    def on_response(self, transaction: ClientTransaction, response: Response, now: float) -> None: ...

    def on_no_response(self, transaction: ClientTransaction, cause: str, now: float) -> None: ...


class ServerUser(Protocol):
    """Who answers the request."""

    def on_ack(self, request: Request, now: float) -> None: ...

    def on_no_ack(self, transaction: ServerTransaction, now: float) -> None: ...


class Transaction(Machine):
    """What all four share. `key` is where the core finds it (§17.1.3, §17.2.3)."""

    __slots__ = ("flow", "interval", "key", "request", "wire")

    def __init__(self, key: Key, request: Request, flow: Flow, wire: Wire, alarms: Alarms, now: float) -> None:
        self.key = key
        self.request = request
        self.flow = flow
        self.wire = wire
        self.interval = T1
        super().__init__(alarms, now)

    def duration(self, timer: StrEnum) -> float | None:
        if timer in _RETRANSMISSIONS:
            return None if self.flow.reliable else self.interval
        seconds = _WAITS.get(timer)
        if seconds is None:
            return TIMEOUT  # B, F, H, L, M
        return 0.0 if self.flow.reliable else seconds

    def transport_error(self, now: float, cause: str = "connection lost") -> None:
        """The transport could not deliver (§18.4)."""
        self.feed(Input.TRANSPORT_ERROR, cause, now)

    def part(self) -> None:
        """Let go of the user: the two know each other, which only the garbage collector could undo."""
        raise NotImplementedError


Key = tuple[str, ...]
Origin = tuple[str, str, tuple[int, str]]
"""Call-ID, From tag and CSeq: what is the same in every copy of a request (§8.2.2.2)."""


class ClientTransaction(Transaction):
    """§17.1: sends a request, passes responses up."""

    __slots__ = ("user",)

    def __init__(
        self, key: Key, request: Request, flow: Flow, user: ClientUser, wire: Wire, alarms: Alarms, now: float
    ) -> None:
        self.user: ClientUser | None = user
        super().__init__(key, request, flow, wire, alarms, now)
        wire(request.encode(), flow)

    def part(self) -> None:
        self.user = None

    def connection_lost(self, now: float, cause: str) -> None:
        """The stream that the request went out on is gone (§18.4)."""
        self.transport_error(now, cause)

    def settle(self) -> None:
        """Let go of the request: an accepted INVITE is never sent again (RFC 6026 §7.2)."""
        if self.state is State.ACCEPTED:
            self.request = _SETTLED

    def receive(self, response: Response, now: float) -> None:
        status = response.status
        kind = Input.PROVISIONAL if status < 200 else Input.SUCCESS if status < 300 else Input.FAILURE
        self.feed(kind, response, now)


class ServerTransaction(Transaction):
    """§17.2: answers a request, repeats its last response when the request is repeated.

    `origin` is set on the INVITE of a session: another copy of it, which came by another path, is known by that.
    """

    __slots__ = ("last_response", "origin", "user")

    def __init__(self, key: Key, request: Request, flow: Flow, wire: Wire, alarms: Alarms, now: float) -> None:
        self.last_response: bytes = b""
        self.origin: Origin | None = None
        self.user: ServerUser | None = None
        super().__init__(key, request, flow, wire, alarms, now)

    def part(self) -> None:
        self.user = None

    def respond(self, response: Response, now: float) -> None:
        """Send a response of ours; absorbed when a final one has gone before."""
        status = response.status
        kind = Input.PROVISIONAL if status < 200 else Input.SUCCESS if status < 300 else Input.FAILURE
        self.feed(kind, response, now)

    def settle(self) -> None:
        """Let go of the request: what waits out retransmissions (timers G-J) needs its last response only, and an
        accepted INVITE (timer L) not even that.
        """
        if self.answered:
            self.request = _SETTLED
        if self.succeeded:
            self.last_response = b""

    @property
    def settled(self) -> bool:
        return self.request is _SETTLED

    @property
    def answered(self) -> bool:
        """A final response has been sent."""
        return self.state not in (State.TRYING, State.PROCEEDING)

    @property
    def succeeded(self) -> bool:
        """An INVITE that was answered with a 2xx: nothing but its retransmissions can still concern it."""
        return self.state is State.ACCEPTED


# --- actions -----------------------------------------------------------------------------------------------


def resend_request(transaction: ClientTransaction, _: object, now: float) -> None:
    transaction.wire(transaction.request.encode(), transaction.flow)


def double_a(transaction: ClientTransaction, _: object, now: float) -> None:
    transaction.interval *= 2  # §17.1.1.2: without a cap, B ends it
    transaction.arm(Timer.A, now)


def double_e(transaction: ClientTransaction, _: object, now: float) -> None:
    transaction.interval = min(2 * transaction.interval, T2)  # §17.1.2.2
    transaction.arm(Timer.E, now)


def slow_e(transaction: ClientTransaction, _: object, now: float) -> None:
    transaction.interval = T2  # §17.1.2.2: the E that runs may end; in Proceeding the next is T2
    transaction.arm(Timer.E, now)


def double_g(transaction: ServerTransaction, _: object, now: float) -> None:
    transaction.interval = min(2 * transaction.interval, T2)  # §17.2.1
    transaction.arm(Timer.G, now)


def pass_up(transaction: ClientTransaction, response: Response, now: float) -> None:
    if transaction.user is not None:
        transaction.user.on_response(transaction, response, now)


def send_ack(transaction: ClientTransaction, response: Response, now: float) -> None:
    transaction.wire(ack_for_failure(transaction.request, response).encode(), transaction.flow)


def no_response(transaction: ClientTransaction, cause: str | None, now: float) -> None:
    if transaction.user is not None:
        transaction.user.on_no_response(transaction, cause or "timeout", now)


def send_response(transaction: ServerTransaction, response: Response, now: float) -> None:
    transaction.last_response = response.encode()
    transaction.wire(transaction.last_response, transaction.flow)


def repeat_response(transaction: ServerTransaction, _: object, now: float) -> None:
    if transaction.last_response:
        transaction.wire(transaction.last_response, transaction.flow)


def pass_ack(transaction: ServerTransaction, request: Request, now: float) -> None:
    if transaction.user is not None:
        transaction.user.on_ack(request, now)


def no_ack(transaction: ServerTransaction, _: object, now: float) -> None:
    if transaction.user is not None:
        transaction.user.on_no_ack(transaction, now)


# --- tables ------------------------------------------------------------------------------------------------

S, In = State, Input


class InviteClient(ClientTransaction):
    """§17.1.1 with RFC 6026 §7.2, and one state of ours: ABANDONED.

    The user of an abandoned INVITE no longer wants an answer, and nobody has been heard: it is not sent again,
    so that an address that comes back does not ring late, but a late response is still passed up until B.
    A transport error counts only before the first response: after it the far end knows of the request, and may
    answer over a new connection (§18.2.2). So may one that had read the request when the connection broke: that
    INVITE has failed, and is abandoned.
    """

    __slots__ = ()
    table: ClassVar[Table] = Table(
        rows={
            (S.CALLING, In.PROVISIONAL): to(S.PROCEEDING, pass_up),
            (S.CALLING, In.SUCCESS): to(S.ACCEPTED, pass_up),
            (S.CALLING, In.FAILURE): to(S.COMPLETED, send_ack, pass_up),
            (S.CALLING, Timer.A): to(S.CALLING, resend_request, double_a),
            (S.CALLING, Timer.B): to(S.TERMINATED, no_response),
            (S.CALLING, In.TRANSPORT_ERROR): to(S.TERMINATED, no_response),
            (S.CALLING, In.CONNECTION_LOST): to(S.ABANDONED, no_response),
            (S.CALLING, In.ABANDON): to(S.ABANDONED),
            (S.ABANDONED, In.PROVISIONAL): to(S.PROCEEDING, pass_up),
            (S.ABANDONED, In.SUCCESS): to(S.ACCEPTED, pass_up),
            (S.ABANDONED, In.FAILURE): to(S.COMPLETED, send_ack, pass_up),
            (S.ABANDONED, Timer.B): to(S.TERMINATED, no_response),
            (S.ABANDONED, In.TRANSPORT_ERROR): to(S.TERMINATED, no_response),
            (S.PROCEEDING, In.PROVISIONAL): to(S.PROCEEDING, pass_up),
            (S.PROCEEDING, In.SUCCESS): to(S.ACCEPTED, pass_up),
            (S.PROCEEDING, In.FAILURE): to(S.COMPLETED, send_ack, pass_up),
            (S.PROCEEDING, In.ABANDON): to(S.TERMINATED),
            (S.COMPLETED, In.FAILURE): to(S.COMPLETED, send_ack),
            (S.COMPLETED, Timer.D): to(S.TERMINATED),
            (S.ACCEPTED, In.SUCCESS): to(S.ACCEPTED, pass_up),
            (S.ACCEPTED, Timer.M): to(S.TERMINATED),
        },
        timers={
            S.CALLING: (Timer.A, Timer.B),
            S.ABANDONED: (Timer.B,),
            S.COMPLETED: (Timer.D,),
            S.ACCEPTED: (Timer.M,),
        },
        keep=(Timer.B,),
        initial=S.CALLING,
        final=S.TERMINATED,
    )

    def connection_lost(self, now: float, cause: str) -> None:
        self.feed(Input.CONNECTION_LOST, cause, now)


class NonInviteClient(ClientTransaction):
    """§17.1.2. An abandoned one is over: its user waits no longer, and an answer to nobody needs no ACK."""

    __slots__ = ()
    table: ClassVar[Table] = Table(
        rows={
            (S.TRYING, In.PROVISIONAL): to(S.PROCEEDING, pass_up),
            (S.TRYING, In.SUCCESS): to(S.COMPLETED, pass_up),
            (S.TRYING, In.FAILURE): to(S.COMPLETED, pass_up),
            (S.TRYING, Timer.E): to(S.TRYING, resend_request, double_e),
            (S.TRYING, Timer.F): to(S.TERMINATED, no_response),
            (S.TRYING, In.TRANSPORT_ERROR): to(S.TERMINATED, no_response),
            (S.TRYING, In.ABANDON): to(S.TERMINATED),
            (S.PROCEEDING, In.PROVISIONAL): to(S.PROCEEDING, pass_up),
            (S.PROCEEDING, In.SUCCESS): to(S.COMPLETED, pass_up),
            (S.PROCEEDING, In.FAILURE): to(S.COMPLETED, pass_up),
            (S.PROCEEDING, In.ABANDON): to(S.TERMINATED),
            (S.PROCEEDING, Timer.E): to(S.PROCEEDING, resend_request, slow_e),
            (S.PROCEEDING, Timer.F): to(S.TERMINATED, no_response),
            (S.COMPLETED, Timer.K): to(S.TERMINATED),
        },
        timers={
            S.TRYING: (Timer.E, Timer.F),
            S.PROCEEDING: (Timer.E, Timer.F),
            S.COMPLETED: (Timer.K,),
        },
        keep=(Timer.E, Timer.F),
        initial=S.TRYING,
        final=S.TERMINATED,
    )


class InviteServer(ServerTransaction):
    """§17.2.1 with RFC 6026 §7.1. The core sends the 100 at once, so there is no state before it."""

    __slots__ = ()
    table: ClassVar[Table] = Table(
        rows={
            (S.PROCEEDING, In.REQUEST): to(S.PROCEEDING, repeat_response),
            (S.PROCEEDING, In.PROVISIONAL): to(S.PROCEEDING, send_response),
            (S.PROCEEDING, In.SUCCESS): to(S.ACCEPTED, send_response),
            (S.PROCEEDING, In.FAILURE): to(S.COMPLETED, send_response),
            (S.PROCEEDING, In.TRANSPORT_ERROR): to(S.TERMINATED, no_ack),
            (S.ACCEPTED, In.SUCCESS): to(S.ACCEPTED, send_response),
            (S.ACCEPTED, In.ACK): to(S.ACCEPTED, pass_ack),
            (S.ACCEPTED, Timer.L): to(S.TERMINATED),
            (S.COMPLETED, In.REQUEST): to(S.COMPLETED, repeat_response),
            (S.COMPLETED, In.ACK): to(S.CONFIRMED),
            (S.COMPLETED, Timer.G): to(S.COMPLETED, repeat_response, double_g),
            (S.COMPLETED, Timer.H): to(S.TERMINATED, no_ack),
            (S.COMPLETED, In.TRANSPORT_ERROR): to(S.TERMINATED, no_ack),
            (S.CONFIRMED, Timer.I): to(S.TERMINATED),
        },
        timers={
            S.COMPLETED: (Timer.G, Timer.H),
            S.CONFIRMED: (Timer.I,),
            S.ACCEPTED: (Timer.L,),
        },
        initial=S.PROCEEDING,
        final=S.TERMINATED,
    )


class NonInviteServer(ServerTransaction):
    """§17.2.2."""

    __slots__ = ()
    table: ClassVar[Table] = Table(
        rows={
            (S.TRYING, In.PROVISIONAL): to(S.PROCEEDING, send_response),
            (S.TRYING, In.SUCCESS): to(S.COMPLETED, send_response),
            (S.TRYING, In.FAILURE): to(S.COMPLETED, send_response),
            (S.TRYING, In.TRANSPORT_ERROR): to(S.TERMINATED),
            (S.PROCEEDING, In.REQUEST): to(S.PROCEEDING, repeat_response),
            (S.PROCEEDING, In.PROVISIONAL): to(S.PROCEEDING, send_response),
            (S.PROCEEDING, In.SUCCESS): to(S.COMPLETED, send_response),
            (S.PROCEEDING, In.FAILURE): to(S.COMPLETED, send_response),
            (S.PROCEEDING, In.TRANSPORT_ERROR): to(S.TERMINATED),
            (S.COMPLETED, In.REQUEST): to(S.COMPLETED, repeat_response),
            (S.COMPLETED, Timer.J): to(S.TERMINATED),
            (S.COMPLETED, In.TRANSPORT_ERROR): to(S.TERMINATED),
        },
        timers={S.COMPLETED: (Timer.J,)},
        initial=S.TRYING,
        final=S.TERMINATED,
    )


def server_key(request: Request) -> Key:
    """What identifies a server transaction (§17.2.3); ACK shares its INVITE's key."""
    method = "INVITE" if request.method == "ACK" else request.method
    via = request.via
    branch = via.branch
    if branch is not None and branch.startswith(MAGIC_COOKIE) and len(branch) > len(MAGIC_COOKIE):
        return (branch, via.sent_by, method)
    # an RFC 2543 peer: its Request-URI, From tag, Call-ID, CSeq number and Via stand in for the branch
    return (request.uri_text, request.from_tag, request.call_id, str(request.cseq[0]), via.sent_by, method)
