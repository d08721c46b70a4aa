"""What the configuration file declares: there to be read and used, never to be changed (decision 13)."""

from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio

from byoc_proxy.config.load import load
from byoc_proxy.storage.database import Database
from byoc_proxy.trunk.admission import Admit
from byoc_proxy.trunk.directory import DirectoryProblems
from byoc_proxy.trunk.model import stable_sid
from tests.support.api import (
    ACLS,
    ACME,
    DECLARED,
    DOMAINS,
    PASSWORD,
    POLICIES,
    TRUNKS,
    USERS,
    Installation,
    installed,
)

pytestmark = pytest.mark.store
FILE = f"""{DECLARED}
trunks: {{carrier-a: {{account: acme, connection_policy: carriers, voice_twiml: "<Response><Reject/></Response>"}}}}
domains:
  acme: {{account: acme, trunk: carrier-a, ip_access_control_lists: [dallas], credential_lists: [sbcs]}}
ip_access_control_lists:
  dallas: {{account: acme, addresses: [{{cidr: 203.0.113.8/30, friendly_name: Production SBC}}]}}
credential_lists: {{sbcs: {{account: acme, credentials: [{{username: sbc1, password: {PASSWORD}}}]}}}}
connection_policies: {{carriers: {{account: acme, targets: [{{target: "sip:gw.carrier.example"}}]}}}}
"""


@pytest_asyncio.fixture
async def api(database: Database, tmp_path: Path) -> Installation:
    return await installed(database, tmp_path, FILE)


async def listed(api: Installation, path: str) -> list[Any]:
    reply = (await api.acme.get(path)).json
    key = (
        reply["meta"]["key"]
        if "meta" in reply
        else next(name for name, value in reply.items() if type(value) is list)
    )
    rows: list[Any] = reply[key]
    return rows


async def places(api: Installation) -> dict[str, str]:
    """The lists that hold one declared row each, with the address of that row."""
    (domain,), (acl,) = await listed(api, DOMAINS), await listed(api, ACLS)
    (users,), (policy,) = await listed(api, USERS), await listed(api, POLICIES)
    lists = [
        TRUNKS,
        DOMAINS,
        ACLS,
        USERS,
        POLICIES,
        f"/SIP/IpAccessControlLists/{acl['sid']}/IpAddresses.json",
        f"/SIP/CredentialLists/{users['sid']}/Credentials.json",
        f"{POLICIES}/{policy['sid']}/Targets",
        *(
            f"/SIP/Domains/{domain['sid']}/{path}{kind}Mappings.json"
            for path in ("", "Auth/Calls/")
            for kind in ("IpAccessControlList", "CredentialList")
        ),
    ]
    found = {}
    for path in lists:
        (row,) = await listed(api, path)
        stem, dot, suffix = path.partition(".json")
        found[path] = f"{stem}/{row['sid']}{dot}{suffix}"
    return found


async def test_declared_resources_are_in_the_lists_and_can_be_fetched(api: Installation) -> None:
    for path, instance in (await places(api)).items():
        (row,) = await listed(api, path)
        assert (await api.acme.get(instance)).json == row
        assert row["account_sid"] == ACME
        assert row["date_created"] is None
    (domain,) = await listed(api, DOMAINS)
    assert (domain["domain_name"], domain["auth_type"]) == ("acme.sip.example.test", "CREDENTIAL_LIST,IP_ACL")
    assert domain["sid"] == stable_sid("SD", "acme")
    assert PASSWORD not in repr([await listed(api, path) for path in await places(api)])


async def test_declared_resources_are_changed_and_deleted_in_the_file_alone(api: Installation) -> None:
    """Contract 5: 20006."""
    before = await api.tables()
    for instance in (await places(api)).values():
        replies = [await api.acme.delete(instance)]
        if "Mappings" not in instance:
            replies.append(
                await api.acme.post(instance, FriendlyName="Mine")
                if "Credentials" not in instance
                else await api.acme.post(instance, Password=PASSWORD)
            )
        for reply in replies:
            assert (reply.status, reply.code) == (403, 20006)
            assert "configuration file" in reply.message
    account = await api.acme.post(f"/2010-04-01/Accounts/{ACME}.json", FriendlyName="Mine")
    assert (account.status, account.code) == (403, 20006)
    assert await api.tables() == before


async def test_nothing_is_added_to_what_is_declared(api: Installation) -> None:
    paths = await places(api)
    acl = (await api.acme.made(ACLS, FriendlyName="Mine"))["sid"]
    users = (await api.acme.made(USERS, FriendlyName="Mine"))["sid"]
    before = await api.tables()
    for path in paths:
        if path in (TRUNKS, DOMAINS, ACLS, USERS, POLICIES):
            continue
        parameters = {
            "IpAddresses": {"FriendlyName": "SBC", "IpAddress": "192.0.2.1"},
            "Credentials": {"Username": "sbc2", "Password": PASSWORD},
            "Targets": {"Target": "sip:b.example"},
            "IpAccessControlListMappings": {"IpAccessControlListSid": acl},
            "CredentialListMappings": {"CredentialListSid": users},
        }
        reply = await api.acme.post(path, parameters[path.rpartition("/")[2].removesuffix(".json")])
        assert (reply.status, reply.code) == (403, 20006)
    assert await api.tables() == before


async def test_what_is_made_here_may_use_what_is_declared(api: Installation) -> None:
    places_of = await places(api)
    trunk, acl = await listed(api, TRUNKS), await listed(api, ACLS)
    domain = await api.acme.made(DOMAINS, DomainName="mine.sip.example.test", ByocTrunkSid=trunk[0]["sid"])
    path = f"/SIP/Domains/{domain['sid']}/Auth/Calls/IpAccessControlListMappings.json"
    mapping = await api.acme.made(path, IpAccessControlListSid=acl[0]["sid"])
    assert mapping["friendly_name"] == acl[0]["friendly_name"]
    verdict = api.verdict("203.0.113.9", "mine.sip.example.test")
    assert isinstance(verdict, Admit)
    assert verdict.trunk.sid == trunk[0]["sid"]
    assert (await api.acme.delete(places_of[TRUNKS])).code == 20006


async def test_a_name_that_the_file_has_cannot_be_taken(api: Installation) -> None:
    """Decision 13, S42."""
    for client in (api.acme, api.other):
        reply = await client.post(DOMAINS, DomainName="acme.sip.example.test")
        assert (reply.status, reply.code) == (400, 21232)


async def test_a_sub_domain_may_be_made_under_a_declared_domain(api: Installation) -> None:
    """S45."""
    assert (await api.acme.post(DOMAINS, DomainName="x.acme.sip.example.test")).status == 201
    assert (await api.other.post(DOMAINS, DomainName="y.acme.sip.example.test")).code == 20006


async def test_a_declared_account_has_sub_accounts_and_keys_in_the_database(api: Installation) -> None:
    branch = await api.sub_account()
    key = await api.acme.made("/Keys.json")
    assert (await branch.get(TRUNKS)).status == 200
    assert (await api.client(key["sid"], key["secret"]).get(TRUNKS)).status == 200


async def test_a_file_that_no_longer_has_what_rows_use_is_refused_as_a_whole(
    api: Installation, tmp_path: Path
) -> None:
    (trunk,) = await listed(api, TRUNKS)
    domain = await api.acme.made(DOMAINS, DomainName="mine.sip.example.test", ByocTrunkSid=trunk["sid"])
    path = tmp_path / "config.yaml"
    path.write_text(DECLARED, encoding="utf-8")
    with pytest.raises(DirectoryProblems) as refused:
        await api.provisioning.redeclare(load(path, {}).directory.resources)
    assert domain["sid"] in str(refused.value)
    assert (await api.acme.get(f"{TRUNKS}/{trunk['sid']}")).status == 200


async def test_lists_follow_the_file_when_it_is_read_again(api: Installation, tmp_path: Path) -> None:
    path = tmp_path / "config.yaml"
    path.write_text(FILE.replace("carrier-a", "carrier-b"), encoding="utf-8")
    before = await listed(api, TRUNKS)
    await api.provisioning.redeclare(load(path, {}).directory.resources)
    after = await listed(api, TRUNKS)
    assert [row["sid"] for row in after] == [stable_sid("BY", "carrier-b")]
    assert before != after
