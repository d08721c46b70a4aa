"""Every request as the official validator sees it: forms and JSON, GET and POST, ports, credentials, any text."""

import json
from urllib.parse import parse_qsl, urlsplit, urlunsplit

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from twilio.request_validator import RequestValidator

from byoc_proxy.trunk.model import WebhookFormat
from byoc_proxy.webhook.client import Webhooks
from byoc_proxy.webhook.session import WebSession
from tests.support.customer import Asked, Customer
from tests.webhook.test_signature import Form

TOKEN = "an-auth-token"
TEXT = st.text(st.characters(codec="utf-8"), max_size=12)
NAME = st.from_regex(r"[A-Za-z][A-Za-z_-]{0,11}", fullmatch=True)
PAIRS = st.lists(st.tuples(NAME, TEXT), min_size=1, max_size=6)
WRITTEN = st.text(st.characters(codec="utf-8", exclude_categories=["Cc"]), max_size=12)
QUERY = st.lists(st.tuples(WRITTEN.filter(bool), WRITTEN), max_size=3)

URLS = [
    f"{scheme}://{user}{host}{port}{rest}"
    for scheme in ("http", "https")
    for user in ("", "ann:s%40cret@")
    for host in ("app.example.com", "bücher.example", "127.0.0.1", "[2001:db8::1]")
    for port in ("", ":80", ":443", ":8443")
    for rest in ("", "/", "/voice", "/a%20b/ü?tenant=7&x=%2B&x=a b", "/voice?x=1#rc=2&rp=all")
]


async def asked(url: str, method: str, form: WebhookFormat, params: list[tuple[str, str]]) -> Asked:
    """The request as the application gets it."""
    customer = Customer()
    path = urlsplit(url.partition("#")[0]).path or "/"
    customer.answers(path, "<Response/>")
    webhooks = Webhooks(customer, user_agent="test", new_token=lambda: "token")
    await webhooks.notify(url, method, params, WebSession("AC1", "CA1", TOKEN, form), "token")
    (request,) = customer.requests
    return request


def places(url: str) -> set[str]:
    """The URL as a framework may give it to the application: with the scheme's own port, and without."""
    parts = urlsplit(url)
    if parts.port is not None or parts.netloc.startswith("["):
        return {url}  # the validator takes an IPv6 address apart when it looks for its port
    own = {"http": 80, "https": 443}[parts.scheme]
    return {url, urlunsplit(parts._replace(netloc=f"{parts.netloc}:{own}"))}


def accepts(request: Asked, *, url: str = "", more: str = "") -> bool:
    """What the validator says to what an application would hand to it."""
    body = request.body.decode()
    told: object = {}
    if request.headers.get("Content-Type") == "application/json":
        told = body + more
    elif request.method == "POST":
        told = Form([*parse_qsl(body, keep_blank_values=True), *([("More", more)] if more else [])])
    signature = request.headers["X-Twilio-Signature"]
    return bool(RequestValidator(TOKEN).validate(url or request.url, told, signature))


@pytest.mark.parametrize("form", ["form", "json"])
@pytest.mark.parametrize("method", ["GET", "POST"])
async def test_the_official_validator_accepts_every_request(method: str, form: WebhookFormat) -> None:
    params = [
        ("CallSid", "CA1"),
        ("From", "+14155550100"),
        ("Digits", "2"),
        ("Digits", "1"),
        ("Name", "Jürgen"),
    ]
    for url in URLS:
        request = await asked(url, method, form, params)
        assert "@" not in request.url
        assert all(accepts(request, url=place) for place in places(request.url)), url
        assert not accepts(request, url=request.url.replace("/", "/x", 3)), url


@settings(max_examples=200)
@given(PAIRS, QUERY, st.sampled_from(["GET", "POST"]), st.sampled_from(["form", "json"]))
async def test_the_official_validator_accepts_any_text_and_notices_any_change(
    params: list[tuple[str, str]], query: list[tuple[str, str]], method: str, form: WebhookFormat
) -> None:
    written = "&".join(f"{name}={value}" for name, value in query)
    request = await asked("https://app.example.com/voice" + (f"?{written}" if query else ""), method, form, params)
    assert accepts(request)
    if method == "POST":
        assert not accepts(request, more="x")
    assert not RequestValidator("another token").validate(request.url, {}, request.headers["X-Twilio-Signature"])


@given(PAIRS)
async def test_a_form_and_an_object_of_json_say_the_same(params: list[tuple[str, str]]) -> None:
    request = await asked("https://app.example.com/voice", "POST", "json", params)
    told = json.loads(request.body)
    lists = {name: value if isinstance(value, list) else [value] for name, value in told.items()}
    assert lists == {name: [each for key, each in params if key == name] for name, _ in params}
    assert request.url.partition("?bodySHA256=")[0] == "https://app.example.com/voice"
