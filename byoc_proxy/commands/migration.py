"""Commands for moving here: read an account of Twilio's through its API."""

from __future__ import annotations

import asyncio
import os
import re
from typing import TYPE_CHECKING, Annotated, Final

import typer

from byoc_proxy.commands.common import FAILED, failed
from byoc_proxy.commands.output import Output, list_variables, write_new
from byoc_proxy.config.fields import host_name

if TYPE_CHECKING:
    from collections.abc import Mapping

    from byoc_proxy.config.export import Exported
    from byoc_proxy.migrate.convert import Imported
    from byoc_proxy.migrate.rows import AccountState
    from byoc_proxy.migrate.transport import Key

_API: Final = "https://api.twilio.com"
_VOICE: Final = "https://voice.twilio.com"
_ACCOUNT_SID: Final = re.compile(r"AC[0-9a-f]{32}")


def _account_sid(text: str) -> str:
    if not _ACCOUNT_SID.fullmatch(text):
        raise typer.BadParameter("is no account SID; write AC and 32 lower-case hex digits")
    return text


def _base_domain(text: str) -> str:
    try:
        return host_name(text)
    except ValueError as error:
        raise typer.BadParameter(str(error)) from error


def import_twilio(
    account_sid: Annotated[str, typer.Option(callback=_account_sid, help="Whose resources, AC….")],
    base_domain: Annotated[
        str, typer.Option(callback=_base_domain, help="Domains x.sip.twilio.com become x.BASE_DOMAIN.")
    ],
    output: Output,
    api_base: Annotated[str | None, typer.Option(help=f"Base URL of 2010-04-01. [default: {_API}]")] = None,
    voice_base: Annotated[
        str | None, typer.Option(help=f"Base URL of voice/v1. [default: --api-base if given, else {_VOICE}]")
    ] = None,
) -> None:
    """Write the trunks, domains, lists and policies of a Twilio account as a configuration file, SIDs kept.

    The key is TWILIO_AUTH_TOKEN, or TWILIO_API_KEY and TWILIO_API_SECRET, in the environment.
    """
    from byoc_proxy.config.export import export
    from byoc_proxy.config.yaml_text import yaml_text
    from byoc_proxy.migrate.api import ImportFailed
    from byoc_proxy.migrate.convert import converted
    from byoc_proxy.migrate.review import faults_of

    try:
        key = _key(account_sid, os.environ)
        state = asyncio.run(_read(key, account_sid, api_base or _API, voice_base or api_base or _VOICE))
    except ImportFailed as error:
        raise failed(error) from error
    imported = converted(state, base_domain)
    exported = export(imported.resources)
    text = yaml_text(exported.sections, _comments(account_sid, imported, exported))
    write_new(output, text)
    _tell(state, imported, exported)
    faults = faults_of(text, exported.variables, output)
    if faults:
        for fault in faults:
            typer.echo(fault, err=True)
        typer.echo(f"byoc-proxy: {output} was written; correct the {len(faults)} problems above in it", err=True)
        raise typer.Exit(FAILED)


def _key(account_sid: str, environ: Mapping[str, str]) -> Key:
    from byoc_proxy.migrate.api import ImportFailed
    from byoc_proxy.migrate.transport import Key

    name, secret = environ.get("TWILIO_API_KEY", ""), environ.get("TWILIO_API_SECRET", "")
    token = environ.get("TWILIO_AUTH_TOKEN", "")
    if bool(name) is not bool(secret):
        raise ImportFailed("TWILIO_API_KEY and TWILIO_API_SECRET belong together, and one of them is not set")
    if name and ":" not in name:
        return Key(name, secret, "TWILIO_API_KEY and TWILIO_API_SECRET")
    if name:
        raise ImportFailed("TWILIO_API_KEY holds a colon; it is the SID of the key, SK…")
    if not token:
        advice = "set TWILIO_AUTH_TOKEN, or TWILIO_API_KEY and TWILIO_API_SECRET"
        raise ImportFailed(f"there is no key in the environment; {advice}")
    return Key(account_sid, token, "the account SID and TWILIO_AUTH_TOKEN")


async def _read(key: Key, account_sid: str, api_base: str, voice_base: str) -> AccountState:
    from byoc_proxy.migrate.api import Api
    from byoc_proxy.migrate.rows import read_account
    from byoc_proxy.migrate.transport import AiohttpTransport

    async with AiohttpTransport(key) as transport:
        return await read_account(Api(transport, key, api_base, voice_base), account_sid)


def _comments(account_sid: str, imported: Imported, exported: Exported) -> list[str]:
    return [
        f"Imported from account {account_sid}. To run, add `listeners:` and what else is about the node alone.",
        "",
        "Set these in the environment to what is in use today; passwords and tokens cannot be read:",
        *(f"  {name}: {what}" for name, what in exported.variables.items()),
        *(("", "Have a look at:") if imported.notes else ()),
        *(f"  {note}" for note in imported.notes),
    ]


def _tell(state: AccountState, imported: Imported, exported: Exported) -> None:
    users = sum(map(len, state.credentials.values()))
    addresses = sum(map(len, state.addresses.values()))
    typer.echo(
        f"read {len(state.trunks)} trunks, {len(state.domains)} domains, "
        f"{len(state.policies)} connection policies, {len(state.acls)} address lists with {addresses} addresses, "
        f"{len(state.credential_lists)} credential lists with {users} users",
        err=True,
    )
    for note in imported.notes:
        typer.echo(f"note: {note}", err=True)
    list_variables(exported.variables, "set these in the environment of `run` and `check`; they cannot be read:")
