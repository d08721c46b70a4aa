"""`Webhooks`: one question to a customer's application and the document it answers with.

Follows redirects like a browser (RFC 9110 §15.4), signs every hop, keeps the call's cookies, tries again after the
failures that the URL's overrides name (`webhook.overrides`: once more, when nobody took the request), and gives up
after the total time whatever happens. Refuses with `WebhookError`: URLs that are not http(s) (11100) or have
overrides that cannot be (11240, 11241, 11243), statuses from 300 (11200), more than ten redirects (11215), bodies
that are empty (11770) or over 64 kB (11750), and content types that cannot be a script (12300; the media engine's
code for audio). Errors of the network carry the code of their kind, the whole time running out is 11203.
"""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from byoc_proxy.twiml.verbs import MEDIA_ENGINE_MISSING
from byoc_proxy.webhook.bodies import form, json_object, with_query
from byoc_proxy.webhook.cache import CachingTransport
from byoc_proxy.webhook.exchange import MOST_BODY, Exchange
from byoc_proxy.webhook.overrides import overrides
from byoc_proxy.webhook.signature import body_sha256, sign
from byoc_proxy.webhook.transport import MAX_BODY, HttpRequest, HttpResponse, TransportError
from byoc_proxy.webhook.turns import (
    DOCUMENTS_PER_ORIGIN,
    NOTICES,
    NOTICES_PER_ORIGIN,
    BoundedTransport,
    FairTransport,
)
from byoc_proxy.webhook.urls import Address, WebhookError, address, redirected, without_credentials

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from byoc_proxy.webhook.session import WebSession
    from byoc_proxy.webhook.transport import Transport

MAX_REDIRECTS: Final = 10

_FORM: Final = "application/x-www-form-urlencoded; charset=UTF-8"
_SPOKEN: Final = "text/plain"
_SCRIPT_TYPES: Final = frozenset(("text/xml", "application/xml", "text/html", _SPOKEN))
_PLAYED: Final = frozenset(
    f"audio/{each}" for each in "mpeg wav wave x-wav aiff x-aifc x-aiff x-gsm gsm ulaw".split()
)
_MOVED: Final = frozenset((301, 302, 303, 307, 308))
_SAME_METHOD: Final = frozenset((307, 308))


@dataclass(frozen=True, slots=True)
class WebDocument:
    """An answer that may be a script; `url` is its final address, the base of relative URLs in it.

    `spoken`: if it is no script, its text would have to be read out.
    """

    url: str
    body: bytes
    spoken: bool = False


@dataclass(slots=True)
class _Question:
    """What one fetch is about, over all of its retries and redirects; `sent` is what is under way."""

    session: WebSession
    transport: Transport
    idempotency_token: str
    retried: frozenset[str]
    retries_left: int
    connect_timeout: float
    read_timeout: float | None
    total_timeout: float
    sent: _Sent | None = None


@dataclass(frozen=True, slots=True)
class _Sent:
    """A request that is under way since a moment of the loop's clock; `length` is that of its parameters."""

    there: Address
    method: str
    params: Sequence[tuple[str, str]]
    length: int
    at: float


class Webhooks:
    """Asks applications over a `Transport`. `new_token` makes idempotency tokens: UUIDs.

    What calls wait for has places of its own, and so has what they are only told.
    """

    def __init__(
        self,
        transport: Transport,
        *,
        user_agent: str,
        new_token: Callable[[], str],
        connect_timeout: float = 5.0,
        total_timeout: float = 15.0,
        requests_per_host: int = DOCUMENTS_PER_ORIGIN,
    ) -> None:
        self._documents = CachingTransport(FairTransport(transport, requests_per_host))
        self._notices = FairTransport(BoundedTransport(transport, NOTICES), NOTICES_PER_ORIGIN)
        self._user_agent = user_agent
        self._new_token = new_token
        self._connect_timeout = connect_timeout
        self._total_timeout = total_timeout

    async def fetch(
        self, url: str, method: str, params: Sequence[tuple[str, str]], session: WebSession
    ) -> WebDocument:
        """Ask `url` by GET or POST for a script; raises `WebhookError`."""
        question = self._question(url, session, self._documents, self._new_token())
        there, response = await self._answer(url, method, params, question)
        return _document(response, there.url)

    async def notify(
        self,
        url: str,
        method: str,
        params: Sequence[tuple[str, str]],
        session: WebSession,
        idempotency_token: str,
    ) -> int:
        """Tell `url` something, as `fetch` asks; the status of its answer, of which nothing else is looked at.

        `WebhookError` when there is none.
        """
        question = self._question(url, session, self._notices, idempotency_token)
        _, response = await self._answer(url, method, params, question)
        return response.status

    def _question(self, url: str, session: WebSession, transport: Transport, token: str) -> _Question:
        rules = overrides(url)
        return _Question(
            session,
            transport,
            token,
            rules.retried,
            rules.retries,
            rules.connect_timeout or self._connect_timeout,
            rules.read_timeout,
            rules.total_timeout or self._total_timeout,
        )

    async def _answer(
        self, url: str, method: str, params: Sequence[tuple[str, str]], question: _Question
    ) -> tuple[Address, HttpResponse]:
        """The last answer and its address, within the time there is."""
        there, total = address(url), question.total_timeout
        try:
            async with asyncio.timeout(total):
                return await self._follow(there, method, params, question)
        except TimeoutError as error:
            why = "".join(f"; {note}" for note in getattr(error.__cause__, "__notes__", ()))
            late = WebhookError(11203, f"no answer within {total:g} s{why}", without_credentials(url))
            _note_failure(question, late.code, late.text)
            raise late from error
        except asyncio.CancelledError:
            _note_failure(question, None, "the call went on without the answer")
            raise

    async def _follow(
        self, there: Address, method: str, params: Sequence[tuple[str, str]], question: _Question
    ) -> tuple[Address, HttpResponse]:
        cookies = question.session.cookies
        for _ in range(MAX_REDIRECTS + 1):
            response = await self._ask(there, method, params, question)
            if response.set_cookies:
                cookies.store(there.url, response.set_cookies)
            if response.status not in _MOVED or not response.location:
                return there, response
            there = redirected(there.url, response.location)
            if response.status not in _SAME_METHOD:
                # §15.4.2-4: what browsers do after 301 and 302, and 303 asks for: GET, the form stays behind
                method, params = "GET", ()
        raise WebhookError(11215, f"more than {MAX_REDIRECTS} redirects", there.url)

    async def _ask(
        self, there: Address, method: str, params: Sequence[tuple[str, str]], question: _Question
    ) -> HttpResponse:
        """Send, and again after what the rules say: the idempotency token lets the far end tell."""
        request = self._request(there, method, params, question)
        length = len(request.body) if request.body is not None else len(request.url) - len(there.url)
        retried = question.retried
        while True:
            question.sent = _Sent(there, method, params, length, asyncio.get_running_loop().time())
            try:
                response = await question.transport.send(request)
            except TransportError as error:
                _note_failure(question, error.code, str(error))
                if error.kind not in retried or not question.retries_left:
                    raise WebhookError(error.code, str(error), there.url) from error
            else:
                _note_answer(question, response)
                if (
                    response.status < 400
                    or f"{response.status // 100}xx" not in retried
                    or not question.retries_left
                ):
                    return response
            question.retries_left -= 1

    def _request(
        self, there: Address, method: str, params: Sequence[tuple[str, str]], question: _Question
    ) -> HttpRequest:
        session = question.session
        headers = {
            "User-Agent": self._user_agent,
            "Accept": "*/*",
            "Accept-Encoding": "gzip",
            "I-Twilio-Idempotency-Token": question.idempotency_token,
        }
        url, body, signed = there.url, None, None
        if method != "POST":
            if params:
                url = with_query(url, form(params))
        elif session.body_format == "json":
            headers["Content-Type"] = "application/json"
            body = json_object(params)
            url = with_query(url, f"bodySHA256={body_sha256(body)}")
        else:
            headers["Content-Type"] = _FORM
            body, signed = form(params).encode("ascii"), params
        headers["X-Twilio-Signature"] = sign(url, signed, session.auth_token)
        authorization = session.cookies.authorization(there.origin, there.authorization)
        if authorization is not None:
            headers["Authorization"] = authorization
        cookie = session.cookies.header(there.url)
        if cookie is not None:
            headers["Cookie"] = cookie
        return HttpRequest(
            method, url, headers, body, question.connect_timeout, question.read_timeout, session.account_sid
        )


def _note_answer(question: _Question, response: HttpResponse) -> None:
    _note(question, status=response.status, content_type=response.content_type, body=response.body[:MOST_BODY])


def _note_failure(question: _Question, code: int | None, text: str) -> None:
    _note(question, code=code, text=text)


def _note(question: _Question, **came: Any) -> None:
    """What came of the request that is under way, if one is."""
    sent, question.sent = question.sent, None
    if sent is not None:
        duration = asyncio.get_running_loop().time() - sent.at
        exchange = Exchange(sent.method, sent.there.url, sent.params, duration, length=sent.length, **came)
        question.session.note(exchange)


def _document(response: HttpResponse, url: str) -> WebDocument:
    """The answer as a document, if it may be one."""
    if response.status >= 300:
        raise WebhookError(11200, f"the application answered {response.status}", url)
    if not response.body:
        raise WebhookError(11770, "the application answered with an empty body", url)
    if len(response.body) > MAX_BODY:
        raise WebhookError(11750, f"the application answered with more than {MAX_BODY} bytes", url)
    content_type = response.content_type.partition(";")[0].strip().lower()
    if content_type in _PLAYED:
        text = f"the answer is {content_type}, which needs a media engine and none is configured"
        raise WebhookError(MEDIA_ENGINE_MISSING, text, url)
    if content_type not in _SCRIPT_TYPES:
        said = f"content type {content_type[:80]!r}, not a script" if content_type else "no content type"
        raise WebhookError(12300, f"the application answered with {said}", url)
    return WebDocument(url, response.body, spoken=content_type == _SPOKEN)
