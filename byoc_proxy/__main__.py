"""The command line: what the daemon is run, checked and asked with.

Exit codes: 0 well, 1 failed, 2 the configuration is wrong.
"""

from __future__ import annotations

import asyncio
import os
from pathlib import Path
from typing import Annotated

import typer

from byoc_proxy import __version__
from byoc_proxy.config.load import ConfigProblems, Loaded
from byoc_proxy.preflight import load_checked

FAILED = 1
WRONG_CONFIG = 2

app = typer.Typer(
    help="Self-hosted BYOC trunking for programmable voice.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
)
ConfigFile = Annotated[Path, typer.Argument(help="The configuration file, YAML.", show_default=False)]


@app.command()
def run(
    config: Annotated[Path, typer.Option("--config", "-c", help="The configuration file, YAML.")],
) -> None:
    """Run the daemon until SIGTERM. SIGHUP reloads the trunks, domains, lists and policies of the file."""
    from byoc_proxy.daemon import fast_loop, serve  # the other commands start faster without it

    loaded = _loaded(config)
    try:
        with asyncio.Runner(loop_factory=fast_loop()) as runner:
            runner.run(serve(loaded, lambda: load_checked(config, os.environ), os.environ))
    except OSError as error:
        typer.echo(f"byoc-proxy: {error.strerror or error}", err=True)
        raise typer.Exit(FAILED) from error


@app.command()
def check(config: ConfigFile) -> None:
    """Judge a configuration file without running it: every problem with its line, and warnings."""
    loaded = _loaded(config)
    for warning in loaded.warnings:
        typer.echo(f"{warning} (warning)", err=True)
    resources = loaded.resources
    for kind, rows in (("trunk", resources.trunks), ("domain", resources.domains)):
        for row in rows:
            typer.echo(f"{kind} {row.sid} {row.friendly_name}")
    typer.echo(
        f"{config}: good: {len(resources.trunks)} trunks, {len(resources.domains)} domains, "
        f"{len(resources.connection_policies)} connection policies, {len(loaded.warnings)} warnings"
    )


@app.command()
def targets(config: ConfigFile) -> None:
    """Show what the node that runs on this file knows of its carriers: each target and address, and its state."""
    from byoc_proxy.targets import NoReport, fetched, table

    place = _loaded(config).settings.health
    if place is None:
        typer.echo(f"byoc-proxy: {config} has no `health: {{bind: …}}`, where a node could be asked", err=True)
        raise typer.Exit(FAILED)
    try:
        report = asyncio.run(fetched(place.host, place.port))
    except NoReport as error:
        typer.echo(f"byoc-proxy: {error}", err=True)
        raise typer.Exit(FAILED) from error
    for line in table(report):
        typer.echo(line)


@app.command()
def demo() -> None:
    """Place one call between two carriers of our own on loopback, and show what was said and decided."""
    from byoc_proxy.demo.play import play

    raise typer.Exit(asyncio.run(play()))


@app.command()
def sim(
    seeds: Annotated[str, typer.Option(metavar="A..B", help="The worlds to play, both ends included.")] = "1..200",
    seed: Annotated[int | None, typer.Option(help="One world only.", show_default=False)] = None,
    calls: Annotated[int, typer.Option(min=1, max=99_999, help="Calls in each world.")] = 4,
    jobs: Annotated[int, typer.Option(min=1, help="Processes.")] = os.cpu_count() or 1,
    trace: Annotated[bool, typer.Option("--trace", help="Show the course of what broke a rule.")] = False,
) -> None:
    """Play simulated worlds, a seed each: the real node between carriers that misbehave. 1 if a rule is broken."""
    from byoc_proxy.sim.campaign import run as play_all

    first, dots, last = (str(seed), "..", str(seed)) if seed is not None else seeds.partition("..")
    if not (dots and first.isdecimal() and last.isdecimal() and int(first) <= int(last)):
        raise typer.BadParameter(f"{seeds!r} is not two seeds such as 1..200", param_hint="--seeds")
    worlds = range(int(first), int(last) + 1)
    if not play_all(worlds, calls, jobs, trace=trace, write=typer.echo):
        raise typer.Exit(FAILED)


@app.command()
def version() -> None:
    """Print the version."""
    typer.echo(f"byoc-proxy {__version__}")


def _loaded(config: Path) -> Loaded:
    try:
        return load_checked(config, os.environ)
    except ConfigProblems as error:
        for problem in error.problems:
            typer.echo(problem, err=True)
        typer.echo(f"byoc-proxy: {len(error.problems)} problems in {config}", err=True)
        raise typer.Exit(WRONG_CONFIG) from error


def main() -> None:
    """The `byoc-proxy` command."""
    app(prog_name="byoc-proxy")


if __name__ == "__main__":
    main()
