"""`publications/latest.json`: the newest forecast in one file, as `latest.schema.json` describes it."""

from __future__ import annotations

import logging
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
from pydantic_core import from_json, to_json

from tasks.arrays import QUANTILE_COLUMNS
from tasks.contracts import Publication
from tasks.errors import StoreError
from tasks.publish._newest import holds_later
from tasks.settings.levels import LevelSettings
from tasks.settings.tree import Settings
from tasks.stations.load import station_table
from tasks.stations.table import NO_STATIONS, StationTable
from tasks.storage.store import Store
from tasks.tables import schemas

log = logging.getLogger(__name__)

PATH = "publications/latest.json"
SCHEMA_VERSION = 1
HEAD = 4096
"""Bytes of a file that say of which moment it is, unless a name is very long."""
DECIMALS = 3
MOST_STATIONS = 1000
"""Above it the file carries `FEW_QUANTILES` and no sentences, which makes it 3 kB per station instead of 7."""
FEW_QUANTILES = ("q05", "q50", "q95")
LEVEL_DECIMALS = {
    "level": 0,
    "hour": 1,
    "low": 0,
    "high": 0,
    "usual": 1,
    "percent_of_usual": 1,
    "record": 0,
    "percent_of_record": 1,
    "percent_of_capacity": 1,
    "level_factor": 4,
    "channels_factor": 4,
    "model_factor": 4,
    "override_factor": 4,
}
"""Columns of `tables.STATION_LEVELS` that the file carries, and the decimals of each."""
ALERT_FIELDS = (
    *("signal", "station_id", "target", "state", "opened_at", "strength", "threshold", "forecast", "value", "sentence"),
)
FROM_SUMMARY = (
    "network",
    "timezone",
    "issued_at",
    "issued_local",
    "origin_utc",
    "origin_local",
    "interval_minutes",
    "model_version",
    "degraded_reason",
)


class LatestJson:
    """Replaces the file whole, never by an older forecast; implements `contracts.Target`."""

    name = "latest_json"

    def __init__(self, settings: Settings) -> None:
        self._store, self._settings = Store(settings.data_root), settings

    def publish(self, publication: Publication) -> str:
        """Write the file, unless it holds a forecast of a later hour; returns its path or URL.

        Raises:
            StoreError: if it cannot be written.
        """
        summary = publication.summary
        document = latest_document(publication, self._settings.levels, station_table(self._settings))
        content = to_json(document)
        with self._store.lock("latest-json"):
            published = self._published_origin()
            if holds_later(published, summary):
                kept = f"{self._store.url(PATH)} stays as it is: it holds a later forecast, of {published[0]}"
                log.warning("%s", kept)
                return kept
            self._store.write_bytes(PATH, content)
        return self._store.url(PATH)

    def _published_origin(self) -> tuple[str, str]:
        """Origin and moment of the forecast in the file; blanks where there is none that can be read."""
        try:
            content = self._store.read_bytes(PATH) or b""
            held = from_json(content[:HEAD], allow_partial=True)
            if "origin_utc" not in held or "issued_at" not in held:
                held = from_json(content)
            return str(held["origin_utc"]), str(held["issued_at"])
        except (StoreError, KeyError, TypeError, ValueError):
            return "", ""


TARGET = LatestJson


def latest_document(
    publication: Publication,
    levels: LevelSettings | None = None,
    stations: StationTable = NO_STATIONS,
    most_stations: int = MOST_STATIONS,
) -> dict[str, Any]:
    """The document of one issue; numbers in people per interval, rounded to three decimals.

    Args:
        publication: where its summary names a `total`, its rows are `totals`: without closed stations.
        levels: what the levels compare with, and their names.
        stations: names and places, of which those of the stations that are forecast are carried.
        most_stations: above it only `FEW_QUANTILES` are carried, and no sentences.

    Raises:
        StoreError: if a forecast is not a number.
    """
    forecasts, summary = publication.forecasts, publication.summary
    station, names = schemas.name_codes(forecasts["station_id"])
    target, targets = schemas.name_codes(forecasts["target"])
    horizon = forecasts["horizon_minutes"].to_numpy()
    order = np.lexsort((horizon, target, station))
    columns = ("mean", *(QUANTILE_COLUMNS if len(names) <= most_stations else FEW_QUANTILES))
    shape = (len(names), len(targets), -1)
    values = {name: forecasts[name].to_numpy()[order].astype(np.float64).reshape(shape) for name in columns}
    if not all(np.isfinite(value).all() for value in values.values()):
        raise StoreError("latest.json stays as it is: a forecast is not a number, which JSON cannot hold")
    parts = [s for s, name in enumerate(names) if name != summary.get("total")]
    own = [s for s in range(len(names)) if s not in parts]
    totals = {k: value[own[0]] for k, value in values.items()} if own else {"mean": values["mean"].sum(axis=0)}
    rounded = {name: _round(value) for name, value in values.items()}  # one by one they take ten times as long
    known = {names[s]: facts for s in parts if (facts := stations.find(names[s]).known())}
    return {
        "schema_version": SCHEMA_VERSION,
        **{key: summary[key] for key in FROM_SUMMARY},
        "horizon_minutes": np.unique(horizon).tolist(),
        "quantiles": list(columns[1:]),
        "totals": {
            t: {key: _round(totals[key][c]) for key in totals} | {"hour": _round(totals["mean"][c].sum())}
            for c, t in enumerate(targets)
        },
        "stations": {
            names[s]: {t: {key: rounded[key][s][c] for key in columns} for c, t in enumerate(targets)} for s in parts
        },
        **({"station_information": known} if known else {}),
        "next_issue_at": summary["next_issue_at"],
        "alerts": [{key: alert[key] for key in ALERT_FIELDS} for alert in summary.get("alerts") or ()],
        **_levels(publication.stations, levels or LevelSettings(), sentences=len(names) <= most_stations),
    }


def _levels(stations: pa.Table, settings: LevelSettings, sentences: bool) -> dict[str, Any]:
    """The fields on levels: what they are, and station_id -> target -> what is known of the hour."""
    names = [name for name in (*LEVEL_DECIMALS, *(["why"] if sentences else [])) if name in stations.column_names]
    found: dict[str, dict[str, Any]] = {}
    for row in stations.select(["station_id", "target", *names]).to_pylist():
        known = {name: row[name] for name in names if row[name] is not None}
        rounded = {name: round(v, LEVEL_DECIMALS[name]) if name in LEVEL_DECIMALS else v for name, v in known.items()}
        found.setdefault(row["station_id"], {})[row["target"]] = rounded
    means = {"by": settings.by, "thresholds": list(settings.limits), "names": list(settings.labels)}
    return {"level_scale": means, "levels": found}


def _round(values: npt.NDArray[np.float64] | np.float64) -> Any:
    return np.round(values, DECIMALS).tolist()
