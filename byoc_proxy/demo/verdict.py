"""What must be true of the demo's call once it is over, each as a sentence with yes or no."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from byoc_proxy.demo.carrier import description
from byoc_proxy.sip.outputs import By

if TYPE_CHECKING:
    from collections.abc import Iterator

    from byoc_proxy.call.leg import Leg
    from byoc_proxy.demo.application import Application
    from byoc_proxy.demo.carrier import Callee, Caller
    from byoc_proxy.sip.core import UserAgentCore
    from byoc_proxy.storage.record import CallRecord

_SILENCE: Final = 4.0  # the page: "if there is no response to an INVITE, go to the next IP after 4 seconds"
_TOLERANCE: Final = 0.5


@dataclass(frozen=True, slots=True)
class Check:
    """One thing that must be so, and whether it is."""

    claim: str
    holds: bool


@dataclass(frozen=True, slots=True)
class Scene:
    """Everybody who took part, after the call. `leg` is carrier A's, `record` the proxy's, if it came so far."""

    caller: Caller
    first: Callee
    second: Callee
    application: Application
    core: UserAgentCore
    leg: Leg | None
    record: CallRecord | None
    tasks_left: int


def checks(scene: Scene) -> Iterator[Check]:
    """Every check, in the order of the call."""
    yield from _of_the_call(scene)
    yield from _of_the_end(scene)


def _of_the_call(scene: Scene) -> Iterator[Check]:
    record, leg, second = scene.record, scene.leg, scene.second
    username = record.username if record is not None else None
    yield Check("carrier A was challenged and its digest passed", username is not None)
    asked = (len(scene.application.served), scene.application.rejected)
    yield Check("the application was asked once, with a good signature", asked == (1, 0))
    waited = second.heard_at[0] - scene.first.heard_at[0] if second.heard_at and scene.first.heard_at else 0.0
    claim = f"carrier B's second address was tried {waited:.2f} s after the silent first one"
    yield Check(claim, abs(waited - _SILENCE) < _TOLERANCE)
    passed = leg is not None and leg.answer is not None and leg.remote_sdp == description(second.local)
    yield Check("carrier A got 200 with carrier B's SDP", passed)
    offered = [invite.sdp for invite in second.invites]
    yield Check("carrier B got carrier A's SDP, once", offered == [description(scene.caller.local)])


def _of_the_end(scene: Scene) -> Iterator[Check]:
    leg, record = scene.leg, scene.record
    endings = [each.ending for each in scene.second.legs]
    crossed = len(endings) == 1 and endings[0] is not None and endings[0].by is By.REMOTE
    hung_up = leg is not None and leg.ending is not None and leg.ending.by is By.LOCAL
    yield Check("carrier A's BYE crossed to carrier B", crossed and hung_up)
    late = len(scene.first.legs) == 1 and scene.first.rang == 0
    yield Check("the address that woke up too late was cancelled before it rang", late)
    ended = record is not None and (record.status, record.ended_by) == ("completed", "caller")
    yield Check("the record says: completed, ended by the caller", ended)
    outcomes = [attempt.outcome for attempt in record.attempts] if record is not None else []
    yield Check("the record names both attempts: no reply, answered", outcomes == ["no reply", "answered"])
    cores = (scene.core, scene.caller.core, scene.first.core, scene.second.core)
    left = sum(len(core.sessions) for core in cores)
    yield Check(f"{left} sessions and {scene.tasks_left} tasks are left", left == scene.tasks_left == 0)
