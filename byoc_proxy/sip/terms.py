"""What a session is told to agree to: session timer and reliable provisional responses, one record per leg."""

from __future__ import annotations

from enum import StrEnum
from typing import Final, NamedTuple

LEAST_INTERVAL: Final = 90  # seconds: no Min-SE may be below it, and an absent one means it (RFC 4028 §5)


class Reliability(StrEnum):
    """Which 18x we send reliably to a caller who supports it; one who requires it gets all of them so."""

    REQUIRED = "required"  # none but the required
    MEDIA = "media"  # those with a description
    ALWAYS = "always"


class Terms(NamedTuple):
    """`session_expires` and `min_se` in seconds: we ask for no session timer when it is 0, and take one all the
    same when the far end asks. `prack` tells a callee that its 18x may be reliable, `transfers` that we take REFER.
    """

    session_expires: int = 0
    min_se: int = LEAST_INTERVAL
    reliability: Reliability = Reliability.MEDIA
    prack: bool = True
    transfers: bool = False
