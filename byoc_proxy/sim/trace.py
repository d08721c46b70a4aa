"""The course of a simulated world, or of one call in it, as lines of text: every message, and every decision."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final

from byoc_proxy.sim.application import dialled
from byoc_proxy.sim.installation import CALLERS, GATEWAYS
from byoc_proxy.sim.peer import PROXY
from byoc_proxy.sim.reader import Reader
from byoc_proxy.sip.message import Request

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from byoc_proxy.sim.log import Told
    from byoc_proxy.sim.network import Carried
    from byoc_proxy.sim.world import Report

_NUMBER: Final = re.compile(r"1415\d{5}")
_QUIET: Final = frozenset({"call_sid", "sip_call_id", "leg_sid", "trunk_sid", "decisions", "source"})


def course(report: Report, call_id: str = "") -> Iterator[str]:
    """The lines of a report that was made with a trace, in the order of time; with `call_id` those of its call."""
    read = Reader()
    ids = _legs(report.carried, call_id, read)
    sids = {str(told.fields.get("call_sid")) for told in report.told if told.fields.get("sip_call_id") in ids}
    entries: list[tuple[float, str]] = []
    for carried in report.carried:
        message = read(carried.data)
        if not ids or (message is not None and message.call_id in ids):
            entries.append((carried.at, _message_line(carried, read)))
    entries += [
        (told.at, _told_line(told)) for told in report.told if not ids or str(told.fields.get("call_sid")) in sids
    ]
    entries += [(each.at, f"!!! {each.rule}: {each.text} {each.call_id}") for each in report.violations]
    return (f"{at:10.4f}  {line}" for at, line in sorted(entries, key=lambda entry: entry[0]))


def _legs(carried: Iterable[Carried], call_id: str, read: Reader) -> set[str]:
    """The Call-IDs of all legs of the call that has a leg with this one; empty when none is asked for."""
    if not call_id:
        return set()
    by_number: dict[str, set[str]] = {}
    wanted = ""
    for each in carried:
        message = read(each.data)
        found = _NUMBER.search(message.headers.get("to") or "") if message is not None else None
        if message is None or found is None:
            continue
        number = dialled(found[0])
        by_number.setdefault(number, set()).add(message.call_id)
        if message.call_id == call_id:
            wanted = number
    return by_number.get(wanted, set()) | {call_id}


def _message_line(carried: Carried, read: Reader) -> str:
    message = read(carried.data)
    if message is None:
        what = f"garbage {carried.data[:40]!r}"
    else:
        number, method = message.cseq
        start = f"{method} {message.uri_text}" if isinstance(message, Request) else message.start_line[8:]
        sdp = " +SDP" if message.body else ""
        tags = f"from={message.from_tag} to={message.to_tag}"
        what = f"{start} ({number} {method}){sdp}  {message.call_id} {tags} {message.branch}"
    fate = "" if carried.fate == "delivered" else f" [{carried.fate}]"
    arrow = f"{_place(carried.source[0]):>14} -> {_place(carried.destination[0]):<14}"
    return f"{arrow}{carried.transport} {what}{fate}"


def _place(address: str) -> str:
    if address == PROXY[0]:
        return "proxy"
    for role, addresses in (("caller", CALLERS), ("gateway", GATEWAYS)):
        if address in addresses:
            return f"{role} .{address.rpartition('.')[2]}"
    return address


def _told_line(told: Told) -> str:
    fields = " ".join(f"{name}={value}" for name, value in told.fields.items() if name not in _QUIET)
    return f"{'* ':>33}{told.event} {fields}"
