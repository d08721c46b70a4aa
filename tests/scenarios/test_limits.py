"""How many calls, and how many a second: on a trunk and on the whole node, in both directions."""

import pytest

from tests.support.build import DIAL, TRUNK, Scene

REJECT = "<Response><Reject/></Response>"
OTHER = "BY" + "2" * 32
ON_OTHER = f'<Response><Dial><Number byoc="{OTHER}">+14158675309</Number></Dial></Response>'
TWO_TRUNKS = f"""
trunks: {{outbound: {{sid: {OTHER}, voice_url: "http://app.example.test/x", connection_policy: carriers, LIMIT}}}}
"""


def limited(limit: str) -> str:
    return f"trunks: {{acme-trunk: {{{limit}}}}}"


async def test_a_trunk_takes_as_many_calls_as_it_has_lines_and_the_next_is_told_why(scene: Scene) -> None:
    # in and out on the same trunk: a call that comes in and is dialled on needs two lines
    scene.starts(limited("max_calls: 2"))
    call, there = await scene.talking()
    refused = await scene.caller.calls().hears(503)
    assert refused.headers.get("retry-after") == "5"
    assert refused.headers.get("x-byoc-error") == (f"10004 Call concurrency limit exceeded: 2 on trunk {TRUNK}")
    call.hangs_up()
    await there.receives("BYE")
    await scene.settled()
    assert scene.node.switchboard.lines.on(TRUNK) == 0


async def test_calls_of_one_wake_up_see_each_other(scene: Scene) -> None:
    scene.starts(limited("max_calls: 1"), twiml=REJECT)
    calls = [scene.caller.calls() for _ in range(5)]
    await calls[0].hears(180)
    for call in calls[1:]:
        await call.hears(503)
    await calls[0].hears(404)


@pytest.mark.parametrize(
    ("limit", "error"),
    [
        ("trunks: {acme-trunk: {max_calls_per_second: 3}}", f"32001 Trunk CPS limit exceeded: 3 on trunk {TRUNK}"),
        ("limits: {max_calls_per_second: 3}", "32013 SIP interface CPS limit exceeded"),
    ],
    ids=["trunk", "node"],
)
async def test_the_fourth_call_of_a_second_is_refused_and_the_next_second_is_free(
    scene: Scene, limit: str, error: str
) -> None:
    scene.starts(limit, twiml=REJECT)
    calls = [scene.caller.calls() for _ in range(4)]
    for call in calls[:3]:
        await call.hears(180)
        await call.hears(404)
    refused = await calls[3].hears(503)
    assert (refused.headers.get("retry-after"), refused.headers.get("x-byoc-error")) == ("1", error)
    await scene.sleeps(1.0)
    await scene.caller.calls().hears(180)


async def test_a_refused_call_uses_up_no_rate(scene: Scene) -> None:
    scene.starts(limited("max_calls: 1, max_calls_per_second: 2"), twiml="<Response><Pause length='2'/></Response>")
    call = scene.caller.calls()
    await call.hears(180)
    for _ in range(5):
        assert "10004" in str((await scene.caller.calls().hears(503)).headers.get("x-byoc-error"))
    call.cancels()
    await call.hears(200, "CANCEL")
    await call.hears(487)
    await scene.settled()
    await scene.caller.calls().hears(180)


async def test_a_number_on_a_full_trunk_is_not_called_and_the_caller_hears_480(scene: Scene) -> None:
    scene.starts(TWO_TRUNKS.replace("LIMIT", "max_calls: 1"), twiml=ON_OTHER)
    call, there = await scene.talking()
    second = scene.caller.calls()
    await second.hears(180)
    await second.hears(480)
    await scene.settled()
    assert 10004 in scene.codes()
    assert scene.record.attempts == []
    call.hangs_up()
    await there.receives("BYE")


async def test_a_line_is_free_as_soon_as_its_number_did_not_answer(scene: Scene) -> None:
    scene.starts(TWO_TRUNKS.replace("LIMIT", "max_calls: 1"), twiml=ON_OTHER)
    for _ in range(3):
        call = scene.caller.calls()
        await call.hears(180)
        (await scene.first.invited()).refuses(486)
        await call.hears(486)
    assert scene.node.switchboard.lines.on(OTHER) == 0


@pytest.mark.parametrize("delay", [0.0, 0.001, 1.0], ids=["at once", "in the webhook's instant", "later"])
async def test_a_storm_of_quick_cancels_leaves_every_line_free(scene: Scene, delay: float) -> None:
    scene.starts(limited("max_calls: 40"))
    scene.customer.answers("/voice", DIAL, delay=delay, times=30)
    calls = [scene.caller.calls() for _ in range(20)]
    await scene.sleeps(delay)
    for call in calls:
        call.cancels()
    scene.first.is_silent()
    await scene.sleeps(60)
    lines = scene.node.switchboard.lines
    assert (lines.calls, lines.on(TRUNK)) == (0, 0)


async def test_a_limit_that_is_reloaded_counts_the_calls_that_are_there(scene: Scene) -> None:
    scene.starts()
    call, there = await scene.talking()
    scene.reloads(limited("max_calls: 2"))
    await scene.caller.calls().hears(503)
    scene.reloads("")
    again = scene.caller.calls()
    await again.hears(180)
    (await scene.first.invited()).refuses(486)
    await again.hears(486)
    call.hangs_up()
    await there.receives("BYE")
