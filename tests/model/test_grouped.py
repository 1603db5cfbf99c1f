"""Models per group of stations that forecast as one: what they see, what they answer, and their bundle."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from support import tiny_city
from support.forecast_fakes import FakeForecaster

from tasks.contracts import FitLog, Prediction, Tensors
from tasks.errors import ModelError
from tasks.features.tensors import MinuteFeatures
from tasks.grid import Grid
from tasks.model import architectures
from tasks.model.grouped import Grouped, GroupModel, join_models, models_for, start_for
from tasks.model.groups import Group
from tasks.model.network_row import NETWORK, GroupFeatures, NetworkRow, NetworkRows, add_row, select_stations
from tasks.model.serving.bundle import load_bundle, read_head, save_bundle
from tasks.model.training.by_group import fit_group
from tasks.model.training.train import fit_before, split_of
from tasks.settings.tree import FeatureSettings, Settings
from tasks.total import with_total

ORIGINS = tiny_city.AS_OF - np.arange(6, 0, -1) * np.timedelta64(95, "m")
LISTS = {"lists": {"centre": {"stations": ["central", "museum"]}}, "least": 1}


def settings(model: str = "linear_level") -> Settings:
    made = tiny_city.settings()
    plan = made.retrain.model_copy(update={"model": model})
    return Settings(**{**made.model_dump(), "retrain": plan.model_dump(), "groups": LISTS})


def features(total: str | None = None, gaps: float = 0.0) -> MinuteFeatures:
    """The tiny city without gaps, or with some by chance."""
    city = tiny_city.grid()
    values = np.nan_to_num(city.values, nan=2.0)
    values[np.random.default_rng(4).random(values.shape) < gaps] = np.nan
    grid = with_total(Grid(values, city.start, city.interval, city.stations, city.targets), total)
    return MinuteFeatures(grid, "UTC", FeatureSettings(weeks=4))


def group_tensors(whole: Tensors, at: list[int]) -> Tensors:
    return add_row(select_stations(whole, np.array(at)), NetworkRow.of(whole))


@pytest.mark.parametrize("total", [None, "ALL"])
def test_a_model_of_the_network_says_of_a_group_what_it_says_of_all_where_all_were_observed(total: str | None) -> None:
    made = features(total)
    whole = made.tensors(ORIGINS)
    for name in ("weekday_level", "linear_level"):
        model = fit_before(made, tiny_city.settings(), tiny_city.AS_OF, name)
        expected, own = model.predict(whole), model.predict(group_tensors(whole, [0, 2]))
        np.testing.assert_allclose(own.mean[:, :, :2], expected.mean[:, :, [0, 2]], rtol=2e-4, atol=1e-5)


def test_where_minutes_are_missing_it_nearly_does() -> None:
    made = features(gaps=0.1)
    whole = made.tensors(ORIGINS)
    model = fit_before(made, tiny_city.settings(), tiny_city.AS_OF, "linear_level")
    expected, own = model.predict(whole), model.predict(group_tensors(whole, [0, 2]))
    np.testing.assert_allclose(own.mean[:, :, :2], expected.mean[:, :, [0, 2]], rtol=0.02)


def test_the_row_holds_the_sums_over_what_was_observed() -> None:
    whole = features("ALL", gaps=0.3).tensors(ORIGINS)
    row = NetworkRow.of(whole)
    recent, profile = whole.recent[:, :, :3], whole.profile[:, :, :3]
    both = np.isfinite(recent) & np.isfinite(profile[..., : recent.shape[-1]])
    none = ~both.any(axis=2)
    assert none.any()
    np.testing.assert_array_equal(np.isnan(row.recent), none)
    np.testing.assert_allclose(np.nan_to_num(row.recent), np.where(both, recent, 0).sum(axis=2))
    np.testing.assert_allclose(
        row.profile[..., recent.shape[-1] :], profile[..., recent.shape[-1] :].sum(axis=2), rtol=1e-6
    )
    np.testing.assert_allclose(row.trail, whole.hours[:, :, :, :3].sum(axis=3), rtol=1e-6)
    lag, seen = whole.lags[1][:, :, :3], np.isfinite(whole.lags[1][:, :, :3])
    with np.errstate(invalid="ignore"):
        ratio = np.where(seen, lag, 0).sum(axis=2) / np.where(seen, profile, 0).sum(axis=2)
    some = seen.any(axis=2)
    np.testing.assert_allclose((row.lags[1] / row.profile)[some], ratio[some], rtol=1e-5)


def test_the_group_and_its_row_are_the_same_in_a_fit_and_in_a_forecast_to_the_bit() -> None:
    made = features(gaps=0.1)
    own = GroupFeatures(made, [2, 0], NetworkRows(made))
    again = own.tensors(ORIGINS[1:])  # rows of these are made anew
    for fitted, live in (
        (own.tensors(ORIGINS), group_tensors(made.tensors(ORIGINS), [2, 0])),
        (again, group_tensors(made.tensors(ORIGINS[1:]), [2, 0])),
        (own.tensors(ORIGINS, [1]), group_tensors(made.tensors(ORIGINS), [0])),
    ):
        for name in ("lags", "recent", "profile", "level", "calendar", "trail"):
            np.testing.assert_array_equal(getattr(fitted, name), getattr(live, name))
        assert fitted.stations == live.stations
        assert fitted.stations[-1] == fitted.network == NETWORK
        assert fitted.parts == slice(len(fitted.stations) - 1, None)
    truth = own.truth(ORIGINS)
    np.testing.assert_array_equal(truth[:, :, :2], made.truth(ORIGINS)[:, :, [2, 0]])
    assert np.isnan(truth[:, :, 2]).all()
    assert np.isnan(own.grid.values[:, -1]).all()
    assert own.truth(ORIGINS[:0]).shape == (2, 0, 3, 12)
    assert own.tensors(ORIGINS[:0]).recent.shape[:3] == (2, 0, 3)


def test_nothing_at_or_after_an_origin_changes_the_row() -> None:
    made, origin = features(), ORIGINS[2:3]
    changed = made.grid.values.copy()
    changed[:, :, int(made.grid.index(origin)[0]) :] = 7e3
    other = MinuteFeatures(replace(made.grid, values=changed), "UTC", FeatureSettings(weeks=4))
    rows = [NetworkRow.of(each.tensors(origin)) for each in (made, other)]
    for name in ("lags", "recent", "profile", "trail"):
        np.testing.assert_array_equal(*(getattr(row, name) for row in rows))


@pytest.mark.parametrize("name", ["linear_level", "weekday_level", "gradient_boosting"])
def test_a_grouped_model_forecasts_each_group_as_the_model_fitted_on_it_alone(name: str) -> None:
    made, wanted = features("ALL"), settings(name)
    wanted = wanted.model_copy(update={"models": {"gradient_boosting": {"trees": 4, "max_samples": 800}}})
    grouped = fit_before(made, wanted, tiny_city.AS_OF, name)
    assert isinstance(grouped, Grouped)
    assert [model.group for model in grouped.models] == ["centre", "rest", "ALL"]
    tensors = made.tensors(ORIGINS)
    answer = grouped.predict(tensors)
    split = split_of(made, wanted, tiny_city.AS_OF, wanted.retrain.model_copy(update={"holdout_days": 0}))
    for number, at in enumerate(([0, 2], [1], [3])):
        group, network = Group.of("one", at, made.grid), NetworkRows(made)
        alone = fit_group(wanted, name, made, split, wanted.retrain.seed, group, network, FitLog())
        own = alone.predict(GroupFeatures(made, at, network).tensors(ORIGINS))
        np.testing.assert_array_equal(answer.mean[:, :, at], own.mean[:, :, : len(at)])
        np.testing.assert_array_equal(answer.quantiles[:, :, :, at], own.quantiles[:, :, :, : len(at)])
        assert set(grouped.models[number].stations) == {made.grid.stations[i] for i in at}
    assert np.isfinite(answer.mean).all()


def test_counts_at_or_after_the_moment_change_nothing_of_a_grouped_fit() -> None:
    made, moment = features(), tiny_city.AS_OF - np.timedelta64(2, "D")
    changed = made.grid.values.copy()
    changed[:, :, int(made.grid.index(moment)) :] = 500
    other = MinuteFeatures(replace(made.grid, values=changed), "UTC", FeatureSettings(weeks=4))
    tensors = made.tensors(ORIGINS)
    answers = [fit_before(each, settings(), moment, "linear_level").predict(tensors) for each in (made, other)]
    np.testing.assert_array_equal(answers[0].mean, answers[1].mean)
    np.testing.assert_array_equal(answers[0].quantiles, answers[1].quantiles)


def test_a_grouped_model_is_one_bundle_of_parts_that_forecasts_the_same(tmp_path: Path) -> None:
    made = features()
    linear = fit_before(made, settings(), tiny_city.AS_OF, "linear_level")
    assert isinstance(linear, Grouped)
    mean = architectures.initial_forecaster("weekday_mean")
    mixed = Grouped("linear_level", [linear.models[0], GroupModel("rest", ("harbour",), mean, whole=True)])
    save_bundle(tmp_path, mixed, {})
    assert list(read_head(tmp_path)["files"]) == ["group-0/ridge.npz"]
    loaded, tensors = load_bundle(tmp_path), made.tensors(ORIGINS)
    expected, again = mixed.predict(tensors), loaded.predict(tensors)
    np.testing.assert_allclose(again.mean, expected.mean, rtol=1e-6)
    np.testing.assert_allclose(again.quantiles, expected.quantiles, rtol=1e-6)
    np.testing.assert_array_equal(again.mean[:, :, 1], mean.predict(tensors).mean[:, :, 1])
    (tmp_path / "group-0/ridge.npz").write_bytes(b"damaged")
    with pytest.raises(ModelError, match=r"group-0.ridge\.npz is missing or damaged"):
        load_bundle(tmp_path)


def test_a_bundle_without_a_part_or_with_an_unknown_model_is_rejected(tmp_path: Path) -> None:
    save_bundle(tmp_path / "none", Grouped("linear_level", ()), {})
    with pytest.raises(ModelError, match="has no groups that can be read"):
        load_bundle(tmp_path / "none")
    strange = architectures.initial_forecaster("weekday_mean")
    strange.name = "oracle"  # type: ignore[misc]
    save_bundle(tmp_path / "strange", Grouped("linear_level", [GroupModel("a", ("x",), strange)]), {})
    with pytest.raises(ModelError, match="wants model 'oracle'"):
        load_bundle(tmp_path / "strange")


def test_parts_that_see_the_whole_network_get_all_of_it_and_others_their_own_stations() -> None:
    whole, own = FakeForecaster("whole"), FakeForecaster("own", lambda p: Prediction(p.mean + 1000, p.quantiles + 1000))
    model = Grouped("x", [GroupModel("a", ("harbour",), own), GroupModel("b", ("central",), whole, whole=True)])
    answer = model.predict(features("ALL").tensors(ORIGINS))
    assert [seen.stations for seen in own.seen] == [("harbour", "museum", "ALL", NETWORK)]
    assert [seen.stations for seen in whole.seen] == [("central", "harbour", "museum", "ALL")]
    assert (answer.mean[:, :, [1, 2, 3]] >= 1000).all()  # who is new is answered by the first part
    assert (answer.mean[:, :, 0] < 1000).all()


def test_a_model_that_keeps_several_groups_is_one_part() -> None:
    champion, new = FakeForecaster("champion"), FakeForecaster("new")
    parts = [
        *models_for(champion, ["a", "b"], "north"),
        GroupModel("south", ("c",), new),
        *models_for(champion, ["d"], "east"),
    ]
    joined = join_models(parts)
    assert [(p.group, p.stations, p.whole) for p in joined] == [
        ("north, east", ("a", "b", "d"), True),
        ("south", ("c",), False),
    ]


def test_a_group_keeps_the_parts_that_answered_for_its_stations_and_goes_on_from_the_one_of_most() -> None:
    first, second = FakeForecaster("first"), FakeForecaster("second")
    before = Grouped("x", [GroupModel("red", ("a", "b"), first), GroupModel("blue", ("c", "d", "e"), second)])
    kept = models_for(before, ["b", "c", "new"], "north")
    assert [(p.stations, p.forecaster, p.whole) for p in kept] == [
        (("b", "new"), first, False),
        (("c",), second, False),
    ]
    assert start_for(before, ["b", "c", "d"]) is second
    assert start_for(first, ["b"]) is first
    assert start_for(None, ["b"]) is None


def test_a_group_of_counts_in_a_file_sees_what_one_in_memory_does_and_holds_its_own_in_a_file(tmp_path: Path) -> None:
    held, mapped = (
        GroupFeatures(made, [2, 0], NetworkRows(made))
        for made in (tiny_city.features(), tiny_city.mapped_features(tmp_path))
    )
    np.testing.assert_array_equal(mapped.grid.values, held.grid.values)
    assert mapped.grid.values.transpose(2, 0, 1).flags.c_contiguous
    one, other = held.tensors(ORIGINS), mapped.tensors(ORIGINS)
    for name in ("lags", "recent", "profile", "level", "trail"):
        assert getattr(one, name).tobytes() == getattr(other, name).tobytes(), name
    assert held.truth(ORIGINS).tobytes() == mapped.truth(ORIGINS).tobytes()
