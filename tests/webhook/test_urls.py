"""The one form in which a URL is requested, signed and shown."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from byoc_proxy.webhook.urls import Address, WebhookError, address, redirected, without_credentials


@pytest.mark.parametrize(
    ("written", "requested"),
    [
        ("https://app.example.com/voice", "https://app.example.com/voice"),
        ("HTTPS://App.Example.com", "https://app.example.com/"),
        ("https://app.example.com:443/voice#rc=2&rp=all", "https://app.example.com/voice"),
        (
            "http://app.example.com:8080/a%20b/ü?n=John Smith&x=%2B",
            "http://app.example.com:8080/a%20b/%C3%BC?n=John%20Smith&x=%2B",
        ),
        ("http://[::1]:8080/x?", "http://[::1]:8080/x"),
        ("http://bücher.example:80/", "http://xn--bcher-kva.example/"),
    ],
)
def test_a_url_is_requested_in_one_form(written: str, requested: str) -> None:
    assert address(written).url == requested
    assert address(requested).url == requested


def test_credentials_travel_in_a_header_and_are_not_shown() -> None:
    assert address("https://user:p%40ss@app.example.com/x") == Address(
        "https://app.example.com/x", "https://app.example.com", "Basic dXNlcjpwQHNz"
    )
    assert without_credentials("https://user:secret@app.example.com/a@b#c") == "https://app.example.com/a@b"


@pytest.mark.parametrize(
    "written",
    [
        "",
        "/voice",
        "//app.example.com/voice",
        "ftp://app.example.com/voice",
        "file:///etc/passwd",
        "https://",
        "https:///voice",
        "https://app.example.com:99999/",
        "https://[::1/voice",
        "https://app.example.com/\r\nHost: evil",
        "https://\u2100.example/",
    ],
)
def test_what_cannot_be_requested_is_refused(written: str) -> None:
    with pytest.raises(WebhookError) as caught:
        address(written)
    assert caught.value.code == 11100


def test_a_location_may_be_relative() -> None:
    assert redirected("https://a.example/x/y", "../z?q").url == "https://a.example/z?q"
    with pytest.raises(WebhookError):
        redirected("https://a.example/x/y", "https://[oops")


def requested(written: str) -> str | None:
    try:
        return address(written).url
    except WebhookError as error:
        return None if error.code == 11100 and error.text.isprintable() else str(error)


@given(st.text(max_size=40))
def test_any_text_is_an_address_or_refused(text: str) -> None:
    for written in (text, f"https://{text}", f"https://app.example.com/{text}"):
        url = requested(written)
        assert url is None or (url.isascii() and url.isprintable() and " " not in url)
        assert url is None or requested(url) == url
