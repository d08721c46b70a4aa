"""Targets that talk: scripts of hostile messages against the user agent core, and against a whole node.

A script is messages with a line of `%%` between them. `@name@` in a script of the core stands for what `_standing`
knows under that name; in a script of a node a line `@@` stands for the headers that make a message belong.
"""

import asyncio
import re
import tempfile
from functools import cache
from pathlib import Path

from byoc_proxy.config.load import Loaded
from byoc_proxy.sim.virtual import VirtualLoop
from byoc_proxy.sip.core import UserAgentCore
from byoc_proxy.sip.flow import Flow
from byoc_proxy.sip.headers import header_key
from byoc_proxy.sip.inspection import inspect
from byoc_proxy.sip.message import Request
from byoc_proxy.sip.outputs import Event, Invited, Output, Requested, Send
from byoc_proxy.sip.screening import Accept, Answer, Ignore
from byoc_proxy.sip.terms import Reliability, Terms
from byoc_proxy.sip.uas import UasSession
from tests.support.build import DIAL, Carrier, Scene
from tests.support.wires import ANSWER, OFFER, Lab, flow_to, request, tokens

BETWEEN = b"\r\n%%\r\n"
MOST_PIECES = 12
TERMS = Terms(session_expires=120, reliability=Reliability.ALWAYS)
RICH = """
trunks:
  acme-trunk:
    refer: terminate
    identity_header: rpid
    trust_identity: always
    relay_headers: [X-*, Diversion, History-Info, User-to-User, Subject]
    inbound_numbers: {called: {country_code: "1", national_prefix: "0"}, calling: {plus: add}}
    outbound_numbers: {called: {plus: remove, tech_prefix: "1234#"}}
"""
ALL_TIMERS = 200.0  # seconds: several times 64*T1


class _Laboratory(Lab):
    """Reads what was sent once and not at every repetition, which is most of the work."""

    def _take(self, output: Output) -> None:
        if not isinstance(output, Send) or all(output.data != sent.data for sent in self.sent):
            super()._take(output)


def core(data: bytes) -> None:
    """A core with four calls in four states hears a script, reacts as an application would, and forgets it all."""
    lab = _Laboratory(_screen)
    names = _standing(lab)
    for piece in data.split(BETWEEN)[:MOST_PIECES]:
        for name, value in names.items():
            piece = piece.replace(b"@%b@" % name.encode(), value.encode())
        seen = len(lab.events)
        lab.hears(piece)
        for event in lab.events[seen:]:
            _react(lab, event)
        lab.until(lab.now + 0.6)
    for session in list(lab.core.sessions.values()):
        session.hang_up(lab.now)
    assert lab.is_empty(), (lab.core.sessions, lab.core.transactions)


class _Overloaded:
    """A door that turns every INVITE away."""

    def glance(self, data: bytes, flow: Flow) -> Answer | None:
        return Answer(503, "Overloaded", (("Retry-After", "9"),)) if data.startswith(b"INVITE ") else None

    def knows(self, flow: Flow) -> bool:
        return True

    def garbled(self, flow: Flow) -> bool:
        return True


def door(data: bytes) -> None:
    """INVITEs that are answered from a glance at them get what they would get if they were read."""
    answers = []
    for way in (_Overloaded(), None):
        core = UserAgentCore(tokens("t"), lambda asked, _: Answer(503, "Overloaded", (("Retry-After", "9"),)), way)
        core.receive(data, flow_to(), 0.0)
        answers.append([(output.data, output.flow) for output in core.drain() if isinstance(output, Send)])
    glanced, read = answers
    if glanced and read and all(data.startswith(b"SIP/2.0 503 ") for data, _ in (glanced[0], read[0])):
        assert glanced[0][1] == read[0][1]
        assert _said(glanced[0][0]) == _said(read[0][0])


def _said(data: bytes) -> list[tuple[str, str]]:
    """The headers of an answer in any order, without the tag that each core makes for itself."""
    lines = [line.partition(":") for line in data.decode("utf-8", "surrogateescape").split("\r\n")[1:] if line]
    return sorted((header_key(name), re.sub(r";tag=[0-9a-f]{16}$", "", value)) for name, _, value in lines)


def _screen(asked: Request, flow: Flow) -> Accept | Answer | Ignore:
    refusal = inspect(asked)
    if refusal is not None:
        return Answer(*refusal)
    return Accept(terms=TERMS) if asked.method == "INVITE" else Answer(481)


def _standing(lab: Lab) -> dict[str, str]:
    """Calls that stand before the script: one that they made, one of ours, one that they make, one that we make."""
    theirs = lab.invited(body=OFFER)
    theirs.answer(ANSWER, lab.now)
    lab.flush()
    lab.says(theirs, "ACK", 1)
    ours = lab.call()
    lab.answers(200, "Contact: <sip:bob@127.0.0.2>", body=ANSWER)
    ours.offer(OFFER, lab.now)
    lab.flush()
    names = {"ours-branch": lab.last_request().branch, "ours-call": ours.call_id, "ours-tag": ours.local_tag}
    asking = lab.call()
    lab.answers(180)
    lab.hears(request("INVITE", branch="z9hG4bKtwo", call_id="call-2", body=OFFER))
    asked = lab.heard(Invited)[-1].session
    assert isinstance(asked, UasSession)
    asked.progress(180, lab.now)
    lab.flush()
    return names | {
        "theirs-tag": theirs.local_tag,
        "asking-branch": lab.last_request("INVITE").branch,
        "asking-call": asking.call_id,
        "asking-tag": asking.local_tag,
        "asked-tag": asked.local_tag,
    }


def _react(lab: Lab, event: Event) -> None:
    if isinstance(event, Invited) and isinstance(event.session, UasSession):
        event.session.progress(183, lab.now, ANSWER)
        event.session.answer(ANSWER, lab.now)
    elif isinstance(event, Requested):
        event.session.reply(event.transaction, 200, ANSWER, lab.now)
    lab.flush()


def node(data: bytes) -> None:
    """A whole proxy: a script of TwiML, caller (`<`) and gateway (`>`); then all leave and nothing is left.

    Scripts of an odd length meet a trunk that changes, relays and transfers what it can.
    """
    with asyncio.Runner(loop_factory=VirtualLoop) as runner:
        runner.run(_node(data.split(BETWEEN)[:MOST_PIECES], RICH if len(data) % 2 else ""))


class _Stage(Scene):
    """A scene whose configuration is read once for all runs."""

    def configured(self, changes: str = "") -> Loaded:
        return _configuration(changes)


@cache
def _configuration(changes: str) -> Loaded:
    with tempfile.TemporaryDirectory() as directory:
        return Scene.configured(Scene(Path(directory)), changes)


async def _node(pieces: list[bytes], changes: str) -> None:
    scene = _Stage(Path())
    scene.starts(changes, twiml=DIAL)
    if pieces[0].startswith(b"<Response"):
        scene.customer.answers("/voice", pieces.pop(0))
    scene.caller.calls()
    await scene.sleeps(0.1)
    for number, piece in enumerate(pieces, 1):
        speaker = scene.first if piece[:1] == b">" else scene.caller
        speaker.speaks(piece[1:].replace(b"@@", _belonging(speaker, piece[1:], number), 1))
        await scene.sleeps(0.6)
    for call in list(scene.node.switchboard.calls.values()):
        call.end()
    await scene.sleeps(ALL_TIMERS)
    left = [each for each in scene.leftovers() if not each.startswith("faults")]
    assert left == [], left


def _belonging(speaker: Carrier, piece: bytes, number: int) -> bytes:
    """The headers that make a message belong to the speaker's newest call: of the request that a response answers,
    or of the next request."""
    call = list(speaker.calls_by_id.values())[-1] if speaker.calls_by_id else None
    if call is None:
        return b""
    requests = [each for each in speaker.received if isinstance(each, Request)]
    if piece[:8] == b"SIP/2.0 " and requests:
        asked = requests[-1]
        lines = [
            f"{name}: {value}" for key, name, value in asked.headers if key in {"via", "from", "call-id", "cseq"}
        ]
        to = asked.headers.get("to") or ""
        lines.append(f"To: {to}" if asked.to_tag else f"To: {to};tag={call.tag}")
    else:
        method = piece.partition(b" ")[0].decode("latin-1")
        lines = [
            f"Via: SIP/2.0/UDP {speaker.address[0]};branch=z9hG4bKfuzz{number}",
            f"From: {call.local_uri};tag={call.tag}",
            f"To: {call.remote_uri}" + (f";tag={call.remote_tag}" if call.remote_tag else ""),
            f"Call-ID: {call.call_id}",
            f"CSeq: {call.cseq + number} {method}",
        ]
    return "\r\n".join(lines).encode("utf-8", "surrogateescape")
