"""TCP and TLS: a listener, its outgoing connections, and the framing of messages on both (RFC 3261 §18, RFC 5626).

Everything of a dialog stays on its connection while that lives; a new one is opened only after it is gone.
Connections of our own are pooled by address, port and the name the TLS peer was verified as.
"""

from __future__ import annotations

import asyncio
import itertools
import os
import ssl
from typing import TYPE_CHECKING, Final, cast

from byoc_proxy.net.wire import Unreachable, with_port
from byoc_proxy.sip.flow import Flow
from byoc_proxy.sip.parser import ParseError, StreamParser

if TYPE_CHECKING:
    from byoc_proxy.net.wire import Receiver
    from byoc_proxy.sip.flow import Address
    from byoc_proxy.sip.locate import Hop

MAX_UNSENT: Final = 1 << 20  # bytes a peer may leave unread before it is cut off
_numbers = itertools.count(1)


class Connection(asyncio.Protocol):
    """One live stream."""

    def __init__(self, wire: StreamListener, server_name: str = "") -> None:
        self._wire = wire
        self._server_name = server_name
        self._parser = StreamParser()
        self._transport: asyncio.Transport
        self.flow: Flow

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast("asyncio.Transport", transport)
        local = transport.get_extra_info("sockname")[:2]
        remote = transport.get_extra_info("peername")[:2]
        wire = self._wire
        sent_by = wire.sent_by
        self.flow = Flow(wire.transport, local, remote, sent_by, next(_numbers), self._server_name)
        wire.opened(self)

    def data_received(self, data: bytes) -> None:
        receiver = self._wire.receiver
        self._parser.feed(data)
        try:
            while True:
                if self._parser.take_ping():
                    self._transport.write(b"\r\n")  # RFC 5626 §4.4.1: CRLFCRLF is answered with CRLF
                    continue
                message = self._parser.next_message()
                if message is None:
                    break
                receiver.delivered(message, self.flow)
        except ParseError as error:
            receiver.garbled(error, self.flow)
            receiver.flush()  # the 400 goes out before the stream, which is out of step, is closed
            self._transport.close()
            return
        receiver.flush()

    def connection_lost(self, error: Exception | None) -> None:
        self._wire.lost(self)

    def write(self, data: bytes) -> None:
        if self._transport.get_write_buffer_size() > MAX_UNSENT:
            self._transport.abort()
        else:
            self._transport.write(data)

    def close(self) -> None:
        self._transport.close()


class StreamListener:
    """One listening address of TCP or TLS, and the connections that it accepted or made."""

    def __init__(
        self,
        local: Address,
        sent_by: str,
        receiver: Receiver,
        *,
        server_tls: ssl.SSLContext | None = None,
        client_tls: ssl.SSLContext | None = None,
        connect_timeout: float = 4.0,
    ) -> None:
        """`server_tls` makes it a TLS listener; `client_tls` verifies the peers that we connect to."""
        self.transport: Final = "TLS" if server_tls else "TCP"
        self.local = local
        self.sent_by = sent_by
        self.receiver = receiver
        self._server_tls = server_tls
        self._client_tls = client_tls
        self._connect_timeout = connect_timeout
        self._server: asyncio.Server | None = None
        self._connections: dict[int, Connection] = {}
        self._connecting: dict[tuple[Address, str], asyncio.Task[Connection]] = {}

    async def start(self) -> None:
        """Listen; `OSError` when the address cannot be had."""
        loop = asyncio.get_running_loop()
        host, port = self.local
        try:
            self._server = await loop.create_server(
                lambda: Connection(self), host, port, ssl=self._server_tls, backlog=1024
            )
        except OSError as error:  # asyncio's own words name the address once more
            raise OSError(error.errno, os.strerror(error.errno or 0)) from error
        self.local = self._server.sockets[0].getsockname()[:2]
        self.sent_by = with_port(self.sent_by, self.local[1])

    def opened(self, connection: Connection) -> None:
        self._connections[connection.flow.connection] = connection

    def lost(self, connection: Connection) -> None:
        self._connections.pop(connection.flow.connection, None)
        self.receiver.closed(connection.flow)
        self.receiver.flush()

    def send(self, data: bytes, flow: Flow) -> None:
        connection = self._live(flow)
        if connection is not None:
            connection.write(data)
            return
        task = self._connect(flow.remote, flow.server_name)
        task.add_done_callback(lambda done: self._send_after(done, data))

    def _send_after(self, task: asyncio.Task[Connection], data: bytes) -> None:
        error = None if task.cancelled() else task.exception()
        if task.cancelled() or error is not None:
            self.receiver.undeliverable(data, str(error or "connecting was cancelled"))
            self.receiver.flush()
        else:
            task.result().write(data)

    async def reach(self, hop: Hop) -> Flow:
        remote = (hop.address, hop.port)
        server_name = hop.server_name if self.transport == "TLS" else ""
        for connection in self._connections.values():
            if connection.flow.remote == remote and connection.flow.server_name == server_name:
                return connection.flow
        # shielded: two calls may share one attempt to connect, and one of them may leave
        return (await asyncio.shield(self._connect(remote, server_name))).flow

    def _live(self, flow: Flow) -> Connection | None:
        connection = self._connections.get(flow.connection)
        if connection is None:
            for other in self._connections.values():
                if other.flow.remote == flow.remote and other.flow.server_name == flow.server_name:
                    return other
        return connection

    def _connect(self, remote: Address, server_name: str) -> asyncio.Task[Connection]:
        key = (remote, server_name)
        task = self._connecting.get(key)
        if task is None:
            task = asyncio.get_running_loop().create_task(self._open(remote, server_name))
            self._connecting[key] = task
            task.add_done_callback(lambda done: self._connecting.pop(key, None))
        return task

    async def _open(self, remote: Address, server_name: str) -> Connection:
        loop = asyncio.get_running_loop()
        tls = self._client_tls if self.transport == "TLS" else None
        name = (server_name or remote[0]) if tls else None
        try:
            async with asyncio.timeout(self._connect_timeout):
                _, connection = await loop.create_connection(
                    lambda: Connection(self, server_name), *remote, ssl=tls, server_hostname=name
                )
        except TimeoutError as error:
            raise Unreachable(f"{self.transport} connect silent for {self._connect_timeout:g} s") from error
        except ssl.SSLError as error:
            raise Unreachable(f"TLS failure: {error.reason or error}") from error
        except OSError as error:
            cause = os.strerror(error.errno) if error.errno else error  # asyncio's own words leave the cause out
            raise Unreachable(f"{self.transport} connect: {cause}") from error
        return connection

    async def close(self) -> None:
        if self._server is not None:
            self._server.close()
        for task in list(self._connecting.values()):
            task.cancel()
        for connection in list(self._connections.values()):
            connection.close()  # and not `wait_closed`: a peer that does not read would hold us up
