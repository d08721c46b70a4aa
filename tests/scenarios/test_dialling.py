"""How a target is written and what is sent to it: host, port, transport, user part, headers."""

import pytest

from tests.support.build import Carrier, CarrierCall, Scene


async def refused(scene: Scene, gateway: Carrier) -> CarrierCall:
    """One call to the gateway, which is busy; its side of the call."""
    call = scene.caller.calls()
    await call.hears(180)
    there = await gateway.invited()
    there.refuses(486)
    await call.hears(486)
    return there


def target(uri: str) -> str:
    return f"connection_policies: {{carriers: {{targets: [{{target: '{uri}'}}]}}}}"


@pytest.mark.parametrize(
    ("uri", "address", "port", "transport"),
    [
        ("sip:198.51.100.9", "198.51.100.9", 5060, "UDP"),
        ("sip:198.51.100.9:5080", "198.51.100.9", 5080, "UDP"),
        ("sip:gw.carrier.example", "198.51.100.8", 5060, "UDP"),
        ("sip:gw.carrier.example:5090", "198.51.100.8", 5090, "UDP"),
        ("sip:gw.carrier.example;transport=tcp", "198.51.100.8", 5060, "TCP"),
        ("sip:gw.carrier.example:5070;transport=tcp", "198.51.100.8", 5070, "TCP"),
    ],
)
async def test_a_target_is_dialled_at_its_address_its_port_and_over_its_transport(
    scene: Scene, uri: str, address: str, port: int, transport: str
) -> None:
    scene.zone.host("gw.carrier.example", "198.51.100.8")
    scene.starts(target(uri))
    there = await refused(scene, scene.carrier(address, port))
    assert there.carrier.transport == transport
    assert there.invite.via.transport == transport
    assert there.invite.uri_text == uri.replace("sip:", "sip:+14158675309@")
    assert (await scene.over()).attempts[0].address == f"{transport} {address}:{port}"


async def test_a_tls_target_is_reached_at_5061_with_a_contact_that_is_not_sips(scene: Scene) -> None:
    tls = "listeners: [{transport: tls, bind: '192.0.2.1:5061', certificate: cert.pem, private_key: key.pem},"
    scene.zone.host("gw.carrier.example", "198.51.100.8")
    scene.starts(
        f"{tls} {{transport: udp, bind: '192.0.2.1:5060'}}]\n{target('sip:gw.carrier.example;transport=tls')}"
    )
    there = await refused(scene, scene.carrier("198.51.100.8", 5061))
    assert there.invite.headers.get("contact") == "<sip:192.0.2.1:5061;transport=tls>"
    assert b"sips:" not in there.invite.encode()
    assert there.invite.via.transport == "TLS"


def by_way_of(proxy: str, uri: str = "sip:carrier.example") -> str:
    return f"connection_policies: {{carriers: {{targets: [{{target: '{uri}', outbound_proxy: '{proxy}'}}]}}}}"


@pytest.mark.parametrize(
    ("proxy", "port", "transport", "route"),
    [
        ("sip:198.51.100.9", 5060, "UDP", None),
        ("sip:sbc7.carrier.example:5080;transport=tcp", 5080, "TCP", None),
        ("sip:198.51.100.9;lr", 5060, "UDP", "<sip:198.51.100.9;lr>"),
    ],
)
async def test_an_outbound_proxy_is_sent_to_and_the_target_is_called(
    scene: Scene, proxy: str, port: int, transport: str, route: str | None
) -> None:
    scene.zone.host("sbc7.carrier.example", "198.51.100.9")
    scene.starts(by_way_of(proxy))
    there = await refused(scene, scene.carrier("198.51.100.9", port))
    assert (there.carrier.transport, there.invite.via.transport) == (transport, transport)
    assert there.invite.uri_text == "sip:+14158675309@carrier.example"
    assert there.invite.headers.get("to") == "<sip:+14158675309@carrier.example>"
    assert there.invite.headers.get("route") == route
    (attempt,) = (await scene.over()).attempts
    assert (attempt.target, attempt.address) == ("sip:carrier.example", f"{transport} 198.51.100.9:{port}")


async def test_the_cancel_and_the_ack_go_by_way_of_the_outbound_proxy_too(scene: Scene) -> None:
    scene.starts(by_way_of("sip:198.51.100.9;lr"))
    call = scene.caller.calls()
    await call.hears(180)
    there = await scene.carrier("198.51.100.9").invited()
    there.rings()
    await scene.settled()
    call.cancels()
    for method in ("CANCEL", "ACK"):
        request = await there.receives(method)
        assert request.headers.get("route") == "<sip:198.51.100.9;lr>"
        assert request.uri_text == "sip:+14158675309@carrier.example"
    await call.hears(200, "CANCEL")
    await call.hears(487)


async def test_the_dialled_number_goes_into_a_target_without_a_user_part_only(scene: Scene) -> None:
    scene.starts(target("sip:trunk-7@198.51.100.1"))
    there = await refused(scene, scene.first)
    assert there.invite.uri_text == "sip:trunk-7@198.51.100.1"


async def test_headers_of_a_target_are_sent_and_do_not_stay_in_the_uri(scene: Scene) -> None:
    scene.starts(target("sip:198.51.100.1?X-Account=4%207&Route=%3Csip:evil%3E"))
    there = await refused(scene, scene.first)
    assert there.invite.uri_text == "sip:+14158675309@198.51.100.1"
    assert there.invite.headers.get("x-account") == "4 7"
    assert "route" not in there.invite.headers


async def test_the_invite_carries_what_every_carrier_wants(scene: Scene) -> None:
    scene.starts()
    invite = (await refused(scene, scene.first)).invite
    assert invite.headers.get("contact") == "<sip:192.0.2.1:5060>"
    assert invite.via.sent_by == "192.0.2.1:5060"
    assert "rport" in invite.via.params
    assert (invite.via.branch or "").startswith("z9hG4bK")
    assert invite.content_type == "application/sdp"
    assert (invite.max_forwards, invite.cseq) == (69, (1, "INVITE"))


async def test_an_advertised_address_stands_in_via_and_contact(scene: Scene) -> None:
    scene.starts("listeners: [{transport: udp, bind: '192.0.2.1:5060', advertise: '203.0.113.200:5065'}]")
    invite = (await refused(scene, scene.first)).invite
    assert invite.headers.get("contact") == "<sip:203.0.113.200:5065>"
    assert invite.via.sent_by == "203.0.113.200:5065"


async def test_a_target_over_a_transport_that_we_do_not_serve_is_left_at_once(scene: Scene) -> None:
    scene.starts(target("sip:198.51.100.1;transport=tls"))
    call = scene.caller.calls()
    await call.hears(180)
    await call.hears(502)
    assert "no TLS listener" in (await scene.over()).attempts[0].reason


async def test_no_packet_goes_anywhere_but_to_the_caller_and_the_targets(scene: Scene) -> None:
    scene.starts()
    await refused(scene, scene.first)
    places = {each.destination[0] for each in scene.network.log if each.source[0] == "192.0.2.1"}
    assert places == {"203.0.113.8", "198.51.100.1"}


async def test_a_display_name_crosses_and_a_control_character_in_it_becomes_a_space(scene: Scene) -> None:
    scene.starts()
    for name, there_name in (('"Ann \\"A\\" Lee" ', '"Ann \\"A\\" Lee" '), ('"A\x07B" ', '"A B" ')):
        call = scene.caller.calls(user="+15550100", display=name)
        await call.hears(180)
        there = await scene.first.invited()
        assert (there.invite.headers.get("from") or "").startswith(f"{there_name}<sip:+15550100@")
        there.refuses(486)
        await call.hears(486)


async def test_an_anonymous_caller_stays_anonymous(scene: Scene) -> None:
    scene.starts()
    call = scene.caller.calls(user="anonymous", headers=["Privacy: id"])
    await call.hears(180)
    there = await scene.first.invited()
    assert (there.invite.headers.get("from") or "").startswith('"Anonymous" <sip:anonymous@anonymous.invalid>;tag=')
    assert there.invite.headers.get("privacy") == "id"
    assert "p-asserted-identity" not in there.invite.headers
    there.refuses(486)
    await call.hears(486)
