"""An installation of two regions with two edges each, to publish."""

from dataclasses import replace
from typing import Any

from byoc_proxy.trunk.directory import Directory
from byoc_proxy.trunk.model import Region
from byoc_proxy.trunk.networking import Edge
from tests.trunk import records

REGIONS = {
    "us1": Region("us1", "Virginia", ("us2", "de1"), ("203.0.113.5", "203.0.113.6", "2001:db8:1::5")),
    "us2": Region("us2", "Oregon", ("us1",), ("198.51.100.5", "198.51.100.6")),
    "de1": Region("de1", "Frankfurt", ("us1",)),
}
EDGES = (
    Edge("UDP", "203.0.113.5", 5060, False),
    Edge("TCP", "203.0.113.5", 5060, False),
    Edge("TLS", "203.0.113.5", 5061, False),
)


def directory(installation: dict[str, Any] | None = None, **fields: Any) -> Directory:
    """As `tests.trunk.records` has it, with these regions; its only policy calls an address."""
    place = replace(records.INSTALLATION, **{"regions": REGIONS, **(installation or {})})
    usual = {
        "domains": (records.domain(credential_list_sids=()),),
        "connection_policies": (records.policy(records.target("sip:198.51.100.77")),),
    }
    return records.directory(installation=place, **{**usual, **fields})
