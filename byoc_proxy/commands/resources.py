"""Commands about all resources together: write them down as a configuration file."""

from __future__ import annotations

from enum import StrEnum
from typing import Annotated

import typer

from byoc_proxy.commands.common import ConfigOption, loaded
from byoc_proxy.commands.output import Output, list_variables, write_new
from byoc_proxy.commands.store import in_force


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
    """Write all resources, of the file and of its database, as one configuration file with every SID pinned."""
    from byoc_proxy.config.export import export as exported_of
    from byoc_proxy.config.yaml_text import yaml_text

    rows = in_force(loaded(config)).resources
    exported = exported_of(rows, secrets_in_file=secrets is Secrets.FILE)
    comments = [
        f"The resources of {config.name}, and of its database if it has one. To run, add what is about a node",
        "alone: `listeners:` at least; limits, logs. Hashes of passwords are good for this installation's realm.",
    ]
    write_new(output, yaml_text(exported.sections, comments))
    list_variables(exported.variables, "set these in the environment of `run` and `check`:")
