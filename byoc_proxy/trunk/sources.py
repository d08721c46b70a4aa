"""Source addresses against access control lists: compiled once, then one bisection per list and packet.

On the hot path an address is an integer and a compiled list is a sorted row of boundaries, so that 10 and 10 000
ranges cost the same. Host names are refused: a list holds the addresses that packets come from.
"""

from __future__ import annotations

from array import array
from bisect import bisect_right
from dataclasses import dataclass
from itertools import chain
from typing import TYPE_CHECKING, Final

from byoc_proxy.trunk.networks import Network, read_source

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    _Boundaries = tuple[Sequence[int], tuple["AclEntry | None", ...]]


@dataclass(frozen=True, slots=True)
class AclEntry:
    """One line of one list, by the names that a trace shows."""

    list_name: str
    friendly_name: str
    cidr: str

    @property
    def length(self) -> int:
        """The bits that a source has in common with the range: the more, the narrower it is."""
        return int(self.cidr.rpartition("/")[2])

    def __str__(self) -> str:
        return f"'{self.friendly_name or self.list_name}' {self.cidr}"


class SourceTable:
    """Which entry of a list an address falls into; of nested ranges the narrowest answers."""

    __slots__ = ("_owners_v4", "_owners_v6", "_starts_v4", "_starts_v6")

    def __init__(self, entries: Iterable[tuple[Network, AclEntry]]) -> None:
        rows = list(entries)
        starts, self._owners_v4 = _boundaries([row for row in rows if row[0].version == 4])
        self._starts_v4 = array("Q", starts)  # a fifth of a list of integers, and all in one place
        self._starts_v6, self._owners_v6 = _boundaries([row for row in rows if row[0].version == 6])

    def match(self, source: str) -> AclEntry | None:
        """The entry that holds `source`, an address as the socket spelled it; None when there is none."""
        return self.at(*read_source(source))

    def at(self, version: int, number: int) -> AclEntry | None:
        """The same for an address that has been read already."""
        if version == 4:
            place = bisect_right(self._starts_v4, number)
            return self._owners_v4[place - 1] if place else None
        place = bisect_right(self._starts_v6, number)
        return self._owners_v6[place - 1] if place else None


def narrowest(tables: Sequence[SourceTable], source: str) -> AclEntry | None:
    """The entry of several lists that holds `source`: the narrowest, and of equal ones that of the first list."""
    version, number = read_source(source)
    found = None
    for table in tables:
        entry = table.at(version, number)
        if entry is not None and (found is None or entry.length > found.length):
            found = entry
    return found


class KnownSources:
    """All addresses of many lists together, each with the number of lists that hold it.

    Networks are numbers, kept by how many bits their addresses differ in: a handful of sizes, one look at each.
    One address more or less copies one mapping, however many there are.
    """

    __slots__ = ("_v4", "_v6")

    def __init__(self, v4: Mapping[int, Mapping[int, int]], v6: Mapping[int, Mapping[int, int]]) -> None:
        self._v4 = v4
        self._v6 = v6

    def hold(self, source: str) -> bool:
        """Whether an address, as the socket spelled it, is in any of the lists."""
        version, number = read_source(source)
        sizes = self._v4 if version == 4 else self._v6
        for bits, networks in sizes.items():
            if number >> bits in networks:
                return True
        return False

    def changed(self, fewer: Iterable[Network], more: Iterable[Network]) -> KnownSources:
        """These without the networks of some lists and with those of others."""
        fresh: dict[tuple[int, int], dict[int, int]] = {}
        for network, step in chain(((each, 1) for each in more), ((each, -1) for each in fewer)):
            bits = (network.last - network.first).bit_length()
            counts = fresh.get((network.version, bits))
            if counts is None:
                before = self._v4 if network.version == 4 else self._v6
                counts = fresh[network.version, bits] = dict(before.get(bits, ()))
            number = network.first >> bits
            counts[number] = counts.get(number, 0) + step
            if not counts[number]:
                del counts[number]
        return KnownSources(_merged(self._v4, fresh, 4), _merged(self._v6, fresh, 6))


NOBODY: Final = KnownSources({}, {})


def _merged(
    before: Mapping[int, Mapping[int, int]], fresh: Mapping[tuple[int, int], Mapping[int, int]], version: int
) -> dict[int, Mapping[int, int]]:
    """The sizes as they were, with the fresh ones in their place and without those that hold nothing any more."""
    merged = {**before, **{bits: counts for (of, bits), counts in fresh.items() if of == version}}
    return {bits: counts for bits, counts in merged.items() if counts}


def _boundaries(rows: Sequence[tuple[Network, AclEntry]]) -> _Boundaries:
    """Addresses at which the owner changes, and the owner from there on (None in the gaps).

    CIDR ranges nest or are apart, never overlap by half, so a stack of open ranges is enough. Of two equal
    ranges the first listed owns: it is pushed last.
    """
    if not rows:
        return (), ()
    starts: list[int] = []
    owners: list[AclEntry | None] = []
    still_open: list[tuple[int, AclEntry]] = []

    def change(at: int, owner: AclEntry | None) -> None:
        if starts and starts[-1] == at:
            owners[-1] = owner
        else:
            starts.append(at)
            owners.append(owner)

    def close_before(limit: float) -> None:
        while still_open and still_open[-1][0] < limit:
            last, _ = still_open.pop()
            change(last + 1, still_open[-1][1] if still_open else None)

    last_listed_first = rows[::-1]
    for network, entry in sorted(last_listed_first, key=lambda row: (row[0].first, -row[0].last)):
        close_before(network.first)
        change(network.first, entry)
        still_open.append((network.last, entry))
    close_before(float("inf"))
    return starts, tuple(owners)
