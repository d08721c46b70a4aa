"""What is written down about a call, and what never is."""

import errno
import json

import pytest

from byoc_proxy.storage.record import CallRecord
from tests.support.build import OFFER, TOKEN, TRUNK, WALL, Scene, account_sid
from tests.support.carrier import credentials

PASSWORD = "Correct-Horse-7"
CREDENTIALS = f"""
credential_lists: {{sbcs: {{credentials: [{{username: sbc1, password: {PASSWORD}}}]}}}}
domains: {{acme: {{credential_lists: [sbcs]}}}}
"""
SIP_WITH_PASSWORD = """
<Response><Dial><Sip username="u" password="P4ss-of-Far-End">sip:bob@198.51.100.1</Sip></Dial></Response>
"""


def stages(record: CallRecord) -> list[str]:
    return list(record.stages)


async def test_a_bridged_call_has_one_record_with_its_stages_attempts_and_end(scene: Scene) -> None:
    scene.starts()
    call, there = await scene.talking()
    await scene.sleeps(30)
    there.hangs_up()
    await there.hears(200, "BYE")
    await call.receives("BYE")
    record = await scene.over()
    assert stages(record) == ["received", "ringing", "webhook", "dialling", "answered", "acknowledged", "ended"]
    assert (record.status, record.sip_status, record.ended_by, record.cause) == ("completed", 200, "callee", "BYE")
    assert (record.account_sid, record.trunk_sid, record.domain) == (account_sid(), TRUNK, "acme.sip.example.test")
    assert (record.caller, record.called, record.source) == ("+15550100", "+14158675309", "UDP 203.0.113.8:5060")
    assert record.call_id == call.call_id
    attempt = record.attempts[0]
    assert (attempt.target, attempt.call_id, attempt.status) == ("sip:198.51.100.1", there.call_id, 200)
    assert attempt.call_sid != record.call_sid
    assert attempt.started_at == WALL


async def test_times_in_the_record_are_those_of_the_call(scene: Scene) -> None:
    scene.starts()
    scene.customer.answers("/voice", "<Response><Dial>+14158675309</Dial></Response>", delay=1.5)
    call, there = await scene.talking()
    await scene.sleeps(10)
    call.hangs_up()
    await there.receives("BYE")
    record = await scene.over()
    assert record.webhooks[0].duration == 1.5
    assert record.stages["dialling"] - record.stages["received"] == 1.5
    written = json.loads(json.dumps(record.as_dict()))
    assert written["stages"]["received"] == "2025-10-09T08:53:20.000Z"
    assert written["attempts"][0]["started_at"] == "2025-10-09T08:53:21.500Z"
    assert record.duration == pytest.approx(10, abs=0.001)


async def test_a_reason_in_the_bye_is_the_cause_in_the_record(scene: Scene) -> None:
    scene.starts()
    call, there = await scene.talking()
    call.hangs_up(['Reason: Q.850;cause=16;text="Normal call clearing"'])
    await call.hears(200, "BYE")
    await there.receives("BYE")
    assert (await scene.over()).cause == 'Q.850;cause=16;text="Normal call clearing"'


async def test_no_secret_is_in_the_records_or_in_the_log(scene: Scene) -> None:
    scene.starts(CREDENTIALS)
    scene.customer.answers("/voice", SIP_WITH_PASSWORD, set_cookies=("session=c00kie-secret",))
    call = scene.caller.calls()
    challenge = (await call.hears(407)).headers.get("proxy-authenticate") or ""
    answer = credentials(challenge, "sbc1", PASSWORD, call.target)
    call.invites(OFFER, [f"Proxy-Authorization: {answer}"])
    await call.hears(180)
    there = await scene.first.invited()
    there.refuses(401, headers=['WWW-Authenticate: Digest realm="b", nonce="n", qop="auth"'])
    await there.receives("ACK")
    sent = (await there.receives("INVITE")).headers.get("authorization") or ""
    there.refuses(486)
    await call.hears(486)
    await scene.settled()
    written = json.dumps(scene.record.as_dict()) + str(scene.logged)
    responses = [text.split('response="')[1][:32] for text in (answer, sent)]
    for secret in (TOKEN, PASSWORD, "P4ss-of-Far-End", "c00kie-secret", "a-secret-of-the-tests", *responses):
        assert secret not in written


async def test_every_attempt_is_in_the_record_with_code_reason_and_uri(scene: Scene) -> None:
    scene.starts()
    scene.first.is_silent()
    call = scene.caller.calls()
    await call.hears(180)
    (await scene.second.invited()).refuses(500, "Gateway on Fire")
    await call.hears(500)
    record = await scene.over()
    assert [(each.target, each.outcome, each.status, each.reason, each.code) for each in record.attempts] == [
        ("sip:198.51.100.1", "no reply", None, "nothing heard for 4 s", 32011),
        ("sip:198.51.100.2", "refused", 500, "Gateway on Fire", 32011),
    ]
    assert record.events[0].text == "BYOC Trunk routing failure: 500 Gateway on Fire"


async def test_a_reason_phrase_of_any_bytes_is_written_as_text(scene: Scene) -> None:
    scene.starts()
    call = scene.caller.calls()
    await call.hears(180)
    (await scene.first.invited()).refuses(486, "Occup\u00e9 \u2603")
    response = await call.hears(486)
    assert response.reason == "Occup\u00e9 \u2603"
    assert json.loads(json.dumps((await scene.over()).as_dict()))["attempts"][0]["reason"] == "Occup\u00e9 \u2603"


async def test_one_log_line_per_decision_carries_the_sids_of_both_legs(scene: Scene) -> None:
    scene.starts()
    call, there = await scene.talking()
    call.hangs_up()
    await there.receives("BYE")
    record = await scene.over()
    names = [each["event"] for each in scene.logged]
    for name in ("call.admitted", "webhook.answered", "dial.started", "attempt.ended", "call.ended"):
        assert names.count(name) == 1
    assert {each["call_sid"] for each in scene.logged if each["event"].startswith("call.")} == {record.call_sid}
    assert scene.events("call.ended")[0]["sip_call_ids"] == [there.call_id]


async def test_what_is_known_of_a_call_is_kept_when_it_is_admitted_and_when_it_is_answered(
    scene: Scene, monkeypatch: pytest.MonkeyPatch
) -> None:
    scene.starts()
    kept: list[tuple[list[str], str, list[str]]] = []

    def keep(record: CallRecord) -> None:
        kept.append((stages(record), record.status, [attempt.outcome for attempt in record.attempts]))

    monkeypatch.setattr(scene.store, "keep", keep)
    call, there = await scene.talking()
    call.hangs_up()
    await there.receives("BYE")
    await scene.over()
    assert kept == [
        (["received"], "ringing", []),
        (["received", "ringing", "webhook", "dialling", "answered"], "in-progress", ["answered"]),
    ]


async def test_a_disk_that_keeps_nothing_ends_no_call(scene: Scene, monkeypatch: pytest.MonkeyPatch) -> None:
    scene.starts()

    def full(_: CallRecord) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(scene.store, "keep", full)
    call, there = await scene.talking()
    call.hangs_up()
    await there.receives("BYE")
    assert (await scene.over()).status == "completed"
    assert len(scene.events("record.not_kept")) == 2


async def test_each_noun_of_a_dial_is_a_leg_with_a_callsid_of_its_own(scene: Scene) -> None:
    scene.starts()
    call, there = await scene.talking()
    (record,) = scene.store.live.values()
    assert (record.legs[0].status, record.legs[0].answered_at, record.legs[0].ended_at) == (
        "in-progress",
        WALL,
        None,
    )
    await scene.sleeps(30)
    there.hangs_up()
    await there.hears(200, "BYE")
    await call.receives("BYE")
    leg = (await scene.over()).legs[0]
    assert leg.call_sid == scene.record.attempts[0].call_sid
    assert (leg.trunk_sid, leg.caller, leg.called) == (TRUNK, "+15550100", "+14158675309")
    assert leg.status == "completed"
    assert leg.ended_at == pytest.approx(WALL + 30, abs=0.001)
    written = json.loads(json.dumps(scene.record.as_dict()))["legs"][0]
    assert (written["from"], written["to"], written["status"]) == ("+15550100", "+14158675309", "completed")
    assert written["answered_at"] == "2025-10-09T08:53:20.000Z"


async def test_a_leg_has_one_callsid_over_all_of_its_attempts(scene: Scene) -> None:
    scene.starts()
    scene.first.is_silent()
    call = scene.caller.calls()
    await call.hears(180)
    (await scene.second.invited()).refuses(486)
    await call.hears(486)
    record = await scene.over()
    assert [leg.status for leg in record.legs] == ["busy"]
    assert [attempt.call_sid for attempt in record.attempts] == [record.legs[0].call_sid] * 2


async def test_a_leg_that_rang_for_too_long_is_no_answer(scene: Scene) -> None:
    scene.starts(twiml='<Response><Dial timeout="20"><Number>+14158675309</Number></Dial></Response>')
    call = scene.caller.calls()
    await call.hears(180)
    (await scene.first.invited()).rings()
    await call.hears(480)
    assert [leg.status for leg in (await scene.over()).legs] == ["no-answer"]


async def test_a_leg_that_the_caller_gave_up_is_canceled(scene: Scene) -> None:
    scene.starts()
    call = scene.caller.calls()
    await call.hears(180)
    (await scene.first.invited()).rings()
    await scene.settled()
    call.cancels()
    await call.hears(200, "CANCEL")
    await call.hears(487)
    record = await scene.over()
    assert (record.status, [leg.status for leg in record.legs]) == ("no-answer", ["canceled"])


async def test_a_leg_without_a_free_line_has_failed_at_once(scene: Scene) -> None:
    scene.starts("trunks: {acme-trunk: {max_calls: 1}}")
    call = scene.caller.calls()
    await call.hears(180)
    await call.hears(480)
    leg = (await scene.over()).legs[0]
    assert (leg.status, leg.started_at, leg.ended_at, leg.answered_at) == ("failed", WALL, WALL, None)


async def test_a_leg_to_a_sip_uri_is_called_by_that_without_its_headers(scene: Scene) -> None:
    scene.starts(twiml="<Response><Dial><Sip>sip:bob:s3cret@198.51.100.1?X-a=1</Sip></Dial></Response>")
    call, _ = await scene.talking()
    call.hangs_up()
    leg = (await scene.over()).legs[0]
    assert (leg.trunk_sid, leg.called) == (None, "sip:bob@198.51.100.1")
