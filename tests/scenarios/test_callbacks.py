"""Status callbacks: who is told what, in which order, and what happens when nobody listens."""

import asyncio
import json
from email.utils import parsedate_to_datetime
from typing import Any

import pytest
from twilio.request_validator import RequestValidator

from byoc_proxy.call import waiting_room
from byoc_proxy.storage.notice import Notice, Subscription
from byoc_proxy.twiml.interpreter import Entry
from byoc_proxy.twiml.verbs import StatusCallback
from byoc_proxy.webhook.client import Webhooks
from byoc_proxy.webhook.turns import NOTICES_PER_ORIGIN
from tests.support.build import DIAL, HELD, TOKEN, TRUNK, WALL, Scene, account_sid, sdp
from tests.support.customer import Asked

STATUS = "http://app.example.test/status"
TRUNKS = f'trunks: {{acme-trunk: {{status_callback_url: "{STATUS}"}}}}'
REJECT = "<Response><Reject reason='busy'/></Response>"
CHILD = "http://app.example.test/child"


def trunk(extra: str) -> str:
    return f'trunks: {{acme-trunk: {{status_callback_url: "{STATUS}", {extra}}}}}'


def listens(scene: Scene, path: str = "/status", **how: object) -> None:
    scene.customer.answers(path, "thank you", content_type="text/plain", **how)  # type: ignore[arg-type]


def told(scene: Scene, path: str = "/status", name: str = "CallStatus") -> list[str]:
    return [asked.params[name] for asked in scene.customer.asked(path)]


async def refused(scene: Scene) -> list[Asked]:
    """A call that the script refuses with busy; what its subscriber was told."""
    call = scene.caller.calls()
    await call.hears(180)
    await call.hears(486)
    await scene.settled()
    return scene.customer.asked("/status")


# --- who is told what ----------------------------------------------------------------------------------------


async def test_s38_a_trunk_is_told_initiated_ringing_answered_and_completed_once_each_in_order(
    scene: Scene,
) -> None:
    scene.starts(TRUNKS)
    listens(scene)
    call, there = await scene.talking()
    await scene.sleeps(61)
    call.hangs_up()
    await there.receives("BYE")
    record = await scene.over()
    assert told(scene) == ["initiated", "ringing", "in-progress", "completed"]
    assert told(scene, name="SequenceNumber") == ["0", "1", "2", "3"]
    first, last = scene.customer.asked("/status")[0].params, scene.customer.asked("/status")[-1].params
    assert (first["CallSid"], first["AccountSid"], first["ByocTrunkSid"]) == (record.call_sid, account_sid(), TRUNK)
    assert (first["Direction"], first["From"], first["To"]) == ("inbound", "+15550100", "+14158675309")
    assert {first["CallbackSource"], last["CallbackSource"]} == {"call-progress-events"}
    assert not {"CallDuration", "SipResponseCode"} & first.keys()
    assert (last["CallDuration"], last["Duration"], last["SipResponseCode"]) == ("61", "2", "200")
    assert parsedate_to_datetime(first["Timestamp"]).timestamp() == WALL


async def test_the_list_of_a_trunk_narrows_what_it_is_told(scene: Scene) -> None:
    narrow = trunk("status_callback_events: [ringing, completed], status_callback_method: GET")
    scene.starts(narrow, twiml=REJECT)
    listens(scene)
    (ringing, completed) = await refused(scene)
    assert (ringing.method, ringing.params["CallStatus"], ringing.params["SequenceNumber"]) == (
        "GET",
        "ringing",
        "0",
    )
    assert (completed.params["CallStatus"], completed.params["SequenceNumber"]) == ("busy", "1")
    assert (completed.params["SipResponseCode"], completed.params["CallDuration"]) == ("486", "0")


async def test_a_trunk_without_a_status_callback_url_is_told_nothing(scene: Scene) -> None:
    scene.starts(twiml=REJECT)
    assert await refused(scene) == []
    assert [request.url for request in scene.customer.requests] == ["http://app.example.test/voice"]


async def test_a_noun_is_told_of_its_own_leg_and_by_default_only_of_the_end(scene: Scene) -> None:
    noun = '<Number statusCallback="child?n=1">+14158675309</Number>'
    scene.starts(twiml=f"<Response><Dial>{noun}</Dial></Response>")
    listens(scene, "/child")
    call, there = await scene.talking()
    there.hangs_up()
    await call.receives("BYE")
    record = await scene.over(1)
    (asked,) = scene.customer.asked("/child")
    assert asked.url == f"{CHILD}?n=1"  # as relative to the document as every URL in it
    assert asked.params["CallSid"] == record.legs[0].call_sid
    assert (asked.params["ParentCallSid"], asked.params["Direction"]) == (record.call_sid, "outbound-dial")
    assert (asked.params["CallStatus"], asked.params["SequenceNumber"]) == ("completed", "0")


@pytest.mark.parametrize("noun", ["Number", "Sip"])
async def test_a_noun_is_told_of_the_events_that_it_asks_for(scene: Scene, noun: str) -> None:
    events = "initiated ringing answered completed"
    who = "+14158675309" if noun == "Number" else "sip:ann@198.51.100.1"
    attributes = f'statusCallback="{CHILD}" statusCallbackMethod="GET" statusCallbackEvent="{events}"'
    scene.starts(twiml=f"<Response><Dial><{noun} {attributes}>{who}</{noun}></Dial></Response>")
    listens(scene, "/child")
    call = scene.caller.calls()
    await call.hears(180)
    there = await scene.first.invited()
    there.rings()
    there.answers()
    await there.receives("ACK")
    await call.hears(200)
    call.acks()
    call.hangs_up()
    await scene.over(1)
    assert told(scene, "/child") == ["initiated", "ringing", "in-progress", "completed"]
    assert {asked.method for asked in scene.customer.asked("/child")} == {"GET"}


async def test_a_phone_that_nobody_takes_is_told_as_no_answer_with_487(scene: Scene) -> None:
    noun = f'<Number statusCallback="{CHILD}">+14158675309</Number>'
    scene.starts(twiml=f'<Response><Dial timeout="5">{noun}</Dial></Response>')
    listens(scene, "/child")
    call = scene.caller.calls()
    await call.hears(180)
    (await scene.first.invited()).rings()
    await call.hears(480)
    await scene.settled()
    (asked,) = scene.customer.asked("/child")
    assert (asked.params["CallStatus"], asked.params["SipResponseCode"]) == ("no-answer", "487")
    assert (asked.params["CallDuration"], asked.params["Duration"]) == ("0", "0")


PAUSE = '<Response><Pause length="60"/></Response>'
ALL = ("initiated", "ringing", "answered", "completed")


async def test_who_asked_for_a_call_over_the_api_is_told_and_the_trunk_is_not(scene: Scene) -> None:
    scene.starts(TRUNKS)
    listens(scene)
    listens(scene, "/child")
    call = scene.places(PAUSE, callback=StatusCallback(CHILD, "POST", ALL))
    there = await scene.first.invited()
    there.rings()
    there.answers(HELD)
    await there.receives("ACK")
    await scene.sleeps(10)
    assert call.end()
    await there.receives("BYE")
    await scene.over(1)
    assert told(scene, "/child") == ["initiated", "ringing", "in-progress", "completed"]
    assert set(told(scene, "/child", "Direction")) == {"outbound-api"}
    assert scene.customer.asked("/status") == []  # a trunk hears of what comes in


async def test_by_default_only_the_end_of_a_call_of_the_api_is_told(scene: Scene) -> None:
    scene.starts()
    listens(scene, "/child")
    scene.places(PAUSE, callback=StatusCallback(CHILD))
    (await scene.first.invited()).refuses(486)
    await scene.over(1)
    (asked,) = scene.customer.asked("/child")
    assert (asked.params["CallStatus"], asked.params["SipResponseCode"]) == ("busy", "486")
    assert (asked.params["SequenceNumber"], asked.params["CallDuration"]) == ("0", "0")


async def test_a_call_that_is_canceled_while_it_is_queued_tells_nobody(scene: Scene) -> None:
    scene.starts()
    listens(scene, "/child")
    queued = scene.node.switchboard.place(scene.new_call(PAUSE, callback=StatusCallback(CHILD, "POST", ALL)))
    await scene.sleeps(1)
    assert queued.cancel()
    assert (await scene.over(1)).status == "canceled"
    assert scene.customer.requests == []


async def test_a_call_owes_its_end_from_the_moment_that_it_is_promised_and_the_record_does_not_say_so(
    scene: Scene,
) -> None:
    scene.starts()
    new = scene.new_call(PAUSE, callback=StatusCallback(CHILD))
    record = scene.node.switchboard.draft(new)
    assert record.owed is not None
    last = Subscription.read(record.call_sid, record.account_sid, record.owed)
    assert (last.url, dict(last.parameters)["Direction"]) == (CHILD, "outbound-api")
    call = scene.node.switchboard.place(new, record)
    call.cancel()
    await scene.over(1)
    assert record.owed is None
    assert "owed" not in record.as_dict()


async def test_a_call_that_is_canceled_while_it_rings_is_told_as_canceled(scene: Scene) -> None:
    scene.starts()
    listens(scene, "/child")
    ringing = scene.places(PAUSE, callback=StatusCallback(CHILD))
    (await scene.first.invited()).rings()
    await scene.settled()
    assert ringing.cancel()
    await scene.over(1)
    (asked,) = scene.customer.asked("/child")
    assert (asked.params["CallStatus"], asked.params["SipResponseCode"]) == ("canceled", "487")


async def test_a_queued_call_of_a_node_that_stops_is_told_to_have_failed(scene: Scene) -> None:
    scene.starts()
    listens(scene, "/child")
    scene.node.switchboard.place(scene.new_call(PAUSE, callback=StatusCallback(CHILD)))
    await scene.node.stop(5)
    assert told(scene, "/child") == ["failed"]


async def test_a_dialled_leg_that_is_redirected_tells_its_end_once_and_when_it_ends(scene: Scene) -> None:
    noun = f'<Number statusCallback="{CHILD}">+14158675309</Number>'
    scene.starts(twiml=f'<Response><Dial>{noun}</Dial><Pause length="5"/></Response>')
    listens(scene, "/child")
    call, there = await scene.talking()
    await scene.sleeps(10)
    child = scene.node.switchboard.find(scene.moves[2].facts.call_sid)
    assert child is not None
    assert child.redirect(Entry(PAUSE.encode()))
    for leg in (call, there):  # there is nobody to talk to any more
        await leg.receives("INVITE")
        leg.answers(sdp(leg.carrier.address[0], 6000, "inactive"))
        await leg.receives("ACK")
    await call.receives("BYE")
    await scene.sleeps(20)
    assert scene.customer.asked("/child") == []
    assert child.progress.status == "in-progress"
    there.hangs_up()
    await scene.sleeps(40)
    (asked,) = scene.customer.asked("/child")
    assert (asked.params["CallSid"], asked.params["CallStatus"]) == (child.sid, "completed")
    assert int(asked.params["CallDuration"]) == 10 + 5 + 20


async def test_what_is_not_taken_of_a_dialled_leg_is_in_the_record_of_its_call(scene: Scene) -> None:
    noun = f'<Number statusCallback="{CHILD}" statusCallbackEvent="answered">+14158675309</Number>'
    scene.starts(twiml=f"<Response><Dial>{noun}</Dial></Response>")
    scene.customer.answers("/child", "no", status=410)
    call, there = await scene.talking()
    call.hangs_up()
    await there.receives("BYE")
    record = await scene.over(1)
    assert [event.code for event in record.events] == [15003]
    assert [alert.resource_sid for alert in scene.alerts] == [record.legs[0].call_sid]


async def test_another_url_that_is_named_while_the_call_is_up_is_told_from_then_on(scene: Scene) -> None:
    scene.starts()
    listens(scene)
    listens(scene, "/child")
    call, there = await scene.reaches(PAUSE, callback=StatusCallback(CHILD, "POST", ALL))
    call.progress.callback = StatusCallback(STATUS)
    there.hangs_up()
    await scene.over(1)
    assert told(scene, "/child") == ["initiated", "in-progress"]
    assert [asked.params["SequenceNumber"] for asked in scene.customer.asked("/status")] == ["2"]


async def test_the_official_validator_accepts_every_callback(scene: Scene) -> None:
    scene.starts(trunk("status_callback_events: [initiated, completed]"), twiml=REJECT)
    listens(scene)
    requests = await refused(scene)
    assert len(requests) == 2
    for asked in requests:
        signature = asked.headers["X-Twilio-Signature"]
        assert RequestValidator(TOKEN).validate(asked.url, asked.params, signature)
    assert len({asked.headers["I-Twilio-Idempotency-Token"] for asked in requests}) == 2


async def test_a_sip_noun_of_a_trunk_that_posts_json_is_told_in_json(scene: Scene) -> None:
    noun = f'<Sip statusCallback="{CHILD}">sip:ann@198.51.100.1</Sip>'
    scene.starts("trunks: {acme-trunk: {webhook_format: json}}", f"<Response><Dial>{noun}</Dial></Response>")
    listens(scene, "/child")
    call, there = await scene.talking()
    call.hangs_up()
    await there.receives("BYE")
    await scene.over(1)
    (asked,) = scene.customer.asked("/child")
    assert json.loads(asked.body)["CallStatus"] == "completed"
    assert RequestValidator(TOKEN).validate(asked.url, asked.body.decode(), asked.headers["X-Twilio-Signature"])


async def test_what_the_receiver_answers_means_nothing_to_the_call(scene: Scene) -> None:
    scene.starts(TRUNKS)
    scene.customer.answers("/status", "<Response><Hangup/></Response>")
    call, there = await scene.talking()
    await scene.sleeps(10)
    assert scene.node.switchboard.calls
    call.hangs_up()
    await there.receives("BYE")
    assert (await scene.over()).events == []


# --- when nobody listens -------------------------------------------------------------------------------------


async def test_a_callback_that_is_not_taken_is_told_again_after_pauses_that_double(scene: Scene) -> None:
    scene.starts(trunk("status_callback_events: [completed]"), twiml=REJECT)
    scene.customer.answers("/status", "later", status=503)
    await refused(scene)
    listens(scene, times=0)
    await scene.sleeps(31.9)
    asked = scene.customer.asked("/status")
    assert [round(each.at - asked[0].at) for each in asked] == [0, 1, 3, 7, 15, 31]
    assert len({each.headers["I-Twilio-Idempotency-Token"] for each in asked}) == 1
    assert len({each.body for each in asked}) == 1
    listens(scene)
    await scene.sleeps(400)
    assert len(scene.customer.asked("/status")) == 7
    assert scene.node.callbacks.waiting == 0


async def test_pauses_are_longer_by_chance_so_that_not_all_come_back_at_once(scene: Scene) -> None:
    scene.starts(trunk("status_callback_events: [completed]"), twiml=REJECT)
    scene.draw = lambda: 0.5
    scene.customer.refuses("/status")
    await refused(scene)
    await scene.sleeps(5)
    asked = [each for each in scene.customer.asked("/status") if each.at < 9]
    assert sorted({round(each.at - asked[0].at, 2) for each in asked}) == [0, 1.25, 3.75]


@pytest.mark.parametrize("failure", ["closes its port", "hangs", "answers 500", "answers 429"])
async def test_a_later_callback_of_a_call_waits_for_the_earlier_one(scene: Scene, failure: str) -> None:
    scene.starts(TRUNKS, twiml=REJECT)
    listens(scene)
    match failure:
        case "closes its port":
            scene.customer.refuses("/status", times=4)  # two attempts with one retry of the client each
        case "hangs":
            scene.customer.hangs("/status", times=2)
        case _:
            scene.customer.answers("/status", "no", status=int(failure[-3:]), times=2)
    await refused(scene)
    await scene.sleeps(60)
    order = list(dict.fromkeys(told(scene)))
    assert order == ["initiated", "ringing", "busy"]
    assert told(scene)[-3:] == order
    assert told(scene).count("initiated") >= 3


async def test_an_answer_of_4xx_is_final_and_told_with_15003(scene: Scene) -> None:
    scene.starts(trunk("status_callback_events: [initiated, completed]"))
    scene.customer.answers("/status", "who are you", status=403)
    call, there = await scene.talking()
    call.hangs_up()
    await there.receives("BYE")
    record = await scene.over(10)
    assert told(scene) == ["initiated", "completed"]
    text = f"status callback to {STATUS}: it was answered with 403"
    assert [(event.code, event.text) for event in record.events] == [(15003, text)] * 2
    assert [(alert.code, alert.resource_sid, alert.text) for alert in scene.alerts] == [
        (15003, record.call_sid, text)
    ] * 2
    assert (scene.alerts[0].request_url, scene.alerts[0].request_method) == (STATUS, "POST")


async def test_what_is_not_taken_for_an_hour_is_given_up_and_the_account_is_told(scene: Scene) -> None:
    scene.starts(trunk("status_callback_events: [completed]"), twiml=REJECT)
    scene.customer.refuses("/status")
    (first, *_) = await refused(scene)
    await scene.sleeps(3700)
    asked = scene.customer.asked("/status")
    assert 3200 < asked[-1].at - first.at <= 3600
    assert len(asked) < 50
    assert [alert.text.partition("; ")[2] for alert in scene.alerts] == ["it is tried again", "it was given up"]
    assert len(scene.events("callback.given_up")) == 1
    assert scene.node.callbacks.waiting == 0
    await scene.sleeps(3700)
    assert len(scene.customer.asked("/status")) == len(asked)


async def test_how_long_it_is_tried_is_a_setting(scene: Scene) -> None:
    scene.starts(f"webhooks: {{callback_patience: 10}}\n{TRUNKS}", twiml=REJECT)
    scene.customer.refuses("/status")
    await refused(scene)
    await scene.sleeps(60)
    assert [event["cause"].partition("; ")[2] for event in scene.events("callback.given_up")] == [
        "it was given up"
    ] * 3
    assert list(dict.fromkeys(told(scene))) == ["initiated", "ringing", "busy"]  # each had its chance


@pytest.mark.parametrize("url", ["http://app.example.test/status#rp=sometimes", "http://[::1/status"])
async def test_a_url_that_leads_nowhere_is_not_tried_again(scene: Scene, url: str) -> None:
    noun = f'<Number statusCallback="{url}">+14158675309</Number>'
    scene.starts(twiml=f"<Response><Dial>{noun}</Dial></Response>")
    call, there = await scene.talking()
    there.hangs_up()
    await call.receives("BYE")
    await scene.over(400)
    assert scene.customer.asked("/status") == []
    assert [alert.code for alert in scene.alerts] == [15003]
    assert scene.node.callbacks.waiting == 0


async def test_the_retries_of_the_url_itself_come_within_one_attempt(scene: Scene) -> None:
    scene.starts(TRUNKS.replace("/status", "/status#rc=3&rp=5xx"), twiml=REJECT)
    listens(scene)
    scene.customer.answers("/status", "no", status=500, times=3)
    asked = await refused(scene)
    assert [each.params["CallStatus"] for each in asked] == ["initiated"] * 4 + ["ringing", "busy"]
    assert scene.alerts == []


async def test_no_password_of_a_callback_url_is_logged_or_told(scene: Scene) -> None:
    secret = "http://user:s3cret@app.example.test/status?key=t0ken"
    scene.starts(TRUNKS.replace(STATUS, secret), twiml=REJECT)
    scene.customer.answers("/status", "no", status=404)
    await refused(scene)
    everything = f"{scene.logged}{scene.alerts}{scene.record.as_dict()}"
    assert len(scene.alerts) == 3
    assert "s3cret" not in everything
    assert "t0ken" not in everything


# --- one receiver and the others -----------------------------------------------------------------------------


async def test_a_receiver_that_hangs_delays_nobody_elses_callbacks_and_no_call(scene: Scene) -> None:
    scene.starts("limits: {max_calls: 1000}\n" + trunk("status_callback_events: [completed]"), twiml=REJECT)
    dead = "http://dead.example.test/status"
    scene.customer.hangs(dead)
    listens(scene)
    other = trunk("status_callback_events: [completed]").replace(STATUS, dead)
    scene.reloads("limits: {max_calls: 1000}\n" + other)
    for number in range(5 * NOTICES_PER_ORIGIN):
        call = scene.caller.calls(user=f"+1555{number:04}")
        await call.hears(180)
        await call.hears(486)
    await scene.settled()
    scene.reloads("limits: {max_calls: 1000}\n" + trunk("status_callback_events: [completed]"))
    before = scene.now
    await refused(scene)
    lively = [each for each in scene.customer.asked("/status") if each.url == STATUS]
    assert len(lively) == 1
    assert lively[0].at - before < 0.2
    waiting = [each for each in scene.customer.asked("/status") if each.url == dead]
    assert len(waiting) == NOTICES_PER_ORIGIN  # the others wait for a place


async def test_what_there_is_no_room_for_is_dropped_the_oldest_first_and_told(
    scene: Scene, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(waiting_room, "MOST", 5)
    scene.starts(TRUNKS, twiml=REJECT)
    scene.customer.refuses("/status")
    for _ in range(3):
        await refused(scene)
    assert scene.node.callbacks.waiting == 5
    dropped = [alert.text for alert in scene.alerts if "too many" in alert.text]
    assert dropped == [f"status callback to {STATUS}: it was given up: too many others wait"] * 4
    assert len(scene.events("callbacks.dropped")) == 1
    listens(scene)
    arrived = len(scene.customer.requests)
    await scene.sleeps(400)
    assert [asked.params["CallStatus"] for asked in scene.customer.requests[arrived:]].count("busy") == 2
    assert scene.node.callbacks.waiting == 0


async def test_a_bug_in_one_delivery_costs_no_other_call_and_no_other_callback(
    scene: Scene, monkeypatch: pytest.MonkeyPatch
) -> None:
    scene.starts(TRUNKS, twiml=REJECT)
    scene.tolerant = True
    listens(scene)
    notify = Webhooks.notify
    calls: list[str] = []

    async def fails_at_first(self: Webhooks, *asked: Any) -> int:
        calls.append(dict(asked[2])["CallSid"])
        if calls[-1] == calls[0]:
            raise ZeroDivisionError
        return await notify(self, *asked)

    monkeypatch.setattr(Webhooks, "notify", fails_at_first)
    await refused(scene)
    await refused(scene)
    assert told(scene) == ["initiated", "ringing", "busy"]
    assert len(set(calls)) == 2
    assert scene.node.callbacks.waiting == 0
    assert "ZeroDivisionError" in scene.events("callbacks.crashed")[0]["exception"]


async def test_a_callback_whose_account_is_gone_is_given_up(scene: Scene) -> None:
    scene.starts()
    scene.node.callbacks.post(Notice("token", "CA1", "AC" + "9" * 32, STATUS, "POST", [("CallSid", "CA1")], WALL))
    await scene.settled()
    assert scene.customer.asked("/status") == []
    assert [event["cause"] for event in scene.events("callback.given_up")] == ["its account is gone"]
    assert scene.node.callbacks.waiting == 0


# --- the end of the node -------------------------------------------------------------------------------------


async def test_a_node_that_stops_tells_how_its_last_calls_ended(scene: Scene) -> None:
    scene.starts(TRUNKS)
    listens(scene, delay=2)
    await scene.talking()
    await scene.sleeps(10)
    await scene.node.stop(1)
    assert told(scene) == ["initiated", "ringing", "in-progress", "completed"]
    assert scene.events("callbacks.left_behind") == []


async def test_a_node_that_stops_waits_for_a_dead_receiver_only_for_so_long_and_says_what_is_lost(
    scene: Scene,
) -> None:
    scene.starts(TRUNKS, twiml=DIAL)
    scene.customer.hangs("/status")
    await scene.talking()
    await scene.sleeps(1)
    started = scene.now
    await scene.node.stop(1)
    assert scene.now - started < 1 + 5 + 33
    (left,) = scene.events("callbacks.left_behind")
    assert (left["callbacks"], left["text"]) == (4, "they are lost: there is no database")


async def test_a_node_that_is_hurried_does_not_wait_for_a_receiver(scene: Scene) -> None:
    scene.starts(TRUNKS, twiml=REJECT)
    scene.customer.hangs("/status")
    await refused(scene)
    await scene.sleeps(40)
    stopping = asyncio.ensure_future(scene.node.stop(30))
    await scene.sleeps(1)
    assert not stopping.done()
    scene.node.hurry()
    started = scene.now
    await stopping
    assert scene.now - started < 0.1
    assert len(scene.events("callbacks.left_behind")) == 1


async def test_a_node_without_callbacks_to_deliver_stops_at_once(scene: Scene) -> None:
    scene.starts()
    started = scene.now
    await asyncio.wait_for(scene.node.stop(0), 1)
    assert scene.now - started < 0.1
