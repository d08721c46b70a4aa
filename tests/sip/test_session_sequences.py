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
from byoc_proxy.sip.machine import Alarm, Alarms, Machine
from byoc_proxy.sip.message import Message, Response, reply_to
from byoc_proxy.sip.outputs import Answered, Dropped, Ended, Output, Refused, Replied, Requested, Send
from byoc_proxy.sip.parser import parse_datagram
from byoc_proxy.sip.session import Session
from byoc_proxy.sip.states import State
from byoc_proxy.sip.states import Timer as SessionTimer
from byoc_proxy.sip.transaction import ClientTransaction, ServerTransaction, Timer
from byoc_proxy.sip.uac import UacSession
from byoc_proxy.sip.uas import UasSession
from tests.support.wires import ANSWER, OFFER, accept_all, flow_to, outgoing, request, response

FLOW = flow_to()
GIVING_UP = (SessionTimer.NO_ACK, SessionTimer.GIVE_UP, Timer.B, Timer.F, Timer.H)
INVITE, CANCEL = parse_datagram(request("INVITE", body=OFFER)), parse_datagram(request("CANCEL"))
AWAITS_ANSWER = (State.UNACKED, State.REOFFER_UNACKED)
_TO_TAG = re.compile(rb"\r\nTo: [^\r]*;tag=([^\r;]*)")
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
        )


# what never changes once it is set, and need not be put back
CONSTANT = frozenset(
    {"alarms", "call_id", "contact", "invite", "key", "listener", "local", "local_tag", "remote", "remote_tag"}
    | {"route_set", "stack", "wire"}
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
        things: list[object] = [self.session, *self.core.transactions.values()]
        if self.session.dialog is not None:
            things.append(self.session.dialog)
        if isinstance(self.session, UacSession):
            things.append(self.session.invite.request)  # sheds its body at the end
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

    def silence(self) -> None:
        """The timer that gives something up fires, one of each machine that has one."""
        for machine in (self.session, *list(self.core.transactions.values())):
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


def told(status: int, tag: str = "theirs", body: bytes = b"") -> Say:
    """The far end answers our first INVITE; a 2xx is owed an ACK while its transaction lives."""
    ready: list[Message] = []

    def say(world: World) -> None:
        assert isinstance(world.session, UacSession)
        invite = world.session.invite
        if not ready:
            contact = () if status < 200 else ("Contact: <sip:bob@127.0.0.2>",)
            ready.append(parse_datagram(response(invite.request, status, *contact, tag=tag, body=body)))
        if status == 200 and not invite.over and invite.state not in ("completed",):
            world.facts.owed.append(tag.encode())
        world.hears(ready[0])

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


def calling(body: bytes = OFFER) -> World:
    """We have sent an INVITE."""
    world = World()
    world.session = world.core.invite(outgoing(body), FLOW, 0.0)
    world.check()
    return world


def called() -> World:
    """We have heard an INVITE."""
    world = World()
    world.hears(INVITE)
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
