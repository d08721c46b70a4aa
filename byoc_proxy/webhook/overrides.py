"""Connection overrides: what a URL says in its fragment about how it is to be asked, `#rc=2&rp=all&ct=2000`.

`ct`, `rt` and `tt` are milliseconds to connect, to read and in all; `rc` is how often a request is sent again after
a failure of the kinds in `rp`. `e` (edges) and `sni` are read and change nothing: requests leave from the node that
has the call, and always name the host in the TLS handshake. The fragment is neither sent nor signed. Names that are
no override are somebody's anchor and mean nothing here.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import lru_cache
from typing import TYPE_CHECKING, Final

from byoc_proxy.webhook.urls import INVALID_URL, WebhookError, without_credentials

if TYPE_CHECKING:
    from collections.abc import Mapping

INVALID_EDGE: Final = 11240
UNSUPPORTED_EDGE: Final = 11241
INVALID_POLICY: Final = 11243
EDGES: Final = frozenset(
    "ashburn dublin frankfurt roaming sao-paulo singapore sydney tokyo umatilla "
    "ashburn-ix london-ix san-jose-ix singapore-ix sydney-ix frankfurt-ix".split()
)

_KINDS: Final = frozenset(("4xx", "5xx", "ct", "rt"))
_RANGES: Final = {"ct": (100, 10_000), "rt": (100, 15 * 1000), "tt": (100, 15 * 1000), "rc": (0, 5)}
_NAMES: Final = frozenset((*_RANGES, "rp", "e", "sni"))
_NUMBER: Final = re.compile(r"[0-9]{1,6}")
_EDGE: Final = re.compile(r"[a-z][a-z0-9-]*")
_LONGEST: Final = 15.0
_REMEMBERED: Final = 1024


@dataclass(frozen=True, slots=True)
class Overrides:
    """Seconds; None: as the installation has it. `read_timeout`: until an answer begins, and between its parts,
    where that is less than the time in all.

    `retries`: how often a request is sent again; `retried`: after which failures, of 4xx, 5xx, ct (nobody took the
    request) and rt (the answer was too slow).
    """

    connect_timeout: float | None = None
    read_timeout: float | None = None
    total_timeout: float | None = None
    retries: int = 1
    retried: frozenset[str] = frozenset(("ct",))


@lru_cache(_REMEMBERED)
def overrides(url: str) -> Overrides:
    """What the fragment of `url` asks for; raises `WebhookError` 11243, 11240, 11241, and 11100 for the rest."""
    said = _said(url.partition("#")[2])
    if not said:
        return _NONE
    numbers = {name: _number(url, name, said[name], *limits) for name, limits in _RANGES.items() if name in said}
    retried = _policies(url, said["rp"]) if "rp" in said else _NONE.retried
    if "e" in said:
        _check_edges(url, said["e"])
    if said.get("sni", "y") not in ("y", "n"):
        raise _refused(url, INVALID_URL, "sni is y or n")
    connect, read, total = (_seconds(numbers.get(name)) for name in ("ct", "rt", "tt"))
    if read is not None and read >= (total or _LONGEST):
        read = None
    return Overrides(connect, read, total, numbers.get("rc", _NONE.retries), retried)


_NONE: Final = Overrides()


def _said(fragment: str) -> Mapping[str, str]:
    pairs = (each.partition("=") for each in fragment.split("&"))
    return {name: value for name, equals, value in pairs if equals and name in _NAMES}


def _number(url: str, name: str, text: str, least: int, most: int) -> int:
    number = int(text) if _NUMBER.fullmatch(text) else -1
    if not least <= number <= most:
        raise _refused(url, INVALID_URL, f"{name} is a whole number from {least} to {most}")
    return number


def _policies(url: str, text: str) -> frozenset[str]:
    kinds = frozenset(text.split(","))
    if not kinds <= _KINDS | {"all"}:
        raise _refused(url, INVALID_POLICY, "rp is a list of 4xx, 5xx, ct, rt and all, with commas between them")
    return _KINDS if "all" in kinds else kinds


def _check_edges(url: str, text: str) -> None:
    for edge in text.split(","):
        if _EDGE.fullmatch(edge) is None:
            raise _refused(url, INVALID_EDGE, "e is a list of edges, with commas between them")
        if edge not in EDGES:
            raise _refused(url, UNSUPPORTED_EDGE, f"e knows no edge {edge[:40]!r}")


def _refused(url: str, code: int, text: str) -> WebhookError:
    return WebhookError(code, f"connection override {text}", without_credentials(url))


def _seconds(milliseconds: int | None) -> float | None:
    return None if milliseconds is None else milliseconds / 1000
