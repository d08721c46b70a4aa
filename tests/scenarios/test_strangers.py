"""Who is nobody's carrier: what it costs, when it is not heard any more, and whom that must never happen to."""

import itertools

import pytest

from tests.support.build import DIALLED, Carrier, Scene

STRANGER = "198.18.0.1"
UNKNOWN = "sip:100@192.0.2.1"
DIGEST = """
credential_lists: {sbcs: {credentials: [{username: sbc1, password: Correct-Horse-7}]}}
domains: {open: {trunk: acme-trunk, credential_lists: [sbcs]}}
"""
OPEN = "sip:+14158675309@open.sip.example.test"
REJECT = "<Response><Reject/></Response>"


async def banned(scene: Scene, scanner: Carrier) -> None:
    for _ in range(25):
        scanner.calls(UNKNOWN)
    await scene.settled()


async def test_a_scanner_is_banned_after_twenty_offences_and_told_to_the_log_once(scene: Scene) -> None:
    scene.starts()
    scanner = scene.carrier(STRANGER)
    for _ in range(60):
        scanner.asks("OPTIONS", UNKNOWN)
    await scene.settled()
    assert [event["source"] for event in scene.events("source.banned")] == [STRANGER]
    assert scene.node.rejections.counts == {"stranger": 20, "banned": 40}
    assert scanner.heard == []


async def test_a_ban_ends_after_its_time(scene: Scene) -> None:
    scene.starts(DIGEST + "limits: {strangers: {ban_time: 60}}")
    stranger = scene.carrier(STRANGER)
    await banned(scene, stranger)
    stranger.calls(OPEN)
    await scene.sleeps(50)
    assert stranger.heard == []
    await scene.sleeps(10)
    await stranger.calls(OPEN).hears(407)


async def test_an_address_in_a_list_is_never_banned_whatever_comes_from_it(scene: Scene) -> None:
    # its address can be forged by anybody: that must not cost the carrier a call
    scene.starts(DIGEST, twiml=REJECT)
    await banned(scene, scene.caller)
    for _ in range(50):
        scene.caller.speaks(b"\x00\x01 garbage \xff\r\n\r\n")
    assert scene.events("source.banned") == []
    call = scene.caller.calls()
    await call.hears(180)
    await call.hears(404)


async def test_a_carrier_without_a_list_is_trusted_once_it_knew_its_password(scene: Scene) -> None:
    scene.starts(DIGEST, twiml=REJECT)
    carrier = scene.carrier(STRANGER)
    call = carrier.calls(OPEN)
    call.authenticates("sbc1", "Correct-Horse-7", await call.hears(407))
    await call.hears(180)
    await call.hears(404)
    await banned(scene, carrier)
    await carrier.calls(OPEN).hears(407)


async def test_a_ban_that_was_brought_about_by_forgery_ends_no_call_in_progress(scene: Scene) -> None:
    scene.starts()
    call, there = await scene.talking()
    elsewhere = "198.51.100.77"  # where the gateway sends the rest of the call from; in no list, never called
    await banned(scene, scene.carrier(elsewhere))
    there.carrier.address = (elsewhere, 5060)
    there.hangs_up()
    await call.receives("BYE")


async def test_a_gateway_that_we_call_may_probe_us_for_ever(scene: Scene) -> None:
    scene.starts()
    call, there = await scene.talking()
    for _ in range(40):
        scene.first.asks("OPTIONS", UNKNOWN)
    await scene.settled()
    assert scene.events("source.banned") == []
    call.hangs_up()
    await there.receives("BYE")


async def test_a_list_that_is_reloaded_lifts_the_ban_of_its_addresses(scene: Scene) -> None:
    scene.starts(twiml=REJECT)
    carrier = scene.carrier(STRANGER)
    await banned(scene, carrier)
    scene.reloads(f"ip_access_control_lists: {{dallas: {{addresses: [{STRANGER}]}}}}")
    await carrier.calls().hears(180)


async def test_guessing_passwords_from_a_carriers_address_slows_down_and_right_ones_still_pass(
    scene: Scene,
) -> None:
    scene.starts(DIGEST + "limits: {strangers: {per_source: 2}}", twiml=REJECT)
    challenges = []
    for number in range(30):
        before = scene.caller.heard.count("407 INVITE")
        call = scene.caller.calls(OPEN)
        call.authenticates("sbc1", f"Guess-Number-{number}", await call.hears(407))
        await scene.settled()
        challenges.append(scene.caller.heard.count("407 INVITE") - before)
    assert challenges == [2] * 10 + [1] * 20
    call = scene.caller.calls(OPEN)
    call.authenticates("sbc1", "Correct-Horse-7", await call.hears(407))
    await call.hears(180)


async def test_all_strangers_together_get_so_many_answers_a_second_and_carriers_all_of_theirs(scene: Scene) -> None:
    scene.starts(DIGEST + "limits: {strangers: {in_all: 20}}", twiml=REJECT)
    strangers = [scene.carrier(f"198.18.1.{number}") for number in range(50)]
    for stranger in strangers:
        stranger.calls(OPEN)
    await scene.settled()
    assert sum(len(stranger.heard) for stranger in strangers) == 20
    await scene.caller.calls().hears(180)


METHODS = ["INVITE", "OPTIONS", "REGISTER", "BYE", "CANCEL", "INFO", "NONSENSE"]
HOSTS = ["192.0.2.1", "acme.sip.example.test", "open.sip.example.test"]
WORST = "limits: {strangers: {per_source: 100000, in_all: 100000, ban_after: 100000}}\nunknown_domain: "


def small(number: int, method: str, host: str, source: str, padding: int, to_tag: str) -> bytes:
    lines = [
        f"{method} sip:{host} SIP/2.0",
        f"Via: SIP/2.0/UDP {source};branch=z9hG4bKnumber-{number}-",
        f"f: <sip:a@b>;tag=number-{number}-",
        f"t: <sip:a@b>{to_tag}",
        f"i: call-{number}-",
        f"CSeq: 1 {method}",
        *([f"X: {'x' * padding}"] if padding else []),
    ]
    return "\r\n".join([*lines, "", ""]).encode()


@pytest.mark.parametrize("unknown", ["drop", "404"])
async def test_no_stranger_can_have_a_larger_packet_sent_than_it_sent_itself(scene: Scene, unknown: str) -> None:
    scene.starts(DIGEST + WORST + unknown)
    answered = 0
    to_tags = ["", ";tag=theirs", f";tag={scene.node.endpoint.core._secret}"]
    shapes = itertools.product(METHODS, HOSTS, range(0, 700, 35), to_tags)
    for number, (method, host, padding, to_tag) in enumerate(shapes):
        source = f"198.18.{number // 200}.{number % 200}"
        data = small(number, method, host, source, padding, to_tag)
        before = len(scene.network.log)
        scene.carrier(source).speaks(data)
        await scene.settled()
        answers = [each.data for each in scene.network.log[before:] if each.source == ("192.0.2.1", 5060)]
        assert all(len(answer) <= len(data) for answer in answers), data
        answered += len(answers)
    assert answered > 100  # or the test would prove nothing


async def test_what_was_turned_away_is_kept_in_a_small_ring_and_counted_in_the_log_every_minute(
    scene: Scene,
) -> None:
    scene.starts("limits: {strangers: {in_all: 1000}}")
    for number in range(250):
        scene.carrier(f"198.18.2.{number}").calls(UNKNOWN)
    await scene.carrier("198.18.3.1").calls().hears(403)
    recent = scene.node.rejections.recent()
    assert len(recent) == 200
    assert recent[0]["kind"] == "403"
    assert recent[0]["source"] == "UDP 198.18.3.1:5060"
    assert recent[1]["reason"] == "a stranger asked INVITE of 192.0.2.1"
    await scene.sleeps(61)
    (line,) = scene.events("messages.rejected")
    assert (line["stranger"], line["403"]) == (250, 1)


# --- more calls than can be served -------------------------------------------------------------------------


async def test_a_node_that_is_behind_refuses_some_new_calls_and_serves_those_it_has(scene: Scene) -> None:
    scene.starts()
    waiting = 0.0
    scene.node.gauge.watch(lambda: waiting)
    call, there = await scene.talking()
    waiting = 1.0
    callers = [scene.carrier("203.0.113.9", 6000 + number) for number in range(60)]
    for caller in callers:
        caller.calls()
        await scene.sleeps(0.05)
    refused = [caller.received[-1] for caller in callers if caller.heard[-1:] == ["503 INVITE"]]
    assert 20 < len(refused) < 60
    assert {response.headers.get("retry-after") for response in refused} == {"1"}
    assert scene.node.rejections.counts["overload"] == len(refused)
    call.hangs_up()
    await call.hears(200, "BYE")
    await there.receives("BYE")
    waiting = 0.0
    await scene.sleeps(60)
    assert [event["event"] for event in scene.logged if event["event"].startswith("node.")] == [
        "node.overloaded",
        "node.recovered",
    ]
    await scene.caller.calls().hears(180)


async def test_a_stranger_hears_nothing_of_our_being_busy(scene: Scene) -> None:
    scene.starts()
    scene.node.gauge.watch(lambda: 1.0)
    for _ in range(40):
        scene.caller.calls()
        await scene.sleeps(0.05)
    stranger = scene.carrier(STRANGER)
    stranger.calls(UNKNOWN)
    await scene.settled()
    assert stranger.heard == []
    await scene.sleeps(5)
    assert DIALLED in str(scene.caller.received[-1].headers.get("to"))
