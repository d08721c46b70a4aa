"""The systems under test: the proxy with a job's configuration, Kamailio with the same duties."""

import asyncio
import contextlib
import json
import shlex
import shutil
import sys
from collections.abc import AsyncIterator
from pathlib import Path

from .jobs import DOCUMENT, Job
from .places import PASSWORD, REALM, Places, text
from .processes import DidNotStart, Session, running

KAMAILIO = "kamailio"
SETTLE = 0.5  # seconds between the open socket and the first call


@contextlib.asynccontextmanager
async def proxy(job: Job, places: Places, command: str, directory: Path) -> AsyncIterator[Session]:
    """The proxy, and the customer's application if the job has one. {config} in `command` is the file's name."""
    config = directory / "bench.yaml"
    config.write_text(json.dumps(job.configuration(places), indent=2), encoding="utf-8")  # JSON is YAML
    words = [word.replace("{config}", str(config)) for word in shlex.split(command)]
    host, port = places.webhook
    application = [sys.executable, str(Path(__file__).with_name("webhook.py")), host, str(port), DOCUMENT]
    async with contextlib.AsyncExitStack() as stack:
        if job.webhook:
            log = directory / "webhook.log"
            await stack.enter_async_context(running(application, places.tool_core, log, places.webhook))
        session = await stack.enter_async_context(
            running(words, places.core, directory / "proxy.log", places.target)
        )
        await asyncio.sleep(SETTLE)
        yield session


@contextlib.asynccontextmanager
async def kamailio(places: Places, directory: Path) -> AsyncIterator[Session]:
    """Kamailio on the proxy's address and core, with access control list and digest."""
    binary = shutil.which("kamailio")
    if binary is None:
        raise DidNotStart("Kamailio is not installed: apt-get install kamailio")
    addresses = directory / "addresses.list"
    addresses.write_text("1 127.0.0.0 30 0 carrier\n", encoding="ascii")
    config = directory / "kamailio.cfg"
    filled = Path(__file__).with_name("kamailio.cfg").read_text(encoding="utf-8")
    values = {
        "@TARGET@": text(places.target),
        "@CALLEE@": text(places.callee),
        "@ADDRESSES@": str(addresses),
        "@REALM@": REALM,
        "@PASSWORD@": PASSWORD,
    }
    for name, value in values.items():
        filled = filled.replace(name, value)
    config.write_text(filled, encoding="utf-8")
    command = [binary, "-DD", "-E", "-m", "1024", "-M", "16", "-Y", str(directory), "-f", str(config)]
    async with running(command, places.core, directory / "kamailio.log", places.target) as session:
        await asyncio.sleep(SETTLE)
        yield session
