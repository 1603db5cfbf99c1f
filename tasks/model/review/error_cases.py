"""Error cases: the held-out hours where the challenger was furthest off, one per station."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from tasks.clock import to_local
from tasks.escapes import escape_markdown
from tasks.grid import Grid
from tasks.model.review.held_out import HeldOut
from tasks.model.training.holdout import hour_deviance
from tasks.stations.table import StationTable

SHOWN = 3


@dataclass(frozen=True)
class ErrorCase:
    """One hour of one station and target.

    Attributes:
        at: position among the held-out origins.
        target, station: positions on the axes.
        origin: start of the hour, UTC.
        forecast, actual: people in the hour.
    """

    at: int
    target: int
    station: int
    origin: np.datetime64
    forecast: float
    actual: float


def find_error_cases(held_out: HeldOut, grid: Grid, count: int = SHOWN) -> list[ErrorCase]:
    """The worst hours by Poisson deviance, the worst first; hours that were not wholly observed are left out."""
    actual = held_out.truth[:, :, grid.parts].sum(axis=-1, dtype=np.float64)
    forecast = held_out.prediction.mean[:, :, grid.parts].sum(axis=-1, dtype=np.float64)
    loss = np.where(np.isfinite(actual), hour_deviance(forecast, np.nan_to_num(actual)), -np.inf)
    worst = loss.reshape(-1, loss.shape[-1]).argmax(axis=0)  # of each station
    targets, origins = np.unravel_index(worst, loss.shape[:2])
    cases = [
        ErrorCase(int(o), int(c), s, held_out.origins[o], float(forecast[c, o, s]), float(actual[c, o, s]))
        for s, (c, o) in enumerate(zip(targets, origins, strict=True))
        if np.isfinite(loss[c, o, s])
    ]
    return sorted(cases, key=lambda case: -loss[case.target, case.at, case.station])[:count]


def error_cases_markdown(cases: Sequence[ErrorCase], grid: Grid, timezone: str, stations: StationTable) -> str:
    """The cases as a table under a heading, with local times; empty without any."""
    if not cases:
        return ""
    rows = [
        f"| {str(to_local(np.array([case.origin]), timezone)[0])[:16].replace('T', ' ')} | "
        f"{escape_markdown(stations.label(grid.stations[case.station]))} | {grid.targets[case.target]} | "
        f"{case.forecast:.0f} | {case.actual:.0f} | {case.actual - case.forecast:+.0f} |"
        for case in cases
    ]
    head = ["| hour from | station | target | forecast | counted | off by |", "|---|---|---|---:|---:|---:|"]
    return "\n".join(["**Error cases**, the worst held-out hour of each station:", "", *head, *rows]) + "\n"
