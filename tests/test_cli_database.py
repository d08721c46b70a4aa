"""The commands about the database, as an operator meets them."""

import re
import sqlite3
from pathlib import Path

import pytest
import yaml

from tests.test_cli import run

FILE = {
    "base_domain": "sip.example.test",
    "listeners": [{"transport": "udp", "bind": "192.0.2.1:5060"}],
    "accounts": {"acme": {"auth_token": "change-me-0123456789abcdef"}},
    "database": {"url": "sqlite:///byoc.db"},
}


@pytest.fixture
def place(tmp_path: Path) -> Path:
    (tmp_path / "config.yaml").write_text(yaml.safe_dump(FILE), encoding="utf-8")
    return tmp_path


def create(place: Path, *more: str) -> dict[str, str]:
    done = run("account", "create", "-c", "config.yaml", "--friendly-name", "Shop", *more, cwd=place)
    assert done.returncode == 0, done.stderr
    return dict(line.split() for line in done.stdout.splitlines())


def test_an_account_is_made_in_a_new_database_and_shown_once(place: Path) -> None:
    shown = create(place)
    assert re.fullmatch("AC[0-9a-f]{32}", shown["sid"])
    assert re.fullmatch("[0-9a-f]{32}", shown["auth_token"])
    listed = run("account", "list", "-c", "config.yaml", cwd=place)
    assert listed.returncode == 0
    file, row = listed.stdout.splitlines()
    assert file.split()[1:] == ["declared", "-", "acme"]
    assert row.split() == [shown["sid"], "active", "-", "Shop"]
    assert shown["auth_token"] not in listed.stdout


def test_what_is_secret_can_be_read_by_its_owner_alone(place: Path) -> None:
    shown = create(place)
    for name in ("byoc.db", "byoc.db.key"):
        assert (place / name).stat().st_mode & 0o777 == 0o600
        assert shown["auth_token"].encode() not in (place / name).read_bytes()


def test_a_sub_account_needs_a_parent_that_exists(place: Path) -> None:
    parent = create(place)["sid"]
    assert create(place, "--parent", parent)["sid"] != parent
    missing = "AC" + 32 * "0"
    refused = run("account", "create", "-c", "config.yaml", "--friendly-name", "x", "--parent", missing, cwd=place)
    assert (refused.returncode, refused.stdout) == (1, "")
    assert f"there is no account {missing}" in refused.stderr
    assert "Traceback" not in refused.stderr


@pytest.mark.parametrize("name", ["", "x" * 65, "two\nlines"])
def test_a_name_that_cannot_be_shown_is_refused(place: Path, name: str) -> None:
    refused = run("account", "create", "-c", "config.yaml", "--friendly-name", name, cwd=place)
    assert refused.returncode == 1
    assert "--friendly-name must be one line of 1 to 64 characters" in refused.stderr


def test_without_a_database_the_commands_say_how_to_have_one(tmp_path: Path) -> None:
    (tmp_path / "config.yaml").write_text(yaml.safe_dump({**FILE, "database": None}), encoding="utf-8")
    refused = run("account", "list", "-c", "config.yaml", cwd=tmp_path)
    assert refused.returncode == 1
    assert "add `database: {}`" in refused.stderr


def test_check_leaves_the_database_alone(place: Path) -> None:
    assert run("check", "config.yaml", cwd=place).returncode == 0
    assert not (place / "byoc.db").exists()


def test_the_schema_is_made_by_db_upgrade_and_shown_by_db_current(place: Path) -> None:
    assert run("db", "current", "-c", "config.yaml", cwd=place).returncode == 1
    upgraded = run("db", "upgrade", "-c", "config.yaml", cwd=place)
    assert (upgraded.returncode, upgraded.stderr) == (0, "")
    current = run("db", "current", "-c", "config.yaml", cwd=place)
    assert current.returncode == 0
    assert re.search(r"has version (\w+) of the schema, this program has \1", current.stdout)


def test_a_database_of_a_newer_version_is_refused_and_left_as_it_is(place: Path) -> None:
    run("db", "upgrade", "-c", "config.yaml", cwd=place)
    with sqlite3.connect(place / "byoc.db") as connection:
        connection.execute("UPDATE alembic_version SET version_num = '9999'")
    connection.close()
    for command in (["run"], ["account", "list"], ["db", "upgrade"]):
        refused = run(*command, "-c", "config.yaml", cwd=place)
        assert refused.returncode == 1, command
        assert "the database has version 9999 of the schema, which is newer than" in refused.stderr
        assert "Traceback" not in refused.stderr


def test_another_key_is_refused_and_no_new_one_is_made_for_an_old_database(place: Path) -> None:
    create(place)
    key = (place / "byoc.db.key").read_text(encoding="ascii")
    refused = run("account", "list", "-c", "config.yaml", cwd=place, BYOC_SECRET_KEY="f" * 64)
    assert refused.returncode == 1
    assert "the secret key is not the one that this database was made with" in refused.stderr
    assert key.strip() not in refused.stderr
    (place / "byoc.db.key").unlink()
    lost = run("account", "list", "-c", "config.yaml", cwd=place)
    assert lost.returncode == 1
    assert "the secret key cannot be had from" in lost.stderr
    assert not (place / "byoc.db.key").exists()
    assert run("account", "list", "-c", "config.yaml", cwd=place, BYOC_SECRET_KEY=key).returncode == 0


@pytest.mark.parametrize("url", ["mysql://x/y", "sqlite:///", "sqlite:///:memory:", "byoc.db", "postgresql://host"])
def test_a_url_of_no_database_is_a_problem_of_the_file(tmp_path: Path, url: str) -> None:
    (tmp_path / "config.yaml").write_text(yaml.safe_dump({**FILE, "database": {"url": url}}), encoding="utf-8")
    refused = run("check", "config.yaml", cwd=tmp_path)
    assert refused.returncode == 2
    assert "database.url: is no database; write sqlite:///byoc-proxy.db or postgresql://" in refused.stderr


def test_a_database_in_a_directory_that_is_not_there_is_refused_in_one_sentence(tmp_path: Path) -> None:
    file = {**FILE, "database": {"url": "sqlite:///nowhere/byoc.db"}}
    (tmp_path / "config.yaml").write_text(yaml.safe_dump(file), encoding="utf-8")
    refused = run("run", "-c", "config.yaml", cwd=tmp_path)
    assert refused.returncode == 1
    assert f"the database {tmp_path}/nowhere/byoc.db cannot be opened" in refused.stderr
    assert "Traceback" not in refused.stderr
