"""The pace of calls that the API makes, on the wire: an account's own calls wait, and nothing else does."""

from typing import Any

import pytest

from byoc_proxy.call.outbound import OutboundCall
from tests.support.build import Scene, account_sid

HANG_UP = "<Response><Hangup/></Response>"


def joins(scene: Scene, **changes: Any) -> OutboundCall:
    """A call is placed and waits for its turn, as the API has it."""
    departures = scene.node.departures
    assert departures.hold(account_sid())
    call = scene.node.switchboard.place(scene.new_call(HANG_UP, **changes))
    departures.join(account_sid(), call)
    return call


async def rung(scene: Scene, count: int) -> list[tuple[str, float]]:
    """Who was called, and when: so many calls, all of which find the gateway busy."""
    found = []
    for _ in range(count):
        there = await scene.first.invited()
        found.append((there.invite.uri_text.partition("@")[0], round(scene.now, 1)))
        there.refuses(486)
    return found


async def test_calls_of_the_api_go_out_one_a_second_and_one_that_comes_in_does_not_wait(scene: Scene) -> None:
    scene.starts()
    for number in range(3):
        joins(scene, to=f"+1415555000{number}")
    before = await rung(scene, 1)
    await scene.sleeps(0.5)
    scene.caller.calls()
    assert before + await rung(scene, 3) == [
        ("sip:+14155550000", 0.0),
        ("sip:+14158675309", 0.5),  # the <Dial> of the caller's script
        ("sip:+14155550001", 1.0),
        ("sip:+14155550002", 2.0),
    ]


@pytest.mark.parametrize(
    ("changes", "times"),
    [
        ("{api: {calls_per_second: 2}, database: {}}", [0.0, 0.0, 1.0, 1.0]),
        ("accounts: {acme: {calls_per_second: 3}}", [0.0, 0.0, 0.0, 1.0]),
    ],
)
async def test_the_pace_is_that_of_the_account_or_else_of_the_installation(
    scene: Scene, changes: str, times: list[float]
) -> None:
    scene.starts(changes)
    for _ in range(4):
        joins(scene)
    assert [at for _, at in await rung(scene, 4)] == times


async def test_a_reload_that_changes_the_pace_counts_for_the_calls_that_wait(scene: Scene) -> None:
    scene.starts()
    for _ in range(4):
        joins(scene)
    scene.reloads("accounts: {acme: {calls_per_second: 10}}")
    assert [at for _, at in await rung(scene, 4)] == [0.0, 1.0, 1.0, 1.0]


async def test_a_call_that_is_cancelled_in_the_queue_leaves_its_turn_to_the_next(scene: Scene) -> None:
    scene.starts()
    first, second, third = (joins(scene, to=f"+1415555000{number}") for number in range(3))
    assert scene.node.departures.leave(account_sid(), second.sid) is second
    assert second.cancel()
    assert await rung(scene, 2) == [("sip:+14155550000", 0.0), ("sip:+14155550002", 1.0)]
    await scene.sleeps(1)
    assert [call.journal.record.status for call in (first, second, third)] == ["busy", "canceled", "busy"]
    assert "initiated" not in second.journal.record.stages


async def test_a_node_that_stops_sends_nobody_out_of_the_queue_any_more(scene: Scene) -> None:
    scene.starts()
    first, second = joins(scene), joins(scene)
    await rung(scene, 1)
    await scene.node.stop(3)
    scene.is_running = False
    assert (first.journal.record.status, second.journal.record.status) == ("busy", "failed")
    assert "stopped" in second.journal.record.cause
    assert scene.first.heard.count("INVITE") == 1
