"""The imported text as `check` would read it, before anybody runs on it."""

from __future__ import annotations

from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Final

from byoc_proxy.config.load import ConfigProblems, load

if TYPE_CHECKING:
    from collections.abc import Iterable

# What the importing machine listens on is not known yet, and no password is: neither may hide what else is wrong.
_LISTENERS: Final = "\nlisteners: [{transport: udp, bind: '127.0.0.1:5060'}]\n"
_STAND_IN: Final = "Stand-In-0123456789"


def faults_of(text: str, variables: Iterable[str], name: str) -> list[str]:
    """What forbids running on `text` once listeners are added; `name` is what the lines call the file."""
    with TemporaryDirectory() as directory:
        file = Path(directory) / "imported.yaml"
        file.write_text(text + _LISTENERS, encoding="utf-8")
        try:
            load(file, dict.fromkeys(variables, _STAND_IN))
        except ConfigProblems as error:
            return [problem.replace(str(file), name, 1) for problem in error.problems]
    return []
