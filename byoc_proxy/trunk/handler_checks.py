"""What must hold of the handlers of calls: a TwiML bin that is named must be there, and be the account's."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any, Final

from byoc_proxy.trunk.findings import Finding, Rule
from byoc_proxy.trunk.model import PYTHON, TWIML

if TYPE_CHECKING:
    from collections.abc import Iterator

    from byoc_proxy.trunk.findings import Path
    from byoc_proxy.trunk.model import Application, ByocTrunk, Resources, TwimlBin
    from byoc_proxy.trunk.rows import Rows

# The fields that name handlers of calls, and the sections whose rows have them.
HANDLERS: Final = ("voice_url", "voice_fallback_url")
NAME_HANDLERS: Final = ("trunks", "applications")
LONGEST_TWIML: Final = 16 * 1024  # characters of a bin: as a form, what the API takes in one request
_NAME: Final = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}")
_SID: Final = re.compile(r"EH[0-9a-f]{32}")


def bin_name_fault(name: str) -> str | None:
    """Why a TwiML bin cannot be called so, or None."""
    if not _NAME.fullmatch(name):
        return "is not a name; use up to 64 letters, digits, dashes, dots and underscores"
    if _SID.fullmatch(name):
        return "is a SID, which would be ambiguous; use another name"
    return None


def bin_url_fault(url: str) -> str | None:
    """Why `url`, which begins with `twiml:`, names no TwiML bin in any installation, or None."""
    name = url.removeprefix(TWIML)
    if _SID.fullmatch(name) or _NAME.fullmatch(name):
        return None
    return "names no TwiML bin; write twiml: and its name or SID"


def bins_named(row: Any) -> Iterator[tuple[str, str]]:
    """(field, name) of every TwiML bin that a row of `NAME_HANDLERS` names."""
    for field in HANDLERS:
        url = getattr(row, field)
        if url is not None and url.startswith(TWIML):
            yield field, url.removeprefix(TWIML)


def functions_named(rows: Resources) -> frozenset[str]:
    """Every `python:` reference of a configuration file: trunks alone may have them."""
    urls = (getattr(trunk, field) for trunk in rows.trunks for field in HANDLERS)
    return frozenset(url for url in urls if url is not None and url.startswith(PYTHON))


def check_handlers(row: ByocTrunk | Application, rows: Rows, path: Path) -> Iterator[Finding]:
    """A bin of another account is as unknown as a wrong one: names are the account's own."""
    for field, name in bins_named(row):
        if rows.bin_of(row.account_sid, name) is None:
            text = f"there is no TwiML bin {name!r} in this account"
            yield Finding((*path, field), text, Rule.NO_SUCH_REFERENCE)


def check_bin_name(twiml_bin: TwimlBin, rows: Rows, path: Path) -> Iterator[Finding]:
    """A name means one document."""
    name = twiml_bin.unique_name
    holder = rows.bin_names.get((twiml_bin.account_sid, name))
    if holder is not None and holder.sid != twiml_bin.sid:
        text = f"{holder.sid} is called {name!r} already; names of TwiML bins are unique in an account"
        yield Finding((*path, "unique_name"), text, Rule.DUPLICATE_NAME)
