"""What an update of a call may say (contract 1.8), and what is to happen then."""

from urllib.parse import urlencode

import pytest

from byoc_proxy.api import call_parameters
from byoc_proxy.api.call_changes import Change, change_of
from byoc_proxy.api.errors import ApiError
from byoc_proxy.api.forms import pairs_of
from byoc_proxy.api.scope import Scope
from byoc_proxy.twiml.interpreter import Entry, ScriptRequest
from byoc_proxy.twiml.verbs import StatusCallback
from tests.api.test_call_orders import CONTROL, METHODS, NUMBERS, URLS
from tests.trunk.records import account, directory

URL = "https://app.example.test/next"
SCOPE = Scope(account(), account(), directory(), "https://api.example.test")


def change(**parameters: str) -> Change:
    return change_of(SCOPE, pairs_of(urlencode(parameters)))


def codes(**parameters: str) -> list[int]:
    with pytest.raises(ApiError) as refusal:
        change(**parameters)
    assert refusal.value.status == 400
    return [fault.code for fault in refusal.value.faults]


def test_a_call_is_sent_to_another_document() -> None:
    assert change(Url=URL) == Change(entry=Entry(ScriptRequest(URL)))
    fallback = ScriptRequest("https://app.example.test/sorry", "GET")
    assert change(Url=URL, Method="GET", FallbackUrl=fallback.url, FallbackMethod="get") == Change(
        entry=Entry(ScriptRequest(URL, "GET"), fallback)
    )
    assert change(Twiml="<Response><Hangup/></Response>").entry == Entry(b"<Response><Hangup/></Response>")


@pytest.mark.parametrize("status", ["canceled", "completed"])
def test_a_call_is_ended(status: str) -> None:
    assert change(Status=status) == Change(status)


def test_how_long_it_may_last_and_who_is_told_of_it_can_be_changed() -> None:
    assert change(TimeLimit="30") == Change(time_limit=30)
    assert change(StatusCallback=URL, StatusCallbackMethod="GET") == Change(
        callback=StatusCallback(URL, "GET", ("completed",))
    )


def test_what_is_empty_stays_as_it_is() -> None:
    assert change(Url="", Status="", TimeLimit="", StatusCallback="") == Change()
    assert change() == Change()


def test_url_and_twiml_exclude_each_other() -> None:
    assert codes(Url=URL, Twiml="<Response/>") == [32019]


def test_a_fallback_alone_would_be_of_nothing() -> None:
    assert codes(FallbackUrl=URL) == [21405]


@pytest.mark.parametrize(
    ("twiml", "code"),
    [
        ('<Response><Dial action="next">+14155550100</Dial></Response>', 15004),
        ('<Response><Gather action="/next"><Say>Hello</Say></Gather></Response>', 15004),
        ("<Response><Dial>", 12100),
        ("   ", 11770),
    ],
)
def test_a_live_call_is_not_put_on_a_document_that_would_end_it(twiml: str, code: int) -> None:
    assert codes(Twiml=twiml) == [code]


@pytest.mark.parametrize("action", ["https://app.example.test/next", "twiml:next", ""])
def test_an_absolute_action_or_none_is_right(action: str) -> None:
    document = f'<Response><Dial action="{action}">+14155550100</Dial></Response>'
    assert change(Twiml=document).entry == Entry(document.encode())


WRONG = {
    "Url": (21205, URLS),
    "Method": (21209, METHODS),
    "FallbackUrl": (21402, URLS),
    "FallbackMethod": (21403, METHODS),
    "Twiml": (32018, ("<" * 4001,)),
    "Status": (20422, ("cancelled", "busy", *CONTROL)),
    "StatusCallback": (21402, (*URLS, "https://my_app.example.test/")),
    "StatusCallbackMethod": (21403, METHODS),
    "TimeLimit": (20422, (*NUMBERS, "86401")),
}


def test_the_table_has_every_parameter_that_is_declared() -> None:
    assert set(WRONG) == {each.name for each in call_parameters.UPDATE}


@pytest.mark.parametrize("name", WRONG)
def test_a_wrong_value_is_refused_with_the_code_of_its_parameter(name: str) -> None:
    code, values = WRONG[name]
    for value in values:
        assert codes(**{name: value}) == [code], value


def test_what_only_a_create_takes_is_unknown_to_an_update() -> None:
    assert codes(To="+14155550100") == [20001]
    assert codes(Timeout="30") == [20001]
