"""Functions that answer calls: what they may return, and what becomes of those that fail, hang or leave."""

import asyncio
import threading
from collections.abc import Callable, Iterator
from typing import Any

import pytest
import structlog

from byoc_proxy.webhook.functions import MOST_AT_ONCE, Functions, NotLoaded, load_function
from byoc_proxy.webhook.urls import WebhookError
from tests.support import functions as operators

HERE = "python:tests.support.functions:"
PARAMETERS = [("From", "+15550100"), ("To", "+14158675309")]


@pytest.fixture
def logged() -> list[Any]:
    return []


@pytest.fixture
def known(logged: list[Any]) -> Callable[..., Functions]:
    """Functions with these names loaded, that have `time_limit` seconds."""

    def make(*names: str, time_limit: float = 5.0) -> Functions:
        functions = Functions(time_limit, structlog.wrap_logger(None, processors=[_keep(logged)]))
        functions.load([HERE + name for name in names])
        return functions

    return make


@pytest.fixture(autouse=True)
def no_thread_stays() -> Iterator[None]:
    operators.hurry.clear()
    operators.asked.clear()
    yield
    operators.hurry.set()
    for thread in threading.enumerate():
        if thread.name == "function":
            thread.join(5)


def _keep(logged: list[Any]) -> Any:
    def keep(_: object, level: str, event: Any) -> Any:
        logged.append({**event, "level": level})
        raise structlog.DropEvent

    return keep


def answered(functions: Functions, name: str) -> bytes:
    return asyncio.run(functions.answer(HERE + name, PARAMETERS))


def refused(functions: Functions, name: str) -> WebhookError:
    with pytest.raises(WebhookError) as failed:
        answered(functions, name)
    assert failed.value.url == HERE + name
    return failed.value


def test_what_the_sdk_makes_is_a_document(known: Callable[..., Functions]) -> None:
    body = answered(known("dials"), "dials")
    assert body == (
        b'<?xml version="1.0" encoding="UTF-8"?><Response><Dial><Number>+14158675309</Number></Dial></Response>'
    )
    assert operators.asked == [dict(PARAMETERS)]


def test_text_is_a_document_and_so_are_bytes_of_an_async_function(known: Callable[..., Functions]) -> None:
    functions = known("rejects", "awaits")
    assert answered(functions, "rejects") == b'<Response><Reject reason="busy"/></Response>'
    assert answered(functions, "awaits") == b"<Response><Dial>+14158675309</Dial></Response>"


@pytest.mark.parametrize(
    ("name", "code", "words"),
    [
        ("raises", 11200, "LookupError: nobody  X-Evil: is here"),
        ("leaves", 11200, "SystemExit: 3"),
        ("says_nothing", 11770, "no document"),
        ("says_too_much", 11750, "more than 65536 bytes"),
    ],
)
def test_a_function_that_fails_is_a_failed_request(
    known: Callable[..., Functions], name: str, code: int, words: str
) -> None:
    error = refused(known(name), name)
    assert error.code == code
    assert words in error.text


def test_whoever_runs_it_finds_the_traceback_in_the_log(known: Callable[..., Functions], logged: list[Any]) -> None:
    refused(known("raises"), "raises")
    (line,) = logged
    assert (line["event"], line["level"], line["function"]) == ("function.failed", "error", f"{HERE}raises")
    assert isinstance(line["exc_info"], LookupError)
    assert line["exc_info"].__traceback__ is not None


@pytest.mark.parametrize("name", ["hangs", "never"])
def test_a_function_that_hangs_is_given_up_in_time(known: Callable[..., Functions], name: str) -> None:
    functions = known(name, time_limit=0.1)
    error = refused(functions, name)
    assert (error.code, error.text) == (11203, "no answer of the function within 0.1 s")


def test_a_function_that_hangs_costs_the_others_nothing(known: Callable[..., Functions]) -> None:
    functions = known("hangs", "rejects", time_limit=0.2)

    async def calls() -> tuple[list[Any], int, bytes]:
        many = [functions.answer(f"{HERE}hangs", PARAMETERS) for _ in range(3 * MOST_AT_ONCE)]
        found = await asyncio.gather(*many, return_exceptions=True)
        threads = sum(thread.name == "function" for thread in threading.enumerate())
        return found, threads, await functions.answer(f"{HERE}rejects", PARAMETERS)

    found, threads, other = asyncio.run(calls())
    assert {getattr(each, "code", None) for each in found} == {11203}
    assert threads == MOST_AT_ONCE  # it is never given more of them than that
    assert b"Reject" in other


def test_a_place_is_free_again_when_its_thread_has_ended(known: Callable[..., Functions]) -> None:
    functions = known("waits_a_little")

    async def calls() -> list[bytes]:
        many = [functions.answer(f"{HERE}waits_a_little", PARAMETERS) for _ in range(3 * MOST_AT_ONCE)]
        return await asyncio.gather(*many)

    assert set(asyncio.run(calls())) == {b"<Response/>"}


def test_only_what_was_loaded_is_run(known: Callable[..., Functions]) -> None:
    error = refused(known("rejects"), "dials")
    assert error.code == 11100
    assert operators.asked == []


def test_a_function_stays_as_it_was_loaded(
    known: Callable[..., Functions], monkeypatch: pytest.MonkeyPatch
) -> None:
    functions = known("rejects")
    monkeypatch.setattr(operators, "rejects", operators.raises)
    functions.load([f"{HERE}rejects", f"{HERE}dials"])
    assert b"Reject" in answered(functions, "rejects")
    assert b"Dial" in answered(functions, "dials")


@pytest.mark.parametrize(
    ("reference", "words"),
    [
        ("python:no.such.module:f", "no.such.module cannot be imported: ModuleNotFoundError: No module named 'no'"),
        (f"{HERE}nobody", "tests.support.functions has no 'nobody'"),
        (f"{HERE}not_a_function", "tests.support.functions has no function 'not_a_function'"),
    ],
)
def test_what_leads_nowhere_is_told_at_once(known: Callable[..., Functions], reference: str, words: str) -> None:
    with pytest.raises(NotLoaded) as failed:
        load_function(reference)
    assert str(failed.value) == words
    functions = known()
    with pytest.raises(NotLoaded):
        functions.load([f"{HERE}rejects", reference])
    assert refused(functions, "rejects").code == 11100  # all of them or none
