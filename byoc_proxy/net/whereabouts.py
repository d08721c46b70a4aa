"""Where far ends are that name themselves: RFC 3263 for the requests inside a dialog (RFC 3261 §12.2.1.1, §8.1.2).

Nobody waits for it. Until the name is looked up, and if it leads nowhere, requests go to where the far end was last
heard from, which has just spoken from there.
"""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Protocol

from byoc_proxy.sip.locate import NotLocated

if TYPE_CHECKING:
    from byoc_proxy.sip.dialog import Dialog
    from byoc_proxy.sip.locate import Hop
    from byoc_proxy.sip.uri import SipUri


class Resolver(Protocol):
    """Turns a URI into hops (RFC 3263); raises `sip.locate.NotLocated`."""

    async def locate(self, uri: SipUri) -> list[Hop]: ...


class Whereabouts:
    """Owns one task for each name that is being looked up."""

    def __init__(self, resolver: Resolver) -> None:
        self._resolver = resolver
        self._tasks: set[asyncio.Task[None]] = set()

    def seek(self, dialog: Dialog) -> None:
        """Look the dialog's next hop up, if it is a name that has not been looked up yet."""
        hop = dialog.take_name()
        if hop is not None:
            task = asyncio.get_running_loop().create_task(self._locate(dialog, hop), name=f"next hop {hop.host}")
            self._tasks.add(task)
            task.add_done_callback(self._tasks.discard)

    async def stop(self) -> None:
        """Look for nobody any more."""
        tasks = list(self._tasks)
        for task in tasks:
            task.cancel()
        if tasks:
            await asyncio.wait(tasks)

    async def _locate(self, dialog: Dialog, hop: SipUri) -> None:
        try:
            hops = await self._resolver.locate(hop)
        except NotLocated:
            return
        flow = dialog.flow
        places = [
            (each.address, each.port)
            for each in hops
            if each.transport == flow.transport and (":" in each.address) == (":" in flow.local[0])
        ]
        # of several addresses the one that we are talking to: the others may not know the call
        known = [place for place in places if place[0] == flow.remote[0]]
        if places:
            dialog.found(hop, (known or places)[0])
