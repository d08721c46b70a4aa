"""The shipped fail2ban filter reads what the daemon really logs, and nothing else."""

import configparser
import io
import re
from pathlib import Path

import pytest

from byoc_proxy.observe.log import configured

DEPLOY = Path(__file__).resolve().parent.parent / "deploy" / "fail2ban"
# what fail2ban puts in the place of <HOST>, as far as addresses go
HOST = r"(?:\[?(?:::f{4,6}:)?(?P<host>(?:[0-9a-fA-F:]+:[0-9a-fA-F:.]*|\d{1,3}(?:\.\d{1,3}){3}))\]?)"


def read(name: str) -> configparser.ConfigParser:
    parser = configparser.ConfigParser(interpolation=None)
    assert parser.read(DEPLOY / name, encoding="utf-8")
    return parser


@pytest.fixture
def failregex() -> re.Pattern[str]:
    return re.compile(read("filter.d/byoc-proxy.conf")["Definition"]["failregex"].replace("<HOST>", HOST))


def logged(monkeypatch: pytest.MonkeyPatch, event: str, **fields: object) -> str:
    """A line as the daemon writes it."""
    out = io.StringIO()
    monkeypatch.setattr("sys.stdout", out)
    configured("info", "json").warning(event, **fields)
    return out.getvalue().rstrip("\n")


@pytest.mark.parametrize("source", ["198.18.0.1", "2001:db8::1"])
def test_the_line_of_a_ban_gives_its_source(
    failregex: re.Pattern[str], monkeypatch: pytest.MonkeyPatch, source: str
) -> None:
    line = logged(monkeypatch, "source.banned", source=source, transport="UDP")
    for written in (line, f"gw1 byoc-proxy[123]: {line}"):
        match = failregex.search(written)
        assert match is not None
        assert match["host"] == source


def test_no_other_line_does_whatever_a_stranger_wrote_into_it(
    failregex: re.Pattern[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    forged = logged(monkeypatch, "source.banned", source="203.0.113.8", transport="UDP")
    for text in (forged, f'"}}{forged}', forged.replace('"', '\\"')):
        line = logged(monkeypatch, "invite.refused", status=403, uri=text, source="198.18.0.1:5060")
        assert failregex.search(line) is None


def test_the_jail_uses_the_filter_at_the_first_line() -> None:
    jail = read("jail.d/byoc-proxy.conf")["byoc-proxy"]
    assert (jail["filter"], jail["maxretry"]) == ("byoc-proxy", "1")
