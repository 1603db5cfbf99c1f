"""The default: an LSTM over the weeks corrects the profile at today's level, for the whole hour in one pass."""

from __future__ import annotations

import gc
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, Literal, NamedTuple

import numpy as np
from pydantic import Field

from tasks.contracts import Features, FitLog, Forecaster, Progress, Range, Space, Split
from tasks.errors import HistoryError, ModelError
from tasks.model.architectures import BaseArchitecture, ModelConfig
from tasks.model.architectures._next_hour.forecaster import NextHourForecaster
from tasks.model.architectures._next_hour.inputs import InputSettings
from tasks.model.architectures._next_hour.row_weights import Age, shared_dispersion, station_weights, weighted_rows
from tasks.model.architectures._next_hour.samples import Augment, Samples, TrainingRows, draw
from tasks.model.architectures._next_hour.start import (
    Base,
    FittedStart,
    StartForecaster,
    choose_base,
    fit_start,
    load_beside,
    load_start,
    rows_of,
)
from tasks.model.architectures._next_hour.weights import Weights, adopt
from tasks.model.blend import blend, learn_weights
from tasks.model.channel_inputs import ChannelScales, learn_scales
from tasks.model.networks.fit import (
    FitRows,
    Plan,
    compile_network,
    fit_network,
    predict_rows,
    refit_network,
    seed_everything,
)
from tasks.model.networks.onnx import OnnxNetwork, export_network
from tasks.model.uncertainty.conformal import Calibration, calibrate_rows

if TYPE_CHECKING:
    from tasks.model.architectures._next_hour.network import Shape


class NextHourConfig(ModelConfig):
    """Table `[models.next_hour_lstm]`."""

    units: int = Field(32, ge=2, le=1024, description="Cells of the LSTM, and width of the layers around it.")
    embedding: int = Field(8, ge=1, le=64, description="Numbers that stand for a station.")
    dropout: float = Field(0.1, ge=0, lt=1)
    epochs: int = Field(6, ge=1, le=1000)
    fine_tune_epochs: int = Field(2, ge=1, le=1000, description="The same when it goes on from the night before.")
    fine_tune_rate: float = Field(1e-3, gt=0, description="Learning rate then.")
    patience: int = Field(3, ge=1, description="Epochs without gain on the validation days before it ends.")
    batch: int = Field(256, ge=1)
    learning_rate: float = Field(4e-3, gt=0, description="Of Adam at the start; it falls to a twentieth.")
    likelihood: Literal["poisson", "negative_binomial"] = Field("poisson", description="Of the counts, for the mean.")
    quantile_weight: float = Field(1.0, ge=0, description="Weight of the quantiles' loss beside the mean's.")
    fairness: float = Field(0.25, ge=0, le=1, description="0: every person counts alike; 1: every station does.")
    half_life_days: float = Field(21.0, ge=0, description="Age at which a training row counts half; 0: all alike.")
    refit: bool = Field(
        True,
        description="Train again, validation days included, for as many epochs as were best (half of them at least).",
    )
    calibrate: bool = Field(True, description="Calibrate the quantiles on the validation days.")
    max_samples: int = Field(60_000, ge=1, description="Training rows (an origin at a station), at most.")
    max_validation: int = Field(12_000, ge=1, description="Validation rows, at most.")
    max_seconds: float = Field(1800, gt=0, description="No epoch starts after that time.")
    base: Base | Literal["auto"] = Field(
        "auto",
        description="Forecast that the network starts from and corrects; auto: `boosted_level` while the history is "
        "shorter than the weekly lags reach, `linear_level` from then on.",
    )
    blend: bool = Field(
        True, description="Blend the network with `boosted_level`, by weights learnt on the validation days."
    )
    inputs: InputSettings = InputSettings()
    augment: Augment = Augment()


class Given(NamedTuple):
    """What rows are made with beside the settings: scales of the extra channels, and the forecast they start from."""

    scales: ChannelScales
    start: StartForecaster | None


class NextHourLstm(BaseArchitecture):
    """See the file's head."""

    name = "next_hour_lstm"
    config: NextHourConfig
    config_type: type[NextHourConfig] = NextHourConfig
    space: ClassVar[Space] = {
        "units": Range(16, 128, log=True),
        "embedding": Range(2, 16, log=True),
        "dropout": Range(0.0, 0.4),
        "epochs": Range(4, 12),
        "batch": (128, 256, 512),
        "learning_rate": Range(1e-3, 1e-2, log=True),
        "fairness": Range(0.0, 1.0),
        "augment.weeks": Range(0.0, 0.3),
        "augment.drift": Range(0.0, 0.2),
        "augment.shift": Range(0.0, 0.4),
    }

    def __init__(self, config: NextHourConfig | None = None, progress: Progress | None = None) -> None:
        super().__init__(config, progress)
        self.start: Forecaster | None = None  # of an earlier night, to go on from

    def fit(self, features: Features, split: Split, seed: int, log: FitLog) -> Forecaster:
        """Fit on at most `max_samples` rows of the training origins; keep the epoch that validates best.

        Goes on from `start` for fewer epochs where that is a network of the same layout.

        Raises:
            HistoryError: if training or validation has no hour with a count.
        """
        scales = learn_scales(features, split.train)
        log.notes["base"] = choose_base(self.config.base, features, split)
        base = fit_start(log.notes["base"], features, split, seed)
        log.notes |= base.notes if base else {}
        model, settled = self._train(features, split, seed, log, scales, base)
        # TensorFlow's functions hold the rows in circles of references, and what follows needs memory of its own.
        gc.collect()
        given = Given(scales, base.fitted if base else None)
        return replace(self._forecaster(export_network(model), features, given), **settled)

    def _train(
        self, features: Features, split: Split, seed: int, log: FitLog, scales: ChannelScales, base: FittedStart | None
    ) -> tuple[Any, dict[str, Any]]:
        """The fitted network, and the attributes of the forecaster that its rows decide."""
        from tasks.model.architectures._next_hour import network as networks

        config, known, rng = self.config, features.grid.stations, np.random.default_rng(seed)
        given = Given(scales, base.for_validation if base else None)
        drawn = TrainingRows(self._most_rows(features, split))
        train = self._draw(features, split.train, config.max_samples, "training", rng, config.augment, given, drawn)
        held = self._draw(features, split.validation, config.max_validation, "validation", rng, None, given)
        weights = station_weights(train, len(known), config.fairness, features.grid.total is not None)
        seed_everything(seed)
        shape = networks.Shape.of(train.windows.inputs(), len(known), features.grid.interval, config.inputs.bin_minutes)
        model = self._network(shape, features)
        log.notes["fine_tuned"] = self._adopt(model, features, given)
        if log.notes["fine_tuned"]:
            tuned = {"epochs": config.fine_tune_epochs, "learning_rate": config.fine_tune_rate}
            config = config.model_copy(update=tuned)
        start = model.get_weights()
        plan = Plan(config.epochs, config.batch, config.patience, config.max_seconds, seed=seed)
        age = Age(split, config.half_life_days)
        rows, watched = weighted_rows(train, weights, age), weighted_rows(held, weights)
        metrics = [networks.likelihood, networks.quantile_loss]
        spread = shared_dispersion(train) if config.likelihood == "negative_binomial" else None
        compile_network(model, networks.loss_with(config.quantile_weight, spread), _adam(config, len(rows)), metrics)
        fit_network(model, rows, watched, plan, log, self.progress)
        settled = self._settle(model, watched, held, features, base, log)
        settled["weights"] = Weights.of(model)  # a night that goes on from here validates on days that the refit sees
        if config.refit and log.notes["best_epoch"]:
            given, most = given._replace(start=base.for_refit if base else None), self._most_fresh(split)
            self._draw(features, split.validation, most, "validation", rng, config.augment, given, drawn)
            rows = weighted_rows(drawn.samples(), weights, age)
            again = replace(plan, epochs=max(log.notes["best_epoch"], config.epochs // 2))
            refit_network(model, start, rows, watched, again, log, self.progress)
        return model, settled

    def _settle(
        self, model: Any, watched: FitRows, held: Samples, features: Features, base: FittedStart | None, log: FitLog
    ) -> dict[str, Any]:
        """Blend weights, what they blend with, and calibrations of the forecaster, from held-out rows."""
        grid = features.grid
        output = predict_rows(model, watched)
        settled: dict[str, Any] = {}
        if self.config.blend and base is not None:
            start, rival = held.windows.base, base.beside_for_validation
            if rival is not None:
                start = rows_of(rival, features, held.origin, held.place)
                settled["beside"] = base.beside
            settled["blend_weights"] = learn_weights(output, start, held.truth, watched.weight, held.origin)
            output = blend(output, start, settled["blend_weights"])
            for target, weight in zip(grid.targets, settled["blend_weights"], strict=True):
                log.notes[f"network_weight_{target}"] = weight
        if self.config.calibrate:
            own = None if grid.total is None else held.place == len(grid.stations) - 1
            both = calibrate_rows(output, held.truth, grid.interval, own)
            settled["calibration"], settled["total_calibration"] = both
        return settled

    def _adopt(self, model: Any, features: Features, given: Given) -> bool:
        """Give the network the weights of `start`, if that is one of the same layout."""
        start, like = self.start, self._forecaster(None, features, given)
        if not isinstance(start, NextHourForecaster) or start.weights is None:
            return False
        return start.layout == like.layout and adopt(model, start.weights, start.stations, like.stations)

    def _network(self, shape: Shape, features: Features) -> Any:
        from tasks.model.architectures._next_hour.network import build_network

        return build_network(shape, self.config.units, self.config.embedding, self.config.dropout)

    def _most_rows(self, features: Features, split: Split) -> int:
        """Bound on the training rows, with those of the refit."""
        rows = min(self.config.max_samples, len(split.train) * len(features.grid.stations))
        return rows + self._most_fresh(split) if self.config.refit else rows

    def _most_fresh(self, split: Split) -> int:
        """Bound on the training rows of the validation origins: as many to the origin as the others have."""
        return max(round(self.config.max_samples * len(split.validation) / max(len(split.train), 1)), 1)

    def _draw(
        self,
        features: Features,
        origins: Any,
        most: int,
        what: str,
        rng: np.random.Generator,
        augment: Augment | None,
        given: Given,
        into: TrainingRows | None = None,
    ) -> Samples:
        if len(origins):
            known, inputs = features.grid.stations, self.config.inputs
            start = given.start.mean if given.start else None
            more = augment, self.progress, given.scales, start, into
            samples = draw(features, origins, most, known, inputs, rng, *more)
            if len(samples.truth):
                return samples
        raise HistoryError(f"{self.name}: no observed hour among the {what} origins: ingest more history")

    def _forecaster(self, network: Any, features: Features, given: Given) -> NextHourForecaster:
        grid = features.grid
        tensors = features.tensors(grid.minutes[-1:])
        return NextHourForecaster(
            network,
            self.config.inputs,
            grid.stations,
            grid.targets,
            grid.interval,
            len(tensors.lags),
            tensors.recent.shape[-1],
            trail=tensors.hours.shape[-1] if self.config.inputs.windows else 0,
            scales=given.scales,
            start=given.start,
        )

    @classmethod
    def load(cls, folder: Path, config: dict[str, Any]) -> Forecaster:
        """The forecaster whose `export(folder)` returned `config`.

        Raises:
            ModelError: if the folder does not hold it.
        """
        try:
            return NextHourForecaster(
                OnnxNetwork.read(folder),
                InputSettings(**{"windows": (), **config["inputs"]}),
                tuple(config["stations"]),
                tuple(config["targets"]),
                int(config["interval"]),
                int(config["weeks"]),
                int(config["recent"]),
                weights=Weights.read(folder),
                calibration=Calibration(**kept) if (kept := config.get("calibration")) else None,
                trail=int(config.get("trail", 0)),
                total_calibration=Calibration(**own) if (own := config.get("total_calibration")) else None,
                scales={name: (float(m), float(d)) for name, (m, d) in config.get("channels", {}).items()},
                start=load_start(folder, config.get("start")),
                beside=load_beside(folder, config.get("beside")),
                blend_weights=tuple(float(weight) for weight in config.get("blend_weights", ())),
            )
        except (KeyError, TypeError, ValueError) as error:
            raise ModelError(f"the bundle in {folder} is not one of {cls.name} ({error!r}): retrain it") from None


def _adam(config: NextHourConfig, rows: int) -> Any:
    import keras

    steps = config.epochs * -(-rows // config.batch)
    rate = keras.optimizers.schedules.CosineDecay(config.learning_rate, steps, alpha=0.05)
    return keras.optimizers.Adam(rate, clipnorm=1.0)


ARCHITECTURE = NextHourLstm
