"""The official `twilio` client on an API in memory: its asynchronous methods, unchanged, as an oracle."""

import logging
from base64 import b64encode
from typing import Any
from urllib.parse import urlsplit

import httpx2
from twilio.http import AsyncHttpClient
from twilio.http.response import Response
from twilio.rest import Client

from tests.support.api import ACME, BASE, TOKEN, Installation


class InMemory(AsyncHttpClient):  # type: ignore[misc]  # the package has no types
    """All of the client's hosts are one application."""

    def __init__(self, api: Installation) -> None:
        super().__init__(logging.getLogger(__name__), True)
        self._http = httpx2.AsyncClient(transport=httpx2.ASGITransport(app=api.app), base_url=BASE)

    async def request(
        self,
        method: str,
        url: str,
        params: Any = None,
        data: Any = None,
        headers: Any = None,
        auth: Any = None,
        **_: Any,
    ) -> Any:
        parts = urlsplit(url)
        path = parts.path + (f"?{parts.query}" if parts.query else "")
        said = dict(headers or {})
        if auth is not None:
            said["Authorization"] = "Basic " + b64encode(":".join(auth).encode()).decode()
        answer = await self._http.request(method, path, params=params or None, data=data, headers=said)
        return Response(answer.status_code, answer.text, answer.headers)


def sdk(api: Installation, sid: str = ACME, token: str = TOKEN) -> Any:
    """The client of an account."""
    return Client(sid, token, http_client=InMemory(api))
