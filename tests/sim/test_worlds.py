"""Simulated worlds: the rules hold in all, the same seed is the same world, and a broken core is found out."""

import os
import subprocess
import sys
from collections import Counter
from collections.abc import Callable

import pytest

from byoc_proxy.call import callbacks, hunt, progress
from byoc_proxy.call.hunt import Hunt
from byoc_proxy.call.progress import Moved
from byoc_proxy.call.refusals import Refusals
from byoc_proxy.call.status import Cause, Status, after
from byoc_proxy.call.subscriptions import Subscriptions
from byoc_proxy.sim.campaign import run
from byoc_proxy.sim.trace import course
from byoc_proxy.sim.world import simulate
from byoc_proxy.sip.outputs import By
from byoc_proxy.sip.session import Session
from byoc_proxy.sip.uac import UacSession
from byoc_proxy.trunk.model import ConnectionPolicy
from byoc_proxy.trunk.verdicts import Outcome, Step, judge
from tests.support.daemon import ROOT

# Seeds that found a bug, and what it was; each bug has a scenario of its own besides.
# A seed means another world when anything that is drawn changes.
FOUND = {
    81: "a repeated INVITE with wrong credentials counted as another wrong answer",
    143: "an INVITE with a control character in its Via left its transaction behind",
    668: "the BYE of a second branch had the CSeq of its PRACK",
    34259: "a REFER before the two were together left its sender talking to nobody for ever",
    895: "an INVITE refused with 503 after its digest passed got 407 when it was repeated",
}


@pytest.mark.parametrize("first", range(1, 401, 50))
def test_every_rule_is_kept_in_every_world(first: int) -> None:
    broken = [report for seed in range(first, first + 50) if (report := simulate(seed, 4)).violations]
    assert [(report.seed, report.violations[0]) for report in broken] == []


@pytest.mark.parametrize("seed", FOUND, ids=FOUND.get)
def test_a_seed_that_found_a_bug_finds_none_now(seed: int) -> None:
    assert simulate(seed, 4).violations == ()


def test_many_calls_in_one_world_keep_every_rule() -> None:
    report = simulate(7, 150)
    assert report.violations == ()
    assert sum(report.outcomes.values()) > 75
    assert min(report.checks.values()) > 75


def test_the_same_seed_is_the_same_world_in_every_process() -> None:
    here = list(course(simulate(3, 4, trace=True)))
    assert here == list(course(simulate(3, 4, trace=True)))
    there = [sys.executable, "-m", "byoc_proxy", "sim", "--seed", "3", "--trace"]
    environ = {**os.environ, "PYTHONHASHSEED": "4711", "PYTHONPATH": str(ROOT)}
    done = subprocess.run(there, env=environ, capture_output=True, check=True, timeout=50)
    assert done.stdout.decode().split("\n")[: len(here)] == here


def test_other_seeds_are_other_worlds() -> None:
    assert len({simulate(seed, 4).messages for seed in range(1, 21)}) > 10


def test_the_api_places_calls_and_does_everything_to_them() -> None:
    reports = [simulate(seed, 4) for seed in range(1, 61)]
    done = sum((Counter(report.granted) for report in reports), Counter[str]())
    assert done.keys() == {"place", "end", "cancel", "redirect", "limit"}
    assert min(done.values()) > 1
    assert sum(report.outcomes["canceled"] for report in reports) > 0


# --- bugs put in on purpose ----------------------------------------------------------------------------------


def broken_rules(seeds: range = range(1, 41)) -> set[str]:
    return {violation.rule for seed in seeds for violation in simulate(seed, 4).violations}


def never_pinned(
    outcome: Outcome, policy: ConnectionPolicy, *, pinned: bool = False, redirected: bool = False
) -> Step:
    return judge(outcome, policy, redirected=redirected)


def answer_without_ack(session: Session, response: object, now: float) -> None:
    """In the place of `send_ack`."""


def gone_without_bye(session: Session, reason: object, now: float) -> None:
    session._end(By.LOCAL, "hang up", now)


def kept_for_ever(session: Session, _: object, now: float) -> None:
    """In the place of `forget`."""


def without(action: str, instead: Callable[..., None], monkeypatch: pytest.MonkeyPatch) -> None:
    """Replace an action in every row of the calling side's table."""
    for key, rule in UacSession.table.rows.items():
        actions = tuple(instead if each.__name__ == action else each for each in rule.actions)
        monkeypatch.setitem(UacSession.table.rows, key, rule._replace(actions=actions))


def test_a_second_phone_that_rings_is_found_out(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(hunt, "judge", never_pinned)
    assert "no second ring after a pin" in broken_rules()


def test_an_answer_without_ack_is_found_out(monkeypatch: pytest.MonkeyPatch) -> None:
    without("send_ack", answer_without_ack, monkeypatch)
    assert "every 2xx acknowledged, every dialog ended" in broken_rules()


def test_a_bye_that_is_never_sent_is_found_out(monkeypatch: pytest.MonkeyPatch) -> None:
    without("send_bye", gone_without_bye, monkeypatch)
    assert {"every 2xx acknowledged, every dialog ended", "no end is left hanging"} <= broken_rules()


def test_a_session_that_is_never_forgotten_is_found_out(monkeypatch: pytest.MonkeyPatch) -> None:
    without("forget", kept_for_ever, monkeypatch)
    assert "nothing is left behind" in broken_rules(range(1, 4))


def test_a_second_final_response_is_found_out(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Refusals, "of", lambda *_: None)
    # who forgets what it said judges a repeated INVITE anew
    broken = (violation.rule for seed in range(1, 401) for violation in simulate(seed, 4).violations)
    assert "one final response per request" in broken  # reads no further than the first


def test_an_exception_in_a_call_is_found_out(monkeypatch: pytest.MonkeyPatch) -> None:
    def fails(*_: object) -> Step:
        raise ZeroDivisionError

    monkeypatch.setattr(hunt, "close_attempt", fails)
    assert "nothing fails unseen" in broken_rules(range(1, 10))


def test_a_callback_that_is_not_sent_again_is_found_out(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(callbacks, "_TOO_MANY", 0)  # 429 is as good as an answer
    assert "callbacks once each and in order" in broken_rules()


def test_a_status_that_is_told_twice_is_found_out(monkeypatch: pytest.MonkeyPatch) -> None:
    hear = Subscriptions.hear

    def twice(self: Subscriptions, moved: Moved) -> None:
        hear(self, moved)
        if moved.status is Status.RINGING:
            hear(self, moved)

    monkeypatch.setattr(Subscriptions, "hear", twice)
    assert "callbacks once each and in order" in broken_rules(range(1, 4))


def test_a_status_that_is_told_after_the_last_one_is_found_out(monkeypatch: pytest.MonkeyPatch) -> None:
    """A call that ends in `completed` and then again, for having been cancelled."""

    def careless(before: Status, cause: Cause) -> Status:
        return Status.CANCELED if cause is Cause.CANCELLED else after(before, cause)

    monkeypatch.setattr(progress, "after", careless)
    monkeypatch.setattr(Hunt, "free", lambda hunt, *_: hunt.progress and hunt.progress.move(Cause.CANCELLED))
    assert "one terminal status per call" in broken_rules(range(1, 10))


# --- what is told of it --------------------------------------------------------------------------------------


def test_a_seed_that_breaks_a_rule_is_told_with_the_line_that_shows_it(monkeypatch: pytest.MonkeyPatch) -> None:
    without("forget", kept_for_ever, monkeypatch)
    lines: list[str] = []
    assert run([2], 4, 1, trace=False, write=lines.append) is False
    assert "  see it: byoc-proxy sim --seed 2 --calls 4 --trace" in lines
    assert lines[-1] == "1 seeds failed"


def test_the_trace_of_a_seed_shows_its_messages_and_decisions() -> None:
    lines: list[str] = []
    assert run([3], 4, 1, trace=True, write=lines.append) is True
    assert any("-> proxy" in line and "INVITE sip:+14150000" in line for line in lines)
    assert any("* call.ended" in line for line in lines)
    assert lines[-1] == "every rule was kept"


def test_several_processes_find_the_same() -> None:
    alone: list[str] = []
    together: list[str] = []
    run(range(1, 42), 2, 1, trace=False, write=alone.append)
    run(range(1, 42), 2, 2, trace=False, write=together.append)
    assert alone[1:] == together[1:]
