"""What is asked over HTTP: does the process live, would it take a call now, and are its carriers there?"""

from __future__ import annotations

from contextlib import asynccontextmanager
from typing import TYPE_CHECKING

from aiohttp import web

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Mapping

    from byoc_proxy.call.switchboard import Switchboard


@asynccontextmanager
async def health_served(
    host: str, port: int, switchboard: Switchboard, targets: Callable[[], Mapping[str, object]]
) -> AsyncIterator[int]:
    """Answer `/healthz` (200 while the loop turns), `/readyz` (503 while no new call would be taken), `/targets`.

    `targets` gives what the last one shows. Yields the bound port. `OSError` when the address cannot be had.
    """

    async def healthy(_: web.Request) -> web.Response:
        return web.Response(text="ok\n")

    async def ready(_: web.Request) -> web.Response:
        refusal = switchboard.refusal()
        if refusal is None:
            return web.Response(text="ready\n")
        after = {"Retry-After": str(switchboard.retry_after)}
        return web.Response(status=503, text=f"{refusal}\n", headers=after)

    async def shown(_: web.Request) -> web.Response:
        return web.json_response(targets())

    app = web.Application()
    app.add_routes([web.get("/healthz", healthy), web.get("/readyz", ready), web.get("/targets", shown)])
    runner = web.AppRunner(app, access_log=None)
    await runner.setup()
    try:
        site = web.TCPSite(runner, host, port)
        await site.start()
        yield runner.addresses[0][1]
    finally:
        await runner.cleanup()
