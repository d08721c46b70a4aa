"""The controller against a simulated node: a socket with a buffer, a loop with turns, calls of nine messages.

The node serves 571 calls a second at best. Messages that find the buffer full are lost and sent again, as over UDP:
without a controller more load means fewer calls.
"""

import heapq
from collections import deque
from itertools import count

import pytest

from byoc_proxy.call.shedding import WINDOW, Shedding

INVITE, TASK, MESSAGE, REFUSAL = 0.00025, 0.0007, 0.0001, 0.00006  # seconds of CPU
MESSAGES = 8  # of a call, after its INVITE
BATCH = 64
BEST = 1 / (INVITE + TASK + MESSAGES * MESSAGE)
SMALL, LARGE = 185, 900  # messages that a default buffer and a large one hold


class Node:
    """`rate(now)` calls per second are offered; `latency` is what the far ends take to say their next message."""

    def __init__(self, buffer: int, latency: float = 0.0005, *, controlled: bool = True) -> None:
        self.now = 0.0
        self.done: list[float] = []
        self.refused: list[float] = []
        self._shedding = Shedding()
        self._controlled = controlled
        self._buffer, self._latency = buffer, latency
        self._queue: deque[tuple[int, int]] = deque()
        self._tasks: deque[int] = deque()
        self._agenda: list[tuple[float, int, int, int, int]] = []
        self._order = count()
        self._step: dict[int, int] = {}
        self._next_look = 0.0

    def offer(self, rate: float, start: float, end: float) -> None:
        for number in range(int(rate * (end - start))):
            self._send_at(start + number / rate, next(self._order), 0, 0)

    def run(self, until: float) -> None:
        while self.now < until:
            began = self.now
            self._arrive()
            if not self._queue and not self._tasks:
                if not self._agenda:
                    return
                self.now = self._agenda[0][0]
                continue
            for _ in range(min(BATCH, len(self._queue))):
                self._serve(*self._queue.popleft())
                self._arrive()
            for _ in range(len(self._tasks)):
                call = self._tasks.popleft()
                self.now += TASK
                self._send_at(self.now + self._latency, call, 1, 0)
            if self._controlled and self.now >= self._next_look:
                self._next_look = self.now + 0.025
                self._shedding.measure(len(self._queue) / self._buffer, self.now - began, self.now)

    def goodput(self, start: float, end: float) -> float:
        """Completed calls per second between two times, as a share of the best."""
        return sum(start <= each < end for each in self.done) / (end - start) / BEST

    def _send_at(self, at: float, call: int, step: int, again: int) -> None:
        heapq.heappush(self._agenda, (at, next(self._order), call, step, again))

    def _arrive(self) -> None:
        while self._agenda and self._agenda[0][0] <= self.now:
            at, _, call, step, again = heapq.heappop(self._agenda)
            if self._step.get(call, 0) == step:
                if len(self._queue) < self._buffer:
                    self._queue.append((call, step))
                if again < 6:
                    self._send_at(at + 0.5 * 2**again, call, step, again + 1)

    def _serve(self, call: int, step: int) -> None:
        if self._step.get(call, 0) != step:
            self.now += MESSAGE * 0.6  # a repetition
        elif step == 0 and self._shedding.refuses(has_credentials=False):
            self.now += REFUSAL
            self.refused.append(self.now)
            self._step[call] = -1
        elif step == 0:
            self.now += INVITE
            self._step[call] = 1
            self._tasks.append(call)
        else:
            self.now += MESSAGE
            self._step[call] = step + 1
            if step == MESSAGES:
                self.done.append(self.now)
            else:
                self._send_at(self.now + self._latency, call, step + 1, 0)


def made(times: float, buffer: int, latency: float = 0.0005, *, controlled: bool = True) -> Node:
    node = Node(buffer, latency, controlled=controlled)
    node.offer(times * BEST, 0.0, 14.0)
    node.run(14.0)
    return node


@pytest.mark.parametrize("buffer", [SMALL, LARGE])
@pytest.mark.parametrize(("times", "least"), [(1.0, 0.98), (1.2, 0.95), (1.5, 0.95), (2.0, 0.92), (3.0, 0.9)])
def test_at_any_load_nearly_as_many_calls_complete_as_at_best(times: float, least: float, buffer: int) -> None:
    assert made(times, buffer).goodput(4.0, 14.0) >= least


def test_without_the_controller_twice_the_load_means_a_fraction_of_the_calls() -> None:
    assert made(2.0, LARGE, controlled=False).goodput(4.0, 14.0) < 0.5


@pytest.mark.parametrize("latency", [0.003, 0.02, 0.1])
def test_slow_far_ends_and_webhooks_change_nothing(latency: float) -> None:
    assert made(2.0, LARGE, latency).goodput(4.0, 14.0) >= 0.9


@pytest.mark.parametrize("times", [0.5, 0.8, 0.95])
def test_a_load_that_can_be_served_loses_no_call(times: float) -> None:
    node = made(times, SMALL)
    assert node.refused == []
    assert node.goodput(4.0, 14.0) == pytest.approx(times, rel=0.01)


def test_a_wave_is_survived_and_when_it_is_over_no_call_is_refused() -> None:
    node = Node(LARGE)
    node.offer(0.5 * BEST, 0.0, 14.0)
    node.offer(2.5 * BEST, 4.0, 7.0)
    node.run(14.0)
    assert node.goodput(5.0, 7.0) >= 0.85
    assert node.goodput(10.0, 14.0) == pytest.approx(0.5, rel=0.02)
    assert all(4.0 <= each <= 9.0 for each in node.refused)


def test_a_burst_that_is_worked_off_at_once_is_no_overload() -> None:
    node = Node(LARGE)
    node.offer(0.3 * BEST, 0.0, 4.0)
    node.offer(100.0 / 0.01, 2.0, 2.01)  # a hundred calls at once
    node.run(6.0)
    assert node.refused == []


def test_one_long_turn_of_the_loop_is_no_overload() -> None:
    shedding = Shedding()
    for turn in range(40):
        shedding.measure(0.0, 0.5 if turn == 20 else 0.001, turn * 0.025)
    assert shedding.severity == 0.0


def test_long_turns_one_after_another_are() -> None:
    shedding = Shedding()
    for turn in range(10):
        shedding.measure(0.0, 0.15, turn * 0.15)
    assert shedding.severity > 0.0


def strained(windows: int, backlog: float) -> Shedding:
    shedding = Shedding()
    for turn in range(windows):
        shedding.measure(backlog, 0.0, turn * WINDOW)
    return shedding


def test_calls_that_begin_go_first_and_those_that_answered_a_challenge_only_when_that_is_not_enough() -> None:
    shedding = strained(4, backlog=0.4)
    assert any(shedding.refuses(has_credentials=False) for _ in range(10))
    assert not any(shedding.refuses(has_credentials=True) for _ in range(10))
    hard = strained(40, backlog=1.0)
    assert all(hard.refuses(has_credentials=False) for _ in range(10))
    assert any(hard.refuses(has_credentials=True) for _ in range(10))


def test_the_share_is_dealt_out_evenly() -> None:
    shedding = strained(4, backlog=0.4)
    refused = [shedding.refuses(has_credentials=False) for _ in range(1000)]
    assert sum(refused) == pytest.approx(1000 * min(shedding.severity, 1.0), abs=1)
