"""Who comes in: the order is domain, trunk, access control list, secure media, digest, and then the webhook."""

import pytest

from tests.support.build import DIALLED, OFFER, TLS, TRUNK, Scene, sdp

CREDENTIALS = """
credential_lists: {sbcs: {credentials: [{username: sbc1, password: Correct-Horse-7}]}}
domains: {acme: {credential_lists: [sbcs]}}
"""
NO_AUTHENTICATION = "domains: {acme: {ip_access_control_lists: []}, other: {ip_access_control_lists: [dallas]}}"
REJECT = "<Response><Reject/></Response>"
SRTP = sdp("203.0.113.8").replace(b"RTP/AVP", b"RTP/SAVP") + (
    b"a=crypto:1 AES_CM_128_HMAC_SHA1_80 inline:WVNfX19zZW1jdGwgKCkgewkyMjA7fQp9CnVubGVz\r\n"
)


async def test_a_call_from_a_listed_address_comes_in_and_its_record_names_every_decision(scene: Scene) -> None:
    scene.starts(twiml=REJECT)
    call = scene.caller.calls()
    await call.hears(180)
    await call.hears(404)
    record = await scene.over()
    assert record.acl_entry is not None
    assert "Production SBC" in record.acl_entry
    assert [line.split()[0] for line in record.decisions] == ["domain", "trunk", "source"]


async def test_s102_the_trace_shows_domain_trunk_list_and_credentials_before_the_url(scene: Scene) -> None:
    scene.starts(CREDENTIALS, twiml=REJECT)
    call = scene.caller.calls()
    call.authenticates("sbc1", "Correct-Horse-7", await call.hears(407))
    await call.hears(180)
    await call.hears(404)
    record = await scene.over()
    assert [line.split()[0] for line in record.decisions] == ["domain", "trunk", "source", "digest"]
    assert list(record.stages).index("received") < list(record.stages).index("webhook")


@pytest.mark.parametrize(
    ("address", "passes"),
    [(f"203.0.113.{last}", last in range(8, 12)) for last in (7, 8, 9, 10, 11, 12)],
)
async def test_a_range_of_four_addresses_lets_in_those_four(scene: Scene, address: str, passes: bool) -> None:
    scene.starts(twiml=REJECT)
    call = scene.carrier(address).calls()
    if passes:
        await call.hears(180)
        await call.hears(404)
    else:
        await call.hears(403)
    assert len(scene.customer.requests) == (1 if passes else 0)


@pytest.mark.parametrize("right_source", [True, False], ids=["the right source", "a wrong source"])
@pytest.mark.parametrize("password", ["Correct-Horse-7", "Wrong-Horse-777", None])
async def test_access_control_list_and_credentials_are_both_required(
    scene: Scene, right_source: bool, password: str | None
) -> None:
    scene.starts(CREDENTIALS, twiml=REJECT)
    carrier = scene.caller if right_source else scene.carrier("203.0.113.99")
    call = carrier.calls()
    if not right_source:
        await call.hears(403)
        assert carrier.heard == ["403 INVITE"]  # never challenged: it must not learn that there are credentials
    else:
        challenge = await call.hears(407)
        if password is not None:
            call.authenticates("sbc1", password, challenge)
            passes = password == "Correct-Horse-7"
            await call.hears(180 if passes else 407)
            if passes:
                await call.hears(404)
    assert len(scene.customer.requests) == (1 if right_source and password == "Correct-Horse-7" else 0)


async def test_a_domain_without_authentication_refuses_everybody_and_tells_known_sources_why(scene: Scene) -> None:
    scene.starts(NO_AUTHENTICATION)
    known, stranger = scene.caller.calls(), scene.carrier("203.0.113.99").calls()
    error = (await known.hears(403)).headers.get("x-byoc-error") or ""
    assert error.startswith("32200 ")
    assert (await stranger.hears(403)).headers.get("x-byoc-error") is None
    assert scene.customer.requests == []


async def test_a_domain_that_no_trunk_is_linked_to_is_refused_and_the_trace_says_so(scene: Scene) -> None:
    scene.starts("domains: {acme: {trunk: null}}")
    await scene.caller.calls().hears(404)
    assert "no trunk linked to acme.sip.example.test" in scene.events("invite.refused")[0]["trail"][-1]


async def test_s102_nothing_is_fetched_and_nothing_kept_for_an_invite_that_is_not_admitted(scene: Scene) -> None:
    scene.starts(CREDENTIALS)
    await scene.caller.calls().hears(407)
    await scene.carrier("203.0.113.99").calls().hears(403)
    assert scene.customer.requests == []
    assert scene.records == []
    assert scene.leftovers() == []


async def test_the_source_is_that_of_the_packet_whatever_its_headers_say(scene: Scene) -> None:
    """S90: never Via, Contact or X- headers."""
    scene.starts()
    forger = scene.carrier("203.0.113.99")
    call = forger.calls(headers=["X-Real-IP: 203.0.113.8", "X-Forwarded-For: 203.0.113.8"])
    await call.hears(403)
    data = scene.network.log[0].data.replace(b"Via: SIP/2.0/UDP 203.0.113.99", b"Via: SIP/2.0/UDP 203.0.113.8")
    forger.speaks(data.replace(b"@203.0.113.99:5060>", b"@203.0.113.8:5060>").replace(b"INVITE1;", b"INVITE2;"))
    await scene.settled()
    assert forger.heard == ["403 INVITE", "403 INVITE"]
    assert scene.customer.requests == []


async def test_a_listed_carrier_whose_headers_name_a_private_address_comes_in(scene: Scene) -> None:
    scene.starts(twiml=REJECT)
    call = scene.caller.calls(headers=["X-Real-IP: 10.0.0.1", "P-Asserted-Identity: <sip:nobody@10.0.0.1>"])
    await call.hears(180)
    await call.hears(404)


# --- secure media ------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("transport", "body", "reason"),
    [
        ("UDP", SRTP, "Secure SIP transport required"),
        ("TCP", SRTP, "Secure SIP transport required"),
        ("TLS", OFFER, "Secure media required"),
        ("TLS", SRTP, None),
    ],
)
async def test_a_secure_domain_takes_srtp_over_tls_and_names_what_is_missing_otherwise(
    scene: Scene, transport: str, body: bytes, reason: str | None
) -> None:
    plain = "{transport: udp, bind: '192.0.2.1:5060'}, {transport: tcp, bind: '192.0.2.1:5060'}, "
    scene.starts(TLS.replace("[", f"[{plain}", 1) + "\ndomains: {acme: {secure: true}}", twiml=REJECT)
    scene.caller.transport = transport
    call = scene.caller.calls(body=body)
    if reason is None:
        await call.hears(180)
        await call.hears(404)
    else:
        response = await call.hears(488)
        assert response.reason == reason
        assert (response.headers.get("x-byoc-error") or "").endswith(reason)


async def test_a_secure_domain_changes_nothing_about_the_outbound_leg(scene: Scene) -> None:
    plain = "{transport: udp, bind: '192.0.2.1:5060'}, "
    scene.starts(TLS.replace("[", f"[{plain}", 1) + "\ndomains: {acme: {secure: true}}")
    scene.caller.transport = "TLS"
    call = scene.caller.calls(body=SRTP)
    await call.hears(180)
    there = await scene.first.invited()
    assert there.invite.via.transport == "UDP"
    assert there.invite.body == SRTP
    there.refuses(486)
    await call.hears(486)


@pytest.mark.parametrize("method", ["INVITE", "UPDATE"])
async def test_a_secure_call_cannot_be_turned_into_a_plain_one(scene: Scene, method: str) -> None:
    plain = "{transport: udp, bind: '192.0.2.1:5060'}, "
    scene.starts(TLS.replace("[", f"[{plain}", 1) + "\ndomains: {acme: {secure: true}}")
    scene.caller.transport = "TLS"
    call, there = await scene.talking(scene.caller.calls(body=SRTP))
    call.requests(method, OFFER)
    refusal = await call.hears(488, method)
    assert refusal.headers.get("x-byoc-error") == "32208 Secure media required"
    call.requests(method, SRTP.replace(b"a=sendrecv", b"a=sendonly"))
    await there.receives(
        "INVITE"
    )  # SRTP crosses, here as a re-INVITE: the callee has not said that it takes UPDATE
    there.refuses(488)
    await there.receives("ACK")
    await call.hears(488, method)
    call.hangs_up()
    await there.receives("BYE")


@pytest.mark.parametrize("body", [OFFER, SRTP], ids=["RTP", "SRTP"])
async def test_a_domain_that_is_not_secure_takes_either(scene: Scene, body: bytes) -> None:
    scene.starts()
    call = scene.caller.calls(body=body)
    await call.hears(180)
    there = await scene.first.invited()
    assert there.invite.body == body
    there.refuses(486)
    await call.hears(486)


# --- static addresses --------------------------------------------------------------------------------------

STATIC = """
listeners: [{transport: udp, bind: "192.0.2.1:5060"}, {transport: udp, bind: "10.9.0.5:5060"}]
accounts: {acme: {static_ip: true, interconnect: [10.9.0.0/24]}}
domains: {acme: {static_ips: [10.9.0.5]}}
"""


async def test_a_call_to_a_static_address_passes_though_its_source_is_in_no_list(scene: Scene) -> None:
    scene.starts(STATIC, twiml=REJECT)
    inside = scene.carrier("10.9.0.77")
    inside.proxy = ("10.9.0.5", 5060)
    call = inside.calls("sip:+14158675309@10.9.0.5")
    await call.hears(180)
    await call.hears(404)
    assert (await scene.over()).domain == "acme.sip.example.test"
    assert scene.customer.requests[0].params["SipDomain"] == "acme.sip.example.test"


async def test_the_same_source_that_names_the_domain_is_asked_for_its_lists(scene: Scene) -> None:
    scene.starts(STATIC)
    inside = scene.carrier("10.9.0.77")
    inside.proxy = ("10.9.0.5", 5060)
    await inside.calls(DIALLED).hears(403)


async def test_over_a_static_address_credentials_still_apply(scene: Scene) -> None:
    scene.starts(
        STATIC.replace("[10.9.0.5]}}", "[10.9.0.5], credential_lists: [sbcs]}}")
        + "credential_lists: {sbcs: {credentials: [{username: sbc1, password: Correct-Horse-7}]}}",
        twiml=REJECT,
    )
    inside = scene.carrier("10.9.0.77")
    inside.proxy = ("10.9.0.5", 5060)
    call = inside.calls("sip:+14158675309@10.9.0.5")
    call.authenticates("sbc1", "Correct-Horse-7", await call.hears(407))
    await call.hears(180)
    await call.hears(404)


async def test_a_static_address_that_is_named_at_the_public_listener_opens_nothing(scene: Scene) -> None:
    scene.starts(STATIC)
    stranger = scene.carrier("203.0.113.99")
    stranger.calls("sip:+14158675309@10.9.0.5")
    await scene.sleeps(5)
    assert stranger.heard == []


# --- two directions ----------------------------------------------------------------------------------------


async def test_the_same_trunk_is_named_on_the_inbound_call_and_on_the_outbound_attempt(scene: Scene) -> None:
    scene.starts()
    call, there = await scene.talking()
    call.hangs_up()
    await there.receives("BYE")
    record = await scene.over()
    assert record.trunk_sid == record.attempts[0].trunk_sid == TRUNK
