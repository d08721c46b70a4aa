"""Answers to GET that are used again: when, for whom, for how long, and how much of them is kept (RFC 9111)."""

import asyncio

import pytest

from byoc_proxy.webhook.cache import CachingTransport
from byoc_proxy.webhook.transport import MAX_BODY, ConnectRefused, HttpRequest, HttpResponse, TransportError

URL = "https://app.example.com/voice"


class Origin:
    """Answers with `reply`; 304 where the request has the ETag or the date of it."""

    def __init__(
        self, said: dict[str, str] | None = None, body: bytes = b"<Response/>", *, status: int = 200, **headers: str
    ) -> None:
        named = {name.replace("_", "-"): value for name, value in {**(said or {}), **headers}.items()}
        self.reply = HttpResponse(status, body, "text/xml", headers=named)
        self.asked: list[HttpRequest] = []
        self.error: TransportError | None = None

    async def send(self, request: HttpRequest) -> HttpResponse:
        self.asked.append(request)
        if self.error is not None:
            raise self.error
        if self._is_the_same(request.headers):
            return HttpResponse(304, headers=self.reply.headers)
        return self.reply

    def _is_the_same(self, headers: dict[str, str]) -> bool:
        if "If-None-Match" in headers:
            return headers["If-None-Match"] == self.reply.headers.get("ETag")
        return (
            "If-Modified-Since" in headers and headers["If-Modified-Since"] == self.reply.headers["Last-Modified"]
        )


def get(url: str = URL, account: str = "AC1", **headers: str) -> HttpRequest:
    return HttpRequest("GET", url, dict(headers), account_sid=account)


async def twice(origin: Origin, first: HttpRequest | None = None, second: HttpRequest | None = None) -> int:
    """How many of two requests the application saw."""
    cache = CachingTransport(origin)
    await cache.send(first or get())
    await cache.send(second or get())
    return len(origin.asked)


async def test_an_answer_with_an_etag_is_asked_for_again_and_a_304_gives_what_was_kept() -> None:
    origin = Origin(ETag='"v1"')
    cache = CachingTransport(origin)
    answers = [await cache.send(get()) for _ in range(3)]
    assert [(answer.status, answer.body) for answer in answers] == [(200, b"<Response/>")] * 3
    assert [asked.headers for asked in origin.asked] == [{}, {"If-None-Match": '"v1"'}, {"If-None-Match": '"v1"'}]


async def test_an_answer_with_a_date_is_asked_for_again_by_that_date() -> None:
    date = "Wed, 21 Oct 2015 07:28:00 GMT"
    origin = Origin(Last_Modified=date)
    cache = CachingTransport(origin)
    assert [(await cache.send(get())).body for _ in range(2)] == [b"<Response/>"] * 2
    assert origin.asked[1].headers == {"If-Modified-Since": date}


async def test_a_new_version_takes_the_place_of_the_old_one() -> None:
    origin = Origin(ETag='"v1"')
    cache = CachingTransport(origin)
    await cache.send(get())
    origin.reply = HttpResponse(200, b"<Response><Hangup/></Response>", headers={"ETag": '"v2"'})
    assert b"Hangup" in (await cache.send(get())).body
    assert b"Hangup" in (await cache.send(get())).body
    assert origin.asked[2].headers == {"If-None-Match": '"v2"'}


async def test_a_fresh_answer_is_not_asked_for_until_its_age_is_reached() -> None:
    origin = Origin(Cache_Control="public, max-age=60", Age="10")
    cache = CachingTransport(origin)
    await cache.send(get())
    await asyncio.sleep(49.9)
    await cache.send(get())
    assert len(origin.asked) == 1
    await asyncio.sleep(0.2)
    await cache.send(get())
    assert len(origin.asked) == 2


async def test_a_304_makes_an_answer_fresh_again() -> None:
    origin = Origin(ETag='"v1"', Cache_Control="max-age=60")
    cache = CachingTransport(origin)
    for _ in range(3):
        await cache.send(get())
        await asyncio.sleep(61)
    await cache.send(get())
    await cache.send(get())
    assert len(origin.asked) == 4


@pytest.mark.parametrize(
    "headers",
    [
        {},
        {"ETag": '"v1"', "Cache_Control": "no-store"},
        {"ETag": '"v1"', "Cache_Control": "max-age=60, No-Store"},
        {"Cache_Control": "max-age=0"},
        {"Cache_Control": "max-age=60", "Age": "60"},
        {"Cache_Control": "max-age=many"},
        {"Cache_Control": "no-cache, max-age=60"},
        {"ETag": '"v1"', "Vary": "Cookie"},
        {"ETag": '"v1"', "Vary": "Accept-Encoding, X-Twilio-Signature"},
        {"ETag": '"v1"', "Vary": "*"},
    ],
)
async def test_what_may_not_be_kept_is_asked_for_as_if_it_were_new(headers: dict[str, str]) -> None:
    origin = Origin(headers)
    assert await twice(origin) == 2
    assert origin.asked[1].headers == {}


async def test_no_cache_means_that_the_application_is_asked_each_time() -> None:
    origin = Origin(ETag='"v1"', Cache_Control='max-age=60, no-cache="Set-Cookie"')
    assert await twice(origin) == 2
    assert origin.asked[1].headers == {"If-None-Match": '"v1"'}


async def test_what_varies_by_what_is_always_the_same_is_kept() -> None:
    assert await twice(Origin(Cache_Control="max-age=60", Vary="Accept-Encoding, User-Agent")) == 1


async def test_an_answer_that_sets_a_cookie_is_not_kept() -> None:
    origin = Origin(Cache_Control="max-age=60")
    origin.reply = HttpResponse(200, b"x", set_cookies=("session=1",), headers=origin.reply.headers)
    assert await twice(origin) == 2


@pytest.mark.parametrize("status", [204, 302, 404, 500])
async def test_only_a_200_is_kept(status: int) -> None:
    assert await twice(Origin(status=status, Cache_Control="max-age=60", ETag='"v1"')) == 2


async def test_a_body_of_which_only_the_beginning_came_is_not_kept() -> None:
    assert await twice(Origin(body=b"x" * (MAX_BODY + 1), Cache_Control="max-age=60")) == 2


async def test_post_is_never_kept_and_never_answered_from_what_is() -> None:
    post = HttpRequest("POST", URL, {}, b"", account_sid="AC1")
    assert await twice(Origin(Cache_Control="max-age=60"), post, post) == 2
    assert await twice(Origin(Cache_Control="max-age=60"), get(), post) == 2


@pytest.mark.parametrize(
    "other",
    [
        get(account="AC2"),
        get(URL + "?CallSid=CA2"),
        get("http://app.example.com/voice"),
        get(Authorization="Basic dTpw"),
    ],
)
async def test_what_one_may_see_another_one_is_not_shown(other: HttpRequest) -> None:
    assert await twice(Origin(Cache_Control="max-age=60"), get(), other) == 2


async def test_an_application_that_is_away_is_an_error_and_what_was_kept_stays() -> None:
    origin = Origin(ETag='"v1"')
    cache = CachingTransport(origin)
    await cache.send(get())
    origin.error = ConnectRefused("closed")
    with pytest.raises(ConnectRefused):
        await cache.send(get())
    origin.error = None
    await cache.send(get())
    assert origin.asked[-1].headers == {"If-None-Match": '"v1"'}


async def test_the_answer_that_was_not_used_for_longest_gives_way() -> None:
    origin = Origin(Cache_Control="max-age=60")
    cache = CachingTransport(origin, most_entries=2)
    for path in ("a", "b", "a", "c", "a", "b"):
        await cache.send(get(f"https://app.example.com/{path}"))
    assert [asked.url[-1] for asked in origin.asked] == ["a", "b", "c", "b"]
    assert len(cache) == 2


async def test_what_is_kept_is_bounded_in_bytes() -> None:
    origin = Origin(body=b"x" * 10_000, Cache_Control="max-age=60")
    cache = CachingTransport(origin, most_bytes=50_000)
    for number in range(100):
        await cache.send(get(f"https://app.example.com/{number}"))
    assert len(cache) == 4
