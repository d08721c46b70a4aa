"""The outer door: who is there, judged by address and first bytes before anything is read.

Known are the addresses of the access control lists that a domain uses. Trusted is who has proved itself of late: a
digest answer was right, or we called it. All others are strangers, with a rate and, when they offend, with silence.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any, Final

from byoc_proxy.sip.screening import Answer, Ignore

if TYPE_CHECKING:
    from collections.abc import Callable

    from byoc_proxy.call.gauge import Gauge
    from byoc_proxy.call.rejections import Rejections
    from byoc_proxy.sip.flow import Flow
    from byoc_proxy.sip.message import Request
    from byoc_proxy.trunk.directory import Directories
    from byoc_proxy.trunk.strangers import Strangers

OVERLOADED: Final = "Overloaded"
BANNED: Final = Ignore("a banned source", "banned")
TOO_FAST: Final = Ignore("too many requests of strangers", "too fast")
# what may belong to a call in progress is read, whoever sent it: its source may have been forged to have it banned
_OF_A_CALL: Final = (b"SIP/", b"ACK ", b"CANCEL ")
_TO_TAG: Final = re.compile(rb"\n(?:To|t)[ \t]*:[^\r\n]*;[ \t]*tag[ \t]*=", re.IGNORECASE)


class Door:
    """`now` is the loop's clock, in seconds."""

    def __init__(
        self,
        directories: Directories,
        strangers: Strangers,
        gauge: Gauge,
        rejections: Rejections,
        now: Callable[[], float],
        log: Any,
    ) -> None:
        self._directories = directories
        self._strangers = strangers
        self._gauge = gauge
        self._rejections = rejections
        self._now = now
        self._log = log

    # --- what the core asks (sip.stateless.Door) -----------------------------------------------------------

    def glance(self, data: bytes, flow: Flow) -> Answer | Ignore | None:
        strangers = self._strangers
        if (
            strangers.any_banned
            and strangers.is_banned(flow.remote[0], self._now())
            and not data.startswith(_OF_A_CALL)
            and not _TO_TAG.search(data)
            and not self._directories.current.knows(flow.remote[0])
        ):
            return BANNED
        if data.startswith(b"INVITE ") and self._gauge.is_behind() and self.knows(flow):
            return self._turned_away(flow, has_credentials=b"\nProxy-Authorization:" in data)
        return None

    def knows(self, flow: Flow) -> bool:
        source = flow.remote[0]
        return self._directories.current.knows(source) or self._strangers.trusts(source, self._now())

    def garbled(self, flow: Flow) -> bool:
        if self.knows(flow):
            return True
        self.blame(flow)
        return False

    # --- what the screen asks ------------------------------------------------------------------------------

    def turns_away_now(self, request: Request, flow: Flow) -> Answer | None:
        """503 for a new call that is too much, if `glance` has not been asked or was not to answer."""
        if not self._gauge.is_behind() or (not flow.reliable and self.knows(flow)):
            return None
        return self._turned_away(flow, has_credentials="proxy-authorization" in request.headers.first)

    def holds_back(self, flow: Flow) -> Ignore | None:
        """Whether a stranger gets no hearing now; asking takes from its rate."""
        now, source = self._now(), flow.remote[0]
        if self._strangers.is_banned(source, now):
            return BANNED
        return None if self._strangers.allows(source, now) else TOO_FAST

    def blame(self, flow: Flow) -> None:
        """A stranger did what no carrier does, or what a carrier does once. Over and over, it is a scanner."""
        if self._strangers.blame(flow.remote[0], self._now()):
            self._log.warning("source.banned", source=flow.remote[0], transport=flow.transport)

    def minds_wrong_answer(self, flow: Flow) -> Ignore | None:
        """A digest answer was wrong: an offence of a stranger's; anybody else has a rate of them."""
        if not self.knows(flow):
            self.blame(flow)
            return None
        return None if self._strangers.allows(flow.remote[0], self._now()) else TOO_FAST

    def trust(self, source: str) -> None:
        """The source has proved itself."""
        self._strangers.trust(source, self._now())

    def _turned_away(self, flow: Flow, *, has_credentials: bool) -> Answer | None:
        wait = self._gauge.turn_away(has_credentials=has_credentials)
        if wait is None:
            return None
        self._rejections.note("overload", flow, OVERLOADED)
        return Answer(503, OVERLOADED, (("Retry-After", str(wait)),))
