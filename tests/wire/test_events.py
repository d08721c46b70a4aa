"""What was asked of an application, read back through the API of the daemon that asked: forms and JSON."""

import asyncio
from pathlib import Path
from typing import Any

import pytest

from tests.support.api import Client
from tests.support.api_daemon import MAIN, api_daemon
from tests.support.daemon import AUTH_TOKEN, configuration
from tests.support.sipp import Sipp
from tests.support.voice_app import voice_app

pytestmark = pytest.mark.wire

DIAL = "<Response><Dial><Number>+15550100</Number></Dial></Response>"


@pytest.mark.parametrize("form", ["form", "json"])
async def test_every_request_about_a_call_can_be_read_with_its_answer(tmp_path: Path, form: str) -> None:
    """The application accepts only what the official validator does; the first URL fails, the fallback answers."""
    sipp = Sipp(tmp_path)
    async with voice_app(AUTH_TOKEN) as app, sipp.uas("uas_answer.xml") as callee:
        broken, voice = app.answers("/broken", "Oops"), app.answers("/voice", DIAL)
        app.answers("/status", "thank you")
        app.refuses("/broken", 503)
        host, port = callee.address
        document = configuration(
            f"sip:{host}:{port}",
            voice_url=f"{broken}?tenant=7#rc=2&rp=5xx",
            voice_fallback_url=voice,
            status_callback_url=f"{app.url}/status",
            webhook_format=form,
        )
        document |= {"database": {"url": "sqlite:///byoc-proxy.db"}, "api": {"bind": "127.0.0.1:0"}}
        async with api_daemon(tmp_path, document) as api:
            report = await sipp.uac("uac_plain.xml", api.proxy.udp, hold=0.05)
            record = await api.proxy.record()
            events = await _events(api.base, record["call_sid"], 8)
    assert report.exit_code == 0, report.errors + report.messages
    asked = [(each["request"]["url"], each["response"]["response_code"]) for each in events]
    documents = [each for each in asked if not each[0].endswith("/status")]
    assert documents == [(f"{broken}?tenant=7", 503)] * 3 + [(voice, 200)]
    assert asked.count((f"{app.url}/status", 200)) == 4
    answered = next(each for each in events if each["request"]["url"] == voice)
    assert (
        answered["request"]["parameters"].items() >= {"CallSid": record["call_sid"], "ErrorCode": "11200"}.items()
    )
    assert (answered["response"]["response_body"], answered["response"]["content_type"]) == (
        DIAL,
        "text/xml; charset=utf-8",
    )


async def _events(base: str, call_sid: str, count: int) -> list[Any]:
    """As soon as there are so many: they come to the database after the call."""
    client = Client(None, MAIN, AUTH_TOKEN, base=base)

    try:
        async with asyncio.timeout(10):
            while True:
                reply = await client.get(f"/Calls/{call_sid}/Events.json")
                found: list[Any] = reply.json.get("events", [])
                if len(found) >= count:
                    return found
                await asyncio.sleep(0.05)
    finally:
        await client.close()
