"""What the directory, the database or the configuration file holds against a change, as the contract's errors."""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING, Final

from sqlalchemy.exc import IntegrityError

from byoc_proxy.api.errors import ACCESS_DENIED, CONFLICT, INVALID_SID, UNAVAILABLE, ApiError, Fault
from byoc_proxy.provision.provisioning import StoreUnavailable
from byoc_proxy.trunk.directory import DirectoryProblems
from byoc_proxy.trunk.findings import Rule

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from byoc_proxy.api.resource import Resource, Row
    from byoc_proxy.trunk.findings import Finding

RETRY_AFTER: Final = "1"  # seconds
# Status and code by the rule that was broken; where there is none, 400 with the code of the parameter or resource.
_BY_RULE: Final[Mapping[Rule, tuple[int, int]]] = {
    Rule.DUPLICATE_NAME: (400, 21232),
    Rule.NAME_FORM: (400, 21232),
    Rule.NAME_SUFFIX: (400, 21232),
    Rule.HIGHER_MISSING: (400, 21232),
    Rule.HIGHER_FOREIGN: (403, 20006),
    Rule.HAS_SUBDOMAINS: (400, 21233),
    Rule.TOO_MANY_TARGETS: (400, 21254),
}
_REFERENCES: Final = (Rule.NO_SUCH_REFERENCE, Rule.FOREIGN_REFERENCE)


def refused(problems: Sequence[Finding], resource: Resource) -> ApiError:
    """The findings of the directory as one error; all of them are in its details."""
    first = problems[0]
    status, code = _status_and_code(first, resource)
    faults = [Fault(str(each.path[-1]), _status_and_code(each, resource)[1], each.text) for each in problems]
    about_all_of_it = len(first.path) == 2  # then the text goes on where the SID stops: "… is in use by …"
    return ApiError(status, code, f"{first.path[1]} {first.text}" if about_all_of_it else first.text, faults=faults)


def _status_and_code(finding: Finding, resource: Resource) -> tuple[int, int]:
    if finding.rule is Rule.IN_USE:
        return resource.in_use
    if finding.rule in (Rule.DUPLICATE_NAME, Rule.DUPLICATE_ENTRY):
        code = resource.duplicate[0]
        return 409 if code == CONFLICT else 400, code
    if finding.rule in _REFERENCES:
        codes = {parameter.column: parameter.code for parameter in resource.parameters}
        return 400, codes.get(str(finding.path[-1]), INVALID_SID)
    return _BY_RULE.get(finding.rule, (400, resource.code))


@contextmanager
def judged(resource: Resource, row: Row) -> Iterator[None]:
    """A change of `row`: whatever speaks against it becomes an `ApiError`, and nothing has changed."""
    try:
        yield
    except DirectoryProblems as error:
        raise refused(error.problems, resource) from error
    except IntegrityError as error:
        code, text = resource.duplicate
        raise ApiError(409 if code == CONFLICT else 400, code, text.format_map(row)) from error


@contextmanager
def stored() -> Iterator[None]:
    """A database that cannot be had is said so: come back later, nothing was changed."""
    try:
        yield
    except StoreUnavailable as error:
        raise ApiError(503, UNAVAILABLE, str(error), headers={"Retry-After": RETRY_AFTER}) from error


def declared_elsewhere(sid: str) -> ApiError:
    """What the configuration file declares is changed there (and read again by SIGHUP)."""
    text = f"{sid} is declared in the configuration file: change it there and reload"
    return ApiError(403, ACCESS_DENIED, text)
