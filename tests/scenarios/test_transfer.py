"""REFER (RFC 3515): refused, passed on, or carried out here, as the trunk of the leg says that asks for it."""

import pytest

from byoc_proxy.sip.message import Request
from tests.support.build import WALL, Carrier, CarrierCall, Scene, sdp

TO_DESK = ["Refer-To: <sip:+14155550100@anywhere.example>"]
TERMINATE = """
trunks: {acme-trunk: {refer: terminate}}
connection_policies: {carriers: {targets: [{target: "sip:198.51.100.1"}]}}
"""
RELAY = "trunks: {acme-trunk: {refer: relay}}"
DESK = sdp("198.51.100.77", 7000)


async def fragment(asker: CarrierCall) -> str:
    """The next NOTIFY that the asker gets, answered with 200: its first line and the state of the subscription."""
    notify = await asker.receives("NOTIFY")
    asker.responds(200, to=notify)
    assert notify.headers.get("event") == "refer"
    assert notify.content_type == "message/sipfrag"
    state = (notify.headers.get("subscription-state") or "").partition(";")[0]
    return f"{notify.body.decode().rstrip()}, {state}"


async def refer(asker: CarrierCall, headers: list[str] = TO_DESK) -> None:
    """Ask for a transfer, and hear that it is being tried."""
    asker.requests("REFER", headers=headers)
    await asker.hears(202, "REFER")
    assert await fragment(asker) == "SIP/2.0 100 Trying, active"


async def taken_over(stays: CarrierCall, body: bytes = DESK) -> Request:
    """The one who stays is offered the new one's SDP, as the version after the last, and takes it."""
    offer = await stays.receives("INVITE")
    assert offer.body == body.replace(b"o=- 1 1 ", b"o=- 1 2 ")
    stays.answers(sdp("203.0.113.8", 4002))
    return await stays.receives("ACK")


# --- carried out here --------------------------------------------------------------------------------------


async def test_the_callee_transfers_the_caller_to_a_number_of_its_trunk(scene: Scene) -> None:
    scene.starts(TERMINATE)
    call, there = await scene.talking()
    await refer(there)
    desk = await scene.first.invited()
    assert desk.invite.uri_text == "sip:+14155550100@198.51.100.1"  # the policy's target, not the Refer-To's host
    desk.rings()
    assert await fragment(there) == "SIP/2.0 180 Said, active"
    desk.answers(DESK)
    await desk.receives("ACK")
    await taken_over(call)
    assert await fragment(there) == "SIP/2.0 200 OK, terminated"
    await there.receives("BYE")
    await scene.sleeps(10)
    call.hangs_up()
    await desk.receives("BYE")
    record = await scene.over()
    assert [leg.status for leg in record.legs] == ["completed", "completed"]
    ends = [leg.ended_at for leg in record.legs]  # who was replaced has left before
    assert ends == [pytest.approx(WALL, abs=0.1), pytest.approx(WALL + 10, abs=0.1)]
    assert record.decisions[-2:] == [
        "transfer to +14155550100 asked for",
        "transfer to +14155550100: 200 OK",
    ]
    assert record.ended_by == "caller"


async def test_the_caller_transfers_the_callee_and_leaves(scene: Scene) -> None:
    scene.starts(TERMINATE)
    call, there = await scene.talking()
    await refer(call)
    call.hangs_up()  # before anybody has answered: a blind transfer
    await call.hears(200, "BYE")
    desk = await scene.first.invited()
    desk.answers(DESK)
    await desk.receives("ACK")
    await taken_over(there)
    await scene.sleeps(60)
    there.hangs_up()
    await desk.receives("BYE")
    record = await scene.over()
    assert (record.status, record.ended_by) == ("completed", "callee")


async def test_the_new_leg_is_not_offered_the_hold_that_the_transfer_began_with(scene: Scene) -> None:
    scene.starts(TERMINATE)
    call, there = await scene.talking()
    there.reinvites(sdp("198.51.100.1", 6000, "sendonly"))
    await call.receives("INVITE")
    call.answers(sdp("203.0.113.8", 4000, "recvonly"))
    await call.receives("ACK")
    await there.hears(200)
    there.acks()
    await refer(there)
    desk = await scene.first.invited()
    assert b"a=recvonly" not in desk.invite.body
    assert b"m=audio 4000 " in desk.invite.body
    desk.answers(DESK)
    await desk.receives("ACK")
    await taken_over(call)
    assert await fragment(there) == "SIP/2.0 200 OK, terminated"
    await there.receives("BYE")
    call.hangs_up()
    await desk.receives("BYE")


@pytest.mark.parametrize("status", [486, 404])
async def test_a_transfer_that_fails_leaves_the_two_talking(scene: Scene, status: int) -> None:
    scene.starts(TERMINATE)
    call, there = await scene.talking()
    await refer(there)
    desk = await scene.first.invited()
    desk.refuses(status)
    await desk.receives("ACK")
    assert await fragment(there) == f"SIP/2.0 {status} Refused, terminated"
    call.requests("INFO")
    there.responds(200, to=await there.receives("INFO"))
    await call.hears(200, "INFO")
    call.hangs_up()
    await there.receives("BYE")


async def test_a_number_that_rings_out_is_a_failed_transfer(scene: Scene) -> None:
    scene.starts(TERMINATE)
    call, there = await scene.talking()
    await refer(there)
    desk = await scene.first.invited()
    desk.rings()
    assert await fragment(there) == "SIP/2.0 180 Said, active"
    await scene.sleeps(35)
    await desk.receives("CANCEL")
    assert await fragment(there) == "SIP/2.0 408 Request Timeout, terminated"
    call.hangs_up()
    await there.receives("BYE")


async def test_the_one_who_stays_may_leave_while_the_new_one_rings(scene: Scene) -> None:
    scene.starts(TERMINATE)
    call, there = await scene.talking()
    await refer(there)
    desk = await scene.first.invited()
    desk.rings()
    assert await fragment(there) == "SIP/2.0 180 Said, active"
    call.hangs_up()
    await desk.receives("CANCEL")
    await there.receives("BYE")


async def test_when_both_the_asker_and_the_new_one_are_gone_the_call_is_over(scene: Scene) -> None:
    scene.starts(TERMINATE)
    call, there = await scene.talking()
    await refer(there)
    desk = await scene.first.invited()
    there.hangs_up()
    await there.hears(200, "BYE")
    desk.refuses(486)
    await desk.receives("ACK")
    await call.receives("BYE")


async def test_a_second_transfer_names_the_refer_that_it_is_about(scene: Scene) -> None:
    # RFC 3515 §2.4.6: the first may go without, the second must not
    scene.starts(TERMINATE)
    call, there = await scene.talking()
    await refer(there)
    (await scene.first.invited()).refuses(486)
    assert await fragment(there) == "SIP/2.0 486 Refused, terminated"
    there.requests("REFER", headers=TO_DESK)
    await there.hears(202, "REFER")
    trying = await there.receives("NOTIFY")
    assert trying.headers.get("event") == f"refer;id={there.cseq}"
    there.responds(200, to=trying)
    (await scene.first.invited()).refuses(486)
    there.responds(200, to=await there.receives("NOTIFY"))
    call.hangs_up()
    await there.receives("BYE")


async def test_a_refer_during_a_transfer_has_to_wait(scene: Scene) -> None:
    scene.starts(TERMINATE)
    call, there = await scene.talking()
    await refer(there)
    there.requests("REFER", headers=TO_DESK)
    assert (await there.hears(500, "REFER")).headers.get("retry-after") == "5"
    call.hangs_up()
    await there.receives("BYE")


@pytest.mark.parametrize(
    ("headers", "status"),
    [
        ([], 400),
        ([*TO_DESK, *TO_DESK], 400),
        (["Refer-To: <sip:broken"], 400),
        (["Refer-To: <mailto:desk@example.test>"], 416),
        (["Refer-To: <sip:anywhere.example>"], 484),
        (["Refer-To: <sip:+14155550100@anywhere.example;method=BYE>"], 501),
        (["Refer-To: <sip:+14155550100@anywhere.example?Replaces=a%3Bto-tag%3Db%3Bfrom-tag%3Dc>"], 501),
    ],
)
async def test_what_a_refer_to_may_not_be(scene: Scene, headers: list[str], status: int) -> None:
    scene.starts(TERMINATE)
    call, there = await scene.talking()
    there.requests("REFER", headers=headers)
    await there.hears(status, "REFER")
    call.hangs_up()
    await there.receives("BYE")


async def test_a_tel_uri_is_a_number_too(scene: Scene) -> None:
    scene.starts(TERMINATE)
    call, there = await scene.talking()
    await refer(there, ["Refer-To: <tel:+1-415-555-0100;phone-context=x>"])
    desk = await scene.first.invited()
    assert desk.invite.uri_text == "sip:+14155550100@198.51.100.1"
    desk.trying()
    await scene.settled()
    call.hangs_up()
    await desk.receives("CANCEL")
    await there.receives("BYE")


@pytest.mark.parametrize(("setting", "allowed"), [("reject", False), ("relay", True), ("terminate", True)])
async def test_both_far_ends_are_told_whether_they_may_transfer(scene: Scene, setting: str, allowed: bool) -> None:
    scene.starts(f"trunks: {{acme-trunk: {{refer: {setting}}}}}")
    call = scene.caller.calls()
    await call.hears(180)
    there = await scene.first.invited()
    there.answers()
    await there.receives("ACK")
    answer = await call.hears(200)
    call.acks()
    for message in (there.invite, answer):
        assert ("REFER" in message.listed("allow")) is allowed
        assert ("NOTIFY" in message.listed("allow")) is allowed
    call.hangs_up()
    await there.receives("BYE")


# --- refused and passed on ---------------------------------------------------------------------------------


async def test_by_default_nobody_may_transfer(scene: Scene) -> None:
    scene.starts()
    call, there = await scene.talking()
    for side in (call, there):
        side.requests("REFER", headers=TO_DESK)
        assert "REFER" not in ((await side.hears(405, "REFER")).headers.get("allow") or "")
    call.hangs_up()
    await there.receives("BYE")
    assert (await scene.over()).events[0].code == 13802


async def test_a_relayed_transfer_is_between_the_two_far_ends(scene: Scene) -> None:
    scene.starts(RELAY)
    call, there = await scene.talking()
    there.requests("REFER", headers=["Refer-To: <tel:+14155550100>", "Referred-By: <sip:agent@inside.example>"])
    asked = await call.receives("REFER")
    assert asked.headers.get("refer-to") == "<tel:+14155550100>"
    assert "referred-by" not in asked.headers
    call.responds(202, to=asked)
    await there.hears(202, "REFER")
    call.requests(
        "NOTIFY",
        b"SIP/2.0 200 OK\r\n",
        ["Event: refer", "Subscription-State: terminated;reason=noresource", "Content-Type: message/sipfrag"],
    )
    assert await fragment(there) == "SIP/2.0 200 OK, terminated"
    await call.hears(200, "NOTIFY")
    call.hangs_up()
    await there.receives("BYE")


@pytest.mark.parametrize("early", [False, True])
async def test_a_relayed_notify_names_the_refer_by_the_number_that_its_asker_gave_it(
    scene: Scene, early: bool
) -> None:
    scene.starts(RELAY)
    call, there = await scene.talking()
    there.cseq = 32502  # a telephone begins where it likes
    there.requests("REFER", headers=TO_DESK)
    asked = await call.receives("REFER")
    if not early:
        call.responds(202, to=asked)
        await there.hears(202, "REFER")
    event = [f"Event: refer;id={asked.cseq[0]}", "Subscription-State: active", "Content-Type: message/sipfrag"]
    call.requests("NOTIFY", b"SIP/2.0 100 Trying\r\n", event)
    notify = await there.receives("NOTIFY")
    # before the 202 we do not know the number yet; the first of a dialog needs none (RFC 3515 §2.4.6)
    assert notify.headers.get("event") == ("refer" if early else "refer;id=32503")
    there.responds(200, to=notify)
    await call.hears(200, "NOTIFY")
    if early:
        call.responds(202, to=asked)
        await there.hears(202, "REFER")
    call.hangs_up()
    await there.receives("BYE")


async def test_a_refer_outside_of_a_call_is_refused(scene: Scene) -> None:
    scene.starts(TERMINATE)
    caller: Carrier = scene.caller
    await caller.asks("REFER", "sip:acme.sip.example.test", TO_DESK).hears(405, "REFER")
