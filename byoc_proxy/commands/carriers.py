"""Commands about what carriers and the DNS are told: networking info, firewall rules, the zone."""

from __future__ import annotations

import asyncio
import json
import time
from enum import StrEnum
from typing import TYPE_CHECKING, Annotated, Any

import typer

from byoc_proxy.commands.common import ConfigOption, failed, loaded
from byoc_proxy.commands.store import in_force
from byoc_proxy.config.fields import host_name
from byoc_proxy.publish.access import Side, access_to_carrier, access_to_us
from byoc_proxy.publish.firewall import iptables, nftables
from byoc_proxy.publish.table import table
from byoc_proxy.publish.zonefile import Authority, NameServer, ZoneError, origin_of, zone_file
from byoc_proxy.trunk.networking import networking as networking_of
from byoc_proxy.trunk.networking_view import networking_view
from byoc_proxy.trunk.networks import AddressError, read_address

if TYPE_CHECKING:
    from collections.abc import Mapping

    from byoc_proxy.config.settings import Health
    from byoc_proxy.trunk.directory import Directory
    from byoc_proxy.trunk.model import ByocTrunk
    from byoc_proxy.trunk.networking import Networking


class Format(StrEnum):
    """What networking info is printed as."""

    TABLE = "table"
    JSON = "json"
    NFTABLES = "nftables"
    IPTABLES = "iptables"


def networking(
    config: ConfigOption,
    form: Annotated[Format, typer.Option("--format", help="What to print.")] = Format.TABLE,
    trunk: Annotated[
        str | None, typer.Option(help="One trunk only: its SID or its key in the file.", show_default=False)
    ] = None,
    side: Annotated[Side, typer.Option(help="Whose firewall the rules are for.")] = Side.PROXY,
) -> None:
    """Print what carriers are told: names by region, addresses and ports, edge share; or firewall rules."""
    judged = loaded(config)
    directory = in_force(judged)
    chosen = directory.trunks.values() if trunk is None else [_trunk(directory, judged.names, trunk)]
    info = networking_of(directory, judged.settings.edges, chosen)
    access_of = access_to_us if side is Side.PROXY else access_to_carrier
    match form:
        case Format.NFTABLES:
            lines = nftables(access_of(directory, info))
        case Format.IPTABLES:
            lines = iptables(access_of(directory, info))
        case _:
            shares, unknown = _shares(judged.settings.health, info)
            if form is Format.TABLE:
                lines = table(info, shares, unknown)
            else:
                lines = iter([json.dumps(networking_view(info, shares), indent=2, ensure_ascii=False)])
    for line in lines:
        typer.echo(line)


def dns_zone(
    config: ConfigOption,
    ns: Annotated[
        list[str] | None,
        typer.Option(help="A name server, NAME or NAME=ADDRESS,ADDRESS. Once for each.", show_default=False),
    ] = None,
    soa: Annotated[
        str,
        typer.Option(
            metavar="'PRIMARY MAILBOX [REFRESH RETRY EXPIRE MINIMUM]'", help="The SOA record.", show_default=False
        ),
    ] = "",
    serial: Annotated[
        int | None, typer.Option(min=0, max=2**32 - 1, help="By default the time in seconds.", show_default=False)
    ] = None,
    origin: Annotated[
        str, typer.Option(help="The zone. By default the one that holds all names.", show_default=False)
    ] = "",
    records_only: Annotated[
        bool, typer.Option("--records-only", help="Neither SOA nor NS: to be included in a zone of yours.")
    ] = False,
) -> None:
    """Print the DNS zone of every domain in every region: A, AAAA and SRV, with a TTL of ten minutes."""
    judged = loaded(config)
    directory = in_force(judged)
    authority = Authority(
        _host(origin, "--origin") if origin else origin_of(directory.installation.base_domain),
        tuple(map(_name_server, ns or ())),
        serial if serial is not None else int(time.time()),
        *_soa(soa),
    )
    try:
        for line in zone_file(directory, judged.settings.edges, authority, head=not records_only):
            typer.echo(line)
    except ZoneError as error:
        raise failed(error) from error


def _trunk(directory: Directory, names: Mapping[str, tuple[str, str]], wanted: str) -> ByocTrunk:
    """The trunk of a SID or of a key in the file."""
    for trunk in directory.trunks.values():
        if wanted in (trunk.sid, names.get(trunk.sid, ("", ""))[1]):
            return trunk
    raise failed(f"there is no trunk {wanted!r}; `byoc-proxy networking` without --trunk lists them")


def _shares(place: Health | None, info: Networking) -> tuple[dict[str, dict[str, Any]], str]:
    """The edge share of each trunk, as the running node has counted; and why it is unknown where it is."""
    from byoc_proxy.targets import NoReport, fetched

    if place is None:
        return {}, "unknown, because there is no `health: {bind: …}` where the node could be asked"
    try:
        report = asyncio.run(fetched(place.host, place.port, "/edges"))
    except NoReport as error:
        return {}, f"unknown: {error}"
    since = report["since"]
    told = {trunk.trunk.sid for trunk in info.trunks}
    shares = {share["trunk_sid"]: share for share in report["trunks"] if share["trunk_sid"] in told}
    kept = ("calls", "edges", "sources", "warning")
    return {sid: {key: share[key] for key in kept} for sid, share in shares.items()}, f"no calls since {since}"


def _name_server(text: str) -> NameServer:
    name, _, addresses = text.partition("=")
    try:
        return NameServer(_host(name, "--ns"), tuple(map(read_address, filter(None, addresses.split(",")))))
    except AddressError as error:
        raise typer.BadParameter(f"{error}; write ns1.example.test=192.0.2.53", param_hint="--ns") from error


def _soa(text: str) -> tuple[Any, ...]:
    """Primary server, mailbox and, if written, the times."""
    words = text.split()
    names, times = tuple(_host(word, "--soa") for word in words[:2]), words[2:]
    if len(words) not in (0, 2, 6) or not all(word.isdecimal() and int(word) < 2**31 for word in times):
        example = "'ns1.example.test hostmaster.example.test 3600 900 1209600 300'"
        raise typer.BadParameter(f"{text!r} is not a SOA; write {example}, or the first two", param_hint="--soa")
    return (*names, tuple(map(int, times))) if times else names


def _host(text: str, option: str) -> str:
    """A host name without its last dot, in lower case."""
    try:
        return host_name(text)
    except ValueError as error:
        raise typer.BadParameter(str(error), param_hint=option) from error
