"""The whole loop once, on the simulated city or on a file: what a newcomer runs first.

`make demo` gives it deployments/demo.toml, whose city and training are small. It calls the flows of this folder as a
schedule would, each one a run in Prefect, in order:

1. flows/ingest.py     read the history
2. flows/features.py   write the lag table of the last two days
3. flows/retrain.py    train, compare, promote
4. flows/forecast.py   the last three hours as they would have been forecast, then the next one
5. flows/score.py      compare the three with what happened
"""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import tomli_w

from flows.machine.environment import flow_environment
from tasks.errors import ConfigError, HistoryError
from tasks.settings.toml_file import load_settings
from tasks.settings.tree import Settings
from tasks.storage.roots import local_folder
from tasks.storage.store import Store
from tasks.tables import schemas
from tasks.tables.minutes import last_minute

if TYPE_CHECKING:
    from tasks.model.steps import RetrainReport

HOUR = np.timedelta64(60, "m")
SCORED_HOURS = 3
RECORDER_SECONDS = 2.5
"""The server of this command writes task runs down every second; it ends with the command."""
BASELINE = "weekday_mean"
"""The mean of the same weekdays before: what a person would guess."""


@dataclass(frozen=True)
class DemoReport:
    """What the demonstration found, and where it left what it made.

    Attributes:
        stations, days: of which minutes were ingested.
        minutes_until: UTC end of the last one.
        model: version that publishes, or the model of the ladder that stands in for it.
        verdict: the gate's verdict on the new version, or why nothing was trained.
        rmse, baseline_rmse: of a station's hour on the held-out days, in people, of the new version and of the mean of
            the same weekdays; None where nothing was trained.
        latest, board, picture: path of the published forecast, of the page that shows it, and of the picture of an hour
            that is over; `board` is None where the settings publish none.
        seconds: that all of it took.
    """

    data_root: str
    config: str
    stations: int
    days: int
    minutes_until: str
    model: str
    verdict: str
    rmse: float | None
    baseline_rmse: float | None
    latest: str
    board: str | None
    picture: str
    seconds: float


def write_config(
    sources: Sequence[str], timezone: str | None, interval: int | None, config: str | None, data_root: str | None
) -> tuple[Settings, str]:
    """Write the settings of a demonstration as `nexthour.toml` in its data root; returns them and the file's path.

    Raises:
        ConfigError: if a source is neither `simulate` nor a file, or the data root is no folder of this machine.
    """
    base = load_settings(config, None if config else data_root)
    tree = base.model_dump(mode="json", exclude_unset=True, exclude={"data_root"})
    if sources:
        tree["sources"] = [_source_of(text, i) for i, text in enumerate(sources)]
        files = [s["path"] for s in tree["sources"] if "path" in s]
        tree["network"] = {**tree.get("network", {}), **(_infer_network(files) if files else {})}
    network = tree.setdefault("network", {})
    if timezone:
        network["timezone"] = timezone
    if interval:
        network["interval_minutes"] = interval
    root = local_folder(data_root or base.data_root)
    if root is None:
        raise ConfigError(f"demo needs a folder of this machine as data root, not {data_root or base.data_root}")
    tree.setdefault("publish", {"targets": [*base.publish.targets, "board"]})
    Settings(**{**tree, "data_root": str(root)})
    Store(str(root)).write_bytes("nexthour.toml", _toml(tree).encode())
    path = str(root / "nexthour.toml")
    return load_settings(path, str(root)), path


def _source_of(text: str, number: int) -> dict[str, Any]:
    if text == "simulate":
        return {"name": "city", "kind": "simulate"}
    path = Path(text).expanduser().absolute()
    if not path.exists() and not any(c in text for c in "*?["):
        raise ConfigError(f"--source {text}: no such file; give a counts file, a glob, or simulate")
    return {"name": "counts" if number == 0 else f"counts{number + 1}", "kind": "counts", "path": str(path)}


def _infer_network(files: Sequence[str]) -> dict[str, Any]:
    """Interval and targets of the first file."""
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


def run(settings: Settings, config: str, say: Callable[[str], None]) -> DemoReport:
    """Run every flow of the loop against the data root; each is a run in Prefect, the training one in MLflow.

    Args:
        settings: what `write_config` returned.
        config: path of its TOML.
        say: is given one line before each part.
    """
    from flows.backfill import backfill
    from flows.features import features
    from flows.forecast import forecast
    from flows.retrain import retrain
    from flows.score import score

    started = time.monotonic()
    os.environ.update(flow_environment(config, settings.data_root))
    say("1/5 ingest: read the history")
    backfill()
    end = _end(settings)
    first = end - SCORED_HOURS * HOUR
    say("2/5 features: write the lag table of the last two days")
    features(as_of=_aware(end))
    say("3/5 retrain: train a network, compare it with the baselines on days it never saw")
    trained = retrain(as_of=_aware(first), return_state=True)
    say(f"4/5 forecast: the last {SCORED_HOURS} hours as they would have been forecast, then the next one")
    for hour in range(SCORED_HOURS + 1):
        forecast(as_of=_aware(first + hour * HOUR))
    say(f"5/5 score: compare the {SCORED_HOURS} hours with what happened")
    score(as_of=_aware(end))
    time.sleep(RECORDER_SECONDS)
    report: Any = trained.result()  # Prefect's types take the state that `retrain` returns for its result
    return _report(settings, config, end, report, str(trained.message), time.monotonic() - started)


def _report(
    settings: Settings,
    config: str,
    end: np.datetime64,
    trained: RetrainReport | None,
    verdict: str,
    seconds: float,
) -> DemoReport:
    """Draw the picture of the last hour that is over, and collect the report."""
    store = Store(settings.data_root)
    over, published = _forecasts(store, end - HOUR), _forecasts(store, end)
    store.write_bytes("forecast.png", _picture(settings, over))
    rmse = {row["model"]: row.get("rmse_hour") for row in trained.metrics} if trained else {}
    stations = set(published["station_id"].unique().to_pylist()) - {settings.network.total}
    return DemoReport(
        data_root=settings.data_root,
        config=config,
        stations=len(stations),
        days=len(store.partitions("minutes")),
        minutes_until=f"{end}Z",
        model=published["model_version"][0].as_py(),
        verdict=verdict,
        rmse=rmse.get("challenger"),
        baseline_rmse=rmse.get(BASELINE),
        latest=store.url("publications/latest.json"),
        board=store.url("publications/board/index.html") if "board" in settings.publish.targets else None,
        picture=store.url("forecast.png"),
        seconds=round(seconds, 1),
    )


def _forecasts(store: Store, origin: np.datetime64) -> pa.Table:
    """Rows of the forecasts table that were made at `origin`."""
    made_then = pc.field("origin_utc") == schemas.to_time(origin)
    rows: pa.Table = store.read_tables(store.files("forecasts", ".parquet"), schemas.FORECASTS, made_then)
    return rows


def _picture(settings: Settings, rows: pa.Table) -> bytes:
    """The busiest station's hour in the forecasts of one origin, against what then happened."""
    from tasks.model.steps import draw_forecast_hour

    counted = (pc.field("target") == settings.network.targets[0]) & (
        pc.field("station_id") != (settings.network.total or "")
    )
    people = rows.filter(counted).group_by("station_id").aggregate([("mean", "sum")])
    busiest = people.sort_by([("mean_sum", "descending")])["station_id"][0].as_py()
    return draw_forecast_hour(settings, rows, busiest, settings.network.targets[0])


def _end(settings: Settings) -> np.datetime64:
    last = last_minute(Store(settings.data_root), settings.network.targets)
    if last is None:
        raise HistoryError("nothing was ingested: every row was rejected or the source is empty; see the rejects")
    return np.datetime64(last + np.timedelta64(settings.network.interval_minutes, "m"))


def _aware(moment: np.datetime64) -> datetime:
    naive: datetime = moment.astype("datetime64[s]").item()
    return naive.replace(tzinfo=UTC)
