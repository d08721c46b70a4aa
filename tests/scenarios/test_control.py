"""What may be done to a call from outside, and to a leg that it has dialled: end, cancel, redirect, limit."""

import asyncio

import pytest

from byoc_proxy.call.switchboard import Switchboard
from byoc_proxy.sip.sdp import describe
from byoc_proxy.twiml.interpreter import Entry
from tests.support.build import ANSWER, HELD, OFFER, TRUNK, CarrierCall, Scene, sdp

PAUSE = '<Response><Pause length="100"/></Response>'
TO_CAROL = "<Response><Dial><Sip>sip:carol@198.51.100.2</Sip></Dial></Response>"
THEN_NEXT = '<Response><Dial action="http://app.example.test/next"><Number>+14158675309</Number></Dial></Response>'
HANGUP = Entry(b"<Response><Hangup/></Response>")


def board(scene: Scene) -> Switchboard:
    return scene.node.switchboard


def entry(twiml: str) -> Entry:
    return Entry(twiml.encode())


def sids(scene: Scene) -> list[str]:
    """The CallSids in the order in which their legs began."""
    return list(dict.fromkeys(moved.facts.call_sid for moved in scene.moves))


async def dialled(scene: Scene, twiml: str = THEN_NEXT) -> tuple[CarrierCall, CarrierCall, str]:
    """A call that came in and talks to somebody at the first gateway: both legs, and the CallSid of the second."""
    scene.customer.answers("/next", PAUSE)
    scene.starts(twiml=twiml)
    call, there = await scene.talking()
    return call, there, sids(scene)[1]


# --- calls of the API --------------------------------------------------------------------------------------


async def test_a_queued_call_is_cancelled_and_never_rings(scene: Scene) -> None:
    scene.starts()
    call = board(scene).place(scene.new_call(PAUSE))
    await scene.sleeps(1)
    assert call.cancel()
    assert call.journal.record.status == "canceled"
    await scene.settled()
    board(scene).start(call)
    record = await scene.over(5)
    assert (record.status, record.sip_status, scene.first.heard) == ("canceled", None, [])
    assert scene.courses() == [["queued", "canceled"]]


async def test_one_that_is_cancelled_in_the_instant_of_its_placing_never_rings(scene: Scene) -> None:
    scene.starts()
    call = scene.places(PAUSE)
    assert call.cancel()
    assert (await scene.over(5)).status == "canceled"
    assert scene.first.heard == []


@pytest.mark.parametrize("verb", ["cancel", "end"])
async def test_a_ringing_call_is_cancelled_on_the_wire(scene: Scene, verb: str) -> None:
    scene.starts()
    call = scene.places(PAUSE)
    there = await scene.first.invited()
    there.rings()
    await scene.settled()
    assert call.cancel() if verb == "cancel" else call.end()
    await there.receives("CANCEL")
    record = await scene.over(1)
    assert (record.status, record.sip_status) == ("canceled", 487)
    assert not call.end()
    assert not call.cancel()
    assert not call.redirect(HANGUP)
    assert not call.limit(5)


async def test_a_200_that_crosses_the_cancel_is_hung_up(scene: Scene) -> None:
    scene.starts()
    scene.first.obstinate = True
    call = scene.places(PAUSE)
    there = await scene.first.invited()
    there.rings()
    await scene.settled()
    call.cancel()
    await there.receives("CANCEL")
    there.answers(HELD)
    await there.receives("ACK")
    await there.receives("BYE")
    assert (await scene.over(1)).status == "canceled"


async def test_a_call_that_is_cancelled_in_the_instant_of_its_answer_is_hung_up(scene: Scene) -> None:
    scene.starts()
    call = scene.places(PAUSE)
    there = await scene.first.invited()
    there.rings()
    await scene.settled()
    there.answers(HELD)
    asyncio.get_running_loop().call_later(scene.network.delay, call.cancel)  # the 200 is there, and not seen
    await there.receives("ACK")
    await there.receives("BYE")
    record = await scene.over(1)
    assert (record.status, record.sip_status, "answered" in record.stages) == ("canceled", 487, False)
    assert scene.courses() == [["queued", "initiated", "ringing", "canceled"]]
    assert record.events == []


async def test_an_answered_call_can_be_completed_and_not_cancelled(scene: Scene) -> None:
    scene.starts()
    call, there = await scene.reaches(PAUSE)
    assert not call.cancel()
    assert call.end()
    await there.receives("BYE")
    record = await scene.over(1)
    assert (record.status, record.ended_by) == ("completed", "proxy")


async def test_a_redirected_call_leaves_its_script_and_who_it_talks_to(scene: Scene) -> None:
    scene.starts()
    call, there = await scene.reaches(TO_CAROL)
    carol = await scene.second.invited()
    carol.answers(sdp("198.51.100.2", 7000))
    await there.receives("INVITE")
    there.answers(ANSWER)
    await there.receives("ACK")
    await carol.receives("ACK")
    scene.customer.answers("/other", '<Response><Pause length="3"/></Response>')
    assert call.redirect(entry("<Response><Redirect>http://app.example.test/other</Redirect></Response>"))
    await carol.receives("BYE")
    await scene.settled()
    assert scene.customer.asked("/other")[0].params["CallStatus"] == "in-progress"
    await there.receives("BYE")
    record = await scene.over(1)
    assert (record.status, [leg.status for leg in record.legs]) == ("completed", ["completed"])


async def test_a_call_that_rings_somebody_for_its_caller_is_redirected_away_from_the_ringing(scene: Scene) -> None:
    scene.starts()
    call, there = await scene.reaches(TO_CAROL)
    carol = await scene.second.invited()
    carol.rings()
    await scene.settled()
    assert call.redirect(HANGUP)
    await carol.receives("CANCEL")
    await there.receives("BYE")
    assert (await scene.over(1)).legs[0].status == "canceled"


async def test_of_two_redirects_at_once_the_last_one_counts(scene: Scene) -> None:
    scene.starts()
    call, there = await scene.reaches(PAUSE)
    assert call.redirect(HANGUP)
    assert call.redirect(entry('<Response><Pause length="7"/></Response>'))
    started = scene.now
    await there.receives("BYE")
    assert round(scene.now - started) == 7
    await scene.settled()


async def test_a_redirect_and_a_hang_up_at_once_end_the_call(scene: Scene) -> None:
    scene.starts()
    call, there = await scene.reaches(PAUSE)
    assert call.redirect(entry(PAUSE))
    there.hangs_up()
    assert (await scene.over(1)).ended_by == "callee"


async def test_a_call_that_has_not_been_answered_cannot_be_redirected(scene: Scene) -> None:
    scene.starts()
    call = scene.places(PAUSE)
    there = await scene.first.invited()
    there.rings()
    await scene.settled()
    assert not call.redirect(HANGUP)
    there.refuses(486)
    await scene.settled()


async def test_a_new_time_limit_counts_from_the_answer_as_well(scene: Scene) -> None:
    scene.starts()
    call, there = await scene.reaches(PAUSE)
    await scene.sleeps(20)
    assert call.limit(30)
    await there.receives("BYE")
    assert round(scene.now) == 30
    await scene.settled()
    assert scene.events("call.time_limit")


async def test_a_time_limit_that_is_past_ends_the_call_at_once(scene: Scene) -> None:
    scene.starts()
    call, there = await scene.reaches(PAUSE)
    await scene.sleeps(20)
    assert call.limit(10)
    await there.receives("BYE")
    assert round(scene.now) == 20
    await scene.settled()


# --- calls that came in ------------------------------------------------------------------------------------


async def test_a_call_that_came_in_is_found_redirected_and_completed(scene: Scene) -> None:
    call, there, _ = await dialled(scene)
    found = board(scene).find(sids(scene)[0])
    assert found is not None
    assert found.redirect(entry('<Response><Pause length="50"/></Response>'))
    await there.receives("BYE")
    await scene.sleeps(10)
    assert call.is_quiet
    assert found.end()
    await call.receives("BYE")
    assert (await scene.over(1)).status == "completed"
    assert scene.customer.asked("/next") == []


async def test_a_caller_who_waits_is_refused_when_the_call_is_cancelled(scene: Scene) -> None:
    scene.starts()
    call = scene.caller.calls()
    await call.hears(180)
    there = await scene.first.invited()
    there.rings()
    await scene.settled()
    found = board(scene).find(sids(scene)[0])
    assert found is not None
    assert found.cancel()
    await call.hears(480)
    await there.receives("CANCEL")
    assert (await scene.over(1)).status == "canceled"


# --- dialled legs ------------------------------------------------------------------------------------------


async def test_a_dialled_leg_that_is_completed_ends_its_dial_and_not_the_call(scene: Scene) -> None:
    call, there, sid = await dialled(scene)
    child = board(scene).find(sid)
    assert child is not None
    assert not child.cancel()
    assert child.end()
    await there.receives("BYE")
    await scene.settled()
    params = scene.customer.asked("/next")[0].params
    assert (params["DialCallStatus"], params["DialCallSid"]) == ("completed", sid)
    assert board(scene).find(sid) is None
    assert not child.end()
    call.hangs_up()
    await scene.settled()


async def test_a_dialled_leg_that_is_cancelled_while_it_rings_is_told_to_the_script(scene: Scene) -> None:
    scene.customer.answers("/next", "<Response><Reject/></Response>")
    scene.starts(twiml=THEN_NEXT)
    call = scene.caller.calls()
    await call.hears(180)
    there = await scene.first.invited()
    there.rings()
    await scene.settled()
    child = board(scene).find(sids(scene)[1])
    assert child is not None
    assert not child.redirect(HANGUP)
    assert child.cancel()
    assert child.progress.status == "canceled"
    await there.receives("CANCEL")
    await call.hears(404)
    assert scene.customer.asked("/next")[0].params["DialCallStatus"] == "canceled"
    assert (await scene.over(1)).legs[0].status == "canceled"


async def test_a_dialled_leg_that_is_cancelled_in_the_instant_of_its_answer_is_hung_up(scene: Scene) -> None:
    scene.customer.answers("/next", "<Response><Reject/></Response>")
    scene.starts(twiml=THEN_NEXT)
    call = scene.caller.calls()
    await call.hears(180)
    there = await scene.first.invited()
    child = board(scene).find(sids(scene)[1])
    assert child is not None
    there.answers()
    asyncio.get_running_loop().call_later(scene.network.delay, child.cancel)
    await there.receives("ACK")
    await there.receives("BYE")
    await call.hears(404)
    assert scene.customer.asked("/next")[0].params["DialCallStatus"] == "canceled"
    assert (await scene.over(1)).legs[0].status == "canceled"


async def test_of_two_phones_that_ring_one_can_be_called_off(scene: Scene) -> None:
    nouns = "<Sip>sip:a@198.51.100.1</Sip><Sip>sip:b@198.51.100.2</Sip>"
    scene.starts(twiml=f"<Response><Dial>{nouns}</Dial></Response>")
    call = scene.caller.calls()
    await call.hears(180)
    one, two = await scene.first.invited(), await scene.second.invited()
    one.rings()
    two.rings()
    await scene.settled()
    child = board(scene).find(sids(scene)[1])
    assert child is not None
    assert child.end()
    await one.receives("CANCEL")
    two.answers()
    await call.hears(200)
    call.acks()
    call.hangs_up()
    await two.receives("ACK")
    await two.receives("BYE")
    await scene.settled()


async def test_a_dialled_leg_can_be_limited_in_time(scene: Scene) -> None:
    call, there, sid = await dialled(scene)
    child = board(scene).find(sid)
    assert child is not None
    assert child.limit(25)
    await there.receives("BYE")
    assert round(scene.now) == 25
    call.hangs_up()
    await scene.settled()


async def parted(scene: Scene, twiml: str) -> tuple[CarrierCall, CarrierCall, str]:
    """The dialled leg has been redirected; both are told to hold, and do."""
    call, there, sid = await dialled(scene)
    await scene.sleeps(10)
    child = board(scene).find(sid)
    assert child is not None
    assert child.redirect(entry(twiml))
    for leg in (call, there):
        hold = describe((await leg.receives("INVITE")).body)
        assert [(media.direction, media.port > 0) for media in hold.media] == [("inactive", True)]
        leg.answers(sdp(leg.carrier.address[0], 6000, "inactive"))
        await leg.receives("ACK")
    await scene.settled()
    return call, there, sid


async def test_a_redirected_dialled_leg_becomes_a_call_with_a_script_of_its_own(scene: Scene) -> None:
    scene.customer.answers("/alone", '<Response><Pause length="20"/></Response>')
    call, there, sid = await parted(
        scene, "<Response><Redirect>http://app.example.test/alone</Redirect></Response>"
    )
    action = scene.customer.asked("/next")[0].params
    assert (action["DialCallStatus"], "DialCallDuration" in action) == ("completed", False)
    alone = scene.customer.asked("/alone")[0].params
    parent = sids(scene)[0]
    told = [alone[name] for name in ("CallSid", "ParentCallSid", "CallStatus", "Direction")]
    assert told == [sid, parent, "in-progress", "outbound-dial"]
    assert scene.node.switchboard.lines.on(TRUNK) == 2
    call.hangs_up()
    await scene.settled()
    assert [record.call_sid for record in scene.records] == [parent]  # its parent may leave before it
    assert scene.records[0].legs == []
    await there.receives("BYE")
    await scene.settled()
    mine = scene.store.records[sid]
    assert (mine.status, mine.parent_call_sid, round(mine.duration)) == ("completed", parent, 30)
    assert scene.courses()[1] == ["initiated", "in-progress", "completed"]
    assert scene.node.switchboard.lines.on(TRUNK) == 0


async def test_a_parted_leg_may_dial_somebody_else(scene: Scene) -> None:
    call, there, sid = await parted(scene, TO_CAROL)
    carol = await scene.second.invited()
    assert carol.invite.body == b""
    carol.answers(sdp("198.51.100.2", 7000))
    assert (await there.receives("INVITE")).body == sdp("198.51.100.2", 7000)
    there.answers(ANSWER)
    await there.receives("ACK")
    assert (await carol.receives("ACK")).body == ANSWER
    parted_call = board(scene).find(sid)
    assert parted_call is not None
    assert parted_call.end()
    await there.receives("BYE")
    await carol.receives("BYE")
    call.hangs_up()
    await scene.settled()
    assert len(scene.records) == 2


async def test_a_parent_whose_script_is_over_is_not_put_on_hold_before_its_bye(scene: Scene) -> None:
    scene.starts()
    call, there = await scene.talking()
    child = board(scene).find(sids(scene)[1])
    assert child is not None
    assert child.redirect(HANGUP)
    for leg in (call, there):
        await leg.receives("BYE")
    await scene.sleeps(1)
    assert (scene.caller.heard.count("INVITE"), scene.first.heard.count("INVITE")) == (0, 1)


async def test_the_parent_of_a_parted_leg_goes_on_with_its_script(scene: Scene) -> None:
    scene.customer.answers("/next", TO_CAROL)
    call, there, _ = await parted_then(scene)
    carol = await scene.second.invited()
    carol.answers(sdp("198.51.100.2", 7000))
    assert (await call.receives("INVITE")).body == sdp("198.51.100.2", 7000)
    call.answers(OFFER)
    await call.receives("ACK")
    await carol.receives("ACK")
    call.hangs_up()
    await carol.receives("BYE")
    there.hangs_up()
    await scene.settled()


async def parted_then(scene: Scene) -> tuple[CarrierCall, CarrierCall, str]:
    scene.starts(twiml=THEN_NEXT)
    call, there = await scene.talking()
    child = board(scene).find(sids(scene)[1])
    assert child is not None
    assert child.redirect(entry(PAUSE))
    for leg in (call, there):
        await leg.receives("INVITE")
        leg.answers(sdp(leg.carrier.address[0], 6000, "inactive"))
        await leg.receives("ACK")
    return call, there, sids(scene)[1]
