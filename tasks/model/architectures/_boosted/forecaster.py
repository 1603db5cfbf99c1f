"""`boosted_level` once it is fitted: the ridge, the trees that correct its hours, and how far they may."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from tasks.arrays import Float, Minutes
from tasks.contracts import Prediction, Tensors
from tasks.errors import ModelError
from tasks.model.architectures._boosted.trees import day_folds, tree_factors, tree_inputs
from tasks.model.architectures._linear.forecaster import LinearForecaster
from tasks.model.architectures._linear.inputs import LinearRows
from tasks.model.networks.onnx import OnnxNetwork
from tasks.model.uncertainty.counts import HIGHEST
from tasks.model.uncertainty.spread import Spread, read_spread, with_quantiles


@dataclass
class BoostedForecaster:
    """The ridge, the trees, and the spread around the means.

    Attributes:
        ridge: what the trees correct.
        trees: of each target.
        weights: of the trees' log factors, by target: 0 is the ridge alone.
        phi: the spread.
        hour: whether the trees see the shape of the hour; those of older bundles do not.
    """

    ridge: LinearForecaster
    trees: tuple[OnnxNetwork, ...]
    weights: tuple[float, ...]
    phi: Spread = field(default_factory=dict)
    name: str = "boosted_level"
    hour: bool = True

    def predict(self, tensors: Tensors) -> Prediction:
        """Forecast the hour after every origin.

        Raises:
            ModelError: if the tensors have other targets or windows than it was trained on.
        """
        return with_quantiles(self.mean(tensors), self.phi, tensors)

    def mean(self, tensors: Tensors) -> Float:
        """Expected counts, float32 [target, origin, station, step]; see `predict`."""
        rows, mean = self.ridge.rows_and_mean(tensors)
        return self.correct(rows, mean, tensors.origins)

    def correct(self, rows: LinearRows, mean: Float, origins: Minutes) -> Float:
        """The ridge's forecast of some rows times the factors of their hours."""
        power = np.array(self.weights, np.float32)[:, None, None]
        factors = self._factors(tree_inputs(rows, mean, self.hour), origins) ** power
        return np.asarray(np.minimum(mean * factors[..., None], HIGHEST), np.float32)

    def _factors(self, inputs: Float, origins: Minutes) -> Float:
        return tree_factors(self.trees, inputs)

    def export(self, folder: Path) -> dict[str, Any]:
        """Write the ridge's numbers, and the trees into a folder per target; return the rest."""
        for number, trees in enumerate(self.trees):
            part = trees_folder(folder, number)
            part.mkdir(parents=True, exist_ok=True)
            trees.write(part)
        return {"ridge": self.ridge.export(folder), "weights": list(self.weights), "phi": self.phi, "hour": self.hour}

    @classmethod
    def load(cls, folder: Path, config: dict[str, Any]) -> BoostedForecaster:
        """The forecaster whose `export(folder)` returned `config`.

        Raises:
            ModelError: if the folder does not hold it.
        """
        where = f"the bundle in {folder}"
        try:
            ridge, weights = LinearForecaster.load(folder, config["ridge"]), tuple(map(float, config["weights"]))
        except (KeyError, TypeError, ValueError) as error:
            raise ModelError(f"{where} is not one of boosted_level ({error!r}): retrain it") from None
        trees = tuple(OnnxNetwork.read(trees_folder(folder, number)) for number in range(len(weights)))
        return BoostedForecaster(
            ridge, trees, weights, read_spread(config, where), hour=bool(config.get("hour", False))
        )


@dataclass
class UnseenBoosted(BoostedForecaster):
    """The same on days that the trees were grown on: each day is answered by those that were grown without it.

    Attributes:
        folds: trees of each part of the days, of each target.
        first, held: first origins of the training and of the validation days.
    """

    folds: tuple[tuple[OnnxNetwork, ...], ...] = field(kw_only=True)
    first: np.datetime64 = field(kw_only=True)
    held: np.datetime64 = field(kw_only=True)

    def _factors(self, inputs: Float, origins: Minutes) -> Float:
        part, out = day_folds(origins, self.first, self.held), np.empty(inputs.shape[:-1], np.float32)
        for fold in np.unique(part).tolist():
            at = part == fold
            out[:, at] = tree_factors(self.folds[fold], inputs[:, at])
        return out


def trees_folder(folder: Path, number: int) -> Path:
    """Where the trees of a target lie in a bundle."""
    return folder / f"trees-{number}"
