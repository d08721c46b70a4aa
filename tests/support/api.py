"""The REST API in memory: a database, a directory, and a client that speaks HTTP to the ASGI application.

async def test_something(api: Installation) -> None:
    trunk = await api.acme.made("/v1/ByocTrunks", FriendlyName="Carrier A")
    assert api.directory.trunks[trunk["sid"]].friendly_name == "Carrier A"
"""

import asyncio
import itertools
from base64 import b64encode
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

import httpx2
import structlog
from sqlalchemy import select

from byoc_proxy.api.application import application
from byoc_proxy.api.call_desk import CallDesk
from byoc_proxy.api.errands import Errands
from byoc_proxy.api.server import Api
from byoc_proxy.call.departures import Departures
from byoc_proxy.config.load import load
from byoc_proxy.provision.provisioning import Provisioning
from byoc_proxy.sip.digest_server import Absent, Passed
from byoc_proxy.storage import tables
from byoc_proxy.storage.database import Database
from byoc_proxy.storage.database_records import DatabaseRecords
from byoc_proxy.storage.vault import Vault
from byoc_proxy.trunk.admission import Admission, Arrival, admit
from byoc_proxy.trunk.directory import Directory
from byoc_proxy.trunk.model import SipDomain, stable_sid
from tests.support.databases import Log
from tests.support.exchange import Exchange

BASE = "http://127.0.0.1:8080"
NOW = 1_760_000_000
NODE = "this-node"
MOST_QUEUED = 20
ACME, TOKEN = stable_sid("AC", "acme"), "a-token-of-acme-0123456789abcdef"
OTHER, OTHER_TOKEN = stable_sid("AC", "other"), "a-token-of-others-0123456789abcdef"
DECLARED = f"""
base_domain: sip.example.test
listeners: [{{transport: udp, bind: "127.0.0.1:0"}}]
accounts:
  acme: {{auth_token: {TOKEN}}}
  other: {{auth_token: {OTHER_TOKEN}}}
"""

LIMITS = {
    **{"domains": 100, "ip_access_control_lists": 1000, "credential_lists": 1000, "connection_policies": 10_000},
    **{"ip_addresses": 100, "credentials": 1000, "applications": 1000, "twiml_bins": 1000},
}
VAULT = Vault(bytes(32))
TRUNKS, POLICIES = "/v1/ByocTrunks", "/v1/ConnectionPolicies"
DOMAINS, ACLS, USERS = "/SIP/Domains.json", "/SIP/IpAccessControlLists.json", "/SIP/CredentialLists.json"
PASSWORD = "Twelve-Letters-1"

Parameters = dict[str, Any] | list[tuple[str, str]]
Tables = dict[str, list[tuple[Any, ...]]]


@dataclass(frozen=True, slots=True)
class Reply:
    """Status, JSON (None: no body) and headers."""

    status: int
    json: Any
    headers: Any

    @property
    def code(self) -> int | None:
        """The public code of an error."""
        return self.json.get("code") if self.json else None

    @property
    def message(self) -> str:
        return str(self.json["message"])


class Client:
    """Somebody with a SID and a secret. Without `app` he asks a server at `base`, and is to be closed."""

    def __init__(self, app: Api | None, sid: str = ACME, secret: str = TOKEN, *, base: str = BASE) -> None:
        transport = httpx2.ASGITransport(app=app) if app is not None else None
        basic = b64encode(f"{sid}:{secret}".encode()).decode()
        self._http = httpx2.AsyncClient(
            transport=transport, base_url=base, headers={"Authorization": f"Basic {basic}"} if sid else {}
        )
        self.sid = sid

    async def close(self) -> None:
        await self._http.aclose()

    async def get(self, path: str, **parameters: str) -> Reply:
        return await self.ask("GET", path + (f"?{urlencode(parameters)}" if parameters else ""))

    async def post(self, path: str, parameters: Parameters | None = None, **more: Any) -> Reply:
        pairs: Iterable[tuple[str, Any]] = parameters.items() if isinstance(parameters, dict) else parameters or ()
        body = urlencode([*pairs, *more.items()])
        return await self.ask("POST", path, body.encode(), "application/x-www-form-urlencoded")

    async def delete(self, path: str) -> Reply:
        return await self.ask("DELETE", path)

    async def ask(
        self,
        method: str,
        path: str,
        body: bytes = b"",
        content_type: str = "",
        headers: Mapping[str, str] | None = None,
    ) -> Reply:
        """Any request. Paths of the 2010 API may leave out the account: `/SIP/Domains.json`."""
        if not path.startswith(("/v1/", "/2010-04-01/", "/openapi", "http")):
            path = f"/2010-04-01/Accounts/{self.sid}{path}"
        said = {"Content-Type": content_type} if content_type else {}
        answer = await self._http.request(method, path, content=body, headers={**said, **(headers or {})})
        return Reply(answer.status_code, answer.json() if answer.content else None, answer.headers)

    async def made(self, path: str, parameters: Parameters | None = None, **more: Any) -> Any:
        """What a create answers with; it must succeed."""
        reply = await self.post(path, parameters, **more)
        assert reply.status == 201, reply.json
        return reply.json


class Clock:
    """The wall clock; tests move it."""

    def __init__(self) -> None:
        self.now = NOW

    def __call__(self) -> float:
        return float(self.now)


class Installation:
    """A node's provisioning with its API, without the node: `exchange` stands in for its calls, of which `book` has
    the rows, once it runs.
    """

    def __init__(self, provisioning: Provisioning, limits: dict[str, int], clock: Clock) -> None:
        counter = itertools.count(1)
        self.provisioning = provisioning
        self.clock = clock
        self.logged: list[Any] = []
        self.exchange = Exchange()
        self.book = DatabaseRecords(provisioning.database, NODE, list, lambda: "NO" + "0" * 32, clock, Log())
        self.paces: dict[str, int] = {}
        self.departures = Departures(
            asyncio.get_running_loop(), lambda sid: self.paces.get(sid, 1), self.exchange.start, MOST_QUEUED
        )
        desk = CallDesk(self.exchange, self.departures, self.book)
        self.errands = Errands(
            *(provisioning.database, NODE, desk, provisioning.directories, clock, Log()),
        )
        self.app = application(
            provisioning,
            limits,
            desk,
            self.errands,
            [],
            lambda: f"{next(counter):032x}",
            structlog.wrap_logger(_Null(self.logged)),
        )
        self.acme = Client(self.app)
        self.other = Client(self.app, OTHER, OTHER_TOKEN)

    @property
    def directory(self) -> Directory:
        """What the next INVITE is judged by."""
        return self.provisioning.directories.current

    def client(self, sid: str, secret: str) -> Client:
        return Client(self.app, sid, secret)

    async def domain(self, name: str = "acme", **parameters: Any) -> Any:
        """A domain of Acme that leads to a trunk of its own, with nobody let in yet."""
        trunk = await self.acme.made(TRUNKS, FriendlyName=f"Trunk of {name}", VoiceUrl="https://app.example.test/")
        fields = {"DomainName": f"{name}.sip.example.test", "ByocTrunkSid": trunk["sid"], **parameters}
        return await self.acme.made(DOMAINS, fields)

    def verdict(
        self, source: str, host: str = "acme.sip.example.test", user: str = "", **arrival: Any
    ) -> Admission:
        """What becomes of an INVITE that arrives now; with `user`, its digest is right if there is such a user."""

        def authenticate(domain: SipDomain) -> Passed | Absent:
            return Passed(user) if self.directory.credentials(domain, user) else Absent()

        facts = {"transport": "UDP", "called": "+15550199", **arrival}
        return admit(Arrival(host, source, **facts), self.directory, authenticate)

    async def sub_account(self, name: str = "Branch") -> Client:
        """A sub-account of Acme, with its own token."""
        made = await self.acme.made("/2010-04-01/Accounts.json", FriendlyName=name)
        return self.client(made["sid"], made["auth_token"])

    async def tables(self) -> Tables:
        """Every row of every table: what must be the same after a request that was refused."""
        async with self.provisioning.reading() as connection:
            return {
                table.name: [tuple(row) for row in await connection.execute(select(table))]
                for table in tables.metadata.sorted_tables
            }


async def installed(
    database: Database, directory: Path, declared: str = DECLARED, limits: dict[str, int] | None = None
) -> Installation:
    """What a node starts with: the resources of the file `declared`, and those of the database."""
    path, clock = directory / "config.yaml", Clock()
    path.write_text(declared, encoding="utf-8")
    provisioning = await Provisioning.start(database, VAULT, load(path, {}).directory.resources, clock, Log())
    return Installation(provisioning, {**LIMITS, **(limits or {})}, clock)


class _Null:
    """Keeps what is logged."""

    def __init__(self, lines: list[Any]) -> None:
        self._lines = lines

    def __getattr__(self, level: str) -> Any:
        return lambda *args, **fields: self._lines.append((level, args, fields))
