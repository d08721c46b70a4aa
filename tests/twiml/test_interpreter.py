"""A script on a stage: what happens to the call, which documents are asked for, and how failures end."""

from dataclasses import replace

import pytest

from byoc_proxy.twiml.interpreter import (
    MAX_IDLE_DOCUMENTS,
    DialOutcome,
    Entry,
    Fetched,
    ReferOutcome,
    ScriptRequest,
    run,
)
from byoc_proxy.twiml.verbs import MEDIA_ENGINE_MISSING, Number
from tests.support.stage import BUSY, Stage

VOICE = ScriptRequest("https://app.example.com/voice/in")
BACKUP = ScriptRequest("https://backup.example.com/voice", "GET")
TALKED = DialOutcome("completed", "CA1", 42, bridged=True)


def response(inside: str) -> str:
    return f"<Response>{inside}</Response>"


async def play(stage: Stage, first: str, fallback: ScriptRequest | None = None) -> Stage:
    stage.pages[VOICE.url] = response(first)
    await run(stage, Entry(VOICE, fallback))
    return stage


async def test_verbs_run_in_order_and_the_end_of_the_document_hangs_up() -> None:
    stage = await play(Stage(), "<Pause length='3'/><Dial>911</Dial><Dial>112</Dial>")
    assert stage.done == ["pause 3", "dial", "dial", "hang up"]
    assert [dial.nouns for dial in stage.dialled] == [(Number("911"),), (Number("112"),)]
    assert stage.asked == [VOICE]


async def test_an_empty_response_hangs_up() -> None:
    assert (await play(Stage(), "")).done == ["hang up"]


@pytest.mark.parametrize(
    ("verb", "did"),
    [
        ("<Reject/>", "reject rejected"),
        ("<Reject reason='busy'/>", "reject busy"),
        ("<Hangup/>", "hang up"),
    ],
)
async def test_what_follows_reject_or_hangup_is_unreachable(verb: str, did: str) -> None:
    stage = await play(Stage(), f"{verb}<Dial>911</Dial>")
    assert stage.done == [did]


async def test_the_action_of_a_dial_is_told_how_it_went_and_takes_over() -> None:
    stage = Stage({"https://app.example.com/voice/after": response("<Hangup/>")}, outcome=TALKED)
    await play(stage, "<Dial action='after' method='GET'>911</Dial><Dial>112</Dial>")
    assert stage.done == ["dial", "hang up"]
    assert stage.asked[1] == ScriptRequest(
        "https://app.example.com/voice/after",
        "GET",
        (
            ("DialCallStatus", "completed"),
            ("DialCallSid", "CA1"),
            ("DialCallDuration", "42"),
            ("DialBridged", "true"),
        ),
    )


async def test_the_action_of_a_sip_dial_learns_the_response_code_and_call_id() -> None:
    outcome = DialOutcome("failed", sip_response_code=404, sip_call_id="abc@proxy", is_sip=True)
    stage = await play(Stage(outcome=outcome), "<Dial action='/after'><Sip>sip:a@b.example</Sip></Dial>")
    assert stage.asked[1].extra == (
        ("DialCallStatus", "failed"),
        ("DialCallDuration", "0"),
        ("DialBridged", "false"),
        ("DialSipCallId", "abc@proxy"),
        ("DialSipResponseCode", "404"),
    )


async def test_without_an_action_the_script_goes_on_after_the_dial() -> None:
    stage = await play(Stage(outcome=TALKED), "<Dial>911</Dial><Pause/>")
    assert stage.done == ["dial", "pause 1", "hang up"]


@pytest.mark.parametrize(
    ("action", "goal"),
    [
        ("", "https://app.example.com/voice/in"),
        ("after?x=1", "https://app.example.com/voice/after?x=1"),
        ("/after", "https://app.example.com/after"),
        ("//other.example/after", "https://other.example/after"),
        ("http://other.example/after", "http://other.example/after"),
    ],
)
@pytest.mark.parametrize("verb", ["Dial", "Refer"])
async def test_an_action_is_relative_to_its_document_and_an_empty_one_is_the_document_itself(
    verb: str, action: str, goal: str
) -> None:
    stage = Stage({goal: response("<Hangup/>")} if action else {})
    inside = "911" if verb == "Dial" else "<Sip>sip:alice@desk.example</Sip>"
    await play(stage, f"<{verb} action='{action}'>{inside}</{verb}>")
    assert stage.asked[1].url == goal
    assert stage.asked[1].extra[0] == (f"{verb}CallStatus", "busy" if verb == "Dial" else "failed")
    assert stage.promised[0] == ScriptRequest(goal)


async def test_an_inline_document_with_an_empty_action_begins_again() -> None:
    stage = Stage()
    await run(stage, Entry(b"<Response><Dial action=''>911</Dial></Response>"))
    assert len(stage.dialled) == MAX_IDLE_DOCUMENTS
    assert stage.promised[0] is None  # there is nobody who could be told


async def test_a_refer_tells_its_action_and_without_one_the_script_goes_on() -> None:
    stage = Stage({"https://app.example.com/after": response("<Reject/>")}, referred=ReferOutcome("busy", 202, 486))
    await play(stage, "<Refer action='/after'><Sip>sip:alice@desk.example</Sip></Refer><Pause/>")
    assert stage.done == ["refer to sip:alice@desk.example", "reject rejected"]
    assert stage.asked[1].extra == (
        ("ReferCallStatus", "busy"),
        ("ReferSipResponseCode", "202"),
        ("NotifySipResponseCode", "486"),
    )
    stage = await play(Stage(), "<Refer><Sip>sip:alice@desk.example</Sip></Refer><Pause/>")
    assert stage.done == ["refer to sip:alice@desk.example", "pause 1", "hang up"]


async def test_a_transfer_replaces_the_script_and_the_action_is_not_asked() -> None:
    referral = ScriptRequest("https://app.example.com/refer", "POST", (("ReferTransferTarget", "sip:x@y.example"),))
    stage = Stage({referral.url: response("<Reject/>")}, outcome=replace(TALKED, replaced_by=referral))
    await play(stage, "<Dial action='/after' referUrl='/refer'>911</Dial><Dial>112</Dial>")
    assert stage.asked == [VOICE, referral]
    assert stage.done == ["dial", "reject rejected"]
    assert stage.dialled[0].refer_url == referral.url


async def test_redirect_replaces_the_document_relative_to_the_current_one() -> None:
    stage = Stage(
        {"https://app.example.com/next?a=1": response("<Redirect method='GET'>//other.example/x</Redirect>")}
    )
    stage.pages["https://other.example/x"] = response("<Reject/>")
    await play(stage, "<Redirect>../next?a=1</Redirect><Dial>911</Dial>")
    assert [(request.method, request.url) for request in stage.asked] == [
        ("POST", "https://app.example.com/voice/in"),
        ("POST", "https://app.example.com/next?a=1"),
        ("GET", "https://other.example/x"),
    ]
    assert stage.done == ["reject rejected"]


async def test_relative_addresses_start_from_where_the_document_was_found_after_redirects() -> None:
    class Moved(Stage):
        async def fetch(self, request: ScriptRequest) -> Fetched:
            fetched = await super().fetch(request)
            return Fetched("https://moved.example/deep/er", fetched.body)

    stage = await play(Moved(), "<Redirect>next</Redirect>")
    assert stage.asked[1].url == "https://moved.example/deep/next"


async def test_an_inline_document_runs_without_a_request() -> None:
    stage = Stage()
    await run(stage, Entry(b"<Response><Dial>911</Dial></Response>"))
    assert stage.done == ["dial", "hang up"]
    assert stage.asked == []


async def test_an_empty_redirect_runs_the_current_document_again() -> None:
    stage = Stage()
    await run(stage, Entry(b"<Response><Pause/><Dial>1</Dial><Redirect>/x</Redirect></Response>"))
    assert stage.asked == [ScriptRequest("/x")]
    stage = await play(Stage(), "<Redirect/>")
    assert set(stage.asked) == {VOICE}
    assert len(stage.asked) == MAX_IDLE_DOCUMENTS


async def test_warnings_of_a_document_are_noted_and_it_runs() -> None:
    stage = await play(Stage(), "<Fax/><Reject reason='bored'/>")
    assert stage.noted == [12200, 13810]
    assert stage.done == ["reject rejected"]


async def test_the_fallback_runs_the_call_when_the_primary_fails_and_is_told_why() -> None:
    stage = Stage({BACKUP.url: response("<Dial>911</Dial>")})
    await run(stage, Entry(VOICE, BACKUP))
    assert stage.done == ["dial", "hang up"]
    assert stage.noted == [11200]
    assert stage.asked[1] == ScriptRequest(
        BACKUP.url, "GET", (("ErrorCode", "11200"), ("ErrorUrl", "https://app.example.com/voice/in"))
    )


@pytest.mark.parametrize(
    ("document", "code"),
    [("<Dial>", 12100), ("</Response><Dial/>", 12100), ("<Dial>nobody</Dial>", 13223), ("<Say>Hi</Say>", 12490)],
)
async def test_a_document_that_cannot_be_run_goes_to_the_fallback(document: str, code: int) -> None:
    stage = await play(Stage({BACKUP.url: response("<Reject/>")}), document, BACKUP)
    assert stage.done == ["reject rejected"]
    assert stage.noted == [code]
    assert stage.asked[1].extra == (("ErrorCode", str(code)), ("ErrorUrl", VOICE.url))


async def test_without_a_fallback_the_call_ends_with_the_code() -> None:
    stage = Stage()
    await run(stage, Entry(VOICE))
    assert stage.done == ["fail 11200"]
    assert stage.noted == [11200]


async def test_when_the_fallback_fails_too_the_call_ends_with_the_first_failure() -> None:
    stage = await play(Stage(), "<Dial>nobody</Dial>", BACKUP)
    assert stage.noted == [13223, 11200]
    assert stage.done == ["fail 13223"]
    assert len(stage.asked) == 2


async def test_a_verb_without_its_media_engine_is_never_skipped() -> None:
    stage = await play(Stage(), "<Dial>911</Dial><Say>Goodbye</Say><Hangup/>")
    assert stage.done == ["dial", f"fail {MEDIA_ENGINE_MISSING}"]


async def test_the_fallback_serves_later_documents_too_once_each() -> None:
    stage = Stage({BACKUP.url: response("<Redirect>https://app.example.com/broken</Redirect>")})
    stage.pages["https://app.example.com/broken"] = "not TwiML"
    await play(stage, "<Dial action='/gone'>911</Dial>", BACKUP)
    errors = [dict(request.extra).get("ErrorUrl") for request in stage.asked if request.url == BACKUP.url]
    assert errors[:2] == ["https://app.example.com/gone", "https://app.example.com/broken"]
    assert stage.done == ["dial", "fail 11215"], "two documents that lead to each other do not spin for ever"


async def test_an_address_that_is_no_url_is_a_coded_failure() -> None:
    stage = await play(Stage(), "<Redirect>http://[half/voice</Redirect>")
    assert stage.noted == [11100]
    assert stage.done == ["fail 11100"]


async def test_a_dial_that_never_connects_cannot_loop_for_ever() -> None:
    stage = await play(Stage(outcome=BUSY), "<Dial action='in'>911</Dial>")
    assert len(stage.dialled) == MAX_IDLE_DOCUMENTS
    assert stage.done[-1] == "fail 11215"


async def test_a_waiting_loop_may_run_as_long_as_the_caller_stays() -> None:
    class CallerLeft(Exception):
        pass

    class Patient(Stage):
        async def pause(self, seconds: float) -> None:
            await super().pause(seconds)
            if len(self.done) > 3 * MAX_IDLE_DOCUMENTS:
                raise CallerLeft

    stage = Patient()
    with pytest.raises(CallerLeft):
        await play(stage, "<Pause length='10'/><Redirect/>")
    assert stage.noted == []
