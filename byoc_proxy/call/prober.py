"""Asks carriers whether they are there: OPTIONS to each address of each target whose rules say so (RFC 3261 §11).

One round of a target is one interval: its name is resolved anew, and its addresses are asked one after another,
spread over the interval and a little out of step with other targets. An address that rests is not asked (§21.5.4).
"""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Final

from byoc_proxy.call.evidence import of_options, spelt
from byoc_proxy.net.wire import Unreachable
from byoc_proxy.sip.inspection import ACCEPT
from byoc_proxy.sip.locate import NotLocated
from byoc_proxy.sip.uac import Outgoing
from byoc_proxy.trunk.health import Evidence
from byoc_proxy.trunk.verdicts import FinalResponse, asked_rest

if TYPE_CHECKING:
    from collections.abc import Sequence

    from byoc_proxy.call.services import Services
    from byoc_proxy.sip.locate import Hop
    from byoc_proxy.sip.message import Response
    from byoc_proxy.trunk.health import Watch, WatchedTarget
    from byoc_proxy.trunk.origination import Destination

_FIRST_ROUNDS: Final = 1.0  # seconds between the first OPTIONS of two targets, unless they are too many for that
_JITTER: Final = 0.1  # a round is up to this much shorter or longer than the interval


class Prober:
    """Owns one task for each target that is asked. Follows the directory's snapshots when told to."""

    def __init__(self, services: Services) -> None:
        self._services = services
        self._rounds: dict[WatchedTarget, asyncio.Task[None]] = {}

    def follow(self) -> None:
        """Ask the targets of the current snapshot: new ones begin, removed and changed ones stop."""
        services = self._services
        services.health.follow(services.directories.current, services.endpoint.now)
        wanted = [watched for watched in services.health.targets.values() if watched.rules.mode == "options"]
        for watched in self._rounds.keys() - wanted:
            self._rounds.pop(watched).cancel()
        new = [watched for watched in wanted if watched not in self._rounds]
        for place, watched in enumerate(new):
            pace = min(_FIRST_ROUNDS, watched.rules.interval / len(new))
            self._begin(watched, (place + services.draw()) * pace)

    async def stop(self) -> None:
        """Ask nobody any more."""
        tasks = list(self._rounds.values())
        self._rounds.clear()
        for task in tasks:
            task.cancel()
        if tasks:
            await asyncio.wait(tasks)

    def _begin(self, watched: WatchedTarget, delay: float) -> None:
        task = asyncio.get_running_loop().create_task(
            self._watch(watched, delay), name=f"OPTIONS {watched.target.sid}"
        )
        self._rounds[watched] = task
        task.add_done_callback(lambda done: self._ended(watched, done))

    def _ended(self, watched: WatchedTarget, task: asyncio.Task[None]) -> None:
        """A bug of ours must not leave a target unwatched, and out of use for ever."""
        if not task.cancelled() and self._rounds.get(watched) is task:
            sid = watched.target.sid
            self._services.log.error("prober.crashed", target_sid=sid, exc_info=task.exception())
            self._begin(watched, watched.rules.interval)

    async def _watch(self, watched: WatchedTarget, delay: float) -> None:
        await asyncio.sleep(delay)
        async with asyncio.TaskGroup() as group:
            while True:
                places = await self._locate(watched)
                seconds = watched.rules.interval * (1 + _JITTER * (2 * self._services.draw() - 1))
                for destination, hop in places:
                    now = self._services.endpoint.now
                    watch = self._services.health.watch(destination, hop, now)
                    if watch is not None:
                        watch.next_probe = now + seconds
                        group.create_task(self._probe(destination, watch))
                    await asyncio.sleep(seconds / len(places))
                if not places:
                    await asyncio.sleep(seconds)

    async def _locate(self, watched: WatchedTarget) -> Sequence[tuple[Destination, Hop]]:
        """The addresses of a target now, each once, region by region."""
        services = self._services
        places: dict[Hop, Destination] = {}
        for destination in watched.destinations:
            try:
                hops = await services.resolver.locate(destination.next_hop)
            except NotLocated as error:
                services.health.not_located(destination, str(error))
                hops = [watch.hop for watch in watched.addresses.values() if watch.region == destination.region]
            else:
                services.health.located(destination, hops, services.endpoint.now)
            for hop in hops:
                places.setdefault(hop, destination)
        return [(destination, hop) for hop, destination in places.items()]

    async def _probe(self, destination: Destination, watch: Watch) -> None:
        services, hop = self._services, watch.hop
        started = services.endpoint.now
        if services.health.resting.until(hop, started) is not None:
            return
        services.door.trust(hop.address)  # who is asked may ask back, and be in no list
        try:
            async with asyncio.timeout(watch.rules.timeout):
                flow = await services.endpoint.reach(hop, destination.target.tls)
                response = await services.endpoint.ask("OPTIONS", self._options(destination), flow)
        except TimeoutError:
            text = f"no reply to OPTIONS within {watch.rules.timeout:g} s"
            watch.take(Evidence("miss", "options", text), services.endpoint.now)
        except Unreachable as error:
            watch.take(Evidence("miss", "options", str(error)), services.endpoint.now)
        else:
            self._answered(watch, response, round(services.endpoint.now - started, 3))

    def _answered(self, watch: Watch, response: Response, seconds: float) -> None:
        now = self._services.endpoint.now
        watch.take(of_options(response, seconds), now)
        rest = asked_rest(FinalResponse(response.status, response.reason, response.retry_after))
        if rest:
            self._services.health.resting.rest(watch.hop, now + rest, now)
            self._services.log.info(
                "address.resting", address=spelt(watch.hop), seconds=rest, status=response.status
            )

    def _options(self, destination: Destination) -> Outgoing:
        """§11.1: the Request-URI of a server has no user part; what we would understand is said in Accept."""
        base_domain = self._services.directories.current.installation.base_domain
        server = destination.uri.with_user(None).without_headers()
        return Outgoing(
            str(server), f"<sip:{base_domain}>", f"<sip:{server.host_port}>", (ACCEPT, *destination.route)
        )
