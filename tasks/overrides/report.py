"""Whether overrides helped: the error of the hours that they changed, as published and without them."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from tasks.arrays import HORIZON_MINUTES
from tasks.clock import service_dates
from tasks.metrics import horizon_spans
from tasks.overrides.entry import Override
from tasks.overrides.ledger import read_ledger
from tasks.settings.tree import Settings
from tasks.storage.store import Store
from tasks.tables import schemas

HOUR = np.timedelta64(HORIZON_MINUTES, "m")
COLUMNS = ("issued_at", "origin_utc", "station_id", "target", "band", "actual", "forecast", "without_override")


@dataclass(frozen=True)
class OverrideResult:
    """An override of the ledger, and what came of it.

    Attributes:
        override: the entry.
        state: `to come`, `in force`, `over` or `removed`.
        removed_by: who ended it, when and why; None where nobody did.
        hours: scored hours of forecasts that it changed.
        error, error_without: mean absolute error of these hours, people, as published and without it; None without any.
    """

    override: Override
    state: str
    removed_by: str | None
    hours: int = 0
    error: float | None = None
    error_without: float | None = None

    @property
    def helped(self) -> bool | None:
        """Whether the published hours were nearer to truth than those without it; None while nothing is scored."""
        if self.error is None or self.error_without is None:
            return None
        return self.error < self.error_without


def review_overrides(settings: Settings, as_of: np.datetime64) -> tuple[OverrideResult, ...]:
    """Every override of the ledger, newest first, with the errors of the hours that it changed.

    Where several changed the same hour, each has the errors of all together.

    Raises:
        StoreError: if the ledger or the scores table cannot be read.
    """
    store = Store(settings.data_root)
    added, removals = read_ledger(store)
    ended = {removal.of: removal for removal in removals}
    results = []
    for override in reversed(added):
        removal = ended.get(override.override_id)
        by = None if removal is None else f"{removal.who} at {removal.to_json()['added_at']}: {removal.why}"
        hours, error, without = _errors(settings, store, override)
        results.append(OverrideResult(override, _state(override, as_of, by), by, hours, error, without))
    return tuple(results)


def _state(override: Override, as_of: np.datetime64, removed_by: str | None) -> str:
    if removed_by is not None:
        return "removed"
    if as_of < override.start:
        return "to come"
    return "in force" if as_of < override.end else "over"


def _errors(settings: Settings, store: Store, override: Override) -> tuple[int, float | None, float | None]:
    """Scored hours that an override changed, and their mean absolute error with it and without."""
    network = settings.network
    steps = HORIZON_MINUTES // network.interval_minutes
    hour = horizon_spans(settings.score.bands, steps, network.interval_minutes)[-1].name
    edges = np.array([override.start - HOUR, override.end], dtype="datetime64[m]")
    first, last = (str(day) for day in service_dates(edges, network.timezone))
    days = [day for day in store.partitions("scores") if first <= day <= last]
    wanted = (pc.field("band") == hour) & pc.field("station_id").isin(list(override.stations))
    wanted &= (pc.field("origin_utc") > schemas.to_time(override.start - HOUR)) & (
        pc.field("origin_utc") < schemas.to_time(override.end)
    )
    wanted &= pc.field("issued_at") >= schemas.to_time(override.added_at)
    if override.target is not None:
        wanted &= pc.field("target") == override.target
    schema = pa.schema([schemas.SCORES.field(name) for name in COLUMNS])
    sums = np.zeros(3)
    for day in days:
        rows = store.read_tables(store.files(schemas.day_folder("scores", day), ".parquet"), schema, wanted)
        actual, made, without = (
            rows[name].to_numpy(zero_copy_only=False) for name in ("actual", "forecast", "without_override")
        )
        changed = np.isfinite(without) & (without != made)
        sums += (changed.sum(), np.abs(made - actual)[changed].sum(), np.abs(without - actual)[changed].sum())
    hours = int(sums[0])
    return (hours, float(sums[1] / hours), float(sums[2] / hours)) if hours else (0, None, None)
