"""What was said to the latest INVITEs that were refused without keeping a transaction.

A UAS that answers statelessly has to give a retransmission the answer that the request got (RFC 3261 §8.2.7). Some
answers depend on more than the request: on how many wrong credentials came before, on a nonce count that is used up
by being right, on the calls that are up at the moment. Those are remembered, a bounded number of them.
"""

from __future__ import annotations

from collections import OrderedDict
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from byoc_proxy.sip.flow import Flow
    from byoc_proxy.sip.message import Request
    from byoc_proxy.sip.screening import Answer

MOST: Final = 10_000


class Refusals:
    """Answers by source, Call-ID, branch and CSeq; the oldest is forgotten first."""

    def __init__(self, most: int = MOST) -> None:
        self._most = most
        self._answers: OrderedDict[int, Answer] = OrderedDict()

    def of(self, request: Request, flow: Flow) -> Answer | None:
        """What this very request was answered before, or None."""
        return self._answers.get(_key(request, flow)) if self._answers else None

    def keep(self, request: Request, flow: Flow, answer: Answer) -> Answer:
        """Remember an answer; gives it back."""
        self._answers[_key(request, flow)] = answer
        if len(self._answers) > self._most:
            self._answers.popitem(last=False)
        return answer

    def __len__(self) -> int:
        return len(self._answers)


def _key(request: Request, flow: Flow) -> int:
    # a hash: the Call-ID of somebody who guesses passwords may be as long as a message
    return hash((flow.remote[0], request.call_id, request.branch, request.cseq[0]))
