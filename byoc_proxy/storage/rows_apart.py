"""Writes rows all at once, or one by one where the database refuses one of them: no row may keep others back."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from sqlalchemy.exc import SQLAlchemyError

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Sequence

    from sqlalchemy.ext.asyncio import AsyncConnection

    from byoc_proxy.storage.database import Database

    Row = dict[str, Any]
    Write = Callable[[AsyncConnection, Sequence[Row]], Awaitable[None]]


async def write_rows(database: Database, write: Write, rows: Sequence[Row], log: Any) -> None:
    """One transaction for `rows`. A row that no database would take is left out, with an error in the log.

    `StoreUnavailable` when the database cannot be had.
    """
    try:
        async with database.recording() as connection:
            await write(connection, rows)
    except SQLAlchemyError as error:
        if len(rows) == 1:
            sid = rows[0].get("sid") or rows[0]["call_sid"]
            log.error("records.row_refused", sid=sid, cause=str(error.__cause__ or error))
            return
        for row in rows:
            await write_rows(database, write, [row], log)
