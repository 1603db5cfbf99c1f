"""The report of a replay: sums by origin while it runs, figures by band, hour of day and day at its end."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from tasks.clock import service_dates, to_local
from tasks.contracts import Int, Minutes
from tasks.errors import StoreError
from tasks.metrics import SUMS, Double, figures, finite

SCHEMA_VERSION = 1
POOLED = "all"


@dataclass(frozen=True)
class Training:
    """One fit: who, on minutes before when, for how many origins, under what name, in how many seconds."""

    model: str
    as_of: str
    origins: int
    model_version: str
    seconds: float


@dataclass
class ReplayTally:
    """Sums of a replay, float64 [C, O, B, K] a model; a few kB an origin, whatever the number of stations.

    Attributes:
        models, targets: names.
        origins: all that are replayed, datetime64[m], ascending.
        bands: names of the axis B, the whole hour last.
        timezone: the network's.
        trainings: every fit.
        seconds: spent by kind of work.
    """

    models: Sequence[str]
    targets: Sequence[str]
    origins: Minutes
    bands: Sequence[str]
    timezone: str
    trainings: list[Training] = field(default_factory=list)
    seconds: dict[str, float] = field(default_factory=dict)
    _stations: dict[str, Double] = field(init=False)
    _network: dict[str, Double] = field(init=False)

    def __post_init__(self) -> None:
        shape = (len(self.targets), len(self.origins), len(self.bands), len(SUMS))
        self._stations = {name: np.zeros(shape) for name in self.models}
        self._network = {name: np.zeros(shape) for name in self.models}

    def add(self, model: str, origins: Minutes, stations: Double, network: Double) -> None:
        """Add the sums [C, O, B, K] of some origins, over stations and of the network total."""
        at = np.searchsorted(self.origins, origins)
        self._stations[model][:, at] += stations
        self._network[model][:, at] += network

    def report(self, stations: Sequence[str], interval: int, retrain_every: np.timedelta64 | None) -> dict[str, Any]:
        """Everything that `report.json` says; figures that nothing supports are absent.

        Returns:
            What was replayed, and `models` -> name -> "stations" or "network" -> "all" or a target -> `overall`,
            `by_band`, `by_hour_of_day` (local hour of the origin), `by_day` (service day of the origin) -> figures.
        """
        minutes = None if retrain_every is None else int(retrain_every / np.timedelta64(1, "m"))
        return {
            "schema_version": SCHEMA_VERSION,
            "timezone": self.timezone,
            "interval_minutes": interval,
            "targets": list(self.targets),
            "stations": len(stations),
            "origins": len(self.origins),
            "first_origin": f"{self.origins[0]}Z",
            "last_origin": f"{self.origins[-1]}Z",
            "rows": len(self.models) * len(self.targets) * len(self.origins) * len(stations) * (60 // interval),
            "retrain_every_minutes": minutes,
            "trainings": [asdict(training) for training in self.trainings],
            "seconds": {what: round(spent, 3) for what, spent in self.seconds.items()},
            "models": {name: self._model(name) for name in self.models},
        }

    def _model(self, name: str) -> dict[str, Any]:
        scopes = {"stations": self._stations[name], "network": self._network[name]}
        return {scope: self._scope(sums) for scope, sums in scopes.items()}

    def _scope(self, sums: Double) -> dict[str, Any]:
        by_target = {POOLED: sums.sum(axis=0)} | {target: sums[c] for c, target in enumerate(self.targets)}
        return {target: self._tree(part) for target, part in by_target.items()}

    def _tree(self, sums: Double) -> dict[str, Any]:
        """Figures of the sums [O, B, K] of one target."""
        whole = sums[:, -1]
        hour = to_local(self.origins, self.timezone).astype("datetime64[h]").astype(np.int64) % 24
        day = service_dates(self.origins, self.timezone)
        bands = zip(self.bands, sums.sum(axis=0), strict=True)
        return {
            "overall": finite(figures(whole.sum(axis=0))),
            "by_band": {band: finite(figures(row, "band")) for band, row in bands},
            "by_hour_of_day": _grouped(whole, hour, [f"{h:02d}" for h in np.unique(hour)]),
            "by_day": _grouped(whole, day.astype(np.int64), [str(d) for d in np.unique(day)]),
        }


def write_report(path: Path, report: dict[str, Any]) -> None:
    """Write a JSON file whole.

    Raises:
        StoreError: if the folder cannot be written.
    """
    temporary = path.parent / f".{path.name}.new"
    try:
        temporary.write_text(json.dumps(report, indent=1, allow_nan=False), encoding="utf-8")
        temporary.replace(path)
    except OSError as error:
        raise StoreError(f"{path} cannot be written: {error.strerror or error}") from None


def _grouped(sums: Double, group: Int, names: Sequence[str]) -> dict[str, dict[str, float]]:
    """Figures of the sums [O, K] by the ascending values of a group."""
    values: npt.NDArray[np.int64] = np.unique(group)
    return {name: finite(figures(sums[group == v].sum(axis=0))) for name, v in zip(names, values, strict=True)}
