"""The only door through which rows change, and the snapshot that all of them and the file come to.

A write is judged by the very snapshot that it is committed onto: writers of all nodes queue at one lock, and before
anything else take in what others have committed. What was acknowledged is durable, and in force here.
"""

from __future__ import annotations

import asyncio
import gc
from contextlib import aclosing, asynccontextmanager, contextmanager
from typing import TYPE_CHECKING, Any, Final

from byoc_proxy.provision.following import heard
from byoc_proxy.provision.seating import Seating, move, places_of, reconsider, rows_beside, seat, sids_of
from byoc_proxy.provision.write import Write
from byoc_proxy.storage.database import LOCK_WAIT
from byoc_proxy.storage.errors import StoreUnavailable
from byoc_proxy.storage.revisions import Place, add_revision, current, touched_since
from byoc_proxy.storage.rows import RowReader
from byoc_proxy.storage.unlock import keep_realm, prove
from byoc_proxy.trunk.changes import SECTIONS, Change, changes_in_words, differences, fields_that_differ
from byoc_proxy.trunk.directory import Directories, DirectoryProblems
from byoc_proxy.trunk.findings import Finding

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Collection, Iterator
    from contextlib import AbstractAsyncContextManager

    from sqlalchemy.ext.asyncio import AsyncConnection

    from byoc_proxy.storage.database import Database
    from byoc_proxy.storage.vault import Vault
    from byoc_proxy.trunk.model import Resources

__all__ = ["Provisioning", "StoreUnavailable", "Write"]

_MOST_TOUCHED: Final = 2000  # places; above that reading everything again is faster, and does not block the loop


class Provisioning:
    """Resources of the database and of the configuration file as one snapshot, `directories.current`."""

    def __init__(self, database: Database, vault: Vault, declared: Resources, wall: Callable[[], float], log: Any):
        self.database = database
        self._wall = wall
        self._log = log
        self._turn = asyncio.Lock()  # writers of this process queue here, in order, and so does a reload
        self._seen = -1  # the last revision that is in the snapshot
        self._seating = Seating(seat(declared, ()).directory)
        self._declared_sids = sids_of(declared)
        self.vault = vault
        self.declared = declared
        self.directories = Directories(self._seating.directory)

    @classmethod
    async def start(
        cls, database: Database, vault: Vault, declared: Resources, wall: Callable[[], float], log: Any
    ) -> Provisioning:
        """Read all rows and put them in force beside what the file declares.

        A row that does not go with the file, or cannot be read, is left out with an error in the log.
        `StoreUnavailable`; `UnusableDatabase` when the key or the realm is not that of the database.
        """
        async with database.writing() as connection:
            await prove(connection, vault)
            await keep_realm(connection, declared.installation.realm)
        provisioning = cls(database, vault, declared, wall, log)
        await provisioning._read_everything()
        await provisioning._rehearse()
        return provisioning

    async def _rehearse(self) -> None:
        """Read a change that nobody has made: statements are compiled at their first use, and calls would wait."""
        async with self.reading() as connection:
            await self._changes(connection, [Place(section, "") for section in SECTIONS])

    def is_declared(self, sid: str) -> bool:
        """Whether the configuration file says this, so that nobody else may change it."""
        return sid in self._declared_sids

    def reading(self) -> AbstractAsyncContextManager[AsyncConnection]:
        """A transaction for plain reads, all of one moment. `StoreUnavailable`."""
        return self.database.reading()

    @asynccontextmanager
    async def writing(self) -> AsyncIterator[Write]:
        """One change: committed and in force when the context ends without an exception, else nothing happened.

        `DirectoryProblems` when the touched rows do not fit, `StoreUnavailable` when the database cannot be had.
        """
        async with self._in_turn():
            async with self.database.writing() as connection:
                await self._catch_up(connection)
                seen, before = self._seen, self._seating
                now, seal = int(self._wall()), self.vault.seal
                write = Write(connection, before.directory, now, self.is_declared, seal)
                yield write
                after = await self._judged(write, before, seen)
            if after is not None and self._seen == seen:  # else what followed it has been taken in already
                self._enforce(after, seen + 1)

    async def _judged(self, write: Write, before: Seating, seen: int) -> Seating | None:
        """The snapshot with the touched rows as they are now; their revision is written down. None: none are."""
        places = write.touched
        if not places:
            return None
        changes, unreadable = await self._changes(write.connection, places)
        if unreadable:
            raise DirectoryProblems([Finding(place, reason) for place, reason in unreadable.items()])
        directory = before.directory.changed(changes)
        await add_revision(write.connection, seen + 1, places, write.now)
        left_out = {place: row for place, row in before.left_out.items() if place not in places}
        return reconsider(Seating(directory, left_out, {place: before.reasons[place] for place in left_out}))

    async def redeclare(self, declared: Resources) -> list[str]:
        """Put what the file says now in force; what changed, a line each.

        `DirectoryProblems`, and nothing has changed, when it does not go with the rows of the database.
        """
        async with self._in_turn():
            self._refuse_taken_sids(declared)
            changes = differences(self.declared, declared)
            place = fields_that_differ(self.declared.installation, declared.installation)
            before, after = await self._resettled(declared) if place else self._changed_by(changes)
            self.declared, self._declared_sids = declared, sids_of(declared)
            self._enforce(after, self._seen)
            lines = changes_in_words(before.directory.section, changes)
            return [f"installation changed: {place}", *lines] if place else lines

    def _refuse_taken_sids(self, declared: Resources) -> None:
        sections = [self._seating.directory.section(section) for section in SECTIONS]
        left_out = {sid for _, sid in self._seating.left_out}
        found = [
            Finding((*place, "sid"), f"{place.sid} is the SID of a row in the database; pin another one with `sid`")
            for place in places_of(declared)
            if place.sid not in self._declared_sids
            if place.sid in left_out or any(place.sid in section for section in sections)
        ]
        if found:
            raise DirectoryProblems(found)

    def _changed_by(self, changes: list[Change]) -> tuple[Seating, Seating]:
        before = self._seating
        return before, reconsider(Seating(before.directory.changed(changes), before.left_out, before.reasons))

    async def _resettled(self, declared: Resources) -> tuple[Seating, Seating]:
        """Under another installation (regions, base domain) everything is judged again, and all of it must fit."""
        while True:
            before = self._seating
            after = await asyncio.to_thread(seat, declared, rows_beside(self.declared, before))
            if before is self._seating:  # else others have committed something meanwhile
                break
        new = {place: text for place, text in after.reasons.items() if place not in before.reasons}
        if new:
            raise DirectoryProblems([Finding(place, text) for place, text in new.items()])
        return before, after

    async def follow(self) -> None:
        """Take in what other nodes and processes commit, until cancelled."""
        async with aclosing(heard(self.database, self._log)) as news:
            async for _ in news:
                try:
                    await self._look()
                except StoreUnavailable as error:
                    self._log.warning("database.unavailable", cause=str(error), text="calls go on as things were")
                except Exception:
                    self._log.exception("provision.not_followed", text="calls go on as things were")

    async def _look(self) -> None:
        async with self.reading() as connection:
            behind = not await self._catch_up_by_rows(connection)
        if behind:
            async with self._in_turn():
                await self._read_everything()

    @asynccontextmanager
    async def _in_turn(self) -> AsyncIterator[None]:
        try:
            async with asyncio.timeout(2 * LOCK_WAIT):
                await self._turn.acquire()
        except TimeoutError as error:
            raise StoreUnavailable(f"{self.database.name}: too many writers wait; nothing was changed") from error
        try:
            yield
        finally:
            self._turn.release()

    async def _catch_up(self, connection: AsyncConnection) -> None:
        if not await self._catch_up_by_rows(connection):
            text = "this node is far behind the others and is reading everything again; nothing was changed"
            raise StoreUnavailable(f"{self.database.name}: {text}")

    async def _catch_up_by_rows(self, connection: AsyncConnection) -> bool:
        """Take in the revisions that the connection sees and the snapshot does not have; False: too many."""
        last, places = await touched_since(connection, self._seen)
        if places is None or len(places) > _MOST_TOUCHED:
            return False
        if places:
            changes, unreadable = await self._changes(connection, places)
            for place, reason in unreadable.items():
                self._log.error("provision.unreadable", section=place.section, sid=place.sid, reason=reason)
            if last > self._seen:  # or somebody else has taken them in while we were reading
                self._enforce(move(self._seating, changes, self.declared), last)
        return True

    async def _changes(
        self, connection: AsyncConnection, places: Collection[Place]
    ) -> tuple[list[Change], dict[Place, str]]:
        """What stands at these places now, and why some of it cannot be read."""
        reader = RowReader(connection, self.vault)
        changes = []
        for section in SECTIONS:
            sids = [place.sid for place in places if place.section == section]
            if sids:
                found = {str(record.sid): record for record in await reader.read(section, sids)}
                changes += [Change(section, sid, found.get(sid)) for sid in sids]
        return changes, {Place(section, sid): reason for section, sid, reason in reader.unreadable}

    async def _read_everything(self) -> None:
        """All rows anew. Building takes seconds in a large installation: in a thread, because calls go on."""
        with _collector_paused():
            async with self.reading() as connection:
                number = await current(connection)
                reader = RowReader(connection, self.vault)
                rows = [
                    Change(section, record.sid, record)
                    for section in SECTIONS
                    for record in await reader.read(section)
                ]
            after = await asyncio.to_thread(seat, self.declared, rows)
            if len(rows) > _MOST_TOUCHED:
                gc.freeze()  # or the collector would stop everything to look through them once more
        for section, sid, reason in reader.unreadable:
            self._log.error("provision.unreadable", section=section, sid=sid, reason=reason)
        self._enforce(after, number)

    def _enforce(self, after: Seating, number: int) -> None:
        before, self._seating, self._seen = self._seating, after, number
        self._tell(before, after)
        if after.directory is not self.directories.current:
            self.directories.put(after.directory)

    def _tell(self, before: Seating, after: Seating) -> None:
        for place, reason in after.reasons.items():
            if before.reasons.get(place) != reason:
                self._log.error("provision.left_out", section=place.section, sid=place.sid, reason=reason)
        for place in before.reasons:
            if place not in after.reasons:
                self._log.info("provision.no_longer_left_out", section=place.section, sid=place.sid)


@contextmanager
def _collector_paused() -> Iterator[None]:
    """Rows are no garbage, and the collector would look through them for longer than it takes to read them."""
    was_enabled = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if was_enabled:
            gc.enable()
