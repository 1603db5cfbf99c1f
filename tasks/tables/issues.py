"""Rows of the forecasts table as arrays, one issue after the other."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from tasks.arrays import HORIZON_MINUTES, QUANTILE_COLUMNS, Float, Int, Minutes
from tasks.tables import schemas

COLUMNS = pa.schema([*schemas.PREDICTIONS, *(schemas.FORECASTS.field(name) for name in ("usual", "override_factor"))])
"""Columns of the forecasts table that `unpack` reads."""


@dataclass(frozen=True)
class Issues:
    """Forecasts of several issues as arrays.

    Attributes:
        issued_at: datetime64[us] [O].
        origins: datetime64[m] [O].
        model_versions: [O].
        mean: float32 [C, O, S, H]; NaN where nothing was forecast.
        quantiles: float32 [Q, C, O, S, H].
        usual: people that are usual, float32 [C, O, S, H]; NaN where that is not known.
        override: what a person multiplied the forecast by, float32 [C, O, S, H]; NaN likewise.
        stations, targets: names of the axes.
    """

    issued_at: npt.NDArray[np.datetime64]
    origins: Minutes
    model_versions: npt.NDArray[np.object_]
    mean: Float
    quantiles: Float
    usual: Float
    override: Float
    stations: tuple[str, ...]
    targets: tuple[str, ...]

    def identities(self) -> list[tuple[int, int, str]]:
        """What tells each issue from the others."""
        issued, origins = self.issued_at.astype(np.int64).tolist(), self.origins.astype(np.int64).tolist()
        return list(zip(issued, origins, self.model_versions.tolist(), strict=True))

    def take(self, chosen: npt.NDArray[np.bool_]) -> Issues:
        """Some of the issues."""
        return replace(
            self,
            issued_at=self.issued_at[chosen],
            origins=self.origins[chosen],
            model_versions=self.model_versions[chosen],
            mean=self.mean[:, chosen],
            quantiles=self.quantiles[:, :, chosen],
            usual=self.usual[:, chosen],
            override=self.override[:, chosen],
        )

    def at_stations(self, places: Int) -> Issues:
        """The same issues of some stations."""
        return replace(
            self,
            mean=self.mean[:, :, places],
            quantiles=self.quantiles[:, :, :, places],
            usual=self.usual[:, :, places],
            override=self.override[:, :, places],
            stations=tuple(self.stations[i] for i in places.tolist()),
        )


def unpack(table: pa.Table, targets: Sequence[str], interval: int) -> Issues:
    """Rows of `tables.FORECASTS` as arrays; rows of other targets or off the interval are left out."""
    issue, first = issue_of_row(table)
    station, stations = schemas.name_codes(table["station_id"])
    target, names = schemas.name_codes(table["target"])
    place = np.array([targets.index(n) if n in targets else -1 for n in names], dtype=np.int64)
    horizon = table["horizon_minutes"].to_numpy().astype(np.int64)
    steps = HORIZON_MINUTES // interval
    c, h = place[target] if len(names) else target.astype(np.int64), horizon // interval - 1
    kept = (c >= 0) & (horizon % interval == 0) & (h >= 0) & (h < steps)
    at = (c[kept], issue[kept], station[kept], h[kept])
    shape = (len(targets), len(first), len(stations), steps)
    columns = ("mean", "usual", "override_factor", *QUANTILE_COLUMNS)
    values = np.full((len(columns), *shape), np.nan, dtype=np.float32)
    for array, name in zip(values, columns, strict=True):
        array[at] = table[name].to_numpy()[kept]
    version, versions = schemas.name_codes(table["model_version"])
    return Issues(
        schemas.numpy_times(table["issued_at"])[first],
        schemas.numpy_times(table["origin_utc"])[first].astype("datetime64[m]"),
        np.array(versions, dtype=object)[version[first]] if len(first) else np.empty(0, dtype=object),
        values[0],
        values[3:],
        values[1],
        values[2],
        tuple(stations),
        tuple(targets),
    )


def issue_of_row(table: pa.Table) -> tuple[Int, Int]:
    """Number of each row's issue, and the first row of each issue; rows of an issue mostly lie together."""
    keys = np.stack(
        [
            schemas.numpy_times(table["issued_at"]).astype(np.int64),
            schemas.numpy_times(table["origin_utc"]).astype(np.int64),
            schemas.name_codes(table["model_version"])[0].astype(np.int64),
        ]
    )
    rows = keys.shape[1]
    starts = np.flatnonzero(np.r_[np.ones(min(rows, 1), bool), (keys[:, 1:] != keys[:, :-1]).any(axis=0)])
    _, first, number = np.unique(keys[:, starts], axis=1, return_index=True, return_inverse=True)
    return np.repeat(number.ravel(), np.diff(np.r_[starts, rows])), starts[first]
