"""A customer's voice application on a real port of 127.0.0.1: scripted TwiML, and every request checked and kept.

    async with voice_app(auth_token) as app:
        app.answers("/voice", "<Response><Reject/></Response>")

Every request must carry the signature that the public SDK computes for it; `unsigned` lists those that did not.
"""

import contextlib
import json
from collections.abc import AsyncIterator
from dataclasses import dataclass

from aiohttp import web
from twilio.request_validator import RequestValidator

__all__ = ["Asked", "VoiceApp", "voice_app"]


@dataclass(frozen=True, slots=True)
class Asked:
    """One request: its path, the parameters of its form or object, and its idempotency token."""

    path: str
    params: dict[str, str]
    token: str = ""


class VoiceApp:
    """See the module. `url` is its root, without the last slash."""

    def __init__(self, auth_token: str) -> None:
        self.url = ""
        self.asked: list[Asked] = []
        self.unsigned: list[str] = []
        self._documents: dict[str, str] = {}
        self._refused: dict[str, int] = {}
        self._validator = RequestValidator(auth_token)

    def answers(self, path: str, twiml: str) -> str:
        """Answer requests for `path` from now on; gives its URL."""
        self._documents[path] = twiml
        return f"{self.url}{path}"

    def refuses(self, path: str, status: int | None) -> None:
        """Answer requests for `path` with an error, from now on; None: no more."""
        self._refused.pop(path, None)
        if status is not None:
            self._refused[path] = status

    async def serve(self, request: web.Request) -> web.Response:
        form, signed = await _told(request)
        self.asked.append(Asked(request.path, form, request.headers.get("I-Twilio-Idempotency-Token", "")))
        signature = request.headers.get("X-Twilio-Signature", "")
        if not self._validator.validate(f"{self.url}{request.path_qs}", signed, signature):
            self.unsigned.append(request.path_qs)
            return web.Response(status=403)
        document = self._documents.get(request.path)
        status = self._refused.get(request.path, 200)
        if document is None or status != 200:
            return web.Response(status=404 if document is None else status)
        return web.Response(text=document, content_type="text/xml")


async def _told(request: web.Request) -> tuple[dict[str, str], dict[str, str] | str]:
    """The parameters, and what the validator is to be given: those of a form, or the text of anything else."""
    if request.content_type == "application/json":
        text = await request.text()
        return json.loads(text), text
    form = {key: str(value) for key, value in (await request.post()).items()}
    return form, form


@contextlib.asynccontextmanager
async def voice_app(auth_token: str) -> AsyncIterator[VoiceApp]:
    """Serve until the end of the `async with`, which fails if a request was not signed."""
    app = VoiceApp(auth_token)
    server = web.Application()
    server.router.add_route("*", "/{path:.*}", app.serve)
    runner = web.AppRunner(server, access_log=None)
    await runner.setup()
    try:
        site = web.TCPSite(runner, "127.0.0.1", 0)
        await site.start()
        host, port = runner.addresses[0][:2]
        app.url = f"http://{host}:{port}"
        yield app
    finally:
        await runner.cleanup()
    assert not app.unsigned, f"not signed as the public SDK expects: {app.unsigned}"
