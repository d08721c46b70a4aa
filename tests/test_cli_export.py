"""`byoc-proxy export` as an operator meets it."""

import asyncio
import os
import resource
import stat
from pathlib import Path

import pytest
import typer

from byoc_proxy.commands.output import write_new
from byoc_proxy.config.load import load
from byoc_proxy.provision.accounts import create_account
from byoc_proxy.provision.opening import provisioned
from tests.support.daemon import ROOT
from tests.support.databases import Log
from tests.support.provisioned import NOTHING, a_whole_domain
from tests.test_cli import run

EXAMPLE = str(ROOT / "config.example.yaml")
LISTENERS = 'listeners: [{transport: udp, bind: "203.0.113.5:5060"}]\n'
TOKEN = "change-me-0123456789abcdef"


def test_an_export_and_listeners_are_a_configuration(tmp_path: Path) -> None:
    done = run("export", "-c", EXAMPLE, "--output", "all.yaml", cwd=tmp_path)
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")
    file = tmp_path / "all.yaml"
    file.write_text(file.read_text(encoding="utf-8") + LISTENERS, encoding="utf-8")
    checked = run("check", "all.yaml", cwd=tmp_path)
    of_the_example = run("check", EXAMPLE, cwd=tmp_path)
    assert (checked.returncode, checked.stderr) == (0, "")
    assert sorted(checked.stdout.splitlines()[:-1]) == sorted(of_the_example.stdout.splitlines()[:-1])


def test_only_the_owner_may_read_an_export(tmp_path: Path) -> None:
    run("export", "-c", EXAMPLE, "--output", "all.yaml", cwd=tmp_path)
    assert stat.S_IMODE((tmp_path / "all.yaml").stat().st_mode) == 0o600
    assert TOKEN in (tmp_path / "all.yaml").read_text(encoding="utf-8")


def test_an_export_overwrites_nothing(tmp_path: Path) -> None:
    (tmp_path / "all.yaml").write_text("mine", encoding="utf-8")
    done = run("export", "-c", EXAMPLE, "--output", "all.yaml", cwd=tmp_path)
    assert done.returncode == 1
    assert done.stderr == "byoc-proxy: all.yaml is there already; remove it or write to another one\n"
    assert (tmp_path / "all.yaml").read_text(encoding="utf-8") == "mine"


def test_an_export_through_a_link_overwrites_nothing(tmp_path: Path) -> None:
    (tmp_path / "all.yaml").symlink_to(tmp_path / "elsewhere.yaml")
    assert run("export", "-c", EXAMPLE, "--output", "all.yaml", cwd=tmp_path).returncode == 1
    assert not (tmp_path / "elsewhere.yaml").exists()


def test_an_export_to_a_place_that_is_not_there_says_so(tmp_path: Path) -> None:
    done = run("export", "-c", EXAMPLE, "--output", "nowhere/all.yaml", cwd=tmp_path)
    assert done.stderr == "byoc-proxy: cannot write nowhere/all.yaml: No such file or directory\n"
    assert done.returncode == 1


def test_an_export_that_could_not_be_written_as_a_whole_is_not_there(tmp_path: Path) -> None:
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (10, before[1]))
    try:
        with pytest.raises(typer.Exit):
            write_new(str(tmp_path / "all.yaml"), "base_domain: sip.example.test\n")
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
    assert os.listdir(tmp_path) == []


def test_an_export_goes_to_standard_output_only_when_asked_to(tmp_path: Path) -> None:
    done = run("export", "-c", EXAMPLE, "--output", "-", cwd=tmp_path)
    assert "auth_token: change-me" in done.stdout
    unasked = run("export", "-c", EXAMPLE, cwd=tmp_path)
    assert unasked.returncode == 2
    assert "--output" in unasked.stderr
    assert unasked.stdout == ""
    assert os.listdir(tmp_path) == []


def test_secrets_may_stay_in_the_environment(tmp_path: Path) -> None:
    done = run("export", "-c", EXAMPLE, "-o", "all.yaml", "--secrets", "env", cwd=tmp_path)
    assert done.returncode == 0
    assert done.stderr == (
        "byoc-proxy: set these in the environment of `run` and `check`:\n"
        "  BYOC_TOKEN_ACME_LTD: auth token of account acme-ltd\n"
    )
    text = (tmp_path / "all.yaml").read_text(encoding="utf-8")
    assert TOKEN not in text
    (tmp_path / "all.yaml").write_text(text + LISTENERS, encoding="utf-8")
    missing = run("check", "all.yaml", cwd=tmp_path)
    assert missing.returncode == 2
    assert "'BYOC_TOKEN_ACME_LTD'" in missing.stderr
    assert run("check", "all.yaml", cwd=tmp_path, BYOC_TOKEN_ACME_LTD=TOKEN).returncode == 0


def test_an_export_of_a_wrong_configuration_says_what_is_wrong(tmp_path: Path) -> None:
    (tmp_path / "bad.yaml").write_text("base_domain: 5\n", encoding="utf-8")
    done = run("export", "-c", "bad.yaml", "-o", "all.yaml", cwd=tmp_path)
    assert done.returncode == 2
    assert done.stderr.startswith("bad.yaml:1:")
    assert not (tmp_path / "all.yaml").exists()


@pytest.mark.store
async def test_an_export_has_the_rows_of_the_database_too(tmp_path: Path) -> None:
    database = "database: {url: 'sqlite:///byoc.db'}\n"
    key = {"BYOC_SECRET_KEY": "0123456789abcdef0123456789abcdef"}
    (tmp_path / "config.yaml").write_text(f"base_domain: sip.example.test\n{LISTENERS}{database}", encoding="utf-8")
    async with provisioned(f"sqlite:///{tmp_path}/byoc.db", None, NOTHING, key, Log()) as provisioning:
        sid, token = await create_account(provisioning, "Shop", None)
        await a_whole_domain(provisioning, sid)
        kept = provisioning.directories.current.resources
    done = await asyncio.to_thread(run, "export", "-c", "config.yaml", "-o", "all.yaml", cwd=tmp_path, **key)
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")
    file = tmp_path / "all.yaml"
    assert f"auth_token: {token}\n" in file.read_text(encoding="utf-8")
    file.write_text(file.read_text(encoding="utf-8") + LISTENERS, encoding="utf-8")
    assert load(file, {}).resources == kept


@pytest.mark.store
async def test_an_export_of_a_database_without_its_key_says_so(tmp_path: Path) -> None:
    (tmp_path / "config.yaml").write_text(
        f"base_domain: sip.example.test\n{LISTENERS}database: {{url: 'sqlite:///byoc.db'}}\n", encoding="utf-8"
    )
    made_with, other = ({"BYOC_SECRET_KEY": letter * 32} for letter in "ab")
    async with provisioned(f"sqlite:///{tmp_path}/byoc.db", None, NOTHING, made_with, Log()):
        pass
    done = await asyncio.to_thread(run, "export", "-c", "config.yaml", "-o", "all.yaml", cwd=tmp_path, **other)
    assert done.returncode == 1
    assert "the secret key is not the one that this database was made with" in done.stderr
    assert not (tmp_path / "all.yaml").exists()
