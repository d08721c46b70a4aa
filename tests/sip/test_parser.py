"""Bytes to messages: any bytes give a message or a `ParseError`, in whatever pieces they come."""

import itertools

import pytest
from hypothesis import given
from hypothesis import strategies as st

from byoc_proxy.sip.message import Message, Request, Response
from byoc_proxy.sip.parser import MAX_HEADERS, MAX_MESSAGE, ParseError, StreamParser, parse_datagram
from tests.support.wires import frames, request, wire

INVITE = request("INVITE", body=b"v=0\r\n")


def refused(data: bytes) -> ParseError:
    with pytest.raises(ParseError) as caught:
        parse_datagram(data)
    return caught.value


def fields(message: Message) -> list[tuple[str, str, str]]:
    return [field for field in message.headers if field[0] != "content-length"]


def with_line(line: bytes) -> bytes:
    return INVITE.replace(b"\r\nCSeq", b"\r\n" + line + b"\r\nCSeq", 1)


# --- one datagram ------------------------------------------------------------------------------------------


def test_a_request_is_taken_apart() -> None:
    message = parse_datagram(INVITE)
    assert isinstance(message, Request)
    assert (message.method, message.uri_text, message.body) == ("INVITE", "sip:bob@127.0.0.1", b"v=0\r\n")
    assert (message.call_id, message.cseq, message.from_tag, message.to_tag) == (
        "call-1",
        (1, "INVITE"),
        "theirs",
        "",
    )


@pytest.mark.parametrize(
    ("line", "status", "reason"),
    [
        (b"SIP/2.0 200 OK", 200, "OK"),
        (b"SIP/2.0 100 ", 100, ""),
        (b"SIP/2.0 180", 180, ""),
        (b"sip/2.0 486 Busy  Here", 486, "Busy  Here"),
        ("SIP/2.0 200 не сто".encode(), 200, "не сто"),
    ],
)
def test_a_status_line_is_read_whatever_its_phrase(line: bytes, status: int, reason: str) -> None:
    message = parse_datagram(INVITE.replace(b"INVITE sip:bob@127.0.0.1 SIP/2.0", line))
    assert isinstance(message, Response)
    assert (message.status, message.reason) == (status, reason)


@pytest.mark.parametrize(
    "line", [b"SIP/2.0 99 Low", b"SIP/2.0 700 High", b"SIP/2.0 4294967301 Big", b"SIP/3.0 200 OK", b"SIP/2.0200 OK"]
)
def test_a_broken_status_line_is_dropped_in_silence(line: bytes) -> None:
    error = refused(INVITE.replace(b"INVITE sip:bob@127.0.0.1 SIP/2.0", line))
    assert (error.status, error.request) == (None, None)


@pytest.mark.parametrize(
    ("line", "status"),
    [
        (b"INVITE sip:bob@127.0.0.1 SIP/3.0", 505),
        (b"INVITE sip:bob@127.0.0.1 HTTP/1.1", 400),
        (b"INVITE  sip:bob@127.0.0.1 SIP/2.0", 400),
        (b"INVITE sip:bob@127.0.0.1 SIP/2.0 ", 400),
        (b"INVITE sip:bob@127.0.0.1", 400),
        (b"INV(TE sip:bob@127.0.0.1 SIP/2.0", 400),
        (b"INVITE", 400),
    ],
)
def test_a_broken_request_line_is_answered(line: bytes, status: int) -> None:
    error = refused(INVITE.replace(b"INVITE sip:bob@127.0.0.1 SIP/2.0", line))
    assert error.status == status
    assert error.request is not None


def test_the_version_is_case_insensitive() -> None:
    assert parse_datagram(INVITE.replace(b" SIP/2.0\r\n", b" sip/2.0\r\n", 1)).cseq == (1, "INVITE")


@pytest.mark.parametrize("name", ["Via", "From", "To", "Call-ID", "CSeq"])
def test_a_missing_header_is_named(name: str) -> None:
    lines = [line for line in INVITE.split(b"\r\n") if not line.startswith(name.encode() + b":")]
    error = refused(b"\r\n".join(lines))
    assert error.reason.lower() == f"no {name} header".lower()
    assert error.status == (None if name == "Via" else 400)


@pytest.mark.parametrize("name", ["Call-ID", "CSeq", "From", "To", "Max-Forwards", "Content-Type", "t", "i", "f"])
def test_a_header_that_may_stand_once_is_refused_twice(name: str) -> None:
    error = refused(with_line(name.encode() + b": again"))
    assert error.status == 400
    assert error.reason.endswith("stands twice")


def test_headers_that_may_stand_often_may_stand_often() -> None:
    message = parse_datagram(with_line(b"Contact: <sip:x@h>\r\nVia: SIP/2.0/UDP far\r\nX-Own: 1\r\nX-Own: 2"))
    assert message.headers.all("x-own") == ["1", "2"]
    assert len(message.headers.all("via")) == 2


@pytest.mark.parametrize(
    "line",
    [b"no colon", b": no name", b"bad name: x", "né: x".encode(), b"\xff: x", b"a\x01: x"],
)
def test_a_line_that_is_no_header_is_refused(line: bytes) -> None:
    assert refused(with_line(line)).status == 400


@pytest.mark.parametrize("line", [b"X: a\rb", b"X: a\nb", b"X: a\n b", b"X: a\r", b"\nX: a", b"X: a\n\r"])
def test_a_bare_cr_or_lf_in_the_head_is_dropped(line: bytes) -> None:
    assert refused(with_line(line)).status is None


def test_nul_is_dropped_unless_it_is_a_quoted_pair() -> None:
    assert refused(with_line(b"X: a\x00b")).status is None
    assert refused(with_line(b"\x00")).status is None
    assert parse_datagram(with_line(b'Subject: "a\\\x00b"')).headers.get("subject") == '"a\\\x00b"'


def test_a_message_with_100_headers_is_read_and_with_101_it_is_not() -> None:
    have = INVITE.partition(b"\r\n\r\n")[0].count(b"\r\n")
    more = MAX_HEADERS - have
    assert len(parse_datagram(with_line(b"\r\n".join([b"X: y"] * more))).headers.items) == MAX_HEADERS
    error = refused(with_line(b"\r\n".join([b"X: y"] * (more + 1))))
    assert (error.status, error.reason) == (400, "more than 100 headers")


def test_a_datagram_longer_than_64_kb_is_dropped() -> None:
    filler = MAX_MESSAGE - len(with_line(b"X-Y: "))
    assert parse_datagram(with_line(b"X-Y: " + b"a" * filler)).headers.get("x-y") == "a" * filler
    assert refused(with_line(b"X-Y: " + b"a" * (filler + 1))).status is None


@pytest.mark.parametrize(
    "length", [b"-1", b"+5", b"5.0", b"0x5", b"five", b"", "٥".encode(), b"9999999999", b"5 5"]
)
def test_a_content_length_that_is_no_number_is_refused(length: bytes) -> None:
    assert refused(INVITE.replace(b"Content-Length: 5", b"Content-Length: " + length)).status == 400


def test_the_body_is_as_long_as_content_length_says() -> None:
    assert parse_datagram(INVITE.replace(b"Length: 5", b"Length: 3")).body == b"v=0"
    assert parse_datagram(INVITE.replace(b"Length: 5", b"Length: 0005")).body == b"v=0\r\n"
    assert parse_datagram(INVITE.replace(b"Content-Length: 5\r\n", b"")).body == b"v=0\r\n"
    error = refused(INVITE.replace(b"Length: 5", b"Length: 6"))
    assert (error.status, error.reason) == (400, "the body is shorter than Content-Length")


def test_two_content_lengths_must_agree() -> None:
    assert parse_datagram(with_line(b"l: 5")).body == b"v=0\r\n"
    assert refused(with_line(b"l: 4")).status == 400


def test_the_cseq_method_must_be_that_of_the_request_line() -> None:
    error = refused(INVITE.replace(b"CSeq: 1 INVITE", b"CSeq: 1 OPTIONS"))
    assert error.status == 400
    assert "OPTIONS" in error.reason


def test_a_broken_ack_or_response_is_never_answered() -> None:
    for data in (request("ACK").replace(b"CSeq: 1 ACK", b"CSeq: x ACK"), INVITE.replace(b"To:", b"Too:")):
        assert refused(data).status == (None if data.startswith(b"ACK") else 400)
    answer = INVITE.replace(b"INVITE sip:bob@127.0.0.1 SIP/2.0", b"SIP/2.0 200 OK").replace(b"To:", b"Too:")
    assert refused(answer).status is None


def test_a_request_whose_via_cannot_be_read_at_all_is_dropped() -> None:
    error = refused(INVITE.replace(b"SIP/2.0/UDP 127.0.0.2:5060;branch=z9hG4bKone", b"nowhere"))
    assert (error.status, error.request) == (None, None)


@pytest.mark.parametrize("data", [b"", b"\x00", b"\r\n\r\n", b"\r\n", b"\x00" * 20, b"INVITE", b"\r\n\r\nx"])
def test_keep_alives_and_noise_are_dropped(data: bytes) -> None:
    assert refused(data).status is None


def test_line_ends_before_a_message_are_skipped() -> None:
    assert parse_datagram(b"\r\n\r\n" + INVITE).encode() == parse_datagram(INVITE).encode()


def test_folded_lines_are_one_line() -> None:
    message = parse_datagram(with_line(b"Subject: one\r\n two\r\n\t\t three  \r\nX-Y:\r\n  y"))
    assert message.headers.get("subject") == "one two three"
    assert message.headers.get("x-y") == "y"


@pytest.mark.parametrize("filler", [b" ", b"\t", b"\r\n ", b"a ", b";", b",", b'"', b"<", b":", b"\\"])
def test_a_head_as_long_as_a_message_is_read_in_linear_time(filler: bytes) -> None:
    long = filler * (50_000 // len(filler)) + b"x"
    for line in (b"X: a" + long + b"\r\n folded", b"Contact: " + long, b"Via: SIP/2.0/UDP h" + long):
        message = parse_datagram(with_line(line))
        assert isinstance(message.contact, object)
        assert message.listed("via")
    for name in (b"From", b"To", b"Via", b"CSeq", b"Max-Forwards"):
        lines = [name + b": " + long if line.startswith(name) else line for line in INVITE.split(b"\r\n")]
        try:
            message = parse_datagram(b"\r\n".join(lines))
        except ParseError:
            continue
        assert message.call_id == "call-1"


# --- properties --------------------------------------------------------------------------------------------

VALUES = st.binary(max_size=40).map(lambda value: value.translate(None, b"\r\n\x00").strip(b" \t"))
PIECES = st.sampled_from(
    [b"INVITE sip:b@h SIP/2.0\r\n", b"SIP/2.0 200 OK\r\n", b"Via: SIP/2.0/UDP h;branch=z9hG4bKx\r\n", b"v:x\r\n"]
    + [b"From: <sip:a@h>;tag=1\r\n", b"To: <sip:b@h>\r\n", b"Call-ID: c\r\n", b"CSeq: 1 INVITE\r\n", b"l: 5\r\n"]
    + [
        b"Content-Length: 0\r\n",
        b"\r\n",
        b"\r",
        b"\n",
        b" ",
        b"\x00",
        b'"',
        b"<",
        b";",
        b"hello",
        b"\xff",
        b" fold\r\n",
    ]
)
NOISE = st.binary(max_size=200) | st.lists(PIECES, max_size=16).map(b"".join)


@given(NOISE)
def test_any_datagram_is_a_message_or_a_parse_error(data: bytes) -> None:
    try:
        message = parse_datagram(data)
    except ParseError:
        return
    again = parse_datagram(message.encode())
    assert fields(again) == fields(message)
    assert (again.start_line, again.body) == (message.start_line, message.body)


@given(st.integers(0, len(INVITE)), st.binary(max_size=4), st.integers(0, 4))
def test_a_damaged_message_is_a_message_or_a_parse_error(at: int, insert: bytes, remove: int) -> None:
    data = INVITE[:at] + insert + INVITE[at + remove :]
    try:
        message = parse_datagram(data)
    except ParseError:
        return
    assert parse_datagram(message.encode()).encode() == message.encode()


@given(VALUES)
def test_a_header_that_nobody_asks_for_is_relayed_byte_for_byte(value: bytes) -> None:
    message = parse_datagram(with_line(b"X-Carrier-Own: " + value))
    assert b"\r\nX-Carrier-Own: " + value + b"\r\n" in message.encode()


@given(NOISE, st.data())
def test_any_stream_is_messages_or_a_parse_error_in_whatever_pieces(data: bytes, draw: st.DataObject) -> None:
    cuts = sorted(draw.draw(st.lists(st.integers(0, len(data)), max_size=5)))
    segments = [data[start:end] for start, end in zip([0, *cuts], [*cuts, len(data)], strict=True)]
    assert outcome(segments) == outcome([data])


def outcome(segments: list[bytes]) -> tuple[list[bytes], str]:
    """What came out of a stream, message by message, and the error that ended it."""
    parser, messages = StreamParser(), list[bytes]()
    try:
        for segment in segments:
            messages += [message.encode() for message in frames(parser, [segment])]
    except ParseError as error:
        return messages, error.reason
    return messages, ""


# --- a stream ----------------------------------------------------------------------------------------------

OPTIONS = request("OPTIONS", cseq=2)


def test_a_stream_is_framed_byte_by_byte() -> None:
    data = INVITE + OPTIONS
    messages = frames(StreamParser(), [data[at : at + 1] for at in range(len(data))])
    assert [message.encode() for message in messages] == [INVITE, OPTIONS]


def test_many_messages_come_out_of_one_segment() -> None:
    parser = StreamParser()
    messages = frames(parser, [INVITE * 20 + OPTIONS[:50]])
    assert len(messages) == 20
    assert {message.body for message in messages} == {b"v=0\r\n"}
    assert parser.pending == 50


@pytest.mark.parametrize("pieces", [[b"\r\n\r\n"], [b"\r\n", b"\r\n"], [b"\r", b"\n", b"\r", b"\n"]])
def test_a_keep_alive_between_messages_is_a_ping_in_whatever_pieces(pieces: list[bytes]) -> None:
    parser, pings = StreamParser(), 0
    assert len(frames(parser, [INVITE])) == 1
    for piece in pieces:
        parser.feed(piece)
        pings += parser.take_ping()
        assert parser.next_message() is None
    assert pings == 1
    assert len(frames(parser, [OPTIONS])) == 1


SEVERAL = b"\r\n\r\n" + INVITE + OPTIONS + b"\r\n" + request("INVITE", body=b"v=0\r\n\r\no=x\r\n") + b"\r\n\r\n"


def test_a_segment_may_end_anywhere() -> None:
    """After each byte in turn, between CR and LF and in the middle of a Content-Length."""
    whole = [INVITE, OPTIONS, request("INVITE", body=b"v=0\r\n\r\no=x\r\n")]
    for cut in range(len(SEVERAL) + 1):
        assert outcome([SEVERAL[:cut], SEVERAL[cut:]]) == (whole, ""), cut


@given(st.lists(st.integers(0, len(SEVERAL)), max_size=40))
def test_a_stream_reads_the_same_in_whatever_segments_it_comes(cuts: list[int]) -> None:
    edges = [0, *sorted(cuts), len(SEVERAL)]
    segments = [SEVERAL[start:end] for start, end in itertools.pairwise(edges)]
    assert outcome(segments) == outcome([SEVERAL])


@pytest.mark.parametrize(
    ("claim", "count", "reason"),
    [
        (b"Content-Length: 1", 1, "not a request line"),  # too short: the rest of the body begins a message
        (b"Content-Length: -1", 0, "Content-Length is not a number: '-1'"),
        (b"Content-Length: 5, 5", 0, "Content-Length is not a number: '5, 5'"),
        (b"Content-Length: 4294967301", 0, "Content-Length is not a number: '4294967301'"),
        (b"Content-Length: 65500", 0, "longer than 65536 bytes"),
        (b"Content-Length: 5\r\nContent-Length: 6", 0, "Content-Length stands twice"),
        (b"Content-Length: 5\r\nl: 6", 0, "l stands twice"),
        (b"l: 5\r\nContent-Length: 5", 2, ""),  # said twice and the same: nothing is in doubt
    ],
)
def test_a_content_length_that_lies_ends_the_stream_and_never_shifts_it_unseen(
    claim: bytes, count: int, reason: str
) -> None:
    lying = INVITE.replace(b"Content-Length: 5", claim).replace(b"v=0\r\n", b"x y\r\n")
    messages, ended = outcome([lying, b"\r\n\r\n" + OPTIONS])
    assert (len(messages), ended.startswith(reason)) == (count, True), ended


@pytest.mark.parametrize(
    ("data", "inside"),
    [(b"", False), (b"\r", False), (b"\r\n", False), (b"\r\n\r", False), (b"\r\nI", True), (b"I", True)],
)
def test_a_message_has_begun_with_its_first_byte_that_is_no_line_end(data: bytes, inside: bool) -> None:
    parser = StreamParser()
    frames(parser, [INVITE + data])
    assert parser.is_inside is inside


def test_line_ends_in_a_body_are_not_a_ping() -> None:
    parser = StreamParser()
    data = request("INVITE", body=b"\r\n\r\n")
    parser.feed(data[:-4])
    assert parser.next_message() is None
    parser.feed(data[-4:])
    assert not parser.take_ping()
    message = parser.next_message()
    assert message is not None
    assert message.body == b"\r\n\r\n"


def test_a_stray_line_end_between_messages_is_skipped() -> None:
    assert len(frames(StreamParser(), [b"\r\n" + INVITE + b"\r\n", b"\r\n\r\n" + INVITE])) == 2


def test_a_message_without_content_length_cannot_be_framed() -> None:
    with pytest.raises(ParseError) as caught:
        frames(StreamParser(), [INVITE.replace(b"Content-Length: 5\r\n", b"")])
    assert caught.value.status == 400


def test_a_message_that_says_it_will_be_too_long_is_refused_before_it_comes() -> None:
    with pytest.raises(ParseError) as caught:
        frames(StreamParser(), [INVITE.replace(b"Length: 5", b"Length: 65536")])
    assert caught.value.status == 513


def test_a_head_without_an_end_is_cut_off_at_64_kb() -> None:
    parser = StreamParser()
    assert frames(parser, [INVITE.partition(b"\r\n\r\n")[0] + b"\r\nX: ", b"a" * 60_000]) == []
    with pytest.raises(ParseError):
        frames(parser, [b"a" * 10_000])


def test_the_first_message_is_told_before_the_garbage_behind_it() -> None:
    parser = StreamParser()
    parser.feed(INVITE + wire("nonsense"))
    assert parser.next_message() is not None
    with pytest.raises(ParseError):
        parser.next_message()
