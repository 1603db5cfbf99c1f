"""Networks of several seeds that forecast as one, and are one bundle."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from support import tiny_city
from support.forecast_fakes import FakeFeatures, FakeForecaster, random_grid

from tasks.contracts import FitLog, Forecaster, Prediction
from tasks.errors import ModelError
from tasks.model.ensemble import Ensemble, average_quantiles, member_of
from tasks.model.promotion.champion import bundle_folder, move_pointer, store_bundle
from tasks.model.serving.bundle import load_bundle, read_head, save_bundle
from tasks.model.steps import load_forecaster
from tasks.model.training.fit import fit_forecaster
from tasks.model.training.train import fit_before, split_of
from tasks.settings.tree import Settings
from tasks.storage.store import Store

NAME = "gradient_boosting"
ORIGINS = tiny_city.AS_OF - np.arange(6, 0, -1) * np.timedelta64(95, "m")


def settings(members: int, root: str = ".nexthour") -> Settings:
    made = tiny_city.settings(root)
    plan = made.retrain.model_copy(update={"members": members})
    return made.model_copy(
        update={"retrain": plan, "models": {NAME: {"trees": 4, "max_samples": 800, "max_validation": 400}}}
    )


LOGS = [FitLog() for _ in range(3)]
"""Of the pair, and of either member by itself."""


@pytest.fixture(scope="module")
def pair() -> Ensemble:
    wanted = settings(2)
    split = split_of(tiny_city.features(), wanted, tiny_city.AS_OF, wanted.retrain)
    made = fit_forecaster(wanted, NAME, tiny_city.features(), split, 5, LOGS[0])
    assert isinstance(made, Ensemble)
    return made


@pytest.fixture(scope="module")
def alone() -> list[Forecaster]:
    wanted = settings(1)
    split = split_of(tiny_city.features(), wanted, tiny_city.AS_OF, wanted.retrain)
    return [fit_forecaster(wanted, NAME, tiny_city.features(), split, 5 + i, LOGS[1 + i]) for i in range(2)]


def test_members_are_those_of_consecutive_seeds_and_their_answers_are_averaged(
    pair: Ensemble, alone: list[Forecaster]
) -> None:
    tensors = tiny_city.features().tensors(ORIGINS)
    answers = [one.predict(tensors) for one in alone]
    assert not np.array_equal(answers[0].mean, answers[1].mean)
    made = pair.predict(tensors)
    np.testing.assert_allclose(made.mean, (answers[0].mean + answers[1].mean) / 2, rtol=1e-6)
    np.testing.assert_array_equal(made.quantiles, average_quantiles([a.quantiles for a in answers]))
    assert (np.diff(made.quantiles, axis=0) >= 0).all()
    assert made.mean.dtype == made.quantiles.dtype == np.float32


def test_what_is_noted_is_the_first_fit_with_the_number_and_the_seconds_of_all(
    pair: Ensemble, alone: list[Forecaster]
) -> None:
    assert LOGS[0].notes["members"] == 2
    assert LOGS[0].epochs == LOGS[1].epochs != LOGS[2].epochs
    assert LOGS[0].notes["fit_seconds"] >= 0  # rounded to a tenth


def test_seconds_of_members_add_up(monkeypatch: pytest.MonkeyPatch) -> None:
    split = split_of(tiny_city.features(), settings(3), tiny_city.AS_OF, settings(3).retrain)
    moments = iter(np.arange(0, 100, 1.5))
    monkeypatch.setattr("tasks.model.architectures.gradient_boosting.perf_counter", lambda: float(next(moments)))
    log = FitLog()
    fit_forecaster(settings(3), NAME, tiny_city.features(), split, 5, log)
    assert log.notes["fit_seconds"] == 4.5


def test_an_ensemble_is_one_bundle_that_loads_from_a_store_and_forecasts_the_same(
    pair: Ensemble, tmp_path: Path
) -> None:
    save_bundle(tmp_path / "made", pair, {"as_of": "2024-02-12T00:00:00Z"})
    tensors = tiny_city.features().tensors(ORIGINS)
    expected = pair.predict(tensors)
    wanted = settings(2, str(tmp_path / "root"))
    store = Store(wanted.data_root)
    store_bundle(store, "4", tmp_path / "made")
    move_pointer(store, "4", None, tiny_city.AS_OF, "by hand")
    for loaded in (load_bundle(tmp_path / "made"), load_forecaster(wanted, "champion")):
        again = loaded.predict(tensors)
        np.testing.assert_allclose(again.mean, expected.mean, rtol=1e-5)
        np.testing.assert_allclose(again.quantiles, expected.quantiles, atol=1e-4)
    assert len(read_head(tmp_path / "made")["files"]) == 2
    damaged = Path(wanted.data_root) / bundle_folder("4") / "member-1/network.onnx"
    damaged.write_bytes(damaged.read_bytes()[:-9])
    with pytest.raises(ModelError, match=r"member-1.network\.onnx is missing or damaged"):
        load_forecaster(wanted, "champion")


def test_the_bundle_of_one_network_is_as_it_was(alone: list[Forecaster], tmp_path: Path) -> None:
    save_bundle(tmp_path, alone[0], {})
    assert list(read_head(tmp_path)["files"]) == ["network.onnx"]
    assert "members" not in read_head(tmp_path)["config"]


def test_an_ensemble_of_nobody_is_rejected(tmp_path: Path) -> None:
    save_bundle(tmp_path, Ensemble(NAME, ()), {})
    with pytest.raises(ModelError, match="has no members"):
        load_bundle(tmp_path)


def test_what_no_seed_changes_is_fitted_once() -> None:
    made = fit_before(tiny_city.features(), settings(3), tiny_city.AS_OF, "weekday_level")
    assert not isinstance(made, Ensemble)


def test_each_member_goes_on_from_the_one_of_its_number() -> None:
    a, b = FakeForecaster("a"), FakeForecaster("b")
    before = Ensemble("x", (a, b))
    assert [member_of(before, i) for i in range(3)] == [a, b, a]
    assert member_of(a, 1) is a
    assert member_of(None, 1) is None


def test_quantiles_are_averaged_level_by_level() -> None:
    tensors = FakeFeatures(random_grid("2024-02-24T00:00", 15, interval=10)).tensors(
        np.array(["2024-03-08T12:00"], "M8[m]")
    )
    shift = [FakeForecaster("x", lambda p, by=by: Prediction(p.mean + by, p.quantiles * by)) for by in (1, 2.5)]  # type: ignore[misc]
    made, plain = Ensemble("x", shift).predict(tensors), FakeForecaster().predict(tensors)
    np.testing.assert_allclose(made.quantiles, 1.75 * plain.quantiles, rtol=1e-5)
    np.testing.assert_allclose(made.mean, plain.mean + 1.75, rtol=1e-5)


def test_counts_stay_whole_and_those_a_hundredth_short_of_one_do_where_most_members_say_so() -> None:
    said = [[0, 1.01, 3, 5, 6, 6.99, 9], [0, 2.01, 3, 5, 6, 6.99, 10], [1, 2, 4, 5, 7, 7, 10]]
    made = average_quantiles([np.array(q, np.float32)[:, None] for q in said])
    np.testing.assert_allclose(made[:, 0], [0, 2.01, 3, 5, 6, 6.99, 10], atol=1e-6)


def test_where_two_members_differ_over_the_hundredth_the_interval_keeps_the_count() -> None:
    said = [[0, 1.01, 2, 4, 5, 6.99, 8], [1, 1, 2, 4, 6, 7, 9]]
    made = average_quantiles([np.array(q, np.float32)[:, None] for q in said])
    np.testing.assert_allclose(made[:, 0], [0, 1, 2, 4, 6, 7, 8], atol=1e-6)
