"""A call is answered by a web application, a TwiML bin or a function in the process, and is the same call."""

from collections.abc import Iterator
from typing import Any

import pytest

from byoc_proxy.config.load import ConfigProblems
from byoc_proxy.webhook.functions import NotLoaded
from tests.support import functions as operators
from tests.support.build import DIAL, VOICE, Scene

FUNCTIONS = "python:tests.support.functions:"
HANDLERS = {
    "a web application": VOICE,
    "a TwiML bin": "twiml:main",
    "a function": f"{FUNCTIONS}dials",
}
REJECT = '<Response><Reject reason="busy"/></Response>'


def config(bins: dict[str, str] | None = None, **trunk: str) -> str:
    """A trunk with these keys, and TwiML bins by name."""
    return repr(
        {
            "trunks": {"acme-trunk": trunk},
            "twiml_bins": {name: {"twiml": twiml} for name, twiml in (bins or {}).items()},
        }
    )


@pytest.fixture(autouse=True)
def fresh() -> Iterator[None]:
    operators.asked.clear()
    operators.hurry.set()
    yield
    operators.asked.clear()


async def refused(scene: Scene, status: int, headers: tuple[str, ...] = ()) -> None:
    """The caller hears a final response, and the call is over."""
    call = scene.caller.calls(headers=headers)
    await call.hears(180)
    await call.hears(status)
    await scene.over()


@pytest.mark.parametrize("handler", HANDLERS)
async def test_s36_the_same_call_runs_on_whatever_the_voice_url_names(scene: Scene, handler: str) -> None:
    url = HANDLERS[handler]
    scene.starts(config({"main": DIAL}, voice_url=url), twiml=DIAL)
    call, there = await scene.talking()
    call.hangs_up()
    await call.hears(200, "BYE")
    await there.receives("BYE")
    record = await scene.over()
    assert [attempt.called for attempt in record.attempts] == ["+14158675309"]
    assert (record.status, scene.codes()) == ("completed", [])
    (asked,) = record.webhooks
    assert (asked.url, asked.method, asked.code) == (url, "POST", None)
    assert len(scene.customer.requests) == (1 if handler == "a web application" else 0)


async def test_s36_a_function_is_told_what_an_application_is_told(scene: Scene) -> None:
    scene.starts(config(voice_url=f"{FUNCTIONS}dials", voice_fallback_url=VOICE), twiml=REJECT)
    call = scene.caller.calls(headers=["X-Who: alice"])
    (await scene.first.invited()).refuses(486)
    await call.hears(180)
    await call.hears(486)
    sid = (await scene.over()).call_sid
    scene.reloads(config(voice_url=VOICE))
    call = scene.caller.calls(headers=["X-Who: alice"])
    await call.hears(180)
    await call.hears(486)
    (function,), (application,) = operators.asked, scene.customer.requests
    assert (function["CallSid"], function["SipHeader_X-Who"]) == (sid, "alice")
    own = {"CallSid", "SipCallId"}
    assert {name: function[name] for name in function if name not in own} == {
        name: value for name, value in application.params.items() if name not in own
    }


async def test_s36_a_bin_is_filled_in_with_what_an_application_is_told(scene: Scene) -> None:
    twiml = '<Response><Dial callerId="{{From}}9"><Number>{{SipHeader_x-who}}</Number></Dial></Response>'
    scene.starts(config({"main": twiml}, voice_url="twiml:main"))
    call = scene.caller.calls(headers=["X-Who: +442079460000"])
    (await scene.first.invited()).refuses(486)
    await call.hears(180)
    await call.hears(486)
    (attempt,) = (await scene.over()).attempts
    assert (attempt.caller, attempt.called) == ("+155501009", "+442079460000")


async def test_a_caller_cannot_write_into_the_document_that_answers_him(scene: Scene) -> None:
    twiml = '<Response><Dial callerId="{{SipHeader_X-Name}}">{{SipHeader_X-Who}}</Dial></Response>'
    scene.starts(config({"main": twiml}, voice_url="twiml:main"))
    hostile = "</Dial><Dial><Number>+19005550100</Number></Dial><Dial>"
    await refused(scene, 500, (f"X-Who: {hostile}", 'X-Name: "><Number>+19005550100</Number><x y="'))
    assert scene.first.got("INVITE") == []
    assert scene.codes() == [13223]  # not a number, whatever it looks like


async def test_a_document_names_a_bin_wherever_it_may_name_a_url(scene: Scene) -> None:
    bins = {"busy": REJECT, "again": "<Response><Redirect>twiml:busy</Redirect></Response>"}
    scene.starts(
        config(bins, voice_url=VOICE),
        twiml='<Response><Dial action="twiml:again">+14158675309</Dial></Response>',
    )
    call = scene.caller.calls()
    (await scene.first.invited()).refuses(404)
    await call.hears(180)
    await call.hears(486)
    assert [asked.url for asked in (await scene.over()).webhooks] == [VOICE, "twiml:again", "twiml:busy"]


async def test_the_parameters_of_an_action_are_filled_into_a_bin(scene: Scene) -> None:
    bins = {"after": "<Response><Dial>{{DialCallDuration}}{{DialSipResponseCode}}</Dial></Response>"}
    sip = "<Sip>sip:bob@198.51.100.1</Sip>"
    scene.starts(config(bins), twiml=f'<Response><Dial action="twiml:after">{sip}</Dial></Response>')
    call = scene.caller.calls()
    (await scene.first.invited()).refuses(404)
    (await scene.first.invited()).refuses(486)
    await call.hears(180)
    await call.hears(486)
    assert [attempt.called for attempt in (await scene.over()).attempts][1:] == ["0404"]


async def test_an_empty_redirect_of_a_bin_is_the_bin_again(scene: Scene) -> None:
    scene.starts(config({"round": "<Response><Pause length='10'/><Redirect/></Response>"}, voice_url="twiml:round"))
    call = scene.caller.calls()
    await call.hears(180)
    await scene.sleeps(25)
    call.cancels()
    await call.hears(200, "CANCEL")
    await call.hears(487)
    assert [asked.url for asked in (await scene.over()).webhooks] == ["twiml:round"] * 3


async def test_an_empty_redirect_of_a_function_is_the_function_again(scene: Scene) -> None:
    scene.starts(config(voice_url=f"{FUNCTIONS}goes_round"))
    await refused(scene, 404)
    assert len(operators.asked) == 2


@pytest.mark.parametrize("target", ["next.xml", "/next.xml", "?page=2", "//app.example.test/x", "#rc=2"])
async def test_a_relative_url_in_a_bin_leads_nowhere_and_to_the_fallback(scene: Scene, target: str) -> None:
    twiml = f"<Response><Redirect>{target}</Redirect></Response>"
    scene.starts(config({"main": twiml}, voice_url="twiml:main", voice_fallback_url=VOICE), twiml=REJECT)
    await refused(scene, 486)
    assert scene.customer.requests[0].params["ErrorCode"] == "11100"
    assert scene.codes() == [11100]


async def test_a_bin_that_is_not_there_is_a_failed_request(scene: Scene) -> None:
    """A document may name any; that of a trunk is judged before."""
    scene.starts(config(), twiml="<Response><Redirect>twiml:nobody</Redirect></Response>")
    await refused(scene, 500)
    (event,) = scene.record.events
    assert (event.code, event.text) == (11100, "there is no TwiML bin 'nobody' in this account")


async def test_the_bins_of_others_are_not_there(scene: Scene) -> None:
    others = {"accounts": {"other": {"auth_token": "another-token"}}, "twiml_bins": {}}
    others["twiml_bins"] = {"theirs": {"account": "other", "twiml": REJECT}}
    owned: dict[str, Any] = {section: {key: {"account": "acme"}} for section, key in OWNED}
    scene.starts(repr({**owned, **others}), twiml="<Response><Redirect>twiml:theirs</Redirect></Response>")
    await refused(scene, 500)
    assert scene.codes() == [11100]


OWNED = (
    ("trunks", "acme-trunk"),
    ("domains", "acme"),
    ("ip_access_control_lists", "dallas"),
    ("connection_policies", "carriers"),
)


@pytest.mark.parametrize("how", ["redirect", "action", "redirect of the application's server"])
async def test_no_document_leads_to_code(scene: Scene, how: str) -> None:
    """The function is known, because a trunk has it: only the configuration file may name it all the same."""
    url = f"{FUNCTIONS}dials"
    twiml = {
        "redirect": f"<Response><Redirect>{url}</Redirect></Response>",
        "action": f'<Response><Dial action="{url}">+14158675309</Dial></Response>',
    }
    scene.starts(config(voice_fallback_url=url), twiml=twiml.get(how, ""))
    scene.reloads(config())
    if how not in twiml:
        scene.customer.answers("/voice", status=302, location=url)
    await refused(scene, 500)
    assert scene.first.got("INVITE") == []
    assert operators.asked == []
    assert scene.codes()[-1] == 11100


FAILURES = {"raises": 11200, "leaves": 11200, "says_nothing": 11770, "says_a_number": 12100}


@pytest.mark.parametrize("name", FAILURES)
async def test_s37_the_fallback_takes_over_when_a_function_fails(scene: Scene, name: str) -> None:
    url = f"{FUNCTIONS}{name}"
    scene.tolerant = True
    scene.starts(config(voice_url=url, voice_fallback_url=VOICE), twiml=REJECT)
    await refused(scene, 486)
    asked = scene.customer.requests[0].params
    assert (asked["ErrorCode"], asked["ErrorUrl"]) == (str(FAILURES[name]), url)
    assert [(each.url, each.code) for each in scene.record.webhooks][0] == (
        url,
        None if name == "says_a_number" else FAILURES[name],
    )


async def test_s37_a_bin_takes_over_when_the_application_fails(scene: Scene) -> None:
    twiml = "<Response><Dial>{{ErrorCode}}</Dial></Response>"
    scene.starts(config({"help": twiml}, voice_fallback_url="twiml:help"))
    scene.customer.refuses("/voice")
    call = scene.caller.calls()
    (await scene.first.invited()).refuses(486)
    await call.hears(180)
    await call.hears(486)
    (attempt,) = (await scene.over()).attempts
    assert attempt.called == "11202"


async def test_a_changed_bin_answers_the_next_request(scene: Scene) -> None:
    scene.starts(config({"main": "<Response><Reject/></Response>"}, voice_url="twiml:main"))
    call = scene.caller.calls()
    await call.hears(180)
    await call.hears(404)
    scene.reloads(config({"main": REJECT}, voice_url="twiml:main"))
    call = scene.caller.calls()
    await call.hears(180)
    await call.hears(486)


async def test_a_reload_that_names_a_new_function_has_it_or_changes_nothing(scene: Scene) -> None:
    scene.starts(config())
    scene.reloads(config(voice_url=f"{FUNCTIONS}rejects"))
    await refused(scene, 486)
    before = scene.node.directories.current
    with pytest.raises(NotLoaded):
        scene.reloads(config(voice_url=f"{FUNCTIONS}nobody"))
    assert scene.node.directories.current is before


def test_a_trunk_that_names_no_bin_is_a_problem_of_the_file(scene: Scene) -> None:
    with pytest.raises(ConfigProblems) as failed:
        scene.configured(config({"main": REJECT}, voice_fallback_url="twiml:mian"))
    (line,) = failed.value.problems
    assert line.endswith("trunks.acme-trunk.voice_fallback_url: there is no TwiML bin 'mian' in this account")
