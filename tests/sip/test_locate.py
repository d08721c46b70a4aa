"""RFC 3263 plans, query by query, and the orders of RFC 2782."""

import random
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import pytest
from hypothesis import given
from hypothesis import strategies as st

from byoc_proxy.sip.locate import (
    Answer,
    Family,
    Hop,
    LookupFailed,
    NotLocated,
    Query,
    Srv,
    by_priority_then_weight,
    locate,
)
from byoc_proxy.sip.uri import SipUri

Records = Mapping[tuple[str, str], Answer | LookupFailed]


def in_order() -> float:
    return 0.0


@dataclass(frozen=True)
class Gateway:
    name: str
    priority: int
    weight: int


def follow(
    uri: str,
    records: Records | None = None,
    draw: Callable[[], float] = in_order,
    families: Sequence[Family] = ("A", "AAAA"),
) -> tuple[list[Hop], list[tuple[str, str]]]:
    """The hops of a plan and the questions that it asked, in order."""
    plan = locate(SipUri.parse(uri), draw, families)
    asked: list[tuple[str, str]] = []
    try:
        query = next(plan)
        while True:
            asked.append((query.name, query.kind))
            answer = (records or {}).get((query.name, query.kind), ())
            query = plan.throw(answer) if isinstance(answer, LookupFailed) else plan.send(answer)
    except StopIteration as done:
        return done.value, asked


class TestNumericHost:
    @pytest.mark.parametrize(
        ("uri", "hop"),
        [
            ("sip:192.0.2.1", Hop("UDP", "192.0.2.1", 5060, "192.0.2.1")),
            ("sip:192.0.2.1:5080", Hop("UDP", "192.0.2.1", 5080, "192.0.2.1")),
            ("sip:192.0.2.1;transport=tcp", Hop("TCP", "192.0.2.1", 5060, "192.0.2.1")),
            ("sip:192.0.2.1;transport=TLS", Hop("TLS", "192.0.2.1", 5061, "192.0.2.1")),
            ("sip:192.0.2.1:5060;transport=tls", Hop("TLS", "192.0.2.1", 5060, "192.0.2.1")),
            ("sips:192.0.2.1", Hop("TLS", "192.0.2.1", 5061, "192.0.2.1")),
            ("sip:[2001:DB8:0::1]", Hop("UDP", "2001:db8::1", 5060, "2001:db8:0::1")),
        ],
    )
    def test_it_is_taken_as_it_is_and_nothing_is_asked(self, uri: str, hop: Hop) -> None:
        assert follow(uri) == ([hop], [])


class TestName:
    def test_a_port_in_the_uri_means_no_srv(self) -> None:
        records: Records = {("sbc.example", "A"): ("192.0.2.1",), ("sbc.example", "AAAA"): ("2001:db8::1",)}
        hops, asked = follow("sip:sbc.example:5070", records)
        assert asked == [("sbc.example", "A"), ("sbc.example", "AAAA")]
        assert hops == [
            Hop("UDP", "192.0.2.1", 5070, "sbc.example"),
            Hop("UDP", "2001:db8::1", 5070, "sbc.example"),
        ]

    @pytest.mark.parametrize(
        ("uri", "service", "port"),
        [
            ("sip:sbc.example", "_sip._udp.sbc.example", 5060),
            ("sip:sbc.example;transport=udp", "_sip._udp.sbc.example", 5060),
            ("sip:sbc.example;transport=tcp", "_sip._tcp.sbc.example", 5060),
            ("sip:sbc.example;transport=tls", "_sips._tcp.sbc.example", 5061),
            ("sips:sbc.example;transport=tcp", "_sips._tcp.sbc.example", 5061),
        ],
    )
    def test_without_a_port_the_service_of_the_transport_is_asked_first(
        self, uri: str, service: str, port: int
    ) -> None:
        hops, asked = follow(uri, {("sbc.example", "A"): ("192.0.2.1",)}, families=("A",))
        assert asked == [(service, "SRV"), ("sbc.example", "A")]
        assert [(hop.address, hop.port) for hop in hops] == [("192.0.2.1", port)]

    def test_srv_targets_give_port_and_order_and_tls_still_verifies_the_uris_host(self) -> None:
        records: Records = {
            ("_sips._tcp.carrier.example", "SRV"): (
                Srv(20, 1, 5061, "backup.carrier.example"),
                Srv(10, 1, 5071, "main.carrier.example"),
            ),
            ("main.carrier.example", "A"): ("192.0.2.1", "192.0.2.2"),
            ("backup.carrier.example", "A"): ("192.0.2.9",),
        }
        hops, _ = follow("sip:carrier.example;transport=tls", records)
        assert hops == [
            Hop("TLS", "192.0.2.1", 5071, "carrier.example"),
            Hop("TLS", "192.0.2.2", 5071, "carrier.example"),
            Hop("TLS", "192.0.2.9", 5061, "carrier.example"),
        ]

    def test_an_address_that_two_targets_share_is_tried_once(self) -> None:
        records: Records = {
            ("_sip._udp.c.example", "SRV"): (Srv(1, 1, 5060, "a.example"), Srv(2, 1, 5060, "b.example")),
            ("a.example", "A"): ("192.0.2.1",),
            ("b.example", "A"): ("192.0.2.1", "192.0.2.2"),
        }
        assert [hop.address for hop in follow("sip:c.example", records)[0]] == ["192.0.2.1", "192.0.2.2"]

    def test_addresses_of_one_name_are_shuffled_family_by_family(self) -> None:
        records: Records = {
            ("c.example", "A"): ("192.0.2.1", "192.0.2.2", "192.0.2.3"),
            ("c.example", "AAAA"): ("2001:db8::1", "2001:db8::2"),
        }
        hops, _ = follow("sip:c.example:5060", records, draw=lambda: 0.99)
        assert [hop.address for hop in hops] == [
            "192.0.2.3",
            "192.0.2.2",
            "192.0.2.1",
            "2001:db8::2",
            "2001:db8::1",
        ]

    def test_every_address_leads_its_fair_share_of_calls(self) -> None:
        records: Records = {("c.example", "A"): tuple(f"192.0.2.{n}" for n in range(4))}
        draw = random.Random(7).random
        firsts = Counter(follow("sip:c.example:5060", records, draw)[0][0].address for _ in range(8000))
        assert all(abs(count - 2000) < 160 for count in firsts.values())

    def test_the_families_asked_are_those_that_we_can_send_from(self) -> None:
        records: Records = {("c.example", "AAAA"): ("2001:db8::1",)}
        hops, asked = follow("sip:c.example:5060", records, families=("AAAA",))
        assert asked == [("c.example", "AAAA")]
        assert len(hops) == 1

    def test_maddr_says_where_to_send_but_not_whom_to_verify(self) -> None:
        hops, asked = follow("sip:carrier.example;transport=tls;maddr=192.0.2.77")
        assert (hops, asked) == ([Hop("TLS", "192.0.2.77", 5061, "carrier.example")], [])

    def test_a_name_that_ends_in_a_digit_is_a_name(self) -> None:
        hops, _ = follow("sip:sbc1:5060", {("sbc1", "A"): ("192.0.2.1",)})
        assert hops == [Hop("UDP", "192.0.2.1", 5060, "sbc1")]

    def test_a_zone_with_hundreds_of_gateways_does_not_keep_the_caller_waiting(self) -> None:
        services = tuple(Srv(1, 1, 5060, f"gw{n}.example") for n in range(300))
        records: Records = {
            ("_sip._udp.c.example", "SRV"): services,
            **{(service.target, "A"): (f"192.0.2.{n % 250}",) for n, service in enumerate(services)},
        }
        hops, asked = follow("sip:c.example", records)
        assert len(hops) == 20
        assert len(asked) == 41


class TestTrouble:
    def test_a_name_without_addresses_is_not_located_and_the_reason_names_it(self) -> None:
        with pytest.raises(NotLocated, match="nowhere.example has no address"):
            follow("sip:nowhere.example")

    def test_a_service_that_is_decidedly_absent_is_not_looked_for_elsewhere(self) -> None:
        records: Records = {
            ("_sip._udp.c.example", "SRV"): (Srv(0, 0, 0, "."),),
            ("c.example", "A"): ("192.0.2.1",),
        }
        with pytest.raises(NotLocated, match=r"_sip\._udp\.c\.example says that the service is not available"):
            follow("sip:c.example", records)

    @pytest.mark.parametrize("transport", ["sctp", "ws", "wss", "tls-sctp"])
    def test_a_transport_that_we_do_not_speak_is_refused_by_name(self, transport: str) -> None:
        with pytest.raises(NotLocated, match=f"transport {transport} is not supported"):
            follow(f"sip:192.0.2.1;transport={transport}")

    def test_a_failed_lookup_of_one_target_leaves_the_others(self) -> None:
        records: Records = {
            ("_sip._udp.c.example", "SRV"): (Srv(1, 1, 5060, "dead.example"), Srv(2, 1, 5060, "live.example")),
            ("dead.example", "A"): LookupFailed("A of dead.example timed out"),
            ("live.example", "A"): ("192.0.2.1",),
        }
        assert [hop.address for hop in follow("sip:c.example", records)[0]] == ["192.0.2.1"]

    def test_a_failed_lookup_of_aaaa_leaves_the_a_records(self) -> None:
        records: Records = {
            ("c.example", "A"): ("192.0.2.1",),
            ("c.example", "AAAA"): LookupFailed("SERVFAIL"),
        }
        assert len(follow("sip:c.example:5060", records)[0]) == 1

    def test_a_failed_lookup_of_srv_still_tries_the_name_itself(self) -> None:
        records: Records = {
            ("_sip._udp.c.example", "SRV"): LookupFailed("SERVFAIL"),
            ("c.example", "A"): ("192.0.2.1",),
        }
        assert follow("sip:c.example", records)[0] == [Hop("UDP", "192.0.2.1", 5060, "c.example")]

    def test_when_all_lookups_fail_the_reasons_are_all_told(self) -> None:
        records: Records = {
            ("c.example", "A"): LookupFailed("A timed out"),
            ("c.example", "AAAA"): LookupFailed("AAAA timed out"),
        }
        with pytest.raises(NotLocated, match="A timed out; AAAA timed out"):
            follow("sip:c.example:5060", records)

    def test_records_of_another_kind_than_asked_are_passed_over(self) -> None:
        records: Records = {("_sip._udp.c.example", "SRV"): ("192.0.2.66",), ("c.example", "A"): ("192.0.2.1",)}
        assert [hop.address for hop in follow("sip:c.example", records)[0]] == ["192.0.2.1"]


class TestOrder:
    def test_ten_thousand_calls_share_the_gateways_by_weight(self) -> None:
        gateways = [Gateway("a", 10, 10), Gateway("b", 10, 30), Gateway("c", 10, 60)]
        draw = random.Random(2782).random
        firsts = Counter(by_priority_then_weight(gateways, draw)[0].name for _ in range(10_000))
        assert abs(firsts["a"] - 1000) <= 200
        assert abs(firsts["b"] - 3000) <= 200
        assert abs(firsts["c"] - 6000) <= 200

    def test_the_second_place_is_shared_by_the_weights_that_are_left(self) -> None:
        gateways = [Gateway("a", 10, 10), Gateway("b", 10, 30), Gateway("c", 10, 60)]
        draw = random.Random(2782).random
        orders = [by_priority_then_weight(gateways, draw) for _ in range(10_000)]
        after_c = Counter(order[1].name for order in orders if order[0].name == "c")
        assert abs(after_c["b"] / after_c.total() - 0.75) < 0.02

    def test_lower_priority_numbers_come_first_whatever_the_weight(self) -> None:
        gateways = [Gateway("backup", 20, 65535), Gateway("main", 10, 1)]
        names = [item.name for item in by_priority_then_weight(gateways, random.Random(1).random)]
        assert names == ["main", "backup"]

    def test_weight_zero_is_drawn_hardly_ever_beside_others_yet_sometimes(self) -> None:
        draw = random.Random(1).random
        pair = [Gateway("zero", 1, 0), Gateway("one", 1, 1)]
        firsts = Counter(by_priority_then_weight(pair, draw)[0].name for _ in range(10_000))
        assert 0 < firsts["zero"] < 300

    def test_zero_weights_alone_share_evenly(self) -> None:
        draw = random.Random(1).random
        pair = [Gateway("a", 1, 0), Gateway("b", 1, 0)]
        firsts = Counter(by_priority_then_weight(pair, draw)[0].name for _ in range(10_000))
        assert abs(firsts["a"] - 5000) < 200

    def test_nothing_is_drawn_where_there_is_no_choice(self) -> None:
        def never() -> float:
            raise AssertionError("drawn")

        gateways = [Gateway("b", 2, 5), Gateway("a", 1, 5)]
        assert [item.name for item in by_priority_then_weight(gateways, never)] == ["a", "b"]
        assert follow("sip:c.example:5060", {("c.example", "A"): ("192.0.2.1",)}, never)[0]

    @given(
        st.lists(st.builds(Srv, st.integers(0, 3), st.integers(0, 65535), st.just(5060), st.text("ab"))),
        st.lists(st.floats(0, 1, exclude_max=True), min_size=1),
    )
    def test_nobody_is_lost_or_doubled_and_priorities_ascend(self, records: list[Srv], draws: list[float]) -> None:
        at = iter(range(10_000))
        ordered = by_priority_then_weight(records, lambda: draws[next(at) % len(draws)])
        assert Counter(ordered) == Counter(records)
        assert [record.priority for record in ordered] == sorted(record.priority for record in records)


def test_hops_and_queries_can_be_keys() -> None:
    assert len({Hop("UDP", "192.0.2.1", 5060, "a"), Hop("UDP", "192.0.2.1", 5060, "a")}) == 1
    assert len({Query("a.example", "A"), Query("a.example", "AAAA")}) == 2
