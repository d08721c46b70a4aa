"""The ASGI application: routes, who may, and one manner of answering, good or bad.

`Api` is what a server runs. An `Endpoint` is one address and method with a function from an `Ask` to an `Answer`;
those of the catalogue are made by `api.endpoints`, others (calls, alerts, networking) have modules of their own.
"""

from __future__ import annotations

import re
import time
from dataclasses import dataclass, field
from functools import partial
from typing import TYPE_CHECKING, Any, Final

from starlette.exceptions import HTTPException
from starlette.middleware.exceptions import ExceptionMiddleware
from starlette.requests import ClientDisconnect, Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route, Router

from byoc_proxy.api.auth import principal_of
from byoc_proxy.api.errors import INTERNAL, INVALID_PARAMETER, METHOD_NOT_ALLOWED, ApiError, not_found, unauthorized
from byoc_proxy.api.forms import form_of, pairs_of
from byoc_proxy.api.scope import Scope

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Iterable, Mapping

    from starlette.types import ASGIApp, Message, Receive, Send
    from starlette.types import Scope as Connection

    from byoc_proxy.api.forms import Pairs
    from byoc_proxy.api.resource import Row
    from byoc_proxy.provision.provisioning import Provisioning

LARGEST_FORM: Final = 64 * 1024  # bytes
JSON: Final = "application/json"
_SID: Final = re.compile("[A-Z]{2}[0-9a-fA-F]{32}")


@dataclass(frozen=True, slots=True)
class Ask:
    """One request: whose, the SIDs of its path, its parameters in their order, and the path itself."""

    scope: Scope
    names: Row
    parameters: Pairs
    path: str


@dataclass(frozen=True, slots=True)
class Answer:
    """`content` None: no body."""

    content: object
    status: int = 200


@dataclass(frozen=True, slots=True)
class Endpoint:
    """`path` has parameters in braces, SIDs where they end in `sid`; `operation` is what OpenAPI says of it.

    `open_to_keys`: an API key may, not only the account's own token.
    """

    method: str
    path: str
    serve: Callable[[Ask], Awaitable[Answer]]
    operation: Mapping[str, object] = field(repr=False)
    open_to_keys: bool = True


@dataclass(frozen=True, slots=True)
class Public:
    """A page that everybody may read."""

    path: str
    content: Callable[[], object] = field(repr=False)


class Api:
    """`new_id` gives 32 hex digits for each request, by which it is found in the log."""

    def __init__(
        self,
        endpoints: Iterable[Endpoint],
        pages: Iterable[Public],
        provisioning: Provisioning,
        new_id: Callable[[], str],
        log: Any,
    ) -> None:
        self._provisioning = provisioning
        self._new_id = new_id
        self._log = log
        methods: dict[str, dict[str, Endpoint]] = {}
        for endpoint in endpoints:
            methods.setdefault(endpoint.path, {})[endpoint.method] = endpoint
        routes = [
            Route(path, partial(self._serve, served), methods=list(served), include_in_schema=False)
            for path, served in methods.items()
        ]
        routes += [Route(page.path, _shown(page), methods=["GET"]) for page in pages]
        handlers: Mapping[Any, Any] = {ApiError: _told, HTTPException: _told_by_router}
        # No Starlette application: it answers a bug in plain text before anybody else can.
        self._app: ASGIApp = ExceptionMiddleware(Router(routes, redirect_slashes=False), handlers)

    async def __call__(self, connection: Connection, receive: Receive, send: Send) -> None:
        """ASGI 3. A bug answers one request with 500 and is logged once; it ends nothing else."""
        if connection["type"] != "http":
            return
        started, request_id, status = time.perf_counter(), f"RQ{self._new_id()}", 0

        async def labelled(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
                took = f"{time.perf_counter() - started:.3f}".encode()
                own = [(b"twilio-request-id", request_id.encode()), (b"twilio-request-duration", took)]
                message = {**message, "headers": [*message["headers"], *own]}
            await send(message)

        try:
            await self._app({**connection, "app": self}, receive, labelled)
        except ClientDisconnect:
            return
        except Exception:
            self._log.exception("api.crashed", request_id=request_id, path=connection["path"])
            if status == 0:
                text = f"Internal error; the log tells more under {request_id}"
                await _error(ApiError(500, INTERNAL, text))(connection, receive, labelled)
        self._log.info(
            "api.request",
            method=connection["method"],
            path=connection["path"],
            status=status,
            seconds=round(time.perf_counter() - started, 4),
            request_id=request_id,
        )

    async def _serve(self, served: Mapping[str, Endpoint], request: Request) -> Response:
        endpoint = served["GET" if request.method == "HEAD" else request.method]
        scope = await self._scope(endpoint, request)
        names: Row = {
            name: _sid(text, request) if name.endswith("sid") else text
            for name, text in request.path_params.items()
        }
        parameters = pairs_of(request.url.query)
        if endpoint.method == "POST":
            parameters += form_of(await _body(request), request.headers.get("content-type", ""))
        answer = await endpoint.serve(Ask(scope, names, parameters, request.url.path))
        if answer.content is None:
            return Response(status_code=answer.status)
        return JSONResponse(answer.content, answer.status)

    async def _scope(self, endpoint: Endpoint, request: Request) -> Scope:
        """Whose request it is. An account that is neither the asker's nor a sub-account of it is not there."""
        principal = await principal_of(request.headers.get("authorization"), self._provisioning)
        if principal.key_sid is not None and not endpoint.open_to_keys:
            raise unauthorized("an API key may not do this; use the account's token")
        directory = self._provisioning.directories.current
        account = principal.account
        named = request.path_params.get("account_sid")
        if named is not None and _sid(named, request) != account.sid:
            found = directory.accounts.get(_sid(named, request))
            if found is None or found.parent_sid != account.sid:
                raise not_found(request.url.path)
            account = found
        base = f"{request.url.scheme}://{request.url.netloc}"
        return Scope(principal.account, account, directory, base, principal.key_sid)


def _sid(text: str, request: Request) -> str:
    """SIDs are found in any case of their hex digits; what is none names nothing, here or in a database."""
    if not _SID.fullmatch(text):
        raise not_found(request.url.path)
    return text[:2] + text[2:].lower()


async def _body(request: Request) -> bytes:
    body = b""
    async for chunk in request.stream():
        body += chunk
        if len(body) > LARGEST_FORM:
            raise ApiError(413, INVALID_PARAMETER, f"The form is larger than {LARGEST_FORM} bytes")
    return body


def _shown(page: Public) -> Callable[[Request], Awaitable[Response]]:
    async def show(_: Request) -> Response:
        return JSONResponse(page.content())

    return show


async def _told(_: Request, error: ApiError) -> Response:
    return _error(error)


async def _told_by_router(request: Request, error: HTTPException) -> Response:
    if error.status_code == 405:
        text = f"Method {request.method[:20]} is not allowed here"
        return _error(ApiError(405, METHOD_NOT_ALLOWED, text, headers=error.headers or {}))
    return _error(not_found(request.url.path))


def _error(error: ApiError) -> Response:
    headers = {**error.headers, "X-Twilio-Error-Code": str(error.code)}
    return JSONResponse(error.body(), error.status, headers)
