"""The profile kept from one forecast to the next is the one that is made anew."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from features.test_steps import STATIONS, ZONE, at, bits, write_observations

from tasks.arrays import Minutes
from tasks.clock import day_bounds
from tasks.contracts import Tensors
from tasks.features import few_origins, kept_profile
from tasks.features.kept_profile import PATH, KeptProfile
from tasks.features.steps import load_features
from tasks.settings.tree import FeatureSettings, Network, Settings
from tasks.storage.store import Store

STEP = np.timedelta64(15, "m")
DAYS = np.datetime64("2013-10-14"), np.datetime64("2013-11-12")


def network(root: Path, **features: Any) -> Settings:
    return Settings(
        data_root=str(root),
        network=Network(timezone=ZONE, country="US", interval_minutes=15),
        features=FeatureSettings(weeks=3, recent_minutes=60, **features),
    )


@pytest.fixture
def town(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Settings:
    """Four weeks over a clock change, counts known a quarter of an hour later."""
    monkeypatch.setattr(few_origins, "FEWEST_SERIES", 1)
    minutes: Minutes = np.arange(day_bounds(DAYS[0], ZONE)[0], day_bounds(DAYS[1], ZONE)[1], STEP)
    minutes = minutes[np.random.default_rng(1).random(len(minutes)) < 0.95]
    write_observations(tmp_path, minutes, minutes, 2, "batch", ZONE)
    return network(tmp_path)


def live(settings: Settings, origin: np.datetime64) -> Tensors:
    return load_features(settings, origin, origin, as_of=origin).tensors(np.array([origin]))


def made_anew(settings: Settings, origin: np.datetime64, monkeypatch: pytest.MonkeyPatch) -> Tensors:
    with monkeypatch.context() as patch:
        patch.setattr(few_origins, "read_kept", lambda store, origins: None)
        patch.setattr(few_origins, "write_kept", lambda store, profile, origins: None)
        return live(settings, origin)


@pytest.fixture
def used(monkeypatch: pytest.MonkeyPatch) -> list[KeptProfile | None]:
    """What was found kept, forecast after forecast."""
    found = list[KeptProfile | None]()

    def read(*given: Any) -> KeptProfile | None:
        found.append(kept_profile.read_kept(*given))
        return found[-1]

    monkeypatch.setattr(few_origins, "read_kept", read)
    return found


def test_forecasts_one_after_the_other_have_the_tensors_of_each_by_itself(
    town: Settings, used: list[KeptProfile | None], monkeypatch: pytest.MonkeyPatch
) -> None:
    origins = np.arange(at("2013-11-03T02:00"), at("2013-11-05T12:00"), 7 * STEP)
    for origin in [*origins, origins[0], origins[-1]]:  # over midnights, a clock change, and back
        assert bits(live(town, origin)) == bits(made_anew(town, origin, monkeypatch)), origin
    assert sum(kept is not None for kept in used) >= len(origins)


def test_a_correction_of_a_past_day_is_seen_at_once(town: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    origin = at("2013-11-08T12:00")
    before = live(town, origin)
    corrected = np.arange(at("2013-10-25T08:00"), at("2013-10-25T14:00"), STEP)
    write_observations(Path(town.data_root), corrected, corrected + 4 * STEP, 9, "correction", ZONE)
    after = live(town, origin)
    assert bits(after) == bits(made_anew(town, origin, monkeypatch))
    assert (after.profile != before.profile).any()


def test_counts_of_today_that_come_late_are_seen_where_the_hour_reaches_over_midnight(
    town: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    origins = np.arange(at("2013-11-08T04:45"), at("2013-11-08T06:45"), STEP)  # local midnight is 06:00
    for number, origin in enumerate(origins):
        live(town, origin)
        early = np.arange(at("2013-11-07T06:00"), at("2013-11-07T07:00"), STEP)
        write_observations(Path(town.data_root), early, np.repeat(origin, len(early)), number, f"{origin}", ZONE)
        assert bits(live(town, origin)) == bits(made_anew(town, origin, monkeypatch)), origin


def test_the_profile_of_a_total_is_kept_and_is_that_made_anew(
    town: Settings, used: list[KeptProfile | None], monkeypatch: pytest.MonkeyPatch
) -> None:
    total = town.model_copy(update={"network": town.network.model_copy(update={"total": "ALL"})})
    late = np.arange(at("2013-10-28T20:00"), at("2013-10-29T18:00"), STEP)
    write_observations(Path(town.data_root), late, late, 7, "late", ZONE, ("d",))  # open for some hours of one week
    live(town, at("2013-11-04T20:00"))  # a profile without the total, which does not serve
    for origin in np.arange(at("2013-11-04T20:00"), at("2013-11-06T08:00"), 17 * STEP):
        if origin == at("2013-11-05T17:15"):
            new = np.arange(at("2013-11-05T14:00"), origin, STEP)
            write_observations(Path(town.data_root), new, new, 8, "new", ZONE, ("aa",))
        tensors = live(total, origin)
        assert bits(tensors) == bits(made_anew(total, origin, monkeypatch)), origin
    assert np.isfinite(tensors.profile[:, :, -1]).any()
    assert [kept is None for kept in used[:3]] == [True, True, False]
    assert sum(kept is None for kept in used) < len(used) / 3


@pytest.mark.parametrize(
    "change", [{"recency": 0.5}, {"other_days": 0.1}, {"weekend": ("fri",)}, {"smooth_minutes": 31}]
)
def test_a_profile_of_other_settings_is_made_anew(
    town: Settings, change: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    origin = at("2013-11-08T12:00")
    before = live(town, origin)
    other = network(Path(town.data_root), **change)
    after = live(other, origin)
    assert bits(after) == bits(made_anew(other, origin, monkeypatch))
    assert (after.profile != before.profile).any()


def test_a_damaged_file_counts_as_none(town: Settings) -> None:
    origin, store = at("2013-11-08T12:00"), Store(town.data_root)
    before, whole = live(town, origin), store.read_bytes(PATH)
    assert whole is not None
    for damaged in (b"", whole[:-1], whole[:1000] + bytes([whole[1000] ^ 1]) + whole[1001:], b"x" * 100):
        store.write_bytes(PATH, damaged)
        assert bits(live(town, origin)) == bits(before)
    assert store.read_bytes(PATH) == whole


def test_a_place_that_cannot_be_written_changes_nothing(town: Settings) -> None:
    (Path(town.data_root) / PATH).mkdir(parents=True)
    origin = at("2013-11-08T12:00")
    assert bits(live(town, origin)) == bits(live(town, origin))


def test_a_station_that_is_new_has_no_profile() -> None:
    values = np.arange(12, dtype=np.float32).reshape(1, 3, 4)
    kept = KeptProfile(at("2013-11-08T12:00"), 15, STATIONS, values)
    more = kept.of(("a", "aa", "c"))
    np.testing.assert_array_equal(more.values[0], [values[0, 0], [np.nan] * 4, values[0, 2]])
    minutes = kept.start + np.array([-15, 0, 7, 45, 60]) * np.timedelta64(1, "m")
    assert kept.positions(minutes).tolist() == [-1, 0, -1, 3, -1]
    assert kept.of(STATIONS) is kept
    assert replace(more, stations=STATIONS).of(STATIONS).stations == STATIONS
