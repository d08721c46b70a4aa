"""Where the daemon's calls and alerts go: a file, the database, both or nowhere; and what a crash left there."""

from __future__ import annotations

import asyncio
import os
import socket
import time
from contextlib import AsyncExitStack, asynccontextmanager, closing, contextmanager
from typing import TYPE_CHECKING, Any, Final, NamedTuple

from byoc_proxy.storage.alerts import NoAlerts
from byoc_proxy.storage.notice import MemoryBook
from byoc_proxy.storage.store import NoStore, RecordFile
from byoc_proxy.webhook.exchange import NoExchanges

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterator
    from pathlib import Path

    from byoc_proxy.config.settings import Listener, Settings
    from byoc_proxy.storage.alerts import AlertSink
    from byoc_proxy.storage.database import Database
    from byoc_proxy.storage.database_records import DatabaseRecords
    from byoc_proxy.storage.notice import NoticeBook
    from byoc_proxy.storage.store import CallStore
    from byoc_proxy.webhook.exchange import ExchangeSink

PULSE: Final = 5.0  # seconds: to within so much it is known how long an interrupted call lasted
FLUSH: Final = 5.0  # seconds that the end waits for the database at most
_TAIL: Final = 4 << 20  # bytes of the records file, some 2000 calls, that are compared with the database
_LONGEST_NAME: Final = 128


class Recording(NamedTuple):
    """What the node needs, and where calls are promised: nowhere without a database."""

    calls: CallStore
    alerts: AlertSink
    exchanges: ExchangeSink
    notices: NoticeBook
    book: DatabaseRecords | None = None


@asynccontextmanager
async def recording(settings: Settings, database: Database | None, log: Any) -> AsyncIterator[Recording]:
    """Open for as long as the context lasts. `OSError` says what is wrong with the file."""
    async with AsyncExitStack() as stack:
        file = stack.enter_context(_file(settings.records, log)) if settings.records is not None else None
        if database is None or settings.database is None:
            yield Recording(file or NoStore(), NoAlerts(), NoExchanges(), MemoryBook())
            return
        # what a node without a database does not load: SQLAlchemy alone is 20 MB
        from byoc_proxy.storage.both import FileAndDatabase
        from byoc_proxy.storage.database_records import DatabaseRecords
        from byoc_proxy.storage.retention import Retention, prune
        from byoc_proxy.storage.vault import new_sid

        records = DatabaseRecords(
            database,
            node_name(settings.listeners[0]),
            (lambda: file.latest(_TAIL)) if file is not None else list,
            lambda: new_sid("NO"),
            time.time,
            log,
        )
        keep = Retention(settings.database.keep_calls, settings.database.keep_alerts)
        async with asyncio.TaskGroup() as group:
            tasks = [
                group.create_task(records.run()),
                group.create_task(prune(database, keep, time.time, log)),
            ]
            try:
                store = FileAndDatabase(file, records) if file is not None else records
                yield Recording(store, records.alerts, records.exchanges, records.notices, records)
            finally:
                for task in tasks:
                    task.cancel()
        await records.flush(FLUSH)


def node_name(listener: Listener) -> str:
    """A name that no other living process has: nobody else can listen there. The next process has it again."""
    port = listener.port or f"any-{os.getpid()}"
    return f"{socket.gethostname()}/{listener.transport.lower()}:{listener.host}:{port}"[-_LONGEST_NAME:]


@contextmanager
def _file(path: Path, log: Any) -> Iterator[RecordFile]:
    """The file, with the records of the calls that a crash interrupted."""
    try:
        records = RecordFile(path)
    except OSError as error:
        raise OSError(error.errno, f"cannot keep records in {path}: {error.strerror}") from error
    with closing(records), _pulse(records):
        try:
            interrupted = records.recover()
        except OSError as error:
            log.error("calls.not_recovered", cause=str(error), text="the next start tries again")
        else:
            if interrupted:
                log.warning("calls.interrupted", calls=len(interrupted), text="up when the last process ended")
        yield records


@contextmanager
def _pulse(records: RecordFile) -> Iterator[None]:
    """Say that the process lives, as long as it does."""
    loop = asyncio.get_running_loop()
    due: asyncio.TimerHandle

    def beat() -> None:
        nonlocal due
        records.alive(time.time())
        due = loop.call_later(PULSE, beat)

    beat()
    try:
        yield
    finally:
        due.cancel()
