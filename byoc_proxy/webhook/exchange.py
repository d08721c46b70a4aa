"""One request to an application and what came of it, as it is kept for the record of a call.

Nothing secret is in it: headers are not kept at all, and URLs come without user, password and fragment.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, NamedTuple, Protocol

if TYPE_CHECKING:
    from collections.abc import Sequence

MOST_BODY: Final = 16 * 1024  # bytes of an answer that are kept
MOST_OF_A_CALL: Final = 100  # exchanges
MOST_BYTES_OF_A_CALL: Final = 256 * 1024


class Exchange(NamedTuple):
    """A request that was sent; `duration` in seconds, the wait for its turn included; `length`: characters of its
    parameters.

    Without an answer `status` is None, and `code` and `text` say why.
    """

    method: str
    url: str
    parameters: Sequence[tuple[str, str]]
    duration: float
    status: int | None = None
    content_type: str = ""
    body: bytes = b""
    code: int | None = None
    text: str = ""
    length: int = 0

    @property
    def size(self) -> int:
        """About how many bytes it keeps."""
        return len(self.url) + len(self.body) + self.length


class ExchangeSink(Protocol):
    """Hears of every exchange, on the path of calls: it may not take long."""

    def note(self, account_sid: str, call_sid: str, exchange: Exchange) -> None: ...


class NoExchanges:
    """For a node without a database: the log has what was asked."""

    def note(self, account_sid: str, call_sid: str, exchange: Exchange) -> None:
        """Nothing is kept."""
