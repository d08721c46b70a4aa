"""The composition root: the one place where everything is put together, started, reloaded and stopped."""

from __future__ import annotations

import asyncio
import contextlib
import gc
import os
import random
import secrets
import signal
import socket
import ssl
import time
import uuid
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from byoc_proxy import __version__
from byoc_proxy.call.screen import Screen
from byoc_proxy.call.services import Services
from byoc_proxy.call.switchboard import Switchboard
from byoc_proxy.config.load import ConfigProblems
from byoc_proxy.net.dns import Resolver
from byoc_proxy.net.endpoint import Endpoint
from byoc_proxy.net.stream import StreamListener
from byoc_proxy.net.udp import UdpListener
from byoc_proxy.observe.log import configured
from byoc_proxy.sip.core import UserAgentCore
from byoc_proxy.sip.digest import DigestServer
from byoc_proxy.sip.transaction import TIMEOUT
from byoc_proxy.sip.uri import bracketed
from byoc_proxy.storage.store import CallStore, NoStore, RecordFile
from byoc_proxy.trunk.directory import Directories
from byoc_proxy.trunk.origination import RestingAddresses
from byoc_proxy.webhook.client import Webhooks
from byoc_proxy.webhook.transport import AiohttpTransport, Transport

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

    from byoc_proxy.call.services import Resolver as CallResolver
    from byoc_proxy.config.load import Loaded
    from byoc_proxy.config.settings import Listener, Settings
    from byoc_proxy.sip.outputs import Dropped

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


class Node:
    """One node: endpoint, directory and switchboard, ready for wires to be added to `endpoint`."""

    def __init__(self, loaded: Loaded, world: World) -> None:
        settings = loaded.settings
        self.log = world.log
        self.directories = Directories(loaded.directory)
        self.switchboard = Switchboard(settings.limits.max_calls)
        digest = DigestServer(
            loaded.directory.installation.realm, settings.digest_secret or secrets.token_bytes(32)
        )
        screen = Screen(self.directories, digest, self.switchboard, world.wall, world.log)
        core = UserAgentCore(lambda: NODE + world.hex_digits()[:20], screen)
        self.endpoint = Endpoint(core, self._dropped)
        self._patience: asyncio.Timeout | None = None  # how long `stop` waits, while it does
        webhooks = Webhooks(
            world.http,
            user_agent=f"byoc-proxy/{__version__}",
            new_token=lambda: str(uuid.UUID(world.hex_digits(), version=4)),
            connect_timeout=settings.webhooks.connect_timeout,
            total_timeout=settings.webhooks.total_timeout,
        )
        self.switchboard.serve(
            Services(
                self.endpoint,
                self.directories,
                webhooks,
                world.resolver,
                RestingAddresses(),
                world.records,
                world.hex_digits,
                world.wall,
                world.draw,
                world.log,
            )
        )

    def reload(self, loaded: Loaded) -> None:
        """Put a new snapshot in force. Calls in progress keep what they were admitted with."""
        changes = self.directories.replace(loaded.directory)
        self.log.info("config.reloaded", version=self.directories.version, changes=changes)

    async def stop(self, grace: float) -> None:
        """Refuse new calls, give the live ones `grace` seconds, hang up the rest, let the wire wind down."""
        self.log.info("node.draining", calls=len(self.switchboard.calls), grace=grace)
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(grace + TIMEOUT) as self._patience:
                await self.switchboard.drain(grace)
                await self.endpoint.quiet()
        self._patience = None
        await self.switchboard.drain(0)
        await self.endpoint.close()
        self.log.info("node.stopped")

    def hurry(self) -> None:
        """Cut `stop` short: what still talks is hung up at once, and no answer is waited for."""
        patience, self._patience = self._patience, None
        if patience is not None:
            self.log.warning("node.hurrying", calls=len(self.switchboard.calls))
            patience.reschedule(self.endpoint.now)

    def _dropped(self, dropped: Dropped) -> None:
        self.log.debug("message.dropped", reason=dropped.reason, source=dropped.flow.remote)


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
    records: CallStore = RecordFile(settings.records) if settings.records else NoStore()
    async with AiohttpTransport() as http:
        resolver = Resolver(
            settings.dns.nameservers,
            settings.dns.timeout,
            now=loop.time,
            draw=random.random,
            families=_families(settings),
        )
        node = Node(loaded, World(http, resolver, records, log))
        try:
            await open_listeners(node, settings)
            _calm_collector()
            for number in (signal.SIGTERM, signal.SIGINT):
                loop.add_signal_handler(number, _asked_to_stop, node, stopping)
            loop.add_signal_handler(signal.SIGHUP, _reload, node, settings, load_again)
            _tell_supervisor(environ, "READY=1")
            await stopping.wait()
            _tell_supervisor(environ, "STOPPING=1")
        finally:
            await node.stop(settings.limits.drain_grace)
            records.close()


async def open_listeners(node: Node, settings: Settings) -> None:
    """Open every listener of the settings; `OSError` names the one that cannot be had."""
    for listener in settings.listeners:
        local = (listener.host, listener.port)
        try:
            if listener.transport == "UDP":
                node.endpoint.add(UdpListener(local, _sent_by(listener), node.endpoint))
            else:
                stream = StreamListener(
                    local,
                    _sent_by(listener),
                    node.endpoint,
                    server_tls=_server_tls(listener) if listener.transport == "TLS" else None,
                    client_tls=_client_tls(settings) if listener.transport == "TLS" else None,
                )
                await stream.start()
                node.endpoint.add(stream)
        except OSError as error:
            where = f"{listener.transport} {bracketed(listener.host)}:{listener.port}"
            raise OSError(error.errno, f"cannot listen on {where}: {error.strerror or error}") from error
        node.log.info("listener.open", transport=listener.transport, address=local, sent_by=_sent_by(listener))


def _calm_collector() -> None:
    """Look for cyclic garbage rarely: a call leaves none (sessions, transactions and legs let go of each other).

    Transactions live for 32 s, so the default thresholds walk thousands of live objects again and again: a third
    of the CPU at 200 calls/s, in pauses of up to 100 ms. What start-up made is not looked at any more.
    """
    gc.collect()
    gc.freeze()
    gc.set_threshold(100_000, 50, 100)


def _asked_to_stop(node: Node, stopping: asyncio.Event) -> None:
    """SIGTERM, SIGINT: the first drains, as long as the grace allows; a second one means now."""
    if stopping.is_set():
        node.hurry()
    stopping.set()


def _reload(node: Node, running: Settings, load_again: Callable[[], Loaded]) -> None:
    """SIGHUP: all of the file or nothing of it."""
    try:
        loaded = load_again()
    except ConfigProblems as error:
        node.log.error("config.kept", cause="the new file cannot be used", problems=error.problems)
        return
    if loaded.directory.installation.realm != node.directories.current.installation.realm:
        node.log.error("config.kept", cause="the digest realm changes only with a restart")
        return
    node.reload(loaded)
    if loaded.settings != running:
        node.log.warning("config.restart_needed", text="listeners, limits, dns, log and files change by a restart")


def _sent_by(listener: Listener) -> str:
    host = bracketed(listener.advertise_host or listener.host)
    return f"{host}:{listener.advertise_port or listener.port}"


def _families(settings: Settings) -> tuple[Any, ...]:
    """Ask the DNS only for addresses that some listener can send to."""
    versions = {":" in listener.host for listener in settings.listeners}
    return tuple(family for family, six in (("A", False), ("AAAA", True)) if six in versions)


def _server_tls(listener: Listener) -> ssl.SSLContext:
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    if listener.certificate is not None:
        context.load_cert_chain(listener.certificate, listener.private_key)
    return context


def _client_tls(settings: Settings) -> ssl.SSLContext:
    tls = settings.tls_client
    context = ssl.create_default_context(cafile=tls.ca_file)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    if not tls.verify:
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
    if tls.certificate is not None:
        context.load_cert_chain(tls.certificate, tls.private_key)
    return context


def _tell_supervisor(environ: Mapping[str, str], state: str) -> None:
    """systemd's `Type=notify` protocol, when it asked for it."""
    address = environ.get("NOTIFY_SOCKET")
    if not address:
        return
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as channel:
        channel.connect(address.replace("@", "\0", 1) if address.startswith("@") else address)
        channel.sendall(state.encode())
