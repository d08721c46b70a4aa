"""The command line: a list of commands, each a function of `byoc_proxy.commands`.

Exit codes: 0 well, 1 failed, 2 the configuration is wrong.
"""

from __future__ import annotations

import typer

from byoc_proxy import __version__
from byoc_proxy.commands import carriers, migration, node, play, resources, store

app = typer.Typer(
    help="Self-hosted BYOC trunking for programmable voice.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
)


@app.command()
def version() -> None:
    """Print the version."""
    typer.echo(f"byoc-proxy {__version__}")


for command in (
    node.run,
    node.check,
    node.targets,
    carriers.networking,
    carriers.dns_zone,
    resources.export,
    migration.import_twilio,
    play.demo,
    play.sim,
):
    app.command()(command)
app.add_typer(store.database, name="db")
app.add_typer(store.account, name="account")


def main() -> None:
    """The `byoc-proxy` command."""
    app(prog_name="byoc-proxy")


if __name__ == "__main__":
    main()
