"""The user agent core: matches messages to transactions and sessions, keeps the clock, collects the outputs.

Its entrances are `receive`, `closed`, `undeliverable`, `tick`, `invite`, `ask` and the sessions' verbs; its exits
are `drain()` and `deadline` (RFC 3261 §6 "Core", §8, §17.1.3, §17.2.3, §18). No socket, clock, randomness or log:
the driver gives bytes and `now` and takes what is to be sent.

A request that no transaction or session knows goes to the `screen` first. What the screen refuses is answered
without keeping anything (§8.2.7, §26.3.2.4): a stranger costs no memory.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final

from byoc_proxy.sip.addresses import is_numeric
from byoc_proxy.sip.flow import contact_of, reopened, reply_flow
from byoc_proxy.sip.headers import HeaderError
from byoc_proxy.sip.machine import Alarms
from byoc_proxy.sip.message import MAGIC_COOKIE, Request, Response, reply_to
from byoc_proxy.sip.outputs import Dropped, Invited, Over, Send
from byoc_proxy.sip.oversize import OverStream, is_oversize, sent_by_way_of
from byoc_proxy.sip.parser import ParseError, parse_datagram
from byoc_proxy.sip.screening import Accept, Answer, Ignore
from byoc_proxy.sip.session import Session
from byoc_proxy.sip.stateless import Tags, opening, within
from byoc_proxy.sip.transaction import (
    ClientTransaction,
    Input,
    InviteClient,
    InviteServer,
    NonInviteClient,
    NonInviteServer,
    ServerTransaction,
    Transaction,
    server_key,
)
from byoc_proxy.sip.uac import Outgoing, OutgoingInvite, UacSession
from byoc_proxy.sip.uas import UasSession
from byoc_proxy.sip.uri import UriError

if TYPE_CHECKING:
    from collections.abc import Callable

    from byoc_proxy.sip.dialog import Dialog
    from byoc_proxy.sip.flow import Flow
    from byoc_proxy.sip.message import Message
    from byoc_proxy.sip.outputs import Event, Output
    from byoc_proxy.sip.stateless import Door
    from byoc_proxy.sip.transaction import ClientUser, Key, Origin

    Screen = Callable[[Request, Flow], Accept | Answer | Ignore]


_BRANCH: Final = re.compile(rb"\r\nVia:[^\r\n]*?;branch=([^;,\s]+)")


class UserAgentCore:
    """The whole stack's surface. One per process."""

    def __init__(self, token: Callable[[], str], screen: Screen, door: Door | None = None) -> None:
        """`token` gives unguessable text for tags, branches and Call-IDs; `screen` judges new requests, `door` what
        has not been read. Without a door everybody is known.
        """
        self.alarms = Alarms()
        self.screen = screen
        self.transactions: dict[Key, Transaction] = {}
        self.sessions: dict[tuple[str, str], Session] = {}
        self._origins: set[Origin] = set()
        self._token = token
        self._outputs: list[Output] = []
        self._tickets = 0
        self._secret = token()
        self._tags = Tags(self._secret)
        self._door = door
        self._size = 0  # of the datagram that is being served
        self._wire = self._send  # one for all transactions
        self.stream_beside: Callable[[Flow], Flow | None] = lambda flow: None  # TCP to where a UDP flow leads

    # --- the driver's side ---------------------------------------------------------------------------------

    def receive(self, data: bytes, flow: Flow, now: float) -> None:
        """Bytes of one datagram."""
        if self._door is not None and self._is_settled_at(self._door, data, flow):
            return
        if data.startswith(b"ACK ") and self._tags.in_ack in data:
            return  # of an answer that left nothing behind
        self._size = len(data)
        try:
            message = parse_datagram(data)
        except ParseError as error:
            self.refuse_garbage(error, flow)
        else:
            self.deliver(message, flow, now)

    def deliver(self, message: Message, flow: Flow, now: float) -> None:
        """One message, already framed and parsed."""
        try:
            if isinstance(message, Request):
                self._request(message, flow, now)
            elif isinstance(message, Response):
                self._response(message, flow, now)
        except (UriError, HeaderError) as error:  # a header that was not needed until now
            self._outputs.append(Dropped(f"unusable header: {error}", flow, "garbage"))

    def _is_settled_at(self, door: Door, data: bytes, flow: Flow) -> bool:
        """Whether the door has the last word on a datagram."""
        match door.glance(data, flow):
            case None:
                return False
            case Ignore(reason, kind):
                self._outputs.append(Dropped(reason, flow, kind))
                return True
            case Answer(status, reason, headers):
                invite = opening(data, flow)
                if invite is None or invite.key in self.transactions:
                    return False
                tag = self._tag(invite.values["call-id"], invite.values["cseq"], invite.via.branch)
                fields = "".join(f"{name}: {value}\r\n" for name, value in headers)
                self._send(invite.refusal(f"SIP/2.0 {status} {reason}", tag, fields), reply_flow(invite.via, flow))
                return True

    def refuse_garbage(self, error: ParseError, flow: Flow) -> None:
        """Bytes that were no message: answered where the Via allows it (RFC 4475), else dropped.

        A stranger hears nothing: it may be somebody who looks for SIP servers, or for one that crashes.
        """
        may_hear = self._door is None or self._door.garbled(flow)
        if may_hear and error.request is not None and error.status is not None:
            reason = error.reason if error.status == 400 else None
            if reason is not None:
                reason = reason.encode("ascii", "replace").decode("ascii")
            try:
                error.request.received(*flow.remote)
                self._answer_statelessly(error.request, flow, Answer(error.status, reason))
            except (UriError, HeaderError) as unusable:
                # its Via cannot be repeated, for example a control character in a quoted parameter
                self._outputs.append(Dropped(f"garbage that cannot be answered: {unusable}", flow, "garbage"))
        self._outputs.append(Dropped(error.reason, flow, "garbage"))

    def closed(self, flow: Flow, now: float, cause: str = "connection lost") -> None:
        """A stream connection is gone: requests on it that nobody has answered yet have failed (§18.4).

        What else was to go there will need another one: responses to where the Via says that the far end listens
        (§18.2.2), and requests inside dialogs to their next hop.
        """
        for session in self.sessions.values():
            if session.flow.connection == flow.connection:
                session.flow = self._reopened_for(session, flow)
        for transaction in list(self.transactions.values()):
            if not transaction.flow.went_over(flow):
                continue
            if isinstance(transaction, ClientTransaction):
                transaction.connection_lost(now, cause)
            elif isinstance(transaction, ServerTransaction) and not transaction.settled:
                transaction.flow = reopened(flow, flow.remote[0], transaction.request.via.port)
        self._sweep()

    def connections_in_use(self) -> set[int]:
        """The stream connections that a session or a transaction lives on, by their numbers."""
        owners: list[Session | Transaction] = [*self.sessions.values(), *self.transactions.values()]
        return {owner.flow.connection for owner in owners}

    def undeliverable(self, data: bytes, cause: str, now: float) -> None:
        """The network says that a datagram of ours, which began with `data`, did not arrive (ICMP)."""
        branch = _BRANCH.search(data)
        if branch is None:
            return
        method = data.partition(b" ")[0].decode("ascii", "replace")
        transaction = self.transactions.get((branch[1].decode("ascii", "replace"), method))
        if isinstance(transaction, ClientTransaction):
            transaction.transport_error(now, cause)
            self._drop_if_over(transaction)

    def tick(self, now: float) -> None:
        """Fire what is due."""
        for machine, timer in self.alarms.due(now):
            machine.fire(timer, now)
            if isinstance(machine, Transaction):
                self._drop_if_over(machine)

    @property
    def deadline(self) -> float | None:
        """When `tick` wants to be called next, or None."""
        return self.alarms.deadline

    def drain(self) -> list[Output]:
        """Take the outputs so far, in order."""
        outputs, self._outputs = self._outputs, []
        return outputs

    def invite(self, outgoing: OutgoingInvite, flow: Flow, now: float, again: Session | None = None) -> UacSession:
        """Send an INVITE; its session tells the rest.

        `again` is a session of ours that was refused and is tried once more: the same Call-ID and tag, the next
        CSeq (§22.2).
        """
        call_id, tag = (again.call_id, again.local_tag) if again else (self._token(), self._token())
        session = UacSession(self, flow, call_id, tag, contact_of(flow), now)
        self.sessions[(call_id, tag)] = session
        number = again.invite.request.cseq[0] + 1 if isinstance(again, UacSession) else 1
        session.start(outgoing, now, number)
        return session

    def size(self, outgoing: OutgoingInvite, flow: Flow) -> int:
        """The bytes of the INVITE that `invite` would send: every token is as long as the next."""
        token = self._secret
        request = outgoing.request("INVITE", flow, contact_of(flow), token, token, f"{MAGIC_COOKIE}{token}")
        return len(request.encode())

    def ask(self, method: str, outgoing: Outgoing, flow: Flow, user: ClientUser, now: float) -> ClientTransaction:
        """Send a request outside of any dialog, such as OPTIONS (§11.1); `user` hears what comes of it."""
        branch = self.new_branch()
        request = outgoing.request(method, flow, contact_of(flow), self._token(), self._token(), branch)
        return self.send_request(request, flow, user, now)

    def abandon(self, transaction: ClientTransaction, now: float) -> None:
        """The user of an `ask` waits no longer; nothing happens once there is a final response."""
        transaction.feed(Input.ABANDON, None, now)
        self._drop_if_over(transaction)

    # --- what the sessions need (session.Stack) ------------------------------------------------------------

    def new_branch(self) -> str:
        return f"{MAGIC_COOKIE}{self._token()}"

    def new_cnonce(self) -> str:
        return self._token()

    def new_ticket(self) -> int:
        self._tickets += 1
        return self._tickets

    def emit(self, event: Event) -> None:
        self._outputs.append(event)

    def send_request(self, request: Request, flow: Flow, user: ClientUser, now: float) -> ClientTransaction:
        """Start a client transaction; that of a re-INVITE over TCP when a datagram cannot hold it (§18.1.1)."""
        if request.method == "INVITE" and request.to_tag and is_oversize(request, flow):
            stream = self.stream_beside(flow)
            if stream is not None:
                user = OverStream(sent_by_way_of(request, flow, self.new_branch()), flow, user, self._start)
                request, flow = sent_by_way_of(request, stream, request.branch), stream
        return self._start(request, flow, user, now)

    def _start(self, request: Request, flow: Flow, user: ClientUser, now: float) -> ClientTransaction:
        kind = InviteClient if request.method == "INVITE" else NonInviteClient
        key = (request.branch, request.method)
        transaction = kind(key, request, flow, user, self._wire, self.alarms, now)
        self.transactions[key] = transaction
        return transaction

    def send_bytes(self, data: bytes, flow: Flow) -> None:
        """Send outside of any transaction, as the ACK of a 2xx is (§13.2.2.4)."""
        self._send(data, flow)

    def flow_for(self, dialog: Dialog) -> Flow:
        """Where an in-dialog request goes (§12.2.1.1): the live stream, or the next hop's address on UDP.

        Until a next hop that is a name has been looked up, the far end is reached where it was last heard from.
        """
        flow, hop = dialog.flow, dialog.next_hop
        if flow.reliable or hop is None:
            return flow
        remote = dialog.located or (hop.host, hop.port or 5060)
        if remote == flow.remote or not is_numeric(remote[0]) or dialog.goes_to_source:
            return flow
        return flow._replace(remote=remote)

    def forget(self, session: Session) -> None:
        self.sessions.pop((session.call_id, session.local_tag), None)
        self._outputs.append(Over(session))
        if isinstance(session, UacSession):
            session.leave()
            self._drop_if_over(session.invite)  # given up: no response or timer of its own will do it
        elif isinstance(session, UasSession) and session.invite.succeeded:
            session.invite.settle()
            session.invite.part()

    # --- requests ------------------------------------------------------------------------------------------

    def _request(self, request: Request, flow: Flow, now: float) -> None:
        request.received(*flow.remote)
        key = server_key(request)
        known = self.transactions.get(key)
        if known is not None:
            known.feed(Input.ACK if request.method == "ACK" else Input.REQUEST, request, now)
            self._drop_if_over(known)
            return
        session = self.sessions.get((request.call_id, request.to_tag)) if request.to_tag else None
        if session is not None and session.dialog_of(request.from_tag) is None:
            session = None  # §12.2.2: both tags, or it is another dialog
        if request.method == "ACK":
            if session is not None:
                session.on_ack(request, now)
        elif request.method == "CANCEL":
            self._cancel(request, key, flow, now)
        elif session is not None:
            transaction = self._serve(request, key, flow, now)
            session.on_request(request, transaction, now)
            if request.method != "INVITE":
                transaction.settle()
            self._drop_if_over(transaction)
        elif request.to_tag:
            self._disown(request, flow)  # §12.2.2
        elif (request.call_id, request.from_tag, request.cseq) in self._origins:
            # §8.2.2.2: the same request by another path, forked on its way here
            self._answer_statelessly(request, flow, Answer(482, "Merged Request"))
        else:
            self._screen(request, key, flow, now)

    def _screen(self, request: Request, key: Key, flow: Flow, now: float) -> None:
        match self.screen(request, flow):
            case Accept() as accept:
                self._invited(request, accept, self._serve(request, key, flow, now), now)
            case Answer() as answer:
                self._answer_statelessly(request, flow, answer)
            case Ignore(reason, kind):
                self._outputs.append(Dropped(reason, flow, kind))

    def _invited(self, request: Request, accept: Accept, invite: ServerTransaction, now: float) -> None:
        session = UasSession(self, invite, self._token(), contact_of(invite.flow), now, accept.terms)
        self.sessions[(session.call_id, session.local_tag)] = session
        invite.origin = (request.call_id, request.from_tag, request.cseq)
        self._origins.add(invite.origin)
        self._outputs.append(Invited(session, request, accept.admission))

    def _disown(self, request: Request, flow: Flow) -> None:
        """A request of a dialog or transaction that is not here any more: 481 to whoever may know us.

        A tag of our making tells a peer of a call that a restart has ended from a stranger, who hears nothing.
        """
        verdict = Answer(481) if self._may_be_ours(request.to_tag) else self.screen(request, flow)
        if isinstance(verdict, Ignore):
            self._outputs.append(Dropped(verdict.reason, flow, verdict.kind))
        else:
            self._answer_statelessly(request, flow, Answer(481))

    def _may_be_ours(self, tag: str) -> bool:
        return len(tag) == len(self._secret) and tag[:1] == self._secret[:1]

    def _cancel(self, request: Request, key: Key, flow: Flow, now: float) -> None:
        """§9.2: a CANCEL matches the INVITE with its branch."""
        invite = self.transactions.get((*key[:-1], "INVITE"))
        if not isinstance(invite, ServerTransaction) or not isinstance(invite.user, Session):
            self._disown(request, flow)
            return
        invite.user.cancel(self._serve(request, key, flow, now), now)

    def _serve(self, request: Request, key: Key, flow: Flow, now: float) -> ServerTransaction:
        kind = InviteServer if request.method == "INVITE" else NonInviteServer
        transaction = kind(key, request, reply_flow(request.via, flow), self._wire, self.alarms, now)
        self.transactions[key] = transaction
        if request.method == "INVITE":
            # §17.2.1: nobody answers within 200 ms, and a 100 stops the retransmissions of a re-INVITE too
            transaction.respond(reply_to(request, 100), now)
        return transaction

    def _answer_statelessly(self, request: Request, flow: Flow, answer: Answer) -> None:
        if request.method == "ACK":
            return
        tag = self._tag(request.call_id, request.headers.get("cseq"), request.via.branch)
        response = reply_to(request, answer.status, answer.reason, to_tag=tag, headers=answer.headers)
        if flow.reliable or self._door is None or self._door.knows(flow):
            data: bytes | None = response.encode()
        else:
            data = within(response, self._size)
        if data is None:
            self._outputs.append(Dropped(f"{answer.status} would be larger than what it answers", flow, "tiny"))
        else:
            self._send(data, reply_flow(request.via, flow))

    def _tag(self, call_id: str, cseq: str | None, branch: str | None) -> str:
        return self._tags.tag(self._secret, call_id, cseq, branch)

    # --- responses -----------------------------------------------------------------------------------------

    def _response(self, response: Response, flow: Flow, now: float) -> None:
        # §18.1.2: the branch of the top Via is ours. §8.1.3.3: with more Vias it went astray
        if len(response.listed("via")) > 1:
            self._outputs.append(Dropped(f"response {response.status} with more than one Via", flow))
            return
        key = (response.branch, response.cseq[1])
        transaction = self.transactions.get(key)
        if not isinstance(transaction, ClientTransaction):
            self._outputs.append(Dropped(f"stray response {response.status}", flow))
            return
        transaction.receive(response, now)
        self._drop_if_over(transaction)

    def _reopened_for(self, session: Session, flow: Flow) -> Flow:
        dialog = session.dialog
        if dialog is None:
            return flow
        hop = dialog.next_hop
        if hop is not None:
            # a next hop that is a name is taken to be where the far end was: it listens there, if anywhere
            told = is_numeric(hop.host) and not dialog.goes_to_source
            host = hop.host.strip("[]") if told else flow.remote[0]
            dialog.flow = reopened(flow, host, hop.port, "" if is_numeric(hop.host) else hop.host)
        return dialog.flow

    # --- housekeeping --------------------------------------------------------------------------------------

    def _send(self, data: bytes, flow: Flow) -> None:
        self._outputs.append(Send(data, flow))

    def _drop_if_over(self, transaction: Transaction) -> None:
        if transaction.over:
            self.transactions.pop(transaction.key, None)
            if isinstance(transaction, ServerTransaction) and transaction.origin is not None:
                self._origins.discard(transaction.origin)
            transaction.part()

    def _sweep(self) -> None:
        for transaction in list(self.transactions.values()):
            self._drop_if_over(transaction)
