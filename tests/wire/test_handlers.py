"""S36 through the real daemon: the same call between two SIPp carriers, whatever answers it."""

from pathlib import Path

import pytest

from tests.support.daemon import AUTH_TOKEN, configuration, daemon
from tests.support.sipp import Sipp
from tests.support.voice_app import voice_app

pytestmark = pytest.mark.wire

DIAL = "<Response><Dial><Number>{}</Number></Dial></Response>"
# A real blocking wait: threads, and no virtual loop in between.
FUNCTIONS = f"""
import time

def answer(parameters):
    time.sleep(0.05)
    return {DIAL!r}.format(parameters["To"])

async def hangs(parameters):
    import asyncio
    await asyncio.sleep(3600)
"""


@pytest.mark.parametrize("handler", ["application", "bin", "function"])
async def test_s36_a_call_between_two_carriers_is_answered_by(tmp_path: Path, handler: str) -> None:
    (tmp_path / "voice.py").write_text(FUNCTIONS, encoding="utf-8")
    sipp = Sipp(tmp_path)
    async with voice_app(AUTH_TOKEN) as app, sipp.uas("uas_answer.xml") as callee:
        url = app.answers("/voice", DIAL.format("+15550100"))
        urls = {"application": url, "bin": "twiml:main", "function": "python:voice:answer"}
        host, port = callee.address
        document = configuration(f"sip:{host}:{port}", voice_url=urls[handler])
        document["twiml_bins"] = {"main": {"twiml": DIAL.format("{{To}}")}}
        async with daemon(tmp_path, document) as proxy:
            report = await sipp.uac("uac_plain.xml", proxy.udp, hold=0.05)
            record = await proxy.record()
    assert report.exit_code == 0, report.errors + report.messages
    assert callee.report is not None
    assert callee.report.successful == 1
    assert (record["status"], record["events"]) == ("completed", [])
    assert [attempt["called"] for attempt in record["attempts"]] == ["+15550100"]
    (asked,) = record["webhooks"]
    assert (asked["url"], asked["code"]) == (urls[handler], None)
    assert len(app.asked) == (1 if handler == "application" else 0)


async def test_a_function_that_hangs_keeps_neither_its_call_nor_the_end_of_the_process(tmp_path: Path) -> None:
    (tmp_path / "voice.py").write_text(FUNCTIONS, encoding="utf-8")
    sipp = Sipp(tmp_path)
    async with sipp.uas("uas_answer.xml") as callee:
        host, port = callee.address
        document = configuration(f"sip:{host}:{port}", voice_url="python:voice:hangs")
        document["trunks"]["t1"]["voice_fallback_url"] = "twiml:main"
        document["twiml_bins"] = {"main": {"twiml": DIAL.format("+15550100")}}
        document["webhooks"] = {"connect_timeout": 0.3, "total_timeout": 0.3}
        async with daemon(tmp_path, document) as proxy:
            report = await sipp.uac("uac_plain.xml", proxy.udp, hold=0.05)
            record = await proxy.record()
    assert report.exit_code == 0, report.errors + report.messages
    assert [event["code"] for event in record["events"]] == [11203]
    assert [asked["url"] for asked in record["webhooks"]] == ["python:voice:hangs", "twiml:main"]
    assert record["status"] == "completed"
