"""A bundle that doubles its input, and nights that log it: versions in MLflow without any training."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np

from tasks.settings.tree import Settings
from tasks.tracking import registry, runs

LOADER = """
import json, pathlib

class Doubler:
    def __init__(self, folder):
        self.factor = json.loads((pathlib.Path(folder) / "bundle.json").read_text())["factor"]

    def predict(self, data, params=None):
        return {"mean": data["lags"] * self.factor}

def _load_pyfunc(folder):
    return Doubler(folder)
"""


def served(folder: Path, factor: float = 2.0) -> registry.Served:
    """A bundle of one JSON file that multiplies its input."""
    package, bundle = folder / "doubling", folder / "bundle"
    package.mkdir(parents=True)
    bundle.mkdir()
    (package / "__init__.py").write_text(LOADER)
    (bundle / "bundle.json").write_text(json.dumps({"factor": factor}))
    (bundle / "network.onnx").write_bytes(b"not read")
    lags = np.ones((1, 2, 3), np.float32)
    return registry.Served(bundle, "doubling", package, {"lags": lags}, {"mean": lags * np.float32(factor)})


def register_night(settings: Settings, name: str, folder: Path) -> str:
    """A retraining of that name, with a text and metrics; returns its version."""
    tags = {"nexthour.network": settings.network.name}
    with runs.connect(settings) as tracking, runs.open_run(tracking, runs.RETRAIN_TAG, name, name, tags) as run:
        version = registry.log_version(run, settings, served(folder, len(name)), {}, name)
        run.text("decision.md", "kept")
        run.params({"seed": 7})
        run.metrics({"holdout/challenger.rmse_hour": 3.0}, np.datetime64("2026-03-10"), model_id=version.model_id)
        return version.number
