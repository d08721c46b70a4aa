from collections import Counter
from dataclasses import replace
from random import Random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from byoc_proxy.sip.locate import LookupFailed, Query, Srv
from byoc_proxy.sip.uri import UriError
from byoc_proxy.trunk.origination import (
    destinations,
    read_target,
    redirected_to,
    route,
)
from tests.trunk.records import policy, target

REGIONS = ("us1", "us2", "ie1")


def first() -> float:
    """A draw that always takes what stands first."""
    return 0.0


def test_the_lowest_priority_number_goes_first_and_disabled_targets_never() -> None:
    carriers = policy(
        target("sip:c.example", 20),
        target("sip:a.example", 0),
        target("sip:off.example", 0, enabled=False),
        target("sip:b.example", 10),
    )
    assert [str(place.uri) for place in destinations(carriers, REGIONS, first)] == [
        "sip:a.example",
        "sip:b.example",
        "sip:c.example",
    ]


def test_a_policy_without_an_enabled_target_leads_nowhere() -> None:
    assert destinations(policy(target("sip:a.example", enabled=False)), REGIONS, first) == []


def test_equal_priorities_share_calls_by_weight_within_two_percent() -> None:
    carriers = policy(*(target(f"sip:w{weight}.example", 10, weight) for weight in (10, 30, 60)))
    draw = Random(2782).random
    picks = Counter(destinations(carriers, REGIONS, draw)[0].target.weight for _ in range(10_000))
    for weight in (10, 30, 60):
        assert picks[weight] / 10_000 == pytest.approx(weight / 100, abs=0.02)


@given(st.lists(st.tuples(st.integers(0, 3), st.integers(1, 100)), max_size=8), st.integers())
def test_every_enabled_target_comes_once_and_never_before_a_lower_number(
    ranks: list[tuple[int, int]], seed: int
) -> None:
    carriers = policy(*(target(f"sip:t{at}.example", *rank) for at, rank in enumerate(ranks)))
    places = destinations(carriers, REGIONS, Random(seed).random)
    assert sorted(place.target.friendly_name for place in places) == sorted(
        held.friendly_name for held in carriers.targets
    )
    priorities = [place.target.priority for place in places]
    assert priorities == sorted(priorities)


def test_a_target_of_a_region_is_tried_at_home_first_and_then_at_the_neighbours() -> None:
    carriers = policy(target("sip:edge.{region}.carrier.example;transport=tls"), target("sip:b.example", 20))
    places = destinations(carriers, REGIONS, first)
    assert [(str(place.uri), place.region) for place in places] == [
        ("sip:edge.us1.carrier.example;transport=tls", "us1"),
        ("sip:edge.us2.carrier.example;transport=tls", "us2"),
        ("sip:edge.ie1.carrier.example;transport=tls", "ie1"),
        ("sip:b.example", None),
    ]


def test_an_outbound_proxy_is_the_next_hop_and_may_be_in_a_region_of_its_own() -> None:
    behind = replace(target("sip:carrier.example"), outbound_proxy=read_target("sip:sbc.{region}.example;lr"))
    places = destinations(policy(behind), REGIONS, first)
    assert [(str(place.uri), str(place.next_hop), place.region) for place in places] == [
        ("sip:carrier.example", f"sip:sbc.{region}.example;lr", region) for region in ("us1", "us2", "ie1")
    ]
    assert places[0].route == (("Route", "<sip:sbc.us1.example;lr>"),)


def test_a_target_with_a_region_prints_as_it_was_written() -> None:
    assert str(read_target("sip:edge-{region}.carrier.example:5080")) == "sip:edge-{region}.carrier.example:5080"


@pytest.mark.parametrize(
    "text", ["sip:{region}@a.example", "sip:a.example;x={region}", "a.example", "sip:a.example:{region}"]
)
def test_a_region_may_stand_in_the_host_only(text: str) -> None:
    with pytest.raises(UriError):
        read_target(text)


def test_a_malformed_target_is_quoted_as_it_was_written() -> None:
    with pytest.raises(UriError, match=r"\{region\}"):
        read_target("sip:{region}.carrier example")


def own(host: str) -> bool:
    return host.endswith("sip.example.test")


@pytest.mark.parametrize(
    ("contacts", "uri"),
    [
        (
            "<sip:+14155550100@b.example;transport=tcp>;q=0.9, <sip:c.example>",
            "sip:+14155550100@b.example;transport=tcp",
        ),
        ("sip:b.example", "sip:b.example"),
        ("<sip:b.example?X-Evil=1>", "sip:b.example"),
        ("<tel:+14155550100>", None),
        ("<sips:b.example>", None),
        ("<sip:acme.sip.example.test>", None),
        ("", None),
        ("garbage", None),
    ],
)
def test_a_redirect_goes_to_its_first_contact_and_never_back_to_us(contacts: str, uri: str | None) -> None:
    followed = redirected_to(contacts, own)
    assert (str(followed) if followed is not None else None) == uri


def test_a_dry_run_lists_every_address_in_the_order_of_a_call() -> None:
    carriers = policy(
        target("sip:srv.example", 10),
        target("sip:gw.{region}.example:5070;transport=tcp", 20),
        target("sip:192.0.2.40", 30),
        target("sip:gone.example", 40),
    )
    answers: dict[Query, tuple[Srv, ...] | tuple[str, ...] | LookupFailed] = {
        Query("_sip._udp.srv.example", "SRV"): (Srv(20, 0, 5062, "two.example"), Srv(10, 0, 5061, "one.example")),
        Query("one.example", "A"): ("192.0.2.1",),
        Query("two.example", "A"): ("192.0.2.2", "192.0.2.3"),
        Query("gw.us1.example", "A"): ("192.0.2.11",),
        Query("gw.us2.example", "A"): LookupFailed("gw.us2.example A: SERVFAIL"),
        Query("gw.us2.example", "AAAA"): (),
        Query("gw.ie1.example", "A"): ("192.0.2.31",),
    }
    steps = route(carriers, REGIONS, first, answers)
    assert [
        (step.destination.region, step.hop.address if step.hop else None, step.hop.port if step.hop else 0)
        for step in steps
    ] == [
        (None, "192.0.2.1", 5061),
        (None, "192.0.2.2", 5062),
        (None, "192.0.2.3", 5062),
        ("us1", "192.0.2.11", 5070),
        ("us2", None, 0),
        ("ie1", "192.0.2.31", 5070),
        (None, "192.0.2.40", 5060),
        (None, None, 0),
    ]
    assert "SERVFAIL" in steps[4].note
    assert steps[7].note != ""


def test_a_dry_run_with_the_same_seed_is_the_same_run() -> None:
    carriers = policy(*(target(f"sip:192.0.2.{at}", 10, at) for at in range(1, 9)))
    assert route(carriers, REGIONS, Random(7).random, {}) == route(carriers, REGIONS, Random(7).random, {})
