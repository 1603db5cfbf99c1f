"""The default model once it is fitted: a network, what it must be given, and how its quantiles are calibrated."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from tasks.arrays import QUANTILES, Float
from tasks.contracts import Prediction, Tensors
from tasks.errors import ModelError
from tasks.model.architectures._boosted.forecaster import BoostedForecaster
from tasks.model.architectures._next_hour.inputs import InputRows, InputSettings, prepare
from tasks.model.architectures._next_hour.start import StartForecaster
from tasks.model.architectures._next_hour.weights import Weights
from tasks.model.blend import blend
from tasks.model.channel_inputs import ChannelScales
from tasks.model.networks.onnx import OnnxNetwork
from tasks.model.uncertainty.conformal import Calibration
from tasks.model.uncertainty.counts import HIGHEST


@dataclass
class NextHourForecaster:
    """A fitted network and what it must be given.

    Attributes:
        network: outputs [row, 1 + quantile, target, step].
        inputs: how tensors become its inputs.
        stations: with an embedding, in its order.
        targets, interval, weeks, recent, trail: of the tensors it was fitted on.
        weights: of the Keras network before its refit, from which a later fit may go on: that validates on days that
            the refit saw.
        calibration: of its quantiles; without one they are rounded.
        total_calibration: of those of the network's total, where it was fitted on one.
        scales: of the extra channels that it takes; the tensors may have others.
        start: what the network corrects; profile times level without one.
        blend_weights: of the network beside its start, by target; none for the network alone.
        beside: the start with trees, with which the network is blended in place of its start.
    """

    network: OnnxNetwork
    inputs: InputSettings
    stations: tuple[str, ...]
    targets: tuple[str, ...]
    interval: int
    weeks: int
    recent: int
    name: str = "next_hour_lstm"
    weights: Weights | None = None
    calibration: Calibration | None = None
    trail: int = 0
    total_calibration: Calibration | None = None
    scales: ChannelScales = field(default_factory=dict)
    start: StartForecaster | None = None
    blend_weights: tuple[float, ...] = ()
    beside: BoostedForecaster | None = None

    @property
    def channels(self) -> tuple[str, ...]:
        """Names of the extra channels that it takes."""
        return tuple(sorted(self.scales))

    @property
    def layout(self) -> dict[str, Any]:
        """What two networks must share for the fit of one to continue from the weights of the other."""
        return {
            "inputs": self.inputs,
            "targets": self.targets,
            "interval": self.interval,
            "weeks": self.weeks,
            "recent": self.recent,
            "trail": self.trail,
            "channels": self.channels,
            "start": self.start.name if self.start else None,
        }

    def predict(self, tensors: Tensors) -> Prediction:
        """Forecast the hour after every origin; stations that were never trained on share one embedding.

        Quantiles are whole numbers, as those of counts are, or a hundredth short of one; see `conformal`.

        Raises:
            ModelError: if the tensors have other targets, weeks or steps than it was trained on, or lack a channel.
        """
        self._check(tensors)
        windows, beside = self._with_beside(tensors)
        output = self.network(windows.inputs())
        if self.blend_weights:
            output = blend(output, beside, self.blend_weights)
        shape = (len(tensors.origins), len(tensors.stations), 1 + len(QUANTILES), len(tensors.targets), tensors.horizon)
        answer = np.clip(output.reshape(shape), 0, HIGHEST).transpose(2, 3, 0, 1, 4)
        mean, quantiles = np.ascontiguousarray(answer[0]), np.ascontiguousarray(answer[1:])
        calibrated = self.calibration.apply(mean, quantiles) if self.calibration else np.round(quantiles)
        if self.total_calibration and tensors.total is not None:
            own = mean[:, :, -1], np.ascontiguousarray(quantiles[:, :, :, -1])
            calibrated[:, :, :, -1] = self.total_calibration.apply(*own)
        return Prediction(mean, calibrated)

    def prepare(self, tensors: Tensors) -> InputRows:
        """What the network is given."""
        return prepare(tensors, self.stations, self.inputs, self.scales, self.start.mean if self.start else None)

    def _with_beside(self, tensors: Tensors) -> tuple[InputRows, Float]:
        """What the network is given, and what its answer is blended with, float32 [row, target, step]."""
        if self.beside is None:
            windows = self.prepare(tensors)
            return windows, windows.base
        rows, mean = self.beside.ridge.rows_and_mean(tensors)
        windows = prepare(tensors, self.stations, self.inputs, self.scales, lambda _: mean)
        beside = self.beside.correct(rows, mean, tensors.origins)
        return windows, beside.transpose(1, 2, 0, 3).reshape(windows.base.shape)

    def export(self, folder: Path) -> dict[str, Any]:
        """Write `network.onnx` and `weights.npz`; return the rest."""
        self.network.write(folder)
        if self.weights is not None:
            self.weights.write(folder)
        return {
            "inputs": self.inputs.model_dump(),
            "stations": list(self.stations),
            "targets": list(self.targets),
            "interval": self.interval,
            "weeks": self.weeks,
            "recent": self.recent,
            "trail": self.trail,
            "calibration": self.calibration.model_dump() if self.calibration else None,
            **({"total_calibration": self.total_calibration.model_dump()} if self.total_calibration else {}),
            **({"channels": self.scales} if self.scales else {}),
            **({"start": self.start.export(folder), "blend_weights": self.blend_weights} if self.start else {}),
            **({"beside": self.beside.export(folder)} if self.beside else {}),
        }

    def _check(self, tensors: Tensors) -> None:
        for what, ours, theirs in (
            ("targets", self.targets, tensors.targets),
            ("interval", self.interval, tensors.interval),
            ("weeks", self.weeks, len(tensors.lags)),
            ("recent steps", self.recent, tensors.recent.shape[-1]),
            ("trail hours", self.trail, tensors.hours.shape[-1] if self.inputs.windows else 0),
        ):
            if ours != theirs:
                raise ModelError(
                    f"{self.name} was trained on {what} {ours}, the configuration gives {theirs}: run nexthour retrain"
                )
