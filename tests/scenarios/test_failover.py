"""What one outcome of an attempt leads to: one test for each row of the failover rules, on both wires."""

import pytest

from byoc_proxy.sip.locate import Srv
from byoc_proxy.trunk.model import stable_sid
from tests.support.build import ANSWER, DIAL, TLS, Carrier, CarrierCall, Scene

THREE_ADDRESSES = "connection_policies: {carriers: {targets: [{target: 'sip:gw.carrier.example:5060'}]}}"
TCP_FIRST = """
connection_policies:
  carriers:
    targets: [{target: "sip:198.51.100.1;transport=tcp", priority: 1}, {target: "sip:198.51.100.2", priority: 2}]
"""


async def answered_by(scene: Scene, gateway: Carrier, call: CarrierCall) -> None:
    """The gateway answers, the call comes up and the callee ends it."""
    there = await gateway.invited()
    there.answers()
    await there.receives("ACK")
    await call.hears(200)
    call.acks()
    await scene.settled()
    there.hangs_up()
    await there.hears(200, "BYE")
    await call.receives("BYE")
    await scene.settled()


async def refused_by_all(scene: Scene, *statuses: int) -> CarrierCall:
    """Each gateway refuses in its turn; the caller's call."""
    call = scene.caller.calls()
    await call.hears(180)
    for gateway, status in zip((scene.first, scene.second), statuses, strict=False):
        (await gateway.invited()).refuses(status)
    return call


# --- silence -----------------------------------------------------------------------------------------------


async def test_the_second_gateway_is_tried_when_the_first_is_silent_for_four_seconds(scene: Scene) -> None:
    scene.starts()
    scene.first.is_silent()
    call = scene.caller.calls()
    await call.hears(180)
    await answered_by(scene, scene.second, call)
    assert scene.first.times("INVITE")[:4] == [0.0, 0.5, 1.5, 3.5]
    assert scene.second.times("INVITE") == [4.0]
    assert scene.first.heard.count("CANCEL") == 0  # RFC 3261 §9.1: not before a 1xx
    assert [attempt.outcome for attempt in scene.record.attempts] == ["no reply", "answered"]
    assert scene.record.attempts[0].code == 32011
    assert scene.record.attempts[0].duration == 4.0


@pytest.mark.parametrize(("trying", "at"), [(False, 4.0), (True, 11.0)], ids=["nothing before", "a 100 before"])
async def test_an_answer_in_the_very_instant_of_the_timeout_is_an_answer(
    scene: Scene, trying: bool, at: float
) -> None:
    scene.starts()
    scene.network.delay = 0.5
    call = scene.caller.calls()
    await call.hears(180)
    there = await scene.first.invited()
    if trying:
        there.trying()
    await scene.sleeps(at - scene.now)
    there.answers()  # and half a second later, when the clock runs out, it is there
    await there.receives("ACK")
    await call.hears(200)
    call.acks()
    call.hangs_up()
    await call.hears(200, "BYE")
    await there.receives("BYE")
    assert scene.second.heard == []


async def test_a_late_1xx_of_a_silent_gateway_is_cancelled(scene: Scene) -> None:
    scene.starts()
    call = scene.caller.calls()
    await call.hears(180)
    late = await scene.first.invited()
    await answered_by(scene, scene.second, call)
    late.rings()
    await late.receives("CANCEL")
    await late.receives("ACK")
    assert scene.first.heard[-2:] == ["CANCEL", "ACK"]


async def test_a_late_200_of_a_silent_gateway_is_acknowledged_ended_and_recorded(scene: Scene) -> None:
    scene.starts()
    call = scene.caller.calls()
    await call.hears(180)
    late = await scene.first.invited()
    await answered_by(scene, scene.second, call)
    late.answers()
    await late.receives("ACK")
    await late.receives("BYE")
    await scene.settled()
    assert scene.record.attempts[0].late == ["200 Said"]
    assert scene.record.attempts[0].outcome == "no reply"
    assert scene.record.revision == 2
    assert scene.record.attempts[1].outcome == "answered"


async def test_a_name_with_three_addresses_of_which_two_are_dead_answers_on_the_third_after_eight_seconds(
    scene: Scene,
) -> None:
    scene.zone.host("gw.carrier.example", "198.51.100.1", "198.51.100.2", "198.51.100.3")
    scene.starts(THREE_ADDRESSES)
    third = scene.carrier("198.51.100.3")
    scene.first.is_silent()
    scene.second.is_silent()
    call = scene.caller.calls()
    await call.hears(180)
    await answered_by(scene, third, call)
    assert (scene.first.times("INVITE")[0], scene.second.times("INVITE")[0]) == (0.0, 4.0)
    assert third.times("INVITE") == [8.0]
    assert [attempt.address for attempt in scene.record.attempts] == [
        f"UDP 198.51.100.{number}:5060" for number in (1, 2, 3)
    ]


async def test_a_complete_outage_of_one_region_is_left_for_the_next_region(scene: Scene) -> None:
    scene.zone.host("edge.us1.carrier.example", "198.51.100.1", "198.51.100.2")
    scene.zone.host("edge.us2.carrier.example", "198.51.100.3")
    scene.starts("connection_policies: {carriers: {targets: [{target: 'sip:edge.{region}.carrier.example'}]}}")
    scene.first.is_silent()
    scene.second.is_silent()
    call = scene.caller.calls()
    await call.hears(180)
    third = scene.carrier("198.51.100.3")
    await answered_by(scene, third, call)
    assert third.times("INVITE") == [8.0]
    story = [(attempt.region, attempt.outcome) for attempt in scene.record.attempts]
    assert story == [("us1", "no reply"), ("us1", "no reply"), ("us2", "answered")]


# --- DNS and transport -------------------------------------------------------------------------------------


async def test_a_name_that_does_not_resolve_is_left_at_once_for_the_next_target(scene: Scene) -> None:
    scene.starts(
        "connection_policies: {carriers: {targets: ["
        "{target: 'sip:dead.example', priority: 1}, {target: 'sip:198.51.100.2', priority: 2}]}}"
    )
    scene.resolver.failing.add("dead.example")
    call = scene.caller.calls()
    await call.hears(180)
    await answered_by(scene, scene.second, call)
    assert scene.second.times("INVITE") == [0.0]
    attempt = scene.record.attempts[0]
    assert (attempt.outcome, attempt.code, attempt.address) == ("not resolved", 32011, None)
    assert "SERVFAIL" in attempt.reason


async def test_an_icmp_error_leads_to_the_next_address_at_once(scene: Scene) -> None:
    scene.starts()
    scene.network.moods["198.51.100.1"] = "unreachable"
    call = scene.caller.calls()
    await call.hears(180)
    await answered_by(scene, scene.second, call)
    assert scene.first.times("INVITE") == [0.0]
    assert scene.second.times("INVITE") == [0.0]
    assert scene.record.attempts[0].outcome == "unreachable"
    assert "ICMP" in scene.record.attempts[0].reason


async def test_a_refused_tcp_connection_leads_to_the_next_address_at_once(scene: Scene) -> None:
    scene.starts(TCP_FIRST)
    scene.network.moods["198.51.100.1"] = "refuses"
    call = scene.caller.calls()
    await call.hears(180)
    await answered_by(scene, scene.second, call)
    assert scene.second.times("INVITE") == [0.0]
    assert "refused" in scene.record.attempts[0].reason


async def test_a_silent_tcp_connect_leads_to_the_next_address_after_four_seconds(scene: Scene) -> None:
    scene.starts(TCP_FIRST)
    scene.network.moods["198.51.100.1"] = "hangs"
    call = scene.caller.calls()
    await call.hears(180)
    await answered_by(scene, scene.second, call)
    assert scene.second.times("INVITE") == [4.0]
    assert scene.record.attempts[0].outcome == "unreachable"
    assert scene.first.heard == []


async def test_a_phone_that_rings_although_the_connection_of_its_invite_broke_is_cancelled(scene: Scene) -> None:
    scene.starts(TCP_FIRST)
    call = scene.caller.calls()
    await call.hears(180)
    lost = await scene.first.invited()
    scene.network.cut(scene.first.stream)
    there = await scene.second.invited()  # at once
    lost.rings()  # over a connection of its own (RFC 3261 §18.2.2)
    await lost.receives("CANCEL")
    there.answers()
    await there.receives("ACK")
    assert scene.node.switchboard.calls != {}


async def test_an_answer_although_the_connection_of_its_invite_broke_is_acknowledged_and_ended(
    scene: Scene,
) -> None:
    scene.starts(TCP_FIRST)
    call = scene.caller.calls()
    await call.hears(180)
    lost = await scene.first.invited()
    scene.network.cut(scene.first.stream)
    await scene.second.invited()
    lost.answers()
    await lost.receives("ACK")
    await lost.receives("BYE")
    assert "200 INVITE" not in scene.caller.heard


async def test_a_tcp_connection_that_breaks_under_the_invite_leads_to_the_next_address(scene: Scene) -> None:
    scene.starts(TCP_FIRST)
    call = scene.caller.calls()
    await call.hears(180)
    await scene.first.invited()
    scene.network.cut(scene.first.stream)
    await answered_by(scene, scene.second, call)
    assert scene.second.times("INVITE") == [0.0]
    assert scene.record.attempts[0].outcome == "unreachable"


async def test_a_tls_failure_leads_to_the_next_address_at_once_and_is_named(scene: Scene) -> None:
    listeners = TLS.replace("[", "[{transport: udp, bind: '192.0.2.1:5060'}, ", 1)
    scene.starts(listeners + "\n" + TCP_FIRST.replace("tcp", "tls"))
    scene.network.failures["198.51.100.1"] = "TLS failure: CERTIFICATE_VERIFY_FAILED"
    call = scene.caller.calls()
    await call.hears(180)
    await answered_by(scene, scene.second, call)
    assert scene.second.times("INVITE") == [0.0]
    assert scene.record.attempts[0].reason == "TLS failure: CERTIFICATE_VERIFY_FAILED"


# --- 100 and ringing ---------------------------------------------------------------------------------------


async def test_a_gateway_that_says_100_and_nothing_more_is_cancelled_after_ten_seconds(scene: Scene) -> None:
    scene.starts()
    call = scene.caller.calls()
    await call.hears(180)
    stuck = await scene.first.invited()
    stuck.trying()
    await stuck.receives("CANCEL")
    await answered_by(scene, scene.second, call)
    assert scene.first.times("CANCEL") == [10.0]
    assert scene.second.times("INVITE") == [10.0]
    assert scene.record.attempts[0].outcome == "no progress"


async def test_a_200_that_crosses_the_cancel_is_acknowledged_ended_and_recorded(scene: Scene) -> None:
    scene.starts()
    scene.first.obstinate = True
    call = scene.caller.calls()
    await call.hears(180)
    stuck = await scene.first.invited()
    stuck.trying()
    await stuck.receives("CANCEL")
    stuck.answers()
    await stuck.receives("ACK")
    await stuck.receives("BYE")
    await answered_by(scene, scene.second, call)
    assert scene.record.attempts[0].late == ["200 Said"]


@pytest.mark.parametrize("ringing", [180, 181, 182, 183])
@pytest.mark.parametrize("final", [404, 480, 503])
async def test_once_it_has_rung_no_other_phone_rings_whatever_the_final_response(
    scene: Scene, ringing: int, final: int
) -> None:
    scene.starts()
    call = scene.caller.calls()
    await call.hears(180)
    there = await scene.first.invited()
    there.responds(ringing)
    await scene.settled()
    there.refuses(final)
    await call.hears(final)
    assert scene.second.heard == []
    assert (await scene.over()).attempts[0].status == final


async def test_a_phone_that_rings_is_waited_for_until_the_dial_times_out(scene: Scene) -> None:
    scene.starts(twiml='<Response><Dial timeout="20"><Number>+14158675309</Number></Dial></Response>')
    call = scene.caller.calls()
    await call.hears(180)
    there = await scene.first.invited()
    there.rings()
    await there.receives("CANCEL")
    await call.hears(480)
    assert scene.first.times("CANCEL") == [25.0]  # the public API rings five seconds longer than it is told
    assert scene.second.heard == []
    assert (await scene.over()).attempts[0].outcome == "left"


# --- final responses before the pin ------------------------------------------------------------------------


@pytest.mark.parametrize("status", [400, 404, 405, 410, 416, 482, 484, 486, 600, 603, 604, 606])
async def test_a_refusal_about_the_number_or_the_user_is_final(scene: Scene, status: int) -> None:
    scene.starts()
    call = await refused_by_all(scene, status)
    refusal = await call.hears(status)
    assert refusal.headers.get("x-byoc-error") is None  # no routing has failed: somebody said no
    assert scene.second.heard == []
    assert scene.first.heard == ["INVITE", "ACK"]
    record = await scene.over()
    assert (record.sip_status, record.attempts[0].code, record.attempts[0].reason) == (status, 32011, "Refused")


@pytest.mark.parametrize("status", [403, 408, 480, 487, 488, 500, 501, 502, 504, 505, 580])
async def test_a_refusal_about_the_gateway_leads_to_the_next_target(scene: Scene, status: int) -> None:
    scene.starts()
    call = await refused_by_all(scene, status)
    await answered_by(scene, scene.second, call)
    assert scene.second.times("INVITE") == [0.0]
    assert (scene.record.attempts[0].status, scene.record.attempts[0].code) == (status, 32011)


@pytest.mark.parametrize(
    ("status", "next_at"), [(503, "198.51.100.3"), (408, "198.51.100.3"), (500, "198.51.100.2")]
)
async def test_503_and_408_try_the_next_address_and_500_the_next_target(
    scene: Scene, status: int, next_at: str
) -> None:
    scene.zone.host("gw.carrier.example", "198.51.100.1", "198.51.100.3")
    scene.starts(
        "connection_policies: {carriers: {targets: ["
        "{target: 'sip:gw.carrier.example', priority: 1}, {target: 'sip:198.51.100.2', priority: 2}]}}"
    )
    third = scene.carrier("198.51.100.3")
    call = await refused_by_all(scene, status)
    await answered_by(scene, third if next_at == third.address[0] else scene.second, call)
    assert scene.record.attempts[1].address == f"UDP {next_at}:5060"


@pytest.mark.parametrize("status", [401, 407])
async def test_a_carrier_that_wants_credentials_is_left_and_recorded_as_32106(scene: Scene, status: int) -> None:
    scene.starts()
    call = await refused_by_all(scene, status)
    await answered_by(scene, scene.second, call)
    assert scene.record.attempts[0].code == 32106
    assert scene.first.heard == ["INVITE", "ACK"]


async def test_a_redirect_is_not_followed_unless_the_policy_says_so(scene: Scene) -> None:
    scene.starts()
    call = scene.caller.calls()
    await call.hears(180)
    (await scene.first.invited()).refuses(302, headers=["Contact: <sip:198.51.100.9>"])
    elsewhere = scene.carrier("198.51.100.9")
    await answered_by(scene, scene.second, call)
    assert elsewhere.heard == []


async def test_a_redirect_is_followed_once_to_its_first_contact(scene: Scene) -> None:
    scene.starts("connection_policies: {carriers: {follow_redirects: true}}")
    call = scene.caller.calls()
    await call.hears(180)
    contacts = "Contact: <sip:+1900@198.51.100.9>, <sip:198.51.100.10>"
    (await scene.first.invited()).refuses(302, headers=[contacts])
    elsewhere = scene.carrier("198.51.100.9")
    again = await elsewhere.invited()
    assert again.invite.uri_text == "sip:+1900@198.51.100.9"
    again.refuses(302, headers=["Contact: <sip:198.51.100.10>"])
    await answered_by(scene, scene.second, call)
    assert len(elsewhere.got("INVITE")) == 1


@pytest.mark.parametrize(
    "contact", ["sip:acme.sip.example.test", "sips:198.51.100.9", "tel:+1900", "sip:192.0.2.1"]
)
async def test_a_redirect_to_ourselves_or_to_no_sip_uri_is_not_followed(scene: Scene, contact: str) -> None:
    scene.zone.host("acme.sip.example.test", "192.0.2.1")
    scene.starts("connection_policies: {carriers: {follow_redirects: true}}")
    call = scene.caller.calls()
    await call.hears(180)
    (await scene.first.invited()).refuses(302, headers=[f"Contact: <{contact}>"])
    await answered_by(scene, scene.second, call)
    assert not [each for each in scene.network.log if each.source[0] == each.destination[0]]


# --- Retry-After -------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("retry_after", "seconds"), [("120", 120), ("86400", 300), (None, 30), ("0", 0)])
async def test_an_address_that_said_503_rests_for_its_retry_after(
    scene: Scene, retry_after: str | None, seconds: int
) -> None:
    scene.starts()
    headers = [f"Retry-After: {retry_after}"] if retry_after else []
    call = scene.caller.calls()
    await call.hears(180)
    (await scene.first.invited()).refuses(503, headers=headers)
    await answered_by(scene, scene.second, call)
    for wait, gateway in ((seconds - 0.5, scene.second), (0.5, scene.first)):
        await scene.sleeps(wait if seconds else 0)
        call = scene.caller.calls()
        await call.hears(180)
        await answered_by(scene, gateway if seconds else scene.first, call)


async def test_a_resting_address_is_skipped_by_other_calls(scene: Scene) -> None:
    scene.starts()
    call = await refused_by_all(scene, 503)
    await answered_by(scene, scene.second, call)
    other = scene.caller.calls()
    await other.hears(180)
    await answered_by(scene, scene.second, other)
    assert len(scene.first.got("INVITE")) == 1
    assert [len(record.attempts) for record in scene.records] == [2, 1]


async def test_when_every_address_rests_all_are_tried(scene: Scene) -> None:
    scene.starts()
    call = await refused_by_all(scene, 503, 503)
    await call.hears(503)
    other = scene.caller.calls()
    await other.hears(180)
    await answered_by(scene, scene.first, other)
    assert [record.status for record in scene.records] == ["failed", "completed"]


# --- the end of the list -----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("statuses", "told"),
    [
        ((500, 480), 480),
        ((408, 502), 502),
        ((401, 500), 403),  # the challenge was ours to answer, and its header must not cross
        ((407, 407), 403),
        ((302, 302), 480),
        ((480, 403), 480),
        ((302, 500), 500),
    ],
)
async def test_the_caller_hears_the_failure_that_says_most(
    scene: Scene, statuses: tuple[int, int], told: int
) -> None:
    scene.starts()
    call = await refused_by_all(scene, *statuses)
    response = await call.hears(told)
    assert response.headers.get("x-byoc-error") == "32400 BYOC Trunk routing failure"
    await scene.settled()
    assert scene.codes() == [32400]
    assert [attempt.status for attempt in scene.record.attempts] == list(statuses)


async def test_a_decline_after_a_failed_gateway_is_the_called_partys_word_and_no_routing_failure(
    scene: Scene,
) -> None:
    scene.starts()
    call = await refused_by_all(scene, 503, 603)
    response = await call.hears(603)
    assert response.headers.get("x-byoc-error") is None
    record = await scene.over()
    assert (record.status, scene.codes()) == ("busy", [])


async def test_with_every_gateway_silent_the_caller_hears_408_and_never_an_invented_503(scene: Scene) -> None:
    scene.starts()
    scene.first.is_silent()
    scene.second.is_silent()
    call = scene.caller.calls()
    await call.hears(180)
    await call.hears(408)
    assert scene.caller.times("408 INVITE") == [8.0]
    record = await scene.over()
    assert (record.status, scene.codes()) == ("no-answer", [32400])


async def test_with_every_transport_down_the_caller_hears_502(scene: Scene) -> None:
    scene.starts()
    scene.network.moods |= {"198.51.100.1": "unreachable", "198.51.100.2": "unreachable"}
    call = scene.caller.calls()
    await call.hears(180)
    await call.hears(502)
    assert (await scene.over()).status == "failed"


async def test_the_stop_codes_of_a_policy_replace_the_usual_ones(scene: Scene) -> None:
    scene.starts("connection_policies: {carriers: {failover_stop_codes: [480]}}")
    call = await refused_by_all(scene, 404, 480)
    await call.hears(404)
    record = await scene.over()
    assert [attempt.status for attempt in record.attempts] == [404, 480]


# --- another policy to fall back to -----------------------------------------------------------------------


FALLBACK = """
trunks: {acme-trunk: {fallback_connection_policy: reserve}}
connection_policies:
  carriers: {targets: [{target: "sip:198.51.100.1"}]}
  reserve: {targets: [{target: "sip:198.51.100.2"}]}
"""


async def test_s8_with_every_target_dead_a_trunk_with_a_fallback_policy_completes_the_call(scene: Scene) -> None:
    """And logs 32401; without one the call fails with 32400 (`test_with_every_gateway_silent_…`)."""
    scene.starts(FALLBACK)
    scene.first.is_silent()
    call = scene.caller.calls()
    await call.hears(180)
    await answered_by(scene, scene.second, call)
    assert scene.second.times("INVITE") == [4.0]
    assert (scene.record.status, scene.codes()) == ("completed", [32401])
    reserve = stable_sid("NY", "reserve")
    assert [attempt.policy_sid == reserve for attempt in scene.record.attempts] == [False, True]
    assert scene.record.events[0].text.endswith(f"going on by the fallback policy reserve {reserve}")


async def test_a_fallback_policy_that_leads_nowhere_either_is_a_routing_failure(scene: Scene) -> None:
    scene.starts(FALLBACK)
    call = await refused_by_all(scene, 500, 480)
    await call.hears(480)
    assert ((await scene.over()).status, scene.codes()) == ("failed", [32401, 32400])


async def test_the_called_partys_word_is_final_and_no_reason_to_fall_back(scene: Scene) -> None:
    scene.starts(FALLBACK)
    call = await refused_by_all(scene, 486)
    await call.hears(486)
    assert ((await scene.over()).status, scene.codes()) == ("busy", [])
    assert scene.second.heard == []


async def test_a_phone_that_has_rung_is_no_reason_to_fall_back(scene: Scene) -> None:
    scene.starts(FALLBACK)
    call = scene.caller.calls()
    await call.hears(180)
    there = await scene.first.invited()
    there.rings()
    there.refuses(500)
    await call.hears(500)
    await scene.over()
    assert scene.second.heard == []


async def test_addresses_that_rest_are_not_tried_where_there_is_a_fallback_policy(scene: Scene) -> None:
    scene.starts(FALLBACK)
    call = await refused_by_all(scene, 503)
    await answered_by(scene, scene.second, call)
    another = scene.caller.calls()
    await another.hears(180)
    await answered_by(scene, scene.second, another)
    assert (scene.first.heard.count("INVITE"), scene.second.heard.count("INVITE")) == (1, 2)


async def test_with_no_enabled_target_the_fallback_policy_is_the_only_way(scene: Scene) -> None:
    scene.starts(FALLBACK.replace('"sip:198.51.100.1"', '"sip:198.51.100.1", enabled: false'))
    call = scene.caller.calls()
    await call.hears(180)
    await answered_by(scene, scene.second, call)
    assert scene.codes() == [32401]


# --- the caller leaves -------------------------------------------------------------------------------------


async def test_a_caller_who_cancels_in_mid_failover_hears_487_once_and_nobody_else_is_called(scene: Scene) -> None:
    scene.starts()
    scene.first.is_silent()
    call = scene.caller.calls()
    await call.hears(180)
    await scene.sleeps(2)
    call.cancels()
    await call.hears(200, "CANCEL")
    await call.hears(487)
    await scene.sleeps(20)
    assert scene.caller.heard.count("487 INVITE") == 1
    assert scene.second.heard == []
    record = scene.record
    assert (record.status, record.sip_status, record.ended_by) == ("no-answer", 487, "caller")
    assert record.attempts[0].outcome == "left"


async def test_a_cancel_that_arrives_together_with_its_invite_starts_nothing(scene: Scene) -> None:
    scene.starts()
    call = scene.caller.calls()
    call.cancels()
    await call.hears(200, "CANCEL")
    await call.hears(487)
    record = await scene.over(20)
    assert (record.status, record.sip_status, record.ended_by) == ("no-answer", 487, "caller")
    assert scene.customer.requests == []
    assert scene.first.heard == []


async def test_a_caller_who_cancels_while_it_rings_cancels_the_called_side_too(scene: Scene) -> None:
    scene.starts()
    call = scene.caller.calls()
    await call.hears(180)
    there = await scene.first.invited()
    there.rings()
    await scene.settled()
    call.cancels()
    await call.hears(200, "CANCEL")
    await call.hears(487)
    await there.receives("CANCEL")
    await there.receives("ACK")


@pytest.mark.parametrize("later", [0.1, 0.0], ids=["later", "in the same instant"])
async def test_a_200_that_comes_after_the_caller_has_left_is_acknowledged_and_ended(
    scene: Scene, later: float
) -> None:
    scene.starts()
    call = scene.caller.calls()
    await call.hears(180)
    there = await scene.first.invited()
    call.cancels()
    await call.hears(200, "CANCEL")
    await call.hears(487)
    if later:
        await scene.sleeps(later)
    there.answers()
    await there.receives("ACK")
    await there.receives("BYE")
    await scene.settled()
    assert (scene.record.attempts[0].outcome, scene.record.attempts[0].late) == ("left", ["200 Said"])


async def test_a_caller_who_cancels_while_the_200_is_in_flight_gets_a_call_and_ends_it(scene: Scene) -> None:
    scene.starts()
    scene.network.delay = 0.1
    call = scene.caller.calls()
    await call.hears(180)
    there = await scene.first.invited()
    there.answers()
    await there.receives("ACK")  # our 200 is on its way to the caller
    call.cancels()
    await call.hears(200)
    call.acks()
    await call.hears(200, "CANCEL")
    call.hangs_up()
    await call.hears(200, "BYE")
    await there.receives("BYE")
    assert scene.caller.heard.count("487 INVITE") == 0


# --- order, weights, enabled -------------------------------------------------------------------------------


async def test_the_lowest_priority_number_is_always_first(scene: Scene) -> None:
    scene.draws_at_random()
    scene.starts(
        "connection_policies: {carriers: {targets: ["
        "{target: 'sip:198.51.100.3', priority: 20}, {target: 'sip:198.51.100.2', priority: 10},"
        " {target: 'sip:198.51.100.1', priority: 0}]}}"
    )
    for _ in range(20):
        call = scene.caller.calls()
        await call.hears(180)
        (await scene.first.invited()).refuses(486)
        await call.hears(486)
    assert len(scene.first.got("INVITE")) == 20
    assert scene.second.heard == []


async def test_an_equal_priority_is_tried_before_any_higher_number(scene: Scene) -> None:
    scene.starts(
        "connection_policies: {carriers: {targets: ["
        "{target: 'sip:198.51.100.1', priority: 10}, {target: 'sip:198.51.100.3', priority: 20},"
        " {target: 'sip:198.51.100.2', priority: 10}]}}"
    )
    call = await refused_by_all(scene, 500, 500)
    await answered_by(scene, scene.carrier("198.51.100.3"), call)
    assert [each.address for each in scene.record.attempts] == [f"UDP 198.51.100.{n}:5060" for n in (1, 2, 3)]


async def test_equal_priorities_share_the_calls_by_weight(scene: Scene) -> None:
    scene.draws_at_random()
    scene.starts(
        "connection_policies: {carriers: {targets: ["
        "{target: 'sip:198.51.100.1', weight: 30}, {target: 'sip:198.51.100.2', weight: 10}]}}"
    )
    for _ in range(200):
        call = scene.caller.calls()
        await call.hears(180)
        await scene.settled()
        call.cancels()
        await call.hears(200, "CANCEL")
        await call.hears(487)
    first = [record for record in scene.records if record.attempts[0].address == "UDP 198.51.100.1:5060"]
    assert 130 < len(first) < 170


async def test_a_disabled_target_never_gets_an_invite(scene: Scene) -> None:
    scene.starts(
        "connection_policies: {carriers: {targets: ["
        "{target: 'sip:198.51.100.1', priority: 1, enabled: false}, {target: 'sip:198.51.100.2', priority: 2}]}}"
    )
    call = await refused_by_all(scene)
    await answered_by(scene, scene.second, call)
    assert scene.first.times("INVITE") == scene.first.times("OPTIONS") == []


async def test_with_all_targets_disabled_the_call_fails_with_32010(scene: Scene) -> None:
    scene.starts("connection_policies: {carriers: {targets: [{target: 'sip:198.51.100.1', enabled: false}]}}")
    call = scene.caller.calls()
    await call.hears(180)
    await call.hears(404)
    await scene.settled()
    assert scene.codes() == [32010]
    assert scene.first.heard == []


async def test_srv_records_are_tried_in_their_order_with_their_ports(scene: Scene) -> None:
    scene.zone.host("a.carrier.example", "198.51.100.1").host("b.carrier.example", "198.51.100.2")
    scene.zone.service(
        "_sip._udp.carrier.example",
        Srv(20, 0, 5060, "b.carrier.example"),
        Srv(10, 0, 5070, "a.carrier.example"),
    )
    scene.starts("connection_policies: {carriers: {targets: [{target: 'sip:carrier.example'}]}}")
    call = scene.caller.calls()
    await call.hears(180)
    await answered_by(scene, scene.second, call)
    assert scene.record.attempts[0].address == "UDP 198.51.100.1:5070"
    assert scene.second.times("INVITE") == [4.0]


@pytest.mark.parametrize("target", ["sip:192.0.2.1", "sip:loop.example", "sip:192.0.2.1;transport=tcp"])
async def test_a_target_that_is_ourselves_is_refused_before_anything_is_sent(scene: Scene, target: str) -> None:
    scene.zone.host("loop.example", "192.0.2.1")
    scene.starts(
        "connection_policies: {carriers: {targets: ["
        f"{{target: '{target}', priority: 1}}, {{target: 'sip:198.51.100.2', priority: 2}}]}}}}"
    )
    call = scene.caller.calls()
    await call.hears(180)
    await answered_by(scene, scene.second, call)
    assert not [each for each in scene.network.log if each.source[0] == each.destination[0]]
    assert scene.record.attempts[0].reason == "the target is this proxy itself"


# --- what is sent ------------------------------------------------------------------------------------------


async def test_each_attempt_is_built_afresh_from_the_same_description(scene: Scene) -> None:
    scene.starts(
        "connection_policies: {carriers: {targets: ["
        "{target: 'sip:fixed@198.51.100.1', priority: 1}, {target: 'sip:198.51.100.2', priority: 2}]}}"
    )
    call = await refused_by_all(scene, 500)
    await answered_by(scene, scene.second, call)
    one, two = scene.first.got("INVITE")[0], scene.second.got("INVITE")[0]
    assert (one.uri_text, two.uri_text) == ("sip:fixed@198.51.100.1", "sip:+14158675309@198.51.100.2")
    assert one.call_id != two.call_id
    assert one.from_tag != two.from_tag
    assert one.via.branch != two.via.branch
    assert one.body == two.body
    assert (one.cseq, two.cseq) == ((1, "INVITE"), (1, "INVITE"))


async def test_a_fork_that_answers_second_is_acknowledged_and_ended(scene: Scene) -> None:
    scene.starts()
    call = scene.caller.calls()
    await call.hears(180)
    there = await scene.first.invited()
    there.answers()
    await there.receives("ACK")
    there.responds(200, ANSWER, tag="another")
    await there.receives("ACK")
    bye = await there.receives("BYE")
    assert bye.to_tag == "another"
    await call.hears(200)
    call.acks()
    call.hangs_up()
    await call.hears(200, "BYE")
    await there.receives("BYE")


async def test_a_lost_invite_is_repeated_and_the_call_goes_on(scene: Scene) -> None:
    scene.starts(twiml=DIAL)
    scene.network.loses("INVITE")
    call = scene.caller.calls()  # this one is lost
    await scene.settled()
    call.repeats()
    await call.hears(180)
    await answered_by(scene, scene.first, call)
    assert len(scene.customer.asked("/voice")) == 1
