"""How often the guard refuses an honest answer, and how often a broken one, on real ridership.

    python benchmarks/guard.py [--sets chicago-zones-october,beijing] [--models weekday_level,linear_level] [--every 60]

Models are fitted on what lies before the span, and asked at origins so many minutes apart. The spans named `-cold` are
the first weeks of a network, where baselines alone can answer.
"""

from __future__ import annotations

import argparse
import tempfile
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from accuracy import SETS, configure
from common import save

from tasks.contracts import Forecaster, Prediction, Tensors
from tasks.features.steps import load_features
from tasks.features.tensors import MinuteFeatures
from tasks.forecast.checks import run_checks
from tasks.forecast.expectation import expect
from tasks.model.architectures import initial_forecaster
from tasks.model.training.train import fit_before
from tasks.settings.guard import GuardSettings
from tasks.settings.toml_file import load_settings

HISTORY = np.timedelta64(78, "D")
COLD = {
    "chicago-zones-cold": ("chicago-zones-october", "2013-07-03", "2013-07-24"),
    "beijing-cold": ("beijing", "2016-03-01", "2016-03-14"),
    "edinburgh-cold": ("edinburgh", "2018-09-16", "2018-10-10"),
}
WARM = ("chicago-zones-october", "chicago-zones-winter", "beijing", "edinburgh")
NO_FIT = ("weekday_mean", "weekday_level", "last_known")


def _scaled(factor: float) -> Callable[[Prediction], Prediction]:
    return lambda p: Prediction(p.mean * np.float32(factor), p.quantiles * np.float32(factor))


BROKEN: dict[str, Callable[[Prediction], Prediction]] = {
    "nothing at all": _scaled(0),
    "ten times too much": _scaled(10),
    "people an hour as people a minute": _scaled(60),
    "stations in reverse order": lambda p: Prediction(p.mean[:, :, ::-1], p.quantiles[:, :, :, ::-1]),
    "one value not a number": lambda p: Prediction(np.where(p.mean == p.mean.max(), np.nan, p.mean), p.quantiles),
    "one station a thousand times": lambda p: Prediction(
        p.mean * np.where(np.arange(p.mean.shape[2]) == 0, 1000, 1)[:, None], p.quantiles
    ),
    "quantiles in reverse order": lambda p: Prediction(p.mean, p.quantiles[::-1]),
    "a band without width": lambda p: Prediction(p.mean, np.stack([p.mean] * len(p.quantiles))),
}


@dataclass
class Refusals:
    """How many answers were asked for and refused, and by which checks."""

    asked: int = 0
    refused: int = 0
    checks: Counter[str] = field(default_factory=Counter)

    def add(self, rung: str, prediction: Prediction, tensors: Tensors) -> None:
        """Ask the guard."""
        verdicts, failing = run_checks(rung, prediction, tensors, expect(tensors), GuardSettings())
        self.asked += 1
        self.refused += bool(failing.any())
        self.checks.update(verdict.name for verdict in verdicts if not verdict.passed)


def spans(names: list[str]) -> Iterator[tuple[str, str, np.datetime64, np.datetime64]]:
    """Name, data set, start and end of each span."""
    for name in names:
        base, start, end = COLD[name] if name in COLD else (name, SETS[name].start, SETS[name].end)
        yield name, base, np.datetime64(start, "m"), np.datetime64(end, "m")


def measure(base: str, start: np.datetime64, end: np.datetime64, models: list[str], every: int) -> dict[str, Refusals]:
    """Refusals of each model, and of broken answers of the first one."""
    with tempfile.TemporaryDirectory() as root:
        configure(Path(root), SETS[base])
        settings = load_settings(f"{root}/nexthour.toml")
        forecasters = {model: initial_forecaster(model) for model in models if model in NO_FIT}
        if len(forecasters) < len(models):
            past = load_features(settings, start - HISTORY, start, start)
            forecasters |= {m: fit_before(past, settings, start, m) for m in models if m not in NO_FIT}
        features = load_features(settings, start, end, end)
    return ask(forecasters, features, np.arange(start, end, np.timedelta64(every, "m")))


def ask(forecasters: dict[str, Forecaster], features: MinuteFeatures, origins: np.ndarray) -> dict[str, Refusals]:  # type: ignore[type-arg]
    """Refusals by model, and by kind of broken answer."""
    found = {name: Refusals() for name in (*forecasters, *BROKEN)}
    for origin in origins:
        tensors = features.tensors(np.array([origin]))
        answers = {name: forecaster.predict(tensors) for name, forecaster in forecasters.items()}
        for name, prediction in answers.items():
            found[name].add(name, prediction, tensors)
        for name, change in BROKEN.items():
            found[name].add(name, change(next(iter(answers.values()))), tensors)
    return found


def main() -> None:
    """Measure every span."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--sets", default=",".join((*WARM, *COLD)))
    parser.add_argument(
        "--models", default="weekday_level,weekday_mean,linear_level,gradient_boosting,next_hour_lstm,last_known"
    )
    parser.add_argument("--every", type=int, default=60)
    asked = parser.parse_args()
    figures = {}
    for name, base, start, end in spans(asked.sets.split(",")):
        models = [model for model in asked.models.split(",") if model in NO_FIT or name not in COLD]
        for model, refusals in measure(base, start, end, models, asked.every).items():
            figures[f"{name}, {model}"] = text = f"{refusals.refused} of {refusals.asked}"
            print(f"{name:22} {model:36} {text} refused {dict(refusals.checks)}", flush=True)
    save(figures)


if __name__ == "__main__":
    main()
