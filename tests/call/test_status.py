"""The status of a call: one way to each, and none back."""

import pytest

from byoc_proxy.call.status import TRANSITIONS, Cause, Status, after, cause_of_refusal


def test_a_call_that_is_answered_and_ends_is_completed() -> None:
    assert after(after(Status.RINGING, Cause.ANSWERED), Cause.ENDED) is Status.COMPLETED


@pytest.mark.parametrize("cause", Cause)
@pytest.mark.parametrize("status", [Status.COMPLETED, Status.BUSY, Status.FAILED, Status.NO_ANSWER])
def test_a_final_status_never_changes(status: Status, cause: Cause) -> None:
    assert after(status, cause) is status


@pytest.mark.parametrize("cause", [Cause.REFUSED_BUSY, Cause.REFUSED_FAILED, Cause.REFUSED_UNANSWERED])
def test_an_answered_call_cannot_be_refused_any_more(cause: Cause) -> None:
    assert after(Status.IN_PROGRESS, cause) is Status.IN_PROGRESS


@pytest.mark.parametrize(
    ("code", "status"),
    [
        (404, Status.NO_ANSWER),
        (408, Status.NO_ANSWER),
        (480, Status.FAILED),
        (486, Status.BUSY),
        (487, Status.NO_ANSWER),
        (500, Status.FAILED),
        (503, Status.FAILED),
        (600, Status.BUSY),
        (603, Status.BUSY),
    ],
)
def test_the_status_of_a_call_that_we_refused(code: int, status: Status) -> None:
    assert after(Status.RINGING, cause_of_refusal(code)) is status


def test_every_status_can_be_reached() -> None:
    assert {Status(rule.next) for rule in TRANSITIONS.values()} | {Status.RINGING} == set(Status)
