"""What must hold inside an access control list and a credential list, which refer to nothing but their account."""

from __future__ import annotations

from typing import TYPE_CHECKING

from byoc_proxy.trunk.findings import Finding, Rule
from byoc_proxy.trunk.networks import AddressError, read_network

if TYPE_CHECKING:
    from collections.abc import Iterator

    from byoc_proxy.trunk.findings import Path
    from byoc_proxy.trunk.model import CredentialList, IpAccessControlList
    from byoc_proxy.trunk.networks import Network

    Reading = tuple[Network | AddressError, ...]  # each entry of a list, or why it is none


def read_list(acl: IpAccessControlList) -> Reading:
    """The entries of a list as networks: read once, judged and compiled from the same reading."""
    return tuple(_read(entry.cidr) for entry in acl.addresses)


def _read(cidr: str) -> Network | AddressError:
    try:
        return read_network(cidr)
    except AddressError as error:
        return error


def check_addresses(acl: IpAccessControlList, reading: Reading) -> Iterator[Finding]:
    """Ranges of addresses, each once in a list, however it is spelt."""
    seen: set[str] = set()
    for at, network in enumerate(reading):
        path: Path = ("ip_access_control_lists", acl.sid, "addresses", at)
        if isinstance(network, AddressError):
            text = f"{network}; list the addresses that packets come from, not a host name"
            yield Finding(path, text, Rule.ADDRESS)
            continue
        if network.cidr in seen:
            yield Finding(path, f"{network.cidr} is in this list already", Rule.DUPLICATE_ENTRY)
        seen.add(network.cidr)


def check_credentials(credentials: CredentialList) -> Iterator[Finding]:
    """A user has one password in a list."""
    seen: set[str] = set()
    for at, credential in enumerate(credentials.credentials):
        if credential.username in seen:
            path = ("credential_lists", credentials.sid, "credentials", at, "username")
            text = f"user {credential.username!r} is in this list already"
            yield Finding(path, text, Rule.DUPLICATE_ENTRY)
        seen.add(credential.username)
