"""One story told through the official Python SDK, blocking or not: make everything, use it, take it away.

The SDK is pointed here as docs/api.md says. `ask(resource, "create", ...)` is `resource.create(...)` in a thread,
or `await resource.create_async(...)`: what is sent and what is understood must be the same.
"""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any
from urllib.parse import urlsplit, urlunsplit

import pytest
from twilio.base.exceptions import TwilioRestException
from twilio.http.async_http_client import AsyncTwilioHttpClient
from twilio.http.http_client import TwilioHttpClient
from twilio.rest import Client

__all__ = ["PASSWORD", "USER", "Made", "Story", "blocking", "here_client", "not_blocking"]

Ask = Callable[..., Awaitable[Any]]
USER, PASSWORD = "sbc1", "Secret-12345x"
NAME = "acme.sip.example.test"


def here(base: str, url: str) -> str:
    """The same path at our own address."""
    place, asked = urlsplit(base), urlsplit(url)
    return urlunsplit((place.scheme, place.netloc, asked.path, asked.query, ""))


class LocalHttpClient(TwilioHttpClient):  # type: ignore[misc]
    def __init__(self, base: str) -> None:
        super().__init__()
        self._base = base

    def request(self, method: str, url: str, *args: Any, **options: Any) -> Any:
        return super().request(method, here(self._base, url), *args, **options)


class LocalAsyncHttpClient(AsyncTwilioHttpClient):  # type: ignore[misc]
    def __init__(self, base: str) -> None:
        super().__init__()
        self._base = base

    async def request(self, method: str, url: str, *args: Any, **options: Any) -> Any:
        return await super().request(method, here(self._base, url), *args, **options)


def here_client(base: str, sid: str, secret: str) -> Client:
    """The blocking SDK of an account, on our own address; its `http_client.session` is to be closed."""
    return Client(sid, secret, http_client=LocalHttpClient(base))


@dataclass
class Made:
    """What the story has made, by what it is: SIDs, and the secret of a key."""

    sids: dict[str, str] = field(default_factory=dict)

    def __getattr__(self, name: str) -> str:
        return self.sids[name]


class Story:
    """`account` makes a sub-account; the rest is told in its name."""

    def __init__(self, connect: Callable[[str, str, str | None], Client], ask: Ask) -> None:
        self._connect = connect
        self._ask = ask

    async def account(self, sid: str, token: str) -> Any:
        """A sub-account of the one with this token."""
        client = self._connect(sid, token, None)
        made = await self._ask(client.api.v2010.accounts, "create", friendly_name="Story")
        assert (made.status, made.type, made.owner_account_sid) == ("active", "Full", sid)
        same_time(made)
        found = await self._ask(client.api.v2010.accounts, "list", friendly_name="Story")
        assert [each.sid for each in found] == [made.sid]
        self.parent, self.client = client, self._connect(made.sid, made.auth_token, None)
        return made

    async def make(self, voice_url: str, target: str) -> Made:
        """All that an inbound call needs: by address, by digest, to a trunk with three targets."""
        made = Made()
        made.sids |= await self._policy(target)
        made.sids |= await self._trunk(voice_url, made.policy)
        made.sids |= await self._domain(made.trunk)
        made.sids |= await self._lists()
        await self._map(made)
        return made

    async def _policy(self, target: str) -> dict[str, str]:
        voice, ask = self.client.voice.v1, self._ask
        policy = await ask(voice.connection_policies, "create", friendly_name="Carriers")
        assert (policy.account_sid, policy.friendly_name) == (self.client.username, "Carriers")
        assert policy.links == {"targets": f"{policy.url}/Targets"}
        same_time(policy)
        targets = voice.connection_policies(policy.sid).targets
        first = await ask(targets, "create", target=target, friendly_name="first")
        assert (first.priority, first.weight, first.enabled) == (10, 10, True)
        assert first.target == target
        same_time(first)
        for priority in (20, 30):
            spare = await ask(targets, "create", target=f"sip:127.0.0.{priority + 100}:5060", priority=priority)
            assert (type(spare.priority), spare.priority) == (int, priority)
        off = await ask(voice.connection_policies(policy.sid).targets(spare.sid), "update", enabled=False, weight=5)
        assert (off.enabled, off.weight, off.priority) == (False, 5, 30)
        listed = await ask(targets, "list", page_size=1)
        assert [each.priority for each in listed] == [10, 20, 30]
        return {"policy": policy.sid, "target": first.sid}

    async def _trunk(self, voice_url: str, policy: str) -> dict[str, str]:
        voice, ask = self.client.voice.v1, self._ask
        made = await ask(
            voice.byoc_trunks,
            "create",
            friendly_name="Carrier A",
            voice_url=voice_url,
            voice_method="POST",
            voice_fallback_url=f"{voice_url}-backup",
            connection_policy_sid=policy,
            cnam_lookup_enabled=True,
        )
        same_time(made)
        assert (made.voice_url, made.cnam_lookup_enabled, made.connection_policy_sid) == (voice_url, True, policy)
        trunk = voice.byoc_trunks(made.sid)
        changed = await ask(trunk, "update", friendly_name="Carrier B", cnam_lookup_enabled=False)
        assert (changed.friendly_name, changed.cnam_lookup_enabled) == ("Carrier B", False)
        assert changed.voice_fallback_url == f"{voice_url}-backup"
        cleared = await ask(trunk, "update", voice_fallback_url="")
        assert (cleared.voice_fallback_url, cleared.voice_url) == (None, voice_url)
        fetched = await ask(trunk, "fetch")
        assert (fetched.sid, fetched.friendly_name, fetched.from_domain_sid) == (made.sid, "Carrier B", None)
        return {"trunk": made.sid}

    async def _domain(self, trunk: str) -> dict[str, str]:
        ask, domains = self._ask, self.client.sip.domains
        made = await ask(domains, "create", domain_name=NAME, friendly_name="Acme")
        same_time(made)
        assert (made.auth_type, made.secure, made.sip_registration, made.voice_url) == ("", False, False, None)
        assert set(made.subresource_uris) == {"credential_list_mappings", "ip_access_control_list_mappings"}
        linked = await ask(domains(made.sid), "update", byoc_trunk_sid=trunk, secure=False)
        assert linked.byoc_trunk_sid == trunk
        return {"domain": made.sid}

    async def _lists(self) -> dict[str, str]:
        ask, sip = self._ask, self.client.sip
        made: dict[str, str] = {}
        for name, address, length in (("acl", "127.0.0.0", 8), ("spare_acl", "192.0.2.7", None)):
            acl = await ask(sip.ip_access_control_lists, "create", friendly_name=name)
            same_time(acl)
            entries = sip.ip_access_control_lists(acl.sid).ip_addresses
            more = {} if length is None else {"cidr_prefix_length": length}
            entry = await ask(entries, "create", friendly_name="SBC", ip_address=address, **more)
            assert (entry.ip_address, entry.cidr_prefix_length) == (address, length or 32)
            renamed = await ask(entries(entry.sid), "update", friendly_name="Production SBC")
            assert renamed.friendly_name == "Production SBC"
            made |= {name: acl.sid, f"{name}_entry": entry.sid}
        for name in ("users", "spare_users"):
            users = await ask(sip.credential_lists, "create", friendly_name=name)
            same_time(users)
            credentials = sip.credential_lists(users.sid).credentials
            credential = await ask(credentials, "create", username=USER, password="Some-Other-Word-1")
            assert credential.username == USER
            await ask(credentials(credential.sid), "update", password=PASSWORD)
            made |= {name: users.sid, f"{name}_credential": credential.sid}
        listed = await ask(sip.credential_lists, "list", page_size=1)
        assert [each.friendly_name for each in listed] == ["users", "spare_users"]
        limited = await ask(sip.ip_access_control_lists, "list", limit=1)
        assert [each.friendly_name for each in limited] == ["acl"]
        return made

    def mappings(self, made: Made) -> list[tuple[Any, str, str]]:
        """The five paths: each with the parameter of its create and the list that is mapped by it."""
        domain = self.client.sip.domains(made.domain)
        credentials, addresses = "credential_list_sid", "ip_access_control_list_sid"
        calls, registrations = domain.auth.calls, domain.auth.registrations
        return [
            (calls.credential_list_mappings, credentials, made.users),
            (calls.ip_access_control_list_mappings, addresses, made.acl),
            (registrations.credential_list_mappings, credentials, made.users),
            (domain.credential_list_mappings, credentials, made.spare_users),
            (domain.ip_access_control_list_mappings, addresses, made.spare_acl),
        ]

    async def _map(self, made: Made) -> None:
        for mappings, parameter, sid in self.mappings(made):
            mapping = await self._ask(mappings, "create", **{parameter: sid})
            assert (mapping.sid, mapping.account_sid) == (sid, self.client.username)
            same_time(mapping)
            assert (await self._ask(mappings(sid), "fetch")).friendly_name == mapping.friendly_name
        counts = [len(await self._ask(mappings, "list", page_size=1)) for mappings, _, _ in self.mappings(made)]
        assert counts == [2, 2, 1, 2, 2]  # the legacy paths and those of calls are one storage
        domain = await self._ask(self.client.sip.domains(made.domain), "fetch")
        assert domain.auth_type == "CREDENTIAL_LIST,IP_ACL"

    async def fail(self, made: Made) -> list[tuple[int, int]]:
        """Thirteen documented ways to be refused: the status and the code of each."""
        sip, voice = self.client.sip, self.client.voice.v1
        acl, users = sip.ip_access_control_lists(made.acl), sip.credential_lists(made.users)
        targets = voice.connection_policies(made.policy).targets
        legacy = sip.domains(made.domain).ip_access_control_list_mappings
        wrong = self._connect(self.client.username, "wrong", None)
        return [
            await self._refused(wrong.sip.domains(made.domain), "fetch"),
            await self._refused(voice.byoc_trunks("BY" + "0" * 32), "fetch"),
            await self._refused(sip.domains, "create", domain_name=NAME),
            await self._refused(sip.domains, "create", domain_name="a.b.sip.example.test"),
            await self._refused(sip.domains(made.domain), "update", byoc_trunk_sid="BY" + "0" * 32),
            await self._refused(legacy, "create", ip_access_control_list_sid=made.acl),
            await self._refused(acl, "delete"),
            await self._refused(acl.ip_addresses, "create", friendly_name="x", ip_address="gw.carrier.example"),
            await self._refused(users, "delete"),
            await self._refused(users.credentials, "create", username="sbc2", password="weak"),
            await self._refused(voice.byoc_trunks(made.trunk), "delete"),
            await self._refused(targets, "create", target="sips:gw.carrier.example"),
            await self._refused(targets, "create", target="sip:gw.carrier.example", priority=65536),
        ]

    async def _refused(self, resource: Any, method: str, **parameters: Any) -> tuple[int, int]:
        with pytest.raises(TwilioRestException) as refused:
            await self._ask(resource, method, **parameters)
        assert refused.value.msg
        return refused.value.status, refused.value.code

    async def unmap(self, made: Made) -> None:
        """Take the lists off the domain, each by the path that it was mapped by."""
        for mappings, _, sid in self.mappings(made):
            assert await self._ask(mappings(sid), "delete") is True

    async def take_away(self, made: Made) -> None:
        """Everything else, in the order in which nothing is in use any more."""
        sip, voice = self.client.sip, self.client.voice.v1
        for kind in ("acl", "spare_acl"):
            acl = sip.ip_access_control_lists(made.sids[kind])
            assert await self._ask(acl.ip_addresses(made.sids[f"{kind}_entry"]), "delete") is True
            assert await self._ask(acl, "delete") is True
        for kind in ("users", "spare_users"):
            users = sip.credential_lists(made.sids[kind])
            assert await self._ask(users.credentials(made.sids[f"{kind}_credential"]), "delete") is True
            assert await self._ask(users, "delete") is True
        policy = voice.connection_policies(made.policy)
        for resource in (
            sip.domains(made.domain),
            voice.byoc_trunks(made.trunk),
            policy.targets(made.target),
            policy,
        ):
            assert await self._ask(resource, "delete") is True
        for listed in (sip.domains, sip.credential_lists, voice.byoc_trunks, voice.connection_policies):
            assert await self._ask(listed, "list") == []

    async def by_key(self) -> None:
        """A key makes and removes a trunk as the token does, and may not look at the account."""
        key = await self._ask(self.client.new_keys, "create", friendly_name="Deploy")
        same_time(key)
        mine = self._connect(key.sid, key.secret, self.client.account_sid)
        trunk = await self._ask(mine.voice.v1.byoc_trunks, "create")
        assert await self._ask(mine.voice.v1.byoc_trunks(trunk.sid), "delete") is True
        assert await self._refused(mine.api.v2010.accounts(self.client.account_sid), "fetch") == (401, 20003)
        assert await self._ask(self.client.keys(key.sid), "delete") is True
        closed = await self._ask(self.parent.api.v2010.accounts(self.client.account_sid), "update", status="closed")
        assert closed.status == "closed"


REFUSALS = [
    *((401, 20003), (404, 20404), (400, 21232), (400, 21232), (400, 21300), (400, 21231), (400, 21236)),
    *((400, 21238), (400, 21241), (400, 21243), (409, 20409), (400, 20422), (400, 20422)),
]


def same_time(instance: Any) -> None:
    """Dates are parsed: with a zone, and of just now."""
    for moment in (instance.date_created, instance.date_updated):
        assert isinstance(moment, datetime), moment
        assert moment.tzinfo is not None
        assert abs(datetime.now(moment.tzinfo) - moment) < timedelta(minutes=1)


@contextlib.asynccontextmanager
async def blocking(base: str) -> AsyncIterator[Story]:
    """Over the blocking SDK."""

    async def ask(resource: Any, method: str, **parameters: Any) -> Any:
        return await asyncio.to_thread(getattr(resource, method), **parameters)

    http = LocalHttpClient(base)
    try:
        yield Story(lambda user, secret, account: Client(user, secret, account, http_client=http), ask)
    finally:
        http.session.close()


@contextlib.asynccontextmanager
async def not_blocking(base: str) -> AsyncIterator[Story]:
    """Over the SDK's asyncio half."""

    async def ask(resource: Any, method: str, **parameters: Any) -> Any:
        return await getattr(resource, f"{method}_async")(**parameters)

    async with LocalAsyncHttpClient(base) as http:
        yield Story(lambda user, secret, account: Client(user, secret, account, http_client=http), ask)
