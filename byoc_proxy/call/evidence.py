"""What a call or an OPTIONS tells of an address (`trunk.health`), and what is said of one that is passed over."""

from __future__ import annotations

from typing import TYPE_CHECKING

from byoc_proxy.call.leg import Stage
from byoc_proxy.sip.flow import place_of
from byoc_proxy.storage.record import timestamp
from byoc_proxy.trunk.health import Evidence

if TYPE_CHECKING:
    from byoc_proxy.call.leg import Leg
    from byoc_proxy.sip.locate import Hop
    from byoc_proxy.sip.message import Response
    from byoc_proxy.trunk.health import Meaning, Obstacle


def of_call(leg: Leg, seconds: float) -> Evidence:
    """What the first sign of life says, or the lack of one after so many seconds.

    Any response is an answer, refusals too; but 503 says neither that the address is dead nor that it may be used,
    and its rest is another matter.
    """
    if leg.stage is Stage.SILENT:
        return Evidence("miss", "call", f"no reply to an INVITE within {seconds:g} s")
    response = leg.answer
    if leg.refusal is not None:
        response = leg.refusal.response
        if response is None:
            return Evidence("miss", "call", leg.refusal.cause)
    if response is None:
        return Evidence("answer", "call", "a provisional response", None, seconds)
    meaning: Meaning = "neither" if response.status == 503 else "answer"
    return Evidence(meaning, "call", _words(response), response.status, seconds)


def of_options(response: Response, seconds: float) -> Evidence:
    """Any final response says that somebody is there, 404, 405 and 501 too; a 503 is as good as none."""
    meaning: Meaning = "miss" if response.status == 503 else "answer"
    return Evidence(meaning, "options", _words(response), response.status, seconds)


def spelt(hop: Hop) -> str:
    """`UDP 198.51.100.1:5060`."""
    return place_of(hop.transport, (hop.address, hop.port))


def in_words(obstacle: Obstacle, wall: float) -> str:
    """Why an address is passed over; `wall` is the wall clock when the monotonic one says 0."""
    until = f" until {timestamp(wall + obstacle.until)}" if obstacle.until is not None else ""
    return f"{obstacle.why}{until}{f' ({obstacle.cause})' if obstacle.cause else ''}"


def _words(response: Response) -> str:
    return f"{response.status} {response.reason}"
