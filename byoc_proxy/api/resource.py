"""How a REST resource is declared: its place, its fields, its limits, its codes. One engine serves them all.

A declaration is data. `operations` acts by it, `server` routes by it, `openapi` describes it; what a resource has
of its own is a hook in `Ways`.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import Enum, auto
from typing import TYPE_CHECKING, Any, Final

from byoc_proxy.api.errors import CONFLICT, FRIENDLY_NAME, INVALID_PARAMETER
from byoc_proxy.api.values import Choice, Url, Words

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Mapping, Sequence

    from sqlalchemy import Table

    from byoc_proxy.api.scope import Scope
    from byoc_proxy.api.values import Kind
    from byoc_proxy.provision.provisioning import Write
    from byoc_proxy.trunk.directory import Directory

ACCOUNT_PATH: Final = "/2010-04-01/Accounts/{account_sid}"

_WEB_ADDRESS: Final = Url()

Row = dict[str, Any]  # by column


class Style(Enum):
    """The two manners of the contract (1.1): dates, paths, envelopes and texts go by it."""

    LEGACY = auto()  # /2010-04-01/….json
    V1 = auto()  # /v1/…


class Verb(Enum):
    """What can be done with a resource."""

    CREATE = auto()
    LIST = auto()
    FETCH = auto()
    UPDATE = auto()
    DELETE = auto()


ALL_VERBS: Final = frozenset(Verb)
NO_UPDATE: Final = ALL_VERBS - {Verb.UPDATE}
READ_ONLY: Final = frozenset({Verb.LIST, Verb.FETCH})


@dataclass(frozen=True, slots=True)
class Parameter:
    """What a request may say.

    `column` is where it goes; when that is none of the table's, a hook takes it. `default` is what an absent
    parameter of a create stands for, and an empty one of an update. `required`: by a create, `always` by an
    update too. `code`: of a wrong value; `missing`: of none, where that is another one.
    """

    name: str
    kind: Kind
    column: str
    default: Any = None
    required: bool = False
    always: bool = False
    create: bool = True
    update: bool = True
    code: int = INVALID_PARAMETER
    missing: int | None = None

    def needed(self, verb: Verb) -> bool:
        """Whether a request must have it."""
        return self.required and (verb is Verb.CREATE or self.always)


def text(name: str, column: str, longest: int, code: int = FRIENDLY_NAME) -> Parameter:
    """Free text; without one it is empty."""
    return Parameter(name, Words(longest), column, "", code=code)


def url_and_method(
    name: str, column: str, code: int = INVALID_PARAMETER, kind: Kind = _WEB_ADDRESS
) -> tuple[Parameter, Parameter]:
    """`VoiceUrl` and `VoiceMethod`: the method is POST unless it is said to be GET."""
    stem, column_stem = name.removesuffix("Url"), column.removesuffix("_url")
    method = Parameter(f"{stem}Method", Choice(("GET", "POST")), f"{column_stem}_method", "POST", code=code)
    return Parameter(name, kind, column, code=code), method


@dataclass(frozen=True, slots=True)
class Limit:
    """At most so many for one parent, else for one account; `setting` is the key that changes it."""

    most: int
    code: int
    setting: str | None = None


async def _as_they_are(_: Write, __: Scope, values: Row, ___: Row | None) -> Row:
    return values


async def _nobody(_: Write, __: Row) -> Sequence[str]:
    return ()


def _nothing_more(_: Row, __: Directory) -> Mapping[str, object]:
    return {}


@dataclass(frozen=True, slots=True)
class Ways:
    """What one resource does in a way of its own.

    `prepare`: from the values of a request, and the row before an update, to columns; may raise `ApiError`. What it
    returns beside columns stands in the answer to a create, this once (a new key's secret). `users`: the words for
    what would miss a row if it were deleted, as far as the directory cannot know. `more`: fields of the answer that
    are in no column.
    """

    prepare: Callable[[Write, Scope, Row, Row | None], Awaitable[Row]] = _as_they_are
    users: Callable[[Write, Row], Awaitable[Sequence[str]]] = _nobody
    more: Callable[[Row, Directory], Mapping[str, object]] = _nothing_more


@dataclass(frozen=True, slots=True)
class Resource:
    """One kind of thing.

    `path` is where its list is, without `.json`, with the columns that name its parents in braces. `answer` are the
    fields of the answer, in order. `parent` is what it lives in, by the column `parent_column`. `section` is that
    of the directory's row to be read again after a change, whose SID is in `section_column`; None when no call
    depends on it. `fixed`: columns by which its rows differ from others of its table. `code`: of what is wrong
    with it as a whole. `duplicate`: code and words for a second one of what must be one. `in_use`: status and code
    of refusing to delete what others need.
    """

    name: str
    prefix: str
    table: Table
    style: Style
    path: str
    key: str
    parameters: tuple[Parameter, ...]
    answer: tuple[str, ...]
    verbs: frozenset[Verb] = ALL_VERBS
    parent: Resource | None = None
    parent_column: str = ""
    section: str | None = None
    section_column: str = "sid"
    fixed: Mapping[str, Any] = field(default_factory=dict)
    links: Mapping[str, str] = field(default_factory=dict)
    filters: tuple[Parameter, ...] = ()
    limit: Limit | None = None
    code: int = INVALID_PARAMETER
    duplicate: tuple[int, str] = (CONFLICT, "There is one already")
    in_use: tuple[int, int] = (409, CONFLICT)
    newest_first: bool = False
    ways: Ways = Ways()

    @property
    def suffix(self) -> str:
        return ".json" if self.style is Style.LEGACY else ""

    @property
    def list_path(self) -> str:
        return self.path + self.suffix

    @property
    def instance_path(self) -> str:
        return f"{self.path}/{{sid}}{self.suffix}"

    def parameters_of(self, verb: Verb) -> tuple[Parameter, ...]:
        """Those that a create, an update or a list takes."""
        if verb is Verb.LIST:
            return self.filters
        return tuple(each for each in self.parameters if (each.create if verb is Verb.CREATE else each.update))
