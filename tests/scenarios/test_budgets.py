"""No INVITE waits for ever: whatever its call is stuck in, a final response with a name comes in time."""

import asyncio

import pytest

from byoc_proxy.sip.locate import Hop
from byoc_proxy.sip.uri import SipUri
from tests.support.build import DIAL, Scene

FALLBACK = 'trunks: {acme-trunk: {voice_fallback_url: "http://backup.example.test/fallback"}}'
LOOP = "<Response><Pause length='20'/><Redirect/></Response>"


async def test_an_application_that_never_answers_costs_its_caller_fifteen_seconds(scene: Scene) -> None:
    scene.starts()
    scene.customer.hangs("/voice")
    call = scene.caller.calls()
    await call.hears(180)
    refusal = await call.hears(500)
    assert scene.now == pytest.approx(15.0, abs=0.01)
    assert "11203" in str(refusal.headers.get("x-byoc-error"))


async def test_a_fallback_that_hangs_too_costs_another_fifteen(scene: Scene) -> None:
    scene.starts(FALLBACK)
    for place in ("/voice", "/fallback"):
        scene.customer.hangs(place)
    call = scene.caller.calls()
    await call.hears(180)
    await call.hears(500)
    assert scene.now == pytest.approx(30.0, abs=0.01)


async def test_names_that_are_never_resolved_end_with_the_timeout_of_the_dial(
    scene: Scene, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def never(uri: SipUri) -> list[Hop]:
        await asyncio.Event().wait()
        return []

    monkeypatch.setattr(scene.resolver, "locate", never)
    scene.starts(twiml=DIAL.replace("<Dial>", "<Dial timeout='20'>"))
    call = scene.caller.calls()
    await call.hears(180)
    await call.hears(480)
    assert scene.now == pytest.approx(25.0, abs=0.01)


@pytest.mark.parametrize("script", [LOOP, "<Response><Pause length='86400'/></Response>"])
async def test_a_script_that_goes_on_for_ever_is_ended_after_a_quarter_of_an_hour(
    scene: Scene, script: str
) -> None:
    scene.starts(twiml=script)
    call = scene.caller.calls()
    await call.hears(180)
    record = await scene.over(within=905)
    assert scene.caller.heard[-1] == "408 INVITE"
    assert scene.caller.times("408 INVITE") == [900.0]
    assert (record.status, record.sip_status) == ("no-answer", 408)
    assert 32016 in scene.codes()


async def test_a_conversation_may_last_longer_than_that(scene: Scene) -> None:
    scene.starts()
    call, there = await scene.talking()
    await scene.sleeps(2000)
    assert there.is_quiet
    call.hangs_up()
    await call.hears(200, "BYE")
    await there.receives("BYE")
