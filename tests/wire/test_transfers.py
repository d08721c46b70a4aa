"""Transfers by a telephone of somebody else's making: what each `refer` of a trunk comes to in its display."""

import contextlib
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.support.baresip import Baresip, baresip
from tests.support.daemon import AUTH_TOKEN, DOMAIN, Daemon, configuration, daemon, until
from tests.support.voice_app import VoiceApp, voice_app

pytestmark = pytest.mark.wire


@dataclass(frozen=True, slots=True)
class Office:
    """A caller, who talks to the first of two telephones of an office."""

    caller: Baresip
    first: Baresip
    second: Baresip
    proxy: Daemon


@contextlib.asynccontextmanager
async def office(directory: Path, refer: str, **trunk: str) -> AsyncIterator[Office]:
    """The caller has called, and the first telephone is about to transfer the call."""
    async with (
        baresip(directory / "first") as first,
        baresip(directory / "second", host="127.0.0.42", user="+15550198") as second,
    ):
        document = configuration(f"sip:{first.place}", f"sip:{second.place}", refer=refer, **trunk)
        # a telephone says 404 to the number of another: that is not the end here
        document["connection_policies"]["carriers"]["failover_stop_codes"] = [486]
        async with daemon(directory, document) as proxy:
            way = f"sip:{proxy.udp[0]}:{proxy.udp[1]}"
            async with baresip(directory / "caller", host="127.0.0.41", user="alice", outbound=way) as caller:
                await caller.does("dial", f"sip:+15550100@{DOMAIN}")
                await caller.has("CALL_ESTABLISHED")
                await first.has("CALL_ESTABLISHED")
                yield Office(caller, first, second, proxy)


async def test_a_transfer_that_the_trunk_does_not_allow_fails_at_the_telephone(tmp_path: Path) -> None:
    async with office(tmp_path, "reject") as scene:
        await scene.first.does("transfer", f"sip:+15550198@{DOMAIN}")
        failed = await scene.first.has("TRANSFER_FAILED")
        await scene.caller.has("CALL_CLOSED")  # baresip hangs up then, by itself
        record = await scene.proxy.record()
    assert failed["param"] == "405 Method Not Allowed"
    assert [event["code"] for event in record["events"]] == [13802]


async def test_a_transfer_that_we_carry_out_rings_the_other_telephone_and_lets_the_first_go(tmp_path: Path) -> None:
    async with office(tmp_path, "terminate") as scene:
        await scene.first.does("transfer", f"sip:+15550198@{DOMAIN}")
        await scene.second.has("CALL_ESTABLISHED")
        await scene.first.has("CALL_CLOSED")
        await scene.caller.does("hangup")
        await scene.second.has("CALL_CLOSED")
        record = await scene.proxy.record()
        told = fragments(scene.first)
    assert (told[0], told[-1]) == ("SIP/2.0 100 Trying", "SIP/2.0 200 OK")
    assert (record["status"], record["ended_by"]) == ("completed", "caller")


async def test_a_transfer_that_is_passed_on_makes_the_caller_call_anew(tmp_path: Path) -> None:
    async with office(tmp_path, "relay") as scene:
        await scene.first.does("transfer", f"sip:+15550198@{DOMAIN}")
        await scene.first.has("CALL_CLOSED")  # told by the caller that its new call was taken
        await scene.caller.does("hangup")
        records = await scene.proxy.records(2)
        told = fragments(scene.first)
    assert (told[0], told[-1]) == ("SIP/2.0 100 Trying", "SIP/2.0 200 OK")
    assert {record["to"] for record in records} == {"+15550100", "+15550198"}


def fragments(asker: Baresip) -> list[str]:
    """What the one who asked for a transfer was told of it."""
    notifies = [each.text for each in asker.received if each.start.startswith("NOTIFY")]
    return [text.rstrip().splitlines()[-1].strip() for text in notifies]


# --- asked for and decided by scripts ----------------------------------------------------------------------

REFERRED = "<Response><Dial referUrl='/refer'><Number>+15550199</Number></Dial></Response>"
TO_SECOND = "<Response><Dial><Number>+15550198</Number></Dial></Response>"
REFER = f"<Response><Refer action='/after'><Sip>sip:+15550198@{DOMAIN}</Sip></Refer></Response>"


async def test_a_transfer_that_the_application_decides_about_goes_where_its_script_says(tmp_path: Path) -> None:
    async with voice_app(AUTH_TOKEN) as app:
        app.answers("/refer", TO_SECOND)
        async with office(tmp_path, "reject", voice_url=app.answers("/voice", REFERRED)) as scene:
            await scene.first.does("transfer", f"sip:somebody@{DOMAIN}")
            await scene.second.has("CALL_ESTABLISHED")
            await scene.first.has("CALL_CLOSED")
            await scene.caller.does("hangup")
            await scene.second.has("CALL_CLOSED")
            record = await scene.proxy.record()
            told = fragments(scene.first)
    assert app.asked[1].params["ReferTransferTarget"] == f"sip:somebody@{DOMAIN}"
    assert (told[0], told[-1]) == ("SIP/2.0 100 Trying", "SIP/2.0 200 OK")
    assert [leg["status"] for leg in record["legs"]] == ["completed", "completed"]


async def test_a_telephone_that_a_script_refers_calls_anew_and_says_what_came_of_it(tmp_path: Path) -> None:
    async with voice_app(AUTH_TOKEN) as app, baresip(tmp_path / "desk", user="+15550198") as desk:
        refer = REFER.replace(DOMAIN, f"desks.{DOMAIN.partition('.')[2]}")
        document = configuration(f"sip:{desk.place}", voice_url=app.answers("/voice", refer))
        document["trunks"]["desks"] = {"connection_policy": "carriers", "voice_twiml": TO_SECOND}
        document["domains"]["desks"] = {"trunk": "desks", "ip_access_control_lists": ["loopback"]}
        app.answers("/after", "<Response><Hangup/></Response>")
        async with daemon(tmp_path, document) as proxy:
            way = f"sip:{proxy.udp[0]}:{proxy.udp[1]}"
            async with baresip(tmp_path / "caller", host="127.0.0.41", user="alice", outbound=way) as caller:
                await caller.does("dial", f"sip:+15550100@{DOMAIN}")
                await desk.has("CALL_ESTABLISHED")
                after = await until(lambda: heard(app), 10.0, lambda: f"the action was not asked: {app.asked}")
                await caller.does("hangup")
                await proxy.records(2)
    assert after["ReferSipResponseCode"] == "202"
    assert after["ReferCallStatus"] in ("in-progress", "canceled")


def heard(app: VoiceApp) -> dict[str, str] | None:
    """What the action was told."""
    return next((each.params for each in app.asked if each.path == "/after"), None)
