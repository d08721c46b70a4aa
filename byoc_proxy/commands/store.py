"""Commands about the database: its schema, and the accounts in it. They work beside daemons that run on it."""

from __future__ import annotations

import asyncio
import os
import sys
from contextlib import contextmanager
from typing import TYPE_CHECKING, Annotated, Any, Final

import typer

from byoc_proxy.commands.common import ConfigOption, failed, loaded
from byoc_proxy.storage.errors import StoreUnavailable, UnusableDatabase
from byoc_proxy.trunk.directory import DirectoryProblems

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Iterator

    from byoc_proxy.config.load import Loaded
    from byoc_proxy.config.settings import DatabasePlace
    from byoc_proxy.provision.provisioning import Provisioning
    from byoc_proxy.trunk.directory import Directory

# The drivers and the rest take a third of a second to import: functions do, so that other commands start faster.

database: Final = typer.Typer(help="The database of resources: its schema.", no_args_is_help=True)
account: Final = typer.Typer(help="The accounts in the database.", no_args_is_help=True)

FriendlyName = Annotated[str, typer.Option(help="What people call it.", show_default=False)]
Parent = Annotated[
    str | None, typer.Option(metavar="AC…", help="The account that it is a sub-account of.", show_default=False)
]


@database.command()
def upgrade(config: ConfigOption) -> None:
    """Bring the schema to this version of the program, or make it. A daemon does so too when it starts."""
    from byoc_proxy.observe.log import configured
    from byoc_proxy.storage.database import Database
    from byoc_proxy.storage.migrate import newest

    async def upgraded(url: str) -> None:
        await (await Database.open(url, configured("warning", "console", sys.stderr))).close()

    with _told():
        asyncio.run(upgraded(_place(loaded(config)).url))
    typer.echo(f"the database has version {newest()} of the schema")


@database.command()
def current(config: ConfigOption) -> None:
    """Show the version of the schema and the one that this program brings it to. 1 when they differ."""
    from byoc_proxy.storage.database import Database
    from byoc_proxy.storage.migrate import newest

    with _told():
        found = asyncio.run(Database.version(_place(loaded(config)).url))
    typer.echo(f"the database has version {found or 'none'} of the schema, this program has {newest()}")
    if found != newest():
        raise failed("the versions differ; `byoc-proxy db upgrade` or the start of a daemon makes an old one new")


@account.command()
def create(config: ConfigOption, friendly_name: FriendlyName, parent: Parent = None) -> None:
    """Make an account. Its SID and auth token are shown this once; daemons know it within 100 ms."""
    from byoc_proxy.provision.accounts import LONGEST_NAME, create_account

    if not 1 <= len(friendly_name) <= LONGEST_NAME or not friendly_name.isprintable():
        raise failed(f"--friendly-name must be one line of 1 to {LONGEST_NAME} characters")
    with _told():
        sid, token = _with(loaded(config), lambda provisioning: create_account(provisioning, friendly_name, parent))
    typer.echo(f"sid         {sid}\nauth_token  {token}")


@account.command("list")
def list_accounts(config: ConfigOption) -> None:
    """Show all accounts: those that the configuration file declares, and those of the database."""
    from byoc_proxy.provision.accounts import all_accounts

    with _told():
        lines = _with(loaded(config), all_accounts)
    for sid, status, parent, name in lines:
        typer.echo(f"{sid}  {status:9}  {parent or '-':34}  {name}")


def in_force(start: Loaded) -> Directory:
    """What a node would run on: the file, and the rows of its database if it names one that is there."""
    from byoc_proxy.storage.database import Database

    place = start.settings.database
    if place is None:
        return start.directory
    with _told():
        if asyncio.run(Database.version(place.url)) is None:
            return start.directory
        directory: Directory = _with(start, _directory)
    return directory


async def _directory(provisioning: Provisioning) -> Directory:
    return provisioning.directories.current


def _with(start: Loaded, ask: Callable[[Provisioning], Awaitable[Any]]) -> Any:
    """What `ask` says of the database of a configuration."""
    from byoc_proxy.observe.log import configured
    from byoc_proxy.provision.opening import provisioned

    async def asked() -> Any:
        place, log = _place(start), configured("warning", "console", sys.stderr)
        async with provisioned(place.url, place.key_file, start.resources, os.environ, log) as provisioning:
            return await ask(provisioning)

    return asyncio.run(asked())


def _place(start: Loaded) -> DatabasePlace:
    if start.settings.database is None:
        raise UnusableDatabase("the configuration has no database; add `database: {}` for a file beside it")
    return start.settings.database


@contextmanager
def _told() -> Iterator[None]:
    try:
        yield
    except (UnusableDatabase, StoreUnavailable) as error:
        raise failed(error) from error
    except DirectoryProblems as error:
        raise failed("; ".join(map(str, error.problems))) from error
