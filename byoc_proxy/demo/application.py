"""The customer's voice application: checks the signature of every request and sends the call on to carrier B.

It is written as any application would be, with nothing of the proxy's own: what it needs to know is the auth
token of its account and its own public URL. A request that is not signed with that token gets a 403.
"""

from __future__ import annotations

import base64
import contextlib
import hashlib
import hmac
from typing import TYPE_CHECKING

from aiohttp import web

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Mapping

    from byoc_proxy.sip.flow import Address


class Application:
    """`document` is the TwiML of every answer; `rejected` counts requests whose signature was wrong."""

    def __init__(self, url: str, auth_token: str, document: str, remark: Callable[[str], None]) -> None:
        self.served: list[dict[str, str]] = []
        self.rejected = 0
        self._url = url
        self._auth_token = auth_token
        self._document = document
        self._remark = remark

    async def voice(self, request: web.Request) -> web.Response:
        """A call comes in."""
        form = {name: str(value) for name, value in (await request.post()).items()}
        given = request.headers.get("X-Twilio-Signature", "")
        if not hmac.compare_digest(given.encode(), signature(self._url, form, self._auth_token).encode()):
            self.rejected += 1
            self._remark("application: the signature is wrong, 403")
            return web.Response(status=403)
        self.served.append(form)
        self._remark(
            f"application: {request.method} /voice CallStatus={form.get('CallStatus')} From={form.get('From')} "
            f"To={form.get('To')} SipDomain={form.get('SipDomain')}; the signature is good"
        )
        self._remark(f"application: {self._document}")
        return web.Response(text=self._document, content_type="text/xml")

    @contextlib.asynccontextmanager
    async def serving(self, local: Address) -> AsyncIterator[None]:
        """Serve HTTP inside the `async with`; `OSError` when the address cannot be had."""
        application = web.Application()
        application.router.add_post("/voice", self.voice)
        runner = web.AppRunner(application, access_log=None)
        await runner.setup()
        try:
            await web.TCPSite(runner, *local).start()
            yield
        finally:
            await runner.cleanup()


def signature(url: str, form: Mapping[str, str], auth_token: str) -> str:
    """X-Twilio-Signature of a POSTed form, computed as Twilio's "Webhooks security" page tells applications to."""
    text = url + "".join(name + form[name] for name in sorted(form))
    return base64.b64encode(hmac.new(auth_token.encode(), text.encode(), hashlib.sha1).digest()).decode()
