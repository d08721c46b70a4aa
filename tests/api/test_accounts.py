"""Accounts, sub-accounts and API keys, and who may do what: contract 1.1 "Auth"."""

import hashlib
import hmac
import re
import secrets
from base64 import b64encode
from typing import Any

import pytest

from byoc_proxy.api import auth
from byoc_proxy.storage import vault
from byoc_proxy.trunk.admission import Admit, Refuse
from tests.support.api import ACLS, ACME, DOMAINS, OTHER, TOKEN, TRUNKS, Client, Installation

pytestmark = pytest.mark.store
ACCOUNTS = "/2010-04-01/Accounts.json"


def account(sid: str) -> str:
    return f"/2010-04-01/Accounts/{sid}.json"


async def a_key(client: Client) -> Any:
    return await client.made("/Keys.json", FriendlyName="Deploy")


async def test_an_account_has_every_field_and_its_token_opens_its_own_resources(api: Installation) -> None:
    """S13: accounts exist, with a SID and an auth token."""
    reply = await api.acme.post(ACCOUNTS, FriendlyName="Branch")
    assert reply.status == 201
    sid, token = reply.json["sid"], reply.json["auth_token"]
    here = f"/2010-04-01/Accounts/{sid}"
    assert re.fullmatch("AC[0-9a-f]{32}", sid)
    assert re.fullmatch("[0-9a-f]{32}", token)
    assert reply.json == {
        "sid": sid,
        "friendly_name": "Branch",
        "status": "active",
        "type": "Full",
        "owner_account_sid": ACME,
        "auth_token": token,
        "date_created": "Thu, 09 Oct 2025 08:53:20 +0000",
        "date_updated": "Thu, 09 Oct 2025 08:53:20 +0000",
        "uri": f"{here}.json",
        "subresource_uris": {
            "applications": f"{here}/Applications.json",
            "calls": f"{here}/Calls.json",
            "keys": f"{here}/Keys.json",
            "notifications": f"{here}/Notifications.json",
            "sip": f"{here}/SIP.json",
        },
    }
    branch = api.client(sid, token)
    assert (await branch.get(account(sid))).json == reply.json
    assert (await branch.post(TRUNKS)).json["account_sid"] == sid


async def test_the_token_of_an_account_is_sealed_in_the_database_and_never_logged(api: Installation) -> None:
    made = await api.acme.made(ACCOUNTS)
    assert made["auth_token"] not in repr(await api.tables())
    assert made["auth_token"] not in repr(api.logged)


async def test_a_parent_reaches_its_sub_accounts_and_nobody_reaches_upwards_or_sideways(api: Installation) -> None:
    """S13: account A cannot see account B's; a parent account reaches its sub-accounts."""
    branch, sibling = await api.sub_account(), await api.sub_account("Sibling")
    path = f"/2010-04-01/Accounts/{branch.sid}{ACLS}"
    made = await api.acme.made(path, FriendlyName="Dallas")
    assert made["account_sid"] == branch.sid
    assert (await branch.get(made["uri"])).json == made
    assert (await api.acme.get(made["uri"])).json == made
    assert (await api.acme.get(ACLS)).json["ip_access_control_lists"] == []
    for client in (sibling, api.other):
        reply = await client.get(made["uri"])
        assert (reply.status, reply.code) == (404, 20404)
    for sid in (ACME, OTHER, sibling.sid):
        reply = await branch.get(f"/2010-04-01/Accounts/{sid}{ACLS}")
        assert (reply.status, reply.code) == (404, 20404)
        assert (await branch.get(account(sid))).status == 404


async def test_the_list_of_accounts_is_the_account_itself_and_its_sub_accounts(api: Installation) -> None:
    branch = await api.sub_account()
    listed = [row["sid"] for row in (await api.acme.get(ACCOUNTS)).json["accounts"]]
    assert listed == [ACME, branch.sid]
    assert [row["sid"] for row in (await branch.get(ACCOUNTS)).json["accounts"]] == [branch.sid]
    assert [row["sid"] for row in (await api.other.get(ACCOUNTS)).json["accounts"]] == [OTHER]


async def test_accounts_are_listed_by_name_and_by_status(api: Installation) -> None:
    branch = await api.sub_account("Branch")
    closed = await api.sub_account("Closed")
    await api.acme.post(account(closed.sid), Status="closed")

    async def listed(**filters: str) -> list[str]:
        return [row["sid"] for row in (await api.acme.get(ACCOUNTS, **filters)).json["accounts"]]

    assert await listed(FriendlyName="Branch") == [branch.sid]
    assert await listed(Status="closed") == [closed.sid]
    assert await listed(Status="active", FriendlyName="Closed") == []
    assert await listed(Status="") == [ACME, branch.sid, closed.sid]
    assert (await api.acme.get(ACCOUNTS, Status="asleep")).code == 20422


async def test_a_sub_account_has_no_sub_accounts(api: Installation) -> None:
    branch = await api.sub_account()
    reply = await branch.post(ACCOUNTS, FriendlyName="Twig")
    assert (reply.status, reply.code) == (403, 20006)


async def test_a_suspended_account_may_do_nothing_and_takes_no_calls_until_it_is_active_again(
    api: Installation,
) -> None:
    """Contract 5: 20005. It acts with the next INVITE."""
    branch = await api.sub_account()
    trunk = await branch.made(TRUNKS, VoiceUrl="https://app.example.test/")
    domain = await branch.made(DOMAINS, DomainName="acme.sip.example.test", ByocTrunkSid=trunk["sid"])
    acl = await branch.made(ACLS, FriendlyName="Dallas")
    addresses = f"/SIP/IpAccessControlLists/{acl['sid']}/IpAddresses.json"
    await branch.made(addresses, FriendlyName="SBC", IpAddress="203.0.113.8")
    path = f"/SIP/Domains/{domain['sid']}/Auth/Calls/IpAccessControlListMappings.json"
    await branch.made(path, IpAccessControlListSid=acl["sid"])
    assert isinstance(api.verdict("203.0.113.8"), Admit)
    await api.acme.post(account(branch.sid), Status="suspended")
    reply = await branch.get(TRUNKS)
    assert (reply.status, reply.code) == (403, 20005)
    verdict = api.verdict("203.0.113.8")
    assert isinstance(verdict, Refuse)
    assert (verdict.status, verdict.code) == (403, 20005)
    await api.acme.post(account(branch.sid), Status="active")
    assert (await branch.get(TRUNKS)).status == 200
    assert isinstance(api.verdict("203.0.113.8"), Admit)


async def test_a_closed_account_is_never_opened_again(api: Installation) -> None:
    branch = await api.sub_account()
    assert (await api.acme.post(account(branch.sid), Status="closed")).json["status"] == "closed"
    for status in ("active", "suspended"):
        reply = await api.acme.post(account(branch.sid), Status=status)
        assert (reply.status, reply.code) == (400, 20422)
    assert (await branch.get(TRUNKS)).code == 20005
    assert (await api.acme.post(account(branch.sid), FriendlyName="Was Branch")).status == 200


async def test_the_token_of_a_closed_account_does_not_tell_that_another_is_wrong(api: Installation) -> None:
    branch = await api.sub_account()
    await api.acme.post(account(branch.sid), Status="closed")
    assert (await api.client(branch.sid, "wrong").get(TRUNKS)).code == 20003


async def test_an_account_does_not_change_its_own_status(api: Installation) -> None:
    """Or it could lock itself out; its parent does that."""
    branch = await api.sub_account()
    for status in ("suspended", "closed"):
        reply = await branch.post(account(branch.sid), Status=status)
        assert (reply.status, reply.code) == (403, 20006)
    assert (await branch.post(account(branch.sid), FriendlyName="Renamed")).json["friendly_name"] == "Renamed"


async def test_a_key_tells_its_secret_once_and_opens_the_resources_of_its_account(api: Installation) -> None:
    reply = await api.acme.post("/Keys.json", FriendlyName="Deploy")
    assert reply.status == 201
    secret = reply.json.pop("secret")
    sid = reply.json["sid"]
    assert re.fullmatch("SK[0-9a-f]{32}", sid)
    assert reply.json == {
        "sid": sid,
        "friendly_name": "Deploy",
        "date_created": "Thu, 09 Oct 2025 08:53:20 +0000",
        "date_updated": "Thu, 09 Oct 2025 08:53:20 +0000",
    }
    assert (await api.acme.get(f"/Keys/{sid}.json")).json == reply.json
    assert secret not in repr(await api.tables())
    key = api.client(sid, secret)
    assert (await key.post(TRUNKS)).json["account_sid"] == ACME
    assert (await key.get(f"/2010-04-01/Accounts/{ACME}{DOMAINS}")).status == 200


async def test_a_key_may_not_look_at_accounts_or_keys(api: Installation) -> None:
    """Contract 1.1: API key auth cannot fetch an account; nor can a key make another one."""
    made = await a_key(api.acme)
    key = api.client(made["sid"], made["secret"])
    here = f"/2010-04-01/Accounts/{ACME}"
    for reply in (
        await key.get(ACCOUNTS),
        await key.get(account(ACME)),
        await key.post(ACCOUNTS),
        await key.get(f"{here}/Keys.json"),
        await key.post(f"{here}/Keys.json"),
        await key.delete(f"{here}/Keys/{made['sid']}.json"),
    ):
        assert (reply.status, reply.code) == (401, 20003)
    assert len((await api.tables())["keys"]) == 1


async def test_a_deleted_key_opens_nothing_any_more(api: Installation) -> None:
    made = await a_key(api.acme)
    key = api.client(made["sid"], made["secret"])
    assert (await key.get(TRUNKS)).status == 200
    assert (await api.acme.post(f"/Keys/{made['sid']}.json", FriendlyName="Old")).json["friendly_name"] == "Old"
    assert (await api.acme.delete(f"/Keys/{made['sid']}.json")).status == 204
    reply = await key.get(TRUNKS)
    assert (reply.status, reply.code) == (401, 20003)


async def test_the_key_of_a_sub_account_opens_that_one_alone(api: Installation) -> None:
    branch = await api.sub_account()
    made = await a_key(branch)
    key = api.client(made["sid"], made["secret"])
    assert (await key.get(f"/2010-04-01/Accounts/{branch.sid}{DOMAINS}")).status == 200
    assert (await key.get(f"/2010-04-01/Accounts/{ACME}{DOMAINS}")).status == 404
    await api.acme.post(account(branch.sid), Status="suspended")
    assert (await key.get(TRUNKS)).code == 20005


def basic(text: str | bytes) -> str:
    raw = text if isinstance(text, bytes) else text.encode()
    return f"Basic {b64encode(raw).decode()}"


NO_PROOF = (
    None,
    "",
    "Basic",
    "Basic !!!",
    basic(ACME),
    basic(f"{ACME}:"),
    basic(f"{ACME}:wrong"),
    basic(f"{ACME}:{TOKEN}x"),
    basic(f"{ACME}:{TOKEN.upper()}"),
    basic(f"{OTHER}:{TOKEN}"),
    basic(f":{TOKEN}"),
    basic("AC" + "0" * 32 + f":{TOKEN}"),
    basic("SK" + "0" * 32 + f":{TOKEN}"),
    basic(f"SK\x00:{TOKEN}"),
    basic("SK:"),
    basic("nobody:"),
    basic(b"\xff\xfe:x"),
    f"Bearer {TOKEN}",
    f"Digest username={ACME}",
)


async def test_whoever_cannot_prove_who_he_is_hears_401(api: Installation) -> None:
    """S13: wrong token, 401; contract 1.1: 20003, with what a browser or curl needs to ask for a password."""
    for authorization in NO_PROOF:
        headers = {} if authorization is None else {"Authorization": authorization}
        reply = await api.client("", "").ask("GET", TRUNKS, headers=headers)
        assert (reply.status, reply.code) == (401, 20003)
        assert reply.headers["WWW-Authenticate"] == 'Basic realm="Twilio API"'
        assert reply.headers["X-Twilio-Error-Code"] == "20003"
        assert reply.message.startswith("Authentication Error - ")
        assert TOKEN not in reply.message


async def test_missing_credentials_are_said_in_the_words_of_the_contract(api: Installation) -> None:
    reply = await api.client("", "").get(TRUNKS)
    assert reply.message == "Authentication Error - No credentials provided"


async def test_a_wrong_token_and_an_unknown_sid_are_one_answer_after_the_same_work(
    api: Installation, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A wrong token gives 401 in constant time: as many hashes and one comparison, whatever is wrong."""
    work: list[str] = []

    def hashed(secret: str) -> bytes:
        work.append("hash")
        return hashlib.sha256(secret.encode()).digest()

    def compared(one: bytes, other: bytes) -> bool:
        work.append(f"compare {len(one)} {len(other)}")
        return hmac.compare_digest(one, other)

    key = await a_key(api.acme)
    unknown = "0" * 32
    monkeypatch.setattr(auth, "hashed_secret", hashed)
    monkeypatch.setattr(vault, "hashed_secret", hashed)
    monkeypatch.setattr(secrets, "compare_digest", compared)
    answers = []
    for known, nobody in ((ACME, f"AC{unknown}"), (key["sid"], f"SK{unknown}")):
        for sid in (known, nobody):
            reply = await api.client("", "").ask("GET", TRUNKS, headers={"Authorization": basic(f"{sid}:wrong")})
            answers.append((reply.status, reply.json, tuple(work)))
            work.clear()
        assert answers[-1] == answers[-2]
        assert answers[-1][2][-1] == "compare 32 32"
    assert answers[0][:2] == answers[-1][:2]
