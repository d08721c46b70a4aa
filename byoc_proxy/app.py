"""The composition root: the one place where everything is put together. `daemon.py` gives it a process."""

from __future__ import annotations

import asyncio
import contextlib
import os
import random
import secrets
import time
import uuid
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final

from byoc_proxy import __version__
from byoc_proxy.call.callbacks import Callbacks
from byoc_proxy.call.departures import Departures
from byoc_proxy.call.door import Door
from byoc_proxy.call.evidence import spelt
from byoc_proxy.call.gauge import Gauge
from byoc_proxy.call.lines import Lines
from byoc_proxy.call.prober import Prober
from byoc_proxy.call.rejections import Rejections
from byoc_proxy.call.screen import Screen
from byoc_proxy.call.services import Services
from byoc_proxy.call.subscriptions import Subscriptions
from byoc_proxy.call.switchboard import Switchboard
from byoc_proxy.config.settings import Api
from byoc_proxy.listeners import Listeners
from byoc_proxy.net.endpoint import Endpoint
from byoc_proxy.sip.core import UserAgentCore
from byoc_proxy.sip.digest_server import DigestServer
from byoc_proxy.sip.transaction import TIMEOUT
from byoc_proxy.storage.alerts import NoAlerts
from byoc_proxy.storage.notice import MemoryBook
from byoc_proxy.storage.record import timestamp
from byoc_proxy.trunk.directory import Directories
from byoc_proxy.trunk.handler_checks import functions_named
from byoc_proxy.trunk.health import State, Watchlist
from byoc_proxy.trunk.model import AccountSid
from byoc_proxy.trunk.networking import edge_of
from byoc_proxy.trunk.networking_view import shares_report
from byoc_proxy.trunk.strangers import Strangers
from byoc_proxy.webhook.client import Webhooks
from byoc_proxy.webhook.exchange import NoExchanges
from byoc_proxy.webhook.functions import Functions
from byoc_proxy.webhook.handlers import Handlers

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from enum import StrEnum

    from byoc_proxy.call.outbound import OutboundCall
    from byoc_proxy.call.progress import Moved
    from byoc_proxy.config.load import Loaded
    from byoc_proxy.config.settings import WebhookTimes
    from byoc_proxy.listeners import TlsFiles
    from byoc_proxy.net.whereabouts import Resolver as CallResolver
    from byoc_proxy.sip.outputs import Dropped
    from byoc_proxy.storage.alerts import AlertSink
    from byoc_proxy.storage.notice import NoticeBook
    from byoc_proxy.storage.store import CallStore
    from byoc_proxy.trunk.directory import Directory
    from byoc_proxy.trunk.health import Watch, WatchedTarget
    from byoc_proxy.trunk.networking import Edge
    from byoc_proxy.webhook.exchange import ExchangeSink
    from byoc_proxy.webhook.transport import Transport

CALLBACK_GRACE: Final = 5.0  # seconds for the last callbacks of a node that stops
NODE: Final = "a"  # the first letter of every tag, branch and Call-ID: which node a message belongs to


def _random_digits() -> Iterator[str]:
    """32 hex digits at a time out of a page of the system's randomness: a call needs a dozen."""
    while True:
        page = os.urandom(4096).hex()
        for at in range(0, len(page), 32):
            yield page[at : at + 32]


_unguessable: Final[Callable[[], str]] = _random_digits().__next__


@dataclass(frozen=True, slots=True)
class World:
    """Everything outside of the process, so that tests can bring another one."""

    http: Transport
    resolver: CallResolver
    records: CallStore
    log: Any
    wall: Callable[[], float] = time.time
    draw: Callable[[], float] = random.random
    hex_digits: Callable[[], str] = _unguessable
    alerts: AlertSink = NoAlerts()
    exchanges: ExchangeSink = NoExchanges()
    notices: NoticeBook = field(default_factory=MemoryBook)
    listeners: tuple[Callable[[Moved], None], ...] = ()


def _webhooks(world: World, times: WebhookTimes) -> Webhooks:
    return Webhooks(
        world.http,
        user_agent=f"byoc-proxy/{__version__}",
        new_token=lambda: str(uuid.UUID(world.hex_digits(), version=4)),
        connect_timeout=times.connect_timeout,
        total_timeout=times.total_timeout,
        requests_per_host=times.requests_per_host,
    )


class Node:
    """One node: endpoint, directory and switchboard, ready for wires to be added to `endpoint`."""

    def __init__(self, loaded: Loaded, world: World, directories: Directories | None = None) -> None:
        """`directories`: where others put new snapshots; None: the file's snapshot, until the next reload."""
        settings = loaded.settings
        self.log = world.log
        self.directories = directories or Directories(loaded.directory)
        self._started = world.wall()
        lines = Lines(settings.limits.max_calls, settings.limits.max_calls_per_second)
        self.switchboard = Switchboard(lines)
        realm = self.directories.current.installation.realm
        digest = DigestServer(realm, settings.digest_secret or secrets.token_bytes(32))
        now = asyncio.get_running_loop().time
        self.gauge = Gauge(world.draw, world.log)
        self.rejections = Rejections(world.wall, world.alerts, world.log)
        strangers = Strangers(settings.limits.strangers)
        door = Door(self.directories, strangers, self.gauge, self.rejections, now, world.log)
        screen = Screen(self.directories, digest, self.switchboard, door, world.wall, self.rejections, world.log)
        core = UserAgentCore(lambda: NODE + world.hex_digits()[:20], screen, door)
        self.endpoint = Endpoint(core, self._dropped, world.resolver)
        self.listeners = Listeners(self.endpoint, self.gauge.watch, world.log)
        self._patience: asyncio.Timeout | None = None  # how long `stop` waits, while it does
        self.callbacks = Callbacks(world.notices, settings.webhooks.callback_patience)
        subscriptions = Subscriptions(world.notices, self.directories, self.callbacks.post)
        webhooks = _webhooks(world, settings.webhooks)
        self.functions = Functions(settings.webhooks.total_timeout, world.log)
        self.functions.load(functions_named(loaded.resources))
        self.health = Watchlist(self._address_changed)
        self.health.follow(self.directories.current, self.endpoint.now)
        self._policies = self.directories.current.connection_policies
        self.services = Services(
            endpoint=self.endpoint,
            directories=self.directories,
            webhooks=webhooks,
            handlers=Handlers(webhooks, self._twiml_of, self.functions),
            resolver=world.resolver,
            health=self.health,
            lines=lines,
            door=door,
            records=world.records,
            alerts=world.alerts,
            exchanges=world.exchanges,
            token=world.hex_digits,
            wall=world.wall,
            draw=world.draw,
            log=world.log,
            listeners=(subscriptions.hear, *world.listeners),
        )
        self.switchboard.serve(self.services)
        self.callbacks.serve(self.services, self.switchboard.report)
        self.departures = self._departures(settings.api or Api("", 0))
        self.prober = Prober(self.services)

    @property
    def edges(self) -> tuple[Edge, ...]:
        """What it listens on, as far ends are told."""
        return tuple(edge_of(wire.transport, wire.sent_by, wire.local[0]) for wire in self.endpoint.wires)

    def edges_report(self) -> dict[str, Any]:
        """Which of its edges the calls of each trunk came in at, for JSON."""
        shares = self.switchboard.shares
        return {
            "since": timestamp(self._started),
            "trunks": shares_report(self.directories.current.trunks.values(), self.edges, shares),
        }

    def start(self) -> None:
        """Ask carriers whether they are there, and tell subscribers of old calls, once the wires are open."""
        self.prober.follow()
        self.callbacks.take_up()
        self.directories.follow(self._follow_targets)

    def reload(self, loaded: Loaded) -> None:
        """Put the file's snapshot and TLS files in force. Calls and connections in progress keep what they have.

        `OSError` when a TLS file cannot be used: then nothing has changed.
        """
        files = self.listeners.read(loaded)
        self.functions.load(functions_named(loaded.resources))
        self.reloaded(files, self.directories.replace(loaded.directory))

    def reloaded(self, files: TlsFiles | None, changes: list[str]) -> None:
        """A new snapshot is in force, with these `changes` in words: so are these files from now on."""
        self.listeners.renew(files)
        self.log.info("config.reloaded", version=self.directories.version, changes=changes)

    async def stop(self, grace: float) -> None:
        """Refuse new calls, give the live ones `grace` seconds, hang up the rest, let the wire wind down, and tell
        subscribers for some seconds how it went.
        """
        self.log.info("node.draining", calls=len(self.switchboard.calls), grace=grace)
        await self.prober.stop()
        self.departures.clear()
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(grace + TIMEOUT) as self._patience:
                await self.switchboard.drain(grace)
                await self.endpoint.quiet()
                await self.callbacks.quiet(CALLBACK_GRACE)
        self._patience = None
        await self.switchboard.drain(0)
        await self.endpoint.close()
        await self.callbacks.stop()
        self.log.info("node.stopped")

    def hurry(self) -> None:
        """Cut `stop` short: what still talks is hung up at once, and no answer is waited for."""
        patience, self._patience = self._patience, None
        if patience is not None:
            self.log.warning("node.hurrying", calls=len(self.switchboard.calls))
            patience.reschedule(self.endpoint.now)

    def _twiml_of(self, account_sid: str, name: str) -> str | None:
        found = self.directories.current.bin_of(account_sid, name)
        return found.twiml if found is not None else None

    def _departures(self, place: Api) -> Departures[OutboundCall]:
        """Where the calls wait that the API asks for."""

        def pace_of(account_sid: str) -> int:
            account = self.directories.current.accounts.get(AccountSid(account_sid))
            return (account.calls_per_second if account is not None else None) or place.calls_per_second

        loop = asyncio.get_running_loop()
        return Departures(loop, pace_of, self.switchboard.start, place.queued_calls)

    def _follow_targets(self, directory: Directory) -> None:
        """Snapshots share what has not changed: one with the same policies has the same targets."""
        policies, self._policies = self._policies, directory.connection_policies
        if policies is not self._policies:
            self.prober.follow()

    def _address_changed(self, watched: WatchedTarget, watch: Watch, left: StrEnum) -> None:
        facts = {
            "address": spelt(watch.hop),
            "was": left,
            "cause": watch.last[1].text if watch.last else "",
            "target": watched.target.friendly_name,
            "target_sid": watched.target.sid,
            "policy_sid": watched.policy.sid,
        }
        if watch.state is State.DOWN:
            self.log.warning("address.down", **facts)
        else:
            self.log.info("address.state", state=watch.state, **facts)

    def _dropped(self, dropped: Dropped) -> None:
        self.rejections.note(dropped.kind, dropped.flow, dropped.reason)
        self.log.debug("message.dropped", reason=dropped.reason, source=dropped.flow.remote)
