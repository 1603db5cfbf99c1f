"""Score matured forecasts against the truth. Pure: tables and grids in, rows of the scores table and sums out."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from tasks import metrics
from tasks.arrays import HORIZON_MINUTES, Float, Int, Minutes
from tasks.clock import WallClock, to_local
from tasks.grid import Grid
from tasks.tables import schemas
from tasks.tables.issues import Issues

WEEK = np.timedelta64(7, "D")
HOUR = np.timedelta64(HORIZON_MINUTES, "m")
PAIRED = ("hours", "actual", "absolute", "squared", "naive_absolute", "naive_squared")


@dataclass(frozen=True)
class Scored:
    """Issues with their errors.

    Attributes:
        rows: of `tables.SCORES`, one a wholly observed (issue, station, target, band).
        truth: what was counted, float32 [C, O, S, H]; NaN where nothing was observed or forecast.
        cells: errors by target, issue, station and band, the total among the stations.
        network: sums of the network, float64 [C, O, B, K] by `metrics.SUMS`.
        paired: errors of the hour where the baseline has one, by `PAIRED`, float64 [C, O, S, 6].
        parts: positions of the stations but for their total.
        whole: position of the total; empty without one.
    """

    rows: pa.Table
    truth: Float
    cells: metrics.Cells
    network: metrics.Double
    paired: metrics.Double
    parts: Int
    whole: Int


def week_before(grid: Grid, earlier: Grid, timezone: str) -> Grid:
    """What the same wall-clock minute counted seven days before, on the minutes of `grid`.

    Args:
        grid: whose minutes and stations are wanted.
        earlier: holds the week before, with some hours to spare where the clocks changed.
        timezone: the network's.

    Returns:
        NaN where the wall clock skipped the minute, or nothing was observed.
    """
    clock = WallClock(earlier.start, earlier.steps, earlier.interval, timezone)
    step = clock.step_of_wall(to_local(grid.minutes, timezone) - WEEK)
    values = np.where(step >= 0, earlier.values[:, :, np.maximum(step, 0)], np.float32(np.nan))
    return Grid(values, grid.start, grid.interval, earlier.stations, earlier.targets)


def hours(grid: Grid, origins: Minutes, stations: Sequence[str]) -> Float:
    """The hour after each origin, float32 [C, O, S, H]; NaN for stations and minutes that the grid lacks."""
    place = {name: i for i, name in enumerate(grid.stations)}
    row = np.array([place.get(name, -1) for name in stations], dtype=np.int64)
    step = grid.index(origins)[:, None] + np.arange(HORIZON_MINUTES // grid.interval)
    there = (row >= 0)[None, :, None] & ((step >= 0) & (step < grid.steps))[:, None, :]
    if not there.any():
        return np.full((len(grid.targets), *there.shape), np.nan, dtype=np.float32)
    inside = np.clip(step, 0, grid.steps - 1)
    values = grid.values[:, np.maximum(row, 0)[None, :, None], inside[:, None, :]]
    return np.where(there, values, np.float32(np.nan))


def score(
    issues: Issues, truth: Float, baseline: Float, spans: Sequence[metrics.Span], total: str | None = None
) -> Scored:
    """Errors of issues.

    Args:
        issues: what was forecast.
        truth: [C, O, S, H], NaN where not observed.
        baseline: what the week before counted, [C, O, S, H]; NaN where that is not known.
        spans: bands, the whole hour last.
        total: name of the station that is the sum of all others.
    """
    truth = np.where(np.isfinite(issues.mean), truth, np.float32(np.nan))
    cells = metrics.cells(issues.mean, truth, issues.quantiles, spans)
    week = metrics.cells(np.zeros_like(truth), np.where(np.isfinite(truth), baseline, np.nan), None, spans)
    naive = np.where(week.complete & cells.complete, np.abs(week.actual - cells.actual), np.nan)
    whole = np.array([name == total for name in issues.stations], dtype=bool)
    parts = np.flatnonzero(~whole)
    mean, actual = metrics.network_total(issues.mean[:, :, parts], truth[:, :, parts])
    return Scored(
        _rows(issues, cells, naive, spans),
        truth,
        cells,
        metrics.add_up(metrics.cells(mean, actual, None, spans), (2,)),
        _paired_terms(cells, naive),
        parts,
        np.flatnonzero(whole),
    )


def _paired_terms(cells: metrics.Cells, naive: metrics.Double) -> metrics.Double:
    """Terms of the hour by `PAIRED`, zero where the baseline has none."""
    theirs = naive[..., -1]
    known = np.isfinite(theirs)
    ours = np.abs(cells.forecast - cells.actual)[..., -1]
    terms = (np.ones_like(ours), cells.actual[..., -1], ours, ours**2, theirs, theirs**2)
    return np.stack([np.where(known, term, 0) for term in terms], axis=-1)


def _rows(issues: Issues, cells: metrics.Cells, naive: metrics.Double, spans: Sequence[metrics.Span]) -> pa.Table:
    """Rows by issue, station, target and band."""

    def column(values: npt.NDArray[Any]) -> npt.NDArray[Any]:
        return values.transpose(1, 2, 0, 3)[kept]

    kept = cells.complete.transpose(1, 2, 0, 3)
    o, s, c, b = np.nonzero(kept)
    forecast, actual, minutes = column(cells.forecast), column(cells.actual), column(cells.minutes)
    versions, version = np.unique(issues.model_versions.astype(str), return_inverse=True)
    by_minute = (cells.deviance, cells.pinball, cells.covered_80, cells.covered_90)
    as_modelled = issues.mean / issues.override
    people = [np.stack([x[..., span.steps].sum(axis=-1, dtype=np.float64) for span in spans], axis=-1)
              for x in (issues.usual, as_modelled)]  # fmt: skip
    return pa.Table.from_arrays(
        [
            schemas.time_array(issues.issued_at[o]),
            schemas.time_array(issues.origins[o]),
            schemas.name_array(s, issues.stations),
            schemas.name_array(c, issues.targets),
            schemas.name_array(b, [span.name for span in spans]),
            schemas.name_array(version[o], versions.tolist()),
            pa.array(minutes.astype(np.int32)),
            pa.array(actual),
            pa.array(forecast),
            pa.array(np.abs(forecast - actual)),
            pa.array((forecast - actual) ** 2),
            *(pa.array(column(values) / minutes) for values in by_minute),
            pa.array(column(naive), from_pandas=True),
            pa.array(column(cells.crps) / minutes),
            pa.array(column(cells.covered_50) / minutes),
            *(pa.array(column(values), from_pandas=True) for values in people),
        ],
        schema=schemas.SCORES,
    )
