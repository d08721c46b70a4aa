"""Parameters as an application gets them: in a form, in an object of JSON, or in the query."""

from __future__ import annotations

import json
import re
from functools import lru_cache
from typing import TYPE_CHECKING, Final
from urllib.parse import quote_plus

if TYPE_CHECKING:
    from collections.abc import Sequence

_REMEMBERED_VALUES: Final = 1024
_PLAIN: Final = re.compile(r"[A-Za-z0-9_.\-~]*")


def form(params: Sequence[tuple[str, str]]) -> str:
    """`params` as application/x-www-form-urlencoded (UTF-8)."""
    return "&".join(f"{_quoted(name)}={_escaped(value)}" for name, value in params)


def json_object(params: Sequence[tuple[str, str]]) -> bytes:
    """An object of texts; of a name that comes more than once, a list of them."""
    told: dict[str, str | list[str]] = {}
    for name, value in params:
        before = told.get(name)
        if before is None:
            told[name] = value
        elif isinstance(before, list):
            before.append(value)
        else:
            told[name] = [before, value]
    return json.dumps(told, separators=(",", ":")).encode("ascii")


def with_query(url: str, query: str) -> str:
    """`url` with more in its query."""
    return f"{url}{'&' if '?' in url else '?'}{query}"


def _escaped(text: str) -> str:
    # Names repeat from call to call, most values need no escaping and the numbers that do come twice: a quarter
    # of what urlencode() takes, on the path of every call
    return text if _PLAIN.fullmatch(text) else _quoted(text)


_quoted = lru_cache(_REMEMBERED_VALUES)(quote_plus)
