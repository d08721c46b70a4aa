"""What must hold of a domain's name and of its static addresses, as the BYOC page has it."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final

from byoc_proxy.trunk.findings import Finding, Rule
from byoc_proxy.trunk.networks import AddressError, read_address, read_network

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from byoc_proxy.trunk.findings import Path
    from byoc_proxy.trunk.model import SipDomain
    from byoc_proxy.trunk.rows import Rows

LONGEST_NAME: Final = 253  # RFC 1035 §2.3.4, as text
_LABEL: Final = re.compile(r"[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?")


def higher_name(domain_name: str) -> str:
    """The name of the higher-level domain, or the base domain, that a domain's name is under."""
    return domain_name.partition(".")[2]


def check_name(domain: SipDomain, rows: Rows, path: Path) -> Iterator[Finding]:
    """A domain's name: its form first, then who else has it (in any case) and what is above it."""
    base, regions = rows.installation.base_domain, rows.installation.regions
    full_name = domain.domain_name.lower()
    name = full_name.removesuffix(f".{base}")
    if name == full_name:
        yield Finding(path, f"{name!r} must end in .{base}; write example.{base}", Rule.NAME_SUFFIX)
        return
    labels = name.split(".")
    holder = rows.names.get(full_name)
    if holder is not None and holder.sid != domain.sid:
        yield Finding(path, f"{full_name} already exists; domain names are unique", Rule.DUPLICATE_NAME)
    elif domain.domain_name != full_name or len(full_name) > LONGEST_NAME or not all(map(_LABEL.fullmatch, labels)):
        text = f"{domain.domain_name!r} may hold lower-case letters, digits and dashes only"
        yield Finding(path, text, Rule.NAME_FORM)
        return
    if labels[-1] in regions:
        text = f"{labels[-1]!r} is the name of a region, so localized names would be ambiguous"
        yield Finding(path, text, Rule.NAME_FORM)
    elif len(labels) > 1:
        yield from _check_higher(domain, rows, path)


def _check_higher(domain: SipDomain, rows: Rows, path: Path) -> Iterator[Finding]:
    name = higher_name(domain.domain_name)
    higher, owner = rows.names.get(name), rows.accounts.get(domain.account_sid)
    if higher is None:
        dashed = domain.domain_name.replace(".", "-", 1)
        text = f"the higher-level domain {name} must exist first; or use a dash: {dashed}"
        yield Finding(path, text, Rule.HIGHER_MISSING)
    elif owner is not None and higher.account_sid not in (owner.sid, owner.parent_sid):
        text = f"the higher-level domain {name} must belong to the same or the parent account"
        yield Finding(path, text, Rule.HIGHER_FOREIGN)


def check_static_ips(domain: SipDomain, rows: Rows, path: Path) -> Iterator[Finding]:
    """Static addresses are allowed per account, in some regions, inside the account's private interconnect."""
    account = rows.accounts.get(domain.account_sid)
    if account is None or not domain.static_ips:
        return  # that there is no such account is said of its reference
    if not account.static_ip:
        text = "static addresses are off for this account; set static_ip: true on it"
        yield Finding(path, text, Rule.STATIC_IP_OFF)
    place = rows.installation
    if place.region not in place.static_ip_regions:
        names = ", ".join(place.static_ip_regions) or "no region"
        text = f"not available in region {place.region}; only in {names}"
        yield Finding(path, text, Rule.STATIC_IP_REGION)
    seen: set[str] = set()
    for at, address in enumerate(domain.static_ips):
        yield from _check_inside(address, account.interconnect, (*path, at))
        if address in seen or rows.static_ips[address].sid != domain.sid:
            text = f"{address} is a static address of another entry; one address leads to one domain"
            yield Finding((*path, at), text, Rule.STATIC_IP_TAKEN)
        seen.add(address)


def _check_inside(text: str, interconnect: Iterable[str], path: Path) -> Iterator[Finding]:
    try:
        if read_address(text) != text:
            advice = f"{text!r} is not in canonical form; write {read_address(text)}"
            yield Finding(path, advice, Rule.ADDRESS)
        address = read_network(text)
        if not any(read_network(cidr).contains(address) for cidr in interconnect):
            outside = f"{text} is outside the interconnect ranges of the account"
            yield Finding(path, outside, Rule.STATIC_IP_RANGE)
    except AddressError as error:
        advice = f"{error}; interconnect ranges and static addresses are plain IP addresses"
        yield Finding(path, advice, Rule.ADDRESS)
