"""From the parameters of an update to what is to happen to a live call: pure, all faults at once (contract 1.8)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final
from urllib.parse import urlsplit

from byoc_proxy.api import call_parameters as these
from byoc_proxy.api import forms
from byoc_proxy.api.call_orders import URL_WINS, bin_faults, callback_of, entry_of
from byoc_proxy.api.errors import Fault, bad_request
from byoc_proxy.api.resource import Verb
from byoc_proxy.trunk.model import TWIML
from byoc_proxy.twiml.elements import read_elements
from byoc_proxy.twiml.verbs import TwimlError

if TYPE_CHECKING:
    from collections.abc import Iterator

    from byoc_proxy.api.forms import Pairs
    from byoc_proxy.api.resource import Row
    from byoc_proxy.api.scope import Scope
    from byoc_proxy.twiml.elements import Element
    from byoc_proxy.twiml.interpreter import Entry
    from byoc_proxy.twiml.verbs import StatusCallback

RELATIVE_ACTION: Final = 15004
FALLBACK_ALONE: Final = 21405


@dataclass(frozen=True, slots=True)
class Change:
    """`status` is `canceled` or `completed`, and then nothing else counts; `entry` is another script to run, and
    `time_limit` seconds are counted from the answer. None: it stays as it is.
    """

    status: str | None = None
    entry: Entry | None = None
    time_limit: int | None = None
    callback: StatusCallback | None = None


def change_of(scope: Scope, pairs: Pairs) -> Change:
    """What an update asks for. `ApiError` with every fault."""
    given = [(name, value) for name, value in pairs if value]  # nothing of a live call can be set to null
    values = forms.read(given, these.UPDATE, Verb.UPDATE)
    faults = [*_script(values), *bin_faults(values, scope)]
    if faults:
        raise bad_request(faults)
    redirects = "url" in values or "twiml" in values
    return Change(
        values.get("status"),
        entry_of(values) if redirects else None,
        values.get("time_limit"),
        callback_of(values),
    )


def _script(values: Row) -> Iterator[Fault]:
    if "url" in values and "twiml" in values:
        yield Fault("Twiml", URL_WINS, "Url and Twiml exclude each other: which of the two is to run now?")
    elif "twiml" in values:
        yield from _document(values["twiml"])
    elif "url" not in values and "fallback_url" in values:
        yield Fault("FallbackUrl", FALLBACK_ALONE, "FallbackUrl needs Url or Twiml beside it")


def _document(twiml: str) -> Iterator[Fault]:
    """A live call is not put on a document that cannot be read, or whose addresses are relative to none."""
    try:
        root = read_elements(twiml.encode())
    except TwimlError as error:
        yield Fault("Twiml", error.code, f"Twiml: {error.text}")
        return
    for element in _all(root):
        action = element.attributes.get("action", "").strip()
        if action and not action.startswith(TWIML) and urlsplit(action).scheme not in ("http", "https"):
            text = f"action={action[:80]!r} of <{element.name}> must be absolute: Twiml has no address of its own"
            yield Fault("Twiml", RELATIVE_ACTION, text)


def _all(element: Element) -> Iterator[Element]:
    yield element
    for child in element.children:
        yield from _all(child)
