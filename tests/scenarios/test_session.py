"""What keeps a call alive, and what is agreed before it is answered: session timers, PRACK and UPDATE."""

import pytest

from byoc_proxy.sip.message import Response
from tests.support.build import ANSWER, OFFER, CarrierCall, Scene, sdp

HOURS = 3 * 3600.0
ABLE = ["Supported: timer, 100rel", "Allow: INVITE, ACK, BYE, CANCEL, UPDATE, PRACK"]
EARLY = ["Require: 100rel", "RSeq: 1", "Allow: INVITE, ACK, BYE, CANCEL, UPDATE, PRACK"]
OTHER = sdp("198.51.100.9", 7000)


def rack(response: Response) -> list[str]:
    return [f"RAck: {response.rseq} {response.cseq[0]} INVITE"]


async def end(one: CarrierCall, two: CarrierCall) -> None:
    one.hangs_up()
    await one.hears(200, "BYE")
    await two.receives("BYE")


async def rings_reliably(scene: Scene, call: CarrierCall, body: bytes = ANSWER) -> tuple[CarrierCall, Response]:
    """The callee's reliable 183 has arrived at the caller, and is acknowledged by us."""
    await call.hears(180)
    there = await scene.first.invited()
    there.responds(183, body, EARLY)
    prack = await there.receives("PRACK")
    assert prack.headers.get("rack") == "1 1 INVITE"
    there.responds(200, to=prack)
    return there, await call.hears(183)


# --- PRACK -------------------------------------------------------------------------------------------------


async def test_early_media_is_acknowledged_on_each_leg_by_itself(scene: Scene) -> None:
    scene.starts()
    call = scene.caller.calls(headers=["Supported: 100rel"])
    there, early = await rings_reliably(scene, call)
    assert "100rel" in (there.invite.headers.get("supported") or "")
    assert (early.sdp, early.headers.get("require")) == (ANSWER, "100rel")
    there.answers(b"")
    await there.receives("ACK")
    call.requests("PRACK", headers=rack(early))
    await call.hears(200, "PRACK")
    assert (await call.hears(200)).body == b""
    call.acks()
    await scene.settled()
    await end(call, there)


async def test_a_caller_without_prack_hears_early_media_and_gets_the_sdp_in_the_200(scene: Scene) -> None:
    scene.starts()
    call = scene.caller.calls()
    there, early = await rings_reliably(scene, call)
    assert (early.sdp, early.rseq) == (ANSWER, None)
    there.answers(b"")
    await there.receives("ACK")
    assert (await call.hears(200)).sdp == ANSWER
    call.acks()
    await scene.settled()
    await end(there, call)


async def test_a_caller_who_requires_prack_and_sends_none_is_refused_after_32_seconds(scene: Scene) -> None:
    scene.starts("trunks: {acme-trunk: {ringing: relay}}")
    call = scene.caller.calls(headers=["Require: 100rel"])
    there = await scene.first.invited()
    there.rings()
    await call.hears(180)
    await call.hears(504)
    assert scene.caller.times("180 INVITE") == [0.0, 0.5, 1.5, 3.5, 7.5, 15.5, 31.5]
    assert scene.caller.times("504 INVITE") == [32.0]
    await there.receives("CANCEL")
    record = await scene.over()
    assert (record.ended_by, record.cause) == ("timeout", "no PRACK")


async def test_the_offer_of_a_ringing_callee_is_answered_by_the_caller_in_its_prack(scene: Scene) -> None:
    scene.starts()
    call = scene.caller.calls(body=b"", headers=["Supported: 100rel"])
    await call.hears(180)
    there = await scene.first.invited()
    there.responds(183, OTHER, EARLY)
    offer = await call.hears(183)
    assert offer.sdp == OTHER
    call.requests("PRACK", OFFER, rack(offer))
    await call.hears(200, "PRACK")
    prack = await there.receives("PRACK")
    assert prack.sdp == OFFER
    there.responds(200, to=prack)
    there.answers(b"")
    assert (await there.receives("ACK")).body == b""
    assert (await call.hears(200)).body == b""
    call.acks()
    await scene.settled()
    await end(call, there)


async def test_a_callee_is_not_asked_for_an_early_offer_that_the_caller_could_not_answer(scene: Scene) -> None:
    scene.starts()
    call = scene.caller.calls(body=b"")
    await call.hears(180)
    there = await scene.first.invited()
    assert there.invite.headers.get("supported") == "timer"
    there.answers(OTHER)
    assert (await call.hears(200)).sdp == OTHER
    call.acks(OFFER)
    assert (await there.receives("ACK")).sdp == OFFER
    await end(call, there)


async def test_the_early_media_of_the_newest_fork_is_heard_and_who_answers_is_the_call(scene: Scene) -> None:
    scene.starts()
    call = scene.caller.calls(headers=["Supported: 100rel"])
    there, early = await rings_reliably(scene, call)
    call.requests("PRACK", headers=rack(early))
    await call.hears(200, "PRACK")
    there.responds(183, OTHER, EARLY, tag="fork")
    there.responds(200, to=await there.receives("PRACK"))
    second = await call.hears(183)
    assert second.to_tag == early.to_tag  # our caller sees one far end
    assert second.body == b""  # and has one answer, which cannot be taken back before the call is up
    there.responds(200, b"", tag="fork")
    await there.receives("ACK")
    await call.hears(200)
    call.acks()
    # both branches count their descriptions from 1: to our caller the second is the next one
    assert (await call.receives("INVITE")).sdp == OTHER.replace(b"o=- 1 1 ", b"o=- 1 2 ")
    call.answers(OFFER)
    await call.receives("ACK")
    await scene.settled()
    there.tag = "fork"
    await end(call, there)


# --- UPDATE ------------------------------------------------------------------------------------------------


async def test_an_update_crosses_between_two_early_dialogs(scene: Scene) -> None:
    scene.starts()
    call = scene.caller.calls(headers=ABLE)
    there, early = await rings_reliably(scene, call)
    call.requests("PRACK", headers=rack(early))
    await call.hears(200, "PRACK")
    for one, two in ((call, there), (there, call)):
        one.requests("UPDATE", OTHER)
        update = await two.receives("UPDATE")
        assert update.sdp == OTHER
        two.responds(200, ANSWER, to=update)
        assert (await one.hears(200, "UPDATE")).sdp == ANSWER
    there.answers(b"")
    await there.receives("ACK")
    await call.hears(200)
    call.acks()
    await scene.settled()
    await end(call, there)


@pytest.mark.parametrize(("headers", "status"), [(["Supported: 100rel"], 488), (ABLE[1:], 500)])
async def test_an_early_update_that_cannot_cross_is_refused_at_once(
    scene: Scene, headers: list[str], status: int
) -> None:
    scene.starts()
    call = scene.caller.calls(headers=headers)
    there, early = await rings_reliably(scene, call)
    there.requests("UPDATE", OTHER)
    response = await there.hears(status, "UPDATE")
    assert ("retry-after" in response.headers) is (status == 500)
    call.cancels()
    await call.hears(200, "CANCEL")
    await call.hears(487)
    await there.receives("CANCEL")


async def test_an_update_becomes_a_reinvite_for_a_side_that_has_none(scene: Scene) -> None:
    scene.starts()
    call, there = await scene.talking()
    call.requests("UPDATE", OTHER)
    assert (await there.receives("INVITE")).sdp == OTHER
    there.answers()
    await there.receives("ACK")
    assert (await call.hears(200, "UPDATE")).sdp == ANSWER
    await end(call, there)


async def test_updates_of_both_sides_at_once_are_both_told_to_try_again(scene: Scene) -> None:
    scene.starts()
    call, there = await scene.talking(headers=ABLE[1:])
    call.requests("UPDATE", OTHER)
    there.requests("UPDATE", OTHER)
    update = await there.receives("UPDATE")
    await there.hears(491, "UPDATE")
    there.responds(491, to=update)
    await call.hears(491, "UPDATE")
    await end(call, there)


async def test_a_second_offer_while_the_first_waits_for_its_answer_is_500(scene: Scene) -> None:
    scene.starts()
    call, there = await scene.talking(headers=ABLE[1:])
    call.requests("UPDATE", OTHER)
    update = await there.receives("UPDATE")
    call.requests("UPDATE", OFFER)
    await call.hears(500, "UPDATE")
    there.responds(200, ANSWER, to=update)
    await call.hears(200, "UPDATE")
    await end(call, there)


async def test_an_update_without_sdp_is_a_refresh_and_does_not_cross(scene: Scene) -> None:
    scene.starts()
    call, there = await scene.talking()
    call.requests("UPDATE")
    await call.hears(200, "UPDATE")
    await end(call, there)
    assert "UPDATE" not in scene.first.heard


@pytest.mark.parametrize("method", ["INFO", "UPDATE"])
@pytest.mark.parametrize("status", [408, 481])
async def test_a_far_end_that_has_lost_the_dialog_ends_the_call_with_the_cause_in_the_record(
    scene: Scene, method: str, status: int
) -> None:
    scene.starts()
    call, there = await scene.talking(headers=ABLE[1:])
    call.requests(method, OTHER)
    there.responds(status, to=await there.receives(method))
    await there.receives("BYE")
    await call.hears(504, method)
    await call.receives("BYE")
    record = await scene.over()
    assert (record.ended_by, record.cause) == ("timeout", "the far end has lost the dialog")


# --- session timers ----------------------------------------------------------------------------------------


def timer(seconds: int, refresher: str) -> list[str]:
    return [*ABLE, f"Session-Expires: {seconds};refresher={refresher}", "Require: timer"]


async def test_a_callee_who_knows_nothing_of_timers_is_never_asked_in_three_hours(scene: Scene) -> None:
    scene.starts()
    call, there = await scene.talking()
    assert there.invite.headers.get("session-expires") == "1800"
    await scene.sleeps(HOURS)
    assert scene.first.heard == ["INVITE", "ACK"]
    assert scene.caller.heard == ["100 INVITE", "180 INVITE", "200 INVITE"]
    await end(call, there)


@pytest.mark.parametrize("by", ["UPDATE", "INVITE"])
async def test_for_three_hours_we_refresh_both_legs_at_half_the_interval(scene: Scene, by: str) -> None:
    scene.starts("trunks: {acme-trunk: {session_expires: 3600}}")
    allow = [] if by == "UPDATE" else ["Allow: INVITE, ACK, BYE"]
    headers = ["Supported: timer", *(ABLE[1:] if by == "UPDATE" else allow)]
    call = scene.caller.calls(headers=headers)
    await call.hears(180)
    there = await scene.first.invited()
    there.answers(headers=[*headers, "Session-Expires: 3600;refresher=uac"])
    await there.receives("ACK")
    ok = await call.hears(200)
    assert ok.headers.get("session-expires") == "3600;refresher=uas"
    call.acks()
    await scene.settled()
    for end_ in (there, call):
        end_.answers_refreshes(["Session-Expires: 3600;refresher=uac", *headers])
    await scene.sleeps(HOURS + 60)
    for carrier in (scene.first, scene.caller):
        assert [at for at in carrier.times(by) if at] == [1800.0 * n for n in range(1, 7)]
        refreshes = [each for each in carrier.got(by) if each.to_tag]
        assert {each.headers.get("session-expires") for each in refreshes} == {"3600;refresher=uac"}
        wanted = {b""} if by == "UPDATE" else {ANSWER if carrier is scene.caller else OFFER}
        assert {each.body for each in refreshes} == wanted
    await end(call, there)
    assert scene.record.duration == pytest.approx(HOURS + 60)


async def timed(scene: Scene, refresher: str) -> tuple[CarrierCall, CarrierCall]:
    """A call that is up on two session timers of half an hour; on both legs the carrier or we refresh."""
    scene.starts()
    ours = refresher == "we"
    call = scene.caller.calls(headers=timer(1800, "uas" if ours else "uac"))
    await call.hears(180)
    there = await scene.first.invited()
    there.answers(headers=timer(1800, "uac" if ours else "uas"))
    await there.receives("ACK")
    await call.hears(200)
    call.acks()
    await scene.settled()
    return call, there


async def test_for_three_hours_the_carriers_refresh_and_neither_hears_of_the_other(scene: Scene) -> None:
    call, there = await timed(scene, "they")
    for _ in range(12):
        await scene.sleeps(900)
        for each in (call, there):
            each.requests("UPDATE", headers=timer(1800, "uac"))
            ok = await each.hears(200, "UPDATE")
            assert ok.headers.get("session-expires") == "1800;refresher=uac"
    await end(call, there)
    assert scene.record.duration == pytest.approx(HOURS)
    assert {"UPDATE", "INVITE"} & set(scene.first.heard[1:]) == set()


@pytest.mark.parametrize(
    ("refresher", "cause", "at"),
    [("they", "the session expired", 1768.0), ("we", "the far end has lost the dialog", 932.0)],
)
async def test_a_callee_that_is_dead_ends_the_call_with_the_cause_in_the_record(
    scene: Scene, refresher: str, cause: str, at: float
) -> None:
    call, _ = await timed(scene, refresher)
    call.answers_refreshes(timer(1800, "uac"))
    scene.first.is_silent()
    if refresher == "they":
        await scene.sleeps(900)
        call.requests("UPDATE", headers=timer(1800, "uac"))
        await call.hears(200, "UPDATE")
    await scene.sleeps(at - scene.now)
    await call.receives("BYE")
    assert scene.caller.times("BYE")[0] == at
    record = await scene.over()
    assert (record.ended_by, record.cause) == ("timeout", cause)


async def test_an_invite_below_our_least_interval_is_422_and_no_call(scene: Scene) -> None:
    scene.starts("trunks: {acme-trunk: {min_se: 600}}")
    call = scene.caller.calls(headers=["Supported: timer", "Session-Expires: 300"])
    assert (await call.hears(422)).headers.get("min-se") == "600"
    assert scene.records == []


async def test_a_gateway_that_wants_a_longer_interval_gets_it_in_the_same_call(scene: Scene) -> None:
    scene.starts()
    call = scene.caller.calls()
    await call.hears(180)
    there = await scene.first.invited()
    there.refuses(422, headers=["Min-SE: 7200"])
    await there.receives("ACK")
    again = await there.receives("INVITE")
    assert (again.headers.get("session-expires"), again.cseq) == ("7200", (2, "INVITE"))
    there.answers()
    await there.receives("ACK")
    await call.hears(200)
    call.acks()
    await scene.settled()
    await end(call, there)
    assert len(scene.record.attempts) == 1
