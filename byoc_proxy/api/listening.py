"""Serves an ASGI application from the loop of this process. Signals stay with the daemon."""

from __future__ import annotations

import asyncio
import logging
import socket
from contextlib import asynccontextmanager, contextmanager
from typing import TYPE_CHECKING, Any, Final

import uvicorn

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterator

    from starlette.types import ASGIApp

KEPT_ALIVE: Final = 30  # seconds between two requests of one connection
MOST_AT_A_TIME: Final = 500  # connections and requests; more hear 503
_WAITING: Final = 512  # connections that are not accepted yet
LAST_WORDS: Final = 5  # seconds that requests in progress have when the process ends


class _Lines(logging.Handler):
    """What the server itself says, in the log of the daemon: of requests that are no HTTP, mostly."""

    def __init__(self, log: Any) -> None:
        super().__init__()
        self._log = log

    def emit(self, record: logging.LogRecord) -> None:
        tell = self._log.error if record.levelno >= logging.ERROR else self._log.debug
        tell("api.server", text=record.getMessage())


def _tell_through(log: Any) -> None:
    teller = logging.getLogger("uvicorn")
    teller.handlers[:] = [_Lines(log)]
    teller.propagate = False


class _Server(uvicorn.Server):
    @contextmanager
    def capture_signals(self) -> Iterator[None]:
        yield


def bound(host: str, port: int) -> socket.socket:
    """A listening socket. `OSError` when the address cannot be had."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    return socket.create_server((host, port), family=family, backlog=_WAITING)


@asynccontextmanager
async def served(app: ASGIApp, listening: socket.socket, log: Any) -> AsyncIterator[str]:
    """Answer there while inside; yields the address as text."""
    _tell_through(log)
    config = uvicorn.Config(
        app,
        lifespan="off",
        log_config=None,
        access_log=False,
        server_header=False,
        timeout_keep_alive=KEPT_ALIVE,
        limit_concurrency=MOST_AT_A_TIME,
        timeout_graceful_shutdown=LAST_WORDS,
    )
    server = _Server(config)
    host, port = listening.getsockname()[:2]
    with listening:
        async with asyncio.TaskGroup() as group:
            group.create_task(server.serve(sockets=[listening]))
            try:
                yield f"[{host}]:{port}" if ":" in host else f"{host}:{port}"
            finally:
                server.should_exit = True
