"""`<Dial>`: whom it calls, as whom, for how long; and that nothing in it can break a SIP header."""

import pytest

from byoc_proxy.twiml.document import parse
from byoc_proxy.twiml.verbs import Dial, Document, NeedsMedia, Number, Sip, SipTarget, StatusCallback, TwimlError


def respond(inside: str) -> Document:
    return parse(f"<Response>{inside}</Response>".encode())


def dial(inside: str, attributes: str = "") -> Dial:
    document = respond(f"<Dial {attributes}>{inside}</Dial>")
    assert document.warnings == ()
    (verb,) = document.verbs
    assert isinstance(verb, Dial)
    return verb


def warned_dial(inside: str, attributes: str = "") -> tuple[Dial, list[int]]:
    document = respond(f"<Dial {attributes}>{inside}</Dial>")
    (verb,) = document.verbs
    assert isinstance(verb, Dial)
    return verb, [warning.code for warning in document.warnings]


def refusal(inside: str, attributes: str = "") -> int:
    with pytest.raises(TwimlError) as caught:
        respond(f"<Dial {attributes}>{inside}</Dial>")
    return caught.value.code


def test_text_in_dial_is_one_number() -> None:
    assert dial("\n  +1 (415) 867-53.09\n").nouns == (Number("+14158675309"),)


@pytest.mark.parametrize("number", ["+14158675309", "911", "*67", "0049-30-1234", "12#4"])
def test_numbers_as_carriers_dial_them_are_accepted(number: str) -> None:
    assert dial(f"<Number>{number}</Number>").nouns == (Number(number.replace("-", "")),)


@pytest.mark.parametrize(
    "number",
    ["", "+", "alice", "+1415+1", "1415 ext 2", "1" * 33, "+1415&#13;&#10;Evil: 1", "+1415&#9;1", "\u0661\u0662"],
)
def test_what_is_no_number_is_refused(number: str) -> None:
    assert refusal(f"<Number>{number}</Number>") == 13223


def test_dial_needs_somebody_to_call() -> None:
    assert refusal("") == 13223


def test_dial_reads_all_its_attributes() -> None:
    verb = dial(
        "911",
        'timeout="20" callerId="+1 415 555 1212" action="/after?x=1" method="GET" timeLimit="600"'
        ' sequential="true" referUrl="/refer" referMethod="GET" callReason="hi"',
    )
    assert verb == Dial(
        nouns=(Number("911"),),
        timeout=20,
        caller_id="+14155551212",
        action="/after?x=1",
        method="GET",
        time_limit=600,
        sequential=True,
        refer_url="/refer",
        refer_method="GET",
    )


@pytest.mark.parametrize(
    ("attributes", "code"),
    [
        ('timeout="long"', 13212),
        ('timeout=""', 13212),
        ('method="PUT"', 13210),
        ('timeLimit="4h"', 13216),
        ('answerOnBridge="yes"', 13219),
        ('sequential="1"', 13218),
        ('color="red"', 12200),
    ],
)
def test_a_wrong_knob_is_warned_of_and_its_default_used(attributes: str, code: int) -> None:
    verb, codes = warned_dial("911", attributes)
    assert verb == Dial(nouns=(Number("911"),))
    assert codes == [code]


@pytest.mark.parametrize(("timeout", "used"), [("1", 5), ("601", 600)])
def test_a_timeout_out_of_range_is_moved_to_its_end(timeout: str, used: int) -> None:
    verb, codes = warned_dial("911", f'timeout="{timeout}"')
    assert verb.timeout == used
    assert codes == [13212]


@pytest.mark.parametrize(
    ("written", "caller"),
    [
        ("+14155551212", "+14155551212"),
        ("(415) 555-1212", "4155551212"),
        ("front.desk", "front.desk"),
        ("sip:alice@pbx.example.com:5062;transport=tcp", "alice"),
        ("", None),
    ],
)
def test_a_caller_id_is_a_number_or_a_user_and_an_echo_of_from_works(written: str, caller: str | None) -> None:
    assert dial("911", f'callerId="{written}"').caller_id == caller


@pytest.mark.parametrize(
    ("written", "code"),
    [
        ("Mr. Smith", 13214),
        ("+1415&#13;&#10;Via: x", 13214),
        ("&quot;x&quot;&lt;sip:a@b&gt;", 13214),
        ("sip:a%0d%0ab@example.com", 13214),
        ("sip:@", 13214),
        ("x" * 65, 13248),
    ],
)
def test_a_caller_id_that_cannot_stand_in_a_header_is_refused(written: str, code: int) -> None:
    assert refusal("911", f'callerId="{written}"') == code


def test_ten_numbers_may_ring_and_eleven_may_not() -> None:
    number = "<Number>911</Number>"
    assert len(dial(number * 10).nouns) == 10
    assert refusal(number * 11) == 13250


def test_numbers_and_sip_addresses_may_be_mixed() -> None:
    verb = dial("<Number>911</Number><Sip>sip:a@example.com</Sip>")
    assert verb.nouns == (Number("911"), Sip.at("sip:a@example.com"))


def test_foreign_elements_in_dial_are_ignored_with_a_warning() -> None:
    verb, codes = warned_dial("<Say>hi</Say><Number>911</Number>and text")
    assert verb.nouns == (Number("911"),)
    assert codes == [13215, 12200]


def test_dial_with_nothing_but_foreign_elements_calls_nobody() -> None:
    assert refusal("<Say>hi</Say>") == 13215


def test_a_conference_stands_alone() -> None:
    assert refusal("<Conference>a</Conference><Number>911</Number>") == 13000


@pytest.mark.parametrize(
    ("verb", "what"),
    [
        ('<Dial record="record-from-answer">911</Dial>', "<Dial record>"),
        ('<Dial record="true">911</Dial>', "<Dial record>"),
        ('<Dial hangupOnStar="true">911</Dial>', "<Dial hangupOnStar>"),
        ('<Dial ringTone="de">911</Dial>', "<Dial ringTone>"),
        ('<Dial><Number sendDigits="ww1">911</Number></Dial>', "<Number sendDigits>"),
        ('<Dial><Number url="/whisper">911</Number></Dial>', "<Number url>"),
        ('<Dial><Sip machineDetection="Enable">sip:a@example.com</Sip></Dial>', "<Sip machineDetection>"),
        ("<Dial><Conference>room</Conference></Dial>", "<Conference>"),
        ("<Dial><Queue>support</Queue></Dial>", "<Queue>"),
        ("<Dial><Number>911</Number><Client>joey</Client></Dial>", "<Client>"),
    ],
)
def test_a_dial_that_asks_for_audio_says_which_part_does(verb: str, what: str) -> None:
    assert respond(verb).verbs == (NeedsMedia(what),)


def test_media_attributes_that_ask_for_nothing_need_no_media() -> None:
    verb = dial(
        '<Number sendDigits="">911</Number>', 'record="do-not-record" hangupOnStar="false" ringTone="automatic"'
    )
    assert verb.nouns == (Number("911"),)


def test_a_noun_may_report_its_progress() -> None:
    verb = dial('<Number statusCallback="/s" statusCallbackEvent="initiated answered">911</Number>')
    assert verb.nouns == (Number("911", None, StatusCallback("/s", "POST", ("initiated", "answered"))),)
    verb, codes = warned_dial(
        '<Sip statusCallback="/s" statusCallbackMethod="X" statusCallbackEvent="sneezed">sip:a@b.example</Sip>'
    )
    assert verb.nouns == (Sip.at("sip:a@b.example", callback=StatusCallback("/s")),)
    assert codes == [13241, 12200]


def test_a_sip_uri_keeps_its_parameters_and_gives_its_headers() -> None:
    verb = dial(
        '<Sip username="u" password="p w">sip:jack@Example.com:5062;transport=tcp'
        "?X-a=1&amp;x-b=caf%C3%A9%20x&amp;user-to-user=00%3Bencoding%3Dhex</Sip>"
    )
    assert verb.nouns == (
        Sip.at(
            "sip:jack@example.com:5062;transport=tcp",
            (("X-a", "1"), ("x-b", "café x"), ("User-to-User", "00;encoding=hex")),
            "u",
            "p w",
        ),
    )


def test_the_long_form_of_sip_says_the_same() -> None:
    verb = dial(
        '<Sip><Uri username="u" password="p">sip:a@example.com</Uri>'
        '<Headers><Header name="X-a" value="1"/></Headers></Sip>'
    )
    assert verb.nouns == (Sip.at("sip:a@example.com", (("X-a", "1"),), "u", "p"),)


def test_several_uris_in_one_sip_are_the_addresses_of_one_party() -> None:
    verb = dial(
        '<Sip username="u" password="p">'
        '<Uri priority="1" weight="70">sip:a@example.com?X-way=1</Uri>'
        '<Uri priority="2" username="v" password="q">sip:b@example.com</Uri>'
        '<Headers><Header name="X-a" value="1"/></Headers></Sip>'
    )
    assert verb.nouns == (
        Sip(
            (
                SipTarget("sip:a@example.com", (("X-a", "1"), ("X-way", "1")), "u", "p", 1, 70),
                SipTarget("sip:b@example.com", (("X-a", "1"),), "v", "q", 2),
            )
        ),
    )


def test_a_party_may_have_ten_addresses_and_not_eleven() -> None:
    address = "<Uri>sip:a@example.com</Uri>"
    (noun,) = dial(f"<Sip>{address * 10}</Sip>").nouns
    assert isinstance(noun, Sip)
    assert len(noun.targets) == 10
    assert refusal(f"<Sip>{address * 11}</Sip>") == 13250


def test_headers_of_the_long_form_may_not_be_longer_than_those_of_a_uri() -> None:
    header = f'<Header name="X-a" value="{"1" * 300}"/>'
    assert refusal(f"<Sip><Uri>sip:a@example.com</Uri><Headers>{header * 4}</Headers></Sip>") == 13253


@pytest.mark.parametrize("place", ["region=de1", "edge=frankfurt", "tnx=TNX1"])
def test_a_place_to_call_from_is_taken_out_of_a_uri_with_a_warning(place: str) -> None:
    verb, codes = warned_dial(f"<Sip>sip:a@example.com;transport=tcp;{place}?X-a=1</Sip>")
    assert verb.nouns == (Sip.at("sip:a@example.com;transport=tcp", (("X-a", "1"),)),)
    assert codes == [32215]


@pytest.mark.parametrize(
    "uri",
    [
        "",
        "jack@example.com",
        "sips:jack@example.com",
        "tel:+1415",
        "sip:jack@example.com&#13;&#10;Via: x",
        "sip:ja%0D%0Ack@example.com",
        "sip:jack@example.com;x=%00",
        "sip:jack@" + "a" * 250,
        "sip:jack@example.com:99999",
    ],
)
def test_what_is_no_sip_uri_is_refused(uri: str) -> None:
    assert refusal(f"<Sip>{uri}</Sip>") == 13243


@pytest.mark.parametrize(
    ("header", "code"),
    [
        ("Via=x", 32111),
        ("X%20a=1", 32111),
        ("X-a%0d%0aVia=1", 32111),
        ("X-a=1%0d%0aVia:%20x", 32112),
        ("User-to-User=%00", 32112),
        ("X-Twilio-Auth=1", 32113),
    ],
)
def test_headers_that_an_application_may_not_set_are_dropped(header: str, code: int) -> None:
    verb, codes = warned_dial(f"<Sip>sip:a@example.com?{header}&amp;X-b=2</Sip>")
    assert verb.nouns == (Sip.at("sip:a@example.com", (("X-b", "2"),)),)
    assert codes == [code]


def test_too_many_characters_of_headers_are_refused() -> None:
    assert refusal(f"<Sip>sip:a@example.com?X-a={'1' * 1024}</Sip>") == 13253


@pytest.mark.parametrize("password", ["p&#10;q", "x" * 256])
def test_credentials_that_cannot_be_used_are_refused(password: str) -> None:
    assert refusal(f'<Sip username="u" password="{password}">sip:a@example.com</Sip>') == 13249


def test_a_secure_parameter_that_is_neither_true_nor_false_is_warned_of() -> None:
    _, codes = warned_dial("<Sip>sip:a@example.com;secure=maybe</Sip>")
    assert codes == [32114]
