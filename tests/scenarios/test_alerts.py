"""What an account is told of: every coded event of its calls, and of INVITEs that never became calls."""

from byoc_proxy.storage.alerts import Alert
from tests.support.build import OFFER, TRUNK, Scene, account_sid
from tests.support.carrier import credentials

LISTS = """
credential_lists: {sbcs: {credentials: [{username: sbc1, password: Correct-Horse-7}]}}
domains: {acme: {credential_lists: [sbcs]}}
"""


def told(scene: Scene) -> list[tuple[int, str, str]]:
    return [(alert.code, alert.resource_sid[:2], alert.source) for alert in scene.alerts]


async def test_a_failed_webhook_is_told_with_its_url_and_the_call(scene: Scene) -> None:
    scene.starts("trunks: {acme-trunk: {voice_url: 'http://user:s3cret@app.example.test/missing?token=abc'}}")
    scene.customer.answers("/missing", "not here", status=404)
    call = scene.caller.calls()
    await call.hears(180)
    await call.hears(500)
    record = await scene.over()
    (alert,) = scene.alerts
    assert (alert.code, alert.account_sid, alert.resource_sid) == (11200, account_sid(), record.call_sid)
    assert (alert.request_url, alert.request_method) == ("http://app.example.test/missing", "POST")
    assert alert.source == "203.0.113.8"


async def test_the_password_of_a_webhook_is_in_no_record_and_no_line_of_the_log(scene: Scene) -> None:
    scene.starts("trunks: {acme-trunk: {voice_url: 'http://user:s3cret@app.example.test/voice?token=abc'}}")
    call, _ = await scene.talking()
    call.hangs_up()
    record = await scene.over()
    assert record.webhooks[0].url == "http://app.example.test/voice"
    assert "s3cret" not in str(record.as_dict()) + str(scene.logged)


async def test_each_attempt_that_is_failed_over_is_told_and_then_the_failure_of_the_call(scene: Scene) -> None:
    scene.starts()
    scene.first.is_silent()
    call = scene.caller.calls()
    await call.hears(180)
    (await scene.second.invited()).refuses(500)
    await call.hears(500)
    record = await scene.over()
    assert told(scene) == [(code, "CA", "203.0.113.8") for code in (32011, 32011, 32400)]
    assert {alert.resource_sid for alert in scene.alerts} == {record.call_sid}
    assert scene.alerts[0].text == "sip:198.51.100.1 by way of UDP 198.51.100.1:5060: nothing heard for 4 s"
    assert scene.alerts[0].request_url is None


async def test_a_called_party_that_is_busy_is_nobodys_error(scene: Scene) -> None:
    scene.starts()
    call = scene.caller.calls()
    await call.hears(180)
    (await scene.first.invited()).refuses(486)
    await call.hears(486)
    assert scene.alerts == []


async def test_a_refusal_at_a_domain_is_told_to_its_account(scene: Scene) -> None:
    scene.starts()
    stranger = scene.carrier("203.0.113.77")
    await stranger.calls().hears(403)
    (alert,) = scene.alerts
    match = scene.node.directories.current.find("acme.sip.example.test")
    assert match is not None
    text = "Authentication failure - source IP Address not in ACL"
    assert alert == Alert(account_sid(), 32201, text, match.domain.sid, "203.0.113.77")


async def test_who_names_no_domain_is_told_to_nobody(scene: Scene) -> None:
    scene.starts()
    scene.carrier("203.0.113.77").calls("sip:+1555@nobody.example.test")
    await scene.caller.calls("sip:+1555@nobody.sip.example.test").hears(404)
    assert scene.alerts == []


async def test_wrong_credentials_are_told_when_they_have_been_wrong_three_times(scene: Scene) -> None:
    scene.starts(LISTS)
    call = scene.caller.calls()
    for _ in range(3):
        challenge = (await call.hears(407)).headers.get("proxy-authenticate") or ""
        call.invites(
            OFFER, [f"Proxy-Authorization: {credentials(challenge, 'sbc1', 'Wrong-Horse-7', call.target)}"]
        )
    await call.hears(403)
    assert told(scene) == [(32202, "SD", "203.0.113.8")]


async def test_a_limit_that_is_reached_is_told(scene: Scene) -> None:
    scene.starts("trunks: {acme-trunk: {max_calls: 1}}", twiml="<Response><Pause length='2'/></Response>")
    call = scene.caller.calls()
    await call.hears(180)
    await scene.caller.calls().hears(503)
    (alert,) = scene.alerts
    assert (alert.code, alert.text) == (10004, f"Call concurrency limit exceeded: 1 on trunk {TRUNK}")
    call.cancels()
