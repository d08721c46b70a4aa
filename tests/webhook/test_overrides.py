"""Connection overrides (contract 2.2): each name with its range, its default and its code, and what it changes."""

import asyncio
from collections.abc import Callable
from itertools import count

import pytest
from hypothesis import given
from hypothesis import strategies as st

from byoc_proxy.webhook.client import Webhooks
from byoc_proxy.webhook.overrides import Overrides, overrides
from byoc_proxy.webhook.session import WebSession
from byoc_proxy.webhook.transport import ConnectRefused, HttpRequest, HttpResponse, TlsFailed, TransportError
from byoc_proxy.webhook.urls import WebhookError
from tests.support.customer import Customer

URL = "https://app.example.com/voice"


@pytest.mark.parametrize(
    ("fragment", "meant"),
    [
        ("", Overrides(None, None, None, 1, frozenset({"ct"}))),
        ("ct=100", Overrides(connect_timeout=0.1)),
        ("ct=10000", Overrides(connect_timeout=10.0)),
        ("rt=100", Overrides(read_timeout=0.1)),
        ("rt=15000", Overrides()),
        ("rt=3000&tt=2000", Overrides(total_timeout=2.0)),
        ("tt=100", Overrides(total_timeout=0.1)),
        ("tt=15000", Overrides(total_timeout=15.0)),
        ("rc=0", Overrides(retries=0)),
        ("rc=5", Overrides(retries=5)),
        ("rp=4xx", Overrides(retried=frozenset({"4xx"}))),
        ("rp=5xx,rt,ct", Overrides(retried=frozenset({"5xx", "rt", "ct"}))),
        ("rp=all", Overrides(retried=frozenset({"4xx", "5xx", "rt", "ct"}))),
        ("rc=2&rp=all&ct=2000", Overrides(2.0, None, None, 2, frozenset({"4xx", "5xx", "rt", "ct"}))),
        ("e=ashburn,dublin", Overrides()),
        ("sni=y", Overrides()),
        ("sni=n", Overrides()),
        ("rc=2&rc=3", Overrides(retries=3)),
    ],
)
def test_a_fragment_says_how_its_url_is_asked(fragment: str, meant: Overrides) -> None:
    assert overrides(f"{URL}#{fragment}") == meant


@pytest.mark.parametrize("fragment", ["chapter-2", "a=b", "RC=2", "&&=&", "rc", "x=1&y#rc=9"])
def test_an_anchor_of_a_page_means_nothing(fragment: str) -> None:
    assert overrides(f"{URL}#{fragment}") == Overrides()


@pytest.mark.parametrize(
    ("fragment", "code"),
    [
        *((f"{name}={wrong}", 11100) for name in ("ct", "rt", "tt", "rc") for wrong in ("", "-1", "1.5", "x", "²")),
        ("ct=99", 11100),
        ("ct=10001", 11100),
        ("rt=99", 11100),
        ("rt=15001", 11100),
        ("tt=99", 11100),
        ("tt=15001", 11100),
        ("rc=6", 11100),
        ("sni=maybe", 11100),
        ("rp=", 11243),
        ("rp=6xx", 11243),
        ("rp=all,never", 11243),
        ("rp=4xx;5xx", 11243),
        ("e=", 11240),
        ("e=Ashburn!", 11240),
        ("e=ashburn,,dublin", 11240),
        ("e=atlantis", 11241),
        ("e=ashburn,atlantis", 11241),
    ],
)
async def test_an_override_that_cannot_be_is_a_coded_error_before_any_request(fragment: str, code: int) -> None:
    customer = Customer()
    with pytest.raises(WebhookError) as caught:
        await ask(customer, fragment, user="u:secret@")
    assert (caught.value.code, caught.value.url, customer.requests) == (code, URL, [])
    assert "connection override" in caught.value.text


@given(st.text(max_size=60))
def test_any_fragment_is_understood_or_refused(fragment: str) -> None:
    codes, retries = set(), 0
    try:
        retries = overrides(f"{URL}#{fragment}").retries
    except WebhookError as error:
        codes.add(error.code)
    assert codes <= {11100, 11240, 11241, 11243}
    assert 0 <= retries <= 5


async def ask(customer: Customer, fragment: str, user: str = "", method: str = "POST") -> bytes:
    tokens = count(1)
    webhooks = Webhooks(customer, user_agent="test", new_token=lambda: f"token-{next(tokens)}")
    url = f"https://{user}app.example.com/voice#{fragment}"
    document = await webhooks.fetch(url, method, [("CallSid", "CA1")], WebSession("AC1", "CA1", "secret"))
    return document.body


def answers(status: int) -> Customer:
    customer = Customer()
    customer.answers("/voice", "<Response/>", status=status)
    return customer


def fails(error: TransportError) -> Customer:
    customer = Customer()
    customer.refuses("/voice", error)
    return customer


def hangs() -> Customer:
    customer = Customer()
    customer.hangs("/voice")
    return customer


FAILURES: dict[str, Callable[[], Customer]] = {
    "4xx": lambda: answers(404),
    "5xx": lambda: answers(503),
    "ct": lambda: fails(ConnectRefused("closed")),
    "rt": hangs,
    "tls": lambda: fails(TlsFailed("no")),
    "redirect to nowhere": lambda: answers(304),
}


@pytest.mark.parametrize("failure", FAILURES)
@pytest.mark.parametrize("policy", ["4xx", "5xx", "ct", "rt", "all"])
async def test_what_the_policy_names_is_retried_and_nothing_else(failure: str, policy: str) -> None:
    customer = FAILURES[failure]()
    with pytest.raises(WebhookError):
        await ask(customer, f"rc=2&rp={policy}&rt=500")
    expected = 3 if failure == policy or (policy == "all" and failure in ("4xx", "5xx", "ct", "rt")) else 1
    assert len(customer.requests) == expected


@pytest.mark.parametrize("retries", range(6))
async def test_a_request_is_sent_again_as_often_as_the_url_says_with_one_token(retries: int) -> None:
    customer = answers(500)
    with pytest.raises(WebhookError) as caught:
        await ask(customer, f"rc={retries}&rp=5xx")
    assert caught.value.code == 11200
    tokens = [asked.headers["I-Twilio-Idempotency-Token"] for asked in customer.requests]
    assert tokens == ["token-1"] * (retries + 1)


async def test_retries_are_counted_over_all_redirects_of_a_request() -> None:
    customer = Customer()
    customer.answers("/voice", status=307, location="/next")
    customer.refuses("/voice", times=1)
    customer.refuses("/next")
    with pytest.raises(WebhookError):
        await ask(customer, "rc=2")
    assert [len(customer.asked("/voice")), len(customer.asked("/next"))] == [2, 2]


async def test_a_retry_that_succeeds_is_the_answer() -> None:
    customer = answers(200)
    customer.answers("/voice", "busy", status=503, times=2)
    assert await ask(customer, "rc=2&rp=5xx") == b"<Response/>"


async def test_the_total_time_caps_all_retries() -> None:
    customer = hangs()
    with pytest.raises(WebhookError) as caught:
        await ask(customer, "rc=5&rp=all&rt=1000&tt=3500")
    assert (caught.value.code, caught.value.text) == (11203, "no answer within 3.5 s")
    assert asyncio.get_running_loop().time() == 3.5
    assert [asked.at for asked in customer.requests] == [0.0, 1.0, 2.0, 3.0]


async def test_an_answer_that_is_slower_than_the_read_timeout_is_a_retrieval_failure() -> None:
    customer = Customer()
    customer.answers("/voice", "<Response/>", delay=2.5)
    with pytest.raises(WebhookError) as caught:
        await ask(customer, "rt=2000")
    assert (caught.value.code, asyncio.get_running_loop().time()) == (11200, 2.0)


async def test_the_fragment_is_neither_sent_nor_signed() -> None:
    plain, overridden = answers(200), answers(200)
    await ask(plain, "")
    await ask(overridden, "rc=2&rp=all&ct=2000&e=ashburn&sni=y")
    assert overridden.requests[0].url == plain.requests[0].url == URL
    assert overridden.requests[0].headers == plain.requests[0].headers


async def test_the_connect_timeout_of_the_url_reaches_the_network() -> None:
    seen: list[tuple[float, float | None]] = []

    class Watching(Customer):
        async def send(self, request: HttpRequest) -> HttpResponse:
            seen.append((request.connect_timeout, request.read_timeout))
            return await super().send(request)

    customer = Watching()
    customer.answers("/voice", "<Response/>")
    await ask(customer, "ct=2000&rt=700")
    await ask(customer, "")
    assert seen == [(2.0, 0.7), (5.0, None)]
