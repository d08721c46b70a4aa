"""INVITEs that no datagram holds: over TCP where it can be had, else in fragments (RFC 3261 §18.1.1)."""

import pytest

from byoc_proxy.sim.network import Carried
from tests.support.build import ANSWER, OFFER, CarrierCall, Scene

LARGE = OFFER + b"a=candidate:" + b"x" * 1000 + b"\r\n"
SAYING = "connection_policies: {{carriers: {{targets: [{{target: 'sip:198.51.100.1', udp_oversize: {}}}]}}}}"
NO_TCP = "listeners: [{transport: udp, bind: '192.0.2.1:5060'}]"


def invites(scene: Scene, to: str = "198.51.100.1") -> list[Carried]:
    """Every INVITE that left for a gateway, repetitions included."""
    return [each for each in scene.network.log if each.what == "INVITE" and each.destination[0] == to]


def transports(sent: list[Carried]) -> list[str]:
    """The transports of messages; their top Vias must say the same."""
    for each in sent:
        assert f"Via: SIP/2.0/{each.transport} 192.0.2.1:5060;".encode() in each.data
    return [each.transport for each in sent]


async def refused(scene: Scene, call: CarrierCall) -> None:
    """The first gateway refuses the call with a code that ends it."""
    (await scene.first.invited()).refuses(486)
    await call.hears(180)
    await call.hears(486)
    await scene.settled()


async def test_an_invite_over_1300_bytes_goes_over_tcp_and_the_dialog_stays_there(scene: Scene) -> None:
    scene.starts()
    call, there = await scene.talking(scene.caller.calls(body=LARGE))
    assert transports(invites(scene)) == ["TCP"]
    assert there.invite.headers.get("contact") == "<sip:192.0.2.1:5060;transport=tcp>"
    call.hangs_up()
    await call.hears(200, "BYE")
    await there.receives("BYE")
    assert transports([each for each in scene.network.log if each.what == "BYE"][1:]) == ["TCP"]
    attempt = (await scene.over()).attempts[0]
    assert attempt.address == "TCP 198.51.100.1:5060"
    assert attempt.size == len(invites(scene)[0].data)
    assert attempt.remark == f"{attempt.size} bytes: over TCP and not UDP"


async def test_where_tcp_is_refused_it_goes_in_fragments_in_the_same_instant(scene: Scene) -> None:
    scene.starts()
    scene.network.moods["198.51.100.1"] = "refuses"
    await refused(scene, scene.caller.calls(body=LARGE))
    assert transports(invites(scene)) == ["UDP"]
    assert invites(scene)[0].at == 0.0
    attempt = scene.record.attempts[0]
    assert attempt.address == "UDP 198.51.100.1:5060"
    assert attempt.remark == (
        f"{len(invites(scene)[0].data)} bytes: in fragments over UDP, because TCP connect: Connection refused"
    )


async def test_where_nobody_answers_on_tcp_it_goes_in_fragments_after_0_7_seconds(
    scene: Scene,
) -> None:
    scene.starts()
    scene.network.moods["198.51.100.1"] = "hangs"
    await refused(scene, scene.caller.calls(body=LARGE))
    assert [(each.transport, each.at) for each in invites(scene)] == [("UDP", 0.7)]
    assert "TCP connect silent for 0.7 s" in scene.record.attempts[0].remark


async def test_a_far_end_that_takes_the_connection_and_resets_it_gets_fragments(scene: Scene) -> None:
    scene.starts()
    scene.first.is_silent()
    call = scene.caller.calls(body=LARGE)
    await call.hears(180)
    scene.network.cut(next(iter(scene.network.streams)))
    scene.first.silent = False
    await scene.settled()
    (await scene.first.invited()).refuses(486)
    await call.hears(486)
    assert transports(invites(scene)) == ["TCP", "UDP"]
    await scene.settled()
    assert [each.outcome for each in scene.record.attempts] == ["refused"]


async def test_without_a_tcp_listener_of_ours_it_goes_in_fragments(scene: Scene) -> None:
    scene.starts(NO_TCP)
    await refused(scene, scene.caller.calls(body=LARGE))
    assert transports(invites(scene)) == ["UDP"]
    assert "because no TCP listener can reach 198.51.100.1" in scene.record.attempts[0].remark


async def test_a_target_may_ask_for_fragments(scene: Scene) -> None:
    scene.starts(SAYING.format("fragment"))
    await refused(scene, scene.caller.calls(body=LARGE))
    assert transports(invites(scene)) == ["UDP"]
    assert not scene.network.streams
    assert scene.record.attempts[0].remark.endswith("in fragments over UDP (udp_oversize: fragment)")


async def test_a_target_may_refuse_what_is_too_large_for_it(scene: Scene) -> None:
    scene.starts(SAYING.format("refuse"))
    call = scene.caller.calls(body=LARGE)
    await call.hears(180)
    await call.hears(502)
    await scene.settled()
    assert invites(scene) == []
    attempt = scene.record.attempts[0]
    assert (attempt.outcome, attempt.reason[:7]) == ("unreachable", "INVITE ")
    assert attempt.reason.endswith("and over UDP the target takes 1300 (udp_oversize: refuse)")


async def test_the_next_call_decides_for_itself(scene: Scene) -> None:
    scene.starts()
    for body in (LARGE, OFFER, LARGE):
        await refused(scene, scene.caller.calls(body=body))
    assert transports(invites(scene)) == ["TCP", "UDP", "TCP"]
    assert [each.attempts[0].remark != "" for each in scene.records] == [True, False, True]


@pytest.mark.parametrize(("pad", "transport"), [(0, "UDP"), (1, "TCP")], ids=["1300 bytes", "1301 bytes"])
async def test_1300_bytes_are_not_too_many_and_1301_are(scene: Scene, pad: int, transport: str) -> None:
    scene.starts()
    await refused(scene, scene.caller.calls(body=OFFER + b"a=x:\r\n"))
    bare = len(invites(scene)[0].data)
    fill = 1300 - bare + pad
    await refused(scene, scene.caller.calls(body=OFFER + b"a=x:" + b"y" * fill + b"\r\n"))
    assert transports(invites(scene)[1:]) == [transport]
    assert pad or len(invites(scene)[1].data) == 1300


# --- inside a dialog ---------------------------------------------------------------------------------------


async def test_a_large_reinvite_goes_over_tcp_and_the_dialog_stays_on_udp(scene: Scene) -> None:
    scene.starts()
    call, there = await scene.talking()
    call.reinvites(LARGE)
    there.invite = await there.receives("INVITE")
    there.answers(ANSWER)
    await there.receives("ACK")
    await call.hears(200)
    call.acks()
    await scene.settled()
    call.hangs_up()
    await call.hears(200, "BYE")
    await there.receives("BYE")
    assert transports(invites(scene)) == ["UDP", "TCP"]
    ours = [each for each in scene.network.log if each.what in {"ACK", "BYE"} and each.source[0] == "192.0.2.1"]
    assert transports(ours) == ["UDP"] * 3


@pytest.mark.parametrize(("mood", "after"), [("refuses", 0.0), ("hangs", 0.7)])
async def test_a_large_reinvite_without_tcp_goes_in_fragments_and_the_call_lives(
    scene: Scene, mood: str, after: float
) -> None:
    scene.starts()
    call, there = await scene.talking()
    scene.network.moods["198.51.100.1"] = mood  # type: ignore[assignment]
    asked = scene.now
    call.reinvites(LARGE)
    there.invite = await there.receives("INVITE")
    there.answers(ANSWER)
    await there.receives("ACK")
    await call.hears(200)
    call.acks()
    await scene.settled()
    call.hangs_up()
    await call.hears(200, "BYE")
    await there.receives("BYE")
    assert transports(invites(scene)) == ["UDP", "UDP"]
    assert invites(scene)[1].at - asked == pytest.approx(after)
