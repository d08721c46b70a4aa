"""The resolver against a real DNS server on loopback."""

import asyncio
from collections.abc import AsyncIterator

import pytest

from byoc_proxy.net.dns import Resolver
from byoc_proxy.sim.zone import FakeResolver, Zone
from byoc_proxy.sip.locate import Hop, NotLocated, Query, Srv
from byoc_proxy.sip.uri import SipUri
from tests.support.zone import DnsServer, Mood

SBC = SipUri.parse("sip:sbc.example:5060")
CARRIER = SipUri.parse("sip:+15551230000@carrier.example;transport=tls")


class Clock:
    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now


def new_zone() -> Zone:
    return (
        Zone()
        .host("sbc.example", "192.0.2.1")
        .service(
            "_sips._tcp.carrier.example",
            Srv(10, 60, 5061, "gw1.carrier.example"),
            Srv(20, 0, 5071, "gw2.carrier.example"),
        )
        .host("gw1.carrier.example", "192.0.2.11", "2001:db8::11")
        .host("gw2.carrier.example", "192.0.2.12")
    )


@pytest.fixture
async def server() -> AsyncIterator[DnsServer]:
    async with DnsServer(new_zone()) as server:
        yield server


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def resolver(server: DnsServer, clock: Clock) -> Resolver:
    """Asks for A records alone, so that one lookup is one question."""
    return Resolver([server.address], 0.4, now=clock, draw=lambda: 0.0, families=("A",))


def addresses(hops: list[Hop]) -> list[str]:
    return [hop.address for hop in hops]


@pytest.mark.wire
class TestAnswers:
    async def test_srv_a_and_aaaa_of_a_carrier_are_found(self, server: DnsServer, clock: Clock) -> None:
        both = Resolver([server.address], now=clock, draw=lambda: 0.0)
        assert await both.locate(CARRIER) == [
            Hop("TLS", "192.0.2.11", 5061, "carrier.example"),
            Hop("TLS", "2001:db8::11", 5061, "carrier.example"),
            Hop("TLS", "192.0.2.12", 5071, "carrier.example"),
        ]

    async def test_an_alias_is_followed(self, server: DnsServer, resolver: Resolver) -> None:
        server.aliases["www.example"] = "sbc.example"
        assert addresses(await resolver.locate(SipUri.parse("sip:www.example:5060"))) == ["192.0.2.1"]

    async def test_a_name_that_does_not_exist_is_not_located(self, resolver: Resolver) -> None:
        with pytest.raises(NotLocated, match="gone.example has no address"):
            await resolver.locate(SipUri.parse("sip:gone.example"))

    async def test_a_service_with_the_target_dot_is_decidedly_absent(
        self, server: DnsServer, resolver: Resolver
    ) -> None:
        server.zone.service("_sips._tcp.carrier.example", Srv(0, 0, 0, "."))
        with pytest.raises(NotLocated, match="not available"):
            await resolver.locate(CARRIER)

    async def test_a_server_in_trouble_is_named_in_the_reason(self, server: DnsServer, resolver: Resolver) -> None:
        server.mood = "servfail"
        with pytest.raises(NotLocated, match="A lookup of sbc.example failed: .*SERVFAIL"):
            await resolver.locate(SBC)

    async def test_a_silent_server_ends_the_lookup_at_the_timeout(
        self, server: DnsServer, resolver: Resolver
    ) -> None:
        server.mood = "silent"
        began = asyncio.get_running_loop().time()
        with pytest.raises(NotLocated, match="A lookup of sbc.example failed"):
            await resolver.locate(SBC)
        assert 0.35 < asyncio.get_running_loop().time() - began < 1.5

    async def test_a_lost_question_is_asked_again_within_the_timeout(self, server: DnsServer) -> None:
        resolver = Resolver([server.address], now=Clock(), draw=lambda: 0.0, families=("A",))
        server.mood = "silent"
        lookup = asyncio.create_task(resolver.locate(SBC))
        await server.was_asked()
        server.mood = "answer"
        assert addresses(await lookup) == ["192.0.2.1"]
        assert len(server.asked) >= 2

    async def test_the_second_nameserver_answers_when_the_first_is_silent(self, server: DnsServer) -> None:
        async with DnsServer(Zone()) as dead:
            dead.mood = "silent"
            resolver = Resolver([dead.address, server.address], now=Clock(), draw=lambda: 0.0)
            assert addresses(await resolver.locate(SBC)) == ["192.0.2.1"]

    @pytest.mark.parametrize("name", ["a..b", "x" * 64 + ".example"])
    async def test_a_name_that_the_dns_cannot_hold_is_not_located(self, resolver: Resolver, name: str) -> None:
        with pytest.raises(NotLocated, match="failed"):
            await resolver.locate(SipUri(name, port=5060))


@pytest.mark.wire
class TestCache:
    async def test_an_answer_is_kept_for_its_ttl_and_no_longer(
        self, server: DnsServer, resolver: Resolver, clock: Clock
    ) -> None:
        await resolver.locate(SBC)
        server.zone.host("sbc.example", "192.0.2.99")
        clock.now += 59.9
        assert addresses(await resolver.locate(SBC)) == ["192.0.2.1"]
        clock.now += 0.1
        assert addresses(await resolver.locate(SBC)) == ["192.0.2.99"]
        assert len(server.asked) == 2

    @pytest.mark.parametrize(("ttl", "kept"), [(0, 1.0), (86400, 3600.0)])
    async def test_ttls_are_held_between_a_second_and_an_hour(
        self, server: DnsServer, resolver: Resolver, clock: Clock, ttl: int, kept: float
    ) -> None:
        server.ttl = ttl
        await resolver.locate(SBC)
        clock.now += kept - 0.01
        await resolver.locate(SBC)
        assert len(server.asked) == 1
        clock.now += 0.01
        await resolver.locate(SBC)
        assert len(server.asked) == 2

    @pytest.mark.parametrize("mood", ["answer", "nxdomain"])
    @pytest.mark.parametrize(("minimum", "kept"), [(30, 30.0), (None, 5.0)])
    async def test_no_such_record_is_kept_as_long_as_the_soa_says(
        self,
        server: DnsServer,
        resolver: Resolver,
        clock: Clock,
        mood: Mood,
        minimum: int | None,
        kept: float,
    ) -> None:
        server.zone.host("sbc.example", "2001:db8::1")  # the name exists and has no A record
        server.mood, server.minimum = mood, minimum
        for wait, questions in ((0.0, 1), (kept - 0.01, 1), (0.01, 2)):
            clock.now += wait
            with pytest.raises(NotLocated):
                await resolver.locate(SBC)
            assert len(server.asked) == questions

    async def test_a_failure_is_kept_for_a_second(
        self, server: DnsServer, resolver: Resolver, clock: Clock
    ) -> None:
        server.mood = "servfail"
        with pytest.raises(NotLocated):
            await resolver.locate(SBC)
        questions = len(server.asked)
        server.mood = "answer"
        with pytest.raises(NotLocated):
            await resolver.locate(SBC)
        assert len(server.asked) == questions
        clock.now += 1.0
        assert addresses(await resolver.locate(SBC)) == ["192.0.2.1"]

    async def test_the_oldest_answer_makes_room_for_a_new_one(
        self, server: DnsServer, resolver: Resolver, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr("byoc_proxy.net.dns._MOST_ANSWERS", 2)
        names = ["sbc.example", "gw1.carrier.example", "gw2.carrier.example", "gw2.carrier.example", "sbc.example"]
        for name in names:
            await resolver.locate(SipUri(name, port=5060))
        assert [query.name for query in server.asked] == [*names[:3], "sbc.example"]


@pytest.mark.wire
class TestSharing:
    async def test_a_hundred_calls_at_once_ask_one_question(self, server: DnsServer, resolver: Resolver) -> None:
        found = await asyncio.gather(*(resolver.locate(SBC) for _ in range(100)))
        assert all(addresses(hops) == ["192.0.2.1"] for hops in found)
        assert server.asked == [Query("sbc.example", "A")]

    async def test_a_hundred_calls_at_once_share_a_failure(self, server: DnsServer, resolver: Resolver) -> None:
        server.mood = "nxdomain"
        found = await asyncio.gather(*(resolver.locate(SBC) for _ in range(100)), return_exceptions=True)
        assert all(isinstance(outcome, NotLocated) for outcome in found)
        assert len(server.asked) == 1

    @pytest.mark.parametrize("leaver", [0, 1], ids=["the one that asked", "one that waited"])
    async def test_a_caller_that_hangs_up_does_not_take_the_answer_from_the_others(
        self, server: DnsServer, leaver: int
    ) -> None:
        resolver = Resolver([server.address], now=Clock(), draw=lambda: 0.0, families=("A",))
        server.mood = "silent"
        lookups = [asyncio.create_task(resolver.locate(SBC)) for _ in range(3)]
        await server.was_asked()
        lookups[leaver].cancel()
        server.mood = "answer"
        found = await asyncio.gather(*lookups, return_exceptions=True)
        assert isinstance(found.pop(leaver), asyncio.CancelledError)
        assert found == [[Hop("UDP", "192.0.2.1", 5060, "sbc.example")]] * 2
        assert resolver._in_flight == {}


class TestConfiguration:
    async def test_a_numeric_host_needs_neither_a_nameserver_nor_a_wait(self) -> None:
        resolver = Resolver(["127.0.0.1:9"], now=Clock(), draw=lambda: 0.0)
        lookup = resolver.locate(SipUri.parse("sip:192.0.2.7;transport=tcp"))
        with pytest.raises(StopIteration) as done:
            lookup.send(None)
        assert done.value.value == [Hop("TCP", "192.0.2.7", 5060, "192.0.2.7")]

    @pytest.mark.parametrize(
        ("text", "shown"),
        [
            ("127.0.0.1", "Do53:127.0.0.1@53"),
            ("127.0.0.1:5300", "Do53:127.0.0.1@5300"),
            ("::1", "Do53:::1@53"),
            ("[::1]", "Do53:::1@53"),
            ("[::1]:5300", "Do53:::1@5300"),
        ],
    )
    def test_nameservers_are_addresses_with_or_without_a_port(self, text: str, shown: str) -> None:
        resolver = Resolver([text], now=Clock(), draw=lambda: 0.0)
        assert [str(nameserver) for nameserver in resolver._dns.nameservers] == [shown]

    @pytest.mark.parametrize("text", ["dns.example", "127.0.0.1:dns", "", "[::1]:"])
    def test_a_nameserver_that_is_no_address_is_refused_at_start(self, text: str) -> None:
        with pytest.raises(ValueError, match="nameserver"):
            Resolver([text], now=Clock(), draw=lambda: 0.0)

    def test_without_nameservers_those_of_the_system_are_asked(self) -> None:
        resolver = Resolver(now=Clock(), draw=lambda: 0.0)
        assert resolver._dns.lifetime == 2.0


class TestFakeResolver:
    async def test_it_locates_like_the_real_one(self) -> None:
        fake = FakeResolver(new_zone())
        assert addresses(await fake.locate(CARRIER)) == ["192.0.2.11", "2001:db8::11", "192.0.2.12"]
        assert fake.asked[0] == Query("_sips._tcp.carrier.example", "SRV")

    async def test_a_failing_name_takes_its_services_with_it(self) -> None:
        fake = FakeResolver(new_zone())
        fake.failing.add("carrier.example")
        with pytest.raises(NotLocated, match="SERVFAIL"):
            await fake.locate(CARRIER)
        assert addresses(await fake.locate(SBC)) == ["192.0.2.1"]
