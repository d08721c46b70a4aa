"""Plain values as YAML that `config.document` reads back as the same values, and that people like to read.

A `Line` stands in one line, a `Variable` is filled in from the environment when the file is read; any other `${…}`
is written so that it stays as it is.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any, Final

import yaml

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

_FILLED_IN: Final = re.compile(r"\$\{[^}]*\}")
_WIDTH: Final = 1 << 20  # values are not folded: a search for one finds it
_BASE: Any = getattr(yaml, "CSafeDumper", yaml.SafeDumper)  # a build without libyaml has the slow one only


class Line(dict[str, Any]):
    """A mapping that stands in one line."""


class Variable(str):
    """The name of an environment variable whose value stands here."""

    __slots__ = ()


class _Dumper(_BASE):  # type: ignore[misc]  # which of the two is known at run time
    def ignore_aliases(self, data: Any) -> bool:
        """Everything is written out, even what is the same object twice."""
        return True


def _text(dumper: Any, text: str) -> Any:
    style = "|" if "\n" in text else None
    return dumper.represent_scalar("tag:yaml.org,2002:str", text, style=style)


_Dumper.add_representer(str, _text)
_Dumper.add_representer(
    Line, lambda dumper, line: dumper.represent_mapping("tag:yaml.org,2002:map", line.items(), flow_style=True)
)
_Dumper.add_representer(
    list,
    lambda dumper, items: dumper.represent_sequence(
        "tag:yaml.org,2002:seq", items, flow_style=not any(isinstance(item, dict) for item in items)
    ),
)


def yaml_text(sections: Mapping[str, Any], comments: Iterable[str] = ()) -> str:
    """One document: `comments`, each one or more lines, and `sections` with an empty line before each mapping."""
    head = "".join(f"# {printable(line)}".rstrip() + "\n" for text in comments for line in text.split("\n"))
    return head + "".join(
        ("\n" if isinstance(value, dict) else "") + _dumped({key: _for_reader(value)})
        for key, value in sections.items()
    )


def _dumped(value: dict[str, Any]) -> str:
    return str(
        yaml.dump(
            value, Dumper=_Dumper, sort_keys=False, allow_unicode=True, width=_WIDTH, default_flow_style=False
        )
    )


def _for_reader(value: Any) -> Any:
    """`value` with every text as it has to be written."""
    match value:
        case Variable():
            return f"${{{value}}}"
        case str():
            return _FILLED_IN.sub(r"$\g<0>", value)
        case dict():
            return type(value)((key, _for_reader(item)) for key, item in value.items())
        case list():
            return [_for_reader(item) for item in value]
    return value


def printable(text: str) -> str:
    """`text` in one line that no terminal takes for a command."""
    return "".join(char if char.isprintable() else "?" for char in text)
