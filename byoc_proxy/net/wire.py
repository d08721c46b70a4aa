"""What a transport and the endpoint expect of each other; the in-memory network of the tests keeps to it too."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, Protocol

if TYPE_CHECKING:
    from byoc_proxy.sip.flow import Address, Flow, TlsTerms
    from byoc_proxy.sip.locate import Hop
    from byoc_proxy.sip.message import Message
    from byoc_proxy.sip.parser import ParseError


TENTATIVE: Final = 0.7  # seconds for a connection that is tried because it might be there


class Unreachable(ConnectionError):
    """A hop cannot be sent to: refused, reset, silent, no route, a TLS failure, or it is ourselves."""


def with_port(sent_by: str, port: int) -> str:
    """A listener that asked for any free port advertises the one it got."""
    return f"{sent_by[:-1]}{port}" if sent_by.endswith(":0") else sent_by


class Receiver(Protocol):
    """Who takes what comes in: the endpoint. `flush` follows once per wake-up."""

    def received(self, data: bytes, flow: Flow) -> None: ...
    def undeliverable(self, data: bytes, cause: str) -> None: ...
    def flush(self) -> None: ...


class StreamReceiver(Receiver, Protocol):
    """Who takes what comes in over connections."""

    def delivered(self, message: Message, flow: Flow) -> None: ...
    def garbled(self, error: ParseError, flow: Flow) -> None: ...
    def closed(self, flow: Flow, cause: str = "connection lost") -> None:
        """A connection is gone."""
        ...

    def turned_away(self, cause: str, flow: Flow) -> None:
        """A connection was not taken, or ended by us."""
        ...

    def busy(self) -> set[int]:
        """The numbers of the connections that a session or an unfinished transaction lives on."""
        ...


class Wire(Protocol):
    """One listener and what goes out from its address. `sent_by` is the advertised `host:port`."""

    @property
    def transport(self) -> str: ...
    @property
    def local(self) -> Address: ...
    @property
    def sent_by(self) -> str: ...
    def send(self, data: bytes, flow: Flow) -> None:
        """Send, or report through `Receiver.undeliverable`; never raises."""
        ...

    async def reach(self, hop: Hop, terms: TlsTerms | None = None) -> Flow:
        """A flow to `hop`, connected where the transport connects; `Unreachable` when there is none.

        `terms` are for TLS; None are those of the node.
        """
        ...

    async def close(self) -> None: ...
