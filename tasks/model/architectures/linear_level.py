"""A ridge on log levels over windows, on top of profile times level: the rival of thirty-odd numbers.

Levels of the station, of its other targets and of the network over a quarter of an hour to a day, and the time of day,
correct the base forecast. How strongly the numbers are drawn to none, and a station's to those of all, is chosen on the
validation days; then the ridge is fitted on these, too.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from pathlib import Path
from time import perf_counter
from typing import Any, ClassVar

import numpy as np
from pydantic import Field

from tasks.arrays import Float, Minutes
from tasks.contracts import Features, FitLog, Forecaster, Prediction, Range, Space, Split, Tensors
from tasks.errors import HistoryError, ModelError
from tasks.model.architectures import BaseArchitecture, ModelConfig
from tasks.model.architectures._linear.inputs import LinearRows, linear_rows
from tasks.model.architectures._linear.ridge import Rows, StationFit, factor, fit_pooled
from tasks.model.bins import bin_sums
from tasks.model.origin_chunks import chunks
from tasks.model.uncertainty.counts import HIGHEST, dispersion
from tasks.model.uncertainty.spread import Spread, pick_evenly, read_spread, with_quantiles

FILE = "ridge.npz"
STRENGTHS = (100.0, 3.0, 1.0, 0.3, 0.1, 0.03, 0.01, 0.003)
"""Penalties of the pooled numbers that are tried; the first leaves the base as it is."""
STATION_STRENGTHS = (np.inf, 10.0, 3.0, 1.0, 0.3)
"""Penalties of a station's differences that are tried; the first allows none."""
UNTOLD = (1.0, np.inf)
"""Penalties where the validation days hold no count."""
NEARLY = 0.97
"""Of penalties that gain about as much the strongest is taken: one that has so much of what the best one gains."""
FEWEST = 112
"""Training origins of a large network by the minute, at least; coarser grids have up to `MORE` times as many."""
MORE = 4
RUN, HELD = 8, 4
"""Origins of a large network are so many hours in a row, whose tensors share most; one in `HELD` validates."""
FLOOR = 0.1
"""Least forecast of an hour, people, in the loss of the validation days."""


class LinearConfig(ModelConfig):
    """Table `[models.linear_level]`."""

    max_rows: int = Field(60_000, ge=100, description="Training rows (an origin at a station), at most.")
    half_life_days: float = Field(21.0, gt=0, description="Age at which a training row counts half.")
    fairness: float = Field(0.5, ge=0, le=1, description="0: every person counts alike; 1: every station does.")
    dispersion_prior: float = Field(50.0, gt=0, description="People that pull the spread towards Poisson.")


@dataclass
class LinearForecaster:
    """The numbers and the spread around the means.

    Attributes:
        stations, targets: that were trained on.
        pooled: float32 [target, bin, feature], for stations that were not.
        own: float32 [target, station, bin, feature].
        phi: the spread.
    """

    stations: tuple[str, ...]
    targets: tuple[str, ...]
    pooled: Float
    own: Float
    phi: Spread = field(default_factory=dict)
    name: str = "linear_level"

    def predict(self, tensors: Tensors) -> Prediction:
        """Forecast the hour after every origin.

        Raises:
            ModelError: if the tensors have other targets or windows than it was trained on.
        """
        return with_quantiles(self.mean(tensors), self.phi, tensors)

    def mean(self, tensors: Tensors) -> Float:
        """Expected counts, float32 [target, origin, station, step]; see `predict`."""
        rows = linear_rows(tensors)
        held = tensors.horizon // rows.size, rows.features.shape[-1]
        if tensors.targets != self.targets or self.pooled.shape[1:] != held:
            raise ModelError(
                f"{self.name} was trained on {self.pooled.shape[1:]} bins and inputs of targets {self.targets}, the "
                f"configuration gives {held} of {tensors.targets}: run nexthour retrain"
            )
        return correct(rows, self._numbers(tensors.stations))

    def export(self, folder: Path) -> dict[str, Any]:
        """Write the numbers as plain arrays; return the rest."""
        np.savez(folder / FILE, pooled=self.pooled, own=self.own)
        return {"stations": list(self.stations), "targets": list(self.targets), "phi": self.phi}

    def _numbers(self, stations: tuple[str, ...]) -> Float:
        """Numbers of stations, float32 [C, S, bin, feature]; the pooled ones for those that were not trained on."""
        if stations == self.stations:
            return self.own
        at = {name: i for i, name in enumerate(self.stations)}
        known = [s for s, name in enumerate(stations) if name in at]
        out = np.repeat(self.pooled[:, None], len(stations), axis=1)
        out[:, known] = self.own[:, [at[stations[s]] for s in known]]
        return out


class LinearLevel(BaseArchitecture):
    """See the file's head."""

    name = "linear_level"
    config: LinearConfig
    config_type = LinearConfig
    unseeded = True
    space: ClassVar[Space] = {"half_life_days": Range(5.0, 100.0, log=True), "fairness": Range(0.0, 1.0)}

    def fit(self, features: Features, split: Split, seed: int, log: FitLog) -> Forecaster:
        """Choose the penalties on the validation origins; fit on them and on the training origins before them.

        Raises:
            HistoryError: if there are no training or no validation origins, or no training hour has a count.
        """
        begun, grid = perf_counter(), features.grid
        if not len(split.train) or not len(split.validation):
            raise HistoryError(f"{self.name}: no training or no validation origins: ingest more history")
        fewest = FEWEST * min(grid.interval, MORE)
        most = max(self.config.max_rows // max(len(grid.stations), 1), fewest)
        drawn = [
            draw(features, batches(origins, enough, features))
            for origins, enough in ((split.train, most), (split.validation, max(most // HELD, RUN)))
        ]
        train, held = (self._rows(part, split) for part in drawn)
        if not any(np.isfinite(rows.truth).any() for rows in train):
            raise HistoryError(f"{self.name}: no training hour with a count: ingest more history")
        chosen = [choose_penalties(*pair) for pair in zip(train, held, strict=True)]
        judged = self._forecaster(features, [fit_bins(rows, *c) for rows, c in zip(train, chosen, strict=True)])
        truth, mean = (
            np.concatenate(side, axis=1)
            for side in ([d.truth for d in drawn], [correct(d.rows, judged.own) for d in drawn])
        )
        phi = dispersion(truth, mean, self.config.dispersion_prior)
        both = [_join(*pair) for pair in zip(train, held, strict=True)]
        fitted = self._forecaster(features, [fit_bins(rows, *c) for rows, c in zip(both, chosen, strict=True)])
        for target, (strength, own) in zip(grid.targets, chosen, strict=True):
            log.notes |= {f"penalty_{target}": strength, f"station_penalty_{target}": min(own, 1e9)}
        log.notes |= {"training_rows": both[0].weight.size, "fit_seconds": round(perf_counter() - begun, 1)}
        spread = zip(grid.targets, phi.tolist(), strict=True)
        return replace(fitted, phi={target: dict(zip(grid.stations, row, strict=True)) for target, row in spread})

    def _rows(self, drawn: Drawn, split: Split) -> list[Rows]:
        """Weighted rows of the bins, of each target."""
        rows = drawn.rows
        base, truth = bin_sums(rows.base, rows.size), bin_sums(drawn.truth, rows.size)
        days = (split.validation[-1] - drawn.origins) / np.timedelta64(1440, "m")
        size = base.sum(axis=(1, 3)) / base.shape[1]
        fair = (size + 0.5) ** -self.config.fairness
        age = 0.5 ** (days / self.config.half_life_days)
        weight = np.asarray(age[:, None] * fair[:, None], np.float32)
        return [Rows(*(x[c] for x in (rows.features, base, truth, weight))) for c in range(len(base))]

    def _forecaster(self, features: Features, fitted: list[tuple[Float, Float]]) -> LinearForecaster:
        pooled, own = (np.stack(side) for side in zip(*fitted, strict=True))
        return LinearForecaster(features.grid.stations, features.grid.targets, pooled, own)

    @classmethod
    def load(cls, folder: Path, config: dict[str, Any]) -> Forecaster:
        """The forecaster whose `export(folder)` returned `config`.

        Raises:
            ModelError: if the folder does not hold it.
        """
        try:
            with np.load(folder / FILE, allow_pickle=False) as held:
                pooled, own = held["pooled"], held["own"]
            stations, targets = tuple(config["stations"]), tuple(config["targets"])
            return LinearForecaster(stations, targets, pooled, own, read_spread(config, f"the bundle in {folder}"))
        except (OSError, KeyError, TypeError, ValueError) as error:
            raise ModelError(f"the bundle in {folder} is not one of {cls.name} ({error!r}): retrain it") from None


@dataclass(frozen=True)
class Drawn:
    """What a fit sees: rows and counts, float32 [target, origin, station, step], of some origins."""

    origins: Minutes
    rows: LinearRows
    truth: Float


def draw(features: Features, origins: list[Minutes]) -> Drawn:
    """Rows of batches of origins."""
    parts = [linear_rows(features.tensors(part)) for part in origins]
    inputs, base = (np.concatenate(side, axis=1) for side in zip(*((p.features, p.base) for p in parts), strict=True))
    every = np.concatenate(origins)
    return Drawn(every, LinearRows(inputs, base, parts[0].size), features.truth(every))


def batches(origins: Minutes, most: int, features: Features) -> list[Minutes]:
    """At most so many of the origins: evenly chosen ones; few of many are runs of `RUN`, about an hour apart."""
    if HELD * most >= len(origins):
        return chunks(pick_evenly(origins, most), features)
    apart = max(int(np.timedelta64(60, "m") / (origins[1] - origins[0])), 1)
    starts = np.linspace(0, len(origins) - 1 - apart * (RUN - 1), max(most // RUN, 1)).astype(np.int64)
    return [origins[start : start + apart * RUN : apart] for start in np.unique(np.maximum(starts, 0)).tolist()]


def correct(rows: LinearRows, numbers: Float) -> Float:
    """The base times the factors of its bins.

    Args:
        rows: of tensors.
        numbers: float32 [target, station, bin, feature].

    Returns:
        float32 [target, origin, station, step].
    """
    factors = [factor(rows.features, numbers[:, None, :, b]) for b in range(numbers.shape[2])]
    people = rows.base * np.repeat(np.stack(factors, axis=-1), rows.size, axis=-1)
    return np.asarray(np.minimum(people, HIGHEST), np.float32)


def choose_penalties(train: Rows, held: Rows) -> tuple[float, float]:
    """Penalties of the pooled numbers, and of a station's differences, by the deviance of the held hours."""
    hours, checked = train.hour(), held.hour()
    if not np.isfinite(checked.truth).any():
        return UNTOLD
    numbers, tried = np.zeros(train.features.shape[-1], np.float32), []
    for strength in STRENGTHS:
        numbers = fit_pooled(hours, strength, numbers, steps=2)
        tried.append(numbers)
    losses = [_loss(checked, each) for each in tried]
    spare = (1 - NEARLY) * (losses[0] - min(losses))
    best = _strongest(losses, spare)
    if train.features.shape[1] < 2:
        return STRENGTHS[best], np.inf
    stations = StationFit(hours, tried[best])
    own = _strongest([_loss(checked, stations.numbers(s)) for s in STATION_STRENGTHS], spare)
    return STRENGTHS[best], STATION_STRENGTHS[own]


def _strongest(losses: list[float], spare: float) -> int:
    """First of the penalties, strongest first, that is within `spare` of the best."""
    return next(i for i, loss in enumerate(losses) if loss <= min(losses) + spare)


def fit_bins(rows: Rows, strength: float, own: float) -> tuple[Float, Float]:
    """Numbers of all stations, float32 [bin, feature], and of each, [station, bin, feature]."""
    pooled, stations = [], []
    for number in range(rows.base.shape[-1]):
        one = rows.bin(number)
        pooled.append(fit_pooled(one, strength))
        stations.append(StationFit(one, pooled[-1]).numbers(own))
    return np.stack(pooled), np.stack(stations, axis=1)


def _loss(rows: Rows, numbers: Float) -> float:
    """Weighted Poisson deviance of hours, mean over those with a count, but for what no forecast changes."""
    truth = rows.truth[..., 0]
    mean = np.maximum(rows.base[..., 0] * factor(rows.features, numbers), FLOOR)
    loss = rows.weight * (mean - truth * np.log(mean))
    return float(np.nanmean(loss, dtype=np.float64))


def _join(a: Rows, b: Rows) -> Rows:
    parts = ((a.features, b.features), (a.base, b.base), (a.truth, b.truth), (a.weight, b.weight))
    return Rows(*(np.concatenate(pair) for pair in parts))


ARCHITECTURE = LinearLevel
