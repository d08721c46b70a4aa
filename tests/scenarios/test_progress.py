"""Every leg that has a CallSid is told of from its beginning to its one end."""

from tests.support.build import Scene

CALLER = ["initiated", "ringing", "in-progress", "completed"]


async def test_both_legs_of_an_answered_call_go_from_initiated_to_completed(scene: Scene) -> None:
    scene.starts()
    call = scene.caller.calls()
    await call.hears(180)
    there = await scene.first.invited()
    await scene.sleeps(2)
    there.rings()
    await scene.sleeps(3)
    there.answers()
    await there.receives("ACK")
    await call.hears(200)
    call.acks()
    await scene.sleeps(10)
    call.hangs_up()
    await there.receives("BYE")
    await scene.settled()
    assert scene.courses() == [CALLER, CALLER]
    parent, child = scene.moves[0].facts, scene.moves[2].facts
    assert (child.parent_call_sid, child.direction) == (parent.call_sid, "outbound-dial")
    ends = [(moved.status, moved.sip_status, round(moved.duration or 0)) for moved in scene.moves[-2:]]
    assert ends == [("completed", 200, 10), ("completed", 200, 10)]
    assert [moved.duration for moved in scene.moves[:-2]] == [None] * 6


async def test_a_phone_that_rings_for_too_long_is_no_answer_with_487(scene: Scene) -> None:
    scene.starts(twiml='<Response><Dial timeout="10"><Number>+14158675309</Number></Dial></Response>')
    call = scene.caller.calls()
    await call.hears(180)
    there = await scene.first.invited()
    there.rings()
    await call.hears(480)
    await scene.settled()
    assert scene.courses() == [["initiated", "ringing", "failed"], ["initiated", "ringing", "no-answer"]]
    child = scene.moves[-2]
    assert (child.status, child.sip_status, child.duration) == ("no-answer", 487, 0.0)
    assert scene.moves[-1].sip_status == 480


async def test_a_caller_who_leaves_is_no_answer_and_cancels_the_dialled_leg(scene: Scene) -> None:
    scene.starts()
    call = scene.caller.calls()
    await call.hears(180)
    await scene.first.invited()
    call.cancels()
    await call.hears(200, "CANCEL")
    await call.hears(487)
    await scene.sleeps(5)
    assert scene.courses() == [["initiated", "ringing", "no-answer"], ["initiated", "canceled"]]


async def test_the_losers_of_a_race_are_cancelled_when_somebody_answers(scene: Scene) -> None:
    nouns = "<Sip>sip:a@198.51.100.1</Sip><Sip>sip:b@198.51.100.2</Sip>"
    scene.starts(twiml=f"<Response><Dial>{nouns}</Dial></Response>")
    call = scene.caller.calls()
    await call.hears(180)
    first, second = await scene.first.invited(), await scene.second.invited()
    first.rings()
    second.rings()
    await scene.settled()
    second.answers()
    await call.hears(200)
    call.acks()
    await scene.sleeps(1)
    assert scene.courses()[1:] == [["initiated", "ringing", "canceled"], ["initiated", "ringing", "in-progress"]]
    call.hangs_up()
    await scene.settled()


async def test_a_noun_whose_turn_never_comes_has_no_leg(scene: Scene) -> None:
    nouns = "<Sip>sip:a@198.51.100.1</Sip><Sip>sip:b@198.51.100.2</Sip>"
    scene.starts(twiml=f'<Response><Dial sequential="true">{nouns}</Dial></Response>')
    call, there = await scene.talking()
    there.hangs_up()
    await scene.over(5)
    assert scene.courses() == [CALLER, ["initiated", "in-progress", "completed"]]
    assert len(scene.record.legs) == 1
