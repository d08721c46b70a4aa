"""A provisioning from its URL, for the daemon and for commands beside it."""

from __future__ import annotations

import time
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any

from byoc_proxy.provision.provisioning import Provisioning
from byoc_proxy.storage.database import Database
from byoc_proxy.storage.unlock import unlocked

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Mapping
    from pathlib import Path

    from byoc_proxy.trunk.model import Resources


@asynccontextmanager
async def provisioned(
    url: str, key_file: Path | None, declared: Resources, environ: Mapping[str, str], log: Any
) -> AsyncIterator[Provisioning]:
    """The database at `url` beside what the file declares; made when it is new, closed at the end.

    `UnusableDatabase` for what somebody has to put right, `StoreUnavailable` for what may pass.
    """
    database = await Database.open(url, log)
    try:
        vault = await unlocked(database, key_file, environ)
        yield await Provisioning.start(database, vault, declared, time.time, log)
    finally:
        await database.close()
