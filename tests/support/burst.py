"""A process that makes accounts as fast as it can and says which of them were acknowledged: `burst URL`."""

import asyncio
import sys

from byoc_proxy.storage.database import Database
from tests.support.databases import Log
from tests.support.provisioned import an_account, started


async def burst(url: str) -> None:
    database = await Database.open(url, Log())
    provisioning = await started(database)
    while True:
        sys.stdout.write(await an_account(provisioning) + "\n")
        sys.stdout.flush()


if __name__ == "__main__":
    asyncio.run(burst(sys.argv[1]))
