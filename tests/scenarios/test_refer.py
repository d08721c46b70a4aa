"""`<Refer>`: the far end of the call is asked to call somebody else, and the script hears what came of it."""

import pytest

from byoc_proxy.sip.message import Request
from byoc_proxy.sip.sdp import describe
from tests.support.build import ANSWER, OFFER, CarrierCall, Scene

REFER = "<Response><Refer action='/after'><Sip>sip:alice@desk.example?X-Ticket=a%20b</Sip></Refer></Response>"
TALK_FIRST = REFER.replace("<Response>", "<Response><Dial>+14158675309</Dial>")


def reports(call: CarrierCall, status: int, state: str = "active", event: str = "refer") -> None:
    """One NOTIFY (RFC 3515 §2.4.4)."""
    call.requests(
        "NOTIFY",
        f"SIP/2.0 {status} Said\r\n".encode(),
        [f"Event: {event}", f"Subscription-State: {state}", "Content-Type: message/sipfrag"],
    )


async def referred(scene: Scene, twiml: str = REFER, body: bytes = OFFER) -> tuple[CarrierCall, Request]:
    """A call that is answered only to be referred, and the REFER that it gets."""
    scene.customer.answers("/after", "<Response><Hangup/></Response>")
    scene.starts(twiml=twiml)
    call = scene.caller.calls(body=body)
    await call.hears(180)
    answer = describe((await call.hears(200)).body)
    assert [media.direction for media in answer.media] == ["inactive"]  # nobody is there yet
    call.acks(b"" if body else ANSWER)
    return call, await call.receives("REFER")


def told(scene: Scene) -> dict[str, str]:
    (asked,) = scene.customer.asked("/after")
    names = ("CallStatus", "ReferCallStatus", "ReferSipResponseCode", "NotifySipResponseCode")
    return {name: asked.params[name] for name in names if name in asked.params}


@pytest.mark.parametrize("body", [OFFER, b""], ids=["with an offer", "without an offer"])
async def test_a_caller_is_referred_in_the_dialog_of_its_call(scene: Scene, body: bytes) -> None:
    call, refer = await referred(scene, body=body)
    assert refer.headers.get("refer-to") == "<sip:alice@desk.example?X-Ticket=a%20b>"
    assert refer.call_id == call.call_id
    call.responds(202, to=refer)
    reports(call, 100)
    await call.hears(200, "NOTIFY")
    await scene.sleeps(10)
    assert scene.customer.asked("/after") == []
    reports(call, 200, "terminated;reason=noresource")
    await call.hears(200, "NOTIFY")
    await call.receives("BYE")
    assert told(scene) == {
        "CallStatus": "in-progress",
        "ReferCallStatus": "in-progress",
        "ReferSipResponseCode": "202",
        "NotifySipResponseCode": "200",
    }
    record = await scene.over()
    assert record.status == "completed"
    assert "the caller was referred to sip:alice@desk.example?X-Ticket=a%20b: in-progress" in record.decisions


async def test_a_refer_after_a_conversation_goes_to_the_caller_who_stayed(scene: Scene) -> None:
    scene.customer.answers("/after", "<Response/>")
    scene.starts(twiml=TALK_FIRST)
    call, there = await scene.talking()
    there.hangs_up()
    await there.hears(200, "BYE")
    refer = await call.receives("REFER")
    call.responds(202, to=refer)
    reports(call, 200, "terminated")
    await call.hears(200, "NOTIFY")
    await call.receives("BYE")
    assert told(scene)["ReferCallStatus"] == "in-progress"


async def test_without_an_action_the_call_ends_after_a_last_refer(scene: Scene) -> None:
    call, refer = await referred(scene, REFER.replace(" action='/after'", ""))
    call.responds(202, to=refer)
    reports(call, 200, "terminated")
    await call.hears(200, "NOTIFY")
    await call.receives("BYE")
    assert (await scene.over()).status == "completed"


async def test_without_an_action_the_next_verb_follows(scene: Scene) -> None:
    twiml = REFER.replace(" action='/after'", "").replace("</Refer>", "</Refer><Redirect>/after</Redirect>")
    call, refer = await referred(scene, twiml)
    call.responds(405, to=refer)
    await call.receives("BYE")
    assert len(scene.customer.asked("/after")) == 1


@pytest.mark.parametrize("status", [405, 403, 501])
async def test_a_far_end_that_takes_no_refer_is_a_failed_refer(scene: Scene, status: int) -> None:
    call, refer = await referred(scene)
    call.responds(status, to=refer)
    await call.receives("BYE")
    assert told(scene) == {
        "CallStatus": "in-progress",
        "ReferCallStatus": "failed",
        "ReferSipResponseCode": str(status),
    }


@pytest.mark.parametrize(("status", "said"), [(486, "busy"), (603, "busy"), (404, "failed"), (408, "no-answer")])
async def test_what_the_last_report_says_is_how_the_refer_went(scene: Scene, status: int, said: str) -> None:
    call, refer = await referred(scene)
    call.responds(202, to=refer)
    reports(call, status, "terminated")
    await call.hears(200, "NOTIFY")
    await call.receives("BYE")
    assert told(scene)["ReferCallStatus"] == said
    assert told(scene)["NotifySipResponseCode"] == str(status)


async def test_a_report_may_overtake_the_response(scene: Scene) -> None:
    call, refer = await referred(scene)
    reports(call, 200, "terminated")
    await call.hears(200, "NOTIFY")
    call.responds(202, to=refer)
    await call.receives("BYE")
    assert told(scene)["ReferCallStatus"] == "in-progress"


async def test_reports_that_end_without_a_final_one_are_a_failure(scene: Scene) -> None:
    call, refer = await referred(scene)
    call.responds(202, to=refer)
    reports(call, 180, "terminated;reason=timeout")
    await call.hears(200, "NOTIFY")
    await call.receives("BYE")
    assert told(scene)["ReferCallStatus"] == "failed"


async def test_a_far_end_that_says_nothing_more_is_waited_for_two_minutes(scene: Scene) -> None:
    call, refer = await referred(scene)
    call.responds(202, to=refer)
    await call.receives("BYE")
    assert scene.caller.times("BYE") == [pytest.approx(120, abs=0.1)]
    assert told(scene)["ReferCallStatus"] == "no-answer"


async def test_a_refer_that_nobody_answers_is_a_failure(scene: Scene) -> None:
    call, _ = await referred(scene)
    scene.caller.is_silent()
    await scene.sleeps(100)
    assert told(scene) == {"CallStatus": "in-progress", "ReferCallStatus": "failed"}


async def test_a_caller_who_leaves_meanwhile_is_a_cancelled_refer_and_the_action_hears_of_it(scene: Scene) -> None:
    call, refer = await referred(scene)
    call.responds(202, to=refer)
    call.hangs_up()
    await call.hears(200, "BYE")
    record = await scene.over()
    assert told(scene) == {"CallStatus": "completed", "ReferCallStatus": "canceled", "ReferSipResponseCode": "202"}
    assert (record.status, record.ended_by) == ("completed", "caller")


async def test_other_requests_of_a_leg_that_is_referred_are_not_taken(scene: Scene) -> None:
    call, refer = await referred(scene)
    call.responds(202, to=refer)
    call.requests("INFO")
    await call.hears(405, "INFO")
    reports(call, 200, event="presence")
    await call.hears(489, "NOTIFY")
    reports(call, 200, "terminated")
    await call.hears(200, "NOTIFY")
    await call.receives("BYE")


async def test_an_offer_that_cannot_be_read_is_refused_before_anybody_is_referred(scene: Scene) -> None:
    scene.starts(twiml=REFER)
    call = scene.caller.calls(body=b"this is no SDP\r\n")
    await call.hears(180)
    assert (await call.hears(488)).headers.get("x-byoc-error") == "32102 Bad SDP"
