"""Changes of calls that another node has: they go there by way of the database, and so does the answer.

Every node with an API looks for what is asked of it five times a second.
"""

from __future__ import annotations

import asyncio
import json
from typing import TYPE_CHECKING, Any, Final

from byoc_proxy.api.call_desk import NOT_IN_PROGRESS, NOT_NOW
from byoc_proxy.api.errors import INTERNAL, UNAVAILABLE, ApiError
from byoc_proxy.api.refusals import stored
from byoc_proxy.api.scope import Scope
from byoc_proxy.api.server import Ask
from byoc_proxy.storage import errands
from byoc_proxy.storage.errors import StoreUnavailable
from byoc_proxy.trunk.model import AccountSid

if TYPE_CHECKING:
    from collections.abc import Callable

    from byoc_proxy.api.call_desk import CallDesk
    from byoc_proxy.api.resource import Row
    from byoc_proxy.storage.database import Database
    from byoc_proxy.trunk.directory import Directories

EVERY: Final = 0.2  # seconds between two looks at what is asked of us
PATIENCE: Final = 3.0  # seconds for an answer
_LONGEST_PAUSE: Final = 5.0  # between two looks at a database that is away


class Errands:
    """`node` is our name on the rows of calls, `desk` what may be done to them; `wall` gives seconds since 1970."""

    def __init__(
        self,
        database: Database,
        node: str,
        desk: CallDesk,
        directories: Directories,
        wall: Callable[[], float],
        log: Any,
    ) -> None:
        self._database = database
        self._node = node
        self._desk = desk
        self._directories = directories
        self._wall = wall
        self._log = log

    async def send(self, row: Row, ask: Ask) -> Row:
        """Have the node that has a call change it; its row after that. `ApiError`: it says no, or says nothing."""
        asked = json.dumps([ask.scope.account.sid, ask.names["sid"], ask.parameters])
        with stored():
            async with self._database.recording() as connection:
                number = await errands.ask(connection, row["node"], asked, self._wall())
            answer = await self._answer(number)
            async with self._database.recording() as connection:
                await errands.forget(connection, number)
        if answer is None:
            text = f"{row['sid']} is on another node, {row['node']}, which does not answer"
            raise ApiError(503, UNAVAILABLE, f"{text}; whether it has changed the call is not known")
        told: Row = json.loads(answer)
        if "error" in told:
            raise ApiError(*told["error"])
        return told

    async def run(self) -> None:
        """Do what is asked of us, until cancelled."""
        pause = EVERY
        while True:
            await asyncio.sleep(pause)
            try:
                async with self._database.reading() as connection:
                    found = await errands.asked_of(connection, self._node)
                for number, asked in found:
                    done = json.dumps(self._done(asked))
                    async with self._database.recording() as connection:
                        await errands.answer(connection, number, done, self._wall())
                pause = EVERY
            except StoreUnavailable as error:
                self._log.debug("errands.waiting", cause=str(error))
                pause = min(pause * 2, _LONGEST_PAUSE)

    async def _answer(self, number: int) -> str | None:
        for _ in range(round(PATIENCE / EVERY)):
            await asyncio.sleep(EVERY)
            async with self._database.reading() as connection:
                answer = await errands.answer_to(connection, number)
            if answer is not None:
                return answer
        return None

    def _done(self, asked: str) -> Row:
        """What comes of an errand: the row of the call, or why there is none."""
        account_sid, call_sid, parameters = json.loads(asked)
        try:
            row = self._changed(account_sid, call_sid, [(name, value) for name, value in parameters])
        except ApiError as error:
            return {"error": [error.status, error.code, str(error)]}
        except Exception:
            self._log.exception("api.crashed", request_id=call_sid, path="errands")
            return {
                "error": [500, INTERNAL, f"Internal error; the log of {self._node} tells more under {call_sid}"]
            }
        return {"error": [400, NOT_IN_PROGRESS, NOT_NOW]} if row is None else row

    def _changed(self, account_sid: str, call_sid: str, parameters: list[tuple[str, str]]) -> Row | None:
        directory = self._directories.current
        account = directory.accounts.get(AccountSid(account_sid))
        if account is None:
            return None
        scope = Scope(account, account, directory, "")
        return self._desk.change(Ask(scope, {"sid": call_sid}, parameters, ""))
