"""What strangers may cost, and that no flood of them costs more."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from byoc_proxy.trunk.strangers import FORGIVEN, TRUST, StrangerLimits, Strangers, place_of

SCANNER, OTHER = "198.18.0.1", "198.18.0.2"
LIMITS = StrangerLimits(per_source=2, in_all=100, ban_after=3, ban_time=60.0, most_sources=50)


def test_a_source_has_a_burst_and_then_its_rate_and_others_have_their_own() -> None:
    strangers = Strangers(LIMITS)
    assert [strangers.allows(SCANNER, 0.0) for _ in range(12)] == [True] * 10 + [False] * 2
    assert strangers.allows(OTHER, 0.0)
    assert [strangers.allows(SCANNER, 1.0) for _ in range(3)] == [True, True, False]


def test_all_strangers_together_have_a_rate_too() -> None:
    strangers = Strangers(LIMITS)
    heard = [strangers.allows(f"198.18.{n // 200}.{n % 200}", 0.0) for n in range(150)]
    assert heard.count(True) == 100


def test_the_third_offence_bans_for_a_minute_and_is_told_once() -> None:
    strangers = Strangers(LIMITS)
    assert [strangers.blame(SCANNER, 0.0) for _ in range(5)] == [False, False, True, False, False]
    assert strangers.is_banned(SCANNER, 59.9)
    assert not strangers.is_banned(OTHER, 0.0)
    assert not strangers.is_banned(SCANNER, 60.0)
    assert not strangers.any_banned


def test_who_offends_rarely_is_never_banned() -> None:
    strangers = Strangers(LIMITS)
    assert not any(strangers.blame(SCANNER, turn / FORGIVEN) for turn in range(1000))


def test_trust_lifts_a_ban_and_lasts_for_a_day() -> None:
    strangers = Strangers(LIMITS)
    while not strangers.blame(SCANNER, 0.0):
        assert not strangers.trusts(SCANNER, 0.0)
    strangers.trust(SCANNER, 1.0)
    assert not strangers.is_banned(SCANNER, 1.0)
    assert strangers.trusts(SCANNER, TRUST)
    assert not strangers.trusts(SCANNER, TRUST + 1.0)


@given(st.lists(st.tuples(st.integers(0, 2**32 - 1), st.sampled_from("abt"), st.floats(0, 9)), max_size=400))
def test_memory_is_bounded_whatever_comes(steps: list[tuple[int, str, float]]) -> None:
    strangers, now = Strangers(LIMITS), 0.0
    for number, what, pause in steps:
        now += pause
        source = ".".join(str(byte) for byte in number.to_bytes(4, "big"))
        if what == "a":
            strangers.allows(source, now)
        elif what == "b":
            for _ in range(LIMITS.ban_after):
                strangers.blame(source, now)
        else:
            strangers.trust(source, now)
        assert strangers.size <= 3 * LIMITS.most_sources


def test_a_flood_of_strangers_pushes_out_no_trust() -> None:
    strangers = Strangers(LIMITS)
    strangers.trust(OTHER, 0.0)
    for number in range(1000):
        source = f"198.19.{number // 250}.{number % 250}"
        while not strangers.blame(source, 1.0):
            strangers.allows(source, 1.0)
    assert strangers.trusts(OTHER, 2.0)


@pytest.mark.parametrize(
    ("one", "other", "same"),
    [
        ("2001:db8::1", "2001:db8::ffff:1", True),
        ("2001:db8::1", "2001:db8:0:1::1", False),
        ("::ffff:192.0.2.1", "192.0.2.1", True),
        ("fe80::1%eth0", "fe80::2", True),
        ("192.0.2.1", "192.0.2.2", False),
    ],
)
def test_an_ipv6_source_is_its_64_bits_of_network(one: str, other: str, same: bool) -> None:
    assert (place_of(one) == place_of(other)) is same
