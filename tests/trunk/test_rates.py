"""How often something may happen."""

from hypothesis import given
from hypothesis import strategies as st

from byoc_proxy.trunk.rates import TokenBucket, Window

gaps = st.lists(st.floats(0.0, 0.7), min_size=1, max_size=200)


@given(gaps, st.integers(1, 5))
def test_no_second_ever_holds_more_than_the_window_allows(steps: list[float], most: int) -> None:
    window, now, taken = Window(most), 0.0, list[float]()
    for step in steps:
        now += step
        if not window.is_full(now):
            window.take(now)
            taken.append(now)
    assert all(later - earlier >= 1.0 - 1e-6 for earlier, later in zip(taken, taken[most:], strict=False))


def test_a_window_is_free_again_exactly_one_second_after_its_oldest() -> None:
    window = Window(2)
    for now in (10.0, 10.4):
        assert not window.is_full(now)
        window.take(now)
    assert window.is_full(10.999)
    assert not window.is_full(11.0)


def test_a_bucket_gives_its_burst_at_once_and_then_its_rate() -> None:
    bucket = TokenBucket(rate=2.0, burst=3.0, now=0.0)
    assert [bucket.take(0.0) for _ in range(4)] == [True, True, True, False]
    assert [bucket.take(0.25), bucket.take(0.5), bucket.take(0.6), bucket.take(1.0)] == [False, True, False, True]


def test_a_bucket_that_rests_holds_no_more_than_its_burst() -> None:
    bucket = TokenBucket(rate=2.0, burst=3.0, now=0.0)
    assert [bucket.take(1e6) for _ in range(4)] == [True, True, True, False]
