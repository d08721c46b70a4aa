"""`GET /v1/NetworkingInfo`: what an account is told, and that telling it holds up no call."""

import threading
from typing import Any

import pytest

from byoc_proxy.api import networking
from byoc_proxy.api.networking import PATH, networking_endpoint
from byoc_proxy.api.scope import Scope
from byoc_proxy.api.server import Ask
from byoc_proxy.trunk.edge_share import EdgeShares
from tests.publish.installations import EDGES, directory
from tests.trunk import records


def ask() -> Ask:
    built = directory()
    account = built.accounts[records.ACME]
    return Ask(Scope(account, account, built, "https://127.0.0.1:8443"), {}, [], PATH)


async def test_an_account_is_told_its_names_addresses_ports_and_edge_share() -> None:
    """S26."""
    answer = await networking_endpoint(EDGES, EdgeShares()).serve(ask())
    told: Any = answer.content
    assert (answer.status, told["account_sid"]) == (200, records.ACME)
    (trunk,) = told["trunks"]
    assert trunk["domains"][0]["localized_uris"][1]["termination_uri"] == "acme.sip.us2.example.test"
    assert trunk["edge_share"]["calls"] == 0


@pytest.mark.wire
async def test_the_info_of_an_account_is_made_in_a_thread_because_calls_go_on(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """With ten thousand domains it takes most of a second, in which a node must not be silent."""
    made_in: list[threading.Thread] = []

    def noted(*_: object) -> dict[str, object]:
        made_in.append(threading.current_thread())
        return {}

    monkeypatch.setattr(networking, "networking_info", noted)
    await networking_endpoint(EDGES, EdgeShares()).serve(ask())
    assert made_in != [threading.main_thread()]
