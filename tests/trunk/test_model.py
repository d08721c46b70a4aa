import pytest

from byoc_proxy.trunk.model import stable_sid
from byoc_proxy.trunk.regions import DEFAULT_REGIONS, localized_names, region_order, without_region
from tests.trunk.records import account, credentials


def test_the_same_key_gives_the_same_sid_everywhere() -> None:
    # A literal: another node, another day and another Python must find this one.
    assert stable_sid("BY", "acme") == "BY49acced2e4c46b5a68934801ef4c5449"


def test_key_parts_are_kept_apart() -> None:
    assert stable_sid("IP", "ab", "c") != stable_sid("IP", "a", "bc")


def test_secrets_are_not_part_of_any_repr() -> None:
    assert "secret-token" not in repr(account())
    held = credentials("sbc1")
    assert held.credentials[0].ha1.md5 not in repr(held)


def test_the_eight_regions_of_the_page_are_the_default() -> None:
    labels = {name: region.label for name, region in DEFAULT_REGIONS.items()}
    assert labels == {
        "us1": "North America Virginia",
        "us2": "North America Oregon",
        "ie1": "Europe Ireland",
        "de1": "Europe Frankfurt",
        "sg1": "Asia Pacific Singapore",
        "jp1": "Asia Pacific Tokyo",
        "br1": "South America São Paulo",
        "au1": "Asia Pacific Sydney",
    }


def test_every_region_has_all_others_as_neighbours_once() -> None:
    for name, region in DEFAULT_REGIONS.items():
        assert sorted((*region.neighbours, name)) == sorted(DEFAULT_REGIONS)


def test_a_complete_us1_outage_fails_over_to_us2() -> None:
    assert region_order("us1", DEFAULT_REGIONS)[:2] == ("us1", "us2")


def test_a_localized_name_may_have_the_region_before_the_base_or_inside_it_as_the_page_does() -> None:
    assert list(localized_names("acme.sip.example.test", "sip.example.test", "de1")) == [
        "acme.de1.sip.example.test",
        "acme.sip.de1.example.test",
    ]
    assert list(localized_names("acme.voice.test", "voice.test", "de1")) == ["acme.de1.voice.test"]


@pytest.mark.parametrize("base", ["sip.example.test", "voice.test", "sip.sip.test", "sip.us1.example.test"])
@pytest.mark.parametrize("name", ["acme", "a.b", "sip", "a.sip", "sip.a", "example", "us1-x", "a.sip.us1x"])
def test_a_localized_name_leads_back_to_its_domain_and_region(base: str, name: str) -> None:
    for region in DEFAULT_REGIONS:
        for host in localized_names(f"{name}.{base}", base, region):
            assert without_region(host, base, DEFAULT_REGIONS) == (f"{name}.{base}", region)


@pytest.mark.parametrize(
    "host",
    ["", "acme", "sip.example.test", "us1.sip.example.test", "sip.us1.example.test", "acme.us1.example.test"],
)
def test_a_host_that_is_no_localized_name_leads_nowhere(host: str) -> None:
    assert without_region(host, "sip.example.test", DEFAULT_REGIONS) is None


def test_a_name_outside_of_the_base_domain_is_no_localized_name() -> None:
    for host in ("acme.us1.sip.example.test.evil", "acme.sip.us1.notexample.test", "acme.us1.xsip.example.test"):
        assert without_region(host, "sip.example.test", DEFAULT_REGIONS) is None
