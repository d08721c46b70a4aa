"""What all nodes of an installation share, as keys of the configuration file: the way back of `config.process`."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from byoc_proxy.config.schema import InstallationSection
from byoc_proxy.config.yaml_text import Line
from byoc_proxy.trunk.regions import DEFAULT_REGIONS

if TYPE_CHECKING:
    from byoc_proxy.trunk.model import Installation, Media, Region


def installation_keys(place: Installation) -> dict[str, Any]:
    """The base domain, and what is not as it would be without a word in the file."""
    usual = InstallationSection(base_domain=place.base_domain)
    plain = {
        "realm": place.realm if place.realm != place.base_domain else None,
        "region": place.region if place.region != usual.region else None,
        "regions": _regions(place) if place.regions != DEFAULT_REGIONS else None,
        "default_region": place.default_region,
        "signalling_ports": Line({name.lower(): port for name, port in place.signalling_ports}) or None,
        "media": _media(place.media) if place.media is not None else None,
        "unknown_domain": place.unknown_domain if place.unknown_domain != usual.unknown_domain else None,
    }
    written: dict[str, Any] = {"base_domain": place.base_domain}
    written |= {key: value for key, value in plain.items() if value is not None}
    if place.static_ip_regions != usual.static_ip_regions:
        written["static_ip_regions"] = list(place.static_ip_regions)
    return written


def _regions(place: Installation) -> dict[str, Line]:
    return {name: _region(name, region) for name, region in place.regions.items()}


def _region(name: str, region: Region) -> Line:
    usual = DEFAULT_REGIONS[name].label if name in DEFAULT_REGIONS else name
    label = {"label": region.label} if region.label != usual else {}
    lists = {"neighbours": region.neighbours, "addresses": region.addresses}
    return Line(label | {key: list(values) for key, values in lists.items() if values})


def _media(media: Media) -> Line:
    return Line(addresses=list(media.addresses), ports=f"{media.first_port}-{media.last_port}")
