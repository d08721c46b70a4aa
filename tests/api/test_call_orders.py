"""What a create of a call may say (contract 1.8): every parameter with its code, and the call that comes of it.

`WRONG` is the contract's word, written down here and not read from the declarations.
"""

from urllib.parse import urlencode

import pytest

from byoc_proxy.api import call_parameters
from byoc_proxy.api.call_orders import Order, order_of
from byoc_proxy.api.errors import ApiError
from byoc_proxy.api.forms import pairs_of
from byoc_proxy.api.scope import Scope
from byoc_proxy.call.new_call import NewCall
from byoc_proxy.sip.digest_client import Credentials
from byoc_proxy.trunk.model import (
    Application,
    ApplicationSid,
    ByocTrunkSid,
    TwimlBin,
    TwimlBinSid,
    stable_sid,
)
from byoc_proxy.twiml.interpreter import Entry, ScriptRequest
from byoc_proxy.twiml.verbs import StatusCallback
from tests.trunk.records import ACME, OTHER, TRUNK, account, directory, trunk

FOREIGN = ByocTrunkSid(stable_sid("BY", "other"))
FULL = Application(
    ApplicationSid(stable_sid("AP", "full")),
    ACME,
    "Full",
    *("https://full.example.test/", "GET", "twiml:hello", "POST", "https://full.example.test/status", "GET"),
)
BARE = Application(ApplicationSid(stable_sid("AP", "bare")), ACME, "Bare")
NOT_OURS = Application(ApplicationSid(stable_sid("AP", "theirs")), OTHER, "Theirs", "https://theirs.example.test/")
URL = "https://app.example.test/voice"
GOOD = {"To": "+14158675309", "From": "+14155551212", "Url": URL, "Byoc": str(TRUNK)}
SIP = {"To": "sip:kate@example.com", "From": "Jack", "Url": URL}
MEDIA = 12490
CONTROL = ("a\r\nX-Evil: 1", "a\nb", "a\x00b")
URLS = ("not a url", "ftp://app.example.test/", "/voice", "https://", "javascript:alert(1)", *CONTROL)
METHODS = ("PUT", "get post", *CONTROL)
NUMBERS = ("0", "-1", "ten", "1.5", "9" * 40, *CONTROL)
BOOLEANS = ("yes", "1", *CONTROL)


def ordered(parameters: dict[str, str], *more: tuple[str, str]) -> Order:
    """The order of a form that arrives as `parameters`."""
    theirs = trunk(sid=FOREIGN, account_sid=OTHER, connection_policy_sid=None)
    snapshot = directory(
        accounts=(account(), account(OTHER)),
        trunks=(trunk(), theirs),
        twiml_bins=(TwimlBin(TwimlBinSid(stable_sid("EH", "hello")), ACME, "Hello", "hello", "<Response/>"),),
        applications=(FULL, BARE, NOT_OURS),
    )
    scope = Scope(account(), account(), snapshot, "https://api.example.test")
    return order_of(scope, pairs_of(urlencode([*parameters.items(), *more])))


def refused(parameters: dict[str, str], *more: tuple[str, str]) -> ApiError:
    with pytest.raises(ApiError) as refusal:
        ordered(parameters, *more)
    return refusal.value


def call(parameters: dict[str, str], *more: tuple[str, str]) -> NewCall:
    return ordered(parameters, *more).call


# --- what is asked for ----------------------------------------------------------------------------------------


def test_s98_four_parameters_make_a_call_over_a_trunk() -> None:
    assert call(GOOD) == NewCall(
        ACME,
        "+14158675309",
        "+14155551212",
        Entry(ScriptRequest(URL)),
        trunk_sid=TRUNK,
        timeout=60,
        time_limit=14_400,
    )


def test_every_parameter_that_signalling_can_serve_reaches_the_call() -> None:
    wanted = call(
        GOOD,
        *[("Method", "GET"), ("FallbackUrl", "https://app.example.test/sorry"), ("FallbackMethod", "get")],
        *[("StatusCallback", "https://app.example.test/status#rc=2"), ("StatusCallbackMethod", "GET")],
        *[("StatusCallbackEvent", "initiated"), ("StatusCallbackEvent", "answered")],
        *[("Timeout", "600"), ("TimeLimit", "30"), ("CallerId", "+14155550000")],
    )
    assert wanted.entry == Entry(ScriptRequest(URL, "GET"), ScriptRequest("https://app.example.test/sorry", "GET"))
    url = "https://app.example.test/status#rc=2"
    assert wanted.callback == StatusCallback(url, "GET", ("initiated", "answered"))
    assert (wanted.timeout, wanted.time_limit, wanted.caller_id) == (600, 30, "+14155550000")


def test_a_sip_uri_is_called_with_its_headers_and_credentials_and_byoc_counts_for_nothing() -> None:
    """Contract 8, fact 11: `Byoc` is ignored unless To is a phone number."""
    wanted = call(
        {**SIP, "To": "sip:kate@example.com:5062;transport=tcp?X-hatchkey=4815162342", "Byoc": "nonsense"},
        *[("SipAuthUsername", "jack"), ("SipAuthPassword", "a:secret")],
    )
    assert wanted.to == "sip:kate@example.com:5062;transport=tcp?X-hatchkey=4815162342"
    assert (wanted.from_, wanted.trunk_sid) == ("Jack", None)
    assert wanted.credentials == Credentials("jack", "a:secret")


def test_credentials_have_no_part_in_a_call_over_a_trunk() -> None:
    """Contract 4.3: a policy's own credentials answer its carrier."""
    assert call(GOOD, ("SipAuthUsername", "jack"), ("SipAuthPassword", "secret")).credentials is None


@pytest.mark.parametrize(
    ("written", "read"),
    [
        ("+1 (415) 867-5309", "+14158675309"),
        ("112", "112"),
        ("*100#", "*100#"),
        ("00442071838750", "00442071838750"),
    ],
)
def test_numbers_are_called_without_their_separators(written: str, read: str) -> None:
    assert call({**GOOD, "To": written}).to == read


def test_a_caller_that_is_written_as_a_sip_uri_is_its_user() -> None:
    assert call({**SIP, "From": "sip:jack@example.com"}).from_ == "jack"
    assert call(GOOD, ("CallerId", "sip:+14155550000@example.com")).caller_id == "+14155550000"


def test_the_sid_of_a_trunk_may_be_in_capitals() -> None:
    assert call({**GOOD, "Byoc": f"BY{TRUNK[2:].upper()}"}).trunk_sid == TRUNK


@pytest.mark.parametrize(
    "events",
    [
        [("StatusCallbackEvent", "initiated"), ("StatusCallbackEvent", "ringing")],
        [("StatusCallbackEvent", "initiated ringing")],
        [("StatusCallbackEvent", "initiated"), ("StatusCallbackEvent", "ringing initiated")],
    ],
)
def test_events_are_a_repeated_parameter_or_words_with_spaces_between(events: list[tuple[str, str]]) -> None:
    callback = call(GOOD, ("StatusCallback", URL), *events).callback
    assert callback is not None
    assert callback.events == ("initiated", "ringing")


def test_without_events_only_the_end_is_told_and_without_a_url_nothing() -> None:
    assert call(GOOD, ("StatusCallback", URL)).callback == StatusCallback(URL, "POST", ("completed",))
    assert call(GOOD, ("StatusCallbackEvent", "initiated")).callback is None


def test_twiml_may_stand_in_the_request() -> None:
    document = "<Response><Dial><Number>+14155550000</Number></Dial></Response>"
    parameters = {name: value for name, value in GOOD.items() if name != "Url"}
    assert call(parameters, ("Twiml", document)).entry == Entry(document.encode())


def test_url_wins_over_twiml_and_the_record_of_the_call_will_say_so() -> None:
    order = ordered(GOOD, ("Twiml", "<Response/>"))
    assert order.call.entry.first == ScriptRequest(URL)
    assert order.warnings == ((32019, "Url and Twiml are both given: Url is used"),)
    assert ordered(GOOD).warnings == ()


def test_what_examples_of_the_documentation_have_and_no_table_is_ignored_quietly() -> None:
    names = ("IfMachine", "Transcribe", "TranscriptionConfiguration", "MachineDetectionEngine")
    assert call(GOOD, *((name, "x") for name in names)) == call(GOOD)


def test_what_needs_a_media_engine_and_asks_for_nothing_is_accepted() -> None:
    silent = [
        *[("Record", "false"), ("SendDigits", ""), ("MachineDetection", ""), ("AsyncAmd", "true")],
        *[("RecordingChannels", "dual"), ("RecordingTrack", "inbound"), ("Trim", "do-not-trim")],
        *[("RecordingStatusCallback", URL), ("RecordingStatusCallbackEvent", "absent completed")],
        *[("MachineDetectionTimeout", "30"), ("MachineDetectionSilenceTimeout", "2000")],
    ]
    assert call(GOOD, *silent) == call(GOOD)


# --- what is refused ------------------------------------------------------------------------------------------

WRONG: dict[str, tuple[int, tuple[str, ...]]] = {
    "To": (21211, ("abc", "tel:+1", "sip:", "sips:kate@example.com", "sip:a@b@c", *CONTROL)),
    "From": (21212, ("", "Jack & Jill", "client:jack", "sip:@", "x" * 300, *CONTROL)),
    "CallerId": (21212, ("Jack & Jill", "client:jack", "x" * 300, *CONTROL)),
    "Url": (21205, URLS),
    "Method": (21209, METHODS),
    "FallbackUrl": (21402, URLS),
    "FallbackMethod": (21403, METHODS),
    "Twiml": (32018, ("<" * 4001,)),
    "ApplicationSid": (21218, ("AP123", "AP" + "0" * 32, "CA" + "0" * 32)),
    "StatusCallback": (21402, (*URLS, "https://my_app.example.test/")),
    "StatusCallbackMethod": (21403, METHODS),
    "StatusCallbackEvent": (21626, ("queued", "initiated,ringing", " ", "busy completed", *CONTROL)),
    "Timeout": (21208, (*NUMBERS, "601")),
    "TimeLimit": (20422, (*NUMBERS, "86401")),
    "SipAuthUsername": (21221, ("x" * 256, *CONTROL)),
    "SipAuthPassword": (21222, ("x" * 256, *CONTROL)),
    "Byoc": (21300, ("nonsense", "BY" + "0" * 32, str(FOREIGN), "NY" + "1" * 32, *CONTROL)),
    "CallReason": (20422, ("x" * 51, *CONTROL)),
    "CallToken": (20422, CONTROL),
    "ClientNotificationUrl": (21402, URLS),
    "SendDigits": (21206, ("12x", "1" * 33, *CONTROL)),
    "Record": (20422, BOOLEANS),
    "RecordingChannels": (20422, ("stereo", *CONTROL)),
    "RecordingTrack": (20422, ("neither", *CONTROL)),
    "RecordingStatusCallback": (21402, URLS),
    "RecordingStatusCallbackMethod": (21403, METHODS),
    "RecordingStatusCallbackEvent": (20422, ("started", *CONTROL)),
    "Trim": (20422, ("trim", *CONTROL)),
    "MachineDetection": (21234, ("Disable", *CONTROL)),
    "MachineDetectionTimeout": (21263, (*NUMBERS, "2", "60")),
    "MachineDetectionSpeechThreshold": (21263, (*NUMBERS, "999", "6001")),
    "MachineDetectionSpeechEndThreshold": (21263, (*NUMBERS, "499", "5001")),
    "MachineDetectionSilenceTimeout": (21263, (*NUMBERS, "1999", "10001")),
    "AsyncAmd": (20422, BOOLEANS),
    "AsyncAmdStatusCallback": (21402, URLS),
    "AsyncAmdStatusCallbackMethod": (21403, METHODS),
}


def test_the_table_has_every_parameter_that_is_declared() -> None:
    assert set(WRONG) == {each.name for each in call_parameters.CREATE}


@pytest.mark.parametrize("name", WRONG)
def test_a_wrong_value_is_refused_with_the_code_of_its_parameter(name: str) -> None:
    code, values = WRONG[name]
    for value in values:
        parameters = {**GOOD, **({"Twiml": "x"} if name != "Twiml" else {}), name: value}
        error = refused(parameters)
        codes = [fault.code for fault in error.faults]
        expected = 21213 if (name, value) == ("From", "") else code
        assert (error.status, error.code, codes) == (400, expected, [expected]), (name, value)
        assert name in str(error)


@pytest.mark.parametrize("name", [name for name in WRONG if name != "StatusCallbackEvent" and "Event" not in name])
def test_a_parameter_that_is_given_twice_is_refused(name: str) -> None:
    value = GOOD.get(name, "x")
    error = refused({**GOOD, name: value}, (name, value))
    assert f"{name} is given 2 times; give it once" in [fault.message for fault in error.faults]


@pytest.mark.parametrize(("name", "code"), [("To", 21201), ("From", 21213), ("Url", 21205), ("Byoc", 21214)])
def test_what_is_needed_and_missing_has_a_code_of_its_own(name: str, code: int) -> None:
    parameters = {each: value for each, value in GOOD.items() if each != name}
    for error in (refused(parameters), refused({**parameters, name: ""})):
        assert (error.status, error.code) == (400, code)


def test_a_number_without_a_trunk_is_told_that_there_is_no_telephone_network_here() -> None:
    error = refused({name: value for name, value in GOOD.items() if name != "Byoc"})
    assert str(error) == (
        "+14158675309 cannot be reached: there is no telephone network here; name a trunk in Byoc"
    )


@pytest.mark.parametrize(
    ("to", "code"),
    [
        ("+1" + "0" * 40, 21217),
        ("+1415abc", 21217),
        ("sip:kate@example.com?" + "X-a=" + "1" * 1020, 21227),
        ("sip:" + "k" * 260 + "@example.com", 21211),
        ("sip:kate@example.com?Subject=hello", 21228),
        ("sip:kate@example.com?X-Twilio-CallSid=CA1", 21228),
        ("sip:kate@example.com?X-a=1%0d%0aVia:", 21229),
        ("client:alice", MEDIA),
    ],
)
def test_who_cannot_be_called_is_refused_with_the_reason_as_a_code(to: str, code: int) -> None:
    assert refused({**SIP, "To": to}).code == code


def test_a_name_cannot_call_a_number() -> None:
    assert refused({**GOOD, "From": "Jack"}).code == 21212


@pytest.mark.parametrize(
    ("name", "value"), [("Record", "true"), ("SendDigits", "1w2"), ("MachineDetection", "Enable")]
)
def test_what_only_a_media_engine_could_do_is_refused_and_never_left_out(name: str, value: str) -> None:
    error = refused({**GOOD, name: value})
    assert (error.status, error.code) == (400, MEDIA)
    assert str(error) == f"{name} needs a media engine, and this installation has none; leave it out"


def test_a_user_has_a_password_and_a_password_a_user() -> None:
    assert refused({**SIP, "SipAuthUsername": "jack"}).code == 21223
    assert refused({**SIP, "SipAuthPassword": "secret"}).code == 21224


def test_all_that_is_wrong_is_told_at_once() -> None:
    parameters = {**GOOD, "Byoc": "nonsense", "Record": "true", "From": "Jack"}
    assert [fault.code for fault in refused(parameters).faults] == [21212, 21300, MEDIA]
    wrong = refused({**GOOD, "Timeout": "601", "Method": "PUT", "Nonsense": "1"})
    assert {fault.code for fault in wrong.faults} == {20001, 21208, 21209}


def test_an_application_brings_its_handlers_and_its_status_callback() -> None:
    parameters = {**GOOD, "ApplicationSid": FULL.sid, "StatusCallback": URL, "StatusCallbackEvent": "initiated"}
    wanted = call(parameters)
    assert wanted.entry == Entry(ScriptRequest("https://full.example.test/", "GET"), ScriptRequest("twiml:hello"))
    assert wanted.callback == StatusCallback("https://full.example.test/status", "GET", ("completed",))


@pytest.mark.parametrize("sid", [BARE.sid, NOT_OURS.sid])
def test_an_application_that_says_nothing_or_is_anothers_is_refused(sid: str) -> None:
    assert refused({**GOOD, "ApplicationSid": sid}).code == 21218


def test_a_bin_of_the_account_may_stand_where_a_url_does() -> None:
    assert call({**GOOD, "Url": "twiml:hello"}).entry == Entry(ScriptRequest("twiml:hello"))
    assert refused({**GOOD, "Url": "twiml:nothing"}).code == 21205
    assert refused(GOOD, ("FallbackUrl", "twiml:nothing")).code == 21402
    assert refused({**GOOD, "Url": "python:os:abort"}).code == 21205


def test_an_application_puts_its_own_urls_in_the_place_of_those_in_the_request() -> None:
    """They are not even looked at."""
    error = refused({**GOOD, "Url": "not a url", "ApplicationSid": "AP" + "0" * 32, "StatusCallback": "neither"})
    assert [fault.code for fault in error.faults] == [21218]
