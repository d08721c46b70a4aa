"""A simulated caller: it places one call, as its plan says."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from byoc_proxy.sim.manners import Deed, Manners
from byoc_proxy.sim.party import Asked, Party, Stand
from byoc_proxy.sim.words import uri_in
from byoc_proxy.sip.digest_client import answer

if TYPE_CHECKING:
    from byoc_proxy.sim.peer import Peer
    from byoc_proxy.sip.message import Response

PATIENCE: Final = 300.0  # seconds until a caller whom nobody answers gives up
MAX_WRONG: Final = 5


@dataclass(frozen=True, slots=True)
class CallPlan:
    """One call: `number` is dialled `at` so many seconds; `deeds` follow the answer, `early` the INVITE.

    `password` is empty where the caller has none, and may be wrong. `twin`: the INVITE comes twice (§8.2.2.2).
    """

    number: str
    at: float
    domain: str
    transport: str = "UDP"
    password: str = ""
    offers: bool = True
    twin: bool = False
    cancels_after: float | None = None
    headers: tuple[str, ...] = ()
    early: tuple[Deed, ...] = ()
    deeds: tuple[Deed, ...] = ()
    manners: Manners = Manners()


class Caller(Party):
    """See the module."""

    def __init__(self, peer: Peer, plan: CallPlan) -> None:
        super().__init__(peer, f"call-{plan.number}@{peer.address[0]}", peer.tag(), plan.manners)
        self.plan = plan
        self.transport = plan.transport
        self.local = f"<sip:+1555{plan.number[-4:]}@{peer.address[0]}>"
        self.target = f"sip:+{plan.number}@{plan.domain}"
        self.remote = f"<{self.target}>"
        self.final = 0  # what came of it
        self._uri = self.target
        self._tries = 0
        self._leaves = False
        self._heard: set[str] = set()  # the RSeq of what was said reliably

    def place(self) -> None:
        """Call."""
        self.stand = Stand.CALLING
        self._invite()
        after = self.plan.cancels_after
        self.later(PATIENCE if after is None else after, self.cancel)
        self.does(self.plan.early)

    def cancel(self) -> None:
        """Give up (§9.1), if it is not too late."""
        if self.stand is not Stand.CALLING or self._leaves:
            return
        self._leaves = True
        invite = self._invited
        data = invite.data.replace(b"INVITE ", b"CANCEL ", 1).replace(b" INVITE\r\n", b" CANCEL\r\n", 1)
        head = [line for line in data.partition(b"\r\n\r\n")[0].split(b"\r\n") if _of_cancel(line)]
        self.asks("CANCEL", invite.number, invite.branch, b"\r\n".join([*head, b"Content-Length: 0", b"", b""]))

    def progressed(self, response: Response) -> None:
        number = response.headers.get("rseq") or ""
        if "100rel" not in (response.headers.get("require") or "") or number in self._heard:
            return
        self._heard.add(number)
        if self.manners.acks_after is not None:  # who forgets the ACK forgets the PRACK too
            rack = f"RAck: {number} {response.cseq[0]} INVITE"
            uri = uri_in(response.headers.get("contact") or "")
            self.ask("PRACK", b"", [rack], response.to_tag, uri)

    def replied(self, asked: Asked, response: Response | None) -> None:
        if asked.method == "CANCEL":
            self.later(PATIENCE, self._forget)  # no final response may ever come of it (§9.1)
        elif asked is not self._invited:
            super().replied(asked, response)
        elif response is None or response.status >= 300:
            self._refused(response)
        else:
            self.final = response.status
            self.remote_tag = response.to_tag
            self.stand = Stand.TALKING
            if self._leaves:
                self.hang_up()  # the 200 crossed our CANCEL
            else:
                self.does(self.plan.deeds)

    def _forget(self) -> None:
        if self.stand is Stand.CALLING:
            self.stop(Stand.OVER)

    def _refused(self, response: Response | None) -> None:
        self.final = response.status if response else 408
        self._tries += 1
        if response is None or response.status != 407 or not self.plan.password or self._tries > MAX_WRONG:
            self.stop(Stand.OVER)
            return
        challenges = response.headers.all("proxy-authenticate")
        value = answer(challenges, "INVITE", self._uri, "sbc1", self.plan.password, f"cnonce{self._tries}")
        self._invite(f"Proxy-Authorization: {value}")

    def _invite(self, *headers: str) -> None:
        body = self.sdp() if self.plan.offers else b""
        self._invited = self.ask("INVITE", body, [*headers, *self.plan.headers])
        if self.plan.twin:
            branch = self._invited.branch.encode()
            self.send(self._invited.data.replace(branch, branch + b"-twin", 1))


def _of_cancel(line: bytes) -> bool:
    name = line.partition(b":")[0]
    return name in {b"Via", b"Max-Forwards", b"From", b"To", b"Call-ID", b"CSeq"} or line.startswith(b"CANCEL ")
