"""Far ends behind NATs, and proxies with several addresses: where requests and responses go (RFC 3261 §12, §18)."""

import pytest

from byoc_proxy.daemon import warn_of_names
from byoc_proxy.sip.flow import Address
from byoc_proxy.sip.locate import Srv
from tests.support.build import ANSWER, OFFER, Carrier, CarrierCall, Scene

TWO_ADDRESSES = """
listeners:
  - {transport: udp, bind: "192.0.2.1:5060"}
  - {transport: udp, bind: "192.0.2.2:5080"}
"""


PRIVATE = "<sip:sbc@10.20.30.40:5062>"


def hidden(scene: Scene, address: str, contact: str = PRIVATE) -> Carrier:
    """A carrier behind a NAT: it sends from its public address and names its private one."""
    carrier = scene.carrier(address)
    carrier.contact = contact
    return carrier


async def up(scene: Scene, call: CarrierCall, gateway: Carrier) -> CarrierCall:
    """Answer the call at the gateway and let the caller acknowledge."""
    await call.hears(180)
    there = await gateway.invited()
    there.answers()
    await there.receives("ACK")
    await call.hears(200)
    call.acks()
    await scene.settled()
    return there


def sent_to(scene: Scene, kind: str) -> list[Address]:
    """Where the proxy sent messages of one kind."""
    return [
        each.destination
        for each in scene.network.log
        if each.what == kind and each.source[0].startswith("192.0.2.")
    ]


async def test_a_caller_behind_a_nat_gets_its_bye_at_the_address_that_it_sends_from(scene: Scene) -> None:
    scene.starts()
    call = hidden(scene, "203.0.113.9").calls()
    there = await up(scene, call, scene.first)
    there.hangs_up()
    await call.receives("BYE")
    assert sent_to(scene, "BYE") == [("203.0.113.9", 5060)]
    record = await scene.over()
    assert record.decisions[-1] == (
        "requests inside the dialog go to the source 203.0.113.9:5060 and not to sip:sbc@10.20.30.40:5062"
    )


async def test_a_callee_behind_a_nat_gets_ack_and_bye_at_the_address_of_the_target(scene: Scene) -> None:
    scene.starts()
    scene.first.contact = PRIVATE
    call = scene.caller.calls()
    there = await up(scene, call, scene.first)
    call.hangs_up()
    await there.receives("BYE")
    assert {*sent_to(scene, "ACK"), *sent_to(scene, "BYE")} == {("198.51.100.1", 5060)}
    assert "198.51.100.1:5060 and not to" in (await scene.over()).decisions[-1]


async def test_a_private_route_of_a_public_proxy_is_no_better_than_a_private_contact(scene: Scene) -> None:
    scene.starts()
    call = scene.caller.calls(headers=["Record-Route: <sip:192.168.7.7;lr>"])
    there = await up(scene, call, scene.first)
    there.hangs_up()
    assert (await call.receives("BYE")).headers.get("route") == "<sip:192.168.7.7;lr>"


async def test_inside_one_network_a_private_contact_is_believed(scene: Scene) -> None:
    scene.starts("ip_access_control_lists: {dallas: {addresses: [10.0.0.0/8, 203.0.113.9]}}")
    call = hidden(scene, "10.0.0.7", "<sip:sbc@10.0.0.8:5070>").calls()
    listening = scene.carrier("10.0.0.8", 5070)
    listening.is_silent()
    there = await up(scene, call, scene.first)
    there.hangs_up()
    await scene.settled()
    assert sent_to(scene, "BYE") == [("10.0.0.8", 5070)]
    assert listening.heard == ["BYE"]


async def test_a_public_contact_of_another_address_is_believed(scene: Scene) -> None:
    scene.starts()
    call = hidden(scene, "203.0.113.9", "<sip:sbc@203.0.113.10:5070>").calls()
    there = await up(scene, call, scene.first)
    there.hangs_up()
    await scene.settled()
    assert sent_to(scene, "BYE")[0] == ("203.0.113.10", 5070)


@pytest.mark.parametrize(
    ("routing", "contact", "destination"),
    [
        ("contact", PRIVATE, ("10.20.30.40", 5062)),
        ("source", "<sip:sbc@203.0.113.10:5070>", ("203.0.113.9", 5060)),
    ],
)
async def test_a_trunk_may_force_either_way(
    scene: Scene, routing: str, contact: str, destination: tuple[str, int]
) -> None:
    scene.starts(f"trunks: {{acme-trunk: {{contact_routing: {routing}}}}}")
    call = hidden(scene, "203.0.113.9", contact).calls()
    there = await up(scene, call, scene.first)
    there.hangs_up()
    await scene.settled()
    assert sent_to(scene, "BYE")[0] == destination


async def test_a_far_end_that_its_nat_has_moved_is_followed(scene: Scene) -> None:
    scene.starts()
    carrier = hidden(scene, "203.0.113.9")
    call = carrier.calls()
    there = await up(scene, call, scene.first)
    carrier.moves(61000)
    call.requests("INFO")
    there.responds(200, to=await there.receives("INFO"))
    await call.hears(200, "INFO")
    there.hangs_up()
    await call.receives("BYE")
    assert sent_to(scene, "BYE") == [("203.0.113.9", 61000)]


async def test_everything_of_a_leg_leaves_from_the_address_that_the_call_came_in_on(scene: Scene) -> None:
    scene.starts(TWO_ADDRESSES)
    scene.caller.proxy = ("192.0.2.2", 5080)
    call = scene.caller.calls()
    there = await up(scene, call, scene.first)
    there.hangs_up()
    bye = await call.receives("BYE")
    ours = {each.source for each in scene.network.log if each.destination[0] == "203.0.113.8"}
    assert ours == {("192.0.2.2", 5080)}
    assert bye.via.sent_by == "192.0.2.2:5080"


async def test_no_response_follows_the_via_of_a_caller_behind_a_nat(scene: Scene) -> None:
    scene.starts("trunks: {acme-trunk: {voice_twiml: '<Response><Reject/></Response>', voice_url: null}}")
    carrier = scene.carrier("203.0.113.9")
    carrier.sent_by = "10.20.30.40:5062"
    call = carrier.calls()
    await call.hears(180)
    assert (await call.hears(404)).via.params["received"] == "203.0.113.9"
    assert {each.destination for each in scene.network.log if each.source[0] == "192.0.2.1"} == {
        ("203.0.113.9", 5060)
    }


# --- far ends that name themselves -------------------------------------------------------------------------

NAMED = "<sip:sbc@sbc.carrier.test>"


async def ended_by_the_callee(scene: Scene, *headers: str, contact: str = NAMED) -> list[Address]:
    """A call from 203.0.113.9 is up, and the callee hangs up: where the BYE to the caller goes."""
    scene.starts()
    call = hidden(scene, "203.0.113.9", contact).calls(headers=list(headers))
    there = await up(scene, call, scene.first)
    there.hangs_up()
    await scene.settled()
    return sent_to(scene, "BYE")[:1]


async def test_a_named_contact_is_looked_up(scene: Scene) -> None:
    scene.zone.host("sbc.carrier.test", "203.0.113.70")
    assert await ended_by_the_callee(scene) == [("203.0.113.70", 5060)]


async def test_a_named_contact_is_found_by_its_service_records(scene: Scene) -> None:
    scene.zone.service("_sip._udp.sbc.carrier.test", Srv(1, 1, 5099, "in.carrier.test"))
    scene.zone.host("in.carrier.test", "203.0.113.70")
    assert await ended_by_the_callee(scene) == [("203.0.113.70", 5099)]


async def test_of_several_addresses_the_one_is_kept_that_the_call_came_from(scene: Scene) -> None:
    scene.zone.host("sbc.carrier.test", "203.0.113.70", "203.0.113.9")
    assert await ended_by_the_callee(scene) == [("203.0.113.9", 5060)]


async def test_a_named_route_is_looked_up_and_not_the_contact_behind_it(scene: Scene) -> None:
    scene.zone.host("sbc.carrier.test", "203.0.113.70").host("proxy.carrier.test", "203.0.113.71")
    routes = await ended_by_the_callee(scene, "Record-Route: <sip:proxy.carrier.test;lr>")
    assert routes == [("203.0.113.71", 5060)]


@pytest.mark.parametrize("address", ["", "10.1.2.3"], ids=["no address", "a private one"])
async def test_a_name_that_leads_nowhere_leaves_the_far_end_where_it_was(scene: Scene, address: str) -> None:
    scene.zone.host("sbc.carrier.test", *filter(None, [address]))
    assert await ended_by_the_callee(scene) == [("203.0.113.9", 5060)]


async def test_a_contact_that_moves_is_looked_up_anew(scene: Scene) -> None:
    scene.zone.host("sbc.carrier.test", "203.0.113.70").host("other.carrier.test", "203.0.113.72")
    scene.starts()
    carrier = hidden(scene, "203.0.113.9", NAMED)
    call = carrier.calls()
    there = await up(scene, call, scene.first)
    carrier.contact = "<sip:sbc@other.carrier.test>"
    call.reinvites(OFFER)
    await there.receives("INVITE")
    there.answers()
    await there.receives("ACK")
    await call.hears(200)
    call.acks()
    await scene.settled()
    there.hangs_up()
    await scene.settled()
    assert sent_to(scene, "BYE")[:1] == [("203.0.113.72", 5060)]


# --- what the proxy says of itself -------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("records", "cause"),
    [
        ([], "has no address"),
        (["10.0.0.5"], "10.0.0.5 here, which is private"),
        (["203.0.113.5"], ""),
    ],
)
async def test_an_advertised_name_that_leads_nowhere_is_warned_of(
    scene: Scene, records: list[str], cause: str
) -> None:
    scene.starts("listeners: [{transport: udp, bind: '192.0.2.1:5060', advertise: sbc.example.test}]")
    scene.zone.host("sbc.example.test", *records)
    settings = scene.configured(
        "listeners: [{transport: udp, bind: '192.0.2.1:5060', advertise: sbc.example.test}]"
    ).settings
    await warn_of_names(settings, scene.resolver, scene.node.log)
    warnings = [each["cause"] for each in scene.events("listener.advertised_name")]
    assert len(warnings) == bool(cause)
    assert all(cause in each for each in warnings)


async def test_an_answer_and_an_ack_tell_the_address_of_their_own_listener(scene: Scene) -> None:
    scene.starts(TWO_ADDRESSES)
    scene.caller.proxy = ("192.0.2.2", 5080)
    call = scene.caller.calls()
    await call.hears(180)
    there = await scene.first.invited()
    there.answers(ANSWER)
    ack = await there.receives("ACK")
    answer = await call.hears(200)
    assert answer.headers.get("contact") == "<sip:192.0.2.2:5080>"
    assert ack.via.sent_by == there.invite.via.sent_by == "192.0.2.1:5060"
    call.acks()
    call.hangs_up()
    await there.receives("BYE")
