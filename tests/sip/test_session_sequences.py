"""Every short sequence of what the wire and the user can do to a call, against what must never happen.

The sequences are walked as a tree through a real core: what an input changed is taken back before its sibling is
tried, so a tree of six levels costs one step per node. Timers are inputs like any other.
"""

import re
from collections.abc import Callable
from dataclasses import dataclass, field
from enum import StrEnum
from functools import cache
from typing import Any

import pytest

from byoc_proxy.sip.core import UserAgentCore
from byoc_proxy.sip.exchange import State as Offers
from byoc_proxy.sip.machine import Alarm, Alarms, Machine
from byoc_proxy.sip.message import Message, Response, reply_to
from byoc_proxy.sip.outputs import Answered, Dropped, Ended, Output, Refused, Replied, Requested, Send
from byoc_proxy.sip.parser import parse_datagram
from byoc_proxy.sip.refresh import Agreement
from byoc_proxy.sip.refresh import Timer as RefreshTimer
from byoc_proxy.sip.reliable import Timer as ReliableTimer
from byoc_proxy.sip.session import Session
from byoc_proxy.sip.states import State
from byoc_proxy.sip.states import Timer as SessionTimer
from byoc_proxy.sip.terms import Terms
from byoc_proxy.sip.transaction import ClientTransaction, ServerTransaction, Timer
from byoc_proxy.sip.uac import UacSession
from byoc_proxy.sip.uas import UasSession
from tests.support.wires import ANSWER, OFFER, accept_all, flow_to, outgoing, request, response

FLOW = flow_to()
NO_TIMER, TIMED = Terms(), Terms(1800)
SDP = "Content-Type: application/sdp"
GIVING_UP = (
    *(SessionTimer.NO_ACK, SessionTimer.GIVE_UP, Timer.B, Timer.F, Timer.H),
    *(RefreshTimer.EXPIRY, ReliableTimer.GIVE_UP),
)
INVITE, CANCEL = parse_datagram(request("INVITE", body=OFFER)), parse_datagram(request("CANCEL"))
AWAITS_ANSWER = (State.UNACKED, State.REOFFER_UNACKED)
_TO_TAG = re.compile(rb"\r\nTo: [^\r]*;tag=([^\r;]*)")
_RSEQ = re.compile(rb"\r\nRSeq: (\d+)")
_CSEQ = re.compile(rb"\r\nCSeq: (\d+) ([A-Z]+)")

Say = Callable[["World"], None]


class Still(Alarms):
    """Alarms that the clock never fires; the test does, by name."""

    def set(self, at: float, machine: Machine, timer: StrEnum) -> Alarm:
        return [at, 0, machine, timer]

    def cancel(self, alarm: Alarm) -> None:
        alarm[2] = None


@dataclass(slots=True)
class Facts:
    """What has happened so far on one path."""

    cancels: int = 0
    byes: list[bytes] = field(default_factory=list)  # To tags
    acked: list[bytes] = field(default_factory=list)  # To tags
    owed: list[bytes] = field(default_factory=list)  # To tags of 2xx that wait for our ACK
    finals: dict[bytes, bytes] = field(default_factory=dict)  # CSeq of theirs -> our final status
    numbers: dict[bytes, int] = field(default_factory=dict)  # To tag -> our last CSeq
    answered: int = 0
    ends: int = 0
    their_ack: bool = False
    patience_over: bool = False
    was_over: bool = False
    their_number: int = 1
    rseq: str = ""  # of our last reliable 18x
    unpracked: bool = False  # a description of ours in one waits for its PRACK

    def copied(self) -> "Facts":
        return Facts(
            self.cancels,
            self.byes.copy(),
            self.acked.copy(),
            self.owed.copy(),
            self.finals.copy(),
            self.numbers.copy(),
            self.answered,
            self.ends,
            self.their_ack,
            self.patience_over,
            self.was_over,
            self.their_number,
            self.rseq,
            self.unpracked,
        )


# what never changes once it is set, and need not be put back
CONSTANT = frozenset(
    {"alarms", "call_id", "contact", "key", "listener", "local", "local_tag", "remote_tag", "stack", "wire"}
    | {"_user", "heard", "table", "terms"}
)
_SLOTS: dict[type, tuple[str, ...]] = {}


def slots_of(kind: type) -> tuple[str, ...]:
    if kind not in _SLOTS:
        names = [name for cls in kind.__mro__ for name in getattr(cls, "__slots__", ())]
        _SLOTS[kind] = tuple(name for name in names if name not in CONSTANT)
    return _SLOTS[kind]


class Frozen:
    """What one object looked like."""

    def __init__(self, thing: object) -> None:
        self.thing = thing
        self.values: list[tuple[str, object]] = []
        self.containers: list[tuple[str, Any]] = []
        for name in slots_of(type(thing)):
            value = getattr(thing, name)
            if isinstance(value, list | dict | set):
                self.containers.append((name, value.copy()))
            else:
                self.values.append((name, value))

    def thaw(self) -> None:
        thing = self.thing
        for name, value in self.values:
            setattr(thing, name, value)
        for name, container in self.containers:
            setattr(thing, name, container.copy())


class World:
    """One call in a core, and what it has put out."""

    session: Session

    def __init__(self) -> None:
        self.serial = 0
        self.core = UserAgentCore(self.token, accept_all)
        self.core.alarms = Still()
        self.facts = Facts()
        self.asked: Requested | None = None
        self.path: list[str] = []

    def token(self) -> str:
        self.serial += 1
        return f"t{self.serial}"

    # --- the tree ------------------------------------------------------------------------------------------

    def explore(self, inputs: dict[str, Say], depth: int) -> int:
        """Walk all sequences of `depth` inputs; how many there were."""
        if depth == 0:
            return 1
        frozen, count = self.freeze(), 0
        for name, say in inputs.items():
            self.path.append(name)
            self.facts.was_over = self.session.over
            say(self)
            self.check()
            count += self.explore(inputs, depth - 1)
            self.path.pop()
            self.thaw(frozen)
        return count

    def freeze(self) -> tuple[Any, ...]:
        session = self.session
        things: list[object] = [session, session.exchange, *self.core.transactions.values(), *self.machines()]
        if session.dialog is not None:
            things.append(session.dialog)
        if isinstance(session, UacSession):
            things.append(session.invite.request)  # sheds its body at the end
            for early in session._early.values():
                things += [early, early.dialog] if early.dialog is not None else [early]
        kept = [Frozen(thing) for thing in things]
        return (
            kept,
            self.core.transactions.copy(),
            self.core.sessions.copy(),
            self.facts.copied(),
            self.serial,
            self.asked,
        )

    def thaw(self, frozen: tuple[Any, ...]) -> None:
        kept, transactions, sessions, facts, self.serial, self.asked = frozen
        for each in kept:
            each.thaw()
        self.core.transactions, self.core.sessions = transactions.copy(), sessions.copy()
        self.facts = facts.copied()

    # --- inputs --------------------------------------------------------------------------------------------

    def hears(self, message: Message) -> None:
        self.core.deliver(message, FLOW, 1.0)

    def machines(self) -> list[Machine]:
        """What runs beside the session."""
        beside = [self.session.timer, getattr(self.session, "_provisionals", None)]
        return [machine for machine in beside if machine is not None]

    def silence(self) -> None:
        """The timer that gives something up fires, one of each machine that has one."""
        for machine in (self.session, *self.machines(), *list(self.core.transactions.values())):
            for timer in GIVING_UP:
                if timer in machine.armed:
                    self.facts.patience_over = True
                    machine.fire(timer, 1.0)
        self.core._sweep()

    # --- what must never happen ----------------------------------------------------------------------------

    def check(self) -> None:
        facts, path = self.facts, self.path
        for output in self.core.drain():
            if isinstance(output, Send):
                self.check_sent(output.data)
            elif not isinstance(output, Dropped):
                self.check_event(output)
        assert facts.ends <= 1, path
        assert not facts.owed or self.session.state in AWAITS_ANSWER, path
        if self.session.over:
            assert facts.ends == 1, path
            assert self.session not in self.core.sessions.values(), path
            waiting = [each for each in self.core.transactions.values() if isinstance(each, ServerTransaction)]
            assert all(each.answered for each in waiting), path

    def check_sent(self, data: bytes) -> None:
        facts, path = self.facts, self.path
        number = _CSEQ.search(data)
        assert number is not None
        if data.startswith(b"SIP/"):
            status = data[8:11]
            self.check_provisional(data, number)
            if status >= b"200":
                assert facts.finals.setdefault(number[0], status) == status, path
            return
        method = number[2]
        found = _TO_TAG.search(data)
        tag = found[1] if found else b""
        if method == b"ACK":
            facts.acked.append(tag)
            facts.owed = [each for each in facts.owed if each != tag]
            return
        if facts.was_over:
            dialog = self.session.dialog
            assert dialog is not None, path
            assert (method, tag.decode() != dialog.remote_tag) == (b"BYE", True), path  # of a fork
        if method == b"CANCEL":
            facts.cancels += 1
            assert facts.cancels == 1, path
            return
        assert int(number[1]) > facts.numbers.get(tag, 0), path
        facts.numbers[tag] = int(number[1])
        if method == b"BYE":
            assert tag not in facts.byes, path
            facts.byes.append(tag)
            if isinstance(self.session, UacSession):
                assert tag in facts.acked, path
            else:
                assert facts.their_ack or facts.patience_over, path

    def check_provisional(self, data: bytes, number: re.Match[bytes]) -> None:
        facts = self.facts
        rseq = _RSEQ.search(data)
        if rseq is not None:
            facts.rseq = rseq[1].decode()
            facts.unpracked = not data.endswith(b"\r\n\r\n")
        elif number[2] == b"PRACK" and data.startswith((b"SIP/2.0 200", b"SIP/2.0 488")):
            facts.unpracked = False
        elif number[0].endswith(b"CSeq: 1 INVITE") and data.startswith(b"SIP/2.0 200"):
            assert not facts.unpracked, self.path  # RFC 3262 §3

    def check_event(self, output: Output) -> None:
        facts, path = self.facts, self.path
        assert not facts.was_over or isinstance(output, Replied), path  # a verb still gets its "no"
        if isinstance(output, Answered):
            facts.answered += 1
            assert (facts.answered, facts.ends) == (1, 0), path
        elif isinstance(output, Refused):
            facts.ends += 1
            assert facts.answered == 0, path
        elif isinstance(output, Ended):
            facts.ends += 1
        elif isinstance(output, Requested):
            self.asked = output


# --- what can be said --------------------------------------------------------------------------------------


def told(status: int, tag: str = "theirs", body: bytes = b"", headers: tuple[str, ...] = ()) -> Say:
    """The far end answers our first INVITE; a 2xx is owed an ACK while its transaction lives."""
    ready: dict[str, Message] = {}  # by branch: after a 422 there is another INVITE

    def say(world: World) -> None:
        assert isinstance(world.session, UacSession)
        invite = world.session.invite
        branch = invite.key[0]
        if branch not in ready:
            said = (*headers, *(() if status < 200 else ("Contact: <sip:bob@127.0.0.2>",)))
            ready[branch] = parse_datagram(response(invite.request, status, *said, tag=tag, body=body))
        if status == 200 and not invite.over and invite.state not in ("completed",):
            world.facts.owed.append(tag.encode())
        if status == 422:
            world.facts.numbers.pop(tag.encode(), None)  # its early dialog is gone, and may be made anew
        world.hears(ready[branch])

    return say


def answered_to(method: str, status: int) -> Say:
    """The far end answers our last request of this method inside the dialog, if one is out."""

    def say(world: World) -> None:
        for transaction in reversed(list(world.core.transactions.values())):
            if isinstance(transaction, ClientTransaction) and transaction.request.method == method:
                if method == "INVITE" and transaction is getattr(world.session, "invite", None):
                    continue
                if status == 200 and method == "INVITE" and transaction.state != "completed":
                    world.facts.owed.append(transaction.request.to_tag.encode())
                world.hears(as_received(reply_to(transaction.request, status)))
                return

    return say


def as_received(message: Response) -> Message:
    return parse_datagram(message.encode())


def asks(method: str) -> Say:
    """A new request of the far end inside the dialog; an ACK is that of its last INVITE."""

    def say(world: World) -> None:
        dialog, facts = world.session.dialog, world.facts
        if dialog is None:
            return
        if method == "ACK":
            facts.their_ack = facts.their_ack or b"1 INVITE" in b"".join(facts.finals)
        else:
            facts.their_number += 1
        session = world.session
        world.hears(in_dialog(method, facts.their_number, dialog.remote_tag, session.call_id, session.local_tag))
        if method == "BYE":
            assert f"{facts.their_number} BYE".encode() in b"".join(world_sends(world)), world.path

    return say


def world_sends(world: World) -> list[bytes]:
    return [output.data for output in world.core._outputs if isinstance(output, Send)]


@cache
def in_dialog(method: str, number: int, remote_tag: str, call_id: str, local_tag: str) -> Message:
    return parse_datagram(
        request(
            method,
            branch=f"z9hG4bK{method}{number}",
            call_id=call_id,
            from_tag=remote_tag,
            to_tag=local_tag,
            cseq=number,
            body=OFFER if method == "INVITE" else b"",
        )
    )


def hang_up(world: World) -> None:
    world.session.hang_up(1.0)


def silence(world: World) -> None:
    world.silence()


def offer(world: World) -> None:
    world.session.offer(OFFER, 1.0)


def offer_without_sdp(world: World) -> None:
    world.session.offer(b"", 1.0)


def acknowledge(world: World) -> None:
    world.session.acknowledge(ANSWER, 1.0)


def reply(status: int) -> Say:
    def say(world: World) -> None:
        if world.asked is not None:
            world.session.reply(world.asked.transaction, status, ANSWER, 1.0)

    return say


def answer(world: World) -> None:
    assert isinstance(world.session, UasSession)
    world.session.answer(ANSWER, 1.0)


def ring(world: World) -> None:
    assert isinstance(world.session, UasSession)
    world.session.progress(180, 1.0)


def refuse(world: World) -> None:
    assert isinstance(world.session, UasSession)
    world.session.refuse(486, 1.0)


def cancel(world: World) -> None:
    world.hears(CANCEL)


def again(world: World) -> None:
    assert isinstance(world.session, UasSession)
    if not world.session.invite.over:  # else it is a new call
        world.hears(INVITE)


# --- the worlds --------------------------------------------------------------------------------------------


def calling(body: bytes = OFFER, terms: Terms = NO_TIMER) -> World:
    """We have sent an INVITE."""
    world = World()
    said = outgoing(body)
    said.terms = terms
    world.session = world.core.invite(said, FLOW, 0.0)
    world.check()
    return world


def called(invite: Message = INVITE) -> World:
    """We have heard an INVITE."""
    world = World()
    world.hears(invite)
    world.session = next(iter(world.core.sessions.values()))
    world.check()
    return world


def established(role: str) -> World:
    """A call is up."""
    world = calling() if role == "caller" else called()
    for say in (told(200),) if role == "caller" else (answer, asks("ACK")):
        if say is not answer and role == "callee":
            world.facts.their_number = 1
        say(world)
        world.check()
    assert world.session.state is State.CONFIRMED
    return world


OUR_INVITE: dict[str, Say] = {
    "180": told(180),
    "200": told(200, body=ANSWER),
    "200 of a fork": told(200, tag="fork"),
    "486": told(486),
    "BYE": asks("BYE"),
    "silence": silence,
    "hang up": hang_up,
}
THEIR_INVITE: dict[str, Say] = {
    "CANCEL": cancel,
    "ACK": asks("ACK"),
    "BYE": asks("BYE"),
    "silence": silence,
    "answer": answer,
    "refuse": refuse,
    "hang up": hang_up,
}
DIALOG: dict[str, Say] = {
    "re-INVITE": asks("INVITE"),
    "ACK": asks("ACK"),
    "BYE": asks("BYE"),
    "200 to ours": answered_to("INVITE", 200),
    "491 to ours": answered_to("INVITE", 491),
    "silence": silence,
    "reply 200": reply(200),
    "offer": offer,
    "hang up": hang_up,
}


def test_no_sequence_of_six_events_confuses_a_caller() -> None:
    assert calling().explore(OUR_INVITE, 6) == 117_649


def test_no_sequence_of_six_events_confuses_a_callee() -> None:
    assert called().explore(THEIR_INVITE, 6) == 117_649


@pytest.mark.parametrize("role", ["caller", "callee"])
def test_no_sequence_of_events_confuses_an_established_call(role: str) -> None:
    assert established(role).explore(DIALOG, 5) == 59_049


def test_no_sequence_of_events_confuses_a_caller_who_waits_for_the_offer() -> None:
    inputs = {**OUR_INVITE, "200": told(200, body=OFFER), "acknowledge": acknowledge}
    assert calling(b"").explore(inputs, 4) == 4_096


@pytest.mark.parametrize("role", ["caller", "callee"])
def test_no_sequence_of_events_confuses_a_call_with_late_offers_and_other_requests(role: str) -> None:
    inputs = {
        "offer without SDP": offer_without_sdp,
        "200 to ours": answered_to("INVITE", 200),
        "481 to ours": answered_to("INVITE", 481),
        "acknowledge": acknowledge,
        "re-INVITE": asks("INVITE"),
        "INFO": asks("INFO"),
        "BYE": asks("BYE"),
        "200 to our BYE": answered_to("BYE", 200),
        "reply 488": reply(488),
        "hang up": hang_up,
    }
    assert established(role).explore(inputs, 4) == 10_000


def test_no_sequence_of_events_confuses_a_callee_who_rings() -> None:
    inputs = {**THEIR_INVITE, "ring": ring, "INVITE again": again, "re-INVITE": asks("INVITE"), "reply": reply(200)}
    assert called().explore(inputs, 4) == 14_641


# --- reliable 18x, UPDATE and session timers ---------------------------------------------------------------


def reliably(rseq: int, tag: str = "theirs", body: bytes = ANSWER) -> Say:
    return told(183, tag, body, ("Require: 100rel", f"RSeq: {rseq}", SDP, "Contact: <sip:bob@127.0.0.2>"))


def pracks(world: World) -> None:
    """The PRACK of our last reliable 18x, with an answer where that held an offer."""
    facts, session = world.facts, world.session
    facts.their_number += 1
    data = request(
        "PRACK",
        f"RAck: {facts.rseq or 1} 1 INVITE",
        branch=f"z9hG4bKPRACK{facts.their_number}",
        from_tag="theirs",
        to_tag=session.local_tag,
        cseq=facts.their_number,
        body=ANSWER if session.exchange.state is Offers.OURS else b"",
    )
    world.hears(parse_datagram(data))


def early_media(world: World) -> None:
    assert isinstance(world.session, UasSession)
    world.session.progress(183, 1.0, ANSWER)


def update(world: World) -> None:
    world.session.transact("UPDATE", OFFER, 1.0)


def refresh_due(world: World) -> None:
    timer = world.session.timer
    if timer is not None and RefreshTimer.REFRESH in timer.armed:
        timer.fire(RefreshTimer.REFRESH, 1.0)


def asks_update(world: World) -> None:
    """An offer of the far end in an UPDATE, from whichever dialog there is."""
    session, facts = world.session, world.facts
    facts.their_number += 1
    world.hears(in_dialog("UPDATE", facts.their_number, "theirs", session.call_id, session.local_tag))


@pytest.mark.parametrize("body", [OFFER, b""])
def test_no_sequence_of_events_confuses_a_caller_who_hears_reliable_18x(body: bytes) -> None:
    inputs = {
        "RSeq 1": reliably(1, body=OFFER if not body else ANSWER),
        "RSeq 2": reliably(2, body=b""),
        "RSeq 1 of a fork": reliably(1, "fork"),
        "422": told(422, headers=("Min-SE: 3600",)),
        "200": told(200, body=ANSWER, headers=(SDP,)),
        "486": told(486),
        "UPDATE": asks_update,
        "reply": reply(200),
        "acknowledge": acknowledge,
        "hang up": hang_up,
    }
    assert calling(body, TIMED).explore(inputs, 4) == 10_000


@pytest.mark.parametrize("body", [OFFER, b""])
def test_no_sequence_of_events_confuses_a_callee_whose_caller_requires_reliable_18x(body: bytes) -> None:
    inputs = {
        "early media": early_media,
        "ring": ring,
        "PRACK": pracks,
        "answer": answer,
        "refuse": refuse,
        "ACK": asks("ACK"),
        "CANCEL": cancel,
        "silence": silence,
        "hang up": hang_up,
    }
    invite = parse_datagram(request("INVITE", "Require: 100rel", body=body))
    assert called(invite).explore(inputs, 5) == 59_049


@pytest.mark.parametrize("role", ["caller", "callee"])
@pytest.mark.parametrize("refresher", ["uac", "uas"])
def test_no_sequence_of_events_confuses_a_call_with_a_session_timer(role: str, refresher: str) -> None:
    inputs = {
        "refresh due": refresh_due,
        "silence": silence,
        "200 to our UPDATE": answered_to("UPDATE", 200),
        "481 to our UPDATE": answered_to("UPDATE", 481),
        "491 to our re-INVITE": answered_to("INVITE", 491),
        "UPDATE": asks_update,
        "re-INVITE": asks("INVITE"),
        "reply": reply(200),
        "our UPDATE": update,
        "hang up": hang_up,
    }
    world = established(role)
    session = world.session
    session.terms = TIMED
    session.allows_update = role == "caller"
    session.agree(Agreement(1800, ours=(refresher == "uac") is (role == "caller")), 1.0)
    assert world.explore(inputs, 4) == 10_000
