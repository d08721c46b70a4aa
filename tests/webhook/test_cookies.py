"""What an application may leave with a call, and who gets it back."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from byoc_proxy.webhook.cookies import MAX_COOKIES, CallCookies

APP = "https://app.example.com"
VOICE = f"{APP}/calls/voice"


def jar(*lines: str, at: str = VOICE) -> CallCookies:
    cookies = CallCookies()
    cookies.store(at, lines)
    return cookies


async def test_cookies_return_to_the_host_that_set_them_and_to_no_other() -> None:
    cookies = jar("session=abc; Path=/; HttpOnly", "step=2; Max-Age=60; Path=/")
    assert cookies.header(APP + "/") == "session=abc; step=2"
    assert cookies.header("https://app.example.com:8443/") == "session=abc; step=2"
    assert cookies.header("https://evil.example.com/") is None
    assert cookies.header("https://sub.app.example.com/") is None


@pytest.mark.parametrize(
    ("attributes", "url", "comes_back"),
    [
        ("", f"{APP}/calls/after", True),
        ("", f"{APP}/calls/deeper/after", True),
        ("", f"{APP}/other", False),
        ("", f"{APP}/callsandmore", False),
        ("; Path=/", f"{APP}/other", True),
        ("; Path=/calls", f"{APP}/calls", True),
        ("; Path=/calls", f"{APP}/callsandmore", False),
        ("; Path=relative", f"{APP}/calls/after", True),
        ("; Domain=example.com", "https://other.example.com/calls/", True),
        ("; Domain=.example.com", "https://example.com/calls/", True),
        ("; Domain=example.com", "https://example.org/calls/", False),
        ("; Domain=evil.com", VOICE, False),
        ("; Domain=sub.app.example.com", VOICE, False),
        ("", "http://app.example.com/calls/voice", True),
        ("; Secure", "http://app.example.com/calls/voice", False),
        ("; Secure", VOICE, True),
        ("; Expires=Wed, 21 Oct 2015 07:28:00 GMT", VOICE, False),
        ("; Expires=Wed, 21 Oct 2099 07:28:00 GMT", VOICE, True),
        ("; Expires=Wed, 21 Oct 2015 07:28:00 GMT; Max-Age=60", VOICE, True),
        ("; Max-Age=0", VOICE, False),
        ("; SameSite=Strict; HttpOnly", VOICE, True),
    ],
)
async def test_a_cookie_comes_back_where_a_browser_would_send_it(
    attributes: str, url: str, comes_back: bool
) -> None:
    assert jar(f"a=1{attributes}").header(url) == ("a=1" if comes_back else None)


@pytest.mark.parametrize("host", ["http://127.0.0.1:8000", "http://[::1]:8000", "http://localhost:8000"])
async def test_an_application_that_is_an_address_has_cookies_too(host: str) -> None:
    assert jar("a=1", at=f"{host}/voice").header(f"{host}/after") == "a=1"


async def test_a_cookie_set_again_is_replaced_and_max_age_zero_deletes_it() -> None:
    cookies = jar("a=1", "b=1", "a=2")
    assert cookies.header(VOICE) == "a=2; b=1"
    cookies.store(VOICE, ("a=; Max-Age=0",))
    assert cookies.header(VOICE) == "b=1"
    cookies.store(VOICE, ("b=; Path=/calls; max-age=-1; Secure",))
    assert cookies.header(VOICE) is None


@pytest.mark.parametrize("value", ["a b", "a=b==", "", "%C3%BC", "x,y"])
async def test_a_value_comes_back_as_it_was_set(value: str) -> None:
    assert jar(f"a={value}").header(VOICE) == f"a={value}"


async def test_what_cannot_stand_in_a_header_is_no_cookie() -> None:
    assert jar("=x", "a", "a b=c", "a=b\r\nEvil: 1", "a=caf\u00e9", "a=" + "x" * 5000).header(VOICE) is None


async def test_an_application_cannot_fill_the_memory_with_cookies() -> None:
    cookies = jar(*(f"c{number}=x" for number in range(1000)))
    for number in range(1000):
        cookies.store(f"{APP}/{number}/", (f"d{number}=x",))
    header = cookies.header(VOICE)
    assert header is not None
    assert header.count("=") == MAX_COOKIES


@given(st.lists(st.text(max_size=30), max_size=5).map(tuple))
async def test_whatever_is_stored_makes_one_line(lines: tuple[str, ...]) -> None:
    header = jar(*lines).header(VOICE)
    assert header is None or (header.isprintable() and header.isascii())


def test_credentials_are_remembered_for_their_host_only() -> None:
    cookies = CallCookies()
    assert cookies.authorization(APP, "Basic eA==") == "Basic eA=="
    assert cookies.authorization(APP, None) == "Basic eA=="
    assert cookies.authorization("http://app.example.com", None) is None
