"""What an application is told about a call."""

import pytest

from byoc_proxy.sip.uri import parse_uri
from byoc_proxy.webhook.parameters import CallerFormat, CallFacts, SipFacts, party, voice_parameters

CALL, ACCOUNT, TRUNK, DOMAIN = ("CA" + "a" * 32, "AC" + "b" * 32, "BY" + "c" * 32, "SD" + "d" * 32)


@pytest.mark.parametrize(
    ("uri", "caller_format", "told"),
    [
        ("sip:+14158675309@203.0.113.9:5062;transport=tcp", "auto", "+14158675309"),
        ("sip:+1(415)867-5309@carrier.example", "auto", "+14158675309"),
        ("sip:+14158675309;npdi;rn=+1415@carrier.example;user=phone", "auto", "+14158675309"),
        ("tel:+1-415-867-5309;phone-context=x", "auto", "+14158675309"),
        ("sip:+14158675309@203.0.113.9:5062", "sip", "sip:+14158675309@203.0.113.9"),
        ("sip:4158675309@carrier.example", "auto", "sip:4158675309@carrier.example"),
        ("sip:al%20ice@carrier.example", "auto", "sip:al ice@carrier.example"),
        ("sip:1000@[2001:db8::1]:5060", "auto", "sip:1000@[2001:db8::1]"),
        ("sip:anonymous@anonymous.invalid", "auto", "sip:anonymous@anonymous.invalid"),
        ("sip:carrier.example", "auto", "sip:carrier.example"),
    ],
)
def test_a_number_is_e164_and_everybody_else_a_sip_uri(uri: str, caller_format: CallerFormat, told: str) -> None:
    assert party(parse_uri(uri), caller_format) == told


def test_an_inbound_call_of_a_trunk_carries_the_documented_parameters() -> None:
    facts = CallFacts(
        CALL,
        ACCOUNT,
        "+14155550100",
        "+14158675309",
        trunk_sid=TRUNK,
        sip=SipFacts(
            "acme.sip.example.net",
            DOMAIN,
            "abc@203.0.113.9",
            "203.0.113.9",
            username="acme",
            region="de1",
            headers=(("X-Route-Id", "7"), ("Subject", "no"), ("user-to-user", "00;encoding=hex")),
        ),
    )
    assert voice_parameters(facts, "ringing") == [
        ("CallSid", CALL),
        ("AccountSid", ACCOUNT),
        ("From", "+14155550100"),
        ("To", "+14158675309"),
        ("Caller", "+14155550100"),
        ("Called", "+14158675309"),
        ("CallStatus", "ringing"),
        ("ApiVersion", "2010-04-01"),
        ("Direction", "inbound"),
        ("ByocTrunkSid", TRUNK),
        ("SipDomain", "acme.sip.example.net"),
        ("SipDomainSid", DOMAIN),
        ("SipCallId", "abc@203.0.113.9"),
        ("SipSourceIp", "203.0.113.9"),
        ("SipUsername", "acme"),
        ("SipRegion", "de1"),
        ("SipHeader_X-Route-Id", "7"),
        ("SipHeader_User-to-User", "00;encoding=hex"),
    ]


def test_a_username_is_only_told_when_credentials_were_used() -> None:
    sip = SipFacts("acme.sip.example.net", DOMAIN, "abc", "203.0.113.9")
    names = dict(voice_parameters(CallFacts(CALL, ACCOUNT, "a", "b", sip=sip), "ringing"))
    assert not {"SipUsername", "SipRegion", "ForwardedFrom", "CallerName", "ParentCallSid"} & names.keys()


def test_a_call_from_the_api_tells_nothing_of_sip() -> None:
    facts = CallFacts(CALL, ACCOUNT, "+1", "+2", direction="outbound-api", parent_call_sid="CA2", caller_name="Ann")
    told = dict(voice_parameters(facts, "in-progress"))
    assert told["Direction"] == "outbound-api"
    assert told["ParentCallSid"] == "CA2"
    assert told["CallerName"] == "Ann"
    assert not any(name.startswith("Sip") for name in told)


def test_bytes_that_are_no_utf8_become_visible_not_an_error() -> None:
    sip = SipFacts("d", DOMAIN, "id", "203.0.113.9", headers=(("X-Name", "J\udcfcrgen"), ("X-Good", "Jürgen")))
    told = dict(voice_parameters(CallFacts(CALL, ACCOUNT, "a", "b", sip=sip), "ringing"))
    assert told["SipHeader_X-Name"] == "J\ufffdrgen"
    assert told["SipHeader_X-Good"] == "Jürgen"
