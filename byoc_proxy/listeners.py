"""The listeners of a node and the TLS files behind them: opened at start, the files swapped by a reload."""

from __future__ import annotations

import resource
from pathlib import Path
from typing import TYPE_CHECKING, Final

from byoc_proxy.net.lobby import Lobby, StreamLimits
from byoc_proxy.net.stream import StreamListener
from byoc_proxy.net.tls import ClientTls, server_context
from byoc_proxy.net.udp import UdpListener
from byoc_proxy.sip.uri import bracketed

if TYPE_CHECKING:
    import ssl
    from collections.abc import Callable
    from typing import Any

    from byoc_proxy.config.load import Loaded
    from byoc_proxy.config.settings import ConnectionLimits, Listener
    from byoc_proxy.net.endpoint import Endpoint
    from byoc_proxy.net.wire import Wire

DESCRIPTORS_OF_OUR_OWN: Final = 512  # for connections to carriers, webhooks, DNS and files

_Place = tuple[str, int]


class TlsFiles:
    """Every context that a configuration asks for, read at once. `net.tls.UnusableFile` names the file at fault."""

    def __init__(self, loaded: Loaded) -> None:
        asked = (domain.client_certificates for domain in loaded.resources.domains)
        authorities = sorted({Path(each.ca_file) for each in asked if each is not None})
        self.servers: dict[_Place, ssl.SSLContext] = {
            (listener.host, listener.port): _server(listener, authorities)
            for listener in loaded.settings.listeners
            if listener.transport == "TLS"
        }
        targets = (target for policy in loaded.resources.connection_policies for target in policy.targets)
        terms = (target.tls for target in targets if target.tls is not None)
        # reading the authorities of the system takes a while: only who speaks TLS does
        self.client = ClientTls(loaded.settings.tls_client, terms) if self.servers else None


class Listeners:
    """What a node listens on. `open` once, `renew` as often as there is a new configuration."""

    def __init__(self, endpoint: Endpoint, watch: Callable[[Callable[[], float]], None], log: Any) -> None:
        """`watch` is told where to ask how much waits unread."""
        self._endpoint = endpoint
        self._watch = watch
        self._log = log
        self._streams: dict[_Place, StreamListener] = {}

    def open(self, loaded: Loaded) -> None:
        """Open all; `OSError` names the one that cannot be had."""
        files = TlsFiles(loaded)
        lobby = Lobby(self._limits(loaded.settings.limits.connections), self._endpoint.busy)
        for listener in loaded.settings.listeners:
            try:
                wire = self._open(listener, lobby, files)
            except OSError as error:
                where = f"{listener.transport} {bracketed(listener.host)}:{listener.port}"
                raise OSError(error.errno, f"cannot listen on {where}: {error.strerror or error}") from error
            self._endpoint.add(wire)
            self._log.info("listener.open", transport=wire.transport, address=wire.local, sent_by=wire.sent_by)

    def read(self, loaded: Loaded) -> TlsFiles | None:
        """The files as they are now, for `renew`; None when nobody speaks TLS. `net.tls.UnusableFile`."""
        return TlsFiles(loaded) if self._streams else None

    def renew(self, files: TlsFiles | None) -> None:
        """New handshakes use these files; live connections go on as they are."""
        if files is None:
            return
        for place, stream in self._streams.items():
            stream.server_tls = files.servers.get(place, stream.server_tls)
            stream.client_tls = files.client

    def _open(self, listener: Listener, lobby: Lobby, files: TlsFiles) -> Wire:
        local = (listener.host, listener.port)
        host = bracketed(listener.advertise_host or listener.host)
        sent_by = f"{host}:{listener.advertise_port or listener.port}"
        if listener.transport == "UDP":
            wire = UdpListener(local, sent_by, self._endpoint)
            self._watch(wire.backlog)
            return wire
        if listener.transport == "TCP":
            return StreamListener(local, sent_by, self._endpoint, lobby)
        stream = StreamListener(
            local, sent_by, self._endpoint, lobby, server_tls=files.servers[local], client_tls=files.client
        )
        self._streams[local] = stream
        return stream

    def _limits(self, wanted: ConnectionLimits) -> StreamLimits:
        """As many connections as the process has descriptors for: one too many would take those of the calls."""
        _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
        resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))
        room = max(most - DESCRIPTORS_OF_OUR_OWN, 1) if most != resource.RLIM_INFINITY else wanted.max
        if room < wanted.max:
            text = f"limits.connections.max is {wanted.max}, and with {most} open files only {room} can be taken"
            self._log.warning("config.warning", text=f"{text}; raise LimitNOFILE (ulimit -Hn)")
        return StreamLimits(
            min(wanted.max, room),
            wanted.max_per_source,
            wanted.handshake_timeout,
            wanted.message_timeout,
            wanted.idle_timeout,
        )


def _server(listener: Listener, authorities: list[Path]) -> ssl.SSLContext:
    certificate, private_key = listener.certificate, listener.private_key
    if certificate is None or private_key is None:
        raise OSError(f"listener {bracketed(listener.host)}:{listener.port} has no certificate")
    return server_context(certificate, private_key, authorities)
