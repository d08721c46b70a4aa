"""The architecture as a test: who may import whom, who may start tasks, how large things may be, how named.

The tables are the data; a change of architecture is a change of a row here, seen in review.
"""

import ast
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
PACKAGE = "byoc_proxy"


@dataclass(frozen=True, slots=True)
class Floor:
    """What the modules of one package may import of ours, and whether they must be pure."""

    below: frozenset[str]
    pure: bool = False
    foreign: frozenset[str] | None = None  # third-party packages; None: any


def floor(*below: str, pure: bool = False, foreign: tuple[str, ...] | None = None) -> Floor:
    return Floor(frozenset(below), pure, None if foreign is None else frozenset(foreign))


OUTSIDE_WORLD = ("sip", "trunk.model", "twiml.verbs")
BELOW_CALL = ("sip", "net", "trunk", "twiml", "webhook", "storage")
BELOW_APP = (*BELOW_CALL, "call", "provision", "config", "observe", "listeners")

FLOORS = {
    "sip": floor(pure=True, foreign=()),
    "trunk": floor("sip", pure=True, foreign=("netaddr",)),
    "publish": floor("sip", "trunk", pure=True, foreign=()),
    "twiml": floor("sip", pure=True, foreign=()),
    "net": floor("sip"),
    "webhook": floor(*OUTSIDE_WORLD, "twiml.template"),
    "storage": floor(*OUTSIDE_WORLD, "trunk.origination", "webhook.exchange"),
    "provision": floor("sip", "trunk", "storage"),
    "call": floor(*BELOW_CALL),
    "api": floor("sip", "trunk", "twiml", "storage", "webhook", "provision", "publish", "call"),
    "config": floor("sip", "trunk"),
    "observe": floor(),
    "preflight": floor("config", "trunk", "twiml", "webhook", "net", "listeners"),
    "listeners": floor("sip", "net", "config"),
    "app": floor(*BELOW_APP),
    "health": floor("call"),
    "recording": floor("storage", "config", "webhook.exchange"),
    "reloading": floor(*BELOW_APP, "app"),
    "daemon": floor(*BELOW_APP, "api", "app", "health", "recording", "reloading"),
    "demo": floor(*BELOW_APP, "app"),
    "sim": floor(*BELOW_APP, "app"),
    "targets": floor(),
    "migrate": floor("config", "sip", "trunk"),
    "commands": floor(*BELOW_APP, "publish", "migrate", "preflight", "targets", "daemon", "demo", "sim"),
    "__main__": floor("commands"),
}

# A pure floor gets time and randomness as arguments, and returns what should be sent or logged.
IMPURE = frozenset(
    "asyncio concurrent http logging multiprocessing os random secrets select selectors signal socket "
    "socketserver ssl subprocess threading time urllib.request uuid".split()
)

TYPES_ONLY = frozenset({"_typeshed"})  # known to type checkers, never imported at run time

# Owners of tasks form a tree; these start a task that is not the child of a TaskGroup in the same function.
MAY_CREATE_TASKS = {
    "byoc_proxy/net/dns.py": "one query is shared by all who wait for it",
    "byoc_proxy/net/whereabouts.py": "a name is looked up while the call goes on",
    "byoc_proxy/net/stream.py": "a connection attempt is shared by all who send through it",
    "byoc_proxy/call/prober.py": "a target is asked until a reload removes it",
    "byoc_proxy/call/callbacks.py": "who is told of a call may be told when it is over",
    "byoc_proxy/call/switchboard.py": "a call outlives the datagram that began it",
    "byoc_proxy/app.py": "the root of the tree",
}

# An unexpected error ends what it happened in, never the process.
MAY_CATCH_EVERYTHING = {
    "byoc_proxy/call/call.py": "a bug in one call ends that call",
    "byoc_proxy/provision/provisioning.py": "a node that cannot follow the others goes on with its calls",
    "byoc_proxy/reloading.py": "a bug in a reload keeps the old configuration",
    "byoc_proxy/api/server.py": "a bug in one request answers that request",
    "byoc_proxy/api/errands.py": "a bug in one request of another node answers that request",
    "byoc_proxy/webhook/functions.py": "a bug in a function of the operator's fails one request",
    "byoc_proxy/sim/virtual.py": "what a thread would have raised belongs to the one who awaits it",
}

MAX_FILE_LINES = 450
MAX_FUNCTION_LINES = 50
LONGER_FUNCTIONS: dict[str, str] = {}  # "byoc_proxy/x.py:function": reason

VAGUE_ENDINGS = ("Manager", "Helper", "Handler", "Util", "Base", "Data")

FILES = sorted(path.relative_to(ROOT).as_posix() for path in (ROOT / PACKAGE).rglob("*.py"))
each_file = pytest.mark.parametrize("file", FILES)


@cache
def source(file: str) -> str:
    return (ROOT / file).read_text(encoding="utf-8")


@cache
def tree(file: str) -> ast.Module:
    return ast.parse(source(file), file)


def nodes(file: str) -> Iterator[ast.AST]:
    return ast.walk(tree(file))


def dotted(file: str) -> tuple[str, ...]:
    """byoc_proxy/sip/uri.py -> (byoc_proxy, sip, uri)"""
    return tuple(file.removesuffix(".py").split("/"))


def imports(file: str) -> Iterator[str]:
    """Every imported name, absolute and dotted: `from byoc_proxy.sip import uri` -> byoc_proxy.sip.uri"""
    for node in nodes(file):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            parents = dotted(file)[: -node.level] if node.level else ()
            module = ".".join([*parents, *filter(None, [node.module])])
            yield from (f"{module}.{alias.name}" for alias in node.names)


def ours(file: str) -> Iterator[str]:
    """Imports from this package, without its name: sip.uri.SipUri"""
    return (name.removeprefix(f"{PACKAGE}.") for name in imports(file) if name.startswith(f"{PACKAGE}."))


def floor_of(file: str) -> str | None:
    """The row of FLOORS that a file belongs to; None for the package's own __init__."""
    top = dotted(file)[1]
    return None if top == "__init__" else top


def lies_in(name: str, places: frozenset[str]) -> bool:
    return any(name == place or name.startswith(f"{place}.") for place in places)


def functions(file: str) -> Iterator[ast.FunctionDef | ast.AsyncFunctionDef]:
    return (node for node in nodes(file) if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef))


@each_file
def test_every_module_stands_on_a_floor(file: str) -> None:
    assert floor_of(file) in {*FLOORS, None}


@each_file
def test_a_module_imports_only_from_the_floors_below_it(file: str) -> None:
    here = floor_of(file)
    allowed = frozenset() if here is None else FLOORS[here].below | {here}
    wrong = [name for name in ours(file) if name != "__version__" and not lies_in(name, allowed)]
    assert wrong == []


@each_file
def test_a_pure_floor_imports_no_clock_no_chance_and_no_network(file: str) -> None:
    here = floor_of(file)
    if here is not None and FLOORS[here].pure:
        assert [name for name in imports(file) if lies_in(name, IMPURE)] == []


@each_file
def test_a_floor_with_a_list_of_foreign_packages_keeps_to_it(file: str) -> None:
    here = floor_of(file)
    foreign = frozenset() if here is None else FLOORS[here].foreign
    if foreign is not None:
        tops = {name.partition(".")[0] for name in imports(file)}
        assert tops - sys.stdlib_module_names - TYPES_ONLY - {PACKAGE} - foreign == set()


def test_the_floors_form_no_circle() -> None:
    done: set[str] = set()
    while ready := {name for name, row in FLOORS.items() if {b.split(".")[0] for b in row.below} <= done} - done:
        done |= ready
    assert done == set(FLOORS)


def starts_a_task(node: ast.AST) -> bool:
    """True for asyncio.create_task, loop.create_task and ensure_future; not for group.create_task"""
    match node:
        case ast.Call(func=ast.Attribute(value=owner, attr="create_task")):
            return not ast.unparse(owner).lower().endswith("group")
        case ast.Call(func=ast.Attribute(attr="ensure_future" | "run_coroutine_threadsafe")):
            return True
        case ast.Call(func=ast.Name(id="create_task" | "ensure_future")):
            return True
    return False


@each_file
def test_tasks_are_children_of_a_group(file: str) -> None:
    if file not in MAY_CREATE_TASKS:
        assert [ast.unparse(node) for node in nodes(file) if starts_a_task(node)] == []


def catches_everything(node: ast.AST) -> bool:
    match node:
        case ast.ExceptHandler(type=None):
            return True
        case ast.ExceptHandler(type=ast.expr() as kind):
            caught = {ast.unparse(part) for part in ast.walk(kind) if isinstance(part, ast.Name)}
            return bool(caught & {"Exception", "BaseException"})
        case ast.Call(func=ast.Attribute(attr="suppress") | ast.Name(id="suppress"), args=args):
            return any(ast.unparse(arg) in {"Exception", "BaseException"} for arg in args)
    return False


@each_file
def test_only_named_errors_are_caught(file: str) -> None:
    if file not in MAY_CATCH_EVERYTHING:
        assert [ast.unparse(node) for node in nodes(file) if catches_everything(node)] == []


@each_file
def test_no_error_is_swallowed_in_silence(file: str) -> None:
    silent = [
        ast.unparse(node)
        for node in nodes(file)
        if isinstance(node, ast.ExceptHandler) and all(isinstance(line, ast.Pass) for line in node.body)
    ]
    assert silent == []


@each_file
def test_class_names_say_what_the_thing_is(file: str) -> None:
    names = [node.name for node in nodes(file) if isinstance(node, ast.ClassDef)]
    assert [name for name in names if name.endswith(VAGUE_ENDINGS)] == []


@each_file
def test_a_file_can_be_read_in_one_sitting(file: str) -> None:
    assert source(file).count("\n") <= MAX_FILE_LINES


@each_file
def test_a_function_fits_on_a_screen(file: str) -> None:
    lengths = {f"{file}:{f.name}": (f.end_lineno or f.lineno) - f.lineno + 1 for f in functions(file)}
    long = {name for name, lines in lengths.items() if lines > MAX_FUNCTION_LINES}
    assert long - LONGER_FUNCTIONS.keys() == set()


@each_file
def test_every_module_says_what_it_is(file: str) -> None:
    assert ast.get_docstring(tree(file))


@pytest.mark.parametrize("file", [file for file in FILES if file.endswith("__init__.py")])
def test_a_package_init_holds_a_docstring_and_names(file: str) -> None:
    assigned = [node for node in tree(file).body if isinstance(node, ast.Assign)]
    docstrings = [node for node in tree(file).body if isinstance(node, ast.Expr)]
    names = {ast.unparse(target) for node in assigned for target in node.targets}
    assert len(assigned) + len(docstrings) == len(tree(file).body)
    assert names <= {"__all__", "__version__"}
