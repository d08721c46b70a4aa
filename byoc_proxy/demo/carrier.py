"""The carriers of the demo: user agents on the package's own protocol floor, with real sockets.

`Caller` places a call and answers a digest challenge (RFC 3261 §22.2, RFC 7616). `Callee` takes one: it rings and
answers, or, while it is `asleep`, leaves what comes unread, as a gateway does that hangs.
"""

from __future__ import annotations

import asyncio
import secrets
from dataclasses import replace
from typing import TYPE_CHECKING, Final

from byoc_proxy.call.leg import Leg, Stage
from byoc_proxy.demo.places import PROXY_NAME, spelt
from byoc_proxy.net.endpoint import Endpoint
from byoc_proxy.net.udp import UdpListener
from byoc_proxy.sip.core import UserAgentCore
from byoc_proxy.sip.digest_client import answer
from byoc_proxy.sip.flow import Flow
from byoc_proxy.sip.parser import ParseError, parse_datagram
from byoc_proxy.sip.screening import Accept, Answer
from byoc_proxy.sip.uac import OutgoingInvite

if TYPE_CHECKING:
    from byoc_proxy.demo.ladder import Ladder
    from byoc_proxy.sip.flow import Address
    from byoc_proxy.sip.message import Request
    from byoc_proxy.sip.outputs import Invited

RINGS_AFTER: Final = 0.1  # seconds from the INVITE to the 180
ANSWERS_AFTER: Final = 0.5  # seconds from the INVITE to the 200


class Carrier(Endpoint):
    """A user agent with one UDP socket at `local`; everything that it says and hears goes into the ladder."""

    def __init__(self, name: str, local: Address, ladder: Ladder) -> None:
        super().__init__(UserAgentCore(lambda: secrets.token_hex(8), _screen), lambda dropped: None)
        self.name = name
        self.local = local
        self._ladder = ladder
        self.add(_ShownListener(self))

    def received(self, data: bytes, flow: Flow) -> None:
        self.show(data, PROXY_NAME, self.name)
        super().received(data, flow)

    def show(self, data: bytes, sender: str, receiver: str) -> None:
        """Draw a rung for a message; the ladder has none for bytes that are not SIP."""
        try:
            message = parse_datagram(data)
        except ParseError as error:
            self._ladder.remark(f"{receiver} received what is not SIP: {error}")
        else:
            self._ladder.message(sender, receiver, message)


class Caller(Carrier):
    """Carrier A: calls somebody, and says who it is when asked."""

    async def call(self, uri: str, caller: str, proxy: Address, account: tuple[str, str]) -> Leg:
        """Send an INVITE for `uri` to `proxy`; the leg after its final response. Answers one challenge."""
        flow = Flow("UDP", self.local, proxy, spelt(self.local))
        headers = (("Content-Type", "application/sdp"),)
        from_ = f"<sip:{caller}@{spelt(self.local)}>"
        outgoing = OutgoingInvite(uri, from_, f"<{uri}>", headers, description(self.local))
        leg = Leg.calling(self, outgoing, flow)
        await leg.beyond(Stage.RINGING)
        refusal = leg.refusal.response if leg.refusal is not None else None
        if refusal is None or refusal.status != 407:
            return leg
        challenges = refusal.headers.all("proxy-authenticate")
        credentials = answer(challenges, "INVITE", uri, *account, secrets.token_hex(8)) or ""
        outgoing = replace(outgoing, headers=(*headers, ("Proxy-Authorization", credentials)))
        leg = Leg.calling(self, outgoing, flow, leg)
        await leg.beyond(Stage.RINGING)
        return leg


class Callee(Carrier):
    """One address of carrier B.

    `heard_at` are the times of what came in; `invites` and `legs` the calls that were read; `rang` counts those
    that made noise.
    """

    def __init__(self, name: str, local: Address, ladder: Ladder, *, asleep: bool = False) -> None:
        super().__init__(name, local, ladder)
        self.heard_at: list[float] = []
        self.invites: list[Request] = []
        self.legs: list[Leg] = []
        self.rang = 0
        self.on_invited = self._invited
        self._asleep = asleep
        self._unread: list[tuple[bytes, Flow]] = []

    def received(self, data: bytes, flow: Flow) -> None:
        self.heard_at.append(self.now)
        if self._asleep:
            self.show(data, PROXY_NAME, self.name)
            self._unread.append((data, flow))
        else:
            super().received(data, flow)

    def wake(self) -> None:
        """Read at last what came in the meantime."""
        self._asleep = False
        for data, flow in self._unread:
            self.core.receive(data, flow, self.now)
        self.flush()

    def _invited(self, invited: Invited) -> None:
        leg = Leg(self, invited.session)
        self.invites.append(invited.request)
        self.legs.append(leg)
        loop = asyncio.get_running_loop()
        loop.call_later(RINGS_AFTER, self._ring, leg)
        loop.call_later(ANSWERS_AFTER, leg.accept, description(self.local))

    def _ring(self, leg: Leg) -> None:
        if leg.ending is None:
            self.rang += 1
            leg.progress(180)


class _ShownListener(UdpListener):
    """A carrier's socket: what it sends is shown first, so that no answer comes before its question."""

    def __init__(self, carrier: Carrier) -> None:
        super().__init__(carrier.local, spelt(carrier.local), carrier)
        self._carrier = carrier

    def send(self, data: bytes, flow: Flow) -> None:
        self._carrier.show(data, self._carrier.name, PROXY_NAME)
        super().send(data, flow)


def description(local: Address) -> bytes:
    """An SDP offer or answer for G.711 at `local` (RFC 8866). No audio flows in the demo."""
    host, port = local
    lines = ("v=0", f"o=- 1 1 IN IP4 {host}", "s=demo", f"c=IN IP4 {host}", "t=0 0", f"m=audio {port} RTP/AVP 0 8")
    return "".join(f"{line}\r\n" for line in lines).encode()


def _screen(request: Request, flow: Flow) -> Accept | Answer:
    """A carrier takes every call, and nothing else outside of one."""
    return Accept() if request.method == "INVITE" else Answer(501)
