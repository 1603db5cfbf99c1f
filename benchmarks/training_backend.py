"""The default network trained some epochs on whichever backend KERAS_BACKEND names; prints losses and speed as JSON.

    KERAS_BACKEND=jax PYTHON benchmarks/training_backend.py [--stations 6] [--weeks 8] [--epochs 4]

It wants Keras with the backend (keras, jax), numpy, pydantic-settings, pyarrow, onnxruntime and holidays, no more.
"""

from __future__ import annotations

import argparse
import json
import sys

import numpy as np
from made_up import city

from tasks.arrays import HORIZON_MINUTES
from tasks.contracts import FitLog
from tasks.features.tensors import MinuteFeatures
from tasks.model.architectures._next_hour.network import Shape, build_network, likelihood, loss_with, quantile_loss
from tasks.model.architectures._next_hour.row_weights import station_weights, weighted_rows
from tasks.model.architectures._next_hour.samples import draw
from tasks.model.architectures.next_hour_lstm import NextHourConfig
from tasks.model.networks.fit import FitRows, Plan, compile_network, fit_network, keras_backend, seed_everything

EVERY, HELD = 15, 7 * 1440 // 15
ROWS, VALIDATION = 16_000, 4_000


def rows_of(stations: int, weeks: int) -> tuple[FitRows, FitRows]:
    """Rows of the default's fit, and of the last week: the same on every backend."""
    grid, config = city(stations, weeks), NextHourConfig()
    features, rng = MinuteFeatures(grid, "America/Chicago"), np.random.default_rng(7)
    last = grid.minutes[-1] - np.timedelta64(HORIZON_MINUTES, "m")
    origins = last - np.arange((weeks - 2) * HELD)[::-1] * np.timedelta64(EVERY, "m")
    train = draw(features, origins[:-HELD], ROWS, grid.stations, config.inputs, rng, config.augment)
    held = draw(features, origins[-HELD:], VALIDATION, grid.stations, config.inputs, rng)
    weights = station_weights(train, stations, config.fairness)
    return weighted_rows(train, weights), weighted_rows(held, weights)


def main() -> None:
    """Train and tell."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--stations", type=int, default=6)
    parser.add_argument("--weeks", type=int, default=8)
    parser.add_argument("--epochs", type=int, default=4)
    asked = parser.parse_args()
    seed_everything(7)
    import keras

    config, notes = NextHourConfig(), FitLog()
    train, held = rows_of(asked.stations, asked.weeks)
    shape = Shape.of(train.inputs, asked.stations, 1, config.inputs.bin_minutes)
    model = build_network(shape, config.units, config.embedding, config.dropout)
    metrics = [likelihood, quantile_loss]
    compile_network(model, loss_with(config.quantile_weight), keras.optimizers.Adam(config.learning_rate), metrics)
    fit_network(model, train, held, Plan(asked.epochs, config.batch, asked.epochs, 3600.0), notes)
    found = {
        "backend": keras_backend(),
        "tensorflow_imported": "tensorflow" in sys.modules,
        "untrained_loss": notes.notes["untrained_loss"],
        "losses": [round(loss, 5) for loss in notes.epochs["val_loss"]],
        "best_loss": min(notes.epochs["val_loss"]),
        "rows_a_second": notes.notes["rows_a_second"],
    }
    sys.stdout.write(json.dumps(found) + "\n")


if __name__ == "__main__":
    main()
