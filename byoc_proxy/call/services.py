"""What the calls of a process share: put together once by the composition root, handed to every call."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable

    from byoc_proxy.call.door import Door
    from byoc_proxy.call.lines import Lines
    from byoc_proxy.call.progress import Moved
    from byoc_proxy.net.endpoint import Endpoint
    from byoc_proxy.net.whereabouts import Resolver
    from byoc_proxy.storage.alerts import AlertSink
    from byoc_proxy.storage.store import CallStore
    from byoc_proxy.trunk.directory import Directories
    from byoc_proxy.trunk.health import Watchlist
    from byoc_proxy.webhook.client import Webhooks
    from byoc_proxy.webhook.exchange import ExchangeSink
    from byoc_proxy.webhook.handlers import Handlers


@dataclass(frozen=True, slots=True, kw_only=True)
class Services:
    """`token` gives 32 unguessable hex digits, `wall` seconds since 1970, `draw` floats in [0, 1).

    Calls ask `handlers`; `webhooks` are for what applications are only told.
    `listeners` hear of every move of every leg, in the very moment: they may not take long, and cannot fail.
    """

    endpoint: Endpoint
    directories: Directories
    webhooks: Webhooks
    handlers: Handlers
    resolver: Resolver
    health: Watchlist
    lines: Lines
    door: Door
    records: CallStore
    alerts: AlertSink
    exchanges: ExchangeSink
    token: Callable[[], str]
    wall: Callable[[], float]
    draw: Callable[[], float]
    log: Any
    listeners: tuple[Callable[[Moved], None], ...] = ()
