"""Regions of an installation: the default table, the failover order, and the names a domain has in each.

The default eight and their labels are those of the BYOC page. Neighbours are ordered by where a call would
suffer least, so that "if connecting to US1, failover to US2" is the first row.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from byoc_proxy.trunk.model import Region

if TYPE_CHECKING:
    from collections.abc import Container, Iterator, Mapping

_TABLE: Final = (
    ("us1", "North America Virginia", "us2 ie1 de1 br1 jp1 sg1 au1"),
    ("us2", "North America Oregon", "us1 jp1 sg1 au1 ie1 de1 br1"),
    ("ie1", "Europe Ireland", "de1 us1 us2 br1 sg1 jp1 au1"),
    ("de1", "Europe Frankfurt", "ie1 us1 us2 sg1 br1 jp1 au1"),
    ("sg1", "Asia Pacific Singapore", "jp1 au1 us2 de1 ie1 us1 br1"),
    ("jp1", "Asia Pacific Tokyo", "sg1 au1 us2 us1 de1 ie1 br1"),
    ("br1", "South America São Paulo", "us1 us2 ie1 de1 jp1 sg1 au1"),
    ("au1", "Asia Pacific Sydney", "sg1 jp1 us2 us1 de1 ie1 br1"),
)

DEFAULT_REGIONS: Final[Mapping[str, Region]] = {
    name: Region(name, label, tuple(neighbours.split())) for name, label, neighbours in _TABLE
}


def region_order(home: str, regions: Mapping[str, Region]) -> tuple[str, ...]:
    """The home region, then its neighbours in their order."""
    return (home, *(name for name in regions[home].neighbours if name != home))


def localized_names(domain_name: str, base_domain: str, region: str) -> Iterator[str]:
    """The host names of a domain in one region.

    `{name}.{region}.{base}`, and where the base is `sip.…` also the page's own spelling with the region
    inside it: `acme.sip.us1.example.test` for `acme.sip.example.test`.
    """
    name = domain_name.removesuffix(f".{base_domain}")
    yield f"{name}.{region}.{base_domain}"
    if base_domain.startswith("sip."):
        yield f"{name}.sip.{region}.{base_domain.removeprefix('sip.')}"


def without_region(host: str, base_domain: str, regions: Container[str]) -> tuple[str, str] | None:
    """The way back from `localized_names`: a domain's name and the region; None for a host that is no such name.

    Whether there is a domain of that name is another question.
    """
    name, region = _last_label(host, f".{base_domain}")
    if region not in regions and base_domain.startswith("sip."):
        name, region = _last_label(host, base_domain.removeprefix("sip"))
        if not name.endswith(".sip"):
            return None
        name = name.removesuffix(".sip")
    return (f"{name}.{base_domain}", region) if name and region in regions else None


def _last_label(host: str, suffix: str) -> tuple[str, str]:
    """What stands before the suffix, in two parts; empty when it is not there."""
    if not host.endswith(suffix):
        return "", ""
    name, _, label = host.removesuffix(suffix).rpartition(".")
    return name, label
