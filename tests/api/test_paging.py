"""Lists in pages: contract 1.1 "Pagination"."""

from pathlib import Path
from typing import Any

import pytest

from byoc_proxy.storage.database import Database
from tests.support.api import ACLS, ACME, BASE, DECLARED, TRUNKS, Client, Installation, installed

pytestmark = pytest.mark.store
HERE = f"/2010-04-01/Accounts/{ACME}{ACLS}"


async def some_trunks(api: Installation, count: int) -> list[str]:
    return [(await api.acme.made(TRUNKS, FriendlyName=f"n{at}"))["sid"] for at in range(count)]


async def some_lists(api: Installation, count: int) -> list[str]:
    return [(await api.acme.made(ACLS, FriendlyName=f"n{at}"))["sid"] for at in range(count)]


async def pages(client: Client, first: str) -> list[Any]:
    """Every page of a list of v1, from `first` by the links forward."""
    found, following = [], first
    while following:
        found.append((await client.get(following)).json)
        following = found[-1]["meta"]["next_page_url"]
        assert len(found) < 50
    return found


def sids(page: Any, key: str = "byoc_trunks") -> list[str]:
    return [row["sid"] for row in page[key]]


async def test_a_list_of_the_2010_api_has_the_keys_of_the_contract_and_no_other(api: Installation) -> None:
    """Fact 2, S105: any other key breaks every list of the public clients."""
    made = await some_lists(api, 5)
    first = (await api.acme.get(ACLS, PageSize="2")).json
    assert sids(first, "ip_access_control_lists") == made[:2]
    rows = first.pop("ip_access_control_lists")
    token = first["next_page_uri"].rpartition("PageToken=")[2]
    assert first == {
        "first_page_uri": f"{HERE}?PageSize=2&Page=0",
        "end": 1,
        "previous_page_uri": None,
        "uri": f"{HERE}?PageSize=2&Page=0",
        "page_size": 2,
        "start": 0,
        "next_page_uri": f"{HERE}?PageSize=2&Page=1&PageToken={token}",
        "page": 0,
    }
    assert len(rows) == 2
    second = (await api.acme.get(first["next_page_uri"])).json
    assert (second["start"], second["end"], second["page"]) == (2, 3, 1)
    assert sids(second, "ip_access_control_lists") == made[2:4]
    last = (await api.acme.get(second["next_page_uri"])).json
    assert (last["start"], last["end"], last["next_page_uri"]) == (4, 4, None)
    back = (await api.acme.get(last["previous_page_uri"])).json
    assert sids(back, "ip_access_control_lists") == made[2:4]
    assert (back["page"], back["start"], back["end"]) == (1, 2, 3)


async def test_an_empty_list_of_the_2010_api_starts_and_ends_at_0(api: Installation) -> None:
    assert (await api.acme.get(ACLS)).json == {
        "first_page_uri": f"{HERE}?PageSize=50&Page=0",
        "end": 0,
        "previous_page_uri": None,
        "ip_access_control_lists": [],
        "uri": f"{HERE}?PageSize=50&Page=0",
        "page_size": 50,
        "start": 0,
        "next_page_uri": None,
        "page": 0,
    }


async def test_a_list_of_v1_says_where_its_pages_are_in_absolute_addresses(api: Installation) -> None:
    """Fact 2: `meta.key` names the array."""
    made = await some_trunks(api, 3)
    first = (await api.acme.get(TRUNKS, PageSize="2")).json
    token = first["meta"]["next_page_url"].rpartition("PageToken=")[2]
    assert first["meta"] == {
        "page": 0,
        "page_size": 2,
        "first_page_url": f"{BASE}{TRUNKS}?PageSize=2&Page=0",
        "previous_page_url": None,
        "url": f"{BASE}{TRUNKS}?PageSize=2&Page=0",
        "next_page_url": f"{BASE}{TRUNKS}?PageSize=2&Page=1&PageToken={token}",
        "key": "byoc_trunks",
    }
    assert set(first) == {"meta", "byoc_trunks"}
    assert sids(first) == made[:2]
    second = (await api.acme.get(first["meta"]["next_page_url"])).json
    assert sids(second) == made[2:]
    assert second["meta"]["next_page_url"] is None
    assert sids((await api.acme.get(second["meta"]["previous_page_url"])).json) == made[:2]


async def test_the_way_forward_and_the_way_back_show_every_row_once(api: Installation) -> None:
    made = await some_trunks(api, 10)
    forward = await pages(api.acme, f"{TRUNKS}?PageSize=3")
    assert [len(page["byoc_trunks"]) for page in forward] == [3, 3, 3, 1]
    assert [sid for page in forward for sid in sids(page)] == made
    back, previous = [], forward[-1]["meta"]["previous_page_url"]
    while previous:
        back.append((await api.acme.get(previous)).json)
        previous = back[-1]["meta"]["previous_page_url"]
    assert [sid for page in reversed(back) for sid in sids(page)] == made[:9]
    assert [page["meta"]["page"] for page in back] == [2, 1, 0]


async def test_a_page_may_be_asked_for_by_its_number(api: Installation) -> None:
    made = await some_trunks(api, 5)
    assert sids((await api.acme.get(TRUNKS, PageSize="2", Page="1")).json) == made[2:4]
    beyond = (await api.acme.get(TRUNKS, PageSize="2", Page="9")).json
    assert beyond["byoc_trunks"] == []
    assert beyond["meta"]["next_page_url"] is None


async def test_rows_that_come_and_go_between_two_pages_neither_hide_nor_repeat_others(api: Installation) -> None:
    made = await some_trunks(api, 6)
    first = (await api.acme.get(TRUNKS, PageSize="3")).json
    await api.acme.delete(f"{TRUNKS}/{made[0]}")
    await api.acme.delete(f"{TRUNKS}/{made[2]}")  # the one that the token is of
    (late,) = await some_trunks(api, 1)
    second = (await api.acme.get(first["meta"]["next_page_url"])).json
    assert sids(second) == made[3:6]
    third = (await api.acme.get(second["meta"]["next_page_url"])).json
    assert sids(third) == [late]
    assert sids((await api.acme.get(second["meta"]["previous_page_url"])).json) == [made[1]]


async def test_the_links_keep_the_filters_of_the_list(api: Installation) -> None:
    accounts = "/2010-04-01/Accounts.json"
    for _ in range(3):
        await api.acme.made(accounts, FriendlyName="Branch & Sons")
    first = (await api.acme.get(accounts, FriendlyName="Branch & Sons", PageSize="2")).json
    assert "FriendlyName=Branch+%26+Sons" in first["next_page_uri"]
    second = (await api.acme.get(first["next_page_uri"])).json
    assert [row["friendly_name"] for row in second["accounts"]] == ["Branch & Sons"]
    assert "FriendlyName=Branch+%26+Sons" in second["previous_page_uri"]


SIZES = (
    "0",
    "1001",
    "-1",
    "ten",
    "1e3",
    "9" * 30,
)


async def test_a_page_has_1_to_1000_rows(api: Installation) -> None:
    """Contract 5: 20007."""
    for size in SIZES:
        for path in (TRUNKS, ACLS):
            reply = await api.acme.get(path, PageSize=size)
            assert (reply.status, reply.code) == (400, 20007)
    assert (await api.acme.get(TRUNKS, PageSize="1000")).json["meta"]["page_size"] == 1000


TOKENS = (
    "x",
    "PA",
    "PA" + "z" * 32,
    "PC" + "0" * 32,
    "PA" + "f" * 32,
    "PA" + "0" * 33,
)


async def test_a_page_token_that_is_none_is_refused(api: Installation) -> None:
    """Contract 5: 21481."""
    for token in TOKENS:
        reply = await api.acme.get(TRUNKS, PageToken=token)
        assert (reply.status, reply.code) == (400, 21481)


async def test_a_page_number_is_a_number(api: Installation) -> None:
    for page in ("-1", "x", "1000001", "1.5"):
        reply = await api.acme.get(TRUNKS, Page=page)
        assert (reply.status, reply.code) == (400, 20422)


async def test_a_parameter_of_paging_is_given_once(api: Installation) -> None:
    for name, code in (("PageSize", 20007), ("Page", 20422), ("PageToken", 21481)):
        reply = await api.acme.get(f"{TRUNKS}?{name}=1&{name}=2")
        assert (reply.status, reply.code) == (400, code)


async def test_a_page_token_shows_nobody_the_rows_of_another_account(api: Installation) -> None:
    await some_trunks(api, 4)
    first = (await api.acme.get(TRUNKS, PageSize="2")).json
    assert (await api.other.get(first["meta"]["next_page_url"])).json["byoc_trunks"] == []


async def test_an_unknown_filter_is_refused(api: Installation) -> None:
    reply = await api.acme.get(TRUNKS, FriendlyName="n1")
    assert (reply.status, reply.code) == (400, 20001)
    assert "FriendlyName" in reply.message


async def test_what_the_file_declares_comes_first_and_is_paged_with_the_rest(
    database: Database, tmp_path: Path
) -> None:
    declared = "trunks: {t1: {account: acme}, t2: {account: acme}, t3: {account: acme}, theirs: {account: other}}"
    api = await installed(database, tmp_path, f"{DECLARED}\n{declared}")
    made = await some_trunks(api, 3)
    whole = sids((await api.acme.get(TRUNKS)).json)
    assert whole[3:] == made
    assert {api.provisioning.is_declared(sid) for sid in whole[:3]} == {True}
    for size in range(1, 7):
        forward = await pages(api.acme, f"{TRUNKS}?PageSize={size}")
        assert [sid for page in forward for sid in sids(page)] == whole
        if len(forward) > 1:
            back = (await api.acme.get(forward[-1]["meta"]["previous_page_url"])).json
            assert sids(back) == sids(forward[-2])
        for at in range(len(forward)):
            assert sids((await api.acme.get(TRUNKS, PageSize=str(size), Page=str(at))).json) == sids(forward[at])
