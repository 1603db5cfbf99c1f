"""The forecasts of one origin as arrays, and the hour of every station split into its factors."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from tasks.tables import schemas

Double = npt.NDArray[np.float64]
LEAST_USUAL = 0.5
"""Usual people in the hour below which nothing is compared with them."""


@dataclass(frozen=True)
class Hour:
    """Forecasts of one origin.

    Attributes:
        stations, targets: names of the axes; the network's total is not among the stations.
        origin: first minute, UTC.
        mean: people per interval, float64 [S, C, H].
        people: people in the hour, [S, C].
        usual: usual people in the hour, [S, C]; NaN where nothing is usual.
        factors: name of a factor -> that of the whole hour, [S, C]; usual times all of them is `people`. NaN likewise.
    """

    stations: tuple[str, ...]
    targets: tuple[str, ...]
    origin: np.datetime64
    mean: Double
    people: Double
    usual: Double
    factors: dict[str, Double]

    @property
    def over_usual(self) -> Double:
        """People over usual people, [S, C]; NaN where hardly anybody is usual, or nothing is known of it."""
        compared = self.usual >= LEAST_USUAL
        return np.asarray(np.divide(self.people, self.usual, out=np.full(self.people.shape, np.nan), where=compared))


def read_hour(forecasts: pa.Table, total: str | None = None) -> Hour:
    """The arrays of one origin's rows.

    Args:
        forecasts: rows of `tables.FORECASTS` of one origin, any order.
        total: name of the station that is the sum of all others, which is left out.
    """
    station, stations = schemas.name_codes(forecasts["station_id"])
    target, targets = schemas.name_codes(forecasts["target"])
    order = np.lexsort((forecasts["horizon_minutes"].to_numpy(), target, station))
    shape = (len(stations), len(targets), -1)
    parts = np.array([name != total for name in stations], dtype=bool)

    def column(name: str) -> Double:
        values = forecasts[name].to_numpy(zero_copy_only=False)
        return np.asarray(np.asarray(values, np.float64)[order].reshape(shape)[parts])

    names = schemas.FACTORS[1:]
    mean, parted = column("mean"), column("usual")
    sums = [parted.sum(axis=-1)]
    for name in names:
        parted = parted * column(name)
        sums.append(parted.sum(axis=-1))
    factors = {
        name: np.divide(after, before, out=np.where(np.isnan(before), np.nan, 1.0), where=before > 0)
        for name, before, after in zip(names, sums[:-1], sums[1:], strict=True)
    }
    return Hour(
        tuple(name for name in stations if name != total),
        tuple(targets),
        schemas.numpy_times(forecasts["origin_utc"])[0].astype("datetime64[m]"),
        mean,
        mean.sum(axis=-1),
        sums[0],
        factors,
    )
