"""The step of the quality stage: every check on what an ingest has written. It never raises."""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, replace
from functools import partial
from typing import Any

import numpy as np
import pyarrow as pa

from tasks.clock import day_bounds
from tasks.errors import StoreError
from tasks.quality.checks import failed_check, run_check
from tasks.quality.checks.quiet_source import check as quiet_source
from tasks.quality.context import Seen, SourceFacts, days_to_look_at
from tasks.quality.kept_hours import hours_as_of
from tasks.quality.results import NotRun, QualityResult
from tasks.settings.tree import Settings
from tasks.stepping import step
from tasks.storage.store import Store
from tasks.tables import schemas
from tasks.tables.minutes import read_minutes
from tasks.tables.observations import read_observations

__all__ = ["LATEST", "QualityResult", "check_quality", "quiet_sources", "reported_stations"]

log = logging.getLogger(__name__)

LATEST, STATIONS = "quality/latest.json", "quality/stations.json"
Key = tuple[str, str, str]


@step("check quality")
def check_quality(
    settings: Settings,
    sources: Sequence[SourceFacts],
    as_of: np.datetime64,
    *,
    last_minutes: Callable[[], Mapping[str, np.datetime64 | None]],
    backfill: bool = False,
) -> tuple[QualityResult, ...]:
    """Make every configured check on what this ingest touched; keep the results as `quality/latest.json`.

    Args:
        settings: the whole tree.
        sources: what this ingest did, one report per source that was read.
        as_of: now.
        last_minutes: gives the latest minute that each configured source ever stated.
        backfill: whether history was read.

    Returns:
        The results of each check, in the order configured, its worst findings first. Whatever goes wrong is one too.
    """
    network = settings.network.name
    try:
        return _run_checks(settings, sources, as_of, last_minutes, backfill)
    # The ingest has already written: that what it wrote cannot be looked at must not fail it.
    except Exception as error:
        log.exception("the quality checks could not be made")
        return (failed_check("quality", network, error),)


def quiet_sources(
    settings: Settings, last_minutes: Mapping[str, np.datetime64 | None], as_of: np.datetime64
) -> list[str]:
    """A sentence for every source that sent nothing for longer than it may, the quietest first."""
    findings = quiet_source(Seen(settings, as_of, last_minutes=lambda: last_minutes)).findings
    return [finding.sentence for finding in sorted(findings, key=lambda f: -f.weight)]


def reported_stations(settings: Settings) -> frozenset[str]:
    """Stations that the checks of any ingest have seen."""
    return frozenset(_read_results(Store(settings.data_root), STATIONS) or {})


def _run_checks(
    settings: Settings,
    sources: Sequence[SourceFacts],
    as_of: np.datetime64,
    last_minutes: Callable[[], Mapping[str, np.datetime64 | None]],
    backfill: bool,
) -> tuple[QualityResult, ...]:
    store = Store(settings.data_root)
    touched = [day for facts in sources for day in facts.days]
    seen = Seen(
        settings,
        as_of,
        tuple(sources),
        days_to_look_at(settings, touched, as_of),
        partial(_day, settings, store, as_of),
        last_minutes,
        _read_results(store, STATIONS),
        backfill,
        partial(hours_as_of, settings.network, store, as_of),
        lambda day: read_observations(store, day, schemas.observations(settings.network.targets)),
    )
    results = [result for name in settings.quality.checks for result in run_check(name, seen)]
    results = _date_warnings(results, _read_results(store, LATEST) or {}, as_of)
    try:
        _note_stations(store, seen)
        store.write_json(LATEST, {"as_of": _text(as_of), "results": [asdict(result) for result in results]})
    except StoreError as error:
        results.append(failed_check("quality", settings.network.name, error))
    return tuple(results)


def _read_results(store: Store, path: str) -> dict[str, Any] | None:
    """What the run before left, None where there is none or it cannot be read: it is written again."""
    try:
        held = store.read_json(path)
    except StoreError as error:
        log.warning("%s", error)
        return None
    return held if isinstance(held, dict) else None


def _day(settings: Settings, store: Store, as_of: np.datetime64, day: str) -> pa.Table:
    """Rows of the minute table of a service day, as known now."""
    network = settings.network
    start, end = day_bounds(np.datetime64(day, "D"), network.timezone)
    return read_minutes(store, start, end, network.timezone, network.targets, as_of, {day})


def _date_warnings(
    results: list[QualityResult], before: Mapping[str, Any], as_of: np.datetime64
) -> list[QualityResult]:
    """Warnings with the moment since when every run has given them."""
    held: dict[Key, str] = {
        (r.get("check"), r.get("kind"), r.get("subject")): r["since"]
        for r in before.get("results", [])
        if r.get("since")
    }
    dated = []
    for result in results:
        since = held.get((result.check, result.kind, result.subject))
        if result.status == "warning":
            result = replace(result, since=since or _text(as_of), new=since is None)
        dated.append(result)
    return dated


def _note_stations(store: Store, seen: Seen) -> None:
    """Keep on which service day each station was last seen, so that a new one is reported once."""
    try:
        here = seen.stations
    except (NotRun, StoreError):  # the checks have reported it
        return
    known = dict(seen.known or {})
    noted = known | {name: max(day, known.get(name, day)) for name, day in here.items()}
    if noted != seen.known:
        store.write_json(STATIONS, noted)


def _text(moment: np.datetime64) -> str:
    return f"{moment.astype('datetime64[s]')}Z"
