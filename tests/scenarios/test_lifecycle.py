"""Draining, reloading, limits: what the life of the process does to calls."""

import asyncio

import pytest

from tests.support.build import DIAL, Scene

TWO_DIALS = "<Response><Dial>+14158675309</Dial><Dial>+14158675310</Dial></Response>"
FIRST_DISABLED = """
connection_policies:
  carriers: {targets: [{target: "sip:198.51.100.1", enabled: false}, {target: "sip:198.51.100.2"}]}
"""


async def test_draining_refuses_new_calls_with_503_and_lets_live_ones_end_by_themselves(scene: Scene) -> None:
    scene.starts()
    call, there = await scene.talking()
    stopping = asyncio.create_task(scene.node.stop(30))
    await scene.sleeps(1)
    refused = scene.carrier("203.0.113.9").calls()
    assert (await refused.hears(503)).headers.get("retry-after") == "5"
    await scene.sleeps(9)
    call.hangs_up()
    await call.hears(200, "BYE")
    await there.receives("BYE")
    await stopping
    assert scene.now < 30
    assert (await scene.over()).ended_by == "caller"


async def test_a_call_that_outlives_the_grace_is_hung_up_on_both_sides(scene: Scene) -> None:
    scene.starts()
    call, there = await scene.talking()
    stopping = asyncio.create_task(scene.node.stop(30))
    await call.receives("BYE")
    await there.receives("BYE")
    assert scene.caller.times("BYE")[0] == pytest.approx(30, abs=0.01)
    await stopping
    record = await scene.over()
    assert (record.status, record.ended_by) == ("completed", "proxy")


async def test_an_operator_in_a_hurry_ends_the_grace(scene: Scene) -> None:
    scene.starts()
    call, there = await scene.talking()
    stopping = asyncio.create_task(scene.node.stop(30))
    await scene.sleeps(3)
    scene.node.hurry()
    await call.receives("BYE")
    await there.receives("BYE")
    await stopping
    assert scene.now < 4


async def test_a_call_that_still_rings_at_the_end_of_the_grace_is_cancelled_and_refused(scene: Scene) -> None:
    scene.starts()
    call = scene.caller.calls()
    await call.hears(180)
    there = await scene.first.invited()
    there.rings()
    stopping = asyncio.create_task(scene.node.stop(5))
    await there.receives("CANCEL")
    await call.hears(480)
    await stopping
    assert (await scene.over()).status in {"failed", "no-answer"}


async def test_an_idle_node_stops_at_once(scene: Scene) -> None:
    scene.starts()
    await scene.node.stop(30)
    assert scene.now == 0.0
    assert all(wire.closed for wire in scene.wires)


async def test_options_is_200_with_allow_when_ready_and_503_when_draining(scene: Scene) -> None:
    scene.starts()
    response = await scene.caller.asks("OPTIONS").hears(200, "OPTIONS")
    assert "INVITE" in (response.headers.get("allow") or "")
    assert response.headers.get("accept") == "application/sdp, multipart/mixed"
    call, there = await scene.talking()
    stopping = asyncio.create_task(scene.node.stop(30))
    await scene.settled()
    probe = scene.carrier("203.0.113.9").asks("OPTIONS")
    assert (await probe.hears(503, "OPTIONS")).headers.get("retry-after") == "5"
    call.hangs_up()
    await call.hears(200, "BYE")
    await there.receives("BYE")
    await stopping


async def test_one_call_too_many_is_refused_and_there_is_room_again_when_one_ends(scene: Scene) -> None:
    scene.starts("limits: {max_calls: 1}")
    call, there = await scene.talking()
    refused = scene.caller.calls()
    response = await refused.hears(503)
    assert (response.reason, response.headers.get("retry-after")) == ("Too Many Calls", "5")
    call.hangs_up()
    await call.hears(200, "BYE")
    await there.receives("BYE")
    again, there = await scene.talking()
    again.hangs_up()
    await there.receives("BYE")


async def test_quick_cancels_do_not_use_up_the_limit(scene: Scene) -> None:
    scene.starts("limits: {max_calls: 1}")
    scene.customer.answers("/voice", DIAL, delay=1, times=5)
    for _ in range(5):
        call = scene.caller.calls()
        await call.hears(180)
        call.cancels()
        await call.hears(200, "CANCEL")
        await call.hears(487)
        await scene.settled()
    call, there = await scene.talking()
    call.hangs_up()
    await there.receives("BYE")


# --- reload ------------------------------------------------------------------------------------------------


async def test_a_target_that_is_disabled_in_mid_call_is_not_tried_by_the_next_dial(scene: Scene) -> None:
    scene.starts(twiml=TWO_DIALS)
    call, there = await scene.talking()
    scene.reloads(FIRST_DISABLED)
    await scene.sleeps(60)
    assert there.is_quiet  # the conversation goes on
    there.hangs_up()
    await there.hears(200, "BYE")
    again = await scene.second.invited()
    again.refuses(486)
    await call.receives("BYE")
    assert len(scene.first.got("INVITE")) == 1


async def test_a_target_that_is_disabled_while_a_hunt_is_under_way_does_not_stop_the_hunt(scene: Scene) -> None:
    scene.starts()
    call = scene.caller.calls()
    await call.hears(180)
    there = await scene.first.invited()
    there.rings()
    scene.reloads(FIRST_DISABLED)
    there.answers()
    await there.receives("ACK")
    await call.hears(200)
    call.acks()
    call.hangs_up()
    await there.receives("BYE")


async def test_a_new_domain_is_there_for_the_next_invite(scene: Scene) -> None:
    scene.starts(twiml="<Response><Reject/></Response>")
    await scene.caller.calls("sip:+1@new.sip.example.test").hears(404)
    scene.reloads("domains: {new: {trunk: acme-trunk, ip_access_control_lists: [dallas]}}")
    call = scene.caller.calls("sip:+1@new.sip.example.test")
    await call.hears(180)
    await call.hears(404)
    assert scene.events("config.reloaded")[0]["changes"]


async def test_an_address_that_is_taken_off_the_list_gets_no_new_call_and_keeps_the_one_it_has(
    scene: Scene,
) -> None:
    scene.starts()
    call, there = await scene.talking()
    scene.reloads("ip_access_control_lists: {dallas: {addresses: [192.0.2.99]}}")
    await scene.caller.calls().hears(403)
    call.hangs_up()
    await call.hears(200, "BYE")
    await there.receives("BYE")
