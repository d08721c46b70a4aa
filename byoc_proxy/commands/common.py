"""What the commands share: the configuration file as an argument or an option, exit codes, and how they fail."""

from __future__ import annotations

import os
from pathlib import Path  # typer reads the annotations
from typing import TYPE_CHECKING, Annotated, Final

import typer

from byoc_proxy.config.load import ConfigProblems
from byoc_proxy.preflight import load_checked

if TYPE_CHECKING:
    from byoc_proxy.config.load import Loaded

FAILED: Final = 1
WRONG_CONFIG: Final = 2

ConfigFile = Annotated[Path, typer.Argument(help="The configuration file, YAML.", show_default=False)]
ConfigOption = Annotated[Path, typer.Option("--config", "-c", help="The configuration file, YAML.")]


def loaded(config: Path) -> Loaded:
    """The configuration, judged; what is wrong with it goes to stderr and ends the command."""
    try:
        return load_checked(config, os.environ)
    except ConfigProblems as error:
        for problem in error.problems:
            typer.echo(problem, err=True)
        typer.echo(f"byoc-proxy: {len(error.problems)} problems in {config}", err=True)
        raise typer.Exit(WRONG_CONFIG) from error


def failed(text: object) -> typer.Exit:
    """Say on stderr why a command fails; raise what this returns."""
    typer.echo(f"byoc-proxy: {text}", err=True)
    return typer.Exit(FAILED)
