"""What a caller's carrier hears in each situation that the public documentation names, one test for each.

`<Dial>` has a table of its own: what follows an attempt, and `test_failover`.
"""

from collections.abc import Callable
from dataclasses import dataclass

import pytest

from byoc_proxy.sip.message import Response
from tests.support.build import OFFER, TLS, Carrier, Scene

LISTED = "203.0.113.8"
STRANGER = "203.0.113.99"
REJECT = "<Response><Reject/></Response>"
CREDENTIALS = """
credential_lists: {sbcs: {credentials: [{username: sbc1, password: Correct-Horse-7}]}}
domains: {acme: {credential_lists: [sbcs]}}
"""
CREDENTIALS_ALONE = CREDENTIALS.replace("[sbcs]}", "[sbcs], ip_access_control_lists: []}")
SECURE = f"{TLS}\ndomains: {{acme: {{secure: true}}}}"
LISTED_ELSEWHERE = "ip_access_control_lists: {here: {addresses: [{cidr: 203.0.113.99}]}}\n"
HERE = "{ip_access_control_lists: [here]}"
DOMAIN = "sip:+14158675309@acme.sip.example.test"


def goes_on(_: Scene) -> None:
    """The application answers as it was told to."""


@dataclass(frozen=True)
class Situation:
    """`error` begins the X-Byoc-Error of the final response, "" for none; `wire` is the transport of the INVITE."""

    status: int
    error: str
    changes: str = ""
    twiml: str = REJECT
    uri: str = DOMAIN
    source: str = LISTED
    wire: str = "UDP"
    body: bytes = OFFER
    application: Callable[[Scene], None] = goes_on


SITUATIONS = {
    "the source is in no list": Situation(
        403, "32201 ", "domains: {other: {ip_access_control_lists: [here]}}\n"
        "ip_access_control_lists: {here: {addresses: [{cidr: 203.0.113.99}]}}", source=STRANGER,
    ),
    "credentials are mapped": Situation(407, "", CREDENTIALS_ALONE),
    "the list is asked before the credentials": Situation(
        403, "32201 ", LISTED_ELSEWHERE + CREDENTIALS.replace("domains: {", "domains: {other: " + HERE + ", "),
        source=STRANGER,
    ),
    "the domain has no authentication": Situation(
        403, "32200 ", "domains: {acme: {ip_access_control_lists: []}, other: {ip_access_control_lists: [dallas]}}"
    ),
    "the Request-URI is an address": Situation(404, "32002 ", uri="sip:+14158675309@192.0.2.1"),
    "the domain is unknown": Situation(404, "32002 ", uri="sip:+14158675309@nobody.sip.example.test"),
    "the domain has no trunk": Situation(404, "32002 ", "domains: {acme: {trunk: null}}"),
    "a secure domain over TCP": Situation(488, "32209 ", "domains: {acme: {secure: true}}", wire="TCP"),
    "a secure domain over UDP": Situation(488, "32209 ", "domains: {acme: {secure: true}}"),
    "a secure domain without SRTP": Situation(488, "32208 ", SECURE, wire="TLS"),
    "a bad SDP that has to be answered": Situation(488, "32102 ", twiml="<Response/>", body=b"no SDP\r\n"),
    "Reject busy": Situation(486, "", twiml="<Response><Reject reason='busy'/></Response>"),
    "Reject rejected": Situation(404, "", twiml="<Response><Reject reason='rejected'/></Response>"),
    "Reject": Situation(404, ""),
    "the application fails": Situation(
        500, "11200 ", application=lambda scene: scene.customer.answers("/voice", status=503)
    ),
    "the application refuses": Situation(
        500, "11202 ", application=lambda scene: scene.customer.refuses("/voice")
    ),
    "the application hangs": Situation(500, "1120", application=lambda scene: scene.customer.hangs("/voice")),
    "the TwiML is no XML": Situation(500, "12100 ", twiml="<Response>"),
    "the TwiML is another document": Situation(500, "12102 ", twiml="<html/>"),
    "there is no voice URL": Situation(500, "11100 ", "trunks: {acme-trunk: {voice_url: null}}"),
    "the number is too short": Situation(
        484, "32101 ", "trunks: {acme-trunk: {inbound_numbers: {called: {min_digits: 5}}}}",
        uri="sip:411@acme.sip.example.test",
    ),
    "the account is suspended": Situation(403, "20005 ", "accounts: {acme: {status: suspended}}"),
}  # fmt: skip


def finals(carrier: Carrier) -> list[Response]:
    """The final responses that came, without their repetitions."""
    responses = [each for each in carrier.received if isinstance(each, Response) and each.status >= 200]
    return list({each.status: each for each in responses}.values())


@pytest.mark.parametrize("name", SITUATIONS)
async def test_the_caller_hears_the_code_of_the_situation(scene: Scene, name: str) -> None:
    case = SITUATIONS[name]
    scene.starts(case.changes, twiml=case.twiml)
    case.application(scene)
    carrier = scene.caller if case.source == LISTED else scene.carrier(case.source)
    carrier.transport = case.wire
    carrier.calls(case.uri, case.body)
    await scene.sleeps(60)
    (final,) = finals(carrier)
    assert final.status == case.status
    assert (final.headers.get("x-byoc-error") or "")[: len(case.error) or None] == case.error


async def test_the_caller_hears_100_and_180_before_the_application_is_asked(scene: Scene) -> None:
    scene.starts()
    scene.customer.hangs("/voice")
    scene.caller.calls()
    await scene.settled()
    assert scene.caller.heard == ["100 INVITE", "180 INVITE"]
    assert len(scene.customer.requests) == 1


async def test_three_wrong_passwords_are_403_with_32202(scene: Scene) -> None:
    scene.starts(CREDENTIALS)
    call = scene.caller.calls()
    challenge = await call.hears(407)
    for status in (407, 407, 403):
        call.authenticates("sbc1", "Wrong-Horse-777", challenge)
        final = await call.hears(status)
    assert (final.headers.get("x-byoc-error") or "").startswith("32202 ")


@pytest.mark.parametrize("twiml", ["<Response/>", "<Response><Hangup/></Response>"])
async def test_a_document_without_anything_to_do_answers_and_ends_the_call(scene: Scene, twiml: str) -> None:
    scene.starts(twiml=twiml)
    call = scene.caller.calls()
    await call.hears(180)
    await call.hears(200)
    call.acks()
    await call.receives("BYE")


async def test_a_caller_who_never_acknowledges_is_hung_up_after_32_seconds_with_32022(scene: Scene) -> None:
    scene.starts()
    call = scene.caller.calls()
    await call.hears(180)
    there = await scene.first.invited()
    there.answers()
    await there.receives("ACK")
    await call.hears(200)
    await there.receives("BYE")
    await call.receives("BYE")
    assert scene.caller.times("BYE") == [pytest.approx(32, abs=0.1)]
    await scene.settled()
    assert scene.codes() == [32022]
