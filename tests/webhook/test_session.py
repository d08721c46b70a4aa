"""What a call keeps of its exchanges: each request with what came of it, nothing secret, and not without end."""

import asyncio
from itertools import count

import pytest

from byoc_proxy.webhook.client import Webhooks
from byoc_proxy.webhook.exchange import MOST_BODY, MOST_BYTES_OF_A_CALL, MOST_OF_A_CALL, Exchange
from byoc_proxy.webhook.session import WebSession
from byoc_proxy.webhook.transport import ConnectRefused
from byoc_proxy.webhook.urls import WebhookError
from tests.support.customer import Customer

URL = "https://app.example.com/voice"
PARAMS = [("CallSid", "CA1"), ("From", "+14155550100")]


class Kept:
    """Everything that was noted."""

    def __init__(self) -> None:
        self.exchanges: list[Exchange] = []
        self.of: set[tuple[str, str]] = set()

    def note(self, account_sid: str, call_sid: str, exchange: Exchange) -> None:
        self.of.add((account_sid, call_sid))
        self.exchanges.append(exchange)


def webhooks(customer: Customer) -> Webhooks:
    tokens = count()
    return Webhooks(customer, user_agent="test", new_token=lambda: str(next(tokens)))


async def ask(customer: Customer, url: str = URL, method: str = "POST") -> list[Exchange]:
    kept = Kept()
    session = WebSession("AC1", "CA1", "secret", exchanges=kept)
    try:
        await webhooks(customer).fetch(url, method, PARAMS, session)
    except WebhookError:
        assert kept.of <= {("AC1", "CA1")}
    assert all(each.length for each in kept.exchanges if each.parameters)
    return [each._replace(length=0) for each in kept.exchanges]


async def test_a_request_is_kept_with_its_answer() -> None:
    customer = Customer()
    customer.answers("/voice", "<Response/>", delay=0.25)
    assert await ask(customer) == [Exchange("POST", URL, PARAMS, 0.25, 200, "text/xml", b"<Response/>")]


async def test_an_answer_that_is_no_document_is_kept_as_it_came() -> None:
    customer = Customer()
    customer.answers("/voice", "Oops", status=500, content_type="text/html")
    assert await ask(customer) == [Exchange("POST", URL, PARAMS, 0.0, 500, "text/html", b"Oops")]


async def test_every_retry_and_every_redirect_is_kept() -> None:
    customer = Customer()
    customer.answers("/voice", status=302, location="/moved", content_type="")
    customer.refuses("/voice", ConnectRefused("closed"), times=1)
    customer.answers("/moved", "<Response/>")
    assert await ask(customer) == [
        Exchange("POST", URL, PARAMS, 0.0, None, code=11202, text="closed"),
        Exchange("POST", URL, PARAMS, 0.0, 302),
        Exchange("GET", "https://app.example.com/moved", (), 0.0, 200, "text/xml", b"<Response/>"),
    ]


async def test_a_request_that_is_never_answered_is_kept_with_the_reason() -> None:
    customer = Customer()
    customer.hangs("/voice")
    assert await ask(customer) == [
        Exchange("POST", URL, PARAMS, 15.0, None, code=11203, text="no answer within 15 s")
    ]


async def test_a_request_whose_call_is_over_is_kept_without_an_answer() -> None:
    customer, kept = Customer(), Kept()
    customer.hangs("/voice")
    session = WebSession("AC1", "CA1", "secret", exchanges=kept)
    asking = asyncio.ensure_future(webhooks(customer).fetch(URL, "POST", PARAMS, session))
    await asyncio.sleep(2)
    asking.cancel()
    await asyncio.wait([asking])
    (exchange,) = kept.exchanges
    assert (exchange.duration, exchange.status, exchange.code) == (2.0, None, None)
    assert exchange.text == "the call went on without the answer"


async def test_what_was_never_sent_is_not_kept() -> None:
    assert await ask(Customer(), "ftp://app.example.com/") == []
    assert await ask(Customer(), URL + "#rp=never") == []


@pytest.mark.parametrize("method", ["GET", "POST"])
async def test_nothing_secret_is_kept(method: str) -> None:
    customer = Customer()
    customer.answers("/voice", "<Response/>", set_cookies=("session=cookie-value",))
    kept = Kept()
    session = WebSession("AC1", "CA1", "auth-token", exchanges=kept)
    for _ in range(2):
        url = "https://user:password@app.example.com/voice?x=1#rc=2"
        await webhooks(customer).fetch(url, method, PARAMS, session)
    told = repr(kept.exchanges)
    assert customer.requests[1].headers.keys() >= {"Cookie", "Authorization"}
    assert not [each for each in ("password", "cookie-value", "auth-token", "dXNlcj", "#rc") if each in told]
    assert [each.url for each in kept.exchanges] == [URL + "?x=1"] * 2
    assert not [each for each in ("auth-token", "cookie-value", "password") if each in repr(session)]


async def test_of_a_long_answer_the_beginning_is_kept() -> None:
    customer = Customer()
    customer.answers("/voice", b"x" * (MOST_BODY + 1))
    assert [len(each.body) for each in await ask(customer)] == [MOST_BODY]


async def test_of_a_call_that_asks_for_ever_the_first_requests_are_kept() -> None:
    customer, kept = Customer(), Kept()
    customer.answers("/voice", "<Response/>")
    session, asking = WebSession("AC1", "CA1", "secret", exchanges=kept), webhooks(customer)
    for _ in range(MOST_OF_A_CALL + 50):
        await asking.fetch(URL, "POST", PARAMS, session)
    assert len(kept.exchanges) == MOST_OF_A_CALL


async def test_of_a_call_with_long_answers_so_many_bytes_are_kept() -> None:
    customer, kept = Customer(), Kept()
    customer.answers("/voice", b"x" * MOST_BODY)
    session, asking = WebSession("AC1", "CA1", "secret", exchanges=kept), webhooks(customer)
    for _ in range(MOST_OF_A_CALL):
        await asking.fetch(URL, "POST", PARAMS, session)
    assert MOST_BYTES_OF_A_CALL - 2 * MOST_BODY < sum(each.size for each in kept.exchanges) <= MOST_BYTES_OF_A_CALL
