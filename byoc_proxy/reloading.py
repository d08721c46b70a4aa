"""SIGHUP: all of the file or nothing of it, and new record files where a rotation took the old ones away."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from typing import TYPE_CHECKING

from byoc_proxy.config.load import ConfigProblems
from byoc_proxy.net.tls import UnusableFile
from byoc_proxy.sip.flow import TlsTerms
from byoc_proxy.storage.errors import StoreUnavailable
from byoc_proxy.trunk.directory import DirectoryProblems
from byoc_proxy.trunk.handler_checks import functions_named

if TYPE_CHECKING:
    from collections.abc import Callable

    from byoc_proxy.app import Node
    from byoc_proxy.config.load import Loaded
    from byoc_proxy.config.settings import Settings
    from byoc_proxy.provision.provisioning import Provisioning


class Reloading:
    """Reloads whenever it is asked to, one reload after the other."""

    def __init__(
        self,
        node: Node,
        provisioning: Provisioning | None,
        running: Settings,
        load_again: Callable[[], Loaded],
        reopen: Callable[[], None],
    ) -> None:
        self._node = node
        self._log = node.log
        self._provisioning = provisioning
        self._running = running
        self._load_again = load_again
        self._reopen = reopen
        self._asked = asyncio.Event()

    def ask(self) -> None:
        """Reload soon."""
        self._asked.set()

    async def run(self) -> None:
        """Do what is asked, until cancelled."""
        while True:
            await self._asked.wait()
            self._asked.clear()
            try:
                await self._reload()
            except Exception:
                self._log.exception("config.kept", cause="an unexpected error: please report it")

    async def _reload(self) -> None:
        try:
            loaded = await asyncio.to_thread(self._load_again)  # a large file takes seconds, and calls go on
        except ConfigProblems as error:
            self._keep("the new file cannot be used", problems=error.problems)
            return
        if loaded.directory.installation.realm != self._node.directories.current.installation.realm:
            self._keep("the digest realm changes only with a restart")
            return
        try:
            await self._enforce(loaded)
        except UnusableFile as error:  # it was good a moment ago, when the file was judged
            self._keep(str(error))
            return
        except DirectoryProblems as error:
            self._keep("the new file does not go with the database", problems=[*map(str, error.problems)])
            return
        except StoreUnavailable as error:
            self._keep(str(error))
            return
        try:
            self._reopen()
        except OSError as error:
            self._log.error("records.not_reopened", cause=str(error), text="the file that was open is kept")
        if _without_tls_files(loaded.settings) != _without_tls_files(self._running):
            text = "listeners, limits, dns, log, database and files change by a restart"
            self._log.warning("config.restart_needed", text=text)

    async def _enforce(self, loaded: Loaded) -> None:
        if self._provisioning is None:
            self._node.reload(loaded)
            return
        files = self._node.listeners.read(loaded)
        self._node.functions.load(functions_named(loaded.resources))
        self._node.reloaded(files, await self._provisioning.redeclare(loaded.resources))

    def _keep(self, cause: str, **facts: list[str]) -> None:
        self._log.error("config.kept", cause=cause, **facts)


def _without_tls_files(settings: Settings) -> Settings:
    """What a reload leaves as it is."""
    listeners = (replace(each, certificate=None, private_key=None) for each in settings.listeners)
    return replace(settings, listeners=tuple(listeners), tls_client=TlsTerms())
