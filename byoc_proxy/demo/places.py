"""Where everything of the demo is, and the proxy's configuration that goes with it. Loopback only, no root.

Every party has a loopback address of its own and a port that is free now, so nothing collides with a daemon
that runs on the same machine.
"""

from __future__ import annotations

import contextlib
import socket
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from byoc_proxy.trunk.model import stable_sid

if TYPE_CHECKING:
    from pathlib import Path

    from byoc_proxy.sip.flow import Address

PROXY: Final = "127.0.0.10"
CARRIER_A: Final = "127.0.0.11"
FIRST_B: Final = "127.0.0.21"
SECOND_B: Final = "127.0.0.22"
NAMES: Final = "127.0.0.53"
APPLICATION: Final = "127.0.0.80"

PROXY_NAME: Final = "byoc-proxy"
CARRIER_B_NAME: Final = "carrier-b.demo.test"
DOMAIN: Final = "acme.sip.demo.test"
CALLER: Final = "+15550100"
CALLED: Final = "+15550123"  # the number of ours that carrier A's customer dials
ONWARD: Final = "+15550199"  # where the application sends the call
USER, PASSWORD = "carrier-a", "Loopback-Only-2024"
AUTH_TOKEN: Final = "loopback-demo-auth-token"
TRUNK_SID: Final = stable_sid("BY", "demo")

_TRIES: Final = 20


@dataclass(frozen=True, slots=True)
class Places:
    """Address and port of every party. Carrier B's two addresses share their port, as A records want it."""

    proxy: Address
    carrier_a: Address
    first_b: Address
    second_b: Address
    names: Address
    application: Address

    @classmethod
    def free(cls) -> Places:
        """Places that nobody uses now; `OSError` when loopback has no such addresses (only Linux has them all)."""
        port_of_b = _free_port(socket.SOCK_DGRAM, FIRST_B, SECOND_B)
        return cls(
            (PROXY, _free_port(socket.SOCK_DGRAM, PROXY)),
            (CARRIER_A, _free_port(socket.SOCK_DGRAM, CARRIER_A)),
            (FIRST_B, port_of_b),
            (SECOND_B, port_of_b),
            (NAMES, _free_port(socket.SOCK_DGRAM, NAMES)),
            (APPLICATION, _free_port(socket.SOCK_STREAM, APPLICATION)),
        )

    @property
    def voice_url(self) -> str:
        return f"http://{spelt(self.application)}/voice"

    def write_configuration(self, path: Path) -> None:
        """The file that `byoc-proxy run -c` would be given."""
        path.write_text(
            _CONFIGURATION.format(
                proxy=spelt(self.proxy),
                names=spelt(self.names),
                voice_url=self.voice_url,
                carrier_a=CARRIER_A,
                user=USER,
                password=PASSWORD,
                token=AUTH_TOKEN,
                target=f"sip:{CARRIER_B_NAME}:{self.first_b[1]}",
            ),
            encoding="utf-8",
        )


def spelt(address: Address) -> str:
    """`host:port`."""
    return f"{address[0]}:{address[1]}"


def _free_port(kind: socket.SocketKind, *hosts: str) -> int:
    """A port that is free on all `hosts` at once."""
    refusal = OSError("no free port")
    for _ in range(_TRIES):
        with contextlib.ExitStack() as stack:
            first, *others = [stack.enter_context(socket.socket(socket.AF_INET, kind)) for _ in hosts]
            first.bind((hosts[0], 0))
            port: int = first.getsockname()[1]
            try:
                for other, host in zip(others, hosts[1:], strict=True):
                    other.bind((host, port))
            except OSError as error:
                refusal = error
            else:
                return port
    raise refusal


_CONFIGURATION: Final = """\
base_domain: sip.demo.test
listeners:
  - {{transport: udp, bind: "{proxy}"}}
dns: {{nameservers: ["{names}"]}}
accounts:
  acme: {{auth_token: "{token}"}}
trunks:
  demo: {{friendly_name: Demo, voice_url: "{voice_url}", connection_policy: carrier-b}}
domains:
  acme: {{trunk: demo, ip_access_control_lists: [carrier-a], credential_lists: [carrier-a]}}
ip_access_control_lists:
  carrier-a:
    friendly_name: Carrier A
    addresses: [{{cidr: {carrier_a}, friendly_name: SBC of carrier A}}]
credential_lists:
  carrier-a: {{credentials: [{{username: {user}, password: "{password}"}}]}}
connection_policies:
  carrier-b: {{targets: [{{target: "{target}"}}]}}
"""
