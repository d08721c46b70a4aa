"""One end of one call at a simulated peer, with transactions of its own: what caller and called share.

It asks again until it is answered, says again until it is acknowledged, acknowledges, and answers what it is asked,
as its manners say. It writes by hand; nothing of `sip.session` or `sip.transaction` is behind it.
"""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from enum import Enum, auto
from functools import partial
from typing import TYPE_CHECKING, Final

from byoc_proxy.sim.repeater import T2, Repeater
from byoc_proxy.sim.words import reply, sdp, uri_in, written
from byoc_proxy.sip.message import Request, Response

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from byoc_proxy.sim.manners import Deed, Manners, Verb
    from byoc_proxy.sim.peer import Peer

_LOST: Final = frozenset({408, 481})  # the far end has no such dialog any more (RFC 3261 §12.2.1.2)


class Stand(Enum):
    """Where the call stands, as this end sees it."""

    IDLE = auto()
    CALLING = auto()  # our INVITE has no final response
    RINGING = auto()  # their INVITE has a provisional response of ours
    TALKING = auto()
    LEAVING = auto()  # our BYE is out
    OVER = auto()


@dataclass(slots=True)
class Asked:
    """A request of ours. `acks` are kept by To tag for the 2xx that comes again."""

    method: str
    number: int
    branch: str
    data: bytes
    bare: bool
    repeater: Repeater
    acks: dict[str, bytes]
    done: bool = False


class Party:
    """See the module. `local` and `remote` are the From and To of its requests, tags not included."""

    def __init__(self, peer: Peer, call_id: str, tag: str, manners: Manners) -> None:
        self.peer = peer
        self.call_id = call_id
        self.tag = tag
        self.manners = manners
        self.stand = Stand.IDLE
        self.gone = False  # it neither hears nor speaks any more
        self.local = ""
        self.remote = ""
        self.remote_tag = ""
        self.target = ""
        self.transport = "UDP"
        self.stream = 0
        self._cseq = 0
        self._asked: dict[tuple[int, str], Asked] = {}
        self._said: dict[tuple[str, str], bytes] = {}  # our last response by branch and method
        self._unacked: dict[tuple[int, str], Repeater] = {}  # our finals by CSeq and tag

    # --- what roles fill in --------------------------------------------------------------------------------

    def replied(self, asked: Asked, response: Response | None) -> None:
        """The first final response to a request of ours; None when none came."""
        if asked.method == "BYE":
            self.stand = Stand.OVER if self.stand is Stand.LEAVING else self.stand
        elif response is None or response.status in _LOST:
            self.hang_up() if asked.method == "INVITE" else None

    def progressed(self, response: Response) -> None:
        """A provisional response to our INVITE."""

    def acknowledged(self, request: Request) -> None:
        """Their PRACK came (RFC 3262)."""

    def cancelled(self) -> None:
        """Their CANCEL came."""

    def up(self, tag: str) -> None:
        """Their ACK of our 2xx with that tag came."""

    def unheard(self, tag: str) -> None:
        """No ACK of our 2xx came (§13.3.1.4)."""
        self.hang_up()

    def left(self, request: Request) -> None:
        """Their BYE came."""
        if request.from_tag == self.remote_tag:
            self.stop(Stand.OVER)

    # --- what is heard -------------------------------------------------------------------------------------

    def take(self, message: Request | Response) -> None:
        """A message of this call."""
        if self.gone:
            return
        if isinstance(message, Response):
            self._hear(message)
        elif message.method == "ACK":
            repeater = self._unacked.pop((message.cseq[0], message.to_tag), None)
            if repeater is not None:
                repeater.stop()
                self.up(message.to_tag)
        elif (again := self._said.get((message.via.branch or "", message.method))) is not None:
            self.send(again)
        else:
            self._serve(message)

    def _hear(self, response: Response) -> None:
        asked = self._asked.get(response.cseq)
        if asked is None:
            return
        if response.status < 200:
            if asked.method == "INVITE":
                asked.repeater.stop()
                self.progressed(response)
            return
        asked.repeater.stop()
        if asked.method == "INVITE":
            self._acknowledge(asked, response)
        if not asked.done:
            asked.done = True
            self.replied(asked, response)

    def _acknowledge(self, asked: Asked, response: Response) -> None:
        """Every failure and every 2xx, each time it comes (§17.1.1.3, §13.2.2.4)."""
        tag = response.to_tag
        if response.status >= 300:
            self.send(self._written("ACK", asked.number, response.via.branch or "", tag))
        elif tag in asked.acks:
            if asked.acks[tag]:
                self.send(asked.acks[tag])
        elif self.manners.acks_after is not None:
            another = asked.done and tag != self.remote_tag
            self.target = uri_in(response.headers.get("contact") or "") or self.target
            body = self.sdp() if asked.bare and response.body else b""
            ack = self._written("ACK", asked.number, self.peer.branch(), tag, body)
            asked.acks[tag] = b""  # until it is time
            self.later(self.manners.acks_after, lambda: self._ack(asked, tag, ack, another))

    def _ack(self, asked: Asked, tag: str, ack: bytes, another: bool) -> None:
        asked.acks[tag] = ack
        self.send(ack)
        if another:
            self.ask("BYE", to_tag=tag)  # two calls came of one INVITE: the first is the one

    def _serve(self, request: Request) -> None:
        match request.method:
            case "BYE":
                if self.manners.answers_bye:
                    self.say(request, 200)
                self.left(request)
            case "CANCEL":
                self.say(request, 200)
                self.cancelled()
            case "PRACK":
                self.say(request, 200)
                self.acknowledged(request)
            case "INVITE":
                self._reinvited(request)
            case "REFER" if self.stand is Stand.TALKING and self.manners.request == 200:
                self.say(request, 202)
                self._reports()
            case _:
                self.say(request, self.manners.request if self.stand is not Stand.OVER else 481)

    def _reports(self) -> None:
        """What comes of a REFER of theirs, and then this end leaves or not (RFC 3515 §2.4.4)."""
        for status, state in ((100, "active"), (200, "terminated")):
            headers = ["Event: refer", f"Subscription-State: {state}", "Content-Type: message/sipfrag"]
            self.ask("NOTIFY", f"SIP/2.0 {status} Told\r\n".encode(), headers)
        if self._cseq % 2:
            self.hang_up()

    def _reinvited(self, request: Request) -> None:
        if not request.to_tag:
            return  # the INVITE of this call again, before anything was said to it
        status = self.manners.reinvite if self.stand is Stand.TALKING else 481
        if status:
            self.say(request, status, self.sdp() if status == 200 else b"")

    # --- what is said --------------------------------------------------------------------------------------

    def say(
        self, request: Request, status: int, body: bytes = b"", headers: Sequence[str] = (), tag: str = ""
    ) -> None:
        """A response; a final one to an INVITE is repeated until its ACK comes."""
        tag = tag or self.tag
        contact = [f"Contact: {self.contact}"] if request.method in {"INVITE", "UPDATE"} and status < 300 else []
        data = reply(request, status, tag, [*contact, *headers], body)
        self._said[(request.via.branch or "", request.method)] = data
        self.send(data)
        if request.method == "INVITE" and status >= 200:
            key = (request.cseq[0], request.to_tag or tag)
            self._unacked[key] = Repeater(
                lambda: self.send(data),
                lambda: self._unheard(key, status),
                cap=T2,
                repeats=status < 300 or self.transport == "UDP",
            )

    def last_said(self, request: Request) -> bytes:
        """The last response to a request."""
        return self._said[(request.via.branch or "", request.method)]

    def _unheard(self, key: tuple[int, str], status: int) -> None:
        del self._unacked[key]
        if status < 300:
            self.unheard(key[1])

    def ask(
        self, method: str, body: bytes = b"", headers: Sequence[str] = (), to_tag: str = "", uri: str = ""
    ) -> Asked:
        """A request of ours, with the next CSeq, to the far end's Contact or to `uri`."""
        self._cseq += 1
        number, branch = self._cseq, self.peer.branch()
        data = self._written(method, number, branch, to_tag or self.remote_tag, body, headers, uri)
        return self.asks(method, number, branch, data, bare=not body)

    def asks(self, method: str, number: int, branch: str, data: bytes, *, bare: bool = False) -> Asked:
        """Send a request until it is answered."""
        repeater = Repeater(
            lambda: self.send(data),
            lambda: self._unanswered(asked),
            cap=T2 if method != "INVITE" else 64.0,
            repeats=self.transport == "UDP",
        )
        asked = Asked(method, number, branch, data, bare, repeater, {})
        self._asked[(number, method)] = asked
        self.send(data)
        return asked

    def _unanswered(self, asked: Asked) -> None:
        asked.done = True
        self.replied(asked, None)

    def hang_up(self) -> None:
        """Say BYE where there is a dialog."""
        if self.stand is Stand.TALKING:
            self.stand = Stand.LEAVING
            self.ask("BYE")

    def do(self, verb: Verb) -> None:
        """A deed; most need a call that is up."""
        match verb:
            case "vanish":
                self.vanish()
            case "restart":
                self.peer.restart()
            case "repeat":
                if self.transport == "UDP":  # a stream loses nothing: what comes twice on it is two requests
                    self._repeat()
            case _:
                if self.stand is Stand.TALKING:
                    self._do_inside(verb)

    def _repeat(self) -> None:
        for asked in [each for each in self._asked.values() if not each.done and each.repeater.is_due]:
            self.send(asked.data)

    def _do_inside(self, verb: Verb) -> None:
        match verb:
            case "hang up":
                self.hang_up()
            case "hold":
                self.ask("INVITE", self.sdp("inactive"))
            case "ask for an offer":
                self.ask("INVITE")
            case "UPDATE":
                self.ask("UPDATE", self.sdp())
            case "OPTIONS":
                self.ask("OPTIONS")
            case "REFER":
                self.ask("REFER", headers=["Refer-To: <sip:+1@desk.example>"])
            case "INFO" | "MESSAGE":
                self.ask(verb, b"Signal=1", ["Content-Type: text/plain"])

    def does(self, deeds: Sequence[Deed]) -> None:
        """Plan deeds from now on."""
        for deed in deeds:
            self.later(deed.after, partial(self.do, deed.verb))

    # --- how it is done ------------------------------------------------------------------------------------

    def vanish(self) -> None:
        """Neither hear nor speak from now on: cable, power, crash."""
        self.gone = True
        self.stop(self.stand)

    def stop(self, stand: Stand) -> None:
        """Nothing is said again."""
        self.stand = stand
        for repeater in (*self._unacked.values(), *(asked.repeater for asked in self._asked.values())):
            repeater.stop()
        self._unacked.clear()

    def later(self, after: float, act: Callable[[], None]) -> None:
        """Do something after so many seconds, unless this end is gone by then."""
        if after:
            asyncio.get_running_loop().call_later(after, lambda: None if self.gone else act())
        else:
            act()

    def send(self, data: bytes) -> None:
        self.stream = self.peer.send(data, self.transport, self.stream)

    def sdp(self, direction: str = "sendrecv") -> bytes:
        return sdp(self.peer.address[0], 4000, direction)

    @property
    def contact(self) -> str:
        host, port = self.peer.address
        return f"<sip:{host}:{port}{'' if self.transport == 'UDP' else ';transport=tcp'}>"

    def _written(
        self,
        method: str,
        number: int,
        branch: str,
        to_tag: str,
        body: bytes = b"",
        headers: Sequence[str] = (),
        uri: str = "",
    ) -> bytes:
        host, port = self.peer.address
        lines = [
            f"{method} {uri or self.target} SIP/2.0",
            f"Via: SIP/2.0/{self.transport} {host}:{port};branch={branch};rport",
            "Max-Forwards: 70",
            f"From: {self.local};tag={self.tag}",
            f"To: {self.remote}{f';tag={to_tag}' if to_tag else ''}",
            f"Call-ID: {self.call_id}",
            f"CSeq: {number} {method}",
        ]
        if method in {"INVITE", "UPDATE"}:
            lines.append(f"Contact: {self.contact}")
        return written([*lines, *headers], body)
