"""Models that forecast beside the champion, unpublished."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from support.forecast_fakes import FakeFeatures, FakeForecaster, random_grid

import tasks.model.steps
from flows.pipelines.publication import forecast_shadows
from tasks.contracts import Forecaster
from tasks.errors import ConfigError, ModelError
from tasks.forecast.steps import issue_shadow
from tasks.model.steps import load_forecaster
from tasks.settings.forecast import ForecastSettings, model_of
from tasks.settings.tree import Settings
from tasks.storage.store import Store
from tasks.tables import schemas

ORIGIN = np.datetime64("2024-03-05T09:00", "m")


def features() -> FakeFeatures:
    return FakeFeatures(random_grid("2024-02-18", 18))


def shadows(root: Path) -> dict[str, int]:
    """Name of a shadow -> rows of it."""
    store = Store(str(root))
    rows = store.read_tables(store.files("shadows", ".parquet"), schemas.SHADOWS)
    names, counts = np.unique(rows["model_version"].to_pylist(), return_counts=True)
    return dict(zip(names.tolist(), counts.tolist(), strict=True))


def test_a_shadow_is_kept_in_a_table_of_its_own_under_its_name(tmp_path: Path) -> None:
    settings = Settings(data_root=str(tmp_path))
    for _ in range(2):
        issue_shadow(settings, features(), "version:7", lambda: FakeForecaster("7"), ORIGIN, ORIGIN)
    issue_shadow(settings, features(), "previous", lambda: FakeForecaster("7"), ORIGIN, ORIGIN)
    assert shadows(tmp_path) == {"previous": 360, "version:7": 360}
    assert len(Store(str(tmp_path)).files("shadows")) == 2
    assert not (tmp_path / "forecasts").exists()


def test_a_shadow_that_fails_or_is_absurd_stops_neither_the_others_nor_the_run(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def load(settings: Settings, name: str) -> Forecaster:
        if name == "previous":
            raise ModelError("there is no previous yet")
        if name == "linear_level":
            raise ZeroDivisionError("a bug")
        return FakeForecaster(name)

    monkeypatch.setattr(tasks.model.steps, "load_forecaster", load)
    names = ("previous", "linear_level", "version:7")
    settings = Settings(data_root=str(tmp_path), forecast=ForecastSettings(shadows=names))
    failed = forecast_shadows(settings, features(), ORIGIN, ORIGIN)
    assert set(failed) == {"previous", "linear_level"}
    assert "there is no previous yet" in failed["previous"]
    assert shadows(tmp_path) == {"version:7": 360}


def test_names_of_shadows_are_checked_when_settings_are_read() -> None:
    for wrong in (("champion",), ("version:x",), ("../x",), ("previous", "previous"), ("a",) * 9):
        with pytest.raises((ConfigError, ValueError)):
            ForecastSettings(shadows=wrong)
    assert [model_of(name) for name in ("version:7", "previous")] == ["7", "previous"]


def test_the_challenger_is_the_newest_bundle_that_does_not_publish(tmp_path: Path) -> None:
    settings, store = Settings(data_root=str(tmp_path)), Store(str(tmp_path))
    with pytest.raises(ModelError, match="there is no challenger"):
        load_forecaster(settings, "challenger")
    for version in ("2", "9", "10", "11"):
        store.write_json(f"bundles/{version}/bundle.json", {})
    store.write_json("bundles/champion.json", {"version": "11", "previous": "9", "folder": "bundles/11"})
    with pytest.raises(ModelError, match=r"bundles/10"):
        load_forecaster(settings, "challenger")
