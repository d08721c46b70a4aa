"""What is allowed but should be looked at. Only for rows that fit together: judged by `trunk.checks` before."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from byoc_proxy.trunk.changes import SECTIONS
from byoc_proxy.trunk.findings import Finding, Rule
from byoc_proxy.trunk.networks import read_network

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterator

    from byoc_proxy.trunk.findings import Path
    from byoc_proxy.trunk.model import (
        Account,
        ByocTrunk,
        ConnectionPolicy,
        HealthRules,
        IpAccessControlList,
        SipDomain,
    )
    from byoc_proxy.trunk.rows import Rows

VERIFY_WARNINGS: Final = {
    "chain": "is chain: whoever has a certificate of a trusted authority may pose as a carrier; set it to full",
    "off": "is off: whoever is on the way may pose as a carrier; set it to full",
}
COURTEOUS_INTERVAL: Final = 10.0  # seconds between two OPTIONS; SBCs are known to ban who asks more often


def advice(rows: Rows) -> Iterator[Finding]:
    """Everything unwise, in the order of the sections."""
    in_use = {domain.byoc_trunk_sid for domain in rows.domains.values()}
    for section in SECTIONS:
        for row in rows.section(section).values():
            yield from _advice(section, row, in_use)


def advice_on(rows: Rows, section: str, sid: str) -> Iterator[Finding]:
    """What is unwise about one row; nothing about a row that is not there."""
    row = rows.section(section).get(sid)
    if row is None:
        return
    leads_here = section == "trunks" and any(domain.byoc_trunk_sid == sid for domain in rows.domains.values())
    yield from _advice(section, row, (sid,) if leads_here else ())


def _advice(section: str, row: Any, trunks_in_use: Collection[str | None]) -> Iterator[Finding]:
    judge = _OF_SECTION.get(section)
    path: Path = (section, row.sid)
    if judge is not None:
        for inner, text in judge(row):
            yield Finding((*path, *inner), text, Rule.ADVICE)
    if section == "trunks" and row.sid in trunks_in_use and row.voice_url is None and row.voice_twiml is None:
        text = "a domain leads here, but neither voice_url nor voice_twiml is set"
        yield Finding(path, text, Rule.ADVICE)


_Advice = tuple["Path", str]  # the place inside of the row


def _on_account(account: Account) -> Iterator[_Advice]:
    if account.status != "active":
        yield ("status",), f"is {account.status}: calls to its domains are refused with 403, those from it fail"


def _on_domain(domain: SipDomain) -> Iterator[_Advice]:
    if domain.byoc_trunk_sid is None:
        yield (), "no trunk is linked: every call to this domain is refused with 404"
    if domain.client_certificates is not None:
        return  # TLS proves who calls
    if not domain.ip_access_control_list_sids and not domain.credential_list_sids:
        yield (), "blocked: no authentication; map an IP access control list or a credential list"
    elif not domain.credential_list_sids:
        yield (), "IP access control lists alone stop no spoofed source; add a credential list"


def _on_addresses(acl: IpAccessControlList) -> Iterator[_Advice]:
    for at, entry in enumerate(acl.addresses):
        network = read_network(entry.cidr)
        if network.has_host_bits:
            yield ("addresses", at), f"{entry.cidr} has host bits set and is read as {network.cidr}"
        if network.cidr.endswith("/0"):
            yield ("addresses", at), f"{network.cidr} lets the whole Internet in"


def _on_policy(policy: ConnectionPolicy) -> Iterator[_Advice]:
    if not any(target.enabled for target in policy.targets):
        yield ("targets",), "no target is enabled: calls over this policy fail"
    yield from _on_health(policy.health, ("health",))
    for at, target in enumerate(policy.targets):
        if target.health is not None and target.health != policy.health:
            yield from _on_health(target.health, ("targets", at, "health"))
        level = target.tls.verify if target.tls is not None else ""
        if level in VERIFY_WARNINGS:
            yield ("targets", at, "tls", "verify"), VERIFY_WARNINGS[level]


def _on_health(rules: HealthRules, path: Path) -> Iterator[_Advice]:
    if rules.mode == "options" and rules.interval < COURTEOUS_INTERVAL:
        text = (
            f"OPTIONS every {rules.interval:g} s: many carriers want {COURTEOUS_INTERVAL:g} s or more between them"
        )
        yield (*path, "interval"), text
    if rules.mode != "off" and rules.misses == 1:
        yield (*path, "misses"), "one lost packet takes an address out of use; 2 or more are wiser"


def _on_trunk(trunk: ByocTrunk) -> Iterator[_Advice]:
    if trunk.from_user is not None and trunk.identity_header == "none":
        text = "stands in From instead of the number, and identity_header is none: no caller ID is sent"
        yield ("from_user",), text


_OF_SECTION: Final[dict[str, Callable[[Any], Iterator[_Advice]]]] = {
    "accounts": _on_account,
    "trunks": _on_trunk,
    "domains": _on_domain,
    "ip_access_control_lists": _on_addresses,
    "connection_policies": _on_policy,
}
