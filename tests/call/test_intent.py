"""What an outbound INVITE says, for any target and any caller."""

from hypothesis import given
from hypothesis import strategies as st

from byoc_proxy.call.intent import CallIntent
from byoc_proxy.sip.uri import NameAddr, SipUri
from byoc_proxy.trunk.identity import Identity, Party, Presentation

CALLER = "<sip:+15550100@acme.sip.example.test>"


def intent(from_: str = CALLER, number: str = "+14158675309", body: bytes = b"") -> CallIntent:
    return CallIntent(from_, "+15550100", number, (), body, 69)


def test_the_number_fills_a_target_without_a_user_part() -> None:
    invite = intent().invite(SipUri.parse("sip:gw.example:5080;transport=tcp"))
    assert invite.uri == "sip:+14158675309@gw.example:5080;transport=tcp"
    assert invite.to == "<sip:+14158675309@gw.example:5080>"


def test_a_target_with_a_user_part_keeps_it() -> None:
    assert intent().invite(SipUri.parse("sip:desk@gw.example")).uri == "sip:desk@gw.example"


def test_another_host_in_to_leaves_the_request_uri_as_it_is() -> None:
    intended = CallIntent(CALLER, "+15550100", "+14158675309", (), b"", 69, "carrier.example")
    invite = intended.invite(SipUri.parse("sip:192.0.2.9:5080"))
    assert (invite.uri, invite.to) == ("sip:+14158675309@192.0.2.9:5080", "<sip:+14158675309@carrier.example>")


def test_only_x_headers_come_out_of_a_target() -> None:
    target = SipUri.parse("sip:gw.example?X-Ticket=4%207&Route=%3Csip:x%3E&x-b=1&X-Bad=a%0d%0aVia:%20x")
    assert dict(intent().invite(target).headers) == {"X-Ticket": "4 7", "x-b": "1"}


def test_sdp_is_typed_and_no_sdp_is_not() -> None:
    target = SipUri.parse("sip:gw.example")
    assert ("Content-Type", "application/sdp") in intent(body=b"v=0\r\n").invite(target).headers
    assert "Content-Type" not in dict(intent().invite(target).headers)


TEXT = st.text(st.characters(exclude_categories=["Cs"]), max_size=20)


@given(TEXT, TEXT, TEXT)
def test_whatever_a_caller_is_called_it_stays_inside_its_header(user: str, name: str, number: str) -> None:
    presentation = Presentation("sip.example.test", "pai")
    identity = Identity(Party(user, name))
    invite = intent(presentation.from_value(identity), number).invite(SipUri.parse("sip:gw.example"))
    headers = presentation.headers(identity)
    for text in (invite.uri, invite.from_, invite.to, *[value for _, value in (*invite.headers, *headers)]):
        assert "\r" not in text
        assert "\n" not in text
    parsed = NameAddr.parse(invite.from_)
    assert isinstance(parsed.uri, SipUri)
    assert parsed.uri.decoded_user == user


def test_each_rendering_is_independent_of_the_one_before() -> None:
    described = intent()
    first = described.invite(SipUri.parse("sip:one@gw.example"), (("Authorization", "Digest x"),))
    second = described.invite(SipUri.parse("sip:gw.example"))
    assert "Authorization" in dict(first.headers)
    assert "Authorization" not in dict(second.headers)
    assert second.uri == "sip:+14158675309@gw.example"
