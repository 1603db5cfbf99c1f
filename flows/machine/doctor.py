"""`nexthour doctor`: check data, model, servers and schedules of one machine."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from flows.machine.deployments import DEPLOYMENTS
from flows.pipelines.loop import channels
from tasks.channels import gap, missing
from tasks.errors import NexthourError
from tasks.settings.tree import Settings
from tasks.stations.load import load_station_table
from tasks.storage.roots import mask_root, one_line
from tasks.storage.store import Store
from tasks.tables.minutes import last_minute
from tasks.tracking.provenance import redact
from tasks.tracking.uri import tracking_uri

if TYPE_CHECKING:
    from httpx import Response

STALE_MINUTES = 60
OLD_MODEL_DAYS = 3
SMALLEST_FREE_BYTES = 2 * 10**9
FINDINGS = 3


@dataclass(frozen=True)
class Check:
    """Result of one check; `finding` says what was found, and what to do where it is not ok."""

    name: str
    ok: bool
    finding: str


def examine(settings: Settings, now: np.datetime64) -> list[Check]:
    """Run every check; one that raises has failed, with its error as the finding."""
    checks: list[tuple[str, Callable[[Settings, np.datetime64], tuple[bool, str]]]] = [
        ("data root", _root),
        ("disk", _disk),
        ("minutes", _minutes),
        ("sources", _sources),
        ("quality", _quality),
        ("channels", _channels),
        ("stations", _stations),
        ("champion", _champion),
        ("retraining", _retraining),
        ("latest forecast", _latest),
        ("MLflow", _mlflow),
        ("Prefect", _prefect),
    ]
    return [_run_check(name, check, settings, now) for name, check in checks]


def _run_check(
    name: str,
    check: Callable[[Settings, np.datetime64], tuple[bool, str]],
    settings: Settings,
    now: np.datetime64,
) -> Check:
    try:
        return Check(name, *check(settings, now))
    except (NexthourError, OSError, ValueError) as error:
        return Check(name, False, str(error))


def _root(settings: Settings, now: np.datetime64) -> tuple[bool, str]:
    Store(settings.data_root).check_writable()
    return True, f"{mask_root(settings.data_root)} can be written"


def _disk(settings: Settings, now: np.datetime64) -> tuple[bool, str]:
    local = Store(settings.data_root).local
    if local is None:
        return True, "object storage"
    free = shutil.disk_usage(local).free
    return free > SMALLEST_FREE_BYTES, f"{free / 1e9:,.0f} GB free"


def _minutes(settings: Settings, now: np.datetime64) -> tuple[bool, str]:
    last = last_minute(Store(settings.data_root), settings.network.targets)
    if last is None:
        return False, "no minutes yet: run nexthour ingest or nexthour backfill"
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
    pointer = Store(settings.data_root).read_json("bundles/champion.json")
    if pointer is None:
        return False, "none yet: run nexthour retrain (until then a baseline publishes)"
    age = _age_days(pointer.get("set_at"), now)
    return True, f"version {pointer.get('version')}" + (f", set {age:.1f} days ago" if age is not None else "")


def _retraining(settings: Settings, now: np.datetime64) -> tuple[bool, str]:
    """Age of the newest bundle. Every retraining leaves one, promoted or not."""
    store = Store(settings.data_root)
    manifests = [path for path in store.files("bundles", "bundle.json") if path.endswith("/bundle.json")]
    trained = [text for path in manifests if (text := (store.read_json(path) or {}).get("meta", {}).get("as_of"))]
    age = _age_days(max(trained, default=None), now)
    if age is None:
        return False, "no retraining yet: run nexthour retrain"
    finding = f"last one {age:.1f} days ago"
    if age > OLD_MODEL_DAYS:
        return False, f"{finding}, more than {OLD_MODEL_DAYS}: look at the runs of retrain, or run nexthour retrain"
    return True, finding


def _latest(settings: Settings, now: np.datetime64) -> tuple[bool, str]:
    latest = Store(settings.data_root).read_json("publications/latest.json")
    if latest is None:
        return False, "nothing published yet: run nexthour forecast"
    age = _age_days(latest.get("issued_at"), now)
    why = latest.get("degraded_reason")
    fresh = age is not None and age * 1440 <= STALE_MINUTES
    return fresh and not why, f"issued {latest.get('issued_at')}" + (f"; degraded: {why}" if why else "")


def _mlflow(settings: Settings, now: np.datetime64) -> tuple[bool, str]:
    uri = tracking_uri(settings)
    if not uri.startswith("http"):
        return True, f"logs to {redact(uri)}"
    _request("GET", f"{uri.rstrip('/')}/health")
    return True, f"{redact(uri)} answers"


def _prefect(settings: Settings, now: np.datetime64) -> tuple[bool, str]:
    api = os.environ.get("PREFECT_API_URL", "http://127.0.0.1:4200/api")
    found = _request("POST", f"{api}/deployments/filter", {"limit": 200}).json()
    paused = {d["name"] for d in found if d.get("paused")}
    names = {d["name"] for d in found}
    missing = [d.flow for d in DEPLOYMENTS if d.cron and (d.flow not in names or d.flow in paused)]
    if missing:
        return False, f"{api} answers, but without a running schedule for: {', '.join(missing)}"
    return True, f"{api} answers, {len(names)} deployments"


def _request(method: str, url: str, body: dict[str, Any] | None = None) -> Response:
    import httpx

    try:
        return httpx.request(method, url, json=body, timeout=5).raise_for_status()
    except (httpx.HTTPError, httpx.InvalidURL) as error:
        raise NexthourError(f"{url} does not answer ({one_line(error)}): is `nexthour up` running?") from None


def _age_days(text: str | None, now: np.datetime64) -> float | None:
    if not text:
        return None
    then = np.datetime64(text.replace("Z", "").split("+")[0], "s")
    return float((now.astype("datetime64[s]") - then).astype(np.int64) / 86_400)
