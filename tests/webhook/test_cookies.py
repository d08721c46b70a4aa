"""What an application may leave with a call, and who gets it back."""

from hypothesis import given
from hypothesis import strategies as st

from byoc_proxy.webhook.cookies import MAX_COOKIES, CallCookies

APP = "https://app.example.com"


def jar(*lines: str) -> CallCookies:
    cookies = CallCookies()
    cookies.store(APP, lines)
    return cookies


def test_cookies_return_to_the_host_that_set_them_and_to_no_other() -> None:
    cookies = jar("session=abc; Path=/; HttpOnly", "step=2; Max-Age=60")
    assert cookies.header(APP) == "session=abc; step=2"
    assert cookies.header("http://app.example.com") is None
    assert cookies.header("https://evil.example.com") is None


def test_a_cookie_set_again_is_replaced_and_max_age_zero_deletes_it() -> None:
    cookies = jar("a=1", "b=1", "a=2")
    assert cookies.header(APP) == "a=2; b=1"
    cookies.store(APP, ("a=; Max-Age=0",))
    assert cookies.header(APP) == "b=1"
    cookies.store(APP, ("b=; Path=/; max-age=-1; Secure",))
    assert cookies.header(APP) is None


def test_what_cannot_stand_in_a_header_is_no_cookie() -> None:
    assert jar("=x", "a", "a b=c", "a=b\r\nEvil: 1", "a=caf\u00e9", "a=" + "x" * 5000).header(APP) is None


def test_an_application_cannot_fill_the_memory_with_cookies() -> None:
    cookies = jar(*(f"c{number}=x" for number in range(1000)))
    header = cookies.header(APP)
    assert header is not None
    assert header.count("=") == MAX_COOKIES


@given(st.lists(st.text(max_size=30), max_size=5).map(tuple))
def test_whatever_is_stored_makes_one_line(lines: tuple[str, ...]) -> None:
    header = jar(*lines).header(APP)
    assert header is None or (header.isprintable() and header.isascii())


def test_credentials_are_remembered_for_their_host_only() -> None:
    cookies = CallCookies()
    assert cookies.authorization(APP, "Basic eA==") == "Basic eA=="
    assert cookies.authorization(APP, None) == "Basic eA=="
    assert cookies.authorization("http://app.example.com", None) is None
