"""One question for applications, TwiML bins and functions: the same answer, the same exchange in the record."""

import asyncio
from typing import Any

import pytest
import structlog

from byoc_proxy.webhook.client import WebDocument, Webhooks
from byoc_proxy.webhook.exchange import Exchange
from byoc_proxy.webhook.functions import Functions
from byoc_proxy.webhook.handlers import Handlers
from byoc_proxy.webhook.session import WebSession
from byoc_proxy.webhook.urls import WebhookError
from tests.support.customer import Customer

ACCOUNT, CALL = "AC" + "1" * 32, "CA" + "2" * 32
REJECTS = "python:tests.support.functions:rejects"
REJECT = b'<Response><Reject reason="busy"/></Response>'
PARAMETERS = [("From", "+15550100"), ("Reason", "busy")]


class Kept:
    """An `ExchangeSink`."""

    def __init__(self) -> None:
        self.exchanges: list[Exchange] = []

    def note(self, account_sid: str, call_sid: str, exchange: Exchange) -> None:
        assert (account_sid, call_sid) == (ACCOUNT, CALL)
        self.exchanges.append(exchange)


@pytest.fixture
def kept() -> Kept:
    return Kept()


@pytest.fixture
def session(kept: Kept) -> WebSession:
    return WebSession(ACCOUNT, CALL, "token", exchanges=kept)


@pytest.fixture
def handlers() -> Handlers:
    customer = Customer()
    customer.answers("/voice", REJECT)
    web = Webhooks(customer, user_agent="byoc-proxy/test", new_token=lambda: "token")
    functions = Functions(15.0, structlog.wrap_logger(None, processors=[_drop]))
    functions.load([REJECTS, REJECTS.replace("rejects", "says_nothing")])
    bins = {(ACCOUNT, "main"): '<Response><Reject reason="{{Reason}}"/></Response>'}
    return Handlers(web, lambda account, name: bins.get((account, name)), functions)


def _drop(*_: Any) -> Any:
    raise structlog.DropEvent


@pytest.mark.parametrize("url", ["http://app.example.test/voice", "twiml:main", REJECTS])
async def test_a_handler_answers_with_a_document_whose_address_is_its_url(
    handlers: Handlers, session: WebSession, kept: Kept, url: str
) -> None:
    assert await handlers.fetch(url, "POST", PARAMETERS, session) == WebDocument(url, REJECT)
    (exchange,) = kept.exchanges
    assert exchange._replace(length=0) == Exchange("POST", url, PARAMETERS, 0.0, 200, "text/xml", REJECT)


@pytest.mark.parametrize(
    ("url", "code"),
    [
        ("twiml:nobody", 11100),
        ("twiml:", 11100),
        (REJECTS.replace("rejects", "dials"), 11100),
        (REJECTS.replace("rejects", "says_nothing"), 11770),
    ],
)
async def test_a_handler_that_has_no_document_is_a_failed_exchange(
    handlers: Handlers, session: WebSession, kept: Kept, url: str, code: int
) -> None:
    with pytest.raises(WebhookError) as failed:
        await handlers.fetch(url, "GET", PARAMETERS, session)
    assert (failed.value.code, failed.value.url) == (code, url)
    (exchange,) = kept.exchanges
    assert (exchange.method, exchange.status, exchange.code) == ("GET", None, code)
    assert exchange.text == failed.value.text


@pytest.mark.parametrize("url", ["TWIML:main", "Python:os:abort", "file:///etc/passwd", "twiml", "next.xml", ""])
async def test_all_else_is_a_matter_of_the_web_and_refused_there(
    handlers: Handlers, session: WebSession, url: str
) -> None:
    with pytest.raises(WebhookError) as failed:
        await handlers.fetch(url, "POST", PARAMETERS, session)
    assert failed.value.code == 11100


async def test_bins_that_lead_to_each_other_let_others_have_their_turn(
    handlers: Handlers, session: WebSession
) -> None:
    turns: list[int] = []
    asyncio.get_running_loop().call_soon(turns.append, 1)
    await handlers.fetch("twiml:main", "POST", PARAMETERS, session)
    assert turns == [1]
