"""S36 through the real daemon: the same call between two SIPp carriers, whatever answers it."""

import signal
from pathlib import Path

import pytest
import yaml

from tests.support.api import Client
from tests.support.api_daemon import MAIN, api_daemon
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


@pytest.mark.parametrize("with_a_database", [False, True])
async def test_sighup_loads_what_is_new_and_keeps_what_is_loaded(tmp_path: Path, with_a_database: bool) -> None:
    busy, rejected = (f"<Response><Reject{more}/></Response>" for more in (" reason='busy'", ""))
    module = "def first(_):\n    return {!r}\n"
    (tmp_path / "voice.py").write_text(module.format(busy), encoding="utf-8")
    (tmp_path / "later.py").write_text(module.format(rejected), encoding="utf-8")
    document = configuration("sip:127.0.0.20:5090", voice_url="python:voice:first")
    document |= {"database": {"url": "sqlite:///byoc-proxy.db"}} if with_a_database else {}
    sipp = Sipp(tmp_path)
    async with daemon(tmp_path, document, allowed=["config.kept"]) as proxy:
        (tmp_path / "voice.py").write_text(module.format(rejected), encoding="utf-8")
        for url, event, status in (
            ("python:voice:first", "config.reloaded", 486),
            ("python:voice:second", "config.kept", 486),
            ("python:later:first", "config.reloaded", 404),
        ):
            proxy.log.clear()
            document["trunks"]["t1"]["voice_url"] = url
            proxy.config.write_text(yaml.safe_dump(document), encoding="utf-8")
            proxy.signal(signal.SIGHUP)
            await proxy.logged(event)
            report = await sipp.uac("uac_refused.xml", proxy.udp, final=status)
            assert report.exit_code == 0, report.errors + report.messages


async def test_a_bin_that_is_changed_over_the_api_answers_the_next_call(tmp_path: Path) -> None:
    document = configuration("sip:127.0.0.20:5090", voice_url="twiml:closed")
    document |= {"database": {"url": "sqlite:///byoc-proxy.db"}, "api": {"bind": "127.0.0.1:0"}}
    document["twiml_bins"] = {"closed": {"twiml": "<Response><Redirect>twiml:reason</Redirect></Response>"}}
    sipp = Sipp(tmp_path)
    async with api_daemon(tmp_path, document) as api:
        client = Client(None, MAIN, AUTH_TOKEN, base=api.base)
        try:
            script = "<Response><Reject reason='{}'/></Response>"
            made = await client.made("/v1/TwimlBins", UniqueName="reason", Twiml=script.format("busy"))
            for reason, status in (("busy", 486), ("rejected", 404)):
                await client.post(f"/v1/TwimlBins/{made['sid']}", Twiml=script.format(reason))
                report = await sipp.uac("uac_refused.xml", api.proxy.udp, final=status)
                assert report.exit_code == 0, report.errors + report.messages
        finally:
            await client.close()
