"""One live stream: framing, keep-alives, and the clocks that end a stream nobody needs (RFC 3261 §18, RFC 5626).

A message must be whole `limits.message_timeout` seconds after its first byte. A connection that was opened to us
and has not brought a whole message or a keep-alive in `NEWCOMER` seconds is closed, and so is any that has been
quiet for `limits.idle_timeout` seconds while nothing lives on it. A message that comes in one piece sets no timer.
"""

from __future__ import annotations

import asyncio
import contextlib
import socket
import ssl
from typing import TYPE_CHECKING, Final, cast

from byoc_proxy.net.tls import client_certificate, failure, misnamed
from byoc_proxy.sip.flow import Flow
from byoc_proxy.sip.parser import ParseError, StreamParser

if TYPE_CHECKING:
    from byoc_proxy.net.stream import StreamListener
    from byoc_proxy.sip.flow import Address, TlsTerms

MAX_UNSENT: Final = 1 << 20  # bytes a peer may leave unread before it is cut off
NEWCOMER: Final = 32.0  # 64*T1: whoever had a request to send has sent it by now


class Connection(asyncio.Protocol):
    """A stream that was accepted from `peer`, or one of `ours` to it, known as `server_name`.

    `flow` and the clocks begin once it is up, TLS included; until then it may be dismissed.
    """

    def __init__(
        self,
        wire: StreamListener,
        number: int,
        peer: Address,
        server_name: str = "",
        terms: TlsTerms | None = None,
        *,
        ours: bool = False,
    ) -> None:
        self.number = number
        self.source = peer[0]
        self.proven = ours  # we opened it because we need it
        self.fault = ""  # why it is of no use, although it came up
        self.flow: Flow | None = None
        self.greeting: asyncio.Task[None] | None = None  # while an accepted one is not up yet
        self._wire = wire
        self._peer = peer  # not asked of the socket: a peer that has left already has none there
        self._ours = ours
        self._server_name = server_name
        self._terms = terms
        self._parser = StreamParser()
        self._transport: asyncio.Transport
        self._loop = asyncio.get_running_loop()
        self.heard_at = self._loop.time()
        self._idle_timer: asyncio.TimerHandle | None = None
        self._message_timer: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast("asyncio.Transport", transport)
        wire, tls = self._wire, transport.get_extra_info("ssl_object")
        if tls is not None and self._ours and wire.checks_names(self._terms):
            self.fault = misnamed(tls, self._server_name or self._peer[0]) or ""
            if self.fault:
                self._transport.abort()
                return
        self.flow = Flow(
            wire.transport,
            (transport.get_extra_info("sockname") or wire.local)[:2],
            self._peer,
            wire.sent_by,
            self.number,
            self._server_name,
            self._terms,
            client_certificate(tls) if tls is not None and not self._ours else None,
        )
        _watch(transport.get_extra_info("socket"))
        self._wait()
        wire.opened(self)

    def data_received(self, data: bytes) -> None:
        flow, wire, parser = self.flow, self._wire, self._parser
        if flow is None or wire.is_leaving(self):
            return
        self.heard_at = self._loop.time()
        parser.feed(data)
        pings = whole = 0
        try:
            while True:
                if parser.take_ping():
                    pings += 1
                    continue
                message = parser.next_message()
                if message is None:
                    break
                whole += 1
                wire.receiver.delivered(message, flow)
        except ParseError as error:
            wire.receiver.garbled(error, flow)
            wire.receiver.flush()  # the 400 goes out before the stream, which is out of step, is closed
            self.close()
            return
        if pings:
            self.write(b"\r\n" * pings)  # RFC 5626 §4.4.1: CRLFCRLF is answered with CRLF
        self._time_message(whole, pings)
        wire.receiver.flush()

    def _time_message(self, whole: int, pings: int) -> None:
        """Start the clock of a message that has begun, stop that of one that is whole."""
        if whole or pings:
            self.proven = True
            if self._message_timer is not None:
                self._message_timer.cancel()
                self._message_timer = None
        if self._message_timer is None and self._parser.is_inside:
            self._message_timer = self._loop.call_later(self._wire.limits.message_timeout, self._too_slow)

    def connection_lost(self, error: Exception | None) -> None:
        self._stop_clocks()
        if self.flow is not None:
            self._wire.lost(self, error)

    def write(self, data: bytes) -> None:
        if self._transport.get_write_buffer_size() > MAX_UNSENT:
            self._transport.abort()
        else:
            self._transport.write(data)

    def close(self) -> None:
        """Close once what is written has gone out; a peer that does not read holds nothing up."""
        self._stop_clocks()
        self._wire.leaves(self)
        self._idle_timer = self._loop.call_later(self._wire.limits.message_timeout, self._transport.abort)
        self._transport.close()

    def dismiss(self, cause: str) -> None:
        """Away with it at once, whether it is up or still shaking hands."""
        if self.greeting is not None:
            self.greeting.cancel(cause)
        elif self.flow is not None:
            self._cut(cause)

    def _too_slow(self) -> None:
        self._cut(f"a message was not whole {self._wire.limits.message_timeout:g} s after its first byte")

    def _wait(self) -> None:
        self._idle_timer = self._loop.call_at(self._idle_at(), self._look)

    def _idle_at(self) -> float:
        idle = self._wire.limits.idle_timeout
        return self.heard_at + (idle if self.proven else min(idle, NEWCOMER))

    def _look(self) -> None:
        """It was quiet, or it was not: the clock is not moved for every message."""
        now = self._loop.time()
        if now < self._idle_at():
            self._wait()
        elif self.number in self._wire.receiver.busy():
            # a call may be silent for hours; keep-alives of the kernel tell when its peer is gone
            self._idle_timer = self._loop.call_later(self._wire.limits.idle_timeout, self._look)
        else:
            self._cut(f"idle for {now - self.heard_at:g} s")

    def _cut(self, cause: str) -> None:
        if self.flow is not None:
            self._wire.receiver.turned_away(cause, self.flow)
        self._wire.leaves(self)
        self._transport.abort()

    def _stop_clocks(self) -> None:
        for timer in (self._idle_timer, self._message_timer):
            if timer is not None:
                timer.cancel()
        self._idle_timer = self._message_timer = None


def _watch(own: socket.socket | None) -> None:
    """Let the kernel ask a quiet peer whether it is there: a dialog keeps its connection as long as that lives.

    A peer that has vanished is missed after two minutes; without these it would be two hours.
    """
    if own is None:
        return
    with contextlib.suppress(OSError):  # it is gone already, and `connection_lost` is on its way
        own.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
        for option, value in ((socket.TCP_KEEPIDLE, 60), (socket.TCP_KEEPINTVL, 20), (socket.TCP_KEEPCNT, 3)):
            own.setsockopt(socket.IPPROTO_TCP, option, value)


def lost_because(error: Exception | None) -> str:
    """Why a connection ended, for whoever still waits for an answer on it."""
    if error is None:
        return "connection closed by the far end"
    if isinstance(error, ssl.SSLError):
        return failure(error, "")
    return f"connection lost: {getattr(error, 'strerror', None) or error}"
