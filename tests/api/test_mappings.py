"""Lists mapped to domains, by all five paths: contract 1.5 "Auth mappings"."""

from typing import Any

import pytest

from byoc_proxy.storage.rows import CALLS_CREDENTIALS
from byoc_proxy.trunk.admission import NO_AUTHENTICATION, Admit, Challenge, Refuse
from tests.support import provisioned as rows
from tests.support.api import ACLS, ACME, PASSWORD, USERS, Installation

pytestmark = pytest.mark.store
SBC, STRANGER = "203.0.113.8", "198.51.100.7"
ACL, CREDENTIALS = "IpAccessControlList", "CredentialList"
CALLS = "Auth/Calls/"
REGISTRATIONS = "Auth/Registrations/"


async def an_acl(api: Installation, name: str = "Dallas", address: str = SBC) -> str:
    made = await api.acme.made(ACLS, FriendlyName=name)
    path = f"/SIP/IpAccessControlLists/{made['sid']}/IpAddresses.json"
    await api.acme.made(path, FriendlyName="SBC", IpAddress=address)
    return str(made["sid"])


async def a_credential_list(api: Installation, user: str = "sbc1") -> str:
    made = await api.acme.made(USERS, FriendlyName=f"Users like {user}")
    await api.acme.made(f"/SIP/CredentialLists/{made['sid']}/Credentials.json", Username=user, Password=PASSWORD)
    return str(made["sid"])


def mappings(domain: Any, path: str, kind: str, sid: str = "") -> str:
    return f"/SIP/Domains/{domain['sid']}/{path}{kind}Mappings{f'/{sid}' if sid else ''}.json"


async def mapped(api: Installation, domain: Any, path: str, kind: str, sid: str) -> Any:
    return await api.acme.made(mappings(domain, path, kind), {f"{kind}Sid": sid})


async def auth_type(api: Installation, domain: Any) -> Any:
    return (await api.acme.get(f"/SIP/Domains/{domain['sid']}.json")).json["auth_type"]


@pytest.mark.parametrize(
    ("path", "kind", "key"),
    [
        (CALLS, CREDENTIALS, "contents"),
        (CALLS, ACL, "contents"),
        (REGISTRATIONS, CREDENTIALS, "contents"),
        ("", CREDENTIALS, "credential_list_mappings"),
        ("", ACL, "ip_access_control_list_mappings"),
    ],
)
async def test_a_mapping_is_made_fetched_listed_and_taken_away_by_each_of_the_five_paths(
    api: Installation, path: str, kind: str, key: str
) -> None:
    """S67, S68, facts 3 and 5: its SID is the list's own; only the legacy paths tell `domain_sid` and `uri`."""
    domain = await api.domain()
    sid = await (an_acl(api) if kind == ACL else a_credential_list(api))
    reply = await api.acme.post(mappings(domain, path, kind), {f"{kind}Sid": sid})
    assert reply.status == 201
    uri = f"/2010-04-01/Accounts/{ACME}{mappings(domain, path, kind, sid)}"
    assert reply.json == {
        "account_sid": ACME,
        "date_created": "Thu, 09 Oct 2025 08:53:20 +0000",
        "date_updated": "Thu, 09 Oct 2025 08:53:20 +0000",
        "friendly_name": "Dallas" if kind == ACL else "Users like sbc1",
        "sid": sid,
        **({} if path else {"domain_sid": domain["sid"], "uri": uri}),
    }
    assert (await api.acme.get(mappings(domain, path, kind, sid))).json == reply.json
    assert (await api.acme.get(mappings(domain, path, kind))).json[key] == [reply.json]
    update = await api.acme.post(mappings(domain, path, kind, sid))
    assert (update.status, update.code) == (405, 20004)
    assert (await api.acme.delete(mappings(domain, path, kind, sid))).status == 204
    assert (await api.acme.get(mappings(domain, path, kind))).json[key] == []


@pytest.mark.parametrize("kind", [ACL, CREDENTIALS])
async def test_the_legacy_paths_and_those_of_calls_are_one_storage(api: Installation, kind: str) -> None:
    """Fact 4: a second mapping over the other path is refused with 21231."""
    domain = await api.domain()
    sid = await (an_acl(api) if kind == ACL else a_credential_list(api))
    await mapped(api, domain, "", kind, sid)
    for path in ("", CALLS):
        again = await api.acme.post(mappings(domain, path, kind), {f"{kind}Sid": sid})
        assert (again.status, again.code) == (400, 21231)
        assert again.message == f"{kind} already associated with this domain"
        assert (await api.acme.get(mappings(domain, path, kind, sid))).status == 200
    assert (await api.acme.delete(mappings(domain, CALLS, kind, sid))).status == 204
    assert (await api.acme.get(mappings(domain, "", kind, sid))).status == 404


async def test_the_lists_of_registrations_are_a_storage_of_their_own(api: Installation) -> None:
    """Fact 4: the same list may be in both, and calls are not let in by those of registrations."""
    domain = await api.domain()
    sid = await a_credential_list(api)
    await mapped(api, domain, REGISTRATIONS, CREDENTIALS, sid)
    assert await auth_type(api, domain) == ""
    assert isinstance(api.verdict(SBC, user="sbc1"), Refuse)
    await mapped(api, domain, CALLS, CREDENTIALS, sid)
    assert isinstance(api.verdict(SBC, user="sbc1"), Admit)
    await api.acme.delete(mappings(domain, REGISTRATIONS, CREDENTIALS, sid))
    assert isinstance(api.verdict(SBC, user="sbc1"), Admit)
    assert await auth_type(api, domain) == "CREDENTIAL_LIST"


async def test_the_auth_type_says_what_is_mapped_for_calls(api: Installation) -> None:
    """Contract 1.5: empty, one of them, or both in the order of the alphabet."""
    domain = await api.domain()
    acl, users = await an_acl(api), await a_credential_list(api)
    assert await auth_type(api, domain) == ""
    await mapped(api, domain, CALLS, ACL, acl)
    assert await auth_type(api, domain) == "IP_ACL"
    await mapped(api, domain, CALLS, CREDENTIALS, users)
    assert await auth_type(api, domain) == "CREDENTIAL_LIST,IP_ACL"
    await api.acme.delete(mappings(domain, CALLS, ACL, acl))
    assert await auth_type(api, domain) == "CREDENTIAL_LIST"


async def test_with_both_kinds_of_list_both_are_enforced(api: Installation) -> None:
    """S66, facts 12 and 13: the right address with the right digest passes; a wrong one is not challenged."""
    domain = await api.domain()
    await mapped(api, domain, CALLS, ACL, await an_acl(api))
    await mapped(api, domain, CALLS, CREDENTIALS, await a_credential_list(api))
    assert isinstance(api.verdict(SBC, user="sbc1"), Admit)
    assert isinstance(api.verdict(SBC, user="nobody"), Challenge)
    for user in ("sbc1", "nobody"):
        refused = api.verdict(STRANGER, user=user)
        assert isinstance(refused, Refuse)
        assert (refused.status, refused.code) == (403, 32201)
        assert refused.text == "Authentication failure - source IP Address not in ACL"


async def test_of_several_access_control_lists_any_lets_a_source_in(api: Installation) -> None:
    """S67: the union is allowed."""
    domain = await api.domain()
    for name, address in (("Dallas", "203.0.113.8"), ("Austin", "203.0.113.9")):
        await mapped(api, domain, CALLS, ACL, await an_acl(api, name, address))
    verdicts = [api.verdict(f"203.0.113.{last}") for last in (8, 9, 10)]
    assert [type(each) for each in verdicts] == [Admit, Admit, Refuse]


async def test_of_several_credential_lists_any_credential_passes(api: Installation) -> None:
    """S68."""
    domain = await api.domain()
    for user in ("sbc1", "sbc2"):
        await mapped(api, domain, CALLS, CREDENTIALS, await a_credential_list(api, user))
    verdicts = [api.verdict(SBC, user=user) for user in ("sbc1", "sbc2", "sbc3")]
    assert [type(each) for each in verdicts] == [Admit, Admit, Challenge]


@pytest.mark.parametrize("path", [CALLS, ""])
@pytest.mark.parametrize("kind", [ACL, CREDENTIALS])
async def test_removing_the_last_mapping_blocks_the_domain_and_never_opens_it(
    api: Installation, path: str, kind: str
) -> None:
    """S65: minimum of either an IP ACL or Credential authentication."""
    domain = await api.domain()
    sid = await (an_acl(api) if kind == ACL else a_credential_list(api))
    await mapped(api, domain, path, kind, sid)
    assert isinstance(api.verdict(SBC, user="sbc1"), Admit)
    assert (await api.acme.delete(mappings(domain, path, kind, sid))).status == 204
    for source in (SBC, STRANGER):
        for user in ("sbc1", "nobody"):
            verdict = api.verdict(source, user=user)
            assert isinstance(verdict, Refuse)
            assert (verdict.status, verdict.code) == (403, NO_AUTHENTICATION)


async def test_emptying_the_last_list_lets_nobody_in(api: Installation) -> None:
    """S65: a mapped list without entries is a list that nobody is on."""
    domain = await api.domain()
    sid = await an_acl(api)
    await mapped(api, domain, CALLS, ACL, sid)
    (entry,) = (await api.acme.get(f"/SIP/IpAccessControlLists/{sid}/IpAddresses.json")).json["ip_addresses"]
    await api.acme.delete(f"/SIP/IpAccessControlLists/{sid}/IpAddresses/{entry['sid']}.json")
    refused = api.verdict(SBC)
    assert isinstance(refused, Refuse)
    assert (refused.status, refused.code) == (403, 32201)


async def test_a_list_of_another_account_or_of_the_other_kind_cannot_be_mapped(api: Installation) -> None:
    domain = await api.domain()
    foreign = (await api.other.made(ACLS, FriendlyName="Theirs"))["sid"]
    users = await a_credential_list(api)
    for sid, code in ((foreign, 20423), ("AL" + "0" * 32, 20423), (users, 21231), ("", 21231)):
        reply = await api.acme.post(mappings(domain, CALLS, ACL), IpAccessControlListSid=sid)
        assert (reply.status, reply.code) == (400, code)
    assert await auth_type(api, domain) == ""


async def test_a_domain_has_100_lists_of_a_kind_at_most(api: Installation) -> None:
    """Contract 1.5: 21231."""
    domain = await api.domain()
    async with api.provisioning.writing() as write:
        for at in range(100):
            sid = await rows.made(write, "credential_lists", account_sid=ACME, friendly_name=f"n{at}")
            await rows.mapped(write, CALLS_CREDENTIALS, domain["sid"], sid, ACME)
    reply = await api.acme.post(
        mappings(domain, CALLS, CREDENTIALS), CredentialListSid=await a_credential_list(api)
    )
    assert (reply.status, reply.code) == (400, 21231)
    assert "100" in reply.message


async def test_deleting_a_domain_frees_the_lists_that_were_mapped_to_it(api: Installation) -> None:
    """S40, S87, S92."""
    domain = await api.domain()
    acl, users = await an_acl(api), await a_credential_list(api)
    for path, kind, sid in ((CALLS, ACL, acl), ("", CREDENTIALS, users), (REGISTRATIONS, CREDENTIALS, users)):
        await mapped(api, domain, path, kind, sid)
    assert (await api.acme.delete(f"/SIP/Domains/{domain['sid']}.json")).status == 204
    assert (await api.tables())["domain_mappings"] == []
    assert (await api.acme.delete(f"/SIP/IpAccessControlLists/{acl}.json")).status == 204
    assert (await api.acme.delete(f"/SIP/CredentialLists/{users}.json")).status == 204
