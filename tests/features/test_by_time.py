"""Counts in a file that lies by time, and a profile that is held between origins: the bits of counts in memory."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from features.test_tensors import DAY, Case, assert_same_bits, cases
from hypothesis import given, settings
from hypothesis import strategies as st

from tasks.grid import Grid
from tasks.large_arrays import copy_array


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("mapped")


def by_time(grid: Grid, folder: Path) -> Grid:
    """The grid with its counts in a file that lies by time."""
    return replace(grid, values=copy_array(grid.values, folder), mapped=folder)


@settings(max_examples=60)
@given(cases(origins=3), st.sampled_from([1, 5, 17]))
def test_counts_in_a_file_by_time_give_the_same_tensors_to_the_bit(folder: Path, case: Case, smooth: int) -> None:
    case = replace(case, settings=case.settings.model_copy(update={"smooth_minutes": smooth}))
    held, mapped = case.features(), case.features(by_time(case.grid, folder))
    for stations in (None, [1], [1, 0]):
        assert_same_bits(held.tensors(case.origins, stations), mapped.tensors(case.origins, stations))
    assert held.truth(case.origins).tobytes() == mapped.truth(case.origins).tobytes()
    minutes = case.origins.min() + np.arange(-7, 7) * np.timedelta64(case.grid.interval, "m")
    for one, other in (
        (held.profile, mapped.profile),
        (held.counts, mapped.counts),
        (held.lag_tensor, mapped.lag_tensor),
    ):
        assert one(minutes).tobytes() == other(minutes).tobytes()
    cut = case.origins.min() - 3 * DAY
    assert_same_bits(held.since(cut).tensors(case.origins), mapped.since(cut).tensors(case.origins))


@settings(max_examples=30)
@given(cases(origins=4), st.integers(0, 9))
def test_tensors_do_not_depend_on_what_was_asked_for_before(case: Case, seed: int) -> None:
    features = case.features()
    with pytest.MonkeyPatch.context() as few:  # a block of the profile or two are held
        few.setattr("tasks.features.profile_blocks.FEWEST", 256)
        few.setattr("tasks.features.profile_blocks.HELD", 1)
        forgetful = case.features()
    for origin in np.random.default_rng(seed).permutation(np.repeat(case.origins, 2)):
        alone = case.features().tensors(np.array([origin]))
        for each in (features, forgetful):
            assert_same_bits(each.tensors(np.array([origin])), alone)
