"""The status of a call: one way to each, and none back."""

import pytest

from byoc_proxy.call.status import (
    FINAL_CODES,
    TERMINAL,
    TRANSITIONS,
    Cause,
    Status,
    after,
    cause_of,
    cause_of_all,
    cause_of_code,
    dial_status,
    event_of,
    shown,
)
from byoc_proxy.trunk.verdicts import (
    CallerLeft,
    FinalResponse,
    Outcome,
    RingTimeout,
    Silence,
    Unreachable,
    Unresolved,
)

LIVING = sorted(set(Status) - TERMINAL)


def test_a_call_that_is_answered_and_ends_is_completed() -> None:
    assert after(after(Status.RINGING, Cause.ANSWERED), Cause.ENDED) is Status.COMPLETED


def test_a_call_from_the_api_goes_from_queued_to_completed() -> None:
    status, course = Status.QUEUED, [Status.QUEUED]
    for cause in (Cause.CALLED, Cause.RANG, Cause.ANSWERED, Cause.ENDED):
        status = after(status, cause)
        course.append(status)
    assert course == ["queued", "initiated", "ringing", "in-progress", "completed"]


@pytest.mark.parametrize("cause", Cause)
@pytest.mark.parametrize("status", sorted(TERMINAL))
def test_a_final_status_never_changes(status: Status, cause: Cause) -> None:
    assert after(status, cause) is status


@pytest.mark.parametrize("cause", [Cause.BUSY, Cause.FAILED, Cause.UNANSWERED, Cause.CANCELLED])
def test_an_answered_call_can_only_be_completed(cause: Cause) -> None:
    assert after(Status.IN_PROGRESS, cause) is Status.IN_PROGRESS


@pytest.mark.parametrize("status", [Status.QUEUED, Status.INITIATED, Status.RINGING])
def test_what_nobody_answered_can_be_cancelled(status: Status) -> None:
    assert after(status, Cause.CANCELLED) is Status.CANCELED


@pytest.mark.parametrize("status", LIVING)
def test_every_status_that_is_not_the_last_can_be_left(status: Status) -> None:
    assert {rule.next for (here, _), rule in TRANSITIONS.items() if here is status} - {status}


def test_every_status_can_be_reached() -> None:
    assert {Status(rule.next) for rule in TRANSITIONS.values()} | {Status.QUEUED} == set(Status)


@pytest.mark.parametrize("status", Status)
def test_no_status_leads_back_to_itself(status: Status) -> None:
    seen: set[Status] = set()
    todo = [status]
    while todo:
        here = todo.pop()
        onward = {Status(rule.next) for (state, _), rule in TRANSITIONS.items() if state is here} - seen
        seen |= onward
        todo += onward
    assert status not in seen


EXPECTED = {
    408: Status.NO_ANSWER,
    480: Status.FAILED,
    486: Status.BUSY,
    487: Status.NO_ANSWER,
    600: Status.BUSY,
    603: Status.BUSY,
}


def test_there_is_an_expectation_for_every_row() -> None:
    assert EXPECTED.keys() == FINAL_CODES.keys()


@pytest.mark.parametrize(
    ("code", "status"),
    [
        *EXPECTED.items(),
        (300, Status.FAILED),
        (403, Status.FAILED),
        (404, Status.FAILED),
        (488, Status.FAILED),
        (500, Status.FAILED),
        (503, Status.FAILED),
        (604, Status.FAILED),
    ],
)
def test_the_status_of_a_leg_that_got_this_final_response(code: int, status: Status) -> None:
    assert after(Status.RINGING, cause_of_code(code)) is status
    assert after(Status.INITIATED, cause_of(FinalResponse(code))) is status


@pytest.mark.parametrize(
    ("outcome", "status"),
    [
        (FinalResponse(486), "busy"),
        (FinalResponse(404), "failed"),
        (RingTimeout(), "no-answer"),
        (CallerLeft(), "canceled"),
        (Silence(), "failed"),
        (Unreachable("refused"), "failed"),
        (Unresolved("NXDOMAIN"), "failed"),
    ],
)
def test_the_dial_status_that_the_application_is_told(outcome: Outcome, status: str) -> None:
    assert dial_status(cause_of(outcome)) == status


@pytest.mark.parametrize(
    ("status", "event", "resource"),
    [
        (Status.QUEUED, None, "queued"),
        (Status.INITIATED, "initiated", "ringing"),
        (Status.RINGING, "ringing", "ringing"),
        (Status.IN_PROGRESS, "answered", "in-progress"),
        (Status.COMPLETED, "completed", "completed"),
        (Status.BUSY, "completed", "busy"),
        (Status.FAILED, "completed", "failed"),
        (Status.NO_ANSWER, "completed", "no-answer"),
        (Status.CANCELED, "completed", "canceled"),
    ],
)
def test_what_a_callback_and_the_resource_call_a_status(status: Status, event: str | None, resource: str) -> None:
    assert (event_of(status), shown(status)) == (event, resource)


@pytest.mark.parametrize(
    ("outcomes", "status"),
    [
        ([Silence(), Silence()], "failed"),
        ([Silence(), FinalResponse(486)], "busy"),
        ([FinalResponse(503), FinalResponse(408)], "failed"),
        ([Unreachable("refused"), FinalResponse(408)], "no-answer"),
        ([], "failed"),
    ],
)
def test_attempts_that_all_failed_count_as_the_best_answer_among_them(outcomes: list[Outcome], status: str) -> None:
    assert dial_status(cause_of_all(outcomes)) == status
