"""Two carriers talk through the proxy: what one says inside its dialog reaches the other inside its own."""

import pytest

from byoc_proxy.sim.network import Network
from tests.support.build import ANSWER, DIAL, OFFER, CarrierCall, Scene, sdp

ONE_AFTER_THE_OTHER = """
<Response><Dial><Number>+14158675309</Number></Dial><Dial><Number>+14158675310</Number></Dial></Response>
"""
SIDES = pytest.mark.parametrize("callee_starts", [False, True], ids=["the caller", "the callee"])


def sides(pair: tuple[CarrierCall, CarrierCall], callee_starts: bool) -> tuple[CarrierCall, CarrierCall]:
    """Whoever starts, and the other."""
    return pair[::-1] if callee_starts else pair


async def end(one: CarrierCall, two: CarrierCall) -> None:
    """The first hangs up."""
    one.hangs_up()
    await one.hears(200, "BYE")
    await two.receives("BYE")


# --- setting up --------------------------------------------------------------------------------------------


async def test_a_call_from_a_carrier_is_bridged_and_ends_for_both_when_one_hangs_up(scene: Scene) -> None:
    scene.starts()
    call = scene.caller.calls()
    await call.hears(100)
    await call.hears(180)
    there = await scene.first.invited()
    there.rings()
    there.answers()
    await there.receives("ACK")
    assert (await call.hears(200)).body == ANSWER
    call.acks()
    await end(there, call)
    assert scene.caller.heard == ["100 INVITE", "180 INVITE", "200 INVITE", "BYE"]
    assert scene.first.heard == ["INVITE", "ACK", "200 BYE"]
    assert len(scene.customer.asked("/voice")) == 1


@SIDES
async def test_either_side_may_hang_up_and_the_record_says_who_did(scene: Scene, callee_starts: bool) -> None:
    scene.starts()
    one, two = sides(await scene.talking(), callee_starts)
    await scene.sleeps(60)
    await end(one, two)
    record = await scene.over()
    assert (record.status, record.ended_by) == ("completed", "callee" if callee_starts else "caller")
    assert record.duration == pytest.approx(60, abs=0.001)


async def test_byes_that_cross_are_both_answered(scene: Scene) -> None:
    scene.starts()
    scene.network.delay = 0.05
    call, there = await scene.talking()
    call.hangs_up()
    there.hangs_up()
    await call.hears(200, "BYE")
    await there.hears(200, "BYE")
    assert (await scene.over()).status == "completed"


async def test_early_media_reaches_the_caller_as_it_came(scene: Scene) -> None:
    scene.starts("trunks: {acme-trunk: {ringing: relay}}")
    call = scene.caller.calls()
    there = await scene.first.invited()
    assert scene.caller.heard == ["100 INVITE"]
    there.responds(183, ANSWER)
    assert (await call.hears(183)).body == ANSWER
    there.answers()
    await there.receives("ACK")
    await call.hears(200)
    call.acks()
    await end(call, there)


async def test_with_ringing_relayed_the_caller_hears_180_when_the_far_end_rings(scene: Scene) -> None:
    scene.starts("trunks: {acme-trunk: {ringing: relay}}")
    call = scene.caller.calls()
    there = await scene.first.invited()
    await scene.sleeps(2)
    there.rings()
    await call.hears(180)
    assert scene.caller.times("180 INVITE") == [2.0]
    there.refuses(486)
    await call.hears(486)


async def test_the_caller_hears_180_once_however_often_the_far_end_rings(scene: Scene) -> None:
    scene.starts()
    call = scene.caller.calls()
    await call.hears(180)
    there = await scene.first.invited()
    there.rings()
    there.rings()
    there.responds(183)
    await scene.settled()
    there.refuses(486)
    await call.hears(486)


async def test_an_invite_without_an_offer_is_answered_by_the_callees_offer_and_the_ack_brings_the_answer(
    scene: Scene,
) -> None:
    scene.starts()
    call = scene.caller.calls(body=b"")
    await call.hears(180)
    there = await scene.first.invited()
    assert there.invite.body == b""
    there.answers(ANSWER)
    assert (await call.hears(200)).body == ANSWER
    call.acks(OFFER)
    ack = await there.receives("ACK")
    assert (ack.body, ack.content_type) == (OFFER, "application/sdp")
    await end(call, there)


async def test_early_media_after_our_own_180_still_reaches_the_caller(scene: Scene) -> None:
    scene.starts()
    call = scene.caller.calls()
    await call.hears(180)
    there = await scene.first.invited()
    there.responds(183, ANSWER)
    assert (await call.hears(183)).body == ANSWER
    there.refuses(486)
    await call.hears(486)


async def test_a_bye_before_the_answer_ends_the_call_like_a_cancel(scene: Scene) -> None:
    scene.starts()
    call = scene.caller.calls()
    await call.hears(180)
    there = await scene.first.invited()
    there.rings()
    await scene.settled()
    call.hangs_up()  # RFC 3261 §15: the caller may do so in an early dialog
    await call.hears(200, "BYE")
    await call.hears(487)
    await there.receives("CANCEL")
    assert (await scene.over()).ended_by == "caller"


async def test_a_caller_without_an_offer_who_never_acknowledges_costs_the_callee_its_call(scene: Scene) -> None:
    scene.starts()
    call = scene.caller.calls(body=b"")
    await call.hears(180)
    there = await scene.first.invited()
    there.answers()
    await call.hears(200)
    await call.receives("BYE")
    await there.receives("ACK")
    await there.receives("BYE")
    assert (await scene.over()).ended_by == "timeout"


# --- in the middle of a call -------------------------------------------------------------------------------


@SIDES
async def test_either_side_may_hold_and_resume(scene: Scene, callee_starts: bool) -> None:
    scene.starts()
    one, two = sides(await scene.talking(), callee_starts)
    for asked, given in (("sendonly", "recvonly"), ("sendrecv", "sendrecv")):
        offer, answer = sdp("203.0.113.8", 4000, asked), sdp("198.51.100.1", 6000, given)
        one.reinvites(offer)
        assert (await two.receives("INVITE")).body == offer
        two.answers(answer)
        await two.receives("ACK")
        assert (await one.hears(200)).body == answer
        one.acks()
        await scene.settled()
    await end(one, two)


@SIDES
async def test_a_reinvite_without_an_offer_asks_the_other_side_for_one(scene: Scene, callee_starts: bool) -> None:
    scene.starts()
    one, two = sides(await scene.talking(), callee_starts)
    offer, answer = sdp("198.51.100.7"), sdp("203.0.113.7")
    one.reinvites()
    assert (await two.receives("INVITE")).body == b""
    two.answers(offer)
    assert (await one.hears(200)).body == offer
    one.acks(answer)
    assert (await two.receives("ACK")).body == answer
    await end(one, two)


async def test_reinvites_of_both_sides_at_once_are_both_told_to_try_again(scene: Scene) -> None:
    scene.starts()
    call, there = await scene.talking()
    call.reinvites(OFFER)
    there.reinvites(ANSWER)
    await there.receives("INVITE")
    await there.hears(491)
    there.refuses(491)
    await there.receives("ACK")
    await call.hears(491)
    await end(call, there)


@SIDES
@pytest.mark.parametrize("status", [488, 403, 500])
async def test_a_refused_reinvite_keeps_the_call_as_it_was(scene: Scene, callee_starts: bool, status: int) -> None:
    scene.starts()
    one, two = sides(await scene.talking(), callee_starts)
    one.reinvites(OFFER)
    await two.receives("INVITE")
    two.refuses(status)
    await two.receives("ACK")
    await one.hears(status)
    await end(one, two)


async def test_a_reinvite_that_finds_no_dialog_any_more_ends_the_call_for_both(scene: Scene) -> None:
    scene.starts()
    call, there = await scene.talking()
    call.reinvites(OFFER)
    await there.receives("INVITE")
    there.refuses(481)
    await there.receives("ACK")
    await there.receives("BYE")
    await call.hears(491)
    await call.receives("BYE")
    assert (await scene.over()).status == "completed"


async def test_a_callee_who_hangs_up_instead_of_answering_a_reinvite_ends_both(scene: Scene) -> None:
    scene.starts()
    call, there = await scene.talking()
    call.reinvites(OFFER)
    await there.receives("INVITE")
    there.hangs_up()
    await there.hears(200, "BYE")
    await call.hears(491)
    await call.receives("BYE")


async def test_a_reinvite_before_the_ack_of_the_first_answer_is_told_to_try_again(scene: Scene) -> None:
    scene.starts()
    call = scene.caller.calls()
    await call.hears(180)
    there = await scene.first.invited()
    there.answers()
    await there.receives("ACK")
    await call.hears(200)
    there.reinvites(ANSWER)
    await there.hears(491)
    call.acks()
    await end(call, there)


@SIDES
async def test_dtmf_in_info_crosses_in_both_directions(scene: Scene, callee_starts: bool) -> None:
    scene.starts()
    one, two = sides(await scene.talking(), callee_starts)
    one.requests("INFO", b"Signal=5\r\nDuration=160\r\n", ["Content-Type: application/dtmf-relay"])
    info = await two.receives("INFO")
    assert (info.body, info.content_type) == (b"Signal=5\r\nDuration=160\r\n", "application/dtmf-relay")
    two.responds(200, to=info)
    await one.hears(200, "INFO")
    await end(one, two)


@SIDES
async def test_an_update_crosses_with_its_offer_and_answer(scene: Scene, callee_starts: bool) -> None:
    scene.starts()
    one, two = sides(await scene.talking(headers=["Allow: INVITE, ACK, BYE, UPDATE"]), callee_starts)
    one.requests("UPDATE", OFFER)
    update = await two.receives("UPDATE")
    assert update.body == OFFER
    two.responds(200, ANSWER, to=update)
    assert (await one.hears(200, "UPDATE")).body == ANSWER
    await end(one, two)


async def test_an_info_that_nobody_answers_is_answered_with_504_and_costs_no_call(scene: Scene) -> None:
    scene.starts()
    call, there = await scene.talking()
    call.requests("INFO", b"x", ["Content-Type: text/plain"])
    await there.receives("INFO")
    await call.hears(504, "INFO")  # a 408 would say that the caller's own dialog is lost (RFC 3261 §12.2.1.2)
    await end(call, there)


async def test_options_inside_a_call_is_answered_and_does_not_cross(scene: Scene) -> None:
    scene.starts()
    call, there = await scene.talking()
    call.requests("OPTIONS")
    response = await call.hears(200, "OPTIONS")
    assert "INVITE" in (response.headers.get("allow") or "")
    await end(call, there)
    assert "OPTIONS" not in scene.first.heard


async def test_options_is_answered_while_the_caller_is_between_two_callees(scene: Scene) -> None:
    scene.starts(twiml="<Response><Dial>+14158675309</Dial><Pause length='5'/></Response>")
    call, there = await scene.talking()
    there.hangs_up()
    await there.hears(200, "BYE")
    call.requests("OPTIONS")
    await call.hears(200, "OPTIONS")
    await call.receives("BYE")


async def test_what_we_do_not_do_inside_a_call_is_405_and_the_call_goes_on(scene: Scene) -> None:
    scene.starts()
    call, there = await scene.talking()
    call.requests("REFER", headers=["Refer-To: <sip:elsewhere@example.org>"])
    await call.hears(405, "REFER")
    await end(call, there)


async def test_a_second_dial_brings_the_caller_over_to_the_new_callee_by_a_reinvite(scene: Scene) -> None:
    scene.starts(twiml=ONE_AFTER_THE_OTHER)
    call, there = await scene.talking()
    there.hangs_up()
    await there.hears(200, "BYE")
    again = await scene.first.invited()
    assert again.invite.uri_text == "sip:+14158675310@198.51.100.1"
    assert again.invite.body == OFFER
    again.answers(sdp("198.51.100.1", 7000))
    await again.receives("ACK")
    assert (await call.receives("INVITE")).body == sdp("198.51.100.1", 7000, version=2)
    call.answers(OFFER)
    await call.receives("ACK")
    await scene.settled()
    await end(call, again)
    assert [attempt.outcome for attempt in (await scene.over()).attempts] == ["answered", "answered"]


async def second_callee(scene: Scene) -> tuple[CarrierCall, CarrierCall]:
    """The caller, asked by re-INVITE to talk to the second callee, who has just answered."""
    scene.starts(twiml=ONE_AFTER_THE_OTHER)
    call, there = await scene.talking()
    there.hangs_up()
    await there.hears(200, "BYE")
    again = await scene.first.invited()
    again.answers(sdp("198.51.100.1", 7000))
    await again.receives("ACK")
    await call.receives("INVITE")
    return call, again


async def test_a_caller_who_refuses_the_second_callee_ends_that_conversation(scene: Scene) -> None:
    call, again = await second_callee(scene)
    call.refuses(488)
    await call.receives("ACK")
    await again.receives("BYE")
    await call.receives("BYE")
    assert scene.events("dial.not_joined")[0]["status"] == 488


async def test_a_caller_whose_own_reinvite_crosses_ours_is_asked_again_soon(scene: Scene) -> None:
    call, again = await second_callee(scene)
    call.refuses(491)
    await call.receives("ACK")
    assert (await call.receives("INVITE")).body == sdp("198.51.100.1", 7000, version=2)
    call.answers(OFFER)
    await call.receives("ACK")
    first, second = scene.caller.times("INVITE")[-2:]
    assert 0.0 <= second - first <= 2.0
    await scene.settled()
    await end(call, again)


# --- when things get lost ----------------------------------------------------------------------------------


async def test_a_caller_who_never_acknowledges_is_hung_up_after_32_seconds_with_the_reason(scene: Scene) -> None:
    scene.starts()
    call = scene.caller.calls()
    await call.hears(180)
    there = await scene.first.invited()
    there.answers()
    await there.receives("ACK")
    await call.hears(200)
    bye = await call.receives("BYE")
    assert bye.headers.get("reason") == 'SIP;cause=408;text="ACK timeout"'
    assert scene.caller.times("BYE")[0] == 32.0
    assert scene.caller.times("200 INVITE")[:6] == [0.0, 0.5, 1.5, 3.5, 7.5, 11.5]
    await there.receives("BYE")
    assert (await scene.over()).ended_by == "timeout"


LOST = ["ACK", "200 INVITE", "BYE", "200 BYE", "180 INVITE", "100 INVITE"]


@pytest.mark.parametrize("lost", LOST)
async def test_one_lost_message_of_any_kind_costs_no_call(scene: Scene, lost: str) -> None:
    scene.starts()
    scene.network.loses(lost)
    call = scene.caller.calls()
    if lost != "180 INVITE":
        await call.hears(180)
    there = await scene.first.invited()
    there.answers()
    if lost == "200 INVITE":
        there.repeats_answer()
    await there.receives("ACK") if lost != "ACK" else there.repeats_answer()
    await call.hears(200)
    call.acks()
    await scene.settled()
    there.hangs_up()
    if lost in ("BYE", "200 BYE"):
        await scene.sleeps(0.5)
        there.repeats()
    await there.hears(200, "BYE") if lost != "ACK" else await there.receives("ACK")
    await call.receives("BYE")
    assert (await scene.over(1)).status == "completed"


@pytest.mark.parametrize("doubled", ["INVITE", "ACK", "200 INVITE", "BYE", "200 BYE", "INFO"])
async def test_a_message_that_arrives_twice_has_one_effect(scene: Scene, doubled: str) -> None:
    scene.starts()
    scene.network.doubles(doubled, 9)
    call, there = await scene.talking()
    call.requests("INFO", b"x", ["Content-Type: text/plain"])
    there.responds(200, to=await there.receives("INFO"))
    await call.hears(200, "INFO")
    await end(call, there)
    await scene.settled()
    assert len(scene.customer.asked("/voice")) == 1
    assert scene.record.status == "completed"


# --- streams -----------------------------------------------------------------------------------------------

OVER_TCP = "connection_policies: {carriers: {targets: [{target: 'sip:198.51.100.1;transport=tcp'}]}}"


def transports(network: Network, address: str) -> set[str]:
    return {each.transport for each in network.log if address in (each.source[0], each.destination[0])}


@pytest.mark.parametrize("transport", ["UDP", "TCP"])
async def test_the_same_call_passes_over_either_transport_to_a_carrier_on_tcp(scene: Scene, transport: str) -> None:
    scene.starts(OVER_TCP)
    scene.caller.transport = transport
    call, there = await scene.talking()
    await end(call, there)
    assert transports(scene.network, "203.0.113.8") == {transport}
    assert transports(scene.network, "198.51.100.1") == {"TCP"}
    assert there.invite.headers.get("contact") == "<sip:192.0.2.1:5060;transport=tcp>"
    assert len(scene.network.streams) == (2 if transport == "TCP" else 1)


async def test_a_dialog_whose_connection_broke_goes_on_over_a_new_one(scene: Scene) -> None:
    scene.starts(OVER_TCP)
    call, there = await scene.talking()
    scene.network.cut(scene.first.stream)
    call.reinvites(OFFER)
    await there.receives("INVITE")
    there.answers()
    await there.receives("ACK")
    await call.hears(200)
    call.acks()
    await end(there, call)
    assert len(scene.network.streams) == 2


async def test_a_second_call_to_a_carrier_uses_the_connection_that_is_there(scene: Scene) -> None:
    scene.starts(OVER_TCP, twiml=DIAL)
    for _ in range(2):
        call, there = await scene.talking()
        await end(call, there)
    assert len(scene.network.streams) == 1


async def test_of_a_multipart_invite_the_callee_gets_the_session_description_alone(scene: Scene) -> None:
    # SIP-I (ITU-T Q.1912.5): a switch adds the ISUP message that it came from
    scene.starts()
    isup = b"Content-Type: application/ISUP\r\nContent-Disposition: signal;handling=optional\r\n\r\n\x01\x00"
    body = b"--e\r\nContent-Type: application/sdp\r\n\r\n" + OFFER + b"\r\n--e\r\n" + isup + b"\r\n--e--\r\n"
    call, there = await scene.talking(
        scene.caller.calls(body=body, headers=["Content-Type: multipart/mixed;boundary=e"])
    )
    assert there.invite.body == OFFER
    assert there.invite.content_type == "application/sdp"
    call.hangs_up()
    await there.receives("BYE")


async def test_an_offer_that_was_refused_is_not_what_the_next_callee_is_offered(scene: Scene) -> None:
    scene.starts(twiml="<Response><Dial>+14158675309</Dial><Dial>+14158675310</Dial></Response>")
    call, there = await scene.talking()
    call.reinvites(sdp("203.0.113.8", 5550))
    await there.receives("INVITE")
    there.refuses(488)
    await there.receives("ACK")
    await call.hears(488)
    there.hangs_up()
    await there.hears(200, "BYE")
    second = await scene.first.invited()
    assert second.invite.body == OFFER
    second.refuses(486)
    await call.receives("BYE")
