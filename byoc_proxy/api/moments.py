"""Filters by time: a day or a moment, from or before it (contract 1.8)."""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Final, NamedTuple

from byoc_proxy.api.resource import Parameter

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from sqlalchemy import Column, ColumnElement

    from byoc_proxy.api.resource import Row

_DAY: Final = re.compile(r"\d{4}-\d\d-\d\d")
_MOMENT: Final = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d{1,6})?Z")
DAY_LONG: Final = 86_400


class Span(NamedTuple):
    """What was written, in seconds since 1970: its first moment, and the first one after it."""

    start: float
    end: float

    @property
    def day(self) -> Span:
        """All of the day, in UTC, that it begins in."""
        start = self.start // DAY_LONG * DAY_LONG
        return Span(start, start + DAY_LONG)


@dataclass(frozen=True, slots=True)
class When:
    """`YYYY-MM-DD`, a whole day, or `YYYY-MM-DDThh:mm:ssZ`, a second of it."""

    def read(self, text: str) -> Span:
        for pattern, lasts in ((_DAY, DAY_LONG), (_MOMENT, 1)):
            if pattern.fullmatch(text):
                try:
                    start = datetime.fromisoformat(text).replace(tzinfo=UTC).timestamp()
                except ValueError as error:
                    raise ValueError(f"is no day of the calendar ({error})") from None
                return Span(start, start + lasts)
        raise ValueError("must be YYYY-MM-DD or YYYY-MM-DDThh:mm:ssZ, in UTC")

    def schema(self) -> Mapping[str, object]:
        return {"type": "string", "pattern": f"^({_DAY.pattern}|{_MOMENT.pattern})$"}


def three_ways(name: str, column: str) -> tuple[Parameter, ...]:
    """`StartTime`, `StartTime<` and `StartTime>`: on that day, before it, from it on."""
    return tuple(Parameter(name + sign, When(), column + sign) for sign in ("", "<", ">"))


def conditions(values: Row, column: Column[float]) -> Iterator[ColumnElement[bool]]:
    """Take what `three_ways` has read of a column out of the values of a request."""
    on: Span | None = values.pop(column.name, None)
    before: Span | None = values.pop(f"{column.name}<", None)
    since: Span | None = values.pop(f"{column.name}>", None)
    if on is not None:
        yield column >= on.day.start
        yield column < on.day.end
    if before is not None:
        yield column < before.start
    if since is not None:
        yield column >= since.start
