"""A simulated gateway: it plays another part for every INVITE that it gets."""

from __future__ import annotations

from typing import TYPE_CHECKING

from byoc_proxy.sim.party import Asked, Party, Stand
from byoc_proxy.sim.peer import Peer
from byoc_proxy.sim.repeater import Repeater
from byoc_proxy.sim.words import uri_in
from byoc_proxy.sip.message import Request, Response

if TYPE_CHECKING:
    from collections.abc import Callable
    from random import Random

    from byoc_proxy.sim.manners import Part
    from byoc_proxy.sim.network import Network
    from byoc_proxy.sim.reader import Reader


class Callee(Party):
    """One call that a gateway gets. Several branches of it may answer (§13.2.2.4): each has a tag of its own."""

    def __init__(self, peer: Peer, invite: Request, part: Part) -> None:
        super().__init__(peer, invite.call_id, peer.tag(), part.manners)
        self.invite = invite
        self.local = (invite.headers.get("to") or "").partition(";tag=")[0]
        self.remote = (invite.headers.get("from") or "").rpartition(";tag=")[0]
        self.remote_tag = invite.from_tag
        self.target = uri_in(invite.headers.get("contact") or "")
        self._part = part
        self._up: set[str] = set()  # the tags of the branches that answered
        self._refused = False
        self._rseq = 0
        self._unpracked: dict[str, Repeater] = {}  # what was said reliably (RFC 3262), by RSeq

    def plays(self, number: int = 0) -> None:
        """The lines of its part from that one on."""
        if number < len(self._part.lines):
            self.later(self._part.lines[number].after, lambda: self._plays(number))

    def _plays(self, number: int) -> None:
        line = self._part.lines[number]
        if self._refused or (self.stand is Stand.OVER) or (self._up and line.status < 200):
            return
        tag = f"{self.tag}-fork" if line.fork else self.tag
        body = self.sdp() if line.sdp else b""
        if line.reliable and self.invite.lists("supported", "100rel"):
            self._say_reliably(line.status, body)
        else:
            self.say(self.invite, line.status, body, line.headers, tag)
        if line.status >= 300:
            self._refuse()
        elif line.status >= 200:
            self.stand = Stand.TALKING
            self._up.add(tag)
        elif line.status > 100:
            self.stand = Stand.RINGING
        self.plays(number + 1)

    def _say_reliably(self, status: int, body: bytes) -> None:
        """Until its PRACK comes (RFC 3262 §3)."""
        self._rseq += 1
        number = str(self._rseq)
        self.say(self.invite, status, body, ["Require: 100rel", f"RSeq: {number}"])
        data = self.last_said(self.invite)
        self._unpracked[number] = Repeater(lambda: self.send(data), lambda: None)

    def acknowledged(self, request: Request) -> None:
        repeater = self._unpracked.pop((request.headers.get("rack") or "").partition(" ")[0], None)
        if repeater is not None:
            repeater.stop()

    def stop(self, stand: Stand) -> None:
        super().stop(stand)
        for repeater in self._unpracked.values():
            repeater.stop()

    def cancelled(self) -> None:
        if self.manners.obeys_cancel and not self._up and not self._refused:
            self.say(self.invite, 487)
            self._refuse()

    def up(self, tag: str) -> None:
        if tag == self.tag:
            self.does(self._part.deeds)

    def unheard(self, tag: str) -> None:
        if tag == self.tag:
            self.hang_up()
        else:
            self._ends(tag)

    def left(self, request: Request) -> None:
        self._ends(request.to_tag)

    def replied(self, asked: Asked, response: Response | None) -> None:
        super().replied(asked, response)
        if asked.method == "BYE":
            self._ends(self.tag)

    def _ends(self, tag: str) -> None:
        self._up.discard(tag)
        if not self._up:
            self.stop(Stand.OVER)
        else:
            self.tag, self.stand = min(self._up), Stand.TALKING

    def _refuse(self) -> None:
        for repeater in self._unpracked.values():
            repeater.stop()
        self._refused = True
        self.stand = Stand.OVER


class Gateway(Peer):
    """`draws` a part for each INVITE."""

    def __init__(
        self,
        network: Network,
        address: str,
        chance: Random,
        read: Reader,
        draws: Callable[[Random, Request], Part],
    ) -> None:
        super().__init__(network, address, chance, read)
        self._draws = draws

    def meets(self, request: Request, transport: str, stream: int) -> None:
        if request.method != "INVITE" or request.to_tag:
            super().meets(request, transport, stream)
            return
        callee = Callee(self, request, self._draws(self.chance, request))
        callee.transport, callee.stream = transport, stream
        self.add(callee)
        callee.plays()

    def _begins_anew(self, message: Request | Response) -> bool:
        """The same Call-ID with another INVITE: credentials were asked for."""
        if not isinstance(message, Request) or message.method != "INVITE" or message.to_tag:
            return False
        party = self.parties[message.call_id]
        return isinstance(party, Callee) and party.invite.branch != message.branch
