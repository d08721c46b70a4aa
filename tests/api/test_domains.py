"""Termination SIP Domains: contract 1.5, and the rules of the BYOC page about their names."""

import re

import pytest

from byoc_proxy.trunk.admission import NO_AUTHENTICATION, Admit, Refuse
from tests.support.api import ACLS, ACME, DOMAINS, NOW, TRUNKS, Installation
from tests.support.call_records import a_call, recorded

pytestmark = pytest.mark.store
NAME = "acme.sip.example.test"
HERE = f"/2010-04-01/Accounts/{ACME}/SIP/Domains"


def at(sid: str) -> str:
    return f"/SIP/Domains/{sid}.json"


async def test_a_domain_has_every_documented_field_and_the_documented_defaults(api: Installation) -> None:
    """S22, S40: `auth_type` is an empty text, the flags are false, URLs null (contract 1.5, live defaults)."""
    reply = await api.acme.post(DOMAINS, DomainName=NAME)
    assert reply.status == 201
    sid = reply.json["sid"]
    assert re.fullmatch("SD[0-9a-f]{32}", sid)
    warnings = reply.json.pop("warnings")
    assert reply.json == {
        "account_sid": ACME,
        "api_version": "2010-04-01",
        "auth_type": "",
        "date_created": "Thu, 09 Oct 2025 08:53:20 +0000",
        "date_updated": "Thu, 09 Oct 2025 08:53:20 +0000",
        "domain_name": NAME,
        "friendly_name": "",
        "sid": sid,
        "uri": f"{HERE}/{sid}.json",
        "voice_url": None,
        "voice_method": "POST",
        "voice_fallback_url": None,
        "voice_fallback_method": "POST",
        "voice_status_callback_url": None,
        "voice_status_callback_method": "POST",
        "subresource_uris": {
            "credential_list_mappings": f"{HERE}/{sid}/CredentialListMappings.json",
            "ip_access_control_list_mappings": f"{HERE}/{sid}/IpAccessControlListMappings.json",
        },
        "sip_registration": False,
        "emergency_calling_enabled": False,
        "secure": False,
        "byoc_trunk_sid": None,
        "emergency_caller_sid": None,
    }
    assert any("blocked: no authentication" in text for text in warnings)
    assert (await api.acme.get(at(sid))).json == {**reply.json, "warnings": warnings}


async def test_a_domain_can_be_changed_and_deleted(api: Installation) -> None:
    """S22, S40: create, configure, delete."""
    domain = await api.acme.made(DOMAINS, DomainName=NAME)
    trunk = await api.acme.made(TRUNKS)
    changes = {
        "FriendlyName": "Acme",
        "DomainName": "acme-2.sip.example.test",
        "VoiceUrl": "https://app.example.test/",
        "VoiceStatusCallbackUrl": "https://app.example.test/status",
        "VoiceStatusCallbackMethod": "GET",
        "Secure": "true",
        "SipRegistration": "true",
        "EmergencyCallingEnabled": "true",
        "EmergencyCallerSid": "PN" + "0" * 32,
        "ByocTrunkSid": trunk["sid"],
    }
    api.clock.now += 1
    reply = await api.acme.post(at(domain["sid"]), changes)
    assert reply.status == 200
    changed = {
        "friendly_name": "Acme",
        "domain_name": "acme-2.sip.example.test",
        "voice_url": "https://app.example.test/",
        "voice_status_callback_url": "https://app.example.test/status",
        "voice_status_callback_method": "GET",
        **dict.fromkeys(("secure", "sip_registration", "emergency_calling_enabled"), True),
        "emergency_caller_sid": "PN" + "0" * 32,
        "byoc_trunk_sid": trunk["sid"],
        "date_updated": "Thu, 09 Oct 2025 08:53:21 +0000",
        "warnings": reply.json["warnings"],
    }
    assert reply.json == {**domain, **changed}
    assert api.directory.find(NAME) is None
    match = api.directory.find("acme-2.sip.example.test")
    assert match is not None
    assert match.domain.secure
    assert (await api.acme.delete(at(domain["sid"]))).status == 204
    assert api.directory.find("acme-2.sip.example.test") is None
    assert (await api.acme.get(DOMAINS)).json["domains"] == []


async def test_the_friendly_name_of_a_domain_has_64_characters_at_most(api: Installation) -> None:
    """S41: SIP Domain URI Friendly Name."""
    domain = await api.acme.made(DOMAINS, DomainName=NAME, FriendlyName="x" * 64)
    assert domain["friendly_name"] == "x" * 64
    assert [row["friendly_name"] for row in (await api.acme.get(DOMAINS)).json["domains"]] == ["x" * 64]
    reply = await api.acme.post(at(domain["sid"]), FriendlyName="x" * 65)
    assert (reply.status, reply.code) == (400, 21231)


async def test_a_name_exists_once_over_all_accounts_in_whatever_case(api: Installation) -> None:
    """S42: Configure a unique SIP Domain Name."""
    await api.acme.made(DOMAINS, DomainName=NAME)
    for client in (api.acme, api.other):
        for name in (NAME, "ACME.SIP.Example.Test", f"{NAME}."):
            reply = await client.post(DOMAINS, DomainName=name)
            assert (reply.status, reply.code) == (400, 21232)
            assert reply.message == f"Domain {name} already exists."
    another = await api.acme.made(DOMAINS, DomainName="another.sip.example.test")
    reply = await api.acme.post(at(another["sid"]), DomainName=NAME)
    assert (reply.status, reply.code) == (400, 21232)


NAMES = (
    ("acme.elsewhere.test", "must end in .sip.example.test"),
    ("sip.example.test", "must end in .sip.example.test"),
    ("acme", "must end in .sip.example.test"),
    (".", "must end in .sip.example.test"),
    ("ac_me.sip.example.test", "letters, digits and dashes"),
    ("-acme.sip.example.test", "letters, digits and dashes"),
    ("ac me.sip.example.test", "letters, digits and dashes"),
    ("äcme.sip.example.test", "letters, digits and dashes"),
    ("..sip.example.test", "letters, digits and dashes"),
    ("x" * 64 + ".sip.example.test", "letters, digits and dashes"),
    ("\N{LATIN CAPITAL LETTER I WITH DOT ABOVE}" * 230 + ".sip.example.test", "letters, digits and dashes"),
    ("us1.sip.example.test", "name of a region"),
)


async def test_a_name_that_breaks_a_rule_is_refused_with_the_rule(api: Installation) -> None:
    """S43: letters, digits and dashes, ending in the base domain."""
    for name, said in NAMES:
        reply = await api.acme.post(DOMAINS, DomainName=name)
        assert (reply.status, reply.code) == (400, 21232)
        assert said in reply.message


async def test_a_sub_domain_needs_the_higher_level_domain_and_a_dash_is_offered_instead(api: Installation) -> None:
    """S44, S45, S46: recommends that you use a dash instead of a dot."""
    reply = await api.acme.post(DOMAINS, DomainName="a.acme.sip.example.test")
    assert (reply.status, reply.code) == (400, 21232)
    assert NAME in reply.message
    assert "a-acme.sip.example.test" in reply.message
    higher = await api.acme.made(DOMAINS, DomainName=NAME)
    lower = await api.acme.made(DOMAINS, DomainName="a.acme.sip.example.test")
    found = [api.directory.find(row["domain_name"]) for row in (higher, lower)]
    assert [match.domain.sid for match in found if match] == [higher["sid"], lower["sid"]]


async def test_a_domain_cannot_go_or_be_renamed_before_its_sub_domains(api: Installation) -> None:
    """S46: the answer names them."""
    higher = await api.acme.made(DOMAINS, DomainName=NAME)
    lower = await api.acme.made(DOMAINS, DomainName="a.acme.sip.example.test")
    for reply in (
        await api.acme.delete(at(higher["sid"])),
        await api.acme.post(at(higher["sid"]), DomainName="acme-2.sip.example.test"),
    ):
        assert (reply.status, reply.code) == (400, 21233)
        assert lower["sid"] in reply.message
    assert (await api.acme.delete(at(lower["sid"]))).status == 204
    assert (await api.acme.delete(at(higher["sid"]))).status == 204


async def test_a_sub_domain_may_be_made_by_the_owner_or_his_sub_account_and_by_nobody_else(
    api: Installation,
) -> None:
    """S47: by the same account or the parent account."""
    await api.acme.made(DOMAINS, DomainName=NAME)
    branch = await api.sub_account()
    assert (await branch.post(DOMAINS, DomainName="branch.acme.sip.example.test")).status == 201
    reply = await api.other.post(DOMAINS, DomainName="other.acme.sip.example.test")
    assert (reply.status, reply.code) == (403, 20006)
    under_branch = await api.acme.post(DOMAINS, DomainName="x.branch.acme.sip.example.test")
    assert (under_branch.status, under_branch.code) == (403, 20006)


async def test_a_domain_without_authentication_exists_is_blocked_and_says_so(api: Installation) -> None:
    """S39: at least one authentication scheme."""
    domain = await api.domain()
    assert domain["auth_type"] == ""
    assert [text for text in domain["warnings"] if text.startswith("blocked: no authentication")]
    verdict = api.verdict("203.0.113.8")
    assert isinstance(verdict, Refuse)
    assert (verdict.status, verdict.code) == (403, NO_AUTHENTICATION)
    assert verdict.text == f"no authentication is configured on {NAME}"


async def test_a_domain_with_access_control_lists_alone_is_warned_of(api: Installation) -> None:
    """S69: it is highly recommended that you configure User Credentials."""
    domain = await api.domain()
    acl = await api.acme.made(ACLS, FriendlyName="Dallas")
    path = f"/SIP/Domains/{domain['sid']}/Auth/Calls/IpAccessControlListMappings.json"
    await api.acme.made(path, IpAccessControlListSid=acl["sid"])
    (warning,) = (await api.acme.get(at(domain["sid"]))).json["warnings"]
    assert "add a credential list" in warning


async def test_s40_a_domain_with_live_calls_is_not_deleted_until_they_are_over(api: Installation) -> None:
    """Whichever node has them up; how many more than the first three there are is told, too."""
    domain, another = await api.domain(), await api.acme.made(DOMAINS, DomainName="b.sip.example.test")
    calls = [a_call(number, domain_sid=domain["sid"]) for number in range(5)]
    await recorded(api, *calls)
    reply = await api.acme.delete(at(domain["sid"]))
    assert (reply.status, reply.code) == (409, 20409)
    first, second, third = (call.call_sid for call in calls[:3])
    assert f"live call {first}, live call {second}, live call {third}, 2 more live calls" in reply.json["message"]
    assert (await api.acme.get(at(domain["sid"]))).status == 200
    assert (await api.acme.delete(at(another["sid"]))).status == 204
    for call in calls:
        call.stages["ended"] = NOW
    await recorded(api, *calls)
    assert (await api.acme.delete(at(domain["sid"]))).status == 204


async def test_a_domain_leads_to_one_trunk_and_a_trunk_may_have_several_domains(api: Installation) -> None:
    """S32, S70, S71, fact 6: `ByocTrunkSid` on the domain is the link; the trunk lists no domains."""
    trunk = await api.acme.made(TRUNKS)
    names = ("acme.sip.example.test", "acme-2.sip.example.test")
    for name in names:
        domain = await api.acme.made(DOMAINS, DomainName=name, ByocTrunkSid=trunk["sid"])
        assert domain["byoc_trunk_sid"] == trunk["sid"]
    for name in names:
        match = api.directory.find(name)
        assert match is not None
        assert match.trunk == api.directory.trunks[trunk["sid"]]
    assert not [field for field in (await api.acme.get(f"{TRUNKS}/{trunk['sid']}")).json if "domain" in field][1:]


async def test_a_domain_that_is_led_to_another_trunk_follows_it_with_the_next_call(api: Installation) -> None:
    """S71."""
    domain = await api.domain()
    acl = await api.acme.made(ACLS, FriendlyName="Dallas")
    addresses = f"/SIP/IpAccessControlLists/{acl['sid']}/IpAddresses.json"
    await api.acme.made(addresses, FriendlyName="SBC", IpAddress="203.0.113.8")
    path = f"/SIP/Domains/{domain['sid']}/Auth/Calls/IpAccessControlListMappings.json"
    await api.acme.made(path, IpAccessControlListSid=acl["sid"])
    another = await api.acme.made(TRUNKS, FriendlyName="Another")
    for sid in (domain["byoc_trunk_sid"], another["sid"]):
        await api.acme.post(at(domain["sid"]), ByocTrunkSid=sid)
        verdict = api.verdict("203.0.113.8")
        assert isinstance(verdict, Admit)
        assert verdict.trunk.sid == sid
    await api.acme.post(at(domain["sid"]), ByocTrunkSid="")
    verdict = api.verdict("203.0.113.8")
    assert isinstance(verdict, Refuse)
    assert (verdict.status, verdict.code) == (404, 32002)


async def test_a_trunk_that_is_not_there_or_another_accounts_is_refused(api: Installation) -> None:
    """Contract 5: 21300, invalid BYOC trunk SID."""
    foreign = await api.other.made(TRUNKS)
    for sid in (foreign["sid"], "BY" + "0" * 32, "nonsense", "NY" + "0" * 32):
        reply = await api.acme.post(DOMAINS, DomainName=NAME, ByocTrunkSid=sid)
        assert (reply.status, reply.code) == (400, 21300)
    assert (await api.acme.get(DOMAINS)).json["domains"] == []


async def test_secure_media_is_asked_of_calls_that_come_in(api: Installation) -> None:
    """Fact 14: over UDP 488 with 32209; plain RTP over TLS 32208. The targets of the trunk are as they were."""
    domain = await api.domain(Secure="true")
    acl = await api.acme.made(ACLS, FriendlyName="Dallas")
    addresses = f"/SIP/IpAccessControlLists/{acl['sid']}/IpAddresses.json"
    await api.acme.made(addresses, FriendlyName="SBC", IpAddress="203.0.113.8")
    path = f"/SIP/Domains/{domain['sid']}/Auth/Calls/IpAccessControlListMappings.json"
    await api.acme.made(path, IpAccessControlListSid=acl["sid"])
    plain, half = api.verdict("203.0.113.8"), api.verdict("203.0.113.8", transport="TLS", secure_media=False)
    assert isinstance(plain, Refuse)
    assert isinstance(half, Refuse)
    assert [(each.status, each.code) for each in (plain, half)] == [(488, 32209), (488, 32208)]
    assert isinstance(api.verdict("203.0.113.8", transport="TLS", secure_media=True), Admit)
    await api.acme.post(at(domain["sid"]), Secure="false")
    assert isinstance(api.verdict("203.0.113.8"), Admit)
