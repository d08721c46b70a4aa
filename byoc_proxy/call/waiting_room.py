"""The callbacks that are not delivered yet, in memory: a bounded number of them, and of one account no more at the
expense of another.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Iterator

    from byoc_proxy.storage.notice import Notice

MOST: Final = 20_000
MOST_TEXT: Final = 32 << 20  # characters of them


class _Share:
    """What one account has here, the oldest first."""

    __slots__ = ("notices", "text")

    def __init__(self) -> None:
        self.notices: dict[str, Notice] = {}
        self.text = 0

    @property
    def weight(self) -> float:
        """As a part of all the room there is."""
        return max(len(self.notices) / MOST, self.text / MOST_TEXT)


class WaitingRoom:
    """Notices by token. When there is no room, the oldest of the account with the most has to go."""

    def __init__(self) -> None:
        self._shares: dict[str, _Share] = {}
        self._count = 0
        self._text = 0

    def add(self, notice: Notice) -> Iterator[Notice]:
        """Keep this one; those that have to go, each of which is out when it is given."""
        share = self._shares.get(notice.account_sid)
        if share is None:
            share = self._shares[notice.account_sid] = _Share()
        share.notices[notice.token] = notice
        share.text += notice.size
        self._count += 1
        self._text += notice.size
        while self._count > MOST or self._text > MOST_TEXT:
            oldest = next(iter(self._heaviest(share).notices.values()))
            self.remove(oldest)
            yield oldest

    def remove(self, notice: Notice) -> bool:
        """It need not be kept any more; False when it was not here."""
        share = self._shares.get(notice.account_sid)
        if share is None or share.notices.pop(notice.token, None) is None:
            return False
        share.text -= notice.size
        self._count -= 1
        self._text -= notice.size
        if not share.notices:
            del self._shares[notice.account_sid]
        return True

    def __contains__(self, notice: Notice) -> bool:
        share = self._shares.get(notice.account_sid)
        return share is not None and notice.token in share.notices

    def __len__(self) -> int:
        return self._count

    def _heaviest(self, newest: _Share) -> _Share:
        """Who adds the most is nearly always who adds now: looked for only if that one has less than its part."""
        if newest.weight * len(self._shares) >= 1:
            return newest
        return max(self._shares.values(), key=lambda share: share.weight)
