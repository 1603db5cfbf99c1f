"""Models that an earlier release registered still load and forecast what they forecast then.

`fixtures/NAME` holds version 1 as commit 0dee314 registered it: `MLmodel`, which names the loader `tasks.model.served`
(its entry `code` is left out, so that the present code is loaded), the bundle, the pointer `champion.json`, and inputs
with the forecasts of the fitted model.
"""

from __future__ import annotations

import shutil
from pathlib import Path

import numpy as np
import pytest

from tasks.model.serving.pyfunc import to_tensors
from tasks.model.steps import load_version
from tasks.settings.tree import Settings

FIXTURES = Path(__file__).parent / "fixtures"
each = pytest.mark.parametrize("folder", sorted(FIXTURES.iterdir()), ids=lambda folder: folder.name)


def arrays(path: Path) -> dict[str, np.ndarray]:
    with np.load(path, allow_pickle=False) as held:
        return dict(held)


@each
def test_an_earlier_version_forecasts_the_same_behind_mlflow(folder: Path) -> None:
    import mlflow

    model = mlflow.pyfunc.load_model(str(folder))
    assert model.metadata.flavors["python_function"]["loader_module"] == "tasks.model.served"
    answer, expected = model.predict(arrays(folder / "inputs.npz")), arrays(folder / "expected.npz")
    assert set(answer) == set(expected) == {"mean", "quantiles"}
    for name, values in expected.items():
        np.testing.assert_allclose(answer[name], values, rtol=1e-6, atol=1e-6)


@each
def test_an_earlier_bundle_is_the_champion_and_forecasts_the_same(folder: Path, tmp_path: Path) -> None:
    shutil.copytree(folder / "data" / "bundle", tmp_path / "bundles" / "1")
    shutil.copy(folder / "champion.json", tmp_path / "bundles" / "champion.json")
    champion = load_version(Settings(data_root=str(tmp_path)), "champion")
    assert (champion.name, champion.forecaster.name) == ("1", folder.name)
    assert champion.as_of == np.datetime64("2024-02-12T00:00:00")
    meta, expected = champion.meta, arrays(folder / "expected.npz")
    prediction = champion.predict(
        to_tensors(arrays(folder / "inputs.npz"), meta["stations"], meta["targets"], meta["interval"])
    )
    np.testing.assert_allclose(np.moveaxis(prediction.mean, 1, 0), expected["mean"], rtol=1e-6, atol=1e-6)
    np.testing.assert_allclose(np.moveaxis(prediction.quantiles, 2, 0), expected["quantiles"], rtol=1e-6, atol=1e-6)
