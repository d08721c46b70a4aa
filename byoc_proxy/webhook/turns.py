"""One slow application costs no other one anything: requests to one origin have a bounded number of places.

There is no bound in all that somebody could use up: live calls bound the documents. Status callbacks, which outlive
their calls, have one besides. Who finds all places taken waits, the first come the first served, for no longer than
its own total time; a call that is over gives up its place or its wait at once.
"""

from __future__ import annotations

import asyncio
from collections import deque
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from byoc_proxy.webhook.transport import HttpRequest, HttpResponse, Transport

DOCUMENTS_PER_ORIGIN: Final = 256  # of documents that live calls wait for
NOTICES_PER_ORIGIN: Final = 64  # of status callbacks, which have places of their own: nobody waits for them

NOTICES: Final = 512  # of them in all: many origins at once would take all descriptors of the process

_AFTER_SCHEME: Final = len("https://")  # no host is shorter than the one letter that http:// leaves over


class _Origin:
    """Requests under way to a scheme, host and port, and those that wait for one of them to end."""

    __slots__ = ("under_way", "waiting")

    def __init__(self) -> None:
        self.under_way = 0
        self.waiting: deque[asyncio.Future[None]] = deque()


class BoundedTransport:
    """A `Transport` that sends at most `most` requests at a time."""

    def __init__(self, transport: Transport, most: int) -> None:
        self._transport = transport
        self._places = asyncio.Semaphore(most)

    async def send(self, request: HttpRequest) -> HttpResponse:
        """See `Transport.send`."""
        async with self._places:
            return await self._transport.send(request)


class FairTransport:
    """A `Transport` that sends at most `most` requests at a time to one origin."""

    def __init__(self, transport: Transport, most: int) -> None:
        self._transport = transport
        self._most = most
        self._origins: dict[str, _Origin] = {}

    async def send(self, request: HttpRequest) -> HttpResponse:
        """See `Transport.send`."""
        name = request.url[: request.url.index("/", _AFTER_SCHEME)]
        origin = self._origins.get(name)
        if origin is None:
            origin = self._origins[name] = _Origin()
        if origin.under_way < self._most:
            origin.under_way += 1
        else:
            await self._turn(name, origin)
        try:
            return await self._transport.send(request)
        finally:
            self._leave(name, origin)

    @property
    def busy(self) -> int:
        """How many origins have requests under way."""
        return len(self._origins)

    async def _turn(self, name: str, origin: _Origin) -> None:
        turn: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        origin.waiting.append(turn)
        try:
            await turn
        except asyncio.CancelledError as error:
            error.add_note(f"it waited for its turn: {self._most} requests to {name} were under way")
            if not turn.cancelled():
                self._leave(name, origin)  # it was given to us in the very instant
            raise

    def _leave(self, name: str, origin: _Origin) -> None:
        """The place goes to whoever has waited longest, if there is somebody."""
        while origin.waiting:
            turn = origin.waiting.popleft()
            if not turn.done():  # else it has given up
                turn.set_result(None)
                return
        origin.under_way -= 1
        if not origin.under_way:
            del self._origins[name]
