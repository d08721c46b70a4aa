"""What the application is asked about a call, and what happens when it does not answer."""

import json
from collections.abc import Callable

import pytest
from twilio.request_validator import RequestValidator

from byoc_proxy.webhook.turns import DOCUMENTS_PER_ORIGIN
from tests.support.build import DIAL, TOKEN, TRUNK, VOICE, Scene, account_sid

FALLBACK = 'trunks: {acme-trunk: {voice_fallback_url: "http://backup.example.test/fallback"}}'
REJECT = "<Response><Reject reason='busy'/></Response>"


async def test_s35_the_application_is_asked_after_180_and_before_any_final_response(scene: Scene) -> None:
    scene.starts()
    scene.customer.answers("/voice", REJECT, delay=3)
    call = scene.caller.calls()
    await call.hears(180)
    assert scene.caller.heard == ["100 INVITE", "180 INVITE"]
    await call.hears(486)
    assert scene.caller.times("486 INVITE") == [3.0]
    asked = scene.customer.requests[0]
    assert (asked.method, asked.at) == ("POST", 0.0)


async def test_s35_a_trunk_may_ask_with_get(scene: Scene) -> None:
    scene.starts("trunks: {acme-trunk: {voice_method: GET}}", twiml=REJECT)
    call = scene.caller.calls()
    await call.hears(180)
    await call.hears(486)
    asked = scene.customer.requests[0]
    assert asked.method == "GET"
    assert asked.params["CallStatus"] == "ringing"


async def test_s103_the_application_is_told_everything_about_the_call(scene: Scene) -> None:
    scene.starts(twiml=REJECT)
    call = scene.caller.calls(headers=["X-Customer: 42", "User-to-User: 56a390;encoding=hex", "X-Empty:"])
    await call.hears(180)
    await call.hears(486)
    record = await scene.over()
    assert scene.customer.requests[0].params == {
        "CallSid": record.call_sid,
        "AccountSid": account_sid(),
        "From": "+15550100",
        "To": "+14158675309",
        "Caller": "+15550100",
        "Called": "+14158675309",
        "CallStatus": "ringing",
        "ApiVersion": "2010-04-01",
        "Direction": "inbound",
        "ByocTrunkSid": TRUNK,
        "SipDomain": "acme.sip.example.test",
        "SipDomainSid": record.domain_sid,
        "SipCallId": call.call_id,
        "SipSourceIp": "203.0.113.8",
        "SipRegion": "us1",
        "SipHeader_X-Customer": "42",
        "SipHeader_User-to-User": "56a390;encoding=hex",
        "SipHeader_X-Empty": "",
    }


async def test_s103_who_proved_a_password_is_named(scene: Scene) -> None:
    scene.starts(
        """
        credential_lists: {sbcs: {credentials: [{username: sbc1, password: Correct-Horse-7}]}}
        domains: {acme: {credential_lists: [sbcs]}}
        """,
        twiml=REJECT,
    )
    call = scene.caller.calls()
    call.authenticates("sbc1", "Correct-Horse-7", await call.hears(407))
    await call.hears(180)
    await call.hears(486)
    assert scene.customer.requests[0].params["SipUsername"] == "sbc1"


@pytest.mark.parametrize(
    ("user", "dialled", "caller", "called"),
    [
        ("+15550100", "+14158675309", "+15550100", "+14158675309"),
        ("alice", "sales.desk", "sip:alice@203.0.113.8", "sip:sales.desk@acme.sip.example.test"),
    ],
)
async def test_s103_parties_are_numbers_where_they_are_numbers_and_sip_uris_elsewhere(
    scene: Scene, user: str, dialled: str, caller: str, called: str
) -> None:
    scene.starts(twiml=REJECT)
    call = scene.caller.calls(f"sip:{dialled}@acme.sip.example.test", user=user)
    await call.hears(180)
    await call.hears(486)
    asked = scene.customer.requests[0].params
    assert (asked["From"], asked["Caller"]) == (caller, caller)
    assert (asked["To"], asked["Called"]) == (called, called)


async def test_s7_one_voice_url_serves_many_trunks_and_can_tell_them_apart(scene: Scene) -> None:
    other = "BY" + "2" * 32
    scene.starts(
        f"""
        trunks: {{other: {{sid: {other}, voice_url: "{VOICE}"}}}}
        domains: {{other: {{trunk: other, ip_access_control_lists: [dallas]}}}}
        """,
        twiml=REJECT,
    )
    for domain in ("acme", "other"):
        call = scene.caller.calls(f"sip:+14158675309@{domain}.sip.example.test")
        await call.hears(180)
        await call.hears(486)
    asked = [each.params for each in scene.customer.asked("/voice")]
    assert [each["ByocTrunkSid"] for each in asked] == [TRUNK, other]
    assert [each["SipDomain"] for each in asked] == ["acme.sip.example.test", "other.sip.example.test"]


async def test_a_trunk_may_keep_the_headers_of_the_carrier_to_itself(scene: Scene) -> None:
    scene.starts("trunks: {acme-trunk: {pass_headers: false}}", twiml=REJECT)
    call = scene.caller.calls(headers=["X-Customer: 42"])
    await call.hears(180)
    await call.hears(486)
    assert not [name for name in scene.customer.requests[0].params if name.startswith("SipHeader_")]


async def test_the_request_is_signed_and_the_token_itself_is_never_sent(scene: Scene) -> None:
    scene.starts(twiml=REJECT)
    call = scene.caller.calls()
    await call.hears(180)
    await call.hears(486)
    asked = scene.customer.requests[0]
    assert len(asked.headers["X-Twilio-Signature"]) == 28
    assert TOKEN not in str(asked)


FAILURES: dict[str, tuple[Callable[[Scene], None], str]] = {
    "closes its port": (lambda scene: scene.customer.refuses("/voice"), "11202"),
    "answers 500": (lambda scene: scene.customer.answers("/voice", "oops", status=500), "11200"),
    "answers 404": (lambda scene: scene.customer.answers("/voice", "oops", status=404), "11200"),
    "answers nothing": (lambda scene: scene.customer.answers("/voice", ""), "11770"),
    "answers what is no XML": (lambda scene: scene.customer.answers("/voice", "<Response><Dial>"), "12100"),
    "answers JSON": (
        lambda scene: scene.customer.answers("/voice", "{}", content_type="application/json"),
        "12300",
    ),
    "hangs": (lambda scene: scene.customer.hangs("/voice"), "11203"),
    "answers a sentence": (
        lambda scene: scene.customer.answers("/voice", "Hello there", content_type="text/plain"),
        "12490",
    ),
    "answers music": (lambda scene: scene.customer.answers("/voice", b"ID3", content_type="audio/mpeg"), "12490"),
    "asks for media": (
        lambda scene: scene.customer.answers("/voice", "<Response><Say>Hi</Say></Response>"),
        "12490",
    ),
}


@pytest.mark.parametrize("failure", FAILURES)
async def test_s37_the_fallback_takes_over_when_the_application(scene: Scene, failure: str) -> None:
    scene.starts(FALLBACK)
    break_it, code = FAILURES[failure]
    break_it(scene)
    scene.customer.answers("/fallback", REJECT)
    call = scene.caller.calls()
    await call.hears(180)
    await call.hears(486)
    asked = scene.customer.asked("/fallback")[0].params
    assert (asked["ErrorCode"], asked["ErrorUrl"]) == (code, VOICE)
    assert int(code) in [event.code for event in (await scene.over()).events]


@pytest.mark.parametrize("failure", FAILURES)
async def test_without_a_fallback_the_caller_hears_500_with_the_code_when_the_application(
    scene: Scene, failure: str
) -> None:
    scene.starts()
    break_it, code = FAILURES[failure]
    break_it(scene)
    call = scene.caller.calls()
    await call.hears(180)
    response = await call.hears(500)
    assert (response.headers.get("x-byoc-error") or "").startswith(f"{code} ")
    assert (await scene.over()).status == "failed"
    assert scene.codes() == [int(code)]


async def test_s37_a_call_whose_application_is_down_is_completed_by_the_fallback(scene: Scene) -> None:
    scene.starts(FALLBACK)
    scene.customer.refuses("/voice")
    scene.customer.answers("/fallback", DIAL)
    call, there = await scene.talking()
    call.hangs_up()
    await call.hears(200, "BYE")
    await there.receives("BYE")
    assert (await scene.over()).status == "completed"
    assert [asked.url for asked in scene.record.webhooks] == [VOICE, "http://backup.example.test/fallback"]


async def test_when_the_fallback_fails_too_the_first_failure_is_told(scene: Scene) -> None:
    scene.starts(FALLBACK)
    scene.customer.answers("/voice", "oops", status=500)
    scene.customer.refuses("/fallback")
    call = scene.caller.calls()
    await call.hears(180)
    assert ((await call.hears(500)).headers.get("x-byoc-error") or "").startswith("11200 ")
    await scene.settled()
    assert scene.codes() == [11200, 11202]


async def test_a_trunk_without_a_voice_url_fails_at_once_with_11100(scene: Scene) -> None:
    scene.starts("trunks: {acme-trunk: {voice_url: null}}")
    call = scene.caller.calls()
    await call.hears(180)
    assert ((await call.hears(500)).headers.get("x-byoc-error") or "").startswith("11100 ")
    assert scene.customer.requests == []


async def test_twiml_in_the_configuration_needs_no_application(scene: Scene) -> None:
    scene.starts("trunks: {acme-trunk: {voice_url: null, voice_twiml: '<Response><Reject/></Response>'}}")
    call = scene.caller.calls()
    await call.hears(180)
    await call.hears(404)
    assert scene.customer.requests == []


async def test_a_caller_who_leaves_while_the_application_thinks_hears_487_and_the_question_is_dropped(
    scene: Scene,
) -> None:
    scene.starts()
    scene.customer.answers("/voice", REJECT, delay=10)
    call = scene.caller.calls()
    await call.hears(180)
    await scene.sleeps(1)
    call.cancels()
    await call.hears(200, "CANCEL")
    await call.hears(487)
    record = await scene.over()
    assert (record.status, record.webhooks[0].duration) == ("no-answer", 1.0)


async def test_the_record_keeps_no_query_of_a_webhook(scene: Scene) -> None:
    scene.starts('trunks: {acme-trunk: {voice_url: "http://app.example.test/voice?key=secret"}}', twiml=REJECT)
    call = scene.caller.calls()
    await call.hears(180)
    await call.hears(486)
    assert (await scene.over()).webhooks[0].url == VOICE


async def test_twiml_that_says_it_is_plain_text_runs(scene: Scene) -> None:
    scene.starts()
    scene.customer.answers("/voice", REJECT, content_type="text/plain")
    call = scene.caller.calls()
    await call.hears(180)
    await call.hears(486)


async def test_the_fragment_of_the_voice_url_says_how_often_and_for_how_long_the_application_is_asked(
    scene: Scene,
) -> None:
    scene.starts(f'trunks: {{acme-trunk: {{voice_url: "{VOICE}#rc=2&rp=all&rt=500"}}}}', twiml=REJECT)
    scene.customer.answers("/voice", "busy", status=503, times=1)
    scene.customer.hangs("/voice", times=1)
    call = scene.caller.calls()
    await call.hears(180)
    await call.hears(486)
    assert [(asked.url, asked.at) for asked in scene.customer.requests] == [
        (VOICE, 0.0),
        (VOICE, 0.5),
        (VOICE, 0.5),
    ]


async def test_a_retry_policy_that_does_not_exist_is_a_coded_failure_and_nothing_is_asked(scene: Scene) -> None:
    scene.starts(f'trunks: {{acme-trunk: {{voice_url: "{VOICE}#rp=sometimes"}}}}')
    call = scene.caller.calls()
    await call.hears(180)
    assert ((await call.hears(500)).headers.get("x-byoc-error") or "").startswith("11243 ")
    assert scene.customer.requests == []


async def test_a_trunk_may_post_objects_of_json_that_the_official_validator_accepts(scene: Scene) -> None:
    action = '<Response><Dial action="/after?x=1"><Number>+14158675309</Number></Dial></Response>'
    scene.starts("trunks: {acme-trunk: {webhook_format: json}}", twiml=action)
    scene.customer.answers("/after", REJECT)
    call = scene.caller.calls(headers=["X-Name: J\u00f6rg"])
    await call.hears(180)
    there = await scene.first.invited()
    there.refuses(486)
    await there.receives("ACK")
    await call.hears(486)
    voice, after = scene.customer.requests
    assert voice.url.startswith(f"{VOICE}?bodySHA256=")
    assert after.url.startswith("http://app.example.test/after?x=1&bodySHA256=")
    for asked in (voice, after):
        body, signature = asked.body.decode(), asked.headers["X-Twilio-Signature"]
        assert asked.headers["Content-Type"] == "application/json"
        assert RequestValidator(TOKEN).validate(asked.url, body, signature)
        assert not RequestValidator(TOKEN).validate(asked.url, body + " ", signature)
    told = json.loads(voice.body)
    assert (told["CallStatus"], told["SipHeader_X-Name"]) == ("ringing", "J\u00f6rg")
    assert json.loads(after.body)["DialCallStatus"] == "busy"


async def test_a_trunk_that_posts_json_still_gets_with_a_query(scene: Scene) -> None:
    scene.starts("trunks: {acme-trunk: {webhook_format: json, voice_method: GET}}", twiml=REJECT)
    call = scene.caller.calls()
    await call.hears(180)
    await call.hears(486)
    asked = scene.customer.requests[0]
    assert (asked.method, asked.body, asked.params["CallStatus"]) == ("GET", b"", "ringing")
    assert RequestValidator(TOKEN).validate(asked.url, {}, asked.headers["X-Twilio-Signature"])


async def test_calls_to_an_application_that_hangs_do_not_delay_the_calls_of_another(scene: Scene) -> None:
    """More calls than one host has places for, each with its own fifteen seconds; a call of another trunk is as
    quick as ever.
    """
    scene.starts(
        """
        limits: {max_calls: 2000, max_calls_per_second: 2000}
        trunks: {quick: {voice_url: "http://quick.example.test/quick", connection_policy: carriers}}
        domains: {quick: {trunk: quick, ip_access_control_lists: [dallas]}}
        """,
    )
    scene.customer.hangs("/voice")
    scene.customer.answers("/quick", REJECT, delay=0.2)
    stuck = [scene.caller.calls() for _ in range(DOCUMENTS_PER_ORIGIN + 50)]
    await scene.sleeps(1)
    assert len(scene.customer.asked("/voice")) == DOCUMENTS_PER_ORIGIN
    began = scene.now
    call = scene.caller.calls("sip:+14158675309@quick.sip.example.test")
    await call.hears(180)
    await call.hears(486)
    assert scene.now - began < 0.3
    for each in stuck:
        await each.hears(180)
        await each.hears(500)
    await scene.settled()
    assert {record.webhooks[0].duration for record in scene.records if record.trunk != "quick"} == {15.0}


async def test_every_request_about_a_call_is_kept_for_it(scene: Scene) -> None:
    scene.starts(f'trunks: {{acme-trunk: {{voice_url: "{VOICE}?key=1", voice_fallback_url: "{VOICE}/spare"}}}}')
    scene.customer.answers("/voice", "Oops", status=500, content_type="text/html")
    scene.customer.answers("/voice/spare", REJECT, delay=0.5)
    call = scene.caller.calls()
    await call.hears(180)
    await call.hears(486)
    record = await scene.over()
    assert [(sid, each.url, each.status, each.body, each.duration) for sid, each in scene.kept] == [
        (record.call_sid, f"{VOICE}?key=1", 500, b"Oops", 0.0),
        (record.call_sid, f"{VOICE}/spare", 200, REJECT.encode(), 0.5),
    ]
    assert dict(scene.kept[1][1].parameters)["ErrorCode"] == "11200"


async def test_a_question_that_is_dropped_with_its_call_is_kept_without_an_answer(scene: Scene) -> None:
    scene.starts()
    scene.customer.hangs("/voice")
    call = scene.caller.calls()
    await call.hears(180)
    await scene.sleeps(1)
    call.cancels()
    await call.hears(200, "CANCEL")
    await call.hears(487)
    await scene.over()
    ((_, exchange),) = scene.kept
    assert (exchange.status, exchange.duration, exchange.code) == (None, 1.0, None)


async def test_status_callbacks_of_a_trunk_that_posts_json_are_json_and_are_kept_for_the_call(scene: Scene) -> None:
    scene.starts(
        "trunks: {acme-trunk: {webhook_format: json, status_callback_url: 'http://app.example.test/status'}}",
        twiml=REJECT,
    )
    scene.customer.answers("/status", "thank you", content_type="text/plain")
    call = scene.caller.calls()
    await call.hears(180)
    await call.hears(486)
    record = await scene.over()
    told = scene.customer.asked("/status")
    assert [json.loads(asked.body)["CallStatus"] for asked in told] == ["initiated", "ringing", "busy"]
    for asked in told:
        assert RequestValidator(TOKEN).validate(asked.url, asked.body.decode(), asked.headers["X-Twilio-Signature"])
    kept = [(sid, each.status, each.body) for sid, each in scene.kept if each.url.endswith("/status")]
    assert kept == [(record.call_sid, 200, b"thank you")] * 3
