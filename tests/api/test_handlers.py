"""What answers calls beside a trunk: TwiML bins and applications, and what may name them."""

from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio
from sqlalchemy import update

from byoc_proxy.config.load import load
from byoc_proxy.storage import tables
from byoc_proxy.storage.database import Database
from byoc_proxy.trunk.model import stable_sid
from tests.support.api import ACME, DECLARED, TRUNKS, Installation, installed
from tests.support.provisioned import started
from tests.support.sdk import sdk

pytestmark = pytest.mark.store
BINS, APPLICATIONS = "/v1/TwimlBins", "/Applications.json"
REJECT = '<Response><Reject reason="busy"/></Response>'
FILE = f"""{DECLARED}
twiml_bins: {{closed: {{account: acme, friendly_name: Closed, twiml: '{REJECT}'}}}}
applications: {{support: {{account: acme, voice_url: "twiml:closed", status_callback: "https://a.test/s"}}}}
"""


@pytest_asyncio.fixture
async def api(database: Database, tmp_path: Path) -> Installation:
    return await installed(database, tmp_path, FILE)


async def a_bin(api: Installation, name: str = "greeting", twiml: str = REJECT) -> Any:
    return await api.acme.made(BINS, UniqueName=name, FriendlyName="A bin", Twiml=twiml)


async def test_a_bin_is_made_read_changed_and_removed(api: Installation) -> None:
    made = await a_bin(api, twiml="<Response>\n\t<Hangup/>\n</Response>\n")
    assert made == {
        "account_sid": ACME,
        "sid": made["sid"],
        "friendly_name": "A bin",
        "unique_name": "greeting",
        "twiml": "<Response>\n\t<Hangup/>\n</Response>\n",
        "date_created": "2025-10-09T08:53:20Z",
        "date_updated": "2025-10-09T08:53:20Z",
        "url": f"http://127.0.0.1:8080/v1/TwimlBins/{made['sid']}",
    }
    assert made["sid"].startswith("EH")
    place = f"{BINS}/{made['sid']}"
    changed = (await api.acme.post(place, Twiml=REJECT)).json
    assert changed == {**made, "twiml": REJECT}
    found = api.directory.bin_of(ACME, "greeting")
    assert found is not None
    assert (found.sid, found.twiml) == (made["sid"], REJECT)
    assert api.directory.bin_of(ACME, made["sid"]) is found
    assert (await api.acme.delete(place)).status == 204
    assert api.directory.bin_of(ACME, "greeting") is None


@pytest.mark.parametrize(
    ("twiml", "code"),
    [
        ("<Response>", 12100),
        ("no XML at all", 12100),
        ("<!DOCTYPE r [<!ENTITY a 'b'>]><Response>&a;</Response>", 12100),
        ("<Response>{{From}</Response", 12100),
        ("<Response><{{Verb}}/></Response>", 12100),
        ("<Response><Dial {{attributes}}/></Response>", 12100),
        ("<Answer/>", 12102),
        ("<Answer>{{From}}</Answer>", 12102),
        ("   ", 11770),
        ("<Response><Dial><Number>nobody</Number></Dial></Response>", 13223),
        ("<Response><Say>Good evening, {{CallerName}}</Say></Response>", 12490),
    ],
)
async def test_a_document_that_could_never_run_is_refused_with_the_code_of_the_call(
    api: Installation, twiml: str, code: int
) -> None:
    before = await api.tables()
    reply = await api.acme.post(BINS, UniqueName="greeting", Twiml=twiml)
    assert (reply.status, reply.code) == (400, code)
    assert await api.tables() == before
    sid = (await a_bin(api))["sid"]
    assert (await api.acme.post(f"{BINS}/{sid}", Twiml=twiml)).code == code


@pytest.mark.parametrize(
    "twiml",
    [
        "<Response><Dial><Number>{{ To }}</Number></Dial></Response>",
        "<Response><Dial timeout='{{Seconds}}' callerId='{{From}}'><Sip>{{Where}}</Sip></Dial></Response>",
        '<?xml version="1.0" encoding="ISO-8859-1"?>\n<Response><!-- {{Größe}} --><Hangup/></Response>',
    ],
)
async def test_values_that_only_a_call_knows_are_not_judged_before(api: Installation, twiml: str) -> None:
    assert (await a_bin(api, twiml=twiml))["twiml"] == twiml


async def test_a_name_is_taken_once_in_an_account(api: Installation) -> None:
    """Contract 5: 20409."""
    await a_bin(api)
    other = await a_bin(api, "other")
    for name in ("greeting", "closed"):  # one of the database, one of the file
        for reply in (
            await api.acme.post(BINS, UniqueName=name, Twiml=REJECT),
            await api.acme.post(f"{BINS}/{other['sid']}", UniqueName=name),
        ):
            assert (reply.status, reply.code) == (409, 20409)
    await api.other.made(BINS, UniqueName="greeting", Twiml=REJECT)
    assert (await api.acme.post(f"{BINS}/{other['sid']}", UniqueName="third")).status == 200
    await a_bin(api, "other")


@pytest.mark.parametrize("field", ["VoiceUrl", "VoiceFallbackUrl"])
@pytest.mark.parametrize("by", ["name", "SID"])
async def test_a_bin_in_use_is_neither_removed_nor_renamed(api: Installation, field: str, by: str) -> None:
    made = await a_bin(api)
    reference = "twiml:" + (made["unique_name"] if by == "name" else made["sid"])
    place = f"{BINS}/{made['sid']}"
    trunk = await api.acme.made(TRUNKS, {"FriendlyName": "Carrier A", field: reference})
    support = await api.acme.made(APPLICATIONS, {"FriendlyName": "Support", field: reference})
    refused = await api.acme.delete(place)
    assert (refused.status, refused.code) == (409, 20409)
    for named in ("Carrier A", trunk["sid"], "Support", support["sid"]):
        assert named in refused.message
    renamed = await api.acme.post(place, UniqueName="farewell")
    assert (renamed.status, renamed.code) == ((409, 20409) if by == "name" else (200, None))
    assert (await api.acme.post(place, Twiml="<Response/>")).status == 200
    assert (await api.acme.post(f"{TRUNKS}/{trunk['sid']}", {field: ""})).status == 200
    assert (await api.acme.delete(f"/Applications/{support['sid']}.json")).status == 204
    assert (await api.acme.delete(place)).status == 204


async def test_bins_of_others_cannot_be_named(api: Installation) -> None:
    theirs = await api.other.made(BINS, UniqueName="theirs", Twiml=REJECT)
    for reference in ("twiml:theirs", f"twiml:{theirs['sid']}"):
        for path in (TRUNKS, APPLICATIONS):
            reply = await api.acme.post(path, VoiceUrl=reference)
            assert (reply.status, reply.code) == (400, 20422)
            assert "there is no TwiML bin" in reply.message
    assert (await api.acme.get(f"{BINS}/{theirs['sid']}")).status == 404


async def test_an_application_has_every_field_that_sdks_know(api: Installation) -> None:
    """Contract 1.10."""
    sent = {
        "FriendlyName": "Support",
        "ApiVersion": "2010-04-01",
        "VoiceUrl": "https://app.example.test/voice",
        "VoiceMethod": "GET",
        "VoiceFallbackUrl": "twiml:closed",
        "VoiceFallbackMethod": "GET",
        "StatusCallback": "https://app.example.test/status",
        "StatusCallbackMethod": "GET",
        "VoiceCallerIdLookup": "true",
        "SmsUrl": "https://app.example.test/sms",
        "SmsMethod": "GET",
        "SmsFallbackUrl": "https://app.example.test/sms-fallback",
        "SmsFallbackMethod": "GET",
        "SmsStatusCallback": "https://app.example.test/sms-status",
        "MessageStatusCallback": "https://app.example.test/message-status",
        "PublicApplicationConnectEnabled": "true",
    }
    made = await api.acme.made(APPLICATIONS, sent)
    assert made == {
        "account_sid": ACME,
        "api_version": "2010-04-01",
        "date_created": "Thu, 09 Oct 2025 08:53:20 +0000",
        "date_updated": "Thu, 09 Oct 2025 08:53:20 +0000",
        "friendly_name": "Support",
        "message_status_callback": "https://app.example.test/message-status",
        "public_application_connect_enabled": True,
        "sid": made["sid"],
        "sms_fallback_method": "GET",
        "sms_fallback_url": "https://app.example.test/sms-fallback",
        "sms_method": "GET",
        "sms_status_callback": "https://app.example.test/sms-status",
        "sms_url": "https://app.example.test/sms",
        "status_callback": "https://app.example.test/status",
        "status_callback_method": "GET",
        "uri": f"/2010-04-01/Accounts/{ACME}/Applications/{made['sid']}.json",
        "voice_caller_id_lookup": True,
        "voice_fallback_method": "GET",
        "voice_fallback_url": "twiml:closed",
        "voice_method": "GET",
        "voice_url": "https://app.example.test/voice",
    }
    found = api.directory.applications[made["sid"]]
    assert (found.voice_url, found.voice_fallback_url) == (sent["VoiceUrl"], "twiml:closed")
    assert (found.status_callback, found.status_callback_method) == (sent["StatusCallback"], "GET")
    account = api.directory.accounts[ACME]
    assert api.directory.application_of(account.sid, made["sid"]) is found
    place = f"/Applications/{made['sid']}.json"
    cleared = (await api.acme.post(place, {name: "" for name in sent if name != "ApiVersion"})).json
    bare = await api.acme.made(APPLICATIONS)
    own = ("sid", "uri")
    assert {name: value for name, value in cleared.items() if name not in own} == {
        name: value for name, value in bare.items() if name not in own
    }
    assert (bare["voice_url"], bare["voice_method"], bare["friendly_name"]) == (None, "POST", "")


async def test_applications_are_found_by_their_name(api: Installation) -> None:
    first = await api.acme.made(APPLICATIONS, FriendlyName="Same")
    second = await api.acme.made(APPLICATIONS, FriendlyName="Same")
    await api.acme.made(APPLICATIONS, FriendlyName="Another")
    found = (await api.acme.get(APPLICATIONS, FriendlyName="Same")).json["applications"]
    assert [row["sid"] for row in found] == [first["sid"], second["sid"]]


async def test_what_the_file_declares_is_in_the_lists_and_changed_there_only(api: Installation) -> None:
    (stored,) = (await api.acme.get(BINS)).json["twiml_bins"]
    (support,) = (await api.acme.get(APPLICATIONS)).json["applications"]
    assert (stored["sid"], stored["unique_name"], stored["twiml"]) == (stable_sid("EH", "closed"), "closed", REJECT)
    assert (support["sid"], support["voice_url"]) == (stable_sid("AP", "support"), "twiml:closed")
    assert (support["status_callback"], support["sms_url"]) == ("https://a.test/s", None)
    for place in (f"{BINS}/{stored['sid']}", f"/Applications/{support['sid']}.json"):
        for reply in (await api.acme.post(place, FriendlyName="Mine"), await api.acme.delete(place)):
            assert (reply.status, reply.code) == (403, 20006)
    await api.acme.made(TRUNKS, VoiceUrl="twiml:closed")  # what is made here may use it


async def test_a_file_that_takes_a_bin_away_from_a_row_is_refused_as_a_whole(
    api: Installation, tmp_path: Path
) -> None:
    trunk = await api.acme.made(TRUNKS, FriendlyName="Carrier A", VoiceUrl="twiml:closed")
    (tmp_path / "config.yaml").write_text(DECLARED, encoding="utf-8")
    with pytest.raises(ValueError, match=trunk["sid"]):
        await api.provisioning.redeclare(load(tmp_path / "config.yaml", {}).resources)
    assert api.directory.bin_of(ACME, "closed") is not None


async def test_a_row_that_names_a_function_is_left_out(
    api: Installation, database: Database, tmp_path: Path
) -> None:
    """Whoever may write to the database may not choose what code runs in this process."""
    trunk = await api.acme.made(TRUNKS, VoiceUrl="https://app.example.test/")
    support = await api.acme.made(APPLICATIONS, VoiceFallbackUrl="https://app.example.test/")
    async with api.provisioning.writing() as write:
        for table, sid, field in (
            (tables.byoc_trunks, trunk["sid"], "voice_url"),
            (tables.applications, support["sid"], "voice_fallback_url"),
        ):
            await write.connection.execute(
                update(table).where(table.c.sid == sid).values({field: "python:os:abort"})
            )
    directory = (await started(database, api.provisioning.declared)).directories.current
    assert trunk["sid"] not in directory.trunks
    assert support["sid"] not in directory.applications


async def test_a_row_that_the_file_no_longer_goes_with_is_left_out_at_the_start(
    api: Installation, database: Database, tmp_path: Path
) -> None:
    """The file wins: what it takes away is missing, and what it declares is declared."""
    trunk = await api.acme.made(TRUNKS, VoiceUrl="twiml:closed")
    mine = await a_bin(api)
    named = await api.acme.made(TRUNKS, VoiceUrl="twiml:greeting")
    (tmp_path / "config.yaml").write_text(DECLARED, encoding="utf-8")
    without = load(tmp_path / "config.yaml", {}).resources
    directory = (await started(database, without)).directories.current
    assert trunk["sid"] not in directory.trunks
    assert named["sid"] in directory.trunks
    (tmp_path / "config.yaml").write_text(FILE.replace("closed", "greeting"), encoding="utf-8")
    directory = (await started(database, load(tmp_path / "config.yaml", {}).resources)).directories.current
    found = directory.bin_of(ACME, "greeting")
    assert found is not None
    assert found.sid == stable_sid("EH", "greeting") != mine["sid"]
    assert named["sid"] in directory.trunks


async def test_the_official_sdk_drives_applications(api: Installation) -> None:
    applications = sdk(api).applications
    made = await applications.create_async(
        friendly_name="Support",
        voice_url="https://app.example.test/voice",
        voice_fallback_url="twiml:closed",
        status_callback="https://app.example.test/status",
        sms_url="https://app.example.test/sms",
        voice_caller_id_lookup=True,
    )
    assert (made.voice_url, made.voice_method, made.voice_fallback_url) == (
        "https://app.example.test/voice",
        "POST",
        "twiml:closed",
    )
    assert (made.voice_caller_id_lookup, made.sms_url) == (True, "https://app.example.test/sms")
    assert made.date_created is not None
    changed = await applications(made.sid).update_async(voice_method="GET", status_callback="")
    assert (changed.voice_method, changed.status_callback) == ("GET", None)
    assert [each.sid for each in await applications.list_async(friendly_name="Support")] == [made.sid]
    assert (await applications(made.sid).fetch_async()).friendly_name == "Support"
    assert await applications(made.sid).delete_async() is True
    assert made.sid not in api.directory.applications
