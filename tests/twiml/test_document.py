"""What an application may answer, verb by verb, and with which code the rest is refused."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

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
    TwimlError,
    Verb,
    media_needs,
)

TRUNK = "BY0123456789abcdef0123456789abcdef"


def respond(inside: str) -> Document:
    return parse(f"<Response>{inside}</Response>".encode())


def refusal(body: str | bytes) -> int:
    with pytest.raises(TwimlError) as caught:
        parse(body.encode() if isinstance(body, str) else body)
    return caught.value.code


def codes(document: Document) -> list[int]:
    return [warning.code for warning in document.warnings]


def test_the_documented_byoc_example_dials_the_number_through_its_trunk() -> None:
    document = parse(
        b'<?xml version="1.0" encoding="UTF-8"?>\n<Response>\n  <Dial>\n'
        b'    <Number byoc="' + TRUNK.encode() + b'">+14158675309</Number>\n  </Dial>\n</Response>\n'
    )
    assert document == Document((Dial(nouns=(Number("+14158675309", TRUNK),)),))


def test_verbs_keep_their_order() -> None:
    document = respond("<Pause/><Dial>911</Dial><Redirect>/next</Redirect><Reject/><Hangup/>")
    expected: tuple[Verb, ...] = (Pause(1), Dial((Number("911"),)), Redirect("/next"), Reject(), Hangup())
    assert document.verbs == expected


def test_an_empty_response_has_nothing_to_do() -> None:
    assert parse(b"<Response/>") == Document(())


def test_comments_and_cdata_do_not_disturb_a_document() -> None:
    document = respond("<!-- night shift --><Redirect><![CDATA[/next?a=1&b=2]]></Redirect>")
    assert document == Document((Redirect("/next?a=1&b=2"),))


def test_reject_knows_its_two_reasons_and_warns_of_others() -> None:
    assert respond('<Reject reason="busy"/>').verbs == (Reject("busy"),)
    document = respond('<Reject reason="bored"/>')
    assert document.verbs == (Reject("rejected"),)
    assert codes(document) == [13810]


def test_reject_and_hangup_may_carry_parameters() -> None:
    document = respond('<Hangup><Parameter name="a" value="b"/></Hangup>')
    assert document == Document((Hangup(),))


@pytest.mark.parametrize(
    ("length", "seconds", "warned"),
    [("5", 5, []), ("0", 1, [13910]), ("-1", 1, [13910]), ("soon", 1, [13910]), ("9" * 5000, 1, [13910])],
)
def test_a_pause_lasts_whole_seconds_of_at_least_one(length: str, seconds: int, warned: list[int]) -> None:
    document = respond(f'<Pause length="{length}"/>')
    assert document.verbs == (Pause(seconds),)
    assert codes(document) == warned


def test_redirect_uses_post_unless_told_and_warns_of_other_methods() -> None:
    assert respond('<Redirect method="get">/next</Redirect>').verbs == (Redirect("/next", "GET"),)
    document = respond('<Redirect method="PUT">/next</Redirect>')
    assert document.verbs == (Redirect("/next", "POST"),)
    assert codes(document) == [13710]


def test_an_empty_redirect_means_the_current_document() -> None:
    assert respond("<Redirect/>").verbs == (Redirect(""),)


def test_a_url_with_control_characters_is_refused() -> None:
    assert refusal("<Response><Redirect>/next&#13;&#10;X-Evil: 1</Redirect></Response>") == 11100


@pytest.mark.parametrize(
    "verb", ["Say", "Play", "Gather", "Record", "Enqueue", "Connect", "Start", "Stop", "Echo", "Pay", "Prompt"]
)
def test_a_verb_that_needs_media_is_kept_never_skipped(verb: str) -> None:
    document = respond(f"<{verb}>whatever</{verb}><Hangup/>")
    assert document.verbs == (NeedsMedia(f"<{verb}>"), Hangup())
    assert media_needs(document) == (f"<{verb}>",)


def test_a_document_of_pure_signalling_needs_no_media() -> None:
    assert media_needs(respond(f'<Dial><Number byoc="{TRUNK}">+1415</Number></Dial>')) == ()


def test_unknown_verbs_and_attributes_are_warned_of_and_the_document_goes_on() -> None:
    document = respond('<dial>911</dial><Fax/><Hangup why="late"/>text')
    assert document.verbs == (Hangup(),)
    assert sorted(codes(document)) == [12200] * 4


def test_namespace_declarations_are_no_mistake() -> None:
    assert parse(b'<Response xmlns:x="urn:x"><Hangup xml:lang="en"/></Response>') == Document((Hangup(),))


def test_nonsense_of_any_size_yields_few_warnings() -> None:
    document = parse(b"<Response>" + b"<a/>x" * 10_000 + b"</Response>")
    assert document.verbs == ()
    assert len(document.warnings) == 50


@pytest.mark.parametrize(
    ("body", "code"),
    [
        (b"", 11770),
        (b" \r\n\t ", 11770),
        (b"<Response>" + b" " * 65536 + b"</Response>", 11750),
        (b"Internal Server Error", 12100),
        (b"<Response><Dial></Response>", 12100),
        (b"<Response/><Response/>", 12100),
        (b"\n<?xml version='1.0'?><Response/>", 12100),
        (b"<Response>&nbsp;</Response>", 12100),
        (b"<Response>\xff\xfe</Response>", 12100),
        (b"<Response>&#0;</Response>", 12100),
        (b"<?xml version='1.0' encoding='klingon'?><Response/>", 12100),
        (b"<?xml version='1.0' encoding='shift_jis'?><Response/>", 12100),
        (b"<?php echo 1 ?><Response/>", 12100),
        (b"<!DOCTYPE html><Response/>", 12100),
        (b"<!DOCTYPE Response [<!ENTITY a 'aaaa'><!ENTITY b '&a;&a;'>]><Response>&b;</Response>", 12100),
        (b"<!DOCTYPE r [<!ENTITY x SYSTEM 'file:///etc/passwd'>]><Response>&x;</Response>", 12100),
        (b"<html><body/></html>", 12102),
        (b"<response/>", 12102),
    ],
)
def test_what_is_not_a_document_is_refused_with_its_code(body: bytes, code: int) -> None:
    assert refusal(body) == code


def test_a_tower_of_elements_is_refused() -> None:
    assert refusal(b"<Response>" + b"<a>" * 10_000 + b"</a>" * 10_000) == 11750
    assert refusal(b"<Response>" + b"<a>" * 32 + b"</a>" * 32 + b"</Response>") == 12100


def test_latin1_and_utf16_documents_are_read() -> None:
    assert parse("<?xml version='1.0' encoding='iso-8859-1'?><Response/>".encode("latin-1")) == Document(())
    assert parse("<?xml version='1.0' encoding='utf-16'?><Response/>".encode("utf-16")) == Document(())


def test_the_same_bytes_give_the_same_document() -> None:
    assert respond("<Hangup/>") is respond("<Hangup/>")


def verdict(body: bytes) -> Document | TwimlError:
    try:
        return parse(body)
    except TwimlError as error:
        return error


@given(st.binary(max_size=300))
def test_any_bytes_are_a_document_or_a_coded_refusal(body: bytes) -> None:
    found = verdict(body)
    assert isinstance(found, Document) or found.code in (11770, 12100, 12102)


NAMES = st.sampled_from(
    ["Response", "Dial", "Number", "Sip", "Uri", "Headers", "Pause", "Redirect", "Reject", "Say"]
)
ATTRIBUTES = st.sampled_from(["timeout", "callerId", "byoc", "action", "method", "reason", "length", "username"])
TEXT = st.text(st.characters(codec="utf-8"), max_size=20)


def escape(text: str) -> str:
    """What XML can hold; quotes become line ends, the one way in which those survive in attributes."""
    kept = "".join(char for char in text if char >= " " and char not in "\ufffe\uffff")
    return kept.replace("&", "&amp;").replace("<", "&lt;").replace('"', "&#10;")


@st.composite
def elements(draw: st.DrawFn, depth: int = 3) -> str:
    name = draw(NAMES)
    pairs = draw(st.dictionaries(ATTRIBUTES, TEXT, max_size=3))
    inside = draw(st.lists(elements(depth - 1), max_size=3)) if depth else []
    attributes = "".join(f' {key}="{escape(value)}"' for key, value in pairs.items())
    return f"<{name}{attributes}>{escape(draw(TEXT))}{''.join(inside)}</{name}>"


@given(elements())
def test_any_tree_of_known_names_is_a_document_or_a_coded_refusal(tree: str) -> None:
    found = verdict(f"<Response>{tree}</Response>".encode())
    if isinstance(found, TwimlError):
        assert 11000 <= found.code < 14000
        assert found.text.isprintable()
    else:
        assert all(warning.text.isprintable() for warning in found.warnings)
        assert "\\n" not in repr(found.verbs), "a line end in any value could end a SIP header"


@pytest.mark.parametrize(
    "verb",
    [
        "<Redirect>{}</Redirect>",
        '<Dial action="{}">1</Dial>',
        '<Dial referUrl="{}">1</Dial>',
        '<Dial><Number statusCallback="{}">1</Number></Dial>',
        '<Refer action="{}"><Sip>sip:a@b.example</Sip></Refer>',
    ],
)
def test_no_url_of_a_document_leads_to_code(verb: str) -> None:
    for url in ("python:os:abort", " python:os:abort\n"):
        with pytest.raises(TwimlError) as refused:
            parse(f"<Response>{verb.format(url)}</Response>".encode())
        assert refused.value.code == 11100
