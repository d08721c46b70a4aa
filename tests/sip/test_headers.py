"""Header fields: order, names, injection, and the Via that decides where a response goes."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from byoc_proxy.sip.headers import CANONICAL_NAMES, COMPACT_NAMES, HeaderError, Headers, Via, header_key


def test_values_keep_their_order_and_their_spelling() -> None:
    headers = Headers([("v", "one"), ("To", "<sip:a@h>"), ("VIA", "two"), ("X-Odd", "  spaced")])
    assert headers.all("via") == ["one", "two"]
    assert headers.get("via") == "one"
    assert headers.get("x-odd") == "  spaced"
    assert [name for _, name, _ in headers] == ["v", "To", "VIA", "X-Odd"]
    assert "to" in headers
    assert "from" not in headers
    assert headers.all("from") == []


def test_a_header_added_later_is_found() -> None:
    headers = Headers([("To", "a")])
    assert headers.get("subject") is None
    headers.add("s", "hello")
    assert headers.get("subject") == "hello"


@pytest.mark.parametrize(("short", "key"), COMPACT_NAMES.items())
def test_a_compact_name_means_its_long_form(short: str, key: str) -> None:
    assert header_key(short) == header_key(short.upper()) == key


@pytest.mark.parametrize("name", CANONICAL_NAMES)
def test_names_are_case_insensitive(name: str) -> None:
    assert header_key(name) == header_key(name.upper()) == header_key(f"{name} ") == name.lower()


@pytest.mark.parametrize("name", ["", " ", "a b", "a\r\nb", "a:b", "é", "X\n", "\x00"])
def test_what_is_no_header_name_is_refused(name: str) -> None:
    with pytest.raises(HeaderError):
        header_key(name)
    with pytest.raises(HeaderError):
        Headers([(name, "value")])


@pytest.mark.parametrize("value", ["a\r\nX-Injected: yes", "a\nb", "a\r", "a\x00b", "\x00", "\ud800"])
def test_a_value_that_would_end_its_line_is_refused(value: str) -> None:
    with pytest.raises(HeaderError):
        Headers([("X-User", value)])


def test_bytes_that_are_no_utf_8_and_an_escaped_nul_may_stand_in_a_value() -> None:
    value = b'"\xff \\\x00"'.decode("utf-8", "surrogateescape")
    assert Headers([("Subject", value)]).get("subject") == value


@given(st.text(), st.text())
def test_nothing_that_is_added_can_start_a_line(name: str, value: str) -> None:
    headers = Headers()
    try:
        headers.add(name, value)
    except HeaderError:
        assert headers.items == []
        return
    assert not {"\r", "\n"} & set(name + value)


def test_a_via_is_taken_apart() -> None:
    via = Via.parse(' SIP / 2.0 /udp  Carrier.Example : 5070 ;branch=z9hG4bKx; RPORT ;note="a, b"')
    assert (via.transport, via.host, via.port) == ("UDP", "carrier.example", 5070)
    assert (via.branch, via.sent_by) == ("z9hG4bKx", "carrier.example:5070")
    assert via.params == {"branch": "z9hG4bKx", "rport": None, "note": "a, b"}
    assert str(via) == 'SIP/2.0/UDP carrier.example:5070;branch=z9hG4bKx;rport;note="a, b"'


@pytest.mark.parametrize(
    "text",
    [
        "SIP/2.0/UDP [2001:db8::9:1];branch=z9hG4bKas3",
        "SIP/2.0/TCP [2001:db8::9]:6050;received=[2001:db8::9:255]",
        "SIP/2.0/UNKNOWN t4.example.com",
        "SIP/7.0/UDP c.example.com;branch=z9hG4bKkdjuw",
    ],
)
def test_a_via_is_written_as_it_was_read(text: str) -> None:
    assert str(Via.parse(text)) == text


@pytest.mark.parametrize(
    "text",
    [
        "",
        "SIP/2.0/UDP",
        "SIP/2.0 h",
        "SIP/2.0/UDP h:65536",
        "SIP/2.0/UDP h:٥٠٦٠",
        "SIP/2.0/UDP h;;",
        "SIP/2.0/UDP h;branch=",
        "SIP/2.0/UDP h x",
        "SIP/2.0/UDP [::1",
    ],
)
def test_what_is_no_via_is_refused(text: str) -> None:
    with pytest.raises(HeaderError):
        Via.parse(text)


def test_the_readable_part_of_a_broken_via_is_enough_to_answer_along() -> None:
    via = Via.salvage("SIP/2.0/UDP 192.0.2.15;;branch=x;=;rport;y=")
    assert str(via) == "SIP/2.0/UDP 192.0.2.15;branch=x;rport"
    with pytest.raises(HeaderError):
        Via.salvage("SIP/2.0/UDP ;branch=x")


def received(text: str, address: str, port: int) -> dict[str, str | None]:
    via = Via.parse(text)
    via.note_source(address, port)
    return via.params


def test_the_source_is_noted_in_the_via() -> None:
    told_truth = received("SIP/2.0/UDP 192.0.2.1;branch=x", "192.0.2.1", 5070)
    assert told_truth == {"branch": "x"}
    behind_nat = received("SIP/2.0/UDP 10.0.0.1;branch=x", "192.0.2.1", 5070)
    assert behind_nat == {"branch": "x", "received": "192.0.2.1"}
    asks = received("SIP/2.0/UDP 192.0.2.1;rport;branch=x", "192.0.2.1", 5070)
    assert asks == {"rport": "5070", "branch": "x", "received": "192.0.2.1"}  # RFC 3581 §4: both


def test_a_via_cannot_lie_about_where_it_was_received_from() -> None:
    lie = received("SIP/2.0/UDP 10.0.0.1;received=203.0.113.9;branch=x", "192.0.2.1", 5070)
    assert lie["received"] == "192.0.2.1"


@pytest.mark.parametrize("filler", [" ", "\t", "a", ";", "; ", ":", "/", "[", ';a="', "SIP/"])
def test_a_via_as_long_as_a_message_is_read_in_linear_time(filler: str) -> None:
    text = f"SIP/2.0/UDP h{filler * (60_000 // len(filler))}!"
    with pytest.raises(HeaderError):
        Via.parse(text)
    with pytest.raises(HeaderError):
        Via.parse(f"{filler * (60_000 // len(filler))}!")


def test_a_via_that_could_not_be_repeated_in_a_response_is_no_via() -> None:
    with pytest.raises(HeaderError, match="control character"):
        Via.parse("SIP/2.0/UDP 192.0.2.15;branch=z9hG4bK1;odd=a\x06b")
    assert str(Via.salvage("SIP/2.0/UDP 192.0.2.15;branch=z9hG4bK1;odd=a\x06b")).endswith(";branch=z9hG4bK1")
