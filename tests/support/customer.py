"""A customer's voice application in memory: a `Transport` that answers with scripted TwiML and keeps every request.

    customer = Customer()
    customer.answers("/voice", "<Response><Reject/></Response>", delay=3)
    customer.answers("/voice", status=500, times=1)     # the newest script of a place comes first
    customer.refuses("/backup")
    webhooks = Webhooks(customer, user_agent="byoc-proxy/test", new_token=lambda: "token")

Places are paths, valid on every host, or whole URLs. Delays are seconds of the loop's clock, virtual in most tests.
"""

import asyncio
from dataclasses import dataclass, field
from urllib.parse import parse_qsl, urlsplit

from byoc_proxy.webhook.transport import ConnectRefused, HttpRequest, HttpResponse, ReadTimedOut, TransportError


@dataclass(frozen=True, slots=True)
class Asked:
    """One request as an application sees it: parameters of the form or, for GET, of the query."""

    method: str
    url: str
    params: dict[str, str]
    headers: dict[str, str]
    body: bytes
    at: float


@dataclass(slots=True)
class _Script:
    result: HttpResponse | TransportError | None  # None: never answer
    delay: float
    left: int | None


@dataclass(slots=True)
class Customer:
    """See the module. `requests` in the order they came; one that was refused or left hanging is among them."""

    requests: list[Asked] = field(default_factory=list)
    _scripts: dict[str, list[_Script]] = field(default_factory=dict)

    def answers(
        self,
        place: str,
        twiml: str | bytes = "",
        *,
        status: int = 200,
        content_type: str = "text/xml",
        location: str = "",
        set_cookies: tuple[str, ...] = (),
        headers: dict[str, str] | None = None,
        delay: float = 0.0,
        times: int | None = None,
    ) -> None:
        """Answer requests for `place`, all of them or the next `times`."""
        body = twiml.encode() if isinstance(twiml, str) else twiml
        response = HttpResponse(status, body, content_type, location, set_cookies, headers or {})
        self._play(place, response, delay, times)

    def refuses(self, place: str, error: TransportError | None = None, *, times: int | None = None) -> None:
        """Fail requests for `place` with `error`, by default a closed port."""
        failure = error if error is not None else ConnectRefused("the port is closed")
        self._play(place, failure, 0.0, times)

    def hangs(self, place: str, *, times: int | None = None) -> None:
        """Take requests for `place` and never answer."""
        self._play(place, None, 0.0, times)

    def asked(self, path: str) -> list[Asked]:
        """The requests for `path` so far."""
        return [request for request in self.requests if urlsplit(request.url).path == path]

    async def send(self, request: HttpRequest) -> HttpResponse:
        """The `Transport` side; a place nobody scripted answers 404, as web servers do."""
        loop = asyncio.get_running_loop()
        self.requests.append(_asked(request, loop.time()))
        script = self._script(request.url)
        if script is None:
            return HttpResponse(404, b"not found", "text/plain")
        patience = request.read_timeout
        if patience is not None and (script.result is None or script.delay > patience):
            await asyncio.sleep(patience)
            raise ReadTimedOut("the answer did not begin")
        if script.delay:
            await asyncio.sleep(script.delay)
        if script.result is None:
            never: asyncio.Future[HttpResponse] = loop.create_future()
            return await never  # ends when the one who asked gives up
        if isinstance(script.result, TransportError):
            raise script.result
        return script.result

    def _play(
        self, place: str, result: HttpResponse | TransportError | None, delay: float, times: int | None
    ) -> None:
        self._scripts.setdefault(place, []).append(_Script(result, delay, times))

    def _script(self, url: str) -> _Script | None:
        for place in (url, url.partition("?")[0], urlsplit(url).path):
            for script in reversed(self._scripts.get(place, [])):
                if script.left is None:
                    return script
                if script.left > 0:
                    script.left -= 1
                    return script
        return None


def _asked(request: HttpRequest, now: float) -> Asked:
    body = request.body or b""
    pairs = parse_qsl(body.decode() if request.method == "POST" else urlsplit(request.url).query, True)
    return Asked(request.method, request.url, dict(pairs), dict(request.headers), body, now)
