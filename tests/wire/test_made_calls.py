"""Calls that the API makes: curl and the official SDK on one side, SIPp as carriers on the other.

`voice_app` refuses, and fails the test for, every request that the SDK's `RequestValidator` does not accept.
"""

import asyncio
import contextlib
import json
import shlex
import signal
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx2
import pytest

from tests.support.api_daemon import AUTH_TOKEN, MAIN, ApiDaemon, api_daemon, api_document
from tests.support.daemon import Document, until
from tests.support.programs import installed, run
from tests.support.sdk_story import here_client
from tests.support.sipp import Sipp, Uas
from tests.support.voice_app import VoiceApp, voice_app
from tests.wire.test_sdk import NodeStory

pytestmark = [
    pytest.mark.wire,
    pytest.mark.filterwarnings("ignore:(BasicAuth|The 'auth' parameter) is deprecated:DeprecationWarning"),
]
# As they stand on the page, but for the quote that the second one lacks.
CALLS_LINE = (
    "curl 'https://api.twilio.com/2010-04-01/Accounts/{Your Account SID}/Calls.json' -X POST"
    " --data-urlencode 'To=+14158675309' --data-urlencode 'From=+14155551212'"
    " --data-urlencode 'Url={Your Twilio App URL}' --data-urlencode 'Byoc={Your-BYOC=Trunk_SID}'"
    " -u {Your Account SID}:{Your Auth Token}"
)
PARTICIPANTS_LINE = (
    "curl https://api.twilio.com/2010-04-01/Accounts/{Your Account SID}"
    "/Conferences/{Your Conference SID}/Participants.json -X POST"
    ' --data-urlencode "From=+14155551212" --data-urlencode "To=+14158675309"'
    " --data-urlencode 'Byoc={Your-BYOC=Trunk_SID}' -u {Your Account SID}:{Your Auth Token}"
)
HANG_UP = "<Response><Hangup/></Response>"
WAIT = '<Response><Pause length="30"/></Response>'
EVENTS = ["initiated", "ringing", "answered", "completed"]
TO, FROM = "+14158675309", "+14155551212"


@dataclass
class Place:
    """A daemon with a trunk to a carrier, an application that it asks, and the SDK on its API."""

    api: ApiDaemon
    app: VoiceApp
    trunk: str
    client: Any

    async def do(self, function: Any, *args: Any, **options: Any) -> Any:
        """What the SDK does, in a thread of its own: it blocks."""
        return await asyncio.to_thread(function, *args, **options)

    async def call(self, url: str, **options: Any) -> Any:
        """A call that the SDK makes over the trunk, with all that happens told at `/status`."""
        told = {"status_callback": f"{self.app.url}/status", "status_callback_event": EVENTS, "byoc": self.trunk}
        return await self.do(self.client.calls.create, to=TO, from_=FROM, url=url, **{**told, **options})

    async def change(self, sid: str, **options: Any) -> Any:
        return await self.do(self.client.calls(sid).update, **options)

    async def until_status(self, sid: str, status: str) -> Any:
        """The call, as soon as a fetch tells this status."""
        async with asyncio.timeout(15):
            while True:
                call = await self.do(self.client.calls(sid).fetch)
                if call.status == status:
                    return call
                await asyncio.sleep(0.1)

    def heard(self, sid: str) -> list[dict[str, str]]:
        """What the status callback has heard of a call."""
        return [each.params for each in self.app.asked if each.path == "/status" and each.params["CallSid"] == sid]

    async def told(self, sid: str, *statuses: str) -> list[dict[str, str]]:
        """The same, once the last of these statuses is there; they must have come in this order, each once."""

        def complete() -> list[dict[str, str]] | None:
            found = self.heard(sid)
            return found if found and found[-1]["CallStatus"] == statuses[-1] else None

        found = await until(complete, 15, lambda: f"{sid} was told as {self.heard(sid)}")
        assert [each["CallStatus"] for each in found] == list(statuses)
        assert [each["SequenceNumber"] for each in found] == [str(number) for number in range(len(found))]
        return found

    async def trunk_to(self, carrier: Uas) -> str:
        return await asyncio.to_thread(trunk_to, self.client, carrier)


def trunk_to(client: Any, carrier: Uas) -> str:
    """The SID of a new trunk whose policy leads to a carrier."""
    policy = client.voice.v1.connection_policies.create()
    host, port = carrier.address
    client.voice.v1.connection_policies(policy.sid).targets.create(target=f"sip:{host}:{port}")
    return str(client.voice.v1.byoc_trunks.create(connection_policy_sid=policy.sid).sid)


def quick(**more: Any) -> Document:
    """An installation whose accounts need not wait for their calls."""
    return api_document(api={"bind": "127.0.0.1:0", "calls_per_second": 50}, **more)


@contextlib.asynccontextmanager
async def place(directory: Path, carrier: Uas, document: Document | None = None) -> AsyncIterator[Place]:
    async with api_daemon(directory, document or quick()) as api, voice_app(AUTH_TOKEN) as app:
        client = here_client(api.base, MAIN, AUTH_TOKEN)
        app.answers("/status", "")
        try:
            yield Place(api, app, await asyncio.to_thread(trunk_to, client, carrier), client)
        finally:
            client.http_client.session.close()


async def line(text: str, there: Place, directory: Path, **blanks: str) -> tuple[int, Any]:
    """Status and JSON of the answer to a line of the page, its blanks filled in and its host ours."""
    known = {
        "https://api.twilio.com": there.api.base,
        "{Your Account SID}": MAIN,
        "{Your Auth Token}": AUTH_TOKEN,
        "{Your-BYOC=Trunk_SID}": there.trunk,
        **blanks,
    }
    for blank, value in known.items():
        text = text.replace(blank, value)
    command, *arguments = shlex.split(text)
    code, said = await run(directory, installed(command, "curl"), "-s", "-w", "\n%{http_code}", *arguments)
    assert code == 0, said
    body, _, status = said.rpartition("\n")
    return int(status), json.loads(body)


async def test_s98_s104_the_pages_line_for_calls_rings_a_carrier_and_runs_the_script_on_answer(
    tmp_path: Path,
) -> None:
    """S96: "the Voice API Calls resource"."""
    sipp = Sipp(tmp_path)
    async with sipp.uas("uas_held.xml") as carrier, place(tmp_path, carrier) as there:
        url = there.app.answers("/answered", HANG_UP)
        status, made = await line(CALLS_LINE, there, tmp_path, **{"{Your Twilio App URL}": url})
        assert (status, made["status"], made["direction"]) == (201, "queued", "outbound-api")
        assert (made["start_time"], made["queue_time"], made["to"]) == (None, None, TO)
        call = await there.until_status(made["sid"], "completed")
        (asked,) = there.app.asked
        record = await there.api.proxy.record()
    assert carrier.report is not None
    assert carrier.report.successful == 1, carrier.report.errors + carrier.report.messages
    assert asked.path == "/answered"
    told = ("CallSid", "CallStatus", "Direction", "From", "To", "ByocTrunkSid", "AccountSid")
    assert [asked.params[name] for name in told] == [
        *(made["sid"], "in-progress", "outbound-api", FROM, TO, there.trunk, MAIN),
    ]
    assert int(call.duration) < 5  # it ends as soon as it is answered, however busy the machine
    assert call.start_time is not None
    assert int(call.queue_time) < 1000
    assert record["call_sid"] == made["sid"]


async def test_s99_s104_the_pages_line_for_participants_is_refused_by_the_absence_of_an_engine(
    tmp_path: Path,
) -> None:
    """S96: "an existing Conference", up to the engine."""
    sipp = Sipp(tmp_path)
    async with sipp.uas("uas_answer.xml") as carrier, place(tmp_path, carrier) as there:
        blanks = {"{Your Conference SID}": f"CF{'0' * 32}"}
        status, told = await line(PARTICIPANTS_LINE, there, tmp_path, **blanks)
    assert (status, told["code"]) == (400, 12490)
    assert "a media engine that mixes" in told["message"]


async def test_the_sdk_makes_a_call_that_bridges_two_carriers_watches_it_and_completes_it(tmp_path: Path) -> None:
    """S96: "using either TwiML": `<Dial><Number byoc>` in the script of a call that the API made."""
    sipp = Sipp(tmp_path)
    async with (
        sipp.uas("uas_held.xml") as first,
        sipp.uas("uas_late_offer.xml", address="127.0.0.21") as second,
        place(tmp_path, first) as there,
    ):
        other = await there.trunk_to(second)
        dial = f'<Response><Dial><Number byoc="{other}">+15550199</Number></Dial></Response>'
        call = await there.call(there.app.answers("/answered", dial))
        assert (call.status, call.to_formatted) == ("queued", "(415) 867-5309")
        await there.until_status(call.sid, "in-progress")
        (child,) = await leg_of(there, call.sid)
        assert (child.direction, child.to, child.trunk_sid) == ("outbound-dial", "+15550199", other)
        ended = await there.change(call.sid, status="completed")
        assert ended.sid == call.sid
        gone = await there.until_status(call.sid, "completed")
        told = await there.told(call.sid, "initiated", "ringing", "in-progress", "completed")
        await there.until_status(child.sid, "completed")
    for carrier in (first, second):
        assert carrier.report is not None
        assert carrier.report.successful == 1, carrier.report.errors + carrier.report.messages
    assert told[-1]["CallDuration"] == gone.duration
    assert {each["CallbackSource"] for each in told} == {"call-progress-events"}


async def leg_of(there: Place, sid: str) -> list[Any]:
    """The legs that a call has dialled, once one of them is answered."""
    async with asyncio.timeout(10):
        while True:
            legs: list[Any] = await there.do(there.client.calls.list, parent_call_sid=sid, status="in-progress")
            if legs:
                return legs
            await asyncio.sleep(0.1)


async def test_the_sdk_redirects_a_call_by_url_and_by_twiml(tmp_path: Path) -> None:
    sipp = Sipp(tmp_path)
    async with (
        sipp.uas("uas_held.xml") as first,
        sipp.uas("uas_late_offer.xml", address="127.0.0.21") as second,
        place(tmp_path, first) as there,
    ):
        other = await there.trunk_to(second)
        call = await there.call(there.app.answers("/wait", WAIT))
        await there.until_status(call.sid, "in-progress")
        await there.change(call.sid, status_callback=there.app.answers("/other", ""))
        await there.change(call.sid, url=there.app.answers("/next", WAIT), method="POST")
        await until(
            lambda: [each for each in there.app.asked if each.path == "/next"] or None, 10, lambda: "no /next"
        )
        twiml = f'<Response><Dial><Number byoc="{other}">+15550199</Number></Dial></Response>'
        await there.change(call.sid, twiml=twiml)
        (child,) = await leg_of(there, call.sid)
        await there.change(child.sid, status="completed")
        await there.until_status(child.sid, "completed")
        await there.until_status(call.sid, "completed")
        told = [each for each in there.app.asked if each.path == "/other"]
    assert [each["CallStatus"] for each in there.heard(call.sid)] == ["initiated", "ringing", "in-progress"]
    assert [each.params["CallStatus"] for each in told] == ["completed"]
    asked = [each for each in there.app.asked if each.path == "/next"]
    assert [each.params["CallStatus"] for each in asked] == ["in-progress"]
    for carrier in (first, second):
        assert carrier.report is not None
        assert carrier.report.successful == 1, carrier.report.errors + carrier.report.messages


async def test_the_sdk_takes_a_dialled_leg_out_of_its_conversation_into_a_script_of_its_own(tmp_path: Path) -> None:
    sipp = Sipp(tmp_path)
    async with (
        sipp.uas("uas_held.xml") as first,
        sipp.uas("uas_late_offer_held.xml", address="127.0.0.21") as second,
        place(tmp_path, first) as there,
    ):
        other = await there.trunk_to(second)
        dial = f'<Response><Dial><Number byoc="{other}">+15550199</Number></Dial></Response>'
        call = await there.call(there.app.answers("/answered", dial))
        await there.until_status(call.sid, "in-progress")
        (child,) = await leg_of(there, call.sid)
        parted = await there.change(child.sid, url=there.app.answers("/alone", WAIT), time_limit=3)
        assert (parted.sid, parted.parent_call_sid, parted.status) == (child.sid, call.sid, "in-progress")
        await there.until_status(call.sid, "completed")
        await there.until_status(child.sid, "completed")
    (asked,) = [each.params for each in there.app.asked if each.path == "/alone"]
    assert (asked["CallSid"], asked["ParentCallSid"], asked["CallStatus"]) == (child.sid, call.sid, "in-progress")
    for carrier in (first, second):
        assert carrier.report is not None
        assert carrier.report.successful == 1, carrier.report.errors + carrier.report.messages


async def test_the_sdk_cancels_a_call_that_rings_and_the_carrier_sees_a_cancel(tmp_path: Path) -> None:
    sipp = Sipp(tmp_path)
    async with sipp.uas("uas_ringing_forever.xml") as carrier, place(tmp_path, carrier) as there:
        call = await there.call(there.app.answers("/answered", HANG_UP))
        await there.until_status(call.sid, "ringing")
        cancelled = await there.change(call.sid, status="canceled")
        assert cancelled.status == "canceled"
        told = await there.told(call.sid, "initiated", "ringing", "canceled")
        await there.until_status(call.sid, "canceled")
        refused = await refusal(there, call.sid, status="completed")
        assert refused == (400, 21220)
    assert carrier.report is not None
    assert carrier.report.successful == 1, carrier.report.errors + carrier.report.messages
    assert told[-1]["CallDuration"] == "0"
    assert [each.path for each in there.app.asked if each.path != "/status"] == []


async def test_the_node_sdk_makes_watches_redirects_and_completes_a_call(tmp_path: Path) -> None:
    sipp = Sipp(tmp_path)
    async with sipp.uas("uas_held.xml") as carrier, place(tmp_path, carrier) as there:
        known = {"main": MAIN, "token": AUTH_TOKEN, "trunk": there.trunk, "status": f"{there.app.url}/status"}
        story = NodeStory(tmp_path, there.api.base)
        told = await story.tell("call", {**known, "url": there.app.answers("/wait", WAIT)})
        await there.told(told["call"], "initiated", "ringing", "in-progress", "completed")
    assert told["refused"] == [400, 21220]
    assert carrier.report is not None
    assert carrier.report.successful == 1, carrier.report.errors + carrier.report.messages


async def refusal(there: Place, sid: str, **options: Any) -> tuple[int, int]:
    async with httpx2.AsyncClient(base_url=there.api.base, auth=(MAIN, AUTH_TOKEN), timeout=10) as client:
        fields = {name.title().replace("_", ""): value for name, value in options.items()}
        reply = await client.post(f"/2010-04-01/Accounts/{MAIN}/Calls/{sid}.json", data=fields)
    return reply.status_code, reply.json()["code"]


async def test_a_call_that_is_cancelled_in_the_queue_never_rings_and_nobody_is_told(tmp_path: Path) -> None:
    """One call a second: the third would go out two seconds after the first."""
    sipp = Sipp(tmp_path)
    async with sipp.uas("uas_held.xml") as carrier, place(tmp_path, carrier, api_document()) as there:
        url = there.app.answers("/answered", HANG_UP)
        first, second, third = [await there.call(url) for _ in range(3)]
        cancelled = await there.change(third.sid, status="canceled")
        assert (cancelled.status, cancelled.start_time) == ("canceled", None)
        for call in (first, second):
            await there.until_status(call.sid, "completed")
        await asyncio.sleep(1.5)
        waited = [int((await there.until_status(call.sid, "completed")).queue_time) for call in (first, second)]
        assert (await there.until_status(third.sid, "canceled")).queue_time is None
        assert there.heard(third.sid) == []
    assert carrier.report is not None
    assert carrier.report.successful == 2, carrier.report.errors + carrier.report.messages
    assert waited[0] < 500 < waited[1]


async def test_a_call_of_one_node_is_completed_by_the_api_of_another(tmp_path: Path) -> None:
    """Both on one database; the second is asked as if there were a balancer before them."""
    sipp = Sipp(tmp_path)
    database = f"sqlite:///{tmp_path / 'byoc-proxy.db'}"
    (tmp_path / "b").mkdir()
    async with (
        sipp.uas("uas_held.xml") as carrier,
        place(tmp_path, carrier, quick(url=database)) as there,
        api_daemon(tmp_path / "b", quick(url=database)) as second,
    ):
        call = await there.call(there.app.answers("/wait", WAIT))
        await there.until_status(call.sid, "in-progress")
        other = here_client(second.base, MAIN, AUTH_TOKEN)
        ended = await asyncio.to_thread(other.calls(call.sid).update, status="completed")
        other.http_client.session.close()
        assert ended.sid == call.sid
        await there.until_status(call.sid, "completed")
    assert carrier.report is not None
    assert carrier.report.successful == 1, carrier.report.errors + carrier.report.messages


async def test_kill_9_amid_creates_loses_none_that_was_acknowledged(tmp_path: Path) -> None:
    """Each of them can be fetched, and has ended: `failed`, unless it was over before."""
    sipp = Sipp(tmp_path)
    document = api_document()
    async with sipp.uas("uas_held.xml", hold=30) as carrier:
        acknowledged: list[str] = []
        async with place(tmp_path, carrier, document) as there:
            writers = [asyncio.create_task(_make(there, acknowledged)) for _ in range(4)]
            await until(lambda: len(acknowledged) >= 40 or None, 20, lambda: f"only {len(acknowledged)} calls")
            there.api.proxy.signal(signal.SIGKILL)
            await there.api.proxy.exited()
            await asyncio.gather(*writers)
        async with api_daemon(tmp_path, document) as again:
            ended = [await _end(again, sid) for sid in acknowledged]
            causes = {(each["status"], each["cause"]) for each in await again.proxy.records(40)}
    assert set(ended) == {"failed"}
    assert causes == {("failed", "interrupted: the proxy ended while the call was up")}


async def _make(there: Place, acknowledged: list[str]) -> None:
    """Make calls until nobody answers any more."""
    async with httpx2.AsyncClient(base_url=there.api.base, auth=(MAIN, AUTH_TOKEN), timeout=10) as client:
        with contextlib.suppress(httpx2.TransportError):
            while True:
                fields = {"To": TO, "From": FROM, "Twiml": HANG_UP, "Byoc": there.trunk}
                answer = await client.post(f"/2010-04-01/Accounts/{MAIN}/Calls.json", data=fields)
                assert answer.status_code == 201, answer.text
                acknowledged.append(answer.json()["sid"])


async def _end(api: ApiDaemon, sid: str) -> str:
    """The status of a call that has ended, or is about to be told to have."""
    async with (
        httpx2.AsyncClient(base_url=api.base, auth=(MAIN, AUTH_TOKEN), timeout=10) as client,
        asyncio.timeout(10),
    ):
        while True:
            answer = await client.get(f"/2010-04-01/Accounts/{MAIN}/Calls/{sid}.json")
            assert answer.status_code == 200, answer.text
            if answer.json()["end_time"] is not None:
                return str(answer.json()["status"])
            await asyncio.sleep(0.1)
