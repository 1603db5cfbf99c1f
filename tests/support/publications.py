"""Publications for the tests of targets: forecasts, a summary, levels and a day."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import date
from typing import Any

import numpy as np
import pyarrow as pa

from tasks.arrays import Float, Minutes
from tasks.contracts import Publication
from tasks.grid import Grid
from tasks.levels.steps import make_publication
from tasks.settings.tree import Settings
from tasks.tables import schemas


class FakeHistory:
    """Counts of a grid, and a profile that a function gives; past weeks are this profile times one factor each."""

    def __init__(
        self,
        grid: Grid,
        profile: Callable[[Minutes], Float] | None = None,
        weeks: tuple[float, ...] = (1.0,) * 4,
    ) -> None:
        self.grid, self.holidays, self.weeks = grid, frozenset[date](), weeks
        self._profile = profile

    def counts(self, minutes: Minutes) -> Float:
        at = self.grid.index(minutes)
        inside = (at >= 0) & (at < self.grid.steps)
        return np.where(inside, self.grid.values[:, :, np.clip(at, 0, self.grid.steps - 1)], np.float32(np.nan))

    def profile(self, minutes: Minutes) -> Float:
        if self._profile is not None:
            return self._profile(minutes)
        return np.full((*self.grid.values.shape[:2], len(minutes)), 2, np.float32)

    def lag_tensor(self, minutes: Minutes, stations: Sequence[int] | None = None) -> Float:
        rows = np.arange(len(self.grid.stations)) if stations is None else np.asarray(stations)
        return np.stack([self.profile(minutes)[:, rows] * np.float32(factor) for factor in self.weeks])


def publication(
    settings: Settings, forecasts: pa.Table, summary: dict[str, Any], history: FakeHistory | None = None
) -> Publication:
    """One issue as targets get it, beside a day of two people per interval where no history is given."""
    if history is None:
        origin = schemas.numpy_times(forecasts["origin_utc"])[0].astype("datetime64[m]")
        interval = int(summary["interval_minutes"])
        targets, stations = (tuple(schemas.name_codes(forecasts[name])[1]) for name in ("target", "station_id"))
        values = np.full((len(targets), len(stations), 1440 // interval), 2, np.float32)
        history = FakeHistory(Grid(values, origin - np.timedelta64(1, "D"), interval, stations, targets))
    return make_publication(settings, history, forecasts, {"next_issue_at": None, **summary})
