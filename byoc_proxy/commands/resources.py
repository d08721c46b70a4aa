"""Commands about all resources together: write them down as a configuration file."""

from __future__ import annotations

from enum import StrEnum
from typing import TYPE_CHECKING, Annotated

import typer

from byoc_proxy.commands.common import ConfigOption, loaded
from byoc_proxy.commands.output import Output, list_variables, write_new

if TYPE_CHECKING:
    from pathlib import Path

    from byoc_proxy.trunk.model import Resources


class Secrets(StrEnum):
    """Where auth tokens and carriers' passwords of an export are."""

    FILE = "file"
    ENV = "env"


def export(
    config: ConfigOption,
    output: Output,
    secrets: Annotated[
        Secrets, typer.Option(help="Tokens and carriers' passwords in the file, or as ${NAME} to set.")
    ] = Secrets.FILE,
) -> None:
    """Write all resources as the sections of a configuration file that `run` accepts, every SID pinned."""
    from byoc_proxy.config.export import export as exported_of
    from byoc_proxy.config.yaml_text import yaml_text

    exported = exported_of(_resources(config), secrets_in_file=secrets is Secrets.FILE)
    comments = [
        f"The resources of {config.name}. To run, add what is about a node alone: `listeners:` at least; limits,",
        "logs, TLS files. The hashes of passwords are good for the realm of this installation only.",
    ]
    write_new(output, yaml_text(exported.sections, comments))
    list_variables(exported.variables, "set these in the environment of `run` and `check`:")


def _resources(config: Path) -> Resources:
    """Where the rows come from."""
    return loaded(config).resources
