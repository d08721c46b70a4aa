"""Whom an X.509 certificate speaks for in SIP, and whether that is the one who was asked for (RFC 5922 §7).

Both directions use it: the server that we connect to, and the client that connects to us.
"""

from __future__ import annotations

import ipaddress
from typing import TYPE_CHECKING

from byoc_proxy.sip.uri import SipUri, UriError

if TYPE_CHECKING:
    from collections.abc import Iterable


def sip_identities(subject_alt_names: Iterable[tuple[str, str]]) -> tuple[str, ...]:
    """The identities in a certificate's subjectAltName, given as pairs of kind (`DNS`, `URI`...) and value.

    §7.1: `sip:` URIs without a user; the DNS names only if there is no such URI. The subject's CN is not looked at:
    §7.1 allows it for certificates without any subjectAltName, and public authorities issue none such.
    Addresses (kind `IP Address`) speak for targets that are addresses; RFC 5922 is silent on those.
    """
    uris: list[str] = []
    names: list[str] = []
    addresses: list[str] = []
    for kind, value in subject_alt_names:
        if kind == "URI":
            uris += _domain_of(value)
        elif kind == "DNS":
            names.append(value.lower())
        elif kind == "IP Address":
            addresses.append(_canonical(value.strip()))
    return (*(uris or names), *addresses)


def speaks_for(identities: Iterable[str], host: str) -> bool:
    """§7.2: equal as a whole and whatever the case; no suffix counts, and a wildcard matches but itself."""
    return _canonical(host) in identities


def _domain_of(uri: str) -> list[str]:
    if not uri.lower().startswith("sip:"):
        return []
    try:
        parsed = SipUri.parse(uri)
    except UriError:
        return []
    # §7.1: with a user part it is the identity of a user, not of a domain
    return [] if parsed.user is not None else [_canonical(parsed.host)]


def _canonical(host: str) -> str:
    bare = host.strip("[]")
    try:
        return str(ipaddress.ip_address(bare))
    except ValueError:
        return bare.lower().rstrip(".")
