"""Who is told of a leg: the trunk's application of one that came in, and whoever asked for it of any other."""

from __future__ import annotations

from typing import TYPE_CHECKING

from byoc_proxy.call.status import TERMINAL, Status, event_of
from byoc_proxy.storage.notice import End, Subscription
from byoc_proxy.twiml.verbs import StatusCallback
from byoc_proxy.webhook.parameters import voice_parameters

if TYPE_CHECKING:
    from collections.abc import Callable

    from byoc_proxy.call.progress import Moved
    from byoc_proxy.storage.notice import Notice, NoticeBook
    from byoc_proxy.trunk.directory import Directories
    from byoc_proxy.webhook.parameters import CallFacts


def subscription(facts: CallFacts, status: Status, callback: StatusCallback) -> Subscription:
    """That of a leg of which nothing has been told."""
    return Subscription(
        facts.call_sid,
        facts.account_sid,
        callback.url,
        callback.method,
        callback.events,
        voice_parameters(facts, status),
        facts.body_format,
    )


class Subscriptions:
    """Turns what happens to a leg into the callbacks that were asked for, each event once and in order; `post`
    takes them. The subscriptions of the legs that live are in the book.
    """

    def __init__(self, book: NoticeBook, directories: Directories, post: Callable[[Notice], None]) -> None:
        self._live = book.subscriptions
        self._directories = directories
        self._post = post

    def hear(self, moved: Moved) -> None:
        """A leg has another status."""
        told = self._subscription(moved)
        if told is None:
            return
        status = moved.status
        over = status in TERMINAL
        if over:
            del self._live[moved.facts.call_sid]
        elif status is Status.IN_PROGRESS:
            told.answered_at = moved.at
        if status is Status.CANCELED and not told.begun:
            return  # nobody was called: the public API tells nobody
        told.begun = told.begun or status is not Status.QUEUED
        event = event_of(status)
        if event in told.events:
            end = End(moved.duration or 0.0, moved.sip_status) if over else None
            self._post(told.notice(event, status, moved.at, end))

    def _subscription(self, moved: Moved) -> Subscription | None:
        """That of the leg, as it is now; None when nobody wants to hear of it."""
        facts = moved.facts
        found = self._live.get(facts.call_sid)
        callback = moved.callback
        if found is None:
            callback = callback or self._of_trunk(facts)
            if callback is not None:
                found = self._live[facts.call_sid] = subscription(facts, moved.status, callback)
        elif callback is not None:  # the API may have named another one
            found.url, found.method, found.events = callback.url, callback.method, callback.events
        return found

    def _of_trunk(self, facts: CallFacts) -> StatusCallback | None:
        """The trunk's own, for a call that came in on it."""
        if facts.trunk_sid is None or facts.direction != "inbound":
            return None
        trunk = self._directories.current.trunks.get(facts.trunk_sid)
        if trunk is None or trunk.status_callback_url is None:
            return None
        return StatusCallback(trunk.status_callback_url, trunk.status_callback_method, trunk.status_callback_events)
