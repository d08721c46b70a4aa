"""The sections of the installation and of the process as frozen values, and what must hold inside them."""

from __future__ import annotations

from typing import TYPE_CHECKING

from byoc_proxy.config.settings import (
    Api,
    ConnectionLimits,
    DatabasePlace,
    Dns,
    Health,
    Limits,
    Listener,
    Log,
    Settings,
    WebhookTimes,
)
from byoc_proxy.sip.flow import TlsTerms
from byoc_proxy.trunk.advice import VERIFY_WARNINGS
from byoc_proxy.trunk.model import Installation, Media, Region
from byoc_proxy.trunk.regions import DEFAULT_REGIONS
from byoc_proxy.trunk.strangers import StrangerLimits

if TYPE_CHECKING:
    from collections.abc import Iterator

    from byoc_proxy.config.explain import Problem
    from byoc_proxy.config.schema import (
        InstallationSection,
        LimitsSection,
        ListenerSection,
        MediaSection,
        ProcessSection,
        RegionSection,
        TlsClientSection,
    )
    from byoc_proxy.config.services_schema import ApiSection, DatabaseSection
    from byoc_proxy.sip.locate import Transport

_ANY_ADDRESS = ("0.0.0.0", "::")
_TRANSPORTS: dict[str, Transport] = {"udp": "UDP", "tcp": "TCP", "tls": "TLS"}


def read_installation(section: InstallationSection) -> Installation:
    """The installation; without `realm` it is the base domain, without `regions` the page's eight."""
    regions = DEFAULT_REGIONS
    if section.regions is not None:
        regions = {name: _region(name, region) for name, region in section.regions.items()}
    return Installation(
        section.base_domain,
        section.realm or section.base_domain,
        section.region,
        regions,
        section.unknown_domain,
        section.static_ip_regions,
        section.default_region,
        tuple((_TRANSPORTS[name], port) for name, port in section.signalling_ports if port is not None),
        _media(section.media),
    )


def installation_problems(place: Installation) -> Iterator[Problem]:
    """Regions that are named but not there."""
    known = ", ".join(place.regions) or "none"
    if place.region not in place.regions:
        yield ("region",), f"there is no region {place.region!r}; known are {known}"
    if place.default_region is not None and place.default_region not in place.regions:
        yield ("default_region",), f"there is no region {place.default_region!r}; known are {known}"
    for name, region in place.regions.items():
        for at, neighbour in enumerate(region.neighbours):
            if neighbour not in place.regions or neighbour == name:
                path = ("regions", name, "neighbours", at)
                yield path, f"{neighbour!r} is not another region; known are {known}"


def installation_warnings(place: Installation) -> Iterator[Problem]:
    """Regions with a single edge, which will fail at some time: the BYOC page has three or four in each."""
    for name, region in place.regions.items():
        for family in ("IPv4", "IPv6"):
            edges = {each for each in region.addresses if (":" in each) is (family == "IPv6")}
            if len(edges) == 1:
                text = f"only one {family} edge: while it is away nobody reaches the region; list two or more"
                yield ("regions", name, "addresses"), text
    chosen = place.regions.get(place.default_region or "")
    if chosen is not None and not chosen.addresses:
        text = f"region {chosen.name!r} has no addresses: generic names would lead nowhere"
        yield ("default_region",), text


def read_settings(section: ProcessSection) -> Settings:
    """The section as frozen settings."""
    secret = section.digest_secret
    health = section.health
    return Settings(
        listeners=tuple(map(_listener, section.listeners)),
        tls_client=_tls_client(section.tls_client),
        dns=Dns(section.dns.nameservers, section.dns.timeout),
        webhooks=WebhookTimes(**section.webhooks.model_dump()),
        log=Log(section.log.level, section.log.format),
        limits=_limits(section.limits),
        health=Health(health.bind.host, health.bind.port or 0) if health is not None else None,
        api=_api(section.api) if section.api is not None else None,
        records=section.records,
        database=_database(section.database) if section.database is not None else None,
        digest_secret=secret.get_secret_value().encode() if secret is not None else None,
    )


def _api(section: ApiSection) -> Api:
    place = section.bind
    limits = section.limits.model_dump()
    return Api(place.host, place.port or 0, limits, section.calls_per_second, section.queued_calls)


def _database(section: DatabaseSection) -> DatabasePlace:
    return DatabasePlace(section.url, section.key_file, section.keep_calls, section.keep_alerts)


def settings_problems(settings: Settings) -> Iterator[Problem]:
    """Listeners that exclude each other (TCP and TLS share one protocol's ports) or that nobody can answer to."""
    bound: dict[tuple[bool, str, int], int] = {}
    for at, listener in enumerate(settings.listeners):
        socket = (listener.transport == "UDP", listener.host, listener.port)
        if listener.port and socket in bound:
            yield ("listeners", at, "bind"), f"listener {bound[socket]} has this address and port already"
        bound.setdefault(socket, at)
        if listener.host in _ANY_ADDRESS and listener.advertise_host is None:
            # it would stand in Via and Contact, and no ACK or BYE would ever come back
            text = f"{listener.host} is no address to answer to; say which one with `advertise`"
            yield ("listeners", at, "bind"), text


def settings_warnings(settings: Settings) -> Iterator[Problem]:
    """What may be used and is unwise."""
    level = settings.tls_client.verify
    if level in VERIFY_WARNINGS:
        yield ("tls_client", "verify"), VERIFY_WARNINGS[level]


def _tls_client(section: TlsClientSection) -> TlsTerms:
    files = (section.ca_file, section.certificate, section.private_key)
    return TlsTerms(section.verify, "", *(str(file or "") for file in files))


def _limits(section: LimitsSection) -> Limits:
    return Limits(
        section.max_calls,
        section.max_calls_per_second,
        section.drain_grace,
        ConnectionLimits(**section.connections.model_dump()),
        StrangerLimits(**section.strangers.model_dump()),
    )


def _region(name: str, section: RegionSection) -> Region:
    usual = DEFAULT_REGIONS.get(name)
    label = section.label or (usual.label if usual is not None else name)
    return Region(name, label, section.neighbours, section.addresses)


def _media(section: MediaSection | None) -> Media | None:
    if section is None:
        return None
    return Media(tuple(dict.fromkeys(section.addresses)), section.ports.first, section.ports.last)


def _listener(section: ListenerSection) -> Listener:
    advertise = section.advertise
    return Listener(
        _TRANSPORTS[section.transport],
        section.bind.host,
        section.bind.port or 0,
        advertise.host if advertise is not None else None,
        advertise.port if advertise is not None else None,
        section.certificate,
        section.private_key,
        section.allow_private_address,
    )
