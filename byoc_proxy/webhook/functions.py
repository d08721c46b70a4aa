"""Functions of the operator's that answer calls in this process: `python:package.module:function`.

A function gets the parameters of the request and returns a document: text, or something that `to_xml()` or `str()`
makes text of, as the SDK's VoiceResponse. It runs in a thread of its own, an `async` one in an event loop of its
own there: one that hangs is given up after the time that applications have (11203), and keeps its thread and
nothing else. At most `MOST_AT_ONCE` of one function run at a time; who comes then waits within his time.
"""

from __future__ import annotations

import asyncio
import inspect
from concurrent.futures import Executor, Future
from dataclasses import dataclass, field
from functools import partial
from importlib import import_module
from threading import Thread
from typing import TYPE_CHECKING, Any, Final, TypeVar

from byoc_proxy.trunk.model import PYTHON
from byoc_proxy.webhook.transport import MAX_BODY
from byoc_proxy.webhook.urls import INVALID_URL, WebhookError

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence

    Function = Callable[[Mapping[str, str]], Any]

MOST_AT_ONCE: Final = 32  # threads of one function
_LONGEST_TEXT: Final = 200

T = TypeVar("T")


class NotLoaded(ValueError):
    """A reference that leads to no function, and why not."""


def load_function(reference: str) -> Function:
    """The function behind `python:package.module:function`; imports the module. `NotLoaded`."""
    module_name, _, name = reference.removeprefix(PYTHON).partition(":")
    try:
        module = import_module(module_name)
    except Exception as error:
        raise NotLoaded(f"{module_name} cannot be imported: {_told(error)}") from error
    found: Function | None = getattr(module, name, None)
    if not callable(found):
        what = "has no" if found is None else "has no function"
        raise NotLoaded(f"{module_name} {what} {name!r}")
    return found


@dataclass(slots=True)
class _Loaded:
    function: Function
    places: asyncio.Semaphore = field(default_factory=partial(asyncio.Semaphore, MOST_AT_ONCE))


class Functions:
    """Those that the configuration file names: no other text leads to code. `time_limit` is in seconds."""

    def __init__(self, time_limit: float, log: Any) -> None:
        self._time_limit = time_limit
        self._log = log
        self._threads = _Threads()
        self._loaded: dict[str, _Loaded] = {}

    def load(self, references: Iterable[str]) -> None:
        """Know these from now on; what is known stays as it was loaded. `NotLoaded`: nothing has changed."""
        found = {each: _Loaded(load_function(each)) for each in references if each not in self._loaded}
        self._loaded |= found

    async def answer(self, reference: str, parameters: Sequence[tuple[str, str]]) -> bytes:
        """The document that a function returns for a request; `WebhookError`."""
        loaded = self._loaded.get(reference)
        if loaded is None:
            raise WebhookError(INVALID_URL, "the configuration file names no such function", reference)
        try:
            async with asyncio.timeout(self._time_limit):
                return await self._run(reference, loaded, dict(parameters))
        except TimeoutError as error:
            text = f"no answer of the function within {self._time_limit:g} s"
            raise WebhookError(11203, text, reference) from error
        except WebhookError as failed:
            if failed.__cause__ is not None:
                self._log.error("function.failed", function=reference, exc_info=failed.__cause__)
            raise

    async def _run(self, reference: str, loaded: _Loaded, parameters: Mapping[str, str]) -> bytes:
        await loaded.places.acquire()

        def over(done: asyncio.Future[bytes]) -> None:
            loaded.places.release()
            if not done.cancelled():
                done.exception()  # whoever asked may have given up: then nobody else looks at it

        loop = asyncio.get_running_loop()
        running = loop.run_in_executor(
            self._threads, _document, reference, loaded.function, parameters, self._time_limit
        )
        running.add_done_callback(over)
        # Shielded: nothing ends a thread, so its place is taken until it ends by itself
        return await asyncio.shield(running)


class _Threads(Executor):
    """One thread for each call. It is a daemon: a function that hangs does not keep the process from ending."""

    def submit(self, call: Callable[..., T], /, *args: Any, **options: Any) -> Future[T]:
        future: Future[T] = Future()

        def run() -> None:
            future.set_running_or_notify_cancel()
            try:
                future.set_result(call(*args, **options))
            except WebhookError as error:
                future.set_exception(error)

        Thread(target=run, name="function", daemon=True).start()
        return future


def _document(reference: str, function: Function, parameters: Mapping[str, str], time_limit: float) -> bytes:
    """Call a function, in a thread. Whatever it raises, SystemExit too, is no more than a failed request."""
    try:
        result = function(parameters)
        if inspect.isawaitable(result):
            result = asyncio.run(_awaited(result, time_limit))
        body = _as_bytes(result)
    except BaseException as error:
        raise WebhookError(11200, f"the function failed: {_told(error)}", reference) from error
    if not body:
        raise WebhookError(11770, "the function returned no document", reference)
    if len(body) > MAX_BODY:
        raise WebhookError(11750, f"the function returned more than {MAX_BODY} bytes", reference)
    return body


async def _awaited(result: Awaitable[Any], time_limit: float) -> Any:
    return await asyncio.wait_for(result, time_limit)


def _as_bytes(result: Any) -> bytes:
    if result is None:
        return b""
    if isinstance(result, bytes):
        return result
    to_xml = getattr(result, "to_xml", None)
    return str(to_xml() if callable(to_xml) else result).encode("utf-8", "replace")


def _told(error: BaseException) -> str:
    """An error in one line for records and headers."""
    text = f"{type(error).__name__}: {error}"[:_LONGEST_TEXT]
    return "".join(char if char.isprintable() else " " for char in text)
