"""`byoc-proxy demo`: one call from carrier A through the proxy to carrier B, shown while it happens.

The proxy is the real one: `app.Node` from a configuration file, on real sockets. Around it are two carriers, a
voice application and a DNS server of our own. Carrier B is reached by a name with two addresses, and the first of
them is silent until the call is over, so that the four-second rule is seen. Takes about six seconds.
"""

from __future__ import annotations

import asyncio
import json
import tempfile
from contextlib import AsyncExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Final

import typer
import yaml

from byoc_proxy.app import Node, World
from byoc_proxy.config.load import load
from byoc_proxy.demo import names, places
from byoc_proxy.demo.application import Application
from byoc_proxy.demo.carrier import Callee, Caller
from byoc_proxy.demo.ladder import WIDTH, Ladder
from byoc_proxy.demo.narrator import narrated
from byoc_proxy.demo.places import PROXY_NAME, Places, spelt
from byoc_proxy.demo.verdict import Check, Scene, checks
from byoc_proxy.net.dns import Resolver
from byoc_proxy.storage.store import MemoryStore
from byoc_proxy.webhook.transport import AiohttpTransport

if TYPE_CHECKING:
    from byoc_proxy.call.leg import Leg
    from byoc_proxy.storage.record import CallRecord

WALL_LIMIT: Final = 30.0
FAILED: Final = 1
_TALK: Final = 0.5  # seconds from the answer to carrier A's BYE
_GRACE: Final = 1.0
_PARTIES: Final = ("carrier A", PROXY_NAME, "carrier B, 1st address", "carrier B, 2nd address")
_DOCUMENT: Final = f'<Response><Dial><Number byoc="{places.TRUNK_SID}">{places.ONWARD}</Number></Dial></Response>'


async def play() -> int:
    """Place the call and show it; the exit code."""
    before = len(asyncio.all_tasks())
    try:
        async with asyncio.timeout(WALL_LIMIT):
            cast, leg = await _perform()
    except TimeoutError:
        typer.secho(f"The demo took longer than {WALL_LIMIT:g} s.", fg=typer.colors.RED)
        return FAILED
    except OSError as error:
        typer.secho(f"The demo needs loopback sockets: {error.strerror or error}", fg=typer.colors.RED)
        return FAILED
    record = next(iter(cast.records.records.values()), None)
    _show_record(record)
    scene = cast.scene(leg, record, tasks_left=len(asyncio.all_tasks()) - before)
    return _show_verdict(list(checks(scene)))


@dataclass(frozen=True, slots=True)
class Cast:
    """Everybody on stage."""

    node: Node
    caller: Caller
    first: Callee
    second: Callee
    application: Application
    records: MemoryStore

    def scene(self, leg: Leg | None, record: CallRecord | None, tasks_left: int) -> Scene:
        core = self.node.endpoint.core
        return Scene(
            self.caller, self.first, self.second, self.application, core, leg, record, tasks_left=tasks_left
        )


async def _perform() -> tuple[Cast, Leg]:
    where = Places.free()
    ladder = Ladder(_PARTIES, asyncio.get_running_loop().time)
    _show_heading(where)
    async with AsyncExitStack() as stage:
        cast = await _gather(where, ladder, stage)
        ladder.heading([spelt(each) for each in (where.carrier_a, where.proxy, where.first_b, where.second_b)])
        leg = await _call(cast, where, ladder)
    return cast, leg


async def _gather(where: Places, ladder: Ladder, stage: AsyncExitStack) -> Cast:
    """Start everybody; the stage sees them off in the opposite order."""
    zone = {places.CARRIER_B_NAME: (places.FIRST_B, places.SECOND_B)}
    await stage.enter_async_context(names.serving(where.names, zone, ladder.remark))
    application = Application(where.voice_url, places.AUTH_TOKEN, _DOCUMENT, ladder.remark)
    await stage.enter_async_context(application.serving(where.application))
    records = MemoryStore()
    caller, first, second = (
        Caller(_PARTIES[0], where.carrier_a, ladder),
        Callee(_PARTIES[2], where.first_b, ladder, asleep=True),
        Callee(_PARTIES[3], where.second_b, ladder),
    )
    for carrier in (caller, first, second):
        stage.push_async_callback(carrier.close)
    node = await _start_proxy(where, ladder, records, stage)
    return Cast(node, caller, first, second, application, records)


async def _start_proxy(where: Places, ladder: Ladder, records: MemoryStore, stage: AsyncExitStack) -> Node:
    directory = stage.enter_context(tempfile.TemporaryDirectory(prefix="byoc-demo-"))
    path = Path(directory) / "byoc-proxy.yaml"
    where.write_configuration(path)
    loaded = load(path, {})
    settings = loaded.settings
    resolver = Resolver(
        settings.dns.nameservers,
        settings.dns.timeout,
        now=asyncio.get_running_loop().time,
        draw=lambda: 0.0,  # equal addresses in the order of the answer, so that the silent one comes first
        families=("A",),
    )
    http = await stage.enter_async_context(AiohttpTransport())
    node = Node(loaded, World(http, resolver, records, narrated(ladder.remark)))
    stage.push_async_callback(node.endpoint.close)
    node.listeners.open(loaded)
    return node


async def _call(cast: Cast, where: Places, ladder: Ladder) -> Leg:
    """The plot: call, talk, hang up; then the silent address wakes up, too late."""
    uri = f"sip:{places.CALLED}@{places.DOMAIN}"
    leg = await cast.caller.call(uri, places.CALLER, where.proxy, (places.USER, places.PASSWORD))
    await asyncio.sleep(_TALK)
    leg.hang_up()
    for taken in cast.second.legs:
        await taken.ended()
    ladder.remark("carrier B's first address wakes up and reads what lies in its socket")
    cast.first.wake()
    await cast.node.stop(_GRACE)
    return leg


def _show_heading(where: Places) -> None:
    typer.secho("One call through byoc-proxy, on loopback", bold=True)
    typer.echo(f"  carrier A     calls {places.CALLED} at {places.DOMAIN}")
    typer.echo(f"  application   {where.voice_url} answers with <Dial><Number byoc> {places.ONWARD}")
    typer.echo(f"  carrier B     is {places.CARRIER_B_NAME}: two addresses, and the first one is silent\n")


def _show_record(record: CallRecord | None) -> None:
    """The record of the call, without what is empty."""
    typer.secho("\nThe record of the call", bold=True)
    fields = _without_blanks(json.loads(json.dumps(record.as_dict()))) if record is not None else {}
    typer.echo(yaml.safe_dump(fields, sort_keys=False, width=WIDTH, allow_unicode=True))


def _without_blanks(value: object) -> object:
    if isinstance(value, dict):
        return {key: _without_blanks(item) for key, item in value.items() if item not in (None, "", [], {})}
    return [_without_blanks(item) for item in value] if isinstance(value, list) else value


def _show_verdict(results: list[Check]) -> int:
    for check in results:
        colour = typer.colors.GREEN if check.holds else typer.colors.RED
        typer.echo(typer.style("  ok    " if check.holds else "  FAILED", fg=colour) + f" {check.claim}")
    if all(check.holds for check in results):
        typer.secho("\nThe call went through. Next: config.example.yaml, docs/configuration.md", bold=True)
        return 0
    typer.secho("\nThe demo failed.", fg=typer.colors.RED, bold=True)
    return FAILED
