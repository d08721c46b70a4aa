"""A carrier made for tests: it writes SIP by hand, so that no fault of the proxy's own builder can hide in it.

    carrier = Carrier(network, "203.0.113.8")
    call = carrier.calls("sip:+14158675309@acme.sip.example.test")
    await call.hears(180)
    there = await gateway.invited()
    there.rings()
    there.answers(ANSWER)
    await call.hears(200)
    call.acks()
    await there.receives("ACK")

By itself it does what any carrier does without being asked: it acknowledges refusals, answers BYE with 200 and
CANCEL with 200 and 487, and repeats its last response to a repeated request. `is_silent` stops all of that.
"""

import asyncio
import hashlib
import itertools
import re
from collections.abc import Sequence

from byoc_proxy.sim.network import Network, kind_of, what
from byoc_proxy.sim.words import sdp, uri_in, written
from byoc_proxy.sip.flow import Address
from byoc_proxy.sip.message import Message, Request, Response
from byoc_proxy.sip.parser import ParseError, parse_datagram

PROXY = ("192.0.2.1", 5060)
PATIENCE = 200.0  # seconds until a message that is waited for is given up
DIALLED = "sip:+14158675309@acme.sip.example.test"


OFFER = sdp("203.0.113.8")
ANSWER = sdp("198.51.100.1", 6000)


class Inbox:
    """Messages in the order in which they came, waited for one by one."""

    def __init__(self, owner: str) -> None:
        self._owner = owner
        self._messages: asyncio.Queue[Message] = asyncio.Queue()

    def put(self, message: Message) -> None:
        self._messages.put_nowait(message)

    @property
    def is_empty(self) -> bool:
        return self._messages.empty()

    async def take(self, wanted: str) -> Message:
        """The next message, which must be the wanted one. A 100 that is not wanted is passed over."""
        while True:
            try:
                async with asyncio.timeout(PATIENCE):
                    message = await self._messages.get()
            except TimeoutError:
                raise AssertionError(f"{self._owner} waited for {wanted}, and nothing came") from None
            if what(message) == wanted:
                return message
            if what(message) != "100 INVITE":
                raise AssertionError(f"{self._owner} waited for {wanted}, and {what(message)} came")


class Carrier:
    """One host. `heard` and `said` are the kinds of all messages in order, repetitions included."""

    def __init__(
        self, network: Network, address: str, port: int = 5060, transport: str = "UDP", name: str = ""
    ) -> None:
        self.network = network
        self.address: Address = (address, port)
        self.transport = transport
        self.name = name or address.replace(":", "-")
        self.calls_by_id: dict[str, CarrierCall] = {}
        self.heard: list[str] = []
        self.said: list[str] = []
        self.received: list[Message] = []
        self.proxy: Address = PROXY
        self.contact = ""  # what it says of itself, when that is not where it is
        self.sent_by = ""
        self.silent = False
        self.obstinate = False  # does not react to CANCEL
        self.bye_challenge = ""  # what a BYE without credentials hears
        self.to_options: tuple[int, Sequence[str]] | None = None  # what OPTIONS outside of a call hears
        self.stream = 0
        self._numbers = itertools.count(1)
        self._new_calls: asyncio.Queue[CarrierCall] = asyncio.Queue()
        for each in ("UDP", "TCP", "TLS"):
            network.attach(each, self.address, self)

    # --- verbs ---------------------------------------------------------------------------------------------

    @property
    def host(self) -> str:
        """Its address as URIs have it."""
        return f"[{self.address[0]}]" if ":" in self.address[0] else self.address[0]

    def is_silent(self) -> None:
        """From now on, hear and say nothing."""
        self.silent = True

    def moves(self, port: int) -> None:
        """Its NAT gives it another port."""
        self.address = (self.address[0], port)
        self.network.attach("UDP", self.address, self)

    def calls(
        self,
        uri: str = DIALLED,
        body: bytes = OFFER,
        headers: Sequence[str] = (),
        user: str = "+15550100",
        to: str = "",
        display: str = "",
    ) -> "CarrierCall":
        """Send an INVITE to the proxy."""
        call = self._call("call", f"{display}<sip:{user}@{self.host}>", to or uri, uri)
        call.invites(body, headers)
        return call

    def asks(self, method: str, uri: str = "sip:sip.example.test", headers: Sequence[str] = ()) -> "CarrierCall":
        """Send a request outside of any dialog."""
        call = self._call(method, f"<sip:{self.host}>", uri, uri)
        call.requests(method, headers=headers)
        return call

    async def invited(self) -> "CarrierCall":
        """Wait for the INVITE of a new call."""
        try:
            async with asyncio.timeout(PATIENCE):
                return await self._new_calls.get()
        except TimeoutError:
            raise AssertionError(f"{self.name} waited for a call, and none came") from None

    def speaks(self, data: bytes) -> None:
        """Put bytes on the wire as they are."""
        stream = self._stream() if self.transport != "UDP" else 0
        source, destination = self.address, self.proxy
        if stream:
            ends = self.network.streams[stream].ends
            source, destination = ends if ends[0][0] == self.address[0] else (ends[1], ends[0])
        self.network.send(data, self.transport, source, destination, stream)

    def times(self, words: str) -> list[float]:
        """When messages of that kind were sent to this carrier, whatever became of them."""
        return [
            each.at for each in self.network.log if each.destination[0] == self.address[0] and each.what == words
        ]

    def got(self, method: str) -> list[Request]:
        """The requests of one method that arrived."""
        return [each for each in self.received if isinstance(each, Request) and each.method == method]

    # --- the network's side --------------------------------------------------------------------------------

    def takes(self, data: bytes, transport: str, source: Address, here: Address, stream: int) -> None:
        self.heard.append(kind_of(data))
        try:
            message = parse_datagram(data)
        except ParseError:
            return  # what answers a broken request lacks what that lacked
        self.received.append(message)
        if self.silent:
            return
        self.transport, self.stream = transport, stream
        call = self.calls_by_id.get(message.call_id)
        if call is not None:
            call.take(message)
        elif isinstance(message, Request) and message.method == "INVITE":
            call = CarrierCall.invited(self, message, self._tag(next(self._numbers)))
            self.calls_by_id[message.call_id] = call
            self._new_calls.put_nowait(call)
        elif isinstance(message, Request) and message.method == "OPTIONS" and self.to_options is not None:
            status, headers = self.to_options
            CarrierCall(self, message.call_id, self._tag(0), "").responds(status, b"", headers, to=message)
        elif isinstance(message, Request):
            self.network.faults.append(f"{self.name} got {what(message)} for a call that it does not have")

    def loses(self, stream: int) -> None:
        if self.stream == stream:
            self.stream = 0

    def _call(self, kind: str, local_uri: str, remote_uri: str, target: str) -> "CarrierCall":
        number = next(self._numbers)
        call = CarrierCall(self, f"{kind}-{number}@{self.address[0]}", self._tag(number), local_uri)
        call.remote_uri = f"<{remote_uri}>"
        call.target = target
        self.calls_by_id[call.call_id] = call
        return call

    def _tag(self, number: int) -> str:
        return f"{self.name.replace(' ', '-')}-tag{number}"

    def _stream(self) -> int:
        if not self.stream:
            port = 5061 if self.transport == "TLS" else self.proxy[1]
            self.stream = self.network.connect(self.transport, self.address, (self.proxy[0], port)).number
        return self.stream


class CarrierCall:
    """One call as a carrier sees it."""

    def __init__(self, carrier: Carrier, call_id: str, tag: str, local_uri: str) -> None:
        self.carrier = carrier
        self.call_id = call_id
        self.tag = tag
        self.local_uri = local_uri
        self.remote_uri = ""
        self.remote_tag = ""
        self.target = ""
        self.cseq = 0
        self.invite: Request  # theirs, the newest
        self.routes: list[str] = []
        self._refreshed_with: Sequence[str] | None = None
        self._inbox = Inbox(carrier.name)
        self._seen: set[bytes] = set()
        self._last_response: dict[str, bytes] = {}  # by branch
        self._invite_branch = ""
        self._invite_number = 0
        self._invite_target = ""
        self._last_request = b""
        self._last_invite = b""

    @classmethod
    def invited(cls, carrier: Carrier, invite: Request, tag: str) -> "CarrierCall":
        """The call that an INVITE of the proxy makes."""
        call = cls(carrier, invite.call_id, tag, invite.headers.get("to") or "")
        call.remote_uri = (invite.headers.get("from") or "").rpartition(";tag=")[0]
        call.remote_tag = invite.from_tag
        call.target = uri_in(invite.headers.get("contact") or "")
        call.invite = invite
        call._seen.add(invite.encode())
        return call

    # --- what is heard -------------------------------------------------------------------------------------

    async def hears(self, status: int, method: str = "INVITE") -> Response:
        """Wait for a response; it must be the next message of the call."""
        message = await self._inbox.take(f"{status} {method}")
        assert isinstance(message, Response)
        return message

    async def receives(self, method: str) -> Request:
        """Wait for a request; it must be the next message of the call."""
        message = await self._inbox.take(method)
        assert isinstance(message, Request)
        return message

    @property
    def is_quiet(self) -> bool:
        """Nothing has come that was not waited for."""
        return self._inbox.is_empty

    # --- as the called side --------------------------------------------------------------------------------

    def trying(self) -> None:
        self.responds(100)

    def rings(self) -> None:
        self.responds(180)

    def answers(self, body: bytes = ANSWER, headers: Sequence[str] = ()) -> None:
        """200 to their newest INVITE."""
        self.responds(200, body, headers)

    def refuses(self, status: int, reason: str = "Refused", headers: Sequence[str] = ()) -> None:
        self.responds(status, b"", headers, reason=reason)

    def responds(
        self,
        status: int,
        body: bytes = b"",
        headers: Sequence[str] = (),
        to: Request | None = None,
        reason: str = "Said",
        tag: str = "",
    ) -> None:
        """Any response, to their newest INVITE unless told otherwise."""
        request = to or self.invite
        to_value = request.headers.get("to") or ""
        if not request.to_tag and status > 100:
            to_value += f";tag={tag or self.tag}"
        lines = [f"SIP/2.0 {status} {reason}"]
        lines += [f"Via: {value}" for value in request.headers.all("via")]
        lines += [f"Record-Route: {value}" for value in request.headers.all("record-route")]
        lines += [f"From: {request.headers.get('from')}", f"To: {to_value}", f"Call-ID: {self.call_id}"]
        lines += [f"CSeq: {request.headers.get('cseq')}"]
        if request.method in {"INVITE", "UPDATE"} and status < 300:
            lines += [f"Contact: {self._contact}"]
        data = written([*lines, *headers], body)
        self._last_response[request.via.branch or ""] = data
        self._send(data)

    def repeats_answer(self) -> None:
        """The last response to their newest INVITE again, byte for byte."""
        self._send(self._last_response[self.invite.via.branch or ""])

    # --- as the calling side -------------------------------------------------------------------------------

    def invites(self, body: bytes = OFFER, headers: Sequence[str] = ()) -> None:
        """A first INVITE, or one more of the same call."""
        self._invite_branch = self.requests("INVITE", body, headers)
        self._invite_number = self.cseq

    def reinvites(self, body: bytes = b"") -> None:
        self.invites(body)

    def acks(self, body: bytes = b"") -> None:
        """The ACK of a 200 (RFC 3261 §13.2.2.4): a transaction of its own."""
        self.requests("ACK", body, cseq=self._invite_number)

    def cancels(self) -> None:
        """CANCEL the pending INVITE (§9.1)."""
        self._write("CANCEL", self._invite_branch, self._invite_number, b"", (), self._invite_target, "")

    def hangs_up(self, headers: Sequence[str] = ()) -> None:
        self.requests("BYE", headers=headers)

    def authenticates(
        self, username: str, password: str, challenge: Response, algorithm: str = "MD5", body: bytes = OFFER
    ) -> None:
        """The INVITE again with credentials for one of the challenges of a 407 (RFC 7616 §3.4)."""
        value = next(
            each for each in challenge.headers.all("proxy-authenticate") if f"algorithm={algorithm}" in each
        )
        self.invites(body, [f"Proxy-Authorization: {credentials(value, username, password, self.target)}"])

    def requests(self, method: str, body: bytes = b"", headers: Sequence[str] = (), cseq: int | None = None) -> str:
        """Any request of this call; its branch."""
        if cseq is None:
            self.cseq += 1
        number = self.cseq if cseq is None else cseq
        branch = f"z9hG4bK{self.tag}{method}{number}"
        if method == "INVITE":
            self._invite_target = self.target
        self._write(method, branch, number, body, headers, self.target, self.remote_tag)
        return branch

    def repeats(self) -> None:
        """The last request again, byte for byte."""
        self._send(self._last_request)

    def repeats_invite(self) -> None:
        """The last INVITE again, byte for byte."""
        self._send(self._last_invite)

    # --- how it is done ------------------------------------------------------------------------------------

    def answers_refreshes(self, headers: Sequence[str]) -> None:
        """From now on, answer an UPDATE without SDP and a re-INVITE by itself: the call is kept alive."""
        self._refreshed_with = headers

    def _refreshes(self, message: Message) -> bool:
        """Answer what only keeps the call alive; the ACK of such an answer says nothing either."""
        if self._refreshed_with is None or not isinstance(message, Request):
            return False
        if message.method == "INVITE":
            self.invite = message
        elif message.method == "ACK":
            return bool(self.invite.to_tag)
        elif message.method != "UPDATE":
            return False
        self.responds(200, ANSWER if message.body else b"", self._refreshed_with, to=message)
        return True

    def take(self, message: Message) -> None:
        data = message.encode()
        if self._refreshes(message):
            return
        if isinstance(message, Request):
            self._take_request(message, data)
        elif isinstance(message, Response):
            self._take_response(message)
        if data not in self._seen:
            self._seen.add(data)
            self._inbox.put(message)

    def _take_request(self, request: Request, data: bytes) -> None:
        if data in self._seen and request.method != "ACK":
            if last := self._last_response.get(request.via.branch or ""):
                self._send(last)
            return
        if request.method == "INVITE":
            self.invite = request
            self.target = uri_in(request.headers.get("contact") or "") or self.target
        elif (
            request.method == "BYE" and self.carrier.bye_challenge and "proxy-authorization" not in request.headers
        ):
            self.responds(407, headers=[f"Proxy-Authenticate: {self.carrier.bye_challenge}"], to=request)
        elif request.method == "BYE":
            self.responds(200, to=request)
        elif request.method == "CANCEL" and not self.carrier.obstinate:
            self.responds(200, to=request)
            self.responds(487, reason="Request Terminated")

    def _take_response(self, response: Response) -> None:
        number, method = response.cseq
        if method != "INVITE":
            return
        if response.status >= 300:
            to_tag = response.to_tag
            self._write("ACK", f"z9hG4bK{self.tag}INVITE{number}", number, b"", (), self._invite_target, to_tag)
        elif response.status > 100:
            self.remote_tag = response.to_tag
            self.target = uri_in(response.headers.get("contact") or "") or self.target

    def _write(
        self, method: str, branch: str, number: int, body: bytes, headers: Sequence[str], uri: str, to_tag: str
    ) -> None:
        carrier = self.carrier
        sent_by = carrier.sent_by or f"{carrier.host}:{carrier.address[1]}"
        tag = "" if f";tag={self.tag}" in self.local_uri else f";tag={self.tag}"
        lines = [
            f"{method} {uri} SIP/2.0",
            f"Via: SIP/2.0/{carrier.transport} {sent_by};branch={branch};rport",
            "Max-Forwards: 70",
            f"From: {self.local_uri}{tag}",
            f"To: {self.remote_uri}{f';tag={to_tag}' if to_tag else ''}",
            f"Call-ID: {self.call_id}",
            f"CSeq: {number} {method}",
        ]
        if method in {"INVITE", "UPDATE"}:
            lines.append(f"Contact: {self._contact}")
        data = written([*lines, *headers], body)
        self._last_request = data
        if method == "INVITE":
            self._last_invite = data
        self._send(data)

    @property
    def _contact(self) -> str:
        if self.carrier.contact:
            return self.carrier.contact
        host, port = self.carrier.host, self.carrier.address[1]
        transport = "" if self.carrier.transport == "UDP" else f";transport={self.carrier.transport.lower()}"
        return f"<sip:{self.carrier.name.replace(' ', '-')}@{host}:{port}{transport}>"

    def _send(self, data: bytes) -> None:
        self.carrier.said.append(what(parse_datagram(data)))
        self.carrier.speaks(data)


def credentials(
    challenge: str, username: str, password: str, uri: str, *, cnonce: str = "0a4f113b", method: str = "INVITE"
) -> str:
    """The value of Proxy-Authorization for a challenge with qop=auth, computed without the proxy's own code."""
    said = dict(re.findall(r'(\w+)="?([^",]+)"?', challenge))
    algorithm = said.get("algorithm", "MD5")
    digest = hashlib.md5 if algorithm == "MD5" else hashlib.sha256

    def of(text: str) -> str:
        return digest(text.encode()).hexdigest()

    secret = of(f"{username}:{said['realm']}:{password}")
    response = of(f"{secret}:{said['nonce']}:00000001:{cnonce}:auth:{of(f'{method}:{uri}')}")
    return (
        f'Digest username="{username}", realm="{said["realm"]}", nonce="{said["nonce"]}", uri="{uri}", '
        f'response="{response}", algorithm={algorithm}, cnonce="{cnonce}", qop=auth, nc=00000001'
    )
