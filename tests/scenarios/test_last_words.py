"""A caller who leaves a `<Dial>` with an `action`: the application hears of it, and that is all that happens."""

import pytest

from tests.support.build import Scene

DIAL = "<Response><Dial action='after?x=1'>+14158675309</Dial></Response>"
NOUN = "<Response><Dial action='/after'><Sip>sip:bob@198.51.100.1</Sip></Dial></Response>"


async def test_the_action_hears_how_long_the_two_talked_before_the_caller_left(scene: Scene) -> None:
    scene.customer.answers("/after", "<Response><Dial>+14155550100</Dial></Response>")
    scene.starts(twiml=DIAL)
    call, there = await scene.talking()
    await scene.sleeps(12)
    call.hangs_up()
    await call.hears(200, "BYE")
    await there.receives("BYE")
    record = await scene.over()
    (asked,) = scene.customer.asked("/after")
    assert asked.url.endswith("/after?x=1")
    names = ("CallStatus", "DialCallStatus", "DialCallDuration", "DialBridged", "DialCallSid")
    assert [asked.params[name] for name in names] == [
        "completed",
        "completed",
        "12",
        "true",
        record.legs[0].call_sid,
    ]
    assert len(record.attempts) == 1  # its document is not run


async def test_a_caller_who_cancels_is_a_cancelled_dial(scene: Scene) -> None:
    scene.customer.answers("/after", "<Response/>")
    scene.starts(twiml=DIAL)
    call = scene.caller.calls()
    await call.hears(180)
    there = await scene.first.invited()
    there.rings()
    await scene.settled()
    call.cancels()
    await call.hears(200, "CANCEL")
    await call.hears(487)
    await there.receives("CANCEL")
    await scene.over()
    (asked,) = scene.customer.asked("/after")
    names = ("CallStatus", "DialCallStatus", "DialCallDuration", "DialBridged")
    assert [asked.params[name] for name in names] == ["no-answer", "canceled", "0", "false"]


async def test_the_sip_side_of_a_party_is_told_too(scene: Scene) -> None:
    scene.customer.answers("/after", "<Response/>")
    scene.starts(twiml=NOUN)
    call, there = await scene.talking()
    call.hangs_up()
    await call.hears(200, "BYE")
    await there.receives("BYE")
    await scene.over()
    asked = scene.customer.asked("/after")[0].params
    assert (asked["DialSipCallId"], asked["DialSipResponseCode"]) == (there.call_id, "200")


async def test_an_application_that_is_slow_to_hear_it_holds_no_line(scene: Scene) -> None:
    scene.customer.answers("/after", "<Response/>", delay=14)
    scene.starts("limits: {max_calls: 1}", twiml=DIAL)
    call, there = await scene.talking()
    call.hangs_up()
    await call.hears(200, "BYE")
    await there.receives("BYE")
    again = scene.caller.calls()
    await again.hears(180)
    again.cancels()
    await again.hears(200, "CANCEL")
    await again.hears(487)
    await scene.sleeps(40)
    first, second = sorted(scene.records, key=lambda record: record.call_sid)
    assert first.duration == pytest.approx(0.0, abs=0.1)  # it is over when the caller leaves
    assert (first.status, second.status) == ("completed", "no-answer")


async def test_an_application_that_cannot_be_told_is_a_coded_event_and_nothing_else(scene: Scene) -> None:
    scene.customer.answers("/after", status=500)
    scene.starts(twiml=DIAL)
    call, there = await scene.talking()
    call.hangs_up()
    await call.hears(200, "BYE")
    await there.receives("BYE")
    assert (await scene.over()).status == "completed"
    assert scene.codes() == [11200]


async def test_without_an_action_nobody_is_told(scene: Scene) -> None:
    scene.starts(twiml="<Response><Dial>+14158675309</Dial></Response>")
    call, there = await scene.talking()
    call.hangs_up()
    await call.hears(200, "BYE")
    await there.receives("BYE")
    await scene.over()
    assert len(scene.customer.requests) == 1


async def test_a_call_that_we_end_tells_no_action(scene: Scene) -> None:
    scene.starts(twiml=DIAL)
    call, there = await scene.talking()
    live = next(iter(scene.node.switchboard.calls.values()))
    assert live.end()
    await call.receives("BYE")
    await there.receives("BYE")
    await scene.over()
    assert scene.customer.asked("/after") == []
