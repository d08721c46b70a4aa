"""The accounts of the database, which somebody must make before an API can be used."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, NamedTuple

from sqlalchemy import insert, select

from byoc_proxy.storage.tables import accounts
from byoc_proxy.storage.vault import new_sid, new_token

if TYPE_CHECKING:
    from byoc_proxy.provision.provisioning import Provisioning

LONGEST_NAME: Final = 64


class AccountLine(NamedTuple):
    """One account. `status` is `declared` for those of the configuration file."""

    sid: str
    status: str
    parent_sid: str | None
    friendly_name: str


async def create_account(provisioning: Provisioning, friendly_name: str, parent: str | None) -> tuple[str, str]:
    """Make an account; its SID and auth token. `DirectoryProblems` when there is no such parent."""
    sid, token = new_sid("AC"), new_token()
    async with provisioning.writing() as write:
        values = {"sid": sid, "friendly_name": friendly_name, "parent_sid": parent}
        sealed = provisioning.vault.seal(token, sid)
        dates = {"date_created": write.now, "date_updated": write.now}
        await write.connection.execute(insert(accounts).values(auth_token=sealed, **values, **dates))
        write.touch("accounts", sid)
    return sid, token


async def all_accounts(provisioning: Provisioning) -> list[AccountLine]:
    """Those of the file, then those of the database in the order of their making."""
    query = select(accounts.c.sid, accounts.c.status, accounts.c.parent_sid, accounts.c.friendly_name)
    async with provisioning.reading() as connection:
        rows = (await connection.execute(query.order_by(accounts.c.id))).all()
    declared = provisioning.declared.accounts
    lines = [AccountLine(each.sid, "declared", each.parent_sid, each.friendly_name) for each in declared]
    return lines + [AccountLine(*row) for row in rows]
