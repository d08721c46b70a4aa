"""The life of the process: start, signals, supervisor, end."""

from __future__ import annotations

import asyncio
import gc
import random
import secrets
import signal
import socket
import time
from contextlib import AsyncExitStack, asynccontextmanager
from functools import partial
from typing import TYPE_CHECKING, Any

from byoc_proxy.app import Node, World
from byoc_proxy.call.outlook import targets_report
from byoc_proxy.health import health_served
from byoc_proxy.net.dns import Resolver
from byoc_proxy.observe.log import configured
from byoc_proxy.recording import recording
from byoc_proxy.reloading import Reloading
from byoc_proxy.sip.addresses import is_numeric, is_private
from byoc_proxy.sip.locate import NotLocated
from byoc_proxy.sip.uri import SipUri, bracketed
from byoc_proxy.webhook.transport import AiohttpTransport

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Coroutine, Mapping

    from byoc_proxy.config.load import Loaded
    from byoc_proxy.config.settings import Api, Settings
    from byoc_proxy.health import Page
    from byoc_proxy.net.whereabouts import Resolver as CallResolver
    from byoc_proxy.provision.provisioning import Provisioning
    from byoc_proxy.recording import Recording
    from byoc_proxy.storage.database_records import DatabaseRecords
    from byoc_proxy.webhook.transport import Transport


def fast_loop() -> Callable[[], asyncio.AbstractEventLoop]:
    """uvloop when it is installed (the `fast` extra), else asyncio's own loop."""
    try:
        import uvloop
    except ImportError:
        return asyncio.new_event_loop
    new: Callable[[], asyncio.AbstractEventLoop] = uvloop.new_event_loop
    return new


async def serve(loaded: Loaded, load_again: Callable[[], Loaded], environ: Mapping[str, str]) -> None:
    """Run the daemon until SIGTERM or SIGINT; SIGHUP loads again. `OSError` for what cannot be opened."""
    settings = loaded.settings
    log = configured(settings.log.level, settings.log.format)
    for warning in loaded.warnings:
        log.warning("config.warning", text=warning)
    loop = asyncio.get_running_loop()
    stopping = asyncio.Event()
    async with AsyncExitStack() as open_for_good:
        http = await open_for_good.enter_async_context(AiohttpTransport())
        resolver = Resolver(
            settings.dns.nameservers,
            settings.dns.timeout,
            now=loop.time,
            draw=random.random,
            families=_families(settings),
        )
        provisioning = await open_for_good.enter_async_context(_provisioning(loaded, environ, log))
        database = provisioning.database if provisioning is not None else None
        records = await open_for_good.enter_async_context(recording(settings, database, log))
        world = _world(http, resolver, records, log)
        node = Node(loaded, world, provisioning.directories if provisioning is not None else None)
        reloading = Reloading(node, provisioning, settings, load_again, records.calls.reopen)
        try:
            node.listeners.open(loaded)
            node.start()
            if settings.health is not None:
                # until the very end: a draining node says so
                place = settings.health
                pages: dict[str, Page] = {
                    "/targets": partial(targets_report, node.services),
                    "/rejected": node.rejections.report,
                    "/edges": node.edges_report,
                }
                health = health_served(place.host, place.port, node.switchboard, pages)
                await open_for_good.enter_async_context(health)
            served = _api_served(settings.api, node, provisioning, records.book)
            await open_for_good.enter_async_context(served)
            calm_collector()
            for number in (signal.SIGTERM, signal.SIGINT):
                loop.add_signal_handler(number, _asked_to_stop, node, stopping)
            loop.add_signal_handler(signal.SIGHUP, reloading.ask)
            chores = [reloading.run()] if provisioning is None else [reloading.run(), provisioning.follow()]
            async with _alongside(*chores):
                _tell_supervisor(environ, "READY=1")
                await warn_of_names(settings, resolver, log)
                await stopping.wait()
            _tell_supervisor(environ, "STOPPING=1")
        finally:
            await node.stop(settings.limits.drain_grace)


def _world(http: Transport, resolver: CallResolver, records: Recording, log: Any) -> World:
    return World(
        http,
        resolver,
        records.calls,
        log,
        alerts=records.alerts,
        exchanges=records.exchanges,
        notices=records.notices,
    )


@asynccontextmanager
async def _provisioning(loaded: Loaded, environ: Mapping[str, str], log: Any) -> AsyncIterator[Provisioning | None]:
    """The database, if the file names one."""
    place = loaded.settings.database
    if place is None:
        yield None
        return
    from byoc_proxy.provision.opening import provisioned  # and with it SQLAlchemy: not without need

    async with provisioned(place.url, place.key_file, loaded.resources, environ, log) as provisioning:
        yield provisioning


@asynccontextmanager
async def _api_served(
    place: Api | None, node: Node, provisioning: Provisioning | None, book: DatabaseRecords | None
) -> AsyncIterator[None]:
    """The REST API, if the file asks for one and for a database. `OSError` when its address cannot be had."""
    if place is None or provisioning is None or book is None:
        yield
        return
    from byoc_proxy.api.application import application
    from byoc_proxy.api.call_desk import CallDesk
    from byoc_proxy.api.errands import Errands
    from byoc_proxy.api.listening import bound, served
    from byoc_proxy.api.networking import networking_endpoint

    others = [networking_endpoint(node.edges, node.switchboard.shares)]
    desk = CallDesk(node.switchboard, node.departures, book)
    database, directories = provisioning.database, provisioning.directories
    errands = Errands(database, book.node, desk, directories, time.time, node.log)
    new_id = partial(secrets.token_hex, 16)
    app = application(provisioning, place.limits, desk, errands, others, new_id, node.log)
    try:
        listening = bound(place.host, place.port)
    except OSError as error:
        where = f"{bracketed(place.host)}:{place.port}"
        raise OSError(error.errno, f"cannot serve the API on {where}: {error.strerror}") from error
    async with _alongside(errands.run()), served(app, listening, node.log) as address:
        node.log.info("api.open", address=address)
        yield


@asynccontextmanager
async def _alongside(*chores: Coroutine[Any, Any, None]) -> AsyncIterator[None]:
    """Run these until the context ends."""
    async with asyncio.TaskGroup() as group:
        tasks = [group.create_task(chore) for chore in chores]
        try:
            yield
        finally:
            for task in tasks:
                task.cancel()


def calm_collector() -> None:
    """Look for cyclic garbage rarely: a call leaves none (sessions, transactions and legs let go of each other).

    Transactions live for 32 s, so the default thresholds walk thousands of live objects again and again: a third
    of the CPU at 200 calls/s, in pauses of up to 100 ms. What start-up made is not looked at any more.
    """
    gc.collect()
    gc.freeze()
    gc.set_threshold(50_000, 10, 10)


async def warn_of_names(settings: Settings, resolver: CallResolver, log: Any) -> None:
    """Say which advertised names a far end could not find either, or would find where nobody can send to."""
    for listener in settings.listeners:
        name = listener.advertise_host
        if name is None or is_numeric(name):
            continue
        try:
            hops = await resolver.locate(SipUri.parse(f"sip:{name}:{listener.advertise_port or listener.port}"))
        except NotLocated as error:
            cause = str(error)
        else:
            if not all(is_private(hop.address) for hop in hops):
                continue
            cause = f"it is {', '.join(hop.address for hop in hops)} here, which is private"
        log.warning("listener.advertised_name", name=name, cause=cause, advice="far ends send ACK and BYE there")


def _asked_to_stop(node: Node, stopping: asyncio.Event) -> None:
    """SIGTERM, SIGINT: the first drains, as long as the grace allows; a second one means now."""
    if stopping.is_set():
        node.hurry()
    stopping.set()


def _families(settings: Settings) -> tuple[Any, ...]:
    """Ask the DNS only for addresses that some listener can send to."""
    versions = {":" in listener.host for listener in settings.listeners}
    return tuple(family for family, six in (("A", False), ("AAAA", True)) if six in versions)


def _tell_supervisor(environ: Mapping[str, str], state: str) -> None:
    """systemd's `Type=notify` protocol, when it asked for it."""
    address = environ.get("NOTIFY_SOCKET")
    if not address:
        return
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as channel:
        channel.connect(address.replace("@", "\0", 1) if address.startswith("@") else address)
        channel.sendall(state.encode())
