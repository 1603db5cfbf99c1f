"""Boosted trees that correct profile times level: what a careful data scientist would try before any network.

Histogram trees of scikit-learn with a Poisson likelihood: a bin of the hour has `count / base` as its target and `base`
as its weight, which is the likelihood of the count with log base as offset. As few trees are kept as validate best.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from pathlib import Path
from time import perf_counter
from typing import Any

import numpy as np
from pydantic import Field

from tasks.arrays import Float, Minutes
from tasks.contracts import Features, FitLog, Forecaster, Prediction, Split, Tensors
from tasks.errors import HistoryError, ModelError
from tasks.model.architectures import BaseArchitecture, ModelConfig
from tasks.model.architectures._boosting.inputs import BoostingRows, RowSettings, boosting_rows
from tasks.model.bins import bin_sums
from tasks.model.channel_inputs import mask_channels, names_of
from tasks.model.networks.onnx import OnnxNetwork
from tasks.model.networks.onnx_trees import Bins, export_trees
from tasks.model.origin_chunks import chunks
from tasks.model.uncertainty.counts import HIGHEST
from tasks.model.uncertainty.spread import Spread, learn_spread, pick_evenly, read_spread, with_quantiles

TINY = 1e-6
SPREAD, FEW = 8, 300
"""At least one in `SPREAD` rows of an origin that is looked at is taken, where that leaves `FEW` origins."""
CHECKED, ENOUGH = 2000, 400
LOOKED_AT = 20_000
"""Training rows from which the training loss is computed, at most."""
Sizes = dict[str, dict[str, float]]
"""Target -> station -> people per step of the training hours."""


class BoostingConfig(ModelConfig):
    """Table `[models.gradient_boosting]`."""

    trees: int = Field(300, ge=1, le=5000, description="Trees, at most; those after the best validation are dropped.")
    leaves: int = Field(15, ge=2, le=1024, description="Leaves of a tree, at most.")
    learning_rate: float = Field(0.05, gt=0, le=1, description="Share of a tree's correction that is taken.")
    leaf_share: float = Field(0.03, gt=0, lt=0.5, description="Share of all rows in a leaf, at least.")
    l2: float = Field(1000.0, ge=0, description="People that pull a leaf's correction towards none.")
    max_samples: int = Field(200_000, ge=1, description="Training rows (a bin of an hour at a station), at most.")
    max_validation: int = Field(60_000, ge=1, description="Validation rows, at most.")
    fit_origins: int = Field(8000, ge=1, description="Origins from which rows are drawn, at most.")
    late_minutes: int = Field(20, ge=0, description="The last minutes masked, at most, in half of the training hours.")
    unknown_channels: float = Field(0.1, ge=0, lt=1, description="Share of training hours without a channel.")
    rows: RowSettings = Field(RowSettings(), description="How tensors become rows.")


@dataclass
class BoostingForecaster:
    """The trees and what they must be given.

    Attributes:
        network: outputs the factor on the base, [row, 1].
        settings: how tensors become rows.
        sizes: of the stations that were trained on.
        phi: the spread around its means.
        channels: names of the extra ones that it takes; the tensors may have others.
    """

    network: OnnxNetwork
    settings: RowSettings
    sizes: Sizes
    phi: Spread = field(default_factory=dict)
    channels: tuple[str, ...] = ()
    name: str = "gradient_boosting"

    def predict(self, tensors: Tensors) -> Prediction:
        """Forecast the hour after every origin.

        Raises:
            ModelError: if the tensors have other targets than it was trained on, or lack a channel.
        """
        if set(tensors.targets) != set(self.sizes):
            raise ModelError(
                f"{self.name} was trained on targets {tuple(self.sizes)}, the configuration gives {tensors.targets}: "
                "run nexthour retrain"
            )
        return with_quantiles(self.mean(tensors), self.phi, tensors)

    def mean(self, tensors: Tensors) -> Float:
        """Expected counts, float32 [target, origin, station, step]."""
        rows = boosting_rows(tensors, self.sizes, self.settings, self.channels)
        ratio = self.network({"rows": rows.features.reshape(-1, rows.features.shape[-1])})
        factor = ratio.reshape(rows.features.shape[:-1]).transpose(2, 0, 1, 3)
        return np.asarray(np.clip(rows.base * np.repeat(factor, rows.size, axis=-1), 0, HIGHEST), np.float32)

    def export(self, folder: Path) -> dict[str, Any]:
        """Write `network.onnx`; return the rest."""
        self.network.write(folder)
        extra = {"channels": list(self.channels)} if self.channels else {}
        return {"rows": self.settings.model_dump(), "sizes": self.sizes, "phi": self.phi, **extra}


@dataclass(frozen=True)
class Drawn:
    """Rows of a fit: float32 [row, feature]; count over base; base, which is the weight."""

    features: Float
    ratio: Float
    weight: Float


class GradientBoosting(BaseArchitecture):
    """See the file's head."""

    name = "gradient_boosting"
    config: BoostingConfig
    config_type = BoostingConfig

    def fit(self, features: Features, split: Split, seed: int, log: FitLog) -> Forecaster:
        """Fit on at most `max_samples` rows of the training origins; keep the trees up to the best validation.

        Raises:
            HistoryError: if training or validation has no hour with a count.
        """
        config, rng, begun = self.config, np.random.default_rng(seed), perf_counter()
        sizes = training_sizes(features, pick_evenly(split.train, ENOUGH))
        train = self._draw(features, split.train, sizes, config.max_samples, rng, "training", config.late_minutes)
        held = self._draw(features, split.validation, sizes, config.max_validation, rng, "validation", 0)
        bins = Bins.of(train.features)
        model = self._boost(replace(train, features=bins.codes(train.features)), seed)
        best = self._watch(model, bins, train, held, log)
        network = export_trees([model], best, bins, held.features[:CHECKED])
        forecaster = BoostingForecaster(network, config.rows, sizes, channels=names_of(features))
        watched = pick_evenly(split.validation, ENOUGH)
        forecaster.phi = learn_spread(forecaster.mean, features, watched)
        log.notes |= {
            "best_epoch": best,
            "training_rows": len(train.ratio),
            "validation_rows": len(held.ratio),
            "fit_seconds": round(perf_counter() - begun, 1),
        }
        return forecaster

    def _draw(
        self,
        features: Features,
        origins: Minutes,
        sizes: Sizes,
        most: int,
        rng: np.random.Generator,
        what: str,
        late_minutes: int,
    ) -> Drawn:
        """At most `most` rows with a count and a base, of evenly chosen origins."""
        an_origin = len(features.grid.targets) * len(features.grid.stations) * 60 // self.config.rows.bin_minutes
        looked = min(self.config.fit_origins, max(SPREAD * most // an_origin, FEW), most)
        chosen, parts = pick_evenly(origins, looked), []
        each = max(most // max(len(chosen), 1), 1)
        for part in chunks(chosen, features):
            seen = mask_last(features.tensors(part), late_minutes, rng)
            seen = mask_channels(seen, self.config.unknown_channels if what == "training" else 0, rng)
            rows = boosting_rows(seen, sizes, self.config.rows, names_of(features))
            ratio, weight = _targets(rows, features.truth(part))
            pick = rng.permutation(np.flatnonzero(weight > TINY))[: each * len(part)]
            flat = rows.features.reshape(-1, rows.features.shape[-1])
            parts.append((flat[pick], ratio[pick], weight[pick]))
        if not sum(len(ratio) for _, ratio, _ in parts):
            raise HistoryError(f"{self.name}: no observed hour among the {what} origins: ingest more history")
        return Drawn(*(np.concatenate(side)[:most] for side in zip(*parts, strict=True)))

    def _boost(self, train: Drawn, seed: int) -> Any:
        from sklearn.ensemble import HistGradientBoostingRegressor

        config = self.config
        model = HistGradientBoostingRegressor(
            loss="poisson",
            learning_rate=config.learning_rate,
            max_iter=config.trees,
            max_leaf_nodes=config.leaves,
            min_samples_leaf=max(round(config.leaf_share * len(train.ratio)), 1),
            l2_regularization=config.l2,
            early_stopping=False,
            random_state=seed,
        )
        if self.progress:
            self.progress("boosting", 0, 1)
        return model.fit(train.features, train.ratio, sample_weight=train.weight)

    def _watch(self, model: Any, bins: Bins, train: Drawn, held: Drawn, log: FitLog) -> int:
        """Deviance by the number of trees into the log; the number that validates best."""
        every = -(-len(train.ratio) // LOOKED_AT)
        some_of = Drawn(train.features[::every], train.ratio[::every], train.weight[::every])
        for name, rows in (("loss", some_of), ("val_loss", held)):
            log.epochs[name] = [deviance(rows, ratio) for ratio in model.staged_predict(bins.codes(rows.features))]
        return 1 + int(np.argmin(log.epochs["val_loss"]))

    @classmethod
    def load(cls, folder: Path, config: dict[str, Any]) -> Forecaster:
        """The forecaster whose `export(folder)` returned `config`.

        Raises:
            ModelError: if the folder does not hold it.
        """
        try:
            spread = read_spread(config, f"the bundle in {folder}")
            settings = RowSettings(**config["rows"])
            extra = tuple(config.get("channels", ()))
            return BoostingForecaster(OnnxNetwork.read(folder), settings, dict(config["sizes"]), spread, extra)
        except (KeyError, TypeError, ValueError) as error:
            raise ModelError(f"the bundle in {folder} is not one of {cls.name} ({error!r}): retrain it") from None


def deviance(rows: Drawn, ratio: Float) -> float:
    """Poisson deviance a person expected of factors on the base."""
    terms = rows.ratio * np.log(np.where(rows.ratio > 0, rows.ratio / ratio, 1)) - (rows.ratio - ratio)
    return float(2 * np.average(terms, weights=rows.weight))


def mask_last(tensors: Tensors, minutes: int, rng: np.random.Generator) -> Tensors:
    """Mask the last 1 to `minutes` minutes at half of the origins, as where a feed is late."""
    most, steps = minutes // tensors.interval, tensors.recent.shape[-1]
    if not most:
        return tensors
    late = rng.integers(1, most + 1, len(tensors.origins)) * (rng.random(len(tensors.origins)) < 0.5)
    masked = np.arange(steps)[::-1] < late[:, None]
    return replace(tensors, recent=np.where(masked[:, None], np.float32(np.nan), tensors.recent))


def training_sizes(features: Features, origins: Minutes) -> Sizes:
    """People a step of each target and station over these hours; those never observed are absent."""
    grid = features.grid
    people, steps = np.zeros((2, len(grid.targets), len(grid.stations)))
    for part in chunks(origins, features):
        truth = features.truth(part)
        people += np.nansum(truth, axis=(1, 3), dtype=np.float64)
        steps += np.isfinite(truth).sum(axis=(1, 3))
    mean = people / np.maximum(steps, 1)
    return {
        target: {s: float(mean[c, i]) for i, s in enumerate(grid.stations) if steps[c, i]}
        for c, target in enumerate(grid.targets)
    }


def _targets(rows: BoostingRows, truth: Float) -> tuple[Float, Float]:
    """Count over base, and base, of every row, over the steps that were observed."""
    seen = np.isfinite(truth)
    people, base = (
        bin_sums(np.where(seen, x, np.float32(0)), rows.size).transpose(1, 2, 0, 3).ravel() for x in (truth, rows.base)
    )
    return np.divide(people, base, out=np.zeros_like(people), where=base > TINY), base


ARCHITECTURE = GradientBoosting
