"""The official SDKs drive the API unchanged: they make all that a call needs, SIPp is let in, and kept out after.

Python, blocking and not, is told by `tests.support.sdk_story`; Node by `peers/story.js`.
"""

import asyncio
import json
from collections.abc import Callable
from contextlib import AbstractAsyncContextManager
from pathlib import Path
from typing import Any

import httpx2
import pytest

from tests.support.api_daemon import AUTH_TOKEN, MAIN, ApiDaemon, api_daemon
from tests.support.programs import installed
from tests.support.sdk_story import PASSWORD, REFUSALS, USER, Story, blocking, not_blocking
from tests.support.sipp import Sipp, Uas
from tests.support.voice_app import VoiceApp, voice_app

pytestmark = pytest.mark.wire
ROOT = Path(__file__).resolve().parent.parent.parent
NODE_SDK = ROOT / ".venv" / "node"
PEER = Path(__file__).resolve().parent / "peers" / "story.js"


async def is_let_in(sipp: Sipp, api: ApiDaemon, app: VoiceApp, callee: Uas) -> None:
    """A call with the right address and the right password reaches the carrier that the application names."""
    report = await sipp.uac("uac_407.xml", api.proxy.udp, credentials=(USER, PASSWORD), hold=0.05)
    assert report.exit_code == 0, report.errors + report.messages
    record = await api.proxy.record()
    assert (record["status"], record["username"]) == ("completed", USER)
    assert [attempt["outcome"] for attempt in record["attempts"]] == ["answered"]
    assert record["attempts"][0]["address"] == f"UDP {callee.address[0]}:{callee.address[1]}"
    assert app.asked[0].params["AccountSid"] == record["account_sid"]
    await is_over(api, f"/2010-04-01/Accounts/{record['account_sid']}/Calls/{record['call_sid']}.json")


async def is_over(api: ApiDaemon, call: str) -> None:
    """The API knows, too, that a call has ended, and lets its domain go."""
    async with httpx2.AsyncClient(base_url=api.base, auth=(MAIN, AUTH_TOKEN)) as http:
        for _ in range(100):
            if (await http.get(call)).json()["status"] == "completed":
                return
            await asyncio.sleep(0.05)
    raise AssertionError(f"{call} is not over after five seconds")


async def is_refused(sipp: Sipp, api: ApiDaemon, status: int) -> None:
    report = await sipp.uac("uac_refused.xml", api.proxy.udp, final=status)
    assert report.exit_code == 0, report.errors + report.messages


def dial(trunk: str) -> str:
    return f'<Response><Dial><Number byoc="{trunk}">+15550199</Number></Dial></Response>'


@pytest.mark.filterwarnings(
    "ignore:(BasicAuth|The 'auth' parameter) is deprecated:DeprecationWarning"
)  # the SDK uses it
@pytest.mark.parametrize("telling", [blocking, not_blocking])
async def test_the_python_sdk_makes_what_a_call_needs_and_takes_it_away(
    tmp_path: Path, telling: Callable[[str], AbstractAsyncContextManager[Story]]
) -> None:
    """S22 to S25, S65, S105."""
    sipp = Sipp(tmp_path)
    async with api_daemon(tmp_path) as api, sipp.uas("uas_answer.xml") as callee, telling(api.base) as story:
        account = await story.account(MAIN, AUTH_TOKEN)
        async with voice_app(account.auth_token) as app:
            made = await story.make(f"{app.url}/voice", f"sip:{callee.address[0]}:{callee.address[1]}")
            app.answers("/voice", dial(made.trunk))
            assert await story.fail(made) == REFUSALS
            await is_let_in(sipp, api, app, callee)
            await story.unmap(made)
            await is_refused(sipp, api, 403)
            await story.take_away(made)
            await is_refused(sipp, api, 404)
            await story.by_key()


class NodeStory:
    """Told a chapter at a time; what is known goes from one to the next in a file."""

    def __init__(self, directory: Path, base: str) -> None:
        missing = f"{NODE_SDK}/node_modules/twilio is missing: scripts/test installs the Node SDK there"
        assert (NODE_SDK / "node_modules" / "twilio").is_dir(), missing
        self._file = directory / "story.json"
        self._base = base

    async def tell(self, chapter: str, known: dict[str, Any]) -> dict[str, Any]:
        """What is known after it."""
        self._file.write_text(json.dumps(known), encoding="utf-8")
        process = await asyncio.create_subprocess_exec(
            *(installed("node", "nodejs"), str(PEER), chapter, self._base, str(self._file)),
            env={"NODE_PATH": str(NODE_SDK / "node_modules")},
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.STDOUT,
        )
        said, _ = await asyncio.wait_for(process.communicate(), 40)
        assert process.returncode == 0, said.decode(errors="replace")
        told: dict[str, Any] = json.loads(self._file.read_text(encoding="utf-8"))
        return told


async def test_the_node_sdk_makes_what_a_call_needs_and_takes_it_away(tmp_path: Path) -> None:
    """S22 to S25, S65, S105."""
    sipp = Sipp(tmp_path)
    async with api_daemon(tmp_path) as api, sipp.uas("uas_answer.xml") as callee:
        story = NodeStory(tmp_path, api.base)
        told = await story.tell("account", {"main": MAIN, "token": AUTH_TOKEN})
        async with voice_app(told["accountToken"]) as app:
            place = {"voiceUrl": f"{app.url}/voice", "target": f"sip:{callee.address[0]}:{callee.address[1]}"}
            told = await story.tell("make", {**told, **place})
            app.answers("/voice", dial(told["trunk"]))
            assert [tuple(each) for each in told["refusals"]] == REFUSALS
            await is_let_in(sipp, api, app, callee)
            await story.tell("unmap", told)
            await is_refused(sipp, api, 403)
            await story.tell("takeAway", told)
            await is_refused(sipp, api, 404)
