"""What the two recipes of a sliding window share: the next minutes from the last ones, again and again for the hour."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
from pydantic import Field, model_validator

from tasks.arrays import Float, Minutes
from tasks.base_forecast import profile_times_level
from tasks.contracts import Features, FitLog, Forecaster, Prediction, Split, Tensors
from tasks.errors import ConfigError, HistoryError, ModelError
from tasks.model.architectures import BaseArchitecture, ModelConfig
from tasks.model.architectures._recursive.recursion import NextSteps, by_channel, by_target, full_sequence
from tasks.model.networks.fit import FitRows, Plan, compile_network, fit_network, seed_everything
from tasks.model.networks.onnx import OnnxNetwork, export_network
from tasks.model.networks.sequence import SequenceShape, build_sequence
from tasks.model.origin_chunks import chunks
from tasks.model.series import SeriesScales, read_scales, recent_series, training_scales
from tasks.model.uncertainty.spread import Spread, learn_spread, pick_evenly, read_spread, with_quantiles

if TYPE_CHECKING:
    import keras

CEILING = 2.0
"""Scaled counts stay under it, so that a recursion cannot run away; 1 is the largest of the training hours."""
HALF = 0.5
SPREAD_ORIGINS = 100
SPREAD, FEW = 8, 300
"""At least one in `SPREAD` series of an origin that is looked at gives a window, where that leaves `FEW` origins."""


class RecursiveConfig(ModelConfig):
    """What both recipes have; each sets its own defaults."""

    cells: tuple[int, ...] = Field((5, 20), min_length=1, description="Cells of each LSTM layer, the first one first.")
    window: int = Field(50, ge=1, description="Minutes (steps of the interval) that are looked back on.")
    inputs: Literal["own", "all"] = Field("own", description="Channels in: the target itself, or all targets.")
    outputs: Literal["own", "all"] = Field("own", description="Targets out of one pass; all needs all inputs.")
    steps_ahead: int = Field(
        1, ge=1, le=60, description="Steps of one pass; passes are repeated until the hour is full."
    )
    dropout: float = Field(0.0, ge=0, lt=1, description="After each LSTM layer.")
    epochs: int = Field(20, ge=1, le=10_000, description="Passes over the training windows, at most.")
    batch: int = Field(512, ge=1, description="Windows a step.")
    patience: int = Field(10, ge=1, description="Epochs without a better validation loss before it ends.")
    learning_rate: float = Field(1e-3, gt=0, description="Of Adam.")
    validation_share: float = Field(0.05, gt=0, lt=1, description="The last share of the origins before the hold-out.")
    max_samples: int = Field(20_000, ge=1, description="Windows of training and validation together, at most.")
    fit_origins: int = Field(8000, ge=1, description="Origins from which windows are drawn, at most.")
    max_seconds: float = Field(1800, gt=0, description="No epoch starts after that time.")

    @model_validator(mode="after")
    def _consistent(self) -> RecursiveConfig:
        if self.outputs == "all" and self.inputs == "own":
            raise ConfigError('outputs = "all" needs inputs = "all": one target alone does not state which one it is')
        return self


@dataclass
class RecursiveForecaster:
    """The network, the scales of its series and the spread around its means.

    Attributes:
        name: of the architecture.
        network: [row, window, channel] to [row, ahead, target], scaled.
        window: steps that it looks back on.
        inputs, outputs: "own" or "all" targets.
        targets: it was fitted on.
        scales: of the stations that were trained on.
        phi: over-dispersion by target and station.
    """

    name: str
    network: OnnxNetwork
    window: int
    inputs: str
    outputs: str
    targets: tuple[str, ...]
    scales: SeriesScales
    phi: Spread = field(default_factory=dict)

    def predict(self, tensors: Tensors) -> Prediction:
        """Forecast the hour after every origin; as `weekday_level` where there is no scale or no start.

        Raises:
            ModelError: if the tensors have other targets or fewer recent steps than it was trained on.
        """
        return with_quantiles(self.mean(tensors), self.phi, tensors)

    def mean(self, tensors: Tensors) -> Float:
        """Expected counts, float32 [target, origin, station, step]; see `predict`."""
        self._check(tensors)
        past = recent_series(tensors, self.scales, self.window)
        origins, stations, window, targets = past.values.shape
        ahead = full_sequence(self.next_steps(), past.values.reshape(-1, window, targets), tensors.horizon)
        scaled = ahead.reshape(origins, stations, tensors.horizon, targets).transpose(3, 0, 1, 2)
        counts = np.maximum(scaled * past.span + past.low, 0)
        return np.where(past.known[..., None], counts, profile_times_level(tensors)).astype(np.float32)

    def next_steps(self) -> NextSteps:
        """The network as one of all targets, its answers between 0 and `CEILING`."""
        network = self._ask
        if self.outputs == "all":
            return network
        return by_target(network, len(self.targets)) if self.inputs == "all" else by_channel(network)

    def _ask(self, windows: Float) -> Float:
        return np.clip(self.network({"series": np.ascontiguousarray(windows)}), 0, CEILING)

    def export(self, folder: Path) -> dict[str, Any]:
        """Write `network.onnx`; return the rest."""
        self.network.write(folder)
        return {
            "window": self.window,
            "inputs": self.inputs,
            "outputs": self.outputs,
            "targets": self.targets,
            "scales": self.scales,
            "phi": self.phi,
        }

    def _check(self, tensors: Tensors) -> None:
        for what, ours, theirs, fits in (
            ("targets", self.targets, tensors.targets, self.targets == tensors.targets),
            ("recent steps", self.window, tensors.recent.shape[-1], self.window <= tensors.recent.shape[-1]),
        ):
            if not fits:
                raise ModelError(
                    f"{self.name} was trained on {what} {ours}, the configuration gives {theirs}: run nexthour retrain"
                )


class RecursiveLstm(BaseArchitecture):
    """An architecture of a sliding window; subclasses give name, config and what they want to show."""

    config: RecursiveConfig
    config_type = RecursiveConfig

    def fit(self, features: Features, split: Split, seed: int, log: FitLog) -> Forecaster:
        """Fit on windows before evenly chosen origins, in the order of time, the last share of which validates.

        Raises:
            HistoryError: if there are no windows with a count after them.
        """
        config, rng = self.config, np.random.default_rng(seed)
        series = len(features.grid.targets) * len(features.grid.stations)
        looked = min(config.fit_origins, max(SPREAD * config.max_samples // series, FEW), config.max_samples)
        origins = pick_evenly(np.concatenate([split.train, split.validation]), looked)
        cut = len(origins) - max(round(len(origins) * config.validation_share), 1)
        scales = training_scales(features, origins[: max(cut, 0)])
        each = max(config.max_samples // max(len(origins), 1), 1)
        train, held = (
            self._draw(features, part, scales, each, rng) for part in (origins[: max(cut, 0)], origins[max(cut, 0) :])
        )
        seed_everything(seed)
        model = self.network(train)
        plan = Plan(config.epochs, config.batch, config.patience, config.max_seconds, shuffle=False, seed=seed)
        fit_network(model, train, held, plan, log, self.progress)
        forecaster = self._forecaster(export_network(model), train, features, scales)
        forecaster.phi = learn_spread(forecaster.mean, features, pick_evenly(split.validation, SPREAD_ORIGINS))
        self.show(forecaster, features, split, log)
        return forecaster

    def network(self, train: FitRows) -> keras.Model:
        """The compiled network for such rows."""
        from keras.optimizers import Adam

        _, steps, channels = train.inputs["series"].shape
        _, ahead, targets = train.truth.shape
        shape = SequenceShape(steps, channels, ahead, targets)
        model = build_sequence(shape, self.config.cells, dropout=self.config.dropout, start=float(train.truth.mean()))
        compile_network(model, "mean_squared_error", Adam(self.config.learning_rate), ["mae"])
        return model

    def show(self, forecaster: RecursiveForecaster, features: Features, split: Split, log: FitLog) -> None:
        """Note what people want to look at."""

    def _draw(
        self, features: Features, origins: Minutes, scales: SeriesScales, each: int, rng: np.random.Generator
    ) -> FitRows:
        """At most `each` windows an origin whose next steps are observed, in the order of time."""
        parts = [self._rows(features, part, scales, each, rng) for part in chunks(origins, features)]
        if not sum(len(truth) for _, truth in parts):
            raise HistoryError(f"{self.name}: no minutes in a row before any origin: ingest more history")
        series, truth = (np.concatenate(side) for side in zip(*parts, strict=True))
        return FitRows({"series": series}, truth, np.ones(truth.shape[:2], np.float32))

    def _rows(
        self, features: Features, origins: Minutes, scales: SeriesScales, each: int, rng: np.random.Generator
    ) -> tuple[Float, Float]:
        config, tensors = self.config, features.tensors(origins)
        past = recent_series(tensors, scales, min(config.window, tensors.recent.shape[-1]))
        ahead = min(config.steps_ahead, tensors.horizon)
        truth = ((features.truth(origins)[..., :ahead] - past.low) / past.span).transpose(1, 2, 3, 0)
        series, usable = past.values, ((past.seen >= HALF) & past.known).transpose(1, 2, 0)
        targets = len(tensors.targets)
        if config.outputs == "own":
            turned = [np.roll(series, -c, axis=-1) for c in range(targets)]
            series = np.stack(turned, axis=2)[..., : targets if config.inputs == "all" else 1]
            truth = np.moveaxis(truth, -1, 2)[..., None]
        else:
            series, truth = series[:, :, None], truth[:, :, None]
            usable = np.asarray(usable.all(axis=-1, keepdims=True))
        whole = np.logical_and(usable, np.isfinite(truth).all(axis=(3, 4)))
        chance = np.where(whole, rng.random(whole.shape), -1.0).reshape(len(origins), -1)
        at = np.argsort(-chance, axis=1)[:, :each]
        pick = (at + np.arange(len(origins))[:, None] * chance.shape[1])[np.take_along_axis(chance, at, 1) >= 0]
        return series.reshape(-1, *series.shape[3:])[pick], truth.reshape(-1, *truth.shape[3:])[pick].astype(np.float32)

    def _forecaster(
        self, network: OnnxNetwork, train: FitRows, features: Features, scales: SeriesScales
    ) -> RecursiveForecaster:
        window, config = train.inputs["series"].shape[1], self.config
        return RecursiveForecaster(
            self.name, network, window, config.inputs, config.outputs, features.grid.targets, scales
        )

    @classmethod
    def load(cls, folder: Path, config: dict[str, Any]) -> Forecaster:
        """The forecaster whose `export(folder)` returned `config`.

        Raises:
            ModelError: if the folder does not hold it.
        """
        try:
            scales = read_scales(config)
            spread = read_spread(config, f"the bundle in {folder}")
            window, targets = int(config["window"]), tuple(config["targets"])
            sides = str(config["inputs"]), str(config["outputs"])
            return RecursiveForecaster(cls.name, OnnxNetwork.read(folder), window, *sides, targets, scales, spread)
        except (KeyError, TypeError, ValueError, AttributeError) as error:
            raise ModelError(f"the bundle in {folder} is not one of {cls.name} ({error!r}): retrain it") from None
