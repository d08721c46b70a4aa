"""The table machine: rows, timers that live in states, alarms; and the lint of all six tables."""

from enum import StrEnum
from typing import ClassVar

import pytest

from byoc_proxy.sip.machine import Alarms, Machine, Table, to
from byoc_proxy.sip.transaction import InviteClient, InviteServer, NonInviteClient, NonInviteServer
from byoc_proxy.sip.uac import UacSession
from byoc_proxy.sip.uas import UasSession


class State(StrEnum):
    IDLE = "idle"
    BUSY = "busy"
    CALM = "calm"
    DONE = "done"


class Input(StrEnum):
    GO = "go"
    REST = "rest"
    STAY = "stay"
    QUIT = "quit"


class Timer(StrEnum):
    SHORT = "short"
    LONG = "long"
    NEVER = "never"


def note(machine: "Kettle", argument: object, now: float) -> None:
    machine.notes.append((machine.state, argument, now))


class Kettle(Machine):
    """A machine that writes down what it does."""

    table: ClassVar[Table] = Table(
        rows={
            (State.IDLE, Input.GO): to(State.BUSY, note),
            (State.BUSY, Input.STAY): to(State.BUSY, note),
            (State.BUSY, Input.REST): to(State.CALM, note, note),
            (State.BUSY, Timer.SHORT): to(State.BUSY, note),
            (State.BUSY, Timer.LONG): to(State.DONE, note),
            (State.BUSY, Timer.NEVER): to(State.DONE),
            (State.CALM, Input.GO): to(State.BUSY),
            (State.CALM, Timer.SHORT): to(State.DONE, note),
            (State.CALM, Timer.LONG): to(State.DONE, note),
        },
        timers={
            State.BUSY: (Timer.SHORT, Timer.LONG, Timer.NEVER),
            State.CALM: (Timer.SHORT, Timer.LONG),
        },
        keep=(Timer.LONG,),
        initial=State.IDLE,
        final=State.DONE,
    )

    def __init__(self, alarms: Alarms, now: float = 0.0) -> None:
        self.notes: list[tuple[StrEnum, object, float]] = []
        super().__init__(alarms, now)

    def duration(self, timer: StrEnum) -> float | None:
        return {Timer.SHORT: 1.0, Timer.LONG: 3.0}.get(Timer(timer))


def run(alarms: Alarms, until: float) -> None:
    for machine, timer in alarms.due(until):
        machine.fire(timer, until)


@pytest.mark.parametrize(
    "machine", [InviteClient, NonInviteClient, InviteServer, NonInviteServer, UacSession, UasSession]
)
def test_the_tables_of_the_protocol_floor_are_sound(machine: type[Machine]) -> None:
    assert machine.table.lint() == []


def test_an_action_runs_in_the_new_state_with_its_argument_and_the_time() -> None:
    kettle = Kettle(Alarms())
    assert kettle.feed(Input.GO, "water", 5.0)
    assert kettle.feed(Input.REST, "tea", 6.0)
    assert kettle.notes == [(State.BUSY, "water", 5.0), (State.CALM, "tea", 6.0), (State.CALM, "tea", 6.0)]


def test_an_input_without_a_row_is_absorbed() -> None:
    kettle = Kettle(Alarms())
    assert not kettle.feed(Input.REST, None, 1.0)
    assert (kettle.state, kettle.notes) == (State.IDLE, [])


def test_a_timer_is_armed_by_entering_its_state_and_dies_on_leaving_it() -> None:
    alarms = Alarms()
    kettle = Kettle(alarms)
    assert alarms.deadline is None
    kettle.feed(Input.GO, None, 10.0)
    assert alarms.deadline == 11.0
    kettle.feed(Input.REST, None, 10.5)
    assert alarms.deadline == 11.5  # SHORT started again
    run(alarms, 11.0)
    assert kettle.state is State.CALM


def test_a_timer_that_is_kept_keeps_its_first_start() -> None:
    alarms = Alarms()
    kettle = Kettle(alarms)
    kettle.feed(Input.GO, None, 0.0)
    for at in (0.9, 1.7, 2.5):
        kettle.feed(Input.REST if kettle.state is State.BUSY else Input.GO, None, at)
    run(alarms, 3.0)
    assert kettle.state is State.DONE
    assert kettle.notes[-1] == (State.DONE, None, 3.0)
    assert len(alarms) == 0


def test_staying_in_a_state_leaves_its_timers_alone() -> None:
    alarms = Alarms()
    kettle = Kettle(alarms)
    kettle.feed(Input.GO, None, 0.0)
    kettle.feed(Input.STAY, None, 0.75)
    assert alarms.deadline == 1.0


def test_a_timer_without_a_duration_never_runs() -> None:
    alarms = Alarms()
    kettle = Kettle(alarms)
    kettle.feed(Input.GO, None, 0.0)
    assert Timer.NEVER not in kettle.armed
    assert len(alarms) == 2


def test_arming_a_timer_again_moves_it() -> None:
    alarms = Alarms()
    kettle = Kettle(alarms)
    kettle.feed(Input.GO, None, 0.0)
    kettle.arm(Timer.SHORT, 0.5)
    assert alarms.deadline == 1.5
    assert len(alarms) == 2


def test_alarms_fire_in_the_order_of_their_deadlines_and_then_of_their_setting() -> None:
    alarms = Alarms()
    kettles = [Kettle(alarms) for _ in range(3)]
    for kettle, at in zip(kettles, (2.0, 1.0, 2.0), strict=True):
        alarms.set(at, kettle, Timer.SHORT)
    assert [kettles.index(machine) for machine, _ in alarms.due(2.0)] == [1, 0, 2]  # type: ignore[arg-type]


def test_nothing_fires_before_it_is_due_and_a_cancelled_alarm_never() -> None:
    alarms = Alarms()
    kettle = Kettle(alarms)
    first, second = alarms.set(1.0, kettle, Timer.SHORT), alarms.set(2.0, kettle, Timer.LONG)
    assert list(alarms.due(0.999)) == []
    alarms.cancel(first)
    alarms.cancel(first)
    assert (alarms.deadline, len(alarms)) == (2.0, 1)
    assert list(alarms.due(9.0)) == [(kettle, Timer.LONG)]
    assert (alarms.deadline, len(alarms)) == (None, 0)
    assert second[2] is kettle


def test_thousands_of_cancelled_alarms_are_swept_away() -> None:
    alarms = Alarms()
    kettle = Kettle(alarms)
    entries = [alarms.set(float(at), kettle, Timer.SHORT) for at in range(5000)]
    for entry in entries[:-1]:
        alarms.cancel(entry)
    assert len(alarms) == 1
    assert len(alarms._heap) < 2500
    assert alarms.deadline == 4999.0
    assert len(alarms) == 1


def test_an_alarm_set_while_others_fire_is_found_in_the_same_round() -> None:
    alarms = Alarms()
    kettle = Kettle(alarms)
    kettle.feed(Input.GO, None, 0.0)
    fired = []
    for _, timer in alarms.due(3.0):
        fired.append(timer)
        if len(fired) == 1:
            alarms.set(2.0, kettle, Timer.SHORT)
    assert fired == [Timer.SHORT, Timer.SHORT, Timer.LONG]


def test_the_lint_names_what_is_wrong_with_a_table() -> None:
    table = Table(
        rows={
            (State.IDLE, Input.GO): to(State.BUSY),
            (State.CALM, Input.GO): to(State.DONE),
        },
        timers={State.BUSY: (Timer.SHORT,)},
        initial=State.IDLE,
        final=State.DONE,
    )
    assert table.lint() == [
        "short is armed in busy but has no row there",
        "calm is never reached",
        "done is never reached",
        "busy has no exit",
    ]
