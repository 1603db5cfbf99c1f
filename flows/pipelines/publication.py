"""What the forecast pipeline does around an issue: overrides before it; alerts, targets and shadow models after it."""

from __future__ import annotations

import logging
from functools import partial
from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow as pa

from flows.deployments import next_run
from tasks.contracts import Features, History, Publication
from tasks.errors import NexthourError, StoreError
from tasks.overrides.entry import Override
from tasks.overrides.ledger import overrides_in_force
from tasks.settings.forecast import model_of
from tasks.settings.tree import Settings
from tasks.storage.store import Store
from tasks.tables import schemas

if TYPE_CHECKING:
    from tasks.forecast.steps import Issue

log = logging.getLogger(__name__)

FORECASTS = "forecasts"
"""The table of forecasts among the targets that fail."""
TWO_DAYS = np.timedelta64(2, "D")


def publish_issue(
    settings: Settings,
    history: History,
    issued: Issue,
    overrides: tuple[Override, ...],
    as_of: np.datetime64,
    origin: np.datetime64,
    *,
    live: bool = True,
) -> tuple[dict[str, str], dict[str, str]]:
    """Publish an issue to every target; place per target, and the error per target that failed.

    Only the clock may prove a later publication wrong: where the issue is not `live`, targets keep what they hold.
    """
    from tasks.levels.steps import make_publication
    from tasks.publish.steps import find_wrong_publication, publish, remember_published, uses_day

    issued.summary["next_issue_at"] = next_issue_at(as_of, settings.network.timezone)
    wrong = find_wrong_publication(settings, issued.summary) if live else None
    issued.summary["alerts"] = _find_alerts(settings, history, issued, origin, clock_ran_ahead=wrong is not None)
    issued.summary.update({"trusted_until": wrong} if wrong else {})
    publication = make_publication(settings, history, issued.table, issued.summary, overrides)
    published, failed = {}, {}
    for target in settings.publish.targets:
        try:
            published[target] = publish(settings, target, publication)
        except Exception as error:  # whatever one target does wrong, the others and the table get the forecast
            log.error("publishing to %s failed: %s", target, problem := _describe(error))
            failed[target] = problem
    if published:
        remember_published(settings, issued.summary)
    if uses_day(settings):
        _keep_rest_of_day(settings, history, publication)
    return published, failed


def _keep_rest_of_day(settings: Settings, history: History, publication: Publication) -> None:
    """Keep the rest of the day for its scores, of which a publication is no part: that it fails is for the log."""
    from tasks.levels.steps import keep_rest_of_day

    try:
        keep_rest_of_day(settings, history, publication)
    except Exception as error:
        log.error("the rest of this day will not be scored: %s", _describe(error))


def _describe(error: Exception) -> str:
    """An error in a line; what is no error of ours, with its kind."""
    own = isinstance(error, (NexthourError, OSError))
    return str(error) if own else f"{type(error).__name__}: {error}"


def make_day(settings: Settings, forecasts: pa.Table) -> pa.Table:
    """The service day of a stored issue in bins, as a target that asks for it would have published it.

    Args:
        settings: the network.
        forecasts: rows of `tables.FORECASTS` of one issue.

    Raises:
        HistoryError: if there are no minutes any more from which it was made.
        StoreError: if a table cannot be read.
    """
    from tasks.features.steps import load_features
    from tasks.levels.steps import make_day as make

    issued_at = schemas.numpy_times(forecasts["issued_at"])[0]
    origin = schemas.numpy_times(forecasts["origin_utc"])[0].astype("datetime64[m]")
    history = load_features(settings, origin, origin, issued_at, whole_day=True)
    return make(settings, history, forecasts, find_overrides(settings, issued_at, origin))


def store_issue(settings: Settings, issued: Issue) -> dict[str, str]:
    """Add an issue to the table of forecasts; the error under `FORECASTS` where that fails, as where a target does."""
    from tasks.forecast.steps import store_issue as store

    try:
        store(settings, issued)
    except StoreError as error:
        log.error("%s", error)
        return {FORECASTS: str(error)}
    return {}


def find_overrides(settings: Settings, as_of: np.datetime64, origin: np.datetime64) -> tuple[Override, ...]:
    """Overrides known by then of the day from an origin; none where the ledger cannot be read, which stops nothing."""
    try:
        return overrides_in_force(Store(settings.data_root), as_of, origin, origin + TWO_DAYS)
    except StoreError as error:
        log.error("forecast without overrides: %s", error)
        return ()


def forecast_shadows(
    settings: Settings, features: Features, as_of: np.datetime64, origin: np.datetime64
) -> dict[str, str]:
    """Forecast with every shadow model, after the publication; returns why those failed that did."""
    if not settings.forecast.shadows:
        return {}
    from tasks.forecast.steps import issue_shadow
    from tasks.model.steps import load_forecaster

    failed = {}
    for name in settings.forecast.shadows:
        load = partial(load_forecaster, settings, model_of(name))
        try:
            issue_shadow(settings, features, name, load, as_of, origin)
        # The hour is published. Whatever a rival does wrong, its bugs among it, must not fail the run of the champion.
        except Exception as error:
            log.warning("shadow %s did not forecast: %s", name, error)
            failed[name] = str(error)
    return failed


def _find_alerts(
    settings: Settings, history: History, issued: Issue, origin: np.datetime64, *, clock_ran_ahead: bool
) -> list[dict[str, Any]] | None:
    """Alerts at the origin; None where they are not known, which stops no forecast."""
    from tasks.alerts.steps import find_alerts

    try:
        return find_alerts(settings, history, issued.table, origin, clock_ran_ahead=clock_ran_ahead)
    except Exception as error:  # nothing about alerts may hold up the forecast
        log.error("alerts are not known: %s", _describe(error))
        return None


def next_issue_at(moment: np.datetime64, timezone: str) -> str | None:
    """When the schedule issues the next forecast after a moment, as UTC text; None without a schedule."""
    due = next_run("forecast", moment, timezone)
    return None if due is None else f"{due.astype('datetime64[s]')}Z"
