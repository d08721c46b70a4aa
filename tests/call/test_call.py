"""A call as a whole: its faults stay its own."""

import pytest

from byoc_proxy.webhook.transport import HttpRequest, HttpResponse
from tests.support.build import Scene


class Broken:
    """A transport with a bug."""

    def __init__(self, scene: Scene) -> None:
        self.healthy = scene.customer
        self.asked = 0

    async def send(self, request: HttpRequest) -> HttpResponse:
        self.asked += 1
        if self.asked == 1:
            raise ZeroDivisionError("a bug")
        return await self.healthy.send(request)


async def test_a_bug_in_one_call_ends_that_call_and_no_other(scene: Scene, monkeypatch: pytest.MonkeyPatch) -> None:
    broken = Broken(scene)
    monkeypatch.setattr(scene.customer.__class__, "send", lambda _, request: broken.send(request))
    scene.starts()
    call = scene.caller.calls()
    await call.hears(180)
    response = await call.hears(500)
    assert response.headers.get("x-byoc-error") == "12400 Internal failure"
    record = await scene.over()
    assert record.status == "failed"
    assert "ZeroDivisionError" in scene.events("call.crashed")[0]["exception"]
    scene.tolerant = True
