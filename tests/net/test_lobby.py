"""Who may stay connected when there are too many: counted by source, and nobody's call pays for it."""

from dataclasses import dataclass, field

import pytest

from byoc_proxy.net.lobby import Lobby, StreamLimits


@dataclass
class Visitor:
    """A guest that remembers why it had to go."""

    number: int
    source: str = "198.51.100.7"
    proven: bool = False
    heard_at: float = 0.0
    dismissed: list[str] = field(default_factory=list)

    def dismiss(self, cause: str) -> None:
        self.dismissed.append(cause)


def lobby_with(*visitors: Visitor, busy: set[int] | None = None, most: int = 3, per_source: int = 100) -> Lobby:
    lobby = Lobby(StreamLimits(max=most, max_per_source=per_source), lambda: busy or set())
    for visitor in visitors:
        assert lobby.refusal(visitor.source) is None
        lobby.enter(visitor)
    return lobby


def test_one_source_has_so_many_connections_and_another_is_not_touched_by_that() -> None:
    lobby = lobby_with(Visitor(1), Visitor(2), most=10, per_source=2)
    refusal = lobby.refusal("198.51.100.7")
    assert refusal == "198.51.100.7 has 2 connections open (limits.connections.max_per_source)"
    assert lobby.refusal("198.51.100.8") is None


def test_all_addresses_of_an_ipv6_network_are_one_source() -> None:
    lobby = lobby_with(Visitor(1, "2001:db8::1"), Visitor(2, "2001:db8::2%eth0"), most=10, per_source=2)
    assert (lobby.refusal("2001:db8::ffff") or "").startswith("2001:db8::/64 has 2 connections")
    assert lobby.refusal("2001:db8:0:1::1") is None


def test_who_has_left_counts_no_more_and_leaving_twice_is_leaving() -> None:
    first, second = Visitor(1), Visitor(2)
    lobby = lobby_with(first, second, most=10, per_source=2)
    lobby.leave(first)
    lobby.leave(first)
    assert len(lobby) == 1
    assert lobby.refusal(first.source) is None


def test_in_a_full_house_the_quietest_that_carries_nothing_makes_room() -> None:
    busy, quiet, recent = Visitor(1), Visitor(2, heard_at=5.0), Visitor(3, heard_at=9.0)
    lobby = lobby_with(busy, quiet, recent, busy={1})
    assert lobby.refusal("203.0.113.8") is None
    assert [bool(each.dismissed) for each in (busy, quiet, recent)] == [False, True, False]
    assert len(lobby) == 2


def test_who_has_never_said_anything_goes_before_a_carrier_that_is_between_two_calls() -> None:
    carrier, stranger = Visitor(1, heard_at=1.0, proven=True), Visitor(2, heard_at=9.0)
    lobby = lobby_with(carrier, stranger, most=2)
    assert lobby.refusal("203.0.113.8") is None
    assert (carrier.dismissed, len(stranger.dismissed)) == ([], 1)


def test_when_calls_live_on_all_connections_the_newcomer_is_refused() -> None:
    lobby = lobby_with(Visitor(1), Visitor(2), busy={1, 2}, most=2)
    assert lobby.refusal("203.0.113.8") == "2 connections are open and in use (limits.connections.max)"


@pytest.mark.parametrize("count", [100, 1000])
def test_a_flood_at_the_door_of_a_full_house_looks_for_room_once_in_a_while(count: int) -> None:
    searches: list[set[int]] = []

    def busy() -> set[int]:
        searches.append(set())
        return searches[-1]

    lobby = Lobby(StreamLimits(max=count, max_per_source=10**6), busy)
    for number in range(2 * count):
        assert lobby.refusal("198.51.100.7") is None
        lobby.enter(Visitor(number))
    assert len(lobby) <= count
    assert len(searches) == 20
