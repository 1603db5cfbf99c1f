"""What MLflow runs when it loads a registered version: the bundle, without pickle, TensorFlow or a database.

Inputs are the tensors with the origin axis first: O origins, K weeks, C targets, S stations, R recent and H horizon
steps. `station` holds positions in the list of stations that `bundle.json` has under `meta`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from tasks.contracts import Prediction, Tensors
from tasks.errors import ModelError
from tasks.model.serving.bundle import load_with_meta
from tasks.total import coherent

Arrays = dict[str, npt.NDArray[Any]]

FREE_AXES = {
    "origin": (0,),
    "station": (0, 1),
    "lags": (0, 3),
    "recent": (0, 2),
    "profile": (0, 2),
    "level": (0, 2),
    "calendar": (0,),
    "trail": (0, 3),
    "channels": (0, 3),
    "mean": (0, 2),
    "quantiles": (0, 3),
}
"""Axes of inputs and outputs that may have any length: origins and stations."""


class ServedBundle:
    """A bundle behind MLflow's `predict`."""

    def __init__(self, folder: Path) -> None:
        self._forecaster, self._meta = load_with_meta(folder)

    def predict(self, data: Mapping[str, npt.NDArray[Any]], params: Mapping[str, Any] | None = None) -> Arrays:
        """Forecast the hour after every origin.

        Args:
            data: see `to_arrays`; one list of stations for all origins.
            params: none are known.

        Returns:
            `mean` float32 [O, C, S, H] and `quantiles` float32 [O, Q, C, S, H], people per interval. Stations add up to
            their total where all of them are asked for, and it last; what else is asked for is its own network.

        Raises:
            ModelError: if `station` is not one list of known positions for all origins.
        """
        names = self._names(np.asarray(data["station"]))
        known, total = self._meta["stations"], self._meta.get("total")
        channels = self._meta.get("channels", ())
        tensors = to_tensors(data, names, self._meta["targets"], self._meta["interval"], channels)
        tensors = replace(tensors, total=total if names[-1:] == [total] else None)
        prediction = self._forecaster.predict(tensors)
        return answer(coherent(prediction, tensors) if sorted(names) == sorted(known) else prediction)

    def _names(self, station: npt.NDArray[Any]) -> list[str]:
        known = self._meta["stations"]
        if station.ndim != 2 or (station != station[:1]).any():
            raise ModelError("station: give one list of positions, the same for every origin: [O, S]")
        asked = station[:1].ravel()
        if not ((asked >= 0) & (asked < len(known))).all():
            raise ModelError(f"station: give positions from 0 to {len(known) - 1}, of meta.stations in bundle.json")
        return [known[i] for i in asked]


def to_arrays(tensors: Tensors, stations: Sequence[str]) -> Arrays:
    """Tensors as MLflow's inputs.

    Args:
        tensors: of stations that the bundle knows.
        stations: the bundle's.

    Returns:
        `origin` int64 [O], minutes since 1970 in UTC; `station` int64 [O, S]; float32 `lags` [O, K, C, S, R+H],
        `recent` [O, C, S, R], `profile` [O, C, S, R+H], `level` [O, C, S], `calendar` [O, H, F],
        `trail` [O, 2, C, S, T]; with extra channels `channels` [O, 2, N, S, R+H], NaN where nothing is known.
    """
    place = {name: i for i, name in enumerate(stations)}
    ids = np.array([place[name] for name in tensors.stations], np.int64)
    extra = {} if tensors.channels is None else {"channels": np.moveaxis(tensors.channels, 2, 0)}
    return {
        "origin": tensors.origins.astype("datetime64[m]").astype(np.int64),
        "station": np.tile(ids, (len(tensors.origins), 1)),
        "lags": np.moveaxis(tensors.lags, 2, 0),
        "recent": np.moveaxis(tensors.recent, 1, 0),
        "profile": np.moveaxis(tensors.profile, 1, 0),
        "level": np.moveaxis(tensors.level, 1, 0),
        "calendar": tensors.calendar,
        "trail": np.moveaxis(tensors.hours, 2, 0),
        **extra,
    }


def to_tensors(
    data: Mapping[str, npt.NDArray[Any]],
    stations: Sequence[str],
    targets: Sequence[str],
    interval: int,
    channels: Sequence[str] = (),
) -> Tensors:
    """The reverse of `to_arrays`."""

    def floats(name: str, axis: int) -> npt.NDArray[np.float32]:
        return np.ascontiguousarray(np.moveaxis(np.asarray(data[name], np.float32), 0, axis))

    return Tensors(
        origins=np.asarray(data["origin"], np.int64).astype("datetime64[m]"),
        lags=floats("lags", 2),
        recent=floats("recent", 1),
        profile=floats("profile", 1),
        level=floats("level", 1),
        calendar=floats("calendar", 0),
        stations=tuple(stations),
        targets=tuple(targets),
        interval=interval,
        trail=floats("trail", 2),
        channels=floats("channels", 2) if channels else None,
        channel_names=tuple(channels),
    )


def answer(prediction: Prediction) -> Arrays:
    """A prediction as MLflow's outputs, origin axis first."""
    return {"mean": np.moveaxis(prediction.mean, 1, 0), "quantiles": np.moveaxis(prediction.quantiles, 2, 0)}


def _load_pyfunc(folder: str) -> ServedBundle:
    """What `mlflow.pyfunc.load_model` calls."""
    return ServedBundle(Path(folder))
