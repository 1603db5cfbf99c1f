"""How fast the default model trains: rows a second, the share of a step spent waiting for input, seconds, memory.

    python benchmarks/training.py [--stations 20] [--weeks 20] [--model next_hour_lstm] [--json FILE]

The network is made up: counts a minute with daily and weekly shape, days at levels of their own. TensorFlow's import
is timed apart. The wait is what an epoch takes longer than one whose batches are made already.
"""

from __future__ import annotations

import argparse
import json
import resource
import sys
from dataclasses import asdict, dataclass
from pathlib import Path
from time import perf_counter
from typing import Any

import numpy as np

from tasks.contracts import FitLog, Grid
from tasks.features.features import MinuteFeatures
from tasks.model.keras_fit import Rows, batches, compile_network
from tasks.model.train import train
from tasks.settings import Settings

DAY = 1440
EPOCH_ROWS = 20_480
BATCH = 256


@dataclass(frozen=True)
class Figures:
    """What was measured; seconds of wall clock, rows are (origin, station) windows."""

    stations: int
    weeks: int
    model: str
    import_seconds: float
    train_seconds: float
    fit_seconds: float
    rows: int
    rows_a_second: int
    wait_share: float
    peak_gigabytes: float


def city(stations: int, weeks: int, seed: int = 1) -> Grid:
    """Counts of a made-up network, [2, stations, minutes]."""
    rng = np.random.default_rng(seed)
    days = 7 * weeks
    turn = 2 * np.pi * np.arange(DAY) / DAY
    shape = np.maximum(0.02, 1 - np.cos(turn) - 0.8 * np.cos(2 * turn)).astype(np.float32)
    values = np.empty((2, stations, days * DAY), np.float32)
    level = rng.lognormal(0, 0.2, days) * np.where(np.arange(days) % 7 < 5, 1, 0.5)
    for station, size in enumerate(rng.lognormal(0, 1, stations)):
        for target in range(2):
            rate = (size * level[:, None] * np.roll(shape, 60 * target)).ravel()
            values[target, station] = rng.poisson(rate)
    return Grid(
        values, np.datetime64("2024-01-01T06:00", "m"), 1, tuple(f"S{i:03d}" for i in range(stations)), ("in", "out")
    )


def wait_share() -> float:
    """What an epoch on `batches` takes longer than on batches that are made already, as a share of it."""
    import keras

    from tasks.model.residual_network import Shape, build, loss_with

    rng = np.random.default_rng(0)
    inputs = {
        "weeks": rng.normal(0, 0.5, (EPOCH_ROWS, 15, 136)).astype(np.float32),
        "context": rng.normal(0, 0.5, (EPOCH_ROWS, 44)).astype(np.float32),
        "station": rng.integers(0, 21, (EPOCH_ROWS, 1)).astype(np.int32),
        "base": rng.gamma(2, 1, (EPOCH_ROWS, 2, 60)).astype(np.float32),
    }
    rows = Rows(inputs, rng.poisson(2, (EPOCH_ROWS, 1, 2, 60)).astype(np.float32), np.ones(EPOCH_ROWS, np.float32))
    model = build(Shape.of(inputs, 20, 1, 5), 64, 8, 0.1)
    compile_network(model, loss_with(1.0), keras.optimizers.Adam())
    order = rng.permutation(EPOCH_ROWS)
    one = batches(rows, BATCH, order)[0]

    class Ready(keras.utils.PyDataset):  # type: ignore[misc,name-defined]
        def __len__(self) -> int:
            return EPOCH_ROWS // BATCH

        def __getitem__(self, _: int) -> Any:
            return one

    took: dict[str, list[float]] = {"fed": [], "ready": []}
    for turn in range(4):
        for name, feed in (("fed", batches(rows, BATCH, order)), ("ready", Ready())):
            began = perf_counter()
            model.fit(feed, epochs=1, shuffle=False, verbose=0)
            if turn:  # the first one builds the graph
                took[name].append(perf_counter() - began)
    return max(1 - min(took["ready"]) / min(took["fed"]), 0.0)


def measure(stations: int, weeks: int, model: str) -> Figures:
    """Train once on a made-up network."""
    began = perf_counter()
    import tensorflow  # noqa: F401

    imported = perf_counter() - began
    grid = city(stations, weeks)
    began, notes = perf_counter(), FitLog()
    features = MinuteFeatures(grid, "America/Chicago")
    train(features, Settings(), grid.minutes[-1], model, notes)
    return Figures(
        stations=stations,
        weeks=weeks,
        model=model,
        import_seconds=round(imported, 1),
        train_seconds=round(perf_counter() - began, 1),
        fit_seconds=notes.notes["fit_seconds"],
        rows=notes.notes["training_rows"],
        rows_a_second=notes.notes["rows_a_second"],
        wait_share=round(wait_share(), 3),
        peak_gigabytes=round(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1e6, 2),
    )


def main() -> None:
    """Print the figures as JSON."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--stations", type=int, default=20)
    parser.add_argument("--weeks", type=int, default=20)
    parser.add_argument("--model", default="next_hour_lstm")
    parser.add_argument("--json", type=Path)
    asked = parser.parse_args()
    found = json.dumps(asdict(measure(asked.stations, asked.weeks, asked.model)), indent=1)
    if asked.json:
        asked.json.write_text(found)
    sys.stdout.write(found + "\n")


if __name__ == "__main__":
    main()
