"""Steps of the score stage."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from dataclasses import asdict, replace

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from tasks import metrics
from tasks.arrays import HORIZON_MINUTES
from tasks.clock import day_bounds, service_dates
from tasks.contracts import Grid
from tasks.errors import ConfigError, NexthourError
from tasks.score.busy_days import BusyDays
from tasks.score.day_hours import HoursByDay
from tasks.score.drift import Drift as Drift
from tasks.score.drift import measure_drift
from tasks.score.live_error import TierControl as TierControl
from tasks.score.live_error import tier_controls
from tasks.score.report import ScoreReport as ScoreReport
from tasks.score.scoring import HOUR, WEEK, Scored, hours, score, week_before
from tasks.score.signal_rows import SignalDay
from tasks.score.tally import Tally
from tasks.settings.tree import Settings
from tasks.stepping import step
from tasks.storage.store import Store, row_count
from tasks.tables import schemas
from tasks.tables.issues import COLUMNS, Issues, unpack
from tasks.tables.minutes import read_minutes, to_grid
from tasks.tables.staleness import Mark, clear, due, is_settled, mark_older_scores, mark_unsettled
from tasks.total import with_total
from tasks.tracking.live_scores import log_live_metrics

log = logging.getLogger(__name__)

ROWS_AT_ONCE = 500_000
PUBLISHED = "published"
"""What was published at the origins of shadows, among their figures."""
CLOCK_CHANGE = np.timedelta64(3, "h")
MINUTE, DAY = np.timedelta64(1, "m"), np.timedelta64(1, "D")


@step("score forecasts", retries=2)
def score_forecasts(
    settings: Settings, as_of: np.datetime64, start: np.datetime64 | None = None, end: np.datetime64 | None = None
) -> ScoreReport:
    """Score again every forecast whose hour is over against the truth of today, service day by service day.

    Args:
        settings: the network, its bands, its data root.
        as_of: now, UTC; truth at or after it is not read.
        start: any moment of the first service day of origins. Without it: `score.back_days` before `as_of`, and any
            earlier day that has a staleness mark, or that was never scored.
        end: after the last origin wanted; `as_of` without it.

    Raises:
        ConfigError: if `end` is not after `start`.
        StoreError: if a table cannot be read or written.
    """
    network, store = settings.network, Store(settings.data_root)
    steps = HORIZON_MINUTES // network.interval_minutes
    spans = metrics.horizon_spans(settings.score.bands, steps, network.interval_minutes)
    tally, shadows = (Tally(network.targets, [span.name for span in spans], settings.gate.baselines) for _ in range(2))
    busy = BusyDays(settings, HoursByDay(settings))
    mark_older_scores(store, as_of)
    marks = _marks(store, as_of, network.timezone)
    days = _days(settings, store, as_of, start, end, frozenset(marks))
    for day in days:
        settled = is_settled(day, as_of, network.timezone)
        if not settled:
            mark_unsettled(store, day)
        scorer = DayScorer(settings, day, as_of, spans, busy)
        _score_day(scorer, tally, shadows)
        clear(store, [marks[day]] if settled and day in marks else [])
    if start is None:
        issued = set(store.partitions("forecasts"))
        clear(store, (mark for day, mark in marks.items() if day not in issued))
    late = [day for day in days if day in marks and marks[day].late]
    report = replace(tally.report(days), late=late, shadows=shadows.report(days).by_model)
    log.info("scored %d issues of %d days, %d pending", report.origins, len(days), report.pending)
    return report


@step("control error")
def control_error(settings: Settings, as_of: np.datetime64) -> tuple[TierControl, ...]:
    """Hold the hourly live error of each tier against its control limits; see `control_chart`.

    Raises:
        StoreError: if the scores table cannot be read.
    """
    network = settings.network
    steps = HORIZON_MINUTES // network.interval_minutes
    hour = metrics.horizon_spans(settings.score.bands, steps, network.interval_minutes)[-1]
    return tier_controls(settings, as_of, hour.name)


@step("measure input drift")
def find_drift(settings: Settings, as_of: np.datetime64) -> tuple[Drift, ...]:
    """How far the counts of the last week are from those of the weeks before, per tier; measured once per service day.

    Raises:
        StoreError: if a table cannot be read or written.
    """
    store = Store(settings.data_root)
    today = service_dates(np.array([as_of], dtype="datetime64[m]"), settings.network.timezone)[0]
    path = f"{schemas.day_folder('drift', today)}/drift.json"
    held = store.read_json(path)
    if held is not None:
        return tuple(Drift(**each) for each in held["tiers"])
    found = measure_drift(HoursByDay(settings), today, settings)
    store.write_json(path, {"tiers": [asdict(each) for each in found]})
    for each in found:
        log.info("counts of the %s: %s", each.tier, each.sentence)
    return found


@step("log live metrics", timeout_seconds=300)
def log_live(settings: Settings, report: ScoreReport, as_of: np.datetime64) -> str | None:
    """Add the figures of a scoring to the long-lived MLflow run and to the versions that made the forecasts.

    Returns:
        Id of the long-lived run; None where MLflow does not answer.
    """
    figures = {f"live/{name}": value for name, value in report.metrics.items()}
    figures |= {f"live_network/{name}": value for name, value in report.network.items()}
    figures |= {f"live_total/{name}": value for name, value in report.total.items()}
    figures |= {
        f"live_{tier.replace(' ', '_')}/{name}": value
        for tier, of in report.by_tier.items()
        for name, value in of.items()
    }
    figures |= {f"drift_{each.tier.replace(' ', '_')}/{k}": v for each in report.drift for k, v in each.figures.items()}
    figures |= {
        f"shadow_{shadow.replace(':', '_')}/{name}": value
        for shadow, of in report.shadows.items()
        for name, value in of.items()
    }
    hour = int(as_of.astype("datetime64[h]").astype(np.int64))
    try:
        return log_live_metrics(settings, metrics.finite(figures), hour, as_of, report.by_model)
    except NexthourError as error:
        log.warning("the live metrics were not logged: %s", error)
        return None


class DayScorer:
    """Scores the issues of one service day against its truth, which is read once."""

    def __init__(
        self, settings: Settings, day: str, as_of: np.datetime64, spans: list[metrics.Span], busy: BusyDays
    ) -> None:
        self.settings, self.day, self.store = settings, day, Store(settings.data_root)
        self._as_of, self._spans, self._busy = as_of, spans, busy
        self._truth, self._baseline = _truth(settings, self.store, np.datetime64(day, "D"), as_of)

    def issues(self, table: str, tally: Tally | None = None) -> Iterator[Issues]:
        """Issues of a table whose hour is over, each once; those whose hour is not are counted as pending."""
        network = self.settings.network
        known: set[tuple[int, int, str]] = set()
        for piece in _pieces(self.store, self.day, table):
            issues = unpack(piece, network.targets, network.interval_minutes)
            issues = issues.take(np.array([issue not in known for issue in issues.identities()], dtype=bool))
            known.update(issues.identities())
            over = issues.origins + HOUR <= self._as_of
            if tally is not None:
                tally.pending += int((~over).sum())
            if over.any():
                yield issues.take(over)

    def add(self, issues: Issues, tally: Tally) -> Scored:
        """Add some issues to a tally; returns their errors."""
        actual, week = (hours(grid, issues.origins, issues.stations) for grid in (self._truth, self._baseline))
        scored = score(issues, actual, week, self._spans, self.settings.network.total)
        tally.add(issues, scored, self._busy.limits(np.datetime64(self.day, "D"), issues.stations))
        return scored


def _score_day(scorer: DayScorer, tally: Tally, shadows: Tally) -> None:
    """Score the issues of one day and replace its file; a day whose hours are all to come has none."""
    beside: set[np.datetime64] = set()
    for issues in scorer.issues("shadows"):
        scorer.add(issues, shadows)
        beside.update(issues.origins)
    rows, signals = [], SignalDay(scorer.settings)
    for issues in scorer.issues("forecasts", tally):
        scored = scorer.add(issues, tally)
        signals.add(issues, scored.truth, scored.parts)
        rows.append(scored.rows)
        same = np.isin(issues.origins, np.array(list(beside), dtype="datetime64[m]"))
        if same.any():
            published = replace(issues, model_versions=np.full(len(same), PUBLISHED, dtype=object))
            scorer.add(published.take(same), shadows)
    if rows:
        signals.save(scorer.store, scorer.day)
        whole = pa.concat_tables(rows).unify_dictionaries()
        scorer.store.write_table(f"{schemas.day_folder('scores', scorer.day)}/part.parquet", whole)


def _truth(settings: Settings, store: Store, day: np.datetime64, as_of: np.datetime64) -> tuple[Grid, Grid]:
    """Counts of a service day and the hour after it, and what the week before counted at the same wall clock.

    A day earlier, too, where a total has to know which stations are open.
    """
    network = settings.network
    begin, stop = day_bounds(day, network.timezone)
    begin = begin - np.timedelta64(int(begin.astype(np.int64)) % network.interval_minutes, "m")
    edge, spare = as_of.astype("datetime64[m]"), np.timedelta64(0, "D") if network.total is None else DAY
    grids = []
    for first, last in ((begin, stop + HOUR), (begin - WEEK - CLOCK_CHANGE, stop + HOUR - WEEK + CLOCK_CHANGE)):
        first = first - spare
        rows = read_minutes(store, first, max(min(last, edge), first + MINUTE), network.timezone, network.targets)
        rows = rows.filter(pc.field("minute_utc") < schemas.to_time(edge))
        grids.append(with_total(to_grid(rows, first, last, network.interval_minutes, network.targets), network.total))
    return grids[0], week_before(grids[0], grids[1], network.timezone)


def _pieces(store: Store, day: str, table: str = "forecasts", rows_at_once: int = ROWS_AT_ONCE) -> Iterator[pa.Table]:
    """Forecast rows of a day in pieces of whole issues, about so many rows each."""
    small: list[pa.Table] = []
    for path in store.files(schemas.day_folder(table, day), ".parquet"):
        for rows in _issue_ranges(store, path, rows_at_once):
            small.append(store.read_tables([path], COLUMNS, rows))
            if sum(table.num_rows for table in small) >= rows_at_once:
                yield pa.concat_tables(small)
                small = []
    if small:
        yield pa.concat_tables(small)


def _issue_ranges(store: Store, path: str, rows_at_once: int) -> Iterator[pc.Expression | None]:
    """Filters that cut a file between issues into about so many rows each; None takes the whole file."""
    if row_count(store, path) <= rows_at_once:
        yield None
        return
    issued = schemas.numpy_times(store.read_tables([path], pa.schema([("issued_at", schemas.TIME)]))["issued_at"])
    moments, rows = np.unique(issued, return_counts=True)
    group = (np.cumsum(rows) - 1) // rows_at_once
    for number in np.unique(group):
        part = moments[group == number]
        field = pc.field("issued_at")
        yield (field >= schemas.to_time(part[0])) & (field <= schemas.to_time(part[-1]))


def _days(
    settings: Settings,
    store: Store,
    as_of: np.datetime64,
    start: np.datetime64 | None,
    end: np.datetime64 | None,
    marked: frozenset[str],
) -> list[str]:
    """Service days with forecasts that are wanted, ascending."""
    begin = start if start is not None else as_of - settings.score.back_days * DAY
    stop = end if end is not None else as_of
    if stop <= begin:
        raise ConfigError(f"score: the end {stop}Z is not after the start {begin}Z")
    edges = service_dates(np.array([begin, stop - MINUTE], dtype="datetime64[m]"), settings.network.timezone)
    first, last = str(edges[0]), str(edges[1])
    days = store.partitions("forecasts")
    earlier = [day for day in days if day < first] if start is None else []
    scored = set(store.partitions("scores"))
    unscored = {day for day in earlier if day not in scored or store.is_empty(schemas.day_folder("scores", day))}
    return sorted({*unscored, *marked.intersection(earlier), *(d for d in days if first <= d <= last)})


def _marks(store: Store, as_of: np.datetime64, timezone: str) -> dict[str, Mark]:
    """Staleness marks by service day, of days whose last hour is over."""
    today = str(service_dates(np.array([as_of.astype("datetime64[m]") - HOUR]), timezone)[0])
    return {mark.day: mark for mark in due(store, "scores") if mark.day < today}
