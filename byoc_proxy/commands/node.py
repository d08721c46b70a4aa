"""Commands about a node: run it, judge its file, ask it."""

from __future__ import annotations

import asyncio
import os

import typer

from byoc_proxy.commands.common import ConfigFile, ConfigOption, failed, loaded
from byoc_proxy.preflight import load_checked
from byoc_proxy.storage.errors import StoreUnavailable, UnusableDatabase


def run(config: ConfigOption) -> None:
    """Run the daemon until SIGTERM. SIGHUP reloads the trunks, domains, lists and policies of the file."""
    from byoc_proxy.daemon import fast_loop, serve  # the other commands start faster without it

    start = loaded(config)
    try:
        with asyncio.Runner(loop_factory=fast_loop()) as runner:
            runner.run(serve(start, lambda: load_checked(config, os.environ), os.environ))
    except OSError as error:
        raise failed(error.strerror or error) from error
    except (UnusableDatabase, StoreUnavailable) as error:
        raise failed(error) from error


def check(config: ConfigFile) -> None:
    """Judge a configuration file without running it: every problem with its line, and warnings."""
    judged = loaded(config)
    for warning in judged.warnings:
        typer.echo(f"{warning} (warning)", err=True)
    resources = judged.resources
    for kind, rows in (("trunk", resources.trunks), ("domain", resources.domains)):
        for row in rows:
            typer.echo(f"{kind} {row.sid} {row.friendly_name}")
    typer.echo(
        f"{config}: good: {len(resources.trunks)} trunks, {len(resources.domains)} domains, "
        f"{len(resources.connection_policies)} connection policies, {len(judged.warnings)} warnings"
    )


def targets(config: ConfigFile) -> None:
    """Show what the node that runs on this file knows of its carriers: each target and address, and its state."""
    from byoc_proxy.targets import NoReport, fetched, table

    place = loaded(config).settings.health
    if place is None:
        raise failed(f"{config} has no `health: {{bind: …}}`, where a node could be asked")
    try:
        report = asyncio.run(fetched(place.host, place.port))
    except NoReport as error:
        raise failed(error) from error
    for line in table(report):
        typer.echo(line)
