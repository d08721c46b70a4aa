"""Create, fetch, list, update and delete, for any resource of the catalogue.

A write is judged against exactly the state it commits onto (`provision.provisioning`): its limits, its references,
its users. An answer means that the change is durable and that the next INVITE meets it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from sqlalchemy import delete, func, insert, select, update

from byoc_proxy.api.declared import DeclaredRows
from byoc_proxy.api.errors import ApiError, Fault, bad_request, not_found
from byoc_proxy.api.refusals import declared_elsewhere, judged, stored
from byoc_proxy.api.rows import Rows
from byoc_proxy.storage.vault import new_sid

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from sqlalchemy.ext.asyncio import AsyncConnection

    from byoc_proxy.api.paging import Page, Window
    from byoc_proxy.api.resource import Resource, Row
    from byoc_proxy.api.rows import Where
    from byoc_proxy.api.scope import Scope
    from byoc_proxy.provision.provisioning import Provisioning, Write


class Operations:
    """`limits`: how many of a resource an account (or its parent) may have, by the limit's setting."""

    def __init__(self, provisioning: Provisioning, limits: Mapping[str, int]) -> None:
        self._provisioning = provisioning
        self._limits = limits
        self._declared = DeclaredRows(provisioning.declared)

    async def create(self, resource: Resource, scope: Scope, names: Row, values: Row) -> Row:
        """A new row, with what only this answer shows. `names` are the SIDs of the path."""
        with stored(), judged(resource, {**names, **values}):
            async with self._provisioning.writing() as write:
                await self._parent(resource, scope, names, write.connection, writing=True)
                owner = {} if resource.section == "accounts" else {"account_sid": scope.account.sid}
                place = self._place(resource, names)
                await self._within_limit(resource, {**owner, **place}, write)
                made = {
                    "sid": new_sid(resource.prefix),
                    **owner,
                    **place,
                    **await resource.ways.prepare(write, scope, dict(values), None),
                    "date_created": write.now,
                    "date_updated": write.now,
                }
                row = await self._insert(resource, made, write)
                self._touch(resource, write, row)
        return {**made, **row}

    async def fetch(self, resource: Resource, scope: Scope, names: Row, sid: str) -> Row:
        """One row; `ApiError` 404."""
        with stored():
            async with self._provisioning.reading() as connection:
                await self._parent(resource, scope, names, connection)
                return await self._one(resource, scope, names, sid, connection)

    async def page(
        self, resource: Resource, scope: Scope, names: Row, filters: Row, window: Window, more: Sequence[Any] = ()
    ) -> Page:
        """Part of the list."""
        with stored():
            async with self._provisioning.reading() as connection:
                await self._parent(resource, scope, names, connection)
                where = {**self._where(resource, scope, names), **filters}
                return await Rows(connection, self.declared).page(resource, where, window, more)

    async def update(self, resource: Resource, scope: Scope, names: Row, sid: str, values: Row) -> Row:
        """The row with what was sent in it."""
        with stored(), judged(resource, {**names, **values}):
            async with self._provisioning.writing() as write:
                before = await self._changeable(resource, scope, names, sid, write.connection)
                columns = await resource.ways.prepare(write, scope, dict(values), before)
                table = resource.table
                query = update(table).where(table.c.id == before["id"]).returning(*table.c)
                changed = await write.connection.execute(query.values(**columns, date_updated=write.now))
                row = dict(changed.mappings().one())
                self._touch(resource, write, before)
                self._touch(resource, write, row)
        return row

    async def delete(self, resource: Resource, scope: Scope, names: Row, sid: str) -> None:
        """Take a row away; refused, naming them, while others need it."""
        with stored(), judged(resource, dict(names)):
            async with self._provisioning.writing() as write:
                row = await self._changeable(resource, scope, names, sid, write.connection)
                users = await resource.ways.users(write, row)
                if users:
                    text = f"{sid} is in use by {', '.join(users)}; that must be over or out of the way first"
                    raise ApiError(*resource.in_use, text)
                await write.connection.execute(delete(resource.table).where(resource.table.c.id == row["id"]))
                self._touch(resource, write, row)

    @property
    def declared(self) -> DeclaredRows:
        """The rows of the file that is in force."""
        if self._declared.resources is not self._provisioning.declared:
            self._declared = DeclaredRows(self._provisioning.declared)
        return self._declared

    # --- parts of these ------------------------------------------------------------------------------------------

    async def _parent(
        self, resource: Resource, scope: Scope, names: Row, connection: AsyncConnection, *, writing: bool = False
    ) -> None:
        """What it lives in must be there, and be ours to change."""
        if resource.parent is None:
            return
        sid = names[resource.parent_column]
        await self._one(resource.parent, scope, names, sid, connection)
        if writing and self._provisioning.is_declared(sid):
            raise declared_elsewhere(sid)

    async def _changeable(
        self, resource: Resource, scope: Scope, names: Row, sid: str, connection: AsyncConnection
    ) -> Row:
        await self._parent(resource, scope, names, connection, writing=True)
        row = await self._one(resource, scope, names, sid, connection)
        if row["id"] < 0:
            raise declared_elsewhere(sid)
        return row

    async def _one(
        self, resource: Resource, scope: Scope, names: Row, sid: str, connection: AsyncConnection
    ) -> Row:
        where = {**self._where(resource, scope, names), "sid": sid}
        row = await Rows(connection, self.declared).find(resource, where)
        if row is None:
            raise not_found(resource.instance_path.format_map({**names, "sid": sid}))
        return row

    def _where(self, resource: Resource, scope: Scope, names: Row) -> Where:
        if resource.section == "accounts":
            return {"sid|parent_sid": scope.principal.sid}
        return {"account_sid": scope.account.sid, **self._place(resource, names)}

    def _place(self, resource: Resource, names: Row) -> Row:
        """What tells its rows from others of the table: the parent, the kind."""
        parent = {resource.parent_column: names[resource.parent_column]} if resource.parent is not None else {}
        return {**parent, **resource.fixed}

    async def _within_limit(self, resource: Resource, where: Where, write: Write) -> None:
        limit = resource.limit
        if limit is None:
            return
        most = self._limits.get(limit.setting, limit.most) if limit.setting is not None else limit.most
        conditions = [resource.table.c[name] == value for name, value in where.items()]
        there = await write.connection.scalar(select(func.count()).select_from(resource.table).where(*conditions))
        if (there or 0) >= most:
            text = f"There are {there} of {resource.key} already; at most {most} are allowed"
            raise bad_request([Fault("", limit.code, text)])

    async def _insert(self, resource: Resource, made: Row, write: Write) -> Row:
        table = resource.table
        columns = {name: value for name, value in made.items() if name in table.c}
        stored_row = await write.connection.execute(insert(table).values(**columns).returning(*table.c))
        return dict(stored_row.mappings().one())

    def _touch(self, resource: Resource, write: Write, row: Row) -> None:
        if resource.section is not None:
            write.touch(resource.section, row[resource.section_column])
