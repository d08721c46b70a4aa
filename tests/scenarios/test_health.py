"""Carriers that die, come back, ask for rest or say nothing: who notices, when, and what calls do about it."""

import asyncio
from typing import Any

import pytest

from byoc_proxy.call.outlook import targets_report
from tests.support.build import TLS, Scene
from tests.support.carrier import Carrier, CarrierCall

OPTIONS = "connection_policies: {carriers: {health: {mode: options, misses: 2}}}"
ONE = "connection_policies: {carriers: {health: %s, targets: [{target: '%s'}]}}"


def opened(scene: Scene, changes: str = OPTIONS, *, answer: int = 200) -> None:
    """Start with carriers that answer OPTIONS. The first target is asked at 0.5 s, the second at 1.5 s."""
    scene.draw = lambda: 0.5  # no jitter
    for carrier in (scene.first, scene.second):
        carrier.to_options = (answer, ())
    scene.starts(changes)


async def called(scene: Scene) -> CarrierCall:
    call = scene.caller.calls()
    await call.hears(180)
    return call


async def refused_by(gateway: Carrier, call: CarrierCall, status: int = 486, *headers: str) -> None:
    """The gateway gets the call and refuses it for good."""
    (await gateway.invited()).refuses(status, headers=headers)
    await call.hears(status)


def states(scene: Scene) -> dict[str, str]:
    watched = scene.node.health.targets.values()
    return {watch.hop.address: str(watch.state) for each in watched for watch in each.addresses.values()}


def address_of(scene: Scene, address: str) -> dict[str, Any]:
    """What operators see of an address."""
    report: Any = targets_report(scene.node.services)
    targets = [target for policy in report["policies"] for target in policy["targets"]]
    (found,) = [each for target in targets for each in target["addresses"] if address in each["address"]]
    assert isinstance(found, dict)
    return found


# --- by OPTIONS --------------------------------------------------------------------------------------------


async def test_each_address_is_asked_once_in_an_interval_and_never_two_at_once(scene: Scene) -> None:
    opened(scene)
    await scene.sleeps(130)
    assert scene.first.times("OPTIONS") == [0.5, 60.5, 120.5]
    assert scene.second.times("OPTIONS") == [1.5, 61.5, 121.5]
    assert states(scene) == {"198.51.100.1": "up", "198.51.100.2": "up"}


async def test_an_options_names_the_server_and_us_and_nobodys_number(scene: Scene) -> None:
    opened(scene, ONE % ("options", "sip:+1900@198.51.100.1:5060?X-Secret=1"))
    await scene.sleeps(1)
    (asked,) = scene.first.got("OPTIONS")
    assert asked.uri_text == "sip:198.51.100.1:5060"
    assert asked.headers.get("to") == "<sip:198.51.100.1:5060>"
    assert (asked.headers.get("from") or "").startswith("<sip:sip.example.test>;tag=")
    assert asked.headers.get("accept") == "application/sdp, multipart/mixed"
    assert asked.headers.get("contact") == "<sip:192.0.2.1:5060>"
    assert (asked.max_forwards, asked.cseq, asked.body) == (70, (1, "OPTIONS"), b"")


async def test_a_gateway_that_dies_is_passed_over_after_two_misses_and_used_again_when_it_answers(
    scene: Scene,
) -> None:
    opened(scene)
    await scene.sleeps(10)
    scene.first.silent = True
    await scene.sleeps(120)
    assert scene.first.times("OPTIONS")[1:] == [60.5, 61.0, 62.0, 64.0, 120.5, 121.0, 122.0, 124.0]
    assert [each["was"] for each in scene.events("address.down")] == ["failing"]
    await refused_by(scene.second, await called(scene))
    assert scene.first.times("INVITE") == []
    assert scene.second.times("INVITE") == [130.0]  # no four seconds are lost
    passed_over = "UDP 198.51.100.1:5060 passed over: down until 2025-10-09T08:56:20.500Z"
    assert scene.record.decisions[-1] == f"{passed_over} (no reply to OPTIONS within 4 s)"
    scene.first.silent = False
    await scene.sleeps(60)
    await refused_by(scene.first, await called(scene))
    assert states(scene)["198.51.100.1"] == "up"


async def test_one_lost_answer_takes_no_gateway_out(scene: Scene) -> None:
    opened(scene, ONE % ("options", "sip:198.51.100.1"))
    scene.network.loses("OPTIONS", 4)  # and its repetitions
    await scene.sleeps(10)
    assert states(scene)["198.51.100.1"] == "failing"
    await refused_by(scene.first, await called(scene))
    await scene.sleeps(60)
    assert states(scene)["198.51.100.1"] == "up"


@pytest.mark.parametrize("status", [200, 302, 401, 404, 405, 408, 481, 483, 500, 501, 603])
async def test_whatever_a_gateway_answers_it_is_there(scene: Scene, status: int) -> None:
    opened(scene, answer=status)
    await scene.sleeps(130)
    assert states(scene)["198.51.100.1"] == "up"
    assert address_of(scene, "198.51.100.1")["last"]["status"] == status


async def test_a_gateway_that_answers_503_is_as_good_as_silent(scene: Scene) -> None:
    opened(scene, answer=503)
    await scene.sleeps(70)
    assert states(scene)["198.51.100.1"] == "down"
    assert scene.events("address.down")[0]["cause"] == "503 Said"


@pytest.mark.parametrize(("asked_for", "rest"), [("100", 100.0), ("86400", 300.0)])
async def test_a_503_to_options_with_retry_after_is_left_alone_for_as_long_and_five_minutes_at_most(
    scene: Scene, asked_for: str, rest: float
) -> None:
    opened(scene)
    scene.first.to_options = (503, [f"Retry-After: {asked_for}"])
    await scene.sleeps(10)
    scene.first.to_options = (200, ())
    await refused_by(scene.second, await called(scene))
    assert "resting until" in scene.record.decisions[-1]
    await scene.sleeps(0.5 + rest - scene.now - 0.1)
    assert scene.first.heard == ["OPTIONS"]  # RFC 3261 §21.5.4: no request at all
    await scene.sleeps(0.1)
    await refused_by(scene.first, await called(scene))


async def test_two_answers_in_a_row_are_waited_for_where_the_policy_says_so(scene: Scene) -> None:
    opened(scene, "connection_policies: {carriers: {health: {mode: options, misses: 2, answers: 2}}}")
    scene.first.silent = True
    await scene.sleeps(70)
    assert states(scene)["198.51.100.1"] == "down"
    scene.first.silent = False
    await scene.sleeps(60)
    assert states(scene)["198.51.100.1"] == "recovering"
    await refused_by(scene.second, await called(scene))
    await scene.sleeps(60)
    await refused_by(scene.first, await called(scene))


async def test_an_icmp_error_is_a_miss_at_once(scene: Scene) -> None:
    opened(scene, "connection_policies: {carriers: {health: {mode: options, misses: 1}}}")
    scene.network.moods["198.51.100.1"] = "unreachable"
    await scene.sleeps(0.6)
    assert states(scene) == {"198.51.100.1": "down"}
    assert "ICMP" in scene.events("address.down")[0]["cause"]


@pytest.mark.parametrize(("mood", "after"), [("refuses", 0.0), ("hangs", 4.0)])
async def test_a_dead_connect_is_a_miss(scene: Scene, mood: Any, after: float) -> None:
    opened(scene, ONE % ("{mode: options, misses: 1}", "sip:198.51.100.1;transport=tcp"))
    scene.network.moods["198.51.100.1"] = mood
    await scene.sleeps(0.4 + after)
    assert scene.events("address.down") == []
    await scene.sleeps(0.2)
    assert [each["address"] for each in scene.events("address.down")] == ["TCP 198.51.100.1:5060"]


@pytest.mark.parametrize("transport", ["tcp", "tls"])
async def test_a_target_is_asked_over_its_own_transport(scene: Scene, transport: str) -> None:
    listeners = TLS.replace("[", "[{transport: tcp, bind: '192.0.2.1:5060'}, ", 1)
    port = 5061 if transport == "tls" else 5060
    carrier = scene.carrier("198.51.100.7", port)
    carrier.to_options = (200, ())
    opened(scene, f"{listeners}\n{ONE % ('options', f'sip:198.51.100.7;transport={transport}')}")
    await scene.sleeps(1)
    (asked,) = carrier.got("OPTIONS")
    assert f"SIP/2.0/{transport.upper()} 192.0.2.1" in (asked.headers.get("via") or "")
    assert f";transport={transport}>" in (asked.headers.get("contact") or "")
    assert states(scene) == {"198.51.100.7": "up"}


async def test_when_every_gateway_is_down_all_are_tried_anyway_and_an_answer_counts(scene: Scene) -> None:
    opened(scene)
    scene.first.silent = scene.second.silent = True
    await scene.sleeps(70)
    assert set(states(scene).values()) == {"down"}
    scene.first.silent = False
    await refused_by(scene.first, await called(scene))
    assert scene.record.decisions[-1] == "every address rests or is down: all are tried"
    assert states(scene) == {"198.51.100.1": "up", "198.51.100.2": "down"}


async def test_what_calls_meet_counts_beside_options(scene: Scene) -> None:
    opened(scene)
    await scene.sleeps(10)
    scene.first.silent = True
    for _ in range(2):
        await refused_by(scene.second, await called(scene))
    assert states(scene)["198.51.100.1"] == "down"
    assert scene.now < 60  # before the next OPTIONS would have said so


# --- names, regions, many ----------------------------------------------------------------------------------


async def test_each_address_of_a_name_is_asked_and_the_name_is_resolved_anew_every_round(scene: Scene) -> None:
    scene.zone.host("gw.carrier.example", "198.51.100.1", "198.51.100.2")
    opened(scene, ONE % ("options", "sip:gw.carrier.example:5060"))
    third = scene.carrier("198.51.100.3")
    third.to_options = (200, ())
    await scene.sleeps(50)
    assert (scene.first.times("OPTIONS"), scene.second.times("OPTIONS")) == ([0.5], [30.5])
    assert scene.first.got("OPTIONS")[0].uri_text == "sip:gw.carrier.example:5060"
    scene.zone.host("gw.carrier.example", "198.51.100.2", "198.51.100.3")
    await scene.sleeps(60)
    assert states(scene) == {"198.51.100.2": "up", "198.51.100.3": "up"}
    assert (scene.first.times("OPTIONS"), third.times("OPTIONS")) == ([0.5], [90.5])


async def test_while_the_dns_fails_the_known_addresses_are_asked_on_and_the_failure_is_shown(scene: Scene) -> None:
    scene.zone.host("gw.carrier.example", "198.51.100.1")
    opened(scene, ONE % ("options", "sip:gw.carrier.example:5060"))
    await scene.sleeps(10)
    scene.resolver.failing.add("gw.carrier.example")
    await scene.sleeps(60)
    assert scene.first.times("OPTIONS") == [0.5, 60.5]
    report: Any = targets_report(scene.node.services)
    assert "SERVFAIL" in report["policies"][0]["targets"][0]["problem"]


async def test_a_target_of_all_regions_is_asked_in_each_of_them_in_order(scene: Scene) -> None:
    scene.zone.host("edge.us1.carrier.example", "198.51.100.1").host("edge.us2.carrier.example", "198.51.100.2")
    opened(scene, ONE % ("options", "sip:edge.{region}.carrier.example"))
    await scene.sleeps(60)
    assert (scene.first.times("OPTIONS"), scene.second.times("OPTIONS")) == ([0.5], [30.5])
    assert scene.second.got("OPTIONS")[0].uri_text == "sip:edge.us2.carrier.example"
    assert address_of(scene, "198.51.100.2")["region"] == "us2"


async def test_forty_targets_are_no_burst(scene: Scene) -> None:
    policies = [
        f"p{policy}: {{health: {{mode: options, interval: 20}}, targets: ["
        + ", ".join(f"{{target: 'sip:198.51.100.{policy * 10 + at}'}}" for at in range(10, 20))
        + "]}"
        for policy in range(4)
    ]
    for at in range(10, 50):
        scene.carrier(f"198.51.100.{at}").to_options = (200, ())
    opened(scene, f"connection_policies: {{{', '.join(policies)}}}")
    await scene.sleeps(20)
    times = [each.at for each in scene.network.log if each.what == "OPTIONS"]
    assert len(times) == 40
    assert min(later - earlier for earlier, later in zip(times, times[1:], strict=False)) > 0.4


async def test_rounds_are_a_little_longer_or_shorter_than_the_interval(scene: Scene) -> None:
    opened(scene)
    scene.draws_at_random()
    await scene.sleeps(600)
    times = scene.first.times("OPTIONS")
    gaps = [later - earlier for earlier, later in zip(times, times[1:], strict=False)]
    assert all(54.0 <= gap <= 66.0 for gap in gaps)
    assert max(gaps) - min(gaps) > 1.0


# --- who is not asked --------------------------------------------------------------------------------------


@pytest.mark.parametrize("health", ["passive", "off", ""])
async def test_nobody_is_asked_unless_the_policy_says_so(scene: Scene, health: str) -> None:
    scene.starts(f"connection_policies: {{carriers: {{health: {health}}}}}")
    await refused_by(scene.first, await called(scene))
    await scene.sleeps(600)
    assert scene.first.times("OPTIONS") == scene.second.times("OPTIONS") == []


async def test_a_disabled_target_hears_neither_options_nor_invite(scene: Scene) -> None:
    opened(
        scene,
        "connection_policies: {carriers: {health: options, targets: ["
        "{target: 'sip:198.51.100.1', enabled: false}, {target: 'sip:198.51.100.2'}]}}",
    )
    await scene.sleeps(200)
    await refused_by(scene.second, await called(scene))
    assert scene.first.heard == []


async def test_a_target_that_is_ourselves_is_never_asked(scene: Scene) -> None:
    opened(scene, ONE % ("{mode: options, misses: 1}", "sip:192.0.2.1"))
    await scene.sleeps(10)
    assert [each for each in scene.network.log if each.what == "OPTIONS"] == []
    assert address_of(scene, "192.0.2.1")["last"]["text"] == "the target is this proxy itself"


async def test_a_reload_asks_new_targets_and_leaves_removed_ones_alone(scene: Scene) -> None:
    opened(scene, ONE % ("options", "sip:198.51.100.1"))
    await scene.sleeps(10)
    scene.reloads(
        "connection_policies: {carriers: {health: options, targets: ["
        "{target: 'sip:198.51.100.1'}, {target: 'sip:198.51.100.2'}]}}"
    )
    await scene.sleeps(60)
    assert (scene.first.times("OPTIONS"), scene.second.times("OPTIONS")) == ([0.5, 60.5], [10.5])
    scene.reloads(ONE % ("options", "sip:198.51.100.1"))
    await scene.sleeps(60)
    assert len(scene.second.times("OPTIONS")) == 1
    assert len(scene.first.times("OPTIONS")) == 3
    assert states(scene) == {"198.51.100.1": "up"}


async def test_a_target_that_is_removed_while_it_is_asked_is_left_at_once(scene: Scene) -> None:
    opened(scene, ONE % ("options", "sip:198.51.100.1"))
    scene.first.silent = True
    await scene.sleeps(0.9)
    scene.reloads("connection_policies: {carriers: {health: off}}")
    await scene.sleeps(60)
    assert scene.first.times("OPTIONS") == [0.5]
    assert scene.events("address.down") == scene.events("prober.crashed") == []


async def test_a_draining_node_asks_nobody(scene: Scene) -> None:
    opened(scene)
    call, there = await scene.talking()
    draining = asyncio.get_running_loop().create_task(scene.node.stop(100))
    await scene.sleeps(90)
    assert scene.first.times("OPTIONS") == []
    there.hangs_up()
    await there.hears(200, "BYE")
    await call.receives("BYE")
    await draining


async def test_an_unexpected_error_of_ours_leaves_no_target_unwatched(
    scene: Scene, monkeypatch: pytest.MonkeyPatch
) -> None:
    opened(scene)
    scene.tolerant = True
    with monkeypatch.context() as patch:
        patch.setattr(scene.resolver, "locate", None)
        await scene.sleeps(10)
    await scene.sleeps(60)
    assert len(scene.events("prober.crashed")) == 2
    assert states(scene) == {"198.51.100.1": "up", "198.51.100.2": "up"}


# --- by calls alone ----------------------------------------------------------------------------------------


async def test_three_silent_calls_in_a_row_and_the_fourth_does_not_wait(scene: Scene) -> None:
    scene.starts()
    scene.first.silent = True
    for number in range(4):
        start = scene.now
        await refused_by(scene.second, await called(scene))
        assert scene.now - start == (4.0 if number < 3 else 0.0)
    assert [len(record.attempts) for record in scene.records] == [2, 2, 2, 1]
    assert "passed over: down until" in scene.records[3].decisions[-1]


async def test_one_silent_call_between_good_ones_takes_no_gateway_out(scene: Scene) -> None:
    scene.starts()
    for silent in (True, True, False, True, True, False):
        scene.first.silent = silent
        await refused_by(scene.second if silent else scene.first, await called(scene))
    assert states(scene)["198.51.100.1"] == "up"


async def test_after_a_minute_one_call_tries_the_dead_gateway_and_its_fellows_do_not_wait(scene: Scene) -> None:
    scene.starts()
    scene.first.silent = True
    for _ in range(3):
        await refused_by(scene.second, await called(scene))
    await scene.sleeps(60)
    trial, fellow = scene.caller.calls(), scene.caller.calls()
    await trial.hears(180)
    await fellow.hears(180)
    start = scene.now
    await refused_by(scene.second, fellow)
    assert scene.now == start
    await refused_by(scene.second, trial)
    assert scene.now == start + 4.0
    scene.first.silent = False
    await scene.sleeps(60)
    for _ in range(2):
        await refused_by(scene.first, await called(scene))
    assert states(scene)["198.51.100.1"] == "up"


async def test_a_gateway_whose_only_fault_is_a_busy_user_stays_up(scene: Scene) -> None:
    scene.starts()
    for status in (486, 480, 600, 404):
        call = await called(scene)
        (await scene.first.invited()).refuses(status, headers=["Retry-After: 100"])
        if status == 480:
            (await scene.second.invited()).refuses(480)
        await call.hears(status)
    assert address_of(scene, "198.51.100.1")["in_use"] is True
    assert states(scene)["198.51.100.1"] == "up"


async def test_a_500_with_retry_after_lets_the_address_rest_and_one_without_does_not(scene: Scene) -> None:
    scene.starts()
    for headers in ((), ("Retry-After: 20",)):
        call = await called(scene)
        (await scene.first.invited()).refuses(500, headers=headers)
        await refused_by(scene.second, call)
    await refused_by(scene.second, await called(scene))
    await scene.sleeps(20)
    await refused_by(scene.first, await called(scene))


async def test_with_health_off_a_silent_gateway_is_tried_by_every_call(scene: Scene) -> None:
    scene.starts("connection_policies: {carriers: {health: off}}")
    scene.first.silent = True
    for _ in range(5):
        start = scene.now
        await refused_by(scene.second, await called(scene))
        assert scene.now == start + 4.0


# --- what operators see ------------------------------------------------------------------------------------


async def test_operators_see_each_address_with_its_state_its_last_answer_and_the_next_question(
    scene: Scene,
) -> None:
    opened(scene)
    scene.network.delay = 0.02
    scene.second.silent = True
    await scene.sleeps(71)
    seen = address_of(scene, "198.51.100.1")
    assert (seen["state"], seen["in_use"], seen["next_probe_in"]) == ("up", True, 49.5)
    assert seen["last"] | {"at": ""} == {
        "at": "",
        "by": "options",
        "text": "200 Said",
        "status": 200,
        "seconds": 0.04,
    }
    assert seen["since"] == "2025-10-09T08:53:20.540Z"
    dead = address_of(scene, "198.51.100.2")
    assert (dead["state"], dead["in_use"], dead["misses"], dead["next_probe_in"]) == ("down", False, 2, 50.5)
    assert dead["last"]["text"] == "no reply to OPTIONS within 4 s"


async def test_operators_see_how_long_an_address_rests_and_when_a_call_may_try_a_dead_one(scene: Scene) -> None:
    scene.starts("connection_policies: {carriers: {health: {misses: 1}}}")
    scene.first.silent = True
    await refused_by(scene.second, await called(scene), 503, "Retry-After: 90")
    dead, rests = address_of(scene, "198.51.100.1"), address_of(scene, "198.51.100.2")
    assert (dead["state"], dead["in_use"], dead["next_trial_in"]) == ("down", False, 60.0)
    assert (rests["state"], rests["in_use"], rests["rests_until"]) == ("unknown", False, "2025-10-09T08:54:54.000Z")
    assert scene.events("address.resting")[0]["seconds"] == 90.0


async def test_operators_see_targets_that_nobody_has_called_and_no_password_of_any(scene: Scene) -> None:
    scene.starts(ONE % ("passive", "sip:user:hunter2@198.51.100.1?X-Key=hunter2"))
    report: Any = targets_report(scene.node.services)
    (target,) = report["policies"][0]["targets"]
    assert (target["target"], target["health"], target["addresses"]) == ("sip:user@198.51.100.1", "passive", [])
    assert "hunter2" not in str(report)
