"""What must hold between configured rows. What is allowed but unwise is `trunk.advice`.

Every rule looks at one row, with all `Rows` at hand, and yields `Finding`s; none stops at the first. Rules are
those of the BYOC page and of the REST contract; limits there that protect a shared platform (resources per account)
are not ours to keep.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from byoc_proxy.trunk.domain_checks import check_name, check_static_ips
from byoc_proxy.trunk.findings import Finding, Rule
from byoc_proxy.trunk.handler_checks import check_bin_name, check_handlers
from byoc_proxy.trunk.list_checks import check_addresses, check_credentials
from byoc_proxy.trunk.networks import AddressError, read_network

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

    from byoc_proxy.sip.uri import SipUri
    from byoc_proxy.trunk.findings import Path
    from byoc_proxy.trunk.list_checks import Reading
    from byoc_proxy.trunk.model import (
        Account,
        Application,
        ByocTrunk,
        ConnectionPolicy,
        ConnectionPolicyTarget,
        CredentialList,
        HealthRules,
        IpAccessControlList,
        SipDomain,
        TwimlBin,
    )
    from byoc_proxy.trunk.rows import Rows

MOST_TARGETS: Final = 10
MOST_PRIORITY: Final = 65535
MOST_WEIGHT: Final = 65535
# Which fields of a section's rows hold SIDs, and of which section. All but accounts belong to an account.
REFERENCES: Final[Mapping[str, Mapping[str, str]]] = {
    "accounts": {"parent_sid": "accounts"},
    "trunks": {
        "account_sid": "accounts",
        "connection_policy_sid": "connection_policies",
        "fallback_connection_policy_sid": "connection_policies",
        "from_domain_sid": "domains",
    },
    "domains": {
        "account_sid": "accounts",
        "byoc_trunk_sid": "trunks",
        "ip_access_control_list_sids": "ip_access_control_lists",
        "credential_list_sids": "credential_lists",
    },
    "ip_access_control_lists": {"account_sid": "accounts"},
    "credential_lists": {"account_sid": "accounts"},
    "connection_policies": {"account_sid": "accounts"},
    "twiml_bins": {"account_sid": "accounts"},
    "applications": {"account_sid": "accounts"},
}
_TRANSPORTS: Final = (None, "udp", "tcp", "tls")


def target_fault(uri: SipUri) -> str | None:
    """Why no call can be sent to a target URI, or None."""
    if uri.scheme == "sips":
        return f"sips: is not supported; write sip:{str(uri).partition(':')[2]};transport=tls"
    if uri.transport not in _TRANSPORTS:
        return f"transport {uri.transport!r} is not known; use udp, tcp or tls"
    return None


class Rules:
    """Judges rows of `rows`. `readings`: what the access control lists among them hold, by SID."""

    def __init__(self, rows: Rows, readings: Mapping[str, Reading]) -> None:
        self._rows = rows
        self._readings = readings
        self._of_section: dict[str, Callable[[Any, Path], Iterator[Finding]]] = {
            "accounts": self._account,
            "trunks": self._trunk,
            "domains": self._domain,
            "ip_access_control_lists": self._access_control_list,
            "credential_lists": self._credential_list,
            "connection_policies": self._policy,
            "twiml_bins": self._twiml_bin,
            "applications": self._application,
        }

    def judge(self, section: str, row: Any) -> Iterator[Finding]:
        """Everything that forbids one row of a section."""
        path: Path = (section, row.sid)
        yield from self._references(section, row, path)
        yield from self._of_section[section](row, path)

    def _references(self, section: str, row: Any, path: Path) -> Iterator[Finding]:
        for field, wanted in REFERENCES[section].items():
            sids, table = getattr(row, field), self._rows.section(wanted)
            if isinstance(sids, tuple):
                for at, sid in enumerate(sids):
                    yield from self._reference((*path, field, at), row, table.get(sid), sid)
            elif sids is not None and wanted == "accounts":
                if sids not in table:
                    yield Finding((*path, field), f"there is no account {sids}", Rule.NO_SUCH_REFERENCE)
            elif sids is not None:
                yield from self._reference((*path, field), row, table.get(sids), sids)

    def _reference(self, path: Path, row: Any, found: Any, sid: str) -> Iterator[Finding]:
        if found is None:
            yield Finding(path, f"there is no {sid}", Rule.NO_SUCH_REFERENCE)
        elif found.account_sid != row.account_sid:
            text = f"{sid} belongs to another account; use one of the same account"
            yield Finding(path, text, Rule.FOREIGN_REFERENCE)

    def _account(self, account: Account, path: Path) -> Iterator[Finding]:
        parent = self._rows.accounts.get(account.parent_sid) if account.parent_sid is not None else None
        if parent is not None and (parent.parent_sid is not None or parent.sid == account.sid):
            text = "a parent must be an account without a parent of its own"
            yield Finding((*path, "parent_sid"), text)
        for at, cidr in enumerate(account.interconnect):
            try:
                read_network(cidr)
            except AddressError as error:
                yield Finding((*path, "interconnect", at), f"{error}; write 10.9.0.0/24", Rule.ADDRESS)

    def _trunk(self, trunk: ByocTrunk, path: Path) -> Iterator[Finding]:
        if trunk.from_domain_sid is not None and trunk.from_host is not None:
            yield Finding((*path, "from_host"), "from_domain is set too; keep one of the two")
        fallback = trunk.fallback_connection_policy_sid
        if fallback is not None and fallback == trunk.connection_policy_sid:
            text = "is the trunk's connection_policy itself; name another one or none"
            yield Finding((*path, "fallback_connection_policy_sid"), text)
        if trunk.voice_url is not None and trunk.voice_twiml is not None:
            yield Finding((*path, "voice_twiml"), "voice_url is set too; keep one of the two")
        yield from check_handlers(trunk, self._rows, path)
        if 0 < trunk.session_expires < trunk.min_se:
            text = f"{trunk.session_expires} is below min_se, {trunk.min_se}: we would refuse it ourselves"
            yield Finding((*path, "session_expires"), text, Rule.RANGE)

    def _domain(self, domain: SipDomain, path: Path) -> Iterator[Finding]:
        yield from check_name(domain, self._rows, (*path, "domain_name"))
        if not domain.digest_algorithms:
            text = "the list is empty; name MD5, SHA-256 or both"
            yield Finding((*path, "digest_algorithms"), text)
        yield from check_static_ips(domain, self._rows, (*path, "static_ips"))

    def _access_control_list(self, acl: IpAccessControlList, path: Path) -> Iterator[Finding]:
        return check_addresses(acl, self._readings[acl.sid])

    def _credential_list(self, credentials: CredentialList, path: Path) -> Iterator[Finding]:
        return check_credentials(credentials)

    def _twiml_bin(self, twiml_bin: TwimlBin, path: Path) -> Iterator[Finding]:
        return check_bin_name(twiml_bin, self._rows, path)

    def _application(self, application: Application, path: Path) -> Iterator[Finding]:
        return check_handlers(application, self._rows, path)

    def _policy(self, policy: ConnectionPolicy, path: Path) -> Iterator[Finding]:
        if len(policy.targets) > MOST_TARGETS:
            text = f"{len(policy.targets)} targets; at most {MOST_TARGETS} are allowed"
            yield Finding((*path, "targets"), text, Rule.TOO_MANY_TARGETS)
        yield from _check_health(policy.health, (*path, "health"))
        for at, target in enumerate(policy.targets):
            yield from self._target(target, (*path, "targets", at))
            if target.health is not None:
                yield from _check_health(target.health, (*path, "targets", at, "health"))
        for code in sorted(policy.failover_stop_codes or ()):
            if not 300 <= code <= 699:
                text = f"{code} is not a failure code (300 to 699)"
                yield Finding((*path, "failover_stop_codes"), text, Rule.RANGE)

    def _target(self, target: ConnectionPolicyTarget, path: Path) -> Iterator[Finding]:
        yield from self._next_hop(target.target, (*path, "target"))
        if target.outbound_proxy is not None:
            yield from self._next_hop(target.outbound_proxy, (*path, "outbound_proxy"))
        if not 0 <= target.priority <= MOST_PRIORITY:
            text = f"{target.priority} is out of range; use 0 to 65535, 0 first"
            yield Finding((*path, "priority"), text, Rule.RANGE)
        if not 1 <= target.weight <= MOST_WEIGHT:
            yield Finding((*path, "weight"), f"{target.weight} is out of range; use 1 to 65535", Rule.RANGE)

    def _next_hop(self, uri: SipUri, path: Path) -> Iterator[Finding]:
        fault = target_fault(uri)
        if fault is not None:
            yield Finding(path, fault, Rule.TARGET)
        if any(self._rows.named(host) is not None for host in self._rows.hosts_of(uri)):
            text = f"{uri.host} is a domain of this installation: calls would loop"
            yield Finding(path, text, Rule.TARGET)


def _check_health(rules: HealthRules, path: Path) -> Iterator[Finding]:
    if rules.interval < 1:
        yield Finding((*path, "interval"), f"{rules.interval:g} is too short; use 1 second or more", Rule.RANGE)
    if rules.misses < 1 or rules.answers < 1:
        yield Finding(path, "misses and answers are counted from 1", Rule.RANGE)
    if rules.mode == "options" and not 0 < rules.timeout < rules.interval:
        text = f"{rules.timeout:g} is not shorter than the interval of {rules.interval:g}; make it shorter"
        yield Finding((*path, "timeout"), text, Rule.RANGE)
