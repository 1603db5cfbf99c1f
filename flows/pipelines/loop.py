"""One run of each flow, composed of steps. Free of Prefect, so that a one-shot command starts at once.

Stages never import one another: what one stage returns is passed to the next one here, in memory.
"""

from __future__ import annotations

import logging
from collections.abc import Callable
from contextlib import nullcontext
from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np

from flows.pipelines.publication import find_overrides, forecast_shadows, publish_issue, store_issue
from flows.pipelines.run_reports import ForecastReport, IngestReport, NothingRead
from tasks.arrays import HORIZON_MINUTES
from tasks.contracts import Forecaster, Progress
from tasks.errors import SourceError, nearest_key
from tasks.settings.tree import Settings
from tasks.storage.store import Store
from tasks.tables.format import state_format

if TYPE_CHECKING:
    from tasks.channels import Channel
    from tasks.features.steps import LagReport
    from tasks.maintain.steps import MaintainReport, Removed
    from tasks.model.steps import BundledForecaster, RetrainReport
    from tasks.score.steps import ScoreReport

log = logging.getLogger(__name__)

LADDER = ("champion", "previous", "linear_level", "weekday_level", "weekday_mean", "last_known")
DAY = np.timedelta64(1, "D")
HOUR = np.timedelta64(HORIZON_MINUTES, "m")


def ingest(
    settings: Settings,
    as_of: np.datetime64,
    *,
    source: str | None = None,
    paths: tuple[str, ...] = (),
    start: np.datetime64 | None = None,
    end: np.datetime64 | None = None,
    backfill: bool = False,
    look_back: np.timedelta64 | None = None,
    progress: Progress | None = None,
) -> IngestReport:
    """Read every source (or one), then check the quality of what came in; a source that fails stops no other.

    With `look_back`, feeds and databases that can be asked for a span of minutes are asked for this much of the past,
    not only for what came after their last pull: it finds rows that were committed or corrected behind that place.

    Raises:
        ConfigError: if `source` is not configured.
        NothingRead: if no source could be read; a SourceError.
    """
    from tasks.ingest.steps import ingest_source, last_minutes
    from tasks.quality.steps import check_quality

    store = Store(settings.data_root)
    store.check_writable()
    state_format(store, settings.network)
    reports, failures = [], []
    able = {each.name for each in settings.sources if each.can_look_back}
    for name in select_sources(settings, source):
        first = as_of - look_back if look_back is not None and start is None and name in able else start
        try:
            landed = ingest_source(
                settings, name, as_of, paths=paths, start=first, end=end, backfill=backfill, progress=progress
            )
        except SourceError as error:
            log.error("%s", error)
            failures.append(str(error))
        else:
            log.info("%s: %d rows stored in %d days, %d rejected", name, landed.rows, len(landed.days), landed.rejected)
            reports.append(landed)
    quality = check_quality(settings, reports, as_of, last_minutes=lambda: last_minutes(settings), backfill=backfill)
    report = IngestReport(tuple(reports), tuple(failures), quality)
    if failures and not reports:
        raise NothingRead(report)
    return report


def select_sources(settings: Settings, wanted: str | None) -> list[str]:
    """Names of all sources, or of the one that is wanted.

    Raises:
        ConfigError: if it is not configured.
    """
    from tasks.errors import ConfigError

    names = [source.name for source in settings.sources]
    if wanted is None:
        return names
    if wanted not in names:
        raise ConfigError(f"no source is called {wanted!r}{nearest_key(wanted, tuple(names))}")
    return [wanted]


def features(
    settings: Settings, start_day: np.datetime64, end_day: np.datetime64, as_of: np.datetime64 | None = None
) -> LagReport:
    """Write the lag table of the service days from `start_day` to `end_day`, both included, and its stale days."""
    from tasks.features.steps import refresh_lag_table, write_lag_table

    report = write_lag_table(settings, str(start_day), str(end_day), as_of)
    log.info("lag table: %d rows of %s to %s", report.rows, report.start_day, report.end_day)
    return replace(report, late=refresh_lag_table(settings, as_of))


def retrain(
    settings: Settings, as_of: np.datetime64, model: str | None = None, progress: Progress | None = None
) -> RetrainReport:
    """Fit a challenger, compare it with champion and baselines, log it, and promote it if it wins."""
    from flows.pipelines.groups import open_group_fits
    from tasks.features.steps import load_features
    from tasks.model.steps import follow_registry, follow_training, judge, register, train_model

    extra = channels(settings)
    followed = follow_registry(settings, as_of)
    plan = settings.retrain
    span = (plan.train_days + plan.validation_days + plan.holdout_days + 1) * DAY
    first, last = floor(settings, as_of - span), floor(settings, as_of)
    table = load_features(settings, first, last, as_of, extra)
    champion = _load_champion(settings)
    known = None if champion is None else champion.version
    with open_group_fits(settings, as_of, (first, last), model, known) as elsewhere:
        with follow_training(settings, table, as_of, model, champion=champion) as notes:
            trained = train_model(
                settings, table, as_of, model, champion=champion, notes=notes, progress=progress, elsewhere=elsewhere
            )
            if followed:
                notes.notes["champion"] = followed
            decision = judge(settings, trained, champion)
        report = register(settings, trained, decision)
    log.info("version %s: %s", report.version, report.reason)
    return replace(report, warnings=(followed, *report.warnings)) if followed else report


def forecast(
    settings: Settings, as_of: np.datetime64, model: str = "champion", clock: np.datetime64 | None = None
) -> ForecastReport:
    """Forecast the hour from `as_of` with the first model of the ladder that works, and publish to every target.

    Nothing holds up the publication: the table of forecasts is written after it.

    Args:
        settings: the network, its models and targets.
        as_of: UTC; what was known then counts.
        model: who forecasts.
        clock: now, where a person asked for another moment; None where `as_of` is now. A moment ahead of it is
            published nowhere, as no forecast after it would be until the clock is there; one behind it replaces no
            later forecast.
    """
    from tasks.features.steps import load_features
    from tasks.forecast.steps import issue
    from tasks.model.steps import load_forecaster
    from tasks.publish.steps import uses_day

    origin = floor(settings, as_of)
    given = channels(settings, forgiving=True)
    table = load_features(settings, origin, origin, as_of, given, whole_day=uses_day(settings))
    rungs = LADDER if model == "champion" else tuple(dict.fromkeys((model, *LADDER[2:])))
    ladder = [(name, _loader(load_forecaster, settings, name)) for name in rungs]
    overrides = find_overrides(settings, as_of, origin)
    issued = issue(settings, table, ladder, as_of, origin, overrides)
    if clock is not None and origin > clock:
        ahead = f"{as_of.astype('datetime64[s]')}Z is ahead of the clock: this forecast is shown, not published or kept"
        log.warning("%s", ahead)
        return ForecastReport(issued, {}, withheld=ahead)
    published, failed = publish_issue(settings, table, issued, overrides, as_of, origin, live=clock is None)
    failed |= store_issue(settings, issued)
    shadows = forecast_shadows(settings, table, as_of, origin)
    return ForecastReport(issued, published, failed, failed_shadows=shadows)


def channels(settings: Settings, *, forgiving: bool = False) -> tuple[Channel, ...]:
    """The extra channels that are configured; with `forgiving`, one that cannot be read counts as unknown."""
    if not settings.channels:
        return ()
    from tasks.ingest.steps import read_channels

    return read_channels(settings, forgiving=forgiving)


def score(
    settings: Settings,
    as_of: np.datetime64,
    start: np.datetime64 | None = None,
    end: np.datetime64 | None = None,
) -> ScoreReport:
    """Score the forecasts whose hour is over against the observed counts, and log the errors.

    A span of days is scored in the cluster, where one is set; the few days of every hour are sooner done here.
    """
    from flows.pipelines.executors import open_spread
    from tasks.alerts.steps import choose_thresholds
    from tasks.score.steps import control_error, find_drift, log_live, score_forecasts

    wide = start is not None and settings.runner.kind != "threads"
    with open_spread(settings.runner) if wide else nullcontext() as spread:
        report = score_forecasts(settings, as_of, start, end, spread)
    report = replace(report, control=control_error(settings, as_of), alerts=choose_thresholds(settings, as_of))
    report = replace(report, drift=find_drift(settings, as_of))
    if report.origins:
        log_live(settings, report, as_of)
    return report


def follow_champion(settings: Settings, as_of: np.datetime64) -> str | None:
    """Move the bundle on disk to where the registry's alias points; returns what it did, None if nothing."""
    from tasks.model.steps import follow_registry

    return follow_registry(settings, as_of)


def promote(settings: Settings, as_of: np.datetime64, version: str) -> str:
    """Let a version publish because a person wants it; returns it."""
    from tasks.model.steps import promote_version

    return promote_version(settings, as_of, version)


def rollback(settings: Settings, as_of: np.datetime64) -> str:
    """Make the previous champion publish again; returns its version."""
    from tasks.model.steps import rollback as roll_back

    return roll_back(settings, as_of)


def maintain(settings: Settings, as_of: np.datetime64, sample_days: int, full: bool = False) -> MaintainReport:
    """Remove old days, compact days that are over, check files and folds, mend, sweep; one run at a time."""
    from flows.pipelines.executors import open_spread
    from tasks.maintain import steps

    with Store(settings.data_root).lock("maintain"):
        removed = steps.remove_old(settings, as_of)
        with open_spread(settings.runner) as spread:
            compacted = steps.compact_days(settings, as_of, None if full else steps.DAYS_AT_ONCE, spread)
        masked = steps.mask_secrets(settings, full)
        files = steps.check_tables(settings, as_of, full)
        folds = steps.check_folds(settings, as_of, files, sample_days, full)
        swept = steps.sweep_up(settings, as_of)
        report = steps.report(settings, removed, compacted, files, folds, swept, masked)
    if settings.mlflow.keep_nights is not None:
        report = replace(report, removed=(*report.removed, *_remove_nights(settings)))
    log.info("%d days checked, %d mended, %d compacted", len(report.checked), len(report.mended), len(compacted))
    return report


def _remove_nights(settings: Settings) -> tuple[Removed, ...]:
    """What retention removed of the retrainings in MLflow."""
    from tasks.maintain.steps import Removed
    from tasks.model.steps import remove_nights

    gone = remove_nights(settings)
    return (Removed("nights in MLflow", gone.before, gone.runs, len(gone.versions), 0, 0),) if gone else ()


def floor(settings: Settings, moment: np.datetime64) -> np.datetime64:
    """Start of the interval that a moment lies in."""
    step = settings.network.interval_minutes
    minute = moment.astype("datetime64[m]")
    return np.datetime64(minute - np.timedelta64(int(minute.astype(np.int64)) % step, "m"))


def _loader(load: Callable[[Settings, str], Forecaster], settings: Settings, name: str) -> Callable[[], Forecaster]:
    return lambda: load(settings, name)


def _load_champion(settings: Settings) -> BundledForecaster | None:
    """The present champion; None before the first promotion, or where its bundle is damaged."""
    from tasks.errors import ModelError
    from tasks.model.steps import load_version

    try:
        return load_version(settings, "champion")
    except ModelError as error:
        log.info("no champion to compare with: %s", error)
        return None
