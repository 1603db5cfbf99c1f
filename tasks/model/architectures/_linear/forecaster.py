"""`linear_level` once it is fitted: numbers that correct the base, and the spread around the means."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from tasks.arrays import Float
from tasks.contracts import Prediction, Tensors
from tasks.errors import ModelError
from tasks.model.architectures._linear.inputs import LinearRows, linear_rows
from tasks.model.architectures._linear.ridge import factor
from tasks.model.uncertainty.counts import HIGHEST
from tasks.model.uncertainty.spread import Spread, read_spread, with_quantiles

FILE = "ridge.npz"


@dataclass
class LinearForecaster:
    """The numbers and the spread around the means.

    Attributes:
        stations, targets: that were trained on.
        pooled: float32 [target, bin, feature], for stations that were not.
        own: float32 [target, station, bin, feature].
        phi: the spread.
        bounds: float32 [2, target, bin], the least and the greatest factor that the numbers gave where they were
            fitted: none goes beyond, so that what ordinary days taught is not drawn out to a level never seen, as of
            a concert, or of a holiday on which everybody works. None in older bundles.
    """

    stations: tuple[str, ...]
    targets: tuple[str, ...]
    pooled: Float
    own: Float
    phi: Spread = field(default_factory=dict)
    bounds: Float | None = None
    name: str = "linear_level"

    def predict(self, tensors: Tensors) -> Prediction:
        """Forecast the hour after every origin.

        Raises:
            ModelError: if the tensors have other targets or windows than it was trained on.
        """
        return with_quantiles(self.mean(tensors), self.phi, tensors)

    def mean(self, tensors: Tensors) -> Float:
        """Expected counts, float32 [target, origin, station, step]; see `predict`."""
        return self.rows_and_mean(tensors)[1]

    def rows_and_mean(self, tensors: Tensors) -> tuple[LinearRows, Float]:
        """The rows that the numbers correct, and the mean; for what goes on from there."""
        rows = linear_rows(tensors)
        held = tensors.horizon // rows.size, rows.features.shape[-1]
        if tensors.targets != self.targets or self.pooled.shape[1:] != held:
            raise ModelError(
                f"{self.name} was trained on {self.pooled.shape[1:]} bins and inputs of targets {self.targets}, the "
                f"configuration gives {held} of {tensors.targets}: run nexthour retrain"
            )
        return rows, correct(rows, self._numbers(tensors.stations), self.bounds)

    def export(self, folder: Path) -> dict[str, Any]:
        """Write the numbers as plain arrays; return the rest."""
        arrays: dict[str, Any] = {"pooled": self.pooled, "own": self.own, "bounds": self.bounds}
        np.savez(folder / FILE, **{name: array for name, array in arrays.items() if array is not None})
        return {"stations": list(self.stations), "targets": list(self.targets), "phi": self.phi}

    @classmethod
    def load(cls, folder: Path, config: dict[str, Any]) -> LinearForecaster:
        """The forecaster whose `export(folder)` returned `config`.

        Raises:
            ModelError: if the folder does not hold it.
        """
        try:
            with np.load(folder / FILE, allow_pickle=False) as held:
                pooled, own, bounds = held["pooled"], held["own"], held.get("bounds")
            stations, targets = tuple(config["stations"]), tuple(config["targets"])
            return cls(stations, targets, pooled, own, read_spread(config, f"the bundle in {folder}"), bounds)
        except (OSError, KeyError, TypeError, ValueError) as error:
            raise ModelError(f"the bundle in {folder} is not one of linear_level ({error!r}): retrain it") from None

    def _numbers(self, stations: tuple[str, ...]) -> Float:
        """Numbers of stations, float32 [C, S, bin, feature]; the pooled ones for those that were not trained on."""
        if stations == self.stations:
            return self.own
        at = {name: i for i, name in enumerate(self.stations)}
        known = [s for s, name in enumerate(stations) if name in at]
        out = np.repeat(self.pooled[:, None], len(stations), axis=1)
        out[:, known] = self.own[:, [at[stations[s]] for s in known]]
        return out


def correct(rows: LinearRows, numbers: Float, bounds: Float | None = None) -> Float:
    """The base times the factors of its bins.

    Args:
        rows: of tensors.
        numbers: float32 [target, station, bin, feature].
        bounds: of the factors, see `LinearForecaster`.

    Returns:
        float32 [target, origin, station, step].
    """
    factors = [factor(rows.features, numbers[:, None, :, b]) for b in range(numbers.shape[2])]
    if bounds is not None:
        factors = [np.clip(f, *bounds[:, :, b, None, None]) for b, f in enumerate(factors)]
    people = rows.base * np.repeat(np.stack(factors, axis=-1), rows.size, axis=-1)
    return np.asarray(np.minimum(people, HIGHEST), np.float32)
