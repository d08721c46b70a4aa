"""Reads the configuration file and judges it as a whole: all problems at once, each with its place.

A problem is one line, `FILE:LINE:COLUMN: dotted.key: what is wrong; what would be right`. No secret and no
value of a secret field is ever part of one.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, Final

from byoc_proxy.config.document import NotYaml, Place, read_document
from byoc_proxy.config.explain import salvaged, suggestion, validated
from byoc_proxy.config.process import (
    installation_problems,
    installation_warnings,
    read_installation,
    read_settings,
    settings_problems,
    settings_warnings,
)
from byoc_proxy.config.reachability import reachability_problems
from byoc_proxy.config.resources import SECTIONS, ResourceReader, read_entries
from byoc_proxy.config.schema import InstallationSection, ProcessSection
from byoc_proxy.trunk.directory import Directory, DirectoryProblems
from byoc_proxy.trunk.model import Region

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping
    from pathlib import Path as FilePath

    from byoc_proxy.config.document import Document, Path
    from byoc_proxy.config.explain import Problem
    from byoc_proxy.config.settings import Settings
    from byoc_proxy.trunk.findings import Finding
    from byoc_proxy.trunk.model import Installation, Resources

_SID: Final = re.compile(r"\b[A-Z]{2}[0-9a-f]{32}\b")
# Fields of records whose keys in the file are named otherwise.
_KEYS: Final = {
    "account_sid": "account",
    "parent_sid": "parent",
    "byoc_trunk_sid": "trunk",
    "connection_policy_sid": "connection_policy",
    "fallback_connection_policy_sid": "fallback_connection_policy",
    "from_domain_sid": "from_domain",
    "ip_access_control_list_sids": "ip_access_control_lists",
    "credential_list_sids": "credential_lists",
}


class ConfigProblems(ValueError):
    """The file cannot be used; `problems` are its lines in the order of the file."""

    def __init__(self, problems: Iterable[str]) -> None:
        self.problems = list(problems)
        super().__init__("\n".join(self.problems))


@dataclass(frozen=True, slots=True)
class Loaded:
    """A usable configuration. `warnings` are lines like those of problems, `names` are (section, key) by SID."""

    settings: Settings
    resources: Resources
    directory: Directory
    warnings: tuple[str, ...]
    names: Mapping[str, tuple[str, str]]


def load(path: FilePath, environ: Mapping[str, str]) -> Loaded:
    """Read and judge the file. Raises `ConfigProblems`."""
    document = _read(path, environ)
    return _Judge(path, document).judge()


def _read(path: FilePath, environ: Mapping[str, str]) -> Document:
    try:
        document = read_document(path.read_text(encoding="utf-8"), environ)
    except OSError as error:
        raise ConfigProblems([f"{path}: cannot be read: {error.strerror}"]) from error
    except UnicodeDecodeError as error:
        raise ConfigProblems([f"{path}: is not UTF-8 text: byte {error.start} is wrong"]) from error
    except NotYaml as error:
        raise ConfigProblems([_line(path, error.place, (), f"is not valid YAML: {error}")]) from error
    if not isinstance(document.value, dict):
        raise ConfigProblems([_line(path, Place(1, 1), (), "must be a mapping of keys to values, and is not")])
    return document


class _Judge:
    """One reading of one document."""

    def __init__(self, path: FilePath, document: Document) -> None:
        self._path = path
        self._document = document
        self._raw: dict[str, Any] = document.value
        self._context = {"directory": path.resolve().parent}
        self._problems: list[Problem] = []
        self._warnings: list[Problem] = []

    def judge(self) -> Loaded:
        self._unknown_keys()
        installation = self._installation()
        settings = self._settings()
        entries = read_entries(self._raw, self._problems, self._context)
        directory, names = None, {}
        if installation is not None:
            reader = ResourceReader(entries, installation)
            directory, names = self._directory(reader), reader.names
        if settings is not None and directory is not None:
            self._problems += reachability_problems(settings, directory.resources)
        if self._problems or self._document.problems or settings is None or directory is None:
            raise ConfigProblems(self._lines(self._all_problems()))
        return Loaded(settings, directory.resources, directory, tuple(self._lines(self._warnings)), names)

    def _unknown_keys(self) -> None:
        known = [*InstallationSection.model_fields, *ProcessSection.model_fields, *SECTIONS]
        for key in self._raw:
            if key not in known:
                near = suggestion(key, known) or f"; known are {', '.join(known)}"
                self._problems.append(((key,), f"unknown key{near}"))

    def _part(self, keys: Iterable[str]) -> dict[str, Any]:
        """Some keys of the file; one without a value counts as not written."""
        return {key: self._raw[key] for key in keys if self._raw.get(key) is not None}

    def _installation(self) -> Installation | None:
        part = self._part(InstallationSection.model_fields)
        found: list[Problem] = []
        section = validated(InstallationSection, part, (), found)
        if section is None:
            section = salvaged(InstallationSection, part, {path[0] for path, _ in found})
            self._problems += found
            if section is None:
                return None
        installation = read_installation(section)
        if not found:
            self._problems += installation_problems(installation)
            self._warnings += installation_warnings(installation)
        if installation.region in installation.regions:
            return installation
        # A wrong region must not hide what is wrong elsewhere: go on as if it were there.
        here = {installation.region: Region(installation.region, "")}
        return replace(installation, regions={**here, **installation.regions})

    def _settings(self) -> Settings | None:
        part = self._part(ProcessSection.model_fields)
        section = validated(ProcessSection, part, (), self._problems, self._context)
        if section is None:
            return None
        settings = read_settings(section)
        self._problems += settings_problems(settings)
        self._warnings += settings_warnings(settings)
        return settings

    def _directory(self, reader: ResourceReader) -> Directory | None:
        rows = reader.read()
        self._problems += reader.problems
        self._warnings += reader.warnings
        try:
            directory = Directory.build(rows)
        except DirectoryProblems as error:
            self._problems += (_in_file_words(finding, reader.names) for finding in error.problems)
            return None
        self._warnings += (_in_file_words(finding, reader.names) for finding in directory.warnings)
        return directory

    def _all_problems(self) -> list[Problem]:
        """A value that could not be read has been blamed; what is said of its stand-in is left out."""
        unread = {path for path, _ in self._document.problems}
        return self._document.problems + [(path, text) for path, text in self._problems if path not in unread]

    def _lines(self, problems: Iterable[Problem]) -> list[str]:
        in_order = sorted(problems, key=lambda problem: self._document.place(problem[0]))
        return [_line(self._path, self._document.place(path), path, text) for path, text in in_order]


def _line(path: FilePath, place: Place, key: Path, text: str) -> str:
    dotted = f"{'.'.join(map(str, key))}: " if key else ""
    return f"{path}:{place.line}:{place.column}: {dotted}{text}"


def _in_file_words(finding: Finding, names: Mapping[str, tuple[str, str]]) -> Problem:
    """A finding about records in the words of the file: keys instead of SIDs."""
    section, sid, *rest = finding.path
    key = names.get(str(sid), (str(section), str(sid)))[1]
    inner = tuple(_KEYS.get(str(part), part) for part in rest)
    text = _SID.sub(lambda match: repr(names[match[0]][1]) if match[0] in names else match[0], finding.text)
    return (section, key, *inner), text
