"""Secrets at rest: sealed for one row by one key, or hashed."""

import re
from pathlib import Path

import pytest

from byoc_proxy.storage.database import Database
from byoc_proxy.storage.errors import UnusableDatabase
from byoc_proxy.storage.unlock import unlocked
from byoc_proxy.storage.vault import (
    Unsealable,
    Vault,
    hashed_secret,
    is_secret,
    new_secret,
    new_sid,
    new_token,
)
from tests.support.databases import Log

SID = "AC" + 32 * "a"
KEY = bytes(range(32))


def test_what_was_sealed_for_a_row_opens_for_that_row() -> None:
    sealed = Vault(KEY).seal("a token of ünusual length", SID)
    assert Vault(KEY).open(sealed, SID) == "a token of ünusual length"
    assert b"token" not in sealed


def test_the_same_secret_is_never_sealed_to_the_same_bytes() -> None:
    vault = Vault(KEY)
    assert len({vault.seal("token", SID) for _ in range(100)}) == 100


def test_a_sealed_secret_does_not_open_for_another_row_with_another_key_or_damaged() -> None:
    sealed = Vault(KEY).seal("token", SID)
    for vault, text, sid in (
        (Vault(KEY), sealed, "AC" + 32 * "b"),
        (Vault(bytes(32)), sealed, SID),
        (Vault(KEY), sealed[:-1], SID),
        (Vault(KEY), sealed[:-1] + bytes([sealed[-1] ^ 1]), SID),
        (Vault(KEY), sealed[:5], SID),
        (Vault(KEY), b"", SID),
        (Vault(KEY), b"\x02" + sealed[1:], SID),
    ):
        with pytest.raises(Unsealable, match=sid) as caught:
            vault.open(text, sid)
        assert "token" not in str(caught.value)


def test_a_key_has_32_bytes() -> None:
    with pytest.raises(ValueError, match="32 bytes, not 16"):
        Vault(bytes(16))


def test_sids_tokens_and_secrets_are_of_the_documented_form_and_fresh() -> None:
    assert re.fullmatch("BY[0-9a-f]{32}", new_sid("BY"))
    assert re.fullmatch("[0-9a-f]{32}", new_token())
    assert re.fullmatch("[A-Za-z0-9]{32}", new_secret())
    assert len({new_sid("BY") for _ in range(100)} | {new_token() for _ in range(100)}) == 200


def test_the_secret_of_a_key_is_recognised_and_not_kept() -> None:
    secret = new_secret()
    assert is_secret(secret, hashed_secret(secret))
    assert not is_secret(secret + "x", hashed_secret(secret))
    assert secret.encode() not in hashed_secret(secret)


@pytest.mark.store
async def test_the_key_may_be_in_a_file_or_in_the_environment(tmp_path: Path, database: Database) -> None:
    file = tmp_path / "key"
    file.write_text("k" * 40 + "\n", encoding="ascii")
    sealed = (await unlocked(database, file, {})).seal("token", SID)
    from_environment = await unlocked(database, None, {"BYOC_SECRET_KEY": "k" * 40})
    assert from_environment.open(sealed, SID) == "token"


@pytest.mark.store
async def test_a_key_that_is_too_short_is_refused_without_showing_it(database: Database) -> None:
    with pytest.raises(UnusableDatabase, match="BYOC_SECRET_KEY is too short; write 32") as caught:
        await unlocked(database, None, {"BYOC_SECRET_KEY": "hunter2"})
    assert "hunter2" not in str(caught.value)


@pytest.mark.store
async def test_a_key_file_of_an_older_database_that_is_gone_is_not_made_anew(tmp_path: Path) -> None:
    database = await Database.open(f"sqlite:///{tmp_path}/a.db", Log())
    await unlocked(database, None, {})
    file = tmp_path / "a.db.key"
    assert file.stat().st_mode & 0o777 == 0o600
    file.unlink()
    with pytest.raises(UnusableDatabase, match="cannot be had from"):
        await unlocked(database, None, {})
    assert not file.exists()
    await database.close()
