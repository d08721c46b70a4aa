"""Static IP addresses: `IpRecords` and `SourceIpMappings`, contract 1.4 and the rules of the page."""

import re
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio

from byoc_proxy.storage.database import Database
from byoc_proxy.trunk.admission import Admit, Challenge, Refuse
from tests.support.api import ACLS, ACME, BASE, DECLARED, PASSWORD, USERS, Installation, installed

pytestmark = pytest.mark.store
RECORDS, MAPPINGS = "/v1/IpRecords", "/v1/SourceIpMappings"
ADDRESS, STRANGER = "10.9.0.5", "198.51.100.7"
ALLOWED = DECLARED.replace(
    "auth_token: a-token-of-acme", "static_ip: true, interconnect: [10.9.0.0/24], {}"
).replace("{}", "auth_token: a-token-of-acme")


@pytest_asyncio.fixture
async def api(database: Database, tmp_path: Path) -> Installation:
    """Acme has an interconnect and may use static addresses; Other may not."""
    return await installed(database, tmp_path, ALLOWED)


async def a_static_domain(api: Installation) -> Any:
    """A domain that an address leads to."""
    domain = await api.domain()
    record = await api.acme.made(RECORDS, IpAddress=ADDRESS)
    await api.acme.made(MAPPINGS, IpRecordSid=record["sid"], SipDomainSid=domain["sid"])
    return domain


async def test_an_ip_record_has_every_documented_field(api: Installation) -> None:
    """S60."""
    reply = await api.acme.post(RECORDS, IpAddress=ADDRESS, FriendlyName="Interconnect")
    assert reply.status == 201
    sid = reply.json["sid"]
    assert re.fullmatch("IL[0-9a-f]{32}", sid)
    assert reply.json == {
        "account_sid": ACME,
        "sid": sid,
        "friendly_name": "Interconnect",
        "ip_address": ADDRESS,
        "cidr_prefix_length": 32,
        "date_created": "2025-10-09T08:53:20Z",
        "date_updated": "2025-10-09T08:53:20Z",
        "url": f"{BASE}{RECORDS}/{sid}",
    }
    assert (await api.acme.get(RECORDS)).json["ip_records"] == [reply.json]
    renamed = await api.acme.post(f"{RECORDS}/{sid}", FriendlyName="Link")
    assert renamed.json == {**reply.json, "friendly_name": "Link"}
    assert (await api.acme.post(f"{RECORDS}/{sid}", IpAddress="10.9.0.6")).code == 20001
    assert (await api.acme.delete(f"{RECORDS}/{sid}")).status == 204


async def test_a_source_ip_mapping_has_every_documented_field(api: Installation) -> None:
    """S60."""
    domain = await api.domain()
    record = await api.acme.made(RECORDS, IpAddress=ADDRESS)
    reply = await api.acme.post(MAPPINGS, IpRecordSid=record["sid"], SipDomainSid=domain["sid"])
    assert reply.status == 201
    sid = reply.json["sid"]
    assert re.fullmatch("IB[0-9a-f]{32}", sid)
    assert reply.json == {
        "sid": sid,
        "ip_record_sid": record["sid"],
        "sip_domain_sid": domain["sid"],
        "date_created": "2025-10-09T08:53:20Z",
        "date_updated": "2025-10-09T08:53:20Z",
        "url": f"{BASE}{MAPPINGS}/{sid}",
    }
    assert (await api.acme.get(f"{MAPPINGS}/{sid}")).json == reply.json
    assert (await api.acme.get(MAPPINGS)).json["source_ip_mappings"] == [reply.json]


async def test_an_address_that_is_mapped_leads_to_its_domain_and_to_the_trunk(api: Installation) -> None:
    """S16: a singular IP address over a Private Connection."""
    domain = await a_static_domain(api)
    match = api.directory.find(ADDRESS)
    assert match is not None
    assert (match.domain.sid, match.static_ip) == (domain["sid"], ADDRESS)
    verdict = api.verdict(STRANGER, ADDRESS, local=(ADDRESS,))
    assert isinstance(verdict, Admit)
    assert verdict.trunk.sid == domain["byoc_trunk_sid"]


async def test_the_static_address_counts_only_when_it_is_what_the_invite_is_sent_to(api: Installation) -> None:
    """S61: by address the static mapping, by name the rules of the domain."""
    await a_static_domain(api)
    by_name = api.verdict(STRANGER, local=(ADDRESS,))
    assert isinstance(by_name, Refuse)
    assert by_name.status == 403
    elsewhere = api.verdict(STRANGER, ADDRESS, local=("192.0.2.1",))
    assert not isinstance(elsewhere, Admit)


async def test_access_control_lists_are_not_asked_at_a_static_address_and_credentials_are(
    api: Installation,
) -> None:
    """S62: the IP-ACLs will NOT be used."""
    domain = await a_static_domain(api)
    acl = await api.acme.made(ACLS, FriendlyName="Elsewhere")
    addresses = f"/SIP/IpAccessControlLists/{acl['sid']}/IpAddresses.json"
    await api.acme.made(addresses, FriendlyName="SBC", IpAddress="203.0.113.8")
    calls = f"/SIP/Domains/{domain['sid']}/Auth/Calls"
    await api.acme.made(f"{calls}/IpAccessControlListMappings.json", IpAccessControlListSid=acl["sid"])
    assert isinstance(api.verdict(STRANGER, ADDRESS, local=(ADDRESS,)), Admit)
    users = await api.acme.made(USERS, FriendlyName="SBCs")
    credentials = f"/SIP/CredentialLists/{users['sid']}/Credentials.json"
    await api.acme.made(credentials, Username="sbc1", Password=PASSWORD)
    await api.acme.made(f"{calls}/CredentialListMappings.json", CredentialListSid=users["sid"])
    assert isinstance(api.verdict(STRANGER, ADDRESS, local=(ADDRESS,)), Challenge)
    assert isinstance(api.verdict(STRANGER, ADDRESS, local=(ADDRESS,), user="sbc1"), Admit)


async def test_an_address_outside_the_interconnect_of_the_account_is_refused(api: Installation) -> None:
    """S63: must be a subset."""
    for address in ("10.9.1.5", "203.0.113.8", "2001:db8::7"):
        reply = await api.acme.post(RECORDS, IpAddress=address)
        assert (reply.status, reply.code) == (400, 20422)
        assert "interconnect" in reply.message


async def test_static_addresses_are_off_until_the_account_has_them(api: Installation) -> None:
    """S64: Limited Availability; the answer says who turns it on."""
    reply = await api.other.post(RECORDS, IpAddress=ADDRESS)
    assert (reply.status, reply.code) == (400, 20422)
    assert "off for this account" in reply.message


async def test_a_region_without_static_addresses_is_named(database: Database, tmp_path: Path) -> None:
    """S59: only in US1 by default."""
    api = await installed(database, tmp_path, f"region: ie1\n{ALLOWED}")
    domain = await api.domain()
    record = await api.acme.made(RECORDS, IpAddress=ADDRESS)
    reply = await api.acme.post(MAPPINGS, IpRecordSid=record["sid"], SipDomainSid=domain["sid"])
    assert (reply.status, reply.code) == (400, 20422)
    assert "ie1" in reply.message
    assert "us1" in reply.message
    assert (await api.tables())["source_ip_mappings"] == []


async def test_one_address_is_one_whole_address(api: Installation) -> None:
    assert (await api.acme.post(RECORDS, IpAddress=ADDRESS, CidrPrefixLength="32")).status == 201
    for length in ("31", "33", "0"):
        reply = await api.acme.post(RECORDS, IpAddress=ADDRESS, CidrPrefixLength=length)
        assert (reply.status, reply.code) == (400, 20422)


async def test_an_address_leads_to_one_domain(api: Installation) -> None:
    domain = await a_static_domain(api)
    another = await api.acme.made("/SIP/Domains.json", DomainName="another.sip.example.test")
    (record,) = (await api.acme.get(RECORDS)).json["ip_records"]
    again = await api.acme.post(MAPPINGS, IpRecordSid=record["sid"], SipDomainSid=another["sid"])
    assert (again.status, again.code) == (409, 20409)
    same = await api.acme.made(RECORDS, IpAddress=ADDRESS)
    twice = await api.acme.post(MAPPINGS, IpRecordSid=same["sid"], SipDomainSid=another["sid"])
    assert twice.status == 400
    assert domain["sid"] != another["sid"]


async def test_a_mapping_can_be_led_to_another_domain(api: Installation) -> None:
    domain = await a_static_domain(api)
    another = await api.acme.made("/SIP/Domains.json", DomainName="another.sip.example.test")
    (mapping,) = (await api.acme.get(MAPPINGS)).json["source_ip_mappings"]
    reply = await api.acme.post(f"{MAPPINGS}/{mapping['sid']}", SipDomainSid=another["sid"])
    assert reply.json == {**mapping, "sip_domain_sid": another["sid"]}
    match = api.directory.find(ADDRESS)
    assert match is not None
    assert match.domain.sid == another["sid"]
    assert api.directory.domains[domain["sid"]].static_ips == ()
    missing = await api.acme.post(f"{MAPPINGS}/{mapping['sid']}")
    assert (missing.status, missing.code) == (400, 20423)
    assert (await api.acme.delete(f"{MAPPINGS}/{mapping['sid']}")).status == 204
    assert api.directory.find(ADDRESS) is None


async def test_what_a_mapping_needs_cannot_be_deleted_and_the_answer_names_it(api: Installation) -> None:
    domain = await a_static_domain(api)
    (mapping,) = (await api.acme.get(MAPPINGS)).json["source_ip_mappings"]
    for path in (f"{RECORDS}/{mapping['ip_record_sid']}", f"/SIP/Domains/{domain['sid']}.json"):
        reply = await api.acme.delete(path)
        assert (reply.status, reply.code) == (409, 20409)
        assert mapping["sid"] in reply.message
