"""The protocol floor without sockets or clocks: cores joined by a pipe, or held against hand-made messages.

`Pair` joins two user agent cores through an in-memory pipe with virtual time, delay and loss, and keeps a record of
everything that was sent. `Lab` is one core whose far end is the test itself.
"""

from __future__ import annotations

import heapq
import itertools
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, TypeVar

from byoc_proxy.sip.core import UserAgentCore
from byoc_proxy.sip.flow import Flow
from byoc_proxy.sip.headers import Headers
from byoc_proxy.sip.message import Message, Request, Response
from byoc_proxy.sip.outputs import Dropped, Event, Invited, Output, Over, Send
from byoc_proxy.sip.parser import ParseError, StreamParser, parse_datagram
from byoc_proxy.sip.screening import Accept, Answer, Ignore
from byoc_proxy.sip.uac import OutgoingInvite, UacSession
from byoc_proxy.sip.uas import UasSession

if TYPE_CHECKING:
    from byoc_proxy.sip.session import Session

OURS = ("127.0.0.1", 5060)
THEIRS = ("127.0.0.2", 5060)
OFFER = b"v=0\r\no=offer\r\n"
ANSWER = b"v=0\r\no=answer\r\n"
TIMELESS = 1e9

Screen = Callable[[Request, Flow], Accept | Answer | Ignore]
E = TypeVar("E", bound=Event)


def accept_all(request: Request, flow: Flow) -> Accept | Answer | Ignore:
    """A screen that lets every INVITE in and answers all else with 200."""
    return Accept() if request.method == "INVITE" else Answer(200)


def tokens(prefix: str) -> Callable[[], str]:
    """`a1`, `a2`...: tags, branches and Call-IDs that read well in a failing test."""
    numbers = itertools.count(1)
    return lambda: f"{prefix}{next(numbers)}"


def flow_to(remote: tuple[str, int] = THEIRS, transport: str = "UDP", connection: int = 0) -> Flow:
    """The flow from our address to `remote`."""
    if transport != "UDP" and not connection:
        connection = 1
    return Flow(transport, OURS, remote, f"{OURS[0]}:{OURS[1]}", connection)


def wire(start_line: str, *lines: str, body: bytes = b"", length: bool = True) -> bytes:
    """A hand-made message: start line, header lines, and a true Content-Length unless `length` is False."""
    head = [start_line, *lines, *([f"Content-Length: {len(body)}"] if length else [])]
    return "\r\n".join([*head, "", ""]).encode("utf-8", "surrogateescape") + body


def request(
    method: str,
    *extra: str,
    uri: str = "sip:bob@127.0.0.1",
    branch: str = "z9hG4bKone",
    via: str = "SIP/2.0/UDP 127.0.0.2:5060;branch={branch}",
    call_id: str = "call-1",
    from_tag: str = "theirs",
    to_tag: str = "",
    cseq: int = 1,
    contact: str = "sip:alice@127.0.0.2:5060",
    body: bytes = b"",
) -> bytes:
    """A request of the far end, well-formed unless told otherwise."""
    return wire(
        f"{method} {uri} SIP/2.0",
        f"Via: {via.format(branch=branch)}",
        "Max-Forwards: 70",
        f"From: <sip:alice@127.0.0.2>;tag={from_tag}",
        f"To: <sip:bob@127.0.0.1>{f';tag={to_tag}' if to_tag else ''}",
        f"Call-ID: {call_id}",
        f"CSeq: {cseq} {method}",
        *([f"Contact: <{contact}>"] if method in {"INVITE", "UPDATE"} else []),
        *extra,
        *(["Content-Type: application/sdp"] if body else []),
        body=body,
    )


def response(to: Request, status: int, *extra: str, tag: str = "theirs", body: bytes = b"") -> bytes:
    """The far end's response to a request of ours."""
    tagged = to.headers.get("to") or ""
    if not to.to_tag and tag:
        tagged += f";tag={tag}"
    return wire(
        f"SIP/2.0 {status} Said",
        f"Via: {to.headers.get('via')}",
        f"From: {to.headers.get('from')}",
        f"To: {tagged}",
        f"Call-ID: {to.call_id}",
        f"CSeq: {to.headers.get('cseq')}",
        *extra,
        body=body,
    )


def read(data: bytes) -> Message:
    """A message that we sent. The answer to a broken request may repeat what is broken: then only its status."""
    try:
        return parse_datagram(data)
    except ParseError:
        version, status, reason = data.partition(b"\r\n")[0].decode().split(" ", 2)
        assert version == "SIP/2.0"
        return Response(int(status), reason, Headers([("CSeq", "0 UNREADABLE")]))


def what(message: Message) -> str:
    """`INVITE`, `200 BYE`: one word or two for a ladder."""
    if isinstance(message, Response):
        return f"{message.status} {message.cseq[1]}"
    assert isinstance(message, Request)
    return message.method


@dataclass(frozen=True, slots=True)
class Sent:
    """One message that left a host, and whether the pipe lost it."""

    at: float
    sender: str
    message: Message
    data: bytes
    flow: Flow
    lost: bool = False

    @property
    def what(self) -> str:
        return what(self.message)


def outgoing(
    body: bytes = OFFER, uri: str = "sip:bob@127.0.0.2", headers: tuple[tuple[str, str], ...] = ()
) -> OutgoingInvite:
    """Alice's call to Bob."""
    return OutgoingInvite(uri, "<sip:alice@127.0.0.1>", "<sip:bob@127.0.0.2>", headers, body)


class Lab:
    """One core; the test plays the far end with `hears` and reads `sent`, `events` and `dropped`."""

    def __init__(self, screen: Screen = accept_all, transport: str = "UDP") -> None:
        self.core = UserAgentCore(tokens("t"), screen)
        self.flow = flow_to(transport=transport)
        self.now = 0.0
        self.sent: list[Sent] = []
        self.events: list[Event] = []
        self.dropped: list[Dropped] = []

    def call(
        self,
        body: bytes = OFFER,
        uri: str = "sip:bob@127.0.0.2",
        headers: tuple[tuple[str, str], ...] = (),
    ) -> UacSession:
        """Send an INVITE of ours."""
        session = self.core.invite(outgoing(body, uri, headers), self.flow, self.now)
        self.flush()
        return session

    def invited(self, *extra: str, contact: str = "sip:alice@127.0.0.2:5060", body: bytes = OFFER) -> UasSession:
        """Hear an INVITE and give the session that it made."""
        self.hears(request("INVITE", *extra, contact=contact, body=body))
        session = self.heard(Invited)[-1].session
        assert isinstance(session, UasSession)
        return session

    def hears(self, data: bytes, flow: Flow | None = None) -> list[Sent]:
        """One datagram; what the core sent because of it."""
        before = len(self.sent)
        self.core.receive(data, flow or self.flow, self.now)
        self.flush()
        return self.sent[before:]

    def answers(
        self, status: int, *extra: str, method: str = "", tag: str = "theirs", body: bytes = b""
    ) -> list[Sent]:
        """The far end answers our last request (of `method`)."""
        return self.hears(response(self.last_request(method), status, *extra, tag=tag, body=body))

    def says(
        self, session: Session, method: str, cseq: int, *extra: str, branch: str = "", body: bytes = b""
    ) -> list[Sent]:
        """A request of the far end inside the dialog of `session`."""
        dialog = session.dialog
        assert dialog is not None
        return self.says_as(dialog.remote_tag, session, method, cseq, *extra, branch=branch, body=body)

    def says_as(
        self, tag: str, session: Session, method: str, cseq: int, *extra: str, branch: str = "", body: bytes = b""
    ) -> list[Sent]:
        """The same of the far end with that tag, for dialogs that are still early."""
        data = request(
            method,
            *extra,
            branch=branch or f"z9hG4bK{method}{cseq}",
            call_id=session.call_id,
            from_tag=tag,
            to_tag=session.local_tag,
            cseq=cseq,
            body=body,
        )
        return self.hears(data)

    def until(self, at: float) -> list[Sent]:
        """Let time pass up to and including `at`; what was sent meanwhile."""
        before = len(self.sent)
        self.flush()
        while (deadline := self.core.deadline) is not None and deadline <= at:
            self.now = max(self.now, deadline)
            self.core.tick(self.now)
            self.flush()
        self.now = max(self.now, at) if at < TIMELESS else self.now
        return self.sent[before:]

    def flush(self) -> None:
        for output in self.core.drain():
            self._take(output)

    def last_request(self, method: str = "") -> Request:
        for sent in reversed(self.sent):
            if isinstance(sent.message, Request) and method in {"", sent.message.method}:
                return sent.message
        raise AssertionError(f"no {method or 'request'} was sent")

    def heard(self, kind: type[E]) -> list[E]:
        """The events of one kind."""
        return [event for event in self.events if isinstance(event, kind)]

    @property
    def ladder(self) -> list[str]:
        return [sent.what for sent in self.sent]

    def is_empty(self) -> bool:
        """Nothing is kept of anything once every timer has run."""
        self.until(TIMELESS)
        return not self.core.transactions and not self.core.sessions and not len(self.core.alarms)

    def _take(self, output: Output) -> None:
        if isinstance(output, Send):
            self.sent.append(Sent(self.now, "us", read(output.data), output.data, output.flow))
        elif isinstance(output, Dropped):
            self.dropped.append(output)
        elif not isinstance(output, Over):  # every session's last event: tests name those that say something
            self.events.append(output)


@dataclass(slots=True)
class Host:
    """One end of a pair."""

    name: str
    core: UserAgentCore
    flow: Flow  # towards the other end
    events: list[Event] = field(default_factory=list)
    streams: StreamParser = field(default_factory=StreamParser)

    def heard(self, kind: type[E]) -> list[E]:
        return [event for event in self.events if isinstance(event, kind)]

    @property
    def kinds(self) -> list[str]:
        return [type(event).__name__ for event in self.events]


class Pair:
    """Alice (127.0.0.1) and Bob (127.0.0.2): two cores, one pipe.

    `delay` is the seconds a message travels. `lose("ACK", 2)` makes the pipe lose the next two ACKs.
    """

    def __init__(self, transport: str = "UDP", delay: float = 0.0) -> None:
        connection = 0 if transport == "UDP" else 1
        self.alice = Host(
            "alice",
            UserAgentCore(tokens("a"), accept_all),
            Flow(transport, OURS, THEIRS, "127.0.0.1:5060", connection),
        )
        self.bob = Host(
            "bob",
            UserAgentCore(tokens("b"), accept_all),
            Flow(transport, THEIRS, OURS, "127.0.0.2:5060", connection),
        )
        self.now = 0.0
        self.delay = delay
        self.sent: list[Sent] = []
        self._in_flight: list[tuple[float, int, Host, bytes]] = []
        self._serial = itertools.count()
        self._losses: dict[str, int] = {}

    # --- the script ----------------------------------------------------------------------------------------

    def lose(self, words: str, count: int = 1) -> None:
        self._losses[words] = self._losses.get(words, 0) + count

    def invite(self, body: bytes = OFFER) -> tuple[UacSession, UasSession]:
        """Alice's INVITE reaches Bob."""
        caller = self.alice.core.invite(outgoing(body), self.alice.flow, self.now)
        self.run(self.now + 2 * self.delay)
        callee = self.bob.heard(Invited)[-1].session
        assert isinstance(callee, UasSession)
        return caller, callee

    def call(self) -> tuple[UacSession, UasSession]:
        """A call that is up on both sides."""
        caller, callee = self.invite()
        callee.answer(ANSWER, self.now)
        self.run(self.now + 2 * self.delay)
        return caller, callee

    def run(self, until: float | None = None) -> None:
        """Carry messages and fire timers up to and including `until`, or until nothing is left to happen."""
        self._flush()
        while (at := self._next()) is not None and (until is None or at <= until):
            self.now = max(self.now, at)
            while self._in_flight and self._in_flight[0][0] <= self.now:
                _, _, host, data = heapq.heappop(self._in_flight)
                self._deliver(host, data)
                self._flush()
            for host in (self.alice, self.bob):
                host.core.tick(self.now)
            self._flush()
        if until is not None:
            self.now = max(self.now, until)

    # --- the record ----------------------------------------------------------------------------------------

    def ladder(self, after: float = -1.0) -> list[str]:
        """`alice INVITE`, `bob 200 INVITE (lost)`... of everything sent later than `after`."""
        return [
            f"{sent.sender} {sent.what}{' (lost)' if sent.lost else ''}" for sent in self.sent if sent.at > after
        ]

    def times(self, words: str, sender: str = "") -> list[float]:
        """When messages of that kind were sent."""
        return [sent.at for sent in self.sent if sent.what == words and sender in {"", sent.sender}]

    def is_empty(self) -> bool:
        """Once every timer has run, neither side keeps anything."""
        self.run()
        cores = (self.alice.core, self.bob.core)
        return not any(core.transactions or core.sessions or len(core.alarms) for core in cores)

    # --- how it is done ------------------------------------------------------------------------------------

    def _next(self) -> float | None:
        flying = (self._in_flight[0][0],) if self._in_flight else ()
        deadlines = (self.alice.core.deadline, self.bob.core.deadline)
        return min((at for at in (*flying, *deadlines) if at is not None), default=None)

    def _flush(self) -> None:
        for host, other in ((self.alice, self.bob), (self.bob, self.alice)):
            for output in host.core.drain():
                if isinstance(output, Send):
                    self._carry(host, other, output)
                elif not isinstance(output, Dropped | Over):
                    host.events.append(output)

    def _carry(self, host: Host, other: Host, output: Send) -> None:
        message = parse_datagram(output.data)
        lost = self._losses.get(what(message), 0) > 0
        if lost:
            self._losses[what(message)] -= 1
        else:
            heapq.heappush(self._in_flight, (self.now + self.delay, next(self._serial), other, output.data))
        self.sent.append(Sent(self.now, host.name, message, output.data, output.flow, lost))

    def _deliver(self, host: Host, data: bytes) -> None:
        if not host.flow.reliable:
            host.core.receive(data, host.flow, self.now)
            return
        for message in frames(host.streams, [data]):
            host.core.deliver(message, host.flow, self.now)


def frames(parser: StreamParser, segments: Iterable[bytes]) -> list[Message]:
    """Feed the segments one by one and collect what comes out."""
    messages: list[Message] = []
    for segment in segments:
        parser.feed(segment)
        while (message := parser.next_message()) is not None:
            messages.append(message)
    return messages
