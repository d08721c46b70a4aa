"""`Webhooks`: one question to a customer's application and the document it answers with.

Follows redirects like a browser (RFC 9110 §15.4), signs every hop, keeps the call's cookies, tries once
more when nobody took the request, and gives up after `total_timeout` seconds whatever happens. Refuses with
`WebhookError`: URLs that are not http(s) (11100), statuses from 300 (11200), more than ten redirects
(11215), bodies that are empty (11770) or over 64 kB (11750), and content types that cannot be a script
(12300; the media engine's code for audio). Errors of the network carry the code of their kind, the whole
time running out is 11203.
"""

from __future__ import annotations

import asyncio
import re
from dataclasses import dataclass
from functools import lru_cache
from typing import TYPE_CHECKING, Final
from urllib.parse import quote_plus

from byoc_proxy.twiml.verbs import MEDIA_ENGINE_MISSING
from byoc_proxy.webhook.cookies import CallCookies
from byoc_proxy.webhook.signature import sign
from byoc_proxy.webhook.transport import MAX_BODY, ConnectFailed, HttpRequest, HttpResponse, TransportError
from byoc_proxy.webhook.urls import Address, WebhookError, address, redirected, without_credentials

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from byoc_proxy.webhook.transport import Transport

MAX_REDIRECTS: Final = 10

_FORM: Final = "application/x-www-form-urlencoded; charset=UTF-8"
_SCRIPT_TYPES: Final = frozenset(("text/xml", "application/xml", "text/html", "text/plain"))
_MOVED: Final = frozenset((301, 302, 303, 307, 308))
_SAME_METHOD: Final = frozenset((307, 308))
_REMEMBERED_VALUES: Final = 1024
_PLAIN: Final = re.compile(r"[A-Za-z0-9_.\-~]*")


@dataclass(frozen=True, slots=True)
class WebDocument:
    """An answer that may be a script; `url` is its final address, the base of relative URLs in it."""

    url: str
    body: bytes


@dataclass(frozen=True, slots=True)
class _Question:
    """What stays the same over the retries and redirects of one fetch."""

    token: str
    idempotency_token: str
    cookies: CallCookies


class Webhooks:
    """Asks applications over a `Transport`. `new_token` makes idempotency tokens: UUIDs."""

    def __init__(
        self,
        transport: Transport,
        *,
        user_agent: str,
        new_token: Callable[[], str],
        connect_timeout: float = 5.0,
        total_timeout: float = 15.0,
    ) -> None:
        self._transport = transport
        self._user_agent = user_agent
        self._new_token = new_token
        self._connect_timeout = connect_timeout
        self._total_timeout = total_timeout

    async def fetch(
        self,
        url: str,
        method: str,
        params: Sequence[tuple[str, str]],
        token: str,
        cookies: CallCookies | None = None,
    ) -> WebDocument:
        """Ask `url` by GET or POST, signed with the account's auth `token`; raises `WebhookError`."""
        question = _Question(token, self._new_token(), cookies if cookies is not None else CallCookies())
        return _document(*await self._answer(url, method, params, question))

    async def notify(
        self, url: str, method: str, params: Sequence[tuple[str, str]], token: str, idempotency_token: str
    ) -> int:
        """Tell `url` something, as `fetch` asks; the status of its answer, of which nothing else is looked at.

        `WebhookError` when there is none.
        """
        response, _ = await self._answer(url, method, params, _Question(token, idempotency_token, CallCookies()))
        return response.status

    async def _answer(
        self, url: str, method: str, params: Sequence[tuple[str, str]], question: _Question
    ) -> tuple[HttpResponse, str]:
        """The last answer and its address, within the time there is."""
        try:
            async with asyncio.timeout(self._total_timeout):
                return await self._follow(address(url), method, params, question)
        except TimeoutError as error:
            text = f"no answer within {self._total_timeout:g} s"
            raise WebhookError(11203, text, without_credentials(url)) from error

    async def _follow(
        self, there: Address, method: str, params: Sequence[tuple[str, str]], question: _Question
    ) -> tuple[HttpResponse, str]:
        for _ in range(MAX_REDIRECTS + 1):
            response = await self._ask(there, method, params, question)
            question.cookies.store(there.origin, response.set_cookies)
            if response.status not in _MOVED or not response.location:
                return response, there.url
            there = redirected(there.url, response.location)
            if response.status not in _SAME_METHOD:
                # §15.4.2-4: what browsers do after 301 and 302, and 303 asks for: GET, the form stays behind
                method, params = "GET", ()
        raise WebhookError(11215, f"more than {MAX_REDIRECTS} redirects", there.url)

    async def _ask(
        self, there: Address, method: str, params: Sequence[tuple[str, str]], question: _Question
    ) -> HttpResponse:
        """Send, and once more if nobody took the request: the idempotency token lets the far end tell."""
        request = self._request(there, method, params, question)
        try:
            try:
                return await self._transport.send(request)
            except ConnectFailed:
                return await self._transport.send(request)
        except TransportError as error:
            raise WebhookError(error.code, str(error), there.url) from error

    def _request(
        self, there: Address, method: str, params: Sequence[tuple[str, str]], question: _Question
    ) -> HttpRequest:
        headers = {
            "User-Agent": self._user_agent,
            "Accept": "*/*",
            "Accept-Encoding": "gzip",
            "I-Twilio-Idempotency-Token": question.idempotency_token,
        }
        url, body = there.url, None
        if method == "POST":
            headers["Content-Type"] = _FORM
            headers["X-Twilio-Signature"] = sign(url, params, question.token)
            body = form(params).encode("ascii")
        else:
            if params:
                url += ("&" if "?" in url else "?") + form(params)
            headers["X-Twilio-Signature"] = sign(url, None, question.token)
        authorization = question.cookies.authorization(there.origin, there.authorization)
        if authorization is not None:
            headers["Authorization"] = authorization
        cookie = question.cookies.header(there.origin)
        if cookie is not None:
            headers["Cookie"] = cookie
        return HttpRequest(method, url, headers, body, self._connect_timeout)


def form(params: Sequence[tuple[str, str]]) -> str:
    """`params` as application/x-www-form-urlencoded (UTF-8)."""
    return "&".join(f"{_quoted(name)}={_escaped(value)}" for name, value in params)


def _escaped(text: str) -> str:
    # Names repeat from call to call, most values need no escaping and the numbers that do come twice: a quarter
    # of what urlencode() takes, on the path of every call
    return text if _PLAIN.fullmatch(text) else _quoted(text)


_quoted = lru_cache(_REMEMBERED_VALUES)(quote_plus)


def _document(response: HttpResponse, url: str) -> WebDocument:
    """The answer as a document, if it may be one."""
    if response.status >= 300:
        raise WebhookError(11200, f"the application answered {response.status}", url)
    if not response.body:
        raise WebhookError(11770, "the application answered with an empty body", url)
    if len(response.body) > MAX_BODY:
        raise WebhookError(11750, f"the application answered with more than {MAX_BODY} bytes", url)
    content_type = response.content_type.partition(";")[0].strip().lower()
    if content_type.startswith("audio/"):
        text = f"the answer is {content_type[:80]!r}, which needs a media engine and none is configured"
        raise WebhookError(MEDIA_ENGINE_MISSING, text, url)
    if content_type not in _SCRIPT_TYPES:
        said = f"content type {content_type[:80]!r}, not a script" if content_type else "no content type"
        raise WebhookError(12300, f"the application answered with {said}", url)
    return WebDocument(url, response.body)
