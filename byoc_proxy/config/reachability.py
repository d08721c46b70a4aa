"""Whether the far ends of the resources could ever answer to the address that a listener tells them.

A private address in Via and Contact is the commonest cause of calls that die after 32 seconds: the carrier's ACK
and BYE go nowhere. It is found here, before the first call.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from byoc_proxy.sip.addresses import is_numeric, is_private, is_private_network

if TYPE_CHECKING:
    from collections.abc import Iterator

    from byoc_proxy.config.explain import Problem
    from byoc_proxy.config.settings import Listener, Settings
    from byoc_proxy.trunk.model import Resources

_ADVICE = "set `advertise` to the public address, or `allow_private_address: true` if that is meant"


def reachability_problems(settings: Settings, rows: Resources) -> Iterator[Problem]:
    """Listeners that tell public far ends a private address."""
    private = [
        (at, listener)
        for at, listener in enumerate(settings.listeners)
        if is_private(_told(listener)) and not listener.allow_private_address
    ]
    # another listener may be for the public ones; and on loopback nobody public can be meant
    all_are_private = len(private) == len(settings.listeners)
    on_loopback = all(listener.host in ("127.0.0.1", "::1") for listener in settings.listeners)
    public_peer = _public_peer(rows) if all_are_private and not on_loopback else None
    for at, listener in private:
        path = ("listeners", at, "advertise" if listener.advertise_host else "bind")
        if is_numeric(listener.host) and not is_private(listener.host):
            yield path, f"tells far ends of a public listener the private address {_told(listener)}; {_ADVICE}"
        elif public_peer is not None:
            text = f"{_told(listener)} is private, and {public_peer} could never send its ACK or BYE there"
            yield path, f"{text}; {_ADVICE}"


def _told(listener: Listener) -> str:
    return listener.advertise_host or listener.host


def _public_peer(rows: Resources) -> str | None:
    """The first far end that is known to have a public address, in words."""
    for acl in rows.ip_access_control_lists:
        for entry in acl.addresses:
            if not is_private_network(entry.cidr):
                return f"{entry.cidr} of list '{acl.friendly_name}'"
    for policy in rows.connection_policies:
        for target in policy.targets:
            host = target.target.host
            if is_numeric(host) and not is_private(host):
                return f"target {target.target} of policy '{policy.friendly_name}'"
    return None
