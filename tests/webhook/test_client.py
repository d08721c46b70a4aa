"""A fetch from the question to the document: what the application sees, and every way in which it can fail."""

import asyncio
from itertools import count
from urllib.parse import parse_qsl

import pytest
from hypothesis import given
from hypothesis import strategies as st
from twilio.request_validator import RequestValidator

from byoc_proxy.twiml.verbs import MEDIA_ENGINE_MISSING
from byoc_proxy.webhook.bodies import form
from byoc_proxy.webhook.client import MAX_REDIRECTS, WebDocument, Webhooks
from byoc_proxy.webhook.session import WebSession
from byoc_proxy.webhook.transport import (
    MAX_BODY,
    CertificateFailed,
    ConnectFailed,
    ConnectRefused,
    ConnectTimedOut,
    HostNotFound,
    ProtocolViolated,
    TlsFailed,
    TransportError,
)
from byoc_proxy.webhook.urls import WebhookError
from tests.support.customer import Customer

URL = "https://app.example.com/voice"
TOKEN = "auth-token"
TWIML = "<Response/>"
PARAMS = [("CallSid", "CA1"), ("From", "+14155550100"), ("Name", "José & Co")]


def webhooks(customer: Customer) -> Webhooks:
    tokens = count(1)
    return Webhooks(customer, user_agent="byoc-proxy/test", new_token=lambda: f"token-{next(tokens)}")


def session() -> WebSession:
    return WebSession("AC1", "CA1", TOKEN)


async def fetch(customer: Customer, url: str = URL, method: str = "POST") -> WebDocument:
    return await webhooks(customer).fetch(url, method, PARAMS, session())


async def failure(customer: Customer, url: str = URL) -> WebhookError:
    with pytest.raises(WebhookError) as caught:
        await fetch(customer, url)
    assert caught.value.text.isprintable()
    return caught.value


def answering(
    twiml: str | bytes = "",
    *,
    status: int = 200,
    content_type: str = "text/xml",
    location: str = "",
    set_cookies: tuple[str, ...] = (),
    delay: float = 0.0,
) -> Customer:
    customer = Customer()
    customer.answers(
        "/voice",
        twiml,
        status=status,
        content_type=content_type,
        location=location,
        set_cookies=set_cookies,
        delay=delay,
    )
    return customer


async def test_a_post_carries_a_signed_form() -> None:
    customer = answering(twiml=TWIML)
    assert await fetch(customer) == WebDocument(URL, TWIML.encode())
    (asked,) = customer.requests
    assert (asked.method, asked.url) == ("POST", URL)
    assert asked.params == dict(PARAMS)
    signature = asked.headers.pop("X-Twilio-Signature")
    assert RequestValidator(TOKEN).validate(URL, asked.params, signature)
    assert asked.headers == {
        "User-Agent": "byoc-proxy/test",
        "Accept": "*/*",
        "Accept-Encoding": "gzip",
        "I-Twilio-Idempotency-Token": "token-1",
        "Content-Type": "application/x-www-form-urlencoded; charset=UTF-8",
    }


@pytest.mark.parametrize("url", [URL, URL + "?tenant=7"])
async def test_a_get_carries_its_parameters_in_the_signed_url(url: str) -> None:
    customer = answering(twiml=TWIML)
    assert (await fetch(customer, url, "GET")).url == url, "relative addresses need no parameters"
    (asked,) = customer.requests
    assert asked.url.startswith(url)
    assert asked.params.items() >= dict(PARAMS).items()
    assert (asked.body, "Content-Type" in asked.headers) == (b"", False)
    assert RequestValidator(TOKEN).validate(asked.url, {}, asked.headers["X-Twilio-Signature"])


@given(st.lists(st.tuples(st.text(st.characters(codec="utf-8")), st.text(st.characters(codec="utf-8")))))
def test_a_form_reads_back_as_it_was_written(pairs: list[tuple[str, str]]) -> None:
    written = form(pairs)
    assert written.isascii()
    assert parse_qsl(written, keep_blank_values=True, strict_parsing=bool(pairs)) == pairs


async def test_credentials_in_the_url_become_a_header_and_follow_the_call() -> None:
    customer, one_call = answering(twiml=TWIML), session()
    asking = webhooks(customer)
    document = await asking.fetch("https://u:p@app.example.com/voice", "POST", [], one_call)
    assert document.url == URL
    await asking.fetch(document.url, "POST", [], one_call)
    assert [asked.headers["Authorization"] for asked in customer.requests] == ["Basic dTpw"] * 2


async def test_cookies_of_a_call_come_back_and_those_of_another_call_do_not() -> None:
    customer, one_call = answering(twiml=TWIML, set_cookies=("session=1; Path=/",)), session()
    asking = webhooks(customer)
    await asking.fetch(URL, "POST", [], one_call)
    await asking.fetch(URL, "POST", [], one_call)
    await asking.fetch(URL, "POST", [], session())
    assert [asked.headers.get("Cookie") for asked in customer.requests] == [None, "session=1", None]


@pytest.mark.parametrize(
    ("status", "method", "params"),
    [
        (301, "GET", {}),
        (302, "GET", {}),
        (303, "GET", {}),
        (307, "POST", dict(PARAMS)),
        (308, "POST", dict(PARAMS)),
    ],
)
async def test_redirects_are_followed_like_a_browser_and_signed_again(
    status: int, method: str, params: dict[str, str]
) -> None:
    customer = answering(status=status, location="/moved?x=1")
    customer.answers("/moved", TWIML)
    document = await fetch(customer)
    assert document.url == "https://app.example.com/moved?x=1"
    asked = customer.requests[1]
    assert asked.method == method
    assert asked.params == (params if method == "POST" else {"x": "1"})
    assert asked.headers["I-Twilio-Idempotency-Token"] == "token-1"
    assert RequestValidator(TOKEN).validate(asked.url, params, asked.headers["X-Twilio-Signature"])


async def test_credentials_do_not_follow_a_redirect_to_another_host() -> None:
    customer = answering(status=307, location="https://other.example/x", set_cookies=("s=1",))
    customer.answers("https://other.example/x", TWIML)
    await fetch(customer, "https://u:p@app.example.com/voice")
    assert not {"Authorization", "Cookie"} & customer.requests[1].headers.keys()


async def test_ten_redirects_are_followed_and_the_eleventh_is_too_many() -> None:
    customer = answering(status=302, location="/voice")
    assert (await failure(customer)).code == 11215
    assert len(customer.requests) == MAX_REDIRECTS + 1


@pytest.mark.parametrize("location", ["ftp://app.example.com/", "https://[oops", "file:///etc/passwd"])
async def test_a_redirect_out_of_the_web_is_refused(location: str) -> None:
    assert (await failure(answering(status=302, location=location))).code == 11100


@pytest.mark.parametrize("status", [304, 302, 400, 404, 500, 503])
async def test_an_error_status_is_a_retrieval_failure(status: int) -> None:
    error = await failure(answering(twiml=TWIML, status=status))
    assert (error.code, error.url) == (11200, URL)
    assert str(status) in error.text


@pytest.mark.parametrize(
    ("content_type", "code"),
    [
        ("", 12300),
        ("application/json", 12300),
        ("image/png", 12300),
        ("audio/ogg", 12300),
        ("video/mpeg", 12300),
        *((f"audio/{each}", MEDIA_ENGINE_MISSING) for each in ("mpeg", "wav", "wave", "x-wav", "aiff", "x-aifc")),
        *((f"audio/{each}", MEDIA_ENGINE_MISSING) for each in ("x-aiff", "x-gsm", "gsm", "ulaw")),
        ("Audio/X-Wav; rate=8000", MEDIA_ENGINE_MISSING),
    ],
)
async def test_a_content_type_that_is_no_script_is_refused(content_type: str, code: int) -> None:
    assert (await failure(answering(twiml=TWIML, content_type=content_type))).code == code


@pytest.mark.parametrize(
    "content_type", ["text/xml", "application/xml; charset=utf-8", "TEXT/HTML", "text/plain;charset=UTF-8"]
)
async def test_a_content_type_that_may_be_a_script_is_accepted(content_type: str) -> None:
    document = await fetch(answering(twiml=TWIML, content_type=content_type))
    assert document.body == TWIML.encode()
    assert document.spoken == content_type.startswith("text/plain")


async def test_empty_and_huge_bodies_are_refused() -> None:
    assert (await failure(answering(twiml=""))).code == 11770
    assert (await failure(answering(twiml="", status=204, content_type=""))).code == 11770
    assert (await failure(answering(twiml=b"x" * (MAX_BODY + 1)))).code == 11750
    assert len((await fetch(answering(twiml=b"x" * MAX_BODY))).body) == MAX_BODY


@pytest.mark.parametrize(
    ("error", "code"),
    [
        (ConnectTimedOut("slow"), 11201),
        (ConnectRefused("closed"), 11202),
        (ConnectFailed("lost"), 11205),
        (HostNotFound("who"), 11210),
    ],
)
async def test_a_request_that_nobody_took_is_sent_twice_with_the_same_token(
    error: TransportError, code: int
) -> None:
    customer = Customer()
    customer.refuses("/voice", error)
    assert (await failure(customer)).code == code
    tokens = [asked.headers["I-Twilio-Idempotency-Token"] for asked in customer.requests]
    assert tokens == ["token-1", "token-1"]


async def test_every_request_has_a_token_of_its_own() -> None:
    customer = answering(twiml=TWIML)
    asking = webhooks(customer)
    for _ in range(3):
        await asking.fetch(URL, "POST", PARAMS, session())
    tokens = [asked.headers["I-Twilio-Idempotency-Token"] for asked in customer.requests]
    assert tokens == ["token-1", "token-2", "token-3"]


async def test_the_second_attempt_may_succeed() -> None:
    customer = answering(twiml=TWIML)
    customer.refuses("/voice", times=1)
    assert (await fetch(customer)).body == TWIML.encode()


@pytest.mark.parametrize(
    ("error", "code"),
    [(ProtocolViolated("?"), 11206), (TlsFailed("no"), 11220), (CertificateFailed("who"), 11237)],
)
async def test_a_broken_answer_is_not_asked_for_again(error: TransportError, code: int) -> None:
    customer = Customer()
    customer.refuses("/voice", error)
    assert (await failure(customer)).code == code
    assert len(customer.requests) == 1


async def test_an_application_that_hangs_costs_fifteen_seconds() -> None:
    customer = Customer()
    customer.hangs("/voice")
    error = await failure(customer, "https://u:secret@app.example.com/voice#rc=2")
    assert (error.code, error.url) == (11203, URL)
    assert asyncio.get_running_loop().time() == 15.0


async def test_the_fifteen_seconds_include_redirects() -> None:
    customer = answering(status=302, location="/voice", delay=4)
    assert (await failure(customer)).code == 11203
    assert asyncio.get_running_loop().time() == 15.0
    assert len(customer.requests) == 4


async def test_an_answer_in_the_fifteenth_second_counts() -> None:
    assert (await fetch(answering(twiml=TWIML, delay=14.9))).body == TWIML.encode()


@pytest.mark.parametrize("url", ["", "/voice", "ftp://app.example.com/voice", "https://app.example.com/\r\nX: 1"])
async def test_an_address_that_is_not_of_the_web_is_never_requested(url: str) -> None:
    customer = Customer()
    assert (await failure(customer, url)).code == 11100
    assert customer.requests == []


@pytest.mark.parametrize(("status", "body", "kind"), [(200, "", ""), (204, "", ""), (404, "no", "text/plain")])
async def test_what_an_application_answers_to_a_notification_is_not_read(status: int, body: str, kind: str) -> None:
    customer = answering(body, status=status, content_type=kind)
    assert await webhooks(customer).notify(URL, "POST", PARAMS, session(), "the-same") == status
    (asked,) = customer.requests
    assert asked.headers["I-Twilio-Idempotency-Token"] == "the-same"
    assert RequestValidator(TOKEN).validate(URL, asked.params, asked.headers["X-Twilio-Signature"])


async def test_a_notification_that_nobody_takes_is_an_error() -> None:
    customer = Customer()
    customer.refuses("/voice")
    with pytest.raises(WebhookError) as caught:
        await webhooks(customer).notify(URL, "POST", PARAMS, session(), "the-same")
    assert caught.value.code == 11202
