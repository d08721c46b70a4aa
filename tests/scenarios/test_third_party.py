"""Two carriers brought together by a call that begins here (RFC 3725 §4.4, flow IV), with all that may go wrong."""

import pytest

from byoc_proxy.sip.sdp import describe
from tests.support.build import ANSWER, HELD, CarrierCall, Scene, sdp

BOB = "<Sip>sip:bob@198.51.100.2</Sip>"
DIAL_BOB = f"<Response><Dial>{BOB}</Dial></Response>"
THEN_PAUSE = f'<Response><Dial action="/next">{BOB}</Dial></Response>'
BOB_THEN_CAROL = f"<Response><Dial>{BOB}</Dial><Dial>{BOB.replace('bob', 'carol')}</Dial></Response>"
NEXT = '<Response><Pause length="5"/></Response>'
FROM_BOB = sdp("198.51.100.2", 7000)
FROM_ALICE = sdp("198.51.100.1", 6000)


async def asked(scene: Scene, twiml: str = DIAL_BOB) -> tuple[CarrierCall, CarrierCall]:
    """Alice has answered, and Bob, who was called without an offer, has made one: Alice is asked by re-INVITE."""
    scene.starts()
    scene.customer.answers("/next", NEXT)
    _, alice = await scene.reaches(twiml.replace("/next", "http://app.example.test/next"))
    bob = await scene.second.invited()
    assert bob.invite.body == b""
    bob.rings()
    await scene.settled()
    bob.answers(FROM_BOB)
    assert (await alice.receives("INVITE")).body == FROM_BOB
    return alice, bob


async def together(scene: Scene, twiml: str = DIAL_BOB) -> tuple[CarrierCall, CarrierCall]:
    alice, bob = await asked(scene, twiml)
    alice.answers(FROM_ALICE)
    await alice.receives("ACK")
    assert (await bob.receives("ACK")).body == FROM_ALICE
    await scene.settled()
    return alice, bob


async def left_alone(bob: CarrierCall) -> None:
    """Bob's offer is answered by taking nothing of it, and he is hung up."""
    answer = describe((await bob.receives("ACK")).body)
    assert [media.port for media in answer.media] == [0]
    await bob.receives("BYE")


async def test_two_carriers_talk_by_each_others_descriptions(scene: Scene) -> None:
    alice, bob = await together(scene)
    alice.hangs_up()
    await bob.receives("BYE")
    record = await scene.over(1)
    assert (record.status, record.ended_by) == ("completed", "callee")
    assert scene.courses() == [
        ["queued", "initiated", "in-progress", "completed"],
        ["initiated", "ringing", "in-progress", "completed"],
    ]
    child = scene.moves[3].facts
    assert (child.parent_call_sid, child.caller) == (record.call_sid, "+15550100")


async def test_bob_is_not_asked_for_reliable_ringing_that_nobody_could_answer(scene: Scene) -> None:
    scene.starts()
    _, alice = await scene.reaches(DIAL_BOB)
    bob = await scene.second.invited()
    assert "100rel" not in (bob.invite.headers.get("supported") or "")
    bob.responds(183, FROM_BOB)  # what he plays is heard by nobody: Alice talks to nobody yet
    await scene.settled()
    assert alice.is_quiet
    bob.refuses(486)
    await alice.receives("BYE")
    await scene.settled()


async def test_the_action_hears_that_the_two_were_bridged(scene: Scene) -> None:
    _, bob = await together(scene, THEN_PAUSE)
    await scene.sleeps(10)
    bob.hangs_up()
    await scene.settled()
    params = scene.customer.asked("/next")[0].params
    told = [params[f"Dial{name}"] for name in ("CallStatus", "CallDuration", "Bridged")]
    assert told == ["completed", "10", "true"]
    await scene.over(10)


@pytest.mark.parametrize("draw", [0.0, 0.99])
async def test_after_a_glare_we_whose_call_id_it_is_wait_for_two_to_four_seconds(scene: Scene, draw: float) -> None:
    scene.draw = lambda: draw
    alice, bob = await asked(scene)
    first = scene.now
    alice.refuses(491)
    await alice.receives("ACK")
    again = await alice.receives("INVITE")
    assert 2.1 <= scene.now - first <= 4.01
    assert again.body == FROM_BOB
    alice.answers(FROM_ALICE)
    await alice.receives("ACK")
    assert (await bob.receives("ACK")).body == FROM_ALICE
    alice.hangs_up()
    await bob.receives("BYE")
    await scene.settled()


async def test_a_reinvite_of_alice_that_crosses_ours_is_told_to_try_again(scene: Scene) -> None:
    alice, bob = await asked(scene)
    alice.reinvites(FROM_ALICE)
    await alice.hears(491)
    alice.responds(200, FROM_ALICE)
    await alice.receives("ACK")
    assert (await bob.receives("ACK")).body == FROM_ALICE
    bob.hangs_up()
    await alice.receives("BYE")
    await scene.settled()


async def test_a_reinvite_of_alice_in_the_instant_of_bobs_answer_goes_first(scene: Scene) -> None:
    scene.starts()
    _, alice = await scene.reaches(DIAL_BOB)
    bob = await scene.second.invited()
    bob.answers(FROM_BOB)
    alice.reinvites(sdp("198.51.100.1", 6010))
    await alice.hears(200)
    alice.acks()
    assert (await alice.receives("INVITE")).body == FROM_BOB
    assert scene.now >= 2.1  # as after a glare
    alice.answers(FROM_ALICE)
    await alice.receives("ACK")
    assert (await bob.receives("ACK")).body == FROM_ALICE
    bob.hangs_up()
    await alice.receives("BYE")
    await scene.settled()


async def test_a_refer_before_the_two_are_together_has_to_wait(scene: Scene) -> None:
    alice, bob = await asked(scene, DIAL_BOB.replace("<Dial>", '<Dial referUrl="http://app.example.test/refer">'))
    alice.refuses(491)
    await alice.receives("ACK")
    alice.requests("REFER", headers=["Refer-To: <sip:+14158675310@198.51.100.1>"])
    assert (await alice.hears(500, "REFER")).headers.get("retry-after") == "5"
    await alice.receives("INVITE")
    alice.answers(FROM_ALICE)
    await alice.receives("ACK")
    assert (await bob.receives("ACK")).body == FROM_ALICE
    bob.hangs_up()
    await alice.receives("BYE")
    await scene.settled()


async def test_a_leg_that_talks_to_nobody_yet_may_change_its_mind_about_its_media(scene: Scene) -> None:
    scene.starts()
    _, alice = await scene.reaches(DIAL_BOB)
    bob = await scene.second.invited()
    alice.reinvites(sdp("198.51.100.1", 6010))
    answer = describe((await alice.hears(200)).body)
    assert [(media.direction, media.port > 0) for media in answer.media] == [("inactive", True)]
    alice.acks()
    alice.reinvites(b"v=0")
    await alice.hears(488)
    alice.reinvites(sdp("198.51.100.1", 6010).replace(b"RTP/AVP", b"RTP/SAVP"))
    await alice.hears(488)  # without the key of an engine there is no SRTP to say yes to
    bob.answers(FROM_BOB)
    await alice.receives("INVITE")
    alice.answers(sdp("198.51.100.1", 6010))
    await alice.receives("ACK")
    assert (await bob.receives("ACK")).body == sdp("198.51.100.1", 6010)
    alice.hangs_up()
    await bob.receives("BYE")
    await scene.settled()


async def test_a_reinvite_of_bob_before_our_ack_is_told_to_try_again(scene: Scene) -> None:
    alice, bob = await asked(scene)
    bob.reinvites(FROM_BOB)
    assert (await bob.hears(500)).headers.get("retry-after")  # his first offer has no answer yet
    alice.answers(FROM_ALICE)
    await alice.receives("ACK")
    await bob.receives("ACK")
    bob.hangs_up()
    await alice.receives("BYE")
    await scene.settled()


async def test_when_alice_refuses_bob_is_answered_and_hung_up_and_the_script_goes_on(scene: Scene) -> None:
    alice, bob = await asked(scene, THEN_PAUSE)
    alice.refuses(488)
    await left_alone(bob)
    await scene.settled()
    params = scene.customer.asked("/next")[0].params
    assert (params["DialCallStatus"], params["DialBridged"]) == ("failed", "false")
    assert params["DialSipResponseCode"] == "488"
    await alice.receives("ACK")
    await alice.receives("BYE")  # the pause is over
    record = await scene.over(1)
    assert (record.status, record.legs[0].status) == ("completed", "completed")


async def test_who_answers_the_empty_invite_without_an_offer_is_not_joined(scene: Scene) -> None:
    scene.starts()
    _, alice = await scene.reaches(DIAL_BOB)
    bob = await scene.second.invited()
    bob.answers(b"")
    await bob.receives("ACK")
    await bob.receives("BYE")
    await alice.receives("BYE")
    await scene.settled()
    assert scene.events("dial.not_joined")[0]["status"] == 488


async def test_alice_who_hangs_up_while_bob_rings_cancels_him(scene: Scene) -> None:
    scene.starts()
    _, alice = await scene.reaches(DIAL_BOB)
    bob = await scene.second.invited()
    bob.rings()
    await scene.settled()
    alice.hangs_up()
    await bob.receives("CANCEL")
    await scene.settled()
    assert scene.courses()[1] == ["initiated", "ringing", "canceled"]


async def test_alice_who_hangs_up_while_she_is_asked_leaves_nobody_up(scene: Scene) -> None:
    alice, bob = await asked(scene)
    alice.hangs_up()
    await left_alone(bob)
    assert (await scene.over(1)).status == "completed"


async def test_bob_who_hangs_up_while_alice_is_asked_ends_the_dial_and_not_the_call(scene: Scene) -> None:
    alice, bob = await asked(scene, THEN_PAUSE)
    bob.hangs_up()
    await bob.receives("ACK")
    await bob.hears(200, "BYE")
    await scene.settled()
    params = scene.customer.asked("/next")[0].params
    assert (params["DialCallStatus"], params["DialBridged"]) == ("completed", "false")
    alice.answers(FROM_ALICE)  # too late for Bob, and no harm
    await alice.receives("ACK")
    await alice.receives("BYE")
    await scene.over(1)


async def test_alice_who_never_answers_the_reinvite_does_not_hold_the_call_for_ever(scene: Scene) -> None:
    alice, bob = await asked(scene, THEN_PAUSE)
    alice.trying()
    await scene.sleeps(41)
    await left_alone(bob)
    assert scene.customer.asked("/next")[0].params["DialCallStatus"] == "failed"
    await alice.receives("BYE")
    alice.refuses(487)
    await scene.over(1)


async def test_alice_who_is_gone_ends_the_call_for_bob(scene: Scene) -> None:
    alice, bob = await asked(scene)
    scene.first.is_silent()
    await left_alone(bob)
    assert alice.is_quiet
    assert (await scene.over(40)).ended_by == "timeout"


async def test_hold_and_resume_cross_as_in_any_call(scene: Scene) -> None:
    alice, bob = await together(scene)
    for body in (sdp("198.51.100.2", 7000, "sendonly"), FROM_BOB):
        bob.reinvites(body)
        assert (await alice.receives("INVITE")).body == body
        alice.answers(FROM_ALICE)
        await alice.receives("ACK")
        assert (await bob.hears(200)).body == FROM_ALICE
        bob.acks()
    alice.hangs_up()
    await bob.receives("BYE")
    await scene.settled()


async def test_both_dialogs_are_kept_alive_by_their_session_timers(scene: Scene) -> None:
    scene.starts("trunks: {acme-trunk: {session_expires: 90}}")
    scene.places(DIAL_BOB)
    alice = await scene.first.invited()
    alice.answers(HELD, headers=["Session-Expires: 90;refresher=uac", "Require: timer"])
    await alice.receives("ACK")
    alice.answers_refreshes(["Session-Expires: 90;refresher=uac", "Require: timer"])
    bob = await scene.second.invited()
    bob.answers(FROM_BOB, headers=["Session-Expires: 90;refresher=uac", "Require: timer"])
    await bob.receives("ACK")
    bob.answers_refreshes(["Session-Expires: 90;refresher=uac", "Require: timer"])
    await scene.sleeps(300)
    assert scene.node.switchboard.calls
    alice.hangs_up()
    await bob.receives("BYE")
    await scene.over(1)


async def test_a_second_dial_asks_the_next_callee_for_an_offer_too(scene: Scene) -> None:
    scene.starts()
    _, alice = await scene.reaches(
        f"<Response><Dial>{BOB}</Dial><Dial>{BOB.replace('bob', 'carol')}</Dial></Response>"
    )
    bob = await scene.second.invited()
    bob.answers(FROM_BOB)
    await alice.receives("INVITE")
    alice.answers(FROM_ALICE)
    await alice.receives("ACK")
    await bob.receives("ACK")
    await scene.sleeps(5)
    bob.hangs_up()
    carol = await scene.second.invited()
    assert carol.invite.uri_text == "sip:carol@198.51.100.2"
    assert carol.invite.body == b""
    carol.answers(sdp("198.51.100.2", 7002))
    assert (await alice.receives("INVITE")).body == sdp("198.51.100.2", 7002, version=2)  # Bob's was the first
    alice.answers(FROM_ALICE)
    await alice.receives("ACK")
    assert (await carol.receives("ACK")).body == FROM_ALICE
    carol.hangs_up()
    await alice.receives("BYE")
    await scene.settled()


async def test_a_caller_on_hold_is_not_offered_to_the_next_callee(scene: Scene) -> None:
    scene.starts(twiml=BOB_THEN_CAROL)
    call = scene.caller.calls()
    await call.hears(180)
    bob = await scene.second.invited()
    bob.answers(FROM_BOB)
    await bob.receives("ACK")
    await call.hears(200)
    call.acks()
    call.reinvites(sdp("203.0.113.8", 4000, "inactive"))
    await bob.receives("INVITE")
    bob.answers(sdp("198.51.100.2", 7000, "inactive"))
    await call.hears(200)
    call.acks()
    await bob.receives("ACK")
    bob.hangs_up()
    carol = await scene.second.invited()
    assert carol.invite.body == b""
    carol.answers(sdp("198.51.100.2", 7002))
    await call.receives("INVITE")
    call.answers(ANSWER)
    await call.receives("ACK")
    assert (await carol.receives("ACK")).body == ANSWER
    call.hangs_up()
    await carol.receives("BYE")
    await scene.settled()


async def test_an_answer_without_an_offer_that_comes_when_the_call_was_left_takes_nothing(scene: Scene) -> None:
    scene.starts()
    _, alice = await scene.reaches(DIAL_BOB)
    scene.second.obstinate = True
    bob = await scene.second.invited()
    bob.rings()
    await scene.settled()
    alice.hangs_up()
    await bob.receives("CANCEL")
    bob.answers(FROM_BOB)  # it crossed the CANCEL
    await left_alone(bob)
    await scene.settled()
