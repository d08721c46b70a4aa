"""TCP and TLS: a listener, the connections that it accepted, and its pool of connections of our own.

Everything of a dialog stays on its connection while that lives; a new one is opened only after it is gone.
Connections are pooled by address, port, the name the TLS peer was verified as, and the terms of that (the level of
verification, the authorities, the client certificate): what one target may use, another may not.
"""

from __future__ import annotations

import asyncio
import itertools
import os
import socket
import ssl
from typing import TYPE_CHECKING, Final

from byoc_proxy.net.acceptor import Acceptor
from byoc_proxy.net.connection import Connection, lost_because
from byoc_proxy.net.tls import failure
from byoc_proxy.net.wire import TENTATIVE, Unreachable, with_port
from byoc_proxy.sip.flow import Flow

if TYPE_CHECKING:
    from byoc_proxy.net.lobby import Lobby, StreamLimits
    from byoc_proxy.net.tls import ClientTls
    from byoc_proxy.net.wire import StreamReceiver
    from byoc_proxy.sip.flow import Address, TlsTerms
    from byoc_proxy.sip.locate import Hop

SHUTDOWN: Final = 2.0  # seconds that a TLS peer has to say good-bye
_ANY: Final = ("0.0.0.0", "::")
_numbers = itertools.count(1)

PoolKey = tuple["Address", str, "TlsTerms | None"]


class StreamListener:
    """One listening address of TCP or TLS, and the connections that it accepted or made."""

    def __init__(
        self,
        local: Address,
        sent_by: str,
        receiver: StreamReceiver,
        lobby: Lobby,
        *,
        server_tls: ssl.SSLContext | None = None,
        client_tls: ClientTls | None = None,
    ) -> None:
        """Listen; `OSError` when the address cannot be had. `server_tls` makes it a TLS listener."""
        self.transport: Final = "TLS" if server_tls else "TCP"
        self.receiver = receiver
        self.limits: StreamLimits = lobby.limits
        self.server_tls = server_tls  # for the next handshake; live connections keep theirs
        self.client_tls = client_tls
        self._lobby = lobby
        self._connections: dict[int, Connection] = {}
        self._pool: dict[PoolKey, Connection] = {}
        self._connecting: dict[PoolKey, asyncio.Task[Connection]] = {}
        self._greetings: set[asyncio.Task[None]] = set()
        self._loop = asyncio.get_running_loop()
        self._acceptor = Acceptor(local, self._accepted)
        self.local = self._acceptor.local
        self.sent_by = with_port(sent_by, self.local[1])

    # --- connections of others -----------------------------------------------------------------------------

    def _accepted(self, accepted: socket.socket, address: Address) -> None:
        cause = self._lobby.refusal(address[0])
        if cause is not None:
            accepted.close()
            self.receiver.turned_away(cause, Flow(self.transport, self.local, address, self.sent_by))
            return
        connection = Connection(self, next(_numbers), address)
        self._lobby.enter(connection)
        connection.greeting = task = self._loop.create_task(self._greet(connection, accepted))
        self._greetings.add(task)
        task.add_done_callback(lambda done: self._greeted(done, connection, accepted))

    async def _greet(self, connection: Connection, accepted: socket.socket) -> None:
        """Shake hands, if it is TLS."""
        if self.server_tls is None:
            await self._loop.connect_accepted_socket(lambda: connection, accepted)
        else:
            await self._loop.connect_accepted_socket(
                lambda: connection,
                accepted,
                ssl=self.server_tls,
                ssl_handshake_timeout=self.limits.handshake_timeout,
                ssl_shutdown_timeout=SHUTDOWN,
            )

    def _greeted(self, done: asyncio.Task[None], connection: Connection, accepted: socket.socket) -> None:
        """What never came up is told and forgotten here: asyncio does not call `connection_lost` for it."""
        self._greetings.discard(done)
        connection.greeting = None
        error = None if done.cancelled() else done.exception()
        if error is None and not done.cancelled():
            return
        accepted.close()
        self._lobby.leave(connection)
        flow = Flow(self.transport, self.local, (connection.source, 0), self.sent_by)
        self.receiver.turned_away(f"{self.transport} handshake: {error or 'others need the place'}", flow)
        if error is not None and not isinstance(error, OSError):
            raise error

    # --- what the connections say --------------------------------------------------------------------------

    def opened(self, connection: Connection) -> None:
        flow = connection.flow
        if flow is None:
            return
        self._connections[connection.number] = connection
        self._pool.setdefault((flow.remote, flow.server_name, flow.terms), connection)

    def is_leaving(self, connection: Connection) -> bool:
        return connection.number not in self._connections

    def leaves(self, connection: Connection) -> None:
        """Nothing is sent on it any more."""
        self._connections.pop(connection.number, None)
        flow = connection.flow
        if flow is not None and self._pool.get(key := (flow.remote, flow.server_name, flow.terms)) is connection:
            del self._pool[key]

    def lost(self, connection: Connection, error: Exception | None) -> None:
        self._lobby.leave(connection)
        self.leaves(connection)
        if connection.flow is not None:
            self.receiver.closed(connection.flow, lost_because(error))
            self.receiver.flush()

    def checks_names(self, terms: TlsTerms | None) -> bool:
        """Whether a peer of ours must be who we asked for, and not only somebody whom an authority knows."""
        return self.client_tls is not None and self.client_tls.terms(terms).verify == "full"

    # --- what the endpoint asks ----------------------------------------------------------------------------

    def send(self, data: bytes, flow: Flow) -> None:
        connection = self._connections.get(flow.connection) or self._pool.get(_key(flow))
        if connection is not None:
            connection.write(data)
            return
        task = self._connect(_key(flow), TENTATIVE if flow.tentative else self.limits.connect_timeout)
        task.add_done_callback(lambda done: self._send_after(done, data))

    def _send_after(self, task: asyncio.Task[Connection], data: bytes) -> None:
        error = None if task.cancelled() else task.exception()
        if task.cancelled() or error is not None:
            self.receiver.undeliverable(data, str(error or "connecting was cancelled"))
            self.receiver.flush()
        else:
            task.result().write(data)

    async def reach(self, hop: Hop, terms: TlsTerms | None = None) -> Flow:
        if self.transport == "TLS":
            key: PoolKey = ((hop.address, hop.port), (terms.name if terms else "") or hop.server_name, terms)
        else:
            key = ((hop.address, hop.port), "", None)
        connection = self._pool.get(key)
        if connection is None:
            # shielded: two calls may share one attempt to connect, and one of them may leave
            connection = await asyncio.shield(self._connect(key, self.limits.connect_timeout))
        if connection.flow is None:
            raise Unreachable(connection.fault)
        return connection.flow

    # --- connections of ours -------------------------------------------------------------------------------

    def _connect(self, key: PoolKey, patience: float) -> asyncio.Task[Connection]:
        task = self._connecting.get(key)
        if task is None:
            task = self._loop.create_task(self._open(key, patience))
            self._connecting[key] = task
            task.add_done_callback(lambda done: self._connecting.pop(key, None))
        return task

    async def _open(self, key: PoolKey, patience: float) -> Connection:
        (host, port), name, _ = key
        stage = f"{self.transport} connect"
        try:
            async with asyncio.timeout(patience):
                tcp = await self._dial(host, port)
                stage = "TLS handshake"
                connection = await self._shake_hands(tcp, key)
        except TimeoutError as error:
            raise Unreachable(f"{stage} silent for {patience:g} s") from error
        except (ssl.SSLError, ConnectionAbortedError) as error:
            raise Unreachable(failure(error, name or host)) from error
        except OSError as error:
            cause = os.strerror(error.errno) if error.errno else error  # asyncio's own words leave the cause out
            raise Unreachable(f"{stage}: {cause}") from error
        if connection.fault:
            raise Unreachable(connection.fault)
        return connection

    async def _dial(self, host: str, port: int) -> socket.socket:
        """A TCP connection from the listener's own address: a carrier's access list names that one."""
        tcp = socket.socket(socket.AF_INET6 if ":" in host else socket.AF_INET, socket.SOCK_STREAM)
        try:
            tcp.setblocking(False)
            if self.local[0] not in _ANY:
                tcp.bind((self.local[0], 0))
            await self._loop.sock_connect(tcp, (host, port))
        except (OSError, asyncio.CancelledError):
            tcp.close()
            raise
        return tcp

    async def _shake_hands(self, tcp: socket.socket, key: PoolKey) -> Connection:
        (host, port), name, terms = key
        connection = Connection(self, next(_numbers), (host, port), name, terms, ours=True)
        client = self.client_tls if self.transport == "TLS" else None
        try:
            if client is None:
                await self._loop.create_connection(lambda: connection, sock=tcp)
            else:
                # SNI is the name that will be compared; the ssl module sends none for an address (RFC 6066 §3)
                await self._loop.create_connection(
                    lambda: connection,
                    sock=tcp,
                    ssl=client.context(terms),
                    server_hostname=name or host,
                    ssl_shutdown_timeout=SHUTDOWN,
                )
        except (OSError, asyncio.CancelledError):
            tcp.close()
            raise
        return connection

    async def close(self) -> None:
        self._acceptor.close()
        for task in (*self._connecting.values(), *self._greetings):
            task.cancel()
        for connection in list(self._connections.values()):
            connection.close()  # and not waited for: a peer that does not read would hold us up


def _key(flow: Flow) -> PoolKey:
    return flow.remote, flow.server_name, flow.terms
