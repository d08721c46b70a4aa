"""A YAML file as plain values that know where they were written.

Refused, each with its place and without stopping at the first: duplicate keys (YAML libraries keep the last in
silence), merge keys, tags, and `${NAME}` for a variable that the environment lacks. A date stays the text that
was written. Only a file that is not YAML at all stops the reading.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final, NamedTuple

import yaml

if TYPE_CHECKING:
    from collections.abc import Mapping

Path = tuple[str | int, ...]

_LOADER: Final = getattr(yaml, "CSafeLoader", yaml.SafeLoader)  # a build without libyaml has the slow one only
_VARIABLE: Final = re.compile(r"\$(\$?)\{([^}]*)\}")
_TAG: Final = "tag:yaml.org,2002:"
_TRUE: Final = frozenset({"y", "yes", "true", "on"})


class Place(NamedTuple):
    """Line and column, both from 1."""

    line: int
    column: int


class NotYaml(ValueError):
    """The text is not one YAML document."""

    def __init__(self, problem: str, place: Place) -> None:
        super().__init__(problem)
        self.place = place


@dataclass(slots=True)
class Document:
    """`value` is made of dict, list, str, int, float, bool and None; `problems` are (path, text)."""

    value: Any = None
    problems: list[tuple[Path, str]] = field(default_factory=list)
    _places: dict[Path, Place] = field(default_factory=dict)

    def place(self, path: Path) -> Place:
        """Where `path` was written: its key, or the item of a list. Of what is missing: the nearest around it."""
        while path and path not in self._places:
            path = path[:-1]
        return self._places.get(path, Place(1, 1))

    def mark(self, path: Path, node: yaml.Node) -> None:
        self._places[path] = _place(node.start_mark)


def read_document(text: str, environ: Mapping[str, str]) -> Document:
    """Read one document and fill in `${NAME}` from `environ` (`$${NAME}` stays `${NAME}`). Raises `NotYaml`."""
    loader = _LOADER(text)
    try:
        root = loader.get_single_node()
    except yaml.MarkedYAMLError as error:
        raise NotYaml(error.problem or "is not YAML", _place(error.problem_mark)) from None
    except yaml.YAMLError as error:
        raise NotYaml(getattr(error, "reason", "is not YAML"), Place(1, 1)) from None
    finally:
        loader.dispose()
    document = Document()
    if root is not None:
        document.value = _Reader(document, environ).value(root, ())
    return document


class _Reader:
    """Turns nodes into values, noting places and problems."""

    def __init__(self, document: Document, environ: Mapping[str, str]) -> None:
        self._document = document
        self._environ = environ
        self._around: list[yaml.Node] = []

    def value(self, node: yaml.Node, path: Path) -> Any:
        if isinstance(node, yaml.ScalarNode):
            return self._scalar(node, path)
        if any(node is outer for outer in self._around):
            return self._problem(path, "an alias of what it stands in; write the values out")
        self._around.append(node)
        value = self._mapping(node, path) if isinstance(node, yaml.MappingNode) else self._list(node, path)
        self._around.pop()
        return value

    def _mapping(self, node: yaml.MappingNode, path: Path) -> dict[str, Any]:
        found: dict[str, Any] = {}
        for key_node, value_node in node.value:
            if not isinstance(key_node, yaml.ScalarNode):
                self._problem(path, "a key must be plain text")
                continue
            key = str(key_node.value)
            here = (*path, key)
            if key in found:
                line = self._document.place(here).line
                self._document.mark(here, key_node)
                self._problem(here, f"duplicate key, first written in line {line}; keep one of the two")
                continue
            self._document.mark(here, key_node)
            if key_node.tag == f"{_TAG}merge":
                self._problem(here, "merge keys are not supported; write the keys out")
                continue
            found[key] = self.value(value_node, here)
        return found

    def _list(self, node: yaml.Node, path: Path) -> list[Any]:
        items = []
        for index, item in enumerate(node.value):
            here = (*path, index)
            self._document.mark(here, item)
            items.append(self.value(item, here))
        return items

    def _scalar(self, node: yaml.ScalarNode, path: Path) -> Any:
        text = str(node.value)
        match node.tag.removeprefix(_TAG):
            case "null":
                return None
            case "bool":
                return text.lower() in _TRUE
            case "int" | "float" as kind:
                return _number(text, kind)
            case "str" | "timestamp" | "value":
                return self._filled_in(text, path)
            case tag:
                return self._problem(path, f"the tag {tag!r} is not supported; write plain values")

    def _filled_in(self, text: str, path: Path) -> str:
        def variable(match: re.Match[str]) -> str:
            dollar, name = match.groups()
            if dollar:
                return f"${{{name}}}"
            if name not in self._environ:
                self._problem(path, f"the environment has no variable {name!r}; set it or write the value here")
            return self._environ.get(name, "")

        return _VARIABLE.sub(variable, text) if "$" in text else text

    def _problem(self, path: Path, text: str) -> None:
        self._document.problems.append((path, text))


def _place(mark: yaml.Mark | None) -> Place:
    return Place(mark.line + 1, mark.column + 1) if mark is not None else Place(1, 1)


def _number(text: str, kind: str) -> int | float | str:
    """YAML 1.2 numbers; what only YAML 1.1 takes for one (`012`, `1:30`) stays text."""
    plain = text.replace("_", "")
    try:
        if kind == "float":
            return float(plain.replace(".inf", "inf").replace(".nan", "nan").replace(".Inf", "inf"))
        return int(plain, 0)
    except ValueError:
        return text
