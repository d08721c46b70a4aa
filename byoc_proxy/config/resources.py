"""Resource sections of the file to the records that a `Directory` is built from.

SIDs come from the section's prefix and the entry's key, so the same file means the same SIDs on every node;
`sid:` pins one. References are by key. Passwords become HA1 digests here and are not kept.

What is wrong inside an entry is left out, the entry too when nothing usable remains, and what refers to it is
not blamed: one mistake is one line. Everything between entries is judged by `Directory.build`.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field, fields
from typing import TYPE_CHECKING, Any, Final, TypeVar

from byoc_proxy.config.explain import Problem, salvaged, suggestion, validated
from byoc_proxy.config.handlers_schema import ApplicationEntry, TwimlBinEntry
from byoc_proxy.config.parts import carrier_credentials, client_certificates, health, is_weak, numbers, terms
from byoc_proxy.config.schema import (
    AccessControlListEntry,
    AccountEntry,
    CredentialEntry,
    CredentialListEntry,
    DomainEntry,
    Entry,
    PolicyEntry,
    TrunkEntry,
)
from byoc_proxy.config.section import Section
from byoc_proxy.sip.digest import Ha1
from byoc_proxy.trunk.handler_checks import HANDLERS
from byoc_proxy.trunk.model import (
    TWIML,
    Account,
    AccountSid,
    Application,
    ApplicationSid,
    ByocTrunk,
    ByocTrunkSid,
    ConnectionPolicy,
    ConnectionPolicySid,
    ConnectionPolicyTarget,
    Credential,
    CredentialList,
    CredentialListSid,
    CredentialSid,
    Installation,
    IpAccessControlList,
    IpAccessControlListSid,
    IpAddress,
    IpAddressSid,
    Resources,
    SipDomain,
    SipDomainSid,
    TargetSid,
    TwimlBin,
    TwimlBinSid,
    stable_sid,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

    from byoc_proxy.config.document import Path
    from byoc_proxy.sip.uri import SipUri

DEFAULT_ACCOUNT: Final = "default"
_PREFIXES: Final = {
    "accounts": "AC",
    "trunks": "BY",
    "domains": "SD",
    "ip_access_control_lists": "AL",
    "credential_lists": "CL",
    "connection_policies": "NY",
    "twiml_bins": "EH",
    "applications": "AP",
}
_KEY: Final = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}")
# An entry that is wrong in one of these cannot be judged, nor others by it, as if the key were not there.
_SEEN_BY_OTHERS: Final = frozenset({"account", "domain_name", "interconnect", "sid", "static_ip", "unique_name"})
# What of an entry is not in its record as it is in the file.
_HEAD: Final = {"sid", "account", "friendly_name"}
_NOT_COPIED: Final = {
    *(*_HEAD, "connection_policy", "fallback_connection_policy", "from_domain"),
    *("inbound_numbers", "outbound_numbers"),
}
_CLASS_OF_CODES: Final = re.compile(r"([3-6])xx")

_S = TypeVar("_S")
_E = TypeVar("_E", bound=Section)


@dataclass(frozen=True, slots=True)
class Entries:
    """The entries that are right in themselves, by key, and (section, key) of those that are not."""

    accounts: dict[str, AccountEntry]
    trunks: dict[str, TrunkEntry]
    domains: dict[str, DomainEntry]
    ip_access_control_lists: dict[str, AccessControlListEntry]
    credential_lists: dict[str, CredentialListEntry]
    connection_policies: dict[str, PolicyEntry]
    twiml_bins: dict[str, TwimlBinEntry]
    applications: dict[str, ApplicationEntry]
    broken: set[tuple[str, str]] = field(default_factory=set)


SECTIONS: Final = tuple(section.name for section in fields(Entries) if section.name != "broken")


def read_entries(raw: Mapping[str, Any], problems: list[Problem], context: Mapping[str, Any]) -> Entries:
    """Validate every entry of every resource section by itself; `context` is that of `explain.validated`."""
    broken: set[tuple[str, str]] = set()

    def section(name: str, model: type[_E]) -> dict[str, _E]:
        entries: dict[str, _E] = {}
        value = raw.get(name) or {}
        if not isinstance(value, dict):
            problems.append(((name,), "must be a mapping of keys to entries"))
            return entries
        for key, item in value.items():
            if not _KEY.fullmatch(key):
                problems.append(((name, key), "is not a key; use letters, digits, dashes, dots, underscores"))
            before = len(problems)
            entry = validated(model, item, (name, key), problems, context)
            if entry is None:
                wrong = {path[2] for path, _ in problems[before:] if len(path) > 2}
                entry = None if wrong & _SEEN_BY_OTHERS else salvaged(model, item, wrong, context)
            if entry is None:
                broken.add((name, key))
            else:
                entries[key] = entry
        return entries

    return Entries(
        section("accounts", AccountEntry),
        section("trunks", TrunkEntry),
        section("domains", DomainEntry),
        section("ip_access_control_lists", AccessControlListEntry),
        section("credential_lists", CredentialListEntry),
        section("connection_policies", PolicyEntry),
        section("twiml_bins", TwimlBinEntry),
        section("applications", ApplicationEntry),
        broken,
    )


class ResourceReader:
    """Makes records of entries. After `read`, `names` tells which (section, key) a SID stands for."""

    def __init__(self, entries: Entries, installation: Installation) -> None:
        self._entries = entries
        self._installation = installation
        self._sids = dict(self._all_sids())
        self._owners: dict[tuple[str, str], AccountSid] = {}
        self._inner: dict[str, bool] = {}  # SIDs of what stands in lists, and whether they are pinned
        self.problems: list[Problem] = []
        self.warnings: list[Problem] = []
        self.names = {sid: name for name, sid in self._sids.items()}

    def read(self) -> Resources:
        """All records; `problems` has what referred to nothing, `warnings` what is unwise."""
        accounts = self._accounts()
        self._find_owners()
        return Resources(
            self._installation,
            accounts=accounts,
            trunks=tuple(self._trunks()),
            domains=tuple(self._domains()),
            ip_access_control_lists=tuple(self._access_control_lists()),
            credential_lists=tuple(self._credential_lists()),
            connection_policies=tuple(self._policies()),
            twiml_bins=tuple(self._twiml_bins()),
            applications=tuple(self._applications()),
        )

    def _all_sids(self) -> Iterator[tuple[tuple[str, str], str]]:
        for section, prefix in _PREFIXES.items():
            for key, entry in getattr(self._entries, section).items():
                yield (section, key), entry.sid or stable_sid(prefix, key)

    def _reference(self, path: Path, section: str, key: str | None, kind: Callable[[str], _S]) -> _S | None:
        """The SID behind a key of another section; None when there is no key, or nothing behind it."""
        if key is None or (section, key) in self._entries.broken:
            return None
        sid = self._sids.get((section, key))
        if sid is None:
            known = getattr(self._entries, section)
            self.problems.append((path, f"there is no {key!r} in {section}{suggestion(key, known)}"))
            return None
        return kind(sid)

    def _accounts(self) -> tuple[Account, ...]:
        declared = [
            Account(
                AccountSid(self._sids["accounts", key]),
                _named(entry, key),
                entry.auth_token.get_secret_value(),
                self._reference(("accounts", key, "parent"), "accounts", entry.parent, AccountSid),
                entry.static_ip,
                entry.interconnect,
                entry.status,
                entry.calls_per_second,
            )
            for key, entry in self._entries.accounts.items()
        ]
        # What belongs to an account that is wrong in itself is judged as if that account allowed everything.
        stand_ins = [
            Account(AccountSid(stable_sid("AC", key)), static_ip=True, interconnect=("0.0.0.0/0", "::/0"))
            for section, key in self._entries.broken
            if section == "accounts"
        ]
        if declared or stand_ins:
            return (*declared, *stand_ins)
        self.warnings.append(((), "no account is declared, so webhooks are signed with an empty auth_token"))
        return (Account(AccountSid(stable_sid("AC", DEFAULT_ACCOUNT)), DEFAULT_ACCOUNT),)

    def _find_owners(self) -> None:
        for section in SECTIONS[1:]:
            for key, entry in getattr(self._entries, section).items():
                owner = self._owner((section, key, "account"), entry)
                if owner is None:
                    self._entries.broken.add((section, key))
                else:
                    self._owners[section, key] = owner

    def _owner(self, path: Path, entry: Entry) -> AccountSid | None:
        unread = [key for section, key in self._entries.broken if section == "accounts"]
        keys = [*self._entries.accounts, *unread] or [DEFAULT_ACCOUNT]
        if entry.account is None and len(keys) > 1:
            self.problems.append((path, f"is missing; there are several accounts: {', '.join(sorted(keys))}"))
            return None
        key = entry.account if entry.account is not None else keys[0]
        if key in unread or key == keys[0] == DEFAULT_ACCOUNT:
            return AccountSid(self._sids.get(("accounts", key)) or stable_sid("AC", key))
        return self._reference(path, "accounts", key, AccountSid)

    def _owned(self, section: str, entries: Mapping[str, _E]) -> Iterator[tuple[str, _E, str, AccountSid]]:
        """(key, entry, SID, account SID) of the entries that have an owner."""
        for key, entry in entries.items():
            owner = self._owners.get((section, key))
            if owner is not None:
                yield key, entry, self._sids[section, key], owner

    def _trunks(self) -> Iterator[ByocTrunk]:
        for key, entry, sid, owner in self._owned("trunks", self._entries.trunks):
            path = ("trunks", key)
            domain = entry.from_domain
            yield ByocTrunk(
                ByocTrunkSid(sid),
                owner,
                _named(entry, key),
                connection_policy_sid=self._policy_named(path, "connection_policy", entry),
                fallback_connection_policy_sid=self._policy_named(path, "fallback_connection_policy", entry),
                from_domain_sid=self._reference((*path, "from_domain"), "domains", domain, SipDomainSid),
                inbound_numbers=numbers(entry.inbound_numbers),
                outbound_numbers=numbers(entry.outbound_numbers),
                **self._copied(entry, _NOT_COPIED),
            )

    def _policy_named(self, path: Path, name: str, entry: TrunkEntry) -> ConnectionPolicySid | None:
        return self._reference((*path, name), "connection_policies", getattr(entry, name), ConnectionPolicySid)

    def _domains(self) -> Iterator[SipDomain]:
        for key, entry, sid, owner in self._owned("domains", self._entries.domains):
            path = ("domains", key)
            yield SipDomain(
                SipDomainSid(sid),
                owner,
                entry.domain_name or f"{key.lower()}.{self._installation.base_domain}",
                _named(entry, key),
                self._reference((*path, "trunk"), "trunks", entry.trunk, ByocTrunkSid),
                self._references(path, "ip_access_control_lists", entry, IpAccessControlListSid),
                self._references(path, "credential_lists", entry, CredentialListSid),
                entry.secure,
                entry.static_ips,
                entry.digest_algorithms,
                client_certificates(entry.client_certificates),
            )

    def _references(
        self, path: Path, section: str, entry: DomainEntry, kind: Callable[[str], _S]
    ) -> tuple[_S, ...]:
        keys = enumerate(getattr(entry, section))
        found = (self._reference((*path, section, at), section, key, kind) for at, key in keys)
        return tuple(sid for sid in found if sid is not None)

    def _access_control_lists(self) -> Iterator[IpAccessControlList]:
        entries = self._entries.ip_access_control_lists
        for key, entry, sid, owner in self._owned("ip_access_control_lists", entries):
            path = ("ip_access_control_lists", key, "addresses")
            addresses = tuple(
                IpAddress(
                    IpAddressSid(self._inner_sid((*path, at), item.sid, "IP", key, item.cidr)),
                    item.friendly_name,
                    item.cidr,
                )
                for at, item in enumerate(entry.addresses)
            )
            yield IpAccessControlList(IpAccessControlListSid(sid), owner, _named(entry, key), addresses)

    def _credential_lists(self) -> Iterator[CredentialList]:
        entries = self._entries.credential_lists
        for key, entry, sid, owner in self._owned("credential_lists", entries):
            path = ("credential_lists", key, "credentials")
            credentials = tuple(
                Credential(
                    CredentialSid(self._inner_sid((*path, at), item.sid, "CR", key, item.username)),
                    item.username,
                    self._ha1((*path, at), item),
                )
                for at, item in enumerate(entry.credentials)
            )
            yield CredentialList(CredentialListSid(sid), owner, _named(entry, key), credentials)

    def _ha1(self, path: Path, item: CredentialEntry) -> Ha1:
        if item.password is not None:
            password = item.password.get_secret_value()
            if is_weak(password):
                advice = "use 12 characters or more with a digit, a small and a capital letter"
                self.warnings.append(((*path, "password"), f"is weak; {advice}"))
            return Ha1.of(item.username, self._installation.realm, password)
        hashes = (item.ha1_md5, item.ha1_sha256)
        return Ha1(*(secret.get_secret_value() for secret in hashes if secret is not None))

    def _policies(self) -> Iterator[ConnectionPolicy]:
        for key, entry, sid, owner in self._owned("connection_policies", self._entries.connection_policies):
            path = ("connection_policies", key)
            targets = tuple(
                ConnectionPolicyTarget(
                    TargetSid(
                        self._inner_sid((*path, "targets", at), item.sid, "NE", key, str(at), str(item.target))
                    ),
                    target_name(item.target) if item.friendly_name is None else item.friendly_name,
                    item.target,
                    item.priority,
                    item.weight,
                    item.enabled,
                    health(entry.health, item.health) if item.health is not None else None,
                    item.udp_oversize,
                    terms(item.tls),
                    item.outbound_proxy,
                )
                for at, item in enumerate(entry.targets)
            )
            yield ConnectionPolicy(
                ConnectionPolicySid(sid),
                owner,
                _named(entry, key),
                targets,
                self._stop_codes((*path, "failover_stop_codes"), entry.failover_stop_codes),
                entry.follow_redirects,
                entry.ring_no_progress_timeout,
                entry.no_reply_timeout,
                carrier_credentials(entry.credentials),
                health(entry.health),
            )

    def _twiml_bins(self) -> Iterator[TwimlBin]:
        for key, entry, sid, owner in self._owned("twiml_bins", self._entries.twiml_bins):
            yield TwimlBin(TwimlBinSid(sid), owner, _named(entry, key), entry.unique_name or key, entry.twiml)

    def _applications(self) -> Iterator[Application]:
        for key, entry, sid, owner in self._owned("applications", self._entries.applications):
            yield Application(ApplicationSid(sid), owner, _named(entry, key), **self._copied(entry, _HEAD))

    def _copied(self, entry: TrunkEntry | ApplicationEntry, others: set[str]) -> dict[str, Any]:
        """What is in the record as it is in the file. A bin that is wrong in itself is blamed there."""
        broken = {f"{TWIML}{key}" for section, key in self._entries.broken if section == "twiml_bins"}
        copied = entry.model_dump(exclude=others)
        return {key: None if key in HANDLERS and value in broken else value for key, value in copied.items()}

    def _inner_sid(self, path: Path, pinned: str | None, prefix: str, *key_parts: str) -> str:
        """The SID of something inside an entry. Two that are made of the same key are not blamed here: the rows
        are alike then, and the rules say so in their words.
        """
        sid = pinned or stable_sid(prefix, *key_parts)
        if sid in self._inner and (pinned is not None or self._inner[sid]):
            self.problems.append(((*path, "sid"), f"{sid} is used twice; a SID names one thing"))
        self._inner[sid] = self._inner.get(sid, False) or pinned is not None
        return sid

    def _stop_codes(self, path: Path, texts: tuple[str, ...] | None) -> frozenset[int] | None:
        if texts is None:
            return None
        codes: set[int] = set()
        for at, text in enumerate(texts):
            whole_class = _CLASS_OF_CODES.fullmatch(text)
            if whole_class is not None:
                first = int(whole_class[1]) * 100
                codes.update(range(first, first + 100))
            elif text.isdecimal():
                codes.add(int(text))
            else:
                self.problems.append(((*path, at), f"{text!r} is not a code; write 486 or 6xx"))
        return frozenset(codes)


def target_name(target: SipUri) -> str:
    """What a target without `friendly_name` is called: its URI without password and headers."""
    return str(target.with_user(target.user).without_headers())


def _named(entry: Entry | AccountEntry, key: str) -> str:
    return key if entry.friendly_name is None else entry.friendly_name
