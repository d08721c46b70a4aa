"""Numbers at a carrier's border: what each setting makes of what is dialled."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from byoc_proxy.sip.uri import parse_uri
from byoc_proxy.trunk.numbers import NumberFormat, number_of, with_format

UK = NumberFormat(country_code="44", national_prefix="0")
US = NumberFormat(country_code="1", national_prefix="1", international_prefix="011")
SPAIN = NumberFormat(country_code="34")

ROWS = [
    ("a British national number", UK, "02079460000", "+442079460000"),
    ("a British number without its 0", UK, "2079460000", "+442079460000"),
    ("an international number dialled from Britain", UK, "0014155550100", "+14155550100"),
    ("E.164 that lost its plus", UK, "442079460000", "+442079460000"),
    ("E.164 as it should be", UK, "+14155550100", "+14155550100"),
    ("separators that people write", UK, "(020) 7946-0000", "+442079460000"),
    ("an emergency number", UK, "999", "999"),
    ("a directory service", UK, "118118", "118118"),
    ("a star code", UK, "*100#1234", "*100#1234"),
    ("a name", UK, "alice", "alice"),
    ("an anonymous caller", UK, "anonymous", "anonymous"),
    ("nothing", UK, "", ""),
    ("ten digits in North America", US, "4155550100", "+14155550100"),
    ("eleven digits in North America", US, "14155550100", "+14155550100"),
    ("an international number dialled from North America", US, "01144207946000", "+44207946000"),
    ("a country without a national prefix", SPAIN, "612345678", "+34612345678"),
    ("an outside line", NumberFormat(strip_prefix="9"), "914155550100", "14155550100"),
    ("a prefix that is not there", NumberFormat(strip_prefix="9"), "14155550100", "14155550100"),
    ("a tech prefix that comes in", NumberFormat(strip_prefix="1234#"), "1234#4155550100", "4155550100"),
    ("two digits off", NumberFormat(strip_digits=2), "004155550100", "4155550100"),
    ("the plus goes with the digits", NumberFormat(strip_digits=1), "+14155550100", "4155550100"),
    ("all digits off", NumberFormat(strip_digits=20), "+14155550100", ""),
    ("no plus", NumberFormat(plus="remove"), "+14155550100", "14155550100"),
    ("a plus", NumberFormat(plus="add"), "14155550100", "+14155550100"),
    ("no second plus", NumberFormat(plus="add"), "+14155550100", "+14155550100"),
    ("no plus before a service number", NumberFormat(plus="add"), "911", "911"),
    ("digits before the digits", NumberFormat(prepend="1"), "4155550100", "14155550100"),
    ("digits behind the plus", NumberFormat(prepend="9"), "+14155550100", "+914155550100"),
    ("a tech prefix", NumberFormat(tech_prefix="1234#"), "+14155550100", "1234#+14155550100"),
    ("all of it", NumberFormat("9", 1, "44", "0", "00", "7", "remove", "55*"), "9x", "9x"),
    (
        "all of a number",
        NumberFormat("9", 1, "44", "0", "00", "7", "remove", "55*"),
        "9102079460000",
        "55*7442079460000",
    ),
    ("00 instead of the plus", NumberFormat(plus="remove", tech_prefix="00"), "+442079460000", "00442079460000"),
]


@pytest.mark.parametrize(
    ("wanted", "given_number", "becomes"), [row[1:] for row in ROWS], ids=[row[0] for row in ROWS]
)
def test_a_number_is_written_as_the_carrier_wants_it(wanted: NumberFormat, given_number: str, becomes: str) -> None:
    assert wanted.apply(given_number) == becomes


@given(st.text())
def test_the_default_format_changes_nothing(text: str) -> None:
    assert NumberFormat().apply(text) == text


@given(st.from_regex(r"\+[1-9][0-9]{6,14}", fullmatch=True))
def test_a_number_in_e164_is_the_same_in_every_country(number: str) -> None:
    assert {each.apply(number) for each in (UK, US, SPAIN)} == {number}


@given(st.text("0123456789+*#-. ", max_size=20))
def test_normalising_twice_is_normalising_once(text: str) -> None:
    assert UK.apply(UK.apply(text)) == UK.apply(text)


@pytest.mark.parametrize(
    ("text", "complete"),
    [("", False), ("0", False), ("+12", False), ("112", True), ("+442079460000", True), ("alice", False)],
)
def test_a_trunk_may_demand_a_number_of_some_length(text: str, complete: bool) -> None:
    assert NumberFormat(min_digits=3).is_complete(text) is complete
    assert NumberFormat().is_complete(text)


@pytest.mark.parametrize(
    ("uri", "number", "in_e164"),
    [
        ("sip:02079460000@gw.example", "02079460000", "sip:+442079460000@gw.example"),
        ("sip:+442079460000;npdi;rn=1@gw.example", "+442079460000", "sip:+442079460000;npdi;rn=1@gw.example"),
        ("sip:02079460000;phone-context=+44@gw.example", "02079460000", "sip:+442079460000@gw.example"),
        ("sip:alice;x@gw.example", "alice;x", "sip:alice;x@gw.example"),
        ("sip:%2B442079460000@gw.example", "+442079460000", "sip:%2B442079460000@gw.example"),
        ("sip:gw.example", "", "sip:gw.example"),
        ("tel:020-7946-0000;phone-context=+44", "020-7946-0000", "tel:+442079460000"),
    ],
)
def test_the_number_of_a_uri_is_found_and_changed(uri: str, number: str, in_e164: str) -> None:
    assert number_of(parse_uri(uri)) == number
    assert str(with_format(parse_uri(uri), UK)) == in_e164
