"""Rows as the API shows them: field names, dates and links in the manner of their API (contract 1.1)."""

from __future__ import annotations

from datetime import UTC, datetime
from email.utils import format_datetime
from typing import TYPE_CHECKING, Final

from byoc_proxy.api.resource import Style

if TYPE_CHECKING:
    from byoc_proxy.api.resource import Resource, Row
    from byoc_proxy.trunk.directory import Directory

API_VERSION: Final = "2010-04-01"
DATES: Final = frozenset({"date_created", "date_updated"})


def rfc_2822(at: float | None) -> str | None:
    """`Thu, 30 Jul 2015 20:00:00 +0000`, of seconds since 1970."""
    return format_datetime(datetime.fromtimestamp(int(at), UTC)) if at is not None else None


def iso_8601(at: float | None) -> str | None:
    """`2020-03-18T23:31:36Z`, of seconds since 1970."""
    return datetime.fromtimestamp(int(at), UTC).strftime("%Y-%m-%dT%H:%M:%SZ") if at is not None else None


def date_of(style: Style, at: float | None) -> str | None:
    """A moment in the manner of the API."""
    return rfc_2822(at) if style is Style.LEGACY else iso_8601(at)


def shown(resource: Resource, row: Row, directory: Directory, base: str) -> dict[str, object]:
    """The row as the answer to a fetch. `base` is what stands before the path of v1's links."""
    place = resource.instance_path.format_map(row)
    computed: dict[str, object] = {
        "uri": place,
        "url": base + place,
        "api_version": API_VERSION,
        **resource.ways.more(row, directory),
    }
    within = place.removesuffix(resource.suffix)
    prefix = "" if resource.style is Style.LEGACY else base
    links = {name: f"{prefix}{within}/{path}{resource.suffix}" for name, path in resource.links.items()}
    computed |= {"links": links, "subresource_uris": links}
    answer: dict[str, object] = {}
    for name in resource.answer:
        if name in DATES:
            answer[name] = date_of(resource.style, row[name])
        else:
            answer[name] = computed[name] if name in computed else row[name]
    return answer
