"""`GET /v1/NetworkingInfo`, our extension: what an account tells its carriers and puts into its firewalls."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Final

from byoc_proxy.api import forms
from byoc_proxy.api.openapi import operation
from byoc_proxy.api.resource import Verb
from byoc_proxy.api.server import Answer, Endpoint
from byoc_proxy.trunk.networking_view import networking_info

if TYPE_CHECKING:
    from collections.abc import Sequence

    from byoc_proxy.api.server import Ask
    from byoc_proxy.trunk.edge_share import EdgeShares
    from byoc_proxy.trunk.networking import Edge

PATH: Final = "/v1/NetworkingInfo"


def networking_endpoint(edges: Sequence[Edge], shares: EdgeShares) -> Endpoint:
    """`edges` are the listeners of this node, `shares` tell at which of them the calls of each trunk came in."""

    async def fetch(ask: Ask) -> Answer:
        forms.read(ask.parameters, (), Verb.FETCH)
        # a large account takes most of a second, in which calls go on
        told = await asyncio.to_thread(networking_info, ask.scope.directory, ask.scope.account.sid, edges, shares)
        return Answer(told)

    return Endpoint("GET", PATH, fetch, operation("NetworkingInfo", Verb.FETCH, PATH, {"type": "object"}))
