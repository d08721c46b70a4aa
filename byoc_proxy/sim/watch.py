"""Watches what the proxy hears and says, and holds it to the rules at every message."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

from byoc_proxy.sim.peer import PROXY
from byoc_proxy.sip.message import Request, Response

if TYPE_CHECKING:
    from collections.abc import Callable

    from byoc_proxy.sim.network import Carried
    from byoc_proxy.sim.reader import Reader
    from byoc_proxy.sim.wire import NodeWire
    from byoc_proxy.sip.flow import Address

    Message = Request | Response

SURE: Final = 31.9  # seconds in which a transaction of ours is certainly still there (64*T1)


@dataclass(slots=True)
class Seen:
    """One message, as it passed the proxy's door; `peer` is the far end."""

    at: float
    message: Message
    peer: Address
    transport: str
    data: bytes


@dataclass(frozen=True, slots=True)
class Violation:
    """A broken rule, when, and the Call-ID of the message that broke it (empty: no single one)."""

    rule: str
    text: str
    at: float
    call_id: str = ""


@dataclass(slots=True)
class Invite:
    """An INVITE of the proxy's and what came of it. `hunt` is the number in its Request-URI."""

    request: Request
    peer: Address
    at: float
    hunt: str
    progress_at: float | None = None
    rang: bool = False
    cancelled_at: float | None = None
    refused_at: float | None = None
    answered_at: float | None = None

    @property
    def initial(self) -> bool:
        return not self.request.to_tag

    def awaits(self, now: float) -> bool:
        """True while the proxy has to take a 2xx for an answer (RFC 3261 §17.1.1, §9.1, RFC 6026)."""
        if self.refused_at is not None:
            return False
        if self.answered_at is not None:
            return now < self.answered_at + SURE
        if self.cancelled_at is not None:
            return now < self.cancelled_at + SURE
        return self.progress_at is not None or now < self.at + SURE


class Rule:
    """One thing that must always be so. `checks` counts how often it was asked."""

    name = ""

    def __init__(self, watch: Watch) -> None:
        self.watch = watch
        self.checks = 0

    def heard(self, seen: Seen, invite: Invite | None) -> None:
        """A message came to the proxy; `invite` is the one that it answers."""

    def said(self, seen: Seen, invite: Invite | None) -> None:
        """The proxy sent a message; `invite` is the one that it is or cancels."""

    def over(self) -> None:
        """Everything is quiet."""

    def astray(self, message: Message) -> bool:
        """True for a message of a call that corrupted bytes have come between."""
        return message.call_id in self.watch.strays

    def demand(self, holds: bool, text: str, message: Message | None = None) -> None:
        """Complain with `text` unless it holds."""
        self.checks += 1
        if not holds:
            self.watch.complain(self.name, text, message)


@dataclass(slots=True)
class Watch:
    """`strays` are the Call-IDs of hostile and corrupted bytes: of them only is asked that the proxy survives. What
    such bytes answered was a hunt of `misled`: where it goes next may be their doing.
    """

    read: Reader
    now: Callable[[], float]
    rules: list[Rule] = field(default_factory=list)
    violations: list[Violation] = field(default_factory=list)
    invites: dict[str, Invite] = field(default_factory=dict)  # by branch
    strays: set[str] = field(default_factory=set)
    misled: set[str] = field(default_factory=set)
    messages: int = 0
    cut_at: float = -1.0  # when a connection last broke

    def complain(self, rule: str, text: str, message: Message | None = None) -> None:
        call_id = message.call_id if message is not None else ""
        self.violations.append(Violation(rule, text, self.now(), call_id))

    def carried(self, carried: Carried) -> None:
        """The network's watcher: what the proxy sends."""
        self.messages += 1
        if carried.source[0] != PROXY[0]:
            return
        message = self.read(carried.data)
        if message is None:
            # a request that lacks headers is answered without them: only those of hostile bytes do
            if not (self.strays and carried.data.startswith(b"SIP/2.0 ")):
                self.complain("well-formed", f"the proxy sent what is no message: {carried.data[:60]!r}")
            return
        if message.call_id in self.strays:
            return
        seen = Seen(carried.at, message, carried.destination, carried.transport, carried.data)
        invite = self._of_ours(message, seen) if isinstance(message, Request) else None
        for rule in self.rules:
            rule.said(seen, invite)
        if invite is not None and message.cseq[1] == "CANCEL" and invite.cancelled_at is None:
            invite.cancelled_at = seen.at

    def heard(self, data: bytes, transport: str, source: Address) -> None:
        """What arrives at the proxy, before it reads it."""
        message = self.read(data)
        if message is None or message.call_id in self.strays:
            return
        seen = Seen(self.now(), message, source, transport, data)
        invite = self.invites.get(message.branch) if isinstance(message, Response) else None
        if invite is not None and message.cseq[1] != "INVITE":
            invite = None  # the answer to its CANCEL
        for rule in self.rules:
            rule.heard(seen, invite)
        if invite is not None and isinstance(message, Response):
            _note(invite, message.status, seen.at)

    def corrupted(self, *versions: bytes) -> None:
        """These bytes were and are of a call that nothing more is asked of."""
        for message in filter(None, map(self.read, versions)):
            self.strays.add(message.call_id)
            invite = self.invites.get(message.branch)
            if invite is not None:
                self.misled.add(invite.hunt)

    def over(self) -> None:
        """Everything is quiet."""
        for rule in self.rules:
            rule.over()

    def _of_ours(self, request: Request, seen: Seen) -> Invite | None:
        branch = request.branch
        if request.method == "INVITE" and branch not in self.invites:
            number = request.uri_text.removeprefix("sip:").partition("@")[0].lstrip("+")
            invite = Invite(request, seen.peer, seen.at, number)
            for rule in self.rules:
                if isinstance(rule, OfInvites):
                    rule.invited(invite)
            self.invites[branch] = invite
        return self.invites.get(branch)


class OfInvites(Rule):
    """A rule that hears of every new INVITE of the proxy's."""

    def invited(self, invite: Invite) -> None:
        """It is about to be sent."""


class Watched:
    """Stands before the proxy's wire and lets the watch see what arrives; `corrupts` gives other bytes at times.

    A corrupted message still has the name of its transaction: it strikes where a stranger's cannot.
    """

    def __init__(self, wire: NodeWire, watch: Watch, corrupts: Callable[[bytes], bytes | None]) -> None:
        self._wire = wire
        self._watch = watch
        self._corrupts = corrupts

    def takes(self, data: bytes, transport: str, source: Address, here: Address, stream: int) -> None:
        if self._wire.closed:
            return
        other = self._corrupts(data) if transport == "UDP" else None
        if other is None:
            self._watch.heard(data, transport, source)
        else:
            self._watch.corrupted(data, other)
        self._wire.takes(other or data, transport, source, here, stream)

    def loses(self, stream: int) -> None:
        self._wire.loses(stream)


def _note(invite: Invite, status: int, at: float) -> None:
    if status < 200:
        invite.progress_at = at if invite.progress_at is None else invite.progress_at
        invite.rang = invite.rang or 180 <= status < 184
    elif status < 300:
        if invite.answered_at is None and invite.awaits(at):
            invite.answered_at = at
    elif invite.answered_at is None and invite.refused_at is None:
        invite.refused_at = at
