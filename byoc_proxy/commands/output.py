"""What commands that write a configuration file share: where it goes, and what the environment must have for it."""

from __future__ import annotations

import os
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Final

import typer

from byoc_proxy.commands.common import failed
from byoc_proxy.config.yaml_text import printable

if TYPE_CHECKING:
    from collections.abc import Mapping

STDOUT: Final = "-"
_OWNER_ONLY: Final = 0o600  # tokens and hashes are in it

Output = Annotated[
    str,
    typer.Option("--output", "-o", metavar="FILE|-", help="A new file, mode 0600; - for standard output."),
]


def write_new(output: str, text: str) -> None:
    """Write `text` to a new file that only its owner may read, or to standard output.

    A file that is there already stays as it is, and one that could not be written as a whole is removed.
    """
    if output == STDOUT:
        typer.echo(text, nl=False)
        return
    file = Path(output)
    try:
        descriptor = os.open(file, os.O_WRONLY | os.O_CREAT | os.O_EXCL, _OWNER_ONLY)
    except FileExistsError as error:
        raise failed(f"{file} is there already; remove it or write to another one") from error
    except OSError as error:
        raise failed(f"cannot write {file}: {error.strerror}") from error
    try:
        with open(descriptor, "w", encoding="utf-8") as stream:
            stream.write(text)
    except OSError as error:
        with suppress(OSError):
            file.unlink()
        raise failed(f"cannot write {file}: {error.strerror}") from error


def list_variables(variables: Mapping[str, str], meaning: str) -> None:
    """Say on stderr which variables the environment must have, each with what it holds."""
    if not variables:
        return
    typer.echo(f"byoc-proxy: {meaning}", err=True)
    for name, what in variables.items():
        typer.echo(f"  {name}: {printable(what)}", err=True)
