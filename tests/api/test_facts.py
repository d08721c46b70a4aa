"""The facts of the contract (section 8) that are most easily got wrong, over every resource that there is.

Each that the API decides has a test here. `ELSEWHERE` says where the others are proved; what belongs to calls that
the API makes comes with them.
"""

import re
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from pathlib import Path
from typing import Any

import pytest

from byoc_proxy.api.catalogue import RESOURCES
from byoc_proxy.api.resource import Style
from byoc_proxy.sip.digest import Ha1
from byoc_proxy.storage.database import Database
from tests.api.one_of_each import BY_NAME, one_of_each
from tests.support.api import ACME, NOW, PASSWORD, Installation

pytestmark = pytest.mark.store
ROOT = Path(__file__).resolve().parent.parent.parent
MOMENT = datetime.fromtimestamp(NOW, UTC)
ENVELOPE = {"end", "first_page_uri", "next_page_uri", "page", "page_size", "previous_page_uri", "start", "uri"}

# Facts that are no matter of the API, by number: the tests that prove them.
ELSEWHERE = {
    8: ("tests/trunk/test_verdicts.py", "test_before_anything_rings"),
    9: ("tests/scenarios/test_webhooks.py", "test_a_trunk_may_keep_the_headers_of_the_carrier_to_itself"),
    11: ("tests/scenarios/test_scripts.py", "test_s97_a_trunk_that_is_not_the_accounts_fails_the_dial_with_21300"),
    12: ("tests/scenarios/test_digest.py", "test_a_challenge_is_407_with_realm_nonce_and_qop_for_md5_and_sha_256"),
    13: ("tests/trunk/test_admission.py", "test_a_wrong_source_is_refused_and_never_challenged_whatever_it_knows"),
    14: ("tests/api/test_domains.py", "test_secure_media_is_asked_of_calls_that_come_in"),
    15: ("tests/scenarios/test_scripts.py", "test_reject_refuses_the_call"),
    16: ("tests/scenarios/test_scripts.py", "test_pause_first_lets_the_phone_ring_before_anything_is_answered"),
    17: ("tests/scenarios/test_scripts.py", "test_an_unanswered_dial_is_no_answer_and_the_script_goes_on"),
    # decided otherwise: a trunk is told of all four events; durations are as the fact has them
    18: (
        "tests/scenarios/test_callbacks.py",
        "test_s38_a_trunk_is_told_initiated_ringing_answered_and_completed_once_each_in_order",
    ),
    19: ("tests/call/test_status.py", "test_the_status_of_a_leg_that_got_this_final_response"),
    20: ("tests/webhook/test_client.py", "test_an_application_that_hangs_costs_fifteen_seconds"),
    21: ("tests/webhook/test_signature.py", "test_the_official_validator_accepts_every_signed_form"),
    22: ("tests/api/test_calls.py", "test_a_call_has_every_field_of_the_contract"),
    25: ("tests/twiml/test_interpreter.py", "test_without_an_action_the_script_goes_on_after_the_dial"),
}
HERE = {1, 2, 3, 4, 5, 6, 7, 10, 23, 24}


def test_every_one_of_the_25_facts_is_proved_somewhere() -> None:
    assert HERE | ELSEWHERE.keys() == set(range(1, 26))
    here = Path(__file__).read_text(encoding="utf-8")
    assert {int(number) for number in re.findall(r"def test_fact_(\d+)_", here)} == HERE
    for file, name in ELSEWHERE.values():
        assert f"def {name}(" in (ROOT / file).read_text(encoding="utf-8"), (file, name)


async def test_fact_1_dates_of_v1_are_iso_8601_and_those_of_the_2010_api_rfc_2822(
    database: Database, tmp_path: Path
) -> None:
    _, mine, _ = await one_of_each(database, tmp_path)
    for resource in RESOURCES:
        row = (await mine.client.get(mine.instance_path(resource))).json
        for name in ("date_created", "date_updated"):
            if resource.style is Style.V1:
                assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ", row[name])
                assert datetime.strptime(row[name], "%Y-%m-%dT%H:%M:%SZ").replace(tzinfo=UTC) == MOMENT
            else:
                assert re.fullmatch(r"[A-Z][a-z]{2}, \d\d [A-Z][a-z]{2} \d{4} \d\d:\d\d:\d\d \+0000", row[name])
                assert parsedate_to_datetime(row[name]) == MOMENT


async def test_fact_2_lists_have_the_keys_of_their_envelope_and_no_other(
    database: Database, tmp_path: Path
) -> None:
    _, mine, _ = await one_of_each(database, tmp_path)
    for resource in RESOURCES:
        listed = (await mine.client.get(mine.list_path(resource))).json
        if resource.style is Style.V1:
            assert set(listed) == {"meta", listed["meta"]["key"]}
        else:
            assert len(listed.keys() - ENVELOPE) == 1
            assert listed.keys() > ENVELOPE


async def test_fact_3_lists_of_auth_mappings_are_called_contents_and_legacy_ones_by_their_kind(
    database: Database, tmp_path: Path
) -> None:
    _, mine, _ = await one_of_each(database, tmp_path)
    keys = {
        "SipAuthCallsCredentialListMapping": "contents",
        "SipAuthCallsIpAccessControlListMapping": "contents",
        "SipAuthRegistrationsCredentialListMapping": "contents",
        "SipCredentialListMapping": "credential_list_mappings",
        "SipIpAccessControlListMapping": "ip_access_control_list_mappings",
    }
    for name, key in keys.items():
        (row,) = (await mine.client.get(mine.list_path(BY_NAME[name]))).json[key]
        assert ("uri" in row, "domain_sid" in row) == ((key != "contents"),) * 2


async def test_fact_4_legacy_and_calls_are_one_storage_and_registrations_another(
    database: Database, tmp_path: Path
) -> None:
    _, mine, _ = await one_of_each(database, tmp_path)
    calls, legacy, registrations = (
        BY_NAME[f"Sip{kind}CredentialListMapping"] for kind in ("AuthCalls", "", "AuthRegistrations")
    )
    again = await mine.client.post(mine.list_path(legacy), mine.creates(legacy, 3))
    assert (again.status, again.code) == (400, 21231)
    assert (await mine.client.delete(mine.instance_path(legacy))).status == 204
    assert (await mine.client.get(mine.instance_path(calls))).status == 404
    assert (await mine.client.get(mine.instance_path(registrations))).status == 200


async def test_fact_5_the_sid_of_a_mapping_is_that_of_its_list(database: Database, tmp_path: Path) -> None:
    _, mine, _ = await one_of_each(database, tmp_path)
    for name in (each.name for each in RESOURCES if each.name.startswith("Sip") and each.name.endswith("Mapping")):
        listed = "SipIpAccessControlList" if "IpAccess" in name else "SipCredentialList"
        assert (await mine.client.get(mine.instance_path(BY_NAME[name]))).json["sid"] == mine.sids[listed]


async def test_fact_6_a_trunk_lists_no_domains_and_the_callback_parameters_have_three_names(
    database: Database, tmp_path: Path
) -> None:
    _, mine, _ = await one_of_each(database, tmp_path)
    trunk, domain = BY_NAME["ByocTrunk"], BY_NAME["SipDomain"]
    row = (await mine.client.get(mine.instance_path(trunk))).json
    assert mine.sids["SipDomain"] not in repr(row)
    url = "https://app.example.test/status"
    assert (await mine.client.post(mine.instance_path(trunk), StatusCallbackUrl=url)).status == 200
    assert (await mine.client.post(mine.instance_path(trunk), VoiceStatusCallbackUrl=url)).code == 20001
    assert (await mine.client.post(mine.instance_path(domain), VoiceStatusCallbackUrl=url)).status == 200
    assert (await mine.client.post(mine.instance_path(domain), StatusCallbackUrl=url)).code == 20001


async def test_fact_7_a_target_has_priority_10_and_weight_10_and_there_are_ten_at_most(api: Installation) -> None:
    policy = await api.acme.made("/v1/ConnectionPolicies")
    place = f"/v1/ConnectionPolicies/{policy['sid']}/Targets"
    made = [await api.acme.made(place, Target=f"sip:gw{at}.example") for at in range(10)]
    assert {(each["priority"], each["weight"]) for each in made} == {(10, 10)}
    assert (await api.acme.post(place, Target="sip:gw11.example")).code == 21254
    assert (await api.acme.post(place, Target="sips:gw11.example")).status == 400


async def test_fact_10_no_resource_takes_credentials_for_a_carrier(api: Installation) -> None:
    for path in ("/v1/ByocTrunks", "/v1/ConnectionPolicies"):
        for name in ("Username", "Password", "SipAuthUsername", "SipAuthPassword"):
            assert (await api.acme.post(path, {name: "x"})).code == 20001


async def test_fact_23_what_is_not_found_is_named_by_its_path_and_on_v1_without_the_version(
    database: Database, tmp_path: Path
) -> None:
    _, mine, _ = await one_of_each(database, tmp_path)
    for resource in RESOURCES:
        path = resource.instance_path.format_map({**mine.names(resource), "sid": resource.prefix + "0" * 32})
        reply = await mine.client.get(path)
        assert (reply.status, reply.code) == (404, 20404)
        assert reply.message == f"The requested resource {path.removeprefix('/v1')} was not found"
        assert reply.json == {
            "code": 20404,
            "message": reply.message,
            "more_info": "https://www.twilio.com/docs/errors/20404",
            "status": 404,
        }
        assert reply.headers["X-Twilio-Error-Code"] == "20404"
    nowhere = await mine.client.get(f"/2010-04-01/Accounts/{ACME}/Nonsense.json")
    assert nowhere.message == f"The requested resource /2010-04-01/Accounts/{ACME}/Nonsense.json was not found"


async def test_fact_24_passwords_are_strong_and_never_returned_and_lists_have_100_addresses(
    api: Installation,
) -> None:
    users = await api.acme.made("/SIP/CredentialLists.json", FriendlyName="SBCs")
    place = f"/SIP/CredentialLists/{users['sid']}/Credentials"
    assert (await api.acme.post(f"{place}.json", Username="sbc1", Password="weak")).code == 21243
    assert (await api.acme.post(f"{place}.json", Username="x" * 33, Password=PASSWORD)).code == 21243
    made = await api.acme.made(f"{place}.json", Username="sbc1", Password=PASSWORD)
    changed = (await api.acme.post(f"{place}/{made['sid']}.json", Password=f"{PASSWORD}2")).json
    hashes = Ha1.of("sbc1", "sip.example.test", f"{PASSWORD}2")
    for told in (made, changed, (await api.acme.get(f"{place}.json")).json):
        assert not {PASSWORD, hashes.md5, hashes.sha256} & set(_texts(told))
    acl = await api.acme.made("/SIP/IpAccessControlLists.json", FriendlyName="Dallas")
    addresses = f"/SIP/IpAccessControlLists/{acl['sid']}/IpAddresses.json"
    for at in range(100):
        await api.acme.made(addresses, FriendlyName="SBC", IpAddress=f"203.0.113.{at}")
    assert (await api.acme.post(addresses, FriendlyName="SBC", IpAddress="203.0.113.200")).code == 21237


def _texts(told: Any) -> list[str]:
    """Every text in an answer."""
    if isinstance(told, dict):
        return [text for value in told.values() for text in _texts(value)]
    if isinstance(told, list):
        return [text for value in told for text in _texts(value)]
    return [str(told)]
