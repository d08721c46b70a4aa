"""A reload beside calls that go on: in real time, because what must not stand still is the real loop."""

import asyncio
import threading
from types import SimpleNamespace
from typing import Any

import pytest

from byoc_proxy.config.load import ConfigProblems, Loaded
from byoc_proxy.reloading import Reloading

pytestmark = pytest.mark.wire


class Log:
    """What was logged, and a way to wait for the first."""

    def __init__(self) -> None:
        self.events: list[tuple[str, dict[str, Any]]] = []
        self.any = asyncio.Event()

    def error(self, event: str, **facts: Any) -> None:
        self.events.append((event, facts))
        self.any.set()

    exception = error


async def test_the_loop_turns_while_a_reload_reads_the_file() -> None:
    the_loop_turned = threading.Event()
    log = Log()

    def load_again() -> Loaded:
        assert the_loop_turned.wait(5), "the loop stood still"
        raise ConfigProblems(["config.yaml:1:1: is wrong"])

    node: Any = SimpleNamespace(log=log)
    settings: Any = SimpleNamespace()
    reloading = Reloading(node, None, settings, load_again, reopen=lambda: None)
    async with asyncio.TaskGroup() as group:
        running = group.create_task(reloading.run())
        reloading.ask()
        await asyncio.sleep(0.05)  # the reload has begun
        the_loop_turned.set()
        await asyncio.wait_for(log.any.wait(), 5)
        running.cancel()
    problems = ["config.yaml:1:1: is wrong"]
    assert log.events == [("config.kept", {"cause": "the new file cannot be used", "problems": problems})]
