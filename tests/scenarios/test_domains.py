"""Which domain an INVITE belongs to: the host of its Request-URI decides, and nothing else."""

import pytest

from tests.support.build import DIALLED, Scene

REJECT = "<Response><Reject/></Response>"
REGIONS = ("us1", "us2", "ie1", "de1", "sg1", "jp1", "br1", "au1")
TWO_TRUNKS = """
trunks:
  acme-trunk: {friendly_name: Acme}
  other-trunk: {sid: BY22222222222222222222222222222222, voice_url: "http://other.example.test/other"}
domains:
  other: {trunk: other-trunk, ip_access_control_lists: [chicago]}
ip_access_control_lists: {chicago: {addresses: [198.18.0.1]}}
"""


@pytest.mark.parametrize("region", [None, *REGIONS])
async def test_the_generic_and_all_localized_hosts_reach_the_same_domain_and_name_their_region(
    scene: Scene, region: str | None
) -> None:
    """S15, S101: `sip:alice@…` at the generic and all regional hosts. S49: the eight regions."""
    scene.starts(twiml=REJECT)
    host = f"acme.sip.{region}.example.test" if region else "acme.sip.example.test"
    call = scene.caller.calls(f"sip:alice@{host}")
    await call.hears(180)
    await call.hears(404)
    record = await scene.over()
    assert (record.domain, record.region) == ("acme.sip.example.test", region or "us1")
    assert scene.customer.requests[0].params["SipRegion"] == (region or "us1")


@pytest.mark.parametrize("home", ["us1", "jp1"])
@pytest.mark.parametrize("host", ["acme.sip.de1.example.test", "acme.de1.sip.example.test"])
async def test_an_invite_for_a_specific_geographic_region_has_it_in_the_record_and_the_webhook(
    scene: Scene, home: str, host: str
) -> None:
    """S50: whichever region the node is in."""
    scene.starts(f"region: {home}", twiml=REJECT)
    call = scene.caller.calls(f"sip:+14158675309@{host}")
    await call.hears(180)
    await call.hears(404)
    record = await scene.over()
    assert (record.region, scene.customer.requests[0].params["SipRegion"]) == ("de1", "de1")


@pytest.mark.parametrize("uri", ["sip:+1@ACME.SIP.Example.Test", "sip:+1@acme.sip.example.test:5060;user=phone"])
async def test_the_case_and_the_port_of_the_host_do_not_matter(scene: Scene, uri: str) -> None:
    """S48: the routing key is the Request-URI's host."""
    scene.starts(twiml=REJECT)
    call = scene.caller.calls(uri)
    await call.hears(180)
    await call.hears(404)


async def test_the_host_of_to_does_not_matter(scene: Scene) -> None:
    """S48: not To, not the source address."""
    scene.starts(twiml=REJECT)
    call = scene.caller.calls(DIALLED, to="sip:+14158675309@somewhere.example.org")
    await call.hears(180)
    await call.hears(404)
    astray = scene.caller.calls("sip:+14158675309@somewhere.example.org", to=DIALLED)
    await astray.hears(404)
    assert len(scene.customer.requests) == 1


@pytest.mark.parametrize("user", ["alice", "+14158675309", "112", "a.b-c", "%2B1415", "1;phone-context=+1"])
async def test_any_user_part_is_accepted_and_reaches_the_application(scene: Scene, user: str) -> None:
    scene.starts(twiml=REJECT)
    call = scene.caller.calls(f"sip:{user}@acme.sip.example.test")
    await call.hears(180)
    await call.hears(404)
    said = scene.customer.requests[0].params["To"]
    expected = {
        "+14158675309": "+14158675309",
        "%2B1415": "+1415",
        "1;phone-context=+1": "sip:1@acme.sip.example.test",
    }
    assert said == expected.get(user, f"sip:{user}@acme.sip.example.test")


async def test_two_carriers_on_two_trunks_reach_their_own_application_and_never_the_others(scene: Scene) -> None:
    scene.starts(TWO_TRUNKS, twiml=REJECT)
    scene.customer.answers("/other", REJECT)
    chicago = scene.carrier("198.18.0.1")
    one, two = scene.caller.calls(), chicago.calls("sip:+1@other.sip.example.test")
    for call in (one, two):
        await call.hears(180)
        await call.hears(404)
    assert [asked.params["SipSourceIp"] for asked in scene.customer.asked("/voice")] == ["203.0.113.8"]
    assert [asked.params["SipSourceIp"] for asked in scene.customer.asked("/other")] == ["198.18.0.1"]
    await chicago.calls(DIALLED).hears(403)
    await scene.caller.calls("sip:+1@other.sip.example.test").hears(403)
    assert len(scene.customer.requests) == 2


async def test_one_application_tells_its_trunks_apart_by_their_sid(scene: Scene) -> None:
    scene.starts(TWO_TRUNKS.replace("other.example.test/other", "app.example.test/voice"), twiml=REJECT)
    for call in (scene.caller.calls(), scene.carrier("198.18.0.1").calls("sip:+1@other.sip.example.test")):
        await call.hears(180)
        await call.hears(404)
    assert [asked.params["ByocTrunkSid"] for asked in scene.customer.requests] == ["BY" + "1" * 32, "BY" + "2" * 32]


async def test_a_sub_domain_routes_apart_from_the_domain_above_it(scene: Scene) -> None:
    scene.starts(TWO_TRUNKS.replace("  other: {", "  sales.acme: {"), twiml=REJECT)
    scene.customer.answers("/other", REJECT)
    call = scene.carrier("198.18.0.1").calls("sip:+1@sales.acme.sip.example.test")
    await call.hears(180)
    await call.hears(404)
    assert (len(scene.customer.asked("/other")), len(scene.customer.asked("/voice"))) == (1, 0)
