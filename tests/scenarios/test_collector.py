"""A call that is over leaves nothing that only the garbage collector could find, which looks rarely."""

import gc
from collections import Counter

from byoc_proxy.twiml.interpreter import Entry
from tests.support.build import HELD, Scene, sdp


def ours_in_the_garbage() -> Counter[str]:
    """What of the package had to be collected, by type."""
    return Counter(type(thing).__name__ for thing in gc.garbage if type(thing).__module__.startswith("byoc_proxy"))


async def test_calls_that_end_in_every_ordinary_way_leave_no_cycles(scene: Scene) -> None:
    scene.starts()
    gc.collect()
    gc.disable()
    gc.set_debug(gc.DEBUG_SAVEALL)
    try:
        for ending in ("caller", "callee", "cancelled", "refused"):
            call = scene.caller.calls()
            await call.hears(180)
            there = await scene.first.invited()
            if ending == "refused":
                there.refuses(486)
                await call.hears(486)
            elif ending == "cancelled":
                there.rings()
                await scene.settled()
                call.cancels()
                await call.hears(200, "CANCEL")
                await call.hears(487)
                await there.receives("CANCEL")
                there.refuses(487)
            else:
                there.answers()
                await there.receives("ACK")
                await call.hears(200)
                call.acks()
                await scene.settled()
                (call if ending == "caller" else there).hangs_up()
                await (there if ending == "caller" else call).receives("BYE")
            await scene.sleeps(200)
        gc.collect()
        assert ours_in_the_garbage() == Counter()
    finally:
        gc.set_debug(0)
        gc.garbage.clear()
        gc.enable()


async def test_calls_of_the_api_leave_no_cycles_however_they_end(scene: Scene) -> None:
    scene.starts()
    gc.collect()
    gc.disable()
    gc.set_debug(gc.DEBUG_SAVEALL)
    try:
        for ending in ("cancelled", "refused", "completed", "redirected", "limited", "parted"):
            await one_of_the_api(scene, ending)
            await scene.sleeps(200)
        gc.collect()
        assert ours_in_the_garbage() == Counter()
    finally:
        gc.set_debug(0)
        gc.garbage.clear()
        gc.enable()


async def one_of_the_api(scene: Scene, ending: str) -> None:
    call = scene.places("<Response><Dial><Sip>sip:bob@198.51.100.2</Sip></Dial></Response>")
    there = await scene.first.invited()
    there.rings()
    await scene.settled()
    if ending == "cancelled":
        call.cancel()
        return
    if ending == "refused":
        there.refuses(486)
        return
    there.answers(HELD)
    await there.receives("ACK")
    bob = await scene.second.invited()
    bob.answers(sdp("198.51.100.2", 7000))
    await there.receives("INVITE")
    there.answers(sdp("198.51.100.1", 6000))
    await bob.receives("ACK")
    await scene.settled()
    if ending == "limited":
        call.limit(20)
        return
    if ending == "redirected":
        call.redirect(Entry(b'<Response><Pause length="3"/></Response>'))
        return
    if ending == "parted":
        child = scene.node.switchboard.find(scene.moves[-1].facts.call_sid)
        assert child is not None
        assert child.redirect(Entry(b'<Response><Pause length="3"/></Response>'))
        await bob.receives("INVITE")
        bob.answers(sdp("198.51.100.2", 7000, "inactive"))
    call.end()
