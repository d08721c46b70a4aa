"""Whose description is awaited (RFC 3264, RFC 3311 §5.2)."""

import pytest

from byoc_proxy.sip.exchange import ROWS, Exchange, Input, State

ONE, TWO = b"v=0\r\no=one\r\n", b"v=0\r\no=two\r\n"


def feed(exchange: Exchange, kind: Input) -> None:
    match kind:
        case Input.SENT:
            exchange.sent(ONE)
        case Input.RECEIVED:
            exchange.received(TWO)
        case Input.REFUSED:
            exchange.refused()
        case Input.ACKNOWLEDGED:
            exchange.acknowledged(b"")


@pytest.mark.parametrize("state", list(State))
@pytest.mark.parametrize("kind", list(Input))
def test_every_input_leads_where_its_row_says_and_nowhere_without_one(state: State, kind: Input) -> None:
    exchange = Exchange()
    exchange.state = state
    feed(exchange, kind)
    assert exchange.state is ROWS.get((state, kind), state)


@pytest.mark.parametrize(
    ("state", "refusal"), [(State.NOTHING, 500), (State.OURS, 491), (State.THEIRS, 500), (State.AGREED, None)]
)
def test_an_offer_of_theirs_waits_for_the_one_that_is_out(state: State, refusal: int | None) -> None:
    exchange = Exchange()
    exchange.state = state
    assert exchange.refusal == refusal


def test_both_sides_of_an_agreement_are_known_whoever_began() -> None:
    for begins, answers in (("sent", "received"), ("received", "sent")):
        exchange = Exchange()
        for verb in (begins, answers):
            getattr(exchange, verb)(ONE if verb == "sent" else TWO)
        assert (exchange.ours, exchange.theirs) == (ONE, TWO)


def test_a_refused_offer_leaves_what_was_agreed() -> None:
    exchange = Exchange()
    exchange.sent(ONE)
    exchange.received(TWO)
    exchange.sent(b"new")
    exchange.refused()
    assert (exchange.state, exchange.ours, exchange.theirs) == (State.AGREED, ONE, TWO)


def test_an_ack_without_the_answer_that_it_owes_is_taken_for_consent() -> None:
    exchange = Exchange()
    exchange.sent(ONE)
    exchange.acknowledged(b"")
    assert (exchange.state, exchange.ours) == (State.AGREED, ONE)


def test_an_answer_in_an_ack_is_heard() -> None:
    exchange = Exchange()
    exchange.sent(ONE)
    exchange.acknowledged(TWO)
    assert (exchange.ours, exchange.theirs) == (ONE, TWO)


def test_the_answer_said_again_in_the_2xx_is_no_offer() -> None:
    exchange = Exchange()
    exchange.sent(ONE)
    exchange.concluded(TWO)
    exchange.concluded(TWO)
    assert (exchange.state, exchange.theirs) == (State.AGREED, TWO)
