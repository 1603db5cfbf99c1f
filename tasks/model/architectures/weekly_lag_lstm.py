"""The study notes' same-weekday recipe: fourteen weeks of one minute in, the same minute of the next week out.

Every (station, target, minute) is a series by itself, scaled to 0..1 from training data; one network serves them all.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from pydantic import Field

from tasks.arrays import Float, Minutes
from tasks.contracts import Features, FitLog, Forecaster, Prediction, Split, Tensors
from tasks.errors import HistoryError, ModelError
from tasks.grid import Grid
from tasks.model.architectures import BaseArchitecture, ModelConfig
from tasks.model.architectures.weekday_mean import WeekdayMean
from tasks.model.networks.fit import FitRows, Plan, compile_network, fit_network, seed_everything
from tasks.model.networks.onnx import OnnxNetwork, export_network
from tasks.model.networks.sequence import SequenceShape, build_sequence
from tasks.model.series import SeriesScales, read_scales, training_scales
from tasks.model.uncertainty.counts import HIGHEST
from tasks.model.uncertainty.spread import Spread, learn_spread, pick_evenly, read_spread, with_quantiles


class WeeklyLagConfig(ModelConfig):
    """Table `[models.weekly_lag_lstm]`; the defaults are the notes'."""

    units: int = Field(100, ge=1, le=1024, description="Cells of the LSTM.")
    dropout: float = Field(0.25, ge=0, lt=1, description="Share of the LSTM's outputs dropped in training.")
    epochs: int = Field(30, ge=1, le=10_000, description="Passes over the training series, at most.")
    batch: int = Field(100, ge=1, description="Series a step.")
    patience: int = Field(10, ge=1, description="Epochs without a better validation loss before it ends.")
    learning_rate: float = Field(1e-3, gt=0, description="Of Adam.")
    max_samples: int = Field(20_000, ge=1, description="Training series, at most.")
    max_validation: int = Field(10_000, ge=1, description="Validation series, at most.")
    fit_origins: int = Field(200, ge=1, description="Origins from which samples are drawn, at most.")
    max_seconds: float = Field(1800, gt=0, description="No epoch starts after that time.")


class Series(NamedTuple):
    """Weekly series, oldest week first.

    Attributes:
        weeks: float32 [..., week, 2]: scaled count, and 1 where it was observed. A missing week holds the mean of the
            series' own observed weeks.
        known: bool [...], whether any week was observed.
    """

    weeks: Float
    known: Any


def weekly_series(lags: Float, low: Float, span: Float) -> Series:
    """The network's inputs of lags, float32 [week, ...], NaN where not observed; `low` and `span` broadcast to one."""
    scaled = np.moveaxis((lags[::-1] - low) / span, 0, -1)
    seen = ~np.isnan(scaled)
    total = np.where(seen, scaled, np.float32(0)).sum(axis=-1, keepdims=True)
    mean = total / np.maximum(seen.sum(axis=-1, keepdims=True), 1)
    weeks = np.stack([np.where(seen, scaled, mean), seen], axis=-1).astype(np.float32)
    return Series(weeks, seen.any(axis=-1))


@dataclass
class WeeklyLagForecaster:
    """The network, the scales of its series and the spread around its means.

    Attributes:
        network: outputs [row, 1, 1], scaled.
        weeks: it was fitted on.
        scales: a series that has none takes that of its own weeks.
        phi: over-dispersion by target and station, 1 (Poisson) without.
    """

    network: OnnxNetwork
    weeks: int
    scales: SeriesScales
    phi: Spread = field(default_factory=dict)
    name: str = "weekly_lag_lstm"

    def predict(self, tensors: Tensors) -> Prediction:
        """Forecast the hour after every origin; where no week was observed, as `weekday_mean` does.

        Raises:
            ModelError: if the tensors have other weeks than it was trained on.
        """
        return with_quantiles(self.mean(tensors), self.phi, tensors)

    def mean(self, tensors: Tensors) -> Float:
        """Expected counts, float32 [target, origin, station, step]; see `predict`."""
        if len(tensors.lags) != self.weeks:
            raise ModelError(
                f"{self.name} was trained on {self.weeks} weeks, the configuration gives {len(tensors.lags)}: "
                "run nexthour retrain"
            )
        lags = tensors.lags[..., -tensors.horizon :]
        low, span = self._scale(tensors, lags)
        series = weekly_series(lags, low, span)
        output = self.network({"weeks": series.weeks.reshape(-1, self.weeks, 2)})
        counts = output.reshape(lags.shape[1:]) * span + low
        return np.where(series.known, np.clip(counts, 0, HIGHEST), WeekdayMean.mean(tensors)).astype(np.float32)

    def export(self, folder: Path) -> dict[str, Any]:
        """Write `network.onnx`; return the rest."""
        self.network.write(folder)
        return {"weeks": self.weeks, "scales": self.scales, "phi": self.phi}

    def _scale(self, tensors: Tensors, lags: Float) -> tuple[Float, Float]:
        """Least count and span of every series, float32 [C, O, S, 1]."""
        own = np.nan_to_num(lags, nan=0.0).max(axis=(0, 4), initial=0.0)[..., None]
        none = (0.0, np.nan)
        pairs = [[self.scales.get(t, {}).get(s, none) for s in tensors.stations] for t in tensors.targets]
        low, high = np.moveaxis(np.array(pairs, np.float32), -1, 0)[:, :, None, :, None]
        return low, np.maximum(np.where(np.isnan(high), own, high) - low, np.float32(1))


class WeeklyLagLstm(BaseArchitecture):
    """See the file's head."""

    name = "weekly_lag_lstm"
    config: WeeklyLagConfig
    config_type = WeeklyLagConfig

    def fit(self, features: Features, split: Split, seed: int, log: FitLog) -> Forecaster:
        """Fit on at most `max_samples` series of the training origins, in the order of time.

        Raises:
            HistoryError: if training or validation has no observed minute with an observed week.
        """
        config = self.config
        rng = np.random.default_rng(seed)
        scales = training_scales(features, pick_evenly(split.train, config.fit_origins))
        train = self._draw(features, split.train, scales, config.max_samples, rng, "training")
        held = self._draw(features, split.validation, scales, config.max_validation, rng, "validation")
        seed_everything(seed)
        model = self._network(train)
        plan = Plan(config.epochs, config.batch, config.patience, config.max_seconds, shuffle=False, seed=seed)
        fit_network(model, train, held, plan, log, self.progress)
        forecaster = WeeklyLagForecaster(export_network(model), train.inputs["weeks"].shape[1], scales)
        forecaster.phi = learn_spread(
            forecaster.mean, features, pick_evenly(split.validation, max(config.fit_origins // 4, 1))
        )
        return forecaster

    def _network(self, train: FitRows) -> Any:
        """LSTM, Dropout, Dense with ReLU; the last starts at the mean, since a ReLU that starts below 0 stays there."""
        import keras

        shape = SequenceShape(*train.inputs["weeks"].shape[1:])
        mean, config = float(train.truth.mean()), self.config
        model = build_sequence(shape, (config.units,), dropout=config.dropout, head="relu", start=mean, name="weeks")
        compile_network(model, "mean_squared_error", keras.optimizers.Adam(config.learning_rate), ["mae"])
        return model

    def _draw(
        self, features: Features, origins: Minutes, scales: SeriesScales, most: int, rng: np.random.Generator, what: str
    ) -> FitRows:
        """At most `most` series of evenly chosen origins, in the order of time; none of a station without a scale."""
        chosen = pick_evenly(origins, self.config.fit_origins)
        each = max(most // max(len(chosen), 1), 1)
        grid = features.grid
        low, span = (part[:, None, :, None] for part in _ends(scales, grid))
        scaled_at_all = np.array([[s in scales.get(t, {}) for s in grid.stations] for t in grid.targets])
        parts: list[tuple[Float, Float]] = []
        for at in chosen:
            one = np.array([at])
            lags, truth = features.tensors(one).lags, features.truth(one)
            series = weekly_series(lags[..., -truth.shape[-1] :], low, span)
            rows = np.flatnonzero(series.known & np.isfinite(truth) & scaled_at_all[:, None, :, None])
            rows = rng.permutation(rows)[:each]
            scaled = ((truth - low) / span).reshape(-1, 1, 1)
            parts.append((series.weeks.reshape(-1, *series.weeks.shape[-2:])[rows], scaled[rows]))
        if not sum(len(truth) for _, truth in parts):
            raise HistoryError(f"{self.name}: no minute with an earlier week among the {what} origins: ingest more")
        weeks, counts = (np.concatenate(side)[:most] for side in zip(*parts, strict=True))
        return FitRows({"weeks": weeks}, counts, np.ones(len(counts), np.float32))

    @classmethod
    def load(cls, folder: Path, config: dict[str, Any]) -> Forecaster:
        """The forecaster whose `export(folder)` returned `config`.

        Raises:
            ModelError: if the folder does not hold it.
        """
        try:
            scales = read_scales(config)
            phi = read_spread(config, f"the bundle in {folder}")
            return WeeklyLagForecaster(OnnxNetwork.read(folder), int(config["weeks"]), scales, phi)
        except (KeyError, TypeError, ValueError, AttributeError) as error:
            raise ModelError(f"the bundle in {folder} is not one of {cls.name} ({error!r}): retrain it") from None


def _ends(scales: SeriesScales, grid: Grid) -> tuple[Float, Float]:
    """Least count and span, float32 [C, S]; 0 and 1 for a series without a scale."""
    pairs = [[scales.get(t, {}).get(s, (0.0, 1.0)) for s in grid.stations] for t in grid.targets]
    ends = np.array(pairs, np.float32)
    return ends[..., 0], np.maximum(ends[..., 1] - ends[..., 0], np.float32(1))


ARCHITECTURE = WeeklyLagLstm
