"""Answers without a trace: never larger than what they answer, and quickly given (RFC 3261 §8.2.7)."""

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from byoc_proxy.sip.core import UserAgentCore
from byoc_proxy.sip.flow import Flow
from byoc_proxy.sip.message import Request, Response
from byoc_proxy.sip.outputs import Dropped, Send
from byoc_proxy.sip.parser import parse_datagram
from byoc_proxy.sip.screening import Accept, Answer, Ignore
from tests.support.wires import OFFER, THEIRS, accept_all, flow_to, request, tokens

CHALLENGES = tuple(
    ("Proxy-Authenticate", f'Digest realm="sip.example.test", nonce="{"0" * 36}", algorithm={name}, qop="auth"')
    for name in ("MD5", "SHA-256")
)
ANSWERS = [
    Answer(407, None, CHALLENGES),
    Answer(403, "Forbidden", (("X-Byoc-Error", "32201 Authentication failure"),)),
    Answer(405, None, (("Allow", "INVITE, ACK, CANCEL, BYE, OPTIONS, INFO, UPDATE"),)),
    Answer(200, None, (("Accept", "application/sdp"), ("Supported", ""))),
    Answer(503, "Overloaded", (("Retry-After", "3"),)),
]


class Doorman:
    """Knows nobody unless told so; at a glance, says `verdict` to whoever calls."""

    def __init__(self, verdict: Answer | Ignore | None = None, *, friendly: bool = False) -> None:
        self.verdict = verdict
        self.friendly = friendly

    def glance(self, data: bytes, flow: Flow) -> Answer | Ignore | None:
        return self.verdict if data.startswith(b"INVITE ") else None

    def knows(self, flow: Flow) -> bool:
        return self.friendly

    def garbled(self, flow: Flow) -> bool:
        return self.friendly


def core_at(door: Doorman, answer: Answer | None = None) -> UserAgentCore:
    def screen(request: Request, flow: Flow) -> Accept | Answer | Ignore:
        return answer if answer is not None else accept_all(request, flow)

    return UserAgentCore(tokens("t"), screen, door)


def heard(core: UserAgentCore, data: bytes, flow: Flow | None = None) -> list[bytes]:
    core.receive(data, flow or flow_to(), 0.0)
    return [output.data for output in core.drain() if isinstance(output, Send)]


lines = st.lists(
    st.sampled_from(["Subject: hello", "X-Pad: " + "x" * 90, "User-Agent: friendly", "Route: <sip:a;lr>"])
)
methods = st.sampled_from(["INVITE", "OPTIONS", "REGISTER", "BYE", "CANCEL", "FOO"])


@given(methods, lines, st.sampled_from(ANSWERS), st.binary(max_size=20), st.integers(0, 300), st.booleans())
def test_a_stranger_is_never_sent_more_than_it_sent(
    method: str, extra: list[str], answer: Answer, noise: bytes, at: int, damaged: bool
) -> None:
    data = request(method, *extra)
    data = data[:at] + noise + data[at + len(noise) :] if damaged else data
    for sent in heard(core_at(Doorman(), answer), data):
        assert len(sent) <= len(data)
        assert isinstance(parse_datagram(sent), Response)


def test_of_two_challenges_one_is_left_when_two_are_too_many_and_none_is_no_answer() -> None:
    core, challenges = core_at(Doorman(), Answer(407, None, CHALLENGES)), []
    for padding in (400, 170, 0):
        answers = heard(core, request("INVITE", f"X-Pad: {'x' * padding}"))
        challenges.append([len(parse_datagram(each).headers.all("proxy-authenticate")) for each in answers])
    assert challenges == [[2], [1], []]
    core.receive(request("INVITE"), flow_to(), 0.0)
    assert [each.kind for each in core.drain() if isinstance(each, Dropped)] == ["tiny"]


def test_who_is_known_gets_all_of_it() -> None:
    core = core_at(Doorman(friendly=True), Answer(407, None, CHALLENGES))
    (answer,) = heard(core, request("INVITE"))
    assert len(parse_datagram(answer).headers.all("proxy-authenticate")) == 2


@pytest.mark.parametrize("friendly", [True, False])
def test_only_who_is_known_hears_what_is_wrong_with_a_message(friendly: bool) -> None:
    broken = request("INVITE", "X-Pad: " + "x" * 200).replace(b"CSeq: 1 ", b"CSeq: x ")
    assert len(heard(core_at(Doorman(friendly=friendly)), broken)) == (1 if friendly else 0)


# --- the shortest way --------------------------------------------------------------------------------------

BUSY = Answer(503, "Overloaded", (("Retry-After", "3"),))


@given(
    lines, st.sampled_from(["Via: SIP/2.0/UDP 10.0.0.1;branch=z9hG4bKother", "From: <sip:twice>", " folded", ""])
)
def test_the_quick_answer_is_the_careful_one(extra: list[str], oddity: str) -> None:
    data = request("INVITE", *extra, *filter(None, [oddity]))
    quick = heard(core_at(Doorman(BUSY, friendly=True), BUSY), data)
    careful = heard(core_at(Doorman(friendly=True), BUSY), data)
    # a second Via may stand behind other headers, and stands behind the first in the quick answer
    assert [sorted(each.split(b"\r\n")) for each in quick] == [sorted(each.split(b"\r\n")) for each in careful]


@given(st.binary(max_size=30), st.integers(0, 400))
def test_no_damage_makes_the_quick_way_answer_more_or_less_than_the_careful_one(noise: bytes, at: int) -> None:
    data = request("INVITE", body=OFFER)
    data = data[:at] + noise + data[at + len(noise) :]
    assume(data.startswith(b"INVITE "))
    quick = heard(core_at(Doorman(BUSY, friendly=True), BUSY), data)
    careful = heard(core_at(Doorman(friendly=True), BUSY), data)
    # one may notice a fault that does not touch the answer and say so, where the other says that it is busy
    assert len(quick) == len(careful)
    assert all(
        answer.startswith((b"SIP/2.0 400 ", b"SIP/2.0 503 ", b"SIP/2.0 481 ", b"SIP/2.0 505 ")) for answer in quick
    )


def test_an_invite_that_is_being_served_is_not_refused_when_it_is_repeated() -> None:
    door = Doorman()
    core = core_at(door)
    trying = heard(core, request("INVITE"))
    door.verdict = BUSY
    assert heard(core, request("INVITE")) == trying


def test_a_reinvite_is_served_however_busy_the_node_is() -> None:
    door = Doorman()
    core = core_at(door)
    heard(core, request("INVITE", contact=f"sip:{THEIRS[0]}"))
    (session,) = core.sessions.values()
    door.verdict = BUSY
    core.receive(request("INVITE", cseq=2, to_tag=session.local_tag, branch="again"), flow_to(), 0.0)
    assert not any(output.data.startswith(b"SIP/2.0 503") for output in core.drain() if isinstance(output, Send))


def test_the_ack_of_an_answer_that_left_nothing_is_not_even_read() -> None:
    core = core_at(Doorman(), Answer(403))
    (refusal,) = heard(core, request("INVITE", "X-Pad: " + "x" * 200))
    ack = request("ACK", to_tag=parse_datagram(refusal).to_tag)
    assert heard(core, ack + b"\xff") == []
    assert core.drain() == []
