"""What the configuration file declares, as rows like those of the database: to be read here, changed there only.

Such rows have no dates, and ids below zero: in lists they come first, in the order of the file.
"""

from __future__ import annotations

from dataclasses import asdict
from typing import TYPE_CHECKING, Any

from byoc_proxy.trunk.networks import read_network

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

    from byoc_proxy.api.resource import Resource, Row
    from byoc_proxy.trunk.model import Resources

_NO_DATES = {"date_created": None, "date_updated": None}


def _accounts(rows: Resources) -> Iterator[Row]:
    return (asdict(account) for account in rows.accounts)


def _trunks(rows: Resources) -> Iterator[Row]:
    for trunk in rows.trunks:
        yield {name: getattr(trunk, name) for name in trunk.__slots__}


def _domains(rows: Resources) -> Iterator[Row]:
    nothing: Row = {
        **dict.fromkeys(("voice_url", "voice_fallback_url", "voice_status_callback_url", "emergency_caller_sid")),
        **dict.fromkeys(("voice_method", "voice_fallback_method", "voice_status_callback_method"), "POST"),
        **dict.fromkeys(("sip_registration", "emergency_calling_enabled"), False),
    }
    for domain in rows.domains:
        yield {**nothing, **{name: getattr(domain, name) for name in domain.__slots__}}


def _mappings(rows: Resources) -> Iterator[Row]:
    for domain in rows.domains:
        mapped = (
            ("calls_ip_access_control_lists", domain.ip_access_control_list_sids),
            ("calls_credential_lists", domain.credential_list_sids),
        )
        for kind, sids in mapped:
            for sid in sids:
                yield {"domain_sid": domain.sid, "kind": kind, "sid": sid, "account_sid": domain.account_sid}


def _access_control_lists(rows: Resources) -> Iterator[Row]:
    return _named(rows.ip_access_control_lists)


def _addresses(rows: Resources) -> Iterator[Row]:
    for acl in rows.ip_access_control_lists:
        for entry in acl.addresses:
            address, _, length = read_network(entry.cidr).cidr.partition("/")
            yield {
                "sid": entry.sid,
                "account_sid": acl.account_sid,
                "ip_access_control_list_sid": acl.sid,
                "friendly_name": entry.friendly_name,
                "ip_address": address,
                "cidr_prefix_length": int(length),
            }


def _credential_lists(rows: Resources) -> Iterator[Row]:
    return _named(rows.credential_lists)


def _credentials(rows: Resources) -> Iterator[Row]:
    for listed in rows.credential_lists:
        for credential in listed.credentials:
            yield {
                "sid": credential.sid,
                "account_sid": listed.account_sid,
                "credential_list_sid": listed.sid,
                "username": credential.username,
            }


def _policies(rows: Resources) -> Iterator[Row]:
    return _named(rows.connection_policies)


def _targets(rows: Resources) -> Iterator[Row]:
    for policy in rows.connection_policies:
        for target in policy.targets:
            yield {
                "sid": target.sid,
                "account_sid": policy.account_sid,
                "connection_policy_sid": policy.sid,
                "friendly_name": target.friendly_name,
                "target": str(target.target),
                "priority": target.priority,
                "weight": target.weight,
                "enabled": target.enabled,
            }


def _applications(rows: Resources) -> Iterator[Row]:
    nothing: Row = {
        **dict.fromkeys(("sms_url", "sms_fallback_url", "sms_status_callback", "message_status_callback")),
        **dict.fromkeys(("sms_method", "sms_fallback_method"), "POST"),
        "public_application_connect_enabled": False,
    }
    return ({**nothing, **asdict(application)} for application in rows.applications)


def _twiml_bins(rows: Resources) -> Iterator[Row]:
    return (asdict(twiml_bin) for twiml_bin in rows.twiml_bins)


def _named(rows: Iterable[Any]) -> Iterator[Row]:
    return ({"sid": row.sid, "account_sid": row.account_sid, "friendly_name": row.friendly_name} for row in rows)


_READERS: dict[str, Callable[[Resources], Iterator[Row]]] = {
    "accounts": _accounts,
    "byoc_trunks": _trunks,
    "domains": _domains,
    "domain_mappings": _mappings,
    "ip_access_control_lists": _access_control_lists,
    "ip_addresses": _addresses,
    "credential_lists": _credential_lists,
    "credentials": _credentials,
    "connection_policies": _policies,
    "targets": _targets,
    "applications": _applications,
    "twiml_bins": _twiml_bins,
}


class DeclaredRows:
    """The rows of one reading of the file, by resource."""

    def __init__(self, resources: Resources) -> None:
        self.resources = resources
        self._tables: dict[str, list[Row]] = {}

    def of(self, resource: Resource) -> list[Row]:
        """All of a resource, whoever owns them; empty for what a file cannot declare."""
        name = resource.table.name
        if name not in self._tables:
            reader = _READERS.get(name)
            rows = list(reader(self.resources)) if reader is not None else []
            self._tables[name] = [{**_NO_DATES, **row, "id": at - len(rows)} for at, row in enumerate(rows)]
        return self._tables[name]
