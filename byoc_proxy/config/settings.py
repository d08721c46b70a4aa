"""What the process itself is told: listeners, files, limits. Read at start; resources are not here.

Times are in seconds. Files are absolute paths: relative ones were taken from the directory of the
configuration file.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Literal

from byoc_proxy.trunk.networking import Edge
from byoc_proxy.trunk.strangers import StrangerLimits

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from byoc_proxy.sip.flow import TlsTerms
    from byoc_proxy.sip.locate import Transport


@dataclass(frozen=True, slots=True)
class Listener:
    """Where SIP is received. `host` is numeric, port 0 takes a free one; TLS has both files, others neither.

    `advertise_host` and `advertise_port` are what Via and Contact say instead, behind a NAT for example.
    `allow_private_address`: public far ends are told a private one on purpose.
    """

    transport: Transport
    host: str
    port: int
    advertise_host: str | None = None
    advertise_port: int | None = None
    certificate: Path | None = None
    private_key: Path | None = None
    allow_private_address: bool = False

    @property
    def edge(self) -> Edge:
        """What far ends are told of it."""
        host, port = self.advertise_host or self.host, self.advertise_port or self.port
        return Edge(self.transport, host, port, ":" in self.host)


@dataclass(frozen=True, slots=True)
class Dns:
    """`nameservers` as `host` or `host:port`; empty: the system's. `timeout` is for one query."""

    nameservers: tuple[str, ...] = ()
    timeout: float = 2.0


@dataclass(frozen=True, slots=True)
class WebhookTimes:
    """How long a webhook may take to connect, and in all; after which time a status callback is given up; and how
    many requests of live calls may be under way to one host.
    """

    connect_timeout: float = 5.0
    total_timeout: float = 15.0
    callback_patience: float = 3600.0
    requests_per_host: int = 256


@dataclass(frozen=True, slots=True)
class Log:
    """What is logged and how it looks."""

    level: Literal["debug", "info", "warning", "error"] = "info"
    format: Literal["json", "console"] = "json"


@dataclass(frozen=True, slots=True)
class ConnectionLimits:
    """Connections that others open over TCP and TLS: how many, in all and from one source, and how slow."""

    max: int = 5000
    max_per_source: int = 200
    handshake_timeout: float = 5.0
    message_timeout: float = 10.0
    idle_timeout: float = 600.0


@dataclass(frozen=True, slots=True)
class Limits:
    """`max_calls` at a time, `max_calls_per_second` (None: any); `drain_grace` for calls to end by themselves at
    shutdown.
    """

    max_calls: int = 5000
    max_calls_per_second: int | None = None
    drain_grace: float = 30.0
    connections: ConnectionLimits = ConnectionLimits()
    strangers: StrangerLimits = StrangerLimits()


@dataclass(frozen=True, slots=True)
class Health:
    """Where `/healthz` and `/readyz` are answered over HTTP."""

    host: str
    port: int


@dataclass(frozen=True, slots=True)
class DatabasePlace:
    """`url` as `storage.database` takes it, a file's name absolute. `key_file` None: beside the file. Calls and
    alerts are kept for so many days.
    """

    url: str = field(repr=False)  # may hold a password
    key_file: Path | None = None
    keep_calls: int = 90
    keep_alerts: int = 30


@dataclass(frozen=True, slots=True)
class Api:
    """Where the REST API is served, and how many of a resource an account (or a list) may have, by name.

    `calls_per_second` is the pace at which the calls of an account go out that has none of its own; `queued_calls`
    of an account may wait for that.
    """

    host: str
    port: int
    limits: Mapping[str, int] = field(default_factory=dict)
    calls_per_second: int = 1
    queued_calls: int = 1000


@dataclass(frozen=True, slots=True)
class Settings:
    """`digest_secret` None: make one at start, which suits a single node. `database` None: there is none."""

    listeners: tuple[Listener, ...]
    tls_client: TlsTerms
    dns: Dns
    webhooks: WebhookTimes
    log: Log
    limits: Limits
    health: Health | None = None
    api: Api | None = None
    records: Path | None = None
    database: DatabasePlace | None = None
    digest_secret: bytes | None = field(default=None, repr=False)

    @property
    def edges(self) -> tuple[Edge, ...]:
        """The listeners as far ends are told of them; one that takes any free port is not to be told of."""
        edges = (listener.edge for listener in self.listeners)
        return tuple(edge for edge in edges if edge.port)
