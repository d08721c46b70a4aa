"""The command line as an operator meets it: exit codes, words on stderr, and what a supervisor is told."""

import contextlib
import os
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
import yaml

from byoc_proxy import __version__
from byoc_proxy.storage.store import RecordFile
from tests.support.daemon import ROOT, configuration

LIMIT = 30  # seconds; nothing here takes more than two
EXAMPLE = ROOT / "config.example.yaml"


def run(*arguments: str, cwd: Path, **environ: str) -> subprocess.CompletedProcess[str]:
    """`python -m byoc_proxy ARGUMENTS` in `cwd`."""
    return subprocess.run(
        [sys.executable, "-m", "byoc_proxy", *arguments],
        cwd=cwd,
        env={**os.environ, "PYTHONPATH": str(ROOT), **environ},
        capture_output=True,
        text=True,
        timeout=LIMIT,
        check=False,
    )


@contextlib.contextmanager
def running(directory: Path, **environ: str) -> Iterator[subprocess.Popen[str]]:
    """A daemon on `config.yaml` of a directory."""
    with subprocess.Popen(
        [sys.executable, "-m", "byoc_proxy", "run", "-c", "config.yaml"],
        cwd=directory,
        env={**os.environ, "PYTHONPATH": str(ROOT), **environ},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    ) as process:
        try:
            yield process
        finally:
            if process.poll() is None:
                process.kill()


def test_version_is_printed(tmp_path: Path) -> None:
    result = run("version", cwd=tmp_path)
    assert (result.returncode, result.stdout) == (0, f"byoc-proxy {__version__}\n")


def test_no_command_at_all_prints_the_commands(tmp_path: Path) -> None:
    result = run(cwd=tmp_path)
    assert result.returncode == 2
    for command in ("run", "check", "demo", "version"):
        assert command in result.stdout + result.stderr


def test_the_example_configuration_is_good(tmp_path: Path) -> None:
    result = run("check", str(EXAMPLE), cwd=tmp_path)
    assert result.returncode == 0, result.stderr
    assert f"{EXAMPLE}: good: 2 trunks, 2 domains, 1 connection policies" in result.stdout


def test_check_prints_every_problem_with_its_place_and_exits_with_2(tmp_path: Path) -> None:
    (tmp_path / "bad.yaml").write_text(
        "base_domain: sip.example.test\n"
        "listeners:\n"
        "  - {transport: udp, bind: 127.0.0.10:5060}\n"
        "acounts: {}\n"
        "accounts:\n"
        '  acme: {auth_token: "0123456789abcdef0123456789abcdef"}\n'
        "trunks:\n"
        "  t1: {voice_url: 'https://app.example.test/', connection_policy: nobody}\n"
        "domains:\n"
        "  acme: {trunk: t2}\n",
        encoding="utf-8",
    )
    result = run("check", "bad.yaml", cwd=tmp_path)
    *problems, summary = result.stderr.splitlines()
    assert result.returncode == 2
    assert result.stdout == ""
    places = {problem.split(" ")[0] for problem in problems}
    assert {"bad.yaml:4:1:", "bad.yaml:8:48:", "bad.yaml:10:10:"} <= places
    assert any("did you mean 'accounts'?" in problem for problem in problems)
    assert summary == f"byoc-proxy: {len(problems)} problems in bad.yaml"


def test_check_of_a_file_that_is_not_there_says_so(tmp_path: Path) -> None:
    result = run("check", "nowhere.yaml", cwd=tmp_path)
    assert result.returncode == 2
    assert "nowhere.yaml" in result.stderr
    assert "Traceback" not in result.stderr


def test_run_with_a_bad_file_exits_with_2_before_it_opens_anything(tmp_path: Path) -> None:
    (tmp_path / "config.yaml").write_text("base_domain: 5\n", encoding="utf-8")
    result = run("run", "-c", "config.yaml", cwd=tmp_path)
    assert result.returncode == 2
    assert result.stderr.startswith("config.yaml:1:")
    assert "listener.open" not in result.stdout


@pytest.mark.wire
@pytest.mark.parametrize("place", [0, 1], ids=["UDP", "TCP"])
def test_run_on_a_port_that_is_taken_exits_with_1_and_one_sentence(tmp_path: Path, place: int) -> None:
    document = configuration("sip:127.0.0.20:5060")
    host, _, port = document["listeners"][place]["bind"].rpartition(":")
    name = ("UDP", "TCP")[place]
    (tmp_path / "config.yaml").write_text(yaml.safe_dump(document), encoding="utf-8")
    with socket.socket(socket.AF_INET, (socket.SOCK_DGRAM, socket.SOCK_STREAM)[place]) as taken:
        taken.bind((host, int(port)))
        if name == "TCP":
            taken.listen()
        result = run("run", "-c", "config.yaml", cwd=tmp_path)
    assert result.returncode == 1
    assert result.stderr == f"byoc-proxy: cannot listen on {name} {host}:{port}: Address already in use\n"


@pytest.mark.wire
def test_run_with_the_records_of_a_running_one_exits_with_1_and_one_sentence(tmp_path: Path) -> None:
    (tmp_path / "config.yaml").write_text(yaml.safe_dump(configuration("sip:127.0.0.20:5060")), encoding="utf-8")
    records = tmp_path / "records.jsonl"
    with contextlib.closing(RecordFile(records)):
        result = run("run", "-c", "config.yaml", cwd=tmp_path)
    assert result.returncode == 1
    assert result.stderr == (
        f"byoc-proxy: cannot keep records in {records}: another process has it; give each node a file of its own\n"
    )


@pytest.mark.wire
def test_a_supervisor_hears_when_the_daemon_is_ready_and_when_it_stops(tmp_path: Path) -> None:
    (tmp_path / "config.yaml").write_text(yaml.safe_dump(configuration("sip:127.0.0.20:5060")), encoding="utf-8")
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as supervisor:
        supervisor.settimeout(LIMIT)
        supervisor.bind(str(tmp_path / "s"))
        with running(tmp_path, NOTIFY_SOCKET=str(tmp_path / "s")) as process:
            assert supervisor.recv(100) == b"READY=1"
            process.send_signal(signal.SIGTERM)
            assert supervisor.recv(100) == b"STOPPING=1"
            _, errors = process.communicate(timeout=LIMIT)
    assert (process.returncode, errors) == (0, "")


def test_sim_plays_worlds_and_sums_up(tmp_path: Path) -> None:
    done = run("sim", "--seeds", "1..3", "--calls", "2", cwd=tmp_path)
    assert done.returncode == 0
    assert done.stdout.startswith("3 seeds, 6 calls, ")
    assert done.stdout.endswith("every rule was kept\n")


@pytest.mark.parametrize("seeds", ["5", "a..b", "9..1", "..3"])
def test_sim_says_what_seeds_look_like(tmp_path: Path, seeds: str) -> None:
    done = run("sim", "--seeds", seeds, cwd=tmp_path)
    assert done.returncode == 2
    assert "is not two seeds such as 1..200" in done.stderr


def test_targets_of_a_file_without_a_health_listener_cannot_be_asked_for(tmp_path: Path) -> None:
    file = 'base_domain: sip.example.test\nlisteners: [{transport: udp, bind: "192.0.2.1:5060"}]\n'
    (tmp_path / "config.yaml").write_text(file, encoding="utf-8")
    result = run("targets", "config.yaml", cwd=tmp_path)
    assert (result.returncode, result.stdout) == (1, "")
    assert "config.yaml has no `health: {bind: …}`" in result.stderr


def test_a_node_without_a_database_does_not_load_what_one_takes(tmp_path: Path) -> None:
    """Half of the memory of a small node."""
    heavy = {"sqlalchemy", "alembic", "cryptography", "starlette", "uvicorn"}
    question = f"import sys, byoc_proxy.daemon; print(sorted({heavy} & sys.modules.keys()))"
    command = [sys.executable, "-c", question]
    answer = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=LIMIT, check=True)
    assert answer.stdout.strip() == "[]"


@pytest.mark.wire
def test_check_finds_connection_overrides_that_no_request_could_follow(tmp_path: Path) -> None:
    document = configuration("sip:127.0.0.11", voice_fallback_url="http://app.example.test/#rp=never")
    (tmp_path / "bad.yaml").write_text(yaml.safe_dump(document), encoding="utf-8")
    result = run("check", "bad.yaml", cwd=tmp_path)
    assert result.returncode == 2
    assert "trunk t1: voice_fallback_url: 11243 connection override rp is a list of" in result.stderr
