"""The picture of a call while it happens: a ladder of every message, and the decisions between its rungs.

Times are seconds since the first message. A message that was sent before with the same branch is marked
`again`: a retransmission. Lines are at most `WIDTH` columns; colour is left out when nobody would see it.
"""

from __future__ import annotations

import textwrap
from typing import TYPE_CHECKING, Final

import typer

from byoc_proxy.sip.message import Request, Response

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from byoc_proxy.sip.message import Message

WIDTH: Final = 100
_MARGIN: Final = 10  # columns of the time stamp
_LABEL: Final = 11  # half of the longest label
_INDENT: Final = " " * _MARGIN


class Ladder:
    """`parties` from left to right; `now` is a monotonic clock in seconds; `write` takes one line."""

    def __init__(
        self, parties: Sequence[str], now: Callable[[], float], write: Callable[[str], None] = typer.echo
    ) -> None:
        self._now = now
        self._write = write
        self._parties = list(parties)
        first = _MARGIN + 5
        spread = (WIDTH - first - _LABEL) // max(len(parties) - 1, 1)
        self._columns = {party: first + spread * number for number, party in enumerate(parties)}
        self._started: float | None = None
        self._seen: set[tuple[str, str, str]] = set()

    def heading(self, addresses: Sequence[str]) -> None:
        """The parties and where they are, above their lines."""
        for labels, colour in ((self._parties, typer.colors.BRIGHT_WHITE), (addresses, typer.colors.BRIGHT_BLACK)):
            line = ""
            for column, label in zip(self._columns.values(), labels, strict=True):
                line = line.ljust(max(column - len(label) // 2, 0)) + label
            self._write(typer.style(line, fg=colour))

    def message(self, sender: str, receiver: str, message: Message) -> None:
        """One rung: who said what to whom."""
        line = list(" " * (WIDTH - 1))
        for column in self._columns.values():
            line[column] = "|"
        left, right = sorted((self._columns[sender], self._columns[receiver]))
        text = f" {self._words(sender, message)} "
        arrow = text.center(right - left - 3, "-")
        line[left + 1 : right] = f"-{arrow}>" if self._columns[sender] == left else f"<{arrow}-"
        stamp = f"{self._elapsed():+8.3f}".ljust(_MARGIN)
        colour = typer.colors.CYAN if isinstance(message, Request) else typer.colors.GREEN
        self._write(typer.style(stamp, fg=typer.colors.BRIGHT_BLACK) + self._painted(line, left, right, colour))

    def remark(self, text: str) -> None:
        """Something that was decided or done outside of SIP."""
        for line in textwrap.wrap(
            text, WIDTH, initial_indent=f"{_INDENT}* ", subsequent_indent=f"{_INDENT}  ", break_long_words=False
        ):
            self._write(typer.style(line, fg=typer.colors.YELLOW))

    def _painted(self, line: list[str], left: int, right: int, colour: str) -> str:
        before, arrow, after = ("".join(line[part]) for part in _thirds(left, right))
        return before + typer.style(arrow, fg=colour) + after.rstrip()

    def _elapsed(self) -> float:
        if self._started is None:
            self._started = self._now()
        return self._now() - self._started

    def _words(self, sender: str, message: Message) -> str:
        """`INVITE +SDP`, `200 BYE`: short enough for a rung."""
        method = message.cseq[1]
        what = f"{message.status} {method}" if isinstance(message, Response) else method
        key = (sender, what, message.via.branch or "")
        again = " again" if key in self._seen else ""
        self._seen.add(key)
        return what + (" +SDP" if message.sdp else "") + again


def _thirds(left: int, right: int) -> tuple[slice, slice, slice]:
    return slice(_MARGIN, left + 1), slice(left + 1, right), slice(right, None)
