"""Calls of the API leave at their account's pace, in their order, and keep nobody else waiting."""

import asyncio
from dataclasses import dataclass, field

from byoc_proxy.call.departures import Departures

ACME, OTHER = "AC" + "1" * 32, "AC" + "2" * 32


@dataclass(frozen=True)
class Queued:
    sid: str


@dataclass
class Station:
    """Departures with a note of who went when, in virtual seconds since it opened."""

    paces: dict[str, int] = field(default_factory=lambda: {ACME: 1, OTHER: 1})
    most: int = 100
    gone: list[tuple[str, float]] = field(default_factory=list)

    def __post_init__(self) -> None:
        loop = asyncio.get_running_loop()
        opened = loop.time()

        def start(call: Queued) -> None:
            self.gone.append((call.sid, round(loop.time() - opened, 3)))

        self.departures: Departures[Queued] = Departures(loop, self.paces.__getitem__, start, self.most)

    def comes(self, *names: str, account: str = ACME) -> None:
        for name in names:
            assert self.departures.hold(account)
            self.departures.join(account, Queued(name))


async def test_one_call_a_second_leaves_in_the_order_in_which_they_came() -> None:
    station = Station()
    station.comes("a", "b", "c")
    assert station.gone == [("a", 0.0)]
    await asyncio.sleep(5)
    assert station.gone == [("a", 0.0), ("b", 1.0), ("c", 2.0)]


async def test_a_quiet_second_is_not_saved_up() -> None:
    station = Station()
    station.comes("a")
    await asyncio.sleep(10)
    station.comes("b", "c")
    await asyncio.sleep(5)
    assert station.gone == [("a", 0.0), ("b", 10.0), ("c", 11.0)]


async def test_a_faster_account_has_so_many_in_any_second() -> None:
    station = Station(paces={ACME: 3})
    station.comes("a", "b", "c", "d")
    await asyncio.sleep(0.5)
    station.comes("e")
    await asyncio.sleep(5)
    assert [at for _, at in station.gone] == [0.0, 0.0, 0.0, 1.0, 1.0]


async def test_the_queue_of_one_account_delays_no_other() -> None:
    station = Station()
    station.comes(*(f"a{number}" for number in range(50)))
    station.comes("b", account=OTHER)
    assert ("b", 0.0) in station.gone


async def test_a_call_that_leaves_the_queue_does_not_depart_and_the_next_takes_its_turn() -> None:
    station = Station()
    station.comes("a", "b", "c")
    found = station.departures.leave(ACME, "b")
    assert found is not None
    assert found.sid == "b"
    assert station.departures.leave(ACME, "b") is None
    assert station.departures.leave(ACME, "a") is None, "it has gone already"
    await asyncio.sleep(5)
    assert station.gone == [("a", 0.0), ("c", 1.0)]


async def test_there_is_room_for_so_many_of_an_account_and_places_that_are_held_count() -> None:
    station = Station(most=2)
    station.comes("a", "b", "c")
    assert not station.departures.hold(ACME)
    assert station.departures.hold(OTHER)
    station.departures.leave(ACME, "c")
    assert station.departures.hold(ACME)
    assert not station.departures.hold(ACME)
    station.departures.release(ACME)
    assert station.departures.hold(ACME)
    station.departures.clear()


async def test_a_pace_that_is_changed_counts_for_those_who_wait() -> None:
    station = Station()
    station.comes("a", "b", "c", "d")
    station.paces[ACME] = 10
    await asyncio.sleep(5)
    assert station.gone == [("a", 0.0), ("b", 1.0), ("c", 1.0), ("d", 1.0)]


async def test_a_queue_that_is_cleared_gives_back_who_waited_and_sends_nobody() -> None:
    station = Station()
    station.comes("a", "b", "c")
    assert [call.sid for call in station.departures.clear()] == ["b", "c"]
    await asyncio.sleep(5)
    assert station.gone == [("a", 0.0)]
    assert len(station.departures) == 0
