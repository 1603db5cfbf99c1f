"""`nexthour doctor`: check data, model, servers and schedules of one machine."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path

import numpy as np

from flows.machine import forecast_checks as forecasts
from flows.machine import server_checks as servers
from flows.machine.forecast_checks import STALE_MINUTES, age_days
from flows.pipelines.loop import channels
from tasks.channels import gap, missing
from tasks.errors import NexthourError
from tasks.settings.maintain import Retention
from tasks.settings.secrets import variables
from tasks.settings.sources.sql import SqlSource
from tasks.settings.tree import Settings
from tasks.stations.load import load_station_table
from tasks.storage.roots import mask_root
from tasks.storage.store import Store
from tasks.tables.format import BUNDLE_FORMAT, check_format
from tasks.tables.minutes import last_minute

AHEAD_MINUTES = 5
OLD_MODEL_DAYS = 3
SMALLEST_FREE_BYTES = 2 * 10**9
MONTH_DAYS, GROWTH_DAYS = 30, 7
FINDINGS = 3
TABLES = tuple(Retention.model_fields)
"""Tables that grow by a folder per day."""


@dataclass(frozen=True)
class Check:
    """Result of one check.

    Attributes:
        name: what was checked.
        ok: whether nobody needs to act.
        finding: what was found.
        remedy: what to do; None where it is ok.
    """

    name: str
    ok: bool
    finding: str
    remedy: str | None = None


Examine = Callable[[Settings, np.datetime64], tuple[bool, str]]
"""One check of a machine at a moment, UTC: whether nobody needs to act, and what was found."""


def examine(settings: Settings, now: np.datetime64) -> list[Check]:
    """Run every check; one that raises has failed, with its error as the finding."""
    checks: list[tuple[str, Examine, str]] = [
        ("environment", _environment, "set the variable, or install the package, where nexthour runs"),
        ("data root", _root, "give --data-root a folder that this user can write, with free space"),
        ("format", _format, "install the version that wrote it, or a later one"),
        ("clock", _clock, "set the clock of this machine (NTP), or correct the times of the source"),
        ("disk", _disk, "free space, or set [maintain] retention_days and run nexthour maintain"),
        ("minutes", _minutes, "run nexthour ingest to see why nothing comes in; nexthour backfill for history"),
        ("sources", _sources, "run nexthour ingest --source NAME to see the error"),
        ("quality", _quality, "read the artifact of the last ingest; a check that broke is a fault of its options"),
        ("channels", _channels, "bring the file of the channel up to date; forecasts go on without it"),
        ("stations", _stations, "correct [stations] file"),
        ("champion", _champion, "run nexthour retrain (until then a baseline publishes)"),
        ("retraining", _retraining, "look at the runs of retrain, or run nexthour retrain"),
        ("latest forecast", forecasts.latest, "run nexthour forecast to see why"),
        ("spool", forecasts.spool, "let this user write forecasts/; the next forecast adds what waits"),
        ("overrides", forecasts.overrides, "nexthour override remove ID, unless it is still meant"),
        ("MLflow", servers.mlflow, "start nexthour up, or correct [mlflow] tracking_uri"),
        ("Prefect", servers.prefect, "start nexthour up, or set PREFECT_API_URL; resume what is paused"),
        ("schedules", servers.schedules, "look at the run; cancel one that hangs, and restart nexthour up"),
        ("automations", servers.automations, "run nexthour up or nexthour deploy, which register them"),
    ]
    return [_run_check(name, check, remedy, settings, now) for name, check, remedy in checks]


def _run_check(name: str, check: Examine, remedy: str, settings: Settings, now: np.datetime64) -> Check:
    try:
        ok, finding = check(settings, now)
    except (NexthourError, OSError, ValueError) as error:
        ok, finding = False, str(error)
        remedy = error.remedy if isinstance(error, servers.PrefectAwayError) else remedy
    return Check(name, ok, finding, None if ok else remedy)


def _environment(settings: Settings, now: np.datetime64) -> tuple[bool, str]:
    """Whether what the settings name is there: variables with secrets, and optional packages."""
    named = variables(settings.model_dump(mode="json"))
    unset = [name for name in named if not os.environ.get(name, "").strip()]
    lacking = [package for package in _packages(settings) if find_spec(package) is None]
    missing = [*(f"{name} is not set" for name in unset), *(f"{name} is not installed" for name in lacking)]
    return not missing, "; ".join(missing) or f"{len(named)} variables named, all set"


def _packages(settings: Settings) -> list[str]:
    """Optional packages that the settings need."""
    urls = [source.url for source in settings.sources if isinstance(source, SqlSource)]
    urls += [settings.mlflow.tracking_uri or ""]
    given = [os.environ.get(url.removeprefix("env:"), "") if url.startswith("env:") else url for url in urls]
    needs = {
        "psycopg": any(url.startswith("postgres") for url in given),
        "botocore": settings.data_root.startswith("s3://"),
        "flask_wtf": settings.mlflow.auth is not None,
    }
    return [package for package, needed in needs.items() if needed]


def _root(settings: Settings, now: np.datetime64) -> tuple[bool, str]:
    Store(settings.data_root).check_writable()
    return True, f"{mask_root(settings.data_root)} can be written"


def _format(settings: Settings, now: np.datetime64) -> tuple[bool, str]:
    """Whether this program can read the tables and bundles that are there."""
    store = Store(settings.data_root)
    tables = check_format(store, settings.network)
    newer = [path for path in _manifests(store) if (store.read_json(path) or {}).get("format", 0) > BUNDLE_FORMAT]
    if newer:
        return False, f"a later nexthour wrote {', '.join(newer)}"
    return True, f"tables of format {tables}, bundles of format {BUNDLE_FORMAT}"


def _clock(settings: Settings, now: np.datetime64) -> tuple[bool, str]:
    """Whether nothing that was written lies in the future."""
    store = Store(settings.data_root)
    latest = (store.read_json("publications/latest.json") or {}).get("issued_at")
    last = last_minute(store, settings.network.targets)
    moments = {
        "the last observed minute": last,
        "the last forecast": None if latest is None else np.datetime64(str(latest).removesuffix("Z"), "s"),
    }
    ahead = [
        f"{what} is {minutes:,.0f} minutes in the future"
        for what, moment in moments.items()
        if moment is not None and (minutes := (moment - now) / np.timedelta64(1, "m")) > AHEAD_MINUTES
    ]
    return not ahead, "; ".join(ahead) or f"it is {now.astype('datetime64[s]')}Z, after all that was written"


def _disk(settings: Settings, now: np.datetime64) -> tuple[bool, str]:
    """Whether the disk lasts a month if every day adds as much as the newest ones did."""
    store = Store(settings.data_root)
    if store.local is None:
        return True, "object storage"
    free, daily = shutil.disk_usage(store.local).free, sum(_daily_bytes(store, table) for table in TABLES)
    finding = f"{free / 1e9:,.1f} GB free, {daily / 1e6:,.1f} MB more per day"
    if daily:
        finding += f", enough for {free / daily:,.0f} days"
    return free - MONTH_DAYS * daily > SMALLEST_FREE_BYTES, finding


def _daily_bytes(store: Store, table: str) -> float:
    """Mean size of the newest days of a table on this machine."""
    newest = sorted(Path(store.url(table)).glob("*=*"))[-GROWTH_DAYS:]
    return sum(path.stat().st_size for day in newest for path in day.rglob("*") if path.is_file()) / max(len(newest), 1)


def _minutes(settings: Settings, now: np.datetime64) -> tuple[bool, str]:
    last = last_minute(Store(settings.data_root), settings.network.targets)
    if last is None:
        return False, "no minutes yet"
    age = int((now.astype("datetime64[m]") - last).astype(np.int64))
    return age <= STALE_MINUTES, f"last observed {last}Z, {age:,} minutes ago"


def _sources(settings: Settings, now: np.datetime64) -> tuple[bool, str]:
    from tasks.ingest.steps import last_minutes
    from tasks.quality.steps import quiet_sources

    quiet = quiet_sources(settings, last_minutes(settings), now)
    return not quiet, "; ".join(quiet) or "every source has sent rows lately"


def _quality(settings: Settings, now: np.datetime64) -> tuple[bool, str]:
    from tasks.quality.steps import LATEST

    latest = Store(settings.data_root).read_json(LATEST)
    if latest is None:
        return True, "no ingest has been checked yet"
    warnings = [r for r in latest["results"] if r["status"] == "warning" and r["check"] != "quiet_source"]
    failed = [r for r in latest["results"] if r["broken"]]
    shown = "; ".join(f"{r['check']}: {r['sentence']}" for r in [*failed, *warnings][:FINDINGS])
    more = f"; and {len(failed) + len(warnings) - FINDINGS} more" if len(failed) + len(warnings) > FINDINGS else ""
    return not failed, (shown + more or "no warning") + f" (ingest of {latest['as_of']})"


def _channels(settings: Settings, now: np.datetime64) -> tuple[bool, str]:
    read = channels(settings, forgiving=True)
    gaps = {channel.name: sentence for channel in read if (sentence := gap(channel, now))}
    known = [channel.name for channel in read if channel.name not in gaps]
    finding = "; ".join([*gaps.values(), *([f"{', '.join(known)} known for the next hour"] if known else [])])
    return not missing(read, now), finding or "none configured"


def _stations(settings: Settings, now: np.datetime64) -> tuple[bool, str]:
    """Whether the station table can be used, and how it fits the stations that reported."""
    if settings.stations.file is None:
        return True, "no station table: people read ids ([stations] file names stations)"
    from tasks.quality.steps import reported_stations

    table, reported = load_station_table(settings), reported_stations(settings)
    silent = sorted(table.stations.keys() - reported)
    unnamed = sorted(reported - table.stations.keys() - {settings.network.total})
    notes = [f"{len(table.stations):,} entries in {table.origin}", *table.notes]
    notes += [f"never reported: {len(silent):,}, such as {silent[0]!r}"] if silent and reported else []
    notes += [f"reported without an entry: {len(unnamed):,}, such as {unnamed[0]!r}"] if unnamed else []
    return True, "; ".join(notes)


def _champion(settings: Settings, now: np.datetime64) -> tuple[bool, str]:
    """Which version publishes, and whether it was trained with the features that it is given today."""
    from tasks.model.steps import champion_pointer, load_version

    pointer = champion_pointer(settings)
    if pointer is None:
        return False, "none yet"
    age, changed = (
        age_days(pointer.get("set_at"), now),
        load_version(settings, "champion").changed_features(settings.features),
    )
    finding = f"version {pointer.get('version')}" + (f", set {age:.1f} days ago" if age is not None else "")
    return not changed, finding + (f"; trained with other [features]: {'; '.join(changed)}" if changed else "")


def _retraining(settings: Settings, now: np.datetime64) -> tuple[bool, str]:
    """Age of the newest bundle. Every retraining leaves one, promoted or not."""
    store = Store(settings.data_root)
    trained = [
        text for path in _manifests(store) if (text := (store.read_json(path) or {}).get("meta", {}).get("as_of"))
    ]
    age = age_days(max(trained, default=None), now)
    if age is None:
        return False, "no retraining yet"
    finding = f"last one {age:.1f} days ago"
    return age <= OLD_MODEL_DAYS, finding if age <= OLD_MODEL_DAYS else f"{finding}, more than {OLD_MODEL_DAYS}"


def _manifests(store: Store) -> list[str]:
    return [path for path in store.files("bundles", "bundle.json") if path.endswith("/bundle.json")]
