"""Commands that need no configuration: a demonstration and the simulation."""

from __future__ import annotations

import asyncio
import os
from typing import Annotated

import typer

from byoc_proxy.commands.common import FAILED


def demo() -> None:
    """Place one call between two carriers of our own on loopback, and show what was said and decided."""
    from byoc_proxy.demo.play import play

    raise typer.Exit(asyncio.run(play()))


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
