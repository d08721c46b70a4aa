"""Requests that come at the same time: each is judged against what the others have left behind."""

import asyncio
from collections import Counter

import pytest

from tests.support.api import DOMAINS, POLICIES, TRUNKS, Installation, Reply

pytestmark = pytest.mark.store


def told(replies: list[Reply]) -> Counter[tuple[int, int | None]]:
    """How often which status came with which code."""
    return Counter((reply.status, reply.code) for reply in replies)


async def test_of_many_who_want_one_name_one_gets_it(api: Installation) -> None:
    """S42."""
    clients = [api.acme, api.other] * 6
    replies = await asyncio.gather(
        *(client.post(DOMAINS, DomainName="acme.sip.example.test") for client in clients)
    )
    assert told(replies) == {(201, None): 1, (400, 21232): 11}
    assert len((await api.tables())["domains"]) == 1


async def test_a_limit_holds_however_many_come_at_once(api: Installation) -> None:
    policy = await api.acme.made(POLICIES)
    place = f"{POLICIES}/{policy['sid']}/Targets"
    replies = await asyncio.gather(*(api.acme.post(place, Target=f"sip:gw{at}.example") for at in range(20)))
    assert told(replies) == {(201, None): 10, (400, 21254): 10}
    assert len(api.directory.connection_policies[policy["sid"]].targets) == 10


async def test_what_is_deleted_twice_at_once_is_deleted_once(api: Installation) -> None:
    trunk = await api.acme.made(TRUNKS)
    replies = await asyncio.gather(*(api.acme.delete(f"{TRUNKS}/{trunk['sid']}") for _ in range(8)))
    assert told(replies) == {(204, None): 1, (404, 20404): 7}


async def test_who_takes_into_use_and_who_deletes_at_once_cannot_both_succeed(api: Installation) -> None:
    trunk = await api.acme.made(TRUNKS)
    for at in range(6):
        policy = await api.acme.made(POLICIES)
        use = api.acme.post(f"{TRUNKS}/{trunk['sid']}", ConnectionPolicySid=policy["sid"])
        away = api.acme.delete(f"{POLICIES}/{policy['sid']}")
        first, second = await asyncio.gather(*((use, away) if at % 2 else (away, use)))
        used, deleted = (first, second) if at % 2 else (second, first)
        assert ((used.status, used.code), (deleted.status, deleted.code)) in (
            ((200, None), (409, 20409)),
            ((400, 20423), (204, None)),
        )


async def test_many_readers_and_writers_at_once_are_all_served(api: Installation) -> None:
    work = [api.acme.post(TRUNKS, FriendlyName=f"n{at}") for at in range(40)]
    work += [api.acme.get(TRUNKS) for _ in range(40)]
    assert told(await asyncio.gather(*work)) == {(201, None): 40, (200, None): 40}
    assert len(api.directory.trunks) == 40
