"""`byoc-proxy export` as an operator meets it."""

import os
import resource
import stat
from pathlib import Path

import pytest
import typer

from byoc_proxy.commands.output import write_new
from tests.support.daemon import ROOT
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
