"""What the demo prints, without its call: rungs, remarks, the sentences of the log, the answers of its helpers."""

from collections.abc import Callable

import dns.message
import dns.rcode
import pytest
from twilio.request_validator import RequestValidator

from byoc_proxy.demo.application import signature
from byoc_proxy.demo.ladder import WIDTH, Ladder
from byoc_proxy.demo.names import answered
from byoc_proxy.demo.narrator import narrated, sentences
from byoc_proxy.sip.parser import parse_datagram
from tests.support.wires import request

PARTIES = ("carrier A", "byoc-proxy", "carrier B")
ZONE = {"carrier-b.demo.test": ("127.0.0.21", "127.0.0.22")}


def drawn(write: Callable[[str], None], clock: list[float]) -> Ladder:
    return Ladder(PARTIES, lambda: clock[0], write)


def plain(text: str) -> str:
    """Without colours."""
    return "".join(part.partition("m")[2] if at else part for at, part in enumerate(text.split("\x1b[")))


def test_a_rung_points_from_the_sender_to_the_receiver_and_tells_when() -> None:
    lines: list[str] = []
    clock = [7.0]
    ladder = drawn(lines.append, clock)
    ladder.message("carrier A", "byoc-proxy", parse_datagram(request("INVITE", body=b"v=0\r\n")))
    clock[0] = 7.5
    ladder.message("byoc-proxy", "carrier A", parse_datagram(request("BYE", branch="z9hG4bKtwo")))
    there, back = map(plain, lines)
    assert there.startswith("  +0.000 ")
    assert there.index("INVITE +SDP") < there.index(">")
    assert back.startswith("  +0.500 ")
    assert back.index("<") < back.index("BYE")


def test_a_message_that_was_sent_before_is_marked_as_a_retransmission() -> None:
    lines: list[str] = []
    ladder = drawn(lines.append, [0.0])
    invite = parse_datagram(request("INVITE"))
    for _ in range(2):
        ladder.message("byoc-proxy", "carrier B", invite)
    assert ["again" in line for line in lines] == [False, True]


def test_a_rung_over_two_gaps_keeps_the_lifelines_outside_of_it() -> None:
    lines: list[str] = []
    drawn(lines.append, [0.0]).message("carrier A", "carrier B", parse_datagram(request("INVITE")))
    assert plain(lines[0]).count("|") == 2


def test_a_long_remark_is_wrapped_to_the_width_of_the_ladder() -> None:
    lines: list[str] = []
    drawn(lines.append, [0.0]).remark("word " * 60)
    assert len(lines) > 1
    assert max(len(plain(line)) for line in lines) <= WIDTH


@pytest.mark.parametrize(
    ("outcome", "then", "told"),
    [
        ("no reply", "next_address", "attempt: UDP 127.0.0.21:5060: no reply after 4.00 s: try the next address"),
        ("unreachable", "stop", "attempt: UDP 127.0.0.21:5060: unreachable after 4.00 s: stop"),
    ],
)
def test_an_attempt_is_told_with_its_outcome_and_what_follows(outcome: str, then: str, told: str) -> None:
    event = {
        "event": "attempt.ended", "level": "info", "address": "UDP 127.0.0.21:5060", "target": "sip:b.test",
        "outcome": outcome, "status": None, "seconds": 4.0, "then": then,
    }  # fmt: skip
    assert sentences(event) == [told]


def test_everyday_events_are_not_told_and_errors_without_words_come_whole() -> None:
    remarks: list[str] = []
    log = narrated(remarks.append).bind(call_sid="CA1")
    log.debug("message.dropped", reason="stray")
    log.info("listener.open")
    log.error("record.not_written", cause="disk full")
    assert len(remarks) == 1
    assert "record.not_written" in remarks[0]
    assert "disk full" in remarks[0]


def test_the_application_computes_the_signature_that_the_vendors_sdk_computes() -> None:
    form = {"CallSid": "CA1", "From": "+15550100", "Empty": ""}
    theirs = RequestValidator("token").compute_signature("http://127.0.0.80:8000/voice", form)
    assert signature("http://127.0.0.80:8000/voice", form, "token") == theirs


def test_the_name_server_knows_one_name_and_its_two_addresses() -> None:
    known = answered(dns.message.make_query("Carrier-B.demo.test", "A"), ZONE)
    assert [record.to_text() for record in known.answer[0]] == ["127.0.0.21", "127.0.0.22"]
    assert answered(dns.message.make_query("carrier-b.demo.test", "AAAA"), ZONE).answer == []
    assert answered(dns.message.make_query("other.test", "A"), ZONE).rcode() == dns.rcode.NXDOMAIN
