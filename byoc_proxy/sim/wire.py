"""The proxy's side of the in-memory network: a `net.wire.Wire`."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Final

from byoc_proxy.net.wire import TENTATIVE, StreamReceiver, Unreachable
from byoc_proxy.sip.flow import Address, Flow, TlsTerms
from byoc_proxy.sip.parser import ParseError, parse_datagram
from byoc_proxy.sip.uri import bracketed

if TYPE_CHECKING:
    from byoc_proxy.config.settings import Listener
    from byoc_proxy.net.endpoint import Endpoint
    from byoc_proxy.sim.network import Network
    from byoc_proxy.sip.locate import Hop

CONNECT_TIMEOUT: Final = 4.0


def listen(network: Network, listener: Listener, endpoint: Endpoint) -> NodeWire:
    """Open one listener of the settings on the network, as `listeners.Listeners` does on sockets."""
    host = bracketed(listener.advertise_host or listener.host)
    sent_by = f"{host}:{listener.advertise_port or listener.port}"
    wire = NodeWire(network, listener.transport, (listener.host, listener.port), sent_by, endpoint)
    endpoint.add(wire)
    return wire


class NodeWire:
    """One listener of the proxy on the network."""

    def __init__(
        self, network: Network, transport: str, local: Address, sent_by: str, receiver: StreamReceiver
    ) -> None:
        self._transport = transport
        self._local = local
        self._sent_by = sent_by
        self._network = network
        self._receiver = receiver
        self._flows: dict[int, Flow] = {}
        self.closed = False
        network.attach(transport, local, self)

    @property
    def transport(self) -> str:
        return self._transport

    @property
    def local(self) -> Address:
        return self._local

    @property
    def sent_by(self) -> str:
        return self._sent_by

    def takes(self, data: bytes, transport: str, source: Address, here: Address, stream: int) -> None:
        if transport == "UDP":
            self._receiver.received(data, Flow("UDP", self.local, source, self.sent_by))
        else:
            self._takes_of_stream(data, self._flow(stream, here, source))
        self._receiver.flush()

    def _takes_of_stream(self, data: bytes, flow: Flow) -> None:
        try:
            message = parse_datagram(data)
        except ParseError as error:
            self._receiver.garbled(error, flow)
        else:
            self._receiver.delivered(message, flow)

    def loses(self, stream: int) -> None:
        flow = self._flows.pop(stream, None)
        if flow is not None:
            self._receiver.closed(flow)
            self._receiver.flush()

    def send(self, data: bytes, flow: Flow) -> None:
        if flow.reliable and flow.connection not in self._flows:
            if self._network.moods.get(flow.remote[0]) == "hangs":
                patience = TENTATIVE if flow.tentative else CONNECT_TIMEOUT
                asyncio.get_running_loop().call_later(patience, self._is_undeliverable, data, "silent")
                return
            try:
                flow = self._pooled(flow.remote, flow.server_name) or self._open(flow.remote, flow.server_name)
            except Unreachable as error:
                self._is_undeliverable(data, str(error))
                return
        fate = self._network.send(data, self.transport, flow.local, flow.remote, flow.connection)
        if fate == "unreachable":
            self._is_undeliverable(data, "ICMP: Connection refused")

    async def reach(self, hop: Hop, terms: TlsTerms | None = None) -> Flow:
        remote = (hop.address, hop.port)
        if self.transport == "UDP":
            return Flow("UDP", self.local, remote, self.sent_by)
        server_name = hop.server_name if self.transport == "TLS" else ""
        if flow := self._pooled(remote, server_name):
            return flow
        if self._network.moods.get(hop.address) == "hangs":
            await asyncio.sleep(CONNECT_TIMEOUT)
            raise Unreachable(f"{self.transport} connect silent for {CONNECT_TIMEOUT:g} s")
        return self._open(remote, server_name)

    async def close(self) -> None:
        self.closed = True

    def _pooled(self, remote: Address, server_name: str) -> Flow | None:
        flows = self._flows.values()
        return next((each for each in flows if (each.remote, each.server_name) == (remote, server_name)), None)

    def _open(self, remote: Address, server_name: str) -> Flow:
        cause = self._network.failures.get(remote[0])
        if cause is not None:
            raise Unreachable(cause)
        stream = self._network.connect(self.transport, self.local, remote)
        return self._flow(stream.number, stream.ends[0], remote, server_name)

    def _flow(self, stream: int, here: Address, there: Address, server_name: str = "") -> Flow:
        if stream not in self._flows:
            self._flows[stream] = Flow(self.transport, here, there, self.sent_by, stream, server_name)
        return self._flows[stream]

    def _is_undeliverable(self, data: bytes, cause: str) -> None:
        def tell() -> None:
            self._receiver.undeliverable(data, cause)
            self._receiver.flush()

        asyncio.get_running_loop().call_soon(tell)
