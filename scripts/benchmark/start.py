"""How long a node takes to start on a large database, and what it has in memory then.

    python -m scripts.benchmark.start [sqlite:///FILE | postgresql://…]

The rows of each shape of `installations` go into the database, which must be new; then the daemon is started on it.
Without a URL it is a file of SQLite's in a directory of its own. Times are of the clock: a start is waited for.
"""

import argparse
import asyncio
import os
import subprocess
import sys
import tempfile
import time
import urllib.request
from base64 import b64encode
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from sqlalchemy import insert
from sqlalchemy.ext.asyncio import AsyncConnection

from byoc_proxy.observe.log import configured
from byoc_proxy.provision.opening import provisioned
from byoc_proxy.storage import tables
from byoc_proxy.storage.rows import CALLS_ADDRESSES, CALLS_CREDENTIALS
from byoc_proxy.trunk.model import (
    Credential,
    CredentialList,
    IpAccessControlList,
    IpAddress,
    Resources,
    SipDomain,
    stable_sid,
)
from byoc_proxy.trunk.networks import read_network

from .installations import BASE, SHAPES

HEALTH, API = 18181, 18180
PATIENCE = 120.0
BATCH = 5000
KEY = "5" * 64
_DATES = {"date_created": 0, "date_updated": 0}
_TOKEN = "a-token-of-the-benchmark"

Row = dict[str, Any]
CONFIG = f"""
base_domain: {BASE}
listeners: [{{transport: udp, bind: "127.0.0.1:15999"}}]
log: {{level: warning}}
health: {{bind: "127.0.0.1:{HEALTH}"}}
api: {{bind: "127.0.0.1:{API}"}}
database: {{url: "%s"}}
"""


def rows_of(resources: Resources, seal: Any) -> Iterator[tuple[str, Row]]:
    """Every row of the tables that calls depend on, parents first."""
    for account in resources.accounts:
        yield "accounts", {"sid": account.sid, "auth_token": seal(_TOKEN, account.sid)}
    for trunk in resources.trunks:
        yield "byoc_trunks", {"sid": trunk.sid, "account_sid": trunk.account_sid, "voice_url": trunk.voice_url}
    for acl in resources.ip_access_control_lists:
        yield "ip_access_control_lists", {"sid": acl.sid, "account_sid": acl.account_sid}
        yield from (("ip_addresses", _address(acl, entry)) for entry in acl.addresses)
    for users in resources.credential_lists:
        yield "credential_lists", {"sid": users.sid, "account_sid": users.account_sid}
        yield from (("credentials", _credential(users, each)) for each in users.credentials)
    for domain in resources.domains:
        owned = {"sid": domain.sid, "account_sid": domain.account_sid, "domain_name": domain.domain_name}
        yield "domains", {**owned, "byoc_trunk_sid": domain.byoc_trunk_sid}
    for domain in resources.domains:
        yield from (("domain_mappings", mapping) for mapping in _mappings(domain))


def _address(acl: IpAccessControlList, entry: IpAddress) -> Row:
    address, _, length = read_network(entry.cidr).cidr.partition("/")
    place = {"ip_access_control_list_sid": acl.sid, "account_sid": acl.account_sid}
    sid = stable_sid("IP", acl.sid, entry.cidr)
    return {**place, "sid": sid, "ip_address": address, "cidr_prefix_length": int(length or 32)}


def _credential(users: CredentialList, each: Credential) -> Row:
    place = {"credential_list_sid": users.sid, "account_sid": users.account_sid}
    hashes = {"ha1_md5": bytes.fromhex(each.ha1.md5), "ha1_sha256": bytes.fromhex(each.ha1.sha256)}
    return {**place, "sid": stable_sid("CR", users.sid, each.username), "username": each.username, **hashes}


def _mappings(domain: SipDomain) -> Iterator[Row]:
    for kind, sids in (
        (CALLS_ADDRESSES, domain.ip_access_control_list_sids),
        (CALLS_CREDENTIALS, domain.credential_list_sids),
    ):
        for sid in sids:
            yield {"domain_sid": domain.sid, "kind": kind, "sid": sid, "account_sid": domain.account_sid}


async def fill(url: str, resources: Resources) -> None:
    """Make the database and put the rows into it."""
    empty = Resources(resources.installation)
    os.environ["BYOC_SECRET_KEY"] = KEY
    async with provisioned(url, None, empty, os.environ, configured("warning", "console")) as provisioning:
        async with provisioning.writing() as write:
            batches: dict[str, list[Row]] = {}
            for table, row in rows_of(resources, write.seal):
                batches.setdefault(table, []).append({**row, **_DATES})
            for table, rows in batches.items():
                await _insert(write.connection, table, rows)


async def _insert(connection: AsyncConnection, table: str, rows: list[Row]) -> None:
    for at in range(0, len(rows), BATCH):
        await connection.execute(insert(tables.metadata.tables[table]), rows[at : at + BATCH])


def start(directory: Path, url: str, account: str) -> tuple[float, float, float]:
    """Seconds until the node takes calls, megabytes that it has then, milliseconds of one write over HTTP."""
    (directory / "config.yaml").write_text(CONFIG % url)
    command = [sys.executable, "-m", "byoc_proxy", "run", "-c", "config.yaml"]
    begun = time.monotonic()
    with subprocess.Popen(command, cwd=directory, env={**os.environ, "PYTHONPATH": str(Path.cwd())}) as process:
        try:
            while not _is_ready():
                if process.poll() is not None or time.monotonic() - begun > PATIENCE:
                    raise SystemExit("the node does not start")
                time.sleep(0.02)
            took = time.monotonic() - begun
            status = Path(f"/proc/{process.pid}/status").read_text()
            resident = (
                next(int(line.split()[1]) for line in status.splitlines() if line.startswith("VmRSS:")) / 1024
            )
            writes = [_write(account, number) for number in range(5)]
            return took, resident, min(writes) * 1000
        finally:
            process.terminate()


def _is_ready() -> bool:
    try:
        with urllib.request.urlopen(f"http://127.0.0.1:{HEALTH}/readyz", timeout=1) as answer:
            return bool(answer.status == 200)
    except OSError:
        return False


def _write(account: str, number: int) -> float:
    basic = b64encode(f"{account}:{_TOKEN}".encode()).decode()
    url = f"http://127.0.0.1:{API}/v1/ByocTrunks"
    request = urllib.request.Request(
        url, f"FriendlyName=new{number}".encode(), {"Authorization": f"Basic {basic}"}, method="POST"
    )
    begun = time.monotonic()
    with urllib.request.urlopen(request, timeout=10) as answer:
        assert answer.status == 201, answer.read()
    return time.monotonic() - begun


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("url", nargs="?", help="a new database; it is filled with the second shape")
    wanted = parser.parse_args().url
    for shape in SHAPES if wanted is None else SHAPES[1:2]:
        with tempfile.TemporaryDirectory() as name:
            directory = Path(name)
            url = wanted or f"sqlite:///{directory}/byoc-proxy.db"
            resources = shape.resources()
            asyncio.run(fill(url, resources))
            took, resident, write = start(directory, url, resources.accounts[0].sid)
            print(f"{shape.name}: ready after {took:.1f} s, {resident:.0f} MB, a write {write:.1f} ms")  # noqa: T201


if __name__ == "__main__":
    main()
