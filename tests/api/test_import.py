"""What our own API shows of an account is imported as what a node runs on, but for passwords."""

import json
from dataclasses import replace
from urllib.parse import urlsplit

import pytest

from byoc_proxy.migrate.api import Api
from byoc_proxy.migrate.convert import converted
from byoc_proxy.migrate.rows import read_account
from byoc_proxy.migrate.transport import Answer, Key
from byoc_proxy.sip.digest import Ha1
from byoc_proxy.trunk.model import Resources
from tests.support.api import (
    ACLS,
    ACME,
    BASE,
    DOMAINS,
    PASSWORD,
    POLICIES,
    TOKEN,
    TRUNKS,
    USERS,
    Client,
    Installation,
)

pytestmark = pytest.mark.store


class OverAsgi:
    """A `Transport` to an application in memory."""

    def __init__(self, client: Client) -> None:
        self._client = client

    async def get(self, url: str) -> Answer:
        parts = urlsplit(url)
        reply = await self._client.ask("GET", f"{parts.path}?{parts.query}")
        return Answer(reply.status, json.dumps(reply.json).encode())


async def an_account(api: Installation) -> None:
    """Through the API, more than a page of everything."""
    acme = api.acme
    for number in range(3):
        policy = await acme.made(POLICIES, FriendlyName=f"Policy {number}")
        trunk = await acme.made(
            TRUNKS,
            FriendlyName=f"Trunk {number}",
            VoiceUrl="https://app.example.test/",
            VoiceMethod="GET",
            ConnectionPolicySid=policy["sid"],
        )
        acl = await acme.made(ACLS, FriendlyName=f"List {number}")
        users = await acme.made(USERS, FriendlyName=f"Users {number}")
        domain = await acme.made(
            DOMAINS, DomainName=f"d{number}.sip.example.test", ByocTrunkSid=trunk["sid"], Secure="true"
        )
        for each in range(3):
            uri = f"sip:gw{each}.example;transport=tcp"
            await acme.made(f"{POLICIES}/{policy['sid']}/Targets", Target=uri, Priority=each, Weight=each + 1)
            address = {"FriendlyName": "SBC", "IpAddress": f"203.0.113.{8 * each}", "CidrPrefixLength": 29 + each}
            await acme.made(f"/SIP/IpAccessControlLists/{acl['sid']}/IpAddresses.json", address)
            user = {"Username": f"sbc{each}", "Password": PASSWORD}
            await acme.made(f"/SIP/CredentialLists/{users['sid']}/Credentials.json", user)
        calls = f"/SIP/Domains/{domain['sid']}/Auth/Calls"
        await acme.made(f"{calls}/IpAccessControlListMappings.json", IpAccessControlListSid=acl["sid"])
        await acme.made(f"{calls}/CredentialListMappings.json", CredentialListSid=users["sid"])


def without_passwords(rows: Resources) -> dict[str, object]:
    lists = [
        replace(each, credentials=tuple(replace(item, ha1=Ha1("", "")) for item in each.credentials))
        for each in rows.credential_lists
    ]
    sections = ("trunks", "domains", "connection_policies")
    return {
        "credential_lists": {row.sid: row for row in lists},
        "addresses": {
            row.sid: (row.friendly_name, [(each.sid, each.cidr.removesuffix("/32")) for each in row.addresses])
            for row in rows.ip_access_control_lists
        },
        **{section: {row.sid: row for row in getattr(rows, section)} for section in sections},
    }


@pytest.mark.parametrize("page_size", [2, 1000])
async def test_an_account_is_imported_from_our_own_api_as_it_is_in_force(api: Installation, page_size: int) -> None:
    await an_account(api)
    reader = Api(OverAsgi(api.acme), Key(ACME, TOKEN), BASE, BASE, page_size)
    imported = converted(await read_account(reader, ACME), "sip.example.test")
    assert imported.notes == ()
    assert without_passwords(imported.resources) == without_passwords(api.directory.resources)
