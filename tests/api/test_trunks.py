"""BYOC trunks: contract 1.2."""

import re

import pytest

from tests.support.api import ACME, BASE, DOMAINS, POLICIES, TRUNKS, Installation

pytestmark = pytest.mark.store

EVERYTHING = {
    "FriendlyName": "Carrier A",
    "VoiceUrl": "https://app.example.test/voice",
    "VoiceMethod": "GET",
    "VoiceFallbackUrl": "https://app.example.test/backup",
    "VoiceFallbackMethod": "GET",
    "StatusCallbackUrl": "https://app.example.test/status",
    "StatusCallbackMethod": "GET",
    "CnamLookupEnabled": "true",
}


async def test_a_trunk_may_be_created_without_any_parameter_and_has_every_documented_field(
    api: Installation,
) -> None:
    """S9, S29: with what is the default of each."""
    reply = await api.acme.post(TRUNKS)
    assert reply.status == 201
    sid = reply.json["sid"]
    assert reply.json == {
        "account_sid": ACME,
        "sid": sid,
        "friendly_name": "",
        "voice_url": None,
        "voice_method": "POST",
        "voice_fallback_url": None,
        "voice_fallback_method": "POST",
        "status_callback_url": None,
        "status_callback_method": "POST",
        "cnam_lookup_enabled": False,
        "connection_policy_sid": None,
        "from_domain_sid": None,
        "date_created": "2025-10-09T08:53:20Z",
        "date_updated": "2025-10-09T08:53:20Z",
        "url": f"{BASE}/v1/ByocTrunks/{sid}",
    }
    assert (await api.acme.get(f"{TRUNKS}/{sid}")).json == reply.json


async def test_what_is_created_is_in_force_for_the_next_invite(api: Installation) -> None:
    """S30: the settings apply to the entire trunk."""
    policy = await api.acme.made(POLICIES)
    trunk = await api.acme.made(TRUNKS, {**EVERYTHING, "ConnectionPolicySid": policy["sid"]})
    held = api.directory.trunks[trunk["sid"]]
    assert (held.friendly_name, held.voice_url, held.voice_method) == (
        "Carrier A",
        "https://app.example.test/voice",
        "GET",
    )
    assert (held.voice_fallback_method, held.status_callback_url) == ("GET", "https://app.example.test/status")
    assert held.cnam_lookup_enabled
    assert api.directory.policy_of(held) == api.directory.connection_policies[policy["sid"]]


async def test_a_friendly_name_has_up_to_255_characters_and_need_not_be_unique(api: Installation) -> None:
    """S30."""
    for _ in range(2):
        trunk = await api.acme.made(TRUNKS, FriendlyName="ü" * 255)
        assert trunk["friendly_name"] == "ü" * 255
    assert (await api.acme.post(TRUNKS, FriendlyName="x" * 256)).code == 20002


async def test_renaming_a_trunk_changes_the_list_and_what_calls_record(api: Installation) -> None:
    """S30: call records name the trunk as it is called when the call comes in."""
    trunk = await api.acme.made(TRUNKS, FriendlyName="Old")
    api.clock.now += 60
    renamed = await api.acme.post(f"{TRUNKS}/{trunk['sid']}", FriendlyName="New")
    assert renamed.status == 200
    assert renamed.json == {**trunk, "friendly_name": "New", "date_updated": "2025-10-09T08:54:20Z"}
    assert [row["friendly_name"] for row in (await api.acme.get(TRUNKS)).json["byoc_trunks"]] == ["New"]
    assert api.directory.trunks[trunk["sid"]].friendly_name == "New"


async def test_the_sid_of_a_trunk_is_assigned_is_unique_and_cannot_be_changed(api: Installation) -> None:
    """S31: BYOC Trunk SID, assigned automatically."""
    sids = {(await api.acme.made(TRUNKS))["sid"] for _ in range(20)}
    assert len(sids) == 20
    assert all(re.fullmatch("BY[0-9a-f]{32}", sid) for sid in sids)
    sid = sids.pop()
    assert (await api.acme.post(f"{TRUNKS}/{sid}", Sid="BY" + "0" * 32)).code == 20001
    assert (await api.acme.get(f"{TRUNKS}/{sid}")).json["sid"] == sid


async def test_a_trunk_is_found_by_its_sid_in_any_case_of_the_hex_digits(api: Installation) -> None:
    sid = (await api.acme.made(TRUNKS))["sid"]
    assert (await api.acme.get(f"{TRUNKS}/BY{sid[2:].upper()}")).json["sid"] == sid


async def test_an_update_changes_what_it_names_and_nothing_else(api: Installation) -> None:
    trunk = await api.acme.made(TRUNKS, EVERYTHING)
    api.clock.now += 1
    reply = await api.acme.post(f"{TRUNKS}/{trunk['sid']}", VoiceMethod="POST")
    assert reply.json == {**trunk, "voice_method": "POST", "date_updated": "2025-10-09T08:53:21Z"}


async def test_an_empty_value_clears_a_field_to_what_a_new_trunk_has(api: Installation) -> None:
    """Contract 1.1: the public clients send an empty value for null."""
    policy = await api.acme.made(POLICIES)
    trunk = await api.acme.made(TRUNKS, {**EVERYTHING, "ConnectionPolicySid": policy["sid"]})
    empty = await api.acme.made(TRUNKS)
    reply = await api.acme.post(f"{TRUNKS}/{trunk['sid']}", dict.fromkeys([*EVERYTHING, "ConnectionPolicySid"], ""))
    assert reply.status == 200
    assert reply.json == {**empty, "sid": trunk["sid"], "url": trunk["url"]}


async def test_clearing_the_policy_leaves_outbound_calls_nowhere_to_go(api: Installation) -> None:
    """S34: pick-or-create for the policy; cleared, `call.dialling` ends an outbound call with 32010."""
    policy = await api.acme.made(POLICIES)
    trunk = await api.acme.made(TRUNKS, ConnectionPolicySid=policy["sid"])
    assert api.directory.policy_of(api.directory.trunks[trunk["sid"]]) is not None
    await api.acme.post(f"{TRUNKS}/{trunk['sid']}", ConnectionPolicySid="")
    assert api.directory.policy_of(api.directory.trunks[trunk["sid"]]) is None


async def test_a_trunk_that_a_domain_leads_to_cannot_be_deleted_and_the_answer_names_the_domain(
    api: Installation,
) -> None:
    trunk = await api.acme.made(TRUNKS)
    domain = await api.acme.made(DOMAINS, DomainName="acme.sip.example.test", ByocTrunkSid=trunk["sid"])
    reply = await api.acme.delete(f"{TRUNKS}/{trunk['sid']}")
    assert (reply.status, reply.code) == (409, 20409)
    assert domain["sid"] in reply.message
    await api.acme.post(f"/SIP/Domains/{domain['sid']}.json", ByocTrunkSid="")
    assert (await api.acme.delete(f"{TRUNKS}/{trunk['sid']}")).status == 204


async def test_a_deleted_trunk_is_gone(api: Installation) -> None:
    sid = (await api.acme.made(TRUNKS))["sid"]
    reply = await api.acme.delete(f"{TRUNKS}/{sid}")
    assert (reply.status, reply.json) == (204, None)
    assert sid not in api.directory.trunks
    for again in (await api.acme.get(f"{TRUNKS}/{sid}"), await api.acme.delete(f"{TRUNKS}/{sid}")):
        assert (again.status, again.code) == (404, 20404)


async def test_an_account_cannot_see_change_or_delete_the_trunk_of_another(api: Installation) -> None:
    """S13: account A cannot see account B's trunk."""
    sid = (await api.acme.made(TRUNKS))["sid"]
    place = f"{TRUNKS}/{sid}"
    replies = [await api.other.get(place), await api.other.post(place, FriendlyName="Mine")]
    for reply in [*replies, await api.other.delete(place)]:
        assert (reply.status, reply.code) == (404, 20404)
    assert (await api.other.get(TRUNKS)).json["byoc_trunks"] == []
    assert (await api.acme.get(place)).json["friendly_name"] == ""


async def test_the_from_domain_stands_in_the_host_of_from(api: Installation) -> None:
    """Contract 1.2: FromDomainSid; without one it is the base domain."""
    domain = await api.acme.made(DOMAINS, DomainName="acme.sip.example.test")
    trunk = await api.acme.made(TRUNKS, FromDomainSid=domain["sid"])
    assert api.directory.from_host(api.directory.trunks[trunk["sid"]]) == "acme.sip.example.test"
    refused = await api.acme.delete(f"/SIP/Domains/{domain['sid']}.json")
    assert (refused.status, refused.code) == (409, 20409)
    assert trunk["sid"] in refused.message
    await api.acme.post(f"{TRUNKS}/{trunk['sid']}", FromDomainSid="")
    assert api.directory.from_host(api.directory.trunks[trunk["sid"]]) == "sip.example.test"
