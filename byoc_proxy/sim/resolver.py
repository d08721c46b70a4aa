"""Names that take their time, and fail at times."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from byoc_proxy.sim.zone import FakeResolver, Zone
from byoc_proxy.sip.locate import NotLocated

if TYPE_CHECKING:
    from random import Random

    from byoc_proxy.sip.locate import Hop
    from byoc_proxy.sip.uri import SipUri


class MoodyResolver(FakeResolver):
    """A `FakeResolver` that is slow and broken in a world of its own."""

    def __init__(self, zone: Zone, chance: Random) -> None:
        super().__init__(zone, chance.random)
        self.failing.add("dead.carrier.example")
        self._chance = chance
        self._delays = chance.choice(((0.0,), (0.0, 0.01), (0.0, 0.05, 3.0)))
        self._fails = chance.choice((0.0, 0.0, 0.0, 0.2))

    async def locate(self, uri: SipUri) -> list[Hop]:
        delay = self._chance.choice(self._delays)
        if delay:
            await asyncio.sleep(delay)
        if self._chance.random() < self._fails:
            raise NotLocated(f"no server answers for {uri.host}")
        return await super().locate(uri)
