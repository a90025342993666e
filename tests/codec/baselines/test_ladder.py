"""Laws of the ladder: dense in rate, the same from the cache, frames in any order, loops without end."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import pairwise

import numpy as np
import pytest

from grace_codec.baselines.cache import StreamCache
from grace_codec.baselines.classical import ClassicalStream
from grace_codec.baselines.ladder import Ladder, LadderPlan, Rung, build_ladder, refinements
from grace_codec.media import ClipOptions, VideoClip, open_clip

PLAN = LadderPlan(probes=(46, 41, 36, 30, 24), step=1.5, min_bps=1000)


@pytest.fixture(scope="module")
def clip() -> Iterator[VideoClip]:
    with open_clip("builtin:detail", ClipOptions(size=(96, 64), duration_s=0.4)) as clip:
        yield clip


@pytest.fixture(scope="module")
def cache(tmp_path_factory: pytest.TempPathFactory) -> StreamCache:
    return StreamCache(tmp_path_factory.mktemp("cache"))


@pytest.fixture(scope="module")
def ladder(clip: VideoClip, cache: StreamCache) -> Ladder:
    return build_ladder(clip, 8, plan=PLAN, cache=cache, workers=1)


def rung(crf: float, bps: float) -> Rung:
    return Rung(crf, bps, ClassicalStream("libx265", 64, 64, ()))


def test_rates_rise_from_rung_to_rung_without_gaps(ladder: Ladder) -> None:
    ratios = [fine.bps / coarse.bps for coarse, fine in pairwise(ladder.rungs)]
    assert min(ratios) > 1.0
    assert max(ratios) < 2.0


def test_ladder_of_the_cache_is_the_same(clip: VideoClip, cache: StreamCache, ladder: Ladder) -> None:
    steps: list[tuple[int, int]] = []
    again = build_ladder(clip, 8, plan=PLAN, cache=cache, workers=2, progress=lambda *step: steps.append(step))
    assert again.rungs == ladder.rungs
    assert steps[-1] == (len(again.rungs), len(again.rungs))


def test_other_frames_make_another_ladder(cache: StreamCache, ladder: Ladder) -> None:
    before = len(list(cache.folder.iterdir()))
    with open_clip("builtin:detail:9", ClipOptions(size=(96, 64), duration_s=0.2)) as clip:
        build_ladder(clip, 5, plan=LadderPlan(probes=(51,)), cache=cache)
    assert len(list(cache.folder.iterdir())) == before + 1


def test_pictures_are_those_of_the_stream_in_any_order(ladder: Ladder) -> None:
    straight = list(ladder.rungs[1].stream.decoded())
    for index in (3, 5, 0, 7, 2):
        same = zip(ladder.decoded(1, index), straight[index], strict=True)
        assert all(np.array_equal(a, b) for a, b in same)


def test_pictures_survive_a_small_memory(clip: VideoClip, ladder: Ladder, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("grace_codec.baselines.ladder.DECODED_BYTES", 1)
    frugal = Ladder(clip, ladder.length, False, ladder.rungs)
    for index in (4, 1, 4):
        assert np.array_equal(frugal.decoded(0, index)[0], ladder.decoded(0, index)[0])


def test_looped_clip_needs_one_ladder_for_any_length(clip: VideoClip, cache: StreamCache) -> None:
    looped = build_ladder(clip, 1000, plan=LadderPlan(probes=(51,)), cache=cache)
    assert looped.length == 19  # ten pictures forward and nine backward
    for frame_id in (0, 5, 18, 19, 36, 37, 999):
        index = looped.index_of(frame_id)
        assert index is not None
        assert (index == 0) == (frame_id == 0)
        assert looped.holds(clip.frame(frame_id), index)


def test_ladder_of_a_part_does_not_reach_further(ladder: Ladder) -> None:
    assert ladder.index_of(7) == 7
    assert ladder.index_of(8) is None
    assert ladder.index_of(-1) is None


def test_single_picture_can_be_played_for_ever(cache: StreamCache) -> None:
    with open_clip("builtin:talk", ClipOptions(size=(64, 64), duration_s=0.04)) as still:
        ladder = build_ladder(still, 50, plan=LadderPlan(probes=(51,)), cache=cache)
        assert [ladder.index_of(frame_id) for frame_id in (0, 1, 2, 49)] == [0, 1, 1, 1]


def test_extra_key_frame_is_that_frame(clip: VideoClip, ladder: Ladder) -> None:
    key = ladder.key(5, 20)
    assert len(key.packets) == 1
    error = next(key.decoded())[0].astype(int) - clip.frame(5).y
    assert float(np.mean(error**2)) < 30
    assert ladder.key(5, 20) is key


def test_refinements_divide_the_gap_evenly() -> None:
    plan, top = LadderPlan(step=1.2, min_bps=50_000), 12_000_000
    assert refinements(rung(33, 100_000), rung(27, 200_000), plan, top) == [31.5, 30.0, 28.5]
    assert refinements(rung(51, 4_000), rung(45, 40_000), plan, top) == []
    assert refinements(rung(21, 100_000), rung(15, 110_000), plan, top) == []
    assert refinements(rung(15, 11_000_000), rung(9, 22_000_000), plan, top) == []


def test_probing_stops_where_the_rate_is_enough(clip: VideoClip, cache: StreamCache) -> None:
    plan = LadderPlan(probes=(51, 24, 18, 12, 6), step=1000, max_bpp=0.001)
    assert [rung.crf for rung in build_ladder(clip, 8, plan=plan, cache=cache).rungs] == [51]
