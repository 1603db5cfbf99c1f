"""A registered network answers behind MLflow's server as it did when it was fitted, and without TensorFlow."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from model.test_total import WITH

from tasks.contracts import Tensors
from tasks.errors import ModelError
from tasks.model.architectures import initial_forecaster
from tasks.model.review.register import bundle_meta
from tasks.model.serving.bundle import save_bundle
from tasks.model.serving.pyfunc import FREE_AXES, ServedBundle, to_arrays
from tasks.model.training.train import Trained

ASK = """
import sys
from pathlib import Path
import numpy as np
from tasks.model.serving.pyfunc import ServedBundle

folder = Path(sys.argv[1])
with np.load(folder / "asked.npz") as asked:
    np.savez(folder / "answer.npz", **ServedBundle(folder / "bundle").predict(dict(asked)))
assert not {"tensorflow", "keras", "mlflow"} & set(sys.modules)
"""


def test_a_served_network_answers_with_its_counts_and_without_tensorflow(
    tiny_champion: Trained, tmp_path: Path
) -> None:
    save_bundle(tmp_path / "bundle", tiny_champion.forecaster, bundle_meta(tiny_champion))
    tensors = tiny_champion.features.tensors(tiny_champion.split.holdout[:2])
    np.savez(tmp_path / "asked.npz", allow_pickle=False, **to_arrays(tensors, tiny_champion.features.grid.stations))
    subprocess.run([sys.executable, "-c", ASK, str(tmp_path)], check=True, cwd=Path(__file__).parents[3])
    expected = tiny_champion.forecaster.predict(tensors)
    with np.load(tmp_path / "answer.npz") as answer:
        np.testing.assert_allclose(answer["mean"], np.moveaxis(expected.mean, 1, 0), rtol=1e-5, atol=1e-6)
        np.testing.assert_allclose(answer["quantiles"], np.moveaxis(expected.quantiles, 2, 0), rtol=1e-5, atol=1e-6)


@pytest.fixture
def bundle(tmp_path: Path) -> ServedBundle:
    """Profile times level for a network with a total."""
    meta = {"stations": WITH.stations, "total": WITH.total, "targets": WITH.targets, "interval": WITH.interval}
    save_bundle(tmp_path / "bundle", initial_forecaster("weekday_level"), meta)
    return ServedBundle(tmp_path / "bundle")


def of_stations(tensors: Tensors, chosen: list[int]) -> dict[str, np.ndarray]:
    """What is asked when some stations are asked for, in that order."""
    arrays = to_arrays(tensors, tensors.stations)
    axis = {name: free[-1] for name, free in FREE_AXES.items() if len(free) > 1 and name != "station"}
    cut = {name: np.take(x, chosen, axis[name]) if name in axis else x for name, x in arrays.items()}
    return cut | {"station": arrays["station"][:, chosen]}


def test_served_stations_add_up_to_their_total_where_all_are_asked_for(bundle: ServedBundle) -> None:
    last = len(WITH.stations) - 1
    for chosen in ([*range(last), last], [*reversed(range(last)), last]):
        mean = bundle.predict(of_stations(WITH, chosen))["mean"]
        np.testing.assert_allclose(mean[:, :, -1], mean[:, :, :-1].sum(axis=2), rtol=1e-5, atol=1e-6)
    for chosen in ([0, last], [0, *range(last), last]):  # a few, and one of them twice
        mean = bundle.predict(of_stations(WITH, chosen))["mean"]
        assert not np.allclose(mean[:, :, -1], mean[:, :, :-1].sum(axis=2))


@pytest.mark.parametrize("wrong", [-1, len(WITH.stations)])
def test_a_position_that_is_no_station_is_rejected(bundle: ServedBundle, wrong: int) -> None:
    asked = to_arrays(WITH, WITH.stations)
    with pytest.raises(ModelError, match=rf"positions from 0 to {len(WITH.stations) - 1}, of meta.stations"):
        bundle.predict(asked | {"station": np.where(asked["station"] == 1, wrong, asked["station"])})


def test_stations_that_differ_between_origins_are_rejected(bundle: ServedBundle) -> None:
    asked = to_arrays(WITH, WITH.stations)
    asked["station"][1] = asked["station"][1, ::-1]
    with pytest.raises(ModelError, match="the same for every origin"):
        bundle.predict(asked)


def test_the_loader_that_older_versions_name_is_the_present_one() -> None:
    from tasks.model import served
    from tasks.model.serving import pyfunc

    assert served._load_pyfunc is pyfunc._load_pyfunc
