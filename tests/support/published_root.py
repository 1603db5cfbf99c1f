"""A small data root with everything that the reading interface reads."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa

from support.small_publications import TARGETS, publication
from tasks.contracts import Publication
from tasks.publish.steps import publish
from tasks.settings.tree import Settings
from tasks.storage.store import Store
from tasks.tables import schemas

NOW = np.datetime64("2024-03-05T09:10", "s")
KEY = "planted-key-of-the-tests"


def settings_of(folder: Path | str, **serve: Any) -> Settings:
    """A network of quarter hours in Chicago."""
    network: Any = {"name": "Metro", "timezone": "America/Chicago", "interval_minutes": 15}
    targets: Any = {"targets": ["latest_json", "day"]}
    return Settings(data_root=str(folder), network=network, serve=serve, publish=targets)


def fill(settings: Settings, stations: int = 3) -> None:
    """Publish forecasts from 09:00Z and 09:05Z, and store a morning of minutes, the forecasts, and scores."""
    for after in (0, 5):
        issue = publication(after, stations)
        publish(settings, "latest_json", issue)
        publish(settings, "day", with_day(issue))
        keep(settings, issue)
    store, names = Store(settings.data_root), [f"s{i}" for i in range(stations)]
    minutes = np.arange("2024-03-05T06:00", "2024-03-05T09:00", 15, dtype="datetime64[m]")
    rows = pa.table(
        {
            "station_id": np.repeat(names, len(minutes)),
            "minute_utc": schemas.time_array(np.tile(minutes, stations)),
            **{target: np.arange(stations * len(minutes), dtype=np.int32) for target in TARGETS},
        }
    )
    store.write_table(schemas.minutes_file("2024-03-05"), rows.cast(schemas.minutes(TARGETS)))
    score = dict.fromkeys(schemas.SCORES.names) | {"station_id": "s1", "target": "exits", "band": "1-15"}
    moment = schemas.to_time(np.datetime64("2024-03-05T08:00")).as_py()
    scores = [score | {"origin_utc": moment, "issued_at": moment, "absolute_error": 1.5}]
    path = f"{schemas.day_folder('scores', '2024-03-05')}/part.parquet"
    store.write_table(path, pa.Table.from_pylist(scores, schema=schemas.SCORES))


def keep(settings: Settings, issue: Publication) -> None:
    """Put an issue into the forecasts table, as the forecast flow does."""
    stamp = str(issue.summary["issued_at"]).replace("-", "").replace(":", "")
    path = f"forecasts/service_date={issue.summary['origin_local'][:10]}/{stamp}-01234567.parquet"
    Store(settings.data_root).write_table(path, issue.forecasts)


def with_day(issue: Publication) -> Publication:
    """The same publication with a day of one bin per station and target."""
    hours = issue.stations.select(["station_id", "target", "usual"])
    moment = schemas.to_time(np.datetime64("2024-03-05T14:00"))
    rows = [{**row, "minute_utc": moment.as_py(), "kind": "rest_of_day"} for row in hours.to_pylist()]
    day = pa.Table.from_pylist(rows, schema=schemas.DAY_SERIES)
    return Publication(issue.forecasts, issue.summary, issue.stations, lambda: day)
