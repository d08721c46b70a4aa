"""The failover table, one test for each thing that can happen to an attempt."""

import pytest

from byoc_proxy.trunk.verdicts import (
    VERDICTS,
    CallerLeft,
    FinalResponse,
    Next,
    NoProgress,
    Outcome,
    Provisional,
    RingTimeout,
    Silence,
    Step,
    Unreachable,
    Unresolved,
    best_failure,
    failure,
    judge,
    verdict_for,
)
from tests.trunk.records import policy

POLICY = policy()
FAILED = 32011


def final(status: int, retry_after: float | None = None) -> FinalResponse:
    return FinalResponse(status, "", retry_after)


ROWS: dict[str, tuple[Outcome, Step]] = {
    "silence for 4 seconds: next address, no CANCEL": (Silence(), Step(Next.NEXT_ADDRESS, 0.0, FAILED)),
    "the host does not resolve: next target": (Unresolved("NXDOMAIN"), Step(Next.NEXT_TARGET, 0.0, FAILED)),
    "ICMP, refused, reset or TLS: next address": (Unreachable("refused"), Step(Next.NEXT_ADDRESS, 0.0, FAILED)),
    "100 and no more: CANCEL, next address": (NoProgress(), Step(Next.NEXT_ADDRESS, 0.0, FAILED, True)),
    "100: wait on": (Provisional(100), Step(Next.WAIT)),
    "199: wait on": (Provisional(199), Step(Next.WAIT)),
    "180: pinned": (Provisional(180), Step(Next.PIN)),
    "181: pinned": (Provisional(181), Step(Next.PIN)),
    "182: pinned": (Provisional(182), Step(Next.PIN)),
    "183: pinned": (Provisional(183), Step(Next.PIN)),
    "200: done": (final(200), Step(Next.DONE)),
    "302: next target": (final(302), Step(Next.NEXT_TARGET, 0.0, FAILED)),
    "503 without Retry-After: next address, 30 s of rest": (final(503), Step(Next.NEXT_ADDRESS, 30.0, FAILED)),
    "503 with Retry-After: next address, as long as asked": (final(503, 7), Step(Next.NEXT_ADDRESS, 7.0, FAILED)),
    "503 with a long Retry-After: 300 s at most": (final(503, 86400), Step(Next.NEXT_ADDRESS, 300.0, FAILED)),
    "500 with Retry-After: next target, rests as long": (final(500, 20), Step(Next.NEXT_TARGET, 20.0, FAILED)),
    "408: next address": (final(408), Step(Next.NEXT_ADDRESS, 0.0, FAILED)),
    "401: next target, the carrier wants credentials": (final(401), Step(Next.NEXT_TARGET, 0.0, 32106)),
    "407: next target, the carrier wants credentials": (final(407), Step(Next.NEXT_TARGET, 0.0, 32106)),
    "the ring timeout: CANCEL and stop": (RingTimeout(), Step(Next.STOP, 0.0, None, True)),
    "the caller leaves: CANCEL and stop": (CallerLeft(), Step(Next.STOP, 0.0, None, True)),
    **{
        f"{status}: stop": (final(status), Step(Next.STOP, 0.0, FAILED))
        for status in (400, 404, 405, 410, 416, 482, 484, 486, 600, 603, 604, 606, 699)
    },
    **{
        f"{status}: next target": (final(status), Step(Next.NEXT_TARGET, 0.0, FAILED))
        for status in (403, 406, 415, 420, 480, 481, 483, 487, 488, 491, 500, 501, 502, 504, 513, 580)
    },
}


@pytest.mark.parametrize(("outcome", "step"), ROWS.values(), ids=ROWS.keys())
def test_before_anything_rings(outcome: Outcome, step: Step) -> None:
    assert judge(outcome, POLICY) == step


def test_every_status_has_a_row() -> None:
    for status in range(100, 700):
        outcome: Outcome = Provisional(status) if status < 200 else final(status)
        assert verdict_for(outcome) in VERDICTS


def test_every_row_of_the_table_is_the_verdict_of_something() -> None:
    reached = {verdict_for(outcome).when for outcome, _ in ROWS.values()}
    assert reached == {row.when for row in VERDICTS}


@pytest.mark.parametrize(
    "outcome", [final(503), final(408), final(500), final(302), final(480), Unreachable("reset"), NoProgress()]
)
def test_once_it_rang_no_second_phone_is_rung(outcome: Outcome) -> None:
    step = judge(outcome, policy(follow_redirects=True), pinned=True)
    assert (step.then, step.rest) == (Next.STOP, 0.0)


def test_once_it_rang_an_answer_is_still_an_answer_and_a_180_still_rings() -> None:
    assert judge(final(200), POLICY, pinned=True).then is Next.DONE
    assert judge(Provisional(183), POLICY, pinned=True).then is Next.PIN


def test_a_policy_replaces_the_list_of_codes_that_stop_the_hunt() -> None:
    mine = policy(failover_stop_codes=frozenset({503, 480}))
    assert judge(final(480), mine).then is Next.STOP
    assert judge(final(503), mine).then is Next.STOP
    assert judge(final(404), mine).then is Next.NEXT_TARGET
    assert judge(final(603), mine).then is Next.NEXT_TARGET
    assert judge(final(408), mine).then is Next.NEXT_ADDRESS
    assert judge(final(200), mine).then is Next.DONE


def test_a_503_that_stops_the_hunt_still_lets_its_address_rest() -> None:
    assert judge(final(503, 12), policy(failover_stop_codes=frozenset({503}))).rest == 12.0


@pytest.mark.parametrize(("status", "rest"), [(503, 45.0), (500, 45.0), (480, 0.0), (486, 0.0), (600, 0.0)])
def test_an_address_that_asks_for_rest_after_ringing_gets_it_and_a_busy_user_is_no_busy_address(
    status: int, rest: float
) -> None:
    assert judge(final(status, 45), POLICY, pinned=True).rest == rest


@pytest.mark.parametrize("status", [404, 413, 480, 486, 502, 504, 600, 603])
def test_the_retry_after_of_other_responses_is_about_the_called_party(status: int) -> None:
    assert judge(final(status, 45), POLICY).rest == 0.0


def test_a_retry_after_in_the_past_asks_for_no_rest() -> None:
    assert judge(final(503, -5), POLICY).rest == 0.0


def test_redirects_are_followed_once_and_only_when_the_policy_says_so() -> None:
    following = policy(follow_redirects=True)
    assert judge(final(302), following).then is Next.FOLLOW
    assert judge(final(302), following, redirected=True).then is Next.NEXT_TARGET
    assert judge(final(480), following).then is Next.NEXT_TARGET


@pytest.mark.parametrize(
    ("statuses", "best"),
    [
        ([486, 503, 603], 603),
        ([503, 486], 486),
        ([408, 500], 500),
        ([408], 408),
        ([407, 480], 480),
        ([407, 500], 407),
        ([302, 408], 302),
        ([480, 486], 480),
    ],
)
def test_the_best_failure_is_6xx_then_4xx_then_5xx_then_408(statuses: list[int], best: int) -> None:
    chosen = best_failure([final(status) for status in statuses])
    assert chosen is not None
    assert chosen.status == best


def test_without_a_final_response_there_is_no_best_failure() -> None:
    assert best_failure([]) is None


@pytest.mark.parametrize(
    ("outcomes", "status"),
    [
        ([Silence(), Silence()], 408),
        ([Unreachable("refused"), Silence()], 408),
        ([NoProgress()], 408),
        ([Unresolved("NXDOMAIN"), Unreachable("refused")], 502),
        ([Silence(), final(486), Unreachable("reset")], 486),
        ([], 404),
    ],
)
def test_the_code_of_a_failed_call(outcomes: list[Outcome], status: int) -> None:
    assert failure(outcomes).status == status


def test_a_503_is_never_invented() -> None:
    silent: list[Outcome] = [Silence(), NoProgress(), Unresolved("NXDOMAIN"), Unreachable("refused"), RingTimeout()]
    assert 503 not in {failure([outcome]).status for outcome in silent}
