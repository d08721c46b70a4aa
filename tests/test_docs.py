"""The pages agree with the code: whatever they list is what there is."""

import ast
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from pydantic import BaseModel

from byoc_proxy.api.catalogue import RESOURCES
from byoc_proxy.config import handlers_schema, schema, services_schema
from byoc_proxy.config.load import load
from byoc_proxy.trunk.verdicts import VERDICTS
from byoc_proxy.twiml.vocabulary import WORDS
from byoc_proxy.twiml.words import Attribute, Fate

ROOT = Path(__file__).resolve().parent.parent
PAGES = sorted(path.relative_to(ROOT).as_posix() for path in (*ROOT.glob("*.md"), *(ROOT / "docs").glob("*.md")))
LINK = re.compile(r"\]\(([^)\s]+)\)")
EVENT = re.compile(r"[a-z]+\.[a-z_]+")
LEVELS = {"debug", "info", "warning", "error", "exception"}
CODED = range(10001, 33000)  # where Twilio's error codes for voice are
NOT_CODES = {14400, 20000}  # a default of <Dial> in seconds, a threshold of the garbage collector


def page(name: str) -> str:
    return (ROOT / name).read_text(encoding="utf-8")


def code() -> Iterator[ast.AST]:
    for path in (ROOT / "byoc_proxy").rglob("*.py"):
        yield from ast.walk(ast.parse(path.read_text(encoding="utf-8")))


def anchors(text: str) -> set[str]:
    """The names of a page's headings as they stand in links."""
    headings = re.findall(r"^#+ (.+)$", text, re.MULTILINE)
    return {re.sub(r"[^a-z0-9 -]", "", heading.lower()).replace(" ", "-") for heading in headings}


def test_the_state_machines_of_the_docs_are_those_that_run() -> None:
    printed = subprocess.run([sys.executable, ROOT / "scripts" / "diagrams"], capture_output=True, check=True)
    assert printed.stdout.decode() == page("docs/state-machines.md")


@pytest.mark.parametrize("name", PAGES)
def test_every_link_between_the_pages_leads_somewhere(name: str) -> None:
    for link in LINK.findall(page(name)):
        if "://" in link:
            continue
        file, _, anchor = link.partition("#")
        target = (ROOT / name).parent / file if file else ROOT / name
        assert target.exists(), link
        assert not anchor or anchor in anchors(target.read_text(encoding="utf-8")), link


def test_the_configuration_of_the_readme_loads_without_a_warning(tmp_path: Path) -> None:
    (text,) = re.findall(r"```yaml\n(.*?)```", page("README.md"), re.DOTALL)
    file = tmp_path / "byoc-proxy.yaml"
    file.write_text(text, encoding="utf-8")
    loaded = load(file, {"ACME_AUTH_TOKEN": "token", "SBC_PASSWORD": "Long-Password-1"})
    assert loaded.warnings == ()


@pytest.mark.parametrize(
    "section",
    [
        model
        for model in {**vars(schema), **vars(services_schema), **vars(handlers_schema)}.values()
        if isinstance(model, type) and issubclass(model, BaseModel)
    ],
)
def test_every_key_of_the_configuration_is_explained(section: type[BaseModel]) -> None:
    text = page("docs/configuration.md")
    missing = [key for key in section.model_fields if not re.search(rf"[`{{]{key}[`:]", text)]
    assert missing == []


def test_every_coded_error_is_explained() -> None:
    written = {node.value for node in code() if isinstance(node, ast.Constant) and type(node.value) is int}
    codes = {number for number in written if number in CODED} - NOT_CODES
    explained = {int(number) for number in re.findall(r"\b\d{5}\b", page("docs/response-codes.md"))}
    assert codes == explained


@pytest.mark.parametrize("when", [verdict.when for verdict in VERDICTS])
def test_every_row_of_the_failover_table_is_explained(when: str) -> None:
    assert f"| {when} |" in page("docs/response-codes.md")


def test_every_resource_of_the_api_is_explained_with_its_limit() -> None:
    text = page("docs/api.md")
    assert [each.path for each in RESOURCES if each.path.rpartition("/")[2] not in text] == []
    codes = {each.limit.code for each in RESOURCES if each.limit is not None}
    assert [code for code in codes if f"| {code} |" not in text] == []


def test_every_event_of_the_log_is_explained() -> None:
    written = {
        node.args[0].value
        for node in code()
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute) and node.func.attr in LEVELS
        if node.args and isinstance(node.args[0], ast.Constant) and isinstance(node.args[0].value, str)
    }
    events = {event for event in written if EVENT.fullmatch(event)}
    explained = set(re.findall(r"`([a-z]+\.[a-z_]+)`", page("docs/operations.md").partition("## Records")[0]))
    assert len(events) > 10
    assert events <= explained


def word_rows() -> Iterator[str]:
    """What `docs/twiml.md` has to say of each word and of each attribute that is read."""
    for path, word in WORDS.items():
        code = f", {word.code}" if word.fate in (Fate.SKIPPED, Fate.NEEDS_MEDIA) else ""
        yield f"| `{path}` | {word.fate}{code} |"
        if word.fate is Fate.RUNS:
            yield from (attribute_row(path, name, each) for name, each in word.attributes.items())


def attribute_row(path: str, name: str, attribute: Attribute) -> str:
    silent = ", ".join(f"`{value}`" for value in sorted(attribute.silent))
    here = f"{attribute.fate}, unless {silent}" if silent else str(attribute.fate)
    wrong = f"{attribute.code}, an error" if attribute.refuses else str(attribute.code)
    checked = attribute.fate in (Fate.RUNS, Fate.SKIPPED) or attribute.values is not None
    return f"| `{path}` | `{name}` | {here} | {wrong if checked else ''} |".replace("|  |", "| |")


def test_every_word_of_twiml_is_explained_and_no_other() -> None:
    lines = page("docs/twiml.md").partition("## Words")[2].splitlines()
    assert [line for line in lines if line.startswith("| `")] == sorted(word_rows(), key=lambda row: row.count("|"))
