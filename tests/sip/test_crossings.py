"""Messages that cross, get lost or collide between two real cores: both sides agree in the end and keep nothing."""

import pytest

from byoc_proxy.sip.outputs import Acked, Answered, By, Ended, Invited, Progressed, Refused, Replied, Requested
from byoc_proxy.sip.uas import UasSession
from tests.support.wires import ANSWER, OFFER, Host, Pair, Sent, outgoing

DELAY = 0.125  # a binary fraction: sums of it are exact


def ends(host: Host) -> list[tuple[By, str]]:
    return [(event.by, event.reason) for event in host.heard(Ended)]


def asked(host: Host) -> Requested:
    return host.heard(Requested)[-1]


@pytest.mark.parametrize("transport", ["UDP", "TCP", "TLS"])
def test_a_plain_call_is_seven_messages(transport: str) -> None:
    pair = Pair(transport, DELAY)
    caller, callee = pair.invite()
    callee.progress(180, pair.now)
    pair.run(1.0)
    callee.answer(ANSWER, pair.now)
    pair.run(2.0)
    caller.hang_up(pair.now)
    pair.run(3.0)
    assert pair.ladder() == [
        "alice INVITE",
        "bob 100 INVITE",
        "bob 180 INVITE",
        "bob 200 INVITE",
        "alice ACK",
        "alice BYE",
        "bob 200 BYE",
    ]
    assert pair.alice.kinds == ["Progressed", "Progressed", "Answered", "Ended"]
    assert pair.bob.kinds == ["Invited", "Acked", "Ended"]
    assert pair.is_empty()


def test_the_callee_may_hang_up_too() -> None:
    pair = Pair(delay=DELAY)
    _, callee = pair.call()
    callee.hang_up(pair.now, "SIP;cause=200")
    pair.run()
    assert pair.ladder()[-2:] == ["bob BYE", "alice 200 BYE"]
    assert ends(pair.alice) == [(By.REMOTE, "SIP;cause=200")]
    assert pair.is_empty()


# --- loss --------------------------------------------------------------------------------------------------


def test_a_lost_invite_comes_through_at_its_next_transmission() -> None:
    pair = Pair(delay=DELAY)
    pair.lose("INVITE", 2)
    pair.alice.core.invite(outgoing(), pair.alice.flow, 0.0)
    pair.run(4.0)
    assert pair.times("INVITE") == [0.0, 0.5, 1.5]
    assert pair.bob.kinds == ["Invited"]


def test_a_lost_ack_is_sent_again_when_the_2xx_is_repeated() -> None:
    pair = Pair(delay=DELAY)
    pair.lose("ACK", 2)
    caller, _ = pair.call()
    pair.run(5.0)
    assert pair.times("200 INVITE") == [0.25, 0.75, 1.75]
    assert pair.times("ACK") == [0.375, 0.875, 1.875]
    assert len(pair.bob.heard(Acked)) == 1
    assert len(pair.alice.heard(Answered)) == 1
    caller.hang_up(pair.now)
    assert pair.is_empty()


def test_a_lost_2xx_is_repeated_by_the_callee_and_stops_nothing() -> None:
    pair = Pair(delay=DELAY)
    pair.lose("200 INVITE", 3)
    pair.call()
    pair.run(6.0)
    assert pair.times("200 INVITE") == [0.25, 0.75, 1.75, 3.75]
    assert pair.times("ACK") == [3.875]


def test_a_lost_refusal_is_repeated_until_its_ack() -> None:
    pair = Pair(delay=DELAY)
    pair.lose("486 INVITE", 1)
    pair.lose("ACK", 1)
    _, callee = pair.invite()
    callee.refuse(486, pair.now)
    pair.run()
    assert pair.times("486 INVITE") == [0.25, 0.75, 1.75]
    assert pair.times("ACK") == [0.875, 1.875]
    assert len(pair.alice.heard(Refused)) == 1
    assert pair.is_empty()


def test_a_lost_200_to_a_bye_is_said_again_to_its_retransmission() -> None:
    pair = Pair(delay=DELAY)
    caller, _ = pair.call()
    pair.lose("200 BYE", 2)
    start = pair.now
    caller.hang_up(start)
    pair.run()
    assert pair.times("BYE") == [start, start + 0.5, start + 1.5]
    assert len(pair.times("200 BYE")) == 3
    assert ends(pair.bob) == [(By.REMOTE, "BYE")]
    assert pair.is_empty()


def test_a_far_end_that_vanished_does_not_keep_a_call_beyond_64_t1() -> None:
    pair = Pair(delay=DELAY)
    caller, _ = pair.call()
    pair.lose("BYE", 99)
    start = pair.now
    caller.hang_up(start)
    pair.run(start + 32.0)
    assert len(pair.times("BYE")) == 11
    assert pair.alice.core.sessions == {}
    assert ends(pair.alice) == [(By.LOCAL, "hang up")]


def test_no_ack_ever_ends_the_call_on_both_sides() -> None:
    pair = Pair(delay=DELAY)
    pair.lose("ACK", 99)
    pair.call()
    pair.run()
    assert pair.times("BYE", "bob") == [0.25 + 32.0]
    assert ends(pair.bob) == [(By.TIMEOUT, "no ACK")]
    assert ends(pair.alice) == [(By.REMOTE, 'SIP;cause=408;text="ACK timeout"')]
    assert pair.is_empty()


# --- crossings ---------------------------------------------------------------------------------------------


def test_cancel_and_200_cross() -> None:
    pair = Pair(delay=DELAY)
    caller, callee = pair.invite()
    start = pair.now
    caller.hang_up(start)
    callee.answer(ANSWER, start)
    pair.run()
    assert sorted(pair.ladder(start - 0.01)) == sorted(
        [
            "alice CANCEL",
            "bob 200 INVITE",
            "bob 200 CANCEL",
            "alice ACK",
            "alice BYE",
            "bob 200 BYE",
        ]
    )
    assert [event.late for event in pair.alice.heard(Answered)] == [True]
    assert ends(pair.alice) == [(By.LOCAL, "cancelled")]
    assert ends(pair.bob) == [(By.REMOTE, "BYE")]
    assert pair.is_empty()


def test_cancel_and_486_cross() -> None:
    pair = Pair(delay=DELAY)
    caller, callee = pair.invite()
    caller.hang_up(pair.now)
    callee.refuse(486, pair.now)
    pair.run()
    assert ends(pair.alice) == [(By.LOCAL, "cancelled")]
    assert ends(pair.bob) == [(By.LOCAL, "refused with 486")]
    assert pair.is_empty()


def test_a_cancel_that_arrives_in_time_ends_both_sides_with_487() -> None:
    pair = Pair(delay=DELAY)
    caller, callee = pair.invite()
    callee.progress(180, pair.now)
    pair.run(1.0)
    caller.hang_up(pair.now)
    pair.run(2.0)
    assert pair.ladder(0.5) == ["alice CANCEL", "bob 200 CANCEL", "bob 487 INVITE", "alice ACK"]
    assert pair.is_empty()


def test_a_lost_cancel_is_sent_again() -> None:
    pair = Pair(delay=DELAY)
    caller, _ = pair.invite()
    pair.lose("CANCEL", 2)
    pair.lose("487 INVITE", 1)
    caller.hang_up(pair.now)
    pair.run()
    assert len(pair.times("CANCEL")) == 3
    assert ends(pair.bob) == [(By.REMOTE, "CANCEL")]
    assert pair.is_empty()


def test_two_byes_cross() -> None:
    pair = Pair(delay=DELAY)
    caller, callee = pair.call()
    start = pair.now
    caller.hang_up(start)
    callee.hang_up(start)
    pair.run(start + 1.0)
    assert sorted(pair.ladder(start - 0.01)) == ["alice 200 BYE", "alice BYE", "bob 200 BYE", "bob BYE"]
    assert ends(pair.alice) == ends(pair.bob) == [(By.LOCAL, "hang up")]
    assert pair.is_empty()


def test_a_bye_and_the_ack_of_a_late_answer_cross() -> None:
    pair = Pair(delay=DELAY)
    caller, callee = pair.invite()
    callee.answer(ANSWER, pair.now)
    callee.hang_up(pair.now)
    pair.run(pair.now + DELAY)  # the 200 arrives, the ACK is on its way
    caller.hang_up(pair.now)
    pair.run()
    assert ends(pair.alice) == [(By.LOCAL, "hang up")]
    assert ends(pair.bob) == [(By.LOCAL, "hang up")]
    assert pair.is_empty()


def test_two_re_invites_glare_and_both_get_491() -> None:
    pair = Pair(delay=DELAY)
    caller, callee = pair.call()
    start = pair.now
    first, second = caller.offer(b"one", start), callee.offer(b"two", start)
    pair.run(start + 1.0)
    assert sorted(pair.ladder(start - 0.01)) == sorted(
        f"{name} {words}" for name in ("alice", "bob") for words in ("INVITE", "100 INVITE", "491 INVITE", "ACK")
    )
    for host, ticket in ((pair.alice, first), (pair.bob, second)):
        reply = host.heard(Replied)[0]
        assert reply.response is not None
        assert (reply.ticket, reply.response.status) == (ticket, 491)
    assert caller.offer(b"again", pair.now) > 0
    pair.run(pair.now + DELAY)
    assert asked(pair.bob).request.body == b"again"


@pytest.mark.parametrize("by_caller", [True, False], ids=["by the caller", "by the callee"])
@pytest.mark.parametrize("transport", ["UDP", "TCP"])
def test_a_re_invite_changes_the_session_in_either_direction(transport: str, by_caller: bool) -> None:
    pair = Pair(transport, DELAY)
    caller, callee = pair.call()
    here, there = (caller, callee) if by_caller else (callee, caller)
    near, far = (pair.alice, pair.bob) if by_caller else (pair.bob, pair.alice)
    start = pair.now
    ticket = here.offer(OFFER, start)
    pair.run(start + DELAY)
    there.reply(asked(far).transaction, 200, ANSWER, pair.now)
    pair.run(start + 1.0)
    assert [line.split(" ", 1)[1] for line in pair.ladder(start - 0.01)] == [
        "INVITE",
        "100 INVITE",
        "200 INVITE",
        "ACK",
    ]
    reply = near.heard(Replied)[0]
    assert reply.response is not None
    assert (reply.ticket, reply.response.sdp) == (ticket, ANSWER)
    here.hang_up(pair.now)
    assert pair.is_empty()
    assert len(near.heard(Ended)) == len(far.heard(Ended)) == 1


@pytest.mark.parametrize("words", ["INVITE", "200 INVITE", "ACK"])
def test_a_re_invite_survives_the_loss_of_any_of_its_messages(words: str) -> None:
    pair = Pair(delay=DELAY)
    caller, callee = pair.call()
    pair.run(pair.now + 10.0)
    pair.lose(words, 1)
    caller.offer(OFFER, pair.now)
    pair.run(pair.now + 0.75)
    callee.reply(asked(pair.bob).transaction, 200, ANSWER, pair.now)
    pair.run(pair.now + 5.0)
    assert len(pair.alice.heard(Replied)) == 1
    assert len(pair.bob.heard(Acked)) == 2
    caller.hang_up(pair.now)
    assert pair.is_empty()


def test_a_bye_crosses_the_2xx_of_a_re_invite_which_still_gets_its_ack() -> None:
    pair = Pair(delay=DELAY)
    caller, callee = pair.call()
    caller.offer(OFFER, pair.now)
    pair.run(pair.now + DELAY)
    start = pair.now
    callee.reply(asked(pair.bob).transaction, 200, ANSWER, start)
    caller.hang_up(start)
    pair.run(start + 3.0)
    assert "alice ACK" in pair.ladder(start)
    assert pair.is_empty()
    assert ends(pair.alice) == [(By.LOCAL, "hang up")]
    assert ends(pair.bob) == [(By.REMOTE, "BYE")]


def test_a_2xx_that_crossed_their_own_bye_is_acknowledged_after_the_end() -> None:
    pair = Pair(delay=DELAY)
    caller, callee = pair.call()
    pair.lose("200 INVITE", 1)
    caller.offer(OFFER, pair.now)
    pair.run(pair.now + DELAY)
    callee.reply(asked(pair.bob).transaction, 200, ANSWER, pair.now)
    pair.run(pair.now + 0.25)
    in_flight: list[Sent] = [sent for sent in pair.sent if sent.what == "200 INVITE" and sent.lost]
    callee.hang_up(pair.now)
    pair.run(pair.now + 0.25)
    assert ends(pair.alice) == [(By.REMOTE, "BYE")]
    pair.alice.core.receive(in_flight[0].data, pair.alice.flow, pair.now)
    pair.run(pair.now)
    assert pair.ladder()[-1] == "alice ACK"
    assert pair.is_empty()


def test_a_re_invite_that_nobody_answers_ends_the_call() -> None:
    pair = Pair(delay=DELAY)
    caller, _ = pair.call()
    pair.lose("INVITE", 99)
    start = pair.now
    caller.offer(OFFER, start)
    pair.run()
    assert pair.times("BYE", "alice") == [start + 32.0]
    assert [event.response for event in pair.alice.heard(Replied)] == [None]
    assert ends(pair.alice) == [(By.TIMEOUT, "the far end has lost the dialog")]
    assert pair.is_empty()


def test_a_re_invite_that_waits_for_its_user_is_not_sent_again_and_again() -> None:
    pair = Pair(delay=DELAY)
    caller, callee = pair.call()
    start = pair.now
    caller.offer(OFFER, start)
    pair.run(start + 20.0)
    assert [at for at in pair.times("INVITE") if at >= start] == [start]
    callee.reply(asked(pair.bob).transaction, 200, ANSWER, pair.now)
    pair.run(pair.now + 1.0)
    assert len(pair.alice.heard(Replied)) == 1
    assert len(pair.bob.heard(Acked)) == 2


# --- late offers -------------------------------------------------------------------------------------------


def test_an_invite_without_an_offer_gets_it_in_the_2xx_and_answers_in_the_ack() -> None:
    pair = Pair(delay=DELAY)
    caller, callee = pair.invite(body=b"")
    callee.answer(OFFER, pair.now)
    pair.run(2.0)
    assert pair.alice.heard(Answered)[0].response.sdp == OFFER
    assert pair.times("ACK") == []
    assert pair.times("200 INVITE") == [0.25, 0.75, 1.75]  # until the answer is there
    caller.acknowledge(ANSWER, pair.now)
    pair.run(60.0)
    assert [event.request.sdp for event in pair.bob.heard(Acked)] == [ANSWER]
    assert pair.times("ACK") == [2.0]
    caller.hang_up(pair.now)
    assert pair.is_empty()


def test_a_re_invite_without_an_offer_gets_it_in_the_2xx_and_answers_in_the_ack() -> None:
    pair = Pair(delay=DELAY)
    caller, callee = pair.call()
    caller.offer(b"", pair.now)
    pair.run(pair.now + DELAY)
    callee.reply(asked(pair.bob).transaction, 200, OFFER, pair.now)
    pair.run(pair.now + 2.0)
    reply = pair.alice.heard(Replied)[0]
    assert reply.response is not None
    assert reply.response.sdp == OFFER
    pair.lose("ACK", 1)
    caller.acknowledge(ANSWER, pair.now)
    pair.run(pair.now + 10.0)
    assert [event.request.sdp for event in pair.bob.heard(Acked)] == [b"", ANSWER]
    caller.hang_up(pair.now)
    assert pair.is_empty()


@pytest.mark.parametrize("leaver", ["alice", "bob"])
def test_leaving_between_a_late_offer_and_its_answer_leaves_nothing_behind(leaver: str) -> None:
    pair = Pair(delay=DELAY)
    caller, callee = pair.invite(body=b"")
    callee.answer(OFFER, pair.now)
    pair.run(1.0)
    (caller if leaver == "alice" else callee).hang_up(pair.now)
    pair.run(34.0)
    assert pair.is_empty()
    assert len(pair.alice.heard(Ended)) == 1
    assert len(pair.bob.heard(Ended)) == 1


# --- other requests ----------------------------------------------------------------------------------------


def test_an_info_crosses_a_re_invite() -> None:
    pair = Pair(delay=DELAY)
    caller, callee = pair.call()
    caller.offer(OFFER, pair.now)
    ticket = callee.transact("INFO", b"digit", pair.now, (("Content-Type", "application/dtmf-relay"),))
    pair.run(pair.now + DELAY)
    info = asked(pair.alice)
    assert (info.request.method, info.request.body) == ("INFO", b"digit")
    caller.reply(info.transaction, 200, b"", pair.now)
    callee.reply(asked(pair.bob).transaction, 200, ANSWER, pair.now)
    pair.run(pair.now + 1.0)
    assert [event.ticket for event in pair.bob.heard(Replied)] == [ticket]
    assert len(pair.alice.heard(Replied)) == 1


def test_a_request_that_nobody_answers_is_reported_and_the_call_stays() -> None:
    pair = Pair(delay=DELAY)
    caller, _ = pair.call()
    pair.lose("INFO", 99)
    ticket = caller.transact("INFO", b"", pair.now)
    pair.run(pair.now + 32.0)
    assert [(event.ticket, event.response) for event in pair.alice.heard(Replied)] == [(ticket, None)]
    assert pair.alice.heard(Ended) == []


def test_numbers_go_up_by_one_over_a_long_dialog() -> None:
    pair = Pair()
    caller, callee = pair.call()
    pair.lose("ACK", 1)
    for _ in range(3):
        caller.transact("INFO", b"", pair.now)
        caller.offer(OFFER, pair.now)
        pair.run(pair.now)
        for event in pair.bob.heard(Requested)[-2:]:
            callee.reply(event.transaction, 200, ANSWER, pair.now)
        pair.run(pair.now + 3.0)
    caller.hang_up(pair.now)
    pair.run(pair.now)
    sent = [each for each in pair.sent if each.sender == "alice" and each.what in {"INFO", "INVITE", "BYE"}]
    assert [each.message.cseq[0] for each in sent] == [1, 2, 3, 4, 5, 6, 7, 8]


@pytest.mark.parametrize("losses", range(64))
def test_every_pattern_of_early_losses_ends_clean(losses: int) -> None:
    words = ["INVITE", "100 INVITE", "200 INVITE", "ACK", "BYE", "200 BYE"]
    pair = Pair(delay=DELAY)
    for bit, word in enumerate(words):
        if losses >> bit & 1:
            pair.lose(word, 2)
    pair.alice.core.invite(outgoing(), pair.alice.flow, 0.0)
    while not pair.bob.heard(Invited):
        pair.run(pair.now + DELAY)
    callee = pair.bob.heard(Invited)[0].session
    assert isinstance(callee, UasSession)
    callee.answer(ANSWER, pair.now)
    pair.run(20.0)
    session = pair.alice.heard(Answered)[0].session
    session.hang_up(pair.now)
    assert pair.is_empty()
    assert len(pair.alice.heard(Ended)) == len(pair.bob.heard(Ended)) == 1
    assert len(pair.alice.heard(Progressed)) <= 2
