"""What of one leg's headers may be said on the other."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from byoc_proxy.sip.headers import Headers
from byoc_proxy.trunk.numbers import NumberFormat
from byoc_proxy.trunk.relaying import DEFAULT_RELAYED, Border, candidates, pattern_fault


def crossing(*fields: tuple[str, str], to: tuple[str, ...] = DEFAULT_RELAYED, trusted: bool = True) -> list[str]:
    border = Border(to, "us.example", NumberFormat(plus="remove"), trusted=trusted)
    headers = Headers()
    headers.items = [(name.lower(), name, value) for name, value in fields]
    return [f"{name}: {value}" for name, value in border.relayed(candidates(headers))]


def test_without_a_list_four_headers_cross() -> None:
    fields = [("User-to-User", "56a3"), ("Subject", "hi"), ("Priority", "urgent"), ("Accept-Language", "de")]
    assert crossing(*fields, ("X-Mine", "1"), ("User-Agent", "SBC/9")) == [f"{n}: {v}" for n, v in fields]


def test_a_list_names_headers_in_any_case_and_beginnings_of_names() -> None:
    fields = [("X-FOO", "1"), ("x-bar", "2"), ("Y-Foo", "3"), ("Call-Info", "<http://x>;purpose=icon")]
    assert crossing(*fields, to=("x-foo",)) == ["X-FOO: 1"]
    assert crossing(*fields, to=("X-*", "call-info")) == [
        "X-FOO: 1",
        "x-bar: 2",
        "Call-Info: <http://x>;purpose=icon",
    ]
    assert crossing(*fields, to=()) == []


def test_a_header_that_stands_several_times_crosses_as_often_and_in_order() -> None:
    assert crossing(("X-A", "1"), ("X-B", "2"), ("X-A", "3"), to=("X-A",)) == ["X-A: 1", "X-A: 3"]


OWN = (
    "Via Route Record-Route Contact Call-ID CSeq From To Max-Forwards Content-Type Authorization"
    " Proxy-Authorization Supported Require Session-Expires i m v"
).split()


@pytest.mark.parametrize("name", OWN)
def test_the_protocols_own_headers_cannot_be_listed(name: str) -> None:
    assert "is the protocol's own" in (pattern_fault(name) or "")


def test_no_beginning_of_a_name_covers_a_header_of_the_protocol() -> None:
    fields = [
        ("P-Asserted-Identity", "<sip:x@y>"),
        ("P-Charging-Vector", "icid"),
        ("Privacy", "id"),
        ("Contact", "c"),
    ]
    assert crossing(*fields, to=("P-*", "Pr*", "Con*")) == ["P-Charging-Vector: icid"]


@pytest.mark.parametrize(
    ("pattern", "advice"),
    [
        ("*", "is not a header name"),
        ("", "is not a header name"),
        ("X-*-Y", "is not a header name"),
        ("X-A: b\r\nVia", "is not a header name"),
        ("P*", "would cover nearly everything"),
        ("P-Asserted-Identity", "identity_header and trust_identity"),
        ("remote-party-id", "identity_header and trust_identity"),
        ("Privacy", "always honoured"),
    ],
)
def test_what_cannot_be_listed_is_told_with_advice(pattern: str, advice: str) -> None:
    assert advice in (pattern_fault(pattern) or "")


@pytest.mark.parametrize(
    "pattern", ["X-Foo", "X-*", "Diversion", "Identity", "P-Charging-Vector", "s", "User-Agent"]
)
def test_anything_else_can_be_listed(pattern: str) -> None:
    assert pattern_fault(pattern) is None


def test_diversion_crosses_with_our_host_and_the_carriers_number_format() -> None:
    value = (
        '"Reception, Ltd" <sip:+15550111@10.1.2.3:5060;user=phone>;reason=no-answer;counter=1, <sip:+15550112@pbx>'
    )
    assert crossing(("Diversion", value), to=("Diversion",)) == [
        'Diversion: "Reception, Ltd" <sip:15550111@us.example>;reason=no-answer;counter=1',
        "Diversion: <sip:15550112@us.example>",
    ]


def test_history_info_keeps_its_index_and_its_cause() -> None:
    value = "<sip:+15550111@pbx.inside?Reason=SIP%3Bcause%3D302>;index=1.1;rc=1"
    assert crossing(("History-Info", value), to=("History-Info",)) == [
        "History-Info: <sip:15550111@us.example?Reason=SIP%3Bcause%3D302>;index=1.1;rc=1"
    ]


@pytest.mark.parametrize(
    ("name", "private"),
    [
        ("Diversion", "<sip:+15550111@pbx>;privacy=full"),
        ("History-Info", "<sip:+15550111@pbx?Privacy=history>;index=1"),
    ],
)
def test_who_diverted_in_private_is_told_to_a_trusted_carrier_only(name: str, private: str) -> None:
    assert len(crossing((name, f"{private}, <sip:+15550112@pbx>"), to=(name,))) == 2
    untrusted = crossing((name, f"{private}, <sip:+15550112@pbx>"), to=(name,), trusted=False)
    assert untrusted == [f"{name}: <sip:15550112@us.example>"]


def test_a_diversion_that_cannot_be_read_does_not_cross() -> None:
    assert crossing(("Diversion", "10.1.2.3 <<"), ("Diversion", "<tel:+15550111>"), to=("Diversion",)) == []


@given(st.text())
def test_no_value_can_begin_another_line(value: str) -> None:
    for line in crossing(("X-A", value), ("Diversion", value), to=("X-A", "Diversion")):
        assert not {"\r", "\n"} & set(line)
