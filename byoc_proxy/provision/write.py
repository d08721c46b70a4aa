"""One change of rows, from its first statement to its judgement."""

from __future__ import annotations

from typing import TYPE_CHECKING

from byoc_proxy.storage.revisions import Place
from byoc_proxy.trunk.changes import SECTIONS

if TYPE_CHECKING:
    from collections.abc import Callable

    from sqlalchemy.ext.asyncio import AsyncConnection

    from byoc_proxy.trunk.directory import Directory


class Write:
    """What a writer works with. `directory` is the snapshot that this write is committed onto, and no other.

    `now` is in seconds since 1970, for `date_created` and `date_updated`. `is_declared` tells whether a SID is the
    configuration file's, `seal` makes of a secret and the SID of its row what may be stored.
    """

    def __init__(
        self,
        connection: AsyncConnection,
        directory: Directory,
        now: int,
        is_declared: Callable[[str], bool],
        seal: Callable[[str, str], bytes],
    ) -> None:
        self.connection = connection
        self.directory = directory
        self.now = now
        self.seal = seal
        self.is_declared = is_declared
        self._touched: dict[Place, None] = {}

    @property
    def touched(self) -> tuple[Place, ...]:
        """The rows to be read again, each once."""
        return tuple(self._touched)

    def touch(self, section: str, sid: str) -> None:
        """Say that a row of the snapshot was made, changed or removed; `section` is a field of `Resources`.

        For what stands inside a row, the row: of a target its policy, of an address or a credential its list, of a
        mapping its domain. `ValueError` for what the configuration file declares: nobody may change that here.
        """
        if section not in SECTIONS:
            raise ValueError(f"{section} is no section of the resources: {', '.join(SECTIONS)}")
        if self.is_declared(sid):
            raise ValueError(f"{section} {sid} is declared in the configuration file and cannot be changed here")
        self._touched[Place(section, sid)] = None
