"""Records of calls, and how they get into the database of an installation."""

from typing import Any

from byoc_proxy.storage.database_records import DatabaseRecords
from byoc_proxy.storage.record import CallRecord
from tests.support.api import ACME, NOW, Installation
from tests.support.databases import Log

TRUNK = "BY" + "1" * 32


def sid(number: int) -> str:
    return f"CA{number:032x}"


def a_call(number: int, at: float = NOW, account: str = ACME, **fields: Any) -> CallRecord:
    """A call that rings since `at`."""
    record = CallRecord(
        sid(number),
        *(account, TRUNK, "Trunk", "SD" + "1" * 32, "acme.sip.example.test", "us1", "inbound"),
        *("+14155550100", "+14158675309", "UDP 203.0.113.8:5060", f"{number}@carrier"),
    )
    record.stages["received"] = at
    for name, value in fields.items():
        setattr(record, name, value)
    return record


async def recorded(api: Installation, *calls: CallRecord) -> None:
    """As a node writes them."""
    store = DatabaseRecords(api.provisioning.database, "node", list, lambda: "NO" + "0" * 32, api.clock, Log())
    for record in calls:
        if "ended" in record.stages:
            store.add(record)
        else:
            store.keep(record)
    await store.flush(5)
