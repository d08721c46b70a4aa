"""Who asks: HTTP Basic with an account's SID and token, or an API key's SID and secret (contract 1.1 "Auth").

Wrong in any way is one answer, after one comparison of the same kind: neither the words nor the time tell an
unknown SID from a wrong token.
"""

from __future__ import annotations

import binascii
import re
from base64 import b64decode
from typing import TYPE_CHECKING, Final, NamedTuple

from sqlalchemy import select

from byoc_proxy.api.errors import ACCOUNT_NOT_ACTIVE, ApiError, unauthorized
from byoc_proxy.api.refusals import stored
from byoc_proxy.storage import tables
from byoc_proxy.storage.vault import hashed_secret, is_secret

if TYPE_CHECKING:
    from byoc_proxy.provision.provisioning import Provisioning
    from byoc_proxy.trunk.model import Account

_KEY_SID: Final = re.compile("SK[0-9a-f]{32}")
_NOBODY: Final = hashed_secret("")  # what a wrong name is compared with


class Principal(NamedTuple):
    """Who has shown a secret: the account, and the SID of its key when it was that."""

    account: Account
    key_sid: str | None


async def principal_of(authorization: str | None, provisioning: Provisioning) -> Principal:
    """The account behind an `Authorization` header. `ApiError` 401; 403 when the account may not act."""
    name, secret = _basic(authorization)
    key_sid = name if _KEY_SID.fullmatch(name) else None
    if key_sid is not None:
        expected, account_sid = await _key(key_sid, provisioning)
        account = provisioning.directories.current.accounts.get(account_sid)
    else:
        account = provisioning.directories.current.accounts.get(name)
        expected = hashed_secret(account.auth_token if account is not None else "")
    if not is_secret(secret, expected) or account is None or not secret:
        raise unauthorized("invalid username")
    if account.status != "active":
        raise ApiError(403, ACCOUNT_NOT_ACTIVE, f"Account {account.sid} is {account.status}")
    return Principal(account, key_sid)


def _basic(authorization: str | None) -> tuple[str, str]:
    if not authorization:
        raise unauthorized("No credentials provided")
    scheme, _, encoded = authorization.partition(" ")
    try:
        name, colon, secret = b64decode(encoded.strip(), validate=True).decode().partition(":")
    except (binascii.Error, UnicodeDecodeError):
        name = colon = secret = ""
    if scheme.lower() != "basic" or not colon:
        raise unauthorized("the Authorization header is not Basic with a name and a password")
    return name, secret


async def _key(sid: str, provisioning: Provisioning) -> tuple[bytes, str]:
    """The hash of a key's secret and its account; nobody's when there is no such key."""
    table = tables.keys
    with stored():
        async with provisioning.reading() as connection:
            query = select(table.c.secret_hash, table.c.account_sid).where(table.c.sid == sid)
            found = (await connection.execute(query)).first()
    return (bytes(found.secret_hash), found.account_sid) if found is not None else (_NOBODY, "nobody")
