"""Whatever the carriers do, and whatever the network loses, nothing of a call is left behind."""

import random
from collections.abc import Callable

import pytest

from tests.support.build import ANSWER, OFFER, Carrier, CarrierCall, Scene

NUMBER = "<Number>+14158675309</Number>"
TWO = "<Sip>sip:a@198.51.100.1</Sip><Sip>sip:b@198.51.100.2</Sip>"
SCRIPTS = [
    f'<Response><Dial timeout="20" timeLimit="60">{NUMBER}</Dial></Response>',
    f'<Response><Dial timeLimit="60">{TWO}</Dial><Dial timeLimit="60">{NUMBER}</Dial></Response>',
    f'<Response><Pause length="2"/><Dial timeLimit="60" sequential="true">{TWO}</Dial><Hangup/></Response>',
]
LOSSES = ["INVITE", "ACK", "BYE", "CANCEL", "200 INVITE", "180 INVITE", "200 BYE", "486 INVITE", "487 INVITE"]


def caller_verbs(call: CarrierCall) -> list[Callable[[], object]]:
    inside = [
        call.acks,
        lambda: call.acks(ANSWER),
        call.hangs_up,
        lambda: call.reinvites(OFFER),
        call.reinvites,
        lambda: call.requests("INFO", b"x", ["Content-Type: text/plain"]),
        lambda: call.requests("UPDATE", OFFER),
    ]
    return [call.cancels, call.repeats, *(inside if call.remote_tag else [])]


def callee_verbs(there: CarrierCall) -> list[Callable[[], object]]:
    return [
        there.trying,
        there.rings,
        lambda: there.responds(183, ANSWER),
        there.answers,
        lambda: there.answers(b""),
        lambda: there.refuses(486),
        lambda: there.refuses(503),
        lambda: there.refuses(302, headers=["Contact: <sip:198.51.100.2>"]),
        there.hangs_up,
        lambda: there.reinvites(ANSWER),
        lambda: there.requests("INFO", b"x", ["Content-Type: text/plain"]),
        lambda: there.responds(200, ANSWER, tag="fork"),
        there.acks,
    ]


def calls_of(*carriers: Carrier) -> list[CarrierCall]:
    return [call for carrier in carriers for call in carrier.calls_by_id.values()]


@pytest.mark.parametrize("seed", range(60))
async def test_no_order_of_events_leaves_anything_behind(scene: Scene, seed: int) -> None:
    chance = random.Random(seed)
    transport = chance.choice(["udp", "udp", "tcp"])
    targets = ", ".join(f"{{target: 'sip:198.51.100.{last};transport={transport}'}}" for last in (1, 2))
    policy = f"connection_policies: {{carriers: {{follow_redirects: true, targets: [{targets}]}}}}"
    scene.starts(policy, twiml=SCRIPTS[seed % len(SCRIPTS)])
    scene.network.delay = chance.choice([0.0, 0.0, 0.03])
    scene.first.obstinate = chance.random() < 0.3
    call = scene.caller.calls(body=chance.choice([OFFER, OFFER, b""]))
    for _ in range(chance.randrange(3, 25)):
        if chance.random() < 0.2:
            scene.network.loses(chance.choice(LOSSES))
        if scene.network.streams and chance.random() < 0.1:
            scene.network.cut(chance.choice(list(scene.network.streams)))
        verbs = caller_verbs(call) if chance.random() < 0.3 else []
        for there in calls_of(scene.first, scene.second):
            verbs += callee_verbs(there)
        if verbs:
            chance.choice(verbs)()
        await scene.sleeps(chance.choice([0, 0, 1e-6, 0.01, 0.5, 1, 4, 10]))
