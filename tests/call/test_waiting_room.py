"""Who has to go when too many callbacks wait."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from byoc_proxy.call import waiting_room
from byoc_proxy.call.waiting_room import WaitingRoom
from byoc_proxy.storage.notice import Notice


def a_notice(number: int, account: str = "AC1", length: int = 1) -> Notice:
    return Notice(f"token-{number}", f"CA{number}", account, "u" * length, "POST", (), 0.0)


@pytest.fixture(autouse=True)
def small(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(waiting_room, "MOST", 10)
    monkeypatch.setattr(waiting_room, "MOST_TEXT", 1000)


def dropped(room: WaitingRoom, *notices: Notice) -> list[str]:
    return [gone.token for notice in notices for gone in room.add(notice)]


def test_the_oldest_goes_first() -> None:
    room = WaitingRoom()
    assert dropped(room, *map(a_notice, range(12))) == ["token-0", "token-1"]
    assert len(room) == 10
    assert a_notice(1) not in room
    assert a_notice(2) in room


def test_an_account_that_floods_the_room_drives_out_its_own() -> None:
    room = WaitingRoom()
    dropped(room, a_notice(100, "AC2"), a_notice(101, "AC3"))
    gone = dropped(room, *(a_notice(number) for number in range(50)))
    assert len(gone) == 42
    assert "token-100" not in gone
    assert a_notice(100, "AC2") in room
    assert dropped(room, a_notice(102, "AC2")) == ["token-42"]  # and makes room for others


def test_few_that_are_large_are_as_heavy_as_many() -> None:
    room = WaitingRoom()
    dropped(room, a_notice(1, "AC1", 900), a_notice(2, "AC2"), a_notice(3, "AC2"))
    assert dropped(room, a_notice(4, "AC2", 200)) == ["token-1"]


def test_one_that_is_larger_than_the_room_does_not_stay() -> None:
    room = WaitingRoom()
    assert dropped(room, a_notice(1, length=2000)) == ["token-1"]
    assert len(room) == 0


def test_what_is_removed_twice_is_removed_once() -> None:
    room = WaitingRoom()
    dropped(room, a_notice(1))
    assert room.remove(a_notice(1))
    assert not room.remove(a_notice(1))
    assert len(room) == 0


@given(st.lists(st.tuples(st.integers(0, 30), st.sampled_from(["AC1", "AC2", "AC3"]), st.integers(1, 400))))
def test_it_never_holds_more_than_there_is_room_for_and_counts_right(steps: list[tuple[int, str, int]]) -> None:
    room, inside = WaitingRoom(), dict[tuple[str, str], Notice]()
    for number, account, length in steps:
        notice = a_notice(number, account, length)
        held = inside.pop((account, notice.token), None)
        if held is not None:
            assert room.remove(held)
            continue
        inside[account, notice.token] = notice
        for gone in room.add(notice):
            del inside[gone.account_sid, gone.token]
        assert len(room) == len(inside) <= 10
        assert sum(each.size for each in inside.values()) <= 1000
