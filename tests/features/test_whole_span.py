"""A span read day by day is the minute table as an array, in memory or mapped from a file."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from features.test_steps import TARGETS, ZONE, at, write_observations

from tasks.clock import day_bounds
from tasks.errors import ConfigError, StoreError
from tasks.features.past import PastFeatures
from tasks.features.steps import load_features, load_past
from tasks.features.tensors import MinuteFeatures
from tasks.settings.tree import FeatureSettings, Network, Settings
from tasks.storage.store import Store
from tasks.tables.minutes import read_minutes, to_grid
from tasks.total import with_total

STEP = np.timedelta64(15, "m")
FIRST, LAST = np.datetime64("2013-10-07"), np.datetime64("2013-11-12")


@pytest.fixture(scope="module")
def town(tmp_path_factory: pytest.TempPathFactory) -> Settings:
    """Five weeks over a clock change, with a day without rows, and a station that opens in the last week."""
    root = tmp_path_factory.mktemp("town")
    minutes = np.arange(day_bounds(FIRST, ZONE)[0], day_bounds(LAST, ZONE)[1], STEP)
    minutes = minutes[(minutes < at("2013-10-20T05:00")) | (minutes >= at("2013-10-21T05:00"))]
    write_observations(root, minutes, minutes + STEP, 3, "first")
    late = minutes[minutes >= at("2013-11-05T06:00")]
    write_observations(root, late, late + 9 * STEP, 4, "late", names=("aa",))
    network = Network(timezone=ZONE, country="US", subdivision="IL", interval_minutes=15, targets=TARGETS)
    return Settings(data_root=str(root), network=network, features=FeatureSettings(weeks=3, recent_minutes=60))


def mapped(town: Settings, total: str | None = None) -> Settings:
    network = town.network.model_copy(update={"total": total})
    features = FeatureSettings(weeks=3, recent_minutes=60, mapped_mib=1)
    return town.model_copy(update={"features": features, "network": network})


@pytest.mark.parametrize("place", ["memory", "file"])
@pytest.mark.parametrize("total", [None, "ALL"])
@pytest.mark.parametrize("as_of", [None, "2013-11-08T11:07", "2013-11-05T06:00"])
def test_counts_are_those_of_the_table(
    town: Settings, as_of: str | None, total: str | None, place: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    town = mapped(town, total)
    if place == "file":
        monkeypatch.setattr("tasks.features.whole_span.MIB", 1)
        monkeypatch.setattr("tasks.total.PIECE", 100)
    known = None if as_of is None else at(as_of)
    grid = load_features(town, at("2013-11-01T05:00"), at("2013-11-11T05:00"), known).grid
    stop = grid.start + grid.steps * STEP
    table = read_minutes(Store(town.data_root), grid.start, stop, ZONE, TARGETS, known)
    wanted = with_total(to_grid(table, grid.start, stop, 15, TARGETS), total)
    assert (grid.stations, grid.total) == (wanted.stations, total)
    np.testing.assert_array_equal(grid.values, wanted.values)
    assert np.isfinite(grid.values).any()
    assert np.isnan(grid.values).any()
    assert grid.observed_share == np.isfinite(wanted.values).mean()
    assert (grid.mapped is None) == (place == "memory")
    assert replace(grid, values=wanted.values).digest == grid.digest


def large(town: Settings, monkeypatch: pytest.MonkeyPatch) -> MinuteFeatures:
    """Features of the town as those of a city too large for memory."""
    monkeypatch.setattr("tasks.features.whole_span.MIB", 1)
    return load_features(mapped(town, "ALL"), at("2013-11-01T05:00"), at("2013-11-11T05:00"))


def test_mapped_counts_give_the_same_tensors_to_the_bit(town: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    origins = at("2013-11-02T05:00") + 37 * STEP * np.arange(20)
    held = load_features(mapped(town, "ALL"), at("2013-11-01T05:00"), at("2013-11-11T05:00"))
    features = large(town, monkeypatch)
    assert (held.grid.mapped, features.grid.mapped) == (None, Path(town.data_root) / "derived")
    one, other = held.tensors(origins), features.tensors(origins)
    for name in ("lags", "recent", "profile", "level", "trail"):
        np.testing.assert_array_equal(getattr(one, name), getattr(other, name))


def test_the_file_of_counts_lies_by_time(town: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    values = large(town, monkeypatch).grid.values
    assert values.transpose(2, 0, 1).flags.c_contiguous


def test_the_file_of_mapped_counts_has_no_name_and_is_gone_with_them(
    town: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    features = large(town, monkeypatch)
    assert list((Path(town.data_root) / "derived").iterdir()) == []
    assert "/derived/" in Path("/proc/self/maps").read_text()
    del features
    assert "/derived/" not in Path("/proc/self/maps").read_text()


def test_what_was_known_of_mapped_counts_is_mapped_too(town: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    moment = at("2013-11-08T11:00")
    want = load_past(mapped(town), at("2013-11-01T05:00"), at("2013-11-11T05:00")).before(moment)
    monkeypatch.setattr("tasks.features.whole_span.MIB", 1)
    past = load_past(mapped(town), at("2013-11-01T05:00"), at("2013-11-11T05:00"))
    assert isinstance(past, PastFeatures)
    assert past.known is not None
    found = past.before(moment)
    assert found.grid.mapped is not None
    np.testing.assert_array_equal(found.grid.values, want.grid.values)
    origins = moment - STEP * np.array([300, 40, 0])
    np.testing.assert_array_equal(found.tensors(origins).profile, want.tensors(origins).profile)


def test_a_file_that_cannot_be_made_is_named(town: Settings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    blocked = tmp_path / "file"
    blocked.write_text("no folder")
    monkeypatch.setattr("tasks.features.whole_span.folder_here", lambda root: blocked)
    with pytest.raises(StoreError, match=r"derived: no file of 0\.0 GiB for the minutes: "):
        large(town, monkeypatch)


def test_a_station_with_the_name_of_the_total_is_refused(town: Settings) -> None:
    with pytest.raises(ConfigError, match="name of a station"):
        load_features(mapped(town, "aa"), at("2013-11-01T05:00"), at("2013-11-11T05:00"))


def test_shared_counts_of_a_mapped_grid_open_elsewhere(
    town: Settings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    today = large(town, monkeypatch)
    opened = PastFeatures(today).share(tmp_path / "counts.npy").open()
    np.testing.assert_array_equal(opened.today.grid.values, today.grid.values)
    assert opened.today.grid.values.transpose(2, 0, 1).flags.c_contiguous
    origins = at("2013-11-08T11:00") + STEP * np.arange(3)
    np.testing.assert_array_equal(opened.today.tensors(origins).profile, today.tensors(origins).profile)


def test_a_day_that_is_not_known_yet_is_blank(town: Settings) -> None:
    features = load_features(town, at("2013-11-01T05:00"), at("2013-11-11T05:00"), at("2013-11-09T06:00"))
    after = features.grid.values[:, :, features.grid.index(at("2013-11-09T06:00")) :]
    assert after.size
    assert np.isnan(after).all()
