"""Lists in pages: what part is asked for, and the two envelopes around it (contract 1.1 "Pagination").

Rows of a list have an order of their own, their `id`; a token says before or after which one a page is, so rows
that come and go between two pages neither hide others nor show them twice.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final
from urllib.parse import urlencode

from byoc_proxy.api.errors import INVALID_PARAMETER, PAGE_SIZE, PAGE_TOKEN, Fault, bad_request
from byoc_proxy.api.resource import Style
from byoc_proxy.api.values import Whole, Words

if TYPE_CHECKING:
    from byoc_proxy.api.forms import Pairs
    from byoc_proxy.api.resource import Row

USUAL: Final = 50
MOST: Final = 1000
_DEEPEST: Final = 1_000_000
NAMES: Final = {"PageSize": PAGE_SIZE, "Page": INVALID_PARAMETER, "PageToken": PAGE_TOKEN}  # with their codes
_TOKEN: Final = re.compile(r"P([AB])([0-9a-f]{32})")
_MIDDLE: Final = 1 << 64  # ids are counted from here in a token: those of declared rows are below zero


@dataclass(frozen=True, slots=True)
class Window:
    """`size` rows after the one with the id `after`, or before `before`; with neither, page number `page`."""

    size: int = USUAL
    page: int = 0
    after: int | None = None
    before: int | None = None


@dataclass(frozen=True, slots=True)
class Page:
    """`rows` of a list, and whether it goes on behind and before them."""

    rows: list[Row]
    has_next: bool
    has_previous: bool


def window_of(pairs: Pairs) -> tuple[Window, Pairs]:
    """The window, and the other parameters of the query. `ApiError` when it cannot be."""
    said = {name: value for name, value in pairs if name in NAMES and value}
    repeated = next((name for name in said if [each for each, _ in pairs].count(name) > 1), None)
    if repeated is not None:
        raise bad_request([Fault(repeated, NAMES[repeated], f"{repeated} is given twice; give it once")])
    others = [(name, value) for name, value in pairs if name not in NAMES]
    size = _number("PageSize", said.get("PageSize", str(USUAL)), 1, MOST, PAGE_SIZE)
    page = _number("Page", said.get("Page", "0"), 0, _DEEPEST, INVALID_PARAMETER)
    token = said.get("PageToken")
    if token is None:
        return Window(size, page), others
    match = _TOKEN.fullmatch(token)
    if match is None:
        raise bad_request([Fault("PageToken", PAGE_TOKEN, "Invalid PageToken; take it from next_page_uri")])
    at = int(match[2], 16) - _MIDDLE
    if not -_DEEPEST <= at < 1 << 62:
        raise bad_request([Fault("PageToken", PAGE_TOKEN, "Invalid PageToken; it names no row")])
    return (Window(size, page, after=at) if match[1] == "A" else Window(size, page, before=at)), others


def envelope(
    style: Style, key: str, shown: list[object], page: Page, window: Window, place: str, filters: Pairs
) -> object:
    """The answer to a list. `place` is the list's address: a path for the 2010 API, absolute for v1."""

    def address(number: int, token: str = "") -> str:
        paging = [("PageSize", str(window.size)), ("Page", str(number))]
        return f"{place}?{urlencode([*filters, *paging, *([('PageToken', token)] if token else [])])}"

    following = previous = None
    if page.has_next:
        following = address(window.page + 1, _token("A", page.rows[-1]))
    if page.has_previous:
        previous = address(max(window.page - 1, 0), _token("B", page.rows[0]))
    here = address(window.page)
    if style is Style.V1:
        meta = {
            "page": window.page,
            "page_size": window.size,
            "first_page_url": address(0),
            "previous_page_url": previous,
            "url": here,
            "next_page_url": following,
            "key": key,
        }
        return {"meta": meta, key: shown}
    start = window.page * window.size if shown else 0
    return {
        "first_page_uri": address(0),
        "end": start + max(len(shown) - 1, 0),
        "previous_page_uri": previous,
        key: shown,
        "uri": here,
        "page_size": window.size,
        "start": start,
        "next_page_uri": following,
        "page": window.page,
    }


def _token(direction: str, row: Row) -> str:
    return f"P{direction}{row['id'] + _MIDDLE:032x}"


def _number(name: str, text: str, least: int, most: int, code: int) -> int:
    try:
        return Whole(least, most).read(Words(20).read(text))
    except ValueError as error:
        raise bad_request([Fault(name, code, f"{name} {error}")]) from None
