"""Handlers that a configuration file names are judged before a node starts: every key that leads nowhere."""

from pathlib import Path

import pytest
import yaml

from tests.test_cli import run

FUNCTIONS = """
async def answer(parameters):
    return f"<Response><Dial>{parameters['To']}</Dial></Response>"
"""


def with_handlers(directory: Path, twiml: str = "<Response><Dial>{{To}}</Dial></Response>", **trunk: str) -> None:
    """A configuration whose trunk has these handlers, beside a module `voice`."""
    (directory / "voice.py").write_text(FUNCTIONS, encoding="utf-8")
    (directory / "broken.py").write_text("import nothing_of_that_name\n", encoding="utf-8")
    document = {
        "base_domain": "sip.example.test",
        "listeners": [{"transport": "udp", "bind": "127.0.0.1:0"}],
        "accounts": {"acme": {"auth_token": "a-token-of-acme"}},
        "trunks": {"t1": {"voice_url": "https://app.example.test/", **trunk}},
        "twiml_bins": {"main": {"twiml": twiml}},
    }
    (directory / "config.yaml").write_text(yaml.safe_dump(document), encoding="utf-8")


def test_check_imports_the_functions_that_a_file_names(tmp_path: Path) -> None:
    with_handlers(tmp_path, voice_url="python:voice:answer", voice_fallback_url="twiml:main")
    result = run("check", "config.yaml", cwd=tmp_path)
    assert (result.returncode, result.stderr) == (0, "")


@pytest.mark.parametrize("command", [("check", "config.yaml"), ("run", "-c", "config.yaml")])
@pytest.mark.parametrize(
    ("url", "words"),
    [
        ("python:voice:other", "trunks.t1.voice_fallback_url: voice has no 'other'; install what it is in"),
        (
            "python:no_such_module:f",
            "trunks.t1.voice_fallback_url: no_such_module cannot be imported: ModuleNotFound",
        ),
        (
            "python:broken:f",
            "broken cannot be imported: ModuleNotFoundError: No module named 'nothing",
        ),
        ("python:voice.answer", "voice_fallback_url: names no function; write python:package.module:function"),
        ("twiml:other", "trunks.t1.voice_fallback_url: there is no TwiML bin 'other' in this account"),
    ],
)
def test_a_handler_that_leads_nowhere_is_named_with_its_key(
    tmp_path: Path, command: tuple[str, ...], url: str, words: str
) -> None:
    with_handlers(tmp_path, voice_fallback_url=url)
    result = run(*command, cwd=tmp_path)
    assert (result.returncode, result.stdout) == (2, "")
    assert words in result.stderr
    assert "1 problems in config.yaml" in result.stderr


@pytest.mark.parametrize(
    ("twiml", "words"),
    [
        ("<Response>", "TwiML bin main: twiml: 12100 the document is not XML"),
        ("<Response><Say>{{From}}</Say></Response>", "TwiML bin main: twiml: 12490 <Say> needs a media engine"),
    ],
)
def test_a_bin_that_could_never_run_is_a_problem_of_the_file(tmp_path: Path, twiml: str, words: str) -> None:
    with_handlers(tmp_path, twiml, voice_url="twiml:main")
    result = run("check", "config.yaml", cwd=tmp_path)
    assert result.returncode == 2
    assert words in result.stderr
