"""Carriers in a terminal: what a running node's `/targets` says, as a table."""

from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING, Any, Final

import aiohttp

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

_HEAD: Final = ("POLICY", "TARGET", "ADDRESS", "STATE", "FOR", "LAST", "NEXT")
_ANY: Final = {"0.0.0.0": "127.0.0.1", "::": "::1"}  # where a node that listens everywhere is asked
_PATIENCE: Final = aiohttp.ClientTimeout(total=5)


class NoReport(Exception):
    """The node did not answer; the message says what came instead."""


async def fetched(host: str, port: int, page: str = "/targets") -> dict[str, Any]:
    """A page of the node whose health listener is there. Raises `NoReport`."""
    name = _ANY.get(host, host)
    url = f"http://{f'[{name}]' if ':' in name else name}:{port}{page}"
    try:
        async with aiohttp.ClientSession(timeout=_PATIENCE, raise_for_status=True) as http, http.get(url) as answer:
            report: dict[str, Any] = await answer.json()
            return report
    except (aiohttp.ClientError, TimeoutError, ValueError) as error:
        raise NoReport(f"{url}: {error or 'no answer within 5 s'}; does a node run here?") from error


def table(report: dict[str, Any]) -> Iterator[str]:
    """One line for each address, and for each target without one; a policy's and a target's words stand once."""
    rows = [_HEAD, *_rows(report)]
    widths = [max(len(row[column]) for row in rows) for column in range(len(_HEAD))]
    above: Sequence[str] = ("", "")
    for row in rows:
        policy = "" if row[0] == above[0] else row[0]
        target = "" if row[:2] == above else row[1]
        above = row[:2]
        cells = (policy, target, *row[2:])
        yield "  ".join(cell.ljust(width) for cell, width in zip(cells, widths, strict=True)).rstrip()


def _rows(report: dict[str, Any]) -> Iterator[tuple[str, ...]]:
    at = datetime.fromisoformat(report["at"])
    for policy in report["policies"]:
        for target in policy["targets"]:
            words = (policy["policy"], target["target"])
            for address in target["addresses"]:
                yield (*words, *_address(address, at))
            if not target["addresses"]:
                yield (*words, "-", "-" if target["enabled"] else "disabled", "", target["problem"], "")


def _address(address: dict[str, Any], at: datetime) -> tuple[str, ...]:
    rests_until, last = address["rests_until"], address["last"]
    state = address["state"] if rests_until is None else f"{address['state']}, rests"
    ahead = address["next_probe_in"] if address["next_probe_in"] is not None else address["next_trial_in"]
    if rests_until is not None:
        ahead = (datetime.fromisoformat(rests_until) - at).total_seconds()
    heard = ""
    if last is not None:
        took = f", {last['seconds'] * 1000:.0f} ms" if last["seconds"] is not None else ""
        heard = f"{last['by']}: {last['text']}{took}"
    since = (at - datetime.fromisoformat(address["since"])).total_seconds()
    return address["address"], state, _span(since), heard, "" if ahead is None else f"in {_span(ahead)}"


def _span(seconds: float) -> str:
    """`42 s`, `7 min`, `5 h`, `12 d`."""
    for size, unit in ((86400, "d"), (3600, "h"), (60, "min")):
        if seconds >= 2 * size:
            return f"{seconds / size:.0f} {unit}"
    return f"{seconds:.0f} s"
