"""407 challenges: what is offered, what passes and what never does (RFC 3261 §22, RFC 7616, RFC 8760)."""

import re

import pytest

from tests.support.build import DIALLED, OFFER, Scene
from tests.support.carrier import credentials

CREDENTIALS = """
credential_lists:
  sbcs: {credentials: [{username: sbc1, password: Correct-Horse-7}]}
  others: {credentials: [{username: sbc2, password: Battery-Staple-8}]}
domains: {acme: {credential_lists: [sbcs, others], ip_access_control_lists: []}}
"""
REJECT = "<Response><Reject/></Response>"


async def test_a_challenge_is_407_with_realm_nonce_and_qop_for_md5_and_sha_256(scene: Scene) -> None:
    scene.starts(CREDENTIALS)
    challenge = await scene.caller.calls().hears(407)
    values = challenge.headers.all("proxy-authenticate")
    assert [re.search(r"algorithm=([\w-]+)", value)[1] for value in values] == ["MD5", "SHA-256"]  # type: ignore[index]
    for value in values:
        assert 'realm="sip.example.test"' in value
        assert 'qop="auth"' in value
        assert re.search(r'nonce="[\w-]{36}"', value)
        assert "stale=true" not in value


@pytest.mark.parametrize(("user", "password"), [("sbc1", "Correct-Horse-7"), ("sbc2", "Battery-Staple-8")])
@pytest.mark.parametrize("algorithm", ["MD5", "SHA-256"])
async def test_any_credential_of_any_list_passes_with_either_algorithm(
    scene: Scene, user: str, password: str, algorithm: str
) -> None:
    scene.starts(CREDENTIALS, twiml=REJECT)
    call = scene.caller.calls()
    call.authenticates(user, password, await call.hears(407), algorithm)
    await call.hears(180)
    await call.hears(404)
    assert scene.customer.requests[0].params["SipUsername"] == user
    assert (await scene.over()).username == user


async def test_a_challenge_is_no_call_and_the_invite_that_comes_back_is_the_same_call(scene: Scene) -> None:
    scene.starts(CREDENTIALS, twiml=REJECT)
    call = scene.caller.calls()
    call.authenticates("sbc1", "Correct-Horse-7", await call.hears(407))
    await call.hears(180)
    await call.hears(404)
    assert (await scene.over()).call_id == call.call_id
    assert len(scene.customer.requests) == 1


async def test_three_wrong_answers_are_challenged_twice_and_then_refused(scene: Scene) -> None:
    scene.starts(CREDENTIALS)
    call = scene.caller.calls()
    challenge = await call.hears(407)
    for status in (407, 407, 403):
        call.authenticates("sbc1", "Wrong-Horse-777", challenge)
        challenge = await call.hears(status)
    assert scene.customer.requests == []
    assert [event["count"] for event in scene.events("digest.wrong")] == [1, 2, 3]


async def test_a_wrong_answer_that_is_repeated_is_one_wrong_answer(scene: Scene) -> None:
    scene.starts(CREDENTIALS)
    call = scene.caller.calls()
    call.authenticates("sbc1", "Wrong-Horse-777", await call.hears(407))
    await call.hears(407)
    for _ in range(5):  # our 407 was lost, as far as the carrier knows (RFC 3261 §17.1.1.2)
        call.repeats_invite()
    await scene.settled()
    assert scene.caller.heard[1:] == ["407 INVITE"] * 6
    assert [event["count"] for event in scene.events("digest.wrong")] == [1]


async def test_a_right_answer_that_was_refused_hears_the_same_when_it_is_repeated(scene: Scene) -> None:
    scene.starts(CREDENTIALS)
    call = scene.caller.calls()
    challenge = await call.hears(407)
    scene.node.switchboard.draining = True
    call.authenticates("sbc1", "Correct-Horse-7", challenge)
    await call.hears(503)
    scene.node.switchboard.draining = False
    call.repeats_invite()  # not a replayed nonce, and not a second chance either (§8.2.7)
    await scene.settled()
    assert scene.caller.heard[1:] == ["503 INVITE"] * 2


async def test_an_unknown_user_hears_the_same_as_a_wrong_password(scene: Scene) -> None:
    scene.starts(CREDENTIALS)
    heard = []
    for user in ("sbc1", "nobody"):
        call = scene.caller.calls()
        call.authenticates(user, "Wrong-Horse-777", await call.hears(407))
        response = await call.hears(407)
        heard.append(re.sub(r'nonce="\w+"', "", str(response.headers.all("proxy-authenticate"))))
    assert heard[0] == heard[1]


async def test_an_expired_nonce_is_challenged_with_stale_and_the_new_one_passes(scene: Scene) -> None:
    scene.starts(CREDENTIALS, twiml=REJECT)
    call = scene.caller.calls()
    challenge = await call.hears(407)
    await scene.sleeps(61)
    call.authenticates("sbc1", "Correct-Horse-7", challenge)
    fresh = await call.hears(407)
    assert "stale=true" in (fresh.headers.get("proxy-authenticate") or "")
    call.authenticates("sbc1", "Correct-Horse-7", fresh)
    await call.hears(180)
    await call.hears(404)


async def test_credentials_that_were_used_once_are_refused_in_another_call(scene: Scene) -> None:
    scene.starts(CREDENTIALS, twiml=REJECT)
    call = scene.caller.calls()
    challenge = await call.hears(407)
    call.authenticates("sbc1", "Correct-Horse-7", challenge)
    await call.hears(180)
    await call.hears(404)
    value = challenge.headers.get("proxy-authenticate") or ""
    thief = scene.carrier("203.0.113.99")
    answer = credentials(value, "sbc1", "Correct-Horse-7", DIALLED)
    replay = thief.calls(headers=[f"Proxy-Authorization: {answer}"])
    await replay.hears(407)
    assert len(scene.customer.requests) == 1


async def test_two_challenges_at_once_to_one_carrier_do_not_disturb_each_other(scene: Scene) -> None:
    scene.starts(CREDENTIALS, twiml=REJECT)
    calls = [scene.caller.calls() for _ in range(2)]
    challenges = [await call.hears(407) for call in calls]
    for call, challenge in zip(calls, challenges, strict=True):
        call.authenticates("sbc1", "Correct-Horse-7", challenge)
    for call in calls:
        await call.hears(180)
        await call.hears(404)


async def test_a_domain_of_sha_256_alone_offers_and_takes_nothing_else(scene: Scene) -> None:
    scene.starts(CREDENTIALS.replace("domains: {acme: {", "domains: {acme: {digest_algorithms: [SHA-256], "))
    call = scene.caller.calls()
    challenge = await call.hears(407)
    assert len(challenge.headers.all("proxy-authenticate")) == 1
    value = (challenge.headers.get("proxy-authenticate") or "").replace("SHA-256", "MD5")
    answer = credentials(value, "sbc1", "Correct-Horse-7", DIALLED)
    call.invites(OFFER, [f"Proxy-Authorization: {answer}"])
    await call.hears(407)


async def test_credentials_for_another_uri_do_not_pass(scene: Scene) -> None:
    scene.starts(CREDENTIALS)
    call = scene.caller.calls()
    value = (await call.hears(407)).headers.get("proxy-authenticate") or ""
    answer = credentials(value, "sbc1", "Correct-Horse-7", "sip:+1900@acme.sip.example.test")
    call.invites(OFFER, [f"Proxy-Authorization: {answer}"])
    await call.hears(407)


async def test_requests_inside_an_authenticated_call_are_not_challenged(scene: Scene) -> None:
    scene.starts(CREDENTIALS)
    call = scene.caller.calls()
    call.authenticates("sbc1", "Correct-Horse-7", await call.hears(407))
    call, there = await scene.talking(call)
    call.reinvites(OFFER)
    await there.receives("INVITE")
    there.answers()
    await there.receives("ACK")
    await call.hears(200)
    call.acks()
    call.hangs_up()
    await call.hears(200, "BYE")
    await there.receives("BYE")
    assert not [each for each in there.carrier.received if "proxy-authorization" in each.headers]
