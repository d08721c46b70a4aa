"""A listening TCP socket that hands over each accepted connection at once, before anything is spent on it."""

from __future__ import annotations

import asyncio
import contextlib
import errno
import socket
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Callable

    from byoc_proxy.sip.flow import Address

BATCH: Final = 64  # connections of one wake-up before anybody else gets a turn
BACKLOG: Final = 1024
PAUSE: Final = 1.0  # seconds without accepting when the process has no descriptor or memory left
_EXHAUSTED: Final = frozenset({errno.EMFILE, errno.ENFILE, errno.ENOBUFS, errno.ENOMEM})


class Acceptor:
    """`take` gets every accepted socket, not blocking, with the address at the other end."""

    def __init__(self, local: Address, take: Callable[[socket.socket, Address], None]) -> None:
        """Listen; `OSError` when the address cannot be had."""
        family = socket.AF_INET6 if ":" in local[0] else socket.AF_INET
        self._socket = socket.socket(family, socket.SOCK_STREAM)
        try:
            self._socket.setblocking(False)
            self._socket.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            if family == socket.AF_INET6:
                self._socket.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
            self._socket.bind(local)
            self._socket.listen(BACKLOG)
        except OSError:
            self._socket.close()
            raise
        self.local: Address = self._socket.getsockname()[:2]
        self._take = take
        self._loop = asyncio.get_running_loop()
        self._pause: asyncio.TimerHandle | None = None
        self._listen()

    def _listen(self) -> None:
        self._pause = None
        self._loop.add_reader(self._socket.fileno(), self._acceptable)

    def _acceptable(self) -> None:
        for _ in range(BATCH):
            try:
                accepted, address = self._socket.accept()
            except (BlockingIOError, InterruptedError, ConnectionAbortedError):
                return
            except OSError as error:
                if error.errno not in _EXHAUSTED:
                    continue  # accept(2): an error of that one connection, which is gone
                # the socket stays readable: without a pause we would turn in circles until a descriptor is free
                self._loop.remove_reader(self._socket.fileno())
                self._pause = self._loop.call_later(PAUSE, self._listen)
                return
            accepted.setblocking(False)
            self._take(accepted, address[:2])

    def close(self) -> None:
        if self._pause is not None:
            self._pause.cancel()
        with contextlib.suppress(ValueError):
            self._loop.remove_reader(self._socket.fileno())
        self._socket.close()
