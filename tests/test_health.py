"""What load balancers see of a node over HTTP."""

import aiohttp
import pytest

from byoc_proxy.call.lines import Lines
from byoc_proxy.call.switchboard import Switchboard
from byoc_proxy.health import health_served

pytestmark = pytest.mark.wire


async def asked(port: int, path: str) -> tuple[int, str, str | None]:
    async with aiohttp.ClientSession() as http, http.get(f"http://127.0.0.1:{port}{path}") as answer:
        return answer.status, await answer.text(), answer.headers.get("Retry-After")


async def test_a_node_that_takes_calls_is_alive_and_ready() -> None:
    async with health_served("127.0.0.1", 0, Switchboard(Lines(max_calls=1)), {}) as port:
        assert await asked(port, "/healthz") == (200, "ok\n", None)
        assert await asked(port, "/readyz") == (200, "ready\n", None)


async def test_a_draining_node_is_alive_but_not_ready() -> None:
    switchboard = Switchboard(Lines(max_calls=1))
    async with health_served("127.0.0.1", 0, switchboard, {}) as port:
        await switchboard.drain(grace=0)
        assert await asked(port, "/healthz") == (200, "ok\n", None)
        assert await asked(port, "/readyz") == (503, "Draining\n", "5")


async def test_the_targets_are_shown_as_they_are_now() -> None:
    looks: list[int] = []

    def report() -> dict[str, object]:
        looks.append(len(looks) + 1)
        return {"at": len(looks), "policies": []}

    async with health_served("127.0.0.1", 0, Switchboard(Lines(max_calls=1)), {"/targets": report}) as port:
        assert await asked(port, "/targets") == (200, '{"at": 1, "policies": []}', None)
        assert await asked(port, "/targets") == (200, '{"at": 2, "policies": []}', None)


async def test_nothing_else_is_served_there() -> None:
    async with health_served("127.0.0.1", 0, Switchboard(Lines(max_calls=1)), {}) as port:
        assert (await asked(port, "/"))[0] == 404
