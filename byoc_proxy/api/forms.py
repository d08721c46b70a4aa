"""The parameters of a request, read by what a resource says it takes: all faults at once.

Names nobody knows are refused (20001), as are a parameter that is given twice, but for those that are lists, and a
value out of range; an empty value means "set to null" (contract 1.1).
"""

from __future__ import annotations

from collections import Counter
from difflib import get_close_matches
from typing import TYPE_CHECKING, Final
from urllib.parse import parse_qsl

from byoc_proxy.api.errors import INVALID_PARAMETER, UNKNOWN_PARAMETER, ApiError, Fault, bad_request
from byoc_proxy.api.resource import Verb
from byoc_proxy.api.values import CodedFault, Several

if TYPE_CHECKING:
    from collections.abc import Sequence

    from byoc_proxy.api.resource import Parameter, Row

FORM: Final = "application/x-www-form-urlencoded"
MOST_FIELDS: Final = 200

Pairs = list[tuple[str, str]]


def pairs_of(encoded: str) -> Pairs:
    """A query or a form as names and values in their order. `ApiError` when it is none."""
    try:
        return parse_qsl(encoded, keep_blank_values=True, errors="strict", max_num_fields=MOST_FIELDS)
    except UnicodeDecodeError:
        raise bad_request([Fault("", INVALID_PARAMETER, "The parameters are not UTF-8 text")]) from None
    except ValueError:
        text = f"There are more than {MOST_FIELDS} parameters"
        raise bad_request([Fault("", INVALID_PARAMETER, text)]) from None


def form_of(body: bytes, content_type: str) -> Pairs:
    """The body of a POST. `ApiError` when it is not a form."""
    if not body:
        return []
    if content_type.partition(";")[0].strip().lower() != FORM:
        raise ApiError(415, INVALID_PARAMETER, f"Parameters are sent as {FORM}, not as {content_type[:80]!r}")
    try:
        return pairs_of(body.decode("ascii"))
    except UnicodeDecodeError:
        raise bad_request([Fault("", INVALID_PARAMETER, "The form is not URL-encoded")]) from None


def read(pairs: Pairs, parameters: Sequence[Parameter], verb: Verb) -> Row:
    """Values by column: of a create all that there are, else what was sent. `ApiError` with every fault."""
    known = {each.name: each for each in parameters}
    times = Counter(name for name, _ in pairs)
    sent = _sent(pairs, known)
    faults = [*_unknown(times, known), *_repeated(times, known)]
    values: Row = {}
    for name, parameter in known.items():
        text = sent.get(name)
        if not text and (parameter.needed(verb) or (parameter.required and text is not None)):
            faults.append(Fault(name, parameter.missing or parameter.code, f"{name} is missing"))
        elif text:
            try:
                values[parameter.column] = parameter.kind.read(text)
            except ValueError as error:
                code = error.code if isinstance(error, CodedFault) else parameter.code
                faults.append(Fault(name, code, f"{name} {error}"))
        elif verb is Verb.CREATE or (text is not None and verb is not Verb.LIST):
            values[parameter.column] = parameter.default
    if faults:
        raise bad_request(faults)
    return values


def _sent(pairs: Pairs, known: dict[str, Parameter]) -> dict[str, str]:
    """The text of each; lists that came as several parameters are one text, as if they had been sent so."""
    sent: dict[str, str] = {}
    for name, text in pairs:
        listed = name in sent and name in known and isinstance(known[name].kind, Several)
        sent[name] = f"{sent[name]} {text}" if listed else text
    return sent


def _unknown(names: Counter[str], known: dict[str, Parameter]) -> list[Fault]:
    return [
        Fault(name[:80], UNKNOWN_PARAMETER, f"Unknown parameter {name[:80]!r}{_hint(name, known)}")
        for name in names
        if name not in known
    ]


def _hint(name: str, known: dict[str, Parameter]) -> str:
    near = get_close_matches(name[:80], known, 1)
    if near:
        return f"; did you mean {near[0]}?"
    return f"; known are {', '.join(known)}" if known else "; none is taken here"


def _repeated(times: Counter[str], known: dict[str, Parameter]) -> list[Fault]:
    return [
        Fault(name, known[name].code, f"{name} is given {count} times; give it once")
        for name, count in times.items()
        if count > 1 and name in known and not isinstance(known[name].kind, Several)
    ]
