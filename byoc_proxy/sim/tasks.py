"""Keeps every task of a loop: what that of a call raises is seen by nobody else."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any, TypeVar

if TYPE_CHECKING:
    from collections.abc import Coroutine, Generator

T = TypeVar("T")


class Tasks:
    """The tasks that `loop` starts from now on."""

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self._tasks: list[asyncio.Task[Any]] = []
        loop.set_task_factory(self._start)

    def failures(self) -> list[str]:
        """What tasks of calls, which are named by their CallSid, ended with."""
        over = (task for task in self._tasks if task.get_name().startswith("CA") and task.done())
        return [str(task.exception()) for task in over if not task.cancelled() and task.exception()]

    @staticmethod
    def running() -> list[str]:
        """The names of all tasks but the one that asks."""
        return [task.get_name() for task in asyncio.all_tasks() if task is not asyncio.current_task()]

    def _start(
        self,
        loop: asyncio.AbstractEventLoop,
        coro: Coroutine[Any, Any, T] | Generator[Any, None, T],
        **options: Any,
    ) -> asyncio.Task[T]:
        task: asyncio.Task[T] = asyncio.Task(coro, loop=loop, **options)
        self._tasks.append(task)
        return task
