"""Laws of sampling totals for a status line."""

from grace_transport.runtime.process import Sampler


def test_sample_is_what_was_one_interval_ago_and_the_seconds_since() -> None:
    sampler: Sampler[int] = Sampler(1.0)
    assert sampler.sample(10, 5_000_000) is None  # the first one has nothing before it
    assert sampler.sample(15, 5_900_000) is None
    assert sampler.sample(20, 6_500_000) == (10, 1.5)
    assert sampler.sample(40, 7_500_000) == (20, 1.0)


def test_restarted_sampler_has_nothing_before() -> None:
    sampler: Sampler[int] = Sampler(1.0)
    sampler.sample(10, 5_000_000)
    sampler.restart()
    assert sampler.sample(0, 7_000_000) is None
    assert sampler.sample(3, 8_000_000) == (0, 1.0)


def test_interval_of_nothing_is_never() -> None:
    sampler: Sampler[int] = Sampler(0)
    assert [sampler.sample(n, n * 10_000_000) for n in range(4)] == [None] * 4
