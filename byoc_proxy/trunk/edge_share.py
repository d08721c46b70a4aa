"""Which of our edges a carrier's calls come in at.

"It is highly recommended that you do not peg towards a single IP address" (BYOC page): a carrier that knows one
edge only is cut off while that one is away. Counted in memory since the start of this node, admitted calls only;
other nodes count for themselves.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from byoc_proxy.sip.uri import bracketed

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from byoc_proxy.sip.flow import Flow
    from byoc_proxy.trunk.networking import Edge

ENOUGH_CALLS: Final = 20  # fewer say nothing about a carrier's habits
MOST_KEPT: Final = 10_000
_OTHERS: Final = "others"  # sources that came when there was no more room

_Key = tuple[str, str, str, str]  # trunk SID, source address, transport, our advertised host:port


@dataclass(frozen=True, slots=True)
class TrunkShare:
    """How many calls a trunk has had at each edge of this node, and from each source. `warning`: words or None."""

    calls: int
    by_edge: tuple[tuple[Edge, int], ...]
    by_source: tuple[tuple[str, int], ...]
    warning: str | None


class EdgeShares:
    """Counts admitted calls. Of bounded size, whoever calls: what does not fit counts as one source, `others`."""

    def __init__(self) -> None:
        self._calls: Counter[_Key] = Counter()

    @property
    def size(self) -> int:
        """Entries that are kept: `MOST_KEPT` at most, and one for each trunk and edge."""
        return len(self._calls)

    def count(self, trunk_sid: str, flow: Flow) -> None:
        """A call of that trunk was admitted on that flow."""
        key = (trunk_sid, flow.remote[0], flow.transport, flow.sent_by)
        if len(self._calls) >= MOST_KEPT and key not in self._calls:
            key = (trunk_sid, _OTHERS, flow.transport, flow.sent_by)
        self._calls[key] += 1

    def of(self, trunk_sids: Iterable[str], edges: Sequence[Edge]) -> dict[str, TrunkShare]:
        """The shares of these trunks at `edges`, those of this node. May be asked from another thread."""
        found: dict[str, list[tuple[_Key, int]]] = {sid: [] for sid in trunk_sids}
        for key, calls in list(self._calls.items()):
            if key[0] in found:
                found[key[0]].append((key, calls))
        return {sid: _share(rows, edges) for sid, rows in found.items()}


def _share(rows: Sequence[tuple[_Key, int]], edges: Sequence[Edge]) -> TrunkShare:
    at_edges: Counter[tuple[str, str]] = Counter()
    sources: Counter[str] = Counter()
    for (_, source, transport, sent_by), calls in rows:
        at_edges[transport, sent_by] += calls
        sources[source] += calls
    by_edge = tuple((edge, at_edges[edge.transport, f"{bracketed(edge.host)}:{edge.port}"]) for edge in edges)
    calls = at_edges.total()
    return TrunkShare(calls, by_edge, tuple(sources.most_common()), _warning(calls, by_edge))


def _warning(calls: int, by_edge: Sequence[tuple[Edge, int]]) -> str | None:
    """A carrier that could have used several addresses of this node and has used one."""
    used = {edge.host for edge, count in by_edge if count}
    if calls < ENOUGH_CALLS or len(used) != 1:
        return None
    kinds = {(edge.transport, edge.six) for edge, count in by_edge if count}
    within_reach = dict.fromkeys(edge.host for edge, _ in by_edge if (edge.transport, edge.six) in kinds)
    idle = [host for host in within_reach if host not in used]
    if not idle:
        return None
    return (
        f"all {calls} calls came in at {used.pop()} and none at {', '.join(idle)}: "
        "the carrier should use every address and go to the next one after 4 seconds without an answer"
    )
