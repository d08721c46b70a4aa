"""Addresses of applications, looked up as the system does it (hosts file and all), in threads of its own.

A name server that does not answer holds a thread for as long as the system waits for it. There are enough of them
for dozens of such names, which leaves the names of other applications, and whatever else needs a thread, alone.
"""

from __future__ import annotations

import asyncio
import socket
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import Final

from aiohttp.abc import AbstractResolver, ResolveResult

_AT_A_TIME: Final = 64  # names; threads are begun as they are needed
_KINDS: Final = (socket.AF_INET, socket.AF_INET6)


class ApplicationNames(AbstractResolver):
    """For the connector of a session. One name is asked for once at a time, which is the connector's doing."""

    def __init__(self) -> None:
        self._threads = ThreadPoolExecutor(_AT_A_TIME, "application-names")

    async def resolve(
        self, host: str, port: int = 0, family: socket.AddressFamily = socket.AF_INET
    ) -> list[ResolveResult]:
        """The addresses of `host`; `OSError` when it has none."""
        ask = partial(socket.getaddrinfo, host, port, family, type=socket.SOCK_STREAM, flags=socket.AI_ADDRCONFIG)
        found = await asyncio.get_running_loop().run_in_executor(self._threads, ask)
        return [
            ResolveResult(
                hostname=host,
                host=str(address[0]),  # with its zone, if it is link-local
                port=int(address[1]),
                family=kind,
                proto=proto,
                flags=socket.AI_NUMERICHOST | socket.AI_NUMERICSERV,
            )
            for kind, _, proto, _, address in found
            if kind in _KINDS
        ]

    async def close(self) -> None:
        """Begin nothing more."""
        self._threads.shutdown(wait=False, cancel_futures=True)
