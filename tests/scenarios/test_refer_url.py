"""`referUrl`: a REFER of one of the two that talk asks the application, whose script goes on with the other one."""

import pytest

from tests.scenarios.test_transfer import fragment, refer, taken_over
from tests.support.build import CarrierCall, Scene, sdp

REFERRED = "<Response><Dial referUrl='refer?step=1' action='/never'>+14158675309</Dial></Response>"
TO_DESK = "<Response><Dial action='/after'>+14155550100</Dial></Response>"
REFER_TO = ["Refer-To: <sip:+14155550100@anywhere.example;transport=tcp>"]
ONE_GATEWAY = 'connection_policies: {carriers: {targets: [{target: "sip:198.51.100.1"}]}}'
DESK = sdp("198.51.100.77", 7000)


async def talking(
    scene: Scene, twiml: str = TO_DESK, changes: str = "", document: str = REFERRED
) -> tuple[CarrierCall, CarrierCall]:
    """Two who talk in a `<Dial>` with a referUrl, which answers `twiml`."""
    scene.starts(f"{ONE_GATEWAY}\n{changes}", twiml=document)
    scene.customer.answers("/refer", twiml)
    scene.customer.answers("/after", "<Response/>")
    return await scene.talking()


async def test_the_script_of_refer_url_goes_on_with_the_caller_when_the_callee_asks(scene: Scene) -> None:
    call, there = await talking(scene)
    assert "REFER" in (there.invite.headers.get("allow") or "")
    await refer(there, REFER_TO)
    (asked,) = scene.customer.asked("/refer")
    assert asked.url.endswith("/refer?step=1")
    assert asked.params["ReferTransferTarget"] == "sip:+14155550100@anywhere.example;transport=tcp"
    assert asked.params["CallStatus"] == "in-progress"
    desk = await scene.first.invited()
    desk.rings()
    assert await fragment(there) == "SIP/2.0 180 Said, active"
    await scene.sleeps(5)
    assert there.is_quiet  # it is kept until somebody has answered
    desk.answers(DESK)
    await desk.receives("ACK")
    assert await fragment(there) == "SIP/2.0 200 OK, terminated"
    await there.receives("BYE")
    await taken_over(call)
    await scene.sleeps(10)
    desk.hangs_up()
    await desk.hears(200, "BYE")
    await call.receives("BYE")
    after = scene.customer.asked("/after")[0].params
    assert (after["DialCallStatus"], after["DialCallDuration"]) == ("completed", "10")
    assert scene.customer.asked("/never") == []  # the script that went before is over
    record = await scene.over()
    assert [leg.status for leg in record.legs] == ["completed", "completed"]
    ends = [leg.ended_at or 0.0 for leg in record.legs]
    assert ends[1] - ends[0] == pytest.approx(10, abs=0.1)


async def test_the_script_of_refer_url_goes_on_with_the_callee_when_the_caller_asks(scene: Scene) -> None:
    call, there = await talking(scene)
    await refer(call, REFER_TO)
    desk = await scene.first.invited()
    call.hangs_up()  # a blind transfer: it does not wait
    await call.hears(200, "BYE")
    assert desk.invite.body == b""  # a leg that we called has offered nothing yet (RFC 3725 §4.4)
    desk.answers(DESK)
    await taken_over(there)
    await desk.receives("ACK")
    await scene.sleeps(10)
    desk.hangs_up()
    await desk.hears(200, "BYE")
    await there.receives("BYE")
    record = await scene.over()
    assert record.status == "completed"
    ends = [leg.ended_at or 0.0 for leg in record.legs]  # who was called first stays to the end
    assert ends[0] == pytest.approx(ends[1], abs=0.1)


async def test_a_target_that_does_not_answer_leaves_the_rest_to_the_script(scene: Scene) -> None:
    call, there = await talking(scene, TO_DESK.replace(" action='/after'", ""))
    await refer(there, REFER_TO)
    desk = await scene.first.invited()
    desk.refuses(486)
    await desk.receives("ACK")
    await call.receives("BYE")  # nothing followed in the script
    assert await fragment(there) == "SIP/2.0 480 Temporarily Unavailable, terminated"
    await there.receives("BYE")
    assert (await scene.over()).status == "completed"


async def test_a_script_may_do_something_else_with_the_call(scene: Scene) -> None:
    call, there = await talking(scene, "<Response><Pause length='3'/><Hangup/></Response>")
    await refer(there, REFER_TO)
    await scene.sleeps(3)
    await call.receives("BYE")
    assert await fragment(there) == "SIP/2.0 480 Temporarily Unavailable, terminated"
    await there.receives("BYE")


async def test_a_transferor_who_leaves_at_once_ends_nothing(scene: Scene) -> None:
    call, there = await talking(scene)
    there.requests("REFER", headers=REFER_TO)
    there.hangs_up()
    await there.hears(202, "REFER")
    await there.receives("NOTIFY")
    await there.hears(200, "BYE")
    desk = await scene.first.invited()
    desk.answers(DESK)
    await desk.receives("ACK")
    await taken_over(call)
    call.hangs_up()
    await call.hears(200, "BYE")
    await desk.receives("BYE")
    record = await scene.over()
    assert [leg.status for leg in record.legs] == ["completed", "completed"]


async def test_a_caller_who_leaves_meanwhile_ends_it_for_all(scene: Scene) -> None:
    call, there = await talking(scene)
    await refer(there, REFER_TO)
    desk = await scene.first.invited()
    desk.rings()
    assert await fragment(there) == "SIP/2.0 180 Said, active"
    call.hangs_up()
    await call.hears(200, "BYE")
    await desk.receives("CANCEL")
    assert await fragment(there) == "SIP/2.0 480 Temporarily Unavailable, terminated"
    await there.receives("BYE")
    await scene.settled()
    assert scene.customer.asked("/after")[0].params["DialCallStatus"] == "canceled"


async def test_refer_url_goes_before_what_the_trunk_says(scene: Scene) -> None:
    _, there = await talking(scene, "<Response><Hangup/></Response>", "trunks: {acme-trunk: {refer: relay}}")
    there.requests("REFER", headers=REFER_TO)
    await there.hears(202, "REFER")
    await scene.settled()
    assert len(scene.customer.asked("/refer")) == 1


async def test_a_party_that_is_on_no_trunk_may_ask_too(scene: Scene) -> None:
    document = REFERRED.replace("+14158675309", "<Sip>sip:bob@198.51.100.1</Sip>")
    call, there = await talking(scene, document=document)
    assert "REFER" in (there.invite.headers.get("allow") or "")
    await refer(there, REFER_TO)
    desk = await scene.first.invited()
    desk.answers(DESK)
    await desk.receives("ACK")
    assert await fragment(there) == "SIP/2.0 200 OK, terminated"
    await there.receives("BYE")
    await taken_over(call)
    call.hangs_up()
    await call.hears(200, "BYE")
    await desk.receives("BYE")


async def test_a_refer_url_that_fails_is_like_any_document_that_fails(scene: Scene) -> None:
    fallback = 'trunks: {acme-trunk: {voice_fallback_url: "http://backup.example.test/fallback"}}'
    call, there = await talking(scene, "nonsense", fallback)
    scene.customer.answers("/fallback", TO_DESK)
    await refer(there, REFER_TO)
    desk = await scene.first.invited()
    assert scene.customer.asked("/fallback")[0].params["ErrorCode"] == "12100"
    desk.answers(DESK)
    await desk.receives("ACK")
    assert await fragment(there) == "SIP/2.0 200 OK, terminated"
    await there.receives("BYE")
    await taken_over(call)
    call.hangs_up()
    await call.hears(200, "BYE")
    await desk.receives("BYE")


@pytest.mark.parametrize(
    ("headers", "status"),
    [
        ([], 400),
        (["Refer-To: <sip:a@b.example?Replaces=x%40y%3Bto-tag%3D1%3Bfrom-tag%3D2>"], 501),
        (["Refer-To: <sip:a@b.example;method=BYE>"], 501),
        (["Refer-To: <sip:" + "a" * 260 + "@b.example>"], 400),
    ],
    ids=["to nobody", "attended", "no INVITE", "too long"],
)
async def test_what_no_script_could_carry_out_is_refused_and_the_two_go_on(
    scene: Scene, headers: list[str], status: int
) -> None:
    call, there = await talking(scene)
    there.requests("REFER", headers=headers)
    await there.hears(status, "REFER")
    assert scene.customer.asked("/refer") == []
    call.hangs_up()
    await call.hears(200, "BYE")
    await there.receives("BYE")


async def test_without_refer_url_and_without_a_setting_of_the_trunk_the_call_goes_on_with_13802(
    scene: Scene,
) -> None:
    scene.starts()
    call, there = await scene.talking()
    there.requests("REFER", headers=REFER_TO)
    await there.hears(405, "REFER")
    await scene.sleeps(10)
    call.hangs_up()
    await call.hears(200, "BYE")
    await there.receives("BYE")
    await scene.over()
    assert scene.codes() == [13802]
    assert [alert.code for alert in scene.alerts] == [13802]


async def test_a_refer_url_cannot_name_a_function_of_the_configuration(scene: Scene) -> None:
    document = REFERRED.replace("refer?step=1", "python:os:abort")
    scene.starts(twiml=document)
    call = scene.caller.calls()
    await call.hears(180)
    assert ((await call.hears(500)).headers.get("x-byoc-error") or "").startswith("11100 ")


async def test_the_application_may_be_asked_with_get(scene: Scene) -> None:
    document = REFERRED.replace("<Dial ", "<Dial referMethod='GET' ")
    call, there = await talking(scene, "<Response><Hangup/></Response>", document=document)
    there.requests("REFER", headers=["Refer-To: <tel:+1-415-555-0100>"])
    await there.hears(202, "REFER")
    await call.receives("BYE")
    (asked,) = scene.customer.asked("/refer")
    assert (asked.method, asked.params["step"]) == ("GET", "1")
    assert asked.params["ReferTransferTarget"] == "tel:+1-415-555-0100"
