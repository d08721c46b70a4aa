"""The configuration, the names and the addresses of every simulated world.

One trunk, domain and policy for each way of reaching a carrier; each domain has a twin that asks for digest.
"""

from __future__ import annotations

import json
from functools import cache
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, Final

from byoc_proxy.config.load import Loaded, load
from byoc_proxy.sim.subscriber import STATUS
from byoc_proxy.sim.zone import Zone
from byoc_proxy.sip.locate import Srv

BASE: Final = "sip.example.test"
PASSWORD: Final = "Change-Me-12345"
VOICE: Final = "http://app.example.test/voice"
FALLBACK: Final = "http://backup.example.test/voice"
CALLERS: Final = tuple(f"203.0.113.{last}" for last in (8, 9, 10, 11))
GATEWAYS: Final = tuple(f"198.51.100.{last}" for last in range(1, 8))
STRANGER: Final = "192.0.2.200"
DARK: Final = "198.51.100.9"  # nobody lives there

# What each policy's targets are, and where that leads
POLICIES: Final[dict[str, dict[str, Any]]] = {
    "plain": {"targets": [("sip:198.51.100.1", 10), ("sip:198.51.100.2", 20)]},
    "names": {"targets": [("sip:gw.carrier.example:5060", 10)]},
    "srv": {"targets": [("sip:srv.carrier.example", 10), ("sip:198.51.100.6", 20)]},
    "tcp": {"targets": [("sip:198.51.100.4;transport=tcp", 10), ("sip:198.51.100.5;transport=tcp", 10)]},
    "moving": {"targets": [("sip:198.51.100.6", 10), ("sip:198.51.100.7", 10)], "follow_redirects": True},
    "broken": {
        "targets": [("sip:dead.carrier.example", 10), ("sip:nowhere.example", 10), ("sip:gw2.carrier.example", 20)]
    },
    "hasty": {
        "targets": [("sip:198.51.100.9", 10), ("sip:198.51.100.3", 20), ("sip:198.51.100.1", 30)],
        "no_reply_timeout": 1.0,
        "ring_no_progress_timeout": 3.0,
    },
}
ADDRESSES: Final[dict[str, frozenset[str]]] = {
    "plain": frozenset({"198.51.100.1", "198.51.100.2"}),
    "names": frozenset({"198.51.100.1", "198.51.100.2", "198.51.100.3"}),
    "srv": frozenset({"198.51.100.2", "198.51.100.3", "198.51.100.4", "198.51.100.6"}),
    "tcp": frozenset({"198.51.100.4", "198.51.100.5"}),
    "moving": frozenset({"198.51.100.6", "198.51.100.7"}),
    "broken": frozenset({"198.51.100.5", "198.51.100.9"}),
    "hasty": frozenset({"198.51.100.1", "198.51.100.3", "198.51.100.9"}),
}


def zone() -> Zone:
    """Where the names lead; `dead.carrier.example` is to fail, `nowhere.example` is unknown."""
    names = Zone()
    names.host("gw.carrier.example", "198.51.100.1", "198.51.100.2", "198.51.100.3")
    names.host("gw2.carrier.example", DARK, "198.51.100.5")
    names.host("a.carrier.example", "198.51.100.2", "198.51.100.3")
    names.host("b.carrier.example", "198.51.100.4")
    return names.service(
        "_sip._udp.srv.carrier.example",
        Srv(10, 5, 5060, "a.carrier.example"),
        Srv(20, 0, 5060, "b.carrier.example"),
    )


@cache
def installation(*, reloaded: bool = False) -> Loaded:
    """The configuration; `reloaded`: as an operator left it who disabled first targets and closed a domain."""
    document = _document()
    if reloaded:
        for policy in document["connection_policies"].values():
            policy["targets"][0]["enabled"] = len(policy["targets"]) < 2
        del document["domains"]["hasty"]
    with TemporaryDirectory() as directory:
        path = Path(directory) / "config.yaml"
        path.write_text(json.dumps(document))  # which is YAML
        return load(path, {})


def _document() -> dict[str, Any]:
    return {
        "base_domain": BASE,
        "listeners": [{"transport": each, "bind": "192.0.2.1:5060"} for each in ("udp", "tcp")],
        "digest_secret": "a-secret-of-the-simulation-0123456789",
        "accounts": {"acme": {"auth_token": "an-auth-token-of-the-simulation"}},
        "trunks": {name: _trunk(name) for name in POLICIES},
        "domains": {
            **{name: {"trunk": name, "ip_access_control_lists": ["sbcs"]} for name in POLICIES},
            **{
                f"{name}-digest": {
                    "trunk": name,
                    "ip_access_control_lists": ["sbcs"],
                    "credential_lists": ["sbcs"],
                }
                for name in POLICIES
            },
        },
        "ip_access_control_lists": {"sbcs": {"addresses": ["203.0.113.8/30"]}},
        "credential_lists": {"sbcs": {"credentials": [{"username": "sbc1", "password": PASSWORD}]}},
        "connection_policies": {name: _policy(**policy) for name, policy in POLICIES.items()},
    }


def _trunk(name: str) -> dict[str, Any]:
    return {
        "voice_url": VOICE,
        "voice_fallback_url": FALLBACK,
        "status_callback_url": STATUS,
        "connection_policy": name,
        "ringing": "relay" if name in {"names", "moving"} else "early",
    }


def _policy(targets: list[tuple[str, int]], **rest: Any) -> dict[str, Any]:
    return {"targets": [{"target": uri, "priority": priority} for uri, priority in targets], **rest}
