"""IP access control lists with their addresses, credential lists with their credentials: contract 1.6 and 1.7."""

import re
from typing import Any

import pytest

from byoc_proxy.sip.digest import Ha1
from byoc_proxy.trunk.admission import Admit
from tests.support.api import ACLS, ACME, DOMAINS, PASSWORD, USERS, Installation

pytestmark = pytest.mark.store
HERE = f"/2010-04-01/Accounts/{ACME}/SIP"
DATES = dict.fromkeys(("date_created", "date_updated"), "Thu, 09 Oct 2025 08:53:20 +0000")


async def an_acl(api: Installation, name: str = "Dallas") -> str:
    """The address of the addresses of a new list."""
    made = await api.acme.made(ACLS, FriendlyName=name)
    return f"/SIP/IpAccessControlLists/{made['sid']}/IpAddresses.json"


async def a_credential_list(api: Installation, name: str = "SBCs") -> str:
    """The address of the credentials of a new list."""
    made = await api.acme.made(USERS, FriendlyName=name)
    return f"/SIP/CredentialLists/{made['sid']}/Credentials.json"


def instance(place: str, sid: str) -> str:
    return place.replace(".json", f"/{sid}.json")


def of(place: str) -> str:
    """The address of the list itself."""
    return f"{place.rpartition('/')[0]}.json"


async def mapped(api: Installation, place: str, kind: str) -> Any:
    """The only domain, made for it, with a list mapped to it; what a call to it is judged by."""
    domain = await api.domain()
    sid = place.split("/")[3]
    path = f"/SIP/Domains/{domain['sid']}/Auth/Calls/{kind}Mappings.json"
    await api.acme.made(path, {f"{kind}Sid": sid})
    return api.directory.find("acme.sip.example.test")


async def test_an_access_control_list_has_every_documented_field(api: Installation) -> None:
    """S24, S88: descriptive of that list."""
    reply = await api.acme.post(ACLS, FriendlyName="Dallas Datacenter IPs")
    assert reply.status == 201
    sid = reply.json["sid"]
    assert re.fullmatch("AL[0-9a-f]{32}", sid)
    assert reply.json == {
        "sid": sid,
        "account_sid": ACME,
        "friendly_name": "Dallas Datacenter IPs",
        **DATES,
        "subresource_uris": {"ip_addresses": f"{HERE}/IpAccessControlLists/{sid}/IpAddresses.json"},
        "uri": f"{HERE}/IpAccessControlLists/{sid}.json",
    }
    assert (await api.acme.get(reply.json["uri"])).json == reply.json


async def test_an_access_control_list_can_be_renamed_and_deleted_with_its_addresses(api: Installation) -> None:
    """S24, S87."""
    place = await an_acl(api)
    await api.acme.made(place, FriendlyName="SBC", IpAddress="203.0.113.8")
    assert (await api.acme.post(of(place), FriendlyName="Austin")).json["friendly_name"] == "Austin"
    assert (await api.acme.delete(of(place))).status == 204
    assert (await api.acme.get(of(place))).status == 404
    tables = await api.tables()
    assert tables["ip_access_control_lists"] == tables["ip_addresses"] == []


async def test_an_access_control_list_cannot_be_deleted_while_it_is_mapped(api: Installation) -> None:
    """S87; contract 1.6: 21236."""
    place = await an_acl(api)
    match = await mapped(api, place, "IpAccessControlList")
    reply = await api.acme.delete(of(place))
    assert (reply.status, reply.code) == (400, 21236)
    assert match.domain.sid in reply.message
    assert (await api.acme.get(of(place))).status == 200


async def test_two_access_control_lists_of_an_account_have_different_names(api: Installation) -> None:
    """Contract 1.6: 21235."""
    await an_acl(api, "Dallas")
    place = await an_acl(api, "Austin")
    for reply in (
        await api.acme.post(ACLS, FriendlyName="Dallas"),
        await api.acme.post(of(place), FriendlyName="Dallas"),
    ):
        assert (reply.status, reply.code) == (400, 21235)
    assert (await api.acme.post(of(place), FriendlyName="Austin")).status == 200
    assert (await api.other.post(ACLS, FriendlyName="Dallas")).status == 201


async def test_an_address_has_every_documented_field_and_is_one_whole_address_by_default(
    api: Installation,
) -> None:
    """S91: Give your IPs a friendly name; it is what the trace of a call names."""
    place = await an_acl(api)
    reply = await api.acme.post(place, FriendlyName="Production SBC", IpAddress="203.0.113.8")
    assert reply.status == 201
    sid = reply.json["sid"]
    assert re.fullmatch("IP[0-9a-f]{32}", sid)
    assert reply.json == {
        "sid": sid,
        "account_sid": ACME,
        "friendly_name": "Production SBC",
        "ip_address": "203.0.113.8",
        "cidr_prefix_length": 32,
        "ip_access_control_list_sid": place.split("/")[3],
        **DATES,
        "uri": f"/2010-04-01/Accounts/{ACME}{instance(place, sid)}",
    }
    await mapped(api, place, "IpAccessControlList")
    verdict = api.verdict("203.0.113.8")
    assert isinstance(verdict, Admit)
    assert str(verdict.acl_entry) == "'Production SBC' 203.0.113.8/32"


async def test_a_range_in_cidr_notation_lets_in_what_is_inside_and_nothing_else(api: Installation) -> None:
    """S89: /30 allows .8 to .11 and not .12."""
    place = await an_acl(api)
    await api.acme.made(place, FriendlyName="SBCs", IpAddress="203.0.113.8", CidrPrefixLength="30")
    await mapped(api, place, "IpAccessControlList")
    inside = [api.directory.knows(f"203.0.113.{last}") for last in (7, 8, 9, 10, 11, 12)]
    assert inside == [False, True, True, True, True, False]


async def test_host_bits_are_read_as_the_range_around_them(api: Installation) -> None:
    """S89: host bits set is normalised, with a notice in the warnings of `check`."""
    place = await an_acl(api)
    await api.acme.made(place, FriendlyName="SBCs", IpAddress="203.0.113.10", CidrPrefixLength="30")
    await mapped(api, place, "IpAccessControlList")
    assert api.directory.knows("203.0.113.8")
    (warning,) = api.directory.warnings_of("ip_access_control_lists", place.split("/")[3])
    assert "203.0.113.8/30" in warning.text


async def test_an_ipv6_range_works_as_an_extension(api: Installation) -> None:
    """S89."""
    place = await an_acl(api)
    whole = await api.acme.made(place, FriendlyName="One", IpAddress="2001:DB8::7")
    assert (whole["ip_address"], whole["cidr_prefix_length"]) == ("2001:db8::7", 128)
    await api.acme.made(place, FriendlyName="Many", IpAddress="2001:db8:1::", CidrPrefixLength="48")
    await mapped(api, place, "IpAccessControlList")
    known = [api.directory.knows(address) for address in ("2001:db8::7", "2001:db8::8", "2001:db8:1::9")]
    assert known == [True, False, True]


async def test_an_address_can_be_changed_in_part(api: Installation) -> None:
    """S87."""
    place = await an_acl(api)
    made = await api.acme.made(place, FriendlyName="SBC", IpAddress="203.0.113.8", CidrPrefixLength="30")
    at = instance(place, made["sid"])
    moved = await api.acme.post(at, IpAddress="203.0.113.16")
    assert (moved.json["ip_address"], moved.json["cidr_prefix_length"]) == ("203.0.113.16", 30)
    widened = await api.acme.post(at, CidrPrefixLength="28")
    assert (widened.json["ip_address"], widened.json["cidr_prefix_length"]) == ("203.0.113.16", 28)
    whole = await api.acme.post(at, CidrPrefixLength="")
    assert whole.json["cidr_prefix_length"] == 32
    assert (await api.acme.post(at, FriendlyName="Edge")).json["friendly_name"] == "Edge"
    assert (await api.acme.delete(at)).status == 204
    assert (await api.acme.get(place)).json["ip_addresses"] == []


async def test_an_address_is_in_a_list_once_however_it_is_spelt(api: Installation) -> None:
    """Contract 1.6: 21235."""
    place = await an_acl(api)
    await api.acme.made(place, FriendlyName="SBC", IpAddress="203.0.113.8", CidrPrefixLength="30")
    reply = await api.acme.post(place, FriendlyName="Again", IpAddress="203.0.113.9", CidrPrefixLength="30")
    assert (reply.status, reply.code) == (400, 21235)
    assert (await api.acme.post(place, FriendlyName="One of them", IpAddress="203.0.113.9")).status == 201


NO_ADDRESSES = (
    "sbc.carrier.example",
    "203.0.113",
    "203.0.113.256",
    "203.0.113.8/30",
    "010.1.1.1",
)


async def test_what_is_no_plain_address_is_refused(api: Installation) -> None:
    """Contract 1.6: 21238."""
    place = await an_acl(api)
    for address in NO_ADDRESSES:
        reply = await api.acme.post(place, FriendlyName="SBC", IpAddress=address)
        assert (reply.status, reply.code) == (400, 21238)


async def test_an_ipv4_prefix_has_32_bits_at_most(api: Installation) -> None:
    place = await an_acl(api)
    reply = await api.acme.post(place, FriendlyName="SBC", IpAddress="203.0.113.8", CidrPrefixLength="33")
    assert (reply.status, reply.code) == (400, 21238)
    six = await api.acme.made(place, FriendlyName="SBC", IpAddress="2001:db8::7", CidrPrefixLength="64")
    refused = await api.acme.post(instance(place, six["sid"]), IpAddress="203.0.113.8", CidrPrefixLength="64")
    assert (refused.status, refused.code) == (400, 21238)


async def test_a_credential_list_has_every_documented_field(api: Installation) -> None:
    """S25, S92, S93."""
    reply = await api.acme.post(USERS, FriendlyName="Dallas SBCs")
    assert reply.status == 201
    sid = reply.json["sid"]
    assert re.fullmatch("CL[0-9a-f]{32}", sid)
    assert reply.json == {
        "account_sid": ACME,
        **DATES,
        "friendly_name": "Dallas SBCs",
        "sid": sid,
        "subresource_uris": {"credentials": f"{HERE}/CredentialLists/{sid}/Credentials.json"},
        "uri": f"{HERE}/CredentialLists/{sid}.json",
    }
    assert (await api.acme.get(reply.json["uri"])).json == reply.json


async def test_a_credential_list_can_be_renamed_and_deleted_with_its_credentials(api: Installation) -> None:
    """S25, S92."""
    place = await a_credential_list(api)
    await api.acme.made(place, Username="sbc1", Password=PASSWORD)
    assert (await api.acme.post(of(place), FriendlyName="Edges")).json["friendly_name"] == "Edges"
    assert (await api.acme.delete(of(place))).status == 204
    tables = await api.tables()
    assert tables["credential_lists"] == tables["credentials"] == []


async def test_a_credential_list_cannot_be_deleted_while_calls_or_registrations_use_it(api: Installation) -> None:
    """S92; contract 1.7: 21241."""
    place = await a_credential_list(api)
    match = await mapped(api, place, "CredentialList")
    mappings = f"/SIP/Domains/{match.domain.sid}/Auth/{{}}/CredentialListMappings"
    sid = place.split("/")[3]
    await api.acme.made(f"{mappings.format('Registrations')}.json", CredentialListSid=sid)
    for kind in ("Calls", "Registrations"):
        reply = await api.acme.delete(of(place))
        assert (reply.status, reply.code) == (400, 21241)
        assert match.domain.sid in reply.message
        assert (await api.acme.delete(f"{mappings.format(kind)}/{sid}.json")).status == 204
    assert (await api.acme.delete(of(place))).status == 204


async def test_a_password_is_never_shown_and_kept_as_hashes_only(api: Installation) -> None:
    """S25, S94, fact 24: stored only as HA1 digests."""
    place = await a_credential_list(api)
    reply = await api.acme.post(place, Username="sbc1", Password=PASSWORD)
    assert reply.status == 201
    sid = reply.json["sid"]
    assert re.fullmatch("CR[0-9a-f]{32}", sid)
    assert reply.json == {
        "sid": sid,
        "account_sid": ACME,
        "credential_list_sid": place.split("/")[3],
        "username": "sbc1",
        **DATES,
        "uri": f"/2010-04-01/Accounts/{ACME}{instance(place, sid)}",
    }
    assert (await api.acme.get(reply.json["uri"])).json == reply.json
    assert PASSWORD not in repr(await api.tables())
    assert PASSWORD not in repr(api.logged)
    match = await mapped(api, place, "CredentialList")
    assert api.directory.credentials(match.domain, "sbc1") == (Ha1.of("sbc1", "sip.example.test", PASSWORD),)


async def test_an_update_of_a_credential_changes_its_password_and_nothing_else(api: Installation) -> None:
    """Fact 24."""
    place = await a_credential_list(api)
    made = await api.acme.made(place, Username="sbc1", Password=PASSWORD)
    at = instance(place, made["sid"])
    match = await mapped(api, place, "CredentialList")
    assert (await api.acme.post(at, Username="sbc2", Password=PASSWORD)).code == 20001
    assert (await api.acme.post(at, Password="Another-Long-1")).json == made
    assert api.directory.credentials(match.domain, "sbc1") == (
        Ha1.of("sbc1", "sip.example.test", "Another-Long-1"),
    )
    assert (await api.acme.post(at)).json == made
    assert (await api.acme.delete(at)).status == 204
    assert api.directory.credentials(match.domain, "sbc1") == ()


WEAK = (
    "Eleven-abc1",
    "no-capital-letter-1",
    "NO-SMALL-LETTER-1",
    "No-Digit-At-All",
    "",
    PASSWORD * 20,
)


async def test_a_password_has_twelve_characters_a_digit_and_both_cases(api: Installation) -> None:
    """S94, fact 24."""
    place = await a_credential_list(api)
    for password in WEAK:
        reply = await api.acme.post(place, Username="sbc1", Password=password)
        assert (reply.status, reply.code) == (400, 21243)
        assert not password or password not in reply.message


NO_USERS = (
    "x" * 33,
    "sbc:1",
    'sbc"1',
    "sbc\\1",
    "",
)


async def test_a_username_has_32_characters_at_most_and_none_that_digest_cannot_carry(api: Installation) -> None:
    """S94, fact 24; RFC 7616 section 3.4.2."""
    place = await a_credential_list(api)
    for username in NO_USERS:
        reply = await api.acme.post(place, Username=username, Password=PASSWORD)
        assert (reply.status, reply.code) == (400, 21243)
    assert (await api.acme.post(place, Username="x" * 32, Password=PASSWORD)).status == 201


async def test_a_user_is_in_a_list_once(api: Installation) -> None:
    """Contract 1.7: 21243."""
    place, another = await a_credential_list(api), await a_credential_list(api, "Others")
    await api.acme.made(place, Username="sbc1", Password=PASSWORD)
    reply = await api.acme.post(place, Username="sbc1", Password=PASSWORD)
    assert (reply.status, reply.code) == (400, 21243)
    assert "sbc1" in reply.message
    assert (await api.acme.post(another, Username="sbc1", Password=PASSWORD)).status == 201


@pytest.mark.parametrize(
    ("setting", "code"),
    [
        ("ip_access_control_lists", 21255),
        ("credential_lists", 21239),
        ("ip_addresses", 21237),
        ("credentials", 21242),
        ("connection_policies", 21253),
        ("domains", 21230),
    ],
)
async def test_a_limit_that_is_reached_is_said_with_its_code(api: Installation, setting: str, code: int) -> None:
    """Contract 1.3, 1.5, 1.6 and 1.7: limits of an account or of a list; here they are 3, not hundreds."""
    limited = Installation(api.provisioning, {setting: 3}, api.clock)
    addresses, credentials = await an_acl(limited), await a_credential_list(limited)

    async def another(at: int) -> Any:
        match setting:
            case "ip_addresses":
                return await limited.acme.post(addresses, FriendlyName=f"n{at}", IpAddress=f"203.0.113.{at}")
            case "credentials":
                return await limited.acme.post(credentials, Username=f"n{at}", Password=PASSWORD)
            case "connection_policies":
                return await limited.acme.post("/v1/ConnectionPolicies")
            case "domains":
                return await limited.acme.post(DOMAINS, DomainName=f"n{at}.sip.example.test")
            case _:
                path = ACLS if setting == "ip_access_control_lists" else USERS
                return await limited.acme.post(path, FriendlyName=f"n{at}")

    replies = [await another(at) for at in range(4)]
    refused = [(reply.status, reply.code) for reply in replies if reply.status != 201]
    assert refused[-1] == (400, code)
    assert len(refused) == (2 if setting in ("ip_access_control_lists", "credential_lists") else 1)
    assert "3" in replies[-1].message
