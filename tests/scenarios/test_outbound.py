"""Calls that the API asks for: queued, rung, answered with nobody to talk to yet, and scripted."""

import pytest

from byoc_proxy.call.switchboard import NotTaken
from byoc_proxy.sip.digest_client import Credentials
from byoc_proxy.sip.sdp import describe
from byoc_proxy.twiml.interpreter import Entry, ScriptRequest
from tests.support.build import HELD, TRUNK, Scene

PAUSE = '<Response><Pause length="100"/></Response>'
FULL = ["queued", "initiated", "ringing", "in-progress", "completed"]


async def test_a_call_of_the_api_rings_and_runs_its_script_when_it_is_answered(scene: Scene) -> None:
    scene.starts()
    scene.customer.answers("/hello", '<Response><Pause length="10"/></Response>')
    scene.places(entry=Entry(ScriptRequest("http://app.example.test/hello")))
    there = await scene.first.invited()
    assert there.invite.uri_text == "sip:+14155551212@198.51.100.1"
    assert "+15550100" in (there.invite.headers.get("from") or "")
    assert there.invite.headers.get("max-forwards") == "70"
    offer = describe(there.invite.body)
    assert [(media.direction, offer.address) for media in offer.media] == [("inactive", "192.0.2.1")]
    there.rings()
    await scene.sleeps(2)
    assert scene.customer.requests == []  # nobody has answered yet
    there.answers(HELD)
    await there.receives("ACK")
    await scene.settled()
    asked = scene.customer.asked("/hello")[0].params
    told = (asked["CallStatus"], asked["Direction"], asked["From"], asked["To"], asked["ByocTrunkSid"])
    assert told == ("in-progress", "outbound-api", "+15550100", "+14155551212", TRUNK)
    await there.receives("BYE")
    record = await scene.over(1)
    assert (record.status, record.sip_status, record.direction) == ("completed", 200, "outbound-api")
    assert round(record.duration) == 10
    assert (record.source, record.domain_sid, record.call_id) == ("", None, there.call_id)
    assert list(record.stages) == ["queued", "initiated", "ringing", "answered", "webhook", "ended"]
    assert scene.courses() == [FULL]
    assert record.legs == []


async def test_it_is_queued_until_it_is_started(scene: Scene) -> None:
    scene.starts(twiml=PAUSE)
    call = scene.node.switchboard.place(scene.new_call(PAUSE))
    assert call.journal.record.status == "queued"
    await scene.sleeps(30)
    assert scene.first.heard == []
    scene.node.switchboard.start(call)
    there = await scene.first.invited()
    assert call.journal.record.status == "ringing"  # the resource knows no `initiated`
    there.refuses(486)
    record = await scene.over(1)
    stages = record.stages
    assert (record.status, record.sip_status, round(stages["initiated"] - stages["queued"])) == ("busy", 486, 30)


@pytest.mark.parametrize(
    ("code", "status"),
    [(404, "failed"), (408, "no-answer"), (480, "failed"), (486, "busy"), (487, "no-answer"), (603, "busy")],
)
async def test_a_refusal_ends_it_with_the_status_of_its_code(scene: Scene, code: int, status: str) -> None:
    scene.starts("connection_policies: {carriers: {targets: [{target: 'sip:198.51.100.1'}]}}")
    scene.places(PAUSE)
    there = await scene.first.invited()
    there.rings()
    there.refuses(code)
    record = await scene.over(1)
    assert (record.status, record.sip_status) == (status, code)
    assert scene.courses() == [["queued", "initiated", "ringing", status]]


async def test_one_that_nobody_takes_is_cancelled_and_no_answer_with_487(scene: Scene) -> None:
    scene.starts()
    scene.places(PAUSE, timeout=20)
    there = await scene.first.invited()
    there.rings()
    await there.receives("CANCEL")
    assert scene.first.times("CANCEL") == [25.0]  # five seconds more, as the public API rings
    record = await scene.over(1)
    assert (record.status, record.sip_status) == ("no-answer", 487)


async def test_it_follows_the_policy_of_its_trunk_and_fails_with_32400_when_nobody_is_there(scene: Scene) -> None:
    scene.starts()
    scene.first.is_silent()
    scene.second.is_silent()
    scene.places(PAUSE)
    record = await scene.over(10)
    assert (record.status, [each.address for each in record.attempts]) == (
        "failed",
        ["UDP 198.51.100.1:5060", "UDP 198.51.100.2:5060"],
    )
    assert scene.codes() == [32400]
    assert 32400 in [alert.code for alert in scene.alerts]
    assert scene.customer.requests == []


async def test_the_caller_id_is_what_the_called_party_is_told(scene: Scene) -> None:
    scene.starts()
    scene.places(PAUSE, from_="+15550100", caller_id="+15550199")
    there = await scene.first.invited()
    assert "+15550199" in (there.invite.headers.get("from") or "")
    assert "+15550199" in (there.invite.headers.get("p-asserted-identity") or "")
    there.refuses(486)
    assert (await scene.over(1)).caller == "+15550100"


async def test_a_sip_uri_is_called_as_a_sip_noun_would_be(scene: Scene) -> None:
    scene.starts()
    scene.places(PAUSE, to="sip:kate@198.51.100.2?X-hatchkey=4815162342", credentials=Credentials("kate", "Pass-1"))
    there = await scene.second.invited()
    assert there.invite.uri_text == "sip:kate@198.51.100.2"
    assert there.invite.headers.get("x-hatchkey") == "4815162342"
    there.responds(407, headers=['Proxy-Authenticate: Digest realm="r", nonce="n", qop="auth"'])
    again = await there.receives("ACK") and await there.receives("INVITE")
    assert 'username="kate"' in (again.headers.get("proxy-authorization") or "")
    there.answers(HELD)
    await there.receives("ACK")
    there.hangs_up()
    record = await scene.over(1)
    assert (record.status, record.trunk_sid, record.trunk) == ("completed", None, "")
    assert record.called == "sip:kate@198.51.100.2?X-hatchkey=4815162342"


async def test_a_number_in_the_script_of_a_call_on_no_trunk_needs_byoc(scene: Scene) -> None:
    scene.starts()
    twiml = f'<Response><Dial>+14158675309</Dial><Dial><Number byoc="{TRUNK}">+1415</Number></Dial></Response>'
    scene.places(twiml, to="sip:kate@198.51.100.2")
    there = await scene.second.invited()
    there.answers(HELD)
    await there.receives("ACK")
    (await scene.first.invited()).refuses(486)
    await there.receives("BYE")
    record = await scene.over(1)
    assert scene.codes() == [21300]
    assert "byoc" in record.events[0].text


async def test_srtp_cannot_be_offered_by_a_call_that_has_no_other_side_yet(scene: Scene) -> None:
    scene.starts()
    scene.places(PAUSE, to="sip:kate@198.51.100.2;secure=true")
    record = await scene.over(1)
    assert (record.status, scene.codes(), scene.second.heard) == ("failed", [12490], [])


async def test_a_full_trunk_fails_the_call(scene: Scene) -> None:
    scene.starts("trunks: {acme-trunk: {max_calls: 1}}")
    _, there = await scene.reaches(PAUSE)
    scene.places(PAUSE)
    await scene.settled()
    assert [each.status for each in scene.records] == ["failed"]
    assert [event.code for event in scene.record.events] == [10004, 32400]
    there.hangs_up()
    await scene.settled()
    assert scene.node.switchboard.lines.on(TRUNK) == 0


async def test_a_trunk_that_is_gone_when_its_turn_comes_fails_the_call(scene: Scene) -> None:
    scene.starts()
    call = scene.node.switchboard.place(scene.new_call(PAUSE, trunk_sid="BY" + "f" * 32))
    scene.node.switchboard.start(call)
    record = await scene.over(1)
    assert (record.status, scene.codes()) == ("failed", [21300])
    assert scene.courses() == [["queued", "failed"]]


async def test_a_script_that_cannot_be_had_ends_the_answered_call(scene: Scene) -> None:
    scene.starts()
    scene.customer.refuses("/hello")
    _, there = await scene.reaches(entry=Entry(ScriptRequest("http://app.example.test/hello")))
    await there.receives("BYE")
    record = await scene.over(1)
    assert record.status == "completed"
    assert scene.codes() == [11200] or scene.codes()[0] // 100 == 112


async def test_a_bye_right_behind_the_answer_ends_it_before_its_script_begins(scene: Scene) -> None:
    scene.starts()
    scene.places(PAUSE)
    there = await scene.first.invited()
    there.answers(HELD)
    there.hangs_up()
    await there.receives("ACK")
    record = await scene.over(1)
    assert (record.status, record.ended_by) == ("completed", "callee")
    assert scene.courses() == [["queued", "initiated", "in-progress", "completed"]]


async def test_a_node_that_drains_takes_no_call_and_gives_up_those_in_the_queue(scene: Scene) -> None:
    scene.starts()
    scene.node.switchboard.place(scene.new_call(PAUSE))
    await scene.node.switchboard.drain(5)
    record = scene.record
    assert (record.status, record.ended_by) == ("failed", "proxy")
    assert "stopped" in record.cause
    with pytest.raises(NotTaken, match="Draining"):
        scene.node.switchboard.place(scene.new_call(PAUSE))


async def test_a_draining_node_hangs_up_what_still_rings_or_talks(scene: Scene) -> None:
    scene.starts()
    _, there = await scene.reaches(PAUSE)
    scene.places(PAUSE)
    ringing = await scene.first.invited()
    ringing.rings()
    await scene.settled()
    await scene.node.switchboard.drain(5)
    await there.receives("BYE")
    await ringing.receives("CANCEL")
    assert sorted(each.status for each in scene.records) == ["canceled", "completed"]


async def test_a_time_limit_that_is_given_while_it_rings_takes_the_place_of_the_first(scene: Scene) -> None:
    scene.starts()
    call = scene.places(PAUSE, time_limit=300)
    there = await scene.first.invited()
    there.rings()
    await scene.sleeps(10)
    assert call.limit(30)
    await scene.sleeps(10)
    there.answers(HELD)
    await there.receives("ACK")
    await there.receives("BYE")
    assert round(scene.now) == 50
    await scene.over(1)


async def test_the_time_limit_counts_from_the_answer(scene: Scene) -> None:
    scene.starts()
    scene.places(PAUSE, time_limit=30)
    there = await scene.first.invited()
    there.rings()
    await scene.sleeps(20)
    there.answers(HELD)
    await there.receives("ACK")
    await there.receives("BYE")
    assert round(scene.now) == 50
    assert round((await scene.over(1)).duration) == 30
