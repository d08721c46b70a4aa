"""The real daemon with a database and its API on a free port: resources are made over HTTP, nothing in its file.

async with api_daemon(tmp_path) as proxy:
    base = proxy.base
"""

import contextlib
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

from byoc_proxy.trunk.model import stable_sid
from tests.support.daemon import AUTH_TOKEN, Daemon, Document, configuration, daemon

__all__ = ["AUTH_TOKEN", "MAIN", "ApiDaemon", "api_daemon", "api_document"]

MAIN = stable_sid("AC", "acme")  # the account of `configuration`, whose token is AUTH_TOKEN
DECLARED = ("trunks", "domains", "ip_access_control_lists", "connection_policies")


class ApiDaemon:
    """A daemon, and where its API is."""

    def __init__(self, proxy: Daemon, base: str) -> None:
        self.proxy = proxy
        self.base = base


def api_document(url: str = "sqlite:///byoc-proxy.db", **more: Any) -> Document:
    """One account in the file, everything else in the database; whom we do not know is told 404."""
    document = {key: value for key, value in configuration().items() if key not in DECLARED}
    database = {"url": url} if url.startswith("sqlite") else {"url": url, "key_file": "byoc-proxy.key"}
    return {**document, "unknown_domain": "404", "database": database, "api": {"bind": "127.0.0.1:0"}, **more}


@contextlib.asynccontextmanager
async def api_daemon(
    directory: Path, document: Document | None = None, *, allowed: tuple[str, ...] = ()
) -> AsyncIterator[ApiDaemon]:
    """Run one until the end of the `async with`, as `daemon` does."""
    key = directory / "byoc-proxy.key"
    if not key.exists():
        key.touch(mode=0o600)
        key.write_text("a-key-of-the-tests-0123456789abcdef\n", encoding="ascii")
    async with daemon(directory, document or api_document(), allowed=allowed) as proxy:
        opened = await proxy.logged("api.open")
        yield ApiDaemon(proxy, f"http://{opened['address']}")
