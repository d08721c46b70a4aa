"""What every test stands on: virtual time and no network, unless the test is marked `wire`."""

import asyncio
import socket
from collections.abc import AsyncIterator, Callable, Iterator, Mapping
from pathlib import Path

import hypothesis
import pytest
import pytest_asyncio

from byoc_proxy.sim.virtual import VirtualLoop
from tests.support.build import Scene
from tests.support.databases import database, database_url, empty_file, postgresql

__all__ = ["database", "database_url", "empty_file", "postgresql"]  # fixtures

# The same examples on every machine: a red test is red for everybody, and slowness alone makes none red.
hypothesis.settings.register_profile("steady", derandomize=True, deadline=None)
hypothesis.settings.load_profile("steady")


def pytest_asyncio_loop_factories(
    config: pytest.Config, item: pytest.Item
) -> Mapping[str, Callable[[], asyncio.AbstractEventLoop]]:
    """The loop of an async test: real time for `wire` and `store`, virtual time for all others."""
    if item.get_closest_marker("wire") is not None or item.get_closest_marker("store") is not None:
        return {"real": asyncio.new_event_loop}
    return {"virtual": VirtualLoop}


@pytest.fixture(autouse=True)
def offline(request: pytest.FixtureRequest) -> Iterator[list[str]]:
    """Fail a test that is not marked `wire` and opens an Internet socket, even where the error was swallowed.

    Yields the attempts so far. Unix sockets stay open to all: asyncio wakes itself through a pair of them.
    """
    attempts: list[str] = []
    if request.node.get_closest_marker("wire") is not None:
        yield attempts
        return
    create = socket.socket.__init__

    def refuse(
        self: socket.socket, family: int = -1, type: int = -1, proto: int = -1, fileno: int | None = None
    ) -> None:
        if fileno is None and family in (-1, socket.AF_INET, socket.AF_INET6):
            attempts.append("an Internet socket was opened by a test that is not marked `wire`")
            raise AssertionError(attempts[-1])
        create(self, family, type, proto, fileno)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(socket.socket, "__init__", refuse)
        yield attempts
    assert not attempts, attempts[0]


ALL_TIMERS = 200.0  # several times 64*T1: an INVITE, its CANCEL and what follows may each take that long


@pytest_asyncio.fixture
async def scene(tmp_path: Path) -> AsyncIterator[Scene]:
    """The stage of a scenario, empty until `starts`; the proxy must have kept nothing when all is over, and
    told no far end anything of another.
    """
    scene = Scene(tmp_path)
    yield scene
    if scene.is_running:
        await scene.node.prober.stop()
        await scene.node.callbacks.stop()
        await asyncio.sleep(ALL_TIMERS)
        assert scene.leftovers() == []
        assert scene.leaks() == []
