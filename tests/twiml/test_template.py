"""Parameters in stored documents: filled in, and never more than a value."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from byoc_proxy.twiml.elements import Element, read_elements
from byoc_proxy.twiml.template import fill, template_fault

HOSTILE = [
    *("</Number></Dial><Hangup/><Dial>", '"/><Hangup/><Dial x="', "' onclick='", "&lt;Hangup/&gt;", "&amp;"),
    *("<![CDATA[", "]]>", "<!--", "-->", "--", "<?x?>", "&#0;", "{{To}}", "{{", "}}", "\x00", "\x01\x1b"),
    *("\ud800", "\ufffe", "a\r\nb", "\u2028", "☎ é 😀", "%0d%0a", "\\1", "\\g<0>", ""),
]
TEMPLATE = """<?xml version="1.0" encoding="ISO-8859-1"?>
<Response><!-- for {{From}} -->
  <Dial callerId="{{From}}" action='/next?caller={{ From }}'>
    <Number>{{From}}</Number><Sip><![CDATA[{{From}}]]></Sip>
  </Dial>
  <Redirect>{{From}}{{From}}</Redirect>
</Response>"""


def shape(element: Element) -> object:
    """Names of elements and attributes, and nothing of what they hold."""
    return element.name, sorted(element.attributes), [shape(child) for child in element.children]


def filled(template: str, **parameters: str) -> str:
    return fill(template, parameters.items()).decode()


def test_a_parameter_becomes_the_value_of_the_request() -> None:
    assert filled("<Number>{{To}}</Number>", To="+15550199", From="x") == "<Number>+15550199</Number>"
    assert filled("{{To}}{{ To }}{{\nTo\t}}", To="1") == "111"


def test_a_header_of_the_invite_is_found_in_whatever_case_it_came() -> None:
    values = [("SipHeader_x-ACCOUNT", "42"), ("SipHeader_X-Account", "43")]
    assert fill("{{SipHeader_X-Account}} {{sipheader_x-account}}", values) == b"42 42"


def test_what_the_request_does_not_have_is_empty() -> None:
    assert filled("<a b='{{Digits}}'>{{CallerName}}</a>") == "<a b=''></a>"


def test_what_is_no_parameter_stays() -> None:
    for text in ("{{}}", "{{ }}", "{{a b}}", "{To}", "{{{To}", "{{<a/>}}", "}}{{"):
        assert filled(text, To="1") == text
    assert filled("{{{To}}}", To="1") == "{1}"


def test_values_are_not_read_again() -> None:
    assert filled("{{From}}", From="{{To}}", To="secret") == "{{To}}"
    assert filled("{{From}}{{To}}", From="{{", To="From}}") == "{{From}}"


@pytest.mark.parametrize("value", HOSTILE)
def test_no_value_changes_the_document_around_it(value: str) -> None:
    whole = read_elements(fill(TEMPLATE, [("From", value)]))
    assert shape(whole) == shape(read_elements(fill(TEMPLATE, [("From", "+15550100")])))
    dial, _ = whole.children
    number, sip = dial.children
    assert sip.text == "{{From}}"
    kept = value.replace("\r\n", "\n").translate(dict.fromkeys([0, 1, 27, 0xD800, 0xFFFE], "\ufffd"))
    assert number.text == kept.strip()
    assert dial.attributes["callerId"] == kept.replace("\n", " ")


@given(st.text() | st.text(alphabet="<>&\"'{}[]!-/ a=?\x00\t\n") | st.sampled_from(HOSTILE))
def test_any_text_at_all_is_a_value_and_no_more(value: str) -> None:
    found = read_elements(fill(TEMPLATE, [("From", value)]))
    assert shape(found) == shape(read_elements(fill(TEMPLATE, [])))


def test_a_document_is_the_text_that_was_stored_whatever_its_declaration_says() -> None:
    for head in ("", '<?xml version="1.0" encoding="ISO-8859-1"?>', '\ufeff<?xml version="1.0"?>\n'):
        text = head + "<Response><Redirect>https://é.example/☎</Redirect></Response>"
        assert template_fault(text) is None
        (redirect,) = read_elements(fill(text, [])).children
        assert redirect.text == "https://é.example/☎"


@pytest.mark.parametrize(
    ("template", "code"),
    [
        ("<Response><Dial>{{To}}</Dial></Response>", None),
        ("<Response><Dial><Sip>{{To}}</Sip></Dial></Response>", None),
        ("<Response><Dial><Sip>nobody</Sip></Dial></Response>", 13243),
        ("<Response><Play>{{Url}}</Play></Response>", 12490),
        ("<Response><Redirect>python:os:abort</Redirect></Response>", 11100),
        ("<Response><Dial action='python:os:abort'>{{To}}</Dial></Response>", None),
        ("<Response><{{Verb}}/></Response>", 12100),
        ("<Response {{attributes}}/>", 12100),
        ("<Response></{{end}}>", 12100),
        ("<{{Root}}/>", 12100),
        ("<Answer>{{x}}</Answer>", 12102),
        (" ", 11770),
        ("<Response>" + " " * 65536 + "</Response>", 11750),
    ],
)
def test_what_could_never_run_is_known_when_it_is_written(template: str, code: int | None) -> None:
    fault = template_fault(template)
    assert (fault.code if fault is not None else None) == code
