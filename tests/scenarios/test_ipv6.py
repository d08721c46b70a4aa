"""IPv6 on one side or both: addresses in brackets wherever they stand in SIP, and bodies as they came."""

import pytest

from tests.support.build import DIALLED, Carrier, CarrierCall, Scene, sdp

SIX = ("2001:db8::1", 5060)
DUAL = """
listeners:
  - {transport: udp, bind: "192.0.2.1:5060"}
  - {transport: tcp, bind: "192.0.2.1:5060"}
  - {transport: udp, bind: "[2001:db8::1]:5060"}
  - {transport: tcp, bind: "[2001:db8::1]:5060"}
ip_access_control_lists: {dallas: {addresses: [203.0.113.8/30, "2001:db8:5::/64"]}}
"""
TARGET = "connection_policies: {{carriers: {{targets: [{{target: '{}'}}]}}}}"
OFFER6 = sdp("2001:db8:5::8").replace(b"IP4", b"IP6")
ANSWER6 = sdp("2001:db8:7::1", 6000).replace(b"IP4", b"IP6")


def caller_six(scene: Scene, transport: str = "UDP") -> Carrier:
    caller = scene.carrier("2001:db8:5::8", transport=transport)
    caller.proxy = SIX
    return caller


async def ended_by_caller(call: CarrierCall, there: CarrierCall) -> None:
    call.hangs_up()
    await call.hears(200, "BYE")
    await there.receives("BYE")


async def up(call: CarrierCall, gateway: Carrier, answer: bytes) -> CarrierCall:
    await call.hears(180)
    there = await gateway.invited()
    there.answers(answer)
    await there.receives("ACK")
    final = await call.hears(200)
    assert final.body == answer
    call.acks()
    return there


@pytest.mark.parametrize("transport", ["udp", "tcp"])
async def test_an_ipv4_carrier_reaches_a_target_that_has_only_aaaa(scene: Scene, transport: str) -> None:
    scene.zone.host("gw.carrier.example", "2001:db8:7::1")
    scene.starts(DUAL + TARGET.format(f"sip:gw.carrier.example:5060;transport={transport}"))
    gateway = scene.carrier("2001:db8:7::1")
    call = scene.caller.calls()
    there = await up(call, gateway, ANSWER6)
    invite = there.invite
    suffix = ";transport=tcp" if transport == "tcp" else ""
    assert (invite.headers.get("via") or "").startswith(f"SIP/2.0/{transport.upper()} [2001:db8::1]:5060;branch=")
    assert invite.headers.get("contact") == f"<sip:[2001:db8::1]:5060{suffix}>"
    await ended_by_caller(call, there)
    record = await scene.over()
    assert record.attempts[0].address == f"{transport.upper()} [2001:db8:7::1]:5060"
    assert record.source == "UDP 203.0.113.8:5060"


@pytest.mark.parametrize("transport", ["UDP", "TCP"])
async def test_an_ipv6_carrier_in_the_list_reaches_an_ipv4_target(scene: Scene, transport: str) -> None:
    scene.starts(DUAL)
    caller = caller_six(scene, transport)
    call = caller.calls(body=OFFER6)
    there = await up(call, scene.first, ANSWER6)
    assert there.invite.body == OFFER6
    assert (there.invite.headers.get("via") or "").startswith("SIP/2.0/UDP 192.0.2.1:5060;branch=")
    assert call.target == f"sip:[2001:db8::1]:5060{';transport=tcp' if transport == 'TCP' else ''}"
    there.hangs_up()
    await there.hears(200, "BYE")
    bye = await call.receives("BYE")
    assert bye.uri_text.startswith("sip:2001-db8-5--8@[2001:db8:5::8]:5060")
    assert "[2001:db8::1]:5060;branch=" in (bye.headers.get("via") or "")
    assert (await scene.over()).source.startswith(f"{transport} [2001:db8:5::8]:")


async def test_the_source_of_an_ipv6_request_goes_into_its_via(scene: Scene) -> None:
    scene.starts(DUAL)
    caller = caller_six(scene)
    caller.sent_by = "[fd00::9]:5070"  # behind a prefix translation
    probe = caller.asks("OPTIONS")
    answer = await probe.hears(200, "OPTIONS")
    via = answer.headers.get("via") or ""
    assert via.startswith("SIP/2.0/UDP [fd00::9]:5070;")
    assert ";received=2001:db8:5::8" in via
    assert ";rport=5060" in via


async def test_an_ipv6_address_that_is_in_no_list_is_refused(scene: Scene) -> None:
    scene.starts(DUAL)
    stranger = scene.carrier("2001:db8:6::8")
    stranger.proxy = SIX
    await stranger.calls(DIALLED).hears(403)


async def test_record_routes_with_ipv6_addresses_are_followed(scene: Scene) -> None:
    scene.starts(DUAL + TARGET.format("sip:[2001:db8:7::1]:5060"))
    gateway = scene.carrier("2001:db8:7::1")
    scene.network.attach("UDP", ("2001:db8:7::1", 5080), gateway)  # the carrier's edge, which hands over
    call = scene.caller.calls()
    await call.hears(180)
    there = await gateway.invited()
    there.answers(ANSWER6, ["Record-Route: <sip:[2001:db8:7::1]:5080;lr>"])
    ack = await there.receives("ACK")
    assert ack.headers.get("route") == "<sip:[2001:db8:7::1]:5080;lr>"
    await call.hears(200)
    call.acks()
    await scene.settled()
    await ended_by_caller(call, there)
    edge = [each.what for each in scene.network.log if each.destination[1] == 5080]
    assert edge == ["ACK", "BYE"]
