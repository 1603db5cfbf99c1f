"""The rivals' side of `accuracy.py`: LightGBM through mlforecast; neuralforecast's LSTM and NHITS.

    RIVAL_PYTHON benchmarks/rivals.py TASK.npz ANSWER.npz [--models lightgbm,lstm,nhits] [--seed 7]

TASK.npz: `counts` float32 [station, step], NaN where not observed; `calendar` float32 [step, feature], known ahead;
`origins` int64 [origin], steps; `retrain` int64 [fit], steps before which each fit sees counts, ascending; `day`,
`week`, `horizon` in steps. ANSWER.npz: by model float32 [origin, station], expected people in the horizon.
"""

from __future__ import annotations

import argparse
import sys
import time
from collections.abc import Iterator
from typing import Any

import numpy as np
import pandas as pd

WEEKS = 14
VALIDATION_WEEKS = 1
NEURAL_STEPS = 1000
Choice = tuple[dict[str, Any], list[int]]
GRID = ({"num_leaves": 15, "min_child_samples": 100}, {"num_leaves": 63, "min_child_samples": 50})


class Task:
    """What is to be forecast; see the head of the file."""

    def __init__(self, path: str) -> None:
        with np.load(path) as held:
            self.counts, self.calendar = held["counts"], held["calendar"]
            self.origins, self.retrain = held["origins"], held["retrain"]
            self.day, self.week, self.horizon = (int(held[name]) for name in ("day", "week", "horizon"))

    def table(self) -> pd.DataFrame:
        """Columns unique_id, ds (step), y and calendar, by station and step."""
        stations, steps = self.counts.shape
        rows = {
            "unique_id": np.repeat(np.arange(stations), steps),
            "ds": np.tile(np.arange(steps), stations),
            "y": self.counts.ravel(),
        }
        for number, column in enumerate(self.calendar.T):
            rows[f"calendar{number}"] = np.tile(column, stations)
        return pd.DataFrame(rows)

    def periods(self) -> Iterator[tuple[int, np.ndarray]]:
        """Each fit's end, and which origins it serves."""
        serves = np.searchsorted(self.retrain, self.origins, side="right") - 1
        for number, end in enumerate(self.retrain):
            yield int(end), np.flatnonzero(serves == number)


def lightgbm(task: Task, seed: int) -> np.ndarray:
    """Direct Poisson trees a step of the horizon, on the lags that mlforecast makes; tuned on the last week."""
    import lightgbm as lgb
    from mlforecast import MLForecast
    from mlforecast.lag_transforms import RollingMean, SeasonalRollingMean

    weeks = [task.week * k for k in range(1, WEEKS + 1) if task.week * k < task.counts.shape[1] // 2]
    near = list(range(1, 9))
    maker = MLForecast(
        models=[],
        freq=1,
        lags=[*near, *(task.day * k for k in range(1, 7)), *weeks],
        lag_transforms={
            1: [RollingMean(4, min_samples=1), RollingMean(task.day, min_samples=1)],
            task.week - task.horizon: [SeasonalRollingMean(task.week, 4, min_samples=1)],
            task.week: [RollingMean(5, min_samples=1), SeasonalRollingMean(task.week, len(weeks), min_samples=1)],
        },
        num_threads=1,
    )
    table = task.table()
    held = table.assign(y=table["y"].fillna(-1))  # what is not observed is put back below
    made = maker.preprocess(held, dropna=False, static_features=[])
    features = made.drop(columns=["ds", "y"]).mask(made.drop(columns=["ds", "y"]) == -1).to_numpy(np.float32)
    stations, steps = task.counts.shape
    features = features.reshape(stations, steps, -1)
    ahead = np.stack([np.roll(task.counts, -k, axis=1) for k in range(task.horizon)])
    out = np.full((len(task.origins), stations), np.nan, np.float32)
    first = min(task.week, steps // 4)
    params, rounds = _tuned(features, ahead, first, int(task.retrain[0]), task, seed)
    for end, which in task.periods():
        rows = features[:, task.origins[which]].reshape(-1, features.shape[-1])
        total = np.zeros(len(rows))
        for k, n in enumerate(rounds):
            data = lgb.Dataset(*_rows(features, ahead[k], first, end - task.horizon))
            total += lgb.train(params, data, n).predict(rows)
        out[which] = total.reshape(stations, len(which)).T
    return out


def _tuned(features: np.ndarray, ahead: np.ndarray, first: int, end: int, task: Task, seed: int) -> Choice:
    """The better of `GRID` on the last week, and how many rounds each step of the horizon wants."""
    import lightgbm as lgb

    cut, found = end - VALIDATION_WEEKS * task.week, []
    for choice in GRID:
        params = {"objective": "poisson", "learning_rate": 0.08, "verbosity": -1, "num_threads": 1, "seed": seed}
        params |= choice | {"deterministic": True, "bagging_fraction": 0.8, "bagging_freq": 1}
        loss, rounds = 0.0, []
        for k in range(task.horizon):
            data = lgb.Dataset(*_rows(features, ahead[k], first, cut - task.horizon))
            held = lgb.Dataset(*_rows(features, ahead[k], cut, end - task.horizon), reference=data)
            model = lgb.train(params, data, 500, [held], callbacks=[lgb.early_stopping(30, verbose=False)])
            loss += model.best_score["valid_0"]["poisson"]
            rounds.append(max(model.best_iteration, 1))
        found.append((loss, params, rounds))
    _, params, rounds = min(found, key=lambda one: one[0])
    return params, rounds


def _rows(features: np.ndarray, truth: np.ndarray, start: int, stop: int) -> tuple[np.ndarray, np.ndarray]:
    x, y = features[:, start:stop].reshape(-1, features.shape[-1]), truth[:, start:stop].ravel()
    seen = np.isfinite(y)
    return x[seen], y[seen]


def fill_gaps(counts: np.ndarray, week: int) -> np.ndarray:
    """Counts per station and step, a gap filled with what stood a week before."""
    known = counts.copy()
    for step in range(week, known.shape[1]):
        gap = np.isnan(known[:, step])
        known[gap, step] = known[gap, step - week]
    return known


def neural(task: Task, seed: int, kind: str) -> np.ndarray:
    """One fit on what lies before the first origin, then a forecast at every step, as neuralforecast does it.

    A gap is filled with what stood a week before, or nothing; the last week before the first origin ends it early.
    """
    from neuralforecast import NeuralForecast
    from neuralforecast.losses.pytorch import MAE
    from neuralforecast.models import LSTM, NHITS

    table = task.table()
    table["y"] = np.nan_to_num(fill_gaps(task.counts, task.week)).ravel()
    calendar = [name for name in table.columns if name.startswith("calendar")]
    common = {
        "h": task.horizon,
        "futr_exog_list": calendar,
        "max_steps": NEURAL_STEPS,
        "early_stop_patience_steps": 5,
        "val_check_steps": 100,
        "scaler_type": "robust",
        "random_seed": seed,
        "loss": MAE(),
        "accelerator": "cpu",
        "enable_progress_bar": False,
        "logger": False,
        "enable_checkpointing": False,
    }
    window = min(task.week, task.counts.shape[1] // 4)
    if kind == "nhits":
        model = NHITS(input_size=window, windows_batch_size=512, learning_rate=1e-3, **common)
    else:
        size = min(2 * task.day, window)
        model = LSTM(input_size=size, encoder_hidden_size=64, encoder_n_layers=2, learning_rate=1e-3, **common)
    first, last = int(task.origins[0]), int(task.origins[-1])
    forecaster = NeuralForecast(models=[model], freq=1)
    cut = table[table["ds"] < last + task.horizon]
    size = last + task.horizon - first
    found = forecaster.cross_validation(df=cut, test_size=size, val_size=task.week, n_windows=None, step_size=1)
    name = type(model).__name__
    sums = found.groupby(["unique_id", "cutoff"])[name].sum().unstack(0)
    return np.asarray(sums.loc[task.origins - 1].to_numpy(np.float32).clip(min=0))


def main() -> None:
    """Answer a task with each model."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("task")
    parser.add_argument("answer")
    parser.add_argument("--models", default="lightgbm,lstm,nhits")
    parser.add_argument("--seed", type=int, default=7)
    asked = parser.parse_args()
    task, answers = Task(asked.task), {}
    for name in asked.models.split(","):
        began = time.perf_counter()
        answers[name] = lightgbm(task, asked.seed) if name == "lightgbm" else neural(task, asked.seed, name)
        sys.stderr.write(f"{name}: {time.perf_counter() - began:.0f} s\n")
    np.savez_compressed(asked.answer, allow_pickle=False, **answers)


if __name__ == "__main__":
    main()
