"""Resources as sections of a configuration file that `run` and `check` accept: the way back of `config.resources`.

Every SID is pinned, what is as by default is left out, rows come in the order of their keys. A secret that is not
known (an account without its token, a credential without hashes) becomes a variable of the environment; so do
tokens and carriers' passwords when they are not to stand in the file.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field, fields
from itertools import chain
from typing import TYPE_CHECKING, Any, Final

from byoc_proxy.config.export_installation import installation_keys
from byoc_proxy.config.handlers_schema import ApplicationEntry, TwimlBinEntry
from byoc_proxy.config.keys import free_name, readable_keys, variable_name
from byoc_proxy.config.resources import DEFAULT_ACCOUNT, target_name
from byoc_proxy.config.schema import (
    AccountEntry,
    AddressEntry,
    CalledFormatSection,
    DomainEntry,
    PolicyEntry,
    TargetEntry,
    TrunkEntry,
)
from byoc_proxy.config.yaml_text import Line, Variable
from byoc_proxy.sip.uri import SipUri
from byoc_proxy.trunk.model import Account, AccountSid, HealthRules, stable_sid

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from pydantic import BaseModel

    from byoc_proxy.sip.digest_client import Credentials
    from byoc_proxy.sip.flow import TlsTerms
    from byoc_proxy.trunk.model import (
        Application,
        ByocTrunk,
        ConnectionPolicy,
        ConnectionPolicyTarget,
        Credential,
        CredentialList,
        IpAccessControlList,
        Resources,
        SipDomain,
        TwimlBin,
    )
    from byoc_proxy.trunk.numbers import NumberFormat, NumberFormats

_KEY: Final = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}")
# Keys of entries that are not in a record as they are in the file; the functions below write them.
_APART: Final = frozenset(
    "sid account friendly_name addresses auth_token client_certificates credentials failover_stop_codes health"
    " inbound_numbers outbound_numbers targets tls".split()
)


@dataclass(slots=True)
class Exported:
    """`sections` for `yaml_text`; `variables` that they name, each with what it has to hold."""

    sections: dict[str, Any] = field(default_factory=dict)
    variables: dict[str, str] = field(default_factory=dict)


def export(rows: Resources, *, secrets_in_file: bool = True) -> Exported:
    """The resource sections, and of the installation what is not as by default.

    `rows` must hold together as a `Directory` demands. Hashes of passwords are in it in any case.
    """
    exported = Exported()
    exported.sections |= installation_keys(rows.installation)
    exported.sections |= _Writer(rows, exported.variables, secrets_in_file).sections()
    return exported


class _Writer:
    """Writes the rows of one `Resources`; notes in `variables` what it leaves to the environment."""

    def __init__(self, rows: Resources, variables: dict[str, str], secrets_in_file: bool) -> None:
        self._rows = rows
        self._variables = variables
        self._secrets_in_file = secrets_in_file
        self._accounts = _accounts(rows)
        self._keys = _domain_keys(rows)
        for section in (
            rows.accounts,
            rows.trunks,
            rows.ip_access_control_lists,
            rows.credential_lists,
            rows.connection_policies,
            rows.twiml_bins,
            rows.applications,
        ):
            self._keys |= readable_keys((row.sid, row.friendly_name) for row in section)

    def sections(self) -> dict[str, Any]:
        rows = self._rows
        written: dict[str, Any] = {
            "accounts": self._section(self._accounts, self._account),
            "trunks": self._section(rows.trunks, self._trunk),
            "domains": self._section(rows.domains, self._domain),
            "ip_access_control_lists": self._section(rows.ip_access_control_lists, self._access_control_list),
            "credential_lists": self._section(rows.credential_lists, self._credential_list),
            "connection_policies": self._section(rows.connection_policies, self._policy),
            "twiml_bins": self._section(rows.twiml_bins, self._twiml_bin),
            "applications": self._section(rows.applications, self._application),
        }
        return {name: section for name, section in written.items() if section}

    def _section(self, rows: Iterable[Any], write: Callable[[Any], dict[str, Any]]) -> dict[str, Any]:
        in_order = sorted((self._keys[row.sid], row) for row in rows)
        return {key: self._head(key, row) | write(row) for key, row in in_order}

    def _head(self, key: str, row: Any) -> dict[str, Any]:
        head = {"sid": row.sid}
        if not isinstance(row, Account) and len(self._accounts) > 1:
            head["account"] = self._keys[row.account_sid]
        if row.friendly_name != key:
            head["friendly_name"] = row.friendly_name
        return head

    def _account(self, account: Account) -> dict[str, Any]:
        key = self._keys[account.sid]
        parent = {"parent": self._keys[account.parent_sid]} if account.parent_sid is not None else {}
        token = self._secret(account.auth_token, f"auth token of account {key}", "BYOC_TOKEN", key)
        return {"auth_token": token, **parent, **_differing(AccountEntry, account)}

    def _trunk(self, trunk: ByocTrunk) -> dict[str, Any]:
        references = {
            "connection_policy": trunk.connection_policy_sid,
            "fallback_connection_policy": trunk.fallback_connection_policy_sid,
            "from_domain": trunk.from_domain_sid,
        }
        return {
            **{name: self._keys[sid] for name, sid in references.items() if sid is not None},
            **_differing(TrunkEntry, trunk),
            **_numbers("inbound_numbers", trunk.inbound_numbers),
            **_numbers("outbound_numbers", trunk.outbound_numbers),
        }

    def _domain(self, domain: SipDomain) -> dict[str, Any]:
        lists = {
            "ip_access_control_lists": domain.ip_access_control_list_sids,
            "credential_lists": domain.credential_list_sids,
        }
        trunk = {"trunk": self._keys[domain.byoc_trunk_sid]} if domain.byoc_trunk_sid is not None else {}
        written: dict[str, Any] = {**trunk}
        written |= {name: [self._keys[sid] for sid in sids] for name, sids in lists.items() if sids}
        written |= _differing(DomainEntry, domain)
        if domain.domain_name == f"{self._keys[domain.sid].lower()}.{self._rows.installation.base_domain}":
            del written["domain_name"]
        if domain.client_certificates is not None:
            certificates = domain.client_certificates
            names = {"names": list(certificates.names)} if certificates.names else {}
            written["client_certificates"] = {"ca_file": certificates.ca_file, **names}
        return written

    def _access_control_list(self, acl: IpAccessControlList) -> dict[str, Any]:
        items = [
            Line({"sid": entry.sid, **_named(entry.friendly_name, ""), **_differing(AddressEntry, entry)})
            for entry in acl.addresses
        ]
        return {"addresses": items} if items else {}

    def _credential_list(self, credentials: CredentialList) -> dict[str, Any]:
        key = self._keys[credentials.sid]
        items = [
            Line({"sid": item.sid, "username": item.username, **self._hashes(key, item)})
            for item in credentials.credentials
        ]
        return {"credentials": items} if items else {}

    def _hashes(self, list_key: str, item: Credential) -> dict[str, str]:
        if item.ha1.md5 and item.ha1.sha256:
            return {"ha1_md5": item.ha1.md5, "ha1_sha256": item.ha1.sha256}
        what = f"password of {item.username} in credential list {list_key}"
        return {"password": self._secret("", what, "BYOC_PASSWORD", list_key, item.username)}

    def _policy(self, policy: ConnectionPolicy) -> dict[str, Any]:
        written: dict[str, Any] = {}
        if policy.targets:
            written["targets"] = [_target(target, policy.health) for target in policy.targets]
        if policy.failover_stop_codes is not None:
            written["failover_stop_codes"] = _stop_codes(policy.failover_stop_codes)
        if policy.credentials is not None:
            written["credentials"] = self._credentials(self._keys[policy.sid], policy.credentials)
        health = _changed(policy.health, HealthRules())
        return written | _differing(PolicyEntry, policy) | ({"health": Line(health)} if health else {})

    def _twiml_bin(self, twiml_bin: TwimlBin) -> dict[str, Any]:
        written = _differing(TwimlBinEntry, twiml_bin)
        if twiml_bin.unique_name == self._keys[twiml_bin.sid]:
            del written["unique_name"]
        return written

    def _application(self, application: Application) -> dict[str, Any]:
        return _differing(ApplicationEntry, application)

    def _credentials(self, policy_key: str, credentials: Credentials) -> dict[str, Any]:
        what = f"password of {credentials.username} for connection policy {policy_key}"
        password = self._secret(credentials.password, what, "BYOC_CARRIER_PASSWORD", policy_key)
        realm = {"realm": credentials.realm} if credentials.realm is not None else {}
        return Line({"username": credentials.username, "password": password, **realm})

    def _secret(self, value: str, what: str, *name: str) -> str:
        if value and self._secrets_in_file:
            return value
        variable = variable_name(self._variables, *name)
        self._variables[variable] = what
        return Variable(variable)


def _accounts(rows: Resources) -> list[Account]:
    """All but the one that stands in where a file declares none, unless others have accounts and it has rows."""
    nobody = Account(AccountSid(stable_sid("AC", DEFAULT_ACCOUNT)), DEFAULT_ACCOUNT)
    owned: Iterable[Any] = chain(
        rows.trunks,
        rows.domains,
        rows.ip_access_control_lists,
        rows.credential_lists,
        rows.connection_policies,
        rows.twiml_bins,
        rows.applications,
    )
    is_used = any(row.account_sid == nobody.sid for row in owned)
    is_needed = len(rows.accounts) > 1 and is_used
    return [account for account in rows.accounts if account != nobody or is_needed]


def _domain_keys(rows: Resources) -> dict[str, str]:
    """A domain's key is its name without the base domain, so that the name need not be written."""
    keys: dict[str, str] = {}
    taken: set[str] = set()
    for domain in sorted(rows.domains, key=lambda row: row.domain_name):
        name = domain.domain_name.removesuffix(f".{rows.installation.base_domain}")
        key = name if _KEY.fullmatch(name) else domain.sid.lower()
        keys[domain.sid] = free_name(key, "-", taken)
        taken.add(keys[domain.sid])
    return keys


def _target(target: ConnectionPolicyTarget, of_policy: HealthRules) -> dict[str, Any]:
    name = _named(target.friendly_name, target_name(target.target))
    written: dict[str, Any] = {"sid": target.sid, **_differing(TargetEntry, target), **name}
    if target.health is not None:
        written["health"] = Line(_changed(target.health, of_policy))
    if target.tls is not None:
        written["tls"] = Line(_tls(target.tls))
    return written


def _tls(terms: TlsTerms) -> dict[str, str]:
    return {key: value for key, value in terms._asdict().items() if value}


def _named(name: str, usual: str) -> dict[str, str]:
    return {"friendly_name": name} if name != usual else {}


def _numbers(key: str, formats: NumberFormats) -> dict[str, Any]:
    sides = {"called": formats.called, "calling": formats.calling}
    written = {side: Line(_number_format(rules)) for side, rules in sides.items()}
    return {key: {side: rules for side, rules in written.items() if rules}} if any(written.values()) else {}


def _number_format(rules: NumberFormat) -> dict[str, Any]:
    written = _differing(CalledFormatSection, rules)
    if rules.country_code is None and not rules.national_prefix:
        del written["national_prefix"]  # a country's own may be empty; without a country there is none
    return written


def _stop_codes(codes: frozenset[int]) -> list[int | str]:
    """Each class that is in it as a whole as `6xx`, and the other codes."""
    classes = [first for first in (3, 4, 5, 6) if codes.issuperset(range(first * 100, first * 100 + 100))]
    single = sorted(code for code in codes if code // 100 not in classes)
    return list(chain(single, (f"{first}xx" for first in classes)))


def _changed(rules: HealthRules, usual: HealthRules) -> dict[str, Any]:
    values = {each.name: getattr(rules, each.name) for each in fields(HealthRules)}
    return {key: value for key, value in values.items() if value != getattr(usual, key)}


def _differing(model: type[BaseModel], record: object) -> dict[str, Any]:
    """What a record says otherwise than an entry that leaves it out, of the keys that both have."""
    written = {}
    for key, schema in model.model_fields.items():
        value = getattr(record, key, schema.default)
        if key not in _APART and value != schema.default:
            written[key] = _plain(value)
    return written


def _plain(value: Any) -> Any:
    match value:
        case str() | SipUri():
            return str(value)
        case tuple():
            return [_plain(item) for item in value]
    return value
