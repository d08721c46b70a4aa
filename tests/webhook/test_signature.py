"""The signature against its published vectors and against the official SDK's validator."""

from urllib.parse import urlencode

import pytest
from hypothesis import given
from hypothesis import strategies as st
from twilio.request_validator import RequestValidator

from byoc_proxy.webhook.signature import body_sha256, sign, signed_url

VALUES = st.text(st.characters(codec="utf-8"), max_size=12)
NAMES = st.from_regex(r"[A-Za-z_-]{1,12}", fullmatch=True)


class Form:
    """A form as web frameworks hand it to the SDK: names with all their values."""

    def __init__(self, pairs: list[tuple[str, str]]) -> None:
        self._pairs = pairs

    def __iter__(self) -> object:
        return iter([name for name, _ in self._pairs])

    def __len__(self) -> int:
        return len(self._pairs)

    def getall(self, name: str) -> list[str]:
        return [value for key, value in self._pairs if key == name]


def test_the_published_vector() -> None:
    params = [
        ("CallSid", "CA1234567890ABCDE"),
        ("Caller", "+14158675309"),
        ("Digits", "1234"),
        ("From", "+14158675309"),
        ("To", "+18005551212"),
    ]
    url = "https://mycompany.com/myapp.php?foo=1&bar=2"
    assert sign(url, params, "12345") == "RSOYDt4T1cUTdK1PDd93/VVr8B8="
    assert sign(url, list(reversed(params)), "12345") == "RSOYDt4T1cUTdK1PDd93/VVr8B8="


def test_repeated_values_count_once_and_are_sorted() -> None:
    params = [("Sid", "CA123"), ("SidAccount", "AC123"), ("Digits", "5678"), ("Digits", "1234"), ("Digits", "1234")]
    assert sign("https://mycompany.com/myapp.php?foo=1&bar=2", params, "12345") == "IK+Dwps556ElfBT0I3Rgjkr1wJU="


def test_the_published_body_hash() -> None:
    digest = body_sha256(b'{"property": "value", "boolean": true}')
    assert digest == "0a1ff7634d9ab3b95db5c9a2dfe9416e41502b283a80c7cf19632632f96e6620"


@pytest.mark.parametrize(
    ("url", "signed"),
    [
        ("https://a.example/x?y=1#rc=2", "https://a.example/x?y=1"),
        ("https://a.example:443/x", "https://a.example/x"),
        ("http://a.example:80?x=:80/", "http://a.example?x=:80/"),
        ("http://a.example:443/x", "http://a.example:443/x"),
        ("https://a.example:4433/x", "https://a.example:4433/x"),
        ("https://[2001:db8::443]/x", "https://[2001:db8::443]/x"),
        ("http://[::1]:80", "http://[::1]"),
    ],
)
def test_what_a_server_cannot_see_is_not_signed(url: str, signed: str) -> None:
    assert signed_url(url) == signed
    assert sign(url, None, "token") == sign(signed, None, "token")


@given(st.lists(st.tuples(NAMES, VALUES), max_size=8), VALUES, st.sampled_from(["", ":443", ":8443"]))
def test_the_official_validator_accepts_every_signed_form(
    pairs: list[tuple[str, str]], token: str, port: str
) -> None:
    url = f"https://app.example.com{port}/voice?a=b%20c"
    signature = sign(url, pairs, token)
    assert RequestValidator(token).validate(url, Form(pairs), signature)
    assert not RequestValidator(token).validate(url, Form([*pairs, ("More", "x")]), signature)


@given(st.lists(st.tuples(NAMES, VALUES), max_size=8))
def test_the_official_validator_accepts_every_signed_query(pairs: list[tuple[str, str]]) -> None:
    url = f"https://app.example.com/voice?{urlencode(pairs)}" if pairs else "https://app.example.com/voice"
    assert RequestValidator("token").validate(url, {}, sign(url, None, "token"))


@given(st.text(st.characters(codec="utf-8"), max_size=40))
def test_the_official_validator_accepts_every_signed_body(body: str) -> None:
    url = f"https://app.example.com/voice?bodySHA256={body_sha256(body.encode())}"
    assert RequestValidator("token").validate(url, body, sign(url, None, "token"))
