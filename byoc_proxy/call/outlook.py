"""What operators see of the carriers: each policy, target and address with its state, as values for JSON."""

from __future__ import annotations

from typing import TYPE_CHECKING

from byoc_proxy.call.evidence import spelt
from byoc_proxy.storage.record import timestamp
from byoc_proxy.trunk.health import rules_of

if TYPE_CHECKING:
    from byoc_proxy.call.services import Services
    from byoc_proxy.trunk.health import Watch
    from byoc_proxy.trunk.model import ConnectionPolicy, ConnectionPolicyTarget


def targets_report(services: Services) -> dict[str, object]:
    """The report of now. Moments are ISO 8601 in UTC; what ends in `_in` or `seconds` is seconds."""
    policies = services.directories.current.connection_policies.values()
    return {
        "at": timestamp(services.wall()),
        "policies": [
            {
                "policy_sid": policy.sid,
                "policy": policy.friendly_name,
                "account_sid": policy.account_sid,
                "targets": [_target(services, policy, target) for target in policy.targets],
            }
            for policy in policies
        ],
    }


def _target(services: Services, policy: ConnectionPolicy, target: ConnectionPolicyTarget) -> dict[str, object]:
    rules = rules_of(policy, target)
    watched = services.health.targets.get(target.sid)
    uri = target.target
    return {
        "target_sid": target.sid,
        "target": str(uri.with_user(uri.user).without_headers()),  # no password, no headers
        "name": target.friendly_name,
        "enabled": target.enabled,
        "priority": target.priority,
        "weight": target.weight,
        "health": rules.mode,
        "interval": rules.interval,
        "problem": "; ".join(watched.problems.values()) if watched is not None else "",
        "addresses": [_address(services, watch) for watch in watched.addresses.values()] if watched else [],
    }


def _address(services: Services, watch: Watch) -> dict[str, object]:
    now = services.endpoint.now
    wall = services.wall() - now
    rests_until = services.health.resting.until(watch.hop, now)
    last = None
    if watch.last is not None:
        at, evidence = watch.last
        last = {
            "at": timestamp(wall + at),
            "by": evidence.by,
            "text": evidence.text,
            "status": evidence.status,
            "seconds": evidence.seconds,
        }
    return {
        "address": spelt(watch.hop),
        "region": watch.region,
        "state": watch.state,
        "since": timestamp(wall + watch.since),
        "in_use": rests_until is None and not watch.is_avoided(now),
        "rests_until": timestamp(wall + rests_until) if rests_until is not None else None,
        "misses": watch.misses,
        "answers": watch.answers,
        "last": last,
        "next_probe_in": _ahead(watch.next_probe, now),
        "next_trial_in": _ahead(watch.until, now) if watch.is_avoided(now) and watch.next_probe is None else None,
    }


def _ahead(at: float | None, now: float) -> float | None:
    return round(max(at - now, 0.0), 1) if at is not None else None
