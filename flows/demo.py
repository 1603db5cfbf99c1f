"""The whole loop once, on the simulated city or on a file: what a newcomer runs first."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow.compute as pc
import tomli_w

from tasks.errors import ConfigError, HistoryError
from tasks.settings.toml_file import load_settings
from tasks.settings.tree import Settings
from tasks.storage.roots import local_folder
from tasks.storage.store import Store
from tasks.tables import schemas
from tasks.tables.minutes import last_minute

HOUR = np.timedelta64(60, "m")
SCORED_HOURS = 3
RECORDER_SECONDS = 2.5
"""The server of this command writes task runs down every second; it ends with the command."""


@dataclass(frozen=True)
class DemoReport:
    """Where the demonstration left what it made."""

    data_root: str
    config: str
    minutes_until: str
    latest: str
    picture: str
    seconds: float


def settle(
    sources: Sequence[str], timezone: str | None, interval: int | None, config: str | None, data_root: str | None
) -> tuple[Settings, str]:
    """Settings of a demonstration, left as `nexthour.toml` in its data root; returns them and the file's path.

    Raises:
        ConfigError: if a source is neither `simulate` nor a file, or the data root is no folder of this machine.
    """
    base = load_settings(config, None if config else data_root)
    tree = base.model_dump(mode="json", exclude_unset=True, exclude={"data_root"})
    if sources:
        tree["sources"] = [_source(text, i) for i, text in enumerate(sources)]
        files = [s["path"] for s in tree["sources"] if "path" in s]
        tree["network"] = {**tree.get("network", {}), **(_seen(files) if files else {})}
    network = tree.setdefault("network", {})
    if timezone:
        network["timezone"] = timezone
    if interval:
        network["interval_minutes"] = interval
    root = local_folder(data_root or base.data_root)
    if root is None:
        raise ConfigError(f"demo needs a folder of this machine as data root, not {data_root or base.data_root}")
    Settings(**{**tree, "data_root": str(root)})
    Store(str(root)).write_bytes("nexthour.toml", _toml(tree).encode())
    path = str(root / "nexthour.toml")
    return load_settings(path, str(root)), path


def _source(text: str, number: int) -> dict[str, Any]:
    if text == "simulate":
        return {"name": "city", "kind": "simulate"}
    path = Path(text).expanduser().absolute()
    if not path.exists() and not any(c in text for c in "*?["):
        raise ConfigError(f"--source {text}: no such file; give a counts file, a glob, or simulate")
    return {"name": "counts" if number == 0 else f"counts{number + 1}", "kind": "counts", "path": str(path)}


def _seen(files: Sequence[str]) -> dict[str, Any]:
    """Interval and targets as the first file shows them."""
    from tasks.ingest.steps import peek

    found = peek(files[0])
    return {k: v for k, v in (("interval_minutes", found.interval), ("targets", list(found.targets))) if v}


def _toml(tree: dict[str, Any]) -> str:
    ordered: dict[str, Any] = {"data_root": ".", **{k: tree[k] for k in ("network", "sources") if k in tree}}
    ordered.update({k: v for k, v in tree.items() if k not in ordered})
    return tomli_w.dumps(_without_none(ordered))


def _without_none(value: Any) -> Any:
    if isinstance(value, dict):
        return {k: _without_none(v) for k, v in value.items() if v is not None}
    return [_without_none(v) for v in value] if isinstance(value, list) else value


def run(settings: Settings, config: str, tell: Callable[[str], None]) -> DemoReport:
    """Run every flow of the loop against the data root; each is a run in Prefect, the training one in MLflow.

    Args:
        settings: what `settle` made.
        config: path of its TOML.
        tell: told one line before each part.
    """
    from flows.features import features
    from flows.forecast import forecast
    from flows.ingest import ingest
    from flows.retrain import retrain
    from flows.score import score

    started = datetime.now(UTC)
    root = settings.data_root
    tell("ingest: reading history")
    ingest(config=config, data_root=root, backfill=True)
    end = _end(settings)
    first = end - SCORED_HOURS * HOUR
    tell("features: writing the lag table of the last two days")
    features(config=config, data_root=root, as_of=_aware(end))
    tell("retrain: fitting a challenger, holding it against the baselines")
    retrain(config=config, data_root=root, as_of=_aware(first))
    tell(f"forecast: the last {SCORED_HOURS} hours as they would have been issued, then the next one")
    for hour in range(SCORED_HOURS + 1):
        forecast(config=config, data_root=root, as_of=_aware(first + hour * HOUR))
    tell("score: holding them against what then happened")
    score(config=config, data_root=root, as_of=_aware(end))
    time.sleep(RECORDER_SECONDS)
    store = Store(settings.data_root)
    store.write_bytes("forecast.png", _picture(settings, end - HOUR))
    seconds = (datetime.now(UTC) - started).total_seconds()
    latest, picture = store.url("publications/latest.json"), store.url("forecast.png")
    return DemoReport(settings.data_root, config, f"{end}Z", latest, picture, round(seconds, 1))


def _picture(settings: Settings, origin: np.datetime64) -> bytes:
    """The forecast made at `origin` for the busiest station, against what then happened."""
    from tasks.model.steps import draw_forecast_hour

    store = Store(settings.data_root)
    rows = store.read_tables(
        store.files("forecasts", ".parquet"), schemas.FORECASTS, pc.field("origin_utc") == schemas.to_time(origin)
    )
    people = rows.group_by(["station_id", "target"]).aggregate([("mean", "sum")])
    counted = (pc.field("target") == settings.network.targets[0]) & (
        pc.field("station_id") != (settings.network.total or "")
    )
    people = people.filter(counted).sort_by([("mean_sum", "descending")])
    return draw_forecast_hour(settings, rows, people["station_id"][0].as_py(), settings.network.targets[0])


def _end(settings: Settings) -> np.datetime64:
    last = last_minute(Store(settings.data_root), settings.network.targets)
    if last is None:
        raise HistoryError("nothing was ingested: every row was refused or the source is empty; see the rejects")
    return np.datetime64(last + np.timedelta64(settings.network.interval_minutes, "m"))


def _aware(moment: np.datetime64) -> datetime:
    naive: datetime = moment.astype("datetime64[s]").item()
    return naive.replace(tzinfo=UTC)
