"""`<Refer>`: the far end of a leg is asked to call somebody else, and says how that goes (RFC 3515)."""

from __future__ import annotations

import asyncio
import re
from typing import TYPE_CHECKING, Final

from byoc_proxy.call.bridge import refuse_method
from byoc_proxy.call.status import cause_of_code, dial_status
from byoc_proxy.twiml.interpreter import ReferOutcome

if TYPE_CHECKING:
    from byoc_proxy.call.leg import Leg
    from byoc_proxy.sip.message import Response
    from byoc_proxy.sip.outputs import Requested

LONGEST_REFERRAL: Final = 120.0  # seconds from the REFER to the last NOTIFY: as long as a phone may ring, and some
_STATUS_LINE: Final = re.compile(rb"SIP/2\.0 ([1-6][0-9][0-9])(?: |\r|\n|$)")  # of a message/sipfrag (RFC 3420)


class Referring:
    """One REFER on an answered leg that is in no conversation."""

    def __init__(self, leg: Leg, target: str) -> None:
        self._leg = leg
        self._target = target
        self._news = asyncio.Event()
        self._response: Response | None = None
        self._replied = False
        self._told = 0  # the last status that a NOTIFY brought
        self._ended = False  # there will be no other NOTIFY

    @property
    def left_off(self) -> ReferOutcome:
        """How it stands when the leg has left meanwhile."""
        return ReferOutcome("canceled", self._code, self._told or None)

    async def run(self) -> ReferOutcome:
        """Ask, and wait for the final status or for as long as that may take."""
        self._leg.on_request = self._requested
        self._leg.transact("REFER", b"", self._heard, (("Refer-To", f"<{self._target}>"),))
        try:
            async with asyncio.timeout(LONGEST_REFERRAL):
                while not self._is_over():
                    await self._news.wait()
                    self._news.clear()
        except TimeoutError:
            return ReferOutcome("no-answer", self._code, self._told or None)
        finally:
            self._leg.on_request = None
        return self._outcome()

    @property
    def _code(self) -> int | None:
        return self._response.status if self._response is not None else None

    def _is_over(self) -> bool:
        refused = self._replied and (self._code is None or self._code >= 300)
        return refused or self._told >= 200 or self._ended

    def _outcome(self) -> ReferOutcome:
        if self._told < 200:  # refused, or the subscription ended before there was a final status
            return ReferOutcome("failed", self._code, self._told or None)
        return ReferOutcome(dial_status(cause_of_code(self._told)), self._code, self._told)

    def _heard(self, response: Response | None) -> None:
        self._response, self._replied = response, True
        self._news.set()

    def _requested(self, event: Requested) -> None:
        """NOTIFYs may overtake the 202 (RFC 3515 §2.4.4). Nothing else means anything to a leg that is alone."""
        request = event.request
        if request.method != "NOTIFY":
            refuse_method(event, self._leg)
            return
        if (request.headers.get("event") or "").partition(";")[0].strip().lower() != "refer":
            self._leg.reply(event.transaction, 489)  # RFC 6665 §4.1.3
            return
        self._leg.reply(event.transaction, 200)
        line = _STATUS_LINE.match(request.body)
        if line is not None:
            self._told = int(line[1])
        state = (request.headers.get("subscription-state") or "").partition(";")[0].strip().lower()
        self._ended = state == "terminated"
        self._news.set()
