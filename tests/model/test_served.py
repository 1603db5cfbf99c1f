"""A registered network answers behind MLflow's server as it did when it was fitted, and without TensorFlow."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import numpy as np

from tasks.model.bundle import save_bundle
from tasks.model.register import bundle_meta
from tasks.model.served import to_arrays
from tasks.model.train import Trained

ASK = """
import sys
from pathlib import Path
import numpy as np
from tasks.model.served import ServedBundle

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
    np.savez(tmp_path / "asked.npz", **to_arrays(tensors, tiny_champion.features.grid.stations))
    subprocess.run([sys.executable, "-c", ASK, str(tmp_path)], check=True, cwd=Path(__file__).parents[2])
    expected = tiny_champion.forecaster.predict(tensors)
    with np.load(tmp_path / "answer.npz") as answer:
        np.testing.assert_allclose(answer["mean"], np.moveaxis(expected.mean, 1, 0), rtol=1e-5, atol=1e-6)
        np.testing.assert_allclose(answer["quantiles"], np.moveaxis(expected.quantiles, 2, 0), rtol=1e-5, atol=1e-6)
