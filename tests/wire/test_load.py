"""A small load on every run: enough calls to see one lost, one repeated or a leak that grows with each of them."""

from pathlib import Path

import pytest

from tests.support.daemon import AUTH_TOKEN, configuration, daemon
from tests.support.sipp import Sipp
from tests.support.voice_app import voice_app

pytestmark = pytest.mark.wire

SECRET = ("sbc1", "Secret-12345x")
CALLS = 300
RATE = 50
MOST_PER_CALL = 64 << 10  # bytes; a finished call keeps its transactions for 32 s and then nothing


async def test_three_hundred_calls_at_fifty_a_second_pass_without_a_failure_or_a_repetition(tmp_path: Path) -> None:
    sipp = Sipp(tmp_path, keep_messages=False)
    async with voice_app(AUTH_TOKEN) as app, sipp.uas("uas_answer.xml") as callee:
        url = app.answers("/voice", "<Response><Dial><Number>+15550199</Number></Dial></Response>")
        document = configuration(f"sip:{callee.address[0]}:{callee.address[1]}", voice_url=url)
        document["log"]["level"] = "warning"
        document["domains"]["acme"]["credential_lists"] = ["sbcs"]
        document["credential_lists"] = {"sbcs": {"credentials": [{"username": SECRET[0], "password": SECRET[1]}]}}
        async with daemon(tmp_path, document) as proxy:
            await sipp.uac("uac_407.xml", proxy.udp, credentials=SECRET, calls=20, rate=RATE)
            before = proxy.resident()
            report = await sipp.uac("uac_407.xml", proxy.udp, credentials=SECRET, calls=CALLS, rate=RATE)
            grown = proxy.resident() - before
            records = await proxy.records(CALLS + 20)
    assert (report.successful, report.failed, report.retransmissions) == (CALLS, 0, 0), report.errors
    assert callee.report is not None
    assert (callee.report.failed, callee.report.retransmissions) == (0, 0), callee.report.errors
    assert len(app.asked) == CALLS + 20
    assert {record["status"] for record in records} == {"completed"}
    assert grown < CALLS * MOST_PER_CALL
