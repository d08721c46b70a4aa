"""Reads rows for the API: those of the database and those that the configuration file declares, as one list."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from sqlalchemy import ColumnElement, or_, select

from byoc_proxy.api.paging import Page, Window

if TYPE_CHECKING:
    from collections.abc import Sequence

    from sqlalchemy.ext.asyncio import AsyncConnection

    from byoc_proxy.api.declared import DeclaredRows
    from byoc_proxy.api.resource import Resource, Row

Where = dict[str, Any]  # what columns must be


class Rows:
    """One reading: a connection, and what is declared."""

    def __init__(self, connection: AsyncConnection, declared: DeclaredRows) -> None:
        self._connection = connection
        self._declared = declared

    async def find(self, resource: Resource, where: Where) -> Row | None:
        """The row of which all this is true."""
        for row in self._declared.of(resource):
            if _holds(row, where):
                return row
        query = select(resource.table).where(*_conditions(resource, where))
        found = (await self._connection.execute(query)).mappings().first()
        return dict(found) if found is not None else None

    async def page(
        self, resource: Resource, where: Where, window: Window, more: Sequence[ColumnElement[bool]] = ()
    ) -> Page:
        """Part of a list. `more` are conditions beyond equality; only rows of the database are asked for them."""
        declared = [row for row in self._declared.of(resource) if _holds(row, where)] if not more else []
        conditions = [*_conditions(resource, where), *more]
        if window.before is not None:
            found = await self._before(resource, conditions, declared, window.before, window.size + 1)
            kept = found[-window.size :]
            return Page(kept, has_next=True, has_previous=len(found) > window.size)
        offset = 0 if window.after is not None else window.page * window.size
        found = await self._after(resource, conditions, declared, window.after, offset, window.size + 1)
        has_previous = window.after is not None or offset > 0
        return Page(found[: window.size], len(found) > window.size, has_previous and bool(found))

    async def _after(
        self,
        resource: Resource,
        conditions: Sequence[ColumnElement[bool]],
        declared: Sequence[Row],
        after: int | None,
        offset: int,
        count: int,
    ) -> list[Row]:
        first = [row for row in declared if after is None or row["id"] > after]
        rows = first[offset : offset + count]
        if len(rows) == count:
            return rows
        column = resource.table.c.id
        order = column.desc() if resource.newest_first else column.asc()
        query = select(resource.table).where(*conditions).order_by(order)
        if after is not None and after >= 0:
            query = query.where(column < after if resource.newest_first else column > after)
        query = query.offset(max(offset - len(first), 0)).limit(count - len(rows))
        return rows + [dict(row) for row in (await self._connection.execute(query)).mappings()]

    async def _before(
        self,
        resource: Resource,
        conditions: Sequence[ColumnElement[bool]],
        declared: Sequence[Row],
        before: int,
        count: int,
    ) -> list[Row]:
        rows: list[Row] = []
        if before > 0:
            column = resource.table.c.id
            order = column.asc() if resource.newest_first else column.desc()
            near = column > before if resource.newest_first else column < before
            query = select(resource.table).where(*conditions, near).order_by(order).limit(count)
            rows = [dict(row) for row in (await self._connection.execute(query)).mappings()][::-1]
        first = [row for row in declared if row["id"] < before]
        missing = min(count - len(rows), len(first))
        return [*first[len(first) - missing :], *rows]


def _holds(row: Row, where: Where) -> bool:
    return all(value in (row[name] for name in name.split("|")) for name, value in where.items())


def _conditions(resource: Resource, where: Where) -> list[ColumnElement[bool]]:
    columns = resource.table.c
    return [or_(*(columns[name] == value for name in names.split("|"))) for names, value in where.items()]
