"""An account of Twilio's in memory: the lists of its REST API with the envelopes of both versions (contract 1.1).

`answer` is a whole exchange as plain values; `served` puts it on a real port of 127.0.0.1. `spoilt` paths answer
what they were told to, once for each.
"""

import base64
import contextlib
import json
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import parse_qs, urlsplit

from aiohttp import web

from byoc_proxy.migrate.transport import Answer, Unreachable

ACCOUNT = f"AC{'a1' * 16}"
TOKEN = "5ecret-of-the-account-0123456789"
HOST = "https://api.example.test"


def sid(prefix: str, number: int) -> str:
    return f"{prefix}{number:032x}"


@dataclass(frozen=True, slots=True)
class Reply:
    """What an HTTP server says. `cut`: the connection ends in the middle of the body."""

    status: int
    body: bytes
    headers: dict[str, str] = field(default_factory=dict)
    cut: bool = False


def refusal(status: int, code: int, message: str, **headers: str) -> Reply:
    body = {"code": code, "message": message, "more_info": f"https://docs.example/{code}", "status": status}
    return Reply(
        status, json.dumps(body).encode(), {name.replace("_", "-"): text for name, text in headers.items()}
    )


class FakeTwilio:
    """Serves what was `put`; at most `page_size` rows a page, whatever is asked for."""

    def __init__(self, page_size: int = 50) -> None:
        self.origin = HOST
        self.page_size = page_size
        self.user, self.secret = ACCOUNT, TOKEN
        self.asked: list[str] = []
        self.spoilt: dict[str, list[Reply | Callable[[], Reply]]] = {}
        self._lists: dict[str, tuple[str, list[dict[str, Any]]]] = {}

    def put(self, path: str, section: str, *rows: dict[str, Any]) -> None:
        """Have a list answer with these rows. Without `.json` it is below `/v1`, else below the account."""
        full = f"/2010-04-01/Accounts/{ACCOUNT}{path}" if path.endswith(".json") else f"/v1{path}"
        self._lists[full] = (section, [{"account_sid": ACCOUNT, **row} for row in rows])

    def spoil(self, path: str, *replies: Reply | Callable[[], Reply]) -> None:
        """Have requests whose path ends so answer this first."""
        self.spoilt[path] = list(replies)

    def answer(self, target: str, authorization: str) -> Reply:
        """The reply to GET `target`, a path with its query."""
        parts = urlsplit(target)
        self.asked.append(target)
        for path, replies in self.spoilt.items():
            if parts.path.endswith(path) and replies:
                reply = replies.pop(0)
                return reply if isinstance(reply, Reply) else reply()
        expected = "Basic " + base64.b64encode(f"{self.user}:{self.secret}".encode()).decode()
        if authorization != expected:
            return refusal(401, 20003, "Authenticate", WWW_Authenticate='Basic realm="Twilio API"')
        if parts.path not in self._lists:
            path = parts.path.removeprefix("/v1")
            return refusal(404, 20404, f"The requested resource {path} was not found")
        section, rows = self._lists[parts.path]
        query = {name: values[0] for name, values in parse_qs(parts.query).items()}
        size = min(int(query.get("PageSize", "50")), self.page_size)
        page = int(query.get("Page", "0"))
        if page:
            assert query["PageToken"] == f"PA{rows[page * size - 1]['sid']}", "the token of the link must come back"
        envelope = self._voice_page if parts.path.startswith("/v1/") else self._account_page
        return Reply(200, json.dumps(envelope(parts.path, section, rows, page, size)).encode())

    def _links(self, path: str, rows: list[Any], page: int, size: int) -> tuple[str, str | None, str]:
        more = (page + 1) * size < len(rows)
        token = f"PA{rows[(page + 1) * size - 1]['sid']}" if more else ""
        first = f"{path}?PageSize={size}&Page=0"
        return first, f"{path}?PageSize={size}&Page={page + 1}&PageToken={token}" if more else None, first

    def _account_page(self, path: str, section: str, rows: list[Any], page: int, size: int) -> dict[str, Any]:
        first, following, here = self._links(path, rows, page, size)
        shown = rows[page * size : (page + 1) * size]
        return {
            section: shown,
            "end": page * size + max(len(shown) - 1, 0),
            "first_page_uri": first,
            "next_page_uri": following,
            "page": page,
            "page_size": size,
            "previous_page_uri": None,
            "start": page * size,
            "uri": here,
        }

    def _voice_page(self, path: str, section: str, rows: list[Any], page: int, size: int) -> dict[str, Any]:
        first, following, here = self._links(path, rows, page, size)
        meta = {
            "page": page,
            "page_size": size,
            "first_page_url": f"{self.origin}{first}",
            "previous_page_url": None,
            "url": f"{self.origin}{here}",
            "next_page_url": f"{self.origin}{following}" if following else None,
            "key": section,
        }
        return {"meta": meta, section: rows[page * size : (page + 1) * size]}


class InMemory:
    """A `Transport` that asks a `FakeTwilio` without a network, and keeps the hosts that it was sent to."""

    def __init__(self, fake: FakeTwilio, user: str = ACCOUNT, secret: str = TOKEN) -> None:
        self._fake = fake
        self._authorization = "Basic " + base64.b64encode(f"{user}:{secret}".encode()).decode()
        self.hosts: set[str] = set()

    async def get(self, url: str) -> Answer:
        parts = urlsplit(url)
        self.hosts.add(parts.netloc)
        reply = self._fake.answer(f"{parts.path}?{parts.query}", self._authorization)
        if reply.cut:
            raise Unreachable("the connection was cut")
        return Answer(reply.status, reply.body, reply.headers.get("Retry-After", ""))


@contextlib.asynccontextmanager
async def served(fake: FakeTwilio) -> AsyncIterator[str]:
    """Serve it until the end of the `async with`; gives its URL without the last slash."""

    async def serve(request: web.Request) -> web.StreamResponse:
        reply = fake.answer(request.path_qs, request.headers.get("Authorization", ""))
        headers = {"Content-Type": "application/json", **reply.headers}
        if not reply.cut:
            return web.Response(status=reply.status, body=reply.body, headers=headers)
        response = web.StreamResponse(status=reply.status, headers={**headers, "Content-Length": "100000"})
        await response.prepare(request)
        await response.write(reply.body)
        assert request.transport is not None
        request.transport.abort()
        return response

    server = web.Application()
    server.router.add_route("GET", "/{path:.*}", serve)
    runner = web.AppRunner(server, access_log=None)
    await runner.setup()
    try:
        site = web.TCPSite(runner, "127.0.0.1", 0)
        await site.start()
        host, port = runner.addresses[0][:2]
        fake.origin = f"http://{host}:{port}"
        yield fake.origin
    finally:
        await runner.cleanup()


TRUNK, POLICY, DOMAIN, PLAIN_DOMAIN = sid("BY", 1), sid("NY", 1), sid("SD", 1), sid("SD", 2)
ACL, USERS = sid("AL", 1), sid("CL", 1)
_DATES = {"date_created": "2020-03-18T23:31:36Z", "date_updated": "2020-03-18T23:31:37Z"}
_OLD_DATES = {"date_created": "Thu, 30 Jul 2015 20:00:00 +0000", "date_updated": "Thu, 30 Jul 2015 20:00:00 +0000"}


def target(number: int, uri: str, **fields: Any) -> dict[str, Any]:
    usual = {"friendly_name": None, "priority": 10, "weight": 10, "enabled": True}
    return {"sid": sid("NE", number), "connection_policy_sid": POLICY, "target": uri, **usual, **_DATES, **fields}


def domain(own_sid: str, name: str, **fields: Any) -> dict[str, Any]:
    usual = {
        "friendly_name": name,
        "auth_type": "",
        "voice_url": None,
        "voice_method": "POST",
        "sip_registration": False,
        "emergency_calling_enabled": False,
        "secure": False,
        "byoc_trunk_sid": None,
        "api_version": "2010-04-01",
    }
    return {"sid": own_sid, "domain_name": f"{name}.sip.twilio.com", **usual, **_OLD_DATES, **fields}


def an_account(page_size: int = 50) -> FakeTwilio:
    """A trunk with two targets; a domain with both kinds of list, and one for phones that has no trunk."""
    fake = FakeTwilio(page_size)
    trunk = {
        "friendly_name": "Main trunk",
        "voice_url": "https://app.example.test/voice",
        "voice_method": "GET",
        "voice_fallback_url": None,
        "voice_fallback_method": "POST",
        "status_callback_url": "https://app.example.test/status",
        "status_callback_method": "POST",
        "cnam_lookup_enabled": False,
        "connection_policy_sid": POLICY,
        "from_domain_sid": DOMAIN,
    }
    fake.put("/ByocTrunks", "byoc_trunks", {"sid": TRUNK, **trunk, **_DATES})
    fake.put("/ConnectionPolicies", "connection_policies", {"sid": POLICY, "friendly_name": "Carriers", **_DATES})
    fake.put(
        f"/ConnectionPolicies/{POLICY}/Targets",
        "targets",
        target(1, "sip:gw1.carrier.example:5060", weight=70, friendly_name="First"),
        target(2, "sip:gw2.carrier.example;transport=tls", priority=20, enabled=False),
    )
    fake.put("/IpRecords", "ip_records")
    fake.put("/SourceIpMappings", "source_ip_mappings")
    fake.put(
        "/SIP/Domains.json",
        "domains",
        domain(DOMAIN, "acme", byoc_trunk_sid=TRUNK, secure=True, auth_type="CREDENTIAL_LIST,IP_ACL"),
        domain(PLAIN_DOMAIN, "phones", voice_url="https://app.example.test/phones", sip_registration=True),
    )
    for own_sid, acls, lists in ((DOMAIN, [ACL], [USERS]), (PLAIN_DOMAIN, [], [USERS])):
        calls = f"/SIP/Domains/{own_sid}/Auth/Calls"
        mapped = {"friendly_name": "x", **_OLD_DATES}
        fake.put(f"{calls}/IpAccessControlListMappings.json", "contents", *({"sid": a, **mapped} for a in acls))
        fake.put(f"{calls}/CredentialListMappings.json", "contents", *({"sid": c, **mapped} for c in lists))
    fake.put(
        "/SIP/IpAccessControlLists.json",
        "ip_access_control_lists",
        {"sid": ACL, "friendly_name": "Dallas", **_OLD_DATES},
    )
    fake.put(
        f"/SIP/IpAccessControlLists/{ACL}/IpAddresses.json",
        "ip_addresses",
        {"sid": sid("IP", 1), "friendly_name": "SBCs", "ip_address": "203.0.113.8", "cidr_prefix_length": 30},
        {"sid": sid("IP", 2), "friendly_name": "Spare", "ip_address": "198.51.100.7", "cidr_prefix_length": 32},
    )
    fake.put("/SIP/CredentialLists.json", "credential_lists", {"sid": USERS, "friendly_name": "SBCs", **_OLD_DATES})
    fake.put(
        f"/SIP/CredentialLists/{USERS}/Credentials.json",
        "credentials",
        {"sid": sid("CR", 1), "credential_list_sid": USERS, "username": "sbc1", **_OLD_DATES},
        {"sid": sid("CR", 2), "credential_list_sid": USERS, "username": "sbc-2", **_OLD_DATES},
    )
    return fake
