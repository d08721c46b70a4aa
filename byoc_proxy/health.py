"""What is asked over HTTP: does the process live, would it take a call now, and are its carriers there?"""

from __future__ import annotations

from contextlib import asynccontextmanager
from typing import TYPE_CHECKING

from aiohttp import web

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Awaitable, Callable, Mapping

    from byoc_proxy.call.switchboard import Switchboard

    Page = Callable[[], Mapping[str, object]]


@asynccontextmanager
async def health_served(
    host: str, port: int, switchboard: Switchboard, pages: Mapping[str, Page]
) -> AsyncIterator[int]:
    """Answer `/healthz` (200 while the loop turns), `/readyz` (503 while no new call would be taken), and `pages`.

    A page is a path and what gives its JSON. Yields the bound port. `OSError` when the address cannot be had.
    """

    async def healthy(_: web.Request) -> web.Response:
        return web.Response(text="ok\n")

    async def ready(_: web.Request) -> web.Response:
        refusal = switchboard.refusal()
        if refusal is None:
            return web.Response(text="ready\n")
        after = {"Retry-After": str(switchboard.retry_after)}
        return web.Response(status=503, text=f"{refusal}\n", headers=after)

    def shown(page: Page) -> Callable[[web.Request], Awaitable[web.Response]]:
        async def show(_: web.Request) -> web.Response:
            return web.json_response(page())

        return show

    app = web.Application()
    app.add_routes([web.get("/healthz", healthy), web.get("/readyz", ready)])
    app.add_routes([web.get(path, shown(page)) for path, page in pages.items()])
    runner = web.AppRunner(app, access_log=None)
    await runner.setup()
    try:
        site = web.TCPSite(runner, host, port)
        await site.start()
        yield runner.addresses[0][1]
    finally:
        await runner.cleanup()
