"""The printed firewall rules in the real parsers and in a real kernel: who comes through, and who does not.

Everything happens in a network namespace that the test makes, which has a loopback interface and nothing else.
"""

import json
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml
from typer.testing import CliRunner

from byoc_proxy.__main__ import app
from tests.support.daemon import ROOT
from tests.support.programs import installed, run

pytestmark = pytest.mark.wire

PROBE = ROOT / "tests" / "support" / "probe.py"
APART = ("unshare", "--user", "--map-root-user", "--net")
FAMILIES = ("iptables-restore", "ip6tables-restore")
LOADERS = {
    "nftables": [("nft", "-f")],
    "iptables": [(name, "--noflush") for name in FAMILIES],
}
CHECKERS = {
    "nftables": [("nft", "-c", "-f")],
    "iptables": [
        *((name, "--test", "--noflush") for name in FAMILIES),
        *((name.replace("tables", "tables-legacy"), "--test", "--noflush") for name in FAMILIES),
    ],
}
each_form = pytest.mark.parametrize("form", ["nftables", "iptables"])

CONFIG: dict[str, Any] = {
    "base_domain": "sip.example.test",
    "listeners": [{"transport": "udp", "bind": "127.0.0.10:5060", "allow_private_address": True}],
    "signalling_ports": {"udp": 5060, "tcp": 5062, "tls": 5061},
    "accounts": {"acme": {"auth_token": "token"}},
    "trunks": {"main": {"voice_url": "https://app.example.test/voice", "connection_policy": "carriers"}},
    "domains": {"acme": {"trunk": "main", "ip_access_control_lists": ["carrier"]}},
    "ip_access_control_lists": {"carrier": {"addresses": ["127.0.0.2", "127.1.0.0/16"]}},
    "connection_policies": {"carriers": {"targets": [{"target": "sip:127.0.0.77"}]}},
}
NASTY = 'a "b" {c}; #d \\'
VARIANTS: dict[str, dict[str, Any]] = {
    "as above": {},
    "no source at all": {"ip_access_control_lists": {"carrier": {"addresses": []}}},
    "the whole Internet": {"ip_access_control_lists": {"carrier": {"addresses": ["0.0.0.0/0", "::/0"]}}},
    "ranges in ranges": {
        "ip_access_control_lists": {"carrier": {"addresses": ["10.0.0.0/8", "10.9.0.0/16", "10.9.0.1", "::1"]}}
    },
    "names with everything in them": {
        "ip_access_control_lists": {
            "carrier": {"friendly_name": NASTY, "addresses": [{"cidr": "192.0.2.1", "friendly_name": NASTY}]}
        }
    },
    "media of both families": {"media": {"addresses": ["127.0.0.64/26", "2001:db8::/64"]}},
    "a target by name": {"connection_policies": {"carriers": {"targets": [{"target": "sip:gw.example"}]}}},
    "one transport": {"signalling_ports": {"udp": 5060}},
}


def rules(directory: Path, form: str, changes: dict[str, Any], side: str = "proxy") -> str:
    """The file with what `byoc-proxy networking` prints."""
    config, file = directory / "config.yaml", directory / f"rules.{form}"
    config.write_text(yaml.safe_dump({**CONFIG, **changes}), encoding="utf-8")
    result = CliRunner().invoke(app, ["networking", "-c", str(config), "--format", form, "--side", side])
    assert result.exit_code == 0, result.output
    file.write_text(result.stdout, encoding="utf-8")
    return str(file)


@each_form
@pytest.mark.parametrize("side", ["proxy", "carrier"])
@pytest.mark.parametrize("changes", VARIANTS.values(), ids=VARIANTS.keys())
async def test_the_real_parser_takes_the_rules(
    tmp_path: Path, form: str, side: str, changes: dict[str, Any]
) -> None:
    """S26: firewall rules."""
    file = rules(tmp_path, form, changes, side)
    for name, *options in CHECKERS[form]:
        code, said = await run(tmp_path, *APART, installed(name, form), *options, file)
        assert (code, said) == (0, ""), name


@each_form
async def test_the_carriers_come_through_to_the_signalling_ports_and_nobody_else(tmp_path: Path, form: str) -> None:
    """S26: the rules do in a kernel what they say; loaded twice, they do the same."""
    file = rules(tmp_path, form, {"media": {"addresses": ["127.0.0.64/26"], "ports": "10000-60000"}})
    loaders = [[installed(name, form), *options, file] for name, *options in LOADERS[form]]
    probes = {
        "listed, UDP": ("udp", "127.0.0.2", "127.0.0.10", 5060),
        "in a listed range, TLS": ("tcp", "127.1.2.3", "127.0.0.10", 5061),
        "a carrier that we call, TCP": ("tcp", "127.0.0.77", "127.0.0.10", 5062),
        "media from anywhere": ("udp", "127.0.0.3", "127.0.0.65", 12000),
        "another port": ("udp", "127.0.0.3", "127.0.0.10", 9999),
        "another port over TCP": ("tcp", "127.0.0.3", "127.0.0.10", 22),
        "a stranger, UDP": ("udp", "127.0.0.3", "127.0.0.10", 5060),
        "a stranger, TLS": ("tcp", "127.0.0.3", "127.0.0.10", 5061),
        "a stranger over IPv6": ("udp", "::1", "::1", 5060),
    }
    (tmp_path / "plan.json").write_text(
        json.dumps({"before": [*loaders, *loaders], "probes": list(probes.values())}), encoding="utf-8"
    )
    code, said = await run(tmp_path, *APART, sys.executable, str(PROBE), "plan.json")
    assert code == 0, said
    outcome = dict(zip(probes, json.loads(said.splitlines()[-1]), strict=True))
    assert outcome == {name: "a stranger" not in name for name in probes}
