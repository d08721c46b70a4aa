"""A UDP listener on a raw non-blocking socket (RFC 3261 §18).

One wake-up reads until the socket is empty: asyncio's own datagram transports cost three times as much a packet.
On Linux the socket's error queue tells which datagram of ours met an ICMP error, so that a dead address is left at
once and not after the silence.
"""

from __future__ import annotations

import asyncio
import contextlib
import errno
import os
import socket
import struct
from typing import TYPE_CHECKING, Final

from byoc_proxy.net.wire import Unreachable, with_port
from byoc_proxy.sip.flow import Flow

if TYPE_CHECKING:
    from byoc_proxy.net.wire import Receiver
    from byoc_proxy.sip.flow import Address, TlsTerms
    from byoc_proxy.sip.locate import Hop

RECEIVE_BUFFER: Final = 4 << 20  # a burst waits in the kernel, not on the floor
MAX_DATAGRAM: Final = 65535
FULL_QUEUE: Final = 2 << 20  # bytes in kernel memory, about 900 messages: more is too old when it is read
BATCH: Final = 64  # datagrams of one wake-up before anybody else gets a turn

# linux/in.h and linux/in6.h; the socket module does not name them
_IP_RECVERR: Final = 11
_IPV6_RECVERR: Final = 25
# asm-generic/socket.h; linux/sock_diag.h: the first two numbers are the bytes that wait and the bytes that may
_SO_MEMINFO: Final = 55
_MEMINFO: Final = struct.Struct("II")
_MSG_ERRQUEUE: Final = getattr(socket, "MSG_ERRQUEUE", 0x2000)


class UdpListener:
    """One bound UDP socket: everything of its legs comes and goes here."""

    transport: Final = "UDP"

    def __init__(self, local: Address, sent_by: str, receiver: Receiver) -> None:
        """Bind; `OSError` when the address cannot be had."""
        family = socket.AF_INET6 if ":" in local[0] else socket.AF_INET
        self._socket = socket.socket(family, socket.SOCK_DGRAM)
        self._socket.setblocking(False)
        self._socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, RECEIVE_BUFFER)
        if family == socket.AF_INET6:
            self._socket.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
            self._socket.setsockopt(socket.IPPROTO_IPV6, _IPV6_RECVERR, 1)
        else:
            self._socket.setsockopt(socket.IPPROTO_IP, _IP_RECVERR, 1)
        try:
            self._socket.bind(local)
        except OSError:
            self._socket.close()
            raise
        self.local: Address = self._socket.getsockname()[:2]
        self.sent_by = with_port(sent_by, self.local[1])
        self._receiver = receiver
        self._loop = asyncio.get_running_loop()
        self._loop.add_reader(self._socket.fileno(), self._readable)

    def _readable(self) -> None:
        receiver, local, sent_by = self._receiver, self.local, self.sent_by
        receive = self._socket.recvfrom
        for count in range(BATCH):
            try:
                data, address = receive(MAX_DATAGRAM)
            except (BlockingIOError, InterruptedError):
                if not count:
                    self._read_errors()  # something woke us
                break
            except OSError:
                self._read_errors()  # a pending ICMP error is reported in place of a datagram
                continue
            if len(data) > 4:  # a keep-alive of CRLFs asks for nothing (RFC 5626 §3.5.1)
                receiver.received(data, Flow("UDP", local, address[:2], sent_by))
        receiver.flush()

    def _read_errors(self) -> None:
        """Take what the error queue holds: the datagrams of ours that came back."""
        # libuv (uvloop) stops polling a descriptor that reports an error: unless it is registered again, one dead
        # address would leave us deaf to all others. Every path that may have consumed an error comes through here.
        descriptor = self._socket.fileno()
        if descriptor >= 0:
            self._loop.remove_reader(descriptor)
            self._loop.add_reader(descriptor, self._readable)
        for _ in range(BATCH):
            try:
                data, ancillary, _, _ = self._socket.recvmsg(2048, 512, _MSG_ERRQUEUE)
            except OSError:
                return
            number = int.from_bytes(ancillary[0][2][:4], "little") if ancillary else 0
            self._receiver.undeliverable(data, f"ICMP: {os.strerror(number)}" if number else "ICMP error")

    def send(self, data: bytes, flow: Flow) -> None:
        for _ in range(3):
            try:
                self._socket.sendto(data, flow.remote)
            except (BlockingIOError, InterruptedError):
                return  # the kernel's buffer is full: lost like any datagram, and retransmitted like any
            except OSError as error:
                if error.errno in (errno.ECONNREFUSED, errno.EHOSTUNREACH, errno.ENETUNREACH, errno.EHOSTDOWN):
                    self._read_errors()  # the error is an earlier datagram's; ours has not been sent yet
                    cause = error
                    continue
                self._read_errors()  # an error of our own, such as EMSGSIZE, is queued too
                self._receiver.undeliverable(data, os.strerror(error.errno or 0))
                return
            else:
                return
        self._receiver.undeliverable(data, os.strerror(cause.errno or 0))

    def backlog(self) -> float:
        """What waits unread, as a share of the buffer (of `FULL_QUEUE`, if that is less); 0 where nobody tells."""
        try:
            waits, room = _MEMINFO.unpack(self._socket.getsockopt(socket.SOL_SOCKET, _SO_MEMINFO, _MEMINFO.size))
        except OSError:
            return 0.0  # not Linux: the length of the loop's turns tells, later
        return float(waits / min(room, FULL_QUEUE))

    async def reach(self, hop: Hop, terms: TlsTerms | None = None) -> Flow:
        if (":" in hop.address) != (":" in self.local[0]):
            raise Unreachable(f"no listener of the address family of {hop.address}")
        return Flow("UDP", self.local, (hop.address, hop.port), self.sent_by)

    async def close(self) -> None:
        with contextlib.suppress(ValueError):
            self._loop.remove_reader(self._socket.fileno())
        self._socket.close()
