"""SIPVicious, the scanner that every open SIP port meets: who is there, who has an extension, what is the password.

It speaks UDP and binds where it likes (127.0.0.1 for a target of loopback); a relay takes it to TCP.
"""

import asyncio
import contextlib
from collections.abc import AsyncIterator
from pathlib import Path
from typing import cast

from tests.support.programs import Protocol, installed, program
from tests.support.sipp import Address, free_port

__all__ = ["SOURCE", "scan"]

SOURCE = "127.0.0.1"
LONGEST = 20.0  # seconds; on silence svmap and svwar give up by themselves after three, and start slowly
CRACKING = 4.0  # svcrack goes on for ever where it is refused without a challenge


async def scan(directory: Path, protocol: Protocol, target: Address, tool: str, *options: str) -> str:
    """Run svmap, svwar or svcrack against `target` until it gives up or has had its time; what it said."""
    way = _over_tcp(target) if protocol == "tcp" else contextlib.nullcontext(target)
    async with way as (host, port):
        place = ("-p", str(port), "-P", str(free_port("0.0.0.0")), host)
        # its notes go to the home directory
        command = ("/usr/bin/env", f"HOME={directory}", installed(tool, "sipvicious"), "-v", *options, *place)
        async with program(directory, *command) as running:
            with contextlib.suppress(TimeoutError):
                await running.ended(CRACKING if tool == "svcrack" else LONGEST)
            return running.said


class _Relay(asyncio.DatagramProtocol):
    """Puts each datagram on a stream, and what comes from there into datagrams to whoever spoke last."""

    def __init__(self, stream: asyncio.StreamWriter) -> None:
        self._stream = stream
        self._speaker: Address | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._socket = cast("asyncio.DatagramTransport", transport)

    def datagram_received(self, data: bytes, addr: Address) -> None:
        self._speaker = addr
        self._stream.write(data)

    async def answer(self, stream: asyncio.StreamReader) -> None:
        with contextlib.suppress(ConnectionError, asyncio.IncompleteReadError):
            while True:  # no answer to a scanner has a body
                self._socket.sendto(await stream.readuntil(b"\r\n\r\n"), self._speaker)


@contextlib.asynccontextmanager
async def _over_tcp(target: Address) -> AsyncIterator[Address]:
    """The address of a UDP port behind which is a stream to `target`."""
    reader, writer = await asyncio.open_connection(*target, local_addr=(SOURCE, 0))
    loop = asyncio.get_running_loop()
    transport, relay = await loop.create_datagram_endpoint(lambda: _Relay(writer), local_addr=("127.0.0.67", 0))
    answering = asyncio.create_task(relay.answer(reader))
    try:
        yield transport.get_extra_info("sockname")
    finally:
        writer.close()
        await answering
        transport.close()
