"""The four transactions against the time lines of RFC 3261 §17 and RFC 6026, to the exact float."""

from dataclasses import dataclass, field

import pytest

from byoc_proxy.sip.flow import Flow
from byoc_proxy.sip.machine import Alarms, Table
from byoc_proxy.sip.message import Message, Request, Response, reply_to
from byoc_proxy.sip.parser import parse_datagram
from byoc_proxy.sip.transaction import (
    ClientTransaction,
    Input,
    InviteClient,
    InviteServer,
    NonInviteClient,
    NonInviteServer,
    ServerTransaction,
    State,
    Timer,
    Transaction,
)
from tests.support.wires import TIMELESS, flow_to, request, what

TO_T1_AND_TWICE = [0.0, 0.5, 1.5, 3.5, 7.5, 15.5, 31.5]
UP_TO_T2 = [0.0, 0.5, 1.5, 3.5, 7.5, 11.5, 15.5, 19.5, 23.5, 27.5, 31.5]


@dataclass(slots=True)
class User:
    """Both kinds of transaction user; writes down what it is told."""

    told: list[tuple[float, str]] = field(default_factory=list)

    def on_response(self, transaction: ClientTransaction, response: Response, now: float) -> None:
        self.told.append((now, str(response.status)))

    def on_no_response(self, transaction: ClientTransaction, cause: str, now: float) -> None:
        self.told.append((now, cause))

    def on_ack(self, request: Request, now: float) -> None:
        self.told.append((now, "ACK"))

    def on_no_ack(self, transaction: ServerTransaction, now: float) -> None:
        self.told.append((now, "no ACK"))


class Line:
    """One transaction, its clock and what it put on the wire."""

    def __init__(self, kind: type[Transaction], method: str = "INVITE", transport: str = "UDP") -> None:
        self.alarms = Alarms()
        self.user = User()
        self.sent: list[tuple[float, str]] = []
        self.now = 0.0
        message = parse_datagram(request(method))
        assert isinstance(message, Request)
        self.request = message
        flow, key = flow_to(transport=transport), ("z9hG4bKone", method)
        self.transaction: Transaction
        if issubclass(kind, ClientTransaction):
            self.transaction = kind(key, message, flow, self.user, self.wire, self.alarms, 0.0)
        else:
            assert issubclass(kind, ServerTransaction)
            self.transaction = kind(key, message, flow, self.wire, self.alarms, 0.0)
            self.transaction.user = self.user

    def wire(self, data: bytes, flow: Flow) -> None:
        self.sent.append((self.now, what(parse_datagram(data))))

    def until(self, at: float) -> "Line":
        while (deadline := self.alarms.deadline) is not None and deadline <= at:
            self.now = deadline
            for machine, timer in self.alarms.due(deadline):
                machine.fire(timer, deadline)
        self.now = at if at < TIMELESS else self.now
        return self

    def status(self, at: float, *statuses: int) -> "Line":
        """The far end (of a client) or our user (of a server) says each of these at `at`."""
        self.until(at)
        for status in statuses:
            response = reply_to(self.request, status, to_tag="tag")
            if isinstance(self.transaction, ClientTransaction):
                self.transaction.receive(response, at)
            else:
                assert isinstance(self.transaction, ServerTransaction)
                self.transaction.respond(response, at)
        return self

    def feed(self, at: float, kind: Input, argument: Message | str | None = None) -> "Line":
        self.until(at)
        self.transaction.feed(kind, argument, at)
        return self

    @property
    def state(self) -> str:
        return str(self.transaction.state)

    def times(self, words: str) -> list[float]:
        return [at for at, sent in self.sent if sent == words]

    def ends_at(self) -> float:
        """Run every timer; when the transaction ended."""
        self.until(TIMELESS)
        assert self.transaction.over
        assert len(self.alarms) == 0
        return self.now


# --- INVITE client (§17.1.1) -------------------------------------------------------------------------------


def test_an_invite_that_nobody_answers_is_sent_seven_times_and_fails_at_32_seconds() -> None:
    line = Line(InviteClient)
    assert line.ends_at() == 32.0
    assert line.times("INVITE") == TO_T1_AND_TWICE
    assert line.user.told == [(32.0, "timeout")]


def test_an_invite_on_tcp_is_sent_once_and_fails_at_32_seconds() -> None:
    line = Line(InviteClient, transport="TCP")
    assert line.ends_at() == 32.0
    assert line.sent == [(0.0, "INVITE")]
    assert line.user.told == [(32.0, "timeout")]


def test_a_provisional_response_stops_the_invite_and_its_timeout() -> None:
    line = Line(InviteClient).status(1.0, 100).status(2.0, 180, 180).until(500.0)
    assert line.times("INVITE") == [0.0, 0.5]
    assert line.user.told == [(1.0, "100"), (2.0, "180"), (2.0, "180")]
    assert (line.state, len(line.alarms)) == (State.PROCEEDING, 0)


@pytest.mark.parametrize("status", [300, 404, 486, 503, 603])
def test_a_refused_invite_is_acknowledged_every_time_and_told_once(status: int) -> None:
    line = Line(InviteClient).status(0.25, status).status(0.75, status).status(30.0, status)
    assert line.times("ACK") == [0.25, 0.75, 30.0]
    assert line.times("INVITE") == [0.0]
    assert line.user.told == [(0.25, str(status))]
    assert line.ends_at() == 32.25  # timer D


def test_timer_d_is_zero_on_a_stream() -> None:
    line = Line(InviteClient, transport="TCP").status(3.0, 486)
    assert line.times("ACK") == [3.0]
    assert line.ends_at() == 3.0


def test_every_2xx_is_told_and_none_acknowledged_by_the_transaction_for_64_t1() -> None:
    line = Line(InviteClient).status(1.0, 180).status(4.0, 200).status(4.5, 200).status(35.75, 200)
    assert [told for told in line.user.told if told[1] == "200"] == [(4.0, "200"), (4.5, "200"), (35.75, "200")]
    assert line.times("ACK") == []
    assert line.ends_at() == 36.0  # timer M, from the first (RFC 6026 §7.2)


@pytest.mark.parametrize("transport", ["UDP", "TLS"])
def test_timer_m_runs_on_every_transport(transport: str) -> None:
    assert Line(InviteClient, transport=transport).status(1.0, 200).ends_at() == 33.0


def test_after_a_2xx_other_responses_are_absorbed() -> None:
    line = Line(InviteClient).status(1.0, 200).status(2.0, 180, 486)
    assert line.user.told == [(1.0, "200")]
    assert line.times("ACK") == []


def test_a_transport_error_fails_an_invite_that_nobody_has_answered() -> None:
    line = Line(InviteClient).feed(0.25, Input.TRANSPORT_ERROR, "connection refused")
    assert line.user.told == [(0.25, "connection refused")]
    assert line.ends_at() == 0.25


def test_a_transport_error_after_a_provisional_response_is_no_failure() -> None:
    line = Line(InviteClient).status(1.0, 180).feed(2.0, Input.TRANSPORT_ERROR, "reset").status(9.0, 200)
    assert [told for _, told in line.user.told] == ["180", "200"]


def test_an_abandoned_invite_is_not_sent_again_and_still_times_out_at_32_seconds() -> None:
    line = Line(InviteClient).feed(4.0, Input.ABANDON)
    assert line.ends_at() == 32.0
    assert line.times("INVITE") == [0.0, 0.5, 1.5, 3.5]
    assert line.user.told == [(32.0, "timeout")]


@pytest.mark.parametrize(
    ("status", "state"), [(180, State.PROCEEDING), (200, State.ACCEPTED), (486, State.COMPLETED)]
)
def test_an_abandoned_invite_still_passes_up_a_late_response(status: int, state: State) -> None:
    line = Line(InviteClient).feed(4.0, Input.ABANDON).status(20.0, status)
    assert (line.user.told, line.state) == ([(20.0, str(status))], state)
    assert line.times("ACK") == ([20.0] if status == 486 else [])


def test_a_transport_error_ends_an_abandoned_invite() -> None:
    line = Line(InviteClient).feed(4.0, Input.ABANDON).feed(5.0, Input.TRANSPORT_ERROR, "reset")
    assert line.user.told == [(5.0, "reset")]
    assert line.ends_at() == 5.0


def test_an_invite_given_up_after_its_cancel_is_forgotten() -> None:
    line = Line(InviteClient).status(1.0, 180).feed(40.0, Input.ABANDON)
    assert line.ends_at() == 40.0


# --- non-INVITE client (§17.1.2) ---------------------------------------------------------------------------


@pytest.mark.parametrize("method", ["OPTIONS", "BYE", "CANCEL"])
def test_a_request_that_nobody_answers_is_sent_eleven_times_and_fails_at_32_seconds(method: str) -> None:
    line = Line(NonInviteClient, method)
    assert line.ends_at() == 32.0
    assert line.times(method) == UP_TO_T2
    assert line.user.told == [(32.0, "timeout")]


def test_a_request_on_tcp_is_sent_once() -> None:
    line = Line(NonInviteClient, "BYE", "TCP")
    assert line.ends_at() == 32.0
    assert line.sent == [(0.0, "BYE")]


def test_in_proceeding_timer_e_becomes_t2_and_timer_f_keeps_its_first_start() -> None:
    line = Line(NonInviteClient, "OPTIONS").status(1.0, 100)
    assert line.ends_at() == 32.0
    assert line.times("OPTIONS") == [0.0, 0.5, 1.5, 5.5, 9.5, 13.5, 17.5, 21.5, 25.5, 29.5]
    assert line.user.told == [(1.0, "100"), (32.0, "timeout")]


def test_more_provisional_responses_do_not_hold_timer_e_back() -> None:
    line = Line(NonInviteClient, "OPTIONS").status(1.0, 100)
    for at in (2.0, 3.0, 4.0, 5.0, 6.0):
        line.status(at, 100)
    assert line.until(10.0).times("OPTIONS") == [0.0, 0.5, 1.5, 5.5, 9.5]
    assert line.user.told == [(at, "100") for at in (1.0, 2.0, 3.0, 4.0, 5.0, 6.0)]


@pytest.mark.parametrize("status", [200, 302, 481, 503, 600])
def test_a_final_response_is_told_once_and_its_repetitions_absorbed_for_t4(status: int) -> None:
    line = Line(NonInviteClient, "BYE").status(0.75, status).status(3.0, status)
    assert line.user.told == [(0.75, str(status))]
    assert line.ends_at() == 5.75  # timer K
    assert line.times("BYE") == [0.0, 0.5]


def test_timer_k_is_zero_on_a_stream() -> None:
    assert Line(NonInviteClient, "BYE", "TCP").status(0.75, 200).ends_at() == 0.75


def test_a_final_response_in_proceeding_is_told() -> None:
    for status in (200, 500):
        line = Line(NonInviteClient, "INFO").status(1.0, 100).status(2.0, status)
        assert line.user.told == [(1.0, "100"), (2.0, str(status))]
        assert line.ends_at() == 7.0


def test_a_transport_error_fails_a_request_in_trying() -> None:
    line = Line(NonInviteClient, "OPTIONS").feed(0.1, Input.TRANSPORT_ERROR, "no route")
    assert line.user.told == [(0.1, "no route")]
    assert line.ends_at() == 0.1


@pytest.mark.parametrize("trying", [False, True])
def test_an_abandoned_request_is_over_at_once_and_its_user_hears_nothing_more(trying: bool) -> None:
    line = Line(NonInviteClient, "OPTIONS").status(0.25, *([100] if trying else [])).feed(4.0, Input.ABANDON)
    told = len(line.user.told)
    assert line.ends_at() == 4.0
    assert len(line.user.told) == told


def test_a_request_that_has_its_answer_cannot_be_abandoned_and_absorbs_the_answers_repetitions() -> None:
    line = Line(NonInviteClient, "OPTIONS").status(0.25, 200).feed(1.0, Input.ABANDON).status(2.0, 200)
    assert line.user.told == [(0.25, "200")]
    assert line.ends_at() == 5.25  # timer K


# --- INVITE server (§17.2.1) -------------------------------------------------------------------------------


def test_a_486_is_repeated_until_its_ack_and_then_timer_i_runs() -> None:
    line = Line(InviteServer).status(0.0, 100).status(2.0, 486).feed(10.0, Input.ACK)
    assert line.times("486 INVITE") == [2.0, 2.5, 3.5, 5.5, 9.5]
    assert line.state == State.CONFIRMED
    assert line.ends_at() == 15.0  # timer I = T4
    assert line.user.told == []


def test_a_486_that_nobody_acknowledges_is_given_up_at_64_t1() -> None:
    line = Line(InviteServer).status(0.0, 486)
    assert line.ends_at() == 32.0  # timer H
    assert line.times("486 INVITE") == UP_TO_T2
    assert line.user.told == [(32.0, "no ACK")]


def test_a_refusal_on_tcp_is_said_once_and_waits_for_its_ack() -> None:
    silent = Line(InviteServer, transport="TCP").status(0.0, 486)
    assert silent.ends_at() == 32.0
    assert silent.times("486 INVITE") == [0.0]
    acknowledged = Line(InviteServer, transport="TCP").status(0.0, 486).feed(1.0, Input.ACK)
    assert acknowledged.ends_at() == 1.0


def test_a_repeated_invite_gets_the_last_response_again() -> None:
    line = Line(InviteServer).status(0.0, 100).feed(0.5, Input.REQUEST).status(1.0, 180).feed(1.5, Input.REQUEST)
    line.status(2.0, 486).feed(2.25, Input.REQUEST)
    assert line.sent == [
        (0.0, "100 INVITE"),
        (0.5, "100 INVITE"),
        (1.0, "180 INVITE"),
        (1.5, "180 INVITE"),
        (2.0, "486 INVITE"),
        (2.25, "486 INVITE"),
    ]


def test_a_repeated_invite_after_a_refusal_does_not_shift_timer_g() -> None:
    line = Line(InviteServer).status(0.0, 486).feed(0.25, Input.REQUEST).until(2.0)
    assert line.times("486 INVITE") == [0.0, 0.25, 0.5, 1.5]


def test_a_repeated_ack_of_a_refusal_is_absorbed() -> None:
    line = Line(InviteServer).status(0.0, 486).feed(0.1, Input.ACK).feed(0.2, Input.ACK).feed(0.3, Input.REQUEST)
    assert line.sent == [(0.0, "486 INVITE")]
    assert line.ends_at() == 5.1


def test_in_the_accepted_state_a_repeated_invite_is_absorbed_and_the_ack_passed_up() -> None:
    line = Line(InviteServer).status(1.0, 200).feed(1.5, Input.REQUEST).feed(2.0, Input.ACK).status(2.5, 200)
    assert line.sent == [(1.0, "200 INVITE"), (2.5, "200 INVITE")]  # the second is the session's own
    assert line.user.told == [(2.0, "ACK")]
    assert line.ends_at() == 33.0  # timer L (RFC 6026 §7.1)


def test_after_a_final_response_no_other_is_sent() -> None:
    accepted = Line(InviteServer).status(0.0, 200).status(1.0, 180, 486)
    assert accepted.sent == [(0.0, "200 INVITE")]
    refused = Line(InviteServer, transport="TCP").status(0.0, 486).status(1.0, 180, 200, 500)
    assert refused.sent == [(0.0, "486 INVITE")]


@pytest.mark.parametrize("said", [(100,), (100, 486)])
def test_a_transport_error_ends_an_unanswered_or_refused_invite_and_is_told(said: tuple[int, ...]) -> None:
    line = Line(InviteServer).status(0.0, *said).feed(1.0, Input.TRANSPORT_ERROR)
    assert line.user.told == [(1.0, "no ACK")]
    assert line.ends_at() == 1.0


# --- non-INVITE server (§17.2.2) ---------------------------------------------------------------------------


def test_a_repeated_request_is_absorbed_until_there_is_a_response_to_repeat() -> None:
    line = Line(NonInviteServer, "INFO").feed(0.5, Input.REQUEST).status(1.0, 100).feed(1.5, Input.REQUEST)
    line.status(2.0, 200).feed(3.5, Input.REQUEST).status(4.0, 500)
    assert line.sent == [(1.0, "100 INFO"), (1.5, "100 INFO"), (2.0, "200 INFO"), (3.5, "200 INFO")]
    assert line.ends_at() == 34.0  # timer J


def test_timer_j_is_zero_on_a_stream() -> None:
    assert Line(NonInviteServer, "BYE", "TCP").status(2.0, 200).ends_at() == 2.0


@pytest.mark.parametrize("said", [(), (100,), (200,), (100, 486)])
def test_a_transport_error_ends_a_server_transaction(said: tuple[int, ...]) -> None:
    assert Line(NonInviteServer, "INFO").status(0.0, *said).feed(1.0, Input.TRANSPORT_ERROR).ends_at() == 1.0


def test_a_server_transaction_knows_whether_it_has_answered() -> None:
    for kind, method in ((InviteServer, "INVITE"), (NonInviteServer, "INFO")):
        line = Line(kind, method).status(0.0, 180)
        assert isinstance(line.transaction, ServerTransaction)
        assert not line.transaction.answered
        line.status(1.0, 200)
        assert line.transaction.answered


# --- what the tables say as a whole ------------------------------------------------------------------------


@pytest.mark.parametrize("table", [InviteClient.table, NonInviteClient.table], ids=["INVITE", "non-INVITE"])
def test_a_client_transaction_always_hears_of_silence(table: Table) -> None:
    waiting = {State.CALLING, State.TRYING, State.ABANDONED} & {state for state, _ in table.rows}
    for state in waiting:
        assert {Timer.B, Timer.F} & set(table.timers[state])
