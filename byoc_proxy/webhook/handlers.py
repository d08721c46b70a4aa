"""Whatever answers a call, behind one question: a web application, a stored document, a function in this process.

Which it is, the URL says: `https:`, `twiml:NAME`, `python:package.module:function`. All are kept alike, as
exchanges of the call.
"""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any, Final

from byoc_proxy.trunk.model import PYTHON, TWIML
from byoc_proxy.twiml.template import fill
from byoc_proxy.webhook.client import WebDocument
from byoc_proxy.webhook.exchange import MOST_BODY, Exchange
from byoc_proxy.webhook.urls import INVALID_URL, WebhookError

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from byoc_proxy.webhook.client import Webhooks
    from byoc_proxy.webhook.functions import Functions
    from byoc_proxy.webhook.session import WebSession

    Parameters = Sequence[tuple[str, str]]

_XML: Final = "text/xml"


class Handlers:
    """`stored` gives the text of a TwiML bin by the SID of an account and its name there, or None."""

    def __init__(self, web: Webhooks, stored: Callable[[str, str], str | None], functions: Functions) -> None:
        self._web = web
        self._stored = stored
        self._functions = functions

    async def fetch(self, url: str, method: str, params: Parameters, session: WebSession) -> WebDocument:
        """The document that `url` answers a request of a call with; raises `WebhookError`."""
        if not url.startswith((TWIML, PYTHON)):
            return await self._web.fetch(url, method, params, session)
        started = asyncio.get_running_loop().time()

        def note(**came: Any) -> None:
            duration = asyncio.get_running_loop().time() - started
            length = sum(len(name) + len(value) for name, value in params)
            session.note(Exchange(method, url, params, duration, length=length)._replace(**came))

        try:
            if url.startswith(TWIML):
                await asyncio.sleep(0)  # bins that lead to each other go round a thousand times: others' turn
                body = self._filled(url, params, session.account_sid)
            else:
                body = await self._functions.answer(url, params)
        except WebhookError as error:
            note(code=error.code, text=error.text)
            raise
        note(status=200, content_type=_XML, body=body[:MOST_BODY])
        return WebDocument(url, body)

    def _filled(self, url: str, params: Parameters, account_sid: str) -> bytes:
        name = url.removeprefix(TWIML)
        template = self._stored(account_sid, name)
        if template is None:
            raise WebhookError(INVALID_URL, f"there is no TwiML bin {name[:80]!r} in this account", url)
        return fill(template, params)
