"""Documents built by the official Python SDK mean to us what they meant to whoever wrote them."""

import pytest
from hypothesis import given
from hypothesis import strategies as st
from twilio.twiml.voice_response import Dial as SdkDial
from twilio.twiml.voice_response import VoiceResponse

from byoc_proxy.twiml.document import parse
from byoc_proxy.twiml.verbs import (
    Dial,
    Document,
    Hangup,
    NeedsMedia,
    Number,
    Pause,
    Redirect,
    Reject,
    Sip,
    StatusCallback,
)

TRUNK = "BY0123456789abcdef0123456789abcdef"


def ours(response: VoiceResponse) -> Document:
    return parse(str(response).encode())


def with_dial(dial: SdkDial) -> VoiceResponse:
    response = VoiceResponse()
    response.append(dial)
    return response


def test_a_byoc_dial_of_the_sdk() -> None:
    dial = SdkDial(caller_id="+14155551212", timeout=20, action="/after", method="GET", answer_on_bridge=True)
    dial.number(
        "+14158675309",
        byoc=TRUNK,
        status_callback="/status",
        status_callback_event="initiated ringing answered completed",
        status_callback_method="GET",
    )
    noun = Number(
        "+14158675309",
        TRUNK,
        StatusCallback("/status", "GET", ("initiated", "ringing", "answered", "completed")),
    )
    assert ours(with_dial(dial)) == Document(
        (
            Dial(
                (noun,),
                timeout=20,
                caller_id="+14155551212",
                action="/after",
                method="GET",
            ),
        )
    )


def test_a_sip_dial_of_the_sdk() -> None:
    dial = SdkDial(time_limit=60, sequential=True)
    dial.sip("sip:jack@example.com;transport=tls?X-a=1&X-b=2", username="jack", password="s3cret")
    noun = Sip.at("sip:jack@example.com;transport=tls", (("X-a", "1"), ("X-b", "2")), "jack", "s3cret")
    assert ours(with_dial(dial)) == Document((Dial((noun,), time_limit=60, sequential=True),))


def test_the_signalling_verbs_of_the_sdk() -> None:
    response = VoiceResponse()
    response.dial("+14158675309")
    response.pause(length=2)
    response.redirect("https://app.example.com/next?a=1&b=2", method="GET")
    response.reject(reason="busy")
    response.hangup()
    assert ours(response) == Document(
        (
            Dial((Number("+14158675309"),)),
            Pause(2),
            Redirect("https://app.example.com/next?a=1&b=2", "GET"),
            Reject("busy"),
            Hangup(),
        )
    )


@pytest.mark.parametrize("verb", ["say", "play", "gather", "record", "enqueue", "echo", "pay"])
def test_the_speaking_verbs_of_the_sdk_need_media(verb: str) -> None:
    response = VoiceResponse()
    getattr(response, verb)()
    assert ours(response) == Document((NeedsMedia(f"<{verb.title()}>"),))


def test_a_conference_of_the_sdk_needs_media() -> None:
    dial = SdkDial()
    dial.conference("room", beep=False, start_conference_on_enter=True)
    assert ours(with_dial(dial)) == Document((NeedsMedia("<Conference>"),))


@given(
    st.lists(st.from_regex(r"\+[1-9][0-9]{3,14}", fullmatch=True), min_size=1, max_size=10),
    st.integers(5, 600),
    st.booleans(),
    st.from_regex(r"/[a-z]{1,8}\?[a-z]=[a-z&<>\"' ]{0,8}[a-z]", fullmatch=True),
)
def test_any_dial_of_numbers_survives_the_round_trip(
    numbers: list[str], timeout: int, sequential: bool, action: str
) -> None:
    dial = SdkDial(timeout=timeout, sequential=sequential, action=action)
    for number in numbers:
        dial.number(number, byoc=TRUNK)
    expected = Dial(
        tuple(Number(number, TRUNK) for number in numbers),
        timeout=timeout,
        sequential=sequential,
        action=action,
    )
    assert ours(with_dial(dial)) == Document((expected,))
