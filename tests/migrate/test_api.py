"""Reading lists: both envelopes, page by page, and what is said when it cannot be done."""

import asyncio
import base64
import json
from typing import Any

import pytest

from byoc_proxy.migrate.api import Api, ImportFailed, checked_base
from byoc_proxy.migrate.transport import Key
from tests.support.twilio import ACCOUNT, HOST, TOKEN, FakeTwilio, InMemory, Reply, refusal, sid

KEY = Key(ACCOUNT, TOKEN, "the account SID and TWILIO_AUTH_TOKEN")
SECRET_FORMS = (TOKEN, base64.b64encode(f"{ACCOUNT}:{TOKEN}".encode()).decode())


def api(fake: FakeTwilio, **wrong: Any) -> Api:
    return Api(InMemory(fake, **wrong), KEY, HOST, HOST)


def many(prefix: str, count: int) -> list[dict[str, Any]]:
    return [{"sid": sid(prefix, number)} for number in range(count)]


@pytest.mark.parametrize("count", [0, 1, 4, 5, 9])
async def test_all_pages_of_both_envelopes_are_read(count: int) -> None:
    fake = FakeTwilio(page_size=4)
    fake.put("/ByocTrunks", "byoc_trunks", *many("BY", count))
    fake.put("/SIP/Domains.json", "domains", *many("SD", count))
    trunks = await api(fake).voice_rows("/ByocTrunks", "byoc_trunks")
    domains = await api(fake).account_rows(f"/Accounts/{ACCOUNT}/SIP/Domains.json", "domains")
    assert [row["sid"] for row in trunks] == [row["sid"] for row in many("BY", count)]
    assert [row["sid"] for row in domains] == [row["sid"] for row in many("SD", count)]
    assert len(fake.asked) == 2 * max(1, -(-count // 4))


def page(**fields: Any) -> Reply:
    return Reply(200, json.dumps({"byoc_trunks": [], **fields}).encode())


@pytest.mark.parametrize(
    "link",
    [
        "https://evil.example/v1/ByocTrunks?Page=1",
        "http://api.example.test/v1/ByocTrunks?Page=1",
        "https://api.example.test:8443/v1/ByocTrunks?Page=1",
        "https://api.example.test@evil.example/v1/ByocTrunks",
        "https://user:password@api.example.test/v1/ByocTrunks",
        "//evil.example/v1/ByocTrunks",
        "https://[broken/v1/ByocTrunks",
        "@evil.example/v1",
        ".evil.example/v1",
        "javascript:alert(1)",
    ],
)
@pytest.mark.parametrize("place", ["meta.next_page_url", "next_page_uri"])
async def test_a_link_to_another_host_is_refused_and_nothing_is_sent_there(link: str, place: str) -> None:
    fake = FakeTwilio()
    fake.spoil("/ByocTrunks", page(meta={"next_page_url": link}) if "meta" in place else page(next_page_uri=link))
    transport = InMemory(fake)
    with pytest.raises(ImportFailed) as failed:
        await Api(transport, KEY, HOST, HOST).voice_rows("/ByocTrunks", "byoc_trunks")
    assert f"the next page is elsewhere, at {link!r}; the key was not sent there" in str(failed.value)
    assert transport.hosts == {"api.example.test"}
    assert len(fake.asked) == 1


async def test_the_key_goes_to_no_host_but_the_two_that_were_named() -> None:
    fake = FakeTwilio(page_size=1)
    fake.origin = "https://voice.example.test"
    fake.put("/ByocTrunks", "byoc_trunks", *many("BY", 3))
    fake.put("/SIP/Domains.json", "domains", *many("SD", 3))
    transport = InMemory(fake)
    both = Api(transport, KEY, "https://api.example.test", "https://voice.example.test/")
    assert len(await both.voice_rows("/ByocTrunks", "byoc_trunks")) == 3
    assert transport.hosts == {"voice.example.test"}
    assert len(await both.account_rows(f"/Accounts/{ACCOUNT}/SIP/Domains.json", "domains")) == 3
    assert transport.hosts == {"voice.example.test", "api.example.test"}


async def test_pages_that_never_end_are_not_read_for_ever() -> None:
    fake = FakeTwilio()
    fake.spoil("/ByocTrunks", *(page(next_page_uri=f"/v1/ByocTrunks?Page={n}") for n in range(1, 2000)))
    with pytest.raises(ImportFailed, match="there are more than 1000 pages"):
        await api(fake).voice_rows("/ByocTrunks", "byoc_trunks")
    assert len(fake.asked) == 1000


async def test_a_page_that_links_to_itself_is_read_once() -> None:
    fake = FakeTwilio()
    fake.spoil("/ByocTrunks", *(page(next_page_uri="/v1/ByocTrunks?PageSize=1000") for _ in range(9)))
    with pytest.raises(ImportFailed, match="the next page is one that was there already"):
        await api(fake).voice_rows("/ByocTrunks", "byoc_trunks")
    assert len(fake.asked) == 1


async def test_too_many_requests_are_waited_out_as_long_as_the_answer_says() -> None:
    fake = FakeTwilio()
    fake.put("/ByocTrunks", "byoc_trunks", *many("BY", 1))
    fake.spoil("/ByocTrunks", refusal(429, 20429, "Too Many Requests", Retry_After="7"), refusal(429, 20429, ""))
    start = asyncio.get_running_loop().time()
    assert len(await api(fake).voice_rows("/ByocTrunks", "byoc_trunks")) == 1
    assert asyncio.get_running_loop().time() - start == pytest.approx(7 + 2)
    assert len(fake.asked) == 3


@pytest.mark.parametrize("asked", ["0", "99999999999999999999", "-5", "nan", "Wed, 21 Oct 2026 07:28:00 GMT", "²"])
async def test_no_retry_after_makes_us_wait_for_ever_or_not_at_all(asked: str) -> None:
    fake = FakeTwilio()
    fake.spoil("/ByocTrunks", *(refusal(429, 20429, "Too Many Requests", Retry_After=asked) for _ in range(99)))
    start = asyncio.get_running_loop().time()
    with pytest.raises(ImportFailed, match="429 20429 Too Many Requests: still too many requests after 6 tries"):
        await api(fake).voice_rows("/ByocTrunks", "byoc_trunks")
    assert len(fake.asked) == 6
    assert 2.5 <= asyncio.get_running_loop().time() - start <= 300.0


WRONG: list[tuple[Reply, str]] = [
    (
        refusal(404, 20404, "The requested resource /ByocTrunks was not found"),
        "404 20404 The requested",
    ),
    (
        refusal(500, 20500, "An internal server error has occurred"),
        "500 20500 An internal server error",
    ),
    (Reply(503, b"<html>busy</html>"), "503 without a reason"),
    (Reply(302, b"", {"Location": "https://evil.example/"}), "302 without a reason"),
    (Reply(200, b"not JSON"), "200, but the answer is not a JSON object"),
    (Reply(200, b"\xff\xfe\x00"), "200, but the answer is not a JSON object"),
    (Reply(200, b"[" * 100_000), "200, but the answer is not a JSON object"),
    (Reply(200, b"[1, 2]"), "200, but the answer is not a JSON object"),
    (Reply(200, b'{"trunks": []}'), "the answer has no list 'byoc_trunks'; is https://api.example.test the right"),
    (Reply(200, b'{"byoc_trunks": {}}'), "the answer has no list 'byoc_trunks'"),
    (Reply(200, b"{", cut=True), "the connection was cut"),
    (page(next_page_uri=5), "the link to the next page is not text"),
    (refusal(500, 20500, "line\r\nbreak \x1b[31m"), "500 20500 line  break  [31m"),
]


@pytest.mark.parametrize(("reply", "text"), WRONG)
async def test_what_cannot_be_read_is_one_line_with_its_place(reply: Reply, text: str) -> None:
    fake = FakeTwilio()
    fake.spoil("/ByocTrunks", reply)
    with pytest.raises(ImportFailed) as failed:
        await api(fake).voice_rows("/ByocTrunks", "byoc_trunks")
    assert str(failed.value).startswith(f"GET {HOST}/v1/ByocTrunks?PageSize=1000: {text}")
    assert str(failed.value).isprintable()


async def test_a_wrong_key_is_told_by_where_it_came_from() -> None:
    with pytest.raises(ImportFailed) as failed:
        await api(FakeTwilio(), secret="another one").voice_rows("/ByocTrunks", "byoc_trunks")
    assert str(failed.value) == (
        f"GET {HOST}/v1/ByocTrunks?PageSize=1000: 401 20003 Authenticate: "
        f"the account SID and TWILIO_AUTH_TOKEN were not accepted for {ACCOUNT}"
    )


@pytest.mark.parametrize("status", [401, 404, 429, 500])
@pytest.mark.parametrize("secret", SECRET_FORMS)
async def test_a_secret_that_the_far_end_repeats_is_not_shown(status: int, secret: str) -> None:
    fake = FakeTwilio()
    fake.spoil("/ByocTrunks", *(refusal(status, 20000, f"you said {secret}") for _ in range(9)))
    with pytest.raises(ImportFailed) as failed:
        await api(fake).voice_rows("/ByocTrunks", "byoc_trunks")
    assert "you said ***" in str(failed.value)
    assert not any(form in str(failed.value) for form in SECRET_FORMS)
    assert TOKEN not in repr(KEY)


@pytest.mark.parametrize(
    "base",
    [
        *(
            "",
            "api.twilio.com",
            "ftp://api.example.test",
            "https://",
            "https://a.example?x=1",
            "https://a.example#x",
        ),
        *("https://a.example:0", "https://a.example:x", "https://user:pw@a.example", "http://[::1"),
        *("http://api.example.test", "http://127.0.0.1.evil.example:80"),
    ],
)
def test_a_base_that_is_none_or_that_would_show_the_key_is_refused(base: str) -> None:
    with pytest.raises(ImportFailed):
        checked_base(base)


@pytest.mark.parametrize(
    "base", ["https://api.example.test/", "http://127.0.0.9:8080", "http://[::1]:80", "http://localhost"]
)
def test_a_base_is_https_or_this_machine(base: str) -> None:
    assert checked_base(base) == base.rstrip("/")
