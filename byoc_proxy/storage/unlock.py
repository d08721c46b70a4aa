"""Where the secret key of a database comes from, that it is the right one, and that the digest realm is.

`BYOC_SECRET_KEY` in the environment, else the key file. A database of SQLite's makes itself a key file when it is
new; PostgreSQL is shared by nodes that must have the same key, so nobody makes one there.
"""

from __future__ import annotations

import hashlib
import os
import secrets
from typing import TYPE_CHECKING, Final

from sqlalchemy import insert, select, update

from byoc_proxy.storage.errors import UnusableDatabase
from byoc_proxy.storage.tables import credentials, secrets_for
from byoc_proxy.storage.vault import Unsealable, Vault

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from sqlalchemy.ext.asyncio import AsyncConnection

    from byoc_proxy.storage.database import Database

VARIABLE: Final = "BYOC_SECRET_KEY"
_SHORTEST: Final = 32  # characters
_PROVEN: Final = "this database was made with this key"
_PROOF: Final = "proof"  # stands where a SID would
_ADVICE: Final = f"write {_SHORTEST} random characters or more, for example from `openssl rand -hex 32`"


async def unlocked(database: Database, key_file: Path | None, environ: Mapping[str, str]) -> Vault:
    """The vault of a database. `UnusableDatabase` when there is no key or a wrong one; `StoreUnavailable`."""
    async with database.writing() as connection:
        is_new = await _proof(connection) is None
        vault = Vault(_key(database, key_file, environ, is_new))
        await prove(connection, vault)
    return vault


async def prove(connection: AsyncConnection, vault: Vault) -> None:
    """Notice a wrong key before it is used; a new database takes any, for good. `UnusableDatabase`."""
    proof = await _proof(connection)
    if proof is None:
        await connection.execute(insert(secrets_for).values(id=1, proof=vault.seal(_PROVEN, _PROOF)))
        return
    try:
        vault.open(proof, _PROOF)
    except Unsealable as error:
        raise UnusableDatabase(
            f"the secret key is not the one that this database was made with; give back the old {VARIABLE} or "
            "database.key_file: without it the auth tokens in the database cannot be read"
        ) from error


async def keep_realm(connection: AsyncConnection, realm: str) -> None:
    """Notice that the realm is not the one that stored HA1s are for: nobody's password would be right any more.

    Without credentials any realm will do. `UnusableDatabase`.
    """
    known = (await connection.execute(select(secrets_for.c.realm))).scalar_one_or_none()
    if known == realm:
        return
    if known is not None and (await connection.execute(select(credentials.c.id).limit(1))).first() is not None:
        raise UnusableDatabase(
            f"the credentials in the database were made for the digest realm {known!r}, and the configuration has "
            f"{realm!r}; write `realm: {known}`, or every password must be set anew"
        )
    await connection.execute(update(secrets_for).values(realm=realm))


async def _proof(connection: AsyncConnection) -> bytes | None:
    proof: bytes | None = (await connection.execute(select(secrets_for.c.proof))).scalar_one_or_none()
    return proof


def _key(database: Database, key_file: Path | None, environ: Mapping[str, str], is_new: bool) -> bytes:
    text = environ.get(VARIABLE)
    if text is not None:
        return _from_text(text, VARIABLE)
    if key_file is None:
        key_file = _beside(database.path)
    try:
        if is_new and database.is_sqlite and not key_file.exists():
            _make(key_file)
        text = key_file.read_text(encoding="ascii")
    except (OSError, UnicodeDecodeError) as error:
        cause = error.strerror if isinstance(error, OSError) else "it is not plain text"
        raise UnusableDatabase(f"the secret key cannot be had from {key_file}: {cause}") from error
    return _from_text(text, str(key_file))


def _beside(database: Path | None) -> Path:
    if database is None:
        raise UnusableDatabase(f"PostgreSQL needs a secret key: set {VARIABLE} or database.key_file; {_ADVICE}")
    return database.with_name(f"{database.name}.key")


def _from_text(text: str, place: str) -> bytes:
    text = text.strip()
    if len(text) < _SHORTEST:
        raise UnusableDatabase(f"the secret key in {place} is too short; {_ADVICE}")
    return hashlib.sha256(text.encode()).digest()


def _make(path: Path) -> None:
    with os.fdopen(os.open(path, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o600), "w", encoding="ascii") as file:
        file.write(secrets.token_hex(32) + "\n")
        file.flush()
        os.fsync(file.fileno())
