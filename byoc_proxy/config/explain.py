"""Validation with words for a person: every error of a section as (path, what is wrong; what would be right)."""

from __future__ import annotations

from difflib import get_close_matches
from typing import TYPE_CHECKING, Any, Final, TypeVar, get_args

from pydantic import BaseModel, ValidationError

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Iterator

    from pydantic_core import ErrorDetails

    from byoc_proxy.config.document import Path

Problem = tuple["Path", str]

_M = TypeVar("_M", bound=BaseModel)

_WORDS: Final = {
    "missing": "is missing; it is required",
    "string_type": "must be text; put it in quotes",
    "model_type": "must be a mapping of keys to values",
    "model_attributes_type": "must be a mapping of keys to values",
    "dict_type": "must be a mapping of keys to values",
    "tuple_type": "must be a list; write [first, second]",
    "bool_type": "must be true or false",
    "bool_parsing": "must be true or false",
}


def validated(model: type[_M], value: Any, path: Path, problems: list[Problem], context: Any = None) -> _M | None:
    """`value` as a `model`, or None after adding every reason to `problems`; paths begin with `path`."""
    try:
        return model.model_validate(value, context=context)
    except ValidationError as error:
        for details in error.errors(include_url=False, include_input=False):
            inner = tuple(part for part in details["loc"] if part != "[key]")
            problems.append(((*path, *inner), _words(details, model)))
        return None


def salvaged(model: type[_M], value: Any, wrong: Collection[object], context: Any = None) -> _M | None:
    """`value` without the keys that were found wrong, so that the rest can be judged; None if that is no use."""
    if not isinstance(value, dict):
        return None
    return validated(model, {key: item for key, item in value.items() if key not in wrong}, (), [], context)


def suggestion(word: str, known: Iterable[str]) -> str:
    """`; did you mean 'x'?` for the nearest known word, or nothing."""
    near = get_close_matches(word, list(known), n=1)
    return f"; did you mean {near[0]!r}?" if near else ""


def _words(details: ErrorDetails, model: type[BaseModel]) -> str:
    kind = details["type"]
    if kind == "extra_forbidden":
        known = _siblings(model, details["loc"])
        near = suggestion(str(details["loc"][-1]), known)
        return f"unknown key{near or '; known are ' + ', '.join(known)}"
    if kind == "value_error":
        return str(details["ctx"]["error"])
    if kind in _WORDS:
        return _WORDS[kind]
    message = details["msg"].replace("Input should", "must", 1)
    return message[0].lower() + message[1:]


def _siblings(model: type[BaseModel], loc: tuple[str | int, ...]) -> list[str]:
    """The keys that would have been right beside the last part of `loc`."""
    for part in loc[:-1]:
        field = model.model_fields.get(str(part))
        if field is not None:
            model = next(_models_in(field.annotation), model)
    return list(model.model_fields)


def _models_in(annotation: Any) -> Iterator[type[BaseModel]]:
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        yield annotation
    for argument in get_args(annotation):
        yield from _models_in(argument)
