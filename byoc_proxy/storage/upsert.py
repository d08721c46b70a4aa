"""INSERT … ON CONFLICT, compiled once for each driver and table: what is written many times a second."""

from __future__ import annotations

from functools import cache
from typing import TYPE_CHECKING, Any, Final, NamedTuple

from sqlalchemy.dialects import postgresql, sqlite

if TYPE_CHECKING:
    from collections.abc import Sequence

    from sqlalchemy import ColumnElement, Dialect, Table
    from sqlalchemy.ext.asyncio import AsyncConnection

Row = dict[str, Any]

SLICE: Final = 50  # rows that are handed over at a time: some 1 ms, in which the loop does nothing else


class Upsert(NamedTuple):
    """INSERT … ON CONFLICT: SQL, and the columns in the order of its parameters."""

    sql: str
    order: tuple[str, ...]

    async def run(self, connection: AsyncConnection, rows: Sequence[Row]) -> None:
        """Put in `rows`, which may be none."""
        for start in range(0, len(rows), SLICE):
            values = [tuple(map(row.__getitem__, self.order)) for row in rows[start : start + SLICE]]
            await connection.exec_driver_sql(self.sql, values)


@cache
def upsert(
    dialect: Dialect,
    table: Table,
    key: str,
    columns: tuple[str, ...] = (),
    only_where: ColumnElement[bool] | None = None,
) -> Upsert:
    """Put rows into `table`; of one that is there by `key` already, replace `columns`, of some `only_where`."""
    insert = sqlite.insert(table) if dialect.name == "sqlite" else postgresql.insert(table)
    names = [column.name for column in table.columns if column.name != "id"]
    if columns:
        changes = {name: insert.excluded[name] for name in columns}
        statement = insert.on_conflict_do_update(index_elements=[key], set_=changes, where=only_where)
    else:
        statement = insert.on_conflict_do_nothing(index_elements=[key])
    compiled = statement.compile(dialect=dialect, column_keys=names)
    return Upsert(str(compiled), tuple(compiled.positiontup or ()))
