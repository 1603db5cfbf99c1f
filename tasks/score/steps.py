"""Steps of the score stage."""

from __future__ import annotations

import logging
from dataclasses import asdict, replace
from functools import partial

import numpy as np

from tasks import metrics
from tasks.arrays import HORIZON_MINUTES
from tasks.clock import service_dates
from tasks.errors import ConfigError, NexthourError
from tasks.score.busy_days import BusyDays
from tasks.score.day import DayScore, DayScorer
from tasks.score.day_hours import HoursByDay
from tasks.score.drift import Drift as Drift
from tasks.score.drift import measure_drift, week_contents
from tasks.score.live_error import TierControl as TierControl
from tasks.score.live_error import tier_controls
from tasks.score.report import ScoreReport as ScoreReport
from tasks.score.rest_of_day import BANDS, SUMS, rest_figures, score_rest_of_day
from tasks.score.scoring import HOUR
from tasks.score.tally import Tally
from tasks.settings.tree import Settings
from tasks.stepping import Spread, step
from tasks.storage.store import Store
from tasks.tables import schemas
from tasks.tables.kept_days import cutoff_day
from tasks.tables.staleness import Mark, clear, due, is_settled, mark_older_scores, mark_unsettled
from tasks.tracking.live_scores import log_live_metrics

log = logging.getLogger(__name__)

ROWS_AT_ONCE = 500_000
PUBLISHED = "published"
"""What was published at the origins of shadows, among their figures."""
CLOCK_CHANGE = np.timedelta64(3, "h")
TRUTH_DAYS = 8
"""Days before a service day that its truth is read from: the week before, and which stations were open then."""
MINUTE, DAY = np.timedelta64(1, "m"), np.timedelta64(1, "D")


@step("score forecasts", retries=2)
def score_forecasts(
    settings: Settings,
    as_of: np.datetime64,
    start: np.datetime64 | None = None,
    end: np.datetime64 | None = None,
    spread: Spread | None = None,
) -> ScoreReport:
    """Score every forecast whose hour is over against the truth of today, service day by service day.

    Only what is new is computed: hours of origins that are over since, or of which the counts or forecasts changed.

    Args:
        settings: the network, its bands, its data root.
        as_of: now, UTC; truth at or after it is not read.
        start: any moment of the first service day of origins. Without it: `score.back_days` before `as_of`, and any
            earlier day that has a staleness mark, or that was never scored. A day that was scored while there were
            minutes is left as it is once retention has removed them.
        end: after the last origin wanted; `as_of` without it.
        spread: computes the days in other processes before they are added up in this one; None for this one alone.

    Raises:
        ConfigError: if `end` is not after `start`.
        StoreError: if a table cannot be read or written.
    """
    network, store = settings.network, Store(settings.data_root)
    spans = _spans(settings)
    bands = [span.name for span in spans]
    tally, shadows = (Tally(network.targets, bands, settings.gate.baselines) for _ in range(2))
    busy = BusyDays(settings, HoursByDay(settings))
    mark_older_scores(store, as_of)
    marks = _marks(store, as_of, network.timezone)
    rest = np.zeros((len(BANDS), len(SUMS)))
    days = _days(settings, store, as_of, start, end, frozenset(marks))
    hours = sum(spread(partial(_score_elsewhere, settings, as_of), days)) if spread else 0
    for day in days:
        scored, rest_sums = _score_day(settings, as_of, day, spans, busy)
        rest = rest + rest_sums
        tally.include(scored.sums.tally)
        shadows.include(scored.sums.shadows)
        hours += scored.hours
        clear(store, [marks[day]] if day in marks and is_settled(day, as_of, network.timezone) else [])
    if start is None:  # marks of days without forecasts, or whose minutes are gone
        clear(store, (mark for day, mark in marks.items() if day not in days))
    late = [day for day in days if day in marks and marks[day].late]
    report = replace(
        tally.report(days),
        late=late,
        hours=hours,
        shadows=shadows.report(days).by_model,
        rest_of_day=rest_figures(rest),
    )
    log.info(
        "%d issues of %d days are scored, %d hours again, %d pending", report.origins, len(days), hours, report.pending
    )
    return report


def _spans(settings: Settings) -> list[metrics.Span]:
    """Bands of the horizon, the whole hour last."""
    minutes = settings.network.interval_minutes
    return metrics.horizon_spans(settings.score.bands, HORIZON_MINUTES // minutes, minutes)


def _score_day(
    settings: Settings, as_of: np.datetime64, day: str, spans: list[metrics.Span], busy: BusyDays
) -> tuple[DayScore, metrics.Double]:
    """Bring the scores of a day up to date; those of its forecasts, and the sums of `score_rest_of_day`."""
    if not is_settled(day, as_of, settings.network.timezone):
        mark_unsettled(Store(settings.data_root), day)
    scorer = DayScorer(settings, day, as_of, spans, busy)
    return scorer.score(), score_rest_of_day(settings, day, as_of, scorer.truth)


def _score_elsewhere(settings: Settings, as_of: np.datetime64, day: str) -> int:
    """Score a day into its files, whose sums a later scoring reads; returns how many hours were computed."""
    busy = BusyDays(settings, HoursByDay(settings))
    return _score_day(settings, as_of, day, _spans(settings), busy)[0].hours


@step("control error")
def control_error(settings: Settings, as_of: np.datetime64) -> tuple[TierControl, ...]:
    """Hold the hourly live error of each tier against its control limits; see `control_chart`.

    Raises:
        StoreError: if the scores table cannot be read.
    """
    return tier_controls(settings, as_of, _spans(settings)[-1].name)


@step("measure input drift")
def find_drift(settings: Settings, as_of: np.datetime64) -> tuple[Drift, ...]:
    """How far the counts of the last week are from those of the weeks before, per tier.

    Measured once per service day, and again when counts of that week have come or changed: the feed may be late.

    Raises:
        StoreError: if a table cannot be read or written.
    """
    store = Store(settings.data_root)
    today = service_dates(np.array([as_of], dtype="datetime64[m]"), settings.network.timezone)[0]
    path = f"{schemas.day_folder('drift', today)}/drift.json"
    held, contents = store.read_json(path), week_contents(store, today)
    if held is not None and held.get("minutes") == contents:
        return tuple(Drift(**each) for each in held["tiers"])
    found = measure_drift(HoursByDay(settings), today, settings)
    store.write_json(path, {"minutes": contents, "tiers": [asdict(each) for each in found]})
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
    figures |= {
        f"live_rest_of_day/{name}/{row['hours_ahead']}": value
        for row in report.rest_of_day
        for name, value in row.items()
        if name != "hours_ahead"
    }
    hour = int(as_of.astype("datetime64[h]").astype(np.int64))
    try:
        return log_live_metrics(settings, metrics.finite(figures), hour, as_of, report.by_model)
    except NexthourError as error:
        log.warning("the live metrics were not logged: %s", error)
        return None


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
    wanted = {*unscored, *marked.intersection(earlier), *(day for day in days if first <= day <= last)}
    gone = cutoff_day(settings, store, as_of, "minutes")
    if gone is not None:  # what was scored while there were minutes stands: without them nothing would be left of it
        spare = str(np.datetime64(gone, "D") + TRUTH_DAYS)
        wanted = {day for day in wanted if day >= spare or day not in scored}
    return sorted(wanted)


def _marks(store: Store, as_of: np.datetime64, timezone: str) -> dict[str, Mark]:
    """Staleness marks by service day, of days whose last hour is over."""
    today = str(service_dates(np.array([as_of.astype("datetime64[m]") - HOUR]), timezone)[0])
    return {mark.day: mark for mark in due(store, "scores") if mark.day < today}
