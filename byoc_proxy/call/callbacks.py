"""Status callbacks on their way: in order within a call, again until they are delivered, and nobody waits for them.

A subscriber that cannot be reached, is too slow, or answers 5xx or 429 is told again, after pauses that double; any
other answer is final. What it does not take within `patience` seconds is given up, and the account is told. A book
(`storage.notice`) keeps what is not delivered yet, for the next process if need be.
"""

from __future__ import annotations

import asyncio
from collections import deque
from contextlib import suppress
from typing import TYPE_CHECKING, Final, NamedTuple

from byoc_proxy.call.waiting_room import WaitingRoom
from byoc_proxy.storage.alerts import Alert
from byoc_proxy.webhook.session import WebSession
from byoc_proxy.webhook.urls import INVALID_URL, WebhookError, without_credentials

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from byoc_proxy.call.services import Services
    from byoc_proxy.storage.notice import Notice, NoticeBook
    from byoc_proxy.trunk.model import Account

NOT_TAKEN: Final = 15003  # the status callback URL returned 4xx or 5xx, or nothing
FIRST_PAUSE: Final = 1.0  # seconds; each one is twice as long as the one before
LONGEST_PAUSE: Final = 300.0

_JITTER: Final = 0.5  # a pause is up to this much longer
_TOO_MANY: Final = 429  # RFC 6585 §4
_HOPELESS: Final = frozenset({INVALID_URL, 11215, 11240, 11241, 11243})  # the URL leads nowhere, now or later
_TELL_EVERY: Final = 60.0


class _Trouble(NamedTuple):
    """Why a callback was not taken; one that is `final` will never be."""

    text: str
    final: bool


class Callbacks:
    """Owns a task for each call that somebody is to be told of."""

    def __init__(self, book: NoticeBook, patience: float) -> None:
        self._book = book
        self._patience = patience
        self._waiting = WaitingRoom()
        self._queues: dict[str, deque[Notice]] = {}
        self._tasks: set[asyncio.Task[None]] = set()
        self._under_way = 0  # tasks that do not sleep
        self._all_quiet = asyncio.Event()
        self._all_quiet.set()
        self._dropped = 0
        self._told_at = 0.0
        self._stopped = False

    def serve(self, services: Services, report: Callable[[Alert, str], None]) -> None:
        """Deliver what is posted from now on. `report` is for accounts, with the CallSid of the whole call."""
        self._services = services
        self._report = report

    def take_up(self) -> None:
        """Deliver what others have left behind, too."""
        self._book.follow(self._found)

    def post(self, notice: Notice) -> None:
        """Have this delivered."""
        self._book.keep(notice)
        self._take(notice)

    @property
    def waiting(self) -> int:
        """How many are not delivered yet."""
        return len(self._waiting)

    async def quiet(self, within: float) -> None:
        """Wait `within` seconds at most for what is due to be delivered; between two attempts it is not due."""
        with suppress(TimeoutError):
            async with asyncio.timeout(within):
                await self._all_quiet.wait()

    async def stop(self) -> None:
        """Deliver no more."""
        self._stopped = True
        for task in self._tasks:
            task.cancel()
        if self._tasks:
            await asyncio.wait(self._tasks)
        if self._waiting:
            fate = "the next process delivers them" if self._book.durable else "they are lost: there is no database"
            self._services.log.warning("callbacks.left_behind", callbacks=len(self._waiting), text=fate)

    # --- queues ------------------------------------------------------------------------------------------------

    def _found(self, notices: Sequence[Notice]) -> None:
        new = [notice for notice in notices if notice not in self._waiting]
        if new:
            self._services.log.info("callbacks.taken_up", callbacks=len(new))
        for notice in new:
            self._take(notice)

    def _take(self, notice: Notice) -> None:
        if self._stopped:
            return
        sid = notice.call_sid
        queue = self._queues.get(sid)
        if queue is None:
            queue = self._queues[sid] = deque()
            self._begin(sid, queue)
        queue.append(notice)
        for dropped in self._waiting.add(notice):
            self._drop(dropped)

    def _drop(self, notice: Notice) -> None:
        """There is no room for it any more."""
        self._book.settle(notice)
        queue = self._queues[notice.call_sid]
        if queue[0] is not notice:  # the first one is in the hands of the task, which will notice
            queue.remove(notice)
        self._alert(notice, "it was given up: too many others wait")
        self._dropped += 1
        now = self._services.endpoint.now
        if self._dropped == 1 or now - self._told_at >= _TELL_EVERY:
            self._told_at = now
            self._services.log.error("callbacks.dropped", callbacks=self._dropped, waiting=len(self._waiting))

    def _settle(self, notice: Notice) -> None:
        if self._waiting.remove(notice):
            self._book.settle(notice)

    def _wake(self, change: int) -> None:
        self._under_way += change
        if self._under_way:
            self._all_quiet.clear()
        else:
            self._all_quiet.set()

    # --- one call ----------------------------------------------------------------------------------------------

    def _begin(self, sid: str, queue: deque[Notice]) -> None:
        task = asyncio.get_running_loop().create_task(self._tell_all(sid, queue), name=f"callbacks of {sid}")
        self._tasks.add(task)
        task.add_done_callback(lambda done: self._ended(sid, queue, done))
        self._wake(1)

    async def _tell_all(self, sid: str, queue: deque[Notice]) -> None:
        session = None
        while queue:
            notice = queue[0]
            account = self._services.directories.current.accounts.get(notice.account_sid)
            if account is None:
                self._services.log.warning("callback.given_up", call_sid=sid, cause="its account is gone")
            else:
                if session is None:
                    session = self._session(account, notice)
                await self._deliver(notice, session)
            self._settle(notice)
            queue.popleft()
        del self._queues[sid]

    def _session(self, account: Account, notice: Notice) -> WebSession:
        exchanges = self._services.exchanges
        return WebSession(account.sid, notice.call_sid, account.auth_token, notice.body_format, exchanges)

    def _ended(self, sid: str, queue: deque[Notice], task: asyncio.Task[None]) -> None:
        self._tasks.discard(task)
        self._wake(-1)
        if task.cancelled() or task.exception() is None:
            return
        # a bug of ours keeps this process from delivering these, and no others
        self._services.log.error("callbacks.crashed", call_sid=sid, exc_info=task.exception())
        del self._queues[sid]
        for notice in queue:
            self._waiting.remove(notice)

    async def _deliver(self, notice: Notice, session: WebSession) -> None:
        """Try until it is taken, refused, or given up."""
        services, pause = self._services, FIRST_PAUSE
        while notice in self._waiting:  # else there was no room for it any more
            trouble = await self._try(notice, session)
            if trouble is None:
                return
            if trouble.final:
                self._not_taken("callback.refused", notice, trouble.text)
                return
            seconds = pause * (1 + _JITTER * services.draw())
            if services.wall() + seconds > notice.made_at + self._patience:
                self._not_taken("callback.given_up", notice, f"{trouble.text}; it was given up")
                return
            if pause == FIRST_PAUSE:
                self._not_taken("callback.failed", notice, f"{trouble.text}; it is tried again")
            self._wake(-1)
            try:
                await asyncio.sleep(seconds)
            finally:
                self._wake(1)
            pause = min(pause * 2, LONGEST_PAUSE)

    async def _try(self, notice: Notice, session: WebSession) -> _Trouble | None:
        webhooks = self._services.webhooks
        try:
            status = await webhooks.notify(notice.url, notice.method, notice.parameters, session, notice.token)
        except WebhookError as error:
            return _Trouble(f"{error.code} {error.text}", error.code in _HOPELESS)
        if status < 400:
            return None
        return _Trouble(f"it was answered with {status}", status < 500 and status != _TOO_MANY)

    def _not_taken(self, event: str, notice: Notice, cause: str) -> None:
        self._services.log.warning(event, call_sid=notice.call_sid, url=_shown(notice.url), cause=cause)
        self._alert(notice, cause)

    def _alert(self, notice: Notice, cause: str) -> None:
        url = _shown(notice.url)
        text = f"status callback to {url}: {cause}"
        whole = next((value for name, value in notice.parameters if name == "ParentCallSid"), notice.call_sid)
        self._report(Alert(notice.account_sid, NOT_TAKEN, text, notice.call_sid, "", url, notice.method), whole)


def _shown(url: str) -> str:
    """Without what may be secret."""
    return without_credentials(url.partition("?")[0])
